#include "equipoise/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/statistics.h"

namespace equipoise {
namespace {

using ::testing::AnyOf;
using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::kImplausible;

constexpr std::size_t kClasses = 6;

// Up to 300 labels over six classes of very different sizes; some classes may be empty.
std::vector<std::int64_t> generated_labels(std::uint64_t seed) {
  const CounterRandom random{seed};
  std::vector<std::int64_t> labels(10 + random.below(290, 0, 1));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double u = random.uniform(i, 2);
    labels[i] = static_cast<std::int64_t>(u * u * u * u * kClasses);
  }
  return labels;
}

std::vector<double> counts_in(const std::vector<std::int64_t>& rows,
                              const std::vector<std::int64_t>& labels) {
  std::vector<double> counts(kClasses);
  for (const std::int64_t row : rows) {
    counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(row)])] += 1;
  }
  return counts;
}

TEST(StratifiedSplitTest, QuotasByHand) {
  // Shares of 5 test rows in 16: 3.125, 1.25, .625 and, of two classes with a single row, .3125
  // each: one row is left after 3, 1 and 0, and .625 has the largest remainder.
  const std::vector<std::uint64_t> counts{10, 4, 2, 0};
  EXPECT_THAT(detail::test_quotas(counts, 5, 1), ElementsAre(3u, 1u, 1u, 0u));
  // Two rows of 4: 1 and twice .5. A single row stays behind only as long as others can go.
  EXPECT_THAT(detail::test_quotas(std::vector<std::uint64_t>{1, 1, 2}, 2, 1),
              AnyOf(ElementsAre(1u, 0u, 1u), ElementsAre(0u, 1u, 1u)));
  EXPECT_THAT(detail::test_quotas(std::vector<std::uint64_t>{1, 3}, 1, 1), ElementsAre(0u, 1u));
}

// Classes of equal remainders, equally large or not, are rounded up equally often: {1, 1, 1} with 2
// rows for testing; 2.5 of 11 and of 11; .5 of 2 and 1.5 of 6; 3 of 4 classes
// in 4.5, 4.5, 1.5, 1.5.
TEST(StratifiedSplitTest, TiesAreBrokenByTheSeed) {
  const auto ups = [](const std::vector<std::uint64_t>& counts, std::uint64_t total) {
    const std::uint64_t rows = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    std::vector<std::uint64_t> result(counts.size());
    for (std::uint64_t seed = 0; seed < 12000; ++seed) {
      const std::vector<std::uint64_t> quotas = detail::test_quotas(counts, total, seed);
      EXPECT_EQ(std::accumulate(quotas.begin(), quotas.end(), std::uint64_t{0}), total);
      for (std::size_t c = 0; c < counts.size(); ++c) {
        result[c] += quotas[c] - counts[c] * total / rows;
      }
    }
    return result;
  };
  const auto p_value = [&](const std::vector<std::uint64_t>& counts, std::uint64_t total,
                           double each) {
    return chi_squared_p_value(ups(counts, total), std::vector<double>(counts.size(), each));
  };
  EXPECT_GT(p_value({1, 1, 1}, 2, 8000), kImplausible);
  EXPECT_GT(p_value({11, 11}, 5, 6000), kImplausible);
  EXPECT_GT(p_value({2, 6}, 2, 6000), kImplausible);
  EXPECT_GT(p_value({9, 9, 3, 3}, 12, 6000), kImplausible);
}

// With 11 + 11 rows and 5 for testing each class has 2 or 3 of them, in either half of the repeats.
TEST(StratifiedSplitTest, NoClassIsTestedMoreThanItsEqualInTheLongRun) {
  std::vector<std::int64_t> labels(22, 0);
  std::fill(labels.begin() + 11, labels.end(), 1);
  std::vector<std::uint64_t> tested(2);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const splits::Split split = splits::stratified_split(labels, 2, 5 / 22., seed);
    for (const std::int64_t row : split.test) ++tested[row < 11 ? 0 : 1];
  }
  // 2.5 on average with a deviation of a half: five deviations of the sum of 4000.
  EXPECT_NEAR(static_cast<double>(tested[0]), 10000, 5 * 0.5 * std::sqrt(4000));
  EXPECT_EQ(tested[0] + tested[1], 20000u);
}

