#include "equipoise/metrics/ranked_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"
#include "tests/support/ranked_cases.h"

namespace equipoise::metrics {
namespace {

using testing::average_precision_by_definition;
using testing::error_of;
using testing::expect_near_or_nan;
using ::testing::HasSubstr;
using testing::random_case;
using testing::RankedCase;
using testing::roc_auc_by_definition;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

TEST(RankedRows, WithWeightsEqualTheDefinitions) {
  for (std::uint64_t seed = 1; seed < 200; seed += 2) {
    const RankedCase data = random_case(seed % 10 == 0 ? seed + 1 : seed);
    const CounterRandom random{seed};
    std::vector<double> weights;
    std::vector<std::uint32_t> multiplicity;
    std::vector<double> repeated;
    RankedCase repeats;
    for (std::size_t i = 0; i < data.scores.size(); ++i) {
      weights.push_back(random.below(4, i, 2) == 0 ? 0.0 : random.uniform(i, 3));
      multiplicity.push_back(static_cast<std::uint32_t>(random.below(3, i, 4)));
      for (std::uint32_t k = 0; k < multiplicity[i]; ++k) {
        repeats.scores.push_back(data.scores[i]);
        repeats.targets.push_back(data.targets[i]);
      }
    }
    const RankedRows rows(data.scores, data.targets);
    const double bound = 8 * kEpsilon * static_cast<double>(data.scores.size());
    expect_near_or_nan(rows.roc_auc(weights), roc_auc_by_definition(data, weights), bound);
    EXPECT_NEAR(rows.average_precision(weights), average_precision_by_definition(data, weights),
                bound);
    expect_near_or_nan(rows.roc_auc(multiplicity), roc_auc(repeats.scores, repeats.targets), bound);
    EXPECT_NEAR(rows.average_precision(multiplicity),
                average_precision(repeats.scores, repeats.targets), bound);
  }
}

TEST(RankedRows, DoNotDependOnTheScaleOfTheWeights) {
  const RankedRows rows(std::vector<double>{0.9, 0.8, 0.7, 0.6}, std::vector<int>{1, 0, 1, 0});
  const auto of = [&](double positive, double negative) {
    const std::vector<double> weights = {positive, negative, positive, negative};
    return std::pair(rows.roc_auc(weights), rows.average_precision(weights));
  };
  const std::pair<double, double> ones = of(1, 1);
  EXPECT_EQ(ones.first, 0.75);
  EXPECT_NEAR(ones.second, 5.0 / 6, kEpsilon);
  for (const double weight : {1e-300, 1e-170, 1e160, 1e308}) {
    EXPECT_NEAR(of(weight, weight).first, ones.first, 4 * kEpsilon) << weight;
    EXPECT_NEAR(of(weight, weight).second, ones.second, 4 * kEpsilon) << weight;
  }
  // Of positives and negatives apart: what is negligible leaves the area of the ROC curve as it is.
  EXPECT_EQ(of(1e-300, 1e300).first, 0.75);
  EXPECT_EQ(of(1e300, 1e-300), (std::pair(0.75, 1.0)));
  EXPECT_EQ(of(1e-300, 1e300).second, 0.5);  // the first positive is found before any negative
  EXPECT_TRUE(detail::is_nan(of(1, 0).first));
  EXPECT_EQ(of(0, 1).second, 0);
}

TEST(RankedRows, GiveBootstrapIntervals) {
  const CounterRandom random{1};
  std::vector<double> good;
  std::vector<double> poor;
  std::vector<int> targets;
  for (std::uint64_t i = 0; i < 400; ++i) {
    targets.push_back(i % 4 == 0 ? 1 : 0);
    good.push_back(random.uniform(i, 1) + 0.5 * targets.back());
    poor.push_back(random.uniform(i, 2));
  }
  const RankedRows a(good, targets);
  const RankedRows b(poor, targets);
  const Interval gain = bootstrap(targets.size(), [&](std::span<const std::uint32_t> m) {
    return a.roc_auc(m) - b.roc_auc(m);
  });
  EXPECT_EQ(gain.estimate, roc_auc(good, targets) - roc_auc(poor, targets));
  EXPECT_GT(gain.lower, 0);
  EXPECT_LT(gain.lower, gain.estimate);
  EXPECT_GT(gain.upper, gain.estimate);
}

TEST(RankedRows, GiveBootstrapIntervalsOfFewPositives) {
  const CounterRandom random{7};
  std::vector<double> scores_a;
  std::vector<double> scores_b;
  std::vector<int> targets;
  for (std::uint64_t i = 0; i < 300; ++i) {
    targets.push_back(i < 3 ? 1 : 0);
    scores_a.push_back(random.uniform(i, 1) + (i < 3 ? 1 : 0));
    scores_b.push_back(random.uniform(i, 2));
  }
  const RankedRows a(scores_a, targets);
  const RankedRows b(scores_b, targets);
  EXPECT_THAT(error_of([&] {
                bootstrap(targets.size(), [&](auto m) { return a.roc_auc(m) - b.roc_auc(m); });
              }),
              HasSubstr("expected a finite number"));
  const Interval interval = bootstrap(targets.size(), [&](auto m) {
    return a.roc_auc(m, Absent::kZero) - b.roc_auc(m, Absent::kZero);
  });
  EXPECT_GT(interval.estimate, 0);
  EXPECT_LE(interval.lower, interval.estimate);
}

TEST(RankedRows, RefuseBadWeights) {
  const RankedRows rows(std::vector<double>{0.5, 0.6}, std::vector<int>{0, 1});
  EXPECT_EQ(error_of([&] { rows.roc_auc(std::vector<double>{1}); }),
            "RankedRows::roc_auc(): weights.size() = 1, expected 2 (rows)");
  EXPECT_EQ(error_of([&] {
              rows.average_precision(std::vector<double>{1, -1});
            }),
            "RankedRows::average_precision(): weights[1] = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::metrics
