#include "equipoise/resampling/adasyn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smote.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

static_assert(OversamplingPolicy<Adasyn>);

// Of the two nearest of class 1's rows 0, 1, 2 and 4 are 0, 0, 1 and 2 of class 0.
const std::vector<float> kValues = {0, 1, 2, 2.5f, 10, 10.5f, 11};
const std::vector<int> kLabels = {1, 1, 1, 0, 1, 0, 0};
const MatrixView<const float> kRows(kValues.data(), 7, 1);

TEST(Adasyn, MakesRowsInProportionToOtherNeighbours) {
  const auto groups = Adasyn{.k = 2}(kRows, kLabels, std::vector<std::uint64_t>{3, 12});
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_THAT(groups[0].bases, ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(groups[0].rows_of_base, ElementsAre(0, 0, 3, 5));  // of 8: 2.67 and 5.33
  EXPECT_EQ(groups[0].rows, 8u);
  EXPECT_THAT(groups[0].neighbours, ElementsAre(1, 2, 0, 2, 1, 0, 2, 1));
  std::map<std::size_t, int> seen;
  for (const Recipe& recipe : RecipeStream(groups, 1).epoch(9)) ++seen[recipe.base];
  EXPECT_EQ(seen, (std::map<std::size_t, int>{{2, 3}, {4, 5}}));
}

TEST(Adasyn, RoundsHalvesToEven) {
  EXPECT_EQ(detail::rounded_share(1, 3, 2), 2u);
  EXPECT_EQ(detail::rounded_share(1, 5, 2), 2u);
  EXPECT_EQ(detail::rounded_share(1, 1, 2), 0u);
  EXPECT_EQ(detail::rounded_share(2, 5, 3), 3u);
  EXPECT_EQ(detail::rounded_share(1, 5, 3), 2u);
  EXPECT_EQ(detail::rounded_share(UINT64_MAX, UINT64_MAX / 2, UINT64_MAX), UINT64_MAX / 2);
}

TEST(AdasynErrors, NameWhatIsWrong) {
  const std::vector<std::uint64_t> targets = {3, 12};
  EXPECT_EQ(error_of([&] { Adasyn{}(kRows, kLabels, targets); }),
            "Adasyn(): rows of class 1 = 4, expected more than the 5 neighbours of each");
  const std::vector<int> apart = {1, 1, 1, 1, 0, 0, 0};
  EXPECT_EQ(
      error_of([&] { Adasyn{.k = 2}(kRows, apart, targets); }),
      "Adasyn(): neighbours of other classes of class 1 = 0, expected at least 1; Smote needs "
      "none");
  const std::vector<int> even = {0, 1, 0, 1, 0, 1, 0};
  EXPECT_EQ(
      error_of([&] {
        Adasyn{.k = 2}(kRows, even, std::vector<std::uint64_t>{4, 4});
      }),
      "Adasyn(): rows to make of class 1 = 1, expected enough for one base to get half a row");
}

}  // namespace
}  // namespace equipoise::resampling
