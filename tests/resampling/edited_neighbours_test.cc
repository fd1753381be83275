#include "equipoise/resampling/edited_neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "equipoise/resampling/cleaning.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

static_assert(CleaningPolicy<EditedNeighbours>);
static_assert(CleaningPolicy<RepeatedEditedNeighbours>);
static_assert(CleaningPolicy<AllNeighbours>);

// Neighbours by three: those of 0, 1, 2 are of class 0 but for one of the row at 2, where 3.5 is of
// class 1; the row at 5.1 has two of class 1.
const std::vector<float> kValues = {0, 1, 2, -0.5f, 3.5f, 4.2f, 5.1f, 20, 21, 22, 23.5f};
const std::vector<int> kLabels = {0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};
const MatrixView<const float> kRows(kValues.data(), 11, 1);

TEST(EditedNeighbours, AsksAllOrTheMajority) {
  EXPECT_THAT(EditedNeighbours{}(kRows, kLabels, 2), ElementsAre(0, 1, 3, 4, 5, 7, 8, 9, 10));
  EXPECT_THAT(EditedNeighbours{.agreement = Agreement::kMode}(kRows, kLabels, 2),
              ElementsAre(0, 1, 2, 3, 4, 5, 7, 8, 9, 10));
  // Of class 1 no row has a majority of its class.
  EXPECT_THAT((EditedNeighbours{.agreement = Agreement::kMode, .cleaned = CleanedClasses::kAll}(
                  kRows, kLabels, 2)),
              ElementsAre(0, 1, 2, 3, 7, 8, 9, 10));
}

// Of equally frequent classes the first: the rows at 0 and 3.5 have one neighbour of each class.
TEST(EditedNeighbours, TakesTheFirstOfEquallyFrequentClasses) {
  const std::vector<float> values = {0, 1, 2.5f, 3.5f};
  const std::vector<int> labels = {0, 1, 0, 1};
  const MatrixView<const float> rows(values.data(), 4, 1);
  EXPECT_THAT(
      (EditedNeighbours{.k = 2, .agreement = Agreement::kMode, .cleaned = CleanedClasses::kAll}(
          rows, labels, 2)),
      ElementsAre(0));
}

// The rows at 0 to 8 go one by one from the right, as each then is next to what is left of class 1.
TEST(RepeatedEditedNeighbours, GoesOnUntilNoRowGoes) {
  std::vector<float> values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9.5f};
  std::vector<int> labels = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const MatrixView<const float> rows(values.data(), 10, 1);
  const auto kept = [&](std::size_t max_rounds) {
    return RepeatedEditedNeighbours{.k = 1, .max_rounds = max_rounds}(rows, labels, 2);
  };
  EXPECT_EQ(kept(1).size(), 10u);  // 8's nearest is 7
  values[9] = 8.5f;
  EXPECT_EQ(kept(1).size(), 9u);
  EXPECT_EQ(kept(100).size(), 9u);  // 7's nearest is 6
  EXPECT_EQ(kept(0).size(), 10u);
}

TEST(RepeatedEditedNeighbours, StopsWhereAClassIsUsedUp) {
  const std::vector<float> values = {0, 1, 2, 3, 4, 5, 6};
  const std::vector<int> labels = {0, 1, 0, 1, 0, 1, 0};
  const MatrixView<const float> rows(values.data(), 7, 1);
  EXPECT_THAT(RepeatedEditedNeighbours{.k = 2}(rows, labels, 2), ElementsAre(1, 3, 5));
}

// Asked of one neighbour first, the row at 5.1 goes; what is left has fewer to disagree with.
TEST(AllNeighbours, AsksOfOneToKInTurn) {
  const auto expected = [&](std::size_t k) {
    std::vector<std::int64_t> kept(11);
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = static_cast<std::int64_t>(i);
    for (std::size_t near = 1; near <= k; ++near) {
      std::vector<float> values;
      std::vector<int> labels;
      for (const std::int64_t row : kept) {
        values.push_back(kValues[static_cast<std::size_t>(row)]);
        labels.push_back(kLabels[static_cast<std::size_t>(row)]);
      }
      const MatrixView<const float> rows(values.data(), values.size(), 1);
      std::vector<std::int64_t> rest;
      for (const std::int64_t place : EditedNeighbours{.k = near}(rows, labels, 2)) {
        rest.push_back(kept[static_cast<std::size_t>(place)]);
      }
      kept = rest;
    }
    return kept;
  };
  for (const std::size_t k : {1u, 2u, 3u, 4u}) {
    EXPECT_EQ(AllNeighbours{.k = k}(kRows, kLabels, 2), expected(k));
  }
  EXPECT_THAT(AllNeighbours{.k = 1}(kRows, kLabels, 2), ElementsAre(0, 1, 2, 3, 4, 5, 7, 8, 9, 10));
}

TEST(EditedNeighbours, LeaveNoneOfNoRows) {
  const MatrixView<const float> none(kValues.data(), 0, 1);
  const std::vector<int> labels;
  EXPECT_THAT(EditedNeighbours{.few_rows = FewRows::kClip}(none, labels, 2), ElementsAre());
  EXPECT_THAT(RepeatedEditedNeighbours{.few_rows = FewRows::kClip}(none, labels, 2), ElementsAre());
  EXPECT_THAT(AllNeighbours{.few_rows = FewRows::kClip}(none, labels, 2), ElementsAre());
}

TEST(EditedNeighboursErrors, NameWhatIsWrong) {
  const MatrixView<const float> three = kRows.middle_rows(0, 3);
  const std::vector<int> labels = {0, 0, 1};
  EXPECT_EQ(error_of([&] { EditedNeighbours{}(three, labels, 2); }),
            "EditedNeighbours(): rows = 3, expected more than the 3 neighbours of each");
  EXPECT_THAT(EditedNeighbours{.few_rows = FewRows::kClip}(three, labels, 2), ElementsAre(2));
  EXPECT_EQ(
      error_of([&] { RepeatedEditedNeighbours{}(three, labels, 2); }),
      "RepeatedEditedNeighbours(): remaining rows = 3, expected more than the 3 neighbours of "
      "each");
  EXPECT_EQ(error_of([&] { AllNeighbours{}(MatrixView<const float>(), std::vector<int>{}, 2); }),
            "AllNeighbours(): remaining rows = 0, expected more than the 1 neighbours of each");
  EXPECT_EQ(error_of([&] { AllNeighbours{.k = 0}(kRows, kLabels, 2); }),
            "AllNeighbours(): k = 0, expected at least 1");
}

}  // namespace
}  // namespace equipoise::resampling
