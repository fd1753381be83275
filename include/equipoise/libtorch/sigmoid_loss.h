// Sigmoid losses on tensors: the fused kernel on the CPU, tensor operations on every other device.
#ifndef EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_
#define EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/softplus.h>
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

// Shapes, types and devices: what is known without reading the device.
inline void require_sigmoid_tensors(const at::Tensor& logits, const at::Tensor& targets,
                                    const SigmoidArguments& arguments) {
  if (logits.dim() < 1) reject(kSigmoidLoss, "logits.dim()", logits.dim(), "at least 1 (N)");
  if (!logits.is_floating_point()) {
    reject(kSigmoidLoss, "logits.dtype()", std::string(logits.dtype().name()),
           "a floating-point type");
  }
  if (!targets.is_floating_point() &&
      !c10::isIntegralType(targets.scalar_type(), /*includeBool=*/true)) {
    reject(kSigmoidLoss, "targets.dtype()", std::string(targets.dtype().name()),
           "bool, an integer or a floating-point type");
  }
  const auto require_shape = [&](const char* name, const at::Tensor& tensor) {
    require_companion(kSigmoidLoss, name, tensor, logits, -1, "");
    if (!tensor.defined()) return;
    if (tensor.dim() != logits.dim()) {
      reject(kSigmoidLoss, std::string(name) + ".dim()", tensor.dim(),
             std::to_string(logits.dim()) + ", that of the logits");
    }
    for (std::int64_t d = 0; d < logits.dim(); ++d) {
      if (tensor.size(d) == logits.size(d)) continue;
      reject(kSigmoidLoss, std::string(name) + ".size(" + std::to_string(d) + ")", tensor.size(d),
             std::to_string(logits.size(d)) + ", that of the logits");
    }
  };
  require_shape("targets", targets);
  require_shape("mask", arguments.mask);
  std::int64_t rows = logits.size(0);
  for (std::int64_t d = 1; d + 1 < logits.dim(); ++d) rows *= logits.size(d);
  require_companion(kSigmoidLoss, "sample_weights", arguments.sample_weights, logits, rows,
                    "rows of logits");
  require_companion(kSigmoidLoss, "groups", arguments.groups, logits, rows, "rows of logits");
  require_companion(kSigmoidLoss, "denominators", arguments.denominators, logits, -1, "");
  require_companion(kSigmoidLoss, "shares", arguments.shares, logits, -1, "");
  require_integral(kSigmoidLoss, "groups", arguments.groups);
}

// [N] as [N, 1], and [..., L] as [N, L].
inline at::Tensor as_elements(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.dim() == 2) return tensor;
  return tensor.dim() == 1 ? tensor.unsqueeze(1) : tensor.flatten(0, -2);
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

