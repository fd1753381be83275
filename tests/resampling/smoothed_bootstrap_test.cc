#include "equipoise/resampling/smoothed_bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smote.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

static_assert(OversamplingPolicy<Bootstrap>);

const std::vector<double> kValues = {1, 10, 3, 10, 5, 40, 0, 0, 7, 2, 9, 1};
const std::vector<int> kLabels = {1, 1, 1, 0, 2, 2};
const MatrixView<const double> kRows(kValues.data(), 6, 2);

TEST(Bootstrap, RepeatsRows) {
  const auto groups = Bootstrap{}(kRows, kLabels, std::vector<std::uint64_t>{3, 3, 4});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_THAT(groups[0].bases, ElementsAre(3));
  EXPECT_EQ(groups[0].rows, 2u);
  EXPECT_THAT(groups[1].bases, ElementsAre(4, 5));
  EXPECT_EQ(groups[1].k, 0u);
}

TEST(BootstrapNoise, HasSilvermansBandwidth) {
  const BootstrapNoise noise(kRows, kLabels, 3, 1, 0.5);
  const double of_three = 0.5 * std::pow(1.0 / 3, 1.0 / 6);  // (4 / (4 * 3))^(1 / 6)
  EXPECT_NEAR(noise.scale(1, 0), of_three * 2, 1e-15);
  EXPECT_NEAR(noise.scale(1, 1), of_three * std::sqrt(300.0), 1e-14);
  EXPECT_EQ(noise.scale(0, 0), 0);  // one row
}

// Kolmogorov & Smirnov against the normal distribution; as RecipeStream's test.
TEST(BootstrapNoise, IsNormal) {
  const BootstrapNoise noise(kRows, kLabels, 3, 7);
  constexpr std::size_t kDraws = 20000;
  std::vector<double> values(kDraws * 2);
  const std::vector<int> labels(kDraws, 1);
  noise.add(0, labels, MatrixView<double>(values.data(), kDraws, 2));
  for (std::size_t column = 0; column < 2; ++column) {
    std::vector<double> scaled;
    for (std::size_t i = 0; i < kDraws; ++i) {
      scaled.push_back(values[2 * i + column] / noise.scale(1, column));
    }
    std::sort(scaled.begin(), scaled.end());
    double deviation = 0;
    for (std::size_t i = 0; i < kDraws; ++i) {
      const double below = 0.5 * std::erfc(-scaled[i] / std::sqrt(2.0));
      deviation = std::max(deviation, std::fabs(below - (static_cast<double>(i) + 0.5) / kDraws));
    }
    EXPECT_LT(deviation, 2.23 / std::sqrt(kDraws));
  }
  double product = 0;
  for (std::size_t i = 0; i < kDraws; ++i) {
    product += values[2 * i] * values[2 * i + 1] / noise.scale(1, 0) / noise.scale(1, 1);
  }
  EXPECT_LT(std::fabs(product), 4 * std::sqrt(kDraws));
}

TEST(BootstrapNoise, DependsOnThePositionAlone) {
  const BootstrapNoise noise(kRows, kLabels, 3, 7);
  std::vector<double> all(12 * 2);
  const std::vector<int> labels(12, 2);
  noise.add(100, labels, MatrixView<double>(all.data(), 12, 2));
  std::vector<double> every_third(4 * 2);
  noise.add(101, std::vector<int>(4, 2), MatrixView<double>(every_third.data(), 4, 2), 3);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(every_third[2 * i], all[2 * (1 + 3 * i)]);
    EXPECT_EQ(every_third[2 * i + 1], all[2 * (1 + 3 * i) + 1]);
  }
}

TEST(BootstrapNoiseErrors, NameWhatIsWrong) {
  EXPECT_EQ(error_of([] { BootstrapNoise(kRows, kLabels, 3, 1, -1); }),
            "BootstrapNoise(): shrinkage = -1, expected a finite number >= 0");
  const BootstrapNoise noise(kRows, kLabels, 3, 1);
  std::vector<double> values(4);
  const MatrixView<double> out(values.data(), 2, 2);
  EXPECT_EQ(error_of([&] { noise.add(0, std::vector<int>{1}, out); }),
            "BootstrapNoise::add(): labels.size() = 1, expected 2 (rows of out)");
  EXPECT_EQ(error_of([&] {
              noise.add(0, std::vector<int>{1, 3}, out);
            }),
            "BootstrapNoise::add(): labels[1] = 3, expected a class");
  EXPECT_EQ(error_of([&] {
              noise.add(0, std::vector<int>{-1, 1}, out);
            }),
            "BootstrapNoise::add(): labels[0] = -1, expected a class");
  EXPECT_EQ(error_of([&] {
              noise.add(0, std::vector<int>{1, 1, 1, 1}, MatrixView<double>(values.data(), 4, 1));
            }),
            "BootstrapNoise::add(): out.cols = 1, expected 2 (columns)");
}

}  // namespace
}  // namespace equipoise::resampling
