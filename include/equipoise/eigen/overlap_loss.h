// Overlap losses on Eigen matrices, without a copy of the logits.
#ifndef EQUIPOISE_EIGEN_OVERLAP_LOSS_H_
#define EQUIPOISE_EIGEN_OVERLAP_LOSS_H_

#include <Eigen/Core>

#include "equipoise/config.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

/// The sums of some rows; see equipoise::partial(). logits is N x C, row- or column-major, of float
/// or double; targets are N class indices or probability_targets() of a matrix in [0, 1].
/// @throws std::invalid_argument as equipoise::partial().
template <OverlapPolicy P, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE OverlapSums partial(const OverlapLoss<P>& loss, const D& logits,
                                          const Targets& targets,
                                          const LossArguments& arguments = {}) {
  return equipoise::partial(loss, view(logits), targets, arguments);
}

/// The gradient of the set's loss with respect to the logits of some of its rows, in the logits'
/// own type and order, from value_and_slopes() of the merged sums; see equipoise::gradient().
/// @throws std::invalid_argument as equipoise::gradient().
template <OverlapPolicy P, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE typename D::PlainObject gradient(const OverlapLoss<P>& loss, const D& logits,
                                                       const Targets& targets,
                                                       const LossArguments& arguments,
                                                       const OverlapResult& whole) {
  typename D::PlainObject result;
  result.resize(logits.rows(), logits.cols());
  equipoise::gradient(loss, view(logits), targets, arguments, {whole.slopes, mutable_view(result)});
  return result;
}

/// The loss of a set of rows; see equipoise::value().
/// @throws std::invalid_argument as equipoise::partial().
template <OverlapPolicy P, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE double value(const OverlapLoss<P>& loss, const D& logits,
                                   const Targets& targets, const LossArguments& arguments = {}) {
  return equipoise::value(loss, view(logits), targets, arguments);
}

/// The loss of a set of rows and its gradient. Allocates the gradient and nothing else of its size.
/// @throws std::invalid_argument as equipoise::gradient().
template <OverlapPolicy P, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE ValueAndGradient<typename D::PlainObject> value_and_gradient(
    const OverlapLoss<P>& loss, const D& logits, const Targets& targets,
    const LossArguments& arguments = {}) {
  ValueAndGradient<typename D::PlainObject> result{0.0, {}};
  result.gradient.resize(logits.rows(), logits.cols());
  result.value = equipoise::value_and_gradient(loss, view(logits), targets, arguments,
                                               mutable_view(result.gradient));
  return result;
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_OVERLAP_LOSS_H_
