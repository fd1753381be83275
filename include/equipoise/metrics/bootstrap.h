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
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/interval.h"
#include "equipoise/random.h"
#include "equipoise/view.h"

namespace equipoise {

/// Options of the bootstraps.
struct BootstrapOptions {
  std::size_t resamples = 2000;
  /// The share of resamples between the bounds, in (0, 1).
  double confidence = 0.95;
  /// Equal seeds give equal intervals on every platform.
  std::uint64_t seed = 0;
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

// Element h of sorted values, between two neighbours by linear interpolation. Counted from the top
// the order is that of the negated values, so that quantiles of -x are exactly those of x, negated.
inline double order_statistic(std::span<const double> sorted, double h, bool from_top) {
  const auto at = [&](std::size_t i) { return sorted[from_top ? sorted.size() - 1 - i : i]; };
  const auto below = static_cast<std::size_t>(h);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return at(below) + (h - static_cast<double>(below)) * (at(above) - at(below));
}

inline void require_bootstrap_options(std::string_view where, std::size_t rows,
                                      const BootstrapOptions& options) {
  if (rows == 0) reject(where, "rows", rows, "at least 1");
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    reject(where, "rows", rows, "less than 2^32");
  }
  if (options.resamples == 0) reject(where, "options.resamples", 0, "at least 1");
  require_between(where, "options.confidence", options.confidence, 0, 1, Ends::kNeither);
}

// As bootstrap(), under a caller's name.
template <ResampledStatistic F>
Interval bootstrap(std::string_view where, std::size_t rows, const F& statistic,
                   const BootstrapOptions& options) {
  require_bootstrap_options(where, rows, options);
  std::vector<std::uint32_t> multiplicity(rows, 1);
  const auto estimate = static_cast<double>(statistic(std::span(multiplicity)));
  require_finite(where, "statistic of all rows", estimate);
  const CounterRandom random{options.seed};
  std::vector<double> values;
  values.reserve(options.resamples);
  std::uint64_t position = 0;
  for (std::size_t b = 0; b < options.resamples; ++b) {
    std::fill(multiplicity.begin(), multiplicity.end(), 0u);
    for (std::size_t i = 0; i < rows; ++i) {
      ++multiplicity[static_cast<std::size_t>(random.below(rows, position++, Purpose::kBootstrap))];
    }
    values.push_back(static_cast<double>(statistic(std::span(multiplicity))));
    if (!is_finite(values[b])) {
      reject_element(where, "statistic of resamples", b, values[b], "a finite number");
    }
  }
  std::sort(values.begin(), values.end());
  const double tail = (1 - options.confidence) / 2 * static_cast<double>(options.resamples - 1);
  return {estimate, order_statistic(values, tail, false), order_statistic(values, tail, true)};
}

// The metric of resampled rows, averaged over the runs of a system.
template <LabelRange Targets, ConfusionMetric F>
class ResampledRuns {
 public:
  ResampledRuns(std::string_view where, const Targets& targets, std::size_t classes,
                const F& metric)
      : where_(where), truth_(as_span(targets)), metric_(metric), matrix_(classes) {
    require_classes("targets", truth_);
  }

  template <LabelRange Predictions>
  void add(std::string_view argument, const Predictions& run) {
    const auto predictions = as_span(run);
    require_size(where_, argument, predictions.size(), truth_.size(), "targets");
    require_classes(argument, predictions);
    std::vector<std::size_t>& cells = cells_.emplace_back();
    cells.reserve(truth_.size());
    for (std::size_t i = 0; i < truth_.size(); ++i) {
      cells.push_back(static_cast<std::size_t>(truth_[i]) * matrix_.classes() +
                      static_cast<std::size_t>(predictions[i]));
    }
  }

  template <LabelRuns Runs>
  void add_all(std::string_view argument, const Runs& runs) {
    if (as_span(runs).empty()) reject(where_, std::string(argument) + ".size()", 0, "at least 1");
    for (std::size_t r = 0; r < as_span(runs).size(); ++r) {
      add(std::string(argument) + "[" + to_text(r) + "]", as_span(runs)[r]);
    }
  }

