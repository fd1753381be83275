#include "equipoise/calibrate/sigmoid_offset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "equipoise/reduction/group_dro.h"
#include "equipoise/view.h"
#include "tests/support/errors.h"

namespace equipoise::calibrate {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using Numbers = std::vector<double>;

// The gradient of the expected loss vanishes where the sigmoid of logit + offset is the
// probability of the label.
TEST(LogitOffset, OfASigmoidLossGivesTheProbabilities) {
  SigmoidLoss<> loss;
  loss.pos_weight = {4, 1, 0.25};
  loss.positive_weight = 0.75;
  loss.negative_weight = 0.5;
  loss.shift = {0.5, -1, 0};
  const Numbers offset = logit_offset(loss, 3);
  const Numbers p = {0.1, 0.3, 0.9};
  Numbers logits;
  for (std::size_t l = 0; l < 3; ++l) {
    logits.push_back(std::log(p[l] / (1 - p[l])) - offset[l]);
  }
  Numbers gradient(3);
  // Targets between 0 and 1 count as that much of a positive: they make the loss its expectation.
  value_and_gradient(loss, MatrixView<const double>(logits.data(), 1, 3),
                     MatrixView<const double>(p.data(), 1, 3), {},
                     MatrixView<double>(gradient.data(), 1, 3));
  for (const double slope : gradient) EXPECT_NEAR(slope, 0, 1e-15);
  EXPECT_EQ(logit_offset(SigmoidLoss<>(), 2), (Numbers{0, 0}));
}

TEST(LogitOffset, RefusesSigmoidLossesWithoutOne) {
  const auto error = [](const SigmoidLoss<>& loss) {
    return error_of([&] { logit_offset(loss, 2); });
  };
  SigmoidLoss<> loss;
  loss.negative_scale = 2;
  EXPECT_THAT(error(loss), HasSubstr("logit_offset(): a negative_scale other than 1 has no logit"));
  loss = {};
  loss.rebalance.counts = {1, 2};
  EXPECT_THAT(error(loss), HasSubstr("logit_offset(): a rebalancing by counts has no logit"));
  loss = {};
  loss.pos_weight = {1};
  EXPECT_THAT(error(loss), HasSubstr("loss.pos_weight.size() = 1, expected 2 (labels)"));
  loss.pos_weight = {1, 0};
  EXPECT_THAT(error(loss), HasSubstr("loss.pos_weight[1] = 0, expected a finite number > 0"));
  loss = {};
  loss.positive_weight = -1;
  EXPECT_THAT(error(loss), HasSubstr("loss.positive_weight = -1, expected a finite number > 0"));
  loss = {};
  loss.shift = {0, detail::quiet_nan()};
  EXPECT_THAT(error(loss), HasSubstr("loss.shift[1] = nan, expected a finite number"));
}

template <class R>
std::string refusal() {
  return error_of([] { logit_offset(SigmoidLoss<BinaryCrossEntropy, R>(), 2); });
}

TEST(LogitOffset, RefusesReductionsThatReweigh) {
  EXPECT_EQ(refusal<SumOverRows>(), "nothing was thrown");
  EXPECT_THAT(refusal<MeanPerGroup>(),
              HasSubstr("a reduction other than MeanByCount and SumOverRows has"));
  EXPECT_THAT(refusal<GroupDro>(), HasSubstr("a reduction other"));
  EXPECT_THAT(refusal<MeanByWeight>(), HasSubstr("a reduction other"));
  EXPECT_THAT(refusal<MeanPerClass>(), HasSubstr("a reduction other"));
  EXPECT_THAT(refusal<MeanByPositives>(), HasSubstr("a reduction other"));
}

}  // namespace
}  // namespace equipoise::calibrate
