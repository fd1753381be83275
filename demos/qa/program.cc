#include "demos/qa/program.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/flags.h"
#include "demos/common/json.h"
#include "demos/common/program.h"
#include "demos/common/table_file.h"
#include "demos/common/unicode.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/qa/task.h"
#include "equipoise/metrics/confusion.h"

ABSL_FLAG(std::string, task, "answer_type",
          "answer_type (the type of a question's answer) or sentence_selection (the "
          "sentence that contains the answer)");
ABSL_FLAG(std::string, flaws, "repair",
          "how to treat defects: refuse (any is an error), repair (an answer that is not "
          "where its file says is taken from the nearest place and counted, and repeated "
          "ids are counted; a file in which more than 1 % of the questions have no answer "
          "that can be found is an error) or skip (repair, and leaves out and counts "
          "damaged lines, files and questions)");
ABSL_FLAG(std::string, train, "",
          "your own training files in place of --data: SQuAD files, separated by commas, "
          "for sentence_selection, or a table (CSV or TSV, quoted or not) for answer_type");
ABSL_FLAG(std::string, dev, "",
          "the same for validation; by default a tenth of --train, stratified for tables, "
          "by text for SQuAD files");
ABSL_FLAG(std::string, test, "", "the same for testing; by default a fifth of --train");
ABSL_FLAG(std::string, question, "question",
          "column of the questions in tables: its name in the header, or its number from 1; "
          "with numbers only there is no header");
ABSL_FLAG(std::string, label, "label", "column of the answer types, in the same way");
ABSL_FLAG(std::string, language, "",
          "column of the languages, in the same way; without it strategies that depend on "
          "languages are left out");
ABSL_FLAG(std::string, separator, "",
          "separator of the columns: a character or the word tab; by default the one of "
          "tab, comma and semicolon with which all rows have equally many columns");
ABSL_FLAG(std::string, predict, "",
          "a question as a JSON object, with a translation, or with a context and "
          "optionally a language (two letters such as de, whose rules divide the context "
          "into sentences); just a question in English or French, for its type; or - for "
          "JSON lines on standard input");

