#include "equipoise/splits/grouped.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::splits {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

constexpr std::size_t kClasses = 4;

// Rows of 30 to 60 groups of very different sizes, each of which prefers a class.
struct Data {
  std::size_t groups;
  std::vector<std::int16_t> labels;
  std::vector<std::uint32_t> row_groups;

  explicit Data(std::uint64_t seed) : groups(30 + seed % 31), labels(600), row_groups(600) {
    const CounterRandom random{seed};
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double u = random.uniform(i, 1);
      row_groups[i] = static_cast<std::uint32_t>(u * u * static_cast<double>(groups));
      const double v = random.uniform(i, 2);
      const double own = random.uniform(row_groups[i], 3);
      labels[i] = static_cast<std::int16_t>((v < 0.5 ? own * own : v * v) * kClasses);
    }
  }

  // The sum over parts and classes of (x - w)^2 / w, with all rows as one more class.
  double distance(const std::vector<std::uint32_t>& parts, const std::vector<double>& dues) const {
    std::vector<double> totals(kClasses + 1);
    std::vector<double> given((kClasses + 1) * dues.size());
    for (std::size_t row = 0; row < parts.size(); ++row) {
      for (const std::size_t c : {static_cast<std::size_t>(labels[row]), kClasses}) {
        totals[c] += 1;
        given[parts[row] * (kClasses + 1) + c] += 1;
      }
    }
    double sum = 0;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const double due = dues[i / (kClasses + 1)];
      const double total = totals[i % (kClasses + 1)];
      if (total > 0) sum += std::pow(given[i] / total - due, 2) / due;
    }
    return sum;
  }

  // The distance if every group goes to a part by chance, on average.
  double distance_by_chance(const std::vector<double>& dues, std::uint64_t seed) const {
    constexpr std::uint64_t kTimes = 50;
    const CounterRandom random{seed};
    double sum = 0;
    for (std::uint64_t t = 0; t < kTimes; ++t) {
      std::vector<std::uint32_t> parts;
      for (const std::uint32_t g : row_groups) {
        double u = random.uniform(t * groups + g, 4);
        std::uint32_t part = 0;
        while (part + 1 < dues.size() && u >= dues[part]) u -= dues[part++];
        parts.push_back(part);
      }
      sum += distance(parts, dues) / kTimes;
    }
    return sum;
  }
};

std::vector<std::uint32_t> parts_of(const Split& split, std::size_t rows) {
  std::vector<std::uint32_t> parts(rows, 2);
  for (const std::int64_t row : split.train) parts[static_cast<std::size_t>(row)] = 0;
  for (const std::int64_t row : split.test) parts[static_cast<std::size_t>(row)] = 1;
  return parts;
}

template <class G>
void expect_no_leak(const std::vector<std::uint32_t>& parts, const std::vector<G>& row_groups) {
  std::set<std::pair<G, std::uint32_t>> pairs;
  std::set<G> groups;
  for (std::size_t row = 0; row < parts.size(); ++row) {
    pairs.emplace(row_groups[row], parts[row]);
    groups.insert(row_groups[row]);
  }
  EXPECT_EQ(pairs.size(), groups.size());
}

TEST(GroupedSplitTest, NoGroupIsInBothPartsAndClassesAreNear) {
  double greedy = 0;
  double chance = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Data data(seed);
    const double fraction = 0.1 + 0.4 * CounterRandom{seed}.uniform(0, 5);
    const Split split = grouped_split(data.labels, RowGroups(data.row_groups, data.groups),
                                      kClasses, fraction, seed);
    EXPECT_EQ(split.train.size() + split.test.size(), data.labels.size());
    const std::vector<std::uint32_t> parts = parts_of(split, data.labels.size());
    EXPECT_EQ(std::count(parts.begin(), parts.end(), 2u), 0);
    expect_no_leak(parts, data.row_groups);
    const std::vector<double> dues{1 - fraction, fraction};
    const double own = data.distance(parts, dues);
    EXPECT_LT(own, data.distance_by_chance(dues, seed)) << "seed " << seed;
    greedy += own;
    chance += data.distance_by_chance(dues, seed);
  }
  EXPECT_LT(greedy, chance / 5);
}

