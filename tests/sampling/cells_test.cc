#include "equipoise/sampling/cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "equipoise/mix.h"
#include "equipoise/sampling/class_sampler.h"
#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

TEST(CellLabels, NumberGroupByGroup) {
  const std::vector<int> labels = {0, 1, -100, 2};
  const std::vector<std::int64_t> groups = {1, 0, 7, 1};
  EXPECT_THAT(cell_labels(labels, groups, 2, 3, kIgnoreIndex), ElementsAre(3, 1, -1, 5));
}

TEST(CellLabelsErrors, NameTheRow) {
  const auto message = [](const std::vector<int>& labels, const std::vector<int>& groups) {
    return error_of([&] { cell_labels(labels, groups, 2, 3); });
  };
  EXPECT_EQ(message({0}, {}), "cell_labels(): row_groups.size() = 0, expected 1 (labels)");
  EXPECT_EQ(message({0, 3}, {0, 0}), "cell_labels(): labels[1] = 3, expected a class in [0, 3)");
  EXPECT_EQ(message({0, 1}, {0, -1}),
            "cell_labels(): row_groups[1] = -1, expected a group in [0, 2)");
  EXPECT_EQ(error_of([] {
              cell_labels(std::vector<int>{}, std::vector<int>{}, std::size_t{1} << 30, 4);
            }),
            "cell_labels(): groups = 1073741824, expected at most 536870911 groups of 4 classes");
}

// Languages by temperature, classes evenly within each: in both modes the cells come as the table
// says.
TEST(CellLabels, MakeClassSamplerDrawATable) {
  std::vector<int> labels;
  std::vector<int> groups;
  const int rows[3][2] = {{400, 20}, {90, 10}, {0, 30}};
  for (int g = 0; g < 3; ++g) {
    for (int c = 0; c < 2; ++c) {
      labels.insert(labels.end(), static_cast<std::size_t>(rows[g][c]), c);
      groups.insert(groups.end(), static_cast<std::size_t>(rows[g][c]), g);
    }
  }
  const std::vector<double> table =
      mix_table(count_grouped(labels, groups, 3, 2), TemperatureMix{.exponent = 0.5}, UniformMix{});
  const std::vector<std::int32_t> cells = cell_labels(labels, groups, 3, 2);
  constexpr std::uint64_t kDraws = 60000;
  for (const Mode mode : {Mode::kIndependent, Mode::kExactQuota}) {
    const ClassSampler sampler(cells, table, 7, {.mode = mode, .epoch_size = kDraws});
    std::vector<double> seen(6);
    for (std::uint64_t t = 0; t < kDraws; ++t) {
      ++seen[static_cast<std::size_t>(cells[sampler[t]])];
    }
    std::vector<double> expected;
    for (const double share : table) expected.push_back(share * kDraws);
    if (mode == Mode::kIndependent) {
      EXPECT_GT(testing::chi_squared_p_value(seen, expected), testing::kImplausible);
    } else {
      for (std::size_t k = 0; k < 6; ++k) EXPECT_NEAR(seen[k], expected[k], 2);
    }
  }
}

}  // namespace
}  // namespace equipoise::sampling
