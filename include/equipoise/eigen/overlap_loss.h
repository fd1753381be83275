// Overlap losses on Eigen matrices, without a copy of the logits.
#ifndef EQUIPOISE_EIGEN_OVERLAP_LOSS_H_
#define EQUIPOISE_EIGEN_OVERLAP_LOSS_H_

#include <Eigen/Core>
#include <span>

#include "equipoise/config.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

/// The sums of some rows; see equipoise::overlap_sums(). logits is N x C, row- or column-major, of
/// float or double; targets are N class indices or probability_targets() of a matrix in [0, 1].
/// @throws std::invalid_argument as equipoise::overlap_sums().
template <OverlapPolicy P, detail::DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_INLINE OverlapSums overlap_sums(const OverlapLoss<P>& loss, const D& logits,
                                          const Targets& targets,
                                          std::span<const double> sample_weights = {}) {
  return equipoise::overlap_sums(loss, view(logits), targets, sample_weights);
}

/// The gradient of the set's loss with respect to the logits of some of its rows, in the logits'
/// own type and order, from finish() of the merged sums; see equipoise::overlap_gradient().
/// @throws std::invalid_argument as equipoise::overlap_gradient().
template <OverlapPolicy P, detail::DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_INLINE typename D::PlainObject overlap_gradient(
    const OverlapLoss<P>& loss, const OverlapResult& whole, const D& logits, const Targets& targets,
    std::span<const double> sample_weights = {}) {
  typename D::PlainObject gradient;
  gradient.resize(logits.rows(), logits.cols());
  equipoise::overlap_gradient(loss, whole, view(logits), targets, mutable_view(gradient),
                              sample_weights);
  return gradient;
}

/// The loss of a set of rows; see equipoise::overlap_loss().
/// @throws std::invalid_argument as equipoise::overlap_loss().
template <OverlapPolicy P, detail::DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_INLINE double value(const OverlapLoss<P>& loss, const D& logits, const Targets& targets,
                              std::span<const double> sample_weights = {}) {
  return equipoise::overlap_loss(loss, view(logits), targets, {}, sample_weights);
}

/// The loss of a set of rows and its gradient. Allocates the gradient and nothing else of its size.
/// @throws std::invalid_argument as equipoise::overlap_loss().
template <OverlapPolicy P, detail::DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_INLINE ValueAndGradient<typename D::PlainObject> value_and_gradient(
    const OverlapLoss<P>& loss, const D& logits, const Targets& targets,
    std::span<const double> sample_weights = {}) {
  ValueAndGradient<typename D::PlainObject> result{0.0, {}};
  result.gradient.resize(logits.rows(), logits.cols());
  result.value = equipoise::overlap_loss(loss, view(logits), targets, mutable_view(result.gradient),
                                         sample_weights);
  return result;
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_OVERLAP_LOSS_H_
