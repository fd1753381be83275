#include "demos/qa/runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/model_file.h"

namespace equipoise::demos {
namespace {

// The generated tasks, of which the first has fewer rows than in the demo.
const QaTask& type_task() {
  static const QaTask task = [] {
    AnswerTypeData data = synthetic_answer_types();
    for (auto* part : {&data.train, &data.validation, &data.test}) {
      std::erase_if(*part, [i = 0](const AfriqaQuestion&) mutable { return i++ % 3 != 0; });
    }
    return make_task(data);
  }();
  return task;
}
const QaTask& sentence_task() {
  static const QaTask task = make_task(synthetic_sentence_data());
  return task;
}

QaRunOptions options_for(const QaTask& task) {
  QaRunOptions options;
  options.training.epochs = 2;
  options.training.rate = default_rate(task.name);
  options.training.monitor = headline_of(task);
  options.make_learner = [](const LearnerShape& shape, std::uint64_t) {
    return make_eigen_learner(shape);
  };
  return options;
}

demos::Run run(const QaTask& task, const std::string& name, std::uint64_t seed = 0) {
  const std::vector<QaStrategy> all = all_qa_strategies(task.name);
  const QaStrategy strategy = *std::find_if(
      all.begin(), all.end(), [&](const QaStrategy& each) { return each.name == name; });
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  return run_qa_strategy(task, strategy, seed, options_for(task), progress);
}

TEST(RunQaStrategy, ScoresTypes) {
  const demos::Run result = run(type_task(), "none_tau", 2);
  EXPECT_EQ(result.seed, 2U);
  EXPECT_THAT(result.choice, testing::StartsWith("tau "));
  EXPECT_GT(figure_of(result.test, "macro_f1"), 0.5);
  const std::vector<std::uint32_t> once(type_task().test.units(), 1);
  EXPECT_DOUBLE_EQ(result.resampled(once), figure_of(result.test, "macro_f1"));
  EXPECT_DOUBLE_EQ(result.second(once), figure_of(result.test, "worst_language_f1"));
  EXPECT_LT(figure_of(result.test, "nll_fitted"), figure_of(result.test, "nll_raw") + 0.01);
  const nlohmann::json& facts = result.model->facts;
  EXPECT_EQ(facts.at("task"), "answer_type");
  EXPECT_EQ(facts.at("strategy"), "none_tau");
  EXPECT_EQ(facts.at("offset").size(), 4U);
  EXPECT_EQ(facts.at("test"), fingerprint(type_task().test));
  EXPECT_EQ(facts.at("calibration").size(), 5U);
}

TEST(RunQaStrategy, ScoresSentences) {
  const demos::Run result = run(sentence_task(), "mix_0.3_weights_0.5");
  EXPECT_THAT(result.choice, testing::StartsWith("at 0."));
  EXPECT_GT(figure_of(result.test, "positive_f1"), 0.6);
  EXPECT_GT(figure_of(result.test, "mrr"), 0.7);
  const std::vector<std::uint32_t> once(sentence_task().test.units(), 1);
  EXPECT_DOUBLE_EQ(result.resampled(once), figure_of(result.test, "positive_f1"));
  EXPECT_EQ(result.model->facts.at("classes").size(), 2U);
}

TEST(RunQaStrategy, IsTheSameForTheSameSeed) {
  const demos::Run first = run(sentence_task(), "uniform", 1);
  const demos::Run second = run(sentence_task(), "uniform", 1);
  EXPECT_EQ(first.test, second.test);
  EXPECT_NE(first.test, run(sentence_task(), "uniform", 2).test);
}

TEST(RunQaStrategy, FollowsTheStrategy) {
  // Weights find more of the rare type, focal loss and a rake run.
  const auto recall = [](const demos::Run& result) {
    const auto found = std::find_if(
        result.test.begin(), result.test.end(),
        [](const Figure& figure) { return figure.metric == "recall" && figure.label == "yes_no"; });
    return found->value;
  };
  EXPECT_GT(recall(run(type_task(), "weights")), recall(run(type_task(), "none")));
  for (const char* name : {"focal", "group_adjustment", "rake"}) {
    EXPECT_GT(figure_of(run(type_task(), name).test, "accuracy"), 0.5) << name;
  }
}

TEST(TrainEpochs, WritesNothing) {
  QaRunOptions options = options_for(type_task());
  options.training.log = "nowhere/log.csv";
  train_epochs(type_task(), options, 1);
  train_epochs(sentence_task(), options_for(sentence_task()), 2);
}

}  // namespace
}  // namespace equipoise::demos
