// A forecast of what a training run will show of each class: exposures, repeats, batches that miss
// it, and warnings.
#ifndef EQUIPOISE_PLAN_DRY_RUN_H_
#define EQUIPOISE_PLAN_DRY_RUN_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/scale.h"
#include "equipoise/detail/text.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/plan/treatment.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise {

/// How long a training run is, and the bounds beyond which it is warned of.
struct DryRunOptions {
  /// Draws per step, over all workers; a batch is never larger than an epoch.
  std::uint64_t batch_size = 0;
  std::uint64_t epochs = 1;
  /// Draws in an epoch; 0 for as many as there are rows with a class.
  std::uint64_t epoch_size = 0;
  /// How rows are drawn. kExactQuota is also right for a shuffled pass over all rows.
  sampling::Mode mode = sampling::Mode::kExactQuota;
  double most_weight_ratio = 100;      ///< largest over smallest weight of a class that is drawn
  double most_repeats = 20;            ///< of a row, in an epoch
  double least_effective_rows = 30;    ///< effective_sample_size below which metrics are chance
  double least_effective_share = 0.1;  ///< of the rows
};

/// The expected exposure of one class in a run.
struct ClassForecast {
  double exposures = 0;  ///< draws in the whole run
  double distinct = 0;   ///< different rows among them
  double repeats = 0;    ///< draws of a row in an epoch, on average over its rows
  double per_batch = 0;  ///< draws in a batch
  double missing = 0;    ///< the probability that a batch has none; the mean over the run
};

enum class PlanWarningKind {
  kWeightRatio,    ///< the largest weight is many times the smallest
  kRepeats,        ///< rows of a class are repeated often within an epoch
  kNeverSeen,      ///< a class with rows is not drawn, weighs nothing, or is due less than once
  kNoRows,         ///< a declared class has no rows
  kEffectiveRows,  ///< few rows carry most of the weight
  kCorrectedTwice,
};

struct PlanWarning {
  PlanWarningKind kind;
  std::size_t class_index;  ///< the class it is about; the number of classes where it is about all
  double value;             ///< what was found
  double bound;             ///< what was set
  std::string text;         ///< for people; names classes by number
};

struct DryRun {
  std::vector<ClassForecast> classes;
  std::vector<PlanWarning> warnings;
  std::uint64_t steps = 0;  ///< of the whole run
  /// Kish's effective number of rows in this run: as Ledger::effective_sample_size, but the weight
  /// of a class is shared out among the rows that are shown. Never more than their number.
  double effective_sample_size = 0;
};

namespace detail {

// The probability that none of `batch` slots, drawn from `slots` without putting back, is one of
// `marked`, both whole numbers.
inline double misses_all(double slots, double marked, double batch) {
  if (slots - marked < batch) return 0;
  // The product over i < few of 1 - many / (slots - i). Where there are many factors, those of a
  // group are taken for the one in its middle.
  constexpr double kMostGroups = 4096;
  const double few = std::min(marked, batch);
  const double many = std::max(marked, batch);
  const double groups = std::min(few, kMostGroups);
  double log_probability = 0;
  for (double group = 0; group < groups && log_probability > -800; ++group) {
    const double middle = (group + 0.5) * (few / groups) - 0.5;
    log_probability += few / groups * std::log1p(-many / (slots - middle));
  }
  return std::exp(log_probability);
}

// The same where quotas mark floor or ceil of `marked` slots, and that on average. (They may be off
// by more, see QuotaSequence, but seldom are.)
inline double misses_all_of_quota(double slots, double marked, double batch) {
  const double whole = std::floor(marked);
  const double part = marked - whole;
  const double missed = (1 - part) * misses_all(slots, whole, batch);
  return part > 0 ? missed + part * misses_all(slots, whole + 1, batch) : missed;
}

// Adds up what a run shows, from stretches that are drawn and weighted alike.
class RunForecast {
 public:
  // `window`: the draws that quotas are dealt out over and shuffled in, and after which, if it is
  // less than an epoch, rows are drawn again; see ClassSampler and ScheduledSampler.
  RunForecast(std::string_view where, std::span<const double> counts, const DryRunOptions& options,
              std::optional<std::uint64_t> window)
      : counts_(counts.begin(), counts.end()), options_(options), sums_(counts.size()) {
    if (options.batch_size == 0) reject(where, "options.batch_size", 0, "at least 1");
    if (options.epochs == 0) reject(where, "options.epochs", 0, "at least 1");
    for (const auto& [name, bound] :
         {std::pair{"options.most_weight_ratio", options.most_weight_ratio},
          std::pair{"options.most_repeats", options.most_repeats},
          std::pair{"options.least_effective_rows", options.least_effective_rows},
          std::pair{"options.least_effective_share", options.least_effective_share}}) {
      if (is_nan(bound)) reject(where, name, bound, "a number");
    }
    double rows = 0;
    for (const double n : counts_) rows += n;
    epoch_ = options.epoch_size > 0 ? static_cast<double>(options.epoch_size) : std::floor(rows);
    if (epoch_ < 1) {
      reject(where, "options.epoch_size", 0,
             "at least 1, for the counts sum up to " + to_text(rows));
    }
    const auto epochs = static_cast<double>(options.epochs);
    steps_ = std::ceil(epoch_ / static_cast<double>(options.batch_size)) * epochs;
    draws_ = epoch_ * epochs;
    if (draws_ >= 0x1.0p63) reject(where, "draws of all epochs", draws_, "less than 2^63");
    batch_ = std::min(static_cast<double>(options.batch_size), epoch_);
    anew_ = window.has_value();
    window_ = anew_ ? static_cast<double>(*window) : epoch_;
  }

