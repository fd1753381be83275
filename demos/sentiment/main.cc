// Sentiment on imbalanced classes: one model, several ways to train it.
#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/encoder/encoder_learner.h"
#include "demos/encoder/word_piece.h"
#include "demos/sentiment/corpus.h"
#include "demos/sentiment/own_files.h"
#include "demos/sentiment/report.h"
#include "demos/sentiment/runs.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/multilabel.h"

ABSL_FLAG(std::string, labels, "fine",
          "classes: fine (the file's labels, of texts that have one), polarity (positive, neutral, "
          "negative, ambiguous) or multilabel (the file's labels, of all texts)");
ABSL_FLAG(std::string, train, "",
          "table of one's own to train on, in place of --data: CSV or TSV, quoted or not");
ABSL_FLAG(std::string, dev, "", "table for validation; without it a stratified tenth of --train");
ABSL_FLAG(std::string, test, "", "table for testing; without it a stratified fifth of --train");
ABSL_FLAG(std::string, text, "text",
          "column of the texts in these tables: its name in the header, or its number from 1; two "
          "numbers mean that there is no header");
ABSL_FLAG(std::string, label, "label", "column of the labels, likewise");
ABSL_FLAG(std::string, separator, "",
          "what parts the columns: a character or the word tab; without it tab, comma or "
          "semicolon, with which all rows have as many columns");
ABSL_FLAG(std::string, label_separator, "",
          "what parts the labels of a text that may have several; without it each has one");
ABSL_FLAG(int, hidden, 0, "units of a hidden layer, LibTorch only; 0: a linear model");
ABSL_FLAG(
    std::string, encoder, "",
    "directory of a pretrained BERT, which is trained further in place of a model on n-grams, "
    "LibTorch only; tools/fetch_data.sh encoder brings one");
ABSL_FLAG(int, most_pieces, 48, "pieces of a text that the encoder reads, the rest is left out");
ABSL_FLAG(double, layer_decay, 1,
          "what the rate of each layer of the encoder is of the next one's");
ABSL_FLAG(std::string, predict, "",
          "a text: its most probable classes; -: JSON lines from standard input, each {\"text\": "
          "\"...\"}, to JSON lines with label or labels and probabilities");

