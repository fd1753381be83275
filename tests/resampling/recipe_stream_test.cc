#include "equipoise/resampling/recipe_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::resampling {
namespace {

using testing::chi_squared_p_value;
using testing::error_of;
using testing::kImplausible;

static_assert(sampling::DrawStream<RecipeStream>);
static_assert(!sampling::IndexStream<RecipeStream>);

// Class 1: bases 10, 11, 12 with two neighbours each; class 2: base 20 twice as often as 21, half
// way at most; class 0: rows 0 and 1 themselves.
std::vector<RecipeGroup> some_groups() {
  return {{.class_index = 0, .rows = 2, .bases = {0, 1}},
          {.class_index = 1,
           .rows = 7,
           .bases = {10, 11, 12},
           .k = 2,
           .neighbours = {11, 12, 10, 12, 10, 11}},
          {.class_index = 2,
           .rows = 6,
           .bases = {20, 21},
           .k = 1,
           .neighbours = {21, 20},
           .rows_of_base = {4, 2},
           .reach = 0.5}};
}

TEST(RecipeStream, EpochsHoldWhatWasAskedFor) {
  const RecipeStream stream(some_groups(), 3);
  EXPECT_EQ(stream.epoch_size(), 15u);
  std::map<std::size_t, int> turns;
  for (std::uint64_t epoch = 0; epoch < 30; ++epoch) {
    std::map<std::size_t, int> seen;
    for (const Recipe& recipe : stream.epoch(epoch)) {
      ++seen[recipe.base / 10];
      ++turns[recipe.base];
    }
    EXPECT_EQ(seen, (std::map<std::size_t, int>{{0, 2}, {1, 7}, {2, 6}}));
  }
  EXPECT_EQ(turns, (std::map<std::size_t, int>{
                       {0, 30}, {1, 30}, {10, 70}, {11, 70}, {12, 70}, {20, 120}, {21, 60}}));
}

TEST(RecipeStream, OriginalRowsAreThemselves) {
  const RecipeStream stream(some_groups(), 3);
  for (std::uint64_t t = 0; t < 300; ++t) {
    const Recipe recipe = stream[t];
    if (recipe.base >= 10) continue;
    EXPECT_EQ(recipe, (Recipe{recipe.base, recipe.base, 0}));
  }
}

// The union of any number of shards is the stream.
TEST(RecipeStream, ShardsTakeTheStreamApart) {
  const RecipeStream stream(some_groups(), 5);
  for (std::uint64_t world = 1; world <= 16; ++world) {
    std::vector<Recipe> all;
    std::uint64_t size = 0;
    for (std::uint64_t rank = 0; rank < world; ++rank) {
      const auto positions = sampling::shard_positions(stream.epoch_size(), 4, {rank, world});
      std::vector<Recipe> own(static_cast<std::size_t>(positions.size));
      stream.fill(positions.begin, own, positions.stride);
      for (std::uint64_t i = 0; i < positions.size; ++i) {
        EXPECT_EQ(own[static_cast<std::size_t>(i)], stream[positions[i]]);
      }
      size += positions.size;
      all.insert(all.end(), own.begin(), own.end());
    }
    const std::uint64_t stride = (15 + world - 1) / world * world;
    ASSERT_EQ(size, stride);
    std::vector<Recipe> expected(static_cast<std::size_t>(stride));
    stream.fill(4 * stride, expected);
    const auto less = [](const Recipe& a, const Recipe& b) {
      return std::tie(a.base, a.neighbour, a.lambda) < std::tie(b.base, b.neighbour, b.lambda);
    };
    std::sort(all.begin(), all.end(), less);
    std::sort(expected.begin(), expected.end(), less);
    EXPECT_EQ(all, expected);
  }
}

// Batches are single draws: of classes of few rows and of many, of bases in turn and by counts,
// across epochs, in any stride, and of any size.
TEST(RecipeStream, FillsAsItDraws) {
  std::vector<RecipeGroup> groups = some_groups();
  RecipeGroup large{.class_index = 3, .rows = 500, .k = 3};
  for (std::size_t i = 0; i < 200; ++i) {
    large.bases.push_back(1000 + i);
    for (std::size_t j = 0; j < 3; ++j) large.neighbours.push_back(2000 + 3 * i + j);
  }
  groups.push_back(large);
  const RecipeStream stream(groups, 8);
  for (const std::uint64_t stride : {1u, 3u, 100u}) {
    for (const std::size_t size : {1u, 64u, 65u, 1300u}) {
      std::vector<Recipe> batch(size);
      stream.fill(500, batch, stride);
      for (std::size_t i = 0; i < size; ++i) {
        ASSERT_EQ(batch[i], stream[500 + i * stride]) << stride << " " << i;
      }
    }
  }
}

TEST(RecipeStream, GoesOnWhereItWasLeft) {
  const RecipeStream stream(some_groups(), 5);
  const sampling::Cursor cursor = sampling::cursor_at(stream, 1234);
  EXPECT_EQ(sampling::resume(RecipeStream(some_groups(), 5), cursor), 1234u);
  std::vector<RecipeGroup> others = some_groups();
  std::swap(others[1].neighbours[0], others[1].neighbours[1]);
  EXPECT_NE(RecipeStream(others, 5).fingerprint(), stream.fingerprint());
  EXPECT_NE(error_of([&] { sampling::resume(RecipeStream(others, 5), cursor); }),
            "nothing was thrown");
}

// Neighbours of each base, and lambdas, over many positions.
TEST(RecipeStream, DrawsNeighboursAndLambdasUniformly) {
  const RecipeStream stream(some_groups(), 11);
  constexpr std::uint64_t kEpochs = 4000;
  std::map<std::size_t, std::map<std::size_t, std::uint64_t>> neighbours;
  std::vector<double> lambdas;
  for (std::uint64_t t = 0; t < kEpochs * stream.epoch_size(); ++t) {
    const Recipe recipe = stream[t];
    ++neighbours[recipe.base][recipe.neighbour];
    if (recipe.base / 10 == 1) lambdas.push_back(recipe.lambda);
    if (recipe.base / 10 == 2) lambdas.push_back(recipe.lambda * 2);
  }
  for (const std::size_t base : {10u, 11u, 12u}) {
    std::vector<std::uint64_t> counts;
    std::uint64_t total = 0;
    for (const auto& [neighbour, count] : neighbours[base]) {
      counts.push_back(count);
      total += count;
    }
    ASSERT_EQ(counts.size(), 2u);
    const std::vector<double> expected(2, static_cast<double>(total) / 2);
    EXPECT_GT(chi_squared_p_value(counts, expected), kImplausible);
  }
  // Kolmogorov & Smirnov: with probability 1e-4 the deviation exceeds 2.23 / sqrt(n).
  std::sort(lambdas.begin(), lambdas.end());
  const auto n = static_cast<double>(lambdas.size());
  double deviation = 0;
  for (std::size_t i = 0; i < lambdas.size(); ++i) {
    deviation = std::max(deviation, std::fabs(lambdas[i] - (static_cast<double>(i) + 0.5) / n));
  }
  EXPECT_LT(deviation + 0.5 / n, 2.23 / std::sqrt(n));
  EXPECT_GE(lambdas.front(), 0);
  EXPECT_LT(lambdas.back(), 1);
}

// The sequence is part of the interface: a checkpoint of today goes on tomorrow.
TEST(RecipeStream, DrawsTheSameRecipesEverywhere) {
  const RecipeStream stream(some_groups(), 12345);
  std::vector<Recipe> recipes(4);
  stream.fill(1000, recipes);
  EXPECT_EQ(recipes, (std::vector<Recipe>{{20, 21, 0x1.4e8730d509b14p-3},
                                          {20, 21, 0x1.17c1039f36b63p-2},
                                          {11, 12, 0x1.e3965747aa159p-1},
                                          {12, 11, 0x1.85627f90a8058p-2}}));
  EXPECT_EQ(stream.fingerprint(), 6406312457907019346u);
}

TEST(RecipeStream, PutsOriginalRowsBeforeOthers) {
  const auto groups = original_rows(std::vector<int>{1, 0, 1}, 3);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].bases, (std::vector<std::size_t>{1}));
  EXPECT_EQ(groups[1].bases, (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(groups[1].rows, 2u);
  EXPECT_EQ(groups[2].rows, 0u);
  EXPECT_EQ(RecipeStream(groups, 1).epoch_size(), 3u);
  EXPECT_EQ(error_of([] { original_rows(std::vector<int>{3}, 3); }),
            "original_rows(): labels[0] = 3, expected a class in [0, 3)");
}

TEST(RecipeStreamErrors, NameWhatIsWrong) {
  const auto message = [](RecipeGroup group) {
    return error_of([&] { RecipeStream({std::move(group)}, 1); });
  };
  EXPECT_EQ(message({.rows = 1}),
            "RecipeStream(): groups[0].rows = 1, expected 0, for the group has no bases");
  EXPECT_EQ(message({}), "RecipeStream(): rows of all groups = 0, expected at least 1");
  EXPECT_EQ(message({.rows = 1, .bases = {1}, .k = 2, .neighbours = {1}}),
            "RecipeStream(): groups[0].neighbours.size() = 1, expected 2 (k a base)");
  EXPECT_EQ(message({.rows = 1, .bases = {1}, .k = std::size_t{1} << 63, .neighbours = {1}}),
            "RecipeStream(): groups[0].neighbours.size() = 1, expected 9223372036854775808 (k a "
            "base)");
  EXPECT_EQ(message({.rows = 4, .bases = {0, 1}, .k = std::size_t{1} << 63}),
            "RecipeStream(): groups[0].k = 9223372036854775808, expected 0, neighbours a base");
  EXPECT_EQ(message({.rows = 2, .bases = {1}, .rows_of_base = {1}}),
            "RecipeStream(): groups[0].rows = 2, expected the sum of rows_of_base, 1");
  EXPECT_EQ(message({.rows = 4, .bases = {0, 1}, .rows_of_base = {3, 2}}),
            "RecipeStream(): groups[0].rows_of_base[1] = 2, expected at most 1, what the bases "
            "before leave of rows");
  EXPECT_EQ(message({.rows = 2, .bases = {0, 1}, .rows_of_base = {3, ~std::uint64_t{0}}}),
            "RecipeStream(): groups[0].rows_of_base[0] = 3, expected at most 2, what the bases "
            "before leave of rows");
  EXPECT_EQ(message({.rows = 1, .bases = {1}, .rows_of_base = {1, 0}}),
            "RecipeStream(): groups[0].rows_of_base.size() = 2, expected 1 (bases)");
  EXPECT_EQ(message({.rows = 1, .bases = {1}, .reach = 0}),
            "RecipeStream(): groups[0].reach = 0, expected a number in (0, 1]");
  EXPECT_EQ(message({.rows = std::uint64_t{1} << 63, .bases = {1}}),
            "RecipeStream(): groups[0].rows = 9223372036854775808, expected fewer than 2^62 rows "
            "in all");
}

}  // namespace
}  // namespace equipoise::resampling
