#include "demos/sentiment/sentiment_flags.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>

#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/table_file.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/sentiment/strategy.h"

ABSL_FLAG(std::string, labels, "fine",
          "classes: fine (the file's labels, for texts with a single one), polarity "
          "(positive, neutral, negative, ambiguous) or multilabel (the file's labels, for "
          "all texts)");
ABSL_FLAG(std::string, train, "",
          "your own training table in place of --data: CSV or TSV, quoted or not");
ABSL_FLAG(std::string, dev, "", "validation table; by default a stratified tenth of --train");
ABSL_FLAG(std::string, test, "", "test table; by default a stratified fifth of --train");
ABSL_FLAG(std::string, text, "text",
          "column of the texts in these tables: its name in the header, or its number from "
          "1; with two numbers there is no header");
ABSL_FLAG(std::string, label, "label", "column of the labels, in the same way");
ABSL_FLAG(std::string, separator, "",
          "separator of the columns: a character or the word tab; by default the one of "
          "tab, comma and semicolon with which all rows have equally many columns");
ABSL_FLAG(std::string, label_separator, "",
          "separator of the labels of a text; without it each text has one label");
ABSL_FLAG(int, hidden, 0, "number of units in a hidden layer, LibTorch only; 0: a linear model");
ABSL_FLAG(std::string, against, "",
          "file with another saved model: prints what the model of --load gains over it on "
          "the test rows");
ABSL_FLAG(std::string, predict, "",
          "a text: prints its most probable classes; -: reads JSON lines {\"text\": \"...\"} "
          "from standard input and prints JSON lines with the label or labels and "
          "probabilities");

namespace equipoise::demos {

const char* const kSentimentUsage =
    "Trains a text classifier on imbalanced classes with several strategies and compares them.\n"
    "  bazel run -c opt //demos/sentiment -- --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/sentiment -- --labels=multilabel\n"
    "  bazel run -c opt //demos/sentiment -- --train=FILE --text=COLUMN --label=COLUMN\n"
    "  bazel run -c opt //demos/sentiment -- --backend=libtorch --encoder=DIR --strategy=none\n"
    "  bazel run -c opt //demos/sentiment -- --strategy=none,weights_0.5 --save=FILE\n"
    "  bazel run -c opt //demos/sentiment -- --load=FILE --against=OTHER\n"
    "  bazel run -c opt //demos/sentiment -- --load=FILE --predict=\"thanks a lot\"\n"
    "  bazel run -c opt //demos/sentiment -- --load=FILE --predict=- < FILE\n"
    "  bazel run -c opt //demos/sentiment -- --backend=libtorch --distributed --workers=2\n"
    "Strategies for texts with one label: none, none_tau, weights, weights_0.5, sampler, "
    "sampler_0.5,\nlogit_adjustment, logit_adjustment_0.5, double, split, focal, with an encoder "
    "also ldam_drw and crt,\nwith a frozen one also smote and smote_0.5; for several labels: none, "
    "pos_weight, "
    "pos_weight_0.5, focal, asymmetric, "
    "distribution_balanced.";

namespace {

Granularity granularity() {
  if (!absl::GetFlag(FLAGS_label_separator).empty()) return Granularity::kMultiLabel;
  const std::string labels = absl::GetFlag(FLAGS_labels);
  if (labels == "multilabel") return Granularity::kMultiLabel;
  return labels == "fine" ? Granularity::kFine : Granularity::kPolarity;
}

void check(const DemoFlags& flags) {
  const std::vector<std::string> labels = {"fine", "polarity", "multilabel"};
  require_choice("labels", absl::GetFlag(FLAGS_labels), labels);
  require_between("hidden", absl::GetFlag(FLAGS_hidden), 0, 4096);
  if (flags.load.empty() || is_set("predict")) {
    refuse_flags({"against"}, "needs --load without --predict");
  }
  if (!flags.load.empty()) {
    refuse_flags({"train", "dev", "hidden"},
                 "cannot be combined with --load, which trains nothing");
    if (is_set("predict")) refuse_flags({"test"}, "cannot be combined with --predict");
  }
  if (is_set("train") || is_set("test")) {
    refuse_flags({"labels", "data"}, "cannot be combined with your own files");
  } else {
    refuse_flags({"text", "label", "separator", "label_separator"}, "needs --train");
  }
  if (!is_set("train")) {
    refuse_flags({"dev"}, "needs --train");
    if (flags.load.empty()) refuse_flags({"test"}, "needs --train or --load");
  }
  separator_named(absl::GetFlag(FLAGS_separator));
  if (flags.backend != "libtorch") refuse_flags({"hidden"}, "needs --backend=libtorch");
  if (is_set("encoder")) refuse_flags({"hidden"}, "cannot be combined with --encoder");
  check_encoder_flags(flags);
}

OwnFiles own_files() {
  const auto path = [](const absl::Flag<std::string>& flag) {
    const std::string name = absl::GetFlag(flag);
    return name.empty() ? std::filesystem::path() : user_path(name);
  };
  return {.train = path(FLAGS_train),
          .validation = path(FLAGS_dev),
          .test = path(FLAGS_test),
          .text = absl::GetFlag(FLAGS_text),
          .label = absl::GetFlag(FLAGS_label),
          .separator = separator_named(absl::GetFlag(FLAGS_separator)),
          .label_separator = absl::GetFlag(FLAGS_label_separator)};
}

std::vector<std::string> known_strategies() {
  if (granularity() == Granularity::kMultiLabel) return all_multilabel_strategies();
  std::vector<std::string> names;
  for (const Strategy& strategy : all_strategies()) names.push_back(strategy.name);
  if (!is_set("encoder")) return names;
  for (const Strategy& strategy : network_strategies()) names.push_back(strategy.name);
  if (!is_set("freeze")) return names;
  for (const Strategy& strategy : frozen_strategies()) names.push_back(strategy.name);
  return names;
}

}  // namespace

SentimentFlags read_sentiment_flags(const DemoFlags& flags) {
  check(flags);
  const std::string against = absl::GetFlag(FLAGS_against);
  return {granularity(),
          own_files(),
          static_cast<std::size_t>(absl::GetFlag(FLAGS_hidden)),
          choose_strategies(flags.strategies, known_strategies()),
          against.empty() ? std::filesystem::path() : user_path(against),
          absl::GetFlag(FLAGS_predict)};
}

Corpus find_corpus(const DemoFlags& flags, const SentimentFlags& own) {
  if (is_set("train")) return load_files(own.files);
  const std::filesystem::path directory = corpus_directory(data_directory(flags));
  const bool is_there = !flags.data.empty() || std::filesystem::exists(directory / "labels.txt");
  return is_there ? load_corpus(directory, own.granularity) : synthetic_corpus(own.granularity);
}

}  // namespace equipoise::demos
