#include "equipoise/metrics/binary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

TEST(BinaryCounts, ByHand) {
  const BinaryCounts counts{6, 2, 4, 88};
  EXPECT_EQ(counts.total(), 100);
  EXPECT_EQ(counts.support(), 10);
  EXPECT_EQ(counts.predicted(), 8);
  EXPECT_EQ(counts.accuracy(), 0.94);
  EXPECT_EQ(counts.precision(), 0.75);
  EXPECT_EQ(counts.recall(), 0.6);
  EXPECT_EQ(counts.specificity(), 88.0 / 90);
  EXPECT_EQ(counts.f1(), 12.0 / 18);
  EXPECT_EQ(counts.f_beta(2), 30.0 / (30 + 4 * 4 + 2));
  EXPECT_EQ(counts.jaccard(), 0.5);
  EXPECT_DOUBLE_EQ(counts.mcc(), (6.0 * 88 - 2 * 4) / std::sqrt(10.0 * 8 * 90 * 92));
}

TEST(BinaryCounts, AddAndMerge) {
  BinaryCounts counts;
  for (const bool target : {false, true}) {
    for (const bool prediction : {false, true}) counts.add(target, prediction);
  }
  EXPECT_EQ(counts, (BinaryCounts{1, 1, 1, 1}));
  counts += {1, 2, 3, 4};
  EXPECT_EQ(counts, (BinaryCounts{2, 3, 4, 5}));
}

// Precision 3/4, recall 3/8.
TEST(BinaryCounts, FBetaGoesFromPrecisionToRecall) {
  const BinaryCounts counts{3, 1, 5, 0};
  const double kEpsilon = std::numeric_limits<double>::epsilon();
  EXPECT_EQ(counts.f_beta(0), 0.75);
  EXPECT_NEAR(counts.f_beta(0.5), 1.25 * 3 / (1.25 * 3 + 0.25 * 5 + 1), kEpsilon);
  EXPECT_NEAR(counts.f_beta(2), 5.0 * 3 / (5 * 3 + 4 * 5 + 1), kEpsilon);
  EXPECT_EQ(counts.f_beta(detail::infinity()), 0.375);
  EXPECT_EQ(counts.f_beta(1e200), 0.375);
  EXPECT_EQ(counts.f_beta(1e-200), 0.75);
  // Without targets there is no recall, whatever was predicted.
  EXPECT_EQ((BinaryCounts{0, 2, 0, 1}).f_beta(detail::infinity(), Absent::kOne), 1);
}

TEST(BinaryCounts, FBetaRefusesWhatIsNoBeta) {
  const BinaryCounts counts{3, 1, 5, 0};
  EXPECT_EQ(testing::error_of([&] { counts.f_beta(-1); }),
            "BinaryCounts::f_beta(): beta = -1, expected a number >= 0");
  EXPECT_EQ(testing::error_of([&] { counts.f_beta(detail::quiet_nan()); }),
            "BinaryCounts::f_beta(): beta = nan, expected a number >= 0");
  EXPECT_EQ(testing::error_of([&] { counts.f_beta(-detail::infinity()); }),
            "BinaryCounts::f_beta(): beta = -inf, expected a number >= 0");
}

// (3 x 2 - 1 x 5) / sqrt(8 x 3 x 4 x 7).
TEST(BinaryCounts, MccDoesNotDependOnTheScale) {
  const BinaryCounts counts{3, 1, 5, 2};
  EXPECT_NEAR(counts.mcc(), 1 / std::sqrt(8.0 * 3 * 4 * 7),
              4 * std::numeric_limits<double>::epsilon());
  EXPECT_EQ(counts.times(0x1p-565).mcc(), counts.mcc());
  EXPECT_EQ(counts.times(0x1p+531).mcc(), counts.mcc());
}

TEST(BinaryCounts, FiguresOfNothingFollowTheRule) {
  const BinaryCounts none;
  EXPECT_EQ(none.precision(), 0);
  EXPECT_EQ(none.recall(Absent::kOne), 1);
  EXPECT_TRUE(detail::is_nan(none.f1(Absent::kNaN)));
  EXPECT_TRUE(detail::is_nan(none.specificity(Absent::kNaN)));
  EXPECT_EQ(none.accuracy(), 0);
  EXPECT_EQ(none.jaccard(Absent::kOne), 1);
  EXPECT_EQ(none.mcc(), 0);
  // Only negatives, all right: there is no precision, recall or correlation.
  const BinaryCounts negatives{0, 0, 0, 5};
  EXPECT_TRUE(detail::is_nan(negatives.precision(Absent::kNaN)));
  EXPECT_EQ(negatives.specificity(), 1);
  EXPECT_EQ(negatives.mcc(), 0);
}

}  // namespace
}  // namespace equipoise::metrics