// The buckets of the reduction; the coefficients of elements are [N, L] or one for all.
template <class R>
BucketTensors element_buckets(const R& reduction, const ElementTensors& elements,
                              const at::Tensor& groups) {
  const std::int64_t rows = elements.target.size(0);
  const std::int64_t labels = elements.target.size(1);
  const auto options = elements.target.options();
  // Whatever is the same along a dimension is repeated without a copy, unless there are buckets.
  const auto shaped = [&](const at::Tensor& tensor) {
    const at::Tensor all = tensor.expand({rows, labels});
    return reduction.buckets() == 1 ? all : all.reshape({-1});
  };
  const at::Tensor group = groups.defined() ? groups.to(at::kLong).unsqueeze(1)
                                            : at::zeros({1, 1}, options.dtype(at::kLong));
  const at::Tensor valid =
      elements.valid.defined() ? elements.valid : at::ones_like(elements.target, at::kBool);
  return make_buckets(
      reduction,
      ReductionRow<at::Tensor, at::Tensor>{shaped(at::arange(labels, options.dtype(at::kLong))),
                                           shaped(elements.positive + elements.negative),
                                           shaped(group), shaped(elements.target)},
      shaped(valid));
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
                                      bool wants_gradient) {
  const at::ScalarType type = compute_type(logits);
  const ElementTensors elements = make_elements(loss, tensors, targets, arguments, type);
  at::Tensor z = logits.to(type);
  if (tensors.shift.defined()) z = z + tensors.shift;
  const at::Tensor y = loss.negative_scale == 1 ? z : z * loss.negative_scale;
  const at::Tensor q = z.neg().sigmoid();
  const at::Tensor p_negative = y.sigmoid();
  const ValueAndSlope<at::Tensor> above =
      loss.sides.positive()(TargetProbability<at::Tensor>{log_of_sigmoid(z), z.sigmoid(), q});
  const ValueAndSlope<at::Tensor> below = loss.sides.negative()(
      TargetProbability<at::Tensor>{log_of_sigmoid(y.neg()), y.neg().sigmoid(), p_negative});
  // A side of weight zero adds nothing, whatever its (perhaps infinite) value.
  const at::Tensor no_positive = elements.positive.eq(0);
  const at::Tensor no_negative = elements.negative.eq(0);
  const at::Tensor losses =
      ((elements.positive * above.value).masked_fill(no_positive, 0.0) +
       (elements.negative * below.value).masked_fill(no_negative, 0.0) / loss.negative_scale)
          .masked_fill(elements.broken, equipoise::detail::quiet_nan());

  LossAndGradient result{losses, {}};
  at::Tensor coefficient;
  if (!by_element) {
    BucketTensors buckets = element_buckets(loss.reduction, elements, arguments.groups);
    if (arguments.denominators.defined()) buckets.denominators = arguments.denominators;
    coefficient = coefficient_tensor(loss.reduction, buckets.denominators, arguments.shares);
    if (buckets.bucket.defined()) {
      coefficient = coefficient.gather(0, buckets.bucket).view(losses.sizes());
    }
    result.loss = (coefficient * losses.to(at::kDouble)).sum().to(type);
    if (loss.empty_batch == EmptyBatch::kNaN && !equipoise::detail::kIsSum<R>) {
      result.loss =
          result.loss.masked_fill(buckets.denominators.sum().le(0), equipoise::detail::quiet_nan());
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

// The loss through the fused kernel; T is that of the logits, Y that of the targets, both [N, L].
template <class T, class Y, class S, class R>
EQUIPOISE_INLINE LossAndGradient sigmoid_by_kernel(const SigmoidLoss<S, R>& loss,
                                                   const at::Tensor& logits,
                                                   const at::Tensor& targets,
                                                   const SigmoidArguments& arguments,
                                                   bool by_element, bool wants_gradient) {
  const at::Tensor weights = flat(arguments.sample_weights, at::kDouble);
  const at::Tensor groups = flat(arguments.groups, at::kLong);
  ElementAttributes attributes{span_of<double>(weights), span_of<std::int64_t>(groups), {}};
  at::Tensor mask = arguments.mask;
  if (mask.defined()) {
    if (mask.scalar_type() != at::kBool && mask.scalar_type() != at::kByte) mask = mask.ne(0);
    attributes.mask = matrix_view<const std::uint8_t>(mask.view(at::kByte));
  }
  const auto in = equipoise::detail::checked_inputs(kSigmoidLoss, loss,
                                                    matrix_view<const Y>(targets), attributes);
  const Partial own =
      equipoise::detail::checked_masses(kSigmoidLoss, loss.reduction, in, AtParallelFor{});
  const std::vector<double> scales = by_element
                                         ? std::vector<double>(loss.reduction.buckets(), 1.0)
                                         : kernel_coefficients(loss.reduction, own, arguments);
  LossAndGradient result;
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
    *result.loss.data_ptr<T>() = static_cast<T>(finish(loss, partial, scales));
  }
  return result;
}

// The same for targets of any type: the usual ones are read as they are.
template <class T, class S, class R>
LossAndGradient sigmoid_by_kernel(const SigmoidLoss<S, R>& loss, const at::Tensor& logits,
                                  const at::Tensor& targets, const SigmoidArguments& arguments,
                                  bool by_element, bool wants_gradient) {
  const auto call = [&]<class Y>(const at::Tensor& t) EQUIPOISE_INLINE_LAMBDA {
    return sigmoid_by_kernel<T, Y>(loss, logits, t, arguments, by_element, wants_gradient);
  };
  switch (targets.scalar_type()) {
    case at::kBool:
      return call.template operator()<std::uint8_t>(targets.view(at::kByte));
    case at::kByte:
      return call.template operator()<std::uint8_t>(targets);
    case at::kLong:
      return call.template operator()<std::int64_t>(targets);
    case at::kFloat:
      return call.template operator()<float>(targets);
    case at::kDouble:
      return call.template operator()<double>(targets);
    default:
      return targets.is_floating_point()
                 ? call.template operator()<float>(targets.to(at::kFloat))
                 : call.template operator()<std::int64_t>(targets.to(at::kLong));
  }
}

// A sigmoid loss for LossFunction. Logits are [N, L].
template <class S, class R>
struct SigmoidProblem {
  SigmoidLoss<S, R> loss;
  SigmoidTensors tensors;  // defined where tensor operations need them
  SigmoidArguments arguments;
  bool by_element = false;

  LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                           bool wants_gradient) const {
    if (!fits_kernel(logits)) {
      return sigmoid_by_operations(loss, tensors, logits, targets, arguments, by_element,
                                   wants_gradient);
    }
    return logits.scalar_type() == at::kFloat
               ? sigmoid_by_kernel<float>(loss, logits, targets, arguments, by_element,
                                          wants_gradient)
               : sigmoid_by_kernel<double>(loss, logits, targets, arguments, by_element,
                                           wants_gradient);
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
    require_sigmoid_tensors(logits, targets, arguments);
    const at::Tensor z = as_elements(logits);
    equipoise::detail::require_sigmoid_loss(kSigmoidLoss, loss,
                                            static_cast<std::size_t>(z.size(1)));
    require_buckets(kSigmoidLoss, loss.reduction, arguments);
    SigmoidProblem problem{loss, {}, as_elements(arguments), by_element};
    if (tensors != nullptr) {
      problem.tensors = *tensors;
    } else if (!fits_kernel(logits)) {
      problem.tensors = make_tensors(loss, logits.options().dtype(compute_type(logits)));
    }
    const at::Tensor result =
        LossFunction<SigmoidProblem>::call(std::move(problem), z, as_elements(targets));
    return by_element && logits.dim() != 2 ? result.view(logits.sizes()) : result;
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
/// Targets and weights of float and double losses on the CPU are checked. Elsewhere a target that
/// is NaN or outside [0, 1] makes the loss NaN.
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
/// Targets are in the shape of the logits. Uploads the weights of the loss; does not synchronise.
template <SigmoidModulators S, Reduction R>
at::Tensor sigmoid_denominators(const SigmoidLoss<S, R>& loss, const at::Tensor& targets,
                                const SigmoidArguments& arguments = {}) {
  const SigmoidArguments elements = detail::as_elements(arguments);
  const at::Tensor t = detail::as_elements(targets);
  const auto tensors = detail::make_tensors(loss, t.options().dtype(at::kDouble));
  return detail::element_buckets(loss.reduction,
                                 detail::make_elements(loss, tensors, t, elements, at::kDouble),
                                 elements.groups)
      .denominators;
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_SIGMOID_LOSS_H_
