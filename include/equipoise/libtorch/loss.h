// Softmax losses on tensors: the fused kernel on the CPU, tensor operations on every other device.
#ifndef EQUIPOISE_LIBTORCH_LOSS_H_
#define EQUIPOISE_LIBTORCH_LOSS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/softmax_operations.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch {

namespace detail {

inline constexpr const char* kSoftmaxLoss = "softmax_loss";

// Logits [..., C], and targets and arguments as rows: indices [N] or probabilities [..., C].
struct SoftmaxInputs {
  at::Tensor logits;
  at::Tensor targets;
  SoftmaxArguments arguments;
};

// Shapes, types and devices: what is known without reading the device.
inline void require_softmax_tensors(const at::Tensor& logits, const at::Tensor& targets,
                                    const SoftmaxArguments& arguments) {
  if (logits.dim() < 2) reject(kSoftmaxLoss, "logits.dim()", logits.dim(), "at least 2 (N x C)");
  if (!logits.is_floating_point()) {
    reject(kSoftmaxLoss, "logits.dtype()", std::string(logits.dtype().name()),
           "a floating-point type");
  }
  const std::int64_t dims = logits.dim();
  if (arguments.class_dim < -dims || arguments.class_dim >= dims) {
    reject(kSoftmaxLoss, "class_dim", arguments.class_dim, "a dimension of the logits");
  }
  const std::int64_t classes = logits.size(arguments.class_dim);
  const std::int64_t rows = classes == 0 ? targets.numel() : logits.numel() / classes;
  const bool by_index = !targets.is_floating_point();
  if (by_index) require_integral(kSoftmaxLoss, "targets", targets);
  if (targets.dim() != (by_index ? dims - 1 : dims)) {
    reject(kSoftmaxLoss, "targets.dim()", targets.dim(),
           by_index ? std::to_string(dims - 1) + " (the logits' less that of the classes)"
                    : std::to_string(dims) + " (probabilities, in the shape of the logits)");
  }
  const auto require = [&](const char* name, const at::Tensor& tensor) {
    require_companion(kSoftmaxLoss, name, tensor, logits, rows, "rows of logits");
  };
  require_companion(kSoftmaxLoss, "targets", targets, logits, by_index ? rows : logits.numel(),
                    by_index ? "rows of logits" : "elements of logits");
  std::vector<std::int64_t> shape = logits.sizes().vec();
  if (by_index) shape.erase(shape.begin() + (arguments.class_dim + dims) % dims);
  if (targets.sizes() != at::IntArrayRef(shape)) {
    reject(kSoftmaxLoss, "targets.sizes()", c10::str(targets.sizes()),
           c10::str(at::IntArrayRef(shape)));
  }
  require("sample_weights", arguments.sample_weights);
  require("groups", arguments.groups);
  require("mask", arguments.mask);
  require_companion(kSoftmaxLoss, "denominators", arguments.denominators, logits, -1, "");
  require_companion(kSoftmaxLoss, "shares", arguments.shares, logits, -1, "");
  require_companion(kSoftmaxLoss, "seesaw_counts", arguments.seesaw_counts, logits, classes,
                    "classes");
  require_integral(kSoftmaxLoss, "groups", arguments.groups);
  if (arguments.mask.defined() && by_index) {
    reject(kSoftmaxLoss, "mask.numel()", arguments.mask.numel(),
           "no mask: index targets say with the ignore index which rows do not count");
  }
}

// Rows in a row: [..., C] as [N, C], or as [B, T, C] where that would need a copy.
inline at::Tensor as_rows(const at::Tensor& tensor, std::int64_t class_dim) {
  if (tensor.dim() == 2 && class_dim != 0 && class_dim != -2) return tensor;
  const at::Tensor last = tensor.movedim(class_dim, -1);
  if (last.dim() == 2) return last;
  const at::Tensor cube = last.dim() == 3 ? last : last.reshape({-1, last.size(-2), last.size(-1)});
  const bool in_a_row = cube.size(0) == 1 || cube.stride(0) == cube.size(1) * cube.stride(1);
  return in_a_row ? cube.flatten(0, 1) : cube;
}

inline SoftmaxInputs make_inputs(const at::Tensor& logits, const at::Tensor& targets,
                                 const SoftmaxArguments& arguments) {
  SoftmaxInputs result{as_rows(logits, arguments.class_dim), {}, arguments};
  result.targets = targets.is_floating_point()
                       ? targets.movedim(arguments.class_dim, -1).reshape(result.logits.sizes())
                       : flat(targets);
  for (at::Tensor* each :
       {&result.arguments.sample_weights, &result.arguments.groups, &result.arguments.mask}) {
    *each = flat(*each);
  }
  return result;
}

// The rows of a loss call on the CPU, as the core wants them, and the memory in which they lie.
struct KernelRows {
  at::Tensor weights;
  at::Tensor groups;
  RowAttributes attributes;

