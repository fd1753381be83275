#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/model_file.h"
#include "demos/common/task.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

double value(const Metrics& measured, const std::string& metric, const std::string& label = "") {
  for (const MetricValue& each : measured) {
    if (each.metric == metric && each.label == label) return each.value;
  }
  throw std::invalid_argument("no metric " + metric + " of '" + label + "'");
}

// What a training was asked for.
struct Asked {
  LearnerShape shape{};
  std::uint64_t seed = 0;
  TrainingOptions options{};
  std::string description{};
  std::vector<Metrics> measured{};  // of its epochs
};

// A model whose logits of validation, by epoch, and of test are given.
struct Script {
  std::vector<std::vector<float>> validation;
  std::vector<float> test;
};

class ScriptedLearner final : public Learner {
 public:
  ScriptedLearner(const Task& task, Script script, std::size_t classes, Asked& asked)
      : task_(task), script_(std::move(script)), classes_(classes), asked_(asked) {}

  Fit fit(const Examples& train, const Examples& validation, const Objective& objective,
          const TrainingOptions& options, const Validate& validate, Progress&) override {
    EXPECT_EQ(&train, &task_.train);
    EXPECT_EQ(&validation, &task_.validation);
    EXPECT_EQ(objective.stream.epoch_size(), train.rows());
    asked_.options = options;
    asked_.description = objective.description;
    Fit fit;
    if (!validate) return fit;
    EarlyStopping stopping(options.patience);
    for (std::uint64_t epoch = 0; epoch < script_.validation.size(); ++epoch) {
      const Logits logits{classes_, script_.validation[epoch]};
      asked_.measured.push_back(validate(logits));
      if (stopping.improves(epoch, metric_of(asked_.measured.back(), options.monitor))) {
        fit.validation = logits;
      }
    }
    fit.epoch = stopping.best();
    fit.score = stopping.score();
    return fit;
  }
  Logits logits(const Examples& examples) const override {
    EXPECT_EQ(&examples, &task_.test);
    return {classes_, script_.test};
  }
  std::vector<Parameter> parameters() const override { return {{"scripted", {1}, {7}}}; }
  void set_parameters(const std::vector<Parameter>&) override {}

 private:
  const Task& task_;
  Script script_;
  std::size_t classes_;
  Asked& asked_;
};

RunOptions scripted(const Task& task, const Script& script, Asked& asked) {
  RunOptions options;
  options.make_learner = [&task, script, &asked](const LearnerShape& shape, std::uint64_t seed) {
    asked.shape = shape;
    asked.seed = seed;
    return std::make_unique<ScriptedLearner>(task, script, shape.classes, asked);
  };
  return options;
}

Examples examples(std::size_t rows, std::vector<std::int64_t> targets, std::size_t labels = 0) {
  Examples part;
  part.features.starts.assign(rows + 1, 0);
  part.targets = std::move(targets);
  part.labels = labels;
  return part;
}

// Two classes, 8 to 2.
OneLabelTask two_classes() {
  OneLabelTask task;
  task.classes = {"common", "rare"};
  task.counts = {8, 2};
  task.shape = {std::size_t{kTextColumns}, 2, 12};
  task.facts = {{"classes", task.classes}};
  task.train = examples(10, {0, 0, 0, 0, 0, 0, 0, 0, 1, 1});
  task.validation = examples(4, {0, 0, 1, 1});
  task.test = examples(5, {0, 0, 1, 1, 1});
  return task;
}

// Logits whose margin of the rare class over the common one is given.
std::vector<float> with_margins(const std::vector<float>& margins) {
  std::vector<float> logits;
  for (const float margin : margins) {
    logits.push_back(0.25F);
    logits.push_back(0.25F + margin);
  }
  return logits;
}

struct Ran {
  Run run{};
  Asked asked{};
};

