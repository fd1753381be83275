#include "equipoise/sampling/epoch_length.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/errors.h"

namespace equipoise::sampling {
namespace {

using testing::error_of;

// n / q is 180, 200 and 50.
TEST(EpochDraws, FollowTheExhaustionRule) {
  const std::vector<double> counts = {90, 80, 5};
  const std::vector<double> q = {5, 4, 1};
  EXPECT_EQ(epoch_draws(counts, q, Exhaustion::kStopAtFirst), 50u);
  EXPECT_EQ(epoch_draws(counts, q, Exhaustion::kCycle), 200u);
  EXPECT_EQ(epoch_draws(counts, q, Exhaustion::kCap, 2.5), 125u);
  const std::vector<double> without_the_last = {5, 4, 0};
  EXPECT_EQ(epoch_draws(counts, without_the_last, Exhaustion::kStopAtFirst), 162u);
}

TEST(EpochDraws, RefuseBadInput) {
  const std::vector<double> rows = {3, 0};
  const std::vector<double> even = {1, 1};
  const std::vector<double> first = {1, 0};
  EXPECT_EQ(error_of([&] { epoch_draws(rows, even, Exhaustion::kCycle); }),
            "epoch_draws(): proportions[1] = 1, expected 0, for no row has this class");
  EXPECT_EQ(error_of([&] { epoch_draws(rows, {}, Exhaustion::kCycle); }),
            "epoch_draws(): proportions.size() = 0, expected 2 (classes)");
  EXPECT_EQ(error_of([&] { epoch_draws(rows, first, Exhaustion::kCap, 0); }),
            "epoch_draws(): max_epochs = 0, expected a finite number > 0");
}

}  // namespace
}  // namespace equipoise::sampling
