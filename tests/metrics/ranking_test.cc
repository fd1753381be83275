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

#include "equipoise/metrics/bootstrap.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
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

struct Case {
  std::vector<double> scores{};
  std::vector<std::int64_t> targets{};
};

// Up to some thousand rows, so that both ways of sorting are met; often with ties.
Case random_case(std::uint64_t seed) {
  const CounterRandom random{seed};
  std::uint64_t t = 0;
  const std::uint64_t rows = 1 + random.below(seed % 10 == 0 ? 4000 : 60, t++, 1);
  const std::uint64_t values = 1 + random.below(seed % 2 == 0 ? 8 : 1'000'000, t++, 1);
  const double share = random.uniform(t++, 1);
  Case data;
  for (std::uint64_t i = 0; i < rows; ++i) {
    data.scores.push_back(
        static_cast<double>(random.below(values, t++, 1)) / static_cast<double>(values) - 0.5);
    data.targets.push_back(random.uniform(t++, 1) < share ? 1 : 0);
  }
  return data;
}

// Over all pairs; weights are one a row.
double roc_auc_by_definition(const Case& data, std::span<const double> weights) {
  double won = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < data.scores.size(); ++i) {
    if (data.targets[i] == 0) continue;
    for (std::size_t j = 0; j < data.scores.size(); ++j) {
      if (data.targets[j] != 0) continue;
      const double weight = weights[i] * weights[j];
      pairs += weight;
      won += weight * (data.scores[i] > data.scores[j]    ? 1.0
                       : data.scores[i] == data.scores[j] ? 0.5
                                                          : 0.0);
    }
  }
  return pairs > 0 ? won / pairs : kNaN;
}

// The precision at each positive's own score, averaged.
double average_precision_by_definition(const Case& data, std::span<const double> weights) {
  double sum = 0;
  double positives = 0;
  for (std::size_t i = 0; i < data.scores.size(); ++i) {
    if (data.targets[i] == 0) continue;
    double found = 0;
    double all = 0;
    for (std::size_t j = 0; j < data.scores.size(); ++j) {
      if (data.scores[j] < data.scores[i]) continue;
      all += weights[j];
      if (data.targets[j] != 0) found += weights[j];
    }
    positives += weights[i];
    if (weights[i] > 0) sum += weights[i] * found / all;
  }
  return positives > 0 ? sum / positives : 0;
}

void expect_near_or_nan(double actual, double expected, double bound) {
  if (detail::is_nan(expected)) {
    EXPECT_TRUE(detail::is_nan(actual));
  } else {
    EXPECT_NEAR(actual, expected, bound);
  }
}

TEST(BinaryScores, EqualTheDefinitionsAndMerge) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Case data = random_case(seed);
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
    const Case data = random_case(seed);
    const double auc = roc_auc(data.scores, data.targets);
    if (detail::is_nan(auc)) continue;
    Case other = data;
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
    const Case data = random_case(seed);
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

// Ranks in one process: the first round of calls leaves what each would send, the second gives all
// of them the sum.
template <class Metric>
void gather(std::vector<Metric>& ranks) {
  const std::size_t world = ranks.size();
  std::vector<std::vector<double>> sums;
  for (std::size_t calls = 0; calls < 3; ++calls) {
    std::vector<std::vector<double>> next;
    for (std::size_t r = 0; r < world; ++r) {
      Metric copy = ranks[r];
      std::size_t call = 0;
      copy.gather(
          [&](std::span<double> buffer) {
            if (call < sums.size()) {
              ASSERT_EQ(buffer.size(), sums[call].size());
              std::copy(sums[call].begin(), sums[call].end(), buffer.begin());
            } else if (call == sums.size()) {
              if (next.empty()) next.emplace_back(buffer.size(), 0.0);
              for (std::size_t i = 0; i < buffer.size(); ++i) next[0][i] += buffer[i];
            } else {
              std::fill(buffer.begin(), buffer.end(), 0.0);
            }
            ++call;
          },
          r, world);
      if (calls == 2) ranks[r] = copy;
    }
    if (calls < 2) sums.push_back(next[0]);
  }
}

TEST(BinaryScores, GatheredOverRanksEqualTheWhole) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Case data = random_case(seed);
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
  LabelScores<float> several(2);
  EXPECT_EQ(error_of([&] { several.gather(nothing, 0, 0); }),
            "LabelScores::gather(): rank = 0, expected a rank in [0, 0)");
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

TEST(LabelScores, OfClassesEqualEachClassAgainstTheOthers) {
  constexpr std::size_t kClasses = 4;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const CounterRandom random{seed};
    std::uint64_t t = 0;
    const std::size_t rows = random.below(50, t++, 1);
    std::vector<float> scores;
    std::vector<std::int64_t> targets;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < kClasses; ++c) {
        scores.push_back(static_cast<float>(random.below(9, t++, 1)));
      }
      targets.push_back(random.below(5, t++, 1) == 0
                            ? -100
                            : static_cast<std::int64_t>(random.below(kClasses - 1, t++, 1)));
    }
    LabelScores<float> all(kClasses);
    all.add(MatrixView<const float>(scores.data(), rows, kClasses), targets, -100);
    double areas = 0;
    double defined = 0;
    double precisions = 0;
    double weighted = 0;
    double weights = 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      std::vector<float> own;
      std::vector<int> is_class;
      for (std::size_t r = 0; r < rows; ++r) {
        if (targets[r] == -100) continue;
        own.push_back(scores[r * kClasses + c]);
        is_class.push_back(targets[r] == static_cast<std::int64_t>(c) ? 1 : 0);
      }
      const double area = roc_auc(own, is_class);
      expect_near_or_nan(all.roc_auc(c), area, 0);
      precisions += average_precision(own, is_class) / kClasses;
      EXPECT_EQ(all.average_precision(c), average_precision(own, is_class));
      if (detail::is_nan(area)) continue;
      const auto positives = static_cast<double>(std::count(is_class.begin(), is_class.end(), 1));
      areas += area;
      defined += 1;
      weighted += positives * area;
      weights += positives;
    }
    // Class 3 never occurs, and has no area.
    EXPECT_TRUE(detail::is_nan(all.roc_auc(3)));
    expect_near_or_nan(all.macro_roc_auc(), defined > 0 ? areas / defined : kNaN, 8 * kEpsilon);
    EXPECT_NEAR(all.macro_roc_auc(Absent::kZero), areas / kClasses, 8 * kEpsilon);
    EXPECT_TRUE(detail::is_nan(all.macro_roc_auc(Absent::kNaN)));
    EXPECT_NEAR(all.macro_average_precision(), precisions, 8 * kEpsilon);
    expect_near_or_nan(all.weighted_roc_auc(), weights > 0 ? weighted / weights : kNaN,
                       8 * kEpsilon);
  }
}

