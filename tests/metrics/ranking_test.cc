#include "equipoise/metrics/ranking.h"

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

#include "equipoise/random.h"
#include "tests/support/errors.h"
#include "tests/support/ranked_cases.h"

namespace equipoise::metrics {
namespace {

using testing::average_precision_by_definition;
using ::testing::ElementsAre;
using testing::error_of;
using testing::expect_near_or_nan;
using testing::gather;
using testing::random_case;
using testing::RankedCase;
using testing::roc_auc_by_definition;
// As values that -ffast-math folds nothing of.
const double kInfinity = detail::infinity();
const double kNaN = detail::quiet_nan();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

TEST(RocAuc, ByHand) {
  // Positives .8 and .4, negatives .6, .4, .2. Of six pairs .8 wins three, .4 one and ties one.
  const std::vector<double> scores = {0.8, 0.6, 0.4, 0.4, 0.2};
  const std::vector<int> targets = {1, 0, 1, 0, 0};
  EXPECT_EQ(roc_auc(scores, targets), 4.5 / 6);
  // Precision 1 at .8; at .4 two of four.
  EXPECT_EQ(average_precision(scores, targets), (1.0 + 0.5) / 2);
  BinaryScores<double> sample;
  sample.add(scores, targets);
  EXPECT_THAT(
      sample.operating_points(),
      ElementsAre(OperatingPoint{kInfinity, 0, 0}, OperatingPoint{0.8, 1, 0},
                  OperatingPoint{0.6, 1, 1}, OperatingPoint{0.4, 2, 2}, OperatingPoint{0.2, 2, 3}));
}

TEST(RocAuc, OfScoresThatAllTieIsAHalf) {
  const std::vector<float> scores(7, 0.25F);
  const std::vector<int> targets = {1, 0, 0, 0, 1, 0, 0};
  EXPECT_EQ(roc_auc(scores, targets), 0.5);
  EXPECT_EQ(average_precision(scores, targets), 2.0 / 7);
}

TEST(RocAuc, TakesInfiniteScoresAndBothZerosAsOne) {
  const std::vector<double> scores = {kInfinity, -0.0, 0.0, -kInfinity};
  EXPECT_EQ(roc_auc(scores, std::vector<int>{1, 1, 0, 0}), 3.5 / 4);
}

TEST(RocAuc, WithoutPositivesOrNegativesFollowsTheRule) {
  const std::vector<double> scores = {0.1, 0.7};
  const std::vector<int> none = {0, 0};
  const std::vector<int> all = {1, 1};
  for (const auto& targets : {none, all}) {
    EXPECT_TRUE(detail::is_nan(roc_auc(scores, targets)));
    EXPECT_TRUE(detail::is_nan(roc_auc(scores, targets, Absent::kSkip)));
    EXPECT_EQ(roc_auc(scores, targets, Absent::kZero), 0);
    EXPECT_EQ(roc_auc(scores, targets, Absent::kOne), 1);
  }
  EXPECT_EQ(average_precision(scores, none), 0);
  EXPECT_TRUE(detail::is_nan(average_precision(scores, none, Absent::kNaN)));
  EXPECT_EQ(average_precision(scores, all), 1);
  EXPECT_TRUE(detail::is_nan(roc_auc(std::vector<double>{}, std::vector<int>{})));
}

TEST(BinaryScores, EqualTheDefinitionsAndMerge) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const RankedCase data = random_case(seed);
    const double bound = 4 * kEpsilon * static_cast<double>(data.scores.size());
    const std::vector<double> ones(data.scores.size(), 1.0);
    const double auc = roc_auc(data.scores, data.targets);
    const double precision = average_precision(data.scores, data.targets);
    expect_near_or_nan(auc, roc_auc_by_definition(data, ones), bound);
    EXPECT_NEAR(precision, average_precision_by_definition(data, ones), bound);

    // In two parts, the second first: the same to the last bit.
    const std::size_t cut = seed % (data.scores.size() + 1);
    BinaryScores<double> whole;
    BinaryScores<double> part;
    const std::span<const double> scores(data.scores);
    const std::span<const std::int64_t> targets(data.targets);
    whole.add(scores.subspan(cut), targets.subspan(cut));
    part.add(scores.first(cut), targets.first(cut));
    whole += part;
    EXPECT_EQ(whole.positives() + whole.negatives(), data.scores.size());
    if (!detail::is_nan(auc)) {
      EXPECT_EQ(whole.roc_auc(), auc);
    }
    EXPECT_EQ(whole.average_precision(), precision);
  }
}

TEST(BinaryScores, MergeWithThemselves) {
  BinaryScores<double> sample;
  sample.add(std::vector<double>{0.8, 0.6, 0.4}, std::vector<int>{1, 0, 1});
  sample += sample;
  EXPECT_EQ(sample.positives(), 4);
  EXPECT_EQ(sample.negatives(), 2);
  EXPECT_EQ(sample.roc_auc(), 0.5);
}

