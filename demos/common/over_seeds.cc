#include "demos/common/over_seeds.h"

#include <cmath>
#include <numbers>

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
