// How far a metric would move on other test rows: percentile bootstrap, paired for differences
// between two systems.
#ifndef EQUIPOISE_METRICS_BOOTSTRAP_H_
#define EQUIPOISE_METRICS_BOOTSTRAP_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/detail/bootstrap.h"
#include "equipoise/metrics/detail/row_draws.h"
#include "equipoise/metrics/interval.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// Which rows a resample contains.
enum class Resampling {
  kWithinClasses,  ///< for each class as many rows as it has, drawn from its own
  kRows,           ///< rows of any class, so that a resample may lack one
};

/// Options of the bootstraps.
struct BootstrapOptions {
  std::size_t resamples = 2000;
  /// The fraction of resamples between the bounds, in (0, 1).
  double confidence = 0.95;
  /// Equal seeds give equal intervals on every platform.
  std::uint64_t seed = 0;
  /// The following options apply where there are targets: in the bootstraps of a ConfusionMetric.
  Resampling resampling = Resampling::kWithinClasses;
  /// Rows that are added to each class before its rows are drawn; every system is right or wrong on
  /// each of them by the toss of a coin. Without them a class of two rows that were both right
  /// stays right in every resample, and intervals are far too short.
  std::uint32_t pseudo_rows = 1;
};

/// A function of how often each row is drawn, one number per row: the statistic of bootstrap().
template <class F>
concept ResampledStatistic = requires(const F& f, std::span<const std::uint32_t> multiplicity) {
  { f(multiplicity) } -> std::convertible_to<double>;
};

/// A metric computed from a confusion matrix.
template <class F>
concept ConfusionMetric = requires(const F& f, const ConfusionMatrix& matrix) {
  { f(matrix) } -> std::convertible_to<double>;
};

/// Predictions of several runs of one system: a range of ranges.
template <class R>
concept LabelRuns = ContiguousRange<R> && LabelRange<ElementOf<R>>;

}  // namespace equipoise::metrics

namespace equipoise::detail {

inline BootstrapCall bootstrap_call(std::string_view where,
                                    const metrics::BootstrapOptions& options) {
  return {where,
          options.resamples,
          options.confidence,
          options.seed,
          options.resampling == metrics::Resampling::kWithinClasses,
          options.pseudo_rows};
}

}  // namespace equipoise::detail

