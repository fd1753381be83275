// Softmax losses on tensors: the core's fused kernel on the CPU, tensor operations elsewhere.
#ifndef EQUIPOISE_LIBTORCH_LOSS_H_
#define EQUIPOISE_LIBTORCH_LOSS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstddef>
#include <cstdint>

#include "equipoise/config.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/softmax_call.h"
#include "equipoise/libtorch/detail/softmax_of_tensors.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch {

/// The loss of a batch as a tensor [] that takes part in autograd; see equipoise::SoftmaxLoss.
///
/// Logits are N x C, or have more dimensions; then LossArguments::class_dim names the dimension of
/// the classes: -1 for tokens as N x T x C, 1 in LibTorch's order N x C x T. Without it such logits
/// are rejected: with T = C the wrong dimension would silently give a number. Any strides are
/// accepted. Targets are of an integer type, in the shape of the logits without the dimension of
/// the classes; or they are probabilities, of a floating-point type and in the shape of the logits.
///
/// Float and double on the CPU use the fused kernel, on LibTorch's threads, without a copy of the
/// logits; half types compute in float and give a float loss. On other devices everything is tensor
/// operations without synchronisation; this function uploads the constants of the loss on each
/// call, SoftmaxLossModule keeps them on the device. Second derivatives are right.
///
/// Values:
///  - Targets, weights and groups are checked on the CPU. Elsewhere a target that is neither a
///    class nor ignored, a negative or infinite probability, or a group or class without a bucket
///    in the reduction makes the loss NaN, and an invalid target makes the gradient of its row NaN
///    as well; check_targets() finds such targets. An ignored row may have any group.
///  - A row whose logits are all -infinity has no softmax and makes the loss NaN, as do NaN and
///    +infinity. A target whose logit alone is -infinity has probability 0 and, with the modulators
///    of this library that are logarithmic there, the loss +infinity.
///  - A batch without rows, or all of whose rows are ignored, has the value that
///    SoftmaxLoss::empty_batch says, and a gradient of zeros; so has one without columns,
///    whose class indices all have to be ignored.
///
/// No gradient flows to targets and sample weights: a tensor that requires one is rejected while
/// autograd records.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <Modulator M, LossReduction R>
EQUIPOISE_HOST_INLINE at::Tensor value(const SoftmaxLoss<M, R>& loss, const at::Tensor& logits,
                                       const at::Tensor& targets,
                                       const LossArguments& arguments = {}) {
  return detail::call_softmax(detail::softmax_of_tensors("value", loss), nullptr, logits, targets,
                              arguments, {})
      .loss;
}

/// The losses of rows, before the reduction: a tensor in the shape of index targets, 0 where
/// ignored.
template <Modulator M, LossReduction R>
EQUIPOISE_HOST_INLINE at::Tensor unreduced(const SoftmaxLoss<M, R>& loss, const at::Tensor& logits,
                                           const at::Tensor& targets,
                                           const LossArguments& arguments = {}) {
  return detail::call_softmax(detail::softmax_of_tensors("unreduced", loss), nullptr, logits,
                              targets, arguments, {.unreduced = true})
      .loss;
}

/// The denominators of the reduction, which depend only on targets and weights: [K] of double on
/// their device. Sum it over micro-batches with + and over ranks, and pass it as
/// LossArguments::denominators. On the CPU values are checked as by the loss. On other devices the
/// weights of the loss are uploaded, without synchronisation; the contribution of an invalid target
/// is unspecified, since the loss itself is NaN.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <Modulator M, LossReduction R>
EQUIPOISE_HOST_INLINE at::Tensor denominators(const SoftmaxLoss<M, R>& loss,
                                              const at::Tensor& targets, std::int64_t classes,
                                              const LossArguments& arguments = {}) {
  return detail::call_softmax_denominators(detail::softmax_of_tensors("denominators", loss),
                                           targets, classes, arguments);
}

/// Adds the classes of a batch's targets to the counts that Seesaw uses, [C] of double on the
/// device of the targets; targets that are ignored or not a class are left out. Call it before the
/// loss, and sum the counts that each rank added over the ranks. Does not synchronise.
inline void add_to_seesaw_counts(at::Tensor& counts, const at::Tensor& targets,
                                 std::int64_t ignore_index = kIgnoreIndex) {
  const at::Tensor labels = detail::flat(targets).to(at::kLong);
  const at::Tensor valid =
      labels.ge(0).bitwise_and(labels.lt(counts.size(0))).bitwise_and(labels.ne(ignore_index));
  counts.scatter_add_(0, labels.clamp(0, counts.size(0) - 1), valid.to(counts.scalar_type()));
}

/// Checks that every target is a class in [0, classes) or the ignore index. Reads the device, and
/// so waits for it.
/// @throws std::invalid_argument naming the first target that is neither.
inline void check_targets(const at::Tensor& targets, std::int64_t classes,
                          std::int64_t ignore_index = kIgnoreIndex) {
  const at::Tensor labels = detail::in_memory(targets).to(at::kCPU, at::kLong).contiguous();
  const auto values = detail::span_of<std::int64_t>(labels);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == ignore_index || (values[i] >= 0 && values[i] < classes)) continue;
    equipoise::detail::reject_element(
        "check_targets", "targets", i, values[i],
        equipoise::detail::class_range(static_cast<std::size_t>(classes), ignore_index));
  }
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_LOSS_H_
