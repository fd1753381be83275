#include "demos/common/training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

const Metrics kMetrics = {{"f1", "joy", 0.25},
                          {"accuracy", "", 0.75},
                          {"macro_f1", "", 1.0 / 3.0},
                          {"macro_f1", "joy", 2}};

TEST(MetricOf, IsThatOfAllTogether) {
  EXPECT_EQ(metric_of(kMetrics, "accuracy"), 0.75);
  EXPECT_EQ(metric_of(kMetrics, "macro_f1"), 1.0 / 3.0);
}

TEST(MetricOf, UnknownNamesAreErrorsThatListWhatThereIs) {
  const auto error = [](const Metrics& measured, const char* metric) -> std::string {
    try {
      metric_of(measured, metric);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  };
  EXPECT_EQ(error(kMetrics, "f1"), "--monitor=f1: expected one of accuracy, macro_f1");
  EXPECT_EQ(error(kMetrics, ""), "--monitor=: expected one of accuracy, macro_f1");
  EXPECT_EQ(error({{"f1", "joy", 1}}, "f1"), "--monitor=f1: expected one of ");
}

TEST(RequireFinite, NamesTheRateOfATrainingThatDiverged) {
  const Logits good{2, {1, -3e38F, 0, 2}};
  EXPECT_EQ(&require_finite(good, {}), &good);
  for (const float wrong :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    std::string message;
    try {
      require_finite({2, {0, 1, wrong, 2}}, {.rate = 8000});
    } catch (const InputError& failure) {
      message = failure.what();
    }
    EXPECT_THAT(message, testing::StartsWith("--rate=8000: training diverged: a logit is "));
  }
}

TEST(StepsPerEpoch, AreRoundedUp) {
  const TrainingOptions options{.batch_size = 10};
  EXPECT_EQ(steps_per_epoch(25, options), 3U);
  EXPECT_EQ(steps_per_epoch(30, options), 3U);
  EXPECT_EQ(steps_per_epoch(31, options), 4U);
  EXPECT_EQ(steps_per_epoch(1, options), 1U);
}

TEST(FallingRate, GoesFromOneInAStraightLineToZero) {
  const TrainingOptions options{.epochs = 2, .batch_size = 10};
  EXPECT_EQ(falling_rate(0, 25, options), 1);
  EXPECT_EQ(falling_rate(3, 25, options), 0.5);
  EXPECT_EQ(falling_rate(6, 25, options), 0);
  for (std::uint64_t step = 0; step < 6; ++step) {
    EXPECT_DOUBLE_EQ(falling_rate(step, 25, options) - falling_rate(step + 1, 25, options),
                     1.0 / 6.0);
  }
}

TEST(FallingRate, RisesFirst) {
  const TrainingOptions options{.epochs = 2, .batch_size = 10, .warmup = 0.4};
  // Two of six steps, rounded down; then four from 1 down to a quarter.
  EXPECT_EQ(falling_rate(0, 25, options), 0.5);
  EXPECT_EQ(falling_rate(1, 25, options), 1);
  EXPECT_EQ(falling_rate(2, 25, options), 1);
  EXPECT_EQ(falling_rate(5, 25, options), 0.25);
  EXPECT_EQ(falling_rate(6, 25, options), 0);
}

TEST(EarlyStopping, KeepsTheFirstAmongTheBest) {
  EarlyStopping stopping(10);
  EXPECT_TRUE(stopping.improves(0, 0.5));
  EXPECT_FALSE(stopping.improves(1, 0.5));
  EXPECT_FALSE(stopping.improves(2, 0.25));
  EXPECT_TRUE(stopping.improves(3, 0.75));
  EXPECT_FALSE(stopping.improves(4, 0.75));
  EXPECT_EQ(stopping.best(), 3U);
  EXPECT_EQ(stopping.score(), 0.75);
}

TEST(EarlyStopping, TakesTheFirstEpochWhateverItsScore) {
  for (const double score : {-5.0, -std::numeric_limits<double>::infinity()}) {
    EarlyStopping stopping(1);
    EXPECT_TRUE(stopping.improves(0, score));
    EXPECT_EQ(stopping.score(), score);
  }
}

TEST(EarlyStopping, ScoresThatAreNoNumbersAreNoImprovement) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EarlyStopping stopping(2);
  EXPECT_TRUE(stopping.improves(0, 0.1));
  EXPECT_FALSE(stopping.improves(1, nan));
  EXPECT_FALSE(stopping.stops_after(1));
  EXPECT_TRUE(stopping.stops_after(2));
}

// After how many epochs a training with these scores stops.
std::size_t epochs_of(std::uint64_t patience, const std::vector<double>& scores) {
  EarlyStopping stopping(patience);
  for (std::size_t epoch = 0; epoch < scores.size(); ++epoch) {
    stopping.improves(epoch, scores[epoch]);
    if (stopping.stops_after(epoch)) return epoch + 1;
  }
  return scores.size();
}

TEST(EarlyStopping, StopsAfterSoManyEpochsInARowWithoutABetterOne) {
  EXPECT_EQ(epochs_of(2, {3, 1, 1, 4, 4}), 3U);
  EXPECT_EQ(epochs_of(2, {3, 1, 4, 3, 3}), 5U);
  EXPECT_EQ(epochs_of(2, {3, 1, 4, 3, 5, 0, 0, 9}), 7U);
  EXPECT_EQ(epochs_of(2, {3, 3, 3}), 3U);  // equal is not better
  EXPECT_EQ(epochs_of(1, {1, 2, 3, 3, 9}), 4U);
  EXPECT_EQ(epochs_of(3, {1, 0, 0, 2, 1, 1, 1}), 7U);
  EXPECT_FALSE(EarlyStopping(0).stops_after(5));  // nothing was seen yet
}

}  // namespace
}  // namespace equipoise::demos
