#include "equipoise/sampling/alias_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace equipoise::sampling {
namespace {

using ::testing::ElementsAre;

// The quanta of a bucket of n: 2^(63 - ceil(log2 n)).
constexpr std::uint64_t bucket_of(int log2_n) { return std::uint64_t{1} << (63 - log2_n); }

TEST(AliasTableTest, ExactWhereQuantaAreExact) {
  EXPECT_THAT(AliasTable(std::vector<double>{2.5}).masses(), ElementsAre(bucket_of(0)));
  EXPECT_THAT(AliasTable(std::vector<double>{1, 1, 1, 1}).masses(),
              ElementsAre(bucket_of(2), bucket_of(2), bucket_of(2), bucket_of(2)));
  EXPECT_THAT(AliasTable(std::vector<float>{0, 3, 0, 0}).masses(),
              ElementsAre(0u, 4 * bucket_of(2), 0u, 0u));
  EXPECT_THAT(AliasTable(std::vector<double>{1, 3}).masses(),
              ElementsAre(bucket_of(1) / 2, bucket_of(1) / 2 * 3));
}

TEST(AliasTableTest, BucketsHoldAsManyQuantaAsFitBesideTheAlias) {
  EXPECT_EQ(AliasTable(std::vector<double>(1, 1.0)).bucket_quanta(), bucket_of(0));
  EXPECT_EQ(AliasTable(std::vector<double>(2, 1.0)).bucket_quanta(), bucket_of(1));
  EXPECT_EQ(AliasTable(std::vector<double>(3, 1.0)).bucket_quanta(), bucket_of(2));
  EXPECT_EQ(AliasTable(std::vector<double>(4, 1.0)).bucket_quanta(), bucket_of(2));
  EXPECT_EQ(AliasTable(std::vector<double>(5, 1.0)).bucket_quanta(), bucket_of(3));
  EXPECT_EQ(AliasTable(std::vector<double>(1000, 1.0)).bucket_quanta(), bucket_of(10));
}

TEST(AliasTableTest, BucketsAreDividedBetweenTwo) {
  // One quarter and three quarters: bucket 0 is half its own, half index 1's.
  const AliasTable table(std::vector<double>{1, 3});
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  EXPECT_EQ(table(0, 0), 0u);
  EXPECT_EQ(table(0, kHalf - 1), 0u);
  EXPECT_EQ(table(0, kHalf), 1u);
  EXPECT_EQ(table(1, 0), 1u);
  EXPECT_EQ(table(1, ~std::uint64_t{0}), 1u);
}

// The lengths of the stretches of [0, 2^64) that lead to each index are its masses: looked for from
// their ends, in tables of every number of bits for the alias up to 9.
TEST(AliasTableTest, FractionsLeadToAnIndexAsOftenAsItsMassSays) {
  for (std::size_t n = 1; n <= 300; n += 1 + n / 10) {
    std::vector<double> weights(n);
    for (std::size_t i = 0; i < n; ++i) weights[i] = CounterRandom{n}.uniform(i, 1);
    const AliasTable table(weights);
    const int quantum_bits =
        static_cast<int>(std::bit_width(n - 1)) + 1;  // of a quantum, as a stretch of fractions
    std::vector<std::uint64_t> masses(n);
    for (std::size_t bucket = 0; bucket < n; ++bucket) {
      const std::size_t last = table(bucket, ~std::uint64_t{0});
      std::uint64_t below = 0;  // the first fraction that leads to `last`
      for (std::uint64_t step = std::uint64_t{1} << 63; step > 0; step /= 2) {
        if (table(bucket, below + step - 1) != last) below += step;
      }
      EXPECT_EQ(below >> quantum_bits << quantum_bits, below);
      masses[table(bucket, 0)] += below >> quantum_bits;
      masses[last] += table.bucket_quanta() - (below >> quantum_bits);
    }
    EXPECT_EQ(masses, table.masses()) << n;
  }
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

// To the bound that the class states; the reference sums in long double, off by n 2^-64.
TEST(AliasTableTest, MassesAreTheWeightsWithinTheBound) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::size_t n = 1 + CounterRandom{seed}.below(200, 0, 9);
    const std::vector<double> weights = generated_weights(n, seed);
    const AliasTable table(weights);
    const std::vector<std::uint64_t> masses = table.masses();
    const std::uint64_t total = n * table.bucket_quanta();
    const auto sum = std::accumulate(weights.begin(), weights.end(), 0.0L);
    EXPECT_EQ(std::accumulate(masses.begin(), masses.end(), std::uint64_t{0}), total);
    for (std::size_t i = 0; i < n; ++i) {
      if (weights[i] == 0) {
        EXPECT_EQ(masses[i], 0u);
        continue;
      }
      EXPECT_GE(masses[i], 1u);
      const long double due = static_cast<long double>(weights[i]) / sum;
      const long double error =
          std::abs(static_cast<long double>(masses[i]) / static_cast<long double>(total) - due);
      const long double of_sum = static_cast<long double>(n) * due;
      EXPECT_LE(error, (4 + 3 * of_sum) * 0x1p-62L + of_sum * 0x1p-63L)
          << "seed " << seed << ", index " << i;
    }
  }
}

// Weights far below the others keep their share: of two and of very many.
TEST(AliasTableTest, SmallWeightsHaveTheirShare) {
  const auto share = [](const std::vector<double>& weights, std::size_t i) {
    const AliasTable table(weights);
    return static_cast<double>(table.masses()[i]) /
           (static_cast<double>(weights.size()) * static_cast<double>(table.bucket_quanta()));
  };
  EXPECT_NEAR(share({1, 1e-12}, 1) / 1e-12, 1, 1e-6);
  EXPECT_NEAR(share({1e-9, 5, 1e-11}, 2) / 2e-12, 1, 1e-6);
  std::vector<double> many(100000, 1e-14);
  many[77] = 1;
  EXPECT_NEAR(share(many, 78) / 1e-14, 1, 2e-4);  // 4 2^-62 of 1e-14
  EXPECT_NEAR(share(many, 99999) / 1e-14, 1, 2e-4);
}

TEST(AliasTableTest, PositiveWeightsHoweverSmallHaveAQuantum) {
  constexpr double kLeast = std::numeric_limits<double>::denorm_min();
  const std::vector<std::uint64_t> masses =
      AliasTable(std::vector<double>{kLeast, 0, std::numeric_limits<double>::max(), 1e-300})
          .masses();
  EXPECT_THAT(masses, ElementsAre(1u, 0u, 4 * bucket_of(2) - 2, 1u));
  EXPECT_THAT(AliasTable(std::vector<double>{kLeast, kLeast}).masses(),
              ElementsAre(bucket_of(1), bucket_of(1)));
  EXPECT_THAT(AliasTable(std::vector<double>{kLeast, 3 * kLeast}).masses(),
              ElementsAre(bucket_of(1) / 2, bucket_of(1) / 2 * 3));
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
}  // namespace equipoise::sampling
