#include "demos/sentiment/strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace equipoise::demos {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pointwise;

constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();

const Strategy& named(const std::string& name) {
  return *std::find_if(strategies_for(ModelKind::kAny).begin(),
                       strategies_for(ModelKind::kAny).end(),
                       [&](const Strategy& strategy) { return strategy.name == name; });
}

std::vector<double> shares(std::vector<double> values) {
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= sum;
  return values;
}

const ClassCounts kCounts = {900, 90, 10};

std::vector<std::int64_t> labels_of(const ClassCounts& counts) {
  std::vector<std::int64_t> labels;
  for (std::size_t c = 0; c < counts.classes(); ++c) {
    labels.insert(labels.end(), static_cast<std::size_t>(counts[c]), static_cast<std::int64_t>(c));
  }
  return labels;
}

Objective objective_of(const Strategy& strategy, std::uint64_t seed = 0) {
  return make_objective(strategy, kCounts, labels_of(kCounts), seed, 9);
}

const SoftmaxLoss<CrossEntropy>& cross_entropy(const Objective& objective) {
  return std::get<SoftmaxLoss<CrossEntropy>>(objective.loss);
}

// The rows that are made stand behind the given ones, class by class, and an epoch is as long as
// without them; where no class lacks rows none are made.
TEST(Strategies, SmoteFillsUpClasses) {
  const Objective half = objective_of(strategy_named("smote_0.5"));
  EXPECT_THAT(half.smote_targets, ElementsAre(900U, 285U, 95U));  // 900^0.5 n^0.5
  EXPECT_EQ(half.stream.epoch_size(), 1000U);
  const Objective full = objective_of(strategy_named("smote"));
  EXPECT_THAT(full.smote_targets, ElementsAre(900U, 900U, 900U));
  std::vector<std::size_t> drawn(3, 0);
  for (std::uint64_t t = 0; t < 3000; ++t) {  // three epochs
    const std::size_t row = full.stream[t];
    // 900 + 90 + 10 given, then 810 of the second and 890 of the third.
    const bool is_third = (row >= 990 && row < 1000) || row >= 1810;
    const bool is_second = !is_third && row >= 900;
    ++drawn[is_third ? 2 : is_second ? 1 : 0];
  }
  for (const std::size_t each : drawn) EXPECT_NEAR(static_cast<double>(each), 1000, 4);
  const ClassCounts even = {5, 5};
  EXPECT_TRUE(
      make_objective(strategy_named("smote"), even, labels_of(even), 0, 9).smote_targets.empty());
}

TEST(Strategies, AreThoseOfTheTable) {
  std::vector<std::string> names;
  for (const Strategy& strategy : strategies_for(ModelKind::kAny)) names.push_back(strategy.name);
  EXPECT_THAT(names,
              ElementsAre("none", "none_tau", "weights", "weights_0.5", "sampler", "sampler_0.5",
                          "logit_adjustment", "logit_adjustment_0.5", "double", "split", "focal"));
}

TEST(MakePlan, OfNoneIsNaturalDrawsAndNothingElse) {
  for (const char* name : {"none", "none_tau", "focal"}) {
    const Plan plan = make_plan(named(name), kCounts);
    EXPECT_THAT(plan.counts, ElementsAre(900, 90, 10)) << name;
    EXPECT_THAT(shares(plan.mix), Pointwise(DoubleNear(kRounding), {0.9, 0.09, 0.01})) << name;
    EXPECT_THAT(plan.weights, IsEmpty()) << name;
    EXPECT_TRUE(plan.logit_terms.empty()) << name;
  }
}

TEST(MakePlan, SamplersTemperTheProportions) {
  EXPECT_THAT(shares(make_plan(named("sampler"), kCounts).mix),
              Pointwise(DoubleNear(kRounding), {1 / 3.0, 1 / 3.0, 1 / 3.0}));
  const double roots = std::sqrt(900) + std::sqrt(90) + std::sqrt(10);
  EXPECT_THAT(
      shares(make_plan(named("sampler_0.5"), kCounts).mix),
      Pointwise(DoubleNear(kRounding), {30 / roots, std::sqrt(90) / roots, std::sqrt(10) / roots}));
}

