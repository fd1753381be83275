#include "demos/common/uncertainty.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

#include "equipoise/metrics/bootstrap.h"

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

double macro_f1(const metrics::ConfusionMatrix& matrix) { return matrix.macro_f1(); }

struct Rows {
  std::vector<std::int64_t> targets{};
  std::vector<std::int64_t> predictions{};
};

Rows random_rows(std::size_t size, std::size_t classes, std::mt19937_64& random) {
  Rows rows;
  for (std::size_t r = 0; r < size; ++r) {
    rows.targets.push_back(static_cast<std::int64_t>(random() % classes));
    rows.predictions.push_back(random() % 2 == 0 ? rows.targets.back()
                                                 : static_cast<std::int64_t>(random() % classes));
  }
  return rows;
}

TEST(ResampledConfusion, IsTheMetricOfRepeatedRows) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 100; ++round) {
    const std::size_t classes = 2 + random() % 4;
    const Rows rows = random_rows(1 + random() % 20, classes, random);
    // Units of no to three rows, or rows alone.
    std::vector<std::size_t> starts;
    if (round % 2 == 0) {
      starts = {0};
      while (starts.back() < rows.targets.size()) {
        starts.push_back(std::min(starts.back() + random() % 4, rows.targets.size()));
      }
    }
    const std::size_t units = starts.empty() ? rows.targets.size() : starts.size() - 1;
    const auto metric =
        resampled_confusion(rows.targets, rows.predictions, classes, macro_f1, starts);
    for (int draw = 0; draw < 3; ++draw) {  // the same function again: nothing is left over
      std::vector<std::uint32_t> times;
      metrics::ConfusionMatrix repeated(classes);
      for (std::size_t u = 0; u < units; ++u) {
        times.push_back(static_cast<std::uint32_t>(random() % 3));
        const std::size_t begin = starts.empty() ? u : starts[u];
        const std::size_t end = starts.empty() ? u + 1 : starts[u + 1];
        for (std::uint32_t k = 0; k < times.back(); ++k) {
          for (std::size_t r = begin; r < end; ++r) {
            repeated.add(rows.targets[r], rows.predictions[r]);
          }
        }
      }
      EXPECT_EQ(metric(times), repeated.macro_f1()) << round;
    }
  }
}

TEST(ResampledConfusion, CopiesDoNotDisturbEachOther) {
  const std::vector<std::int64_t> targets = {0, 1, 1};
  const std::vector<std::int64_t> predictions = {0, 1, 0};
  const auto first = resampled_confusion(
      targets, predictions, 2, [](const metrics::ConfusionMatrix& m) { return m.accuracy(); });
  const auto second = first;
  EXPECT_DOUBLE_EQ(first(std::vector<std::uint32_t>{1, 1, 1}), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(second(std::vector<std::uint32_t>{0, 0, 1}), 0);
  EXPECT_DOUBLE_EQ(first(std::vector<std::uint32_t>{2, 1, 3}), 0.5);
}

TEST(ResampledConfusion, GivesTheIntervalOfThePairedBootstrap) {
  std::mt19937_64 random(2);
  const Rows rows = random_rows(60, 3, random);
  std::vector<std::int64_t> others = rows.predictions;
  for (std::size_t r = 0; r < 60; r += 4) others[r] = rows.targets[r];
  const auto a = resampled_confusion(rows.targets, others, 3, macro_f1);
  const auto b = resampled_confusion(rows.targets, rows.predictions, 3, macro_f1);
  const metrics::BootstrapOptions options{
      .resamples = 200, .resampling = metrics::Resampling::kRows, .pseudo_rows = 0};
  const metrics::Interval own = metrics::bootstrap(
      60, [&](std::span<const std::uint32_t> times) { return a(times) - b(times); }, options);
  EXPECT_EQ(
      own, metrics::paired_bootstrap(rows.targets, others, rows.predictions, 3, macro_f1, options));
}

}  // namespace
}  // namespace equipoise::demos
