#include "equipoise/sampling/weighted_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::kImplausible;

static_assert(IndexStream<WeightedSampler>);

TEST(WeightedSamplerTest, DrawsFollowTheWeights) {
  const CounterRandom random{1};
  std::vector<double> weights(50);
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    sum += weights[i] = i % 5 == 0 ? 0 : 0.05 + random.uniform(i, 1);
  }
  const WeightedSampler sampler(weights, 2);
  std::vector<std::uint64_t> seen(weights.size());
  for (std::uint64_t t = 0; t < 100000; ++t) ++seen[sampler[t]];
  std::vector<double> expected;
  expected.reserve(weights.size());
  for (const double weight : weights) expected.push_back(100000 * weight / sum);
  EXPECT_GT(chi_squared_p_value(seen, expected), kImplausible);
}

// More rows than single precision, or torch.multinomial, can tell apart.
TEST(WeightedSamplerTest, MoreThanTwoToThe24Rows) {
  constexpr std::size_t kRows = (std::size_t{1} << 24) + 3;
  std::vector<float> weights(kRows, 0.0f);
  weights[0] = 1;
  weights[kRows - 2] = 1;
  weights[kRows - 1] = 2;
  const WeightedSampler sampler(weights, 3);
  std::vector<std::int64_t> batch(4000);
  sampler.fill(0, batch);
  std::vector<std::uint64_t> seen(4);
  for (const std::int64_t row : batch) {
    const auto from_end = kRows - static_cast<std::size_t>(row);
    ++seen[row == 0 ? 0 : from_end == 2 ? 1 : from_end == 1 ? 2 : 3];
  }
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>{1000, 1000, 2000, 0}), kImplausible);
}

TEST(WeightedSamplerTest, FillEqualsSingleDraws) {
  std::vector<double> weights(1000);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i % 17);
  const CounterRandom random{4};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const WeightedSampler sampler(weights, seed);
    const std::uint64_t t = random.bits(seed, 2) >> 8;
    const std::uint64_t stride = 1 + random.below(9, seed, 3);
    std::vector<std::int64_t> batch(1 + 13 * seed);
    sampler.fill(t, batch, stride);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      ASSERT_EQ(static_cast<std::size_t>(batch[i]), sampler[t + i * stride]);
    }
  }
}

// Batches that end inside a block of draws, and positions whose lower or upper half overflows.
TEST(WeightedSamplerTest, FillEqualsSingleDrawsWherePositionsOverflow) {
  const WeightedSampler sampler(std::vector<double>{5, 0, 1, 2, 8, 3, 0.5, 1}, 22);
  for (const std::uint64_t start :
       {std::uint64_t{0xffffffc1}, std::uint64_t{0x5ffffffff}, ~std::uint64_t{0} - 70}) {
    for (const std::uint64_t stride :
         {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
      for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 191u}) {
        std::vector<std::int64_t> batch(size);
        sampler.fill(start, batch, stride);
        for (std::size_t i = 0; i < size; ++i) {
          ASSERT_EQ(static_cast<std::size_t>(batch[i]), sampler[start + i * stride])
              << "start " << start << ", stride " << stride << ", draw " << i << " of " << size;
        }
      }
    }
  }
}

TEST(WeightedSamplerTest, CursorsTellWeightsApart) {
  const std::vector<double> weights{1, 2, 3};
  const Cursor cursor = cursor_at(WeightedSampler(weights, 5), 40);
  EXPECT_EQ(resume(WeightedSampler(std::vector<float>{1, 2, 3}, 5), cursor), 40u);
  EXPECT_EQ(resume(WeightedSampler(std::vector<double>{2, 4, 6}, 5), cursor), 40u);
  EXPECT_THROW(resume(WeightedSampler(std::vector<double>{1, 3, 2}, 5), cursor),
               std::invalid_argument);
  EXPECT_THROW(resume(WeightedSampler(weights, 5, {.epoch_size = 4}), cursor),
               std::invalid_argument);
}

TEST(WeightedSamplerTest, EpochsAreAsLongAsTheRowsUnlessTold) {
  EXPECT_EQ(WeightedSampler(std::vector<double>{1, 2, 3}, 5).epoch_size(), 3u);
  EXPECT_EQ(WeightedSampler(std::vector<double>{1, 2, 3}, 5, {.epoch_size = 9}).epoch_size(), 9u);
}

TEST(WeightedSamplerTest, Golden) {
  std::vector<std::int64_t> batch(16);
  WeightedSampler(std::vector<double>{5, 0, 1, 2, 8, 3, 0.5, 1}, 42).fill(0, batch);
  EXPECT_THAT(batch, ElementsAre(7, 4, 5, 4, 0, 2, 4, 0, 2, 0, 4, 5, 7, 5, 4, 4));
}

TEST(WeightedSamplerTest, RefusesWhatIsNoDistribution) {
  const auto message = [](const std::vector<float>& weights) -> std::string {
    try {
      WeightedSampler sampler(weights, 1);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "no exception";
  };
  EXPECT_EQ(message({}), "WeightedSampler(): weights.size() = 0, expected 1 to 2^32 - 1");
  EXPECT_EQ(message({0, 0}), "WeightedSampler(): sum of weights = 0, expected a number > 0");
  EXPECT_EQ(message({1, -0.5f}),
            "WeightedSampler(): weights[1] = -0.5, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::sampling