// The odd rows of classes go to other folds with each seed.
TEST(StratifiedKFoldTest, NoFoldHasMoreOfAClassInTheLongRun) {
  const std::vector<std::int64_t> labels{0, 0, 0, 0, 1, 2, 2};
  std::vector<std::uint64_t> rows(9);
  for (std::uint64_t seed = 0; seed < 9000; ++seed) {
    const std::vector<std::uint32_t> folds = splits::stratified_k_fold(labels, 3, 3, seed);
    for (std::size_t row = 0; row < folds.size(); ++row) {
      ++rows[static_cast<std::size_t>(labels[row]) * 3 + folds[row]];
    }
  }
  for (std::size_t f = 0; f < 3; ++f) {
    // Where a class has a row more or less a third of the seeds decides: a deviation below a half.
    const double most = 5 * 0.5 * std::sqrt(9000);
    EXPECT_NEAR(static_cast<double>(rows[f]), 12000, most);
    EXPECT_NEAR(static_cast<double>(rows[3 + f]), 3000, most);
    EXPECT_NEAR(static_cast<double>(rows[6 + f]), 6000, most);
  }
}

TEST(StratifiedSplitTest, PartsAreDisjointCompleteAndProportional) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::vector<std::int64_t> labels = generated_labels(seed);
    const double fraction = 0.1 + 0.8 * CounterRandom{seed}.uniform(0, 3);
    const splits::Split split = splits::stratified_split(labels, kClasses, fraction, seed);
    const auto rows = static_cast<double>(labels.size());
    EXPECT_EQ(split.test.size(), static_cast<std::size_t>(std::llround(rows * fraction)));
    std::set<std::int64_t> all(split.test.begin(), split.test.end());
    all.insert(split.train.begin(), split.train.end());
    EXPECT_EQ(all.size(), labels.size());
    EXPECT_EQ(split.test.size() + split.train.size(), labels.size());
    EXPECT_EQ(*all.begin(), 0);
    EXPECT_EQ(*all.rbegin(), static_cast<std::int64_t>(labels.size()) - 1);
    const std::vector<double> test = counts_in(split.test, labels);
    const std::vector<double> train = counts_in(split.train, labels);
    for (std::size_t c = 0; c < kClasses; ++c) {
      const double exact = (test[c] + train[c]) * static_cast<double>(split.test.size()) / rows;
      EXPECT_LT(std::abs(test[c] - exact), 1) << "seed " << seed << ", class " << c;
    }
  }
}

TEST(StratifiedSplitTest, TheOnlyRowOfAClassIsForTraining) {
  std::vector<std::int64_t> labels(20, 0);
  labels[13] = 1;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const splits::Split split = splits::stratified_split(labels, 2, 0.9, seed);
    EXPECT_EQ(std::count(split.train.begin(), split.train.end(), 13), 1);
  }
}

TEST(StratifiedSplitTest, EveryRowIsEquallyLikelyToBeTested) {
  const std::vector<std::int64_t> labels{0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
  std::vector<std::uint64_t> tested(10);
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    for (const std::int64_t row : splits::stratified_split(labels, 2, 0.5, seed).test) {
      ++tested[static_cast<std::size_t>(row)];
    }
  }
  // Two constraints, and drawn without replacement the statistic is only smaller.
  EXPECT_GT(chi_squared_p_value(tested, std::vector<double>(10, 10000), 2), kImplausible);
}

TEST(StratifiedSplitTest, UnshuffledPartsAscendAndHoldTheSameRows) {
  const std::vector<std::int64_t> labels = generated_labels(4);
  splits::Split shuffled = splits::stratified_split(labels, kClasses, 0.3, 8);
  const splits::Split ascending =
      splits::stratified_split(labels, kClasses, 0.3, 8, {.shuffle = false});
  EXPECT_FALSE(std::is_sorted(shuffled.train.begin(), shuffled.train.end()));
  std::sort(shuffled.train.begin(), shuffled.train.end());
  std::sort(shuffled.test.begin(), shuffled.test.end());
  EXPECT_EQ(shuffled, ascending);
}

