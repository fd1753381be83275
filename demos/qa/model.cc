#include "demos/qa/model.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <variant>
#include <vector>

#include "demos/common/experiment.h"
#include "demos/common/input_error.h"
#include "demos/common/json.h"
#include "demos/qa/scores.h"
#include "equipoise/metrics/confusion.h"

namespace equipoise::demos {

namespace {

// What --predict asks: its text is JSON, or a question alone.
nlohmann::json question_of(const std::string& text, const QaTask& task) {
  constexpr const char* kWhere = "--predict";
  if (!text.starts_with('{')) {
    if (task.selects_sentences()) {
      throw InputError("--predict: expected a JSON object with question and context, or -");
    }
    if (!task.is_translated) return {{"question", text}};
    return {{"question", ""}, {"translation", text}};
  }
  nlohmann::json question = parse_json(text, kWhere);
  try {
    question.at("question").get<std::string>();
    if (task.selects_sentences()) question.at("context").get<std::string>();
  } catch (const nlohmann::json::exception& error) {
    throw InputError(kWhere, 0, reason_of(error));
  }
  return question;
}

template <class Data>
void print_evaluation(const DemoFlags& flags, const QaModel& model, const Data& data,
                      const Examples& test, bool is_given) {
  if (data.languages != model.task.languages) {
    throw InputError(absl::StrCat("--load: the model is for the languages ",
                                  absl::StrJoin(model.task.languages, ", "), ", the data are in ",
                                  absl::StrJoin(data.languages, ", "),
                                  "; does --data=DIR have those it was trained on?"));
  }
  if (const std::string found = fingerprint(test); !is_given && found != model.test) {
    throw InputError(absl::StrCat("--load: the model was tested on ", model.test,
                                  "; the test part of the data has ", found,
                                  ": metrics on questions that it may have been trained on are "
                                  "meaningless"));
  }
  const Logits logits = model.learner->logits(test);
  metrics::ConfusionMatrix matrix(model.task.classes.size());
  matrix.add(test.targets, decide(model.task, logits, model.decision));
  *flags.out << data.description << "\n\nTest questions, strategy " << model.strategy << ":\n\n"
             << report(matrix, model.task.classes, 3) << '\n';
  for (const MetricValue& each : model.task.measure(test, logits, model.decision)) {
    const bool repeats =
        model.task.languages.size() == 1 && each.metric.find("language_") != std::string::npos;
    if (!each.label.empty() || repeats) continue;
    *flags.out << each.metric << ' ' << value_text(each.value) << '\n';
  }
}

}  // namespace

QaModel use(const DemoFlags& flags, const SavedModel& saved) {
  return read_saved(flags, [&] {
    const std::optional<Encoding> encoding = encoding_of_facts(flags, saved.facts.at("features"));
    std::optional<PairPieces> pieces;
    if (encoding) pieces = {encoding->tokenizer, encoding->most_pieces};
    return use_qa_model(
        saved, [&](const LearnerShape& shape) { return make_learner(flags, encoding, shape, 0); },
        pieces);
  });
}

void evaluate(const DemoFlags& flags, const QaFlags& own, const QaModel& model) {
  const QaTask& task = model.task;
  const bool is_given = own.has_test_alone();
  if (own.has_own_files && own.task != task.name) {
    throw InputError(
        absl::StrCat("--load: the model is for ", task.name, ", the files are for ", own.task));
  }
  if (task.selects_sentences()) {
    const SentenceData data =
        is_given ? load_sentence_test(own.own.files.test, task.languages, own.flaws)
                 : find_sentences(flags, own);
    print_evaluation(flags, model, data, sentence_examples(model, data.test), is_given);
  } else {
    const AnswerTypeData data = is_given ? load_own_type_test(own.own, task.classes, task.languages)
                                         : find_answer_types(flags, own);
    print_evaluation(
        flags, model, data,
        make_examples(std::get<QuestionFeatures>(model.features), data.test, task.languages),
        is_given);
  }
}

void check_question(const std::string& text, const std::string& task) {
  if (text.empty() || text == "-") return;
  QaTask asked;
  asked.name = task;
  question_of(text, asked);
}

void print_predictions(const DemoFlags& flags, const QaModel& model, const std::string& text) {
  if (text == "-") {
    answer_lines(flags,
                 [&](const nlohmann::json& question) { return predict_question(model, question); });
    return;
  }
  nlohmann::ordered_json prediction = predict_question(model, question_of(text, model.task));
  if (!text.starts_with('{')) prediction["question"] = text;
  *flags.out << prediction_text(prediction);
}

}  // namespace equipoise::demos
