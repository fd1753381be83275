// The definitions of softmax_call.h.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_CALL_INL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_CALL_INL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstdint>
#include <utility>
#include <vector>

#include "equipoise/kernels/softmax_driver.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/softmax_call.h"
#include "equipoise/libtorch/detail/softmax_node.h"
#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

EQUIPOISE_LIBTORCH_CALL SoftmaxTensors make_tensors(const kernels::SoftmaxSettings& loss,
                                                    const at::TensorOptions& options,
                                                    std::int64_t classes) {
  const std::vector<LogitTerms> terms = kernels::composed_terms(loss);
  const auto term_tensor = [&](double identity, const auto& field) {
    const at::Tensor tensor = constant_tensor(
        kernels::terms_of_groups<double>(terms, static_cast<std::size_t>(classes), identity, field),
        options);
    const bool grouped = tensor.defined() && !loss.group_logit_terms.empty();
    return grouped ? tensor.view({-1, classes}) : tensor;
  };
  SoftmaxTensors result;
  result.class_weights = constant_tensor(loss.class_weights, options);
  result.scale = term_tensor(
      1.0, [](const LogitTerms& t) -> auto& { return t.scale; });
  result.shift = term_tensor(
      0.0, [](const LogitTerms& t) -> auto& { return t.shift; });
  result.margin = term_tensor(
      0.0, [](const LogitTerms& t) -> auto& { return t.margin; });
  result.group_weights = constant_tensor(loss.group_weights, options);
  result.pair_shift = constant_tensor(loss.pair_shift.values, options);
  if (result.pair_shift.defined()) result.pair_shift = result.pair_shift.view({classes, classes});
  result.seesaw_counts = constant_tensor(loss.seesaw->counts, options);
  return result;
}

EQUIPOISE_LIBTORCH_CALL LossAndSums
call_softmax(SoftmaxOfTensors loss, const SoftmaxTensors* tensors, const at::Tensor& logits,
             const at::Tensor& targets, const LossArguments& arguments, const Wanted& wanted) {
  require_softmax_tensors(loss, tensors, logits, targets, arguments);
  SoftmaxInputs in = make_inputs(logits, targets, arguments);
  SoftmaxNode node =
      make_node(std::move(loss), tensors, in.logits, std::move(in.arguments), wanted);
  if (!fits_kernel(logits)) node.require_targets(in);
  using Function = LossFunction<SoftmaxNode>;
  const auto state = c10::make_intrusive<Function::State>(std::move(node), in.logits);
  LossAndSums result{Function::apply(in.logits, in.targets, state), {}};
  result.sums = std::exchange(state->result.sums, at::Tensor());
  if (wanted.unreduced) {
    result.loss = in_shape_of_rows(result.loss, logits, class_dim_of(arguments));
  }
  return result;
}

EQUIPOISE_LIBTORCH_CALL at::Tensor call_softmax_denominators(const SoftmaxOfTensors& loss,
                                                             const at::Tensor& targets,
                                                             std::int64_t classes,
                                                             const LossArguments& arguments) {
  const char* const where = loss.where;
  require_softmax_arguments(where, arguments);
  require_classification(where, targets, classes, arguments);
  kernels::require_softmax_loss(where, loss.settings, static_cast<std::size_t>(classes));
  if (needs_groups(loss.settings, nullptr)) require_groups(where, arguments.groups);
  require_buckets(where, loss.reduction, {targets, "targets"}, arguments);
  const at::NoGradGuard no_graph;
  const at::Tensor rows =
      targets.is_floating_point()
          ? in_memory(targets).movedim(class_dim_of(arguments), -1).flatten(0, -2)
          : flat(targets);
  return softmax_denominators_of(loss, {{}, rows, flat(arguments)}, classes);
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_CALL_INL_H_
