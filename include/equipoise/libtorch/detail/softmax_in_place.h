// Softmax losses without a graph: by a device's own kernels, or by tensor operations in as little
// memory as may be.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_IN_PLACE_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_IN_PLACE_H_

#include <ATen/core/Reduction.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/fmin.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/nll_loss_forward.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/parts.h"
#include "equipoise/libtorch/detail/softmax_of_tensors.h"
#include "equipoise/libtorch/detail/softmax_operations.h"
#include "equipoise/libtorch/detail/softmax_targets.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch::detail {

// Whether softmax_in_place() takes a loss: the target's probability alone, or cross-entropy with
// distributions as targets, or with a smoothing that is the same for all classes.
inline bool fits_in_place(const SoftmaxOfTensors& loss, const SoftmaxTensors& tensors,
                          const TargetTensors& target) {
  if (target.by_class.defined()) {
    return loss.is_cross_entropy && loss.settings.label_smoothing == 0;
  }
  if (loss.settings.label_smoothing == 0) return true;
  const bool by_class =
      loss.settings.convention == WeightConvention::kTorch && tensors.class_weights.defined();
  return loss.is_cross_entropy && !by_class;
}

// The losses of rows [N], and what makes their gradient: with p the softmax of row i and y its
// target, pull[i] (p_c - [c = y]) + smoothing[i] (1 - C p_c). For distributions by_class it is
// outer[i] (p_c sum_k by_class_ik - by_class_ic), pull[i] being outer[i] times that sum.
struct RowsInPlace {
  at::Tensor losses;
  at::Tensor pull;
  at::Tensor smoothing;  // not above 0; undefined: none
};

// A call that is computed in place.
struct CallInPlace {
  const SoftmaxOfTensors& loss;
  const SoftmaxTensors& tensors;
  const LossArguments& arguments;
  const Wanted& wanted;
};

inline RowsInPlace distributions_in_place(const SoftmaxOfTensors& loss, const TargetTensors& target,
                                          const at::Tensor& log_p) {
  const at::Tensor zero = at::zeros({}, log_p.options());
  at::Tensor products = target.by_class * log_p;
  // A weight of 0 times an infinite log p is NaN and should be 0; NaN logits make NaN of all log p.
  at::fmin_out(products, products, zero);
  const at::Tensor sums =
      products.sum(1).masked_fill_(log_p.select(1, 0).isnan(), equipoise::detail::quiet_nan());
  RowsInPlace rows;
  rows.losses = at::addcmul(zero, sums, target.outer, -1);
  rows.pull = loss.settings.convention == WeightConvention::kConsistent
                  ? target.weight
                  : target.outer * target.by_class.sum(1);
  return rows;
}

// -log p of the targets, [N].
inline at::Tensor own_losses(const at::Tensor& log_p, const at::Tensor& index,
                             at::IntArrayRef column) {
  if (log_p.dim() > 2) return log_p.gather(1, index.view(column)).flatten().neg_();
  return std::get<0>(at::nll_loss_forward(log_p, index, {}, at::Reduction::None, kIgnoreIndex));
}

// Whether the losses of cross-entropy are those of LibTorch's operation with the weights of
// classes: nothing else weighs rows, those that do not count have a log p of 0, and an invalid
// target shows in the denominator.
inline bool is_weighted_nll(const CallInPlace& call, const at::Tensor& log_p) {
  const SoftmaxOfTensors& loss = call.loss;
  return loss.is_cross_entropy && loss.settings.label_smoothing == 0 && log_p.dim() == 2 &&
         call.tensors.class_weights.defined() && !call.tensors.group_weights.defined() &&
         !call.arguments.sample_weights.defined() && !call.arguments.denominators.defined() &&
         loss.reduction.is_plain_mean && loss.reduction.mass == kernels::RowMass::kWeight &&
         call.wanted.gradient && !call.wanted.unreduced && !call.wanted.sums;
}

