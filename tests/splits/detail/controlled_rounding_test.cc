#include "equipoise/splits/detail/controlled_rounding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/statistics.h"

namespace equipoise::detail {
namespace {

using equipoise::testing::chi_squared_p_value;
using equipoise::testing::kImplausible;

// A sum of fractions may become the whole below or above; a whole sum stays.
void expect_rounded(std::uint64_t fraction_sum, std::uint64_t ups, std::uint64_t one,
                    const std::string& what) {
  EXPECT_GE(ups, fraction_sum / one) << what;
  EXPECT_LE(ups, (fraction_sum + one - 1) / one) << what;
}

TEST(ControlledRoundingTest, CellsMarginsAndTotalAreRounded) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const CounterRandom random{seed};
    const std::size_t rows = 1 + random.below(9, 0, 1);
    const std::size_t cols = 1 + random.below(9, 1, 1);
    const std::uint64_t one = seed % 3 == 0 ? 3 : seed % 3 == 1 ? 17 : std::uint64_t{1} << 40;
    std::vector<std::uint64_t> fractions(rows * cols);
    for (std::size_t i = 0; i < fractions.size(); ++i) {
      if (random.below(3, i, 2) > 0) fractions[i] = random.below(one, i, 3);
    }
    const ControlledRounding is_up(fractions, rows, cols, one, random);
    const std::string which = "seed " + std::to_string(seed);
    std::uint64_t sum = 0;
    std::uint64_t ups = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      std::uint64_t row_sum = 0;
      std::uint64_t row_ups = 0;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
        row_sum += fractions[i];
        row_ups += is_up[i] ? 1 : 0;
        if (fractions[i] == 0) {
          EXPECT_FALSE(is_up[i]) << which;
        }
      }
      expect_rounded(row_sum, row_ups, one, which + ", row " + std::to_string(r));
      sum += row_sum;
      ups += row_ups;
    }
    for (std::size_t c = 0; c < cols; ++c) {
      std::uint64_t col_sum = 0;
      std::uint64_t col_ups = 0;
      for (std::size_t i = c; i < fractions.size(); i += cols) {
        col_sum += fractions[i];
        col_ups += is_up[i] ? 1 : 0;
      }
      expect_rounded(col_sum, col_ups, one, which + ", column " + std::to_string(c));
    }
    expect_rounded(sum, ups, one, which);
  }
}

// No margin of this table is whole.
TEST(ControlledRoundingTest, EveryCellGoesUpAsOftenAsItsFraction) {
  const std::vector<std::uint64_t> fractions{3, 5, 0, 1, 9, 4, 7, 2, 6};
  constexpr std::uint64_t kSeeds = 20000;
  std::vector<std::uint64_t> ups(fractions.size());
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const ControlledRounding is_up(fractions, 3, 3, 10, CounterRandom{seed});
    for (std::size_t i = 0; i < ups.size(); ++i) ups[i] += is_up[i] ? 1 : 0;
  }
  for (std::size_t i = 0; i < ups.size(); ++i) {
    const double due = static_cast<double>(fractions[i] * kSeeds) / 10;
    const std::vector<double> expected{due, static_cast<double>(kSeeds) - due};
    const std::vector<std::uint64_t> seen{ups[i], kSeeds - ups[i]};
    EXPECT_GT(chi_squared_p_value(seen, expected), kImplausible) << "cell " << i;
  }
}

TEST(ControlledRoundingTest, TablesWithoutCellsAndWithoutFractions) {
  const ControlledRounding nothing({}, 0, 0, 2, CounterRandom{1});
  const ControlledRounding no_column({}, 3, 0, 2, CounterRandom{1});
  const std::vector<std::uint64_t> zeros(6);
  const ControlledRounding is_up(zeros, 2, 3, 2, CounterRandom{1});
  for (std::size_t i = 0; i < 6; ++i) EXPECT_FALSE(is_up[i]);
  const ControlledRounding whole(zeros, 2, 3, 1, CounterRandom{1});
  for (std::size_t i = 0; i < 6; ++i) EXPECT_FALSE(whole[i]);
}

}  // namespace
}  // namespace equipoise::detail
