// Trains and scores strategies over seeds.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_EXPERIMENT_H_
#define EQUIPOISE_DEMOS_SENTIMENT_EXPERIMENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/progress.h"
#include "demos/sentiment/calibration.h"
#include "demos/sentiment/classifier.h"
#include "demos/sentiment/corpus.h"
#include "demos/sentiment/strategy.h"
#include "equipoise/counts.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"

namespace equipoise::demos {

/// A corpus as the model sees it.
struct Task {
  std::vector<std::string> classes;
  ClassCounts counts;  ///< of the training rows
  TfIdf tf_idf;
  Examples train;
  Examples validation;
  Examples test;
};

Task make_task(const Corpus& corpus);

/// The rare classes: the smallest ones that together hold at most a tenth of the rows, and at least
/// one. Ascending.
std::vector<std::size_t> rare_classes(const ClassCounts& counts);

/// How well predictions do on a part of the data.
struct Scores {
  ConfusionMatrix matrix{};
  double macro_f1 = 0;
  double rare_recall = 0;     ///< averaged over the rare classes
  double rare_precision = 0;  ///< the same
};

Scores score(const Task& task, const Examples& part, std::span<const std::int64_t> predictions);

/// One training of one strategy.
struct Run {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;      ///< with the best macro-F1 on validation
  std::optional<double> tau{};  ///< of the post-hoc correction, the best on validation
  double seconds = 0;           ///< of training and scoring
  Scores validation{};
  Scores test{};
  CalibrationScores calibration{};
  std::vector<std::int64_t> test_predictions{};
};

struct Outcome {
  Strategy strategy;
  std::vector<Run> runs{};         ///< by seed
  std::optional<Interval> gain{};  ///< in macro-F1 over `none` on test; if that was run too
};

/// The model that did best on validation, in a form that can be saved.
struct TrainedModel {
  std::string strategy;
  std::uint64_t hidden = 0;
  std::vector<std::string> classes;
  std::vector<float> idf;
  std::vector<double> offset;  ///< added to the logits before the argmax; empty: none
  std::vector<Parameter> parameters;
};

struct Results {
  std::vector<Outcome> outcomes{};
  std::size_t best = 0;  ///< the outcome with the best mean macro-F1 on validation
  TrainedModel model{};  ///< of the best outcome, its best run on validation
  /// Gain of the best over `none_tau`, if both were run and are not the same.
  std::optional<Interval> gain_over_posthoc{};
};

/// A figure averaged over the runs of an outcome.
double mean(const Outcome& outcome, const std::function<double(const Run&)>& figure);

/// The outcome of a strategy; null if it was not run.
const Outcome* find_outcome(const Results& results, std::string_view strategy);

struct ExperimentOptions {
  std::vector<Strategy> strategies;
  std::uint64_t seeds = 3;
  TrainingOptions training{};
  /// Makes an untrained model.
  std::function<std::unique_ptr<Classifier>(std::uint64_t seed)> make_classifier;
};

/// Runs every strategy with seeds 0, 1, ...: each run keeps the epoch whose macro-F1 on validation
/// is best and stops when two epochs in a row have not improved on it. Test rows are only scored.
/// Gains have 95 % intervals by a paired bootstrap over the test rows.
Results run_experiment(const Task& task, const ExperimentOptions& options, Progress& progress);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_EXPERIMENT_H_