TEST(MakePlan, WeightsHaveMeanOneOverWhatIsDrawnAndTheRatioOfTheirStrength) {
  std::size_t seen = 0;
  for (const Strategy& strategy : strategies_for(ModelKind::kAny)) {
    if (strategy.weight_tau == 0) continue;
    ++seen;
    const Plan plan = make_plan(strategy, kCounts);
    const std::vector<double> drawn = shares(plan.mix);
    double mean = 0;
    for (std::size_t c = 0; c < 3; ++c) mean += drawn[c] * plan.weights[c];
    EXPECT_NEAR(mean, 1, kRounding) << strategy.name;
    EXPECT_NEAR(plan.weights[2] / plan.weights[0], std::pow(90, strategy.weight_tau),
                90 * kRounding)
        << strategy.name;
  }
  EXPECT_EQ(seen, 4U);
}

TEST(MakePlan, SplitAndDoubleCorrectOnceAndTwice) {
  // What a class counts for is how often it is drawn times its weight.
  const auto importance = [](const std::string& name) {
    const Plan plan = make_plan(named(name), kCounts);
    std::vector<double> product = plan.mix;
    for (std::size_t c = 0; c < 3; ++c) product[c] *= plan.weights[c];
    return shares(product);
  };
  EXPECT_THAT(importance("split"), Pointwise(DoubleNear(kRounding), {1 / 3.0, 1 / 3.0, 1 / 3.0}));
  const std::vector<double> twice = importance("double");
  EXPECT_NEAR(twice[2] / twice[0], 90, 90 * kRounding);
}

TEST(MakePlan, LogitAdjustmentShiftsByTheLogarithmOfThePrior) {
  for (const auto& [name, tau] :
       {std::pair("logit_adjustment", 1.0), std::pair("logit_adjustment_0.5", 0.5)}) {
    const Plan plan = make_plan(named(name), kCounts);
    EXPECT_THAT(plan.logit_terms.shift,
                Pointwise(DoubleNear(kRounding),
                          {tau * std::log(0.9), tau * std::log(0.09), tau * std::log(0.01)}));
    EXPECT_THAT(plan.logit_terms.scale, IsEmpty());
    EXPECT_THAT(plan.logit_terms.margin, IsEmpty());
  }
}

TEST(MakeObjective, HasTheLossOfThePlan) {
  for (const Strategy& strategy : strategies_for(ModelKind::kAny)) {
    if (strategy.focal) continue;
    const Plan plan = make_plan(strategy, kCounts);
    const Objective objective = objective_of(strategy);
    EXPECT_EQ(cross_entropy(objective).class_weights, plan.weights) << strategy.name;
    EXPECT_EQ(cross_entropy(objective).logit_terms, plan.logit_terms) << strategy.name;
    EXPECT_EQ(objective.weights_ramp, RampSchedule());
  }
  const Objective focal = objective_of(named("focal"));
  EXPECT_EQ(std::get<SoftmaxLoss<Focal>>(focal.loss).modulator.gamma, 2);
  EXPECT_THAT(std::get<SoftmaxLoss<Focal>>(focal.loss).class_weights, IsEmpty());
}

TEST(MakeObjective, DrawsAnEpochOfRowsInTheProportionsOfThePlan) {
  const std::vector<std::int64_t> labels = labels_of(kCounts);
  for (const Strategy& strategy : strategies_for(ModelKind::kAny)) {
    const std::vector<double> expected = shares(make_plan(strategy, kCounts).mix);
    const Stream stream = objective_of(strategy, 3).stream;
    ASSERT_EQ(stream.epoch_size(), 1000U);
    EXPECT_EQ(stream.seed(), 3U);
    std::vector<double> drawn(3, 0.0);
    for (std::uint64_t t = 0; t < 1000; ++t) ++drawn[static_cast<std::size_t>(labels[stream[t]])];
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(drawn[c], 1000 * expected[c], 2) << strategy.name;  // exact quotas
    }
  }
}

