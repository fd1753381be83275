// Trained models put to use.
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "demos/common/json.h"
#include "demos/common/program.h"
#include "demos/common/report.h"
#include "demos/qa/task.h"
#include "equipoise/calibrate.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

QaFeatures features_from(const std::string& task, const json& facts,
                         const std::optional<PairPieces>& pieces) {
  if (task == kSentenceSelection && pieces) return *pieces;
  if (task == kSentenceSelection) return SentenceFeatures(facts);
  if (task == kAnswerType) return QuestionFeatures(facts);
  throw std::invalid_argument(absl::StrCat("there is no task '", task, "'"));
}

template <class Question>
Logits logits_of(const QaModel& model, const Question& question) {
  return model.learner->logits(
      make_examples(model.features, std::span(&question, 1), model.task.languages));
}

std::vector<double> probabilities(const QaModel& model, const Logits& logits) {
  calibrate::LogitCalibration calibration;
  calibration.scale = model.calibration.front();
  calibration.bias.assign(model.calibration.begin() + 1, model.calibration.end());
  return calibration.probabilities(logits.view());
}

ordered_json predict_type(const QaModel& model, const AfriqaQuestion& question) {
  const Logits logits = logits_of(model, question);
  std::vector<double> scores(logits.values.begin(), logits.values.end());
  for (std::size_t c = 0; c < model.decision.offset.size(); ++c) {
    scores[c] += model.decision.offset[c];
  }
  const std::vector<double> p = probabilities(model, logits);
  const std::vector<std::size_t> order = by_falling(scores);
  ordered_json prediction = {{"question", question.text},
                             {"answer_type", model.task.classes[order.front()]}};
  for (const std::size_t c : order) prediction["probabilities"][model.task.classes[c]] = p[c];
  return prediction;
}

ordered_json predict_sentences(const QaModel& model, const SentenceQuestion& question) {
  const Logits logits = logits_of(model, question);
  const std::vector<double> p = probabilities(model, logits);
  const std::vector<std::int64_t> decisions = decide(model.task, logits, model.decision);
  ordered_json prediction = {{"question", question.text}};
  for (const std::size_t i : by_falling(sentence_scores(logits))) {
    prediction["sentences"].push_back({{"text", question.sentences[i]},
                                       {"probability", p[2 * i + 1]},
                                       {"is_answer", decisions[i] == 1}});
  }
  return prediction;
}

}  // namespace

QaModel use_qa_model(const SavedModel& saved,
                     const std::function<std::unique_ptr<Learner>(const LearnerShape&)>& make,
                     const std::optional<PairPieces>& pieces) {
  const json& facts = saved.facts;
  QaTask task;
  task.name = facts.at("task");
  task.classes = facts.at("classes").get<std::vector<std::string>>();
  task.languages = facts.at("languages").get<std::vector<std::string>>();
  task.is_translated = facts.value("translated", true);
  task.shape = {task.selects_sentences() ? kSentenceColumns : kQuestionColumns,
                task.classes.size()};
  QaModel model{std::move(task), facts.at("strategy"),
                features_from(facts.at("task"), facts.at("features"), pieces)};
  model.decision.offset = facts.at("offset").get<std::vector<double>>();
  model.decision.thresholds = {facts.at("threshold").get<double>()};
  model.calibration = facts.at("calibration").get<std::vector<double>>();
  model.test = facts.at("test");
  const std::size_t classes = model.task.classes.size();
  const bool fits = (model.task.selects_sentences() ? classes == 2 : classes > 1) &&
                    model.calibration.size() == classes + 1 &&
                    (model.decision.offset.empty() || model.decision.offset.size() == classes);
  if (!fits) throw std::invalid_argument("its parts are of different sizes");
  model.learner = make(model.task.shape);
  model.learner->set_parameters(saved.parameters);
  return model;
}

ordered_json predict_question(const QaModel& model, const json& question) {
  const std::string text = question.at("question");
  if (!model.task.selects_sentences()) {
    return predict_type(model, {"", text, text_or_none(question, "translation")});
  }
  const std::string language = text_or_none(question, "language");
  const SentenceQuestion pair{text, language,
                              sentences_of(question.at("context").get<std::string>(), language)};
  if (pair.sentences.empty()) throw InputError("context: there is no sentence in it");
  return predict_sentences(model, pair);
}

std::string prediction_text(const ordered_json& prediction) {
  std::string text = absl::StrCat("\"", prediction.at("question").get<std::string>(), "\"\n");
  if (prediction.contains("sentences")) {
    for (const ordered_json& sentence : prediction.at("sentences")) {
      text += prediction_line(sentence.at("probability"), sentence.at("text"),
                              sentence.at("is_answer"));
    }
  } else {
    const std::string decision = prediction.at("answer_type");
    for (const auto& [type, p] : prediction.at("probabilities").items()) {
      text += prediction_line(p, type, type == decision);
    }
  }
  return text;
}

}  // namespace equipoise::demos
