#include "equipoise/resampling/borderline_smote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smote.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::IsEmpty;

static_assert(OversamplingPolicy<BorderlineSmote>);

// Of class 1, the rows at -2 and 1 have three of four nearest of their class, those at 2 and 3.4
// two and the one at 20 none.
const std::vector<double> kValues = {-2, 1, 2, 3.4, 4, 5, 19, 20, 21, 22, 18};
const std::vector<int> kLabels = {1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0};
const MatrixView<const double> kRows(kValues.data(), 11, 1);
const std::vector<std::uint64_t> kTargets = {6, 12};

TEST(BorderlineSmote, StartsFromRowsInDanger) {
  const auto groups = BorderlineSmote{.k = 2, .m = 4}(kRows, kLabels, kTargets);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].rows, 7u);
  EXPECT_THAT(groups[0].bases, ElementsAre(2, 3));
  EXPECT_THAT(groups[0].neighbours, ElementsAre(1, 3, 2, 1));
}

// Half way at most to the nearest row of another class, in one of k + 1 recipes.
TEST(BorderlineSmote, GoesTowardsOtherClassesToo) {
  const auto groups = BorderlineSmote{.k = 2, .m = 4, .kind = BorderlineKind::kBothClasses}(
      kRows, kLabels, kTargets);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].rows, 5u);
  EXPECT_EQ(groups[0].reach, 1);
  EXPECT_EQ(groups[1].rows, 2u);
  EXPECT_EQ(groups[1].reach, 0.5);
  EXPECT_EQ(groups[1].class_index, 1u);
  EXPECT_THAT(groups[1].bases, ElementsAre(2, 3));
  EXPECT_THAT(groups[1].neighbours, ElementsAre(4, 4));
  for (const Recipe& recipe : RecipeStream(groups, 3).epoch(0)) {
    EXPECT_EQ(kLabels[recipe.base], 1);
    EXPECT_LT(recipe.lambda, kLabels[recipe.neighbour] == 0 ? 0.5 : 1);
  }
}

TEST(BorderlineSmote, SaysThatNoRowIsInDanger) {
  const std::vector<int> apart = {1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
  const std::vector<std::uint64_t> targets = {7, 7};
  const auto run = [&](NoDanger no_danger) {
    return BorderlineSmote{.k = 2, .m = 2, .no_danger = no_danger}(kRows, apart, targets);
  };
  EXPECT_THAT(run(NoDanger::kError), ::testing::SizeIs(1));  // the row at 3.4 has one of two
  const std::vector<double> values = {0, 1, 2, 3, 40, 50, 60, 70, 80, 90, 99};
  const MatrixView<const double> rows(values.data(), 11, 1);
  EXPECT_EQ(error_of([&] { BorderlineSmote{.k = 2, .m = 3}(rows, apart, targets); }),
            "BorderlineSmote(): rows of class 1 in danger = 0, expected at least 1: of 3 "
            "neighbours half or more, and not all, are of other classes");
  EXPECT_THAT((BorderlineSmote{.k = 2, .m = 3, .no_danger = NoDanger::kSkip}(rows, apart, targets)),
              IsEmpty());
}

TEST(BorderlineSmoteErrors, NameWhatIsWrong) {
  EXPECT_EQ(error_of([] { BorderlineSmote{.m = 11}(kRows, kLabels, kTargets); }),
            "BorderlineSmote(): rows = 11, expected more than the 11 neighbours of each");
  EXPECT_EQ(error_of([] { BorderlineSmote{.m = 4}(kRows, kLabels, kTargets); }),
            "BorderlineSmote(): rows of class 1 = 5, expected more than the 5 neighbours of each");
}

}  // namespace
}  // namespace equipoise::resampling
