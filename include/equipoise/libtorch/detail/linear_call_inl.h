// The definitions of linear_call.h.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CALL_INL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CALL_INL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/linear_call.h"
#include "equipoise/libtorch/detail/linear_chunks.h"
#include "equipoise/libtorch/detail/linear_inputs.h"
#include "equipoise/libtorch/detail/softmax_call.h"
#include "equipoise/libtorch/detail/softmax_node.h"
#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

EQUIPOISE_LIBTORCH_CALL at::Tensor call_linear(SoftmaxOfTensors loss, const SoftmaxTensors* tensors,
                                               LinearInputs given, LossArguments arguments,
                                               std::int64_t rows_per_chunk) {
  const char* const where = loss.where;
  // As autocast gives them to a layer whose parameters are float.
  if (given.features.is_floating_point() && is_half(given.features) && given.weight.defined() &&
      given.weight.scalar_type() == at::kFloat) {
    given.features = given.features.to(at::kFloat);
  }
  require_linear(where, given.features, given.weight, given.bias, arguments);
  if (rows_per_chunk < 0) {
    reject(where, "rows_per_chunk", rows_per_chunk, "a number >= 1, or 0 for the default");
  }
  // Logits that are not there, for the checks.
  std::vector<std::int64_t> sizes = given.features.sizes().vec();
  sizes.back() = given.classes();
  const at::Tensor logits = at::empty({1}, given.features.options()).expand(sizes);
  arguments.class_dim = -1;
  require_softmax_tensors(loss, tensors, logits, given.targets, arguments);
  const bool by_index = !given.targets.is_floating_point();
  const LinearInputs in{given.features.flatten(0, -2), given.weight, given.bias,
                        by_index ? flat(given.targets)
                                 : in_memory(given.targets).reshape(logits.flatten(0, -2).sizes())};
  const EmptyBatch empty_batch = loss.settings.empty_batch;
  const at::Tensor rows = logits.flatten(0, -2);
  SoftmaxNode node = make_node(std::move(loss), tensors, rows, flat(arguments), {});
  {
    const at::NoGradGuard no_graph;
    if (!fits_kernel(rows)) node.require_targets({rows, in.targets, node.arguments});
    // On the CPU this checks all rows before any is computed, under their own numbers.
    const bool is_given = node.arguments.denominators.defined();
    if (!is_given || rows.device().is_cpu()) {
      const at::Tensor own = softmax_denominators_of(node.loss, {{}, in.targets, node.arguments},
                                                     in.classes(), tensors);
      if (!is_given) node.arguments.denominators = own;
    }
  }
  LinearChunks chunks(std::move(node), empty_batch,
                      rows_per_chunk > 0 ? rows_per_chunk : default_rows_per_chunk(in));
  const at::Tensor bias =
      in.bias.defined() ? in.bias : at::empty({0}, in.weight.options().requires_grad(false));
  return LinearFunction::apply(in.features, in.weight, bias, in.targets,
                               c10::make_intrusive<LinearFunction::State>(std::move(chunks), in));
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CALL_INL_H_
