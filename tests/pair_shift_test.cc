#include "equipoise/pair_shift.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "equipoise/loss/softmax.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// The loss of one row.
template <class Loss>
double loss_of(const Loss& loss, const std::vector<double>& logits, int target) {
  return value(loss, MatrixView<const double>(logits.data(), 1, logits.size()),
               std::vector<int>{target});
}

// By hand: costs ln 2 and ln 3 for taking class 0 for the others, so that at equal logits
// p_0 = 1 / (1 + 2 + 3).
TEST(PairShift, AddsTheTargetsRow) {
  SoftmaxLoss<> loss;
  loss.pair_shift.values = {0, std::log(2.0), std::log(3.0), 0, 0, 0, 0, 0, 0};
  EXPECT_NEAR(loss_of(loss, {0, 0, 0}, 0), std::log(6.0), 4 * kEpsilon);
  EXPECT_NEAR(loss_of(loss, {0, 0, 0}, 1), std::log(3.0), 4 * kEpsilon);
}

TEST(PairShift, IsOfTrainingAlone) {
  SoftmaxLoss<> loss;
  loss.pair_shift.values = {0, 5, 5, 0};
  EXPECT_EQ(evaluation(loss).pair_shift, PairShift{});
  EXPECT_NEAR(loss_of(evaluation(loss), {0, 0}, 0), std::log(2.0), 2 * kEpsilon);
}

// By hand. Target 0 with 16 samples, class 1 with 1: M = (1 / 16)^0.5 = 1/4. At logits (0, ln 4)
// class 1 has p = 4/5 against 1/5: K = 4^2 = 16. The shift is ln 4, so p_0 = 1 / (1 + 4 * 4).
TEST(Seesaw, MitigatesAndCompensates) {
  SoftmaxLoss<> loss;
  loss.seesaw = seesaw(ClassCounts(std::vector<double>{16, 1}), 0.5, 2.0);
  EXPECT_EQ(loss.seesaw.counts, (std::vector<double>{16, 1}));
  EXPECT_NEAR(loss_of(loss, {0, std::log(4.0)}, 0), std::log(17.0), 8 * kEpsilon);
  // The target is the rarer class and the likelier one: no shift.
  EXPECT_NEAR(loss_of(loss, {0, std::log(4.0)}, 1), std::log(1.25), 8 * kEpsilon);
}

TEST(Seesaw, TakesCountsBelowOneAsOne) {
  SoftmaxLoss<> loss;
  loss.seesaw.counts = {4, 0};
  SoftmaxLoss<> one = loss;
  one.seesaw.counts = {4, 1};
  EXPECT_EQ(loss_of(loss, {0.5, 0.25}, 0), loss_of(one, {0.5, 0.25}, 0));
}

TEST(PairShiftErrors, NameTheArgument) {
  const auto error = [](const auto& change) {
    SoftmaxLoss<> loss;
    change(loss);
    return error_of([&] { loss_of(loss, {0, 0}, 0); });
  };
  EXPECT_EQ(error([](auto& loss) {
              loss.pair_shift.values = {1, 2, 3};
            }),
            "value(): pair_shift.values.size() = 3, expected 4 (classes squared)");
  EXPECT_EQ(error([](auto& loss) {
              loss.pair_shift.values = {1, std::numeric_limits<double>::infinity(), 3, 4};
            }),
            "value(): pair_shift.values[1] = inf, expected a finite number");
  EXPECT_EQ(error([](auto& loss) {
              loss.seesaw.counts = {1, -1};
            }),
            "value(): seesaw.counts[1] = -1, expected a finite number >= 0");
  EXPECT_EQ(error([](auto& loss) {
              loss.seesaw.counts = {1, 1};
              loss.seesaw.least_probability = 0;
            }),
            "value(): seesaw.least_probability = 0, expected a number in (0, 1]");
}

}  // namespace
}  // namespace equipoise
