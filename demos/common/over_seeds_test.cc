#include "demos/common/over_seeds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace equipoise::demos {
namespace {

TEST(OverSeeds, KnowsStudentsDistribution) {
  EXPECT_NEAR(student_t(1), std::tan(0.475 * std::numbers::pi), 1e-12);
  // P(|t| <= x) = x / sqrt(2 + x^2) for two degrees.
  EXPECT_NEAR(student_t(2), std::sqrt(2 * 0.9025 / (1 - 0.9025)), 1e-12);
  // Printed tables, three digits behind the point.
  EXPECT_NEAR(student_t(3), 3.182, 5e-4);
  EXPECT_NEAR(student_t(4), 2.776, 5e-4);
  EXPECT_NEAR(student_t(9), 2.262, 5e-4);
  EXPECT_NEAR(student_t(10), 2.228, 5e-4);
  EXPECT_NEAR(student_t(30), 2.042, 5e-4);
  EXPECT_NEAR(student_t(1000), 1.962, 5e-4);
}

TEST(OverSeeds, HasTheMeanWithItsInterval) {
  const auto interval = mean_over_seeds(std::vector<double>{1, 2, 6});
  ASSERT_TRUE(interval);
  EXPECT_DOUBLE_EQ(interval->estimate, 3);
  const double half = student_t(2) * std::sqrt(7.0 / 3);  // s^2 = (4 + 1 + 9) / 2
  EXPECT_NEAR(interval->lower, 3 - half, 1e-12);
  EXPECT_NEAR(interval->upper, 3 + half, 1e-12);
}

TEST(OverSeeds, SaysNothingOfOneSeed) {
  EXPECT_FALSE(mean_over_seeds(std::vector<double>{1}));
  EXPECT_FALSE(mean_over_seeds({}));
}

}  // namespace
}  // namespace equipoise::demos