  // Of the whole run.
  std::uint64_t draws() const { return static_cast<std::uint64_t>(draws_); }

  void add(double draws, const Exposure& stretch) {
    const bool independent = options_.mode == sampling::Mode::kIndependent;
    for (std::size_t c = 0; c < sums_.size(); ++c) {
      const double q = stretch.drawn[c];
      Sums& sums = sums_[c];
      sums.exposures += draws * q;
      sums.mass += draws * q * stretch.coefficients[c];
      sums.missing += draws * (independent ? std::exp(batch_ * std::log1p(-q))
                                           : misses_all_of_quota(window_, window_ * q,
                                                                 std::min(batch_, window_)));
      if (q == 0) continue;
      // Draws that say nothing of each other leave a row unseen with a probability each; so do
      // windows, within which rows are distinct.
      const double together = independent ? 1 : window_;
      if (independent || anew_) {
        sums.log_missing += draws / together * std::log1p(-std::min(together * q, 1.0));
        sums.log_unseen += draws / together * std::log1p(-std::min(together * q / counts_[c], 1.0));
      }
    }
  }

  // `last`: the ledger at the end of the run.
  DryRun result(const Ledger& last) const {
    DryRun result;
    result.steps = static_cast<std::uint64_t>(steps_);
    // The scale of the weights does not matter; squares of masses near 1 stay in range.
    double largest = 0;
    for (const Sums& sums : sums_) largest = std::max(largest, sums.mass);
    const double unit = unit_of(largest);
    double mass = 0;
    double squares = 0;
    for (std::size_t c = 0; c < sums_.size(); ++c) {
      const Sums& sums = sums_[c];
      ClassForecast forecast;
      forecast.exposures = sums.exposures;
      forecast.per_batch = batch_ * (sums.exposures / draws_);
      forecast.missing = sums.missing / draws_;
      if (counts_[c] > 0) {
        forecast.distinct = is_by_deck() ? std::min(counts_[c], sums.exposures)
                                         : counts_[c] * -std::expm1(sums.log_unseen);
        forecast.repeats = sums.exposures / static_cast<double>(options_.epochs) / counts_[c];
      }
      const double own = unit * sums.mass;
      if (own > 0) squares += own * own / forecast.distinct;
      mass += own;
      result.classes.push_back(forecast);
    }
    if (squares > 0) result.effective_sample_size = mass * mass / squares;
    result.warnings = warnings(last, result);
    return result;
  }

 private:
  struct Sums {
    double exposures = 0;
    double mass = 0;         // draws times what they count for
    double missing = 0;      // probabilities, by draws
    double log_unseen = 0;   // of the probability that a row is not drawn
    double log_missing = 0;  // of the probability that no row of the class is
  };

  // Whether rows are dealt out over the whole run before any repeats.
  bool is_by_deck() const { return options_.mode == sampling::Mode::kExactQuota && !anew_; }

  // The probability that the run draws no row of a class that it draws less than once on average.
  // Quotas over the run are nearly always floor or ceil of that.
  double never_drawn(const Sums& sums) const {
    return is_by_deck() ? 1 - sums.exposures : std::exp(sums.log_missing);
  }