Ran run_scripted(const Task& task, const std::string& strategy, const Script& script,
                 std::uint64_t seed = 0, const TrainingOptions& training = {}) {
  Ran ran;
  RunOptions options = scripted(task, script, ran.asked);
  options.training = training;
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  ran.run = run_strategy(task, strategy, seed, options, progress);
  return ran;
}

TEST(ClassMetrics, AreThoseOfTheConfusionMatrix) {
  const OneLabelTask task = two_classes();
  const Metrics measured = task.class_metrics(task.test, std::vector<std::int64_t>{0, 1, 1, 1, 0});
  // Common: one of two found, one of two right. Rare: two of three, two of three.
  EXPECT_DOUBLE_EQ(value(measured, "accuracy"), 0.6);
  EXPECT_DOUBLE_EQ(value(measured, "macro_f1"), (0.5 + 2 / 3.0) / 2);
  EXPECT_DOUBLE_EQ(value(measured, "balanced_accuracy"), (0.5 + 2 / 3.0) / 2);
  EXPECT_DOUBLE_EQ(value(measured, "rare_recall"), 2 / 3.0);
  EXPECT_DOUBLE_EQ(value(measured, "rare_precision"), 2 / 3.0);
  EXPECT_DOUBLE_EQ(value(measured, "precision", "common"), 0.5);
  EXPECT_DOUBLE_EQ(value(measured, "recall", "common"), 0.5);
  EXPECT_DOUBLE_EQ(value(measured, "f1", "rare"), 2 / 3.0);
  EXPECT_EQ(measured.size(), 5U + 2 * 3);
}

TEST(ClassMetrics, AverageOverTheRareClasses) {
  OneLabelTask task = two_classes();
  task.classes = {"a", "b", "c"};
  task.counts = {95, 2, 3};
  task.test = examples(6, {0, 0, 1, 1, 2, 2});
  const Metrics measured =
      task.class_metrics(task.test, std::vector<std::int64_t>{0, 1, 1, 1, 0, 0});
  EXPECT_DOUBLE_EQ(value(measured, "rare_recall"), (1 + 0) / 2.0);
  EXPECT_DOUBLE_EQ(value(measured, "rare_precision"), (2 / 3.0 + 0) / 2);
}

TEST(RunStrategy, ChoosesTauOnValidationAndSavesIt) {
  // With a prior of 4 to 1, tau = .5 adds log 2 = .69 to the margin of the rare class, and 1
  // twice that: -.6 is right from tau = .5 on, -.8 of the common class wrong from .625 on.
  const OneLabelTask task = two_classes();
  const Script script{{with_margins({-0.8F, -0.8F, -0.6F, -0.6F})},
                      with_margins({-0.8F, -0.65F, -0.6F, -0.6F, -0.7F})};
  const Ran plain = run_scripted(task, "none", script);
  EXPECT_EQ(plain.run.choice, "");
  EXPECT_DOUBLE_EQ(value(plain.run.validation, "macro_f1"), 1 / 3.0);  // all common
  EXPECT_THAT(plain.run.model->facts.at("offset"), IsEmpty());

  const Ran corrected = run_scripted(task, "none_tau", script);
  EXPECT_EQ(corrected.run.choice, "tau 0.5");
  EXPECT_DOUBLE_EQ(value(corrected.run.validation, "macro_f1"), 1);
  // On test the second row is taken for rare, the fifth for common.
  EXPECT_DOUBLE_EQ(value(corrected.run.test, "recall", "common"), 0.5);
  EXPECT_DOUBLE_EQ(value(corrected.run.test, "recall", "rare"), 2 / 3.0);
  const std::vector<double> offset = corrected.run.model->facts.at("offset");
  ASSERT_EQ(offset.size(), 2U);
  EXPECT_NEAR(offset[1] - offset[0], std::log(2), 1e-15);
}

