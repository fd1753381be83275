#include "equipoise/metrics/detail/row_draws.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace equipoise::detail {
namespace {

TEST(RowDraws, StayWithinTheirStratum) {
  const std::vector<int> strata = {3, 1, 3, 2, 1, 3};
  const RowDraws draws{std::span<const int>(strata)};
  EXPECT_EQ(draws.rows(), 6u);
  std::set<std::uint64_t> positions;
  for (std::size_t b = 0; b < 50; ++b) {
    std::vector<int> drawn;
    draws.draw(CounterRandom{4}, b, [&](std::size_t row, std::uint64_t position) {
      drawn.push_back(strata[row]);
      positions.insert(position);
    });
    EXPECT_EQ(drawn, (std::vector<int>{1, 1, 2, 3, 3, 3}));
  }
  EXPECT_EQ(positions.size(), 300u);
}

// A stratum of all rows is no stratum.
TEST(RowDraws, OfOneStratumAreThoseOfAllRows) {
  const std::vector<int> strata(9, 7);
  const auto rows_of = [](const RowDraws& draws) {
    std::vector<std::size_t> rows;
    draws.draw(CounterRandom{4}, 3, [&](std::size_t row, std::uint64_t) { rows.push_back(row); });
    return rows;
  };
  EXPECT_EQ(rows_of(RowDraws{std::span<const int>(strata)}), rows_of(RowDraws(9)));
}

TEST(OrderStatistic, InterpolatesFromEitherEnd) {
  const std::vector<double> sorted = {1, 2, 4, 8};
  EXPECT_EQ(order_statistic(sorted, 0, false), 1);
  EXPECT_EQ(order_statistic(sorted, 1.5, false), 3);
  EXPECT_EQ(order_statistic(sorted, 3, false), 8);
  EXPECT_EQ(order_statistic(sorted, 0.25, true), 7);
}

}  // namespace
}  // namespace equipoise::detail
