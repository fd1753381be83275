#include "equipoise/calibrate/decisions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise::calibrate {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;

TEST(Decide, TakesTheLeastExpectedCost) {
  // Missing the second class costs nine times as much: its posterior need only exceed a tenth.
  const Numbers p = {0.95, 0.05, 0.85, 0.15, 0.2, 0.8};
  const Numbers cost = {0, 1, 9, 0};
  const MatrixView<const double> rows(p.data(), 3, 2);
  const MatrixView<const double> costs(cost.data(), 2, 2);
  EXPECT_THAT(decide(rows, costs), ElementsAre(0, 1, 1));
  // Expected costs are .45, .85 and .2.
  EXPECT_THAT(decide(rows, costs, 0.5), ElementsAre(0, kAbstain, 1));
  EXPECT_THAT(decide(rows, costs, 0.1), ElementsAre(kAbstain, kAbstain, kAbstain));
}

// Rows of the costs are classes, columns are decisions.
TEST(Decide, CostsAreOfAClassByDecision) {
  const Numbers p = {0.8, 0.2, 10.01 / 11, 0.99 / 11, 9.99 / 11, 1.01 / 11, 0.5 / 11, 10.5 / 11};
  const MatrixView<const double> rows(p.data(), 4, 2);
  const Numbers cost = {0, 1, 10, 0};  // a missed class 1 costs 10, a false alarm 1
  EXPECT_THAT(decide(rows, MatrixView<const double>(cost.data(), 2, 2)), ElementsAre(1, 0, 1, 1));
  // The same numbers as a view of a matrix whose rows are decisions, as Elkan writes them.
  const Numbers transposed = {0, 10, 1, 0};
  EXPECT_THAT(decide(rows, MatrixView<const double>(transposed.data(), 2, 2)),
              ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(decide(rows, MatrixView<const double>(transposed.data(), 2, 2, 1, 2)),
              ElementsAre(1, 0, 1, 1));
}

TEST(Decide, MayHaveMoreDecisionsThanClassesAndRowsThatDoNotSumToOne) {
  const Numbers p = {60, 40};
  const Numbers cost = {0, 1, 0.3, 1, 0, 0.3};
  const MatrixView<const double> row(p.data(), 1, 2);
  const MatrixView<const double> costs(cost.data(), 2, 3);
  EXPECT_THAT(decide(row, costs), ElementsAre(2));
  EXPECT_THAT(decide(row, costs, 0.29), ElementsAre(kAbstain));
}

TEST(Decide, RefusesBadInput) {
  const Numbers p = {0.5, 0.5};
  const Numbers cost = {0, detail::quiet_nan(), 1, 0};
  const MatrixView<const double> row(p.data(), 1, 2);
  EXPECT_EQ(error_of([&] { decide(row, MatrixView<const double>(cost.data(), 2, 2)); }),
            "decide(): cost(0, 1) = nan, expected a finite number");
  EXPECT_EQ(error_of([&] { decide(row, MatrixView<const double>(cost.data(), 1, 2)); }),
            "decide(): cost.rows = 1, expected 2 (columns of probabilities)");
}

double f1(const metrics::BinaryCounts& counts) { return counts.f_beta(); }

// Every distinct score as a threshold, and none at all.
Threshold best_by_trial(const Numbers& scores, const std::vector<int>& positives) {
  Numbers thresholds = scores;
  thresholds.push_back(detail::infinity());
  Threshold best{0, -1};
  for (const double threshold : thresholds) {
    metrics::BinaryCounts counts;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const bool taken = scores[i] >= threshold;
      const bool positive = positives[i] != 0;
      counts.true_positives += taken && positive;
      counts.false_positives += taken && !positive;
      counts.false_negatives += !taken && positive;
      counts.true_negatives += !taken && !positive;
    }
    if (f1(counts) > best.score) best = {threshold, f1(counts)};
  }
  return best;
}

TEST(ChooseThreshold, IsAsGoodAsTheBestOfAll) {
  const CounterRandom random{9};
  std::uint64_t t = 0;
  for (int round = 0; round < 500; ++round) {
    Numbers scores;
    std::vector<int> positives;
    const std::uint64_t size = 1 + random.below(30, t++, 1);
    for (std::uint64_t i = 0; i < size; ++i) {
      scores.push_back(static_cast<double>(random.below(12, t++, 1)) / 4 - 1);
      positives.push_back(random.below(4, t++, 1) == 0 ? 1 : 0);
    }
    const Threshold chosen =
        choose_threshold(std::span<const double>(scores), std::span<const int>(positives), f1);
    EXPECT_DOUBLE_EQ(chosen.score, best_by_trial(scores, positives).score) << round;
    // The score is that of its own threshold.
    metrics::BinaryCounts counts;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const bool taken = scores[i] >= chosen.threshold;
      counts.true_positives += taken && positives[i] != 0;
      counts.false_positives += taken && positives[i] == 0;
      counts.false_negatives += !taken && positives[i] != 0;
    }
    EXPECT_DOUBLE_EQ(f1(counts), chosen.score) << round;
  }
}

TEST(ChooseThreshold, StandsHalfWayAndTakesTheHighestOfEquals) {
  const Numbers scores = {0.1, 0.9, 0.5, 0.2};
  const std::vector<int> positives = {0, 1, 1, 0};
  const Threshold chosen =
      choose_threshold(std::span<const double>(scores), std::span<const int>(positives), f1);
  EXPECT_DOUBLE_EQ(chosen.threshold, 0.35);
  EXPECT_EQ(chosen.score, 1);
  const std::vector<int> none = {0, 0, 0, 0};
  const double above_all =
      choose_threshold(std::span<const double>(scores), std::span<const int>(none), f1).threshold;
  // By its bits: under -ffast-math no number equals infinity.
  EXPECT_EQ(std::bit_cast<std::uint64_t>(above_all),
            std::bit_cast<std::uint64_t>(detail::infinity()));
}

