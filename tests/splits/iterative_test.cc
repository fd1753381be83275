#include "equipoise/splits/iterative.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::splits {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

constexpr std::size_t kClasses = 12;

// Rows with none to several of twelve labels; label c is in about one row in c + 2, squared, and
// comes more often where its predecessor does.
struct Data {
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> offsets{0};

  explicit Data(std::uint64_t seed) {
    const CounterRandom random{seed};
    const std::size_t rows = 200 + 3 * seed;
    for (std::size_t row = 0; row < rows; ++row) {
      bool has_previous = false;
      for (std::size_t c = 0; c < kClasses; ++c) {
        const double probability =
            (has_previous ? 3.0 : 1.0) / static_cast<double>((c + 2) * (c + 2));
        has_previous = random.uniform(row * kClasses + c, 1) < probability;
        if (has_previous) labels.push_back(static_cast<std::int32_t>(c));
      }
      offsets.push_back(static_cast<std::uint32_t>(labels.size()));
    }
  }

  std::size_t rows() const { return offsets.size() - 1; }

  // Rows with each label, in the given part.
  std::vector<double> counts(const std::vector<std::uint32_t>& parts, std::uint32_t part) const {
    std::vector<double> result(kClasses);
    for (std::size_t row = 0; row < rows(); ++row) {
      if (parts[row] != part) continue;
      for (std::size_t i = offsets[row]; i < offsets[row + 1]; ++i) {
        result[static_cast<std::size_t>(labels[i])] += 1;
      }
    }
    return result;
  }

  // The mean over labels and parts of |given - due|, in rows.
  double deviation(const std::vector<std::uint32_t>& parts, const std::vector<double>& dues) const {
    std::vector<double> all(kClasses);
    for (const std::int32_t c : labels) all[static_cast<std::size_t>(c)] += 1;
    double sum = 0;
    for (std::uint32_t part = 0; part < dues.size(); ++part) {
      const std::vector<double> own = counts(parts, part);
      for (std::size_t c = 0; c < kClasses; ++c) sum += std::abs(own[c] - all[c] * dues[part]);
    }
    return sum / static_cast<double>(kClasses * dues.size());
  }
};

// Parts of the given sizes by chance.
std::vector<std::uint32_t> by_chance(const std::vector<std::size_t>& sizes, std::uint64_t seed) {
  std::vector<std::uint32_t> parts;
  for (std::size_t part = 0; part < sizes.size(); ++part) {
    parts.insert(parts.end(), sizes[part], static_cast<std::uint32_t>(part));
  }
  std::vector<std::uint32_t> result(parts.size());
  const std::vector<std::uint32_t> order =
      shuffled_indices<std::uint32_t>(parts.size(), CounterRandom{seed});
  for (std::size_t i = 0; i < order.size(); ++i) result[i] = parts[order[i]];
  return result;
}

std::vector<std::uint32_t> parts_of(const Split& split) {
  std::vector<std::uint32_t> parts(split.train.size() + split.test.size(), 2);
  for (const std::int64_t row : split.train) parts[static_cast<std::size_t>(row)] = 0;
  for (const std::int64_t row : split.test) parts[static_cast<std::size_t>(row)] = 1;
  return parts;
}

TEST(LabelQueueTest, TheLeastIsThatOfASearch) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const CounterRandom random{seed};
    std::vector<std::uint64_t> counts(1 + random.below(9, 0, 1));
    for (std::size_t c = 0; c < counts.size(); ++c) counts[c] = random.below(7, c, 2);
    const std::vector<std::size_t> order =
        shuffled_indices<std::size_t>(counts.size(), CounterRandom{seed});
    detail::LabelQueue queue(counts, order);
    for (std::uint64_t t = 0;; ++t) {
      std::uint64_t least = 0;
      for (const std::uint64_t count : counts) {
        if (count != 0 && (least == 0 || count < least)) least = count;
      }
      ASSERT_EQ(queue.empty(), least == 0);
      if (least == 0) break;
      ASSERT_EQ(counts[queue.least()], least);
      std::size_t label = static_cast<std::size_t>(random.below(counts.size(), t, 3));
      while (counts[label] == 0) label = (label + 1) % counts.size();
      --counts[label];
      queue.decrement(label);
    }
  }
}