// The same of index targets.
inline RowsInPlace indices_in_place(const CallInPlace& call, const TargetTensors& target,
                                    const at::Tensor& log_p, at::IntArrayRef column) {
  const double smoothing = call.loss.settings.label_smoothing;
  at::Tensor losses =
      call.wanted.unreduced ? at::empty_like(target.weight) : target.tally.select(0, 0);
  if (is_weighted_nll(call, log_p)) {
    at::Tensor total = at::empty({}, log_p.options());
    at::nll_loss_forward_out(losses, total, log_p, target.index, call.tensors.class_weights,
                             at::Reduction::None, kIgnoreIndex);
    return {losses, target.weight, {}};
  }
  const at::Tensor own = own_losses(log_p, target.index, column);
  if (smoothing > 0) {
    const at::Tensor pull = target.weight * (1 - smoothing);
    const at::Tensor soft = target.weight * (-smoothing / static_cast<double>(log_p.size(1)));
    at::addcmul_out(losses, soft * log_p.sum(1).flatten(), pull, own);
    return {losses, pull, soft};
  }
  if (call.loss.is_cross_entropy) {
    at::mul_out(losses, target.weight, own);
    return {losses, target.weight, {}};
  }
  const at::Tensor log_own = own.neg();
  const ValueAndSlope<at::Tensor> modulated = call.loss.modulator(
      TargetProbability<at::Tensor>{log_own, log_own.exp(), log_own.expm1().neg()});
  at::mul_out(losses, target.weight, modulated.value);
  return {losses, (target.weight * modulated.slope).neg_(), {}};
}

// Whether log p of idle rows, NaN perhaps, is 0, so that their gradient is.
inline bool is_masked(const RowsOfTensors& in, const Wanted& wanted) {
  return wanted.gradient && !in.target.by_class.defined();
}

// Numbers of rows lie beside log p, whose classes are dimension 1, in the shape `column`.
inline RowsInPlace rows_in_place(const CallInPlace& call, const RowsOfTensors& in,
                                 const at::Tensor& log_p, at::IntArrayRef column) {
  const bool is_cross_entropy = call.loss.is_cross_entropy;
  const bool by_index = !in.target.by_class.defined();
  const bool masked = is_masked(in, call.wanted);
  RowsInPlace rows = by_index ? indices_in_place(call, in.target, log_p, column)
                              : distributions_in_place(call.loss, in.target, log_p);
  // A modulator may give what is not finite where the weight is 0; cross-entropy does not.
  if (!masked || !is_cross_entropy) rows.losses.masked_fill_(in.idle, 0.0);
  if (!is_cross_entropy) rows.pull.masked_fill_(in.idle, 0.0);
  if (in.outside.defined()) {
    rows.losses.masked_fill_(in.outside, equipoise::detail::quiet_nan());
  }
  return rows;
}

// Subtracts 1 in each row's column, dimension 1.
inline void subtract_one_hot(const at::Tensor& column, const at::Tensor& matrix) {
  if (is_deterministic()) {
    matrix.scatter_(1, column, matrix.gather(1, column).sub_(1));
  } else {
    matrix.scatter_(1, column, -1, "add");
  }
}

// What makes the gradient of log p: in the shape `column`, distributions [N, C].
struct PullsInPlace {
  at::Tensor pull{};
  at::Tensor smoothing{};
  at::Tensor index{};
  at::Tensor by_class{};
  at::Tensor outer{};
  at::Tensor idle{};

  PullsInPlace of(const RowPart& part) const {
    return {part.of(pull),     part.of(smoothing), part.of(index),
            part.of(by_class), part.of(outer),     part.of(idle)};
  }
};

// Log p becomes the gradient, in its memory or in that of `result`.
inline void log_p_to_gradient(const PullsInPlace& rows, at::Tensor gradient, at::Tensor result) {
  gradient.exp_();
  if (rows.by_class.defined()) {
    gradient.mul_(rows.pull).addcmul_(rows.by_class, rows.outer, -1).masked_fill_(rows.idle, 0.0);
  } else if (!rows.smoothing.defined()) {
    subtract_one_hot(rows.index, gradient);
    at::mul_out(result, gradient, rows.pull);
  } else {
    const auto classes = static_cast<double>(gradient.size(1));
    at::addcmul_out(gradient, rows.smoothing, gradient, rows.pull - rows.smoothing * classes);
    if (is_deterministic()) {
      gradient.scatter_(1, rows.index, gradient.gather(1, rows.index).sub_(rows.pull));
    } else {
      gradient.scatter_add_(1, rows.index, rows.pull.neg());
    }
  }
}

