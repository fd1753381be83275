// A sigmoid loss with its arguments: the fused kernel on the CPU, tensor operations on every other
// device. For files that include sigmoid_call.h as well.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_NODE_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_NODE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/sigmoid_driver.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/sigmoid_operations.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::libtorch::detail {

// Targets and what goes with them; the reference has the shape of the elements: it is the logits,
// or the targets themselves.
inline void require_elements(const SigmoidOfTensors& loss, const NamedTensor& reference,
                             const at::Tensor& targets, const LossArguments& arguments) {
  const char* const where = loss.where;
  const at::Tensor& all = reference.tensor;
  require_undefined(where, "seesaw_counts", arguments.seesaw_counts);
  require_undefined(where, "class_weights", arguments.class_weights);
  require_undefined(where, "sums", arguments.sums);
  if (arguments.class_dim) {
    reject(where, "class_dim", *arguments.class_dim, "none: the labels are the last dimension");
  }
  if (all.dim() < 1) {
    reject(where, std::string(reference.name) + ".dim()", all.dim(), "at least 1 (N)");
  }
  if (!targets.is_floating_point() &&
      !c10::isIntegralType(targets.scalar_type(), /*includeBool=*/true)) {
    reject(where, "targets.dtype()", std::string(targets.dtype().name()),
           "bool, an integer or a floating-point type");
  }
  const auto require_shape = [&](const char* name, const at::Tensor& tensor) {
    require_matches(where, name, tensor, reference, -1, "");
    if (!tensor.defined()) return;
    if (tensor.dim() != all.dim()) {
      reject(where, std::string(name) + ".dim()", tensor.dim(),
             std::to_string(all.dim()) + ", that of the " + reference.name);
    }
    for (std::int64_t d = 0; d < all.dim(); ++d) {
      if (tensor.size(d) == all.size(d)) continue;
      reject(where, std::string(name) + ".size(" + std::to_string(d) + ")", tensor.size(d),
             std::to_string(all.size(d)) + ", that of the " + reference.name);
    }
  };
  require_shape("targets", targets);
  require_constant(where, "targets", targets);
  require_shape("mask", arguments.mask);
  const std::vector<std::int64_t> rows =
      all.dim() == 1 ? all.sizes().vec() : row_sizes(all, /*class_dim=*/-1);
  require_per_row(where, "sample_weights", arguments.sample_weights, reference, rows);
  require_constant(where, "sample_weights", arguments.sample_weights);
  require_per_row(where, "groups", arguments.groups, reference, rows);
  require_integral(where, "groups", arguments.groups);
  if (loss.settings.reduction.needs_groups()) require_groups(where, arguments.groups);
  kernels::require_sigmoid_loss(where, loss.settings,
                                all.dim() == 1 ? 1 : static_cast<std::size_t>(all.size(-1)));
  require_buckets(where, loss.reduction, reference, arguments);
}

// [N] as [N, 1], and [..., L] as [N, L], in_memory().
inline at::Tensor as_elements(const at::Tensor& tensor) {
  at::Tensor read = in_memory(tensor);
  if (!read.defined() || read.dim() == 2) return read;
  return read.dim() == 1 ? read.unsqueeze(1) : read.flatten(0, -2);
}

