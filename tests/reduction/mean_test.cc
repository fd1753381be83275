#include "equipoise/reduction/mean.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <variant>
#include <vector>

#include "equipoise/random.h"
#include "equipoise/reduction/group_dro.h"
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

// E[[c occurs] / K] / q_c over all batches.
Numbers per_class_by_enumeration(const Numbers& q, const Numbers& w, std::uint64_t batch_size) {
  Numbers result(q.size(), 0.0);
  std::size_t outcomes = 1;
  for (std::uint64_t i = 0; i < batch_size; ++i) outcomes *= q.size();
  for (std::size_t outcome = 0; outcome < outcomes; ++outcome) {
    double probability = 1;
    std::vector<bool> occurs(q.size(), false);
    std::size_t rest = outcome;
    for (std::uint64_t i = 0; i < batch_size; ++i, rest /= q.size()) {
      const std::size_t c = rest % q.size();
      probability *= q[c];
      occurs[c] = w[c] > 0;
    }
    const auto classes = static_cast<double>(std::count(occurs.begin(), occurs.end(), true));
    for (std::size_t c = 0; c < q.size(); ++c) {
      if (occurs[c]) result[c] += probability / classes / q[c];
    }
  }
  return result;
}

TEST(MeanPerClassCoefficients, EqualTheExpectationOverAllBatches) {
  const CounterRandom random{6};
  std::uint64_t t = 0;
  for (int round = 0; round < 200; ++round) {
    const auto classes = static_cast<std::size_t>(2 + random.below(3, t++, 1));
    const std::uint64_t batch_size = 1 + random.below(6, t++, 1);
    Numbers q;
    Numbers w;
    for (std::size_t c = 0; c < classes; ++c) {
      // Proportions over six orders of magnitude; weights that do nothing, unless they are zero.
      q.push_back(std::pow(10, -6 * random.uniform(t++, 1)));
      w.push_back(random.below(6, t++, 1) == 0 ? 0 : 0.5 + random.uniform(t++, 1));
    }
    w[0] = 1;
    const double sum = std::accumulate(q.begin(), q.end(), 0.0);
    for (double& share : q) share /= sum;
    const Numbers expected = per_class_by_enumeration(q, w, batch_size);
    const Numbers actual = mean_per_class_coefficients(q, w, batch_size);
    for (std::size_t c = 0; c < classes; ++c) {
      EXPECT_NEAR(actual[c], expected[c], 1e-10 * expected[c]) << round << ' ' << c;
    }
  }
}

// Batches that are too large to enumerate, by drawing them.
TEST(MeanPerClassCoefficients, AreWhatBatchesShow) {
  const Numbers q = {0.9, 0.05, 0.03, 0.015, 0.005};
  constexpr std::uint64_t kBatches = 20000;
  const CounterRandom random{7};
  std::uint64_t t = 0;
  for (const std::uint64_t size : {8u, 64u}) {
    Numbers shares(5, 0.0);
    for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
      std::vector<bool> occurs(5, false);
      for (std::uint64_t i = 0; i < size; ++i) {
        double rest = random.uniform(t++, 1);
        std::size_t c = 0;
        while (c < 4 && rest >= q[c]) rest -= q[c++];
        occurs[c] = true;
      }
      const auto classes = static_cast<double>(std::count(occurs.begin(), occurs.end(), true));
      for (std::size_t c = 0; c < 5; ++c) shares[c] += occurs[c] ? 1 / classes / kBatches : 0;
    }
    const Numbers expected = mean_per_class_coefficients(q, Numbers(5, 1.0), size);
    for (std::size_t c = 0; c < 5; ++c) {
      // A share is a mean of numbers in [0, 1]; four standard errors at most.
      const double share = q[c] * expected[c];
      EXPECT_NEAR(shares[c], share, 4 * std::sqrt(share / kBatches)) << size << ' ' << c;
    }
  }
}

