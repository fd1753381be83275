#include "equipoise/resampling/near_miss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

// Class 1 at 0, 1 and 10; class 0 at 2, 4, 6, 9 and 12.
const std::vector<double> kValues = {0, 1, 10, 2, 4, 6, 9, 12};
const std::vector<int> kLabels = {1, 1, 1, 0, 0, 0, 0, 0};
const MatrixView<const double> kRows(kValues.data(), 8, 1);
const std::vector<std::uint64_t> kTargets = {2, 3};

// Sums of the distances to the two nearest: 3, 7, 9, 9, 13.
TEST(NearMiss, KeepsTheNearestToTheirNearest) {
  EXPECT_THAT(NearMiss{.k = 2}(kRows, kLabels, kTargets), ElementsAre(0, 1, 2, 3, 4));
}
// To the two farthest: 10, 10, 11, 17, 23.
TEST(NearMiss, KeepsTheNearestToTheirFarthest) {
  const NearMiss farthest{.version = NearMissVersion::kFarthest, .k = 2};
  EXPECT_THAT(farthest(kRows, kLabels, kTargets), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(farthest(kRows, kLabels, std::vector<std::uint64_t>{3, 3}),
              ElementsAre(0, 1, 2, 3, 4, 5));
}
// Candidates are 2 and 4, and 9 and 12; of these 12 and 9 are farthest, among equals the first.
TEST(NearMiss, KeepsTheFarthestOfTheNearest) {
  const NearMiss selected{.version = NearMissVersion::kSelected, .k = 2, .candidates = 2};
  EXPECT_THAT(selected(kRows, kLabels, kTargets), ElementsAre(0, 1, 2, 6, 7));
  EXPECT_THAT(selected(kRows, kLabels, std::vector<std::uint64_t>{4, 3}),
              ElementsAre(0, 1, 2, 3, 4, 6, 7));
}

TEST(NearMissErrors, NameWhatIsWrong) {
  const auto message = [](const NearMiss& near_miss, const std::vector<std::uint64_t>& targets) {
    return error_of([&] { near_miss(kRows, kLabels, targets); });
  };
  EXPECT_EQ(
      message({.k = 4}, kTargets),
      "NearMiss(): rows of the smallest class = 3, expected at least the 4 neighbours of each");
  EXPECT_EQ(message({.k = 4, .few_rows = FewRows::kClip}, kTargets), "nothing was thrown");
  EXPECT_EQ(message({}, {6, 3}),
            "NearMiss(): targets[0] = 6, expected at most 5, the rows of class 0");
  EXPECT_EQ(message({}, {2, 2}), "NearMiss(): targets[1] = 2, expected all 3, the rows of class 1");
  EXPECT_EQ(message({.k = 0}, kTargets), "NearMiss(): k or candidates = 0, expected at least 1");
}

}  // namespace
}  // namespace equipoise::resampling
