#include "demos/common/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "demos/common/advice_test.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/equipoise.h"

namespace equipoise::demos {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Every line of advice stands here, so that it compiles and runs; a test looks for it.
// clang-format off
double synthetic_row(std::uint64_t seed) {
  const std::vector<float> held = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
  const equipoise::MatrixView<const float> states(held.data(), 14, 1);
  const std::vector<std::int64_t> labels = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
  const std::vector<std::uint64_t> targets = {8, 8};
  std::vector<float> made(2);
  const equipoise::MatrixView<float> synthetic(made.data(), 2, 1);
  const equipoise::resampling::RecipeStream recipes(
    equipoise::resampling::Smote{.few_rows = equipoise::resampling::FewRows::kClip}(
      states, labels, targets), seed);
  equipoise::resampling::synthesize(recipes.epoch(0), states, synthetic);
  return made[0];
}

double one_label(const std::vector<std::int64_t>& labels, std::size_t classes, std::uint64_t seed) {
  const equipoise::ClassCounts counts = equipoise::count_labels(labels, classes);
  double sum = 0;
  {
    const std::vector<double> mass = equipoise::sampling::drawn_mass(
      counts, equipoise::class_weights(counts, equipoise::PowerWeights{1}));
    sum += mass[1];
  }
  const std::vector<double> mass = equipoise::sampling::drawn_mass(
      counts, equipoise::class_weights(counts, equipoise::PowerWeights{0.5}));
  const equipoise::sampling::ClassSampler sampler(
    labels, mass, seed, {.mode = equipoise::sampling::Mode::kExactQuota});
  std::vector<std::int64_t> rows(4);
  sampler.fill(0, rows);
  {
    equipoise::SoftmaxLoss<equipoise::Focal> loss;
    sum += loss.modulator.gamma;
  }
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = equipoise::class_weights(counts, equipoise::PowerWeights{1});
  sum += loss.class_weights[1];
  loss.class_weights = equipoise::class_weights(counts, equipoise::PowerWeights{0.5});
  sum += loss.class_weights[1];
  loss.class_weights = equipoise::mean_one_over_draws(
    equipoise::class_weights(counts, equipoise::PowerWeights{1}), mass);
  sum += loss.class_weights[1];
  loss.class_weights = equipoise::mean_one_over_draws(
    equipoise::class_weights(counts, equipoise::PowerWeights{0.5}), mass);
  sum += loss.class_weights[1];
  loss.logit_terms = equipoise::logit_terms(counts, equipoise::LogitAdjustment{1});
  loss.logit_terms = equipoise::logit_terms(counts, equipoise::LogitAdjustment{0.5});
  sum += loss.logit_terms.shift[1];
  loss.logit_terms = equipoise::logit_terms(
    counts, equipoise::LdamMargin{.max_margin = 1, .scale = 1});
  sum += loss.logit_terms.margin[1];
  sum += synthetic_row(seed);
  const std::vector<double> offset =
    equipoise::calibrate::posthoc_offset(counts.values(), 0.75);
  return sum + offset[1];
}

double several_labels(const equipoise::ClassCounts& positives, double rows) {
  const std::vector<float> values = {1, -1, -1, 1};
  const std::vector<std::int64_t> held = {1, 0, 0, 1};
  const equipoise::MatrixView<const float> logits(values.data(), 2, 2);
  const equipoise::MatrixView<const std::int64_t> targets(held.data(), 2, 2);
  double sum = 0;
  {
    const auto loss = equipoise::distribution_balanced(positives.values(), rows);
    sum += loss.positive_weight;
  }
  {
    equipoise::SigmoidLoss<equipoise::SigmoidFocal> loss;
    sum += loss.positive_weight;
  }
  {
    equipoise::SigmoidLoss<equipoise::AsymmetricFocal> loss;
    sum += loss.positive_weight;
  }
  equipoise::SigmoidLoss<> loss;
  loss.pos_weight = equipoise::pos_weight(positives, rows, {.exponent = 1});
  loss.pos_weight = equipoise::pos_weight(positives, rows, {.exponent = 0.5});
  const auto thresholds = equipoise::calibrate::choose_thresholds(logits, targets);
  return sum + loss.pos_weight[0] + static_cast<double>(thresholds.size());
}
// clang-format on

TEST(Advice, RunsAsCode) {
  EXPECT_TRUE(std::isfinite(one_label({0, 0, 0, 1}, 2, 1)));
  EXPECT_TRUE(std::isfinite(several_labels(ClassCounts({1, 1}), 2)));
}

Outcome outcome_of(const std::string& strategy, const std::string& choice = "") {
  Outcome outcome{strategy};
  outcome.runs.emplace_back();
  outcome.runs.front().choice = choice;
  return outcome;
}

std::string code(const std::string& strategy, const std::string& choice = "") {
  return code_of(OneLabelTask(), outcome_of(strategy, choice));
}

TEST(Advice, ConsistsOfLinesThatCompile) {
  const auto check = [](const std::string& code) {
    expect_lines_of("demos/sentiment/advice_test.cc", code);
  };
  for (const Strategy& strategy : strategies_for(ModelKind::kFrozen)) {
    check(code(strategy.name, strategy.posthoc ? "tau 0.75" : ""));
  }
  ManyLabelsTask task;
  task.train.labels = 2;
  for (const std::string& strategy : all_multilabel_strategies()) {
    check(code_of(task, outcome_of(strategy)));
  }
}

// The lines of a strategy do what the demo does: the same weights and terms.
TEST(Advice, NamesThePartsOfTheStrategy) {
  const std::string split = code("split");
  EXPECT_THAT(split, HasSubstr("labels, mass, seed, {.mode"));
  EXPECT_THAT(split, HasSubstr("mean_one_over_draws"));
  EXPECT_THAT(split, HasSubstr("PowerWeights{0.5}"));
  EXPECT_THAT(split, Not(HasSubstr("logit_terms")));
  EXPECT_THAT(code("logit_adjustment"), HasSubstr("LogitAdjustment{1}"));
  EXPECT_THAT(code("none_tau", "tau 0.625"), HasSubstr(", 0.625);"));
  EXPECT_THAT(code("none"), Not(HasSubstr("weights")));
}

}  // namespace
}  // namespace equipoise::demos
