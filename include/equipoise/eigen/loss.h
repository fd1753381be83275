// Losses on Eigen matrices, without a copy of the logits.
#ifndef EQUIPOISE_EIGEN_LOSS_H_
#define EQUIPOISE_EIGEN_LOSS_H_

#include <Eigen/Core>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "equipoise/config.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

/// Matrices, arrays, maps, references and blocks whose elements are in memory (not expressions).
template <class D>
concept DirectlyAccessible = requires(const D& matrix) {
  { matrix.data() } -> std::convertible_to<const typename D::Scalar*>;
  matrix.innerStride();
  matrix.outerStride();
};

namespace detail {

template <class View, class D>
View strided_view(D& matrix) {
  const auto rows = static_cast<std::size_t>(matrix.rows());
  const auto cols = static_cast<std::size_t>(matrix.cols());
  const auto inner = static_cast<std::ptrdiff_t>(matrix.innerStride());
  const auto outer = static_cast<std::ptrdiff_t>(matrix.outerStride());
  return D::IsRowMajor ? View(matrix.data(), rows, cols, outer, inner)
                       : View(matrix.data(), rows, cols, inner, outer);
}

}  // namespace detail

/// The elements of a matrix or array, row- or column-major, a map, a reference or a block. No copy.
template <DirectlyAccessible D>
MatrixView<const typename D::Scalar> view(const D& matrix) {
  return detail::strided_view<MatrixView<const typename D::Scalar>>(matrix);
}

/// The same, writable.
template <DirectlyAccessible D>
MatrixView<typename D::Scalar> mutable_view(D& matrix) {
  return detail::strided_view<MatrixView<typename D::Scalar>>(matrix);
}

/// The elements of a matrix of probabilities as targets of a softmax loss, in the logits' type;
/// rows whose mask is 0 are ignored. No copy.
template <DirectlyAccessible D>
ProbabilityTargets<typename D::Scalar> probability_targets(
    const D& probabilities, std::span<const std::uint8_t> mask = {}) {
  return {view(probabilities), mask};
}

/// The value of a loss and its gradient with respect to the logits, in the logits' own type and
/// order.
template <class Matrix>
struct ValueAndGradient {
  double value;
  Matrix gradient;
};

/// The loss of a batch; see equipoise::value(). logits is N x C, row- or column-major, of float or
/// double; targets has N class indices, or is probability_targets() of a matrix.
/// @throws std::invalid_argument as equipoise::partial().
template <Modulator M, LossReduction R, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE double value(const SoftmaxLoss<M, R>& loss, const D& logits,
                                   const Targets& targets, const LossArguments& arguments = {}) {
  return equipoise::value(loss, view(logits), targets, arguments);
}

/// The loss of a batch and its gradient. Allocates the gradient and nothing else of its size.
/// @throws std::invalid_argument as equipoise::partial().
template <Modulator M, LossReduction R, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE ValueAndGradient<typename D::PlainObject> value_and_gradient(
    const SoftmaxLoss<M, R>& loss, const D& logits, const Targets& targets,
    const LossArguments& arguments = {}) {
  ValueAndGradient<typename D::PlainObject> result{0.0, {}};
  result.gradient.resize(logits.rows(), logits.cols());
  result.value = equipoise::value_and_gradient(loss, view(logits), targets, arguments,
                                               mutable_view(result.gradient));
  return result;
}

/// The losses of rows before the reduction, N x 1 in the logits' own type; see
/// equipoise::unreduced().
/// @throws std::invalid_argument as equipoise::partial().
template <Modulator M, LossReduction R, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE Eigen::Matrix<typename D::Scalar, Eigen::Dynamic, 1> unreduced(
    const SoftmaxLoss<M, R>& loss, const D& logits, const Targets& targets,
    const LossArguments& arguments = {}) {
  Eigen::Matrix<typename D::Scalar, Eigen::Dynamic, 1> losses(logits.rows());
  equipoise::unreduced(loss, view(logits), targets, arguments, mutable_view(losses));
  return losses;
}

/// The partial of some rows, for losses whose batch comes in parts; see equipoise::partial().
/// Outputs are views: `{.gradient = mutable_view(gradient)}`.
/// @throws std::invalid_argument as equipoise::partial().
template <Modulator M, LossReduction R, DirectlyAccessible D, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE LossPartial partial(const SoftmaxLoss<M, R>& loss, const D& logits,
                                          const Targets& targets,
                                          const LossArguments& arguments = {},
                                          const LossOutputs<typename D::Scalar>& outputs = {}) {
  return equipoise::partial(loss, view(logits), targets, arguments, outputs);
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_LOSS_H_