TEST(GroupedFoldTest, NoGroupIsInTwoFoldsAndClassesAreNear) {
  double greedy = 0;
  double chance = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Data data(seed);
    const auto k = static_cast<std::uint32_t>(2 + seed % 6);
    const std::vector<std::uint32_t> folds =
        grouped_k_fold(data.labels, RowGroups(data.row_groups, data.groups), kClasses, k, seed);
    expect_no_leak(folds, data.row_groups);
    EXPECT_EQ(std::set<std::uint32_t>(folds.begin(), folds.end()).size(), k);
    EXPECT_LT(*std::max_element(folds.begin(), folds.end()), k);
    const std::vector<double> dues(k, 1.0 / k);
    const double own = data.distance(folds, dues);
    EXPECT_LT(own, data.distance_by_chance(dues, seed)) << "seed " << seed;
    greedy += own;
    chance += data.distance_by_chance(dues, seed);
  }
  EXPECT_LT(greedy, chance / 5);
}

// Each group goes where it adds least: 4 rows of class 0 to either fold; 3 of class 1 to the other,
// which has fewer rows; 2 of class 0 to this one too, for 1/3 (1/3 + 0) + 1/5 (1/5 + 3/5) is less
// than 1/3 (1/3 + 4/3) + 1/5 (1/5 + 4/5); and 1 of class 1 to the first, which has none of it.
TEST(GroupedFoldTest, ByHand) {
  const std::vector<int> labels{0, 0, 0, 0, 1, 1, 1, 0, 0, 1};
  const std::vector<int> row_groups{3, 3, 3, 3, 0, 0, 0, 2, 2, 4};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<std::uint32_t> folds =
        grouped_k_fold(labels, RowGroups(row_groups, 5), 2, 2, seed);
    const std::uint32_t a = folds[0];
    const std::uint32_t b = 1 - a;
    EXPECT_THAT(folds, ElementsAre(a, a, a, a, b, b, b, b, b, a)) << "seed " << seed;
  }
}

TEST(GroupedFoldTest, GroupsOfOneRowAreAsEvenAsRows) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Data data(seed);
    std::vector<std::size_t> own(data.labels.size());
    for (std::size_t i = 0; i < own.size(); ++i) own[i] = i;
    const std::vector<std::uint32_t> folds =
        grouped_k_fold(data.labels, RowGroups(own, own.size()), kClasses, 5, seed);
    std::vector<int> counts(kClasses * 5);
    for (std::size_t i = 0; i < own.size(); ++i) {
      ++counts[static_cast<std::size_t>(data.labels[i]) * 5 + folds[i]];
    }
    for (auto c = counts.begin(); c != counts.end(); c += 5) {
      const auto [least, most] = std::minmax_element(c, c + 5);
      EXPECT_LE(*most - *least, 1) << "seed " << seed;
    }
  }
}

TEST(GroupedFoldTest, EqualGroupsGoToAnyFold) {
  const std::vector<int> row_groups{0, 1, 2, 3};
  std::vector<std::uint64_t> seen(8);
  for (std::uint64_t seed = 0; seed < 10000; ++seed) {
    const std::vector<std::uint32_t> folds =
        grouped_k_fold(std::vector<int>(4), RowGroups(row_groups, 4), 1, 2, seed);
    for (std::size_t g = 0; g < 4; ++g) ++seen[g * 2 + folds[g]];
  }
  // Each group is in one fold, and each fold has two.
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(8, 5000), 5), kImplausible);
}

TEST(GroupedSplitTest, NeitherPartIsEmpty) {
  // Due a quarter, the test part would rather have none of two equal groups.
  const std::vector<int> labels{0, 0, 0, 0};
  const std::vector<int> row_groups{0, 0, 2, 2};
  EXPECT_EQ(grouped_split(labels, RowGroups(row_groups, 3), 1, 0.25, 1).test.size(), 2u);
  const std::vector<std::uint32_t> folds =
      grouped_k_fold(labels, RowGroups(std::vector<int>{0, 0, 0, 1}, 2), 1, 2, 3);
  EXPECT_NE(folds[0], folds[3]);
}

TEST(GroupedSplitTest, TrainingComesFirst) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Data data(seed);
    const Split split = grouped_split(data.labels, RowGroups(data.row_groups, data.groups),
                                      kClasses, 0.4, seed, {.min_train_rows = 40});
    std::vector<std::uint64_t> all(kClasses);
    std::vector<std::uint64_t> train(kClasses);
    for (const std::int16_t label : data.labels) ++all[static_cast<std::size_t>(label)];
    for (const std::int64_t row : split.train) {
      ++train[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(row)])];
    }
    for (std::size_t c = 0; c < kClasses; ++c) {
      EXPECT_GE(train[c], std::min<std::uint64_t>(all[c], 40)) << "seed " << seed;
    }
  }
}