TEST(MeanPerClassCoefficients, GoFromNothingToEqualShares) {
  const Numbers q = {0.9, 0.05, 0.03, 0.015, 0.005};
  const auto expect_shares = [&](std::uint64_t size, const Numbers& shares, double bound) {
    const Numbers actual = mean_per_class_coefficients(q, Numbers(5, 1.0), size);
    for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(q[c] * actual[c], shares[c], bound) << size;
  };
  expect_shares(1, q, 1e-12);
  expect_shares(2, q, 1e-12);  // of two classes each counts as half the batch, as its row does
  expect_shares(8, {0.69, 0.15, 0.09, 0.05, 0.016}, 0.005);
  expect_shares(64, {0.28, 0.27, 0.23, 0.16, 0.06}, 0.005);
  expect_shares(1'000'000'000, {0.2, 0.2, 0.2, 0.2, 0.2}, 1e-10);
  expect_shares(std::numeric_limits<std::uint64_t>::max(), {0.2, 0.2, 0.2, 0.2, 0.2}, 1e-6);
}

// Of many classes of one size each has an equal share.
TEST(MeanPerClassCoefficients, OfManyClasses) {
  for (const std::size_t classes : {100u, 2000u}) {
    const auto size = static_cast<double>(classes);
    const Numbers equal =
        mean_per_class_coefficients(Numbers(classes, 1.0), Numbers(classes, 1.0), 64);
    for (const double value : equal) ASSERT_NEAR(value, 1, 1e-10);
    // Half of the classes weigh nothing: next to no batch has one of them alone.
    Numbers half(classes, 1.0);
    std::fill(half.begin() + static_cast<std::ptrdiff_t>(classes / 2), half.end(), 0.0);
    const Numbers of_half = mean_per_class_coefficients(Numbers(classes, 1.0), half, 64);
    EXPECT_NEAR(of_half[0], 2, 1e-10);
    EXPECT_EQ(of_half[classes - 1], 0);
    EXPECT_EQ(static_cast<double>(of_half.size()), size);
  }
}

TEST(MeanPerClassCoefficients, RefuseBadInput) {
  const Numbers one = {1, 0};
  const Numbers other = {0, 1};
  EXPECT_EQ(error_of([&] { mean_per_class_coefficients(one, other, 8); }),
            "mean_per_class_coefficients(): classes with a proportion and a weight = 0, expected "
            "at least 1");
  EXPECT_EQ(error_of([&] { mean_per_class_coefficients(one, one, 0); }),
            "mean_per_class_coefficients(): batch_size = 0, expected at least 1");
}

TEST(MeanKind, IsReadOffTheReduction) {
  EXPECT_EQ(detail::mean_of<MeanByCount>(), MeanKind::kByCount);
  EXPECT_EQ(detail::mean_of<SumOverRows>(), MeanKind::kByCount);
  EXPECT_EQ(detail::mean_of<MeanByPositives>(), MeanKind::kByCount);
  EXPECT_EQ(detail::mean_of<MeanByWeight>(), MeanKind::kByWeight);
  EXPECT_EQ(detail::mean_of<MeanPerClass>(), MeanKind::kPerClass);
  EXPECT_EQ(detail::mean_of<MeanPerGroup>(), std::nullopt);
  EXPECT_EQ(detail::mean_of<GroupDro>(), std::nullopt);
}

// A value and a type that cannot disagree.
TEST(ReductionOf, IsOfThatMean) {
  for (const MeanKind mean : {MeanKind::kByCount, MeanKind::kByWeight, MeanKind::kPerClass}) {
    const MeanReduction reduction = reduction_of(mean, 3);
    const auto mean_of_it = []<class R>(const R&) { return detail::mean_of<R>(); };
    EXPECT_EQ(std::visit(mean_of_it, reduction), mean);
    EXPECT_EQ(reduction.index(), static_cast<std::size_t>(mean));
  }
  EXPECT_EQ(std::get<MeanPerClass>(reduction_of(MeanKind::kPerClass, 3)).classes, 3u);
  EXPECT_EQ(error_of([] { reduction_of(static_cast<MeanKind>(7), 3); }),
            "reduction_of(): mean = 7, expected an enumerator of MeanKind");
}

TEST(ExpectedCoefficients, ByHand) {
  const Numbers q = {0.5, 0.5, 0};
  const Numbers w = {1, 3, 2};
  const auto coefficients = [&](MeanKind mean, const Numbers& weights, std::uint64_t batch_size) {
    return detail::expected_coefficients("f", mean, q, weights, batch_size);
  };
  EXPECT_EQ(coefficients(MeanKind::kByCount, {}, 0), (Numbers{1, 1, 1}));
  EXPECT_EQ(coefficients(MeanKind::kByCount, w, 0), w);
  EXPECT_EQ(coefficients(MeanKind::kByWeight, {}, 0), (Numbers{1, 1, 1}));
  // A batch of three has one class with probability 1/4, else both.
  const Numbers per_class = coefficients(MeanKind::kPerClass, w, 3);
  EXPECT_NEAR(per_class[0], 1, 1e-12);
  EXPECT_NEAR(per_class[1], 1, 1e-12);
  EXPECT_EQ(per_class[2], 0);
  EXPECT_EQ(error_of([&] { coefficients(MeanKind::kPerClass, w, 0); }),
            "f(): batch_size = 0, expected at least 1");
  EXPECT_EQ(error_of([&] { coefficients(MeanKind::kByWeight, w, 0); }),
            "f(): batch_size = 0, expected at least 1");
  EXPECT_EQ(error_of([&] { coefficients(static_cast<MeanKind>(7), w, 0); }),
            "f(): mean = 7, expected an enumerator of MeanKind");
}

}  // namespace
}  // namespace equipoise
