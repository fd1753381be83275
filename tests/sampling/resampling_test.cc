#include "equipoise/sampling/resampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "equipoise/sampling/epoch_stream.h"
#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

static_assert(EpochRule<SystematicResampling> && EpochRule<ResidualResampling>);

using Rows = std::vector<std::int64_t>;

std::vector<std::uint64_t> copies(const Rows& rows, std::size_t size) {
  std::vector<std::uint64_t> result(size);
  for (const std::int64_t row : rows) ++result[static_cast<std::size_t>(row)];
  return result;
}

std::vector<double> random_weights(std::mt19937_64& random) {
  std::vector<double> weights(1 + random() % 40);
  for (double& weight : weights) {
    weight = random() % 4 == 0 ? 0 : std::ldexp(static_cast<double>(random() % 1000), -5);
  }
  weights[random() % weights.size()] = 1;
  return weights;
}

// What a row is due, give or take the rounding of the test's own arithmetic.
double due(const std::vector<double>& weights, std::size_t i, std::uint64_t k) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  return weights[i] / sum * static_cast<double>(k);
}

TEST(SystematicResampling, EachRowComesFloorOrCeilOfItsDue) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const std::vector<double> weights = random_weights(random);
    const std::uint64_t k = 1 + random() % 200;
    const SystematicResampling rule(weights, k, random());
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      const Rows rows = rule(epoch);
      ASSERT_EQ(rows.size(), k);
      const std::vector<std::uint64_t> counts = copies(rows, weights.size());
      for (std::size_t row = 0; row < weights.size(); ++row) {
        const double wanted = due(weights, row, k);
        EXPECT_LT(std::fabs(static_cast<double>(counts[row]) - wanted), 1 + 1e-9 * wanted);
      }
    }
  }
}

TEST(ResidualResampling, NoRowComesLessThanFloorOfItsDue) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1000; ++i) {
    const std::vector<double> weights = random_weights(random);
    const std::uint64_t k = 1 + random() % 200;
    const ResidualResampling rule(weights, k, random());
    const Rows rows = rule(random() % 5);
    ASSERT_EQ(rows.size(), k);
    const std::vector<std::uint64_t> counts = copies(rows, weights.size());
    for (std::size_t row = 0; row < weights.size(); ++row) {
      EXPECT_GE(static_cast<double>(counts[row]), std::floor(due(weights, row, k) - 1e-9));
      if (weights[row] == 0) {
        EXPECT_EQ(counts[row], 0u);
      }
    }
  }
}

// Of three tenths twice and four, 10 draws: 3, 3 and 4, though .3 in binary is less than .3 and the
// dues of the first two 2.999...: floors of these would leave two draws to chance.
TEST(ResidualResampling, DuesThatAreIntegersButForRoundingAreMet) {
  for (std::uint64_t epoch = 0; epoch < 50; ++epoch) {
    const std::vector<double> tenths = {.3, .3, .4};
    EXPECT_THAT(copies(ResidualResampling(tenths, 10, 1)(epoch), 3), ElementsAre(3, 3, 4));
    const std::vector<float> of_float = {.3F, .3F, .4F};
    EXPECT_THAT(copies(ResidualResampling(of_float, 10, 1)(epoch), 3), ElementsAre(3, 3, 4));
  }
  std::mt19937_64 random(6);
  for (int i = 0; i < 1000; ++i) {
    std::vector<std::uint64_t> wanted(2 + random() % 200);
    std::vector<double> weights;
    for (std::uint64_t& rows : wanted) {
      rows = 1 + random() % 9;
      weights.push_back(static_cast<double>(rows) / 10);
    }
    const std::uint64_t k = std::accumulate(wanted.begin(), wanted.end(), std::uint64_t{0});
    EXPECT_EQ(copies(ResidualResampling(weights, k, 1)(0), wanted.size()), wanted);
  }
}

// What is due 2^-40 less than an integer is not rounded: row 0 is drawn from what remains.
TEST(ResidualResampling, DuesBelowIntegersAreNotRounded) {
  const std::vector<double> weights = {1 - 0x1p-40, 0.5 + 0x1p-41, 0.5 + 0x1p-41};
  std::map<std::vector<std::uint64_t>, int> seen;
  const ResidualResampling rule(weights, 2, 1);
  for (std::uint64_t epoch = 0; epoch < 400; ++epoch) ++seen[copies(rule(epoch), 3)];
  // Two draws of masses 1, 1/2 and 1/2: none of row 0 in a quarter of the epochs.
  EXPECT_GT((seen[{0, 1, 1}] + seen[{0, 2, 0}] + seen[{0, 0, 2}]), 50);
}

// Weights 1, 2, 3 and k = 4: dues 2/3, 4/3 and 2. One offset in [0, 1): the sums of the dues, 2/3
// and 2, pass an integer when it is 1/3 or more, so (0, 2, 2) and (1, 1, 2) come one to two.
TEST(SystematicResampling, OutcomesHaveTheirProbabilities) {
  constexpr std::uint64_t kEpochs = 30000;
  const SystematicResampling rule(std::vector<double>{1, 2, 3}, 4, 3);
  std::map<std::vector<std::uint64_t>, std::uint64_t> seen;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) ++seen[copies(rule(epoch), 3)];
  const std::vector<std::uint64_t> observed = {seen[{0, 2, 2}], seen[{1, 1, 2}]};
  EXPECT_EQ(observed[0] + observed[1], kEpochs);
  EXPECT_GT(chi_squared_p_value(observed, std::vector<double>{kEpochs / 3.0, kEpochs * 2 / 3.0}),
            kImplausible);
}

