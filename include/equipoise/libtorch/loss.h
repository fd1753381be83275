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
inline bool needs_groups(const equipoise::detail::SoftmaxSettings& loss,
                         const SoftmaxTensors* tensors) {
  return loss.needs_groups() || (tensors != nullptr && groups_of(*tensors) > 0);
}

// Shapes, types and devices: what is known without reading the device.
inline void require_softmax_tensors(const equipoise::detail::SoftmaxSettings& loss,
                                    const SoftmaxTensors* tensors, const at::Tensor& logits,
                                    const at::Tensor& targets, const SoftmaxArguments& arguments) {
  require_classification(kSoftmaxLoss, logits, targets, arguments);
  const std::int64_t classes = logits.size(class_dim_of(arguments));
  require_companion(kSoftmaxLoss, "seesaw_counts", arguments.seesaw_counts, {logits, "logits"},
                    classes, "classes");
  equipoise::detail::require_softmax_loss(kSoftmaxLoss, loss, static_cast<std::size_t>(classes));
  if (needs_groups(loss, tensors)) require_groups(kSoftmaxLoss, arguments.groups);
  require_buckets(kSoftmaxLoss, loss.reduction.buckets(), {logits, "logits"}, arguments);
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
};

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// Calls f(rows) with the rows of a call on the CPU as the core reads them. Targets are [N] or
// [..., C]; T is the type for probabilities.
template <class T, class F>
void with_kernel_rows(const char* where, const equipoise::detail::SoftmaxSettings& loss,
                      const SoftmaxInputs& in, std::int64_t classes, const F& f) {
  using equipoise::detail::AnyTargets;
  const auto count = static_cast<std::size_t>(classes);
  const KernelRows rows(in.arguments);
  if (in.targets.dim() == 1) {
    const at::Tensor labels = flat(in.targets, at::kLong);
    const auto read =
        equipoise::detail::read_targets(where, loss, span_of<std::int64_t>(labels), count);
    return f({loss, AnyTargets::of(read), count, rows.attributes});
  }
  const at::Tensor t = in.targets.to(c10::CppTypeToScalarType<T>::value).flatten(0, -2);
  const at::Tensor mask =
      in.arguments.mask.defined() ? flat(in.arguments.mask.ne(0), at::kByte) : at::Tensor();
  const ProbabilityTargets<T> probabilities{matrix_view<const T>(t), span_of<std::uint8_t>(mask)};
  const auto read = equipoise::detail::read_targets(where, loss, probabilities, count);
  f({loss, AnyTargets::of(read), count, rows.attributes});
}

// Checks everything on the CPU but the logits, which are computed with in type T, and adds up the
// masses.
template <class T>
Partial denominators_on_cpu(const char* where, const equipoise::detail::SoftmaxSettings& loss,
                            const SoftmaxInputs& in, std::int64_t classes) {
  Partial result;
  const auto add_up = [&](const equipoise::detail::SoftmaxTargetRows& rows) {
    result = equipoise::detail::checked_denominators(where, rows);
    equipoise::detail::require_weights_fit<T>(where, rows);
  };
  if (in.targets.scalar_type() == at::kDouble) {
    with_kernel_rows<double>(where, loss, in, classes, add_up);
  } else {
    with_kernel_rows<float>(where, loss, in, classes, add_up);
  }
  return result;
}

// What a call is to compute besides its value.
struct Wanted {
  bool by_row = false;  // in place of the value
  bool gradient = false;
  bool sums = false;
};

// The partial of logits that are [B, T, C] and no matrix.
template <class T>
Partial evaluate_batches(const equipoise::detail::SoftmaxCall<T>& call, const at::Tensor& logits,
                         const at::Tensor& gradient) {
  const auto size = static_cast<std::size_t>(logits.size(1));
  std::vector<Partial> partials(static_cast<std::size_t>(logits.size(0)));
  AtParallelFor{}(partials.size(), [&](std::size_t b) EQUIPOISE_INLINE_LAMBDA {
    const auto index = static_cast<std::int64_t>(b);
    equipoise::detail::SoftmaxCall<T> part{call.rows.part(b * size, size),
                                           call.kernel,
                                           matrix_view<const T>(logits.select(0, index)),
                                           call.coefficients,
                                           {}};
    if (gradient.defined()) part.outputs.gradient = matrix_view<T>(gradient.select(0, index));
    if (!call.outputs.row_losses.empty()) {
      part.outputs.row_losses = call.outputs.row_losses.subspan(b * size, size);
    }
    partials[b] = equipoise::detail::evaluate_checked(
        part, Partial{std::vector<Tally>(call.coefficients.size())}, SerialFor{});
  });
  Partial total;
  for (const Partial& each : partials) total += each;
  return total;
}

