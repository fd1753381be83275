// How far a figure would move if the test rows were drawn again: percentile bootstrap, paired for
// differences between two systems.
#ifndef EQUIPOISE_METRICS_BOOTSTRAP_H_
#define EQUIPOISE_METRICS_BOOTSTRAP_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/row_draws.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/interval.h"
#include "equipoise/random.h"
#include "equipoise/view.h"

namespace equipoise {

/// Which rows a resample holds.
enum class Resampling {
  kWithinClasses,  ///< of each class as many as there are, drawn from among its rows
  kRows,           ///< rows of any class, so that a resample may lack one
};

/// Options of the bootstraps.
struct BootstrapOptions {
  std::size_t resamples = 2000;
  /// The share of resamples between the bounds, in (0, 1).
  double confidence = 0.95;
  /// Equal seeds give equal intervals on every platform.
  std::uint64_t seed = 0;
  /// What follows is read where there are targets: by the bootstraps of a ConfusionMetric.
  Resampling resampling = Resampling::kWithinClasses;
  /// Rows that are added to each class before its rows are drawn, on each of which every system is
  /// right or wrong by the toss of a coin. Without them a class of two rows that were both right
  /// stays right in every resample, and intervals are far too short.
  std::uint32_t pseudo_rows = 1;
};

/// A function of how often each row is taken, a number a row: what bootstrap() resamples.
template <class F>
concept ResampledStatistic = requires(const F& f, std::span<const std::uint32_t> multiplicity) {
  { f(multiplicity) } -> std::convertible_to<double>;
};

/// A figure that is read off a confusion matrix.
template <class F>
concept ConfusionMetric = requires(const F& f, const ConfusionMatrix& matrix) {
  { f(matrix) } -> std::convertible_to<double>;
};

/// Predictions of several runs of one system: a range of ranges.
template <class R>
concept LabelRuns = ContiguousRange<R> && LabelRange<ElementOf<R>>;

namespace detail {

inline void require_bootstrap_options(std::string_view where, std::size_t rows,
                                      const BootstrapOptions& options) {
  if (rows == 0) reject(where, "rows", rows, "at least 1");
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    reject(where, "rows", rows, "less than 2^32");
  }
  if (options.resamples == 0) reject(where, "options.resamples", 0, "at least 1");
  require_between(where, "options.confidence", options.confidence, 0, 1, Ends::kNeither);
}

inline double require_estimate(std::string_view where, double estimate) {
  require_finite(where, "statistic of all rows", estimate);
  return estimate;
}
inline double require_resampled(std::string_view where, std::size_t b, double value) {
  if (!is_finite(value)) {
    reject_element(where, "statistic of resamples", b, value, "a finite number");
  }
  return value;
}

// The quantiles of values, which it sorts.
inline Interval percentiles(double estimate, std::vector<double>& values, double confidence) {
  std::sort(values.begin(), values.end());
  const double tail = (1 - confidence) / 2 * static_cast<double>(values.size() - 1);
  return {estimate, order_statistic(values, tail, false), order_statistic(values, tail, true)};
}

// As bootstrap(), under a caller's name.
template <ResampledStatistic F>
Interval bootstrap(std::string_view where, const RowDraws& rows, const F& statistic,
                   const BootstrapOptions& options) {
  std::vector<std::uint32_t> multiplicity(rows.rows(), 1);
  const auto value = [&] { return static_cast<double>(statistic(std::span(multiplicity))); };
  const double estimate = require_estimate(where, value());
  const CounterRandom random{options.seed};
  std::vector<double> values;
  values.reserve(options.resamples);
  for (std::size_t b = 0; b < options.resamples; ++b) {
    std::fill(multiplicity.begin(), multiplicity.end(), 0u);
    rows.draw(random, b, [&](std::size_t row, std::uint64_t) { ++multiplicity[row]; });
    values.push_back(require_resampled(where, b, value()));
  }
  return percentiles(estimate, values, options.confidence);
}

// Two coins, one for each system.
enum class Coin : std::uint8_t { kFirst = 1, kSecond = 2 };

// A row of a resample, or a pseudo-row of its class and on which coins it is right.
struct Draw {
  std::size_t row;
  std::uint8_t heads = 0;
  bool is_pseudo = false;
};

// The targets and how resamples of them are drawn.
class ClassDraws {
 public:
  template <class L>
  ClassDraws(std::span<const L> targets, std::size_t classes, const BootstrapOptions& options)
      : random_{options.seed},
        pseudo_rows_(options.pseudo_rows),
        rows_(options.resampling == Resampling::kWithinClasses ? RowDraws(targets)
                                                               : RowDraws(targets.size())),
        support_(classes, 0) {
    targets_.reserve(targets.size());
    for (const L target : targets) {
      targets_.push_back(static_cast<std::size_t>(target));
      ++support_[targets_.back()];
    }
    // First every row once, which is what estimates are of.
    for (std::size_t r = 0; r < targets_.size(); ++r) draws_.push_back({r});
  }

