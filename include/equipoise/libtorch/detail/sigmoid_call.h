// Sigmoid losses on tensors: the fused kernel on the CPU, tensor operations on every other device.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

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
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::libtorch::detail {

// The constants of a sigmoid loss as tensors on the device of the logits, so that a call uploads
// nothing. An undefined tensor stands for none.
struct SigmoidTensors {
  at::Tensor class_weights;     // [L]
  at::Tensor pos_weight;        // [L]
  at::Tensor shift;             // [L]
  at::Tensor rebalance_counts;  // [L]
};

using equipoise::kernels::SigmoidSettings;

// Types and functions that lead to the kernels are those of the instruction set they are compiled
// for, like the kernels.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// A sigmoid loss of any modulators and reduction, so that what calls it is compiled once.
struct SigmoidOfTensors {
  using Side = ValueAndSlope<at::Tensor> (*)(const void* sides,
                                             const TargetProbability<at::Tensor>& target);

  const char* where;                 // the function that errors name
  std::shared_ptr<const void> loss;  // the SigmoidLoss, to which the others refer
  SigmoidSettings settings;
  kernels::SigmoidKernel<float> in_float;
  kernels::SigmoidKernel<double> in_double;
  TensorReduction reduction;
  Side positive_;
  Side negative_;

  ValueAndSlope<at::Tensor> positive(const TargetProbability<at::Tensor>& target) const {
    return positive_(in_float.sides, target);
  }
  ValueAndSlope<at::Tensor> negative(const TargetProbability<at::Tensor>& target) const {
    return negative_(in_float.sides, target);
  }
  template <class T>
  const kernels::SigmoidKernel<T>& kernel() const {
    if constexpr (std::is_same_v<T, float>) {
      return in_float;
    } else {
      return in_double;
    }
  }
};

template <class S>
ValueAndSlope<at::Tensor> positive_side(const void* sides,
                                        const TargetProbability<at::Tensor>& target) {
  return static_cast<const S*>(sides)->positive()(target);
}
template <class S>
ValueAndSlope<at::Tensor> negative_side(const void* sides,
                                        const TargetProbability<at::Tensor>& target) {
  return static_cast<const S*>(sides)->negative()(target);
}

template <class S, class R>
SigmoidOfTensors sigmoid_of_tensors(const char* where, const SigmoidLoss<S, R>& given) {
  const auto loss = std::make_shared<const SigmoidLoss<S, R>>(given);
  const kernels::Cpu cpu = kernels::cpu();
  return {where,
          loss,
          equipoise::detail::settings_of(*loss),
          {&loss->sides, &kernels::sigmoid_kernel<S, float>, cpu},
          {&loss->sides, &kernels::sigmoid_kernel<S, double>, cpu},
          TensorReduction::of(loss->reduction),
          &positive_side<S>,
          &negative_side<S>};
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Targets and what goes with them; the reference has the shape of the elements: it is the logits,
// or the targets themselves.
inline void require_elements(const char* where, const SigmoidSettings& loss,
                             const NamedTensor& reference, const at::Tensor& targets,
                             const LossArguments& arguments) {
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
  if (loss.reduction.needs_groups()) require_groups(where, arguments.groups);
  kernels::require_sigmoid_loss(where, loss,
                                all.dim() == 1 ? 1 : static_cast<std::size_t>(all.size(-1)));
  require_buckets(where, loss.reduction.buckets(), reference, arguments);
}

// [N] as [N, 1], and [..., L] as [N, L], in_memory().
inline at::Tensor as_elements(const at::Tensor& tensor) {
  const at::Tensor read = in_memory(tensor);
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

inline SigmoidTensors make_tensors(const SigmoidSettings& loss, const at::TensorOptions& options) {
  return {constant_tensor(loss.class_weights, options), constant_tensor(loss.pos_weight, options),
          constant_tensor(loss.shift, options), constant_tensor(loss.rebalance.counts, options)};
}

// Targets and weights on the device, all [N, L].
struct ElementTensors {
  at::Tensor target;    // in [0, 1]; 0 where ignored or broken
  at::Tensor valid;     // bool; undefined where all are
  at::Tensor broken;    // bool: not ignored and not a target
  at::Tensor positive;  // what the value of the positive side is multiplied by
  at::Tensor negative;  // that of the negative side, but for 1 / lambda
};

inline ElementTensors make_elements(const SigmoidSettings& loss, const SigmoidTensors& tensors,
                                    const at::Tensor& targets, const LossArguments& arguments,
                                    at::ScalarType type) {
  ElementTensors result;
  const at::Tensor t = targets.to(type);
  const at::Tensor is_target = t.ge(0).bitwise_and(t.le(1));
  result.broken = is_target.bitwise_not();
  at::Tensor usable = is_target;
  if (arguments.mask.defined()) {
    result.valid = arguments.mask.ne(0);
    result.broken = result.broken.bitwise_and(result.valid);
    usable = usable.bitwise_and(result.valid);
  }
  result.target = t.masked_fill(usable.bitwise_not(), 0.0);
  result.positive = result.target * loss.positive_weight;
  result.negative = (1.0 - result.target) * loss.negative_weight;
  const auto multiply = [&](const at::Tensor& weight) {
    result.positive = result.positive * weight;
    result.negative = result.negative * weight;
  };
  if (tensors.pos_weight.defined()) result.positive = result.positive * tensors.pos_weight;
  if (tensors.class_weights.defined()) multiply(tensors.class_weights);
  if (arguments.sample_weights.defined()) {
    multiply(arguments.sample_weights.to(type).unsqueeze(1));
  }
  if (tensors.rebalance_counts.defined()) {
    const LabelRebalance& rebalance = loss.rebalance;
    const at::Tensor inverse = tensors.rebalance_counts.reciprocal();
    const at::Tensor sum = (result.target * inverse).sum(1, /*keepdim=*/true);
    const at::Tensor ratio = inverse / sum.clamp_min(1 / kernels::kHugeRatio);
    multiply((ratio - rebalance.mu).mul(rebalance.beta).sigmoid().add(rebalance.alpha));
  }
  if (result.valid.defined()) multiply(result.valid.to(type));
  return result;
}

// Elements as a reduction sees them: one after the other where it has buckets, else [N, L].
struct ReducedElements {
  ReductionRow<at::Tensor, at::Tensor> row;
  at::Tensor valid;
};

inline ReducedElements reduce_elements(const TensorReduction& reduction,
                                       const ElementTensors& elements, const at::Tensor& groups) {
  const std::int64_t rows = elements.target.size(0);
  const std::int64_t labels = elements.target.size(1);
  const auto options = elements.target.options();
  // Whatever is the same along a dimension is repeated without a copy, unless there are buckets.
  const auto shaped = [&](const at::Tensor& tensor) {
    const at::Tensor all = tensor.expand({rows, labels});
    return reduction.has_buckets() ? all.reshape({-1}) : all;
  };
  const at::Tensor group = groups.defined() ? groups.to(at::kLong).unsqueeze(1)
                                            : at::zeros({1, 1}, options.dtype(at::kLong));
  const at::Tensor valid =
      elements.valid.defined() ? elements.valid : at::ones_like(elements.target, at::kBool);
  return {{shaped(at::arange(labels, options.dtype(at::kLong))),
           shaped(elements.positive + elements.negative), shaped(group), shaped(elements.target)},
          shaped(valid)};
}

// log(1 / (1 + e^-z)) with right derivatives everywhere. Above the threshold softplus(x) is x,
// which it is to rounding in double from 37 on. (LibTorch 1.13's log_sigmoid does not run on meta.)
inline at::Tensor log_of_sigmoid(const at::Tensor& z) {
  return at::softplus(z.neg(), /*beta=*/1, /*threshold=*/40).neg();
}

// The loss by tensor operations: differentiable with respect to the logits in the value and,
// because slopes are written in the same operations, in the gradient as well. Logits, targets and
// mask are [N, L].
inline LossAndGradient sigmoid_by_operations(const SigmoidOfTensors& loss,
                                             const SigmoidTensors& tensors,
                                             const at::Tensor& logits, const at::Tensor& targets,
                                             const LossArguments& arguments, const Wanted& wanted) {
  const at::ScalarType type = compute_type(logits);
  const ElementTensors elements = make_elements(loss.settings, tensors, targets, arguments, type);
  // A side of weight zero adds nothing, whatever its (perhaps infinite) value.
  const at::Tensor no_positive = elements.positive.eq(0);
  const at::Tensor no_negative = elements.negative.eq(0);
  at::Tensor z = logits.to(type);
  // Where the gradient has a gradient, what idle elements hold must not get into it.
  if (logits.requires_grad()) z = z.masked_fill(no_positive.bitwise_and(no_negative), 0.0);
  if (tensors.shift.defined()) z = z + tensors.shift;
  const at::Tensor y = loss.settings.negative_scale == 1 ? z : z * loss.settings.negative_scale;
  const at::Tensor q = z.neg().sigmoid();
  const at::Tensor p_negative = y.sigmoid();
  const ValueAndSlope<at::Tensor> above =
      loss.positive(TargetProbability<at::Tensor>{log_of_sigmoid(z), z.sigmoid(), q});
  const ValueAndSlope<at::Tensor> below = loss.negative(
      TargetProbability<at::Tensor>{log_of_sigmoid(y.neg()), y.neg().sigmoid(), p_negative});
  const ReducedElements reduced = reduce_elements(loss.reduction, elements, arguments.groups);
  const RowBuckets buckets = loss.reduction.bucket_rows(reduced.row);
  at::Tensor broken = elements.broken;
  if (buckets.outside.defined()) {
    broken =
        broken.bitwise_or(buckets.outside.bitwise_and(reduced.valid).view(elements.target.sizes()));
  }
  const at::Tensor losses = ((elements.positive * above.value).masked_fill(no_positive, 0.0) +
                             (elements.negative * below.value).masked_fill(no_negative, 0.0) /
                                 loss.settings.negative_scale)
                                .masked_fill(broken, equipoise::detail::quiet_nan());

  LossAndGradient result{losses, {}};
  const auto sum = [&](const at::Tensor& numbers) {
    return sum_by_bucket(numbers, buckets.index, loss.reduction.buckets());
  };
  at::Tensor denominators = arguments.denominators;
  if (wanted.sums || (!wanted.unreduced && !denominators.defined())) {
    const at::Tensor own = sum(loss.reduction.mass_of_rows(reduced.row, reduced.valid));
    if (!denominators.defined()) denominators = own;
    if (wanted.sums) {
      result.sums =
          at::stack({sum(losses.detach().reshape(reduced.valid.sizes())), own, sum(reduced.valid)});
    }
  }
  at::Tensor coefficient;
  if (!wanted.unreduced) {
    coefficient = loss.reduction.coefficient_tensor(denominators, arguments.shares);
    if (buckets.index.defined()) {
      coefficient = coefficient.gather(0, buckets.index).view(losses.sizes());
    }
    result.loss = (coefficient * losses.to(at::kDouble)).sum().to(type);
    if (loss.settings.empty_batch == EmptyBatch::kNaN && !loss.reduction.is_sum) {
      result.loss =
          result.loss.masked_fill(denominators.sum().le(0), equipoise::detail::quiet_nan());
    }
  }
  if (!wanted.gradient) return result;
  at::Tensor gradient =
      (elements.positive * above.slope * q).masked_fill(no_positive, 0.0) -
      (elements.negative * below.slope * p_negative).masked_fill(no_negative, 0.0);
  result.gradient = wanted.unreduced ? gradient : gradient * coefficient.to(type);
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
      return sigmoid_by_operations(loss, tensors, logits, targets, arguments, wanted);
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

// A loss call. The tensors, where a module holds them, stand for the constants of the loss.
inline LossAndSums call_sigmoid(SigmoidOfTensors loss, const SigmoidTensors* tensors,
                                const at::Tensor& logits, const at::Tensor& targets,
                                const LossArguments& arguments, const Wanted& wanted) {
  require_floating_point(loss.where, "logits", logits);
  require_elements(loss.where, loss.settings, {logits, "logits"}, targets, arguments);
  const at::Tensor z = as_elements(logits);
  const at::Tensor t = as_elements(targets);
  SigmoidNode node{std::move(loss), {}, as_elements(arguments), wanted.unreduced, wanted.sums};
  if (tensors != nullptr) {
    node.tensors = *tensors;
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

// The denominators of a call, [K]; targets and arguments are [N, L].
inline at::Tensor sigmoid_denominators_of(const SigmoidOfTensors& loss, const at::Tensor& targets,
                                          const LossArguments& arguments) {
  if (targets.device().is_cpu()) {
    const SigmoidHostElements host(loss.where, loss.settings, targets, arguments);
    return to_sums(host.masses()).select(0, 1);
  }
  const auto tensors = make_tensors(loss.settings, targets.options().dtype(at::kDouble));
  const ReducedElements reduced = reduce_elements(
      loss.reduction, make_elements(loss.settings, tensors, targets, arguments, at::kDouble),
      arguments.groups);
  return sum_by_bucket(loss.reduction.mass_of_rows(reduced.row, reduced.valid),
                       loss.reduction.bucket_rows(reduced.row).index, loss.reduction.buckets());
}

inline at::Tensor call_sigmoid_denominators(const SigmoidOfTensors& loss, const at::Tensor& targets,
                                            const LossArguments& arguments) {
  require_elements(loss.where, loss.settings, {targets, "targets"}, targets, arguments);
  const at::NoGradGuard no_graph;
  return sigmoid_denominators_of(loss, as_elements(targets), as_elements(arguments));
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_H_
