#include "equipoise/reduction/group_dro.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// By hand: losses 2 and 0, eta = ln(3) / 2: the first group's share is multiplied by 3.
TEST(GroupDro, MovesTowardsTheLargestLoss) {
  const GroupDro dro{.groups = 2, .step_size = std::log(3.0) / 2};
  const GroupDro next = dro.advance(LossPartial{{{8.0, 4.0, 3.0}, {0.0, 5.0, 5.0}}});
  EXPECT_NEAR(next.shares[0], 0.75, 2 * kEpsilon);
  EXPECT_NEAR(next.shares[1], 0.25, 2 * kEpsilon);
  const GroupDro again = next.advance(LossPartial{{{8.0, 4.0, 3.0}, {0.0, 5.0, 5.0}}});
  EXPECT_NEAR(again.shares[0], 0.9, 4 * kEpsilon);
}

TEST(GroupDro, WeighsTheMeansOfGroups) {
  const GroupDro dro{.groups = 2, .shares = {0.75, 0.25}};
  const LossPartial partial{{{6.0, 4.0, 3.0}, {1.0, 2.0, 2.0}}};
  EXPECT_EQ(coefficients(dro, partial), (std::vector<double>{0.75 / 4, 0.25 / 2}));
  EXPECT_EQ(value(partial, coefficients(dro, partial)), 0.75 * 1.5 + 0.25 * 0.5);
}

TEST(GroupDro, LeavesAbsentGroupsAlone) {
  const GroupDro dro{.groups = 3, .step_size = std::log(3.0), .shares = {0.25, 0.5, 0.25}};
  const GroupDro next = dro.advance(LossPartial{{{1.0, 1.0, 1.0}, {}, {0.0, 1.0, 1.0}}});
  EXPECT_EQ(next.shares[1], 0.5);
  EXPECT_NEAR(next.shares[0], 0.375, 2 * kEpsilon);
  EXPECT_NEAR(next.shares[2], 0.125, 2 * kEpsilon);
  EXPECT_EQ(dro.advance(LossPartial{{{}, {}, {}}}).shares, dro.shares);
}

TEST(GroupDro, AdjustsForSmallGroups) {
  const GroupDro dro{.groups = 2, .step_size = std::log(3.0), .adjustments = {0.0, 1.0}};
  const GroupDro next = dro.advance(LossPartial{{{2.0, 1.0, 1.0}, {2.0, 1.0, 1.0}}});
  EXPECT_NEAR(next.shares[1], 0.75, 2 * kEpsilon);
}

// Shares stay a distribution, neither overflow nor depend on the order in which groups stand, and
// the partial of parts advances like that of the whole.
TEST(GroupDro, SharesStayADistribution) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t groups = 1 + random() % 8;
    GroupDro dro{.groups = groups, .step_size = 0.5};
    GroupDro reversed = dro;
    for (int step = 0; step < 20; ++step) {
      LossPartial partial{std::vector<LossTally>(groups)};
      for (LossTally& tally : partial.buckets) {
        if (random() % 4 == 0) continue;
        tally = {static_cast<double>(random() % 100'000), static_cast<double>(1 + random() % 9), 1};
      }
      dro = dro.advance(partial);
      reversed = reversed.advance(
          LossPartial{std::vector<LossTally>(partial.buckets.rbegin(), partial.buckets.rend())});
      EXPECT_NEAR(std::accumulate(dro.shares.begin(), dro.shares.end(), 0.0), 1.0, 100 * kEpsilon);
      for (std::size_t g = 0; g < groups; ++g) {
        EXPECT_GE(dro.shares[g], 0.0);
        EXPECT_NEAR(dro.shares[g], reversed.shares[groups - 1 - g], 100 * kEpsilon);
      }
    }
  }
}

TEST(GroupDroErrors, NameWhatIsWrong) {
  const LossPartial two{{{1, 1, 1}, {1, 1, 1}}};
  EXPECT_EQ(error_of([&] { (GroupDro{.groups = 3}).advance(two); }),
            "GroupDro::advance(): finished.buckets.size() = 2, expected 3 (groups)");
  EXPECT_EQ(error_of([&] { (GroupDro{.groups = 2, .step_size = -1}).advance(two); }),
            "GroupDro::advance(): step_size = -1, expected a finite number >= 0");
  EXPECT_EQ(error_of([&] { (GroupDro{.groups = 2, .shares = {1}}).advance(two); }),
            "GroupDro::advance(): shares.size() = 1, expected 2 (groups)");
  EXPECT_EQ(error_of([&] { coefficients(GroupDro{.groups = 2, .shares = {1}}, two); }),
            "coefficients(): shares.size() = 1, expected 2 (groups)");
  EXPECT_EQ(error_of([&] {
              coefficients(GroupDro{.groups = 2, .shares = {1, -1}}, two);
            }),
            "coefficients(): shares[1] = -1, expected a finite number >= 0");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(error_of([&] {
              (GroupDro{.groups = 2, .adjustments = {0, nan}}).advance(two);
            }),
            "GroupDro::advance(): adjustments[1] = nan, expected a finite number");
  const LossPartial infinite{{{1, 1, 1}, {std::numeric_limits<double>::infinity(), 1, 1}}};
  EXPECT_EQ(error_of([&] { (GroupDro{.groups = 2}).advance(infinite); }),
            "GroupDro::advance(): loss of group[1] = inf, expected a finite number");
}

}  // namespace
}  // namespace equipoise