  std::span<const std::size_t> targets() const { return targets_; }
  std::span<const Draw> draws() const { return draws_; }

  void draw(std::size_t b) {
    constexpr std::uint64_t kPseudoRows = std::uint64_t{1} << 63;
    draws_.clear();
    rows_.draw(random_, b, [&](std::size_t row, std::uint64_t position) {
      Draw& drawn = draws_.emplace_back(Draw{row});
      if (pseudo_rows_ == 0) return;
      // One of the class's rows and pseudo-rows, and of the four ways that two coins fall.
      const std::uint64_t all = support_[targets_[row]] + pseudo_rows_;
      const std::uint64_t which =
          random_.below(4 * all, position | kPseudoRows, Purpose::kBootstrap);
      drawn.is_pseudo = which / 4 < pseudo_rows_;
      drawn.heads = static_cast<std::uint8_t>(which % 4);
    });
  }

 private:
  CounterRandom random_;
  std::uint64_t pseudo_rows_;
  RowDraws rows_;
  std::vector<std::size_t> targets_;
  std::vector<std::uint64_t> support_;  // rows of each class
  std::vector<Draw> draws_;
};

// The metric of resampled rows, averaged over the runs of a system.
template <ConfusionMetric F>
class ResampledRuns {
 public:
  ResampledRuns(std::string_view where, std::size_t classes, const F& metric)
      : where_(where), metric_(metric), matrix_(classes) {}

  template <class L, LabelRange Predictions>
  void add(std::string_view argument, std::span<const L> targets, const Predictions& run) {
    const auto predictions = as_span(run);
    require_size(where_, argument, predictions.size(), targets.size(), "targets");
    require_classes(where_, argument, predictions, matrix_.classes());
    std::vector<std::size_t>& labels = runs_.emplace_back();
    labels.reserve(predictions.size());
    for (const auto label : predictions) labels.push_back(static_cast<std::size_t>(label));
  }

  template <class L, LabelRuns Runs>
  void add_all(std::string_view argument, std::span<const L> targets, const Runs& runs) {
    if (as_span(runs).empty()) reject(where_, std::string(argument) + ".size()", 0, "at least 1");
    for (std::size_t r = 0; r < as_span(runs).size(); ++r) {
      add(std::string(argument) + "[" + to_text(r) + "]", targets, as_span(runs)[r]);
    }
  }

  std::span<const std::vector<std::size_t>> runs() const { return runs_; }

  // Of the rows drawn; with a coin, pseudo-rows count as such, those that are wrong as
  // wrong[target].
  double mean(const ClassDraws& rows, std::optional<Coin> coin,
              std::span<const std::size_t> wrong) {
    const std::span<const std::size_t> targets = rows.targets();
    double sum = 0;
    for (const std::vector<std::size_t>& run : runs_) {
      const std::span<double> counts = matrix_.all_reduce_buffer();
      std::fill(counts.begin(), counts.end(), 0.0);
      for (const Draw& draw : rows.draws()) {
        const std::size_t target = targets[draw.row];
        std::size_t prediction = run[draw.row];
        if (coin && draw.is_pseudo) {
          const bool is_right = (draw.heads & static_cast<std::uint8_t>(*coin)) != 0;
          prediction = is_right ? target : wrong[target];
        }
        counts[target * matrix_.classes() + prediction] += 1;
      }
      sum += static_cast<double>(metric_(static_cast<const ConfusionMatrix&>(matrix_)));
    }
    return sum / static_cast<double>(runs_.size());
  }

  template <class L>
  static void require_classes(std::string_view where, std::string_view argument,
                              std::span<const L> labels, std::size_t classes) {
    for (const L label : labels) {
      if (is_class(label, classes)) continue;
      reject_first_invalid(where, argument, labels, classes, std::nullopt);
    }
  }

 private:
  std::string_view where_;
  const F& metric_;
  std::vector<std::vector<std::size_t>> runs_;  // predictions
  ConfusionMatrix matrix_;                      // of one run and resample
};

// For each class the other one that is predicted most often, the first of equals.
class WrongClasses {
 public:
  explicit WrongClasses(std::size_t classes) : predicted_(classes, 0) {}

  void count(std::span<const std::vector<std::size_t>> runs) {
    for (const std::vector<std::size_t>& run : runs) {
      for (const std::size_t label : run) ++predicted_[label];
    }
  }
  // With a single class there is no wrong one.
  std::vector<std::size_t> find() const {
    std::vector<std::size_t> wrong(predicted_.size(), 0);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
      wrong[t] = t == 0 && wrong.size() > 1 ? 1 : 0;
      for (std::size_t c = 0; c < wrong.size(); ++c) {
        if (c != t && predicted_[c] > predicted_[wrong[t]]) wrong[t] = c;
      }
    }
    return wrong;
  }

