// What a training run will show of each class, before it starts: exposures, repeats, batches that
// miss it, and what to be warned of.
#ifndef EQUIPOISE_DRY_RUN_H_
#define EQUIPOISE_DRY_RUN_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/text.h"
#include "equipoise/ledger.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise {

/// How long a training is, and from where on its figures are a reason to warn.
struct DryRunOptions {
  std::uint64_t batch_size = 0;  ///< draws a step, of all workers together
  std::uint64_t epochs = 1;
  /// Draws in an epoch; 0 for as many as there are rows with a class.
  std::uint64_t epoch_size = 0;
  /// How rows are drawn. kExactQuota is also right for a shuffled pass over all rows.
  SamplingMode mode = SamplingMode::kExactQuota;
  double most_weight_ratio = 100;      ///< largest over least weight of a class that is drawn
  double most_repeats = 20;            ///< of a row, in an epoch
  double least_effective_rows = 30;    ///< effective_sample_size below which figures are chance
  double least_effective_share = 0.1;  ///< of the rows
};

/// What a run shows of one class; expectations.
struct ClassForecast {
  double exposures = 0;  ///< draws in the whole run
  double distinct = 0;   ///< different rows among them
  double repeats = 0;    ///< draws of a row in an epoch, on average over its rows
  double per_batch = 0;  ///< draws in a batch
  double missing = 0;    ///< the probability that a batch has none
};

enum class Caution {
  kWeightRatio,    ///< the largest weight is many times the least
  kRepeats,        ///< rows of a class are repeated often within an epoch
  kNeverSeen,      ///< a class with rows is not drawn, or weighs nothing
  kNoRows,         ///< a declared class has no rows
  kEffectiveRows,  ///< few rows carry most of the weight
  kCorrectedTwice,
};

struct Warning {
  Caution caution;
  std::size_t class_index;  ///< the class it is about; the number of classes where it is about all
  double value;             ///< what was found
  double bound;             ///< what was set
  std::string text;         ///< for people; names classes by number
};

struct DryRun {
  std::vector<ClassForecast> classes;
  std::vector<Warning> warnings;
  std::uint64_t steps = 0;  ///< of the whole run
};

namespace detail {

// The probability that none of `batch` slots, drawn from `slots` without putting back, is one of
// `marked`: a product of batch ratios, by logarithms of factorials. marked need not be whole.
inline double misses_all(double slots, double marked, double batch) {
  if (marked <= 0) return 1;
  if (slots - marked < batch) return 0;
  return std::exp(std::lgamma(slots - marked + 1) - std::lgamma(slots - marked - batch + 1) -
                  std::lgamma(slots + 1) + std::lgamma(slots - batch + 1));
}

inline std::vector<Warning> warnings_of(const Ledger& ledger, std::span<const double> counts,
                                        std::span<const ClassForecast> forecasts,
                                        const DryRunOptions& options) {
  std::vector<Warning> warnings;
  const std::size_t classes = counts.size();
  double least = infinity();
  double most = 0;
  std::size_t heaviest = 0;
  double rows = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    const std::string name = "class " + to_text(c);
    rows += counts[c];
    if (counts[c] == 0) {
      warnings.push_back({Caution::kNoRows, c, 0, 1, name + " has no rows"});
      continue;
    }
    if (ledger.drawn[c] * ledger.weights[c] == 0) {
      warnings.push_back({Caution::kNeverSeen, c, 0, 0,
                          name + " has " + to_text(counts[c]) + " rows and is never learnt from"});
      continue;
    }
    least = std::min(least, ledger.weights[c]);
    if (ledger.weights[c] > most) {
      most = ledger.weights[c];
      heaviest = c;
    }
    if (forecasts[c].repeats > options.most_repeats) {
      warnings.push_back({Caution::kRepeats, c, forecasts[c].repeats, options.most_repeats,
                          "each row of " + name + " comes " + with_digits(forecasts[c].repeats, 1) +
                              " times an epoch: it will be learnt by heart"});
    }
  }
  if (most > least * options.most_weight_ratio) {
    warnings.push_back({Caution::kWeightRatio, heaviest, most / least, options.most_weight_ratio,
                        "weights differ by a factor of " + with_digits(most / least, 0) +
                            ", the largest that of class " + to_text(heaviest) +
                            ": single rows will jerk the gradient"});
  }
  const double enough =
      std::max(options.least_effective_rows, options.least_effective_share * rows);
  if (ledger.effective_sample_size < enough) {
    warnings.push_back({Caution::kEffectiveRows, classes, ledger.effective_sample_size, enough,
                        "the data are worth " + with_digits(ledger.effective_sample_size, 0) +
                            " rows of equal weight, of " + with_digits(rows, 0)});
  }
  if (ledger.corrects_twice()) {
    warnings.push_back({Caution::kCorrectedTwice, classes, ledger.strength.total(), 1,
                        "the imbalance is corrected twice, to " +
                            with_digits(ledger.strength.total(), 2) +
                            " of what balances the classes"});
  }
  return warnings;
}

}  // namespace detail

