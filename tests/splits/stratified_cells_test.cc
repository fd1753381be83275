#include "equipoise/splits/stratified_cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::splits {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

// Rows in groups x classes of very different sizes: most cells have a few rows, many none.
struct Data {
  std::size_t groups;
  std::size_t classes;
  std::vector<std::int64_t> labels;
  std::vector<std::uint8_t> row_groups;

  explicit Data(std::uint64_t seed)
      : groups(2 + seed % 12),
        classes(2 + seed % 5),
        labels(20 + seed * 3),
        row_groups(20 + seed * 3) {
    const CounterRandom random{seed};
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double u = random.uniform(i, 1);
      const double v = random.uniform(i, 2);
      labels[i] = static_cast<std::int64_t>(u * u * u * static_cast<double>(classes));
      row_groups[i] = static_cast<std::uint8_t>(v * v * static_cast<double>(groups));
    }
  }

  // Of each cell, each group, each class and of all.
  std::vector<double> counts(const std::vector<std::int64_t>& rows) const {
    std::vector<double> result(groups * classes + groups + classes + 1);
    for (const std::int64_t row : rows) {
      const auto c = static_cast<std::size_t>(labels[static_cast<std::size_t>(row)]);
      const std::size_t g = row_groups[static_cast<std::size_t>(row)];
      for (const std::size_t i : {g * classes + c, groups * classes + g,
                                  groups * classes + groups + c, result.size() - 1}) {
        result[i] += 1;
      }
    }
    return result;
  }
};

TEST(StratifiedCellSplitTest, CellsGroupsAndClassesGiveTheirRoundedShares) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Data data(seed);
    const double fraction = 0.1 + 0.8 * CounterRandom{seed}.uniform(0, 3);
    const Split split = stratified_split(data.labels, RowGroups(data.row_groups, data.groups),
                                         data.classes, fraction, seed);
    const Split by_class = stratified_split(data.labels, data.classes, fraction, seed);
    const std::vector<double> test = data.counts(split.test);
    const std::vector<double> train = data.counts(split.train);
    const std::vector<double> class_test = data.counts(by_class.test);
    EXPECT_EQ(test.back() + train.back(), static_cast<double>(data.labels.size()));
    std::vector<double> due(data.groups);
    for (std::size_t c = 0; c < data.classes; ++c) {
      const std::size_t of_class = data.groups * data.classes + data.groups + c;
      EXPECT_EQ(test[of_class], class_test[of_class]);
      const double rows = test[of_class] + train[of_class];
      if (rows == 0) continue;
      for (std::size_t g = 0; g < data.groups; ++g) {
        const std::size_t cell = g * data.classes + c;
        const double share = (test[cell] + train[cell]) * test[of_class] / rows;
        EXPECT_LT(std::abs(test[cell] - share), 1 - 1e-9) << "seed " << seed;
        due[g] += share;
      }
    }
    for (std::size_t g = 0; g < data.groups; ++g) {
      EXPECT_LT(std::abs(test[data.groups * data.classes + g] - due[g]), 1) << "seed " << seed;
    }
    std::vector<std::int64_t> all = split.train;
    all.insert(all.end(), split.test.begin(), split.test.end());
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<std::int64_t>(i));
  }
}

// Ten groups with one row each of either class: stratifying by cells alone would leave all of them
// on the same side.
TEST(StratifiedCellSplitTest, CellsOfOneRowAreDividedByTheirMargins) {
  std::vector<int> labels;
  std::vector<int> row_groups;
  for (int g = 0; g < 10; ++g) {
    for (int c = 0; c < 2; ++c) {
      labels.push_back(c);
      row_groups.push_back(g);
    }
  }
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Split split = stratified_split(labels, RowGroups(row_groups, 10), 2, 0.5, seed);
    std::vector<int> by_group(10);
    std::vector<int> by_class(2);
    for (const std::int64_t row : split.test) {
      ++by_group[static_cast<std::size_t>(row_groups[static_cast<std::size_t>(row)])];
      ++by_class[static_cast<std::size_t>(labels[static_cast<std::size_t>(row)])];
    }
    EXPECT_EQ(by_group, std::vector<int>(10, 1));
    EXPECT_THAT(by_class, ElementsAre(5, 5));
  }
}

// Two cells of class 0 with 3 and 1 of its 4 rows, two test rows of it: every row is due a half.
TEST(StratifiedCellSplitTest, EveryRowOfAClassIsEquallyLikelyToBeTested) {
  const std::vector<int> labels{0, 0, 0, 0, 1, 1, 1, 1};
  const std::vector<int> row_groups{0, 0, 0, 1, 0, 1, 1, 1};
  std::vector<std::uint64_t> tested(8);
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    for (const std::int64_t row :
         stratified_split(labels, RowGroups(row_groups, 2), 2, 0.5, seed).test) {
      ++tested[static_cast<std::size_t>(row)];
    }
  }
  // Two constraints, and drawn without replacement the statistic is only smaller.
  EXPECT_GT(chi_squared_p_value(tested, std::vector<double>(8, 10000), 2), kImplausible);
}