 private:
  std::vector<std::uint64_t> predicted_;
};

// The interval of value(rows, coin of the first system, coin of the second): the span of the
// percentile intervals without and with pseudo-rows. Each resample takes the coins both ways, so
// that swapping two systems negates the difference exactly.
template <class F>
Interval class_bootstrap(std::string_view where, ClassDraws& rows, const F& value,
                         const BootstrapOptions& options) {
  const double estimate = require_estimate(where, value(std::nullopt, std::nullopt));
  const bool smooths = options.pseudo_rows > 0;
  std::vector<double> values;
  std::vector<double> smoothed;
  values.reserve(options.resamples);
  smoothed.reserve(smooths ? 2 * options.resamples : 0);
  for (std::size_t b = 0; b < options.resamples; ++b) {
    rows.draw(b);
    values.push_back(require_resampled(where, b, value(std::nullopt, std::nullopt)));
    if (!smooths) continue;
    smoothed.push_back(require_resampled(where, b, value(Coin::kFirst, Coin::kSecond)));
    smoothed.push_back(require_resampled(where, b, value(Coin::kSecond, Coin::kFirst)));
  }
  Interval interval = percentiles(estimate, values, options.confidence);
  if (smooths) {
    const Interval wide = percentiles(estimate, smoothed, options.confidence);
    interval.lower = std::min(interval.lower, wide.lower);
    interval.upper = std::max(interval.upper, wide.upper);
  }
  return interval;
}

template <class L, ConfusionMetric F>
Interval of_one(std::string_view where, std::span<const L> targets, ResampledRuns<F>& system,
                std::size_t classes, const BootstrapOptions& options) {
  ClassDraws rows(targets, classes, options);
  WrongClasses wrong(classes);
  wrong.count(system.runs());
  return class_bootstrap(
      where, rows,
      [&, instead = wrong.find()](std::optional<Coin> coin, std::optional<Coin>) {
        return system.mean(rows, coin, instead);
      },
      options);
}

template <class L, ConfusionMetric F>
Interval difference(std::string_view where, std::span<const L> targets, ResampledRuns<F>& a,
                    ResampledRuns<F>& b, std::size_t classes, const BootstrapOptions& options) {
  ClassDraws rows(targets, classes, options);
  WrongClasses wrong(classes);
  wrong.count(a.runs());
  wrong.count(b.runs());
  const bool are_equal =
      std::equal(a.runs().begin(), a.runs().end(), b.runs().begin(), b.runs().end());
  return class_bootstrap(
      where, rows,
      [&, instead = wrong.find()](std::optional<Coin> of_a, std::optional<Coin> of_b) {
        return a.mean(rows, of_a, instead) - b.mean(rows, are_equal ? of_a : of_b, instead);
      },
      options);
}

// What both systems are scored on.
template <LabelRange Targets, class F>
auto require_targets(std::string_view where, const Targets& targets, std::size_t classes,
                     const BootstrapOptions& options, const F&) {
  const auto truth = as_span(targets);
  require_bootstrap_options(where, truth.size(), options);
  ResampledRuns<F>::require_classes(where, "targets", truth, classes);
  return truth;
}

}  // namespace detail

/// The percentile interval of a statistic of `rows` rows (Efron 1979, "Bootstrap methods: another
/// look at the jackknife"): each resample draws as many rows with replacement, and the bounds are
/// the (1 - confidence) / 2 quantile of its values from below and from above, neighbouring values
/// interpolated. The estimate is the statistic of each row taken once.
///
/// `statistic` gets how often each row was drawn: multiplicities that sum to `rows`. Rows that
/// belong together (the tokens of a sentence, the questions on one text) have to be resampled
/// together: let a row be the sentence. O(resamples (rows + statistic)) time, O(rows + resamples)
/// memory.
///
/// A resample lacks a class of n rows with probability e^-n, n = 2: .14. A mean over classes must
/// then leave it out (Absent::kSkipUnsupported), not count it as 0. With few rows of a class that
/// is still too short; the bootstraps of targets below are not.
/// @throws std::invalid_argument for no rows or 2^32 and more, no resamples, a confidence outside
/// (0, 1), and a statistic that is NaN or infinite.
template <ResampledStatistic F>
Interval bootstrap(std::size_t rows, const F& statistic, const BootstrapOptions& options = {}) {
  detail::require_bootstrap_options("bootstrap", rows, options);
  return detail::bootstrap("bootstrap", detail::RowDraws(rows), statistic, options);
}