/// The forecast of a run: exposures_c = D q_c over all D draws. With kIndependent a class of n_c
/// rows shows n_c (1 - (1 - q_c / n_c)^D) different ones on average, and a batch misses it with
/// probability (1 - q_c)^B; with kExactQuota its rows are dealt out before any repeats, so it shows
/// min(n_c, exposures_c), and, slots being shuffled within an epoch, the probability is
/// hypergeometric. O(C).
/// @throws std::invalid_argument as ledger(), and for a batch size or a number of epochs of 0.
inline DryRun dry_run(const Treatment& treatment, const DryRunOptions& options) {
  constexpr std::string_view kWhere = "dry_run";
  if (options.batch_size == 0) detail::reject(kWhere, "options.batch_size", 0, "at least 1");
  if (options.epochs == 0) detail::reject(kWhere, "options.epochs", 0, "at least 1");
  const Ledger entries = ledger(treatment);
  const std::span<const double> counts = treatment.counts.values();
  double rows = 0;
  for (const double n : counts) rows += n;
  const double epoch =
      options.epoch_size > 0 ? static_cast<double>(options.epoch_size) : std::floor(rows);
  const auto epochs = static_cast<double>(options.epochs);
  const auto batch = static_cast<double>(options.batch_size);
  const bool independent = options.mode == SamplingMode::kIndependent;
  DryRun result;
  result.steps = static_cast<std::uint64_t>(std::ceil(epoch / batch)) * options.epochs;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    const double q = entries.drawn[c];
    ClassForecast forecast;
    forecast.exposures = epochs * epoch * q;
    forecast.per_batch = batch * q;
    if (counts[c] > 0) {
      // 1 - (1 - x)^D without cancellation; a class of one row that takes all draws has x = 1.
      const double seen =
          independent ? -std::expm1(epochs * epoch * std::log1p(-std::min(q / counts[c], 1.0)))
                      : std::min(1.0, forecast.exposures / counts[c]);
      forecast.distinct = counts[c] * seen;
      forecast.repeats = epoch * q / counts[c];
    }
    forecast.missing = independent ? std::exp(batch * std::log1p(-q))
                                   : detail::misses_all(epoch, epoch * q, std::min(batch, epoch));
    result.classes.push_back(forecast);
  }
  result.warnings = detail::warnings_of(entries, counts, result.classes, options);
  return result;
}

/// A table of the forecast, a line a class, then the warnings. `names` has one name a class, in
/// UTF-8; empty: their numbers.
/// @throws std::invalid_argument where the number of names is not that of the classes.
inline std::string report(const DryRun& run, std::span<const std::string> names = {}) {
  if (!names.empty()) {
    detail::require_size("report", "names", names.size(), run.classes.size(), "classes");
  }
  std::size_t width = 5;
  for (const std::string& name : names) width = std::max(width, detail::characters(name));
  std::string text;
  const auto line = [&](std::string_view name, std::initializer_list<std::string> columns) {
    text += detail::right_aligned(name, width);
    for (const std::string& column : columns) text += ' ' + detail::right_aligned(column, 11);
    text += '\n';
  };
  line("class", {"exposures", "distinct", "repeats", "per batch", "batch lacks"});
  for (std::size_t c = 0; c < run.classes.size(); ++c) {
    const ClassForecast& forecast = run.classes[c];
    line(names.empty() ? std::to_string(c) : names[c],
         {detail::with_digits(forecast.exposures, 0), detail::with_digits(forecast.distinct, 0),
          detail::with_digits(forecast.repeats, 2), detail::with_digits(forecast.per_batch, 2),
          detail::with_digits(forecast.missing, 4)});
  }
  text += "\n" + detail::to_text(run.steps) + " steps\n";
  for (const Warning& warning : run.warnings) text += "warning: " + warning.text + "\n";
  return text;
}

}  // namespace equipoise

#endif  // EQUIPOISE_DRY_RUN_H_
