// Draws do not depend on those before: pairs of draws at a distance come as often as their
// probabilities' product says.

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "equipoise/equipoise.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using testing::kImplausible;

constexpr std::uint64_t kPairs = 60000;

// `probability[i]` is the probability of row i; a pair is (stream[t], stream[t + lag]), and the
// next begins `step` positions later.
template <class S>
void expect_independent(const S& stream, const std::vector<double>& probability, std::uint64_t lag,
                        std::uint64_t step) {
  const std::size_t rows = probability.size();
  std::vector<std::uint64_t> seen(rows * rows);
  for (std::uint64_t i = 0; i < kPairs; ++i) {
    ++seen[stream[i * step] * rows + stream[i * step + lag]];
  }
  std::vector<double> expected;
  for (const double first : probability) {
    for (const double second : probability) expected.push_back(kPairs * first * second);
  }
  EXPECT_GT(chi_squared_p_value(seen, expected), kImplausible) << "lag " << lag;
}

const std::vector<std::int64_t> kLabels = {0, 0, 0, 0, 1, 1};

TEST(Serial, ClassSampler) {
  const ClassSampler sampler(kLabels, std::vector<double>{1, 1}, 1);
  for (const std::uint64_t lag : {1u, 2u, 6u, 64u}) {
    expect_independent(sampler, {.125, .125, .125, .125, .25, .25}, lag, 2 * lag);
  }
}

TEST(Serial, WeightedSampler) {
  const WeightedSampler sampler(std::vector<double>{1, 2, 3, 4}, 2);
  for (const std::uint64_t lag : {1u, 2u, 4u, 64u}) {
    expect_independent(sampler, {.1, .2, .3, .4}, lag, 2 * lag);
  }
}

// Methods with an order inside an epoch: the same place in the next.
TEST(Serial, WithoutReplacement) {
  const EpochStream stream(WithoutReplacement(std::vector<double>{1, 2, 3, 4}, 2, 3));
  expect_independent(stream, {.1, .2, .3, .4}, 2, 4);
}
TEST(Serial, SystematicResampling) {
  const EpochStream stream(SystematicResampling(std::vector<double>{1, 2, 3, 4}, 3, 4));
  expect_independent(stream, {.1, .2, .3, .4}, 3, 6);
}
TEST(Serial, ResidualResampling) {
  const EpochStream stream(ResidualResampling(std::vector<double>{1, 2, 3, 4}, 3, 5));
  expect_independent(stream, {.1, .2, .3, .4}, 3, 6);
}

struct Even {
  std::vector<double> operator()(std::uint64_t) const { return {1, 1}; }
};

TEST(Serial, ScheduledSampler) {
  const ScheduledSampler sampler(kLabels, 2, Even{}, 6, {.window = 4});
  expect_independent(sampler, {.125, .125, .125, .125, .25, .25}, 4, 8);
}

}  // namespace
}  // namespace equipoise::sampling
