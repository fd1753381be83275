#include "equipoise/sampling/balanced_subsets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using testing::chi_squared_upper_tail;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

static_assert(IndexStream<BalancedSubsets>);

// Of 40 rows 4 of class 2, 10 of class 1 and 26 of class 0.
std::vector<std::int64_t> some_labels() {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 40; ++i) labels.push_back(i % 10 == 3 ? 2 : i % 4 == 0 ? 1 : 0);
  return labels;
}
const BalancedSubsetsOptions kBootstrap{.rows = SubsetRows::kBootstrap};

// EasyEnsemble, over random labels: all rows of the smallest class, equally many of the others, and
// none twice. A class without rows does not count.
TEST(BalancedSubsets, HaveAllRowsOfTheSmallestClassAndAsManyOfOthers) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 100; ++repeat) {
    const std::size_t classes = 2 + random() % 4;
    std::vector<std::int64_t> labels(3 * classes + random() % 400);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<std::int64_t>(i < 3 * classes ? i % classes : random() % classes);
      if (labels[i] == 0) labels[i] = static_cast<std::int64_t>(classes);
    }
    std::vector<std::uint64_t> counts(classes + 1);
    for (const std::int64_t label : labels) ++counts[static_cast<std::size_t>(label)];
    const std::uint64_t smallest = *std::min_element(counts.begin() + 1, counts.end());
    const BalancedSubsets subsets(labels, classes + 1, random());
    EXPECT_EQ(subsets.rows_per_class(), smallest);
    EXPECT_EQ(subsets.epoch_size(), smallest * classes);
    for (std::uint64_t m = 0; m < 5; ++m) {
      const std::vector<std::int64_t> rows = subsets.subset(m);
      EXPECT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), rows.size());
      std::vector<std::uint64_t> of_class(classes + 1);
      for (const std::int64_t row : rows) {
        ++of_class[static_cast<std::size_t>(labels[static_cast<std::size_t>(row)])];
      }
      for (std::size_t c = 1; c <= classes; ++c) EXPECT_EQ(of_class[c], smallest);
    }
  }
}

TEST(BalancedSubsets, HaveAsManyRowsAsAskedFor) {
  const std::vector<std::int64_t> labels = some_labels();
  for (const SubsetRows kind : {SubsetRows::kDistinct, SubsetRows::kBootstrap}) {
    const BalancedSubsets subsets(labels, 3, 5, {.rows = kind, .rows_per_class = 2});
    for (std::uint64_t m = 0; m < 20; ++m) {
      std::vector<std::uint64_t> of_class(3);
      for (const std::int64_t row : subsets.subset(m)) {
        ++of_class[static_cast<std::size_t>(labels[static_cast<std::size_t>(row)])];
      }
      EXPECT_THAT(of_class, ElementsAre(2, 2, 2));
    }
  }
  const BalancedSubsets many(labels, 3, 5, {.rows = SubsetRows::kBootstrap, .rows_per_class = 100});
  EXPECT_EQ(many.subset(0).size(), 300u);
}

// Over many subsets each row of a class is in equally many, as far as chance goes: a row is in one
// with probability p = n / N, and since exactly n are, sum((O - K p)^2) / (K p (1 - p)) (N - 1) / N
// is chi-squared with N - 1 degrees of freedom.
TEST(BalancedSubsets, EveryRowIsEquallyLikely) {
  constexpr std::uint64_t kSubsets = 20000;
  const std::vector<std::int64_t> labels = some_labels();
  const BalancedSubsets subsets(labels, 3, 7);
  std::vector<double> seen(40);
  for (std::uint64_t m = 0; m < kSubsets; ++m) {
    for (const std::int64_t row : subsets.subset(m)) ++seen[static_cast<std::size_t>(row)];
  }
  for (const auto& [c, size] : {std::pair<std::int64_t, double>{0, 26}, {1, 10}}) {
    const double p = 4 / size;
    double statistic = 0;
    for (std::size_t i = 0; i < 40; ++i) {
      if (labels[i] != c) continue;
      const double apart = seen[i] - kSubsets * p;
      statistic += apart * apart / (kSubsets * p * (1 - p)) * (size - 1) / size;
    }
    EXPECT_GT(chi_squared_upper_tail(statistic, size - 1), kImplausible) << c;
  }
}

