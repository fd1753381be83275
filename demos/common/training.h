// What all trainings share, whatever computes them: options, metrics, when to stop.
#ifndef EQUIPOISE_DEMOS_COMMON_TRAINING_H_
#define EQUIPOISE_DEMOS_COMMON_TRAINING_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/objective.h"
#include "demos/common/progress.h"

namespace equipoise::demos {

/// A measured number; `label` says of which class, type or language, and is empty for all together.
struct MetricValue {
  std::string metric;
  std::string label;
  double value = 0;

  friend bool operator==(const MetricValue&, const MetricValue&) = default;
};
using Metrics = std::vector<MetricValue>;

/// The metric of all together under this name.
/// @throws InputError that lists the names there are.
double metric_of(const Metrics& measured, std::string_view metric);

struct TrainingOptions {
  std::uint64_t epochs = 6;
  std::size_t batch_size = 64;    ///< units an optimiser step, of all workers together
  std::size_t micro_batches = 1;  ///< parts of a worker's batch, one after the other: saves memory
  double rate = 40;               ///< the highest learning rate; falls linearly to zero
  double warmup = 0;              ///< share of all steps over which the rate rises linearly before
  double clip_norm = 0;           ///< the most that a step's gradient may measure; 0: no bound
  std::string monitor = "macro_f1";    ///< the metric that chooses the epoch, the larger the better
  std::uint64_t patience = 2;          ///< epochs in a row without a better metric, then it stops
  std::uint64_t seed = 0;              ///< of what is random in the model; streams have their own
  std::uint64_t max_steps = 0;         ///< stops there, without a look at validation; 0: no bound
  std::filesystem::path log{};         ///< file for a line an epoch, as CSV; empty: none
  std::filesystem::path checkpoint{};  ///< file for the state of the training; empty: none
  std::uint64_t checkpoint_steps = 200;
  bool resumes = false;  ///< goes on from the checkpoint
};

/// The options of a training that follows another one, of the head alone: it has files of its own,
/// their names with .head, and resumes if its checkpoint is there.
TrainingOptions of_head(TrainingOptions training);
/// Before the first of the two, unless it resumes: no checkpoint of an earlier head is left.
void forget_head(const TrainingOptions& training);

/// The optimiser steps of an epoch, and the share of its highest value that the learning rate has
/// at a step.
std::uint64_t steps_per_epoch(std::uint64_t epoch_size, const TrainingOptions& options);
double falling_rate(std::uint64_t step, std::uint64_t epoch_size, const TrainingOptions& options);

/// Keeps the best epoch, and says when to stop.
class EarlyStopping {
 public:
  explicit EarlyStopping(std::uint64_t patience) : patience_(patience) {}

  /// Takes an epoch's score; whether it is the best so far, the first among equals.
  bool improves(std::uint64_t epoch, double score) {
    if (has_best_ && !(score > score_)) return false;
    has_best_ = true;
    best_ = epoch;
    score_ = score;
    return true;
  }
  bool stops_after(std::uint64_t epoch) const { return has_best_ && epoch - best_ >= patience_; }
  std::uint64_t best() const { return best_; }
  double score() const { return score_; }

 private:
  std::uint64_t patience_;
  bool has_best_ = false;
  std::uint64_t best_ = 0;
  double score_ = 0;
};

/// What a training ends with, the model of the best epoch.
struct Fit {
  std::uint64_t epoch = 0;  ///< from 0
  double score = 0;         ///< its monitored metric
  Logits validation{};      ///< of the validation rows
  std::uint64_t steps = 0;  ///< that were made in all
};

/// The logits of the validation rows, as they are.
/// @throws InputError that names --rate for one that is NaN or infinite: the training diverged.
const Logits& require_finite(const Logits& logits, const TrainingOptions& options);

/// The metrics of a model from its logits of the validation rows. Empty: nobody looks, and a
/// training makes all its epochs and ends with the last.
using Validate = std::function<Metrics(const Logits& validation)>;

/// One training, whatever computes the model: epochs of steps, a look at validation after each, the
/// log, early stopping, and in the end the parameters of the best epoch.
class TrainingLoop {
 public:
  TrainingLoop(const Objective& objective, const TrainingOptions& options)
      : objective_(objective),
        options_(options),
        rate_(options.rate),
        stopping_(options.patience) {}
  virtual ~TrainingLoop() = default;

  /// Goes on from wherever start() finds the training to be.
  /// @throws InputError as require_finite().
  Fit run(const Validate& validate, Progress& progress);

 protected:
  /// Before the first step: a training that resumes sets what is protected below.
  virtual void start() {}
  /// Makes the steps [first, last) of an epoch, each of which ends with count().
  /// @return false where count() did.
  virtual bool train_epoch(std::uint64_t epoch, std::uint64_t first, std::uint64_t last,
                           Progress& progress) = 0;
  virtual Logits validation_logits() = 0;
  virtual std::vector<Parameter> parameters() const = 0;
  virtual void set_parameters(const std::vector<Parameter>& parameters) = 0;
  /// After each step and each epoch, where state may be saved.
  virtual void end_step() {}
  virtual void end_epoch() {}
  virtual bool writes_log() const { return true; }

  /// A step with this loss was made. False where no more shall be: max_steps were.
  bool count(double loss, Progress& progress);
  /// What the learning rate of the next step is of its highest value.
  double rate_share() const {
    return falling_rate(steps_, objective_.stream.epoch_size(), options_);
  }

  const Objective& objective_;
  const TrainingOptions& options_;
  double rate_;  ///< the highest, for the log
  EarlyStopping stopping_;
  std::vector<Parameter> best_{};
  std::string log_{};
  double loss_sum_ = 0;            ///< over the steps of the epoch
  std::uint64_t steps_ = 0;        ///< that were made in all
  std::uint64_t epochs_seen_ = 0;  ///< of which validation was looked at

 private:
  void look_at_validation(std::uint64_t epoch, const Validate& validate);
  void add_to_log(std::uint64_t epoch, const Metrics& measured);
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_TRAINING_H_
