#include "equipoise/resampling/smote_nc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

// Of class 1 a column with deviation 2 at -2, 2, -2, 2 and categories 5, 5, 6, 6 (columns 0 and 1);
// rows of class 0 between them.
const std::vector<double> kValues = {-2, 5, 2, 5, 9, 9, -2, 6, 2, 6, 9, 9};
const std::vector<int> kLabels = {1, 1, 0, 1, 1, 0};
const MatrixView<const double> kRows(kValues.data(), 6, 2);
const std::vector<std::size_t> kNominal = {1};
const std::vector<std::uint64_t> kTargets = {2, 6};

// A mismatch is as far as the deviation, 2, and so nearer than 4; both are farther than neither.
TEST(SmoteNc, PutsTheDeviationForAMismatch) {
  const NominalRecipes recipes = SmoteNc{.k = 2}(kRows, kLabels, kNominal, kTargets);
  ASSERT_EQ(recipes.groups.size(), 1u);
  EXPECT_EQ(recipes.groups[0].rows, 2u);
  EXPECT_THAT(recipes.groups[0].bases, ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(recipes.groups[0].neighbours, ElementsAre(3, 1, 4, 0, 0, 4, 1, 3));
  EXPECT_THAT(recipes.categories.of(0), ElementsAre(6));  // of 6 and 5 the nearer one's
  EXPECT_THAT(recipes.categories.of(3), ElementsAre(5));
  std::vector<double> made(2 * 2);
  const std::vector<Recipe> made_of = {{0, 1, 0.25}, {3, 3, 0}};
  synthesize(made_of, kRows, MatrixView<double>(made.data(), 2, 2));
  recipes.categories.apply(made_of, MatrixView<double>(made.data(), 2, 2));
  EXPECT_THAT(made, ElementsAre(-1, 6, -2, 6));
}

TEST(SmoteNc, TakesTheMedianOfDeviations) {
  const std::vector<float> values = {0, 0, 1, 2, 4, 1, 0, 0, 1};
  const MatrixView<const float> rows(values.data(), 3, 3);
  const std::vector<std::size_t> all = {0, 1, 2};
  const auto median = [&](std::vector<bool> is_nominal) {
    return detail::median_deviation(rows, all, is_nominal);
  };
  const double first = std::sqrt(8.0 / 9);
  EXPECT_NEAR(median({false, false, true}), 1.5 * first, 1e-15);
  EXPECT_NEAR(median({false, false, false}), first, 1e-15);
}

// Categories that occur in the same classes are near, whichever they are: in column 0 1 and 2 are
// of class 1 alone, 3 of both.
TEST(SmoteN, UsesTheValueDifferenceMetric) {
  const std::vector<float> values = {1, 7, 2, 7, 3, 7, 3, 7, 1, 7, 3, 7};
  const std::vector<int> labels = {1, 1, 1, 0, 1, 0};
  const MatrixView<const float> rows(values.data(), 6, 2);
  const NominalRecipes recipes = SmoteN{.k = 2}(rows, labels, std::vector<std::uint64_t>{2, 6});
  ASSERT_EQ(recipes.groups.size(), 1u);
  EXPECT_THAT(recipes.groups[0].bases, ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(recipes.groups[0].neighbours, ElementsAre(1, 4, 0, 4, 0, 1, 0, 1));
  EXPECT_THAT(recipes.categories.of(0), ElementsAre(1, 7));
  EXPECT_THAT(recipes.categories.of(1), ElementsAre(1, 7));
  EXPECT_THAT(recipes.categories.of(2), ElementsAre(3, 7));  // 3, 1 and 2: its own
}

TEST(SmoteNcErrors, NameWhatIsWrong) {
  const auto message = [](const std::vector<std::size_t>& nominal) {
    return error_of([&] { SmoteNc{.k = 2}(kRows, kLabels, nominal, kTargets); });
  };
  EXPECT_EQ(message({}),
            "SmoteNc(): nominal.size() = 0, expected at least 1; Smote takes rows "
            "without categories");
  EXPECT_EQ(message({0, 1}),
            "SmoteNc(): nominal.size() = 2, expected fewer than all columns; SmoteN "
            "takes categories alone");
  EXPECT_EQ(message({2}),
            "SmoteNc(): nominal[0] = 2, expected a column below 2, in ascending order");
  EXPECT_EQ(message({1, 1}),
            "SmoteNc(): nominal[1] = 1, expected a column below 2, in ascending order");
  EXPECT_EQ(error_of([] { SmoteN{}(kRows, kLabels, kTargets); }),
            "SmoteN(): rows of class 1 = 4, expected more than the 5 neighbours of each");
}

}  // namespace
}  // namespace equipoise::resampling
