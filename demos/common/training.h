// What all trainings share, whatever computes them: options, figures, when to stop.
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

namespace equipoise::demos {

/// A measured number; `label` says of which class, type or language, and is empty for all together.
struct Figure {
  std::string metric;
  std::string label;
  double value = 0;

  friend bool operator==(const Figure&, const Figure&) = default;
};
using Figures = std::vector<Figure>;

/// The figure of all together under this name.
/// @throws InputError that lists the names there are.
double figure_of(const Figures& figures, std::string_view metric);

struct TrainingOptions {
  std::uint64_t epochs = 6;
  std::size_t batch_size = 64;    ///< units an optimiser step, of all workers together
  std::size_t micro_batches = 1;  ///< parts of a worker's batch, one after the other: saves memory
  double rate = 40;               ///< the highest learning rate; falls linearly to zero
  double warmup = 0;              ///< share of all steps over which the rate rises linearly before
  double clip_norm = 0;           ///< the most that a step's gradient may measure; 0: no bound
  std::string monitor = "macro_f1";    ///< the figure that chooses the epoch, the larger the better
  std::uint64_t patience = 2;          ///< epochs in a row without a better figure, then it stops
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

/// What a training ends with. The model is that of the best epoch then.
struct Fit {
  std::uint64_t epoch = 0;  ///< from 0
  double score = 0;         ///< its monitored figure
  Logits validation{};      ///< of the validation rows
  std::uint64_t steps = 0;  ///< that were made in all
};

/// The logits of the validation rows, as they are.
/// @throws InputError that names --rate for one that is NaN or infinite: the training diverged.
const Logits& require_finite(const Logits& logits, const TrainingOptions& options);

/// The figures of a model from its logits of the validation rows. Empty: nobody looks, and a
/// training makes all its epochs and ends with the last.
using Validate = std::function<Figures(const Logits& validation)>;

/// A line of a training's log: the epoch, how many steps were made, the rate, the mean loss of the
/// steps, and the figures of all together; and the line with the names of these columns.
std::string log_header(const Figures& figures);
std::string log_line(std::uint64_t epoch, std::uint64_t steps, double rate, double loss,
                     const Figures& figures);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_TRAINING_H_