// With replacement: rows by position in the order of a subset, so of draws that are independent.
TEST(BalancedSubsets, BootstrapsDrawEveryRowEquallyOften) {
  const std::vector<std::int64_t> labels = some_labels();
  const BalancedSubsets subsets(labels, 3, 9, kBootstrap);
  std::vector<std::vector<std::uint64_t>> seen(3);
  std::vector<std::size_t> place(40);
  for (std::size_t i = 0; i < 40; ++i) {
    auto& of_class = seen[static_cast<std::size_t>(labels[i])];
    place[i] = of_class.size();
    of_class.push_back(0);
  }
  constexpr std::uint64_t kSubsets = 20000;
  bool repeats = false;
  for (std::uint64_t m = 0; m < kSubsets; ++m) {
    const std::vector<std::int64_t> rows = subsets.subset(m);
    for (const std::int64_t row : rows) {
      const auto i = static_cast<std::size_t>(row);
      ++seen[static_cast<std::size_t>(labels[i])][place[i]];
    }
    repeats = repeats || std::set<std::int64_t>(rows.begin(), rows.end()).size() < rows.size();
  }
  EXPECT_TRUE(repeats);
  for (const auto& of_class : seen) {
    const std::vector<double> expected(of_class.size(),
                                       4.0 * kSubsets / static_cast<double>(of_class.size()));
    EXPECT_GT(chi_squared_p_value(of_class, expected), kImplausible);
  }
}

// Subsets know nothing of each other: of 4 of 26 rows two share 0 to 4, by the hypergeometric
// distribution. (Epochs of a ClassResampler share none.)
TEST(BalancedSubsets, AreIndependent) {
  constexpr std::uint64_t kPairs = 20000;
  const std::vector<std::int64_t> labels = some_labels();
  const BalancedSubsets subsets(labels, 3, 11);
  std::vector<std::uint64_t> shared(3);
  for (std::uint64_t m = 0; m < kPairs; ++m) {
    std::size_t count = 0;
    const std::vector<std::int64_t> first = subsets.subset(2 * m);
    for (const std::int64_t row : subsets.subset(2 * m + 1)) {
      if (labels[static_cast<std::size_t>(row)] != 0) continue;
      count += std::count(first.begin(), first.end(), row) > 0 ? 1 : 0;
    }
    ++shared[std::min<std::size_t>(count, 2)];
  }
  // C(22, 4), 4 C(22, 3) and the rest of C(26, 4) = 14950.
  const std::vector<double> expected = {7315.0 / 14950 * kPairs, 6160.0 / 14950 * kPairs,
                                        1475.0 / 14950 * kPairs};
  EXPECT_GT(chi_squared_p_value(shared, expected), kImplausible);
}

TEST(BalancedSubsets, FillAsTheyDrawAndShardsTakeThemApart) {
  for (const BalancedSubsetsOptions& options : {BalancedSubsetsOptions{}, kBootstrap}) {
    const BalancedSubsets subsets(some_labels(), 3, 3, options);
    for (const std::uint64_t stride : {1u, 3u}) {
      std::vector<std::int64_t> rows(200);
      subsets.fill(7, rows, stride);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        ASSERT_EQ(static_cast<std::size_t>(rows[i]), subsets[7 + i * stride]);
      }
    }
    for (std::uint64_t world = 1; world <= 16; ++world) {
      std::multiset<std::int64_t> all;
      for (std::uint64_t rank = 0; rank < world; ++rank) {
        const auto positions =
            shard_positions(subsets.epoch_size(), 4, {rank, world}, Tail::kUneven);
        std::vector<std::int64_t> own(static_cast<std::size_t>(positions.size));
        subsets.fill(positions.begin, own, positions.stride);
        all.insert(own.begin(), own.end());
      }
      const std::vector<std::int64_t> rows = subsets.subset(4);
      EXPECT_EQ(all, std::multiset<std::int64_t>(rows.begin(), rows.end()));
    }
  }
}

