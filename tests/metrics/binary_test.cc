#include "equipoise/metrics/binary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace equipoise {
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
}  // namespace equipoise
