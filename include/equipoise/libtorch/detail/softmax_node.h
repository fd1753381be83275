// A softmax loss with its arguments: the fused kernel on the CPU, tensor operations on every other
// device. For files that include softmax_call.h as well.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_NODE_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_NODE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/libtorch/detail/host_rows.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/softmax_in_place.h"
#include "equipoise/libtorch/detail/softmax_operations.h"
#include "equipoise/libtorch/detail/softmax_targets.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch::detail {

// Logits [..., C], and targets and arguments as rows: indices [N] or probabilities [..., C].
struct SoftmaxInputs {
  at::Tensor logits;
  at::Tensor targets;
  LossArguments arguments;
};

// Whether something in the loss goes by group. The tensors, where a module holds them, stand for
// the constants of the loss.
inline bool needs_groups(const kernels::SoftmaxSettings& loss, const SoftmaxTensors* tensors) {
  return loss.needs_groups() || (tensors != nullptr && groups_of(*tensors) > 0);
}

inline void require_softmax_arguments(const char* where, const LossArguments& arguments) {
  require_undefined(where, "class_weights", arguments.class_weights);
  require_undefined(where, "sums", arguments.sums);
}

// The constants that a module holds have to be for the classes of the logits.
inline void require_constants_of_classes(const char* where, const SoftmaxTensors& tensors,
                                         std::int64_t classes) {
  const std::pair<const char*, const at::Tensor&> constants[] = {
      {"class_weights", tensors.class_weights},
      {"scale", tensors.scale},
      {"shift", tensors.shift},
      {"margin", tensors.margin},
      {"pair_shift", tensors.pair_shift},
      {"seesaw_counts", tensors.seesaw_counts}};
  for (const auto& [name, constant] : constants) require_last_size(where, name, constant, classes);
}

// Shapes, types and devices: what is known without reading the device.
inline void require_softmax_tensors(const SoftmaxOfTensors& given, const SoftmaxTensors* tensors,
                                    const at::Tensor& logits, const at::Tensor& targets,
                                    const LossArguments& arguments) {
  const char* const where = given.where;
  const auto& loss = given.settings;
  require_softmax_arguments(where, arguments);
  require_classification(where, logits, targets, arguments);
  const std::int64_t classes = logits.size(class_dim_of(arguments));
  require_matches(where, "seesaw_counts", arguments.seesaw_counts, {logits, "logits"}, classes,
                  "classes");
  kernels::require_softmax_loss(where, loss, static_cast<std::size_t>(classes));
  if (tensors != nullptr) require_constants_of_classes(where, *tensors, classes);
  if (needs_groups(loss, tensors)) require_groups(where, arguments.groups);
  require_buckets(where, given.reduction, {logits, "logits"}, arguments);
}

// Rows in a row: [..., C] as [N, C], or as [B, T, C] where that would need a copy.
inline at::Tensor as_rows(const at::Tensor& tensor, std::int64_t class_dim) {
  if (tensor.dim() == 2 && class_dim != 0 && class_dim != -2) return tensor;
  at::Tensor last = tensor.movedim(class_dim, -1);
  if (last.dim() == 2) return last;
  at::Tensor cube = last.flatten(0, -3);
  const bool in_a_row = cube.size(0) == 1 || cube.stride(0) == cube.size(1) * cube.stride(1);
  return in_a_row ? cube.flatten(0, 1) : cube;
}

inline LossArguments flat(const LossArguments& arguments) {
  LossArguments result = arguments;
  for (at::Tensor* each : {&result.sample_weights, &result.groups, &result.mask}) {
    *each = flat(*each);
  }
  return result;
}

