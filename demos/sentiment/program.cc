#include "demos/sentiment/program.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/common/own_files.h"
#include "demos/common/program.h"
#include "demos/common/report.h"
#include "demos/common/table_file.h"
#include "demos/common/uncertainty.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/sentiment/corpus.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/multilabel.h"

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

OwnFiles own_files() {
  return {.train = user_path(absl::GetFlag(FLAGS_train)),
          .validation = user_path(absl::GetFlag(FLAGS_dev)),
          .test = user_path(absl::GetFlag(FLAGS_test)),
          .text = absl::GetFlag(FLAGS_text),
          .label = absl::GetFlag(FLAGS_label),
          .separator = separator_named(absl::GetFlag(FLAGS_separator)),
          .label_separator = absl::GetFlag(FLAGS_label_separator)};
}

// The macro-F1 of a model, of test rows that are taken so often.
Resampled resampled_macro_f1(const LoadedModel& model, const Corpus& corpus) {
  const Examples test = with_targets(model.examples(corpus.test.texts), corpus, corpus.test);
  return resampled_confusion(
      test.targets, calibrate::predict(model.learner->logits(test).view(), model.offset),
      model.classes.size(), [](const metrics::ConfusionMatrix& each) { return each.macro_f1(); });
}

// What a model gains over that of --against.
void print_gain(const DemoFlags& flags, const std::filesystem::path& file, const LoadedModel& model,
                const Corpus& corpus) {
  const LoadedModel other = use(flags, load_model(kModelKind, file), /*obeys_encoder=*/false);
  if (other.classes != model.classes || other.has_several_labels() || model.has_several_labels()) {
    throw InputError("--against: both models must have the same classes, and one label per text");
  }
  const Resampled own = resampled_macro_f1(model, corpus);
  const Resampled others = resampled_macro_f1(other, corpus);
  const metrics::Interval gain = metrics::bootstrap(
      corpus.test.size(),
      [&](std::span<const std::uint32_t> times) { return own(times) - others(times); });
  *flags.out << "\nGain in macro-F1 over " << file.string() << " (strategy " << other.strategy
             << "), paired bootstrap over test rows: " << interval_text(gain) << "\n";
}

// A corpus of which the test rows alone matter, in the model's classes.
Corpus find_test_rows(const DemoFlags& flags, const LoadedModel& model) {
  const bool several = model.has_several_labels();
  if (!is_set("test")) {
    Corpus corpus = find_corpus(flags);
    if (corpus.classes == model.classes && corpus.has_several_labels == several) return corpus;
    throw InputError(
        "--load: the model's classes differ from those of the data; see --labels, or --test for a "
        "table of your own");
  }
  const OwnFiles files = own_files();
  if (files.label_separator.empty() == several) {
    throw InputError(
        several ? "--label_separator: required, since the model has several labels per text"
                : "--label_separator: the model has one label per text");
  }
  Corpus corpus;
  corpus.classes = model.classes;
  corpus.has_several_labels = several;
  corpus.test = load_rows(files.test, files, model.classes, "the model");
  corpus.description = absl::StrCat(files.test.string(), ": ", corpus.test.size(), " rows.");
  return corpus;
}

// Scores of a text's classes and their probabilities, which the offset of a post-hoc correction
// moves. With several labels, each has a probability of its own.
struct Prediction {
  std::vector<double> scores{};
  std::vector<double> probabilities{};
  std::vector<std::size_t> order{};  // the most probable first
};

Prediction predict_text(const LoadedModel& model, const std::string& text) {
  const Logits logits = model.learner->logits(model.examples({text}));
  Prediction result;
  std::vector<double>& scores = result.scores;
  scores.assign(logits.values.begin(), logits.values.end());
  for (std::size_t c = 0; c < model.offset.size(); ++c) scores[c] += model.offset[c];
  result.order = by_falling(scores);
  const double largest = scores[result.order[0]];
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - largest);
  for (const double score : scores) {
    result.probabilities.push_back(model.has_several_labels() ? 1 / (1 + std::exp(-score))
                                                              : std::exp(score - largest) / sum);
  }
  return result;
}

// The five most probable classes; with several labels those are marked that reach their thresholds.
void print_prediction(const DemoFlags& flags, const LoadedModel& model, const std::string& text) {
  const Prediction prediction = predict_text(model, text);
  *flags.out << "\"" << text << "\"\n";
  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < std::min(kShown, prediction.order.size()); ++i) {
    const std::size_t c = prediction.order[i];
    const bool is_marked =
        model.has_several_labels() && prediction.scores[c] >= model.thresholds[c];
    *flags.out << prediction_line(prediction.probabilities[c], model.classes[c], is_marked);
  }
}

