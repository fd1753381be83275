#include "demos/sentiment/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace equipoise::demos {
namespace {

using testing::ElementsAre;

// A task of two classes, 8 to 2; the features of row i are the single number i + 1, so that a
// scripted model can tell rows apart.
Examples examples(std::vector<std::int64_t> labels) {
  Examples part{{}, std::move(labels)};
  for (std::size_t i = 0; i < part.labels.size(); ++i) {
    part.features.columns.push_back(0);
    part.features.values.push_back(static_cast<float>(i + 1));
    part.features.starts.push_back(i + 1);
  }
  return part;
}

Task task() {
  return {{"common", "rare"},
          {8, 2},
          TfIdf(std::vector<float>(std::size_t{kTextColumns}, 1.0F)),
          examples({0, 0, 0, 0, 0, 0, 0, 0, 1, 1}),
          examples({0, 0, 1, 1}),
          examples({0, 0, 1, 1, 1})};
}

// A model whose logit margin of the rare class, for rows counted from 1, is given for each epoch.
using Script = std::vector<std::vector<float>>;

class ScriptedClassifier final : public Classifier {
 public:
  ScriptedClassifier(Script script, int& epochs_trained)
      : script_(std::move(script)), epochs_trained_(epochs_trained) {}

  void train_epoch(const Examples& part, const Objective&, const ClassSampler& stream,
                   std::uint64_t epoch, const std::function<void()>& on_batch) override {
    EXPECT_EQ(stream.epoch_size(), part.labels.size());
    epoch_ = epoch;
    ++epochs_trained_;
    on_batch();
  }
  Logits logits(const SparseRows& features) const override {
    Logits logits{2, {}};
    for (const float row : features.values) {
      const auto& margins = script_.at(static_cast<std::size_t>(epoch_));
      logits.values.push_back(0);
      logits.values.push_back(margins.at(static_cast<std::size_t>(row) - 1));
    }
    return logits;
  }
  std::vector<Parameter> parameters() const override {
    return {{"epoch", 1, 1, {static_cast<float>(epoch_)}}};
  }
  void set_parameters(const std::vector<Parameter>& parameters) override {
    epoch_ = static_cast<std::uint64_t>(parameters[0].values[0]);
  }

