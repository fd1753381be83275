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

// Whether something in the loss goes by group. The tensors, where a module holds them, stand for
// the constants of the loss.
template <class M, class R>
bool needs_groups(const SoftmaxLoss<M, R>& loss, const SoftmaxTensors* tensors) {
  return equipoise::detail::kNeedsGroups<R> || equipoise::detail::declared_groups(loss) > 0 ||
         (tensors != nullptr && groups_of(*tensors) > 0);
}

// Shapes, types and devices: what is known without reading the device.
template <class M, class R>
void require_softmax_tensors(const SoftmaxLoss<M, R>& loss, const SoftmaxTensors* tensors,
                             const at::Tensor& logits, const at::Tensor& targets,
                             const SoftmaxArguments& arguments) {
  require_classification(kSoftmaxLoss, logits, targets, arguments);
  const std::int64_t classes = logits.size(class_dim_of(arguments));
  require_companion(kSoftmaxLoss, "seesaw_counts", arguments.seesaw_counts, {logits, "logits"},
                    classes, "classes");
  equipoise::detail::require_softmax_loss(kSoftmaxLoss, loss, static_cast<std::size_t>(classes));
  if (needs_groups(loss, tensors)) require_groups(kSoftmaxLoss, arguments.groups);
  require_buckets(kSoftmaxLoss, loss.reduction, {logits, "logits"}, arguments);
}

// Rows in a row: [..., C] as [N, C], or as [B, T, C] where that would need a copy.
inline at::Tensor as_rows(const at::Tensor& tensor, std::int64_t class_dim) {
  if (tensor.dim() == 2 && class_dim != 0 && class_dim != -2) return tensor;
  const at::Tensor last = tensor.movedim(class_dim, -1);
  if (last.dim() == 2) return last;
  const at::Tensor cube = last.flatten(0, -3);
  const bool in_a_row = cube.size(0) == 1 || cube.stride(0) == cube.size(1) * cube.stride(1);
  return in_a_row ? cube.flatten(0, 1) : cube;
}

inline SoftmaxArguments flat(const SoftmaxArguments& arguments) {
  SoftmaxArguments result = arguments;
  for (at::Tensor* each : {&result.sample_weights, &result.groups, &result.mask}) {
    *each = flat(*each);
  }
  return result;
}

