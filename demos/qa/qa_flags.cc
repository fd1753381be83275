#include "demos/qa/qa_flags.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/own_files.h"
#include "demos/common/table_file.h"
#include "demos/common/unicode.h"
#include "demos/encoder/encoder_flags.h"

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

const char* const kQaUsage =
    "Answers of questions in many languages: their type, or the sentence that holds them. Trains "
    "one linear\nmodel in several ways, where classes and languages differ in size, and compares "
    "them.\n"
    "  bazel run -c opt //demos/qa -- --task=answer_type --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/qa -- --task=sentence_selection --data=DIR --flaws=refuse\n"
    "  bazel run -c opt //demos/qa -- --train=TABLE --question=COLUMN --label=COLUMN\n"
    "  bazel run -c opt //demos/qa -- --train=SQUAD,SQUAD --dev=SQUAD --test=SQUAD\n"
    "  bazel run -c opt //demos/qa -- --train=SQUAD --backend=libtorch --encoder=DIR "
    "--strategy=none\n"
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

namespace {

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

// Flags of files of one's own, which say what the task is.
void check_own_files(const DemoFlags& flags, const std::string& task) {
  if (!is_set("train")) {
    refuse_flags({"dev"}, "needs --train");
    if (flags.load.empty()) refuse_flags({"test"}, "needs --train or --load");
  }
  if (!has_own_files()) {
    refuse_flags({"question", "label", "language", "separator"}, "needs --train");
    return;
  }
  refuse_flags({"data"}, "not with files of one's own");
  const bool selects = task == kSentenceSelection;
  const std::string file = absl::GetFlag(is_set("train") ? FLAGS_train : FLAGS_test);
  if (selects) {
    refuse_flags({"question", "label", "language", "separator"},
                 absl::StrCat("is of tables, and ", file, " is a SQuAD file"));
  } else {
    refuse_flags({"flaws"}, absl::StrCat("is of SQuAD files, and ", file, " is a table"));
  }
  if (task == absl::GetFlag(FLAGS_task)) return;
  refuse_flags({"task"}, absl::StrCat(file, " is ", selects ? "a SQuAD file" : "a table",
                                      ", which serves ", task, " alone"));
}

void check(const DemoFlags& flags) {
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
  if (!flags.data.empty() && !std::filesystem::is_directory(flags.data)) {
    throw InputError(flags.data.string(), 0, "there is no directory of this name");
  }
}

std::vector<QaStrategy> chosen_strategies(const DemoFlags& flags, const std::string& task) {
  const std::vector<QaStrategy> all = all_qa_strategies(task);
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

}  // namespace

QaFlags read_qa_flags(const DemoFlags& flags) {
  check(flags);
  QaFlags result;
  result.has_own_files = has_own_files();
  result.own = own_questions();
  result.task = result.has_own_files ? std::string(task_served_by(result.own.files))
                                     : absl::GetFlag(FLAGS_task);
  check_own_files(flags, result.task);
  check_encoder_flags(flags);
  if (!result.selects_sentences() && flags.load.empty()) {
    refuse_flags({"encoder"}, "reads questions with sentences: see --task and --train");
  }
  const std::string flaws = absl::GetFlag(FLAGS_flaws);
  if (flaws == "refuse") result.misplaced = MisplacedAnswers::kRefuse;
  if (flaws == "skip") result.damaged = DamagedFiles::kCount;
  result.strategies = chosen_strategies(flags, result.task);
  result.predict = absl::GetFlag(FLAGS_predict);
  return result;
}

std::vector<QaStrategy> suited_strategies(const DemoFlags& flags, const QaFlags& own,
                                          const QaTask& task) {
  std::vector<QaStrategy> strategies = own.strategies;
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

AnswerTypeData find_answer_types(const DemoFlags& flags, const QaFlags& own) {
  if (own.has_own_files) return load_own_types(own.own);
  const std::filesystem::path data = data_directory(flags);
  const std::filesystem::path directory = afriqa_directory(data);
  const bool is_there = !flags.data.empty() || (!data.empty() && directory != data);
  return is_there ? load_answer_types(directory, own.damaged == DamagedFiles::kCount
                                                     ? DamagedLines::kCount
                                                     : DamagedLines::kRefuse)
                  : synthetic_answer_types();
}

SentenceData find_sentences(const DemoFlags& flags, const QaFlags& own) {
  if (own.has_own_files) {
    return load_sentence_files(own.own.files, own.misplaced, own.damaged);
  }
  const std::filesystem::path data = data_directory(flags);
  const bool is_there = !flags.data.empty() || (!data.empty() && !squad_files(data).empty());
  return is_there ? load_sentence_data(data, own.misplaced, own.damaged)
                  : synthetic_sentence_data();
}

}  // namespace equipoise::demos