// The gradient of rows_in_place() in the memory of log p, or in another type, times a factor [] or
// of rows in the shape `column`. What the logits of idle rows are, NaN perhaps, does not matter.
inline at::Tensor gradient_in_place(const RowsInPlace& rows, const RowsOfTensors& in,
                                    const at::Tensor& factor, at::IntArrayRef column,
                                    const at::Tensor& log_p, at::ScalarType type) {
  PullsInPlace pulls{.pull = rows.pull.view(column) * factor};
  if (in.target.by_class.defined()) {
    pulls.by_class = in.target.by_class;
    pulls.outer = in.target.outer.view(column) * factor;
    pulls.idle = in.idle.view(column);
  } else {
    pulls.index = in.target.index.view(column);
    if (rows.smoothing.defined()) pulls.smoothing = rows.smoothing.view(column) * factor;
  }
  const bool is_product = pulls.index.defined() && !pulls.smoothing.defined();
  const at::Tensor result = is_product && type != log_p.scalar_type()
                                ? at::empty(log_p.sizes(), log_p.options().dtype(type))
                                : log_p;
  for_each_part_in_cache(log_p, [&](const RowPart& part) {
    log_p_to_gradient(pulls.of(part), part.of(log_p), part.of(result));
  });
  return result;
}

// Whether the device's own kernels take a call.
inline bool fits_device(const SoftmaxOfTensors& loss, const SoftmaxTensors& tensors,
                        const at::Tensor& logits, const RowsOfTensors& in) {
  const auto by_class = [](const at::Tensor& terms) {
    return !terms.defined() || terms.dim() == 1;
  };
  return loss.device != nullptr && logits.device().is_cuda() &&
         is_device_type(logits.scalar_type()) && is_single(loss.settings, in.target) &&
         !tensors.pair_shift.defined() && !tensors.seesaw_counts.defined() &&
         by_class(tensors.scale) && by_class(tensors.shift) && by_class(tensors.margin);
}

// Terms of all classes as kernels read them.
inline at::Tensor dense_terms(const char* where, const char* name, const at::Tensor& terms,
                              std::int64_t classes) {
  if (!terms.defined()) return terms;
  if (terms.numel() != classes) {
    reject(where, std::string(name) + ".numel()", terms.numel(), std::to_string(classes));
  }
  return terms.to(at::kFloat).contiguous();
}

// The loss by the device's own kernels: three passes, and three numbers a row are kept.
inline LossAndGradient softmax_on_device(const SoftmaxOfTensors& loss,
                                         const SoftmaxTensors& tensors, const at::Tensor& logits,
                                         const LossArguments& arguments, const Wanted& wanted,
                                         const RowsOfTensors& in) {
  const std::int64_t classes = logits.size(-1);
  const RowsOnDevice rows{logits.flatten(0, -2).contiguous(),
                          in.target.index,
                          in.target.weight.to(at::kFloat),
                          dense_terms(loss.where, "scale", tensors.scale, classes),
                          dense_terms(loss.where, "shift", tensors.shift, classes),
                          dense_terms(loss.where, "margin", tensors.margin, classes)};
  const at::Tensor found = loss.device->rows(loss.in_float.modulator, rows);
  at::Tensor losses = found.select(0, 0).masked_fill(in.idle, 0.0);
  if (in.outside.defined()) losses.masked_fill_(in.outside, equipoise::detail::quiet_nan());
  const at::Tensor slopes = found.select(0, 1).masked_fill(in.idle, 0.0);
  ReducedLosses reduced = reduce_losses(loss, in, losses, arguments, wanted);
  if (!wanted.gradient) return reduced.result;
  LossAndGradient result = std::exchange(reduced.result, {});
  result.make_gradient = [device = loss.device, rows, slopes, log_sums = found.narrow(0, 2, 2),
                          reduced = std::move(reduced), sizes = logits.sizes().vec()](
                             const at::Tensor& upstream, at::ScalarType) {
    const at::Tensor each = upstream.dim() == 0 ? upstream : upstream.reshape({-1});
    const at::Tensor factor = reduced.factor(each).to(at::kFloat);
    return device->gradient(rows, (slopes * factor).contiguous(), log_sums).view(sizes);
  };
  return result;
}

// Whether logits [B, T, C] lie in memory as [B, C, T], and may be read so: as rows one after the
// other they would have to be copied.
inline bool lie_by_plane(const SoftmaxTensors& tensors, const TargetTensors& target,
                         const at::Tensor& logits) {
  return logits.dim() == 3 && !has_terms(tensors) && !target.by_class.defined() &&
         logits.transpose(1, 2).is_contiguous();
}

// Some of the rows' targets, as far as terms of logits go by them.
inline TargetTensors part_of(const RowPart& part, const TargetTensors& target) {
  TargetTensors result{};
  result.index = part.of(target.index);
  result.group = part.of(target.group);
  return result;
}

// In how many parts terms are applied: small calls, which wait for launches, go in one.
inline std::int64_t parts_of_terms(const at::Tensor& z) {
  constexpr std::int64_t kSmall = std::int64_t{1} << 20;
  return z.numel() > kSmall ? 16 : 1;
}