inline SoftmaxInputs make_inputs(const at::Tensor& logits, const at::Tensor& targets,
                                 const SoftmaxArguments& arguments) {
  SoftmaxInputs result{as_rows(in_memory(logits), class_dim_of(arguments)), {}, {}};
  result.targets =
      targets.is_floating_point()
          ? in_memory(targets).movedim(class_dim_of(arguments), -1).reshape(result.logits.sizes())
          : flat(targets);
  result.arguments = flat(arguments);
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

// Calls f(targets) with targets on the CPU, [N] or [..., C], as the core reads them; T is the type
// for probabilities.
template <class T, class M, class R, class F>
EQUIPOISE_INLINE void with_kernel_targets(const char* where, const SoftmaxLoss<M, R>& loss,
                                          const at::Tensor& targets,
                                          const SoftmaxArguments& arguments, std::int64_t classes,
                                          const F& f) {
  const auto count = static_cast<std::size_t>(classes);
  if (targets.dim() == 1) {
    const at::Tensor labels = flat(targets, at::kLong);
    return f(equipoise::detail::read_targets(where, loss, span_of<std::int64_t>(labels), count));
  }
  const at::Tensor t = targets.to(c10::CppTypeToScalarType<T>::value).flatten(0, -2);
  const at::Tensor mask =
      arguments.mask.defined() ? flat(arguments.mask.ne(0), at::kByte) : at::Tensor();
  const ProbabilityTargets<T> probabilities{matrix_view<const T>(t), span_of<std::uint8_t>(mask)};
  f(equipoise::detail::read_targets(where, loss, probabilities, count));
}

// Checks everything on the CPU but the logits, which are computed with in type T, and adds up the
// masses.
template <class T, class M, class R>
Partial denominators_on_cpu(const char* where, const SoftmaxLoss<M, R>& loss,
                            const at::Tensor& targets, const SoftmaxArguments& arguments,
                            std::int64_t classes) {
  const KernelRows rows(arguments);
  Partial result;
  const auto add_up = [&](const auto& read) {
    result = equipoise::detail::checked_denominators(
        where, loss, read, static_cast<std::size_t>(classes), rows.attributes);
    equipoise::detail::require_weights_fit<T>(where, loss, read, rows.attributes);
  };
  if (targets.scalar_type() == at::kDouble) {
    with_kernel_targets<double>(where, loss, targets, arguments, classes, add_up);
  } else {
    with_kernel_targets<float>(where, loss, targets, arguments, classes, add_up);
  }
  return result;
}

// The loss through the fused kernel; T is float or double and that of the logits, [N, C] or
// [B, T, C].
template <class T, class M, class R, class Y>
EQUIPOISE_INLINE LossAndGradient softmax_by_kernel(const SoftmaxLoss<M, R>& loss,
                                                   const at::Tensor& logits, const Y& targets,
                                                   const SoftmaxArguments& arguments, bool by_row,
                                                   bool wants_gradient, bool wants_sums) {
  const KernelRows rows(arguments);
  const auto classes = static_cast<std::size_t>(logits.size(-1));
  const Partial own = equipoise::detail::checked_denominators(kSoftmaxLoss, loss, targets, classes,
                                                              rows.attributes);
  const std::vector<double> scales =
      by_row ? std::vector<double>(loss.reduction.buckets(), 1.0)
             : kernel_coefficients(kSoftmaxLoss, loss.reduction, own, arguments);
  equipoise::detail::require_fit<T>(kSoftmaxLoss, loss, targets, rows.attributes, scales);
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
  if (wants_sums) result.sums = to_sums(partial);
  return result;
}

template <class T, class M, class R>
EQUIPOISE_INLINE LossAndGradient softmax_by_kernel(const SoftmaxLoss<M, R>& given,
                                                   const SoftmaxInputs& in, bool by_row,
                                                   bool wants_gradient, bool wants_sums) {
  SoftmaxLoss<M, R> changed;
  const SoftmaxLoss<M, R>* loss = &given;
  if (in.arguments.seesaw_counts.defined()) {
    changed = given;
    changed.seesaw.counts = to_vector(in.arguments.seesaw_counts);
    loss = &changed;
  }
  LossAndGradient result;
  with_kernel_targets<T>(kSoftmaxLoss, *loss, in.targets, in.arguments, in.logits.size(-1),
                         [&](const auto& targets) EQUIPOISE_INLINE_LAMBDA {
                           result = softmax_by_kernel<T>(*loss, in.logits, targets, in.arguments,
                                                         by_row, wants_gradient, wants_sums);
                         });
  return result;
}

// A softmax loss for LossFunction. Logits are [N, C] or [B, T, C], as make_inputs() makes them.
template <class M, class R>
struct SoftmaxProblem {
  SoftmaxLoss<M, R> loss;
  SoftmaxTensors tensors;  // defined where tensor operations need them
  SoftmaxArguments arguments;
  bool by_row = false;
  bool wants_sums = false;

  LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                           bool wants_gradient) const {
    if (!fits_kernel(logits)) {
      return softmax_by_operations(loss, tensors, logits, targets, arguments, by_row,
                                   wants_gradient, wants_sums);
    }
    const SoftmaxInputs in{logits, targets, arguments};
    return logits.scalar_type() == at::kFloat
               ? softmax_by_kernel<float>(loss, in, by_row, wants_gradient, wants_sums)
               : softmax_by_kernel<double>(loss, in, by_row, wants_gradient, wants_sums);
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
    return call_with_sums(loss, tensors, logits, targets, arguments, by_row, false).loss;
  }

  static LossAndSums call_with_sums(const SoftmaxLoss<M, R>& loss, const SoftmaxTensors* tensors,
                                    const at::Tensor& logits, const at::Tensor& targets,
                                    const SoftmaxArguments& arguments, bool by_row,
                                    bool wants_sums) {
    require_softmax_tensors(loss, tensors, logits, targets, arguments);
    SoftmaxInputs in = make_inputs(logits, targets, arguments);
    SoftmaxProblem problem{loss, {}, std::move(in.arguments), by_row, wants_sums};
    if (tensors != nullptr) {
      problem.tensors = *tensors;
      if (arguments.seesaw_counts.defined()) {
        problem.tensors.seesaw_counts = arguments.seesaw_counts.to(compute_type(logits));
      }
    } else if (!fits_kernel(logits)) {
      if (compute_type(logits) == at::kFloat) {
        equipoise::detail::require_constants_fit<float>(kSoftmaxLoss, loss);
      }
      problem.tensors = tensors_of(loss, arguments, in.logits);
    }
    if (!fits_kernel(logits)) problem.require_targets(in.targets, in.logits.size(-1));
    LossAndSums result =
        LossFunction<SoftmaxProblem>::call(std::move(problem), in.logits, in.targets);
    if (by_row) result.loss = in_shape_of_rows(result.loss, logits, class_dim_of(arguments));
    return result;
  }

  // What the kernel's entry checks otherwise; values on the CPU alone.
  void require_targets(const at::Tensor& targets, std::int64_t classes) const {
    const bool needs_index =
        tensors.margin.defined() || tensors.pair_shift.defined() || tensors.seesaw_counts.defined();
    if (needs_index && targets.dim() > 1) {
      reject(kSoftmaxLoss, "targets.dtype()", std::string(targets.dtype().name()),
             "an integer type: margins, pair shifts and Seesaw need index targets");
    }
    if (!targets.device().is_cpu()) return;
    const Partial own = denominators_on_cpu<float>(kSoftmaxLoss, loss, targets, arguments, classes);
    if (by_row) return;
    equipoise::detail::require_coefficients<float>(
        kSoftmaxLoss, loss.reduction,
        kernel_coefficients(kSoftmaxLoss, loss.reduction, own, arguments));
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
/// Logits are N x C, or have more dimensions, and then SoftmaxArguments::class_dim says which one
/// is that of the classes: -1 for tokens as N x T x C, 1 in LibTorch's order N x C x T. Unsaid it
/// is refused: with T = C the wrong one would give a number all the same. Any strides will do.
/// Targets are of an integer type, in the shape of the logits less the dimension of the classes; or
/// they are probabilities, of a floating-point type and in the shape of the logits.
///
/// Float and double on the CPU take the fused kernel, on LibTorch's threads, without a copy of the
/// logits; half types compute in float and give a float loss. On another device everything is
/// tensor operations without synchronisation; this form uploads the constants of the loss on each
/// call, SoftmaxLossModule keeps them there. Second derivatives are right.
///
/// Values:
///  - Targets, weights and groups are checked on the CPU. Elsewhere a target that is no class and
///    not ignored, a negative or infinite probability, or a group or class without a bucket in the
///    reduction makes the loss NaN; check_targets() looks. An ignored row may have any group.
///  - A row whose logits are all -infinity has no softmax and makes the loss NaN, as do NaN and
///    +infinity. A target whose logit alone is -infinity has probability 0 and, with the modulators
///    of this library that are logarithms there, the loss +infinity.
///  - A batch without rows, or all of whose rows are ignored, has the value that
///    SoftmaxLoss::empty_batch says, and a gradient of zeros; so has one without columns,
///    whose class indices all have to be ignored.
///
/// No gradient flows to targets and sample weights: what requires one is refused while autograd
/// records.
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
/// On the CPU values are checked as by the loss. Elsewhere it uploads the weights of the loss and
/// does not synchronise; what a broken target adds is left open, the loss itself is NaN.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <Modulator M, Reduction R>
at::Tensor softmax_denominators(const SoftmaxLoss<M, R>& loss, const at::Tensor& targets,
                                std::int64_t classes, const SoftmaxArguments& arguments = {}) {
  constexpr const char* kWhere = "softmax_denominators";
  detail::require_classification(kWhere, targets, classes, arguments);
  equipoise::detail::require_softmax_loss(kWhere, loss, static_cast<std::size_t>(classes));
  if (detail::needs_groups(loss, nullptr)) detail::require_groups(kWhere, arguments.groups);
  detail::require_buckets(kWhere, loss.reduction, {targets, "targets"}, arguments);
  const at::NoGradGuard no_graph;
  const SoftmaxArguments rows = detail::flat(arguments);
  const at::Tensor flat_targets =
      targets.is_floating_point()
          ? detail::in_memory(targets).movedim(detail::class_dim_of(arguments), -1).flatten(0, -2)
          : detail::flat(targets);
  if (targets.device().is_cpu()) {
    return detail::to_sums(
               detail::denominators_on_cpu<double>(kWhere, loss, flat_targets, rows, classes))
        .select(0, 1);
  }
  const auto options = targets.options().dtype(at::kDouble);
  const detail::TargetTensors target = detail::make_targets(
      loss, detail::make_tensors(loss, options, classes), flat_targets, rows, classes, at::kDouble);
  const auto reduced = detail::reduction_row(target, rows.groups);
  return detail::sum_by_bucket(detail::mass_of_rows(loss.reduction, reduced, target.valid),
                               detail::bucket_rows(loss.reduction, reduced).index,
                               loss.reduction.buckets());
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
  const at::Tensor labels = detail::in_memory(targets).to(at::kCPU, at::kLong).contiguous();
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
