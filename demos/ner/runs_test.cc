#include "demos/ner/runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/ner/strategy.h"

namespace equipoise::demos {
namespace {

TaggingTask small_task() {
  TaggedCorpus corpus = synthetic_tagged_corpus();
  corpus.train.resize(200);
  corpus.validation.resize(80);
  corpus.test.resize(80);
  return make_tagging_task(corpus);
}

double value_of(const Figures& figures, const std::string& metric, const std::string& label = "") {
  for (const Figure& figure : figures) {
    if (figure.metric == metric && figure.label == label) return figure.value;
  }
  ADD_FAILURE() << "no figure " << metric << " of " << label;
  return -1;
}

TEST(TaggingFigures, ByHand) {
  TaggedCorpus corpus;
  corpus.tags = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  // Ann Lee in York: found as one PER too short, and the LOC as PER.
  corpus.test = {{{"Ann", "Lee", "in", "York"}, {1, 2, 0, 3}}, {{"Bob", "x"}, {1, 0}}};
  corpus.train = corpus.test;
  corpus.validation = corpus.test;
  const TaggingTask task = make_tagging_task(corpus);
  const std::vector<std::int64_t> predicted = {1, 0, 0, 1, 1, 0};
  const Figures figures = tagging_figures(task, task.test, predicted);
  // Tokens of PER: 2 of 3 found, 1 of 3 predictions wrong; none of LOC.
  EXPECT_DOUBLE_EQ(value_of(figures, "token_f1", "PER"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(figures, "token_f1", "LOC"), 0);
  EXPECT_DOUBLE_EQ(value_of(figures, "token_macro_f1"), 1.0 / 3);
  // Entities: Bob alone is right, of 3 that are there and 3 predicted.
  EXPECT_DOUBLE_EQ(value_of(figures, "entity_f1"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(figures, "entity_f1_conlleval"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value_of(figures, "recall", "PER"), 1.0 / 2);
  EXPECT_DOUBLE_EQ(value_of(figures, "precision", "PER"), 1.0 / 3);
}

TEST(RunTagging, TrainsEveryStrategyOfALinearTagger) {
  const TaggingTask task = small_task();
  TaggingRunOptions options;
  options.training = {.epochs = 3, .batch_size = 16, .rate = 60, .monitor = "token_macro_f1"};
  std::ostringstream log;
  for (const std::string& strategy : all_tagging_strategies()) {
    Progress progress(log, false, 1000, "steps");
    if (strategy == "crt") {
      EXPECT_THROW(run_tagging(task, strategy, 0, options, progress), InputError);
      continue;
    }
    const auto run = run_tagging(task, strategy, 0, options, progress);
    const std::vector<std::uint32_t> once(task.test.sentences.size(), 1);
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
  TaggingRunOptions options;
  options.training = {.epochs = 1, .batch_size = 16, .rate = 20, .monitor = "token_macro_f1"};
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  const auto plain = run_tagging(task, "none", 0, options, progress);
  const auto corrected = run_tagging(task, "none_tau", 0, options, progress);
  EXPECT_GE(value_of(corrected.validation, "token_macro_f1"),
            value_of(plain.validation, "token_macro_f1"));
}

TEST(TaggingSteps, AreTwiceAsManyForAHeadThatIsTrainedAgain) {
  const TaggingTask task = small_task();
  const TrainingOptions options{.epochs = 3, .batch_size = 16};
  EXPECT_EQ(tagging_steps(task, "none", options), 3U * 13);
  EXPECT_EQ(tagging_steps(task, "crt", options), 2U * 3 * 13);
}

}  // namespace
}  // namespace equipoise::demos