TEST(ChooseThreshold, StandsHalfWayBetweenTheLargestNumbers) {
  const Numbers scores = {-1e308, 1e308};
  const std::vector<int> positives = {0, 1};
  EXPECT_EQ(choose_threshold(std::span<const double>(scores), std::span<const int>(positives), f1)
                .threshold,
            0);
}

TEST(ChooseThreshold, SeparatesScoresThatAreNeighbours) {
  const float low = 1.0F;
  const std::vector<float> scores = {low, std::nextafter(low, 2.0F)};
  const std::vector<int> positives = {0, 1};
  const Threshold chosen =
      choose_threshold(std::span<const float>(scores), std::span<const int>(positives), f1);
  EXPECT_GT(chosen.threshold, static_cast<double>(scores[0]));
  EXPECT_LE(chosen.threshold, static_cast<double>(scores[1]));
}

TEST(ChooseThresholds, TakesEachLabelByItself) {
  const Numbers scores = {0.1, 5, 0.9, 3, 0.5, 4};
  const std::vector<int> targets = {0, 1, 1, 0, 1, 0};
  const std::vector<Threshold> chosen = choose_thresholds(
      MatrixView<const double>(scores.data(), 3, 2), MatrixView<const int>(targets.data(), 3, 2));
  EXPECT_DOUBLE_EQ(chosen[0].threshold, 0.3);
  EXPECT_DOUBLE_EQ(chosen[1].threshold, 4.5);
  EXPECT_THAT(error_of([&] {
                choose_thresholds(MatrixView<const double>(scores.data(), 3, 2),
                                  MatrixView<const int>(targets.data(), 2, 3));
              }),
              HasSubstr("choose_thresholds(): targets.rows"));
}

TEST(ChooseThreshold, RefusesBadInput) {
  const Numbers scores = {0.5, detail::quiet_nan()};
  const std::vector<int> targets = {0, 2};
  const auto choose = [&](std::size_t n, std::size_t m) {
    choose_threshold(std::span<const double>(scores).first(n),
                     std::span<const int>(targets).first(m), f1);
  };
  EXPECT_EQ(error_of([&] { choose(0, 0); }),
            "choose_threshold(): scores.size() = 0, expected at least 1");
  EXPECT_EQ(error_of([&] { choose(2, 2); }),
            "choose_threshold(): scores[1] = nan, expected a finite number");
  EXPECT_EQ(error_of([&] { choose(2, 1); }),
            "choose_threshold(): positives.size() = 1, expected 2 (scores)");
  const Numbers good = {0.5, 0.6};
  EXPECT_EQ(error_of([&] {
              choose_threshold(std::span<const double>(good), std::span<const int>(targets), f1);
            }),
            "choose_threshold(): positives[1] = 2, expected 0 or 1");
}

TEST(PredictLabels, ComparesWithTheThresholdOfEachLabel) {
  const std::vector<float> scores = {0.5F, 0.2F, 0.4F, 0.3F};
  const MatrixView<const float> view(scores.data(), 2, 2);
  const std::vector<double> values = {0.5, 0.25};
  EXPECT_EQ(predict_labels(view, values), (std::vector<std::uint8_t>{1, 0, 0, 1}));
  const std::vector<Threshold> thresholds = {{detail::infinity(), 0}, {0.0, 0}};
  EXPECT_EQ(predict_labels(view, thresholds), (std::vector<std::uint8_t>{0, 1, 0, 1}));
  EXPECT_EQ(error_of([&] { predict_labels(view, std::vector<double>{0.5}); }),
            "predict_labels(): thresholds.size() = 1, expected 2 (columns of scores)");
  EXPECT_EQ(error_of([&] {
              predict_labels(view, std::vector<double>{0.5, detail::quiet_nan()});
            }),
            "predict_labels(): thresholds[1] = nan, expected a number");
  const std::vector<float> bad = {0.5F, static_cast<float>(detail::quiet_nan())};
  EXPECT_EQ(error_of([&] {
              predict_labels(MatrixView<const float>(bad.data(), 1, 2), std::vector<double>{0, 0});
            }),
            "predict_labels(): scores(0, 1) = nan, expected a number");
}

TEST(NormalizeRows, DividesByAPowerOfTheLength) {
  Numbers weights = {3, 4, 0, 0, 6e200, 8e200};
  const MatrixView<double> view(weights.data(), 3, 2);
  normalize_rows(view, 0.5);
  EXPECT_DOUBLE_EQ(weights[0], 3 / std::sqrt(5.0));
  EXPECT_EQ(weights[2], 0);
  EXPECT_DOUBLE_EQ(weights[5], 8e200 / std::sqrt(1e201));
  normalize_rows(view, 1);
  EXPECT_DOUBLE_EQ(weights[0], 0.6);
  EXPECT_DOUBLE_EQ(weights[5], 0.8);
  const Numbers before = weights;
  normalize_rows(view, 0);
  EXPECT_EQ(weights, before);
  EXPECT_EQ(error_of([&] { normalize_rows(view, 2); }),
            "normalize_rows(): tau = 2, expected a number in [0, 1]");
}

}  // namespace
}  // namespace equipoise::calibrate