// The gradient of rows times the scale of all rows, or of their groups, in place.
inline void multiply_by_scale(const at::Tensor& scale, const at::Tensor& group,
                              at::Tensor& gradient) {
  if (scale.dim() == 1) {
    gradient.mul_(scale);
    return;
  }
  for_each_part(
      gradient.size(0), gradient.size(1),
      [&](const RowPart& part) { part.of(gradient).mul_(rows_of_terms(scale, part.of(group))); },
      parts_of_terms(gradient));
}

// log p of rows [N, C] or planes [B, C, T], with the terms of the logits of rows, 0 where `idle` is
// defined and says so. Some rows at a time, so that what is computed on the way takes little
// memory.
inline at::Tensor log_softmax_in_parts(const SoftmaxOfTensors& loss, const SoftmaxTensors& tensors,
                                       const TargetTensors& target, const at::Tensor& z,
                                       const at::Tensor& idle, at::ScalarType type) {
  const bool with_terms = has_terms(tensors);
  if (!with_terms && !z.device().is_cpu()) {
    at::Tensor log_p = at::log_softmax(z, 1, type);
    return idle.defined() ? log_p.masked_fill_(idle, 0.0) : log_p;
  }
  at::Tensor log_p = at::empty(z.sizes(), z.options().dtype(type));
  const auto write_part = [&](const RowPart& part) {
    at::Tensor a = part.of(z).to(type);
    if (with_terms) a = apply_terms(*loss.settings.seesaw, tensors, part_of(part, target), a);
    at::Tensor out = part.of(log_p);
    at::_log_softmax_out(out, a, 1, /*half_to_float=*/false);
    if (idle.defined()) out.masked_fill_(part.of(idle), 0.0);
  };
  for_each_part_in_cache(z, write_part, with_terms ? parts_of_terms(z) : 1);
  return log_p;
}

// The same without a graph, in as little memory as may be: log p is kept, and becomes the gradient
// in place.
inline LossAndGradient softmax_in_place(const SoftmaxOfTensors& loss, const SoftmaxTensors& tensors,
                                        const at::Tensor& logits, const at::Tensor& targets,
                                        const LossArguments& arguments, const Wanted& wanted) {
  const RowsOfTensors in = read_rows(loss, tensors, logits, targets, arguments);
  if (logits.size(-1) == 0 || !fits_in_place(loss, tensors, in.target)) {
    return softmax_by_operations(loss, tensors, logits, arguments, wanted, in);
  }
  const bool by_plane = lie_by_plane(tensors, in.target, logits);
  if (!by_plane && fits_device(loss, tensors, logits, in)) {
    return softmax_on_device(loss, tensors, logits, arguments, wanted, in);
  }
  const at::ScalarType type = compute_type(logits);
  const at::Tensor z = by_plane ? logits.transpose(1, 2) : logits.flatten(0, -2);
  const std::vector<std::int64_t> column = by_plane
                                               ? std::vector<std::int64_t>{z.size(0), 1, z.size(2)}
                                               : std::vector<std::int64_t>{z.size(0), 1};
  const at::Tensor idle = is_masked(in, wanted) ? in.idle.view(column) : at::Tensor();
  const at::Tensor log_p = log_softmax_in_parts(loss, tensors, in.target, z, idle, type);
  const RowsInPlace rows = rows_in_place({loss, tensors, arguments, wanted}, in, log_p, column);
  ReducedLosses reduced = reduce_losses(loss, in, rows.losses, arguments, wanted);
  LossAndGradient result = std::exchange(reduced.result, {});
  if (!wanted.gradient) return result;
  if (reduced.coefficients.defined() && reduced.coefficients.dim() > 0) {
    reduced.coefficients = reduced.coefficients.to(type).view(column);
  }
  result.make_gradient = [log_p, rows, in, reduced = std::move(reduced), scale = tensors.scale,
                          column, by_plane, sizes = logits.sizes().vec()](
                             const at::Tensor& upstream, at::ScalarType wanted_type) {
    const at::Tensor factor =
        reduced.factor(upstream.dim() == 0 ? upstream : upstream.reshape(column));
    at::Tensor gradient = gradient_in_place(rows, in, factor, column, log_p,
                                            scale.defined() ? log_p.scalar_type() : wanted_type);
    if (scale.defined()) multiply_by_scale(scale, in.target.group, gradient);
    return by_plane ? gradient.transpose(1, 2) : gradient.view(sizes);
  };
  return result;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_IN_PLACE_H_