TEST(RunStrategy, EachEpochIsJudgedAtItsOwnTau) {
  const OneLabelTask task = two_classes();
  // At tau 0 the first epoch is the better one; at the best tau of each it is the second.
  const Script script{
      {with_margins({-1, 0.5F, 0.5F, 0.5F}), with_margins({-0.8F, -0.8F, -0.6F, -0.6F})},
      with_margins({-1, -1, 1, 1, 1})};
  const Ran plain = run_scripted(task, "none", script);
  EXPECT_EQ(plain.run.epoch, 0U);
  const Ran corrected = run_scripted(task, "none_tau", script);
  EXPECT_EQ(corrected.run.epoch, 1U);
  EXPECT_EQ(corrected.run.choice, "tau 0.5");
  ASSERT_EQ(corrected.asked.measured.size(), 2U);
  EXPECT_DOUBLE_EQ(value(corrected.asked.measured[0], "macro_f1"),
                   value(plain.asked.measured[0], "macro_f1"));
  EXPECT_DOUBLE_EQ(value(corrected.asked.measured[1], "macro_f1"), 1);
  EXPECT_EQ(corrected.run.validation, corrected.asked.measured[1]);
}

TEST(RunStrategy, TestDecidesNothing) {
  OneLabelTask task = two_classes();
  const std::vector<std::vector<float>> validation = {with_margins({-1, 0.1F, 0.5F, 0.5F}),
                                                      with_margins({-0.8F, -0.9F, -0.6F, -0.7F})};
  const Ran first = run_scripted(task, "none_tau", {validation, with_margins({-1, -1, 1, 1, 1})});
  task.test.targets = {1, 1, 0, 0, 1};
  const Ran second =
      run_scripted(task, "none_tau", {validation, with_margins({3, -0.5F, 0, 0.5F, 1})});
  EXPECT_EQ(first.run.epoch, second.run.epoch);
  EXPECT_EQ(first.run.choice, second.run.choice);
  EXPECT_EQ(first.run.validation, second.run.validation);
  EXPECT_EQ(first.run.model->facts, second.run.model->facts);
}

TEST(RunStrategy, ResamplesTheHeadlineOfItsPredictions) {
  const OneLabelTask task = two_classes();
  const Ran ran =
      run_scripted(task, "none", {{with_margins({-1, -1, 1, 1})}, with_margins({-1, 1, 1, 1, -1})});
  EXPECT_DOUBLE_EQ(ran.run.resampled(std::vector<std::uint32_t>{1, 1, 1, 1, 1}),
                   value(ran.run.test, "macro_f1"));
  // The first row twice, the third three times: everything is right.
  EXPECT_DOUBLE_EQ(ran.run.resampled(std::vector<std::uint32_t>{2, 0, 3, 0, 0}), 1);
  EXPECT_DOUBLE_EQ(ran.run.resampled(std::vector<std::uint32_t>{0, 1, 0, 0, 1}), 0);
}

TEST(RunStrategy, KeepsWhatItsPicturesShow) {
  const Ran ran = run_scripted(two_classes(), "none",
                               {{with_margins({-1, -1, 1, 1})}, with_margins({-1, 1, 1, 1, -1})});
  const metrics::ConfusionMatrix& matrix = ran.run.confusion;
  EXPECT_EQ(matrix.total(), 5);
  EXPECT_EQ(matrix.count(0, 1), 1);
  EXPECT_EQ(matrix.count(1, 0), 1);
  EXPECT_EQ(matrix.count(1, 1), 2);
  ASSERT_EQ(ran.run.curves.size(), 2U);
  EXPECT_EQ(ran.run.curves[0].name, "common");
  const PrecisionRecallCurve& rare = ran.run.curves[1];
  EXPECT_EQ(rare.name, "rare");
  EXPECT_THAT(rare.recall, ElementsAre(2 / 3.0, 1));  // three rows at margin 1, then the others
  EXPECT_THAT(rare.precision, ElementsAre(2 / 3.0, 0.6));
}