inline SoftmaxInputs make_inputs(const at::Tensor& logits, const at::Tensor& targets,
                                 const LossArguments& arguments) {
  SoftmaxInputs result{as_rows(in_memory(logits), class_dim_of(arguments)), {}, {}};
  result.targets =
      targets.is_floating_point()
          ? in_memory(targets).movedim(class_dim_of(arguments), -1).reshape(result.logits.sizes())
          : flat(targets);
  result.arguments = flat(arguments);
  return result;
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// The rows of a loss call on the CPU as the core reads them, and the memory that they lie in.
// Targets are [N] or [..., C]; T is the type for probabilities.
template <class T>
class SoftmaxHostRows {
 public:
  SoftmaxHostRows(const char* where, const kernels::SoftmaxSettings& loss, const SoftmaxInputs& in,
                  std::int64_t classes)
      : host_(in),
        targets_(host_.read([&](const auto& targets) -> Targets {
          return kernels::read_targets(where, loss, targets, static_cast<std::size_t>(classes));
        })),
        rows_{loss, kernels::AnyTargets::of_any(targets_), static_cast<std::size_t>(classes),
              host_.arguments()} {}
  SoftmaxHostRows(const SoftmaxHostRows&) = delete;
  SoftmaxHostRows& operator=(const SoftmaxHostRows&) = delete;

  const kernels::SoftmaxTargetRows& rows() const { return rows_; }

 private:
  using Targets =
      std::variant<kernels::IndexTargets<std::int64_t>, kernels::DistributionTargets<T>>;

  HostRows<T> host_;
  Targets targets_;
  kernels::SoftmaxTargetRows rows_;
};

// Checks everything on the CPU but the logits, which are computed with in type T, and adds up the
// masses. P is the type for probabilities.
template <class T, class P>
LossPartial denominators_on_cpu(const char* where, const kernels::SoftmaxSettings& loss,
                                const SoftmaxInputs& in, std::int64_t classes) {
  const SoftmaxHostRows<P> host(where, loss, in, classes);
  LossPartial result = kernels::checked_denominators(where, host.rows());
  kernels::require_weights_fit<T>(where, host.rows());
  return result;
}
template <class T>
LossPartial denominators_on_cpu(const char* where, const kernels::SoftmaxSettings& loss,
                                const SoftmaxInputs& in, std::int64_t classes) {
  return in.targets.scalar_type() == at::kDouble
             ? denominators_on_cpu<T, double>(where, loss, in, classes)
             : denominators_on_cpu<T, float>(where, loss, in, classes);
}

// The partial of logits that are [B, T, C] and no matrix.
template <class T>
LossPartial evaluate_batches(const kernels::SoftmaxCall<T>& call, const at::Tensor& logits,
                             const at::Tensor& gradient) {
  const auto size = static_cast<std::size_t>(logits.size(1));
  std::vector<LossPartial> partials(static_cast<std::size_t>(logits.size(0)));
  AtParallelFor{}(partials.size(), [&](std::size_t b) EQUIPOISE_INLINE_LAMBDA {
    const auto index = static_cast<std::int64_t>(b);
    kernels::SoftmaxCall<T> part{call.rows.part(b * size, size),
                                 call.kernel,
                                 matrix_view<const T>(logits.select(0, index)),
                                 {}};
    if (gradient.defined()) part.outputs.gradient = matrix_view<T>(gradient.select(0, index));
    if (call.outputs.losses.data != nullptr) {
      part.outputs.losses = call.outputs.losses.middle_rows(b * size, size);
    }
    partials[b] = kernels::evaluate_checked(
        part, LossPartial{std::vector<LossTally>(call.coefficients().size())}, SerialFor{});
  });
  LossPartial total;
  for (const LossPartial& each : partials) total += each;
  return total;
}

// The loss through the fused kernel; T is float or double and that of the logits, [N, C] or
// [B, T, C].
template <class T>
LossAndGradient softmax_by_kernel(const SoftmaxOfTensors& given, const SoftmaxInputs& in,
                                  const Wanted& wanted) {
  Seesaw seesaw = *given.settings.seesaw;
  kernels::SoftmaxSettings loss = given.settings;
  if (in.arguments.seesaw_counts.defined()) {
    seesaw.counts = to_vector(in.arguments.seesaw_counts);
    loss.seesaw = &seesaw;
  }
  const at::Tensor& logits = in.logits;
  const SoftmaxHostRows<T> host(given.where, loss, in, logits.size(-1));
  LossPartial partial = kernels::checked_denominators(given.where, host.rows());
  const std::vector<double> scales =
      wanted.unreduced ? std::vector<double>(loss.reduction.buckets(), 1.0)
                       : kernel_coefficients(given.where, loss.reduction, partial, in.arguments);
  kernels::require_fit<T>(given.where, host.rows(), scales);
  kernels::SoftmaxCall<T> call{host.rows(), given.kernel<T>(), {}, {}};
  call.rows.arguments.coefficients = scales;
  LossAndGradient result;
  // In the order of the logits, where that saves strides; empty_like() costs more than empty().
  if (wanted.gradient) {
    result.gradient =
        logits.dim() == 2 ? at::empty(logits.sizes(), logits.options()) : at::empty_like(logits);
  }
  if (wanted.unreduced) {
    const std::size_t rows = call.rows.size();
    result.loss = at::empty({static_cast<std::int64_t>(rows)}, logits.options());
    call.outputs.losses = {result.loss.data_ptr<T>(), rows, 1};
  }
  if (logits.dim() == 2) {
    call.logits = matrix_view<const T>(logits);
    if (wanted.gradient) call.outputs.gradient = matrix_view<T>(result.gradient);
    partial = kernels::evaluate_checked(call, std::move(partial), AtParallelFor{});
  } else {
    partial += evaluate_batches(call, logits, result.gradient);
  }
  if (!wanted.unreduced) {
    result.loss = at::empty({}, logits.options());
    *result.loss.data_ptr<T>() =
        static_cast<T>(kernels::value_of_whole(loss.empty_batch, partial, scales));
  }
  if (wanted.sums) result.sums = to_sums(partial);
  return result;
}

// A softmax loss for LossFunction. Logits are [N, C] or [B, T, C], as make_inputs() makes them.
struct SoftmaxNode {
  SoftmaxOfTensors loss;
  SoftmaxTensors tensors;  // defined where tensor operations need them
  LossArguments arguments;
  bool unreduced = false;
  bool wants_sums = false;

  LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                           bool wants_gradient) const {
    const Wanted wanted{unreduced, wants_gradient, wants_sums};
    if (!fits_kernel(logits)) {
      return softmax_in_place(loss, tensors, logits, targets, arguments, wanted);
    }
    const SoftmaxInputs in{logits, targets, arguments};
    return logits.scalar_type() == at::kFloat ? softmax_by_kernel<float>(loss, in, wanted)
                                              : softmax_by_kernel<double>(loss, in, wanted);
  }

  at::Tensor gradient_by_operations(const at::Tensor& logits, const at::Tensor& targets) const {
    return softmax_by_operations(loss, fits_kernel(logits) ? constants_for(logits) : tensors,
                                 logits, targets, arguments,
                                 {.unreduced = unreduced, .gradient = true})
        .gradient;
  }

  at::Tensor factor(const at::Tensor& upstream, const at::Tensor& logits) const {
    return unreduced ? per_row(upstream, logits) : upstream;
  }

  // [N] as a factor of [..., C].
  static at::Tensor per_row(const at::Tensor& rows, const at::Tensor& logits) {
    std::vector<std::int64_t> sizes = logits.sizes().vec();
    sizes.back() = 1;
    return rows.reshape(sizes);
  }

  // The constants of the loss on the device of the logits.
  SoftmaxTensors constants_for(const at::Tensor& logits) const {
    const auto options = logits.options().dtype(compute_type(logits));
    SoftmaxTensors result = make_tensors(loss.settings, options, logits.size(-1));
    if (arguments.seesaw_counts.defined()) {
      result.seesaw_counts = arguments.seesaw_counts.to(options.dtype().toScalarType());
    }
    return result;
  }

  // What the kernel's entry checks otherwise; values on the CPU alone.
  void require_targets(const SoftmaxInputs& in) const {
    const bool needs_index =
        tensors.margin.defined() || tensors.pair_shift.defined() || tensors.seesaw_counts.defined();
    if (needs_index && in.targets.dim() > 1) {
      reject(loss.where, "targets.dtype()", std::string(in.targets.dtype().name()),
             "an integer type: margins, pair shifts and Seesaw need index targets");
    }
    if (!in.targets.device().is_cpu()) return;
    const LossPartial own = denominators_on_cpu<float>(
        loss.where, loss.settings, {{}, in.targets, arguments}, in.logits.size(-1));
    if (unreduced) return;
    const auto& reduction = loss.settings.reduction;
    kernels::require_coefficients<float>(loss.where,
                                         kernel_coefficients(loss.where, reduction, own, arguments),
                                         reduction.buckets());
  }
};

