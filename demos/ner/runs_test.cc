#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/common/task.h"
#include "demos/ner/task.h"

namespace equipoise::demos {
namespace {

TaggingTask small_task() {
  TaggedCorpus corpus = synthetic_tagged_corpus();
  corpus.train.resize(200);
  corpus.validation.resize(80);
  corpus.test.resize(80);
  return *make_tagging_task(corpus, linear_features(), "linear");
}

RunOptions on_eigen(const TrainingOptions& training) {
  return {training,
          [](const LearnerShape& shape, std::uint64_t) { return make_eigen_learner(shape); }};
}

double value_of(const Metrics& measured, const std::string& metric, const std::string& label = "") {
  for (const MetricValue& each : measured) {
    if (each.metric == metric && each.label == label) return each.value;
  }
  ADD_FAILURE() << "no metric " << metric << " of " << label;
  return -1;
}

TEST(TaggingMetrics, ByHand) {
  TaggedCorpus corpus;
  corpus.tags = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  // Ann Lee in York: found as one PER too short, and the LOC as PER.
  corpus.test = {{{"Ann", "Lee", "in", "York"}, {1, 2, 0, 3}}, {{"Bob", "x"}, {1, 0}}};
  corpus.train = corpus.test;
  corpus.validation = corpus.test;
  const TaggingTask task = *make_tagging_task(corpus, linear_features(), "linear");
  const std::vector<std::int64_t> predicted = {1, 0, 0, 1, 1, 0};
  const Metrics measured = task.tagging_metrics(task.test, predicted);
  // Tokens of PER: 2 of 3 found, 1 of 3 predictions wrong; none of LOC.
  EXPECT_DOUBLE_EQ(value_of(measured, "token_f1", "PER"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(measured, "token_f1", "LOC"), 0);
  EXPECT_DOUBLE_EQ(value_of(measured, "token_macro_f1"), 1.0 / 3);
  // Entities: Bob alone is right, of 3 that are there and 3 predicted.
  EXPECT_DOUBLE_EQ(value_of(measured, "entity_f1"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(measured, "entity_f1_conlleval"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(measured, "recall", "PER"), 1.0 / 2);
  EXPECT_DOUBLE_EQ(value_of(measured, "precision", "PER"), 1.0 / 3);
}

TEST(RunTagging, TrainsEveryStrategyOfALinearTagger) {
  const TaggingTask task = small_task();
  const RunOptions options =
      on_eigen({.epochs = 3, .batch_size = 16, .rate = 60, .monitor = "token_macro_f1"});
  std::ostringstream log;
  for (const std::string& strategy : all_tagging_strategies()) {
    Progress progress(log, false, 1000, "steps");
    if (strategy == "crt") {
      EXPECT_THROW(run_strategy(task, strategy, 0, options, progress), InputError);
      continue;
    }
    const auto run = run_strategy(task, strategy, 0, options, progress);
    const std::vector<std::uint32_t> once(task.test.units(), 1);
    EXPECT_DOUBLE_EQ(run.resampled(once), value_of(run.test, "token_macro_f1")) << strategy;
    EXPECT_DOUBLE_EQ(run.second(once), value_of(run.test, "entity_f1")) << strategy;
    EXPECT_EQ(run.choice.empty(), strategy != "none_tau");
    if (strategy != "dice") {
      EXPECT_GT(value_of(run.test, "token_macro_f1"), 0.2) << strategy;
    }
    EXPECT_GE(value_of(run.test, "tokens_em", "PER"), 0);
    ASSERT_NE(run.model, nullptr);
    EXPECT_EQ(run.model->facts.at("strategy"), strategy);
  }
}

TEST(RunTagging, ChoosesTauOnValidation) {
  const TaggingTask task = small_task();
  const RunOptions options =
      on_eigen({.epochs = 1, .batch_size = 16, .rate = 20, .monitor = "token_macro_f1"});
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  const auto plain = run_strategy(task, "none", 0, options, progress);
  const auto corrected = run_strategy(task, "none_tau", 0, options, progress);
  EXPECT_GE(value_of(corrected.validation, "token_macro_f1"),
            value_of(plain.validation, "token_macro_f1"));
}

TEST(StepsOf, CountBatchesOfSentences) {
  EXPECT_EQ(steps_of(small_task(), {.epochs = 3, .batch_size = 16}), 3U * 13);
}

}  // namespace
}  // namespace equipoise::demos