TEST(StratifiedCellSplitTest, TrainingComesFirstByClass) {
  const std::vector<int> labels{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1};
  const std::vector<int> row_groups{0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Split split =
        stratified_split(labels, RowGroups(row_groups, 2), 2, 0.45, seed, {.min_train_rows = 3});
    ASSERT_EQ(split.test.size(), 5u);
    for (const std::int64_t row : split.test) EXPECT_LT(row, 8);
  }
}

TEST(StratifiedCellFoldTest, FoldsAreEvenInCellsGroupsAndClasses) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const Data data(seed);
    const auto k = static_cast<std::uint32_t>(2 + seed % 9);
    const std::vector<std::uint32_t> folds = stratified_k_fold(
        data.labels, RowGroups(data.row_groups, data.groups), data.classes, k, seed);
    ASSERT_EQ(folds.size(), data.labels.size());
    std::vector<double> least;
    std::vector<double> most;
    for (std::uint32_t f = 0; f < k; ++f) {
      const std::vector<double> counts = data.counts(fold(folds, f).test);
      if (f == 0) least = most = counts;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        least[i] = std::min(least[i], counts[i]);
        most[i] = std::max(most[i], counts[i]);
      }
    }
    EXPECT_LT(*std::max_element(folds.begin(), folds.end()), k);
    for (std::size_t i = 0; i < least.size(); ++i) {
      EXPECT_LE(most[i] - least[i], 1) << "seed " << seed << ", sum " << i;
    }
  }
}

TEST(StratifiedCellFoldTest, EveryFoldIsEquallyLikelyForARow) {
  const std::vector<int> labels{0, 0, 1, 1, 1, 0, 1};
  const std::vector<int> row_groups{0, 0, 0, 1, 1, 2, 2};
  std::vector<std::uint64_t> seen(21);
  for (std::uint64_t seed = 0; seed < 15000; ++seed) {
    const std::vector<std::uint32_t> folds =
        stratified_k_fold(labels, RowGroups(row_groups, 3), 2, 3, seed);
    for (std::size_t row = 0; row < folds.size(); ++row) ++seen[row * 3 + folds[row]];
  }
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(21, 5000), 7), kImplausible);
}

TEST(StratifiedCellsTest, Golden) {
  const std::vector<std::uint8_t> labels{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
  const std::vector<std::uint8_t> row_groups{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
  const Split split =
      stratified_split(labels, RowGroups(row_groups, 3), 2, 0.25, 42, {.shuffle = false});
  EXPECT_THAT(split.test, ElementsAre(4, 6, 11));
  EXPECT_THAT(stratified_k_fold(labels, RowGroups(row_groups, 3), 2, 3, 42),
              ElementsAre(1u, 1u, 0u, 2u, 0u, 1u, 0u, 2u, 2u, 0u, 2u, 1u));
}

TEST(StratifiedCellsTest, RefuseWhatCannotBeCut) {
  const std::vector<int> labels{0, 0, 1, 1};
  const std::vector<int> row_groups{0, 1, 0, 1};
  const auto split = [&](const std::vector<int>& of, double fraction, std::uint64_t min_train) {
    return error_of([&] {
      stratified_split(labels, RowGroups(of, 2), 2, fraction, 1, {.min_train_rows = min_train});
    });
  };
  EXPECT_EQ(split(row_groups, 0, 0),
            "stratified_split(): test_fraction = 0, expected a number between 0 and 1");
  EXPECT_EQ(
      split(row_groups, 0.1, 0),
      "stratified_split(): test_fraction = 0.1, expected one that leaves rows in both parts of "
      "4");
  EXPECT_EQ(split(row_groups, 0.5, 2),
            "stratified_split(): options.min_train_rows = 2, expected a number that leaves 2 rows "
            "for testing, not 0");
  EXPECT_EQ(split({0, 1, 2, 0}, 0.5, 0),
            "cell_labels(): row_groups[2] = 2, expected a group in [0, 2)");
  EXPECT_EQ(split({0, 1, 1}, 0.5, 0), "cell_labels(): row_groups.size() = 3, expected 4 (labels)");
  EXPECT_EQ(error_of([&] { stratified_k_fold(labels, RowGroups(row_groups, 2), 2, 5, 1); }),
            "stratified_k_fold(): k = 5, expected 2 to 4 (rows)");
  EXPECT_EQ(error_of([&] { stratified_k_fold(labels, RowGroups(row_groups, 2), 1, 2, 1); }),
            "cell_labels(): labels[2] = 1, expected a class in [0, 1)");
  EXPECT_EQ(error_of([] {
              const std::vector<int> none;
              stratified_k_fold(none, RowGroups(none, 0), 0, 2, 1);
            }),
            "stratified_k_fold(): k = 2, expected 2 to 0 (rows)");
}

}  // namespace
}  // namespace equipoise::splits
