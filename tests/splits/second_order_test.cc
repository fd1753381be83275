#include "equipoise/splits/second_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "equipoise/random.h"
#include "equipoise/splits/iterative.h"
#include "tests/support/errors.h"

namespace equipoise::splits {
namespace {

using testing::error_of;

constexpr std::size_t kClasses = 6;

using Pair = std::pair<int, int>;

// Rows of up to six labels, of which each is in a third; in the order of the row's draws.
struct Data {
  std::vector<int> labels;
  std::vector<int> offsets{0};

  explicit Data(std::uint64_t seed) {
    const CounterRandom random{seed};
    const std::size_t rows = 100 + seed;
    for (std::size_t row = 0; row < rows; ++row) {
      const std::vector<int> order =
          shuffled_indices<int>(kClasses, CounterRandom{seed * 1000 + row});
      for (const int c : order) {
        if (random.below(3, row * kClasses + static_cast<std::size_t>(c), 1) == 0) {
          labels.push_back(c);
        }
      }
      offsets.push_back(static_cast<int>(labels.size()));
    }
  }

  std::size_t rows() const { return offsets.size() - 1; }

  std::vector<int> of_row(std::size_t row) const {
    std::vector<int> own(labels.begin() + offsets[row], labels.begin() + offsets[row + 1]);
    std::sort(own.begin(), own.end());
    return own;
  }

  std::map<Pair, double> pairs(const std::vector<std::int64_t>& of_rows) const {
    std::map<Pair, double> result;
    for (const std::int64_t row : of_rows) {
      const std::vector<int> own = of_row(static_cast<std::size_t>(row));
      for (const int a : own) {
        for (const int b : own) {
          if (a < b) result[{a, b}] += 1;
        }
      }
    }
    return result;
  }
};

// Labels and pairs as labels of a first-order split: the pairs that occur, in their order.
TEST(SecondOrder, IsFirstOrderOnLabelsAndPairs) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Data data(seed);
    std::map<Pair, int> number;
    for (std::size_t row = 0; row < data.rows(); ++row) {
      for (const int a : data.of_row(row)) {
        for (const int b : data.of_row(row)) {
          if (a < b) number[{a, b}] = 0;
        }
      }
    }
    int next = kClasses;
    for (auto& [pair, own] : number) own = next++;
    std::vector<int> labels;
    std::vector<int> offsets{0};
    for (std::size_t row = 0; row < data.rows(); ++row) {
      labels.insert(labels.end(), data.labels.begin() + data.offsets[row],
                    data.labels.begin() + data.offsets[row + 1]);
      const std::vector<int> own = data.of_row(row);
      for (const int a : own) {
        for (const int b : own) {
          if (a < b) labels.push_back(number.at({a, b}));
        }
      }
      offsets.push_back(static_cast<int>(labels.size()));
    }
    const auto classes = static_cast<std::size_t>(next);
    EXPECT_EQ(second_order_split(data.labels, data.offsets, kClasses, 0.3, seed),
              iterative_split(labels, offsets, classes, 0.3, seed));
    EXPECT_EQ(second_order_k_fold(data.labels, data.offsets, kClasses, 4, seed),
              iterative_k_fold(labels, offsets, classes, 4, seed));
  }
}

// Labels 0 and 1 are each in half of 8 rows and never meet, as both are with 2 and 3: pairs (0, 2),
// (0, 3), (1, 2) and (1, 3) have two rows each. In two folds every pair has one in each; by labels
// alone a fold may have both rows of (0, 2) and of (1, 3).
TEST(SecondOrder, PairsOfTwoRowsAreInBothFolds) {
  const std::vector<int> labels{0, 2, 0, 2, 3, 0, 0, 3, 1, 2, 2, 1, 1, 3, 1, 3};
  const std::vector<int> offsets{0, 2, 4, 6, 8, 10, 12, 14, 16};
  int apart = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::vector<std::uint32_t> folds = second_order_k_fold(labels, offsets, 4, 2, seed);
    for (std::size_t row = 0; row < 8; row += 2) EXPECT_NE(folds[row], folds[row + 1]);
    const std::vector<std::uint32_t> first = iterative_k_fold(labels, offsets, 4, 2, seed);
    for (std::size_t row = 0; row < 8; row += 2) apart += first[row] != first[row + 1] ? 1 : 0;
  }
  EXPECT_LT(apart, 700);  // of 800
}