// A class of two rows in two groups, a tenth of 40 rows for testing: the test part, which is due .2
// of them, wants none. With a bound it has one, and the other stays for training.
TEST(GroupedSplitTest, TestRowsOfARareClass) {
  std::vector<int> labels(40, 0);
  std::vector<int> groups(40);
  for (int row = 0; row < 40; ++row) groups[static_cast<std::size_t>(row)] = row / 2;
  const auto tested = [&](std::uint64_t seed, std::uint64_t least) {
    const Split split =
        grouped_split(labels, RowGroups(groups, 20), 2, 0.1, seed, {.min_test_rows = least});
    return std::count_if(split.test.begin(), split.test.end(), [&](std::int64_t row) {
      return labels[static_cast<std::size_t>(row)] == 1;
    });
  };
  labels[0] = labels[10] = 1;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    EXPECT_EQ(tested(seed, 0), 0);
    EXPECT_EQ(tested(seed, 1), 1);
    EXPECT_EQ(tested(seed, 2), 1);
  }
  // A class of one group is not taken from training.
  labels[10] = 0;
  labels[1] = 1;
  for (std::uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(tested(seed, 1), 0);
}

TEST(GroupedTest, Golden) {
  const std::vector<std::int64_t> labels{0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2};
  const std::vector<std::int64_t> row_groups{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5};
  EXPECT_THAT(grouped_k_fold(labels, RowGroups(row_groups, 6), 3, 3, 42),
              ElementsAre(2u, 2u, 1u, 1u, 2u, 2u, 0u, 0u, 1u, 1u, 0u, 0u));
  const Split split = grouped_split(labels, RowGroups(row_groups, 6), 3, 0.3, 42);
  EXPECT_THAT(split.test, ElementsAre(4, 7, 6, 5));
  EXPECT_THAT(split.train, ElementsAre(2, 1, 0, 10, 11, 3, 9, 8));
}

TEST(GroupedTest, RefuseWhatCannotBeCut) {
  const std::vector<int> labels{0, 0, 1, 1};
  const std::vector<int> row_groups{0, 0, 1, 2};
  const auto split = [&](const std::vector<int>& of, double fraction, std::uint64_t min_train = 0) {
    return error_of([&] {
      grouped_split(labels, RowGroups(of, 3), 2, fraction, 1, {.min_train_rows = min_train});
    });
  };
  EXPECT_EQ(split(row_groups, 1),
            "grouped_split(): test_fraction = 1, expected a number between 0 and 1");
  EXPECT_EQ(split(row_groups, 0.1),
            "grouped_split(): test_fraction = 0.1, expected one that leaves rows in both parts of "
            "4");
  EXPECT_EQ(split({0, 1, 2}, 0.5), "grouped_split(): row_groups.size() = 3, expected 4 (labels)");
  EXPECT_EQ(split({0, 1, -1, 2}, 0.5),
            "grouped_split(): row_groups[2] = -1, expected a group in [0, 3)");
  EXPECT_EQ(split({1, 1, 1, 1}, 0.5),
            "grouped_split(): groups with rows = 1, expected at least 2, one for each part");
  EXPECT_EQ(split(row_groups, 0.5, 3),
            "grouped_split(): options.min_train_rows = 3, expected a number that leaves a group "
            "for testing");
  EXPECT_EQ(error_of([&] { grouped_split(labels, RowGroups(row_groups, 3), 1, 0.5, 1); }),
            "grouped_split(): labels[2] = 1, expected a class in [0, 1)");
  EXPECT_EQ(error_of([&] { grouped_k_fold(labels, RowGroups(row_groups, 3), 2, 4, 1); }),
            "grouped_k_fold(): k = 4, expected 2 to 3 (groups with rows)");
  EXPECT_EQ(error_of([&] { grouped_k_fold(labels, RowGroups(row_groups, 3), 2, 1, 1); }),
            "grouped_k_fold(): k = 1, expected 2 to 3 (groups with rows)");
}

}  // namespace
}  // namespace equipoise::splits
