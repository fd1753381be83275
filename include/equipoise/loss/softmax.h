// Softmax losses: logit terms -> softmax -> modulator -> weight -> reduction, in one pass.
#ifndef EQUIPOISE_LOSS_SOFTMAX_H_
#define EQUIPOISE_LOSS_SOFTMAX_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/kernels/softmax_driver.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/pair_shift.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise {

/// A softmax loss as a value. For row i with target y, logits z_i and p the softmax of the logits
/// after logit_terms, group_logit_terms, pair_shift and seesaw, in this order,
///
///     loss_i = weight_i [(1 - e) m(p_y) + e/C sum_c m(p_c)]
///
/// with the modulator m, the label smoothing e, and weight_i the product of the weights of y, of
/// the row's group and of the row itself; the reduction turns the rows into one number. Rows whose
/// target is ignore_index have loss and gradient zero, whatever their logits. So do rows of weight
/// zero, but they still count as rows. With default fields the loss is the plain cross-entropy,
/// averaged.
///
/// If a target is a distribution t over the classes, sum_c w_c t_c m(p_c) replaces w_y m(p_y), w
/// being the class weights. For the reduction and the smoothing, the row's weight is sum_c w_c t_c,
/// so that a one-hot distribution is equivalent to its class index, and the row's class is the most
/// probable one. (LibTorch's conventions for distributions: see WeightConvention::kTorch.) The
/// ignore index applies to class indices only: distributions have a mask.
///
/// Weights, their products and logit terms are in the type of the logits: numbers that it cannot
/// hold, such as 1e39 or 1e-46 with float, are rejected.
template <Modulator M = CrossEntropy, LossReduction R = MeanByCount>
struct SoftmaxLoss {
  M modulator{};
  R reduction{};
  std::vector<double> class_weights{};  ///< C finite numbers >= 0; empty: all 1
  LogitTerms logit_terms{};             ///< of training; see evaluation()
  double label_smoothing = 0.0;         ///< in [0, 1]
  std::int64_t ignore_index = kIgnoreIndex;
  WeightConvention convention = WeightConvention::kConsistent;
  EmptyBatch empty_batch = EmptyBatch::kZero;
  std::vector<double> group_weights{};          ///< G finite numbers >= 0; empty: all 1
  std::vector<LogitTerms> group_logit_terms{};  ///< of the row's group; G, or empty for none
  PairShift pair_shift{};                       ///< needs index targets
  Seesaw seesaw{};                              ///< needs index targets
};

/// The loss for evaluation: without anything that changes the logits in training only.
/// LogitTerms::evaluation() describes the part that remains.
template <Modulator M, LossReduction R>
SoftmaxLoss<M, R> evaluation(SoftmaxLoss<M, R> loss) {
  loss.logit_terms = loss.logit_terms.evaluation();
  for (LogitTerms& terms : loss.group_logit_terms) terms = terms.evaluation();
  loss.pair_shift = {};
  loss.seesaw.counts.clear();
  return loss;
}

namespace detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

template <class M, class R>
void require_parts(const void* self, std::string_view where) {
  const auto& loss = *static_cast<const SoftmaxLoss<M, R>*>(self);
  if constexpr (requires { loss.modulator.require(where); }) loss.modulator.require(where);
  if constexpr (requires { loss.reduction.require(where); }) loss.reduction.require(where);
}

template <class M, class R>
kernels::SoftmaxSettings settings_of(const SoftmaxLoss<M, R>& loss) {
  return {&loss,
          &require_parts<M, R>,
          kernels::AnyReduction::of(loss.reduction),
          loss.class_weights,
          loss.logit_terms,
          loss.label_smoothing,
          loss.ignore_index,
          loss.convention,
          loss.empty_batch,
          loss.group_weights,
          loss.group_logit_terms,
          loss.pair_shift,
          &loss.seesaw};
}

