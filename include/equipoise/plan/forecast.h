// The options and the results of a forecast of a training run; see plan/dry_run.h.
#ifndef EQUIPOISE_PLAN_FORECAST_H_
#define EQUIPOISE_PLAN_FORECAST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "equipoise/sampling/class_sampler.h"

namespace equipoise {

/// How long a training run is, and the bounds beyond which the forecast warns.
struct DryRunOptions {
  /// Draws per step, over all workers; a batch is never larger than an epoch.
  std::uint64_t batch_size = 0;
  std::uint64_t epochs = 1;
  /// Draws in an epoch; 0 for as many as there are rows with a class.
  std::uint64_t epoch_size = 0;
  /// How rows are drawn. kExactQuota is also right for a shuffled pass over all rows.
  sampling::Mode mode = sampling::Mode::kExactQuota;
  double most_weight_ratio = 100;      ///< largest over smallest weight of a class that is drawn
  double most_repeats = 20;            ///< of a row, per epoch
  double least_effective_rows = 30;    ///< effective_sample_size below which metrics are noise
  double least_effective_share = 0.1;  ///< fraction of the rows
};

/// The expected exposure of one class in a run.
struct ClassForecast {
  double exposures = 0;  ///< draws in the whole run
  double distinct = 0;   ///< different rows among them
  double repeats = 0;    ///< draws of a row per epoch, on average over its rows
  double per_batch = 0;  ///< draws per batch
  double missing = 0;    ///< the probability that a batch has none; the mean over the run
};

/// The kinds of warnings.
enum class PlanWarningKind {
  kWeightRatio,     ///< the largest weight is many times the smallest
  kRepeats,         ///< rows of a class are repeated often within an epoch
  kNeverSeen,       ///< a class with rows is not drawn, has weight 0, or is expected less than once
  kNoRows,          ///< a declared class has no rows
  kEffectiveRows,   ///< few rows carry most of the weight
  kCorrectedTwice,  ///< see Ledger::corrects_twice()
};

/// Something in a plan that deserves a second look.
struct PlanWarning {
  PlanWarningKind kind;
  std::size_t class_index;  ///< the class concerned; the number of classes if all are
  double value;             ///< the value found
  double bound;             ///< the bound that was set
  std::string text;         ///< the message, with classes numbered
};

/// What the model will see in a training run with a plan, predicted before the run.
struct DryRun {
  std::vector<ClassForecast> classes;
  std::vector<PlanWarning> warnings;
  std::uint64_t steps = 0;  ///< of the whole run
  /// Kish's effective number of rows in this run: as Ledger::effective_sample_size, but the weight
  /// of a class is divided among the rows that the run shows. Never more than the number of those
  /// rows.
  double effective_sample_size = 0;
};

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_FORECAST_H_