namespace equipoise::demos {
namespace {

constexpr int kLeastPieces = 3;  // the two marks, and one

constexpr const char* kUsage =
    "Trains one text classifier in several ways on imbalanced classes and compares them.\n"
    "  bazel run -c opt //demos/sentiment -- --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/sentiment -- --labels=multilabel\n"
    "  bazel run -c opt //demos/sentiment -- --train=FILE --text=COLUMN --label=COLUMN\n"
    "  bazel run -c opt //demos/sentiment -- --backend=libtorch --encoder=DIR --strategy=none\n"
    "  bazel run -c opt //demos/sentiment -- --strategy=none,weights_0.5 --save=FILE\n"
    "  bazel run -c opt //demos/sentiment -- --load=FILE --predict=\"thanks a lot\"\n"
    "  bazel run -c opt //demos/sentiment -- --load=FILE --predict=- < FILE\n"
    "  bazel run -c opt //demos/sentiment -- --backend=libtorch --distributed --workers=2\n"
    "Strategies, of texts with one label: none, none_tau, weights, weights_0.5, sampler, "
    "sampler_0.5,\nlogit_adjustment, logit_adjustment_0.5, double, split, focal; with several: "
    "none, pos_weight,\npos_weight_0.5, focal, asymmetric, distribution_balanced.";

Granularity granularity() {
  if (!absl::GetFlag(FLAGS_label_separator).empty()) return Granularity::kMultiLabel;
  const std::string labels = absl::GetFlag(FLAGS_labels);
  if (labels == "multilabel") return Granularity::kMultiLabel;
  return labels == "fine" ? Granularity::kFine : Granularity::kPolarity;
}

void check_own_flags(const DemoFlags& flags) {
  const std::vector<std::string> labels = {"fine", "polarity", "multilabel"};
  require_choice("labels", absl::GetFlag(FLAGS_labels), labels);
  require_between("hidden", absl::GetFlag(FLAGS_hidden), 0, 4096);
  if (!flags.load.empty()) {
    refuse_flags({"train", "dev", "hidden", "most_pieces", "layer_decay"},
                 "not with --load, which trains nothing");
    if (is_set("predict")) refuse_flags({"test"}, "not with --predict");
  }
  if (is_set("train") || is_set("test")) {
    refuse_flags({"labels", "data"}, "not with files of one's own");
  } else {
    refuse_flags({"text", "label", "separator", "label_separator"}, "needs --train");
  }
  if (!is_set("train")) {
    refuse_flags({"dev"}, "needs --train");
    if (flags.load.empty()) refuse_flags({"test"}, "needs --train or --load");
  }
  const std::string separator = absl::GetFlag(FLAGS_separator);
  if (separator.size() > 1 && separator != "tab") {
    throw InputError(absl::StrCat("--separator=", separator, ": expected a character, or tab"));
  }
  if (flags.backend != "libtorch") {
    refuse_flags({"hidden", "encoder"}, "needs --backend=libtorch");
  }
  require_between("most_pieces", absl::GetFlag(FLAGS_most_pieces), kLeastPieces, 512);
  const double decay = absl::GetFlag(FLAGS_layer_decay);
  if (!(decay > 0 && decay <= 1)) {
    throw InputError(absl::StrCat("--layer_decay=", decay, ": expected a number above 0, up to 1"));
  }
  if (is_set("encoder")) {
    refuse_flags({"hidden"}, "not with --encoder");
  } else {
    refuse_flags({"most_pieces", "layer_decay"}, "needs --encoder");
  }
}

OwnFiles own_files() {
  const auto path = [](const absl::Flag<std::string>& flag) {
    const std::string name = absl::GetFlag(flag);
    return name.empty() ? std::filesystem::path() : user_path(name);
  };
  const std::string separator = absl::GetFlag(FLAGS_separator);
  return {.train = path(FLAGS_train),
          .validation = path(FLAGS_dev),
          .test = path(FLAGS_test),
          .text = absl::GetFlag(FLAGS_text),
          .label = absl::GetFlag(FLAGS_label),
          .separator = separator.empty()    ? '\0'
                       : separator == "tab" ? '\t'
                                            : separator[0],
          .label_separator = absl::GetFlag(FLAGS_label_separator)};
}

Corpus find_corpus(const DemoFlags& flags) {
  if (is_set("train")) return load_files(own_files());
  const std::filesystem::path directory = corpus_directory(data_directory(flags));
  const bool is_there = !flags.data.empty() || std::filesystem::exists(directory / "labels.txt");
  return is_there ? load_corpus(directory, granularity()) : synthetic_corpus(granularity());
}

// Empty: none.
std::string encoder_directory() {
  const std::string directory = absl::GetFlag(FLAGS_encoder);
  return directory.empty() ? directory : std::filesystem::absolute(user_path(directory)).string();
}

// What makes pieces of texts for an encoder; without one there is no directory.
struct Encoding {
  std::string directory{};
  std::optional<WordPiece> tokenizer{};
  std::size_t most_pieces = 0;
};

Encoding make_encoding(const std::string& directory, std::size_t most_pieces) {
  if (directory.empty()) return {};
  return {directory, WordPiece(std::filesystem::path(directory) / "vocab.txt"), most_pieces};
}

std::unique_ptr<Learner> make_learner(const DemoFlags& flags, const Encoding& encoding,
                                      const LearnerShape& shape, std::uint64_t seed) {
  if (encoding.tokenizer) {
    return make_encoder_learner({.directory = encoding.directory,
                                 .classes = shape.classes,
                                 .device = flags.device,
                                 .seed = seed,
                                 .pieces = encoding.tokenizer->size(),
                                 .most_pieces = encoding.most_pieces,
                                 .layer_decay = absl::GetFlag(FLAGS_layer_decay),
                                 .workers = flags.workers});
  }
  if (flags.backend == "eigen") return make_eigen_learner(shape);
  return make_libtorch_learner(shape, flags.device, seed, flags.workers);
}

// A model from a file, with what it needs to be used.
struct LoadedModel {
  std::vector<std::string> classes;
  TfIdf tf_idf;
  Encoding encoding;
  std::vector<double> offset;
  std::vector<double> thresholds;
  std::unique_ptr<Learner> learner;

  Examples examples(const std::vector<std::string>& texts) const {
    return encoding.tokenizer ? make_examples(*encoding.tokenizer, encoding.most_pieces, texts)
                              : make_examples(tf_idf, texts);
  }

  bool has_several_labels() const { return !thresholds.empty(); }
};

// What made the pieces that a saved model was trained on.
Encoding encoding_of(const DemoFlags& flags, const nlohmann::json& facts) {
  if (flags.backend == "eigen") {
    throw InputError("--load: this model has an encoder and needs --backend=libtorch");
  }
  const std::string directory =
      is_set("encoder") ? encoder_directory() : facts.at("encoder").get<std::string>();
  Encoding encoding = make_encoding(
      directory, std::max(facts.at("most_pieces").get<std::size_t>(), std::size_t{kLeastPieces}));
  if (encoding.tokenizer->fingerprint() != facts.at("vocabulary").get<std::uint64_t>()) {
    throw InputError(directory, 0,
                     "vocab.txt is not the one that the model of --load was trained with");
  }
  return encoding;
}

LoadedModel use(const DemoFlags& flags, const SavedModel& saved, const std::string& file) {
  try {
    const nlohmann::json& facts = saved.facts;
    const bool has_encoder = facts.contains("encoder");
    if (is_set("encoder") && !has_encoder) {
      throw InputError("--encoder: the model of --load has none");
    }
    LoadedModel model{facts.at("classes"),
                      TfIdf(has_encoder ? std::vector<float>() : from_block(facts.at("idf"))),
                      {},
                      facts.value("offset", std::vector<double>()),
                      facts.value("thresholds", std::vector<double>()),
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
    if (has_encoder) model.encoding = encoding_of(flags, facts);
    model.learner =
        make_learner(flags, model.encoding, {std::size_t{kTextColumns}, classes, hidden}, 0);
    model.learner->set_parameters(saved.parameters);
    return model;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(file, 0, absl::StrCat("not a model that --save has written: ", error.what()));
  } catch (const std::invalid_argument& error) {
    throw InputError(file, 0, absl::StrCat("not a model that --save has written: ", error.what()));
  }
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
  result.order.resize(scores.size());
  std::iota(result.order.begin(), result.order.end(), std::size_t{0});
  std::stable_sort(result.order.begin(), result.order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
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
    *flags.out << absl::StrFormat("  %5.1f %%  %s%s\n", 100 * prediction.probabilities[c],
                                  model.classes[c], is_marked ? " *" : "");
  }
}

// A line of JSON for each on standard input that is not blank.
void predict_lines(const DemoFlags& flags, const LoadedModel& model) {
  std::string line;
  bool is_empty = true;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    is_empty = false;
    try {
      const std::string text = nlohmann::json::parse(line).at("text");
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
      *flags.out << result.dump() << "\n";
    } catch (const nlohmann::json::exception& error) {
      throw InputError("standard input", number, error.what());
    }
  }
  if (is_empty) throw InputError("standard input", 0, "there is no text");
  *flags.out << std::flush;
}

// A corpus of which the test rows alone matter, in the model's classes.
Corpus find_test_rows(const DemoFlags& flags, const LoadedModel& model) {
  const bool several = model.has_several_labels();
  if (!is_set("test")) {
    Corpus corpus = find_corpus(flags);
    if (corpus.classes == model.classes && corpus.has_several_labels == several) return corpus;
    throw InputError(
        "--load: the model's classes are not those of the data; see --labels, or --test for a "
        "table "
        "of your own");
  }
  const OwnFiles files = own_files();
  if (files.label_separator.empty() == several) {
    throw InputError(several ? "--label_separator: needed, the model has several labels a text"
                             : "--label_separator: the model has one label a text");
  }
  Corpus corpus;
  corpus.classes = model.classes;
  corpus.has_several_labels = several;
  corpus.test = load_rows(files.test, files, model.classes, "the model");
  corpus.description = absl::StrCat(files.test.string(), ": ", corpus.test.size(), " rows.");
  return corpus;
}

void print_evaluation(const DemoFlags& flags, const LoadedModel& model,
                      const std::string& strategy) {
  const bool several = model.has_several_labels();
  const Corpus corpus = find_test_rows(flags, model);
  *flags.out << corpus.description << "\n\nTest rows, strategy " << strategy << ":\n\n";
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
}

std::vector<Strategy> chosen_strategies(const DemoFlags& flags) {
  std::vector<std::string> names;
  for (const Strategy& strategy : all_strategies()) names.push_back(strategy.name);
  std::vector<Strategy> chosen;
  for (const std::string& name : choose_strategies(flags.strategies, names)) {
    chosen.push_back(*std::find_if(all_strategies().begin(), all_strategies().end(),
                                   [&](const Strategy& each) { return each.name == name; }));
  }
  return chosen;
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags) {
  const bool several = granularity() == Granularity::kMultiLabel;
  ExperimentOptions experiment;
  std::vector<Strategy> strategies;
  if (several) {
    experiment.strategies = choose_strategies(flags.strategies, all_multilabel_strategies());
  } else {
    strategies = chosen_strategies(flags);
    for (const Strategy& strategy : strategies) experiment.strategies.push_back(strategy.name);
  }
  RunOptions options;
  options.training = flags.training;
  options.hidden = static_cast<std::size_t>(absl::GetFlag(FLAGS_hidden));
  const Encoding encoding = make_encoding(
      encoder_directory(), static_cast<std::size_t>(absl::GetFlag(FLAGS_most_pieces)));
  if (!encoding.tokenizer) {
    set_rate(flags, default_rate(options.hidden, several), options.hidden == 0, experiment);
  } else {
    set_rate(flags, kEncoderRate, /*is_linear=*/false, experiment);
    options.training.warmup = kEncoderWarmup;
    options.training.batch_size = kEncoderBatch;
    if (!flags.has_epochs) options.training.epochs = 2;
    if (!is_set("clip")) options.training.clip_norm = kEncoderClip;
    require_batch(kEncoderBatch);
    options.facts = {{"encoder", encoding.directory},
                     {"most_pieces", encoding.most_pieces},
                     {"vocabulary", encoding.tokenizer->fingerprint()}};
  }
  options.training.rate = experiment.rate;
  options.make_learner = [&](const LearnerShape& shape, std::uint64_t seed) {
    return make_learner(flags, encoding, shape, seed);
  };
  const Corpus corpus = find_corpus(flags);
  // An impossible device is noticed before anything is written.
  options.make_learner({1, corpus.classes.size(), 0}, 0);
  if (!flags.report.empty()) make_directory(flags.report);

  const std::string header = absl::StrCat(
      corpus.description, "\nModel: ",
      encoding.tokenizer    ? "an encoder with a linear head,"
      : options.hidden == 0 ? "linear"
                            : absl::StrCat("a hidden layer of ", options.hidden, " units"),
      several ? " with a sigmoid a label" : " softmax", " on ",
      encoding.tokenizer ? "pieces of words" : "hashed n-grams", rate_text(experiment),
      ", trained with ", flags.backend, ".");
  *flags.out << header << std::endl;
  const Task task = encoding.tokenizer
                        ? make_task(corpus, *encoding.tokenizer, encoding.most_pieces)
                        : make_task(corpus);
  if (!several) *flags.out << '\n' << ledger_table(task, strategies) << std::endl;

  experiment.seeds = flags.seeds;
  experiment.test_units = task.test.rows();
  const std::uint64_t steps = steps_per_epoch(task.train.rows(), options.training);
  const std::uint64_t steps_per_run = options.training.epochs * steps;
  experiment.steps_per_run = steps_per_run;
  const std::uint64_t runs = most_runs(experiment);
  if (flags.workers == nullptr) {
    *flags.out << announcement(runs, steps_per_run, [&](std::uint64_t few) {
      train_steps(task, options, few);
    }) << std::endl;
  }
  const std::unique_ptr<Progress> progress = make_progress(flags, runs * steps_per_run);
  const Results results = run_experiment(
      experiment,
      [&](std::size_t s, std::uint64_t seed, double rate) {
        options.training.rate = rate;
        return several ? run_multilabel(task, experiment.strategies[s], seed, options, *progress)
                       : run_strategy(task, strategies[s], seed, options, *progress);
      },
      *progress);
  *flags.out << '\n' << summary(task, experiment, results) << std::endl;
  if (!flags.report.empty()) {
    *flags.out << write_report(header, task, experiment, results, flags.report) << std::endl;
  }
  return results.model;
}

void run(const DemoFlags& flags) {
  check_own_flags(flags);
  const std::string text = absl::GetFlag(FLAGS_predict);
  const std::string file = flags.load.string();
  std::shared_ptr<const SavedModel> model;
  if (flags.load.empty()) {
    model = train(flags);
  } else {
    model = std::make_shared<SavedModel>(load_model(kModelKind, flags.load));
    if (text.empty()) {
      print_evaluation(flags, use(flags, *model, file), model->facts.value("strategy", "?"));
    }
  }
  if (!flags.save.empty()) {
    save_model(kModelKind, *model, flags.save);
    *flags.out << "Model of strategy " << model->facts.value("strategy", "?") << ": "
               << flags.save.string() << std::endl;
  }
  if (text == "-") {
    predict_lines(flags, use(flags, *model, file));
  } else if (!text.empty()) {
    print_prediction(flags, use(flags, *model, file), text);
  }
}

}  // namespace
}  // namespace equipoise::demos

int main(int argc, char** argv) {
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kUsage, equipoise::demos::run);
}
