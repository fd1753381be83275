#include "equipoise/sampling/importance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "equipoise/equipoise.h"
#include "tests/support/errors.h"

namespace equipoise::sampling {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::error_of;

using V = std::vector<double>;

TEST(ImportanceWeights, ByHand) {
  // pi = (.9, .1), q = (.5, .5).
  EXPECT_THAT(importance_weights(V{90, 10}, V{1, 1}), ElementsAre(DoubleEq(1.8), DoubleEq(0.2)));
  EXPECT_THAT(importance_weights(V{3, 0, 1}, V{6, 0, 2}), ElementsAre(1, 0, 1));
  // Rows of weights 1 and 3, drawn with 1/4 and 3/4 where the data have 1/2 each.
  EXPECT_THAT(importance_weights(V{1, 1}, V{1, 3}), ElementsAre(DoubleEq(2), DoubleEq(2 / 3.0)));
}

TEST(ImportanceWeights, AverageToOneAndDoNotDependOnScale) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 500; ++i) {
    V natural(1 + random() % 30);
    V drawn(natural.size());
    for (std::size_t k = 0; k < natural.size(); ++k) {
      natural[k] = static_cast<double>(random() % 100);
      drawn[k] = static_cast<double>(1 + random() % 100);
    }
    natural[0] = 1;
    const V weights = importance_weights(natural, drawn);
    V scaled = natural;
    double total = 0;
    double mean = 0;
    for (std::size_t k = 0; k < natural.size(); ++k) {
      scaled[k] *= 1024;
      total += drawn[k];
      mean += drawn[k] * weights[k];
    }
    const double error =
        8 * static_cast<double>(natural.size()) * std::numeric_limits<double>::epsilon();
    EXPECT_NEAR(mean / total, 1, error);
    EXPECT_EQ(importance_weights(scaled, drawn), weights);
  }
}

// The mean of a value over the rows, from draws that came in other proportions.
template <class S>
double weighted_mean(const S& stream, const V& values, const V& weights_of_rows,
                     std::uint64_t draws) {
  double sum = 0;
  for (std::uint64_t t = 0; t < draws; ++t) {
    sum += values[stream[t]] * weights_of_rows[stream[t]];
  }
  return sum / static_cast<double>(draws);
}

TEST(ImportanceWeights, GiveBackTheMeanOfTheData) {
  const std::vector<std::int64_t> labels = {0, 0, 0, 0, 0, 0, 1, 1};
  const V values = {1, 2, 3, 4, 5, 6, 70, 80};
  const double mean = 171 / 8.0;
  const ClassCounts counts = count_labels(labels, 2);
  const auto of_rows = [&](const V& of_classes) {
    V result;
    for (const std::int64_t label : labels) {
      result.push_back(of_classes[static_cast<std::size_t>(label)]);
    }
    return result;
  };
  const V of_even = of_rows(importance_weights(counts.values(), V{1, 1}));

  // 24 draws by exact quota deal each deck out to its end: 12 of 6 rows and 12 of 2.
  const ClassSampler quota(labels, V{1, 1}, 3, {.mode = Mode::kExactQuota, .window = 24});
  EXPECT_NEAR(weighted_mean(quota, values, of_even, 24), mean, 1e-12 * mean);
  // So do 3 epochs that oversample to 6 and 6.
  const ClassResampler even(labels, std::vector<std::uint64_t>{6, 6}, 3);
  EXPECT_NEAR(weighted_mean(even, values, of_even, 36), mean, 1e-12 * mean);

  constexpr std::uint64_t kDraws = 200000;
  const V weights = {1, 1, 2, 2, 3, 3, 4, 4};
  const V own = importance_weights(V(8, 1.0), weights);
  double variance = 0;  // of one weighted draw
  for (std::size_t i = 0; i < 8; ++i) {
    variance += weights[i] / 20 * std::pow(values[i] * own[i] - mean, 2);
  }
  const double error = 4 * std::sqrt(variance / kDraws);
  EXPECT_NEAR(weighted_mean(WeightedSampler(weights, 4), values, own, kDraws), mean, error);
  EXPECT_NEAR(weighted_mean(EpochStream(SystematicResampling(weights, 8, 5)), values, own, kDraws),
              mean, error);
  EXPECT_NEAR(weighted_mean(EpochStream(ResidualResampling(weights, 8, 5)), values, own, kDraws),
              mean, error);
}

TEST(ImportanceWeights, RejectsBadInput) {
  EXPECT_EQ(error_of([] {
              (void)importance_weights(V{90, 10}, V{1, 0});
            }),
            "importance_weights(): drawn[1] = 0, expected a positive mass, for the data have 10");
  EXPECT_NE(error_of([] { (void)importance_weights(V{1}, V{1, 1}); }), "");
  EXPECT_NE(error_of([] { (void)importance_weights(V{0}, V{1}); }), "");
  EXPECT_NE(error_of([] { (void)importance_weights(V{1}, V{std::nan("")}); }), "");
  EXPECT_NE(error_of([] { (void)importance_weights(V{1}, V{-1}); }), "");
}

}  // namespace
}  // namespace equipoise::sampling
