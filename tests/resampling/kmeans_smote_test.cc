#include "equipoise/resampling/kmeans_smote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

// Class 1 in cluster 0 at distances 1, 2 and 1; in cluster 1 at 3, 6 and 3; in cluster 2 two rows,
// and in cluster 3 one of four.
const std::vector<double> kValues = {0, 1, 2, 10, 13, 16, 30, 31, 40, 41, 42, 43, 11, 12};
const std::vector<int> kLabels = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0};
const std::vector<int> kClusters = {0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 1, 1};
const MatrixView<const double> kRows(kValues.data(), 14, 1);
const std::vector<std::uint64_t> kTargets = {5, 19};

TEST(KMeansSmote, MakesMoreRowsInSparserClusters) {
  const auto groups = KMeansSmote{.exponent = 1}(kRows, kLabels, kClusters, kTargets);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_THAT(groups[0].bases, ElementsAre(0, 1, 2));
  EXPECT_THAT(groups[0].neighbours, ElementsAre(1, 2, 0, 2, 1, 0));
  EXPECT_THAT(groups[1].bases, ElementsAre(3, 4, 5));
  EXPECT_EQ(groups[0].rows, 3u);  // 10 in the proportion of 1 to 3, rounded up
  EXPECT_EQ(groups[1].rows, 8u);
  const auto squared = KMeansSmote{.exponent = 2}(kRows, kLabels, kClusters, kTargets);
  EXPECT_EQ(squared[0].rows, 1u);
  EXPECT_EQ(squared[1].rows, 9u);
}

TEST(KMeansSmote, LeavesClustersOfOthersOut) {
  const auto groups =
      KMeansSmote{.threshold = 0.7, .exponent = 1}(kRows, kLabels, kClusters, kTargets);
  ASSERT_EQ(groups.size(), 1u);  // in cluster 1 three of five
  EXPECT_EQ(groups[0].rows, 10u);
}

TEST(KMeansSmote, SharesOutEquallyWhereNoClusterIsSparse) {
  const std::vector<double> values(14, 1.0);
  const MatrixView<const double> rows(values.data(), 14, 1);
  const auto groups = KMeansSmote{}(rows, kLabels, kClusters, kTargets);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].rows, 5u);
  EXPECT_EQ(groups[1].rows, 5u);
}

// Powers that no double holds, of distances in the proportion of 1 to 3.
TEST(KMeansSmote, SharesOutWherePowersLeaveTheRange) {
  for (const double scale : {1e-140, 1e-30, 1.0, 1e30, 1e140}) {
    std::vector<double> values = kValues;
    for (double& value : values) value *= scale;
    const MatrixView<const double> rows(values.data(), 14, 1);
    const auto shares = [&](double exponent) {
      const auto groups = KMeansSmote{.exponent = exponent}(rows, kLabels, kClusters, kTargets);
      return std::vector<std::uint64_t>{groups[0].rows, groups[1].rows};
    };
    EXPECT_THAT(shares(400), ElementsAre(1, 10)) << scale;
    EXPECT_THAT(shares(2.5), ElementsAre(1, 10)) << scale;
    EXPECT_THAT(shares(0), ElementsAre(5, 5)) << scale;
  }
}

// Rows that are equal have no share, whatever the others' powers are.
TEST(KMeansSmote, LeavesEqualRowsOutBesideHugePowers) {
  std::vector<double> values = kValues;
  for (double& value : values) value *= 1e12;
  values[0] = values[1] = values[2];
  const MatrixView<const double> rows(values.data(), 14, 1);
  const auto groups = KMeansSmote{.exponent = 100}(rows, kLabels, kClusters, kTargets);
  EXPECT_EQ(groups[0].rows, 0u);
  EXPECT_EQ(groups[1].rows, 10u);
}

TEST(KMeansSmote, TakesHighClusterNumbers) {
  std::vector<int> clusters = kClusters;
  for (int& cluster : clusters) cluster = 0x7fffffff - 5 * cluster;
  const auto groups = KMeansSmote{.exponent = 1}(kRows, kLabels, clusters, kTargets);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_THAT(groups[0].bases, ElementsAre(3, 4, 5));
  EXPECT_THAT(groups[1].bases, ElementsAre(0, 1, 2));
}

TEST(KMeansSmoteErrors, NameWhatIsWrong) {
  const auto message = [](const KMeansSmote& policy, const std::vector<int>& clusters) {
    return error_of([&] { policy(kRows, kLabels, clusters, kTargets); });
  };
  EXPECT_EQ(
      message({.k = 3}, kClusters),
      "KMeansSmote(): clusters to make rows of class 1 in = 0, expected at least 1, with more "
      "than k = 3 rows of the class and a fraction of 0.5");
  EXPECT_EQ(message({}, std::vector<int>(13)),
            "KMeansSmote(): clusters.size() = 13, expected 14 (rows)");
  EXPECT_EQ(message({}, std::vector<int>(14, -1)),
            "KMeansSmote(): clusters[0] = -1, expected a number in [0, 2^31)");
  EXPECT_EQ(message({.threshold = 2}, kClusters),
            "KMeansSmote(): threshold = 2, expected a number in [0, 1]");
  EXPECT_EQ(message({.exponent = -1}, kClusters),
            "KMeansSmote(): exponent = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::resampling
