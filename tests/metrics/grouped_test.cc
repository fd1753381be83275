#include "equipoise/metrics/grouped.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

double accuracy(const ConfusionMatrix& matrix) { return matrix.accuracy(); }

TEST(Grouped, ByHand) {
  // Group 0: 3 of 4 right; group 1: 1 of 2; group 2 has no rows.
  const std::vector<int> groups = {0, 1, 0, 0, 1, 0};
  const std::vector<int> targets = {0, 1, 1, 0, 0, 1};
  const std::vector<int> predictions = {0, 1, 1, 0, 1, 0};
  Grouped<ConfusionMatrix> grouped(3, ConfusionMatrix(2));
  grouped.add_rows(groups, [&](ConfusionMatrix& matrix, std::size_t r) {
    matrix.add(targets[r], predictions[r]);
  });
  const std::vector<double> figures = grouped.figures(accuracy);
  EXPECT_EQ(figures[0], 0.75);
  EXPECT_EQ(figures[1], 0.5);
  EXPECT_TRUE(detail::is_nan(figures[2]));
  EXPECT_EQ(grouped.macro(accuracy), 0.625);
  EXPECT_EQ(grouped.macro(accuracy, Absent::kSkipUnsupported), 0.625);
  EXPECT_EQ(grouped.macro(accuracy, Absent::kZero), 1.25 / 3);
  EXPECT_EQ(grouped.macro(accuracy, Absent::kOne), 2.25 / 3);
  EXPECT_TRUE(detail::is_nan(grouped.macro(accuracy, Absent::kNaN)));
  EXPECT_EQ(grouped.worst(accuracy), (GroupMetric{1, 0.5}));
  EXPECT_EQ(grouped.total().accuracy(), 4.0 / 6);
  EXPECT_EQ(grouped.group(1).total(), 2);
}

TEST(Grouped, WorstOfEqualsIsTheFirstAndOfNoneNothing) {
  Grouped<ConfusionMatrix> grouped(2, ConfusionMatrix(2));
  EXPECT_FALSE(grouped.worst(accuracy));
  EXPECT_TRUE(detail::is_nan(grouped.macro(accuracy)));
  EXPECT_EQ(grouped.macro(accuracy, Absent::kZero), 0);
  grouped.group(0).add(0, 1);
  grouped.group(1).add(1, 0);
  EXPECT_EQ(grouped.worst(accuracy), (GroupMetric{0, 0}));
  EXPECT_FALSE(grouped.worst([](const ConfusionMatrix&) { return detail::quiet_nan(); }));
}

// Of an error the highest is the worst.
TEST(Grouped, WorstOfWhatIsBetterTheLower) {
  Grouped<ConfusionMatrix> grouped(4, ConfusionMatrix(2));
  grouped.group(0).add(0, 0);
  grouped.group(1).add(0, 1);
  grouped.group(2).add(1, 0);
  const auto error = [](const ConfusionMatrix& matrix) { return 1 - matrix.accuracy(); };
  EXPECT_EQ(grouped.worst(error, Better::kLower), (GroupMetric{1, 1}));
  EXPECT_EQ(grouped.worst(error), (GroupMetric{0, 0}));
  EXPECT_EQ(grouped.worst(accuracy, Better::kHigher), (GroupMetric{1, 0}));
  EXPECT_EQ(Grouped<ConfusionMatrix>(2, ConfusionMatrix(2)).worst(error, Better::kLower),
            std::nullopt);

  Grouped<Calibration> calibrations(2, Calibration(2));
  const std::vector<double> p = {0.9, 0.1, 0.9, 0.1};
  const std::vector<int> targets = {0, 1};
  calibrations.add_rows(std::vector<int>{0, 1}, [&](Calibration& sums, std::size_t r) {
    sums.add(MatrixView<const double>(&p[2 * r], 1, 2), std::span(targets).subspan(r, 1));
  });
  const auto ece = [](const Calibration& sums) { return sums.ece(); };
  EXPECT_EQ(calibrations.worst(ece, Better::kLower)->group, 1u);
  EXPECT_NEAR(calibrations.worst(ece, Better::kLower)->value, 0.9, 1e-15);
}

TEST(Grouped, MergedPartsEqualTheWhole) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const CounterRandom random{seed};
    constexpr std::size_t kGroups = 3;
    std::vector<Grouped<ConfusionMatrix>> parts(
        1 + seed % 4, Grouped<ConfusionMatrix>(kGroups, ConfusionMatrix(3)));
    Grouped<ConfusionMatrix> whole(kGroups, ConfusionMatrix(3));
    for (std::uint64_t i = 0; i < 50; ++i) {
      const auto g = static_cast<std::size_t>(random.below(kGroups, i, 1));
      const auto target = static_cast<std::int64_t>(random.below(3, i, 2));
      const auto prediction = static_cast<std::int64_t>(random.below(3, i, 3));
      whole.group(g).add(target, prediction);
      parts[i % parts.size()].group(g).add(target, prediction);
    }
    Grouped<ConfusionMatrix> merged;
    for (const auto& part : parts) merged += part;
    EXPECT_EQ(merged.figures(accuracy), whole.figures(accuracy));
    EXPECT_EQ(merged.total(), whole.total());
  }
}

TEST(Grouped, GathersWhatSumsAndWhatDoesNot) {
  // One rank: what is summed over it stays as it is, and every call is made.
  int calls = 0;
  const auto sum = [&](std::span<double>) { ++calls; };
  Grouped<ConfusionMatrix> matrices(3, ConfusionMatrix(2));
  matrices.group(1).add(1, 1);
  const Grouped<ConfusionMatrix> before = matrices;
  matrices.gather(sum, 0, 1);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(matrices, before);
  Grouped<BinaryScores<float>> scores(2);
  scores.group(0).add(std::vector<float>{0.5F, 0.25F}, std::vector<int>{1, 0});
  scores.gather(sum, 0, 1);
  EXPECT_EQ(calls, 3 + 4);
  EXPECT_EQ(scores.group(0).roc_auc(), 1);
}

TEST(Grouped, GathersOnlyForARankOfTheWorld) {
  Grouped<ConfusionMatrix> grouped(2, ConfusionMatrix(2));
  EXPECT_EQ(error_of([&] { grouped.gather([](std::span<double>) { FAIL(); }, 5, 2); }),
            "Grouped::gather(): rank = 5, expected a rank in [0, 2)");
}

TEST(Grouped, RefusesBadRowsAndStaysAsItWas) {
  Grouped<ConfusionMatrix> grouped(2, ConfusionMatrix(2));
  const auto add = [&](const std::vector<int>& groups, const std::vector<int>& targets) {
    return error_of([&] {
      grouped.add_rows(groups,
                       [&](ConfusionMatrix& matrix, std::size_t r) { matrix.add(targets[r], 0); });
    });
  };
  EXPECT_EQ(add({0, 2}, {0, 0}),
            "Grouped::add_rows(): row_groups[1] = 2, expected a group in [0, 2)");
  EXPECT_THAT(add({0, 1}, {0, 5}), HasSubstr("target = 5"));
  EXPECT_EQ(grouped.total().total(), 0);
  EXPECT_THAT(error_of([&] { grouped += Grouped<ConfusionMatrix>(3); }),
              HasSubstr("expected 2 (groups on the left)"));
}

}  // namespace
}  // namespace equipoise::metrics
