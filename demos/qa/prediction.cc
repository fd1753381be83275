#include "demos/qa/prediction.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/qa/sentence_data.h"
#include "equipoise/calibrate.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::variant<QuestionFeatures, SentenceFeatures, PairPieces> features_from(
    const std::string& task, const json& facts, const std::optional<Encoding>& encoding) {
  if (task == kSentenceSelection && encoding) {
    return PairPieces{encoding->tokenizer, encoding->most_pieces};
  }
  if (task == kSentenceSelection) return SentenceFeatures(facts);
  if (task == kAnswerType) return QuestionFeatures(facts);
  throw std::invalid_argument(absl::StrCat("there is no task '", task, "'"));
}

std::vector<double> probabilities(const QaModel& model, const Logits& logits) {
  calibrate::LogitCalibration calibration;
  calibration.scale = model.calibration.front();
  calibration.bias.assign(model.calibration.begin() + 1, model.calibration.end());
  return calibration.probabilities(logits.view());
}

std::vector<std::size_t> by_falling(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  return order;
}

// A member that may be missing.
std::string text_or_none(const JsonValue& question, const char* key) {
  return question.has(key) ? question[key].text() : std::string();
}

ordered_json predict_type(const QaModel& model, const AfriqaQuestion& question) {
  const auto& features = std::get<QuestionFeatures>(model.features);
  Examples examples;
  examples.features = features(std::span(&question, 1));
  const Logits logits = model.learner->logits(examples);
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
  const Logits logits = model.learner->logits(sentence_examples(model, std::span(&question, 1)));
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

Examples sentence_examples(const QaModel& model, std::span<const SentenceQuestion> questions) {
  if (const auto* pieces = std::get_if<PairPieces>(&model.features)) {
    return make_examples(*pieces, questions, model.task.languages);
  }
  return make_examples(std::get<SentenceFeatures>(model.features), questions, model.task.languages);
}

QaModel use_qa_model(const SavedModel& saved, const std::string& file,
                     const std::function<std::unique_ptr<Learner>(const LearnerShape&)>& make,
                     const std::optional<Encoding>& encoding) {
  try {
    const json& facts = saved.facts;
    QaTask task;
    task.name = facts.at("task");
    task.classes = facts.at("classes").get<std::vector<std::string>>();
    task.languages = facts.at("languages").get<std::vector<std::string>>();
    task.is_translated = facts.value("translated", true);
    task.columns = task.selects_sentences() ? kSentenceColumns : kQuestionColumns;
    QaModel model{std::move(task), facts.at("strategy"),
                  features_from(facts.at("task"), facts.at("features"), encoding)};
    model.decision.offset = facts.at("offset").get<std::vector<double>>();
    model.decision.threshold = facts.at("threshold");
    model.calibration = facts.at("calibration").get<std::vector<double>>();
    model.test = facts.at("test");
    const std::size_t classes = model.task.classes.size();
    const bool fits = (model.task.selects_sentences() ? classes == 2 : classes > 1) &&
                      model.calibration.size() == classes + 1 &&
                      (model.decision.offset.empty() || model.decision.offset.size() == classes);
    if (!fits) throw std::invalid_argument("its parts are of different sizes");
    model.learner = make({model.task.columns, classes, 0});
    model.learner->set_parameters(saved.parameters);
    return model;
  } catch (const json::exception& error) {
    throw InputError(file, 0, absl::StrCat("not a model that --save has written: ", error.what()));
  } catch (const std::invalid_argument& error) {
    throw InputError(file, 0, absl::StrCat("not a model that --save has written: ", error.what()));
  }
}

ordered_json predict_question(const QaModel& model, const JsonValue& question) {
  if (!model.task.selects_sentences()) {
    return predict_type(model,
                        {"", question["question"].text(), text_or_none(question, "translation")});
  }
  const std::string language = text_or_none(question, "language");
  const SentenceQuestion pair{question["question"].text(), language,
                              sentences_of(question["context"].text(), language)};
  if (pair.sentences.empty()) question["context"].fail("there is no sentence in it");
  return predict_sentences(model, pair);
}

std::string prediction_text(const ordered_json& prediction) {
  std::string text = absl::StrCat("\"", prediction.at("question").get<std::string>(), "\"\n");
  const auto add = [&](double p, const std::string& what, bool is_decision) {
    absl::StrAppendFormat(&text, "  %5.1f %%  %s%s\n", 100 * p, what, is_decision ? " *" : "");
  };
  if (prediction.contains("sentences")) {
    for (const ordered_json& sentence : prediction.at("sentences")) {
      add(sentence.at("probability"), sentence.at("text"), sentence.at("is_answer"));
    }
  } else {
    const std::string decision = prediction.at("answer_type");
    for (const auto& [type, p] : prediction.at("probabilities").items()) {
      add(p, type, type == decision);
    }
  }
  return text;
}

std::string predict_lines(const QaModel& model, std::string_view text, std::string_view name) {
  std::string predictions;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const JsonValue question = parse_json(line, name, number);
    absl::StrAppend(&predictions, predict_question(model, question).dump(), "\n");
  }
  if (predictions.empty()) throw InputError(name, 0, "there is no question");
  return predictions;
}

}  // namespace equipoise::demos
