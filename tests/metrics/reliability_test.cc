#include "equipoise/metrics/reliability.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "equipoise/metrics/detail/reliability_grid.h"
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

// Edges belong to the bin below, also where the product with the number of bins rounds past them.
TEST(ReliabilityGrid, BinsAreClosedAboveAtEveryEdge) {
  for (std::size_t bins = 1; bins <= 200; ++bins) {
    const ReliabilityGrid grid{bins};
    const auto size = static_cast<double>(bins);
    EXPECT_EQ(grid.bin_of(0), 0u);
    EXPECT_EQ(grid.bin_of(std::numeric_limits<double>::denorm_min()), 0u);
    for (std::size_t b = 0; b < bins; ++b) {
      const double left = static_cast<double>(b) / size;
      const double right = static_cast<double>(b + 1) / size;
      EXPECT_EQ(grid.bin_of(std::nextafter(left, 1)), b) << bins;
      EXPECT_EQ(grid.bin_of((left + right) / 2), b) << bins;
      EXPECT_EQ(grid.bin_of(std::nextafter(right, 0)), b) << bins;
      EXPECT_EQ(grid.bin_of(right), b) << bins;
    }
    EXPECT_EQ(grid.bin_of(1.00005), bins - 1);
  }
  EXPECT_EQ((ReliabilityGrid{100}.bin_of(0.07)), 6u);  // .07 x 100 is 7.000000000000001
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
