#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/model_file.h"
#include "demos/common/task.h"
#include "demos/qa/task.h"

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

RunOptions options_for(const QaTask& task) {
  RunOptions options;
  options.training.epochs = 2;
  options.training.rate = task.selects_sentences() ? 2 : 40;
  options.training.monitor = task.headline();
  options.make_learner = [](const LearnerShape& shape, std::uint64_t) {
    return make_eigen_learner(shape);
  };
  return options;
}

demos::Run run(const QaTask& task, const std::string& name, std::uint64_t seed = 0) {
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  return run_strategy(task, name, seed, options_for(task), progress);
}

TEST(RunQaStrategy, ScoresTypes) {
  const demos::Run result = run(type_task(), "none_tau", 2);
  EXPECT_EQ(result.seed, 2U);
  EXPECT_THAT(result.choice, testing::StartsWith("tau "));
  EXPECT_GT(metric_of(result.test, "macro_f1"), 0.5);
  const std::vector<std::uint32_t> once(type_task().test.units(), 1);
  EXPECT_DOUBLE_EQ(result.resampled(once), metric_of(result.test, "macro_f1"));
  EXPECT_DOUBLE_EQ(result.confusion.macro_f1(), metric_of(result.test, "macro_f1"));
  EXPECT_DOUBLE_EQ(result.second(once), metric_of(result.test, "worst_language_f1"));
  EXPECT_LT(metric_of(result.test, "nll_fitted"), metric_of(result.test, "nll_raw") + 0.01);
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
  EXPECT_GT(metric_of(result.test, "positive_f1"), 0.6);
  EXPECT_GT(metric_of(result.test, "mrr"), 0.7);
  const std::vector<std::uint32_t> once(sentence_task().test.units(), 1);
  EXPECT_DOUBLE_EQ(result.resampled(once), metric_of(result.test, "positive_f1"));
  EXPECT_DOUBLE_EQ(result.confusion.f1(1), metric_of(result.test, "positive_f1"));
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
        [](const MetricValue& each) { return each.metric == "recall" && each.label == "yes_no"; });
    return found->value;
  };
  EXPECT_GT(recall(run(type_task(), "weights")), recall(run(type_task(), "none")));
  for (const char* name : {"focal", "group_adjustment", "rake"}) {
    EXPECT_GT(metric_of(run(type_task(), name).test, "accuracy"), 0.5) << name;
  }
}

}  // namespace
}  // namespace equipoise::demos