TEST(LabelQueueTest, NoLabels) { EXPECT_TRUE(detail::LabelQueue({}, {}).empty()); }

// Label 1 is in rows 0 and 1, label 0 in rows 0 to 3, rows 4 to 7 have none, and a quarter is for
// testing. Label 1 comes first: its training part wants 1.5 rows, then, of .5 and .5, that which
// wants 5 rows in all and not 2. So rows 0 and 1 are for training. Of label 0 each part then wants
// one more row, and each gets one; and so it is with the rows without labels: three and one.
TEST(IterativeSplitTest, ByHand) {
  const std::vector<int> labels{0, 1, 1, 0, 0, 0};
  const std::vector<int> offsets{0, 2, 4, 5, 6, 6, 6, 6, 6};
  std::vector<std::uint64_t> tested(8);
  constexpr std::uint64_t kSeeds = 10000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Split split = iterative_split(labels, offsets, 2, 0.25, seed, {.shuffle = false});
    ASSERT_EQ(split.test.size(), 2u);
    ASSERT_TRUE(split.test[0] == 2 || split.test[0] == 3);
    ASSERT_GE(split.test[1], 4);
    for (const std::int64_t row : split.test) ++tested[static_cast<std::size_t>(row)];
  }
  const std::vector<double> expected{0,           0,           kSeeds / 2., kSeeds / 2.,
                                     kSeeds / 4., kSeeds / 4., kSeeds / 4., kSeeds / 4.};
  EXPECT_GT(chi_squared_p_value(tested, expected, 2), kImplausible);
}

TEST(IterativeSplitTest, PartsAreCompleteAndLabelsFarNearerThanByChance) {
  double iterative = 0;
  double chance = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const Data data(seed);
    const double fraction = 0.1 + 0.4 * CounterRandom{seed}.uniform(0, 3);
    const Split split = iterative_split(data.labels, data.offsets, kClasses, fraction, seed);
    ASSERT_EQ(split.train.size() + split.test.size(), data.rows());
    EXPECT_EQ(split.test.size(),
              static_cast<std::size_t>(std::llround(static_cast<double>(data.rows()) * fraction)));
    const std::vector<std::uint32_t> parts = parts_of(split);
    EXPECT_EQ(std::count(parts.begin(), parts.end(), 2u), 0);
    const double test = static_cast<double>(split.test.size()) / static_cast<double>(data.rows());
    const std::vector<double> dues{1 - test, test};
    const double own = data.deviation(parts, dues);
    double other = 0;
    for (std::uint64_t t = 0; t < 20; ++t) {
      other +=
          data.deviation(by_chance({split.train.size(), split.test.size()}, 20 * seed + t), dues) /
          20;
    }
    EXPECT_LT(own, other) << "seed " << seed;
    iterative += own;
    chance += other;
  }
  EXPECT_LT(iterative, chance / 4);
}

TEST(IterativeFoldTest, SizesAreEvenAndLabelsFarNearerThanByChance) {
  double iterative = 0;
  double chance = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Data data(seed);
    const auto k = static_cast<std::uint32_t>(2 + seed % 9);
    const std::vector<std::uint32_t> folds =
        iterative_k_fold(data.labels, data.offsets, kClasses, k, seed);
    ASSERT_EQ(folds.size(), data.rows());
    std::vector<std::size_t> sizes(k);
    for (const std::uint32_t f : folds) {
      ASSERT_LT(f, k);
      ++sizes[f];
    }
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
    EXPECT_LE(*most - *least, 1u);
    const std::vector<double> dues(k, 1.0 / k);
    const double own = data.deviation(folds, dues);
    double other = 0;
    for (std::uint64_t t = 0; t < 20; ++t) {
      other += data.deviation(by_chance(sizes, 20 * seed + t), dues) / 20;
    }
    EXPECT_LT(own, other) << "seed " << seed;
    iterative += own;
    chance += other;
  }
  EXPECT_LT(iterative, chance / 2);
}

