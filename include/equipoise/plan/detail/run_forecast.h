// Adds up what a training run shows of each class, and looks for what should be warned of.
#ifndef EQUIPOISE_PLAN_DETAIL_RUN_FORECAST_H_
#define EQUIPOISE_PLAN_DETAIL_RUN_FORECAST_H_

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
#include "equipoise/plan/forecast.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/plan/treatment.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise::detail {

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

}  // namespace equipoise::detail

#endif  // EQUIPOISE_PLAN_DETAIL_RUN_FORECAST_H_