namespace equipoise::demos {

const char* const kQaUsage =
    "Predicts the answer type of questions in many languages, or the sentence that contains the "
    "answer. Trains\na model with several strategies for imbalanced classes and languages, and "
    "compares them.\n"
    "  bazel run -c opt //demos/qa -- --task=answer_type --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/qa -- --task=sentence_selection --data=DIR --flaws=refuse\n"
    "  bazel run -c opt //demos/qa -- --train=TABLE --question=COLUMN --label=COLUMN\n"
    "  bazel run -c opt //demos/qa -- --train=SQUAD,SQUAD --dev=SQUAD --test=SQUAD\n"
    "  bazel run -c opt //demos/qa -- --train=SQUAD --backend=libtorch --encoder=DIR "
    "--strategy=none\n"
    "  bazel run -c opt //demos/qa -- --strategy=none,weights --seeds=1 --save=FILE\n"
    "  bazel run -c opt //demos/qa -- --load=FILE --predict=\"Did Nigeria win the cup?\"\n"
    "  bazel run -c opt //demos/qa -- --load=FILE --predict=- < FILE, with one question per line:\n"
    "    {\"question\": \"...\", \"translation\": \"...\"} or {\"question\": \"...\", \"context\": "
    "\"...\"}\n"
    "Strategies: none, none_tau (only for answer_type), weights, weights_0.5, focal, "
    "logit_adjustment,\n"
    "logit_adjustment_0.5, group_adjustment, group_adjustment_0.5, mix_0.5, mix_0.3, unimax, "
    "uniform,\nmix_0.3_weights_0.5, mix_0.3_group_0.5, rake, rake_0.5.\n"
    "A report has results.csv (every metric of every run), summary.md and pictures. Exit codes: 0, "
    "2 for\nuser errors, 1 for any other.";

namespace {

// Flags of files of one's own, which say what the task is.
void check_own_files(const DemoFlags& flags, const QaFlags& own) {
  if (!is_set("train")) {
    refuse_flags({"dev"}, "needs --train");
    if (flags.load.empty()) refuse_flags({"test"}, "needs --train or --load");
  }
  if (!own.has_own_files) {
    refuse_flags({"question", "label", "language", "separator"}, "needs --train");
    return;
  }
  refuse_flags({"data"}, "cannot be combined with your own files");
  const std::string file = absl::GetFlag(is_set("train") ? FLAGS_train : FLAGS_test);
  const char* const kind = own.selects_sentences() ? "a SQuAD file" : "a table";
  if (own.selects_sentences()) {
    refuse_flags({"question", "label", "language", "separator"},
                 absl::StrCat("applies to tables, but ", file, " is ", kind));
  } else {
    refuse_flags({"flaws"}, absl::StrCat("applies to SQuAD files, but ", file, " is ", kind));
  }
  if (own.task == absl::GetFlag(FLAGS_task)) return;
  refuse_flags({"task"}, absl::StrCat(file, " is ", kind, ", which is only for ", own.task));
}

// What --predict asks: its text is JSON, or a question alone.
// @throws InputError for what the task cannot answer.
nlohmann::json question_of(const std::string& text, const std::string& task, bool is_translated) {
  constexpr const char* kWhere = "--predict";
  const bool selects = task == kSentenceSelection;
  if (!text.starts_with('{')) {
    if (selects) {
      throw InputError("--predict: expected a JSON object with question and context, or -");
    }
    if (!is_translated) return {{"question", text}};
    return {{"question", ""}, {"translation", text}};
  }
  nlohmann::json question = parse_json(text, kWhere);
  try {
    question.at("question").get<std::string>();
    if (selects) question.at("context").get<std::string>();
  } catch (const nlohmann::json::exception& error) {
    throw InputError(kWhere, 0, reason_of(error));
  }
  return question;
}

template <class Data>
void print_evaluation(const DemoFlags& flags, const QaModel& model, const Data& data,
                      bool is_given) {
  const QaTask& task = model.task;
  if (data.languages != task.languages) {
    throw InputError(absl::StrCat("--load: the model is for the languages ",
                                  absl::StrJoin(task.languages, ", "), ", the data are in ",
                                  absl::StrJoin(data.languages, ", "),
                                  "; does --data=DIR have those it was trained on?"));
  }
  const Examples test = make_examples(model.features, data.test, task.languages);
  if (const std::string found = fingerprint(test); !is_given && found != model.test) {
    throw InputError(absl::StrCat("--load: the model was tested on ", model.test,
                                  "; the test part of the data has ", found,
                                  ": metrics on questions that it may have been trained on are "
                                  "meaningless"));
  }
  const Logits logits = model.learner->logits(test);
  metrics::ConfusionMatrix matrix(task.classes.size());
  matrix.add(test.targets, decide(task, logits, model.decision));
  *flags.out << data.description << "\n\nTest questions, strategy " << model.strategy << ":\n\n"
             << report(matrix, task.classes, 3) << '\n';
  for (const MetricValue& each : task.measure(test, logits, model.decision)) {
    const bool repeats =
        task.languages.size() == 1 && each.metric.find("language_") != std::string::npos;
    if (!each.label.empty() || repeats) continue;
    *flags.out << each.metric << ' ' << value_text(each.value) << '\n';
  }
}

}  // namespace

QaFlags read_qa_flags(const DemoFlags& flags) {
  const std::vector<std::string> tasks = {std::string(kAnswerType),
                                          std::string(kSentenceSelection)};
  require_choice("task", absl::GetFlag(FLAGS_task), tasks);
  QaFlags own;
  own.flaws = flaws_named(absl::GetFlag(FLAGS_flaws));
  own.predict = absl::GetFlag(FLAGS_predict);
  if (const auto at = first_invalid_utf8(own.predict)) {
    throw InputError(absl::StrCat("--predict: byte ", *at + 1, " is not UTF-8"));
  }
  if (!flags.load.empty()) {
    refuse_flags({"task"}, "cannot be combined with --load, whose file determines it");
    if (!own.predict.empty()) {
      refuse_flags({"data", "flaws", "train", "dev", "test"},
                   "cannot be combined with --load and --predict, which read no data");
    }
  }
  if (!flags.data.empty() && !std::filesystem::is_directory(flags.data)) {
    throw InputError(flags.data.string(), 0, "there is no directory of this name");
  }
  own.has_own_files = is_set("train") || is_set("test");
  own.files = {.train = user_paths("train", absl::GetFlag(FLAGS_train)),
               .validation = user_paths("dev", absl::GetFlag(FLAGS_dev)),
               .test = user_paths("test", absl::GetFlag(FLAGS_test))};
  own.columns = {.text = absl::GetFlag(FLAGS_question),
                 .label = absl::GetFlag(FLAGS_label),
                 .language = absl::GetFlag(FLAGS_language),
                 .text_flag = "question",
                 .separator = separator_named(absl::GetFlag(FLAGS_separator))};
  own.task = own.has_own_files ? std::string(task_served_by(own.files)) : absl::GetFlag(FLAGS_task);
  check_own_files(flags, own);
  check_encoder_flags(flags);
  if (!own.selects_sentences() && flags.load.empty()) {
    refuse_flags({"encoder"}, "is only for sentence_selection; see --task and --train");
  }
  std::vector<std::string> names;
  for (const QaStrategy& strategy : all_qa_strategies(own.task)) names.push_back(strategy.name);
  own.strategies = choose_strategies(flags.strategies, names);
  return own;
}

std::vector<std::string> suited_strategies(const DemoFlags& flags, const QaFlags& own,
                                           const QaTask& task) {
  std::vector<std::string> strategies = own.strategies;
  if (!flags.strategies.empty()) return strategies;
  std::erase_if(strategies, [&](const std::string& each) {
    if (task.languages.size() == 1 && !is_for_one_language(strategy_named(each))) return true;
    try {
      drawn_cells(strategy_named(each), task.counts);
    } catch (const InputError& error) {
      *flags.out << "Left out: " << error.what() << std::endl;
      return true;
    }
    return false;
  });
  return strategies;
}

AnswerTypeData find_answer_types(const DemoFlags& flags, const QaFlags& own) {
  if (own.has_own_files) return load_own_types(own.files, own.columns);
  const std::filesystem::path data = data_directory(flags);
  const std::filesystem::path directory = afriqa_directory(data);
  const bool is_there = !flags.data.empty() || (!data.empty() && directory != data);
  return is_there ? load_answer_types(directory, own.flaws == Flaws::kSkip)
                  : synthetic_answer_types();
}

SentenceData find_sentences(const DemoFlags& flags, const QaFlags& own) {
  if (own.has_own_files) return load_sentence_files(own.files, own.flaws);
  const std::filesystem::path data = data_directory(flags);
  const bool is_there = !flags.data.empty() || (!data.empty() && !squad_files(data).empty());
  return is_there ? load_sentence_data(data, own.flaws) : synthetic_sentence_data();
}

std::optional<PairPieces> pieces_of(const std::optional<Encoding>& encoding) {
  if (!encoding) return std::nullopt;
  return PairPieces{encoding->tokenizer, encoding->most_pieces};
}

QaModel use(const DemoFlags& flags, const SavedModel& saved) {
  return read_saved(flags, [&] {
    const std::optional<Encoding> encoding = encoding_of_facts(flags, saved.facts.at("features"));
    return use_qa_model(
        saved, [&](const LearnerShape& shape) { return make_learner(flags, encoding, shape, 0); },
        pieces_of(encoding));
  });
}

void check_question(const std::string& text, const std::string& task) {
  if (!text.empty() && text != "-") question_of(text, task, /*is_translated=*/true);
}

void evaluate(const DemoFlags& flags, const QaFlags& own, const QaModel& model) {
  const QaTask& task = model.task;
  if (own.has_own_files && own.task != task.name) {
    throw InputError(
        absl::StrCat("--load: the model is for ", task.name, ", the files are for ", own.task));
  }
  const bool is_given = own.has_test_alone();
  if (task.selects_sentences()) {
    print_evaluation(flags, model,
                     is_given ? load_sentence_test(own.files.test, task.languages, own.flaws)
                              : find_sentences(flags, own),
                     is_given);
  } else {
    print_evaluation(flags, model,
                     is_given
                         ? load_own_type_test(own.files, own.columns, task.classes, task.languages)
                         : find_answer_types(flags, own),
                     is_given);
  }
}

void print_predictions(const DemoFlags& flags, const QaModel& model, const std::string& text) {
  if (text == "-") {
    answer_lines(flags,
                 [&](const nlohmann::json& question) { return predict_question(model, question); });
    return;
  }
  nlohmann::ordered_json prediction =
      predict_question(model, question_of(text, model.task.name, model.task.is_translated));
  if (!text.starts_with('{')) prediction["question"] = text;
  *flags.out << prediction_text(prediction);
}

}  // namespace equipoise::demos
