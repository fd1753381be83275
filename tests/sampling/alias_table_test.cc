#include "equipoise/sampling/alias_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace equipoise {
namespace {

using ::testing::ElementsAre;

constexpr std::uint64_t kBucket = std::uint64_t{1} << 32;

TEST(AliasTableTest, ExactWhereQuantaAreExact) {
  EXPECT_THAT(AliasTable(std::vector<double>{2.5}).masses(), ElementsAre(kBucket));
  EXPECT_THAT(AliasTable(std::vector<double>{1, 1, 1, 1}).masses(),
              ElementsAre(kBucket, kBucket, kBucket, kBucket));
  EXPECT_THAT(AliasTable(std::vector<float>{0, 3, 0, 0}).masses(),
              ElementsAre(0u, 4 * kBucket, 0u, 0u));
  EXPECT_THAT(AliasTable(std::vector<double>{1, 3}).masses(),
              ElementsAre(kBucket / 2, kBucket / 2 * 3));
}

TEST(AliasTableTest, BucketsAreDividedBetweenTwo) {
  // One quarter and three quarters: bucket 0 is half its own, half index 1's.
  const AliasTable table(std::vector<double>{1, 3});
  EXPECT_EQ(table(0, 0), 0u);
  EXPECT_EQ(table(0, (1u << 31) - 1), 0u);
  EXPECT_EQ(table(0, 1u << 31), 1u);
  EXPECT_EQ(table(1, 0), 1u);
  EXPECT_EQ(table(1, ~0u), 1u);
}

std::vector<double> generated_weights(std::size_t n, std::uint64_t seed) {
  const CounterRandom random{seed};
  std::vector<double> weights(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double u = random.uniform(i, 1);
    switch (random.below(4, i, 2)) {
      case 0:
        weights[i] = 0;
        break;
      case 1:
        weights[i] = u;
        break;
      case 2:
        weights[i] = std::exp(40 * u - 20);
        break;
      default:
        weights[i] = 1;
    }
  }
  weights[random.below(n, 0, 3)] = 1;
  return weights;
}

// Each positive weight has a quantum; the others are shared out within one quantum and half a unit
// of the weights' own reading.
TEST(AliasTableTest, MassesAreTheWeightsWithinTheirQuanta) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::size_t n = 1 + CounterRandom{seed}.below(200, 0, 9);
    const std::vector<double> weights = generated_weights(n, seed);
    const std::vector<std::uint64_t> masses = AliasTable(weights).masses();
    const double total = static_cast<double>(n) * 0x1p32;
    const auto sum = std::accumulate(weights.begin(), weights.end(), 0.0L);
    EXPECT_EQ(std::accumulate(masses.begin(), masses.end(), std::uint64_t{0}), n * kBucket);
    for (std::size_t i = 0; i < n; ++i) {
      if (weights[i] == 0) {
        EXPECT_EQ(masses[i], 0u);
        continue;
      }
      EXPECT_GE(masses[i], 1u);
      const auto share = static_cast<double>(static_cast<long double>(weights[i]) / sum);
      // Up to n quanta are set aside, of which the weight gets one back.
      EXPECT_NEAR(static_cast<double>(masses[i]), share * total,
                  2 + static_cast<double>(n) * share + 1e-12 * total * share)
          << "seed " << seed << ", index " << i;
    }
  }
}

TEST(AliasTableTest, PositiveWeightsHoweverSmallHaveAQuantum) {
  constexpr double kLeast = std::numeric_limits<double>::denorm_min();
  const std::vector<std::uint64_t> masses =
      AliasTable(std::vector<double>{kLeast, 0, std::numeric_limits<double>::max(), 1e-300})
          .masses();
  EXPECT_THAT(masses, ElementsAre(1u, 0u, 4 * kBucket - 2, 1u));
  EXPECT_THAT(AliasTable(std::vector<double>{kLeast, kLeast}).masses(),
              ElementsAre(kBucket, kBucket));
  EXPECT_THAT(AliasTable(std::vector<double>{kLeast, 3 * kLeast}).masses(),
              ElementsAre(kBucket / 2, kBucket / 2 * 3));
}

TEST(AliasTableTest, ScaleDoesNotMatter) {
  const std::vector<double> weights = generated_weights(100, 5);
  std::vector<double> scaled = weights;
  for (double& weight : scaled) weight *= 0x1p-300;
  EXPECT_EQ(AliasTable(weights).masses(), AliasTable(scaled).masses());
}

std::string message_of(const std::vector<double>& weights) {
  try {
    AliasTable table(weights);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no exception";
}

TEST(AliasTableTest, RefusesWhatIsNoDistribution) {
  EXPECT_EQ(message_of({}), "AliasTable(): weights.size() = 0, expected 1 to 2^32 - 1");
  EXPECT_EQ(message_of({0, 0}), "AliasTable(): sum of weights = 0, expected a number > 0");
  EXPECT_EQ(message_of({1, -2}), "AliasTable(): weights[1] = -2, expected a finite number >= 0");
  EXPECT_EQ(message_of({1, detail::quiet_nan()}),
            "AliasTable(): weights[1] = nan, expected a finite number >= 0");
  EXPECT_EQ(message_of({1, detail::infinity()}),
            "AliasTable(): weights[1] = inf, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise
