#include "demos/sentiment/model.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>
#include <stdexcept>
#include <vector>

#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/json.h"
#include "demos/common/report.h"
#include "demos/common/uncertainty.h"
#include "demos/sentiment/corpus.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/multilabel.h"

namespace equipoise::demos {

namespace {

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

// A corpus of which the test rows alone matter, in the model's classes.
Corpus find_test_rows(const DemoFlags& flags, const SentimentFlags& own, const LoadedModel& model) {
  const bool several = model.has_several_labels();
  if (!is_set("test")) {
    Corpus corpus = find_corpus(flags, own);
    if (corpus.classes == model.classes && corpus.has_several_labels == several) return corpus;
    throw InputError(
        "--load: the model's classes differ from those of the data; see --labels, or --test for a "
        "table of your own");
  }
  const OwnFiles& files = own.files;
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

}  // namespace

Examples LoadedModel::examples(const std::vector<std::string>& texts) const {
  return encoding ? make_examples(encoding->tokenizer, encoding->most_pieces, texts)
                  : make_examples(tf_idf, texts);
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

void print_evaluation(const DemoFlags& flags, const SentimentFlags& own, const LoadedModel& model) {
  const bool several = model.has_several_labels();
  if (several) refuse_flags({"against"}, "is only for one label per text");
  const Corpus corpus = find_test_rows(flags, own, model);
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
  if (!own.against.empty()) print_gain(flags, own.against, model, corpus);
}

void print_predictions(const DemoFlags& flags, const LoadedModel& model, const std::string& text) {
  if (text == "-") {
    answer_lines(flags, [&](const nlohmann::json& asked) { return answer(model, asked); });
  } else {
    print_prediction(flags, model, text);
  }
}

}  // namespace equipoise::demos
