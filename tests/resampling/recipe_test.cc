#include "equipoise/resampling/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

const std::vector<Recipe> kRecipes = {{0, 2, 0.25}, {1, 0, 0.5}, {2, 2, 0}};

TEST(Synthesize, InterpolatesBetweenBaseAndNeighbour) {
  const std::vector<float> values = {0, 8, 4, 2, -4, 0};
  std::vector<float> made(6);
  synthesize(kRecipes, MatrixView<const float>(values.data(), 3, 2),
             MatrixView<float>(made.data(), 3, 2));
  EXPECT_THAT(made, ElementsAre(-1, 6, 2, 5, -4, 0));
}

TEST(Synthesize, TakesAnyStrides) {
  const std::vector<double> by_column = {0, 4, -4, 8, 2, 0};
  std::vector<double> made(6);
  synthesize(kRecipes, MatrixView<const double>(by_column.data(), 3, 2, 1, 3),
             MatrixView<double>(made.data(), 3, 2, 1, 3));
  EXPECT_THAT(made, ElementsAre(-1, 2, -4, 6, 5, 0));
}

TEST(Synthesize, CopiesRowsWhateverTheirElements) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {kInfinity, -kInfinity, 1, 2};
  const std::vector<Recipe> recipes = {{0, 0, 0}, {0, 0, 0.5}};
  std::vector<float> made(4);
  synthesize(recipes, MatrixView<const float>(values.data(), 2, 2),
             MatrixView<float>(made.data(), 2, 2));
  EXPECT_THAT(made, ElementsAre(kInfinity, -kInfinity, kInfinity, -kInfinity));
  synthesize(recipes, MatrixView<const float>(values.data(), 2, 2, 1, 2),
             MatrixView<float>(made.data(), 2, 2));
  EXPECT_THAT(made, ElementsAre(kInfinity, 1, kInfinity, 1));
}

TEST(Synthesize, WritesNothingWhereARecipeIsWrong) {
  const std::vector<float> values = {0, 8, 4, 2, -4, 0};
  const MatrixView<const float> rows(values.data(), 3, 2);
  std::vector<float> made(6, 7.0f);
  const MatrixView<float> out(made.data(), 3, 2);
  const std::vector<Recipe> wrong = {{0, 2, 0.25}, {1, 3, 0.5}, {2, 2, 0}};
  EXPECT_EQ(error_of([&] { synthesize(wrong, rows, out); }),
            "synthesize(): recipes[1].neighbour = 3, expected a row below rows.rows = 3");
  EXPECT_EQ(error_of([&] { synthesize(kRecipes, rows, out.middle_rows(0, 2)); }),
            "synthesize(): out.rows = 2, expected 3 (recipes)");
  EXPECT_EQ(error_of([&] { synthesize(kRecipes, rows, MatrixView<float>(made.data(), 3, 1)); }),
            "synthesize(): out.cols = 1, expected 2 (columns of rows)");
  EXPECT_THAT(made, ::testing::Each(7.0f));
}

TEST(LabelsOf, AreThoseOfTheBases) {
  EXPECT_THAT(labels_of(kRecipes, std::vector<int>{5, 6, 7}), ElementsAre(5, 6, 7));
  EXPECT_EQ(error_of([&] {
              labels_of(kRecipes, std::vector<int>{5, 6});
            }),
            "labels_of(): recipes[2] = 2, expected a base below labels.size() = 2");
}

}  // namespace
}  // namespace equipoise::resampling
