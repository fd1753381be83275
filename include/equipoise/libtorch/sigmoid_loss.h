// Sigmoid losses on tensors: the fused kernel on the CPU, tensor operations on every other device.
#ifndef EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_
#define EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_

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
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::libtorch {

/// The constants of a sigmoid loss as tensors on the device of the logits, so that a call uploads
/// nothing. An undefined tensor stands for none.
struct SigmoidTensors {
  at::Tensor class_weights;     ///< [L]
  at::Tensor pos_weight;        ///< [L]
  at::Tensor shift;             ///< [L]
  at::Tensor rebalance_counts;  ///< [L]
};

/// What a loss call may take besides logits and targets, on the device of the logits. An undefined
/// tensor stands for none.
struct SigmoidArguments {
  at::Tensor sample_weights{};  ///< one a row, finite and >= 0
  at::Tensor groups{};          ///< one a row, of an integer type, for reductions by group
  at::Tensor mask{};            ///< in the shape of the logits; elements with a 0 are ignored
  /// [K] of double: the denominators of everything that the optimiser step sees, summed over
  /// micro-batches and ranks; undefined: those of this batch.
  at::Tensor denominators{};
  /// [K] of double: the shares of the buckets, for group DRO on a device; undefined: those of the
  /// reduction.
  at::Tensor shares{};
};

namespace detail {

inline constexpr const char* kSigmoidLoss = "sigmoid_loss";

// Targets and what goes with them; the leader has the shape of the elements: it is the logits, or
// the targets themselves.
template <class S, class R>
void require_elements(const char* where, const SigmoidLoss<S, R>& loss, const Leader& leader,
                      const at::Tensor& targets, const SigmoidArguments& arguments) {
  const at::Tensor& all = leader.tensor;
  if (all.dim() < 1) {
    reject(where, std::string(leader.name) + ".dim()", all.dim(), "at least 1 (N)");
  }
  if (!targets.is_floating_point() &&
      !c10::isIntegralType(targets.scalar_type(), /*includeBool=*/true)) {
    reject(where, "targets.dtype()", std::string(targets.dtype().name()),
           "bool, an integer or a floating-point type");
  }
  const auto require_shape = [&](const char* name, const at::Tensor& tensor) {
    require_companion(where, name, tensor, leader, -1, "");
    if (!tensor.defined()) return;
    if (tensor.dim() != all.dim()) {
      reject(where, std::string(name) + ".dim()", tensor.dim(),
             std::to_string(all.dim()) + ", that of the " + leader.name);
    }
    for (std::int64_t d = 0; d < all.dim(); ++d) {
      if (tensor.size(d) == all.size(d)) continue;
      reject(where, std::string(name) + ".size(" + std::to_string(d) + ")", tensor.size(d),
             std::to_string(all.size(d)) + ", that of the " + leader.name);
    }
  };
  require_shape("targets", targets);
  require_constant(where, "targets", targets);
  require_shape("mask", arguments.mask);
  const std::vector<std::int64_t> rows =
      all.dim() == 1 ? all.sizes().vec() : row_sizes(all, /*class_dim=*/-1);
  require_per_row(where, "sample_weights", arguments.sample_weights, leader, rows);
  require_constant(where, "sample_weights", arguments.sample_weights);
  require_per_row(where, "groups", arguments.groups, leader, rows);
  require_integral(where, "groups", arguments.groups);
  if (equipoise::detail::kNeedsGroups<R>) require_groups(where, arguments.groups);
  equipoise::detail::require_sigmoid_loss(
      where, loss, all.dim() == 1 ? 1 : static_cast<std::size_t>(all.size(-1)));
  require_buckets(where, loss.reduction, leader, arguments);
}

// [N] as [N, 1], and [..., L] as [N, L], in_memory().
inline at::Tensor as_elements(const at::Tensor& tensor) {
  const at::Tensor read = in_memory(tensor);
  if (!read.defined() || read.dim() == 2) return read;
  return read.dim() == 1 ? read.unsqueeze(1) : read.flatten(0, -2);
}

inline SigmoidArguments as_elements(const SigmoidArguments& arguments) {
  SigmoidArguments result = arguments;
  result.sample_weights = flat(arguments.sample_weights);
  result.groups = flat(arguments.groups);
  result.mask = as_elements(arguments.mask);
  return result;
}

template <class S, class R>
SigmoidTensors make_tensors(const SigmoidLoss<S, R>& loss, const at::TensorOptions& options) {
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

template <class S, class R>
ElementTensors make_elements(const SigmoidLoss<S, R>& loss, const SigmoidTensors& tensors,
                             const at::Tensor& targets, const SigmoidArguments& arguments,
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
    const Rebalance& rebalance = loss.rebalance;
    const at::Tensor inverse = tensors.rebalance_counts.reciprocal();
    const at::Tensor sum = (result.target * inverse).sum(1, /*keepdim=*/true);
    const at::Tensor ratio = inverse / sum.clamp_min(1 / equipoise::detail::kHugeRatio);
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

template <class R>
ReducedElements reduce_elements(const R& reduction, const ElementTensors& elements,
                                const at::Tensor& groups) {
  const std::int64_t rows = elements.target.size(0);
  const std::int64_t labels = elements.target.size(1);
  const auto options = elements.target.options();
  // Whatever is the same along a dimension is repeated without a copy, unless there are buckets.
  const auto shaped = [&](const at::Tensor& tensor) {
    const at::Tensor all = tensor.expand({rows, labels});
    return has_buckets(reduction) ? all.reshape({-1}) : all;
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
template <class S, class R>
LossAndGradient sigmoid_by_operations(const SigmoidLoss<S, R>& loss, const SigmoidTensors& tensors,
                                      const at::Tensor& logits, const at::Tensor& targets,
                                      const SigmoidArguments& arguments, bool by_element,
                                      bool wants_gradient, bool wants_sums = false) {
  const at::ScalarType type = compute_type(logits);
  const ElementTensors elements = make_elements(loss, tensors, targets, arguments, type);
  // A side of weight zero adds nothing, whatever its (perhaps infinite) value.
  const at::Tensor no_positive = elements.positive.eq(0);
  const at::Tensor no_negative = elements.negative.eq(0);
  at::Tensor z = logits.to(type);
  // Where the gradient has a gradient, what idle elements hold must not get into it.
  if (logits.requires_grad()) z = z.masked_fill(no_positive.bitwise_and(no_negative), 0.0);
  if (tensors.shift.defined()) z = z + tensors.shift;
  const at::Tensor y = loss.negative_scale == 1 ? z : z * loss.negative_scale;
  const at::Tensor q = z.neg().sigmoid();
  const at::Tensor p_negative = y.sigmoid();
  const ValueAndSlope<at::Tensor> above =
      loss.sides.positive()(TargetProbability<at::Tensor>{log_of_sigmoid(z), z.sigmoid(), q});
  const ValueAndSlope<at::Tensor> below = loss.sides.negative()(
      TargetProbability<at::Tensor>{log_of_sigmoid(y.neg()), y.neg().sigmoid(), p_negative});
  const ReducedElements reduced = reduce_elements(loss.reduction, elements, arguments.groups);
  const RowBuckets buckets = bucket_rows(loss.reduction, reduced.row);
  at::Tensor broken = elements.broken;
  if (buckets.outside.defined()) {
    broken =
        broken.bitwise_or(buckets.outside.bitwise_and(reduced.valid).view(elements.target.sizes()));
  }
  const at::Tensor losses =
      ((elements.positive * above.value).masked_fill(no_positive, 0.0) +
       (elements.negative * below.value).masked_fill(no_negative, 0.0) / loss.negative_scale)
          .masked_fill(broken, equipoise::detail::quiet_nan());

  LossAndGradient result{losses, {}};
  const auto sum = [&](const at::Tensor& numbers) {
    return sum_by_bucket(numbers, buckets.index, loss.reduction.buckets());
  };
  at::Tensor denominators = arguments.denominators;
  if (wants_sums || (!by_element && !denominators.defined())) {
    const at::Tensor own = sum(mass_of_rows(loss.reduction, reduced.row, reduced.valid));
    if (!denominators.defined()) denominators = own;
    if (wants_sums) {
      result.sums =
          at::stack({sum(losses.detach().reshape(reduced.valid.sizes())), own, sum(reduced.valid)});
    }
  }
  at::Tensor coefficient;
  if (!by_element) {
    coefficient = coefficient_tensor(loss.reduction, denominators, arguments.shares);
    if (buckets.index.defined()) {
      coefficient = coefficient.gather(0, buckets.index).view(losses.sizes());
    }
    result.loss = (coefficient * losses.to(at::kDouble)).sum().to(type);
    if (loss.empty_batch == EmptyBatch::kNaN && !equipoise::detail::kIsSum<R>) {
      result.loss =
          result.loss.masked_fill(denominators.sum().le(0), equipoise::detail::quiet_nan());
    }
  }
  if (!wants_gradient) return result;
  at::Tensor gradient =
      (elements.positive * above.slope * q).masked_fill(no_positive, 0.0) -
      (elements.negative * below.slope * p_negative).masked_fill(no_negative, 0.0);
  if (!by_element) gradient = gradient * coefficient.to(type);
  result.gradient = gradient.to(logits.scalar_type());
  return result;
}

// Calls f.operator()<Y>(targets) with targets of a type that the core reads; the usual ones as they
// are.
template <class F>
EQUIPOISE_INLINE void with_readable_targets(const at::Tensor& targets, const F& f) {
  switch (targets.scalar_type()) {
    case at::kBool:
      return f.template operator()<std::uint8_t>(targets.view(at::kByte));
    case at::kByte:
      return f.template operator()<std::uint8_t>(targets);
    case at::kLong:
      return f.template operator()<std::int64_t>(targets);
    case at::kFloat:
      return f.template operator()<float>(targets);
    case at::kDouble:
      return f.template operator()<double>(targets);
    default:
      return targets.is_floating_point()
                 ? f.template operator()<float>(targets.to(at::kFloat))
                 : f.template operator()<std::int64_t>(targets.to(at::kLong));
  }
}

// Calls f(in, masses) with targets and arguments on the CPU, [N, L], as the core reads them,
// checked.
template <class S, class R, class F>
EQUIPOISE_INLINE void with_kernel_inputs(const char* where, const SigmoidLoss<S, R>& loss,
                                         const at::Tensor& targets,
                                         const SigmoidArguments& arguments, const F& f) {
  const at::Tensor weights = flat(arguments.sample_weights, at::kDouble);
  const at::Tensor groups = flat(arguments.groups, at::kLong);
  ElementAttributes attributes{span_of<double>(weights), span_of<std::int64_t>(groups), {}};
  at::Tensor mask = arguments.mask;
  if (mask.defined()) {
    if (mask.scalar_type() != at::kBool && mask.scalar_type() != at::kByte) mask = mask.ne(0);
    attributes.mask = matrix_view<const std::uint8_t>(mask.view(at::kByte));
  }
  with_readable_targets(targets, [&]<class Y>(const at::Tensor& t) EQUIPOISE_INLINE_LAMBDA {
    const auto in =
        equipoise::detail::checked_inputs(where, loss, matrix_view<const Y>(t), attributes);
    f(in, equipoise::detail::checked_masses(where, loss.reduction, in, AtParallelFor{}));
  });
}

// The loss through the fused kernel; T is that of the logits, [N, L].
template <class T, class S, class R>
EQUIPOISE_INLINE LossAndGradient sigmoid_by_kernel(
    const SigmoidLoss<S, R>& loss, const at::Tensor& logits, const at::Tensor& targets,
    const SigmoidArguments& arguments, bool by_element, bool wants_gradient, bool wants_sums) {
  LossAndGradient result;
  const auto evaluate = [&](const auto& in, const Partial& own) EQUIPOISE_INLINE_LAMBDA {
    const std::vector<double> scales =
        by_element ? std::vector<double>(loss.reduction.buckets(), 1.0)
                   : kernel_coefficients(kSigmoidLoss, loss.reduction, own, arguments);
    equipoise::detail::require_fit<T>(kSigmoidLoss, loss, in, std::span<const double>(scales));
    ElementOutputs<T> outputs;
    if (wants_gradient) {
      result.gradient = at::empty_like(logits);
      outputs.gradient = matrix_view<T>(result.gradient);
    }
    if (by_element) {
      result.loss = at::empty_like(logits);
      outputs.losses = matrix_view<T>(result.loss);
    }
    const Partial partial = equipoise::detail::evaluate_checked(
        loss, in, matrix_view<const T>(logits), own, std::span<const double>(scales), outputs,
        AtParallelFor{}, equipoise::detail::cpu());
    if (!by_element) {
      result.loss = at::empty({}, logits.options());
      *result.loss.template data_ptr<T>() = static_cast<T>(finish(loss, partial, scales));
    }
    if (wants_sums) result.sums = to_sums(partial);
  };
  with_kernel_inputs(kSigmoidLoss, loss, targets, arguments, evaluate);
  return result;
}

// Checks everything on the CPU but the logits, whatever their type, and adds up the masses.
template <class S, class R>
Partial denominators_on_cpu(const char* where, const SigmoidLoss<S, R>& loss,
                            const at::Tensor& targets, const SigmoidArguments& arguments) {
  Partial result;
  with_kernel_inputs(where, loss, targets, arguments,
                     [&](const auto&, const Partial& masses) { result = masses; });
  return result;
}

// A sigmoid loss for LossFunction. Logits are [N, L].
template <class S, class R>
struct SigmoidProblem {
  SigmoidLoss<S, R> loss;
  SigmoidTensors tensors;  // defined where tensor operations need them
  SigmoidArguments arguments;
  bool by_element = false;
  bool wants_sums = false;

  LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                           bool wants_gradient) const {
    if (!fits_kernel(logits)) {
      return sigmoid_by_operations(loss, tensors, logits, targets, arguments, by_element,
                                   wants_gradient, wants_sums);
    }
    return logits.scalar_type() == at::kFloat
               ? sigmoid_by_kernel<float>(loss, logits, targets, arguments, by_element,
                                          wants_gradient, wants_sums)
               : sigmoid_by_kernel<double>(loss, logits, targets, arguments, by_element,
                                           wants_gradient, wants_sums);
  }

  at::Tensor gradient_by_operations(const at::Tensor& logits, const at::Tensor& targets) const {
    return sigmoid_by_operations(
               loss, fits_kernel(logits) ? make_tensors(loss, logits.options()) : tensors, logits,
               targets, arguments, by_element, /*wants_gradient=*/true)
        .gradient;
  }

  at::Tensor factor(const at::Tensor& upstream, const at::Tensor&) const { return upstream; }

  static at::Tensor call(const SigmoidLoss<S, R>& loss, const SigmoidTensors* tensors,
                         const at::Tensor& logits, const at::Tensor& targets,
                         const SigmoidArguments& arguments, bool by_element) {
    return call_with_sums(loss, tensors, logits, targets, arguments, by_element, false).loss;
  }

  static LossAndSums call_with_sums(const SigmoidLoss<S, R>& loss, const SigmoidTensors* tensors,
                                    const at::Tensor& logits, const at::Tensor& targets,
                                    const SigmoidArguments& arguments, bool by_element,
                                    bool wants_sums) {
    require_floating_point(kSigmoidLoss, "logits", logits);
    require_elements(kSigmoidLoss, loss, {logits, "logits"}, targets, arguments);
    const at::Tensor z = as_elements(logits);
    const at::Tensor t = as_elements(targets);
    SigmoidProblem problem{loss, {}, as_elements(arguments), by_element, wants_sums};
    if (tensors != nullptr) {
      problem.tensors = *tensors;
    } else if (!fits_kernel(logits)) {
      if (compute_type(logits) == at::kFloat) {
        equipoise::detail::require_constants_fit<float>(kSigmoidLoss, loss);
      }
      problem.tensors = make_tensors(loss, logits.options().dtype(compute_type(logits)));
    }
    if (!fits_kernel(logits) && logits.device().is_cpu()) problem.require_values(t);
    LossAndSums result = LossFunction<SigmoidProblem>::call(std::move(problem), z, t);
    if (by_element && logits.dim() != 2) result.loss = result.loss.view(logits.sizes());
    return result;
  }

  // What the kernel's entry checks otherwise, of half types on the CPU.
  void require_values(const at::Tensor& targets) const {
    with_kernel_inputs(kSigmoidLoss, loss, targets, arguments,
                       [&](const auto& in, const Partial& own) {
                         const std::vector<double> scales = scales_of(own);
                         equipoise::detail::require_fit<float>(kSigmoidLoss, loss, in,
                                                               std::span<const double>(scales));
                       });
  }

  std::vector<double> scales_of(const Partial& own) const {
    return by_element ? std::vector<double>(loss.reduction.buckets(), 1.0)
                      : kernel_coefficients(kSigmoidLoss, loss.reduction, own, arguments);
  }
};

}  // namespace detail

/// The loss of a batch as a tensor [] that takes part in autograd; see equipoise::SigmoidLoss.
///
/// Logits are [N] for a binary loss or [N, L] for L labels, with any strides; of more dimensions
/// the last one is that of the labels. Targets are in the shape of the logits, of bool, an integer
/// or a floating-point type; no gradient flows to them.
///
/// Float and double on the CPU take the fused kernel, on LibTorch's threads, without a copy of the
/// logits or of targets that are bool, uint8, int64, float or double; half types compute in float
/// and give a float loss. On another device everything is tensor operations without
/// synchronisation; this form uploads the constants of the loss on each call. Second derivatives
/// are right.
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
/// No gradient flows to sample weights either: what requires one, while autograd records, is
/// refused.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <SigmoidModulators S, Reduction R>
at::Tensor sigmoid_loss(const at::Tensor& logits, const at::Tensor& targets,
                        const SigmoidLoss<S, R>& loss, const SigmoidArguments& arguments = {}) {
  return detail::SigmoidProblem<S, R>::call(loss, nullptr, logits, targets, arguments, false);
}

/// The same for each element, before the reduction: a tensor in the shape of the logits, 0 where
/// masked.
template <SigmoidModulators S, Reduction R>
at::Tensor sigmoid_element_losses(const at::Tensor& logits, const at::Tensor& targets,
                                  const SigmoidLoss<S, R>& loss,
                                  const SigmoidArguments& arguments = {}) {
  return detail::SigmoidProblem<S, R>::call(loss, nullptr, logits, targets, arguments, true);
}

/// What the reduction divides by, from targets and weights alone: [K] of double on their device.
/// Sum it over micro-batches with + and over ranks, and pass it as SigmoidArguments::denominators.
/// Targets are in the shape of the logits. On the CPU values are checked as by the loss. Elsewhere
/// it uploads the weights of the loss and does not synchronise; what a broken target adds is left
/// open, the loss itself is NaN.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <SigmoidModulators S, Reduction R>
at::Tensor sigmoid_denominators(const SigmoidLoss<S, R>& loss, const at::Tensor& targets,
                                const SigmoidArguments& arguments = {}) {
  constexpr const char* kWhere = "sigmoid_denominators";
  detail::require_elements(kWhere, loss, {targets, "targets"}, targets, arguments);
  const at::NoGradGuard no_graph;
  const SigmoidArguments flat_arguments = detail::as_elements(arguments);
  const at::Tensor t = detail::as_elements(targets);
  if (targets.device().is_cpu()) {
    return detail::to_sums(detail::denominators_on_cpu(kWhere, loss, t, flat_arguments))
        .select(0, 1);
  }
  const auto tensors = detail::make_tensors(loss, t.options().dtype(at::kDouble));
  const detail::ReducedElements reduced = detail::reduce_elements(
      loss.reduction, detail::make_elements(loss, tensors, t, flat_arguments, at::kDouble),
      flat_arguments.groups);
  return detail::sum_by_bucket(detail::mass_of_rows(loss.reduction, reduced.row, reduced.valid),
                               detail::bucket_rows(loss.reduction, reduced.row).index,
                               loss.reduction.buckets());
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_
