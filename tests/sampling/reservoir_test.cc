#include "equipoise/sampling/reservoir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <vector>

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
using ::testing::UnorderedElementsAre;

using Rows = std::vector<std::int64_t>;

// A reservoir of the rows [begin, end).
WeightedReservoir reservoir_of(const std::vector<double>& weights, std::size_t begin,
                               std::size_t end, std::size_t k, std::uint64_t seed,
                               std::uint64_t part = 0) {
  WeightedReservoir reservoir(k, seed, part);
  for (std::size_t i = begin; i < end; ++i) {
    reservoir.add(static_cast<std::int64_t>(i), weights[i]);
  }
  return reservoir;
}

// The p-value of samples(seed), over many seeds, against the ordered samples' probabilities.
template <class Samples>
double p_value(const std::vector<double>& weights, std::size_t k, const Samples& samples) {
  constexpr std::uint64_t kSeeds = 30000;
  std::map<Rows, std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) ++seen[samples(seed)];
  std::vector<std::uint64_t> observed;
  std::vector<double> expected;
  for (const auto& [rows, probability] : ordered_sample_probabilities(weights, k)) {
    observed.push_back(seen[rows]);
    expected.push_back(probability * kSeeds);
  }
  EXPECT_EQ(seen.size(), expected.size());
  return chi_squared_p_value(observed, expected);
}

const std::vector<std::vector<double>> kCases = {
    {1, 2, 3, 4}, {10, 1, 1, 0, 1}, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, {1, 2, 3, 4, 5}};

TEST(WeightedReservoir, OrderedSamplesHaveTheirProbabilities) {
  for (const std::vector<double>& weights : kCases) {
    for (const std::size_t k : {1u, 2u, 3u}) {
      EXPECT_GT(p_value(weights, k,
                        [&](std::uint64_t seed) {
                          return reservoir_of(weights, 0, weights.size(), k, seed).sample().rows;
                        }),
                kImplausible);
    }
  }
}

// Whatever the parts, and also when more rows pass after they were merged.
TEST(WeightedReservoir, MergedOnesHaveThemToo) {
  for (const std::vector<double>& weights : kCases) {
    for (const std::size_t cut : {1u, 2u, 3u}) {
      EXPECT_GT(p_value(weights, 2,
                        [&](std::uint64_t seed) {
                          auto merged = reservoir_of(weights, 0, cut, 2, seed, 0);
                          merged += reservoir_of(weights, cut, weights.size(), 2, seed, 1);
                          return merged.sample().rows;
                        }),
                kImplausible);
      EXPECT_GT(p_value(weights, 1,
                        [&](std::uint64_t seed) {
                          auto merged = reservoir_of(weights, 0, 1, 1, seed, 7);
                          merged += reservoir_of(weights, 1, cut, 1, seed, 8);
                          for (std::size_t i = cut; i < weights.size(); ++i) {
                            merged.add(static_cast<std::int64_t>(i), weights[i]);
                          }
                          return merged.sample().rows;
                        }),
                kImplausible);
    }
  }
}

// Horvitz and Thompson's estimate of a sum over a long stream, of which little is kept.
TEST(WeightedReservoir, InclusionProbabilitiesMakeSumsUnbiased) {
  constexpr std::size_t kRows = 500;
  std::vector<double> weights;
  double total = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    weights.push_back(1 + static_cast<double>(i % 7));
    total += static_cast<double>(i % 11);
  }
  constexpr int kSeeds = 4000;
  double sum = 0;
  double squares = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const WeightedSample sample = reservoir_of(weights, 0, kRows, 20, seed).sample();
    ASSERT_EQ(sample.rows.size(), 20u);
    double estimate = 0;
    for (const std::int64_t row : sample.rows) {
      const auto i = static_cast<std::size_t>(row);
      estimate += static_cast<double>(i % 11) / inclusion_probability(sample, weights[i]);
    }
    sum += estimate;
    squares += estimate * estimate;
  }
  const double mean = sum / kSeeds;
  const double deviation = std::sqrt((squares / kSeeds - mean * mean) / kSeeds);
  EXPECT_NEAR(mean, total, 4 * deviation);
}

TEST(WeightedReservoir, KeepsAllWhereThereIsLittle) {
  const std::vector<double> weights = {1, 0, 2};
  const WeightedSample sample = reservoir_of(weights, 0, 3, 2, 1).sample();
  EXPECT_THAT(sample.rows, UnorderedElementsAre(0, 2));
  EXPECT_EQ(sample.threshold, std::numeric_limits<double>::infinity());
  EXPECT_THAT(WeightedReservoir(3, 1).sample().rows, ElementsAre());
}

TEST(WeightedReservoir, RowsAreDistinctAndWeightsMayBeExtreme) {
  WeightedReservoir reservoir(10, 5);
  for (std::int64_t row = 0; row < 1000; ++row) {
    reservoir.add(row, row % 3 == 0 ? std::numeric_limits<double>::denorm_min() : 1e300);
  }
  const WeightedSample sample = reservoir.sample();
  EXPECT_EQ(std::set<std::int64_t>(sample.rows.begin(), sample.rows.end()).size(), 10u);
  for (const std::int64_t row : sample.rows) EXPECT_NE(row % 3, 0);
}

TEST(WeightedReservoir, GoldenSamples) {
  std::vector<double> weights;
  for (int i = 0; i < 1000; ++i) weights.push_back(1 + i % 5);
  auto merged = reservoir_of(weights, 0, 400, 5, 3, 0);
  EXPECT_THAT(merged.sample().rows, ElementsAre(327, 146, 344, 234, 318));
  merged += reservoir_of(weights, 400, 1000, 5, 3, 1);
  EXPECT_THAT(merged.sample().rows, ElementsAre(327, 146, 514, 900, 344));
}

TEST(WeightedReservoir, RejectsBadInputAndStaysAsItWas) {
  EXPECT_EQ(error_of([] { WeightedReservoir(0, 1); }),
            "WeightedReservoir(): k = 0, expected at least 1");
  auto reservoir = reservoir_of({1, 2, 3, 4}, 0, 4, 2, 1);
  const Rows before = reservoir.sample().rows;
  EXPECT_EQ(error_of([&] { reservoir.add(9, -1); }),
            "WeightedReservoir::add(): weight = -1, expected a finite number >= 0");
  EXPECT_NE(error_of([&] { reservoir.add(9, std::nan("")); }), "");
  EXPECT_NE(error_of([&] { reservoir.add(9, std::numeric_limits<double>::infinity()); }), "");
  EXPECT_EQ(error_of([&] { reservoir += WeightedReservoir(3, 1); }),
            "WeightedReservoir::operator+=(): other.k() = 3, expected 2 as this one has");
  EXPECT_EQ(reservoir.sample().rows, before);
}

}  // namespace
}  // namespace equipoise::sampling
