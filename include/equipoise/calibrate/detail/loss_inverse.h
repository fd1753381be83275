// From what a loss makes of its targets back to the targets: modulator and label smoothing.
#ifndef EQUIPOISE_CALIBRATE_DETAIL_LOSS_INVERSE_H_
#define EQUIPOISE_CALIBRATE_DETAIL_LOSS_INVERSE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/calibrate/detail/logit_rows.h"
#include "equipoise/detail/check.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/modulator.h"

namespace equipoise::detail {

// Refuses a modulator without an inverse. The gradient vanishes where targets are proportional to
// p_c / -slope(p_c), and that is a minimum, the only one, if p / -slope(p) is positive and rises:
// if the loss is convex in p. Looked at for log odds from -30 to 30.
template <Modulator M>
void require_inverse(std::string_view where, const M& modulator) {
  constexpr double kStep = 0.25;
  constexpr int kSteps = 120;
  // This near to 0 or 1, p / -slope may be flat up to rounding, and slopes underflow.
  constexpr double kEdge = 1e-3;
  constexpr double kRounding = 1e-12;
  double last = -infinity();
  for (int i = -kSteps; i <= kSteps; ++i) {
    const double x = kStep * i;
    const double p = 1 / (1 + std::exp(-x));
    const double q = 1 / (1 + std::exp(x));
    const double log_p = -std::log1p(std::exp(-x));
    const double slope = modulator(TargetProbability<double>{log_p, p, q}).slope;
    if (is_nan(slope) || slope > 0 || (slope == 0 && q > kEdge)) {
      reject(where, "-slope of loss.modulator at p = " + to_text(p), -slope,
             "a positive number: the modulator has no inverse");
    }
    if (q < kEdge) continue;
    const double log_mass = log_p - std::log(-slope);
    if (log_mass - last <= (p < kEdge ? -kRounding : kRounding)) {
      reject(where, "p / -slope of loss.modulator at p = " + to_text(p), std::exp(log_mass),
             "more than at a smaller p: the modulator has no inverse");
    }
    last = log_mass;
  }
}

// From the logits that a loss saw to the targets' mass at its optimum, in place: the gradient
// vanishes where t_c is proportional to p_c / -slope(p_c). A slope of 0 at p_c = 1, or one that
// underflows, leaves all mass there.
template <Modulator M>
void invert_modulator(const M& modulator, std::span<double> row) {
  const std::vector<double> logits(row.begin(), row.end());
  softmax(row);
  const double most = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const double z : logits) total += std::exp(z - most);
  const double log_total = most + std::log(total);
  std::vector<double> log_mass;
  for (std::size_t c = 0; c < row.size(); ++c) {
    double q = 0;  // 1 - p_c without cancellation
    for (std::size_t k = 0; k < row.size(); ++k) q += k == c ? 0 : row[k];
    const double log_p = logits[c] - log_total;
    if (is_minus_infinity(logits[c])) {  // is ruled out; 0 log 0 would be NaN
      log_mass.push_back(logits[c]);
      continue;
    }
    const double slope = modulator(TargetProbability<double>{log_p, row[c], q}).slope;
    log_mass.push_back(log_p - std::log(std::max(-slope, std::numeric_limits<double>::min())));
  }
  std::copy(log_mass.begin(), log_mass.end(), row.begin());
  softmax(row);
}

// From smoothed targets to those before, times the class weights of the loss, in place.
inline void invert_smoothing(double smoothing, WeightConvention convention,
                             std::span<const double> weights, std::span<double> row) {
  if (smoothing == 0) return;
  const bool by_class = convention == WeightConvention::kTorch && !weights.empty();
  const auto weight = [&](std::size_t c) { return by_class ? weights[c] : 1.0; };
  double total = 0;
  for (std::size_t c = 0; c < row.size(); ++c) total += row[c] /= weight(c);
  const double floor = smoothing / static_cast<double>(row.size());
  double sum = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    row[c] = std::max(row[c] / total - floor, 0.0) * weight(c);
    sum += row[c];
  }
  for (double& value : row) value /= sum;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_CALIBRATE_DETAIL_LOSS_INVERSE_H_