TEST(RunStrategy, HasMetricsOfCalibrationOnTest) {
  const OneLabelTask task = two_classes();
  const Ran ran = run_scripted(
      task, "weights", {{with_margins({-1, 0.5F, 1, -0.25F})}, with_margins({-1, 1, 1, 1, -1})});
  double nll = 0;
  for (const double margin : {1.0, -1.0, 1.0, 1.0, -1.0}) {  // of what is true
    nll += std::log1p(std::exp(-margin)) / 5;
  }
  EXPECT_NEAR(value(ran.run.test, "nll_raw"), nll, 1e-6);
  EXPECT_NO_THROW(value(ran.run.test, "ece_fitted"));
  EXPECT_NO_THROW(value(ran.run.test, "rule_macro_f1"));
  EXPECT_NO_THROW(value(ran.run.test, "realised_share"));
}

TEST(RunStrategy, PassesOnWhatATrainingHasToKnow) {
  const OneLabelTask task = two_classes();
  TrainingOptions training;
  training.epochs = 7;
  training.rate = 0.125;
  training.log = "log";
  training.checkpoint = "checkpoint";
  training.seed = 99;
  const Script script{{with_margins({-1, -1, 1, 1})}, with_margins({-1, -1, 1, 1, 1})};
  const Ran ran = run_scripted(task, "weights_0.5", script, 5, training);
  EXPECT_EQ(ran.asked.shape.columns, std::size_t{kTextColumns});
  EXPECT_EQ(ran.asked.shape.classes, 2U);
  EXPECT_EQ(ran.asked.shape.hidden, 12U);
  EXPECT_EQ(ran.asked.seed, 5U);
  EXPECT_EQ(ran.asked.options.seed, 5U);
  EXPECT_EQ(ran.asked.options.epochs, 7U);
  EXPECT_EQ(ran.asked.options.rate, 0.125);
  EXPECT_EQ(ran.asked.options.log, "log");
  EXPECT_EQ(ran.asked.options.checkpoint, "checkpoint");
  EXPECT_THAT(ran.asked.description, testing::StartsWith("weights_0.5\n"));
  EXPECT_EQ(ran.run.seed, 5U);
  EXPECT_GE(ran.run.seconds, 0);
  const nlohmann::json& facts = ran.run.model->facts;
  EXPECT_EQ(facts.at("strategy"), "weights_0.5");
  EXPECT_EQ(facts.at("classes"), (std::vector<std::string>{"common", "rare"}));
  EXPECT_FALSE(facts.contains("thresholds"));
  EXPECT_EQ(ran.run.model->parameters, (std::vector<Parameter>{{"scripted", {1}, {7}}}));
}

// Generated logits and labels, which are as good as they are likely.
struct LabelledLogits {
  std::vector<float> logits{};
  std::vector<std::int64_t> targets{};
};

constexpr std::size_t kLabels = 3;

LabelledLogits random_labels(std::size_t rows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) / 9007199254740992.0; };
  LabelledLogits result;
  for (std::size_t i = 0; i < rows * kLabels; ++i) {
    const double logit = 8 * uniform() - 5;
    result.logits.push_back(static_cast<float>(logit));
    result.targets.push_back(uniform() < 1 / (1 + std::exp(0.5 - logit)) ? 1 : 0);
  }
  return result;
}

ManyLabelsTask three_labels(const LabelledLogits& validation, const LabelledLogits& test) {
  ManyLabelsTask task;
  task.classes = {"a", "b", "c"};
  task.counts = {5, 4, 3};
  task.shape = {std::size_t{kTextColumns}, kLabels};
  task.train = examples(8, std::vector<std::int64_t>(8 * kLabels, 0), kLabels);
  task.validation = examples(validation.targets.size() / kLabels, validation.targets, kLabels);
  task.test = examples(test.targets.size() / kLabels, test.targets, kLabels);
  return task;
}

struct Counted {
  double true_positives = 0;
  double false_positives = 0;
  double false_negatives = 0;

