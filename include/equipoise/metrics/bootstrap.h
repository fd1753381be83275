// Intervals by resampling rows, for one system and for the difference of two.
#ifndef EQUIPOISE_METRICS_BOOTSTRAP_H_
#define EQUIPOISE_METRICS_BOOTSTRAP_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/random.h"
#include "equipoise/view.h"

namespace equipoise {

/// A figure and the interval around it.
struct Interval {
  double estimate = 0;
  double lower = 0;
  double upper = 0;
};

/// Options of the bootstrap.
struct BootstrapOptions {
  std::size_t resamples = 2000;
  double confidence = 0.95;  ///< in (0, 1)
  std::uint64_t seed = 0;
};

namespace detail {

inline constexpr std::uint32_t kBootstrapPurpose = 0x45510010;

inline void require_bootstrap(std::string_view where, std::size_t rows,
                              const BootstrapOptions& options) {
  if (rows == 0) reject(where, "rows", rows, "at least 1");
  if (options.resamples == 0) reject(where, "options.resamples", options.resamples, "at least 1");
  if (!(options.confidence > 0 && options.confidence < 1)) {
    reject(where, "options.confidence", options.confidence, "a number in (0, 1)");
  }
}

// The q-quantile of sorted values, linear between order statistics.
inline double quantile(std::span<const double> sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(low);
  return part > 0 ? sorted[low] + part * (sorted[high] - sorted[low]) : sorted[low];
}

}  // namespace detail

/// The percentile interval of a statistic (Efron 1979, "Bootstrap methods: another look at the
/// jackknife"): rows are drawn with replacement, as many as there are, `resamples` times; the
/// interval holds the middle `confidence` of the statistics.
///
/// `statistic(multiplicities)` gets how often each row was drawn, a span of std::uint32_t; the
/// estimate is that of every row once. To pair two systems, return their difference. Draws are a
/// pure function of the seed. O(resamples x (rows + cost of the statistic)).
/// @throws std::invalid_argument for no rows, no resamples, or a confidence outside (0, 1).
template <class F>
requires requires(const F& statistic, std::span<const std::uint32_t> multiplicities) {
  { statistic(multiplicities) } -> std::convertible_to<double>;
}
Interval bootstrap(std::size_t rows, const F& statistic, const BootstrapOptions& options = {}) {
  detail::require_bootstrap("bootstrap", rows, options);
  const CounterRandom random{options.seed};
  std::vector<std::uint32_t> multiplicities(rows, 1);
  Interval interval;
  interval.estimate = statistic(std::span<const std::uint32_t>(multiplicities));
  std::vector<double> statistics;
  statistics.reserve(options.resamples);
  for (std::size_t b = 0; b < options.resamples; ++b) {
    std::fill(multiplicities.begin(), multiplicities.end(), 0u);
    for (std::size_t i = 0; i < rows; ++i) {
      const std::uint64_t row =
          random.below(rows, static_cast<std::uint64_t>(b) * rows + i, detail::kBootstrapPurpose);
      ++multiplicities[row];
    }
    statistics.push_back(statistic(std::span<const std::uint32_t>(multiplicities)));
  }
  std::sort(statistics.begin(), statistics.end());
  const double tail = (1 - options.confidence) / 2;
  interval.lower = detail::quantile(statistics, tail);
  interval.upper = detail::quantile(statistics, 1 - tail);
  return interval;
}

/// metric(A) - metric(B) for two systems on the same rows, with the interval over resampled rows:
/// each resample holds the same rows for both, so what makes a row hard cancels. Each system may
/// come as several runs (seeds); its figure is then the mean over its runs.
///
/// `metric` maps a ConfusionMatrix to a number, for instance
/// `[](const ConfusionMatrix& m) { return m.macro_f1(); }`. Swapping A and B negates the estimate.
/// O(resamples x runs x (rows + C^2)).
/// @throws std::invalid_argument as bootstrap(), for sizes that differ, no runs, and labels outside
/// [0, classes).
template <LabelRange Targets, LabelRange Predictions, class F>
Interval paired_bootstrap(const Targets& targets, std::span<const Predictions> runs_a,
                          std::span<const Predictions> runs_b, std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  constexpr std::string_view kWhere = "paired_bootstrap";
  const auto truth = as_span(targets);
  detail::require_bootstrap(kWhere, truth.size(), options);
  if (runs_a.empty()) detail::reject(kWhere, "runs_a.size()", 0, "at least 1");
  if (runs_b.empty()) detail::reject(kWhere, "runs_b.size()", 0, "at least 1");
  const auto cells_of = [&](std::span<const Predictions> runs) {
    std::vector<std::vector<std::uint32_t>> cells;
    for (const Predictions& run : runs) {
      const auto predicted = as_span(run);
      ConfusionMatrix(classes).add(truth, predicted);  // checks every label
      std::vector<std::uint32_t>& cell = cells.emplace_back();
      for (std::size_t i = 0; i < truth.size(); ++i) {
        cell.push_back(static_cast<std::uint32_t>(static_cast<std::size_t>(truth[i]) * classes +
                                                  static_cast<std::size_t>(predicted[i])));
      }
    }
    return cells;
  };
  const auto cells_a = cells_of(runs_a);
  const auto cells_b = cells_of(runs_b);
  const auto mean = [&](const std::vector<std::vector<std::uint32_t>>& runs,
                        std::span<const std::uint32_t> multiplicities) {
    double sum = 0;
    for (const std::vector<std::uint32_t>& cells : runs) {
      ConfusionMatrix matrix(classes);
      const std::span<double> counts = matrix.all_reduce_buffer();
      for (std::size_t i = 0; i < cells.size(); ++i) counts[cells[i]] += multiplicities[i];
      sum += metric(static_cast<const ConfusionMatrix&>(matrix));
    }
    return sum / static_cast<double>(runs.size());
  };
  return bootstrap(
      truth.size(),
      [&](std::span<const std::uint32_t> multiplicities) {
        return mean(cells_a, multiplicities) - mean(cells_b, multiplicities);
      },
      options);
}

/// The same for one run of each system.
template <LabelRange Targets, LabelRange Predictions, class F>
Interval paired_bootstrap(const Targets& targets, const Predictions& a, const Predictions& b,
                          std::size_t classes, const F& metric,
                          const BootstrapOptions& options = {}) {
  return paired_bootstrap(targets, std::span<const Predictions>(&a, 1),
                          std::span<const Predictions>(&b, 1), classes, metric, options);
}

}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_BOOTSTRAP_H_
