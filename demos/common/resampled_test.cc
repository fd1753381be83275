#include "demos/common/resampled.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "equipoise/metrics/bootstrap.h"

namespace equipoise::demos {
namespace {

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

TEST(ResampledConfusion, IsTheFigureOfRepeatedRows) {
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
    const auto figure =
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
      EXPECT_EQ(figure(times), repeated.macro_f1()) << round;
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
