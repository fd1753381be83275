// What a demo gives to the skeleton that all demos share, and one training of one strategy.
#ifndef EQUIPOISE_DEMOS_COMMON_TASK_H_
#define EQUIPOISE_DEMOS_COMMON_TASK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/charts.h"
#include "demos/common/examples.h"
#include "demos/common/experiment.h"
#include "demos/common/learner.h"
#include "demos/common/objective.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"

namespace equipoise::demos {

/// The pictures of a report by their file names.
using NamedPlots = std::vector<std::pair<std::string, Plot>>;

/// Strengths of the correction after training, argmax z - tau log prior, that are tried on
/// validation; 0 is none, and tried alone where nothing is corrected.
inline constexpr std::array kTaus = {0.0,  0.125, 0.25, 0.375, 0.5, 0.625,
                                     0.75, 0.875, 1.0,  1.25,  1.5};
inline constexpr std::span<const double> kNoTau(kTaus.data(), 1);

/// How logits become decisions. It is chosen on validation.
struct Decision {
  std::vector<double> offset{};      ///< of classes: what is added to the logits; empty: nothing
  std::vector<double> thresholds{};  ///< of labels: on their logits
  std::string choice{};              ///< what was chosen, for people; may be empty
};

/// A trained model's logits, and what they were trained and decided by.
struct Trained {
  const std::string& strategy;
  const Objective& objective;
  const Decision& decision;
  const Logits& validation;
  const Logits& test;
};

/// A demo's data, strategies, objectives, decision rule, metrics and tables.
struct Task {
  std::string description{};  ///< a line or more: what the data are, and what was left out
  std::vector<std::string> classes{};
  LearnerShape shape{};
  nlohmann::json facts{};  ///< what a saved model has to know besides its strategy and decision
  Examples train{};
  Examples validation{};
  Examples test{};

  virtual ~Task() = default;

  /// The metric by which strategies are chosen and compared.
  virtual std::string headline() const { return "macro_f1"; }
  /// How many units the bootstraps resample.
  virtual std::size_t resampled_units() const { return test.units(); }
  /// The loss and the sampler of a strategy; `steps` is how many a training has at most.
  virtual Objective objective(const std::string& strategy, std::uint64_t seed,
                              std::uint64_t steps) const = 0;
  /// Weights of the training rows; empty for all 1.
  virtual std::vector<double> row_weights(const std::string& /*strategy*/) const { return {}; }
  virtual Decision choose(const std::string& strategy, const Logits& validation) const = 0;
  virtual Metrics measure(const Examples& part, const Logits& logits,
                          const Decision& decision) const = 0;
  /// Adds what else there is to say of a trained model: metrics of its probabilities on test, the
  /// resampled metrics, what pictures show of its predictions, and the decision, to the facts.
  virtual void describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const = 0;

  /// What each strategy does to the data, before any is trained; may be empty.
  virtual std::string preview(const std::vector<std::string>& /*strategies*/) const { return ""; }
  virtual std::string summary(const ExperimentOptions& options, const Results& results) const = 0;
  virtual NamedPlots plots(const ExperimentOptions& options, const Results& results) const = 0;
};

struct RunOptions {
  TrainingOptions training{};
  /// Makes an untrained model.
  std::function<std::unique_ptr<Learner>(const LearnerShape& shape, std::uint64_t seed)>
      make_learner{};
};

/// Whether a strategy trains the model without a correction first, and then its head again with
/// one: the second training has files of its own, their names with .head.
bool retrains_head(const std::string& strategy);

/// The optimiser steps of a training at most, of which one that retrains the head makes two.
std::uint64_t steps_of(const Task& task, const TrainingOptions& training);

/// Trains and scores a strategy.
Run run_strategy(const Task& task, const std::string& strategy, std::uint64_t seed,
                 const RunOptions& options, Progress& progress);

/// Makes a few steps of a training as runs do, and throws it away.
void train_steps(const Task& task, const RunOptions& options, std::uint64_t steps);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_TASK_H_