TEST(BinaryScores, DependOnTheOrderOfScoresAlone) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const RankedCase data = random_case(seed);
    const double auc = roc_auc(data.scores, data.targets);
    if (detail::is_nan(auc)) continue;
    RankedCase other = data;
    for (double& score : other.scores) score = 3 * score + 7;
    EXPECT_EQ(roc_auc(other.scores, other.targets), auc);
    EXPECT_EQ(average_precision(other.scores, other.targets),
              average_precision(data.scores, data.targets));
    // Rows the other way round change nothing; scores the other way round, the sign.
    std::reverse(other.scores.begin(), other.scores.end());
    std::reverse(other.targets.begin(), other.targets.end());
    EXPECT_EQ(roc_auc(other.scores, other.targets), auc);
    for (double& score : other.scores) score = -score;
    EXPECT_NEAR(roc_auc(other.scores, other.targets), 1 - auc, 2 * kEpsilon);
  }
}

TEST(BinaryScores, CurvesHaveTheseAreas) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const RankedCase data = random_case(seed);
    BinaryScores<double> sample;
    sample.add(data.scores, data.targets);
    const std::vector<OperatingPoint> points = sample.operating_points();
    double area = 0;
    double precision = 0;
    for (std::size_t i = 1; i < points.size(); ++i) {
      const OperatingPoint& a = points[i - 1];
      const OperatingPoint& b = points[i];
      EXPECT_GT(a.threshold, b.threshold);
      area += (b.false_positives - a.false_positives) * (a.true_positives + b.true_positives) / 2;
      precision += (b.true_positives - a.true_positives) * b.true_positives /
                   (b.true_positives + b.false_positives);
    }
    const auto positives = static_cast<double>(sample.positives());
    const auto negatives = static_cast<double>(sample.negatives());
    EXPECT_EQ(points.back().true_positives, positives);
    EXPECT_EQ(points.back().false_positives, negatives);
    const double bound = 4 * kEpsilon * static_cast<double>(points.size());
    if (positives * negatives > 0) {
      EXPECT_NEAR(sample.roc_auc(), area / positives / negatives, bound);
    }
    if (positives > 0) {
      EXPECT_NEAR(sample.average_precision(), precision / positives, bound);
    }
  }
}

TEST(BinaryScores, FloatsAreKeptExactly) {
  // Neighbours that differ in the last bit only.
  const float low = 0.1F;
  const float high = std::nextafter(low, 1.0F);
  BinaryScores<double> sample;
  sample.add(std::vector<float>{low, high}, std::vector<int>{0, 1});
  EXPECT_EQ(sample.roc_auc(), 1);
  EXPECT_EQ(sample.operating_points()[1].threshold, static_cast<double>(high));
}

TEST(BinaryScores, GatheredOverRanksEqualTheWhole) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const RankedCase data = random_case(seed);
    const std::size_t world = 1 + seed % 4;
    std::vector<BinaryScores<float>> ranks(world);
    BinaryScores<float> whole;
    for (std::size_t i = 0; i < data.scores.size(); ++i) {
      const std::vector<float> score = {static_cast<float>(data.scores[i])};
      const std::vector<std::int64_t> target = {data.targets[i]};
      whole.add(score, target);
      ranks[(i * i + seed) % world].add(score, target);  // some ranks may have none
    }
    gather(ranks);
    for (const BinaryScores<float>& rank : ranks) {
      EXPECT_EQ(rank.operating_points(), whole.operating_points());
      EXPECT_EQ(rank.average_precision(), whole.average_precision());
    }
  }
}

TEST(Gather, RefusesARankOutsideTheWorld) {
  const auto nothing = [](std::span<double>) { FAIL() << "nothing may be sent"; };
  BinaryScores<float> one;
  one.add(std::vector<float>{0.5F}, std::vector<int>{1});
  EXPECT_EQ(error_of([&] { one.gather(nothing, 5, 2); }),
            "BinaryScores::gather(): rank = 5, expected a rank in [0, 2)");
}

TEST(BinaryScores, RefuseWhatIsNoScoreOrTarget) {
  BinaryScores<double> sample;
  const std::vector<double> scores = {0.5, kNaN};
  EXPECT_EQ(error_of([&] {
              sample.add(scores, std::vector<int>{0, 1});
            }),
            "BinaryScores::add(): scores[1] = nan, expected a number");
  EXPECT_EQ(error_of([&] { sample.add(std::vector<double>{0.5}, std::vector<int>{2}); }),
            "BinaryScores::add(): targets[0] = 2, expected 0 or 1");
  EXPECT_EQ(error_of([&] { sample.add(scores, std::vector<int>{1}); }),
            "BinaryScores::add(): targets.size() = 1, expected 2 (scores)");
  EXPECT_EQ(sample.positives() + sample.negatives(), 0);
}

// One pair of four is in the wrong order: .75. Average precision (1 + 2 / 3) / 2.
// With so few positives, some resamples have none.

}  // namespace
}  // namespace equipoise::metrics