// The sequences are part of the interface: a checkpoint of today goes on tomorrow.
TEST(BalancedSubsets, AreTheSameEverywhere) {
  const BalancedSubsets subsets(some_labels(), 3, 12345);
  EXPECT_THAT(subsets.subset(1000), ElementsAre(39, 28, 2, 12, 3, 27, 23, 33, 0, 13, 11, 8));
  EXPECT_EQ(subsets.fingerprint(), 6472778362615154599u);
  const BalancedSubsets bootstraps(some_labels(), 3, 12345, kBootstrap);
  EXPECT_THAT(bootstraps.subset(1000), ElementsAre(17, 16, 11, 28, 13, 7, 33, 3, 24, 13, 29, 8));
  EXPECT_EQ(bootstraps.fingerprint(), 12723747469891478591u);
  EXPECT_NE(BalancedSubsets(some_labels(), 3, 12346).subset(1000), subsets.subset(1000));
}

TEST(BalancedSubsets, LeaveIgnoredRowsOut) {
  const std::vector<int> labels = {0, -1, 1, 0, -1, 1, 1};
  const BalancedSubsets subsets(labels, 2, 1, {.ignore_index = -1});
  EXPECT_EQ(subsets.rows_per_class(), 2u);
  for (std::uint64_t m = 0; m < 20; ++m) {
    for (const std::int64_t row : subsets.subset(m)) {
      EXPECT_GE(labels[static_cast<std::size_t>(row)], 0);
    }
  }
}

// Positions that wrap around would be those of no subset.
TEST(BalancedSubsetsErrors, NumbersWhosePositionsWrapAreRefused) {
  const std::vector<std::int64_t> labels = {0, 0, 0, 1};
  const BalancedSubsets subsets(labels, 2, 1);
  ASSERT_EQ(subsets.epoch_size(), 2U);
  constexpr std::uint64_t kMost = (std::uint64_t{1} << 63) - 2;
  EXPECT_EQ(subsets.subset(kMost).size(), 2U);
  EXPECT_EQ(error_of([&] { subsets.subset(kMost + 1); }),
            "BalancedSubsets::subset(): number = 9223372036854775807, expected at most "
            "9223372036854775806, whose rows end before position 2^64");
  EXPECT_THROW(subsets.subset(~std::uint64_t{0}), std::invalid_argument);
}

TEST(BalancedSubsetsErrors, NameWhatIsWrong) {
  const auto message = [](const std::vector<int>& labels, const BalancedSubsetsOptions& options) {
    return error_of([&] { BalancedSubsets(labels, 2, 1, options); });
  };
  EXPECT_EQ(message({0, 2}, {}), "BalancedSubsets(): labels[1] = 2, expected a class in [0, 2)");
  EXPECT_EQ(message({}, {}), "BalancedSubsets(): rows of all classes = 0, expected at least 1");
  EXPECT_EQ(message({0, 1, 1}, {.rows_per_class = 2}),
            "BalancedSubsets(): rows_per_class = 2, expected at least 1 and at most 1, the rows of "
            "the smallest class");
  EXPECT_EQ(message({0, 1, 1}, {.rows = SubsetRows::kBootstrap, .rows_per_class = 0}),
            "BalancedSubsets(): rows_per_class = 0, expected at least 1 and at most "
            "2305843009213693952");
}

}  // namespace
}  // namespace equipoise::sampling
