#include "demos/qa/model.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <variant>

#include "demos/common/experiment.h"
#include "demos/common/input_error.h"
#include "demos/qa/json_text.h"
#include "demos/qa/scores.h"
#include "equipoise/metrics/confusion.h"

namespace equipoise::demos {

namespace {

constexpr const char* kWhere = "--predict";

template <class Data>
void print_evaluation(const DemoFlags& flags, const QaModel& model, const Data& data,
                      const Examples& test, bool is_given) {
  if (data.languages != model.task.languages) {
    throw InputError(absl::StrCat("--load: the model is of the languages ",
                                  absl::StrJoin(model.task.languages, ", "), ", the data of ",
                                  absl::StrJoin(data.languages, ", "),
                                  ": --data=DIR with those it was trained on?"));
  }
  if (const std::string found = fingerprint(test); !is_given && found != model.test) {
    throw InputError(absl::StrCat("--load: the model was tested on ", model.test,
                                  "; the test part of the data has ", found,
                                  ": figures on questions that it may have been trained on say "
                                  "nothing"));
  }
  const Logits logits = model.learner->logits(test);
  metrics::ConfusionMatrix matrix(model.task.classes.size());
  matrix.add(test.targets, decide(model.task, logits, model.decision));
  *flags.out << data.description << "\n\nTest questions, strategy " << model.strategy << ":\n\n"
             << report(matrix, model.task.classes, 3) << '\n';
  const Figures figures = qa_figures(model.task, test, logits, model.decision);
  for (const Figure& figure : figures) {
    const bool repeats =
        model.task.languages.size() == 1 && figure.metric.find("language_") != std::string::npos;
    if (!figure.label.empty() || repeats) continue;
    *flags.out << figure.metric << ' ' << figure_text(figure.value) << '\n';
  }
}

}  // namespace

QaModel use(const DemoFlags& flags, const SavedModel& saved, const std::string& file) {
  std::optional<Encoding> encoding;
  try {
    encoding = encoding_of_facts(flags, saved.facts.at("features"));
  } catch (const nlohmann::json::exception& error) {
    throw InputError(file, 0, absl::StrCat("not a model that --save has written: ", error.what()));
  }
  return use_qa_model(
      saved, file,
      [&](const LearnerShape& shape) { return make_learner(flags, encoding, shape, 0); }, encoding);
}

void evaluate(const DemoFlags& flags, const QaFlags& own, const QaModel& model) {
  const QaTask& task = model.task;
  const bool is_given = own.has_test_alone();
  if (own.has_own_files && own.task != task.name) {
    throw InputError(
        absl::StrCat("--load: the model is of ", task.name, ", the files are for ", own.task));
  }
  if (task.selects_sentences()) {
    const SentenceData data = is_given ? load_sentence_test(own.own.files.test, task.languages,
                                                            own.misplaced, own.damaged)
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

void check_question(const std::string& text, bool selects) {
  if (text.empty() || text == "-") return;
  if (text.starts_with('{')) {
    const JsonValue question = parse_json(text, kWhere);
    question["question"].text();
    if (selects) question["context"].text();
  } else if (selects) {
    throw InputError("--predict: expected a JSON object with question and context, or -");
  }
}

void print_predictions(const DemoFlags& flags, const QaModel& model, const std::string& text) {
  if (text == "-") {
    const std::string lines{std::istreambuf_iterator<char>(std::cin), {}};
    *flags.out << predict_lines(model, lines, "standard input");
    return;
  }
  if (text.starts_with('{')) {
    *flags.out << prediction_text(predict_question(model, parse_json(text, kWhere)));
    return;
  }
  check_question(text, model.task.selects_sentences());
  const std::string question =
      (model.task.is_translated ? nlohmann::json{{"question", ""}, {"translation", text}}
                                : nlohmann::json{{"question", text}})
          .dump();
  nlohmann::ordered_json prediction = predict_question(model, parse_json(question, kWhere));
  prediction["question"] = text;
  *flags.out << prediction_text(prediction);
}

}  // namespace equipoise::demos