  explicit KernelRows(const SoftmaxArguments& arguments)
      : weights(flat(arguments.sample_weights, at::kDouble)),
        groups(flat(arguments.groups, at::kLong)),
        attributes{span_of<double>(weights), span_of<std::int64_t>(groups)} {}

  RowAttributes part(std::size_t begin, std::size_t count) const {
    RowAttributes result = attributes;
    if (weights.defined()) result.sample_weights = result.sample_weights.subspan(begin, count);
    if (groups.defined()) result.groups = result.groups.subspan(begin, count);
    return result;
  }
};

template <class L>
equipoise::detail::IndexTargets<L> part_of(const equipoise::detail::IndexTargets<L>& targets,
                                           std::size_t begin, std::size_t count) {
  return {targets.labels.subspan(begin, count), targets.ignore_index};
}
template <class T>
equipoise::detail::DistributionTargets<T> part_of(
    const equipoise::detail::DistributionTargets<T>& targets, std::size_t begin,
    std::size_t count) {
  return {targets.probabilities.middle_rows(begin, count),
          targets.mask.empty() ? targets.mask : targets.mask.subspan(begin, count)};
}

// The loss through the fused kernel; T is float or double and that of the logits, [N, C] or
// [B, T, C].
template <class T, class M, class R, class Y>
EQUIPOISE_INLINE LossAndGradient softmax_by_kernel(const SoftmaxLoss<M, R>& loss,
                                                   const at::Tensor& logits, const Y& targets,
                                                   const SoftmaxArguments& arguments, bool by_row,
                                                   bool wants_gradient) {
  const KernelRows rows(arguments);
  const auto classes = static_cast<std::size_t>(logits.size(-1));
  const Partial own = equipoise::detail::checked_denominators(kSoftmaxLoss, loss, targets, classes,
                                                              rows.attributes);
  const std::vector<double> scales = by_row ? std::vector<double>(loss.reduction.buckets(), 1.0)
                                            : kernel_coefficients(loss.reduction, own, arguments);
  LossAndGradient result;
  // In the order of the logits, where that saves strides; empty_like() costs more than empty().
  if (wants_gradient) {
    result.gradient =
        logits.dim() == 2 ? at::empty(logits.sizes(), logits.options()) : at::empty_like(logits);
  }
  std::span<T> row_losses;
  if (by_row) {
    result.loss = at::empty({static_cast<std::int64_t>(targets.size())}, logits.options());
    row_losses = {result.loss.data_ptr<T>(), targets.size()};
  }
  Partial partial;
  if (logits.dim() == 2) {
    LossOutputs<T> outputs{{}, row_losses};
    if (wants_gradient) outputs.gradient = matrix_view<T>(result.gradient);
    partial = equipoise::detail::evaluate_checked(
        loss, matrix_view<const T>(logits), targets, own, std::span<const double>(scales), outputs,
        rows.attributes, AtParallelFor{}, equipoise::detail::cpu());
  } else {
    const auto size = static_cast<std::size_t>(logits.size(1));
    std::vector<Partial> partials(static_cast<std::size_t>(logits.size(0)));
    AtParallelFor{}(partials.size(), [&](std::size_t b) EQUIPOISE_INLINE_LAMBDA {
      const auto index = static_cast<std::int64_t>(b);
      LossOutputs<T> outputs;
      if (wants_gradient) outputs.gradient = matrix_view<T>(result.gradient.select(0, index));
      if (by_row) outputs.row_losses = row_losses.subspan(b * size, size);
      partials[b] = equipoise::detail::evaluate_checked(
          loss, matrix_view<const T>(logits.select(0, index)), part_of(targets, b * size, size),
          Partial{std::vector<Tally>(scales.size())}, std::span<const double>(scales), outputs,
          rows.part(b * size, size), SerialFor{}, equipoise::detail::cpu());
    });
    partial = own;
    for (const Partial& each : partials) partial += each;
  }
  if (!by_row) {
    result.loss = at::empty({}, logits.options());
    *result.loss.data_ptr<T>() = static_cast<T>(finish(loss, partial, scales));
  }
  return result;
}

template <class T, class M, class R>
EQUIPOISE_INLINE LossAndGradient softmax_by_kernel(const SoftmaxLoss<M, R>& given,
                                                   const SoftmaxInputs& in, bool by_row,
                                                   bool wants_gradient) {
  SoftmaxLoss<M, R> changed;
  const SoftmaxLoss<M, R>* loss = &given;
  if (in.arguments.seesaw_counts.defined()) {
    changed = given;
    changed.seesaw.counts = to_vector(in.arguments.seesaw_counts);
    loss = &changed;
  }
  const auto classes = static_cast<std::size_t>(in.logits.size(-1));
  if (in.targets.dim() == 1) {
    const at::Tensor labels = flat(in.targets, at::kLong);
    return softmax_by_kernel<T>(*loss, in.logits,
                                equipoise::detail::read_targets(
                                    kSoftmaxLoss, *loss, span_of<std::int64_t>(labels), classes),
                                in.arguments, by_row, wants_gradient);
  }
  const at::Tensor t = in.targets.to(in.logits.scalar_type()).reshape({-1, in.logits.size(-1)});
  const at::Tensor mask =
      in.arguments.mask.defined() ? flat(in.arguments.mask.ne(0), at::kByte) : at::Tensor();
  const ProbabilityTargets<T> targets{matrix_view<const T>(t), span_of<std::uint8_t>(mask)};
  return softmax_by_kernel<T>(
      *loss, in.logits, equipoise::detail::read_targets(kSoftmaxLoss, *loss, targets, classes),
      in.arguments, by_row, wants_gradient);
}

template <class M, class R>
LossAndGradient softmax_value_and_gradient(const SoftmaxLoss<M, R>& loss,
                                           const SoftmaxTensors& tensors, const SoftmaxInputs& in,
                                           bool by_row, bool wants_gradient) {
  if (fits_kernel(in.logits)) {
    return in.logits.scalar_type() == at::kFloat
               ? softmax_by_kernel<float>(loss, in, by_row, wants_gradient)
               : softmax_by_kernel<double>(loss, in, by_row, wants_gradient);
  }
  return softmax_by_operations(loss, tensors, in.logits, in.targets, in.arguments, by_row,
                               wants_gradient);
}

// A softmax loss for LossFunction. Logits are [N, C] or [B, T, C], as make_inputs() makes them.
template <class M, class R>
struct SoftmaxProblem {
  SoftmaxLoss<M, R> loss;
  SoftmaxTensors tensors;  // defined where tensor operations need them
  SoftmaxArguments arguments;
  bool by_row = false;

  LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                           bool wants_gradient) const {
    return softmax_value_and_gradient(loss, tensors, {logits, targets, arguments}, by_row,
                                      wants_gradient);
  }

  at::Tensor gradient_by_operations(const at::Tensor& logits, const at::Tensor& targets) const {
    return softmax_by_operations(
               loss, fits_kernel(logits) ? tensors_of(loss, arguments, logits) : tensors, logits,
               targets, arguments, by_row, /*wants_gradient=*/true)
        .gradient;
  }

  at::Tensor factor(const at::Tensor& upstream, const at::Tensor& logits) const {
    return by_row ? per_row(upstream, logits) : upstream;
  }

  // [N] as a factor of [..., C].
  static at::Tensor per_row(const at::Tensor& rows, const at::Tensor& logits) {
    std::vector<std::int64_t> sizes = logits.sizes().vec();
    sizes.back() = 1;
    return rows.reshape(sizes);
  }

  static SoftmaxTensors tensors_of(const SoftmaxLoss<M, R>& loss, const SoftmaxArguments& arguments,
                                   const at::Tensor& logits) {
    const auto options = logits.options().dtype(compute_type(logits));
    SoftmaxTensors tensors = make_tensors(loss, options, logits.size(-1));
    if (arguments.seesaw_counts.defined()) {
      tensors.seesaw_counts = arguments.seesaw_counts.to(options.dtype().toScalarType());
    }
    return tensors;
  }

  static at::Tensor call(const SoftmaxLoss<M, R>& loss, const SoftmaxTensors* tensors,
                         const at::Tensor& logits, const at::Tensor& targets,
                         const SoftmaxArguments& arguments, bool by_row) {
    require_softmax_tensors(logits, targets, arguments);
    const auto classes = logits.size(arguments.class_dim);
    equipoise::detail::require_softmax_loss(kSoftmaxLoss, loss, static_cast<std::size_t>(classes));
    require_buckets(kSoftmaxLoss, loss.reduction, arguments);
    SoftmaxInputs in = make_inputs(logits, targets, arguments);
    SoftmaxProblem problem{loss, {}, std::move(in.arguments), by_row};
    if (tensors != nullptr) {
      problem.tensors = *tensors;
      if (arguments.seesaw_counts.defined()) {
        problem.tensors.seesaw_counts = arguments.seesaw_counts.to(compute_type(logits));
      }
    } else if (!fits_kernel(logits)) {
      problem.tensors = tensors_of(loss, arguments, in.logits);
    }
    if (!fits_kernel(logits)) problem.require_rows_on_device(in.targets);
    const at::Tensor result =
        LossFunction<SoftmaxProblem>::call(std::move(problem), in.logits, in.targets);
    return by_row ? in_shape_of_rows(result, logits, arguments.class_dim) : result;
  }

