#include "equipoise/splits/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::splits {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

TEST(SplitTest, FoldListsItsRowsAndTheOthers) {
  const std::vector<std::uint32_t> folds{0, 1, 2, 1, 0};
  const Split split = fold(folds, 2);
  EXPECT_THAT(split.test, ElementsAre(2));
  EXPECT_THAT(split.train, ElementsAre(0, 1, 3, 4));
  EXPECT_EQ(error_of([&] { fold(folds, 3); }), "fold(): f = 3, expected a fold that has rows");
}

TEST(SplitTest, PartsBecomeListsInEitherOrder) {
  std::vector<std::uint32_t> parts(100, detail::kTrainPart);
  parts[7] = parts[50] = parts[93] = detail::kTestPart;
  const Split ascending = detail::split_of_parts(parts, 1, {.shuffle = false});
  EXPECT_THAT(ascending.test, ElementsAre(7, 50, 93));
  Split shuffled = detail::split_of_parts(parts, 1, {});
  EXPECT_FALSE(std::is_sorted(shuffled.train.begin(), shuffled.train.end()));
  std::sort(shuffled.train.begin(), shuffled.train.end());
  std::sort(shuffled.test.begin(), shuffled.test.end());
  EXPECT_EQ(shuffled, ascending);
}

TEST(SplitTest, HalvesOfTestRowsAreRoundedUp) {
  EXPECT_EQ(detail::test_rows_of("f", 10, 0.25), 3u);
  EXPECT_EQ(detail::test_rows_of("f", 10, 0.24), 2u);
  // A product that ought to be a half is one, whatever its rounding.
  for (std::size_t rows = 2; rows <= 500; ++rows) {
    for (std::size_t half = 1; half + 1 < rows; ++half) {
      const double fraction = static_cast<double>(2 * half + 1) / static_cast<double>(2 * rows);
      ASSERT_EQ(detail::test_rows_of("f", rows, fraction), half + 1) << rows;
    }
  }
  EXPECT_EQ(error_of([] { detail::test_rows_of("f", 1, 0.5); }),
            "f(): test_fraction = 0.5, expected one that leaves rows in both parts of 1");
}

}  // namespace
}  // namespace equipoise::splits