namespace equipoise::metrics {

/// The percentile interval of a statistic of `rows` rows (Efron 1979, "Bootstrap methods: another
/// look at the jackknife"): each resample draws as many rows with replacement, and the bounds are
/// the (1 - confidence) / 2 and (1 + confidence) / 2 quantiles of the statistic's values, with
/// neighbouring values interpolated. The estimate is the statistic with each row drawn once.
///
/// `statistic` receives how often each row was drawn: multiplicities that sum to `rows`. Rows that
/// belong together (the tokens of a sentence, the questions on one text) have to be resampled
/// together: let a row be the sentence. O(resamples (rows + statistic)) time, O(rows + resamples)
/// memory.
///
/// A resample lacks a class of n rows with probability about e^-n, which is 0.14 for n = 2. A mean
/// over classes must then skip it (Absent::kSkipUnsupported), not count it as 0. With few rows in a
/// class the interval is still too short; those of the bootstraps with targets below are not.
/// @throws std::invalid_argument for 0 rows or 2^32 and more, 0 resamples, a confidence outside (0,
/// 1), and a statistic that is NaN or infinite.
template <ResampledStatistic F>
Interval bootstrap(std::size_t rows, const F& statistic, const BootstrapOptions& options = {}) {
  const detail::BootstrapCall call = detail::bootstrap_call("bootstrap", options);
  detail::require_bootstrap(call, rows);
  return detail::bootstrap(call, detail::RowDraws(rows), statistic);
}

/// The same for rows in strata, `strata` being one integer per row: each resample draws as many
/// rows within each stratum as it has. For strata with few rows the intervals are too short, since
/// the number of rows is held fixed and there is little to draw from. O(rows log rows) once.
/// @throws std::invalid_argument as bootstrap().
template <LabelRange Strata, ResampledStatistic F>
Interval stratified_bootstrap(const Strata& strata, const F& statistic,
                              const BootstrapOptions& options = {}) {
  const detail::BootstrapCall call = detail::bootstrap_call("stratified_bootstrap", options);
  const auto labels = as_span(strata);
  detail::require_bootstrap(call, labels.size());
  return detail::bootstrap(call, detail::RowDraws(labels), statistic);
}

/// The interval of mean_r metric(runs[r]), `runs` holding one range of predictions for each run of
/// a system (such as a seed). `metric` maps a ConfusionMatrix to a number, such as
/// [](const ConfusionMatrix& m) { return m.macro_f1(); }. Only the test rows vary; the trained runs
/// stay as they are.
///
/// Resamples keep the number of rows of each class. Two sets of them are drawn, and the interval
/// spans the percentile intervals of both: rows alone, and rows together with a pseudo-row for each
/// class, on which each system is right or wrong by the toss of a coin, as Agresti & Coull 1998
/// ("Approximate is better than 'exact' for interval estimation of binomial proportions") add to a
/// proportion. If wrong, it predicts the other class that is predicted most often. The interval
/// covers the true macro-F1 about as often as it claims even with two rows in a class, where a
/// plain percentile interval does so in three cases out of four or fewer; but not if there are many
/// classes and most have only two rows: docs/explanation.md has the table. With `pseudo_rows` 0 and
/// Resampling::kRows it is the plain percentile interval.
///
/// O(resamples runs (rows + C^2 + metric)) time, O(runs rows + resamples) memory.
/// @throws std::invalid_argument as bootstrap(), for a system without runs, for sizes that differ,
/// and for a target or prediction outside [0, classes).
template <LabelRange Targets, LabelRuns Runs, ConfusionMetric F>
Interval bootstrap(const Targets& targets, const Runs& runs, std::size_t classes, const F& metric,
                   const BootstrapOptions& options = {}) {
  const detail::BootstrapCall call = detail::bootstrap_call("bootstrap", options);
  const auto truth = as_span(targets);
  detail::require_targets(call, truth, classes);
  detail::ResampledRuns<F> system(call.where, classes, metric);
  system.add_all("runs", truth, runs);
  return detail::of_one(call, truth, system, classes);
}

/// The same for one run: metric(predictions).
template <LabelRange Targets, LabelRange Predictions, ConfusionMetric F>
Interval bootstrap(const Targets& targets, const Predictions& predictions, std::size_t classes,
                   const F& metric, const BootstrapOptions& options = {}) {
  const detail::BootstrapCall call = detail::bootstrap_call("bootstrap", options);
  const auto truth = as_span(targets);
  detail::require_targets(call, truth, classes);
  detail::ResampledRuns<F> system(call.where, classes, metric);
  system.add("predictions", truth, predictions);
  return detail::of_one(call, truth, system, classes);
}

/// The interval of mean_r metric(runs_a[r]) - mean_r metric(runs_b[r]), both systems scored on the
/// same resampled rows, so that rows which are hard or easy for both cancel (Koehn 2004,
/// "Statistical significance tests for machine translation evaluation"). Their numbers of runs may
/// differ; everything else is as in bootstrap() of one system. On pseudo-rows the systems are right
/// independently.
///
/// Swapping the systems negates the interval exactly; the same predictions on both sides give
/// exactly 0. O(resamples runs (rows + C^2 + metric)).
/// @throws std::invalid_argument as bootstrap().
template <LabelRange Targets, LabelRuns RunsA, LabelRuns RunsB, ConfusionMetric F>
Interval paired_bootstrap(const Targets& targets, const RunsA& runs_a, const RunsB& runs_b,
                          std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  const detail::BootstrapCall call = detail::bootstrap_call("paired_bootstrap", options);
  const auto truth = as_span(targets);
  detail::require_targets(call, truth, classes);
  detail::ResampledRuns<F> a(call.where, classes, metric);
  detail::ResampledRuns<F> b(call.where, classes, metric);
  a.add_all("runs_a", truth, runs_a);
  b.add_all("runs_b", truth, runs_b);
  return detail::difference(call, truth, a, b, classes);
}

/// The same for one run of each system: metric(predictions_a) - metric(predictions_b).
template <LabelRange Targets, LabelRange A, LabelRange B, ConfusionMetric F>
Interval paired_bootstrap(const Targets& targets, const A& predictions_a, const B& predictions_b,
                          std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  const detail::BootstrapCall call = detail::bootstrap_call("paired_bootstrap", options);
  const auto truth = as_span(targets);
  detail::require_targets(call, truth, classes);
  detail::ResampledRuns<F> a(call.where, classes, metric);
  detail::ResampledRuns<F> b(call.where, classes, metric);
  a.add("predictions_a", truth, predictions_a);
  b.add("predictions_b", truth, predictions_b);
  return detail::difference(call, truth, a, b, classes);
}

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_BOOTSTRAP_H_
