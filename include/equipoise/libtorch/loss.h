// Softmax losses on tensors: the fused kernel on the CPU, tensor operations on every other device.
#ifndef EQUIPOISE_LIBTORCH_LOSS_H_
#define EQUIPOISE_LIBTORCH_LOSS_H_

#include <ATen/Parallel.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch {

/// The per-class constants of a loss as tensors on the device of the logits, so that a call uploads
/// nothing. An undefined tensor stands for none.
struct SoftmaxTensors {
  at::Tensor class_weights;  ///< [C]
  at::Tensor scale;          ///< [C]
  at::Tensor shift;          ///< [C]
  at::Tensor margin;         ///< [C]
};

/// What a loss call may take besides logits and targets, on the device of the logits. An undefined
/// tensor stands for none.
struct SoftmaxArguments {
  at::Tensor sample_weights;  ///< [N], finite and >= 0
  at::Tensor groups;          ///< [N] of int64, for reductions by group
  /// [K] of double: the denominators of everything that the optimiser step sees, summed over
  /// micro-batches and ranks; undefined: those of this batch.
  at::Tensor denominators;
};

namespace detail {

using equipoise::detail::reject;

inline at::Tensor constant_tensor(const std::vector<double>& values,
                                  const at::TensorOptions& options) {
  if (values.empty()) return {};
  return at::tensor(values, at::TensorOptions().dtype(at::kDouble)).to(options);
}

template <class M, class R>
SoftmaxTensors make_tensors(const SoftmaxLoss<M, R>& loss, const at::TensorOptions& options) {
  return {constant_tensor(loss.class_weights, options),
          constant_tensor(loss.logit_terms.scale, options),
          constant_tensor(loss.logit_terms.shift, options),
          constant_tensor(loss.logit_terms.margin, options)};
}

inline std::vector<double> to_vector(const at::Tensor& values) {
  if (!values.defined()) return {};
  const at::Tensor dense = values.to(at::kDouble).contiguous();
  const double* const data = dense.data_ptr<double>();
  return {data, data + dense.numel()};
}

// Shapes, types and devices: what is known without reading the device.
inline void require_softmax_tensors(const at::Tensor& logits, const at::Tensor& targets,
                                    const SoftmaxArguments& arguments) {
  constexpr const char* kWhere = "softmax_loss";
  if (logits.dim() != 2) reject(kWhere, "logits.dim()", logits.dim(), "2 (N x C)");
  if (!logits.is_floating_point()) {
    reject(kWhere, "logits.dtype()", std::string(logits.dtype().name()), "a floating-point type");
  }
  if (targets.dim() != 1) reject(kWhere, "targets.dim()", targets.dim(), "1 (N)");
  const auto require = [&](const char* name, const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    if (tensor.device() != logits.device()) {
      reject(kWhere, std::string(name) + ".device()", tensor.device().str(),
             logits.device().str() + ", the device of the logits");
    }
    if (std::string(name) != "denominators" && tensor.numel() != logits.size(0)) {
      reject(kWhere, std::string(name) + ".numel()", tensor.numel(),
             std::to_string(logits.size(0)) + " (rows of logits)");
    }
  };
  if (!c10::isIntegralType(targets.scalar_type(), /*includeBool=*/false)) {
    reject(kWhere, "targets.dtype()", std::string(targets.dtype().name()), "an integer type");
  }
  require("targets", targets);
  require("sample_weights", arguments.sample_weights);
  require("groups", arguments.groups);
  require("denominators", arguments.denominators);
}

struct LossAndGradient {
  at::Tensor loss;      // [] or, by row, [N]
  at::Tensor gradient;  // [N, C]; undefined if not wanted
};

// Everything about the targets that tensor operations need, on the device.
struct TargetTensors {
  at::Tensor ignored;  // [N] bool
  at::Tensor valid;    // [N] bool: not ignored
  at::Tensor broken;   // [N] bool: neither a class nor ignored
  at::Tensor index;    // [N] int64, always a class
  at::Tensor sample;   // [N]: the sample weight, 0 where ignored
  at::Tensor weight;   // [N]: class weight times sample weight, 0 where ignored
};

template <class M, class R>
TargetTensors make_targets(const SoftmaxLoss<M, R>& loss, const SoftmaxTensors& tensors,
                           const at::Tensor& targets, const at::Tensor& sample_weights,
                           std::int64_t classes, const at::TensorOptions& options) {
  TargetTensors result;
  const at::Tensor labels = targets.to(at::kLong);
  result.ignored = labels.eq(loss.ignore_index);
  result.valid = labels.ne(loss.ignore_index);
  result.broken = labels.lt(0).bitwise_or(labels.ge(classes)).bitwise_and(result.valid);
  result.index = labels.clamp(0, std::max<std::int64_t>(classes - 1, 0));
  result.sample = result.valid.to(options.dtype().toScalarType());
  if (sample_weights.defined()) result.sample = result.sample * sample_weights;
  result.weight = result.sample;
  if (tensors.class_weights.defined()) {
    result.weight = result.weight * tensors.class_weights.gather(0, result.index);
  }
  return result;
}

// The buckets of a reduction on the device.
struct BucketTensors {
  at::Tensor bucket;        // [N] int64; undefined for one bucket
  at::Tensor denominators;  // [K]
};

template <class R>
BucketTensors make_buckets(const R& reduction, const TargetTensors& targets,
                           const at::Tensor& groups) {
  const ReductionRow<at::Tensor, at::Tensor> row{
      targets.index, targets.weight, groups.defined() ? groups : at::zeros_like(targets.index),
      at::ones_like(targets.weight)};
  const at::Tensor mass =
      at::Tensor(reduction.mass(row)).to(at::kDouble).mul(targets.valid.to(at::kDouble));
  BucketTensors result;
  if (reduction.buckets() == 1) {
    result.denominators = mass.sum().unsqueeze(0);
  } else {
    if constexpr (!std::convertible_to<decltype(reduction.bucket(row)), std::size_t>) {
      result.bucket = reduction.bucket(row);
    }
    result.denominators =
        at::zeros({static_cast<std::int64_t>(reduction.buckets())}, mass.options())
            .scatter_add(0, result.bucket, mass);
  }
  return result;
}

// coefficients() of reduction.h on the device.
template <class R>
at::Tensor coefficient_tensor(const R& reduction, const at::Tensor& denominators) {
  if constexpr (equipoise::detail::kIsSum<R>) {
    return at::ones_like(denominators);
  } else {
    const at::Tensor empty = denominators.le(0);
    const at::Tensor inverse = denominators.reciprocal().masked_fill(empty, 0.0);
    if constexpr (requires { reduction.share(std::size_t{0}); }) {
      std::vector<double> shares;
      for (std::size_t k = 0; k < reduction.buckets(); ++k) shares.push_back(reduction.share(k));
      return inverse * constant_tensor(shares, denominators.options());
    } else {
      return inverse / denominators.gt(0).sum().clamp_min(1).to(at::kDouble);
    }
  }
}

// The loss by tensor operations alone: any device, differentiable with respect to the logits in the
// loss and, because slopes are written in the same operations, in the gradient as well.
template <class M, class R>
LossAndGradient softmax_by_operations(const SoftmaxLoss<M, R>& loss, const SoftmaxTensors& tensors,
                                      const at::Tensor& logits, const at::Tensor& targets,
                                      const SoftmaxArguments& arguments, bool by_row,
                                      bool wants_gradient) {
  const std::int64_t classes = logits.size(1);
  const bool narrow = logits.scalar_type() != at::kFloat && logits.scalar_type() != at::kDouble;
  const at::Tensor z = narrow ? logits.to(at::kFloat) : logits;  // half types accumulate in float
  const TargetTensors target =
      make_targets(loss, tensors, targets, arguments.sample_weights, classes, z.options());
  const at::Tensor column = target.index.unsqueeze(1);

  at::Tensor a = z;
  if (tensors.scale.defined()) a = a * tensors.scale;
  if (tensors.shift.defined()) a = a + tensors.shift;
  if (tensors.margin.defined()) {
    a = a.scatter_add(1, column, tensors.margin.gather(0, target.index).neg().unsqueeze(1));
  }
  const at::Tensor log_p = at::log_softmax(a, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor target_log_p = log_p.gather(1, column).squeeze(1);
  const ValueAndSlope<at::Tensor> of_target = loss.modulator(
      TargetProbability<at::Tensor>{target_log_p, target_log_p.exp(), target_log_p.expm1().neg()});
  const at::Tensor hard = target.weight * (1.0 - loss.label_smoothing);

  at::Tensor row_losses = hard * of_target.value;
  at::Tensor slopes;  // [N, C]: the derivative with respect to each log p_c
  if (wants_gradient) {
    slopes = at::zeros_like(log_p).scatter_add(1, column, (hard * of_target.slope).unsqueeze(1));
  }
  if (loss.label_smoothing > 0) {
    const ValueAndSlope<at::Tensor> of_all =
        loss.modulator(TargetProbability<at::Tensor>{log_p, p, log_p.expm1().neg()});
    const bool as_torch = loss.semantics == Semantics::kTorch;
    at::Tensor soft = (as_torch ? target.sample : target.weight)
                          .mul(loss.label_smoothing / static_cast<double>(classes))
                          .unsqueeze(1);
    if (as_torch && tensors.class_weights.defined()) soft = soft * tensors.class_weights;
    row_losses = row_losses + (soft * of_all.value).sum(1);
    if (wants_gradient) slopes = slopes + soft * of_all.slope;
  }
  row_losses = row_losses.masked_fill(target.ignored, 0.0)
                   .masked_fill(target.broken, equipoise::detail::quiet_nan());

  at::Tensor row_coefficients;
  at::Tensor value = row_losses;
  if (!by_row) {
    BucketTensors buckets = make_buckets(loss.reduction, target, arguments.groups);
    if (arguments.denominators.defined()) buckets.denominators = arguments.denominators;
    const at::Tensor scales = coefficient_tensor(loss.reduction, buckets.denominators);
    row_coefficients = buckets.bucket.defined() ? scales.gather(0, buckets.bucket) : scales;
    value = (row_coefficients * row_losses.to(at::kDouble)).sum().to(z.scalar_type());
    if (loss.empty_batch == EmptyBatch::kNaN && !equipoise::detail::kIsSum<R>) {
      value = value.masked_fill(buckets.denominators.sum().le(0), equipoise::detail::quiet_nan());
    }
  }
  if (!wants_gradient) return {value, {}};
  at::Tensor gradient = slopes - p * slopes.sum(1, /*keepdim=*/true);
  if (!by_row) gradient = gradient * row_coefficients.to(z.scalar_type()).unsqueeze(1);
  if (tensors.scale.defined()) gradient = gradient * tensors.scale;
  gradient = gradient.masked_fill(target.ignored.unsqueeze(1), 0.0);
  return {value, narrow ? gradient.to(logits.scalar_type()) : gradient};
}

// LibTorch's threads for the blocks of the kernel.
struct AtParallelFor {
  template <class F>
  EQUIPOISE_INLINE void operator()(std::size_t blocks, const F& f) const {
    at::parallel_for(0, static_cast<std::int64_t>(blocks), 1,
                     [&f](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t block = begin; block < end; ++block) {
                         f(static_cast<std::size_t>(block));
                       }
                     });
  }
};

template <class T>
MatrixView<T> matrix_view(const at::Tensor& tensor) {
  using Element = std::remove_const_t<T>;
  return {tensor.data_ptr<Element>(), static_cast<std::size_t>(tensor.size(0)),
          static_cast<std::size_t>(tensor.size(1)), static_cast<std::ptrdiff_t>(tensor.stride(0)),
          static_cast<std::ptrdiff_t>(tensor.stride(1))};
}

template <class T>
std::span<const T> span_of(const at::Tensor& contiguous) {
  if (!contiguous.defined()) return {};
  return {contiguous.data_ptr<T>(), static_cast<std::size_t>(contiguous.numel())};
}

// The loss through the fused kernel; T is float or double and that of the logits.
template <class T, class M, class R>
EQUIPOISE_INLINE LossAndGradient softmax_by_kernel(const SoftmaxLoss<M, R>& loss,
                                                   const at::Tensor& logits,
                                                   const at::Tensor& targets,
                                                   const SoftmaxArguments& arguments, bool by_row,
                                                   bool wants_gradient) {
  const at::Tensor labels = targets.to(at::kLong).contiguous();
  const at::Tensor weights = arguments.sample_weights.defined()
                                 ? arguments.sample_weights.to(at::kDouble).contiguous()
                                 : at::Tensor();
  const at::Tensor groups =
      arguments.groups.defined() ? arguments.groups.to(at::kLong).contiguous() : at::Tensor();
  const RowAttributes rows{span_of<double>(weights), span_of<std::int64_t>(groups)};
  const auto label_span = span_of<std::int64_t>(labels);
  const auto classes = static_cast<std::size_t>(logits.size(1));

  const Partial own =
      equipoise::detail::checked_denominators("softmax_loss", loss, label_span, classes, rows);
  std::vector<double> scales(loss.reduction.buckets(), 1.0);
  if (!by_row) {
    Partial whole = own;
    if (arguments.denominators.defined()) {
      whole.buckets.clear();
      for (const double denominator : to_vector(arguments.denominators)) {
        whole.buckets.push_back({0, denominator, 0});
      }
    }
    scales = coefficients(loss.reduction, whole);
  }
  LossAndGradient result;
  LossOutputs<T> outputs;
  if (wants_gradient) {
    result.gradient = at::empty(logits.sizes(), logits.options());
    outputs.gradient = matrix_view<T>(result.gradient);
  }
  if (by_row) {
    result.loss = at::empty({logits.size(0)}, logits.options());
    outputs.row_losses = {result.loss.data_ptr<T>(), static_cast<std::size_t>(logits.size(0))};
  }
  const Partial partial = equipoise::detail::evaluate_checked(
      loss, matrix_view<const T>(logits), label_span, own, std::span<const double>(scales), outputs,
      rows, AtParallelFor{}, equipoise::detail::cpu());
  if (!by_row) {
    result.loss = at::empty({}, logits.options());
    *result.loss.data_ptr<T>() = static_cast<T>(finish(loss, partial, scales));
  }
  return result;
}

template <class M, class R>
LossAndGradient softmax_value_and_gradient(const SoftmaxLoss<M, R>& loss,
                                           const SoftmaxTensors& tensors, const at::Tensor& logits,
                                           const at::Tensor& targets,
                                           const SoftmaxArguments& arguments, bool by_row,
                                           bool wants_gradient) {
  if (logits.device().is_cpu() && logits.scalar_type() == at::kFloat) {
    return softmax_by_kernel<float>(loss, logits, targets, arguments, by_row, wants_gradient);
  }
  if (logits.device().is_cpu() && logits.scalar_type() == at::kDouble) {
    return softmax_by_kernel<double>(loss, logits, targets, arguments, by_row, wants_gradient);
  }
  return softmax_by_operations(loss, tensors, logits, targets, arguments, by_row, wants_gradient);
}

// The loss as a node of the graph. The gradient is computed with the value and handed out by the
// first backward pass; a second one, and one that builds a graph, compute it anew.
template <class M, class R>
struct SoftmaxFunction : torch::autograd::Function<SoftmaxFunction<M, R>> {
  // What backward() needs and IValue has no type for.
  struct State : torch::CustomClassHolder {
    SoftmaxLoss<M, R> loss;
    SoftmaxTensors tensors;
    SoftmaxArguments arguments;
    bool by_row = false;
    at::Tensor gradient;
  };

  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& targets, c10::intrusive_ptr<State> state) {
    const bool wants_gradient = logits.requires_grad();
    LossAndGradient result =
        softmax_value_and_gradient(state->loss, state->tensors, logits.detach(), targets,
                                   state->arguments, state->by_row, wants_gradient);
    state->gradient = std::move(result.gradient);
    context->save_for_backward({logits, targets});
    context->saved_data["state"] = c10::IValue::make_capsule(std::move(state));
    return result.loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["state"].toCapsule();
    auto& state = static_cast<State&>(*capsule);
    const at::Tensor outer = state.by_row ? upstream[0].unsqueeze(1) : upstream[0];
    if (at::GradMode::is_enabled()) {
      SoftmaxTensors tensors = state.tensors;
      if (saved[0].device().is_cpu()) tensors = make_tensors(state.loss, compute_options(saved[0]));
      const at::Tensor gradient =
          softmax_by_operations(state.loss, tensors, saved[0], saved[1], state.arguments,
                                state.by_row, /*wants_gradient=*/true)
              .gradient;
      return {gradient * outer, at::Tensor(), at::Tensor()};
    }
    at::Tensor gradient = std::exchange(state.gradient, at::Tensor());
    if (!gradient.defined()) {
      gradient = softmax_value_and_gradient(state.loss, state.tensors, saved[0].detach(), saved[1],
                                            state.arguments, state.by_row, true)
                     .gradient;
    }
    if (state.by_row || !is_one_on_cpu(outer)) gradient.mul_(outer);
    return {gradient, at::Tensor(), at::Tensor()};
  }