  // What the kernel's entry checks otherwise.
  void require_rows_on_device(const at::Tensor& targets) const {
    if (groups_of(tensors) > 0 && !arguments.groups.defined()) {
      reject(kSoftmaxLoss, "groups.numel()", 0, "one group a row");
    }
    if (targets.dim() == 1) return;
    const bool needs_index =
        tensors.margin.defined() || tensors.pair_shift.defined() || tensors.seesaw_counts.defined();
    if (needs_index) {
      reject(kSoftmaxLoss, "targets.dtype()", std::string(targets.dtype().name()),
             "an integer type: margins, pair shifts and Seesaw need index targets");
    }
  }

  static at::Tensor in_shape_of_rows(const at::Tensor& rows, const at::Tensor& logits,
                                     std::int64_t class_dim) {
    return logits.dim() == 2 ? rows
                             : rows.view(logits.detach()
                                             .movedim(class_dim, -1)
                                             .sizes()
                                             .slice(0, static_cast<std::size_t>(logits.dim()) - 1));
  }
};

}  // namespace detail

/// The loss of a batch as a tensor [] that takes part in autograd; see equipoise::SoftmaxLoss.
///
/// Logits are N x C, or have more dimensions: tokens as N x T x C by default, with
/// SoftmaxArguments::class_dim = 1 in LibTorch's order N x C x T. Any strides will do. Targets are
/// of an integer type, in the shape of the logits less the dimension of the classes; or they are
/// probabilities, of a floating-point type and in the shape of the logits.
///
/// Float and double on the CPU take the fused kernel, on LibTorch's threads, without a copy of the
/// logits; half types compute in float and give a float loss. On another device everything is
/// tensor operations without synchronisation; this form uploads the constants of the loss on each
/// call, SoftmaxLossModule keeps them there. Second derivatives are right.
///
/// Targets and weights of float and double losses on the CPU are checked. Elsewhere a target that
/// is neither a class nor ignored, a negative or infinite probability, or a group that does not
/// exist makes the loss NaN; check_targets() looks.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <Modulator M, Reduction R>
at::Tensor softmax_loss(const at::Tensor& logits, const at::Tensor& targets,
                        const SoftmaxLoss<M, R>& loss, const SoftmaxArguments& arguments = {}) {
  return detail::SoftmaxProblem<M, R>::call(loss, nullptr, logits, targets, arguments, false);
}

/// The same for each row, before the reduction: a tensor in the shape of index targets, 0 where
/// ignored.
template <Modulator M, Reduction R>
at::Tensor softmax_row_losses(const at::Tensor& logits, const at::Tensor& targets,
                              const SoftmaxLoss<M, R>& loss,
                              const SoftmaxArguments& arguments = {}) {
  return detail::SoftmaxProblem<M, R>::call(loss, nullptr, logits, targets, arguments, true);
}

/// What the reduction divides by, from targets and weights alone: [K] of double on their device.
/// Sum it over micro-batches with + and over ranks, and pass it as SoftmaxArguments::denominators.
/// Uploads the weights of the loss; does not synchronise.
template <Modulator M, Reduction R>
at::Tensor softmax_denominators(const SoftmaxLoss<M, R>& loss, const at::Tensor& targets,
                                std::int64_t classes, const SoftmaxArguments& arguments = {}) {
  SoftmaxArguments rows = arguments;
  for (at::Tensor* each : {&rows.sample_weights, &rows.groups, &rows.mask}) {
    *each = detail::flat(*each);
  }
  const at::Tensor flat_targets =
      targets.is_floating_point() ? targets.movedim(arguments.class_dim, -1).reshape({-1, classes})
                                  : detail::flat(targets);
  const auto options = targets.options().dtype(at::kDouble);
  const detail::TargetTensors target = detail::make_targets(
      loss, detail::make_tensors(loss, options, classes), flat_targets, rows, classes, at::kDouble);
  return detail::make_buckets(loss.reduction, target, rows.groups).denominators;
}

/// Adds the classes of a batch's targets to the counts that Seesaw goes by, [C] of double on the
/// device of the targets; targets that are ignored or no class are left out. Call it before the
/// loss, and sum what each rank added over the ranks. Does not synchronise.
inline void add_to_seesaw_counts(at::Tensor& counts, const at::Tensor& targets,
                                 std::int64_t ignore_index = kIgnoreIndex) {
  const at::Tensor labels = detail::flat(targets).to(at::kLong);
  const at::Tensor valid =
      labels.ge(0).bitwise_and(labels.lt(counts.size(0))).bitwise_and(labels.ne(ignore_index));
  counts.scatter_add_(0, labels.clamp(0, counts.size(0) - 1), valid.to(counts.scalar_type()));
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