nlohmann::ordered_json answer(const LoadedModel& model, const nlohmann::json& asked) {
  const std::string text = asked.at("text");
  const Prediction prediction = predict_text(model, text);
  nlohmann::ordered_json result = {{"text", text}};
  if (model.has_several_labels()) {
    std::vector<std::string> labels;
    for (const std::size_t c : prediction.order) {
      if (prediction.scores[c] >= model.thresholds[c]) labels.push_back(model.classes[c]);
    }
    result["labels"] = labels;
  } else {
    result["label"] = model.classes[prediction.order[0]];
  }
  for (const std::size_t c : prediction.order) {
    result["probabilities"][model.classes[c]] = prediction.probabilities[c];
  }
  return result;
}

}  // namespace

void check_flags(const DemoFlags& flags) {
  require_choice("labels", absl::GetFlag(FLAGS_labels), {"fine", "polarity", "multilabel"});
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

std::vector<std::string> known_strategies() {
  if (granularity() == Granularity::kMultiLabel) return all_multilabel_strategies();
  const ModelKind kind = is_set("freeze")    ? ModelKind::kFrozen
                         : is_set("encoder") ? ModelKind::kNetwork
                                             : ModelKind::kAny;
  std::vector<std::string> names;
  for (const Strategy& strategy : strategies_for(kind)) names.push_back(strategy.name);
  return names;
}

Corpus find_corpus(const DemoFlags& flags) {
  if (is_set("train")) return load_files(own_files());
  const std::filesystem::path directory = corpus_directory(data_directory(flags));
  const bool is_there = !flags.data.empty() || std::filesystem::exists(directory / "labels.txt");
  return is_there ? load_corpus(directory, granularity()) : synthetic_corpus(granularity());
}

LoadedModel use(const DemoFlags& flags, const SavedModel& saved, bool obeys_encoder) {
  return read_saved(flags, [&] {
    const nlohmann::json& facts = saved.facts;
    const bool has_encoder = facts.contains("encoder");
    LoadedModel model{facts.at("classes"),
                      TfIdf(has_encoder ? std::vector<float>() : from_block(facts.at("idf"))),
                      encoding_of_facts(flags, facts, obeys_encoder),
                      facts.value("offset", std::vector<double>()),
                      facts.value("thresholds", std::vector<double>()),
                      facts.value("strategy", "?"),
                      nullptr};
    const std::size_t classes = model.classes.size();
    const bool fits = classes >= 2 &&
                      (has_encoder || model.tf_idf.idf().size() == std::size_t{kTextColumns}) &&
                      (model.offset.empty() || model.offset.size() == classes) &&
                      (model.thresholds.empty() || model.thresholds.size() == classes);
    if (!fits) throw std::invalid_argument("its parts are of different sizes");
    const std::size_t hidden = facts.at("hidden");
    if (hidden != 0 && flags.backend == "eigen") {
      throw InputError("--load: this model has a hidden layer and needs --backend=libtorch");
    }
    model.learner =
        make_learner(flags, model.encoding, {std::size_t{kTextColumns}, classes, hidden}, 0);
    model.learner->set_parameters(saved.parameters);
    return model;
  });
}

void print_evaluation(const DemoFlags& flags, const LoadedModel& model) {
  const bool several = model.has_several_labels();
  if (several) refuse_flags({"against"}, "is only for one label per text");
  const Corpus corpus = find_test_rows(flags, model);
  *flags.out << corpus.description << "\n\nTest rows, strategy " << model.strategy << ":\n\n";
  const Examples test = with_targets(model.examples(corpus.test.texts), corpus, corpus.test);
  const Logits logits = model.learner->logits(test);
  if (several) {
    const std::vector<std::uint8_t> predictions =
        calibrate::predict_labels(logits.view(), model.thresholds);
    metrics::MultiLabelCounts counts(test.labels);
    counts.add(MatrixView<const std::int64_t>(test.targets.data(), test.rows(), test.labels),
               MatrixView<const std::uint8_t>(predictions.data(), test.rows(), test.labels));
    *flags.out << absl::StrFormat("macro-F1 %.3f, micro-F1 %.3f\n", counts.macro_f1(),
                                  counts.micro_f1());
    return;
  }
  metrics::ConfusionMatrix matrix(model.classes.size());
  matrix.add(test.targets, calibrate::predict(logits.view(), model.offset));
  *flags.out << report(matrix, model.classes, 3);
  if (is_set("against")) print_gain(flags, user_path(absl::GetFlag(FLAGS_against)), model, corpus);
}

void print_predictions(const DemoFlags& flags, const LoadedModel& model, const std::string& text) {
  if (text == "-") {
    answer_lines(flags, [&](const nlohmann::json& asked) { return answer(model, asked); });
  } else {
    print_prediction(flags, model, text);
  }
}

}  // namespace equipoise::demos