inline LossArguments as_elements(const LossArguments& arguments) {
  LossArguments result = arguments;
  result.sample_weights = flat(arguments.sample_weights);
  result.groups = flat(arguments.groups);
  result.mask = as_elements(arguments.mask);
  return result;
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// Targets as the core reads them, of a type that readable() gives.
inline kernels::AnyElements elements_of(const at::Tensor& targets) {
  using kernels::AnyElements;
  switch (targets.scalar_type()) {
    case at::kByte:
      return AnyElements::of(matrix_view<const std::uint8_t>(targets));
    case at::kLong:
      return AnyElements::of(matrix_view<const std::int64_t>(targets));
    case at::kFloat:
      return AnyElements::of(matrix_view<const float>(targets));
    default:
      return AnyElements::of(matrix_view<const double>(targets));
  }
}

// Targets of a type that the core reads; the usual ones as they are.
inline at::Tensor readable(const at::Tensor& targets) {
  switch (targets.scalar_type()) {
    case at::kBool:
      return targets.view(at::kByte);
    case at::kByte:
    case at::kLong:
    case at::kFloat:
    case at::kDouble:
      return targets;
    default:
      return targets.to(targets.is_floating_point() ? at::kFloat : at::kLong);
  }
}

// Targets and arguments on the CPU, [N, L], as the core reads them, checked, and the memory that
// they lie in.
class SigmoidHostElements {
 public:
  SigmoidHostElements(const char* where, const SigmoidSettings& loss, const at::Tensor& targets,
                      const LossArguments& arguments)
      : weights_(flat(arguments.sample_weights, at::kDouble)),
        groups_(flat(arguments.groups, at::kLong)),
        mask_(bytes_of(arguments.mask)),
        targets_(readable(targets)),
        in_(kernels::checked_inputs(where, loss, elements_of(targets_), read())),
        masses_(kernels::checked_masses(where, in_, AtParallelFor{})) {}
  SigmoidHostElements(const SigmoidHostElements&) = delete;
  SigmoidHostElements& operator=(const SigmoidHostElements&) = delete;

  const kernels::SigmoidInputs& in() const { return in_; }
  const LossPartial& masses() const { return masses_; }

 private:
  static at::Tensor bytes_of(const at::Tensor& mask) {
    if (!mask.defined()) return mask;
    const bool is_read = mask.scalar_type() == at::kBool || mask.scalar_type() == at::kByte;
    return (is_read ? mask : mask.ne(0)).view(at::kByte);
  }
  equipoise::LossArguments read() const {
    equipoise::LossArguments result{
        span_of<double>(weights_), span_of<std::int64_t>(groups_), {}, {}};
    if (mask_.defined()) result.mask = matrix_view<const std::uint8_t>(mask_);
    return result;
  }

  at::Tensor weights_;
  at::Tensor groups_;
  at::Tensor mask_;
  at::Tensor targets_;
  kernels::SigmoidInputs in_;
  LossPartial masses_;
};

// What each bucket's loss is multiplied by in the kernel.
inline std::vector<double> sigmoid_scales(const SigmoidOfTensors& loss, const LossPartial& masses,
                                          const LossArguments& arguments, bool unreduced) {
  const auto& reduction = loss.settings.reduction;
  return unreduced ? std::vector<double>(reduction.buckets(), 1.0)
                   : kernel_coefficients(loss.where, reduction, masses, arguments);
}

// The loss through the fused kernel; T is that of the logits, [N, L].
template <class T>
LossAndGradient sigmoid_by_kernel(const SigmoidOfTensors& loss, const at::Tensor& logits,
                                  const at::Tensor& targets, const LossArguments& arguments,
                                  const Wanted& wanted) {
  const SigmoidHostElements host(loss.where, loss.settings, targets, arguments);
  const std::vector<double> scales =
      sigmoid_scales(loss, host.masses(), arguments, wanted.unreduced);
  kernels::require_fit<T>(loss.where, host.in(), scales);
  kernels::SigmoidCall<T> call{
      host.in(), loss.kernel<T>(), matrix_view<const T>(logits), scales, {}};
  LossAndGradient result;
  if (wanted.gradient) {
    result.gradient = at::empty_like(logits);
    call.outputs.gradient = matrix_view<T>(result.gradient);
  }
  if (wanted.unreduced) {
    result.loss = at::empty_like(logits);
    call.outputs.losses = matrix_view<T>(result.loss);
  }
  const LossPartial partial = kernels::evaluate_checked(call, host.masses(), AtParallelFor{});
  if (!wanted.unreduced) {
    result.loss = at::empty({}, logits.options());
    *result.loss.template data_ptr<T>() =
        static_cast<T>(kernels::value_of_whole(loss.settings.empty_batch, partial, scales));
  }
  if (wanted.sums) result.sums = to_sums(partial);
  return result;
}

// A sigmoid loss for LossFunction. Logits are [N, L].
struct SigmoidNode {
  SigmoidOfTensors loss;
  SigmoidTensors tensors;  // defined where tensor operations need them
  LossArguments arguments;
  bool unreduced = false;
  bool wants_sums = false;

  LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                           bool wants_gradient) const {
    const Wanted wanted{unreduced, wants_gradient, wants_sums};
    if (!fits_kernel(logits)) {
      return sigmoid_without_graph(loss, tensors, logits, targets, arguments, wanted);
    }
    return logits.scalar_type() == at::kFloat
               ? sigmoid_by_kernel<float>(loss, logits, targets, arguments, wanted)
               : sigmoid_by_kernel<double>(loss, logits, targets, arguments, wanted);
  }

  at::Tensor gradient_by_operations(const at::Tensor& logits, const at::Tensor& targets) const {
    const SigmoidTensors constants =
        fits_kernel(logits) ? make_tensors(loss.settings, logits.options()) : tensors;
    return sigmoid_by_operations(loss, constants, logits, targets, arguments,
                                 {.unreduced = unreduced, .gradient = true})
        .gradient;
  }

  at::Tensor factor(const at::Tensor& upstream, const at::Tensor&) const { return upstream; }

  // What the kernel's entry checks otherwise, of half types on the CPU.
  void require_values(const at::Tensor& targets) const {
    const SigmoidHostElements host(loss.where, loss.settings, targets, arguments);
    kernels::require_fit<float>(loss.where, host.in(),
                                sigmoid_scales(loss, host.masses(), arguments, unreduced));
  }
};

// The denominators of a call, [K]; targets and arguments are [N, L].
inline at::Tensor sigmoid_denominators_of(const SigmoidOfTensors& loss, const at::Tensor& targets,
                                          const LossArguments& arguments) {
  if (targets.device().is_cpu()) {
    const SigmoidHostElements host(loss.where, loss.settings, targets, arguments);
    return to_sums(host.masses()).select(0, 1);
  }
  const auto tensors = make_tensors(loss.settings, sum_options(targets));
  const ReducedElements reduced = reduce_elements(
      loss.reduction,
      make_elements(loss.settings, tensors, targets, arguments, sum_type(targets.device())),
      arguments.groups);
  return sum_by_bucket(loss.reduction.mass_of_rows(reduced.row, reduced.valid),
                       loss.reduction.bucket_rows(reduced.row).index, loss.reduction.buckets());
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

// The definition of make_tensors(), which needs all of the above.
#if !EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED
#include "equipoise/libtorch/detail/sigmoid_call.h"  // IWYU pragma: keep
#endif

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_NODE_H_
