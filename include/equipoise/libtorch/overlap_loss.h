// Overlap losses on tensors: the two passes of the core on the CPU, tensor operations elsewhere.
#ifndef EQUIPOISE_LIBTORCH_OVERLAP_LOSS_H_
#define EQUIPOISE_LIBTORCH_OVERLAP_LOSS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include "equipoise/config.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/overlap_call.h"
#include "equipoise/loss/overlap.h"

namespace equipoise::libtorch {

/// The first pass: the sums TP, FP and FN of each class over these rows, [3, C] of double on the
/// device of the logits, without a graph; see equipoise::partial(). Add the sums of parts with +,
/// and over ranks by an all-reduce; pass the total to each part's value() as LossArguments::sums.
/// Accepts what value() accepts. Does not synchronise the device.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <OverlapPolicy P>
EQUIPOISE_HOST_INLINE at::Tensor partial(const OverlapLoss<P>& loss, const at::Tensor& logits,
                                         const at::Tensor& targets,
                                         const LossArguments& arguments = {}) {
  return detail::call_overlap_sums(detail::overlap_of_tensors("partial", loss), logits, targets,
                                   arguments);
}

/// The loss of a set of rows as a tensor [] that takes part in autograd; see
/// equipoise::OverlapLoss.
///
/// Without `sums` in the arguments the set is this call's rows. With the merged sums of a larger
/// set that contains these rows (all micro-batches, all ranks), the value is the loss of the whole
/// set, the same in each part: do not add the values up. The gradient is that of the whole set's
/// loss with respect to this part's logits, so the gradients that parts accumulate in the
/// parameters add up to that of the whole set; if a reducer averages over ranks, multiply by their
/// number. Each part's logits are needed twice, for the sums and for the gradient: run the model
/// twice (the first time without a graph), or keep the graphs of all parts.
///
/// Logits are N x C, or have more dimensions; then LossArguments::class_dim names the dimension of
/// the classes. Targets of an integer type have the shape of the logits without that dimension;
/// targets of a floating-point type, in [0, 1], have the shape of the logits. Float and double on
/// the CPU use the core's kernel on LibTorch's threads, without a temporary of the logits' size
/// besides the gradient, except that logits whose classes come before their rows (N x C x T) are
/// copied once. Half types compute in float and give a float loss. On other devices everything is
/// tensor operations without synchronisation; the class weights of the loss are uploaded on each
/// call unless the arguments hold them. Second derivatives are right; with merged sums they cover
/// only this part.
///
/// Targets and weights are checked on the CPU. Elsewhere a target that is neither a class nor
/// ignored, or not in [0, 1], makes the loss NaN. No gradient flows to them: targets and sample
/// weights that require one are rejected while autograd records. Rows whose logits are all
/// -infinity have no softmax and make the loss NaN. A set without rows or columns, or all of whose
/// rows are ignored, has the value that OverlapLoss::empty_batch says, and a gradient of zeros.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <OverlapPolicy P>
EQUIPOISE_HOST_INLINE at::Tensor value(const OverlapLoss<P>& loss, const at::Tensor& logits,
                                       const at::Tensor& targets,
                                       const LossArguments& arguments = {}) {
  return detail::call_overlap(detail::overlap_of_tensors("value", loss), logits, targets,
                              arguments);
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_OVERLAP_LOSS_H_