  double f1() const {
    const double sum = 2 * true_positives + false_positives + false_negatives;
    return sum > 0 ? 2 * true_positives / sum : 0;
  }
};

// By a plain loop: what "positive where logit >= threshold" makes of one label's rows.
Counted count(const LabelledLogits& rows, std::size_t label, double threshold) {
  Counted counts;
  for (std::size_t i = label; i < rows.targets.size(); i += kLabels) {
    const bool predicted = double{rows.logits[i]} >= threshold;
    const bool is_true = rows.targets[i] == 1;
    if (predicted && is_true) ++counts.true_positives;
    if (predicted && !is_true) ++counts.false_positives;
    if (!predicted && is_true) ++counts.false_negatives;
  }
  return counts;
}
double macro_f1(const LabelledLogits& rows, const std::vector<double>& thresholds) {
  double sum = 0;
  for (std::size_t l = 0; l < kLabels; ++l) sum += count(rows, l, thresholds[l]).f1();
  return sum / kLabels;
}
double micro_f1(const LabelledLogits& rows, const std::vector<double>& thresholds) {
  Counted all;
  for (std::size_t l = 0; l < kLabels; ++l) {
    const Counted own = count(rows, l, thresholds[l]);
    all.true_positives += own.true_positives;
    all.false_positives += own.false_positives;
    all.false_negatives += own.false_negatives;
  }
  return all.f1();
}

// The precision at each positive, from the surest row on; there are no ties.
double average_precision(const LabelledLogits& rows, std::size_t label) {
  std::vector<std::pair<float, std::int64_t>> order;
  for (std::size_t i = label; i < rows.targets.size(); i += kLabels) {
    order.emplace_back(-rows.logits[i], rows.targets[i]);
  }
  std::sort(order.begin(), order.end());
  double found = 0;
  double sum = 0;
  for (std::size_t r = 0; r < order.size(); ++r) {
    if (order[r].second == 0) continue;
    ++found;
    sum += found / static_cast<double>(r + 1);
  }
  return sum / found;
}

Ran run_labels(const Task& task, const Script& script, const std::string& strategy = "none",
               std::uint64_t seed = 0) {
  return run_scripted(task, strategy, script, seed);
}

TEST(RunMultilabel, ChoosesThresholdsOnValidationAndScoresTestWithThem) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const LabelledLogits validation = random_labels(60, 2 * seed);
    const LabelledLogits test = random_labels(50, 2 * seed + 1);
    const Ran ran = run_labels(three_labels(validation, test), {{validation.logits}, test.logits});
    const std::vector<double> own = ran.run.model->facts.at("thresholds");
    ASSERT_EQ(own.size(), kLabels);
    for (std::size_t l = 0; l < kLabels; ++l) {
      double best = 0;
      for (std::size_t i = l; i < validation.logits.size(); i += kLabels) {
        best = std::max(best, count(validation, l, double{validation.logits[i]}).f1());
      }
      EXPECT_DOUBLE_EQ(count(validation, l, own[l]).f1(), best);
    }
    // One for all: half-way between neighbouring logits, the highest with the best macro-F1.
    std::vector<double> logits(validation.logits.begin(), validation.logits.end());
    std::sort(logits.begin(), logits.end(), std::greater<>());
    logits.push_back(logits.back() - 1);
    double shared = std::numeric_limits<double>::infinity();
    double best_shared = 0;
    for (std::size_t i = 0; i + 1 < logits.size(); ++i) {
      const double half = std::midpoint(logits[i], logits[i + 1]);
      if (const double score = macro_f1(validation, std::vector<double>(kLabels, half));
          score > best_shared + 1e-9) {
        best_shared = score;
        shared = half;
      }
    }
    const std::vector<double> all_shared(kLabels, shared);
    const std::vector<double> half(kLabels, 0.0);
    const auto expect_metrics = [&](const Metrics& measured, const LabelledLogits& rows) {
      EXPECT_DOUBLE_EQ(value(measured, "macro_f1"), macro_f1(rows, own));
      EXPECT_DOUBLE_EQ(value(measured, "micro_f1"), micro_f1(rows, own));
      EXPECT_DOUBLE_EQ(value(measured, "macro_f1_shared"), macro_f1(rows, all_shared));
      EXPECT_DOUBLE_EQ(value(measured, "micro_f1_shared"), micro_f1(rows, all_shared));
      EXPECT_DOUBLE_EQ(value(measured, "macro_f1_half"), macro_f1(rows, half));
      EXPECT_DOUBLE_EQ(value(measured, "micro_f1_half"), micro_f1(rows, half));
      double mean = 0;
      for (std::size_t l = 0; l < kLabels; ++l) {
        const std::string name(1, static_cast<char>('a' + l));
        const Counted counts = count(rows, l, own[l]);
        EXPECT_DOUBLE_EQ(value(measured, "f1", name), counts.f1());
        EXPECT_DOUBLE_EQ(value(measured, "precision", name),
                         counts.true_positives / (counts.true_positives + counts.false_positives));
        EXPECT_DOUBLE_EQ(value(measured, "recall", name),
                         counts.true_positives / (counts.true_positives + counts.false_negatives));
        EXPECT_NEAR(value(measured, "average_precision", name), average_precision(rows, l), 1e-12);
        mean += average_precision(rows, l) / kLabels;
      }
      EXPECT_NEAR(value(measured, "macro_average_precision"), mean, 1e-12);
      EXPECT_EQ(measured.size(), 7U + 4 * kLabels);
    };
    expect_metrics(ran.run.validation, validation);
    expect_metrics(ran.run.test, test);
  }
}

