// Sigmoid losses on Eigen matrices, without a copy of the logits or the targets.
#ifndef EQUIPOISE_EIGEN_SIGMOID_LOSS_H_
#define EQUIPOISE_EIGEN_SIGMOID_LOSS_H_

#include "equipoise/config.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::eigen {

/// The loss of a batch; see equipoise::sigmoid_loss(). logits is N x L, row- or column-major, of
/// float or double, or a vector of N for a binary loss; targets is a matrix or array of the same
/// shape, of bool or any arithmetic type and in any order.
/// @throws std::invalid_argument as equipoise::evaluate().
template <SigmoidModulators S, Reduction R, detail::DirectlyAccessible D,
          detail::DirectlyAccessible Targets>
EQUIPOISE_INLINE double value(const SigmoidLoss<S, R>& loss, const D& logits,
                              const Targets& targets, const ElementAttributes& attributes = {}) {
  return equipoise::sigmoid_loss(loss, view(logits), view(targets), {}, attributes);
}

/// The loss of a batch and its gradient. Allocates the gradient and nothing else of its size.
/// @throws std::invalid_argument as equipoise::evaluate().
template <SigmoidModulators S, Reduction R, detail::DirectlyAccessible D,
          detail::DirectlyAccessible Targets>
EQUIPOISE_INLINE ValueAndGradient<typename D::PlainObject> value_and_gradient(
    const SigmoidLoss<S, R>& loss, const D& logits, const Targets& targets,
    const ElementAttributes& attributes = {}) {
  ValueAndGradient<typename D::PlainObject> result{0.0, {}};
  result.gradient.resize(logits.rows(), logits.cols());
  result.value = equipoise::sigmoid_loss(loss, view(logits), view(targets),
                                         mutable_view(result.gradient), attributes);
  return result;
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_SIGMOID_LOSS_H_
