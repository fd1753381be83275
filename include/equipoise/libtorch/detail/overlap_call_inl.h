// The definitions of overlap_call.h.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_INL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_INL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <utility>

#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/overlap_call.h"
#include "equipoise/libtorch/detail/overlap_node.h"
#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

EQUIPOISE_LIBTORCH_CALL at::Tensor call_overlap(OverlapOfTensors loss, const at::Tensor& logits,
                                                const at::Tensor& targets,
                                                const LossArguments& arguments) {
  const char* const where = loss.where;
  require_overlap_tensors(where, loss.settings, logits, targets, arguments);
  OverlapInputs in = make_overlap_inputs(logits, targets, arguments);
  OverlapNode node{std::move(loss), {}, {}};
  if (!fits_kernel(logits)) {
    require_values_on_cpu(where, node.loss, in);
    node.class_weights = class_weight_tensor(node.loss, in);
  }
  node.arguments = std::move(in.arguments);
  using Function = LossFunction<OverlapNode>;
  return Function::apply(in.logits, in.targets,
                         c10::make_intrusive<Function::State>(std::move(node), in.logits));
}

EQUIPOISE_LIBTORCH_CALL at::Tensor call_overlap_sums(const OverlapOfTensors& loss,
                                                     const at::Tensor& logits,
                                                     const at::Tensor& targets,
                                                     const LossArguments& arguments) {
  const char* const where = loss.where;
  const at::NoGradGuard no_graph;
  require_overlap_tensors(where, loss.settings, logits, targets, arguments);
  const OverlapInputs in = make_overlap_inputs(logits.detach(), targets, arguments);
  if (!fits_kernel(logits)) {
    require_values_on_cpu(where, loss, in);
    return OverlapInPlace::takes(loss, in) ? OverlapInPlace(loss, in).sums(in.logits.size(1))
                                           : sum_overlap(loss, make_overlap_tensors(loss, in));
  }
  return to_tensor(logits.scalar_type() == at::kFloat ? sums_by_kernel<float>(where, loss, in)
                                                      : sums_by_kernel<double>(where, loss, in));
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_INL_H_