// Weights of positives move all logits up, by log 500 for a rare label: the shared threshold goes
// along.
TEST(RunMultilabel, TheSharedThresholdIsFoundWhereverLogitsLie) {
  const LabelledLogits validation = random_labels(60, 3);
  const LabelledLogits test = random_labels(50, 4);
  const auto shared_metrics = [&](float shift) {
    LabelledLogits moved = validation;
    LabelledLogits moved_test = test;
    for (float& logit : moved.logits) logit += shift;
    for (float& logit : moved_test.logits) logit += shift;
    const Ran ran =
        run_labels(three_labels(moved, moved_test), {{moved.logits}, moved_test.logits});
    return std::pair(value(ran.run.test, "macro_f1_shared"), value(ran.run.test, "macro_f1_half"));
  };
  const auto [shared, half] = shared_metrics(0);
  for (const float shift : {-32.0F, 8.0F, 32.0F}) {
    const auto [moved, moved_half] = shared_metrics(shift);
    EXPECT_DOUBLE_EQ(moved, shared) << shift;
    EXPECT_NE(moved_half, half);
  }
}

TEST(RunMultilabel, TestDecidesNothing) {
  const LabelledLogits validation = random_labels(60, 1);
  const LabelledLogits test = random_labels(50, 2);
  const LabelledLogits other = random_labels(40, 3);
  const Ran first = run_labels(three_labels(validation, test), {{validation.logits}, test.logits});
  const Ran second =
      run_labels(three_labels(validation, other), {{validation.logits}, other.logits});
  EXPECT_EQ(first.run.model->facts, second.run.model->facts);
  EXPECT_EQ(first.run.validation, second.run.validation);
  EXPECT_NE(first.run.test, second.run.test);
}

TEST(RunMultilabel, KeepsTheCurveOfEachLabel) {
  const LabelledLogits test = random_labels(50, 2);
  const ManyLabelsTask task = three_labels(random_labels(60, 1), test);
  const Ran ran = run_labels(task, {{random_labels(60, 1).logits}, test.logits});
  ASSERT_EQ(ran.run.curves.size(), kLabels);
  for (std::size_t l = 0; l < kLabels; ++l) {
    const PrecisionRecallCurve& curve = ran.run.curves[l];
    EXPECT_EQ(curve.name, task.classes[l]);
    EXPECT_EQ(curve.recall.back(), 1);
    EXPECT_DOUBLE_EQ(curve.average_precision,
                     value(ran.run.test, "average_precision", task.classes[l]));
  }
}

