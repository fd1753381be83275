#include "equipoise/sampling/detail/integer_masses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace equipoise::detail {
namespace {

// One weight among many small ones, many equal ones, and what is between; scaled to both ends of
// the range of double.
std::vector<std::vector<double>> weight_lists() {
  std::vector<std::vector<double>> lists = {
      {1}, {1, 1e-12}, {3, 0, 5}, std::vector<double>(999, 1)};
  lists.emplace_back(100000, 1e-13);
  lists.back()[5] = 1;
  std::vector<double> falling(300);
  for (std::size_t i = 0; i < falling.size(); ++i) {
    falling[i] = std::pow(0.9, static_cast<double>(i));
  }
  lists.push_back(falling);
  return lists;
}

TEST(IntegerMasses, MeetEveryShareToAFewOfTheQuanta) {
  constexpr std::uint64_t kTotal = std::uint64_t{1} << 62;
  for (const std::vector<double>& weights : weight_lists()) {
    const std::vector<std::uint64_t> masses =
        integer_masses("f", "weights", std::span<const double>(weights), kTotal);
    EXPECT_EQ(std::accumulate(masses.begin(), masses.end(), std::uint64_t{0}), kTotal);
    const long double sum = std::accumulate(weights.begin(), weights.end(), 0.0L);
    const auto n = static_cast<long double>(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_EQ(masses[i] == 0, weights[i] == 0);
      // A quantum of its own, one of rounding, and one read short by 2^-62 of the sum; as many of
      // all others move the sum. The reference is off by n 2^-64.
      const long double share = weights[i] / sum;
      EXPECT_LE(std::abs(static_cast<long double>(masses[i]) - share * kTotal), 3 + 3 * n * share);
    }
  }
}

TEST(FixedPointSums, ReadEveryWeightTo61DigitsBelowTheSum) {
  for (const double scale : {1.0, 0x1p900, 0x1p-900}) {
    for (std::vector<double> weights : weight_lists()) {
      for (double& weight : weights) weight *= scale;
      const FixedPointSums sums =
          fixed_point_sums("f", "weights", std::span<const double>(weights));
      EXPECT_LT(sums.ends.back(), std::uint64_t{1} << 62);
      const long double sum = std::accumulate(weights.begin(), weights.end(), 0.0L);
      EXPECT_LE(sums.quantum, sum * 0x1p-61L);
      std::uint64_t before = 0;
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const std::uint64_t mass = sums.ends[i] - before;
        EXPECT_EQ(mass == 0, weights[i] == 0);
        EXPECT_LE(std::abs(static_cast<long double>(mass) * sums.quantum - weights[i]),
                  sums.quantum);
        before = sums.ends[i];
      }
    }
  }
}

TEST(FixedPointSums, AWeightBelowEveryDigitStillHasAMass) {
  const std::vector<double> weights = {std::numeric_limits<double>::denorm_min(),
                                       std::numeric_limits<double>::max()};
  EXPECT_EQ(fixed_point_sums("f", "weights", std::span<const double>(weights)).ends[0], 1u);
}

}  // namespace
}  // namespace equipoise::detail
