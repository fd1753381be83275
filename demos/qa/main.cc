// Questions in many languages, where classes and languages differ in size: one model a task,
// several ways to train it.
#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/common/own_files.h"
#include "demos/common/table_file.h"
#include "demos/common/unicode.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/json_text.h"
#include "demos/qa/own_data.h"
#include "demos/qa/prediction.h"
#include "demos/qa/report.h"
#include "demos/qa/runs.h"
#include "demos/qa/scores.h"
#include "demos/qa/sentence_data.h"
#include "demos/qa/strategy.h"
#include "demos/qa/task.h"
#include "equipoise/metrics/confusion.h"

ABSL_FLAG(std::string, task, "answer_type",
          "answer_type (the type of a question's answer) or sentence_selection (the sentence that "
          "holds the answer)");
ABSL_FLAG(
    std::string, flaws, "repair",
    "what becomes of flaws: refuse (any is an error), repair (answers that do not stand where "
    "their file says are taken from the nearest place and counted; so are repeated ids; a file of "
    "which more than 1 % of the questions have no answer to be found is an error), or skip "
    "(repair; lines, files and questions that are damaged are left out and counted)");
ABSL_FLAG(std::string, train, "",
          "files of one's own to train on, in place of --data: files in the format of SQuAD, with "
          "commas between, for sentence_selection, or a table (CSV or TSV, quoted or not) for "
          "answer_type");
ABSL_FLAG(std::string, dev, "",
          "likewise for validation; without it a tenth of --train: of tables stratified, of SQuAD "
          "files by text");
ABSL_FLAG(std::string, test, "", "likewise for testing; without it a fifth of --train");
ABSL_FLAG(std::string, question, "question",
          "column of the questions in tables: its name in the header, or its number from 1; "
          "numbers alone mean that there is no header");
ABSL_FLAG(std::string, label, "label", "column of the types of answers, likewise");
ABSL_FLAG(std::string, language, "",
          "column of the languages, likewise; without it strategies that go by language are left "
          "out");
ABSL_FLAG(std::string, separator, "",
          "what parts the columns: a character or the word tab; without it tab, comma or "
          "semicolon, with which all rows have as many columns");
ABSL_FLAG(std::string, predict, "",
          "a question as a JSON object, with translation, or with context and perhaps language "
          "(two letters, as de, by whose rules the context is cut into sentences); a question in "
          "English or French alone, for its type; or - for JSON lines on standard input");