TEST(RunMultilabel, EndsWithTheEpochThatIsBestAtItsOwnThresholds) {
  const LabelledLogits good = random_labels(60, 1);
  LabelledLogits poor = random_labels(60, 2);
  poor.targets = good.targets;
  LabelledLogits shifted = good;  // as good at thresholds of its own
  for (float& logit : shifted.logits) logit = 2 * logit - 6;
  const LabelledLogits test = random_labels(50, 3);
  const Ran ran = run_labels(three_labels(good, test),
                             {{poor.logits, good.logits, shifted.logits}, test.logits});
  EXPECT_EQ(ran.run.epoch, 1U);
  ASSERT_EQ(ran.asked.measured.size(), 3U);
  EXPECT_DOUBLE_EQ(value(ran.asked.measured[2], "macro_f1"),
                   value(ran.asked.measured[1], "macro_f1"));
  EXPECT_LT(value(ran.asked.measured[0], "macro_f1"), value(ran.asked.measured[1], "macro_f1"));
  EXPECT_EQ(ran.run.validation, ran.asked.measured[1]);
}

TEST(RunMultilabel, ResamplesMacroF1OfRepeatedRows) {
  const LabelledLogits validation = random_labels(60, 1);
  const LabelledLogits test = random_labels(30, 2);
  const Ran ran = run_labels(three_labels(validation, test), {{validation.logits}, test.logits});
  const std::vector<double> own = ran.run.model->facts.at("thresholds");
  EXPECT_DOUBLE_EQ(ran.run.resampled(std::vector<std::uint32_t>(30, 1)),
                   value(ran.run.test, "macro_f1"));
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::uint32_t> times;
    LabelledLogits repeated;
    for (std::size_t r = 0; r < 30; ++r) {
      times.push_back(static_cast<std::uint32_t>(random() % 3));
      for (std::uint32_t k = 0; k < times.back(); ++k) {
        for (std::size_t i = r * kLabels; i < (r + 1) * kLabels; ++i) {
          repeated.logits.push_back(test.logits[i]);
          repeated.targets.push_back(test.targets[i]);
        }
      }
    }
    EXPECT_DOUBLE_EQ(ran.run.resampled(times), macro_f1(repeated, own));
  }
}

TEST(RunMultilabel, PassesOnWhatATrainingHasToKnow) {
  const LabelledLogits validation = random_labels(20, 1);
  const LabelledLogits test = random_labels(20, 2);
  const ManyLabelsTask task = three_labels(validation, test);
  const Ran ran = run_labels(task, {{validation.logits}, test.logits}, "asymmetric", 3);
  EXPECT_EQ(ran.asked.shape.classes, kLabels);
  EXPECT_EQ(ran.asked.seed, 3U);
  EXPECT_EQ(ran.asked.options.seed, 3U);
  EXPECT_EQ(ran.asked.description, "asymmetric");
  EXPECT_EQ(ran.run.model->facts.at("strategy"), "asymmetric");
  EXPECT_FALSE(ran.run.model->facts.contains("offset"));
  EXPECT_EQ(ran.run.choice, "");
}

// Comments of three classes, told by a word each, from 60 to 6.
Corpus small_corpus(bool several) {
  Corpus corpus;
  corpus.classes = {"red", "green", "blue"};
  corpus.has_several_labels = several;
  const std::size_t sizes[] = {60, 20, 6};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < sizes[c]; ++i) {
      std::string text = corpus.classes[c] + " thing " + std::to_string(i % 7);
      std::vector<std::int64_t> labels = {static_cast<std::int64_t>(c)};
      if (several && i % 3 == 0) {
        const std::size_t second = (c + 1) % 3;
        text += " " + corpus.classes[second];
        labels.push_back(static_cast<std::int64_t>(second));
        std::sort(labels.begin(), labels.end());
      }
      corpus.train.add(text, labels);
      if (i % 3 == 0) corpus.validation.add("one " + text, labels);
      if (i % 3 == 1 || i % 6 == 0) corpus.test.add("a " + text, labels);
    }
  }
  return corpus;
}

