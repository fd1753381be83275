#include "equipoise/metrics/reliability.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/errors.h"

namespace equipoise::detail {
namespace {

TEST(ReliabilityGrid, ByHand) {
  // Bins (0, .5] and (.5, 1]; the second of two diagrams.
  const ReliabilityGrid grid{2};
  std::vector<double> sums(grid.size(2), 0.0);
  grid.add(sums, 1, 0.5, true);
  grid.add(sums, 1, 0.0, false);
  grid.add(sums, 1, 0.75, true);
  grid.add(sums, 1, 1.0, false);
  EXPECT_EQ(grid.bin(sums, 1, 0).count, 2);
  EXPECT_EQ(grid.bin(sums, 1, 0).confidence, 0.25);
  EXPECT_EQ(grid.bin(sums, 1, 0).frequency, 0.5);
  EXPECT_EQ(grid.bin(sums, 1, 1).confidence, 0.875);
  EXPECT_EQ(grid.error(sums, 1), (1 - 0.5) + (1.75 - 1));
  EXPECT_EQ(grid.bin(sums, 0, 1).count, 0);
  EXPECT_EQ(grid.error(sums, 0), 0);
}

TEST(RequireBins, RefusesNoneAndTooMany) {
  EXPECT_EQ(testing::error_of([] { require_bins("f", 0); }),
            "f(): bins = 0, expected a number in [1, 2^20]");
  EXPECT_EQ(testing::error_of([] { require_bins("f", (1 << 20) + 1); }),
            "f(): bins = 1048577, expected a number in [1, 2^20]");
  require_bins("f", 1 << 20);
}

}  // namespace
}  // namespace equipoise::detail
