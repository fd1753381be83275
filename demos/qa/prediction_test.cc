#include "demos/qa/prediction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/qa/runs.h"

namespace equipoise::demos {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

std::unique_ptr<Learner> on_eigen(const LearnerShape& shape) { return make_eigen_learner(shape); }

SavedModel trained(const QaTask& task, std::uint64_t epochs) {
  QaRunOptions options;
  options.training.epochs = epochs;
  options.training.rate = default_rate(task.name);
  options.training.monitor = headline_of(task);
  options.make_learner = [](const LearnerShape& shape, std::uint64_t) { return on_eigen(shape); };
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  return *run_qa_strategy(task, all_qa_strategies(task.name)[1], 0, options, progress).model;
}

const SavedModel& type_model() {
  static const SavedModel model = trained(make_task(synthetic_answer_types()), 2);
  return model;
}
const SavedModel& sentence_model() {
  static const SavedModel model = trained(make_task(synthetic_sentence_data()), 4);
  return model;
}

ordered_json predicted(const SavedModel& saved, const nlohmann::json& question) {
  const QaModel model = use_qa_model(saved, "file", on_eigen);
  return predict_question(model, parse_json(question.dump(), "here"));
}

std::string error(const SavedModel& saved, const std::string& lines) {
  try {
    predict_lines(use_qa_model(saved, "file", on_eigen), lines, "here");
  } catch (const InputError& failure) {
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

TEST(PredictQuestion, AgreesWithTheFiguresOfTheRun) {
  const AnswerTypeData data = synthetic_answer_types();
  const QaModel model = use_qa_model(type_model(), "file", on_eigen);
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

TEST(PredictLines, GivesALineForEachAndSkipsBlankOnes) {
  const QaModel model = use_qa_model(type_model(), "file", on_eigen);
  const std::string lines = predict_lines(
      model, "{\"question\": \"a\"}\n \n{\"question\": \"b\", \"translation\": \"c\"}", "here");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  EXPECT_THAT(lines, testing::StartsWith("{\"question\":\"a\",\"answer_type\":\""));
}

TEST(PredictLines, NamesTheLineOfWhatIsWrong) {
  EXPECT_EQ(error(type_model(), "{\"question\": \"a\"}\n{\"text\": \"b\"}"),
            "here:2: there is no 'question'");
  EXPECT_THAT(error(type_model(), "\n{\"question\": 7}"), HasSubstr("here:2: question: expected"));
  EXPECT_THAT(error(type_model(), "nonsense"), HasSubstr("here:1: not JSON"));
  EXPECT_EQ(error(type_model(), " \n"), "here:0: there is no question");
  EXPECT_EQ(error(sentence_model(), "{\"question\": \"a\"}"), "here:1: there is no 'context'");
  EXPECT_EQ(error(sentence_model(), "{\"question\": \"a\", \"context\": \" \"}"),
            "here:1: context: there is no sentence in it");
}

TEST(UseQaModel, RefusesWhatDoesNotFit) {
  const auto refusal = [](const SavedModel& saved) -> std::string {
    try {
      use_qa_model(saved, "file", on_eigen);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(type_model()), "");
  SavedModel other = type_model();
  other.facts["task"] = "sentiment";
  EXPECT_EQ(refusal(other),
            "file:0: not a model that --save has written: there is no task 'sentiment'");
  other = type_model();
  other.facts.erase("languages");
  EXPECT_THAT(refusal(other), HasSubstr("not a model that --save has written: "));
  other = type_model();
  other.facts["calibration"] = {1.0, 0.0};
  EXPECT_THAT(refusal(other), HasSubstr("different sizes"));
  other = type_model();
  other.parameters.pop_back();
  EXPECT_THAT(refusal(other), HasSubstr("set_parameters()"));
}

}  // namespace
}  // namespace equipoise::demos