// The loss through the fused kernel; T is float or double and that of the logits, [N, C] or
// [B, T, C].
template <class T>
LossAndGradient softmax_by_kernel(const SoftmaxOfTensors& given, const SoftmaxInputs& in,
                                  const Wanted& wanted) {
  Seesaw seesaw = *given.settings.seesaw;
  equipoise::detail::SoftmaxSettings loss = given.settings;
  if (in.arguments.seesaw_counts.defined()) {
    seesaw.counts = to_vector(in.arguments.seesaw_counts);
    loss.seesaw = &seesaw;
  }
  const at::Tensor& logits = in.logits;
  LossAndGradient result;
  const auto evaluate = [&](const equipoise::detail::SoftmaxTargetRows& rows) {
    Partial partial = equipoise::detail::checked_denominators(kSoftmaxLoss, rows);
    const std::vector<double> scales =
        wanted.by_row ? std::vector<double>(loss.reduction.buckets(), 1.0)
                      : kernel_coefficients(kSoftmaxLoss, loss.reduction, partial, in.arguments);
    equipoise::detail::require_fit<T>(kSoftmaxLoss, rows, scales);
    equipoise::detail::SoftmaxCall<T> call{rows, given.kernel<T>(), {}, scales, {}};
    // In the order of the logits, where that saves strides; empty_like() costs more than empty().
    if (wanted.gradient) {
      result.gradient =
          logits.dim() == 2 ? at::empty(logits.sizes(), logits.options()) : at::empty_like(logits);
    }
    if (wanted.by_row) {
      result.loss = at::empty({static_cast<std::int64_t>(rows.size())}, logits.options());
      call.outputs.row_losses = {result.loss.data_ptr<T>(), rows.size()};
    }
    if (logits.dim() == 2) {
      call.logits = matrix_view<const T>(logits);
      if (wanted.gradient) call.outputs.gradient = matrix_view<T>(result.gradient);
      partial = equipoise::detail::evaluate_checked(call, std::move(partial), AtParallelFor{});
    } else {
      partial += evaluate_batches(call, logits, result.gradient);
    }
    if (!wanted.by_row) {
      result.loss = at::empty({}, logits.options());
      *result.loss.data_ptr<T>() =
          static_cast<T>(equipoise::detail::value_of_whole(loss.empty_batch, partial, scales));
    }
    if (wanted.sums) result.sums = to_sums(partial);
  };
  with_kernel_rows<T>(kSoftmaxLoss, loss, in, logits.size(-1), evaluate);
  return result;
}

// A softmax loss for LossFunction. Logits are [N, C] or [B, T, C], as make_inputs() makes them.
struct SoftmaxProblem {
  SoftmaxOfTensors loss;
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
    const Wanted wanted{by_row, wants_gradient, wants_sums};
    return logits.scalar_type() == at::kFloat ? softmax_by_kernel<float>(loss, in, wanted)
                                              : softmax_by_kernel<double>(loss, in, wanted);
  }

  at::Tensor gradient_by_operations(const at::Tensor& logits, const at::Tensor& targets) const {
    return softmax_by_operations(loss, fits_kernel(logits) ? constants_for(logits) : tensors,
                                 logits, targets, arguments, by_row, /*wants_gradient=*/true)
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
      reject(kSoftmaxLoss, "targets.dtype()", std::string(in.targets.dtype().name()),
             "an integer type: margins, pair shifts and Seesaw need index targets");
    }
    if (!in.targets.device().is_cpu()) return;
    const Partial own = denominators_on_cpu<float>(kSoftmaxLoss, loss.settings,
                                                   {{}, in.targets, arguments}, in.logits.size(-1));
    if (by_row) return;
    const auto& reduction = loss.settings.reduction;
    equipoise::detail::require_coefficients<float>(
        kSoftmaxLoss, kernel_coefficients(kSoftmaxLoss, reduction, own, arguments),
        reduction.buckets());
  }
};

inline at::Tensor in_shape_of_rows(const at::Tensor& rows, const at::Tensor& logits,
                                   std::int64_t class_dim) {
  if (logits.dim() == 2) return rows;
  const at::Tensor last = logits.detach().movedim(class_dim, -1);
  return rows.view(last.sizes().slice(0, static_cast<std::size_t>(logits.dim()) - 1));
}