// The same dues: (0, 1, 2) for certain, and the one that is left is row 0 with 2/3, row 1 with 1/3.
TEST(ResidualResampling, OutcomesHaveTheirProbabilities) {
  constexpr std::uint64_t kEpochs = 30000;
  const ResidualResampling rule(std::vector<double>{1, 2, 3}, 4, 4);
  std::map<std::vector<std::uint64_t>, std::uint64_t> seen;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) ++seen[copies(rule(epoch), 3)];
  const std::vector<std::uint64_t> observed = {seen[{1, 1, 2}], seen[{0, 2, 2}]};
  EXPECT_EQ(observed[0] + observed[1], kEpochs);
  EXPECT_GT(chi_squared_p_value(observed, std::vector<double>{kEpochs * 2 / 3.0, kEpochs / 3.0}),
            kImplausible);
}

// The copies of an epoch come in every order, each equally often.
TEST(Resampling, OrderIsRandom) {
  constexpr std::uint64_t kEpochs = 24000;
  const std::vector<double> weights = {1, 1, 2};
  const SystematicResampling rule(weights, 4, 5);  // always 0, 1, 2, 2
  std::map<Rows, std::uint64_t> seen;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) ++seen[rule(epoch)];
  std::vector<std::uint64_t> observed;
  for (const auto& [rows, count] : seen) observed.push_back(count);
  ASSERT_EQ(observed.size(), 12u);  // 4! / 2!
  EXPECT_GT(chi_squared_p_value(observed, std::vector<double>(12, kEpochs / 12.0)), kImplausible);
}

TEST(Resampling, ZeroStandsForTheSumOfTheWeights) {
  const std::vector<double> factors = {1, 3, 1, 2};
  EXPECT_EQ(SystematicResampling(factors, 0, 1).epoch_size(), 7u);
  for (std::uint64_t epoch = 0; epoch < 50; ++epoch) {
    EXPECT_THAT(copies(SystematicResampling(factors, 0, 1)(epoch), 4), ElementsAre(1, 3, 1, 2));
    EXPECT_THAT(copies(ResidualResampling(factors, 0, 1)(epoch), 4), ElementsAre(1, 3, 1, 2));
  }
  EXPECT_EQ(ResidualResampling(std::vector<double>{1.5, 2.25}, 0, 1).epoch_size(), 4u);
}

TEST(Resampling, GoldenSequences) {
  const std::vector<double> weights = {0.5, 1.25, 3, 0, 2.25};
  EXPECT_THAT(SystematicResampling(weights, 7, 9)(0), ElementsAre(4, 2, 4, 1, 2, 1, 2));
  EXPECT_THAT(SystematicResampling(weights, 7, 9)(1), ElementsAre(1, 2, 2, 4, 2, 4, 0));
  EXPECT_THAT(ResidualResampling(weights, 9, 9)(0), ElementsAre(0, 4, 1, 4, 0, 2, 2, 1, 2));
  EXPECT_THAT(ResidualResampling(weights, 9, 9)(1), ElementsAre(2, 2, 4, 4, 2, 2, 1, 4, 4));
}

TEST(Resampling, FingerprintTellsWeightsAndDrawsApart) {
  const std::vector<double> weights = {1, 2, 3};
  const auto print = [](const std::vector<double>& values, std::uint64_t k) {
    return SystematicResampling(values, k, 1).fingerprint();
  };
  EXPECT_EQ(print(weights, 5), print({2, 4, 6}, 5));
  EXPECT_NE(print(weights, 5), print(weights, 6));
  EXPECT_NE(print(weights, 5), print({1, 3, 2}, 5));
}

TEST(Resampling, RejectsBadInput) {
  using V = std::vector<double>;
  EXPECT_EQ(error_of([] {
              SystematicResampling(V{1, -1}, 2, 1);
            }),
            "SystematicResampling(): weights[1] = -1, expected a finite number >= 0");
  EXPECT_EQ(error_of([] {
              ResidualResampling(V{0, 0}, 2, 1);
            }),
            "ResidualResampling(): sum of weights = 0, expected a number > 0");
  EXPECT_EQ(error_of([] {
              SystematicResampling(V{0.1, 0.2}, 0, 1);
            }),
            "SystematicResampling(): sum of weights = 0, expected a number of draws, 1 to 2^62, "
            "where k is 0");
  EXPECT_EQ(error_of([] { SystematicResampling(V{1}, std::uint64_t{1} << 63, 1); }),
            "SystematicResampling(): k = 9223372036854775808, expected at most 2^62");
  EXPECT_NE(error_of([] { ResidualResampling(V{std::nan("")}, 2, 1); }), "");
  EXPECT_NE(error_of([] { ResidualResampling(V{}, 2, 1); }), "");
}

}  // namespace
}  // namespace equipoise::sampling
