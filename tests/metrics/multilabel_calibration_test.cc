#include "equipoise/metrics/multilabel_calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "equipoise/metrics/calibration.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using Numbers = std::vector<double>;
using Bits = std::vector<int>;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

template <class T>
MatrixView<const T> rows_of(const std::vector<T>& values, std::size_t labels) {
  return {values.data(), values.size() / labels, labels};
}

TEST(MultiLabelCalibration, ByHand) {
  // Label 0: .9 true, .4 false, .2 false; label 1: .6 false, .8 true, one left out.
  MultiLabelCalibration calibration(2, 2);
  calibration.add(rows_of(Numbers{0.9, 0.6, 0.4, 0.8, 0.2, 0.5}, 2),
                  rows_of(Bits{1, 0, 0, 1, 0, -1}, 2), -1);
  EXPECT_EQ(calibration.total(0), 3);
  EXPECT_EQ(calibration.total(1), 2);
  EXPECT_NEAR(calibration.ece(0), (std::fabs(1 - 0.9) + std::fabs(0 - 0.6)) / 3, 4 * kEpsilon);
  EXPECT_NEAR(calibration.ece(1), std::fabs(1 - 1.4) / 2, 4 * kEpsilon);
  EXPECT_NEAR(calibration.label_wise_ece(), (calibration.ece(0) + calibration.ece(1)) / 2,
              kEpsilon);
  EXPECT_NEAR(calibration.nll(1), -(std::log(0.4) + std::log(0.8)) / 2, 4 * kEpsilon);
  EXPECT_NEAR(calibration.nll(),
              -(std::log(0.9) + std::log(0.6) + std::log(0.8) + std::log(0.4) + std::log(0.8)) / 5,
              4 * kEpsilon);
  EXPECT_NEAR(calibration.brier(0), (0.01 + 0.16 + 0.04) / 3, 4 * kEpsilon);
  EXPECT_NEAR(calibration.brier(), (0.01 + 0.16 + 0.04 + 0.36 + 0.04) / 5, 4 * kEpsilon);
  EXPECT_EQ(calibration.bin(0, 0).count, 2);
  EXPECT_NEAR(calibration.bin(1, 1).confidence, 0.7, kEpsilon);
  EXPECT_EQ(calibration.bin(1, 1).frequency, 0.5);
}

TEST(MultiLabelCalibration, AveragesByARuleForWhatIsAbsent) {
  // Of label 1 nothing is decided, no row has label 2.
  MultiLabelCalibration calibration(3);
  calibration.add(rows_of(Numbers{0.9, 0.5, 0.2, 0.4, 0.5, 0.3}, 3),
                  rows_of(Bits{1, -1, 0, 0, -1, 0}, 3), -1);
  const double sum = calibration.ece(0) + calibration.ece(2);
  EXPECT_TRUE(detail::is_nan(calibration.ece(1)));
  EXPECT_NEAR(calibration.label_wise_ece(), sum / 2, kEpsilon);
  EXPECT_NEAR(calibration.label_wise_ece(Absent::kZero), sum / 3, kEpsilon);
  EXPECT_NEAR(calibration.label_wise_ece(Absent::kOne), (sum + 1) / 3, kEpsilon);
  EXPECT_EQ(calibration.label_wise_ece(Absent::kSkipUnsupported), calibration.ece(0));
  EXPECT_TRUE(detail::is_nan(calibration.label_wise_ece(Absent::kNaN)));
}

TEST(MultiLabelCalibration, OfOneLabelIsThatOfItsClass) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const CounterRandom random{seed};
    Numbers p;
    Numbers pairs;
    Bits targets;
    const std::uint64_t rows = 1 + random.below(40, 0, 1);
    for (std::uint64_t i = 0; i < rows; ++i) {
      p.push_back(random.uniform(i, 2));
      pairs.insert(pairs.end(), {1 - p.back(), p.back()});
      targets.push_back(random.below(2, i, 3) == 0 ? 1 : 0);
    }
    MultiLabelCalibration whole(1);
    whole.add(rows_of(p, 1), rows_of(targets, 1));
    Calibration classes(2);
    classes.add(rows_of(pairs, 2), targets);
    const double bound = 16 * kEpsilon * static_cast<double>(rows);
    EXPECT_NEAR(whole.ece(0), classes.ece(1), bound);
    EXPECT_NEAR(whole.nll(), classes.nll(), bound);
    EXPECT_NEAR(whole.brier(), classes.brier() / 2, bound);
    // In two parts, the second first.
    const std::size_t cut = seed % (rows + 1);
    MultiLabelCalibration merged;
    for (const bool second : {true, false}) {
      MultiLabelCalibration part(1);
      const std::size_t begin = second ? cut : 0;
      const std::size_t count = second ? rows - cut : cut;
      part.add(rows_of(p, 1).middle_rows(begin, count),
               rows_of(targets, 1).middle_rows(begin, count));
      merged += part;
    }
    EXPECT_EQ(merged.total(0), whole.total(0));
    EXPECT_NEAR(merged.ece(0), whole.ece(0), bound);
    EXPECT_NEAR(merged.nll(), whole.nll(), bound);
  }
}

TEST(MultiLabelCalibration, WithoutRowsIsUndefinedAndTheImpossibleInfinite) {
  for (MultiLabelCalibration calibration : {MultiLabelCalibration(), MultiLabelCalibration(2)}) {
    EXPECT_TRUE(detail::is_nan(calibration.nll()));
    EXPECT_TRUE(detail::is_nan(calibration.brier()));
    EXPECT_TRUE(detail::is_nan(calibration.label_wise_ece()));
  }
  MultiLabelCalibration calibration(1);
  calibration.add(rows_of(Numbers{0, 1}, 1), rows_of(Bits{0, 1}, 1));
  EXPECT_EQ(calibration.nll(), 0);
  calibration.add(rows_of(Numbers{1}, 1), rows_of(Bits{0}, 1));
  EXPECT_EQ(calibration.nll(), detail::infinity());
}

TEST(MultiLabelCalibration, RefusesBadInputAndStaysAsItWas) {
  MultiLabelCalibration calibration(2);
  const auto error = [&](const Numbers& p, const Bits& targets) {
    return error_of([&] { calibration.add(rows_of(p, 2), rows_of(targets, 2)); });
  };
  EXPECT_EQ(error({0.5, 1.5}, {0, 1}),
            "MultiLabelCalibration::add(): probabilities(0, 1) = 1.5, expected a number in [0, 1]");
  EXPECT_THAT(error({0.5, detail::quiet_nan()}, {0, 1}), HasSubstr("= nan"));
  EXPECT_EQ(error({0.5, 0.5}, {0, 2}),
            "MultiLabelCalibration::add(): targets(0, 1) = 2, expected 0 or 1");
  EXPECT_EQ(error({0.5, 0.5}, {0, 1, 1, 1}),
            "MultiLabelCalibration::add(): targets.rows = 2, expected 1 (rows of probabilities)");
  EXPECT_THAT(error_of([&] { calibration += MultiLabelCalibration(2, 7); }),
              HasSubstr("expected 15 (bins on the left)"));
  EXPECT_EQ(calibration, MultiLabelCalibration(2));
}

}  // namespace
}  // namespace equipoise::metrics