RunOptions with_eigen(std::uint64_t epochs, double rate) {
  RunOptions options;
  options.training.epochs = epochs;
  options.training.rate = rate;
  options.training.batch_size = 8;
  options.make_learner = [](const LearnerShape& shape, std::uint64_t) {
    return make_eigen_learner(shape);
  };
  return options;
}

TEST(Runs, LearnAWordAClassWithEveryStrategy) {
  const std::unique_ptr<TextTask> made = make_task(small_corpus(false));
  const TextTask& task = *made;
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  for (const Strategy& strategy : strategies_for(ModelKind::kAny)) {
    const demos::Run run = run_strategy(task, strategy.name, 1, with_eigen(6, 10), progress);
    EXPECT_EQ(value(run.validation, "macro_f1"), 1) << strategy.name;
    EXPECT_EQ(value(run.test, "macro_f1"), 1) << strategy.name;
    EXPECT_EQ(run.choice.empty(), strategy.name != "none_tau") << strategy.name;
    // The saved model predicts what was scored.
    const auto learner = make_eigen_learner({std::size_t{kTextColumns}, 3});
    learner->set_parameters(run.model->parameters);
    const std::vector<double> offset = run.model->facts.at("offset");
    EXPECT_EQ(calibrate::predict(learner->logits(task.test).view(), offset), task.test.targets);
  }
}

TEST(Runs, LearnAWordALabelWithEveryLoss) {
  const std::unique_ptr<TextTask> made = make_task(small_corpus(true));
  const TextTask& task = *made;
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  for (const std::string& strategy : all_multilabel_strategies()) {
    const demos::Run run = run_strategy(task, strategy, 1, with_eigen(8, 60), progress);
    EXPECT_GE(value(run.test, "macro_f1"), 0.95) << strategy;
    const auto learner = make_eigen_learner({std::size_t{kTextColumns}, 3});
    learner->set_parameters(run.model->parameters);
    const std::vector<double> thresholds = run.model->facts.at("thresholds");
    const Logits logits = learner->logits(task.test);
    const LabelledLogits rows{logits.values, task.test.targets};
    EXPECT_DOUBLE_EQ(macro_f1(rows, thresholds), value(run.test, "macro_f1")) << strategy;
  }
}

TEST(TrainSteps, MakesAFewAndLeavesNothing) {
  const OneLabelTask task = two_classes();
  Asked asked;
  RunOptions options = scripted(task, {}, asked);
  options.training.log = "log";
  options.training.checkpoint = "checkpoint";
  options.training.resumes = true;
  train_steps(task, options, 13);
  EXPECT_EQ(asked.options.max_steps, 13U);
  EXPECT_TRUE(asked.options.log.empty());
  EXPECT_TRUE(asked.options.checkpoint.empty());
  EXPECT_FALSE(asked.options.resumes);
  EXPECT_EQ(asked.shape.hidden, 12U);
  EXPECT_THAT(asked.description, testing::StartsWith("none\n"));
}

TEST(TrainSteps, MayBeMoreThanThereAre) {
  for (const bool several : {false, true}) {
    const std::unique_ptr<TextTask> task = make_task(small_corpus(several));
    EXPECT_NO_THROW(train_steps(*task, with_eigen(2, 1), 1000)) << several;
    EXPECT_NO_THROW(train_steps(*task, with_eigen(2, 1), 11)) << several;  // an epoch
  }
}

}  // namespace
}  // namespace equipoise::demos