 private:
  Script script_;
  int& epochs_trained_;
  std::uint64_t epoch_ = 0;
};

// Margins that put all five, or only the true, rare rows (from the third on) with the rare class.
const std::vector<float> kAllCommon = {-1, -1, -1, -1, -1};
const std::vector<float> kRight = {-1, -1, 1, 1, 1};
const std::vector<float> kHalf = {-1, -1, 1, -1, -1};

struct Ran {
  Results results;
  int epochs_trained = 0;
  std::string log;
};

Ran run(const std::string& strategies, const Script& script, std::uint64_t seeds = 1) {
  Ran ran;
  ExperimentOptions options;
  options.strategies = parse_strategies(strategies);
  options.seeds = seeds;
  options.training.epochs = script.size();
  options.make_classifier = [&](std::uint64_t) {
    return std::make_unique<ScriptedClassifier>(script, ran.epochs_trained);
  };
  std::ostringstream log;
  {
    Progress progress(log, false, 1, "batches");
    ran.results = run_experiment(task(), options, progress);
  }
  ran.log = log.str();
  return ran;
}

TEST(RareClasses, AreTheSmallestThatHoldATenthTogether) {
  EXPECT_THAT(rare_classes({900, 40, 30, 30}), ElementsAre(1, 2, 3));
  EXPECT_THAT(rare_classes({30, 880, 50, 40}), ElementsAre(0, 3));
  EXPECT_THAT(rare_classes({50, 50}), ElementsAre(0));  // at least one; the first among equals
}

TEST(Score, AveragesOverTheRareClasses) {
  const std::vector<std::int64_t> predictions = {0, 1, 1, 1, 0};
  const Task data = task();
  const Scores scores = score(data, data.test, predictions);
  EXPECT_DOUBLE_EQ(scores.rare_recall, 2 / 3.0);
  EXPECT_DOUBLE_EQ(scores.rare_precision, 2 / 3.0);
  EXPECT_DOUBLE_EQ(scores.macro_f1, (0.5 + 2 / 3.0) / 2);
}

TEST(Experiment, KeepsTheEpochThatIsBestOnValidation) {
  const Ran ran = run("none", {kAllCommon, kRight, kHalf});
  const demos::Run& result = ran.results.outcomes[0].runs[0];
  EXPECT_EQ(result.epoch, 1U);
  EXPECT_DOUBLE_EQ(result.validation.macro_f1, 1);
  EXPECT_DOUBLE_EQ(result.test.macro_f1, 1);  // by the parameters of that epoch
  EXPECT_THAT(ran.results.model.parameters[0].values, ElementsAre(1));
  EXPECT_FALSE(result.tau.has_value());
}

TEST(Experiment, StopsWhenTwoEpochsHaveNotImproved) {
  EXPECT_EQ(run("none", {kHalf, kAllCommon, kAllCommon, kRight, kRight}).epochs_trained, 3);
  EXPECT_EQ(run("none", {kHalf, kAllCommon, kRight, kHalf, kHalf}).epochs_trained, 5);
}

TEST(Experiment, ChoosesTheStrategyByValidationOnly) {
  // Rows 3 and 4 are the rare ones on validation; the fifth row stands in test alone.
  const std::vector<float> wrong_on_test_only = {-1, -1, 1, 1, -1};
  const Ran ran = run("none,weights", {wrong_on_test_only});
  EXPECT_EQ(ran.results.best, 0U);  // equal on validation: the first
  EXPECT_EQ(ran.results.model.strategy, "none");
}

TEST(Experiment, PosthocTauIsChosenOnValidationAndSaved) {
  // With a prior of 4 to 1, tau = .5 adds log 2 = .69 to the margin of the rare class, and 1
  // twice that: -.6 is right from tau = .5 on, -.8 of the common class wrong from .625 on.
  const std::vector<float> margins = {-0.8F, -0.8F, -0.6F, -0.6F, -0.6F};
  const Ran ran = run("none,none_tau", {margins});
  const demos::Run& plain = ran.results.outcomes[0].runs[0];
  const demos::Run& corrected = ran.results.outcomes[1].runs[0];
  EXPECT_LT(plain.validation.macro_f1, 0.5);
  ASSERT_TRUE(corrected.tau.has_value());
  EXPECT_DOUBLE_EQ(*corrected.tau, 0.5);
  EXPECT_DOUBLE_EQ(corrected.test.macro_f1, 1);
  EXPECT_EQ(ran.results.best, 1U);
  ASSERT_EQ(ran.results.model.offset.size(), 2U);
  EXPECT_NEAR(ran.results.model.offset[1] - ran.results.model.offset[0], std::log(2), 1e-15);
}

TEST(Experiment, GainsAreOverNoneAndOnlyWhereItWasRun) {
  const std::vector<float> margins = {-0.8F, -0.8F, -0.6F, -0.6F, -0.6F};
  const Ran both = run("none,none_tau", {margins}, 2);
  EXPECT_FALSE(both.results.outcomes[0].gain.has_value());
  ASSERT_TRUE(both.results.outcomes[1].gain.has_value());
  const Interval gain = *both.results.outcomes[1].gain;
  EXPECT_DOUBLE_EQ(gain.estimate, both.results.outcomes[1].runs[0].test.macro_f1 -
                                      both.results.outcomes[0].runs[0].test.macro_f1);
  EXPECT_LE(gain.lower, gain.estimate);
  EXPECT_LE(gain.estimate, gain.upper);
  EXPECT_FALSE(run("none_tau", {margins}).results.outcomes[0].gain.has_value());
  EXPECT_FALSE(both.results.gain_over_posthoc.has_value());  // the best is none_tau itself
}

TEST(Experiment, ComparesTheBestWithThePosthocCorrection) {
  const Ran ran = run("weights,none_tau", {kRight});
  EXPECT_EQ(ran.results.best, 0U);
  EXPECT_EQ(ran.results.gain_over_posthoc, (Interval{0, 0, 0}));  // the same predictions
}

TEST(Experiment, LogsALineARun) {
  const Ran ran = run("none,focal", {kRight}, 2);
  EXPECT_EQ(std::count(ran.log.begin(), ran.log.end(), '\n'), 4);
  EXPECT_THAT(ran.log, testing::HasSubstr("focal                seed 1: epoch 1 of 1"));
}

TEST(MakeTask, LearnsIdfFromTrainAlone) {
  const Corpus corpus{"", {"a", "b"}, {{"x y", "x"}, {0, 1}}, {{"z"}, {0}}, {{"z z"}, {1}}};
  const Task made = make_task(corpus);
  EXPECT_EQ(made.counts, (ClassCounts{1, 1}));
  EXPECT_EQ(made.tf_idf.idf(), TfIdf(ngram_counts(corpus.train.texts)).idf());
  EXPECT_EQ(made.test.features.rows(), 1U);
  EXPECT_THAT(made.test.labels, ElementsAre(1));
}

}  // namespace
}  // namespace equipoise::demos