TEST(SecondOrder, PairsAreNearerToTheirSharesThanInFirstOrder) {
  double first = 0;
  double second = 0;
  const auto deviation = [](const Data& data, const Split& split) {
    std::map<Pair, double> all = data.pairs(split.train);
    std::map<Pair, double> test = data.pairs(split.test);
    for (const auto& [pair, rows] : test) all[pair] += rows;
    const double share = static_cast<double>(split.test.size()) / static_cast<double>(data.rows());
    double sum = 0;
    for (const auto& [pair, rows] : all) sum += std::abs(test[pair] - share * rows);
    return sum / static_cast<double>(all.size());
  };
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Data data(seed);
    first += deviation(data, iterative_split(data.labels, data.offsets, kClasses, 0.25, seed));
    const Split split = second_order_split(data.labels, data.offsets, kClasses, 0.25, seed);
    second += deviation(data, split);
    EXPECT_EQ(split.test.size(),
              static_cast<std::size_t>(std::llround(static_cast<double>(data.rows()) * 0.25)));
  }
  EXPECT_LT(second, first / 2);
}

// Every label has its rows in either part; pairs may have fewer, which as labels they would not.
TEST(SecondOrder, BoundsHoldForLabelsAlone) {
  int rare_pairs = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Data data(seed);
    const Split split = second_order_split(data.labels, data.offsets, kClasses, 0.1, seed,
                                           {.min_train_rows = 10, .min_test_rows = 2});
    std::vector<int> train(kClasses);
    std::vector<int> test(kClasses);
    for (const std::int64_t row : split.train) {
      for (const int c : data.of_row(static_cast<std::size_t>(row))) {
        ++train[static_cast<std::size_t>(c)];
      }
    }
    for (const std::int64_t row : split.test) {
      for (const int c : data.of_row(static_cast<std::size_t>(row))) {
        ++test[static_cast<std::size_t>(c)];
      }
    }
    for (std::size_t c = 0; c < kClasses; ++c) {
      EXPECT_GE(train[c], 10);
      EXPECT_GE(test[c], 2);
    }
    std::map<Pair, double> trained = data.pairs(split.train);
    for (const auto& [pair, count] : data.pairs(split.test)) rare_pairs += trained[pair] < 10;
  }
  EXPECT_GT(rare_pairs, 0);
}

TEST(SecondOrder, WithoutPairsItIsFirstOrder) {
  const std::vector<int> labels{0, 1, 1, 0, 2, 2, 0};
  const std::vector<int> offsets{0, 1, 2, 3, 4, 5, 5, 6, 7};
  EXPECT_EQ(second_order_k_fold(labels, offsets, 3, 3, 5),
            iterative_k_fold(labels, offsets, 3, 3, 5));
}

TEST(SecondOrder, RefusesWhatCannotBeCut) {
  const std::vector<int> labels{0, 1, 1};
  const std::vector<int> offsets{0, 2, 3};
  EXPECT_EQ(error_of([&] { second_order_split(labels, offsets, 1, 0.5, 1); }),
            "second_order_split(): labels[1] = 1, expected a class in [0, 1)");
  EXPECT_EQ(error_of([&] { second_order_split(labels, offsets, 2, 1, 1); }),
            "second_order_split(): test_fraction = 1, expected a number between 0 and 1");
  EXPECT_EQ(error_of([&] {
              second_order_k_fold(std::vector<int>{0, 1, 1}, std::vector<int>{0, 1, 3}, 2, 2, 1);
            }),
            "second_order_k_fold(): labels[2] = 1, expected a label that its row has once");
  EXPECT_EQ(error_of([&] { second_order_k_fold(labels, offsets, 2, 3, 1); }),
            "second_order_k_fold(): k = 3, expected 2 to 2 (rows)");
}

}  // namespace
}  // namespace equipoise::splits