inline at::Tensor in_shape_of_rows(const at::Tensor& rows, const at::Tensor& logits,
                                   std::int64_t class_dim) {
  if (logits.dim() == 2) return rows;
  const at::Tensor last = logits.detach().movedim(class_dim, -1);
  return rows.view(last.sizes().slice(0, static_cast<std::size_t>(logits.dim()) - 1));
}

// The node of a call with inputs of make_inputs(). The tensors, where a module holds them, stand
// for the constants of the loss.
inline SoftmaxNode make_node(SoftmaxOfTensors loss, const SoftmaxTensors* tensors,
                             const at::Tensor& logits, LossArguments arguments,
                             const Wanted& wanted) {
  SoftmaxNode node{std::move(loss), {}, std::move(arguments), wanted.unreduced, wanted.sums};
  if (tensors != nullptr) {
    node.tensors = *tensors;
    if (node.arguments.seesaw_counts.defined()) {
      node.tensors.seesaw_counts = node.arguments.seesaw_counts.to(compute_type(logits));
    }
  } else if (!fits_kernel(logits)) {
    if (compute_type(logits) == at::kFloat) {
      kernels::require_constants_fit<float>(node.loss.where, node.loss.settings);
    }
    node.tensors = node.constants_for(logits);
  }
  return node;
}

// The denominators of a call, [K]; everything is on one device and has its shape. The tensors, if
// any, stand for the constants of the loss on other devices than the CPU.
inline at::Tensor softmax_denominators_of(const SoftmaxOfTensors& loss, const SoftmaxInputs& in,
                                          std::int64_t classes,
                                          const SoftmaxTensors* tensors = nullptr) {
  if (in.targets.device().is_cpu()) {
    return to_sums(denominators_on_cpu<double>(loss.where, loss.settings, in, classes))
        .select(0, 1);
  }
  const at::TensorOptions options = sum_options(in.targets);
  const TargetTensors target = make_targets(
      loss.settings, tensors != nullptr ? *tensors : make_tensors(loss.settings, options, classes),
      in.targets, in.arguments, classes, sum_type(in.targets.device()));
  const auto reduced = reduction_row(target, in.arguments.groups);
  return sum_by_bucket(loss.reduction.mass_of_rows(reduced, target.valid()),
                       loss.reduction.bucket_rows(reduced).index, loss.reduction.buckets());
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

// The definition of make_tensors(), which needs all of the above.
#if !EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED
#include "equipoise/libtorch/detail/softmax_call.h"  // IWYU pragma: keep
#endif

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_NODE_H_
