#include "demos/sentiment/strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::Pointwise;

constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();

Strategy named(const std::string& name) { return parse_strategies(name).front(); }

const SoftmaxLoss<CrossEntropy>& cross_entropy(const Objective& objective) {
  return std::get<SoftmaxLoss<CrossEntropy>>(objective.loss);
}

std::vector<double> shares(std::vector<double> values) {
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= sum;
  return values;
}

const ClassCounts kCounts = {900, 90, 10};

TEST(Strategies, AreThoseOfTheTable) {
  std::vector<std::string> names;
  for (const Strategy& strategy : parse_strategies("")) names.push_back(strategy.name);
  EXPECT_THAT(names, testing::ElementsAre("none", "none_tau", "weights", "weights_0.5", "sampler",
                                          "sampler_0.5", "logit_adjustment", "logit_adjustment_0.5",
                                          "double", "split", "focal"));
}

TEST(Strategies, AreChosenByNameInTheOrderGiven) {
  const std::vector<Strategy> chosen = parse_strategies("focal,none");
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0].name, "focal");
  EXPECT_EQ(chosen[1].name, "none");
}

TEST(Strategies, UnknownAndRepeatedNamesAreErrorsThatListWhatThereIs) {
  const auto error = [](const std::string& names) -> std::string {
    try {
      parse_strategies(names);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  };
  EXPECT_THAT(error("none,smote"), HasSubstr("no strategy 'smote', expected none, none_tau, "));
  EXPECT_THAT(error("none,"), HasSubstr("no strategy ''"));
  EXPECT_EQ(error("none,none"), "--strategy: 'none' stands twice");
}

TEST(Objective, OfNoneIsPlainCrossEntropyOnNaturalDraws) {
  const Objective objective = make_objective(named("none"), kCounts);
  EXPECT_TRUE(cross_entropy(objective).class_weights.empty());
  EXPECT_TRUE(cross_entropy(objective).logit_terms.empty());
  EXPECT_THAT(shares(objective.proportions), Pointwise(DoubleNear(kRounding), {0.9, 0.09, 0.01}));
  EXPECT_TRUE(
      std::holds_alternative<SoftmaxLoss<Focal>>(make_objective(named("focal"), kCounts).loss));
}

TEST(Objective, SamplersTemperTheProportions) {
  EXPECT_THAT(shares(make_objective(named("sampler"), kCounts).proportions),
              Pointwise(DoubleNear(kRounding), {1 / 3.0, 1 / 3.0, 1 / 3.0}));
  const double roots = std::sqrt(900) + std::sqrt(90) + std::sqrt(10);
  EXPECT_THAT(
      shares(make_objective(named("sampler_0.5"), kCounts).proportions),
      Pointwise(DoubleNear(kRounding), {30 / roots, std::sqrt(90) / roots, std::sqrt(10) / roots}));
}

TEST(Objective, WeightsHaveMeanOneOverWhatIsDrawnAndTheRatioOfTheirStrength) {
  for (const Strategy& strategy : all_strategies()) {
    if (strategy.weight_tau == 0) continue;
    const Objective objective = make_objective(strategy, kCounts);
    const std::vector<double>& weights = cross_entropy(objective).class_weights;
    const std::vector<double> drawn = shares(objective.proportions);
    double mean = 0;
    for (std::size_t c = 0; c < 3; ++c) mean += drawn[c] * weights[c];
    EXPECT_NEAR(mean, 1, kRounding) << strategy.name;
    EXPECT_NEAR(weights[2] / weights[0], std::pow(90, strategy.weight_tau), 90 * kRounding)
        << strategy.name;
  }
}

TEST(Objective, SplitAndDoubleCorrectOnceAndTwice) {
  // What a class counts for is how often it is drawn times its weight.
  const auto importance = [](const std::string& name) {
    const Objective objective = make_objective(named(name), kCounts);
    std::vector<double> product = objective.proportions;
    for (std::size_t c = 0; c < 3; ++c) product[c] *= cross_entropy(objective).class_weights[c];
    return shares(product);
  };
  EXPECT_THAT(importance("split"), Pointwise(DoubleNear(kRounding), {1 / 3.0, 1 / 3.0, 1 / 3.0}));
  const std::vector<double> twice = importance("double");
  EXPECT_NEAR(twice[2] / twice[0], 90, 90 * kRounding);
}

TEST(Objective, LogitAdjustmentShiftsByTheLogarithmOfThePrior) {
  const Objective objective = make_objective(named("logit_adjustment_0.5"), kCounts);
  EXPECT_THAT(cross_entropy(objective).logit_terms.shift,
              Pointwise(DoubleNear(kRounding),
                        {0.5 * std::log(0.9), 0.5 * std::log(0.09), 0.5 * std::log(0.01)}));
}

}  // namespace
}  // namespace equipoise::demos