TEST(LabelScores, OfSeveralLabelsARow) {
  // Label 0: positives .9 and .3, negative .5; label 1 likewise with one entry left out.
  const std::vector<double> scores = {0.9, 0.2, 0.5, 0.8, 0.3, 0.6};
  const std::vector<int> targets = {1, 0, 0, 1, 1, -1};
  LabelScores<double> all(2);
  all.add(MatrixView<const double>(scores.data(), 3, 2),
          MatrixView<const int>(targets.data(), 3, 2), -1);
  EXPECT_EQ(all.roc_auc(0), 0.5);
  EXPECT_EQ(all.roc_auc(1), 1);
  EXPECT_EQ(all.macro_roc_auc(), 0.75);
  EXPECT_EQ(all.weighted_roc_auc(), (2 * 0.5 + 1) / 3);
  EXPECT_EQ(all.average_precision(0), (1 + 2.0 / 3) / 2);
  // Pooled: positives .9, .8, .3; negatives .5, .2.
  EXPECT_EQ(all.pooled().roc_auc(), 5.0 / 6);

  LabelScores<double> merged;
  merged += all;
  merged += all;
  EXPECT_EQ(merged.label(0).positives(), 4);
  EXPECT_EQ(merged.macro_roc_auc(), 0.75);
  std::vector<LabelScores<double>> ranks = {all, all, LabelScores<double>(2)};
  gather(ranks);
  EXPECT_EQ(ranks[2].label(1).operating_points(), merged.label(1).operating_points());
}

TEST(LabelScores, RefuseBadRows) {
  LabelScores<double> all(2);
  const std::vector<double> scores = {0.9, kNaN, 0.5, 0.8};
  const MatrixView<const double> view(scores.data(), 2, 2);
  EXPECT_EQ(error_of([&] {
              all.add(view, std::vector<int>{0, 1});
            }),
            "LabelScores::add(): scores(0, 1) = nan, expected a number");
  EXPECT_THAT(error_of([&] { all.add(view.middle_rows(1, 1), std::vector<int>{2}); }),
              HasSubstr("targets[0] = 2, expected a class in [0, 2)"));
  const std::vector<int> targets = {0, 1, 1, 3};
  EXPECT_EQ(
      error_of([&] { all.add(view.middle_rows(1, 1), MatrixView<const int>(&targets[2], 1, 2)); }),
      "LabelScores::add(): targets(0, 1) = 3, expected 0 or 1");
  EXPECT_THAT(error_of([&] {
                all.add(MatrixView<const double>(scores.data(), 1, 3), std::vector<int>{0});
              }),
              HasSubstr("scores.cols = 3, expected 2 (labels)"));
  LabelScores<double> other(3);
  EXPECT_THAT(error_of([&] { other += all; }), HasSubstr("expected 3 (labels on the left)"));
  EXPECT_EQ(all.label(0).negatives(), 0);
}

TEST(RankedRows, WithWeightsEqualTheDefinitions) {
  for (std::uint64_t seed = 1; seed < 200; seed += 2) {
    const Case data = random_case(seed % 10 == 0 ? seed + 1 : seed);
    const CounterRandom random{seed};
    std::vector<double> weights;
    std::vector<std::uint32_t> multiplicity;
    std::vector<double> repeated;
    Case repeats;
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

// One pair of four is in the wrong order: .75. Average precision (1 + 2 / 3) / 2.
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

TEST(LabelScores, MeansOfNothingAreUndefined) {
  LabelScores<double> all(2);
  const std::vector<double> scores = {0.5, 0.1, 0.3, 0.2};
  const std::vector<int> targets = {1, 0, 1, 0};  // label 0 on every row, label 1 on none
  all.add(MatrixView<const double>(scores.data(), 2, 2),
          MatrixView<const int>(targets.data(), 2, 2));
  EXPECT_TRUE(detail::is_nan(all.macro_roc_auc()));
  EXPECT_EQ(all.macro_roc_auc(Absent::kSkipUnsupported), 0);  // as the rule says of label 0
  EXPECT_EQ(all.macro_roc_auc(Absent::kOne), 1);
  EXPECT_TRUE(detail::is_nan(all.weighted_roc_auc()));
  EXPECT_EQ(all.weighted_roc_auc(Absent::kZero), 0);
  EXPECT_EQ(all.weighted_average_precision(), 1);
  EXPECT_EQ(LabelScores<double>(2).weighted_average_precision(), 0);
  EXPECT_TRUE(detail::is_nan(LabelScores<double>(2).macro_average_precision(Absent::kSkip)));
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

// With so few positives, some resamples have none.
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
}  // namespace equipoise