// The rarest label is the first to be given away, so that every part gets its share.
TEST(IterativeFoldTest, TheRarestLabelIsEven) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Data data(seed);
    std::vector<std::uint64_t> all(kClasses);
    for (const std::int32_t c : data.labels) ++all[static_cast<std::size_t>(c)];
    std::size_t rarest = 0;
    bool is_alone = true;
    for (std::size_t c = 1; c < kClasses; ++c) {
      is_alone = all[c] < all[rarest] || (is_alone && all[c] > all[rarest]);
      if (all[c] < all[rarest]) rarest = c;
    }
    if (!is_alone) continue;
    const std::vector<std::uint32_t> folds =
        iterative_k_fold(data.labels, data.offsets, kClasses, 3, seed);
    std::vector<double> counts;
    for (std::uint32_t f = 0; f < 3; ++f) counts.push_back(data.counts(folds, f)[rarest]);
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    EXPECT_LE(*most - *least, 1) << "seed " << seed;
  }
}

// With one label a row it does what stratified_k_fold() does.
TEST(IterativeFoldTest, RowsOfOneLabelAreStratified) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const CounterRandom random{seed};
    std::vector<std::uint64_t> labels(20 + seed);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double u = random.uniform(i, 1);
      labels[i] = static_cast<std::uint64_t>(u * u * 6);
    }
    std::vector<std::uint64_t> offsets(labels.size() + 1);
    std::iota(offsets.begin(), offsets.end(), std::uint64_t{0});
    const auto k = static_cast<std::uint32_t>(2 + seed % 5);
    const std::vector<std::uint32_t> folds = iterative_k_fold(labels, offsets, 6, k, seed);
    std::vector<int> counts(6 * k);
    for (std::size_t i = 0; i < labels.size(); ++i) ++counts[labels[i] * k + folds[i]];
    for (auto c = counts.begin(); c != counts.end(); c += k) {
      const auto [least, most] = std::minmax_element(c, c + k);
      EXPECT_LE(*most - *least, 1) << "seed " << seed;
    }
  }
}

TEST(IterativeFoldTest, EveryFoldIsEquallyLikelyForARow) {
  const std::vector<int> labels{0, 1, 1, 0, 2, 2, 0};
  const std::vector<int> offsets{0, 2, 3, 5, 5, 7, 7};
  std::vector<std::uint64_t> seen(18);
  for (std::uint64_t seed = 0; seed < 15000; ++seed) {
    const std::vector<std::uint32_t> folds = iterative_k_fold(labels, offsets, 3, 3, seed);
    for (std::size_t row = 0; row < folds.size(); ++row) ++seen[row * 3 + folds[row]];
  }
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(18, 5000), 6), kImplausible);
}

TEST(IterativeSplitTest, TrainingComesFirst) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Data data(seed);
    const Split split = iterative_split(data.labels, data.offsets, kClasses, 0.5, seed,
                                        {.shuffle = true, .min_train_rows = 5});
    const std::vector<std::uint32_t> parts = parts_of(split);
    const std::vector<double> train = data.counts(parts, 0);
    const std::vector<double> test = data.counts(parts, 1);
    for (std::size_t c = 0; c < kClasses; ++c) {
      EXPECT_GE(train[c], std::min(train[c] + test[c], 5.0)) << "seed " << seed;
    }
  }
}

// Of 10 rows 2 have label 0, and a fifth is for testing: without a bound the test part has neither.
TEST(IterativeSplitTest, TestRowsOfARareLabel) {
  const std::vector<int> labels{0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const std::vector<int> offsets{0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::vector<std::uint64_t> tested(2);
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Split without = iterative_split(labels, offsets, 2, 0.2, seed, {.shuffle = false});
    EXPECT_GT(without.test[0], 1);
    const Split with =
        iterative_split(labels, offsets, 2, 0.2, seed, {.shuffle = false, .min_test_rows = 1});
    ASSERT_EQ(with.test.size(), 2u);
    EXPECT_LE(with.test[0], 1);
    EXPECT_GT(with.test[1], 1);
    ++tested[static_cast<std::size_t>(with.test[0])];
  }
  EXPECT_GT(chi_squared_p_value(tested, std::vector<double>(2, 500)), kImplausible);
}

TEST(IterativeSplitTest, BothBoundsHoldForEveryLabel) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Data data(seed);
    const Split split = iterative_split(data.labels, data.offsets, kClasses, 0.2, seed,
                                        {.min_train_rows = 3, .min_test_rows = 2});
    const std::vector<std::uint32_t> parts = parts_of(split);
    const std::vector<double> train = data.counts(parts, 0);
    const std::vector<double> test = data.counts(parts, 1);
    for (std::size_t c = 0; c < kClasses; ++c) {
      const double all = train[c] + test[c];
      EXPECT_GE(train[c], std::min(all, 3.0)) << "seed " << seed;
      EXPECT_GE(test[c], std::clamp(all - 3, 0.0, 2.0)) << "seed " << seed;
    }
  }
}

