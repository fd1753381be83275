#include "equipoise/resampling/neighbourhood_cleaning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "equipoise/resampling/cleaning.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

static_assert(CleaningPolicy<NeighbourhoodCleaning>);

// Class 1 at 1 and 10; class 0 at 0, 2, 2.5, 3 and 20 to 24; class 2 at 11 and 12.
const std::vector<double> kValues = {1, 10, 0, 2, 2.5, 3, 20, 21, 22, 24, 11, 12, 13};
const std::vector<int> kLabels = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2};
const MatrixView<const double> kRows(kValues.data(), 13, 1);

// The three nearest of 1 are 0, 2 and 2.5, those of 10 all of class 2: both are misclassified, so
// these go. The row at 13 stays: among its three 11 and 12 are of its class.
TEST(NeighbourhoodCleaning, TakesWhatMisclassifiesTheSmallestClass) {
  EXPECT_THAT(NeighbourhoodCleaning{}(kRows, kLabels, 3), ElementsAre(0, 1, 5, 6, 7, 8, 9));
}

TEST(NeighbourhoodCleaning, SparesSmallClasses) {
  EXPECT_THAT(NeighbourhoodCleaning{.threshold = 1.5}(kRows, kLabels, 3),
              ElementsAre(0, 1, 5, 6, 7, 8, 9, 10, 11, 12));
}

// A vote of one's own makes a difference where two others disagree about it.
TEST(NeighbourhoodCleaning, LetsRowsVoteOnThemselvesWhereAsked) {
  const std::vector<double> values = {0, 1, -1.5, 3, 4, 5, 6, 30};
  const std::vector<int> labels = {1, 0, 1, 0, 0, 0, 0, 1};
  const MatrixView<const double> rows(values.data(), 8, 1);
  EXPECT_THAT((NeighbourhoodCleaning{.cleaned = CleanedClasses::kMajority}(rows, labels, 2)),
              ElementsAre(0, 2, 7));
  EXPECT_THAT((NeighbourhoodCleaning{.counts_itself = true}(rows, labels, 2)),
              ElementsAre(0, 2, 3, 7));
}

TEST(NeighbourhoodCleaningErrors, NameWhatIsWrong) {
  EXPECT_EQ(error_of([] { NeighbourhoodCleaning{.threshold = 0}(kRows, kLabels, 3); }),
            "NeighbourhoodCleaning(): threshold = 0, expected a finite number > 0");
  EXPECT_EQ(error_of([] { NeighbourhoodCleaning{.k = 13}(kRows, kLabels, 3); }),
            "NeighbourhoodCleaning(): rows = 13, expected more than the 13 neighbours of each");
}

}  // namespace
}  // namespace equipoise::resampling
