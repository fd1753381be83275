// Sigmoid losses on Eigen matrices, without a copy of the logits or the targets.
#ifndef EQUIPOISE_EIGEN_SIGMOID_LOSS_H_
#define EQUIPOISE_EIGEN_SIGMOID_LOSS_H_

#include "equipoise/config.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::eigen {

/// The loss of a batch; see equipoise::value(). logits is N x L of float or double, targets N x L
/// of any arithmetic type, each row- or column-major.
/// @throws std::invalid_argument as equipoise::partial().
template <SigmoidModulators S, LossReduction R, DirectlyAccessible D, DirectlyAccessible Targets>
EQUIPOISE_HOST_INLINE double value(const SigmoidLoss<S, R>& loss, const D& logits,
                                   const Targets& targets, const LossArguments& arguments = {}) {
  return equipoise::value(loss, view(logits), view(targets), arguments);
}

/// The loss of a batch and its gradient. Allocates the gradient and nothing else of its size.
/// @throws std::invalid_argument as equipoise::partial().
template <SigmoidModulators S, LossReduction R, DirectlyAccessible D, DirectlyAccessible Targets>
EQUIPOISE_HOST_INLINE ValueAndGradient<typename D::PlainObject> value_and_gradient(
    const SigmoidLoss<S, R>& loss, const D& logits, const Targets& targets,
    const LossArguments& arguments = {}) {
  ValueAndGradient<typename D::PlainObject> result{0.0, {}};
  result.gradient.resize(logits.rows(), logits.cols());
  result.value = equipoise::value_and_gradient(loss, view(logits), view(targets), arguments,
                                               mutable_view(result.gradient));
  return result;
}

/// The losses of elements before the reduction, N x L in the logits' own type and order; see
/// equipoise::unreduced().
/// @throws std::invalid_argument as equipoise::partial().
template <SigmoidModulators S, LossReduction R, DirectlyAccessible D, DirectlyAccessible Targets>
EQUIPOISE_HOST_INLINE typename D::PlainObject unreduced(const SigmoidLoss<S, R>& loss,
                                                        const D& logits, const Targets& targets,
                                                        const LossArguments& arguments = {}) {
  typename D::PlainObject losses;
  losses.resize(logits.rows(), logits.cols());
  equipoise::unreduced(loss, view(logits), view(targets), arguments, mutable_view(losses));
  return losses;
}

/// The partial of some rows, for losses whose batch comes in parts; see equipoise::partial().
/// Outputs are views: `{.gradient = mutable_view(gradient)}`.
/// @throws std::invalid_argument as equipoise::partial().
template <SigmoidModulators S, LossReduction R, DirectlyAccessible D, DirectlyAccessible Targets>
EQUIPOISE_HOST_INLINE LossPartial partial(const SigmoidLoss<S, R>& loss, const D& logits,
                                          const Targets& targets,
                                          const LossArguments& arguments = {},
                                          const LossOutputs<typename D::Scalar>& outputs = {}) {
  return equipoise::partial(loss, view(logits), view(targets), arguments, outputs);
}

/// The denominators of the reduction, which depend only on targets and weights; see
/// equipoise::denominators().
/// @throws std::invalid_argument as equipoise::denominators().
template <SigmoidModulators S, LossReduction R, DirectlyAccessible Targets>
EQUIPOISE_HOST_INLINE LossPartial denominators(const SigmoidLoss<S, R>& loss,
                                               const Targets& targets,
                                               const LossArguments& arguments = {}) {
  return equipoise::denominators(loss, view(targets), arguments);
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_SIGMOID_LOSS_H_