  // On the CPU a look at the upstream gradient costs nothing and usually saves a pass.
  static bool is_one_on_cpu(const at::Tensor& scalar) {
    if (!scalar.device().is_cpu()) return false;
    if (scalar.scalar_type() == at::kFloat) return *scalar.data_ptr<float>() == 1.0F;
    return scalar.scalar_type() == at::kDouble && *scalar.data_ptr<double>() == 1.0;
  }

  static at::TensorOptions compute_options(const at::Tensor& logits) {
    return logits.scalar_type() == at::kDouble ? logits.options()
                                               : logits.options().dtype(at::kFloat);
  }

  static at::Tensor call(const SoftmaxLoss<M, R>& loss, const SoftmaxTensors* tensors,
                         const at::Tensor& logits, const at::Tensor& targets,
                         const SoftmaxArguments& arguments, bool by_row) {
    require_softmax_tensors(logits, targets, arguments);
    equipoise::detail::require_softmax_loss("softmax_loss", loss,
                                            static_cast<std::size_t>(logits.size(1)));
    auto state = c10::make_intrusive<State>();
    state->loss = loss;
    state->arguments = arguments;
    state->by_row = by_row;
    const bool by_kernel = logits.device().is_cpu() && (logits.scalar_type() == at::kFloat ||
                                                        logits.scalar_type() == at::kDouble);
    if (tensors != nullptr) {
      state->tensors = *tensors;
    } else if (!by_kernel) {
      state->tensors = make_tensors(loss, compute_options(logits));
    }
    return SoftmaxFunction::apply(logits, targets, std::move(state));
  }
};

}  // namespace detail

