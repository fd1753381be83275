// A linear layer fused with a softmax loss, on Eigen matrices: the logits of all rows are never in
// memory at once.
#ifndef EQUIPOISE_EIGEN_LINEAR_LOSS_H_
#define EQUIPOISE_EIGEN_LINEAR_LOSS_H_

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/text.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/kernels/softmax_driver.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

/// The outputs of linear_loss() besides its value. A null pointer is not written; other outputs are
/// resized.
template <class Scalar>
struct LinearLossOutputs {
  /// The type of the gradients.
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  Matrix* features = nullptr;                                ///< gradient, N x D
  Matrix* weight = nullptr;                                  ///< gradient, C x D
  Eigen::Matrix<Scalar, Eigen::Dynamic, 1>* bias = nullptr;  ///< gradient, [C]
  Eigen::Index rows_per_chunk = 0;  ///< 0: logits of a million elements, at least 16 rows
};

namespace detail {

// Functions that lead to the kernels belong to the instruction set they are compiled for, like the
// kernels.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// The layer that computes the logits.
template <class F, class W, class B>
struct LinearLayer {
  const F& features;
  const W& weight;
  const B& bias;

  template <class Matrix>
  void write_logits(Eigen::Index begin, Eigen::Index rows, Matrix& logits) const {
    logits.noalias() = features.matrix().middleRows(begin, rows) * weight.matrix().transpose();
    if (bias.size() != 0) logits.rowwise() += bias.matrix().reshaped().transpose();
  }
};

template <class T, class Layer>
void require_linear(std::string_view where, const kernels::SoftmaxTargetRows& rows,
                    const Layer& layer, const LinearLossOutputs<T>& outputs) {
  const auto require = [&](std::string_view name, Eigen::Index size, Eigen::Index expected,
                           std::string_view of_what) {
    if (size == expected) return;
    equipoise::detail::reject(
        where, name, size,
        equipoise::detail::to_text(expected) + " (" + std::string(of_what) + ")");
  };
  require("weight.cols()", layer.weight.cols(), layer.features.cols(), "columns of features");
  if (layer.bias.size() != 0)
    require("bias.size()", layer.bias.size(), layer.weight.rows(), "classes");
  require("features.rows()", layer.features.rows(), static_cast<Eigen::Index>(rows.size()),
          "targets");
  if (outputs.rows_per_chunk < 0) {
    equipoise::detail::reject(where, "rows_per_chunk", outputs.rows_per_chunk,
                              "a number >= 1, or 0 for the default");
  }
}

// Adds the contribution of a chunk's gradient.
template <class T, class Layer, class Matrix>
void add_linear_gradients(const Layer& layer, Eigen::Index begin, const Matrix& gradient,
                          const LinearLossOutputs<T>& outputs) {
  const auto features = layer.features.matrix().middleRows(begin, gradient.rows());
  if (outputs.features != nullptr) {
    outputs.features->middleRows(begin, gradient.rows()).noalias() =
        gradient * layer.weight.matrix();
  }
  if (outputs.weight != nullptr) outputs.weight->noalias() += gradient.transpose() * features;
  if (outputs.bias != nullptr) outputs.bias->noalias() += gradient.colwise().sum().transpose();
}

// The partial of all rows, given their coefficients; `masses` are their denominators.
template <class T, class Layer>
LossPartial add_linear_chunks(const kernels::SoftmaxTargetRows& rows,
                              const kernels::SoftmaxKernel<T>& kernel, const Layer& layer,
                              LossPartial masses, const LinearLossOutputs<T>& outputs) {
  constexpr Eigen::Index kElements = Eigen::Index{1} << 20;
  const Eigen::Index classes = layer.weight.rows();
  const Eigen::Index step =
      outputs.rows_per_chunk > 0
          ? outputs.rows_per_chunk
          : std::max<Eigen::Index>(kElements / std::max<Eigen::Index>(classes, 1), 16);
  const bool writes =
      outputs.features != nullptr || outputs.weight != nullptr || outputs.bias != nullptr;
  typename LinearLossOutputs<T>::Matrix logits;
  typename LinearLossOutputs<T>::Matrix gradient;
  for (Eigen::Index begin = 0; begin < layer.features.rows(); begin += step) {
    const Eigen::Index size = std::min(step, layer.features.rows() - begin);
    layer.write_logits(begin, size, logits);
    kernels::SoftmaxCall<T> part{
        rows.part(static_cast<std::size_t>(begin), static_cast<std::size_t>(size)),
        kernel,
        view(logits),
        {}};
    if (writes) {
      gradient.resize(size, classes);
      part.outputs.gradient = mutable_view(gradient);
    }
    masses += kernels::evaluate_checked(
        part, LossPartial{std::vector<LossTally>(masses.buckets.size())}, SerialFor{});
    if (writes) add_linear_gradients(layer, begin, gradient, outputs);
  }
  return masses;
}

template <class T, class Layer>
double linear_loss_of(std::string_view where, kernels::SoftmaxTargetRows rows,
                      const kernels::SoftmaxKernel<T>& kernel, const Layer& layer,
                      const LinearLossOutputs<T>& outputs) {
  require_linear(where, rows, layer, outputs);
  LossPartial masses = kernels::checked_denominators(where, rows);
  std::vector<double> own;
  if (rows.arguments.coefficients.empty()) {
    own = rows.loss.reduction.coefficients(masses);
    rows.arguments.coefficients = own;
  }
  kernels::require_fit<T>(where, rows, rows.arguments.coefficients);
  if (outputs.features != nullptr) {
    outputs.features->resize(layer.features.rows(), layer.features.cols());
  }
  if (outputs.weight != nullptr) {
    outputs.weight->setZero(layer.weight.rows(), layer.weight.cols());
  }
  if (outputs.bias != nullptr) outputs.bias->setZero(layer.weight.rows());
  const LossPartial partial = add_linear_chunks(rows, kernel, layer, std::move(masses), outputs);
  return kernels::value_of_whole(rows.loss.empty_batch, partial, rows.arguments.coefficients);
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace detail

/// value(loss, features weight^T + bias, targets, arguments), a chunk of rows at a time. For
/// problems with many classes, in which the N x C logits and their gradient would be the largest
/// objects in memory.
///
/// features is N x D, weight C x D, both of one scalar type, float or double; bias has C elements,
/// or none for no bias. Targets and arguments are those of value(). Any SoftmaxLoss works: its
/// denominators need no logits, so chunks add up to the loss of the whole, and with
/// LossArguments::coefficients to that of all parts of a batch. It needs memory for the outputs and
/// for one chunk's logits and gradient, and the time of the usual three products. The loss runs on
/// the caller's thread, the products on Eigen's.
/// @throws std::invalid_argument as equipoise::partial(), and for sizes that differ. Targets are
/// checked before anything is computed or written.
template <Modulator M, LossReduction R, DirectlyAccessible F, DirectlyAccessible W,
          DirectlyAccessible B, SoftmaxTargetsFor<typename F::Scalar> Targets>
EQUIPOISE_HOST_INLINE double linear_loss(
    const SoftmaxLoss<M, R>& loss, const F& features, const W& weight, const B& bias,
    const Targets& targets, const LossArguments& arguments = {},
    const LinearLossOutputs<typename F::Scalar>& outputs = {}) {
  using T = typename F::Scalar;
  constexpr std::string_view kWhere = "linear_loss";
  const auto classes = static_cast<std::size_t>(weight.rows());
  const auto settings = equipoise::detail::settings_of(loss);
  const auto read = kernels::read_targets(kWhere, settings, targets, classes);
  return detail::linear_loss_of<T>(
      kWhere, {settings, kernels::AnyTargets::of(read), classes, arguments},
      {&loss.modulator, &kernels::softmax_kernel<M, T>, kernels::cpu()},
      detail::LinearLayer<F, W, B>{features, weight, bias}, outputs);
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_LINEAR_LOSS_H_
