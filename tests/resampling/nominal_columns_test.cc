#include "equipoise/resampling/nominal_columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::IsEmpty;

TEST(NominalColumns, AreWrittenIntoSyntheticRowsAlone) {
  NominalColumns categories(4, {0, 2});
  categories.set(1, std::vector<double>{7, 9});
  EXPECT_THAT(categories.of(1), ElementsAre(7, 9));
  EXPECT_THAT(categories.of(0), IsEmpty());
  std::vector<float> made = {1, 2, 3, 4, 5, 6};
  const MatrixView<float> out(made.data(), 2, 3);
  categories.apply(std::vector<Recipe>{{1, 3, 0.5}, {0, 0, 0}}, out);
  EXPECT_THAT(made, ElementsAre(7, 2, 9, 4, 5, 6));
  EXPECT_EQ(error_of([&] {
              categories.apply(std::vector<Recipe>{{1, 3, 0.5}, {2, 3, 0.1}}, out);
            }),
            "NominalColumns::apply(): recipes[1] = 2, expected a base with categories");
  EXPECT_EQ(error_of([&] {
              categories.apply(std::vector<Recipe>{{1, 3, 0.5}}, out);
            }),
            "NominalColumns::apply(): out.rows = 2, expected 1 (recipes)");
  EXPECT_EQ(
      error_of([&] {
        categories.apply(std::vector<Recipe>{{1, 3, 0.5}}, MatrixView<float>(made.data(), 1, 2));
      }),
      "NominalColumns::apply(): out.cols = 2, expected more than column 2");
}

TEST(MostFrequent, IsTheFirstOfEquallyFrequentOnes) {
  const std::vector<float> values = {5, 3, 3, 5, 8};
  const MatrixView<const float> rows(values.data(), 5, 1);
  const auto winner = [&](const std::vector<std::size_t>& voters) {
    return detail::most_frequent(rows, voters, 0);
  };
  EXPECT_EQ(winner({4, 1, 2}), 3);
  EXPECT_EQ(winner({0, 1, 2, 3}), 5);
  EXPECT_EQ(winner({1, 0, 2, 3}), 3);
  EXPECT_EQ(winner({4, 0}), 8);
}

}  // namespace
}  // namespace equipoise::resampling