namespace equipoise::demos {
namespace {

constexpr const char* kUsage =
    "Answers of questions in many languages: their type, or the sentence that holds them. Trains "
    "one linear\nmodel in several ways, where classes and languages differ in size, and compares "
    "them.\n"
    "  bazel run -c opt //demos/qa -- --task=answer_type --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/qa -- --task=sentence_selection --data=DIR --flaws=refuse\n"
    "  bazel run -c opt //demos/qa -- --train=TABLE --question=COLUMN --label=COLUMN\n"
    "  bazel run -c opt //demos/qa -- --train=SQUAD,SQUAD --dev=SQUAD --test=SQUAD\n"
    "  bazel run -c opt //demos/qa -- --strategy=none,weights --seeds=1 --save=FILE\n"
    "  bazel run -c opt //demos/qa -- --load=FILE --predict=\"Did Nigeria win the cup?\"\n"
    "  bazel run -c opt //demos/qa -- --load=FILE --predict=- < FILE, with a line a question:\n"
    "    {\"question\": \"...\", \"translation\": \"...\"} or {\"question\": \"...\", \"context\": "
    "\"...\"}\n"
    "Strategies: none, none_tau (of answer_type), weights, weights_0.5, focal, logit_adjustment,\n"
    "logit_adjustment_0.5, group_adjustment, group_adjustment_0.5, mix_0.5, mix_0.3, unimax, "
    "uniform,\nmix_0.3_weights_0.5, mix_0.3_group_0.5, rake, rake_0.5.\n"
    "A report has results.csv (every figure of every run), summary.md and pictures. Exit codes: 0, "
    "2 for what\nthe user can mend, 1 for anything else.";

bool has_own_files() { return is_set("train") || is_set("test"); }

OwnQuestions own_questions() {
  return {.files = {.train = user_paths("train", absl::GetFlag(FLAGS_train)),
                    .validation = user_paths("dev", absl::GetFlag(FLAGS_dev)),
                    .test = user_paths("test", absl::GetFlag(FLAGS_test))},
          .columns = {.text = absl::GetFlag(FLAGS_question),
                      .label = absl::GetFlag(FLAGS_label),
                      .language = absl::GetFlag(FLAGS_language),
                      .text_flag = "question",
                      .separator = separator_named(absl::GetFlag(FLAGS_separator))}};
}

// What the files are for, else what --task says.
const std::string& task_name() {
  static const std::string name = has_own_files()
                                      ? std::string(task_served_by(own_questions().files))
                                      : absl::GetFlag(FLAGS_task);
  return name;
}

bool selects_sentences() { return task_name() == kSentenceSelection; }

// Flags of files of one's own, which say what the task is.
void check_own_files(const DemoFlags& flags) {
  if (!is_set("train")) {
    refuse_flags({"dev"}, "needs --train");
    if (flags.load.empty()) refuse_flags({"test"}, "needs --train or --load");
  }
  if (!has_own_files()) {
    refuse_flags({"question", "label", "language", "separator"}, "needs --train");
    return;
  }
  refuse_flags({"data"}, "not with files of one's own");
  const bool selects = selects_sentences();
  const std::string file = absl::GetFlag(is_set("train") ? FLAGS_train : FLAGS_test);
  if (selects) {
    refuse_flags({"question", "label", "language", "separator"},
                 absl::StrCat("is of tables, and ", file, " is a SQuAD file"));
  } else {
    refuse_flags({"flaws"}, absl::StrCat("is of SQuAD files, and ", file, " is a table"));
  }
  if (task_name() == absl::GetFlag(FLAGS_task)) return;
  refuse_flags({"task"}, absl::StrCat(file, " is ", selects ? "a SQuAD file" : "a table",
                                      ", which serves ", task_name(), " alone"));
}

void check_own_flags(const DemoFlags& flags) {
  const std::vector<std::string> tasks = {std::string(kAnswerType),
                                          std::string(kSentenceSelection)};
  const std::vector<std::string> flaws = {"repair", "refuse", "skip"};
  require_choice("task", absl::GetFlag(FLAGS_task), tasks);
  require_choice("flaws", absl::GetFlag(FLAGS_flaws), flaws);
  const std::string question = absl::GetFlag(FLAGS_predict);
  if (const auto at = first_invalid_utf8(question)) {
    throw InputError(absl::StrCat("--predict: byte ", *at + 1, " is not UTF-8"));
  }
  if (!flags.load.empty()) {
    refuse_flags({"task"}, "not with --load, whose file says it");
    if (!question.empty()) {
      refuse_flags({"data", "flaws", "train", "dev", "test"},
                   "not with --load and --predict, which read no data");
    }
  }
  check_own_files(flags);
  if (!flags.data.empty() && !std::filesystem::is_directory(flags.data)) {
    throw InputError(flags.data.string(), 0, "there is no directory of this name");
  }
}

AnswerTypeData find_answer_types(const DemoFlags& flags) {
  if (has_own_files()) return load_own_types(own_questions());
  const std::filesystem::path data = data_directory(flags);
  const std::filesystem::path directory = afriqa_directory(data);
  const bool skips = absl::GetFlag(FLAGS_flaws) == "skip";
  const bool is_there = !flags.data.empty() || (!data.empty() && directory != data);
  return is_there
             ? load_answer_types(directory, skips ? DamagedLines::kCount : DamagedLines::kRefuse)
             : synthetic_answer_types();
}

MisplacedAnswers misplaced_answers() {
  return absl::GetFlag(FLAGS_flaws) == "refuse" ? MisplacedAnswers::kRefuse
                                                : MisplacedAnswers::kRepair;
}

DamagedFiles damaged_files() {
  return absl::GetFlag(FLAGS_flaws) == "skip" ? DamagedFiles::kCount : DamagedFiles::kRefuse;
}

SentenceData find_sentences(const DemoFlags& flags) {
  if (has_own_files()) {
    return load_sentence_files(own_questions().files, misplaced_answers(), damaged_files());
  }
  const std::filesystem::path data = data_directory(flags);
  const bool is_there = !flags.data.empty() || (!data.empty() && !squad_files(data).empty());
  return is_there ? load_sentence_data(data, misplaced_answers(), damaged_files())
                  : synthetic_sentence_data();
}

std::unique_ptr<Learner> make_learner(const DemoFlags& flags, const LearnerShape& shape,
                                      std::uint64_t seed) {
  if (flags.backend == "eigen") return make_eigen_learner(shape);
  return make_libtorch_learner(shape, flags.device, seed, flags.workers);
}

QaModel use(const DemoFlags& flags, const SavedModel& saved, const std::string& file) {
  return use_qa_model(saved, file,
                      [&](const LearnerShape& shape) { return make_learner(flags, shape, 0); });
}

// Those that flags name; without any all of the task.
std::vector<QaStrategy> chosen_strategies(const DemoFlags& flags) {
  const std::vector<QaStrategy> all = all_qa_strategies(task_name());
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const QaStrategy& strategy : all) names.push_back(strategy.name);
  std::vector<QaStrategy> chosen;
  for (const std::string& name : choose_strategies(flags.strategies, names)) {
    chosen.push_back(*std::find_if(all.begin(), all.end(),
                                   [&](const QaStrategy& each) { return each.name == name; }));
  }
  return chosen;
}

// Of all strategies those are left out that would repeat others, where there is one language, and
// those that the data do not allow.
std::vector<QaStrategy> suited(std::vector<QaStrategy> strategies, const DemoFlags& flags,
                               const QaTask& task) {
  if (!flags.strategies.empty()) return strategies;
  if (task.languages.size() == 1) {
    std::erase_if(strategies, [](const QaStrategy& each) { return !is_for_one_language(each); });
  }
  std::erase_if(strategies, [&](const QaStrategy& each) {
    try {
      drawn_cells(each, task.counts);
    } catch (const InputError& error) {
      *flags.out << "Left out: " << error.what() << std::endl;
      return true;
    }
    return false;
  });
  return strategies;
}

// The task and what the data are.
std::pair<QaTask, std::string> find_task(const DemoFlags& flags) {
  if (selects_sentences()) {
    const SentenceData data = find_sentences(flags);
    return {make_task(data), data.description};
  }
  const AnswerTypeData data = find_answer_types(flags);
  return {make_task(data), data.description};
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags) {
  std::vector<QaStrategy> strategies = chosen_strategies(flags);
  QaRunOptions options;
  options.training = flags.training;
  options.make_learner = [&](const LearnerShape& shape, std::uint64_t seed) {
    return make_learner(flags, shape, seed);
  };
  // An impossible device is noticed before anything is written.
  options.make_learner({1, 2, 0}, 0);
  const std::pair<QaTask, std::string> found = find_task(flags);
  const QaTask& task = found.first;
  const std::string& description = found.second;
  strategies = suited(std::move(strategies), flags, task);
  if (!is_set("monitor")) options.training.monitor = headline_of(task);
  if (!flags.report.empty()) make_directory(flags.report);

  ExperimentOptions experiment;
  for (const QaStrategy& strategy : strategies) experiment.strategies.push_back(strategy.name);
  experiment.seeds = flags.seeds;
  experiment.headline = headline_of(task);
  experiment.test_units = task.resampled_units();
  set_rate(flags, default_rate(task.name), /*is_linear=*/true, experiment);
  options.training.rate = experiment.rate;
  const std::string header =
      absl::StrCat(description, "\nModel: linear softmax on ",
                   task.selects_sentences() ? "what question and sentence have in common"
                   : task.is_translated     ? "hashed n-grams of question and translation"
                                            : "hashed n-grams",
                   rate_text(experiment), ", trained with ", flags.backend, ".");
  *flags.out << header << "\n\n" << treatment_table(task, strategies) << std::endl;

  const std::uint64_t steps_per_run =
      options.training.epochs * steps_per_epoch(task.train.rows(), options.training);
  experiment.steps_per_run = steps_per_run;
  const std::uint64_t runs = most_runs(experiment);
  if (flags.workers == nullptr) {
    // Scoring an epoch takes about as long as its steps.
    *flags.out << announcement(runs, options.training.epochs, [&](std::uint64_t epochs) {
      train_epochs(task, options, epochs);
    }) << std::endl;
  }
  const std::unique_ptr<Progress> progress = make_progress(flags, runs * steps_per_run);
  const Results results = run_experiment(
      experiment,
      [&](std::size_t s, std::uint64_t seed, double rate) {
        options.training.rate = rate;
        return run_qa_strategy(task, strategies[s], seed, options, *progress);
      },
      *progress);
  *flags.out << '\n' << qa_summary(task, experiment, results) << std::endl;
  if (!flags.report.empty()) {
    *flags.out << write_qa_report(header, task, experiment, results, flags.report) << std::endl;
  }
  return results.model;
}

// Of a loaded model, on the test questions: those that it was tested on, unless they are of a file
// that was given for that.
template <class Features, class Data>
void print_evaluation(const DemoFlags& flags, const QaModel& model, const Data& data) {
  if (data.languages != model.task.languages) {
    throw InputError(absl::StrCat("--load: the model is of the languages ",
                                  absl::StrJoin(model.task.languages, ", "), ", the data of ",
                                  absl::StrJoin(data.languages, ", "),
                                  ": --data=DIR with those it was trained on?"));
  }
  const Examples test =
      make_examples(std::get<Features>(model.features), data.test, model.task.languages);
  const bool is_given = is_set("test") && !is_set("train");
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

void evaluate(const DemoFlags& flags, const QaModel& model) {
  const QaTask& task = model.task;
  const bool is_given = is_set("test") && !is_set("train");
  if (has_own_files() && task_name() != task.name) {
    throw InputError(
        absl::StrCat("--load: the model is of ", task.name, ", the files are for ", task_name()));
  }
  const OwnQuestions own = own_questions();
  if (task.selects_sentences()) {
    print_evaluation<SentenceFeatures>(
        flags, model,
        is_given ? load_sentence_test(own.files.test, task.languages, misplaced_answers(),
                                      damaged_files())
                 : find_sentences(flags));
  } else {
    print_evaluation<QuestionFeatures>(flags, model,
                                       is_given
                                           ? load_own_type_test(own, task.classes, task.languages)
                                           : find_answer_types(flags));
  }
}

constexpr const char* kWhere = "--predict";

// What --predict says, before anything is trained for it; standard input is read later.
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

void run(const DemoFlags& flags) {
  check_own_flags(flags);
  const std::string text = absl::GetFlag(FLAGS_predict);
  const std::string file = flags.load.string();
  std::shared_ptr<const SavedModel> saved;
  if (flags.load.empty()) {
    check_question(text, selects_sentences());
    saved = train(flags);
  } else {
    saved = std::make_shared<SavedModel>(load_model(kQaModelKind, flags.load));
    if (text.empty()) {
      const QaModel model = use(flags, *saved, file);
      evaluate(flags, model);
    }
  }
  if (!flags.save.empty()) {
    save_model(kQaModelKind, *saved, flags.save);
    *flags.out << "Model of strategy " << saved->facts.value("strategy", "?") << ": "
               << flags.save.string() << std::endl;
  }
  if (!text.empty()) print_predictions(flags, use(flags, *saved, file), text);
}

}  // namespace
}  // namespace equipoise::demos

int main(int argc, char** argv) {
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kUsage, equipoise::demos::run);
}
