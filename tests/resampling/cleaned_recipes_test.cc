#include "equipoise/resampling/cleaned_recipes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "equipoise/resampling/edited_neighbours.h"
#include "equipoise/resampling/tomek_links.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;

// A synthetic row half way between 0 and 8 is next to the rows of class 0 at 3.5 and 4.5.
TEST(CleanedRecipes, AreThoseThatRemain) {
  const std::vector<float> values = {0, 8, 3.5f, 4.75f, 20, 21};
  const std::vector<int> labels = {1, 1, 0, 0, 0, 0};
  const MatrixView<const float> rows(values.data(), 6, 1);
  const std::vector<Recipe> recipes = {{0, 0, 0}, {1, 1, 0}, {2, 2, 0},   {3, 3, 0},
                                       {4, 4, 0}, {5, 5, 0}, {0, 1, 0.5}, {1, 0, 0.125}};
  const auto edited = cleaned_recipes(
      recipes, EditedNeighbours{.k = 1, .cleaned = CleanedClasses::kAll}, rows, labels, 2);
  EXPECT_THAT(edited, ElementsAre(recipes[1], recipes[4], recipes[5], recipes[7]));
  const auto unlinked = cleaned_recipes(recipes, TomekLinks{CleanedClasses::kAll}, rows, labels, 2);
  EXPECT_THAT(unlinked,
              ElementsAre(recipes[0], recipes[1], recipes[3], recipes[4], recipes[5], recipes[7]));
}

}  // namespace
}  // namespace equipoise::resampling
