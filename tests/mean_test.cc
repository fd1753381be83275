#include "equipoise/mean.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "equipoise/group_dro.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;
using Numbers = std::vector<double>;

// E[w_c / (w_c + S)] over all ways in which the other rows of a batch can fall.
Numbers coefficients_by_enumeration(const Numbers& q, const Numbers& w, std::uint64_t batch_size) {
  Numbers result(q.size(), 0.0);
  std::size_t outcomes = 1;
  for (std::uint64_t i = 1; i < batch_size; ++i) outcomes *= q.size();
  for (std::size_t outcome = 0; outcome < outcomes; ++outcome) {
    double probability = 1;
    double sum = 0;
    std::size_t rest = outcome;
    for (std::uint64_t i = 1; i < batch_size; ++i, rest /= q.size()) {
      probability *= q[rest % q.size()];
      sum += w[rest % q.size()];
    }
    for (std::size_t c = 0; c < q.size(); ++c) {
      if (w[c] > 0) result[c] += probability * w[c] / (w[c] + sum);
    }
  }
  for (double& value : result) value *= static_cast<double>(batch_size);
  return result;
}

TEST(MeanByWeightCoefficients, EqualTheExpectationOverAllBatches) {
  const CounterRandom random{5};
  std::uint64_t t = 0;
  for (int round = 0; round < 200; ++round) {
    const auto classes = static_cast<std::size_t>(2 + random.below(3, t++, 1));
    const std::uint64_t batch_size = 1 + random.below(6, t++, 1);
    Numbers q;
    Numbers w;
    for (std::size_t c = 0; c < classes; ++c) {
      q.push_back(0.01 + random.uniform(t++, 1));
      // Weights over nine orders of magnitude, some of them zero.
      w.push_back(random.below(8, t++, 1) == 0 ? 0 : std::pow(10, 9 * random.uniform(t++, 1)));
    }
    w[0] = 1;
    const double sum = std::accumulate(q.begin(), q.end(), 0.0);
    for (double& share : q) share /= sum;
    const Numbers expected = coefficients_by_enumeration(q, w, batch_size);
    const Numbers actual = mean_by_weight_coefficients(q, w, batch_size);
    for (std::size_t c = 0; c < classes; ++c) {
      EXPECT_NEAR(actual[c], expected[c], 1e-12 * expected[c]) << round << ' ' << c;
    }
  }
}

TEST(MeanByWeightCoefficients, TendToTheWeightsAsBatchesGrow) {
  const Numbers q = {0.9, 0.05, 0.03, 0.015, 0.005};
  Numbers w;
  for (const double share : q) w.push_back(1 / share);
  const Numbers actual = mean_by_weight_coefficients(q, w, 100'000'000);
  double mean = 0;
  for (std::size_t c = 0; c < w.size(); ++c) mean += q[c] * w[c];
  // The next term of the expansion is of the order of the relative variance over the batch size.
  for (std::size_t c = 0; c < w.size(); ++c) EXPECT_NEAR(actual[c] * mean / w[c], 1, 1e-6);
}

TEST(Mean, IsReadOffTheReduction) {
  EXPECT_EQ(detail::mean_of<MeanByCount>(), Mean::kByCount);
  EXPECT_EQ(detail::mean_of<Sum>(), Mean::kByCount);
  EXPECT_EQ(detail::mean_of<MeanByPositives>(), Mean::kByCount);
  EXPECT_EQ(detail::mean_of<MeanByWeight>(), Mean::kByWeight);
  EXPECT_EQ(detail::mean_of<MeanPerClass>(), Mean::kPerClass);
  EXPECT_EQ(detail::mean_of<MeanPerGroup>(), std::nullopt);
  EXPECT_EQ(detail::mean_of<GroupDro>(), std::nullopt);
}

TEST(ExpectedCoefficients, ByHand) {
  const Numbers q = {0.5, 0.5, 0};
  const Numbers w = {1, 3, 2};
  const auto coefficients = [&](Mean mean, const Numbers& weights, std::uint64_t batch_size) {
    return detail::expected_coefficients("f", mean, q, weights, batch_size);
  };
  EXPECT_EQ(coefficients(Mean::kByCount, {}, 0), (Numbers{1, 1, 1}));
  EXPECT_EQ(coefficients(Mean::kByCount, w, 0), w);
  EXPECT_EQ(coefficients(Mean::kByWeight, {}, 0), (Numbers{1, 1, 1}));
  EXPECT_EQ(coefficients(Mean::kPerClass, w, 0), (Numbers{2, 2, 0}));
  EXPECT_EQ(error_of([&] { coefficients(Mean::kByWeight, w, 0); }),
            "f(): batch_size = 0, expected at least 1");
  EXPECT_EQ(error_of([&] { coefficients(static_cast<Mean>(7), w, 0); }),
            "f(): mean = 7, expected an enumerator of Mean");
}

}  // namespace
}  // namespace equipoise