/// The same for rows in strata, `strata` being one integer a row: each resample draws within each
/// stratum as many rows as it has. Of strata with few rows it makes intervals too short, for it
/// holds fixed how many there are and has little to draw from. O(rows log rows) once.
/// @throws std::invalid_argument as bootstrap().
template <LabelRange Strata, ResampledStatistic F>
Interval stratified_bootstrap(const Strata& strata, const F& statistic,
                              const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "stratified_bootstrap";
  const auto labels = as_span(strata);
  detail::require_bootstrap_options(kWhere, labels.size(), options);
  return detail::bootstrap(kWhere, detail::RowDraws(labels), statistic, options);
}

/// The interval of mean_r metric(runs[r]), `runs` holding one range of predictions for each run of
/// a system (a seed, say). `metric` maps a ConfusionMatrix to a number, such as
/// [](const ConfusionMatrix& m) { return m.macro_f1(); }. What varies is the test rows, with the
/// trained runs as they are.
///
/// Resamples keep the number of rows of each class. Two sets of them are drawn, and the interval
/// spans the percentile intervals of both: rows alone, and rows together with a pseudo-row for each
/// class, in the place of which each system is right or wrong by the toss of a coin, as Agresti &
/// Coull 1998 ("Approximate is better than 'exact' for interval estimation of binomial
/// proportions") add to a proportion. The wrong class is the other one that is predicted most
/// often. That covers the true macro-F1 about as often as it says with two rows of a class too,
/// where a plain percentile interval does in three cases of four or fewer: docs/explanation.md has
/// the table. With `pseudo_rows` 0 and Resampling::kRows it is the plain one.
///
/// O(resamples runs (rows + C^2 + metric)) time, O(runs rows + resamples) memory.
/// @throws std::invalid_argument as bootstrap(), for a system without runs, for sizes that differ,
/// and for a target or prediction outside [0, classes).
template <LabelRange Targets, LabelRuns Runs, ConfusionMetric F>
Interval bootstrap(const Targets& targets, const Runs& runs, std::size_t classes, const F& metric,
                   const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "bootstrap";
  const auto truth = detail::require_targets(kWhere, targets, classes, options, metric);
  detail::ResampledRuns<F> system(kWhere, classes, metric);
  system.add_all("runs", truth, runs);
  return detail::of_one(kWhere, truth, system, classes, options);
}

/// The same for one run: metric(predictions).
template <LabelRange Targets, LabelRange Predictions, ConfusionMetric F>
Interval bootstrap(const Targets& targets, const Predictions& predictions, std::size_t classes,
                   const F& metric, const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "bootstrap";
  const auto truth = detail::require_targets(kWhere, targets, classes, options, metric);
  detail::ResampledRuns<F> system(kWhere, classes, metric);
  system.add("predictions", truth, predictions);
  return detail::of_one(kWhere, truth, system, classes, options);
}

/// The interval of mean_r metric(runs_a[r]) - mean_r metric(runs_b[r]), both systems scored on the
/// same resampled rows, so that what is hard or easy for both cancels (Koehn 2004, "Statistical
/// significance tests for machine translation evaluation"). Their numbers of runs may differ; all
/// else is as in bootstrap() of one system. On pseudo-rows the systems are right independently.
///
/// Swapped systems negate the interval exactly; the same predictions on both sides give exactly 0.
/// O(resamples runs (rows + C^2 + metric)).
/// @throws std::invalid_argument as bootstrap().
template <LabelRange Targets, LabelRuns RunsA, LabelRuns RunsB, ConfusionMetric F>
Interval paired_bootstrap(const Targets& targets, const RunsA& runs_a, const RunsB& runs_b,
                          std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "paired_bootstrap";
  const auto truth = detail::require_targets(kWhere, targets, classes, options, metric);
  detail::ResampledRuns<F> a(kWhere, classes, metric);
  detail::ResampledRuns<F> b(kWhere, classes, metric);
  a.add_all("runs_a", truth, runs_a);
  b.add_all("runs_b", truth, runs_b);
  return detail::difference(kWhere, truth, a, b, classes, options);
}

/// The same for one run of each system: metric(predictions_a) - metric(predictions_b).
template <LabelRange Targets, LabelRange A, LabelRange B, ConfusionMetric F>
Interval paired_bootstrap(const Targets& targets, const A& predictions_a, const B& predictions_b,
                          std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "paired_bootstrap";
  const auto truth = detail::require_targets(kWhere, targets, classes, options, metric);
  detail::ResampledRuns<F> a(kWhere, classes, metric);
  detail::ResampledRuns<F> b(kWhere, classes, metric);
  a.add("predictions_a", truth, predictions_a);
  b.add("predictions_b", truth, predictions_b);
  return detail::difference(kWhere, truth, a, b, classes, options);
}

}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_BOOTSTRAP_H_
