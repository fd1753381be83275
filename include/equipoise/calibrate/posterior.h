// Probabilities from a network that was trained with weights, logit terms, a modulator or label
// smoothing.
#ifndef EQUIPOISE_CALIBRATE_POSTERIOR_H_
#define EQUIPOISE_CALIBRATE_POSTERIOR_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/mean.h"
#include "equipoise/mix.h"
#include "equipoise/treatment.h"
#include "equipoise/view.h"

namespace equipoise {

namespace detail {

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
inline void invert_smoothing(double smoothing, Semantics semantics, std::span<const double> weights,
                             std::span<double> row) {
  if (smoothing == 0) return;
  const bool by_class = semantics == Semantics::kTorch && !weights.empty();
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

}  // namespace detail

/// The posteriors p(c | x) of rows under a deployment prior, N x C numbers row by row, from the
/// logits of a network that was trained with `loss` on classes drawn in proportions `drawn`.
///
/// A network that minimises a modulated loss does not give probabilities: its softmax v is where
/// the gradient vanishes. In this order, exactly: the logit terms of training are applied; v_c / -
/// slope(v_c), normalised, inverts the modulator (for the focal loss v / ((1 - v)^g - g (1 - v)^(g
/// - 1) v ln v), Charoenphakdee et al. 2021, arXiv:2011.09172); label smoothing is taken off, in
/// the sense of loss.semantics, where a mass below its floor becomes 0; what is left carries the
/// prior q_c w_c, with w_c the expected coefficient of a row under the loss's mean, as in the
/// ledger, and deployment_c replaces it. All that holds at the optimum: like every nominal figure,
/// calibrate it on validation rows before you rely on it. A logit of minus infinity rules its class
/// out.
///
/// Means by weight and per class do the more the larger the batch; `batch_size` is the number of
/// rows that one mean is taken over. O(N C^2), for 1 - v without cancellation.
/// @throws std::invalid_argument for what has no inverse, as Ledger::offset() has it (margins,
/// shifts by pair, Seesaw, whatever goes by group, reductions that the ledger does not know); for a
/// modulator without one, whose slope is positive or 0 somewhere below p = 1, or whose p / -slope
/// does not rise with p everywhere (self-adjusting Dice, Poly-1 with an epsilon below -1); for a
/// label smoothing outside [0, 1); for a class weight or scale that is not finite and > 0; for
/// a batch size of 0 under MeanPerClass, and with class weights under MeanByWeight; for sizes that
/// differ; for priors that are not finite and > 0; and for a logit that is NaN or infinity, or a
/// row of nothing but minus infinity.
template <class T, Modulator M, class R>
requires std::floating_point<std::remove_const_t<T>> std::vector<double> posterior(
    const SoftmaxLoss<M, R>& loss, const MatrixView<T>& logits, std::span<const double> drawn,
    std::span<const double> deployment_prior, std::uint64_t batch_size = 0) {
  constexpr std::string_view kWhere = "posterior";
  const std::size_t classes = logits.cols;
  if (classes == 0) detail::reject(kWhere, "logits.cols", 0, "at least 1");
  for (const std::string& reason :
       {detail::reason_against_offset(loss), detail::reason_against_margins(loss.logit_terms)}) {
    if (!reason.empty()) detail::invalid_argument("posterior(): " + reason);
  }
  detail::require_between(kWhere, "loss.label_smoothing", loss.label_smoothing, 0, 1,
                          detail::Ends::kLeast);
  if constexpr (requires { loss.modulator.require(kWhere); }) loss.modulator.require(kWhere);
  detail::require_inverse(kWhere, loss.modulator);
  detail::require_terms(kWhere, loss.logit_terms, classes);
  detail::require_all_positive(kWhere, "loss.logit_terms.scale", loss.logit_terms.scale);
  if (!loss.class_weights.empty()) {
    detail::require_size(kWhere, "loss.class_weights", loss.class_weights.size(), classes,
                         "columns of logits");
    detail::require_all_positive(kWhere, "loss.class_weights", loss.class_weights);
  }
  detail::require_size(kWhere, "drawn", drawn.size(), classes, "columns of logits");
  detail::require_size(kWhere, "deployment_prior", deployment_prior.size(), classes,
                       "columns of logits");
  detail::require_all_positive(kWhere, "drawn", drawn);
  detail::require_all_positive(kWhere, "deployment_prior", deployment_prior);
  detail::require_softmax_exists(kWhere, logits);

  std::vector<double> proportions(drawn.begin(), drawn.end());
  detail::normalize(proportions);
  std::vector<double> ratio = detail::expected_coefficients(
      kWhere, *detail::mean_of<R>(), proportions, loss.class_weights, batch_size);
  for (std::size_t c = 0; c < classes; ++c) {
    ratio[c] = deployment_prior[c] / proportions[c] / ratio[c];
  }
  const LogitTerms& terms = loss.logit_terms;
  std::vector<double> result(logits.rows * classes);
  for (std::size_t r = 0; r < logits.rows; ++r) {
    const std::span<double> row(&result[r * classes], classes);
    for (std::size_t c = 0; c < classes; ++c) {
      row[c] = static_cast<double>(logits(r, c)) * (terms.scale.empty() ? 1.0 : terms.scale[c]) +
               (terms.shift.empty() ? 0.0 : terms.shift[c]);
    }
    detail::invert_modulator(loss.modulator, row);
    detail::invert_smoothing(loss.label_smoothing, loss.semantics, loss.class_weights, row);
    for (std::size_t c = 0; c < classes; ++c) row[c] *= ratio[c];
    detail::normalize(row);
  }
  return result;
}

}  // namespace equipoise

#endif  // EQUIPOISE_CALIBRATE_POSTERIOR_H_
