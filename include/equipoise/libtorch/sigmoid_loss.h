// Sigmoid losses on tensors: the core's fused kernel on the CPU, tensor operations elsewhere.
#ifndef EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_
#define EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include "equipoise/config.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/sigmoid_call.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::libtorch {

/// The loss of a batch as a tensor [] that takes part in autograd; see equipoise::SigmoidLoss.
///
/// Logits are [N] for a binary loss or [N, L] for L labels, with any strides; with more dimensions,
/// the last one is that of the labels. Targets are in the shape of the logits, of bool, an integer
/// or a floating-point type; no gradient flows to them.
///
/// Float and double on the CPU use the fused kernel, on LibTorch's threads, without a copy of the
/// logits or of targets that are bool, uint8, int64, float or double; half types compute in float
/// and give a float loss. On other devices everything is tensor operations without synchronisation;
/// this function uploads the constants of the loss on each call. Second derivatives are right.
///
/// Values:
///  - Targets, weights and groups are checked on the CPU. Elsewhere a target that is NaN or outside
///    [0, 1], or a group or label without a bucket in the reduction, makes the loss NaN, unless the
///    element is masked.
///  - An infinite logit is a probability of 0 or 1: the loss of the right side is 0, that of the
///    other +infinity, unless its modulator is bounded. A NaN logit makes the loss NaN.
///  - A batch without rows or without columns, or all of whose elements are masked, has the value
///    that SigmoidLoss::empty_batch says, and a gradient of zeros.
///
/// No gradient flows to sample weights either: a tensor that requires one is rejected while
/// autograd records.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <SigmoidModulators S, LossReduction R>
EQUIPOISE_HOST_INLINE at::Tensor value(const SigmoidLoss<S, R>& loss, const at::Tensor& logits,
                                       const at::Tensor& targets,
                                       const LossArguments& arguments = {}) {
  return detail::call_sigmoid(detail::sigmoid_of_tensors("value", loss), nullptr, logits, targets,
                              arguments, {})
      .loss;
}

/// The losses of elements, before the reduction: a tensor in the shape of the logits, 0 where
/// masked.
template <SigmoidModulators S, LossReduction R>
EQUIPOISE_HOST_INLINE at::Tensor unreduced(const SigmoidLoss<S, R>& loss, const at::Tensor& logits,
                                           const at::Tensor& targets,
                                           const LossArguments& arguments = {}) {
  return detail::call_sigmoid(detail::sigmoid_of_tensors("unreduced", loss), nullptr, logits,
                              targets, arguments, {.unreduced = true})
      .loss;
}

/// The denominators of the reduction, which depend only on targets and weights: [K] of double on
/// their device. Sum it over micro-batches with + and over ranks, and pass it as
/// LossArguments::denominators. Targets are in the shape of the logits. On the CPU values are
/// checked as by the loss. On other devices the weights of the loss are uploaded, without
/// synchronisation; the contribution of an invalid target is unspecified, since the loss itself is
/// NaN.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <SigmoidModulators S, LossReduction R>
EQUIPOISE_HOST_INLINE at::Tensor denominators(const SigmoidLoss<S, R>& loss,
                                              const at::Tensor& targets,
                                              const LossArguments& arguments = {}) {
  return detail::call_sigmoid_denominators(detail::sigmoid_of_tensors("denominators", loss),
                                           targets, arguments);
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_