TEST(MakeObjective, SeedsDrawAnewAndDescriptionsTellStrategiesApart) {
  const auto draws = [](const Objective& objective) {
    std::vector<std::size_t> rows;
    for (std::uint64_t t = 0; t < 50; ++t) rows.push_back(objective.stream[t]);
    return rows;
  };
  EXPECT_EQ(draws(objective_of(named("none"), 1)), draws(objective_of(named("none"), 1)));
  EXPECT_NE(draws(objective_of(named("none"), 1)), draws(objective_of(named("none"), 2)));
  std::set<std::string> descriptions;
  for (const Strategy& strategy : strategies_for(ModelKind::kAny)) {
    descriptions.insert(objective_of(strategy).description);
    EXPECT_THAT(objective_of(strategy).description, testing::StartsWith(strategy.name + "\n"));
  }
  EXPECT_EQ(descriptions.size(), strategies_for(ModelKind::kAny).size());
}

// Of 100 rows, 50 have the first label, 20 the second, 4 the third.
const std::vector<double> kPositives = {50, 20, 4};
constexpr std::size_t kRows = 100;

Objective multilabel(const std::string& strategy, std::uint64_t seed = 0) {
  return make_multilabel_objective(strategy, kPositives, kRows, seed);
}

TEST(MultiLabelObjective, HasTheLossOfItsName) {
  EXPECT_THAT(all_multilabel_strategies(),
              ElementsAre("none", "pos_weight", "pos_weight_0.5", "focal", "asymmetric",
                          "distribution_balanced"));
  const auto plain = std::get<SigmoidLoss<BinaryCrossEntropy>>(multilabel("none").loss);
  EXPECT_THAT(plain.pos_weight, IsEmpty());
  EXPECT_THAT(plain.class_weights, IsEmpty());
  EXPECT_THAT(plain.shift, IsEmpty());
  EXPECT_THAT(plain.rebalance.counts, IsEmpty());
  EXPECT_EQ(std::get<SigmoidLoss<SigmoidFocal>>(multilabel("focal").loss).sides.gamma, 2);
  const AsymmetricFocal sides =
      std::get<SigmoidLoss<AsymmetricFocal>>(multilabel("asymmetric").loss).sides;
  EXPECT_EQ(sides.gamma_positive, 1);
  EXPECT_EQ(sides.gamma_negative, 4);
  EXPECT_EQ(sides.clip, 0.05);
}

TEST(MultiLabelObjective, PositivesWeighAsManyNegativesAsThereAre) {
  const auto weights = [](const std::string& strategy) {
    return std::get<SigmoidLoss<BinaryCrossEntropy>>(multilabel(strategy).loss).pos_weight;
  };
  EXPECT_THAT(weights("pos_weight"), Pointwise(DoubleNear(kRounding * 24), {1.0, 4.0, 24.0}));
  EXPECT_THAT(weights("pos_weight_0.5"),
              Pointwise(DoubleNear(kRounding * 24), {1.0, 2.0, std::sqrt(24.0)}));
}

TEST(MultiLabelObjective, DistributionBalancedIsThatOfTheCounts) {
  const auto loss =
      std::get<SigmoidLoss<BinaryCrossEntropy>>(multilabel("distribution_balanced").loss);
  EXPECT_EQ(loss.rebalance.counts, kPositives);
  EXPECT_EQ(loss.negative_scale, 2);
  // A twentieth of the log odds, log(pi / (1 - pi)).
  EXPECT_THAT(loss.shift,
              Pointwise(DoubleNear(kRounding), {0.0, -0.05 * std::log(4), -0.05 * std::log(24)}));
}

TEST(MultiLabelObjective, DrawsEveryRowOftenAndBySeed) {
  for (const std::string& strategy : all_multilabel_strategies()) {
    const Objective objective = multilabel(strategy, 4);
    EXPECT_EQ(objective.description, strategy);
    EXPECT_EQ(objective.stream.epoch_size(), kRows);
    EXPECT_EQ(objective.stream.seed(), 4U);
    EXPECT_EQ(objective.weights_ramp, RampSchedule());
  }
}

TEST(MultiLabelObjective, PassesOverAllRowsInEveryEpoch) {
  const Stream stream = multilabel("none").stream;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::set<std::size_t> rows;
    for (std::uint64_t t = 0; t < kRows; ++t) rows.insert(stream[epoch * kRows + t]);
    EXPECT_EQ(rows.size(), kRows) << epoch;
  }
  EXPECT_NE(stream[0] * kRows + stream[1], stream[kRows] * kRows + stream[kRows + 1]);
}

}  // namespace
}  // namespace equipoise::demos