TEST(IterativeTest, RowsWithoutAnyLabel) {
  const std::vector<int> none;
  const std::vector<int> offsets{0, 0, 0, 0, 0};
  EXPECT_EQ(iterative_split(none, offsets, 0, 0.25, 1).test.size(), 1u);
  std::vector<std::uint32_t> folds = iterative_k_fold(none, offsets, 3, 4, 1);
  std::sort(folds.begin(), folds.end());
  EXPECT_THAT(folds, ElementsAre(0u, 1u, 2u, 3u));
}

TEST(IterativeTest, Golden) {
  const std::vector<std::uint8_t> labels{0, 1, 0, 2, 0, 1, 2, 0, 0, 1, 3, 2};
  const std::vector<std::uint8_t> offsets{0, 2, 3, 4, 6, 6, 8, 9, 9, 11, 12};
  EXPECT_THAT(iterative_k_fold(labels, offsets, 4, 3, 42),
              ElementsAre(2u, 1u, 2u, 0u, 1u, 1u, 2u, 0u, 1u, 0u));
  const Split split = iterative_split(labels, offsets, 4, 0.3, 42);
  EXPECT_THAT(split.test, ElementsAre(2, 7, 3));
  EXPECT_THAT(split.train, ElementsAre(5, 0, 9, 6, 4, 8, 1));
}

TEST(IterativeTest, RefuseWhatCannotBeCut) {
  const std::vector<int> labels{0, 1, 1};
  const std::vector<int> offsets{0, 2, 3, 3};
  const auto split = [&](const std::vector<int>& own, double fraction,
                         std::uint64_t min_train = 0) {
    return error_of(
        [&] { iterative_split(labels, own, 2, fraction, 1, {.min_train_rows = min_train}); });
  };
  EXPECT_EQ(split(offsets, 2),
            "iterative_split(): test_fraction = 2, expected a number between 0 and 1");
  EXPECT_EQ(split(offsets, 0.1),
            "iterative_split(): test_fraction = 0.1, expected one that leaves rows in both parts "
            "of 3");
  EXPECT_EQ(split({0}, 0.5), "iterative_split(): offsets[0] = 0, expected 3 (labels)");
  EXPECT_EQ(split({}, 0.5), "iterative_split(): offsets.size() = 0, expected at least 1");
  EXPECT_EQ(split({0, 2, 1, 3}, 0.5),
            "iterative_split(): offsets[2] = 1, expected at least its predecessor 2");
  EXPECT_EQ(split({0, 1, 3}, 0.5),
            "iterative_split(): labels[2] = 1, expected a label that its row has once");
  EXPECT_EQ(split(offsets, 0.67, 2),
            "iterative_split(): options.min_train_rows = 2, expected a number that leaves 2 rows "
            "for testing without taking those of label 1");
  const std::vector<int> apart{1, 1, 1, 2, 2, 2, 0, 0};
  const std::vector<int> one_each{0, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(error_of([&] { iterative_split(apart, one_each, 3, 0.25, 1, {.min_test_rows = 2}); }),
            "iterative_split(): options.min_test_rows = 2, expected a number of rows that label 1 "
            "finds among 2 for testing");
  EXPECT_EQ(error_of([&] { iterative_k_fold(labels, offsets, 1, 2, 1); }),
            "iterative_k_fold(): labels[1] = 1, expected a class in [0, 1)");
  EXPECT_EQ(error_of([&] { iterative_k_fold(labels, offsets, 2, 4, 1); }),
            "iterative_k_fold(): k = 4, expected 2 to 3 (rows)");
}

}  // namespace
}  // namespace equipoise::splits