TEST(StratifiedSplitTest, Golden) {
  const std::vector<std::uint8_t> labels{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
  const splits::Split split = splits::stratified_split(labels, 2, 0.25, 42);
  EXPECT_THAT(split.test, ElementsAre(4, 2, 10));
  EXPECT_THAT(split.train, ElementsAre(1, 7, 6, 0, 11, 3, 9, 8, 5));
}

TEST(StratifiedKFoldTest, FoldsAreEvenInEveryClassAndInAll) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<std::int64_t> labels = generated_labels(seed);
    const auto k = static_cast<std::uint32_t>(2 + seed % 9);
    const std::vector<std::uint32_t> folds = splits::stratified_k_fold(labels, kClasses, k, seed);
    ASSERT_EQ(folds.size(), labels.size());
    std::vector<std::vector<int>> size(kClasses + 1, std::vector<int>(k));
    for (std::size_t row = 0; row < labels.size(); ++row) {
      ASSERT_LT(folds[row], k);
      ++size[static_cast<std::size_t>(labels[row])][folds[row]];
      ++size[kClasses][folds[row]];
    }
    for (const std::vector<int>& sizes : size) {
      const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
      EXPECT_LE(*most - *least, 1);
    }
  }
}

TEST(StratifiedKFoldTest, FoldListsItsRowsAndTheOthers) {
  const std::vector<std::uint32_t> folds{0, 1, 2, 1, 0};
  const splits::Split split = splits::fold(folds, 1);
  EXPECT_THAT(split.test, ElementsAre(1, 3));
  EXPECT_THAT(split.train, ElementsAre(0, 2, 4));
}

TEST(StratifiedKFoldTest, Golden) {
  const std::vector<std::int64_t> labels{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2};
  EXPECT_THAT(splits::stratified_k_fold(labels, 3, 3, 42),
              ElementsAre(1u, 0u, 2u, 2u, 1u, 0u, 2u, 1u, 1u, 0u, 2u, 0u));
}

template <class F>
std::string message_of(const F& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no exception";
}

TEST(SplitsTest, RefuseWhatCannotBeCut) {
  const std::vector<std::int64_t> labels{0, 0, 1, 1};
  const auto split = [](const std::vector<std::int64_t>& of, double fraction) {
    return message_of([&] { splits::stratified_split(of, 2, fraction, 1); });
  };
  EXPECT_EQ(split(labels, 0),
            "stratified_split(): test_fraction = 0, expected a number between 0 and 1");
  EXPECT_EQ(split(labels, 1),
            "stratified_split(): test_fraction = 1, expected a number between 0 and 1");
  EXPECT_EQ(split(labels, detail::quiet_nan()),
            "stratified_split(): test_fraction = nan, expected a number between 0 and 1");
  EXPECT_EQ(
      split(labels, 0.1),
      "stratified_split(): test_fraction = 0.1, expected one that leaves rows in both parts of "
      "4");
  EXPECT_EQ(
      split(labels, 0.9),
      "stratified_split(): test_fraction = 0.9, expected one that leaves rows in both parts of "
      "4");
  EXPECT_EQ(
      split({}, 0.5),
      "stratified_split(): test_fraction = 0.5, expected one that leaves rows in both parts of "
      "0");
  EXPECT_EQ(split({0, 2}, 0.5), "stratified_split(): labels[1] = 2, expected a class in [0, 2)");
  EXPECT_EQ(message_of([&] { splits::stratified_k_fold(labels, 2, 1, 1); }),
            "stratified_k_fold(): k = 1, expected 2 to 4 (rows)");
  EXPECT_EQ(message_of([&] { splits::stratified_k_fold(labels, 2, 5, 1); }),
            "stratified_k_fold(): k = 5, expected 2 to 4 (rows)");
  EXPECT_EQ(message_of([&] { splits::stratified_k_fold(labels, 1, 2, 1); }),
            "stratified_k_fold(): labels[2] = 1, expected a class in [0, 1)");
  EXPECT_EQ(message_of([] {
              splits::fold(std::vector<std::uint32_t>{0, 1}, 2);
            }),
            "fold(): f = 2, expected a fold that has rows");
}

}  // namespace
}  // namespace equipoise
