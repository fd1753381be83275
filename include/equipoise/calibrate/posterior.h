// Probabilities from a network that was trained with over- or undersampling, weights, logit terms,
// a modulator or label smoothing.
#ifndef EQUIPOISE_CALIBRATE_POSTERIOR_H_
#define EQUIPOISE_CALIBRATE_POSTERIOR_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/calibrate/detail/logit_rows.h"
#include "equipoise/calibrate/detail/loss_inverse.h"
#include "equipoise/detail/check.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/mix.h"
#include "equipoise/plan/treatment.h"
#include "equipoise/reduction/mean.h"
#include "equipoise/view.h"

namespace equipoise::calibrate {

/// The posteriors p(c | x) of rows under a deployment prior, N x C numbers row by row, from the
/// logits of a network that was trained with `loss` on classes drawn in proportions `drawn`: its
/// probabilities, corrected for oversampling and undersampling, class weights and logit terms.
///
/// A network that minimises a modulated loss does not give probabilities: its softmax v is the
/// point at which the gradient vanishes. These steps recover the probabilities exactly:
///
/// - the logit terms of training are applied;
/// - v_c / -slope(v_c), normalised, inverts the modulator; for the focal loss that is
///   v / ((1 - v)^g - g (1 - v)^(g - 1) v ln v), Charoenphakdee et al. 2021, arXiv:2011.09172;
/// - label smoothing is removed, in the sense of loss.convention; a mass below its floor becomes 0;
/// - the result carries the prior q_c w_c, with w_c the expected coefficient of a row under the
///   loss's mean, as in the ledger; deployment_c replaces it. Either may be in any scale: counts
///   will do.
///
/// All of this holds at the optimum: as with every nominal result, calibrate on validation rows
/// before you rely on it. A logit of minus infinity rules its class out.
///
/// Means by weight and per class correct more, the larger the batch; `batch_size` is the number of
/// rows of one mean. O(N C^2), for 1 - v without cancellation.
/// @throws std::invalid_argument for a loss without an inverse, as for Ledger::offset() (margins,
/// shifts by pair, Seesaw, everything set by group, reductions that the ledger does not know); for
/// a modulator without one, whose slope is positive or 0 somewhere below p = 1, or whose p / -slope
/// does not rise with p everywhere (self-adjusting Dice, Poly-1 with an epsilon below -1); for a
/// label smoothing outside [0, 1); for a class weight or scale that is not finite and > 0; for a
/// batch size of 0 under MeanPerClass, and with class weights under MeanByWeight; for sizes that
/// differ; for priors that are not finite and > 0; and for a logit that is NaN or infinity, or a
/// row of nothing but minus infinity.
template <FloatElement T, Modulator M, class R>
std::vector<double> posterior(const SoftmaxLoss<M, R>& loss, const MatrixView<T>& logits,
                              std::span<const double> drawn,
                              std::span<const double> deployment_prior,
                              std::uint64_t batch_size = 0) {
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
    detail::invert_smoothing(loss.label_smoothing, loss.convention, loss.class_weights, row);
    for (std::size_t c = 0; c < classes; ++c) row[c] *= ratio[c];
    detail::normalize(row);
  }
  return result;
}

}  // namespace equipoise::calibrate

#endif  // EQUIPOISE_CALIBRATE_POSTERIOR_H_