/// The loss of a batch as a tensor [] that takes part in autograd; see equipoise::SoftmaxLoss.
///
/// logits is N x C, of any strides; targets [N] of an integer type. Float and double on the CPU
/// take the fused kernel, on LibTorch's threads; half types compute in float and give a float loss.
/// On another device everything is tensor operations without synchronisation; this form uploads the
/// constants of the loss on each call, SoftmaxLossModule keeps them there. Second derivatives are
/// right.
///
/// Targets are checked on the CPU. Elsewhere a target that is neither a class nor ignored makes the
/// loss NaN; check_targets() looks.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <Modulator M, Reduction R>
at::Tensor softmax_loss(const at::Tensor& logits, const at::Tensor& targets,
                        const SoftmaxLoss<M, R>& loss, const SoftmaxArguments& arguments = {}) {
  return detail::SoftmaxFunction<M, R>::call(loss, nullptr, logits, targets, arguments, false);
}

/// The same for each row, before the reduction: a tensor [N], 0 where ignored.
template <Modulator M, Reduction R>
at::Tensor softmax_row_losses(const at::Tensor& logits, const at::Tensor& targets,
                              const SoftmaxLoss<M, R>& loss,
                              const SoftmaxArguments& arguments = {}) {
  return detail::SoftmaxFunction<M, R>::call(loss, nullptr, logits, targets, arguments, true);
}