  double mean(std::span<const std::uint32_t> multiplicity) {
    double sum = 0;
    for (const std::vector<std::size_t>& cells : cells_) {
      const std::span<double> counts = matrix_.all_reduce_buffer();
      std::fill(counts.begin(), counts.end(), 0.0);
      for (std::size_t i = 0; i < cells.size(); ++i) {
        counts[cells[i]] += static_cast<double>(multiplicity[i]);
      }
      sum += static_cast<double>(metric_(static_cast<const ConfusionMatrix&>(matrix_)));
    }
    return sum / static_cast<double>(cells_.size());
  }

 private:
  template <class L>
  void require_classes(std::string_view argument, std::span<const L> labels) const {
    const std::size_t classes = matrix_.classes();
    for (const L label : labels) {
      if (is_class(label, classes)) continue;
      reject_first_invalid(where_, argument, labels, classes, std::nullopt);
    }
  }

  std::string_view where_;
  std::span<const ElementOf<Targets>> truth_;
  const F& metric_;
  std::vector<std::vector<std::size_t>> cells_;  // of the confusion matrix, by run and row
  ConfusionMatrix matrix_;                       // of one run and resample
};

template <LabelRange Targets, ConfusionMetric F>
Interval difference(std::string_view where, const Targets& targets, ResampledRuns<Targets, F>& a,
                    ResampledRuns<Targets, F>& b, const BootstrapOptions& options) {
  return bootstrap(
      where, as_span(targets).size(),
      [&](std::span<const std::uint32_t> rows) { return a.mean(rows) - b.mean(rows); }, options);
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
/// @throws std::invalid_argument for no rows or 2^32 and more, no resamples, a confidence outside
/// (0, 1), and a statistic that is NaN or infinite.
template <ResampledStatistic F>
Interval bootstrap(std::size_t rows, const F& statistic, const BootstrapOptions& options = {}) {
  return detail::bootstrap("bootstrap", rows, statistic, options);
}

/// The interval of mean_r metric(runs_a[r]) - mean_r metric(runs_b[r]), both systems scored on the
/// same resampled rows, so that what is hard or easy for both cancels (Koehn 2004, "Statistical
/// significance tests for machine translation evaluation"). runs_a and runs_b hold one range of
/// predictions for each run of a system (a seed, say); their numbers of runs may differ.
///
/// What varies is the test rows, with the trained runs as they are. Swapped systems negate the
/// interval exactly; the same predictions on both sides give exactly 0. `metric` maps a
/// ConfusionMatrix to a number, such as [](const ConfusionMatrix& m) { return m.macro_f1(); }.
/// O(resamples runs (rows + C^2 + metric)).
/// @throws std::invalid_argument as bootstrap(), for a system without runs, for sizes that differ,
/// and for a target or prediction outside [0, classes).
template <LabelRange Targets, LabelRuns RunsA, LabelRuns RunsB, ConfusionMetric F>
Interval paired_bootstrap(const Targets& targets, const RunsA& runs_a, const RunsB& runs_b,
                          std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "paired_bootstrap";
  detail::ResampledRuns<Targets, F> a(kWhere, targets, classes, metric);
  detail::ResampledRuns<Targets, F> b(kWhere, targets, classes, metric);
  a.add_all("runs_a", runs_a);
  b.add_all("runs_b", runs_b);
  return detail::difference(kWhere, targets, a, b, options);
}

/// The same for one run of each system: metric(predictions_a) - metric(predictions_b).
template <LabelRange Targets, LabelRange A, LabelRange B, ConfusionMetric F>
Interval paired_bootstrap(const Targets& targets, const A& predictions_a, const B& predictions_b,
                          std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "paired_bootstrap";
  detail::ResampledRuns<Targets, F> a(kWhere, targets, classes, metric);
  detail::ResampledRuns<Targets, F> b(kWhere, targets, classes, metric);
  a.add("predictions_a", predictions_a);
  b.add("predictions_b", predictions_b);
  return detail::difference(kWhere, targets, a, b, options);
}

}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_BOOTSTRAP_H_