template <class T, class M, class R, class Targets>
kernels::SoftmaxCall<T> softmax_call(const SoftmaxLoss<M, R>& loss,
                                     const kernels::SoftmaxSettings& settings,
                                     const MatrixView<const T>& logits, const Targets& targets,
                                     const LossArguments& arguments, kernels::Cpu instructions) {
  return {{settings, kernels::AnyTargets::of(targets), logits.cols, arguments},
          {&loss.modulator, &kernels::softmax_kernel<M, T>, instructions},
          logits,
          {}};
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace detail

/// The denominators of the reduction. They depend only on targets and weights, so they are known
/// before the forward pass: compute them over everything one optimiser step sees (merge
/// micro-batches with +=, sum all_reduce_buffer() over ranks) and pass their coefficients() to each
/// loss call. O(N).
///
/// @throws std::invalid_argument for a target that is neither a class nor the ignore index, for
/// weights that are negative, NaN or infinite, and for sizes that differ.
template <Modulator M, LossReduction R, SoftmaxTargets Targets>
EQUIPOISE_HOST_INLINE LossPartial denominators(const SoftmaxLoss<M, R>& loss,
                                               const Targets& targets, std::size_t classes,
                                               const LossArguments& arguments = {}) {
  constexpr std::string_view kWhere = "denominators";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_targets(kWhere, settings, targets, classes);
  return kernels::checked_denominators(
      kWhere, {settings, kernels::AnyTargets::of(read), classes, arguments});
}

/// The partial of some rows: their numerators, masses and counts; writes the gradient and the
/// losses of rows on request. The gradient is that of value(partial, coefficients), so gradients of
/// parts, each computed with the coefficients of the whole, add up to the gradient of the whole.
///
/// logits is N x C of float or double, with any strides; nothing of its size is allocated. Sums
/// over rows are computed in double, in an order that does not depend on the number of threads. A
/// NaN or +infinity among the logits of a row that is not ignored makes the row's loss and gradient
/// NaN; -infinity is a probability of zero. Under -ffast-math such rows have no defined result, and
/// a loss below the rounding error of one may lose some or all of its digits.
///
/// @throws std::invalid_argument as denominators(), for shapes that do not match, for coefficients
/// that do not fit the reduction, and for weights, terms and coefficients that T cannot hold.
/// Nothing is written then.
template <Modulator M, LossReduction R, FloatElement L,
          SoftmaxTargetsFor<std::remove_const_t<L>> Targets, class ParallelFor = SerialFor,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE LossPartial partial(const SoftmaxLoss<M, R>& loss, MatrixView<L> logits,
                                          const Targets& targets,
                                          const LossArguments& arguments = {},
                                          const LossOutputs<T>& outputs = {},
                                          const ParallelFor& parallel_for = {}) {
  constexpr std::string_view kWhere = "partial";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_targets(kWhere, settings, targets, logits.cols);
  auto call = detail::softmax_call<T>(loss, settings, logits, read, arguments,
                                      kernels::cpu_of(parallel_for));
  call.outputs = outputs;
  return kernels::partial_of_call(kWhere, call, parallel_for);
}

/// The loss of a whole from its partial: sum_k coefficient_k numerator_k, or the value of
/// loss.empty_batch if nothing was averaged.
template <Modulator M, LossReduction R>
double value(const SoftmaxLoss<M, R>& loss, const LossPartial& partial,
             std::span<const double> coefficients) {
  return kernels::value_of_whole(loss.empty_batch, partial, coefficients);
}

/// The loss of a batch; if the arguments have coefficients, its contribution to the loss of the
/// whole.
/// @throws std::invalid_argument as partial().
template <Modulator M, LossReduction R, FloatElement L,
          SoftmaxTargetsFor<std::remove_const_t<L>> Targets,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE double value(const SoftmaxLoss<M, R>& loss, MatrixView<L> logits,
                                   const Targets& targets, const LossArguments& arguments = {}) {
  constexpr std::string_view kWhere = "value";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_targets(kWhere, settings, targets, logits.cols);
  return kernels::value_of_call<T>(
      kWhere, detail::softmax_call<T>(loss, settings, logits, read, arguments, kernels::cpu()));
}

/// The same loss; also writes its gradient, N x C.
/// @throws std::invalid_argument as partial().
template <Modulator M, LossReduction R, FloatElement L,
          SoftmaxTargetsFor<std::remove_const_t<L>> Targets,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE double value_and_gradient(const SoftmaxLoss<M, R>& loss, MatrixView<L> logits,
                                                const Targets& targets,
                                                const LossArguments& arguments,
                                                MatrixView<T> gradient) {
  constexpr std::string_view kWhere = "value_and_gradient";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_targets(kWhere, settings, targets, logits.cols);
  auto call = detail::softmax_call<T>(loss, settings, logits, read, arguments, kernels::cpu());
  detail::require_writable(kWhere, "gradient", gradient, logits.rows * logits.cols);
  call.outputs.gradient = gradient;
  return kernels::value_of_call<T>(kWhere, call);
}

/// The losses of rows before the reduction, weight_i times loss_i, 0 where ignored: writes
/// `losses`, N x 1.
/// @throws std::invalid_argument as partial().
template <Modulator M, LossReduction R, FloatElement L,
          SoftmaxTargetsFor<std::remove_const_t<L>> Targets,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE void unreduced(const SoftmaxLoss<M, R>& loss, MatrixView<L> logits,
                                     const Targets& targets, const LossArguments& arguments,
                                     MatrixView<T> losses) {
  constexpr std::string_view kWhere = "unreduced";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_targets(kWhere, settings, targets, logits.cols);
  auto call = detail::softmax_call<T>(loss, settings, logits, read, arguments, kernels::cpu());
  detail::require_writable(kWhere, "losses", losses, logits.rows);
  call.outputs.losses = losses;
  kernels::write_losses<T>(kWhere, call);
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_SOFTMAX_H_