/// What the reduction divides by, from targets and weights alone: [K] of double on their device.
/// Sum it over micro-batches with + and over ranks, and pass it as SoftmaxArguments::denominators.
/// Does not synchronise.
template <Modulator M, Reduction R>
at::Tensor softmax_denominators(const SoftmaxLoss<M, R>& loss, const at::Tensor& targets,
                                std::int64_t classes, const SoftmaxArguments& arguments = {}) {
  const auto options = targets.options().dtype(at::kDouble);
  const detail::TargetTensors target =
      detail::make_targets(loss, detail::make_tensors(loss, options), targets,
                           arguments.sample_weights, classes, options);
  return detail::make_buckets(loss.reduction, target, arguments.groups).denominators;
}

/// Checks that every target is a class in [0, classes) or the ignore index. Reads the device, and
/// so waits for it.
/// @throws std::invalid_argument naming the first target that is neither.
inline void check_targets(const at::Tensor& targets, std::int64_t classes,
                          std::int64_t ignore_index = kIgnoreIndex) {
  const at::Tensor labels = targets.to(at::kCPU, at::kLong).contiguous();
  const auto values = detail::span_of<std::int64_t>(labels);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == ignore_index || (values[i] >= 0 && values[i] < classes)) continue;
    equipoise::detail::reject_element(
        "check_targets", "targets", i, values[i],
        equipoise::detail::class_range(static_cast<std::size_t>(classes), ignore_index));
  }
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_LOSS_H_