// A loss call. The tensors, where a module holds them, stand for the constants of the loss.
inline LossAndSums call_softmax(SoftmaxOfTensors loss, const SoftmaxTensors* tensors,
                                const at::Tensor& logits, const at::Tensor& targets,
                                const SoftmaxArguments& arguments, const Wanted& wanted) {
  require_softmax_tensors(loss.settings, tensors, logits, targets, arguments);
  SoftmaxInputs in = make_inputs(logits, targets, arguments);
  SoftmaxProblem problem{std::move(loss), {}, std::move(in.arguments), wanted.by_row, wanted.sums};
  if (tensors != nullptr) {
    problem.tensors = *tensors;
    if (arguments.seesaw_counts.defined()) {
      problem.tensors.seesaw_counts = arguments.seesaw_counts.to(compute_type(logits));
    }
  } else if (!fits_kernel(logits)) {
    if (compute_type(logits) == at::kFloat) {
      equipoise::detail::require_constants_fit<float>(kSoftmaxLoss, problem.loss.settings);
    }
    problem.tensors = problem.constants_for(in.logits);
  }
  if (!fits_kernel(logits)) problem.require_targets(in);
  LossAndSums result =
      LossFunction<SoftmaxProblem>::call(std::move(problem), in.logits, in.targets);
  if (wanted.by_row) {
    result.loss = in_shape_of_rows(result.loss, logits, class_dim_of(arguments));
  }
  return result;
}

// The denominators of a call, [K]; everything is on one device and has its shape.
inline at::Tensor softmax_denominators_of(const SoftmaxOfTensors& loss, const SoftmaxInputs& in,
                                          std::int64_t classes) {
  constexpr const char* kWhere = "softmax_denominators";
  if (in.targets.device().is_cpu()) {
    return to_sums(denominators_on_cpu<double>(kWhere, loss.settings, in, classes)).select(0, 1);
  }
  const auto options = in.targets.options().dtype(at::kDouble);
  const TargetTensors target =
      make_targets(loss.settings, make_tensors(loss.settings, options, classes), in.targets,
                   in.arguments, classes, at::kDouble);
  const auto reduced = reduction_row(target, in.arguments.groups);
  return sum_by_bucket(loss.reduction.mass_of_rows(reduced, target.valid),
                       loss.reduction.bucket_rows(reduced).index, loss.reduction.buckets());
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

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
EQUIPOISE_INLINE at::Tensor softmax_loss(const at::Tensor& logits, const at::Tensor& targets,
                                         const SoftmaxLoss<M, R>& loss,
                                         const SoftmaxArguments& arguments = {}) {
  return detail::call_softmax(detail::softmax_of_tensors(loss), nullptr, logits, targets, arguments,
                              {})
      .loss;
}

/// The same for each row, before the reduction: a tensor in the shape of index targets, 0 where
/// ignored.
template <Modulator M, Reduction R>
EQUIPOISE_INLINE at::Tensor softmax_row_losses(const at::Tensor& logits, const at::Tensor& targets,
                                               const SoftmaxLoss<M, R>& loss,
                                               const SoftmaxArguments& arguments = {}) {
  return detail::call_softmax(detail::softmax_of_tensors(loss), nullptr, logits, targets, arguments,
                              {.by_row = true})
      .loss;
}

/// What the reduction divides by, from targets and weights alone: [K] of double on their device.
/// Sum it over micro-batches with + and over ranks, and pass it as SoftmaxArguments::denominators.
/// On the CPU values are checked as by the loss. Elsewhere it uploads the weights of the loss and
/// does not synchronise; what a broken target adds is left open, the loss itself is NaN.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit.
template <Modulator M, Reduction R>
EQUIPOISE_INLINE at::Tensor softmax_denominators(const SoftmaxLoss<M, R>& loss,
                                                 const at::Tensor& targets, std::int64_t classes,
                                                 const SoftmaxArguments& arguments = {}) {
  constexpr const char* kWhere = "softmax_denominators";
  detail::require_classification(kWhere, targets, classes, arguments);
  const auto erased = detail::softmax_of_tensors(loss);
  equipoise::detail::require_softmax_loss(kWhere, erased.settings,
                                          static_cast<std::size_t>(classes));
  if (detail::needs_groups(erased.settings, nullptr)) {
    detail::require_groups(kWhere, arguments.groups);
  }
  detail::require_buckets(kWhere, erased.reduction.buckets(), {targets, "targets"}, arguments);
  const at::NoGradGuard no_graph;
  const at::Tensor rows =
      targets.is_floating_point()
          ? detail::in_memory(targets).movedim(detail::class_dim_of(arguments), -1).flatten(0, -2)
          : detail::flat(targets);
  return detail::softmax_denominators_of(erased, {{}, rows, detail::flat(arguments)}, classes);
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
