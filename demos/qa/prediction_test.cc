#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/json.h"
#include "demos/common/model_file.h"
#include "demos/qa/task.h"

namespace equipoise::demos {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

std::unique_ptr<Learner> on_eigen(const LearnerShape& shape) { return make_eigen_learner(shape); }

SavedModel trained(const QaTask& task, const std::string& strategy, std::uint64_t epochs) {
  RunOptions options;
  options.training.epochs = epochs;
  options.training.rate = task.selects_sentences() ? 2 : 40;
  options.training.monitor = task.headline();
  options.make_learner = [](const LearnerShape& shape, std::uint64_t) { return on_eigen(shape); };
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  return *run_strategy(task, strategy, 0, options, progress).model;
}

const SavedModel& type_model() {
  static const SavedModel model = trained(make_task(synthetic_answer_types()), "none_tau", 2);
  return model;
}
const SavedModel& sentence_model() {
  static const SavedModel model = trained(make_task(synthetic_sentence_data()), "weights", 4);
  return model;
}

QaModel use(const SavedModel& saved) { return use_qa_model(saved, on_eigen); }

ordered_json predicted(const SavedModel& saved, const nlohmann::json& question) {
  return predict_question(use(saved), question);
}

// What is wrong with a question, or a model.
template <class F>
std::string reason(const F& f) {
  try {
    f();
  } catch (const nlohmann::json::exception& failure) {
    return reason_of(failure);
  } catch (const std::exception& failure) {
    return failure.what();
  }
  return "";
}

TEST(PredictQuestion, GivesTypesWithTheDecisionFirst) {
  const AfriqaQuestion question = synthetic_answer_types().test.front();
  const ordered_json prediction =
      predicted(type_model(), {{"question", question.text}, {"translation", question.translation}});
  EXPECT_EQ(prediction.at("question"), question.text);
  ASSERT_EQ(prediction.at("probabilities").size(), 4U);
  EXPECT_EQ(prediction.at("probabilities").items().begin().key(),
            prediction.at("answer_type").get<std::string>());
  double sum = 0;
  for (const auto& [type, p] : prediction.at("probabilities").items()) sum += p.get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
  // A translation may be missing.
  EXPECT_EQ(predicted(type_model(), {{"question", question.text}}).size(), 3U);
}

TEST(PredictQuestion, AgreesWithTheMetricsOfTheRun) {
  const AnswerTypeData data = synthetic_answer_types();
  const QaModel model = use(type_model());
  const Examples test =
      make_examples(std::get<QuestionFeatures>(model.features), data.test, data.languages);
  const Logits logits = model.learner->logits(test);
  const std::vector<std::int64_t> decisions = decide(model.task, logits, model.decision);
  for (const std::size_t i : std::vector<std::size_t>{0, 500, 1000}) {
    const ordered_json prediction = predicted(
        type_model(), {{"question", data.test[i].text}, {"translation", data.test[i].translation}});
    EXPECT_EQ(prediction.at("answer_type"),
              answer_type_names()[static_cast<std::size_t>(decisions[i])]);
  }
}

TEST(PredictQuestion, RanksSentences) {
  const SentenceQuestion question = synthetic_sentence_data().test.front();
  std::string context;
  for (const std::string& sentence : question.sentences) context += sentence + " ";
  const ordered_json prediction =
      predicted(sentence_model(), {{"question", question.text}, {"context", context}});
  const ordered_json& sentences = prediction.at("sentences");
  ASSERT_EQ(sentences.size(), question.sentences.size());
  for (std::size_t i = 1; i < sentences.size(); ++i) {
    EXPECT_GE(sentences[i - 1].at("probability"), sentences[i].at("probability"));
    EXPECT_GE(sentences[i - 1].at("is_answer").get<int>(), sentences[i].at("is_answer").get<int>());
  }
  const std::string text = prediction_text(prediction);
  EXPECT_THAT(text, testing::StartsWith("\"" + question.text + "\"\n  "));
  EXPECT_THAT(text, HasSubstr(" %  " + sentences[0].at("text").get<std::string>()));
}

TEST(PredictionText, MarksTheDecision) {
  const ordered_json prediction = {{"question", "Who?"},
                                   {"answer_type", "yes_no"},
                                   {"probabilities", {{"yes_no", 0.25}, {"text", 0.75}}}};
  EXPECT_EQ(prediction_text(prediction), "\"Who?\"\n   25.0 %  yes_no *\n   75.0 %  text\n");
}

TEST(PredictQuestion, SaysWhatAQuestionLacks) {
  const auto reason_for = [](const SavedModel& saved, const nlohmann::json& question) {
    return reason([&] { predicted(saved, question); });
  };
  EXPECT_EQ(reason_for(type_model(), {{"text", "b"}}), "key 'question' not found");
  EXPECT_EQ(reason_for(type_model(), {{"question", 7}}),
            "(/question) type must be string, but is number");
  EXPECT_EQ(reason_for(sentence_model(), {{"question", "a"}}), "key 'context' not found");
  EXPECT_EQ(reason_for(sentence_model(), {{"question", "a"}, {"context", " "}}),
            "context: there is no sentence in it");
}

TEST(UseQaModel, RefusesWhatDoesNotFit) {
  const auto refusal = [](const SavedModel& saved) { return reason([&] { use(saved); }); };
  EXPECT_EQ(refusal(type_model()), "");
  SavedModel other = type_model();
  other.facts["task"] = "sentiment";
  EXPECT_EQ(refusal(other), "there is no task 'sentiment'");
  other = type_model();
  other.facts.erase("languages");
  EXPECT_THAT(refusal(other), HasSubstr("key 'languages' not found"));
  other = type_model();
  other.facts["calibration"] = {1.0, 0.0};
  EXPECT_THAT(refusal(other), HasSubstr("different sizes"));
  other = type_model();
  other.parameters.pop_back();
  EXPECT_THAT(refusal(other), HasSubstr("set_parameters()"));
}

}  // namespace
}  // namespace equipoise::demos
