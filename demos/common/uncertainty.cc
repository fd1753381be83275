#include "demos/common/uncertainty.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace equipoise::demos {

namespace {

// P(|t| <= tan(angle) sqrt(degrees)), a finite sum (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4).
double central_probability(double angle, std::size_t degrees) {
  const double cosine = std::cos(angle);
  const bool is_odd = degrees % 2 == 1;
  double term = is_odd ? cosine : 1;
  double sum = degrees == 1 ? 0 : term;
  for (std::size_t i = is_odd ? 3 : 2; i < degrees; i += 2) {
    term *= cosine * cosine * static_cast<double>(i - 1) / static_cast<double>(i);
    sum += term;
  }
  sum *= std::sin(angle);
  return is_odd ? (angle + sum) * 2 / std::numbers::pi : sum;
}

}  // namespace

std::function<double(std::span<const std::uint32_t>)> resampled_confusion(
    std::span<const std::int64_t> targets, std::span<const std::int64_t> predictions,
    std::size_t classes, ConfusionMetric metric, std::vector<std::size_t> unit_starts) {
  std::vector<std::size_t> cells(targets.size());
  for (std::size_t r = 0; r < cells.size(); ++r) {
    cells[r] =
        static_cast<std::size_t>(targets[r]) * classes + static_cast<std::size_t>(predictions[r]);
  }
  return
      [cells = std::move(cells), unit_starts = std::move(unit_starts), metric = std::move(metric),
       matrix = metrics::ConfusionMatrix(classes)](std::span<const std::uint32_t> times) mutable {
        const std::span<double> counts = matrix.all_reduce_buffer();
        std::fill(counts.begin(), counts.end(), 0.0);
        for (std::size_t u = 0; u < times.size(); ++u) {
          const std::size_t begin = unit_starts.empty() ? u : unit_starts[u];
          const std::size_t end = unit_starts.empty() ? u + 1 : unit_starts[u + 1];
          for (std::size_t r = begin; r < end; ++r) {
            counts[cells[r]] += static_cast<double>(times[u]);
          }
        }
        return metric(matrix);
      };
}

double student_t(std::size_t degrees) {
  double low = 0;
  double high = std::numbers::pi / 2;
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (central_probability(middle, degrees) < 0.95 ? low : high) = middle;
  }
  return std::tan(low) * std::sqrt(static_cast<double>(degrees));
}

std::optional<metrics::Interval> mean_over_seeds(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double half = student_t(values.size() - 1) * std::sqrt(squares / (n - 1) / n);
  return metrics::Interval{mean, mean - half, mean + half};
}

}  // namespace equipoise::demos