  std::vector<PlanWarning> warnings(const Ledger& last, const DryRun& run) const {
    std::vector<PlanWarning> warnings;
    const std::size_t classes = counts_.size();
    double least = infinity();
    double most = 0;
    std::size_t heaviest = 0;
    double rows = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      const std::string name = "class " + to_text(c);
      rows += counts_[c];
      if (counts_[c] == 0) {
        warnings.push_back({PlanWarningKind::kNoRows, c, 0, 1, name + " has no rows"});
        continue;
      }
      if (sums_[c].mass == 0) {
        warnings.push_back(
            {PlanWarningKind::kNeverSeen, c, 0, 0,
             name + " has " + to_text(counts_[c]) + " rows and is never learnt from"});
        continue;
      }
      constexpr double kRounding = 1e-9;
      if (sums_[c].exposures < 1 - kRounding) {
        warnings.push_back({PlanWarningKind::kNeverSeen, c, sums_[c].exposures, 1,
                            name + " has " + to_text(counts_[c]) + " rows, of which " +
                                with_digits(sums_[c].exposures, 2) +
                                " are drawn on average: with a probability of " +
                                with_digits(never_drawn(sums_[c]), 2) + " none in the whole run"});
      }
      if (last.drawn[c] > 0 && last.weights[c] > 0) {
        least = std::min(least, last.weights[c]);
        if (last.weights[c] > most) {
          most = last.weights[c];
          heaviest = c;
        }
      }
      if (run.classes[c].repeats > options_.most_repeats) {
        warnings.push_back(
            {PlanWarningKind::kRepeats, c, run.classes[c].repeats, options_.most_repeats,
             "each row of " + name + " comes " + with_digits(run.classes[c].repeats, 1) +
                 " times an epoch: it will be learnt by heart"});
      }
    }
    if (most > least * options_.most_weight_ratio) {
      warnings.push_back({PlanWarningKind::kWeightRatio, heaviest, most / least,
                          options_.most_weight_ratio,
                          "weights differ by a factor of " + with_digits(most / least, 0) +
                              ", the largest that of class " + to_text(heaviest) +
                              ": single rows will jerk the gradient"});
    }
    const double enough =
        std::max(options_.least_effective_rows, options_.least_effective_share * rows);
    if (run.effective_sample_size < enough) {
      warnings.push_back({PlanWarningKind::kEffectiveRows, classes, run.effective_sample_size,
                          enough,
                          "the data are worth " + with_digits(run.effective_sample_size, 0) +
                              " rows of equal weight, of " + with_digits(rows, 0)});
    }
    if (last.corrects_twice()) {
      warnings.push_back({PlanWarningKind::kCorrectedTwice, classes, last.strength.total(), 1,
                          "the imbalance is corrected twice, to " +
                              with_digits(last.strength.total(), 2) +
                              " of what balances the classes"});
    }
    return warnings;
  }

  std::vector<double> counts_;
  DryRunOptions options_;
  std::vector<Sums> sums_;
  double epoch_ = 0;  // draws in an epoch
  double draws_ = 0;  // and in the run
  double steps_ = 0;
  double batch_ = 0;  // rows, of which an epoch may have fewer
  double window_ = 0;
  bool anew_ = false;  // whether each window draws all rows again
};

}  // namespace detail

/// The forecast of a run: exposures_c = D q_c over all D draws. With kIndependent a class of n_c
/// rows shows n_c (1 - (1 - q_c / n_c)^D) different ones on average, and a batch misses it with
/// probability (1 - q_c)^B; with kExactQuota its rows are dealt out before any repeats, so it shows
/// min(n_c, exposures_c), and, slots being shuffled within an epoch, of which it is taken to have
/// floor or ceil of its share (QuotaSequence may deal up to three more or fewer), the probability
/// is hypergeometric. O(C), with MeanKind::kByWeight times some hundred, with MeanKind::kPerClass
/// times some thousand.
/// @throws std::invalid_argument as ledger(), for a batch size or a number of epochs of 0, for
/// counts that sum to less than 1 without an epoch_size (shares, say), for 2^63 draws and more, and
/// for a bound that is NaN.
inline DryRun dry_run(const Treatment& treatment, const DryRunOptions& options) {
  constexpr std::string_view kWhere = "dry_run";
  detail::RunForecast forecast(kWhere, treatment.counts.values(), options, std::nullopt);
  forecast.add(static_cast<double>(forecast.draws()), detail::exposure_of(kWhere, treatment));
  return forecast.result(ledger(treatment));
}

/// A table of the forecast, one line per class, then the warnings. `names` has one name per class,
/// in UTF-8; where it is empty, classes are numbered.
/// @throws std::invalid_argument where the number of names is not that of the classes.
inline std::string report(const DryRun& run, std::span<const std::string> names = {}) {
  detail::require_names("report", names, run.classes.size());
  detail::Table table(names, 5, /*column_width=*/11);
  table.line("class", {"exposures", "distinct", "repeats", "per batch", "batch lacks"});
  for (std::size_t c = 0; c < run.classes.size(); ++c) {
    const ClassForecast& forecast = run.classes[c];
    table.line(
        c, {detail::with_digits(forecast.exposures, 0), detail::with_digits(forecast.distinct, 0),
            detail::with_digits(forecast.repeats, 2), detail::with_digits(forecast.per_batch, 2),
            detail::with_digits(forecast.missing, 4)});
  }
  std::string text = table.text();
  text += "\n" + detail::to_text(run.steps) + " steps\n";
  for (const PlanWarning& warning : run.warnings) text += "warning: " + warning.text + "\n";
  return text;
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_DRY_RUN_H_
