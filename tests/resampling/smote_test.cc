#include "equipoise/resampling/smote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/random.h"
#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/sampling/target_counts.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::IsEmpty;

static_assert(OversamplingPolicy<Smote>);
static_assert(OversamplingPolicy<Smote, double>);

// Class 1 at 0, 1, 3, 7; class 0 elsewhere.
const std::vector<float> kValues = {0, 100, 1, 101, 3, 102, 103, 104, 7, 105};
const std::vector<int> kLabels = {1, 0, 1, 0, 1, 0, 0, 0, 1, 0};
const MatrixView<const float> kRows(kValues.data(), 10, 1);
const std::vector<std::uint64_t> kTargets = {6, 9};

TEST(Smote, TakesTheNeighboursOfTheClass) {
  const auto groups = Smote{.k = 2}(kRows, kLabels, kTargets);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].class_index, 1u);
  EXPECT_EQ(groups[0].rows, 5u);
  EXPECT_EQ(groups[0].k, 2u);
  EXPECT_THAT(groups[0].bases, ElementsAre(0, 2, 4, 8));
  EXPECT_THAT(groups[0].neighbours, ElementsAre(2, 4, 0, 4, 2, 0, 4, 2));
  EXPECT_EQ(groups[0].reach, 1);
  EXPECT_THAT(groups[0].rows_of_base, IsEmpty());
}

// Of all rows that an epoch makes: the class has what was asked for, and each lies on the segment
// from a row of its class to one of the k nearest to that.
TEST(Smote, MakesRowsOnSegmentsToNeighbours) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> values(300 * 3);
  for (double& value : values) value = normal(random);
  std::vector<std::int64_t> labels(300);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 9 == 0 ? 2 : i % 4 == 0 ? 1 : 0;
  const MatrixView<const double> rows(values.data(), 300, 3);
  const auto targets = sampling::oversampling_targets(count_labels(labels, 3));
  const RecipeStream stream(Smote{}(rows, labels, targets), 5);
  const std::vector<Recipe> recipes = stream.epoch(3);
  std::vector<double> made(recipes.size() * 3);
  const MatrixView<double> out(made.data(), recipes.size(), 3);
  synthesize(recipes, rows, out);
  const auto distance = [&](std::size_t i, std::size_t j) {
    return detail::squared_distance(rows, i, j);
  };
  for (std::size_t r = 0; r < recipes.size(); ++r) {
    const auto [base, neighbour, lambda] = recipes[r];
    ASSERT_EQ(labels[base], labels[neighbour]);
    std::size_t nearer = 0;
    for (std::size_t j = 0; j < 300; ++j) {
      if (j == base || labels[j] != labels[base]) continue;
      nearer += distance(base, j) < distance(base, neighbour) ? 1 : 0;
    }
    EXPECT_LT(nearer, 5u);
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(out(r, c), (1 - lambda) * rows(base, c) + lambda * rows(neighbour, c), 1e-14);
    }
  }
  const ClassCounts counts = count_labels(labels_of(recipes, labels), 3);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(counts[c] + count_labels(labels, 3)[c], static_cast<double>(targets[c]));
  }
}

// From rows to recipes: who is a neighbour, and what is drawn, is the same on every platform.
TEST(Smote, MakesTheSameRecipesEverywhere) {
  const CounterRandom random{.seed = 1};
  std::vector<float> values(400 * 7);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(random.uniform(i, /*purpose=*/1));
  }
  std::vector<int> labels(400);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 5 == 0 ? 1 : 0;
  const MatrixView<const float> rows(values.data(), 400, 7);
  const std::vector<std::uint64_t> targets = {320, 320};
  const RecipeStream stream(Smote{}(rows, labels, targets), 12345);
  std::vector<Recipe> recipes(4);
  stream.fill(1000, recipes);
  EXPECT_EQ(recipes, (std::vector<Recipe>{{360, 105, 0x1.4e8730d509b14p-2},
                                          {370, 15, 0x1.17c1039f36b63p-1},
                                          {395, 30, 0x1.e3965747aa159p-1},
                                          {15, 175, 0x1.85627f90a8058p-2}}));
  EXPECT_EQ(stream.fingerprint(), 438707010930692479u);
}

TEST(Smote, ClipsNeighboursWhereAsked) {
  const std::vector<std::uint64_t> targets = {6, 5};
  const Smote clipped{.few_rows = FewRows::kClip};
  EXPECT_EQ(clipped(kRows, kLabels, targets)[0].k, 3u);
  const std::vector<int> alone = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
  const auto groups = clipped(kRows, alone, std::vector<std::uint64_t>{9, 2});
  EXPECT_EQ(groups[0].k, 0u);
  EXPECT_EQ(RecipeStream(groups, 1)[0], (Recipe{5, 5, 0}));
}

TEST(Smote, TakesEqualRows) {
  const std::vector<float> values(10, 2.0f);
  const MatrixView<const float> rows(values.data(), 10, 1);
  EXPECT_THAT(Smote{.k = 2}(rows, kLabels, kTargets)[0].neighbours,
              ElementsAre(2, 4, 0, 4, 0, 2, 0, 2));
}

TEST(Smote, MakesNothingWhereNothingIsMissing) {
  EXPECT_THAT(Smote{}(kRows, kLabels, std::vector<std::uint64_t>{6, 4}), IsEmpty());
  const MatrixView<const float> none;
  EXPECT_THAT(Smote{}(none, std::vector<int>{}, std::vector<std::uint64_t>{0, 0}), IsEmpty());
}

// Whoever has an index structure passes it.
struct LastRows {
  template <class T>
  NeighbourTable operator()(const MatrixView<const T>&, std::span<const std::size_t> queries,
                            std::span<const std::size_t> references, std::size_t k) const {
    NeighbourTable table{k, {}, {}};
    for (std::size_t i = 0; i < queries.size() * k; ++i) {
      table.indices.push_back(references[references.size() - 1 - i % k]);
    }
    table.squared_distances.resize(table.indices.size());
    return table;
  }
};

TEST(Smote, TakesAnySearch) {
  EXPECT_THAT(Smote{.k = 1}(kRows, kLabels, kTargets, LastRows{})[0].neighbours,
              ElementsAre(8, 8, 8, 8));
}

TEST(SmoteErrors, NameWhatIsWrong) {
  const auto message = [](const std::vector<std::uint64_t>& targets, const Smote& smote = {}) {
    return error_of([&] { smote(kRows, kLabels, targets); });
  };
  EXPECT_EQ(message({6, 9}),
            "Smote(): rows of class 1 = 4, expected more than the 5 neighbours of each");
  EXPECT_EQ(message({6, 3}, {.k = 2}),
            "Smote(): targets[1] = 3, expected at least 4, the rows of the class");
  EXPECT_EQ(message({6, 4, 1}, {.k = 2}),
            "Smote(): targets[2] = 1, expected 0, for no row has this class");
  EXPECT_EQ(message({6}), "Smote(): labels[0] = 1, expected a class in [0, 1)");
  EXPECT_EQ(message({6, 9}, {.k = 0}), "Smote(): number of neighbours = 0, expected at least 1");
  EXPECT_EQ(error_of([] {
              Smote{}(kRows, std::vector<int>{0, 1}, kTargets);
            }),
            "Smote(): labels.size() = 2, expected 10 (rows)");
  std::vector<float> values = kValues;
  values[4] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(error_of([&] {
              Smote{.k = 2}(MatrixView<const float>(values.data(), 10, 1), kLabels, kTargets);
            }),
            "ExactNeighbours(): rows(4, 0) = inf, expected a finite number");
}

}  // namespace
}  // namespace equipoise::resampling
