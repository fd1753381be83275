#include "equipoise/sampling/without_replacement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "equipoise/sampling/epoch_stream.h"
#include "tests/support/errors.h"
#include "tests/support/statistics.h"
#include "tests/support/successive_sampling.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;
using testing::ordered_sample_probabilities;

static_assert(EpochRule<WithoutReplacement>);

using Rows = std::vector<std::int64_t>;

TEST(WithoutReplacement, OrderedSamplesHaveTheirProbabilities) {
  constexpr std::uint64_t kEpochs = 40000;
  const std::vector<std::vector<double>> cases = {
      {1, 2, 3, 4}, {10, 1, 1, 0, 1}, {0.1, 0.1, 0.1}, {5, 4, 3, 2, 1}};
  for (const std::vector<double>& weights : cases) {
    for (const std::uint64_t k : {1u, 2u, 3u}) {
      const std::map<Rows, double> probabilities = ordered_sample_probabilities(weights, k);
      const WithoutReplacement rule(weights, k, 17);
      std::map<Rows, std::uint64_t> seen;
      for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) ++seen[rule(epoch)];
      std::vector<std::uint64_t> observed;
      std::vector<double> expected;
      for (const auto& [rows, probability] : probabilities) {
        observed.push_back(seen[rows]);
        expected.push_back(probability * kEpochs);
      }
      EXPECT_EQ(seen.size(), probabilities.size());
      EXPECT_GT(chi_squared_p_value(observed, expected), kImplausible);
    }
  }
}

// Divided by its probability of inclusion, the sum over a sample is on average that over all rows.
TEST(InclusionProbability, MakesSumsUnbiased) {
  const std::vector<double> weights = {1, 5, 2, 0.5, 8, 3};
  const std::vector<double> values = {3, -1, 4, 1, -5, 9};
  const WithoutReplacement rule(weights, 3, 5);
  constexpr int kEpochs = 60000;
  double sum = 0;
  double squares = 0;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const WeightedSample sample = rule.sample(static_cast<std::uint64_t>(epoch));
    double estimate = 0;
    for (const std::int64_t row : sample.rows) {
      const auto i = static_cast<std::size_t>(row);
      estimate += values[i] / inclusion_probability(sample, weights[i]);
    }
    sum += estimate;
    squares += estimate * estimate;
  }
  const double mean = sum / kEpochs;
  const double deviation = std::sqrt((squares / kEpochs - mean * mean) / kEpochs);
  EXPECT_NEAR(mean, 11, 4 * deviation);
}

TEST(InclusionProbability, OfEverythingIsOne) {
  const WithoutReplacement rule(std::vector<double>{2, 0, 1}, 2, 1);
  const WeightedSample sample = rule.sample(3);
  EXPECT_EQ(sample.threshold, std::numeric_limits<double>::infinity());
  EXPECT_EQ(inclusion_probability(sample, 1), 1.0);
  EXPECT_EQ(inclusion_probability(sample, 0), 0.0);
}

// Against drawing in the plain way, over random weights: distinct rows, none of weight zero.
TEST(WithoutReplacement, SamplesAreDistinctAndNeverOfWeightZero) {
  std::mt19937_64 random(3);
  for (int repeat = 0; repeat < 500; ++repeat) {
    std::vector<double> weights(1 + random() % 70);
    std::uint64_t positive = 0;
    for (double& weight : weights) {
      weight = random() % 3 == 0 ? 0 : std::ldexp(1.0, static_cast<int>(random() % 200) - 100);
      positive += weight > 0 ? 1 : 0;
    }
    if (positive == 0) continue;
    const WithoutReplacement rule(weights, 1 + random() % positive, random());
    const Rows rows = rule(random() % 1000);
    EXPECT_EQ(std::set<std::int64_t>(rows.begin(), rows.end()).size(), rule.epoch_size());
    for (const std::int64_t row : rows) EXPECT_GT(weights[static_cast<std::size_t>(row)], 0);
  }
}

// Two data sets under one seed: of 1000 and 999 rows of equal weight about three stand at the same
// or neighbouring places in both random orders. By the same random numbers 73 would.
TEST(WithoutReplacement, OrdersOfNeighbouringSizesAreUnlike) {
  const auto places = [](std::size_t size) {
    const Rows rows = WithoutReplacement(std::vector<double>(size, 1.0), size, 5)(0);
    std::vector<int> result(size);
    for (std::size_t i = 0; i < size; ++i) {
      result[static_cast<std::size_t>(rows[i])] = static_cast<int>(i);
    }
    return result;
  };
  const std::vector<int> more = places(1000);
  const std::vector<int> fewer = places(999);
  int alike = 0;
  for (std::size_t row = 0; row < 999; ++row) alike += std::abs(more[row] - fewer[row]) <= 1;
  EXPECT_LT(alike, 20);
}

TEST(WithoutReplacement, DrawsTheSameRowsEverywhere) {
  std::vector<double> weights;
  for (int i = 0; i < 1000; ++i) weights.push_back(1.0 / (1 + i % 37));
  const WithoutReplacement rule(weights, 12, 2024);
  EXPECT_THAT(rule(7), ElementsAre(349, 371, 113, 745, 306, 311, 448, 895, 223, 875, 518, 720));
  EXPECT_EQ(rule.fingerprint(), 16907865465364761884u);
  const std::vector<float> in_float(weights.begin(), weights.end());
  EXPECT_NE(WithoutReplacement(in_float, 12, 2024).fingerprint(), rule.fingerprint());
}

TEST(EpochStream, IsTheListsOneAfterTheOther) {
  const WithoutReplacement rule(std::vector<double>{1, 2, 3, 4, 5}, 3, 9);
  const EpochStream<WithoutReplacement> stream(rule);
  static_assert(IndexStream<EpochStream<WithoutReplacement>>);
  Rows all;
  for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
    const Rows rows = rule(epoch);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t t = random() % all.size();
    EXPECT_EQ(static_cast<std::int64_t>(stream[t]), all[t]);
    const std::size_t stride = 1 + random() % 4;
    Rows part((all.size() - t + stride - 1) / stride);
    stream.fill(t, part, stride);
    for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], all[t + i * stride]);
  }
  EXPECT_EQ(stream.epoch_size(), 3u);
  EXPECT_EQ(stream.seed(), 9u);
  EXPECT_EQ(stream.fingerprint(), rule.fingerprint());
}

TEST(WithoutReplacementErrors, NameWhatIsWrong) {
  const auto message = [](const std::vector<double>& weights, std::uint64_t k) {
    return error_of([&] { WithoutReplacement(weights, k, 1); });
  };
  EXPECT_EQ(message({1, -1}, 1),
            "WithoutReplacement(): weights[1] = -1, expected a finite number >= 0");
  EXPECT_EQ(message({1, std::nan("")}, 1),
            "WithoutReplacement(): weights[1] = nan, expected a finite number >= 0");
  EXPECT_EQ(message({0, 0}, 1), "WithoutReplacement(): sum of weights = 0, expected a number > 0");
  EXPECT_EQ(message({}, 1), "WithoutReplacement(): sum of weights = 0, expected a number > 0");
  EXPECT_EQ(message({1, 0, 1}, 3),
            "WithoutReplacement(): k = 3, expected 1 to 2 (positive weights)");
  EXPECT_EQ(message({1}, 0), "WithoutReplacement(): k = 0, expected 1 to 1 (positive weights)");
  EXPECT_EQ(error_of([] { inclusion_probability({}, -1); }),
            "inclusion_probability(): weight = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::sampling
