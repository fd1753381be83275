// The definitions of sigmoid_call.h.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_INL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_INL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <utility>

#include "equipoise/kernels/sigmoid_driver.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/sigmoid_call.h"
#include "equipoise/libtorch/detail/sigmoid_node.h"
#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

EQUIPOISE_LIBTORCH_CALL SigmoidTensors make_tensors(const SigmoidSettings& loss,
                                                    const at::TensorOptions& options) {
  return {constant_tensor(loss.class_weights, options), constant_tensor(loss.pos_weight, options),
          constant_tensor(loss.shift, options), constant_tensor(loss.rebalance.counts, options)};
}

EQUIPOISE_LIBTORCH_CALL LossAndSums
call_sigmoid(SigmoidOfTensors loss, const SigmoidTensors* tensors, const at::Tensor& logits,
             const at::Tensor& targets, const LossArguments& arguments, const Wanted& wanted) {
  require_floating_point(loss.where, "logits", logits);
  require_elements(loss, {logits, "logits"}, targets, arguments);
  const at::Tensor z = as_elements(logits);
  const at::Tensor t = as_elements(targets);
  SigmoidNode node{std::move(loss), {}, as_elements(arguments), wanted.unreduced, wanted.sums};
  if (tensors != nullptr) {
    node.tensors = *tensors;
    const std::pair<const char*, const at::Tensor&> constants[] = {
        {"class_weights", tensors->class_weights},
        {"pos_weight", tensors->pos_weight},
        {"shift", tensors->shift},
        {"rebalance_counts", tensors->rebalance_counts}};
    for (const auto& [name, constant] : constants) {
      require_last_size(node.loss.where, name, constant, logits.size(-1));
    }
  } else if (!fits_kernel(logits)) {
    if (compute_type(logits) == at::kFloat) {
      kernels::require_constants_fit<float>(node.loss.where, node.loss.settings);
    }
    node.tensors = make_tensors(node.loss.settings, logits.options().dtype(compute_type(logits)));
  }
  if (!fits_kernel(logits) && logits.device().is_cpu()) node.require_values(t);
  using Function = LossFunction<SigmoidNode>;
  const auto state = c10::make_intrusive<Function::State>(std::move(node), z);
  LossAndSums result{Function::apply(z, t, state), {}};
  result.sums = std::exchange(state->result.sums, at::Tensor());
  if (wanted.unreduced && logits.dim() != 2) result.loss = result.loss.view(logits.sizes());
  return result;
}

EQUIPOISE_LIBTORCH_CALL at::Tensor call_sigmoid_denominators(const SigmoidOfTensors& loss,
                                                             const at::Tensor& targets,
                                                             const LossArguments& arguments) {
  require_elements(loss, {targets, "targets"}, targets, arguments);
  const at::NoGradGuard no_graph;
  return sigmoid_denominators_of(loss, as_elements(targets), as_elements(arguments));
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_INL_H_
