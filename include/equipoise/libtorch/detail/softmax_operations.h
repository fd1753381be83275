// Softmax losses by tensor operations alone: any device, no synchronisation, twice differentiable.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OPERATIONS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OPERATIONS_H_

#include <ATen/Context.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/addcmul.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "equipoise/kernels/softmax_driver.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/softmax_of_tensors.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch::detail {

// Everything about the targets that tensor operations need, on the device.
struct TargetTensors {
  at::Tensor valid;     // [N] bool: not ignored
  at::Tensor broken;    // [N] bool: not ignored and not a target
  at::Tensor index;     // [N] int64, always a class
  at::Tensor group;     // [N] int64, always a group; undefined where the loss has none
  at::Tensor outer;     // [N]: sample weight times group weight, 0 where ignored; bool if 0 or 1
  at::Tensor weight;    // [N]: the weight that the reduction sees, 0 where ignored
  at::Tensor by_class;  // [N, C]: class weight times probability; undefined for indices
};

// How many groups the tensors tell apart; 0: none of them goes by group.
inline std::int64_t groups_of(const SoftmaxTensors& tensors) {
  if (tensors.group_weights.defined()) return tensors.group_weights.size(0);
  for (const at::Tensor* terms : {&tensors.scale, &tensors.shift, &tensors.margin}) {
    if (terms->defined() && terms->dim() == 2) return terms->size(0);
  }
  return 0;
}

// Which rows of t have a number that is negative, infinite or NaN.
inline at::Tensor is_no_distribution(const at::Tensor& t) {
  const auto [least, largest] = at::aminmax(t, 1);
  return least.ge(0).bitwise_and_(largest.lt(equipoise::detail::infinity())).bitwise_not_();
}

inline TargetTensors make_targets(const kernels::SoftmaxSettings& loss,
                                  const SoftmaxTensors& tensors, const at::Tensor& targets,
                                  const LossArguments& arguments, std::int64_t classes,
                                  at::ScalarType type) {
  TargetTensors result;
  const bool by_index = targets.dim() == 1;
  if (by_index) {
    const at::Tensor labels = targets.to(at::kLong);
    result.valid = labels.ne(loss.ignore_index);
    result.index = labels.clamp(0, std::max<std::int64_t>(classes - 1, 0));
    result.broken = classes == 0 ? at::ones_like(labels, at::kBool) : result.index.ne(labels);
  } else {
    const at::Tensor t = targets.to(type);
    const auto flags = t.options().dtype(at::kBool);
    // A distribution over no classes is no target: the row counts as ignored.
    result.valid = classes == 0               ? at::zeros({t.size(0)}, flags)
                   : arguments.mask.defined() ? arguments.mask.ne(0)
                                              : at::ones({t.size(0)}, flags);
    const at::Tensor no_class = at::zeros({t.size(0)}, t.options().dtype(at::kLong));
    result.broken = classes == 0 ? at::zeros({t.size(0)}, flags) : is_no_distribution(t);
    // The likeliest class is what a reduction by class goes by.
    const bool looks_at_class =
        loss.reduction.buckets() != 1 || loss.reduction.mass() == kernels::RowMass::kUnknown;
    result.index = classes == 0 || !looks_at_class ? no_class : t.argmax(1);
    result.by_class = tensors.class_weights.defined() ? t * tensors.class_weights : t;
  }
  result.outer =
      arguments.sample_weights.defined()
          ? arguments.sample_weights.to(type).masked_fill(result.valid.bitwise_not(), 0.0)
      : by_index && tensors.class_weights.defined() ? result.valid  // a factor of what has the type
                                                    : result.valid.to(type);
  if (const std::int64_t groups = groups_of(tensors); groups > 0) {
    result.group = arguments.groups.to(at::kLong).clamp(0, groups - 1);
    result.broken = result.broken.bitwise_or(arguments.groups.ne(result.group));
    if (tensors.group_weights.defined()) {
      result.outer = result.outer * tensors.group_weights.gather(0, result.group);
    }
  }
  result.broken.bitwise_and_(result.valid);
  result.weight = result.outer;
  if (by_index && tensors.class_weights.defined()) {
    result.weight = result.weight * tensors.class_weights.gather(0, result.index);
  } else if (!by_index && loss.convention == WeightConvention::kConsistent) {
    result.weight =
        (result.weight * result.by_class.sum(1)).masked_fill_(result.valid.bitwise_not(), 0.0);
  }
  return result;
}

// The rows as a reduction sees them.
inline ReductionRow<at::Tensor, at::Tensor> reduction_row(const TargetTensors& targets,
                                                          const at::Tensor& groups) {
  return {targets.index, targets.weight,
          groups.defined() ? groups.to(at::kLong) : at::zeros_like(targets.index),
          at::ones_like(targets.weight)};
}

// Rows of a table [K, C], one for each index. (LibTorch 1.13 has no index_select on meta tensors.)
inline at::Tensor table_rows(const at::Tensor& table, const at::Tensor& index) {
  return table.gather(0, index.unsqueeze(1).expand({index.size(0), table.size(1)}));
}

// The terms of each row's group, [N, C], or of all rows, [C].
inline at::Tensor rows_of_terms(const at::Tensor& terms, const at::Tensor& group) {
  return terms.dim() == 2 ? table_rows(terms, group) : terms;
}

// log(M_yc K_yc), a constant of the gradient; see equipoise::Seesaw.
inline at::Tensor seesaw_shift(const Seesaw& seesaw, const at::Tensor& counts, const at::Tensor& a,
                               const at::Tensor& column) {
  const at::Tensor log_counts = counts.clamp_min(1.0).log();
  const at::Tensor rarer =
      log_counts.unsqueeze(0) - log_counts.gather(0, column.squeeze(1)).unsqueeze(1);
  const at::Tensor log_p = at::log_softmax(a.detach(), 1);
  const at::Tensor surer =
      log_p - log_p.gather(1, column).clamp_min(std::log(seesaw.least_probability));
  return (rarer.clamp_max(0.0) * seesaw.mitigation + surer.clamp_min(0.0) * seesaw.compensation)
      .scatter(1, column, 0.0);
}

// Whether to do without what LibTorch 1.13 refuses then, the sums of scatter_add() in matrices,
// although these add to each place but once.
inline bool is_deterministic() { return at::globalContext().deterministicAlgorithms(); }

inline bool has_terms(const SoftmaxTensors& tensors) {
  return tensors.scale.defined() || tensors.shift.defined() || tensors.margin.defined() ||
         tensors.pair_shift.defined() || tensors.seesaw_counts.defined();
}

// What the softmax is taken of.
inline at::Tensor apply_terms(const Seesaw& seesaw, const SoftmaxTensors& tensors,
                              const TargetTensors& target, const at::Tensor& z) {
  const at::Tensor column = target.index.unsqueeze(1);
  at::Tensor a = z;
  if (tensors.scale.defined()) a = a * rows_of_terms(tensors.scale, target.group);
  if (tensors.shift.defined()) a = a + rows_of_terms(tensors.shift, target.group);
  if (tensors.margin.defined()) {
    const at::Tensor margin = tensors.margin.dim() == 2
                                  ? rows_of_terms(tensors.margin, target.group).gather(1, column)
                                  : tensors.margin.gather(0, target.index).unsqueeze(1);
    a = is_deterministic() ? a - at::zeros_like(a).scatter(1, column, margin)
                           : a.scatter_add(1, column, margin.neg());
  }
  if (tensors.pair_shift.defined()) a = a + table_rows(tensors.pair_shift, target.index);
  if (tensors.seesaw_counts.defined()) {
    a = a + seesaw_shift(seesaw, tensors.seesaw_counts, a, column);
  }
  return a;
}

// The losses of rows [N] and, if wanted, their derivatives with respect to each log p_c, [N, C].
struct RowsAndSlopes {
  at::Tensor losses;
  at::Tensor slopes;
};

// Indices without smoothing look at the target's probability alone.
inline RowsAndSlopes rows_of_indices(const SoftmaxOfTensors& loss, const TargetTensors& target,
                                     const at::Tensor& log_p, bool wants_slopes) {
  const at::Tensor column = target.index.unsqueeze(1);
  const at::Tensor own = log_p.gather(1, column).squeeze(1);
  const ValueAndSlope<at::Tensor> result =
      loss.modulator(TargetProbability<at::Tensor>{own, own.exp(), own.expm1().neg()});
  RowsAndSlopes rows{target.weight * result.value, {}};
  if (wants_slopes) {
    rows.slopes =
        at::zeros_like(log_p).scatter(1, column, (target.weight * result.slope).unsqueeze(1));
  }
  return rows;
}

// Any targets: each class through the modulator, with its weight in the target.
inline RowsAndSlopes rows_of_distributions(const SoftmaxOfTensors& loss,
                                           const SoftmaxTensors& tensors,
                                           const TargetTensors& target, const at::Tensor& log_p,
                                           bool wants_slopes) {
  const double smoothing = loss.settings.label_smoothing;
  const double hard = 1.0 - smoothing;
  const at::Tensor column = target.index.unsqueeze(1);
  at::Tensor weights =
      target.by_class.defined()
          ? target.by_class * (target.outer * hard).unsqueeze(1)
          : at::zeros_like(log_p).scatter(1, column, (target.weight * hard).unsqueeze(1));
  if (smoothing > 0) {
    const bool as_torch = loss.settings.convention == WeightConvention::kTorch;
    at::Tensor soft = (as_torch ? target.outer.to(log_p.scalar_type()) : target.weight)
                          .mul(smoothing / static_cast<double>(log_p.size(1)))
                          .unsqueeze(1);
    if (as_torch && tensors.class_weights.defined()) soft = soft * tensors.class_weights;
    weights = weights + soft;
  }
  const ValueAndSlope<at::Tensor> result =
      loss.modulator(TargetProbability<at::Tensor>{log_p, log_p.exp(), log_p.expm1().neg()});
  // A class of weight zero adds nothing, whatever its (perhaps infinite) value.
  const at::Tensor none = weights.eq(0);
  RowsAndSlopes rows{(weights * result.value).masked_fill(none, 0.0).sum(1), {}};
  if (wants_slopes) rows.slopes = (weights * result.slope).masked_fill(none, 0.0);
  return rows;
}

// Whether the target's probability alone makes the loss of a row.
inline bool is_single(const kernels::SoftmaxSettings& loss, const TargetTensors& target) {
  return !target.by_class.defined() && loss.label_smoothing == 0;
}

// The rows that add nothing whatever their logits are: those ignored, and those of weight zero.
inline at::Tensor idle_rows(const kernels::SoftmaxSettings& loss, const TargetTensors& target) {
  const bool by_outer = target.by_class.defined() ||
                        (loss.label_smoothing > 0 && loss.convention == WeightConvention::kTorch);
  return (by_outer ? target.outer : target.weight).eq(0);
}

// All about the rows of a call but their logits.
struct RowsOfTensors {
  TargetTensors target;
  ReductionRow<at::Tensor, at::Tensor> reduced;  // where the reduction has to be asked
  RowBuckets buckets;
  at::Tensor broken;  // [N] bool: makes the loss NaN
  at::Tensor idle;    // [N] bool: adds nothing
};

// Targets are [N] or [..., C], arguments [N].
inline RowsOfTensors read_rows(const SoftmaxOfTensors& loss, const SoftmaxTensors& tensors,
                               const at::Tensor& logits, const at::Tensor& targets,
                               const LossArguments& arguments) {
  const at::Tensor flat_targets = targets.dim() == 1 ? targets : targets.flatten(0, -2);
  RowsOfTensors rows{make_targets(loss.settings, tensors, flat_targets, arguments, logits.size(-1),
                                  compute_type(logits)),
                     {},
                     {},
                     {},
                     {}};
  if (loss.reduction.has_buckets() || loss.reduction.mass == kernels::RowMass::kUnknown) {
    rows.reduced = reduction_row(rows.target, arguments.groups);
    rows.buckets = loss.reduction.bucket_rows(rows.reduced);
  }
  rows.broken = rows.target.broken;
  if (rows.buckets.outside.defined()) {
    rows.broken = rows.broken.bitwise_or(rows.buckets.outside.bitwise_and(rows.target.valid));
  }
  rows.idle = idle_rows(loss.settings, rows.target);
  return rows;
}

// Numbers of rows, or one of all, beside matrices of rows.
inline at::Tensor as_column(const at::Tensor& numbers) {
  return numbers.dim() == 0 ? numbers : numbers.unsqueeze(1);
}

// What the losses of rows come to.
struct ReducedLosses {
  LossAndGradient result;   // without a gradient
  at::Tensor coefficients;  // [N], or [] where all rows have one; undefined if unreduced
};

// What rows add to the denominators.
inline at::Tensor masses_of_rows(const TensorReduction& reduction, const RowsOfTensors& rows) {
  switch (rows.reduced.weight.defined() ? kernels::RowMass::kUnknown : reduction.mass) {
    case kernels::RowMass::kOne:
    case kernels::RowMass::kPositive:  // one a row
      return rows.target.valid;
    case kernels::RowMass::kWeight:
      return rows.target.weight;
    case kernels::RowMass::kUnknown:
      break;
  }
  return reduction.mass_of_rows(rows.reduced, rows.target.valid);
}

inline ReducedLosses reduce_losses(const SoftmaxOfTensors& loss, const RowsOfTensors& rows,
                                   const at::Tensor& row_losses, const LossArguments& arguments,
                                   const Wanted& wanted) {
  ReducedLosses reduced{{row_losses, {}}, {}};
  const auto sum = [&](const at::Tensor& numbers) {
    return sum_by_bucket(numbers, rows.buckets.index, loss.reduction.buckets());
  };
  at::Tensor denominators = arguments.denominators;
  if (wanted.sums || (!wanted.unreduced && !denominators.defined())) {
    const at::Tensor own = sum(masses_of_rows(loss.reduction, rows));
    if (!denominators.defined()) denominators = own;
    if (wanted.sums) {
      reduced.result.sums = at::stack({sum(row_losses.detach()), own, sum(rows.target.valid)});
    }
  }
  if (wanted.unreduced) return reduced;
  const at::Tensor scales = loss.reduction.coefficient_tensor(denominators, arguments.shares);
  const at::ScalarType type = row_losses.scalar_type();
  if (!rows.buckets.index.defined()) {
    reduced.coefficients = scales.reshape({});
    reduced.result.loss = (reduced.coefficients * sum_of(row_losses).squeeze(0)).to(type);
  } else {
    reduced.coefficients = loss.reduction.buckets() == 0 ? at::zeros_like(row_losses)
                                                         : scales.gather(0, rows.buckets.index);
    reduced.result.loss =
        (reduced.coefficients * row_losses.to(sum_type(row_losses.device()))).sum().to(type);
  }
  if (loss.settings.empty_batch == EmptyBatch::kNaN && !loss.reduction.is_sum) {
    reduced.result.loss =
        reduced.result.loss.masked_fill(denominators.sum().le(0), equipoise::detail::quiet_nan());
  }
  return reduced;
}

// The loss by tensor operations that a graph may follow: differentiable with respect to the logits
// in the value and, because slopes are written in the same operations, in the gradient as well.
// Logits are [..., C].
inline LossAndGradient softmax_by_operations(const SoftmaxOfTensors& loss,
                                             const SoftmaxTensors& tensors,
                                             const at::Tensor& logits,
                                             const LossArguments& arguments, const Wanted& wanted,
                                             RowsOfTensors in) {
  const std::int64_t classes = logits.size(-1);
  const at::ScalarType type = compute_type(logits);
  at::Tensor z = logits.to(type).flatten(0, -2);
  TargetTensors& target = in.target;
  // Where the gradient has a gradient, what idle rows hold must not get into it.
  if (logits.requires_grad()) {
    z = z.masked_fill(in.idle.unsqueeze(1), 0.0);
    if (target.by_class.defined()) {
      target.by_class = target.by_class.masked_fill(in.idle.unsqueeze(1), 0.0);
    }
  }
  const at::Tensor a = classes == 0 ? z : apply_terms(*loss.settings.seesaw, tensors, target, z);
  const at::Tensor log_p = at::log_softmax(a, 1);
  const RowsAndSlopes rows =
      classes == 0 ? RowsAndSlopes{z.sum(1), z}
      : is_single(loss.settings, target)
          ? rows_of_indices(loss, target, log_p, wanted.gradient)
          : rows_of_distributions(loss, tensors, target, log_p, wanted.gradient);
  const at::Tensor row_losses =
      rows.losses.masked_fill(in.idle, 0.0).masked_fill(in.broken, equipoise::detail::quiet_nan());
  ReducedLosses reduced = reduce_losses(loss, in, row_losses, arguments, wanted);
  if (!wanted.gradient) return reduced.result;
  at::Tensor gradient = rows.slopes - log_p.exp() * rows.slopes.sum(1, /*keepdim=*/true);
  if (!wanted.unreduced) gradient = gradient * as_column(reduced.coefficients.to(type));
  if (tensors.scale.defined()) gradient = gradient * rows_of_terms(tensors.scale, target.group);
  reduced.result.gradient = gradient.masked_fill(in.idle.unsqueeze(1), 0.0).view(logits.sizes());
  return reduced.result;
}

inline LossAndGradient softmax_by_operations(const SoftmaxOfTensors& loss,
                                             const SoftmaxTensors& tensors,
                                             const at::Tensor& logits, const at::Tensor& targets,
                                             const LossArguments& arguments, const Wanted& wanted) {
  return softmax_by_operations(loss, tensors, logits, arguments, wanted,
                               read_rows(loss, tensors, logits, targets, arguments));
}

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

inline RowsInPlace distributions_in_place(const SoftmaxOfTensors& loss, const TargetTensors& target,
                                          const at::Tensor& log_p) {
  const at::Tensor none = target.by_class.eq(0);  // 0 times -infinity is nothing
  RowsInPlace rows;
  rows.losses = (target.by_class * log_p).masked_fill_(none, 0.0).sum(1).mul_(target.outer).neg_();
  rows.pull = loss.settings.convention == WeightConvention::kConsistent
                  ? target.weight
                  : target.outer * target.by_class.sum(1);
  return rows;
}

// Numbers of rows lie beside log p, whose classes are dimension 1, in the shape `column`.
inline RowsInPlace rows_in_place(const SoftmaxOfTensors& loss, const RowsOfTensors& in,
                                 const at::Tensor& log_p, at::IntArrayRef column) {
  const double smoothing = loss.settings.label_smoothing;
  RowsInPlace rows;
  const at::Tensor own = in.target.by_class.defined()
                             ? at::Tensor()
                             : log_p.gather(1, in.target.index.view(column)).flatten();
  if (!own.defined()) {
    rows = distributions_in_place(loss, in.target, log_p);
  } else if (smoothing == 0 && loss.is_cross_entropy) {
    rows.pull = in.target.weight;
    rows.losses = (rows.pull * own).neg_();
  } else if (smoothing == 0) {
    const ValueAndSlope<at::Tensor> modulated =
        loss.modulator(TargetProbability<at::Tensor>{own, own.exp(), own.expm1().neg()});
    rows.losses = in.target.weight * modulated.value;
    rows.pull = (in.target.weight * modulated.slope).neg_();
  } else {
    rows.pull = in.target.weight * (1 - smoothing);
    rows.smoothing = in.target.weight * (-smoothing / static_cast<double>(log_p.size(1)));
    rows.losses = (rows.smoothing * log_p.sum(1).flatten()).sub_(rows.pull * own);
  }
  rows.losses.masked_fill_(in.idle, 0.0).masked_fill_(in.broken, equipoise::detail::quiet_nan());
  // A modulator may give what is not finite where the weight is 0; cross-entropy does not.
  if (!loss.is_cross_entropy) rows.pull.masked_fill_(in.idle, 0.0);
  return rows;
}

// Subtracts 1 in each row's column, dimension 1.
inline void subtract_one_hot(const at::Tensor& column, at::Tensor& matrix) {
  if (is_deterministic()) {
    matrix.scatter_(1, column, matrix.gather(1, column).sub_(1));
  } else {
    matrix.scatter_(1, column, -1, "add");
  }
}

// Turns log p into the gradient, times a factor [] or of rows in the shape `column`. What the
// logits of idle rows are, NaN perhaps, does not matter.
inline void write_gradient(const RowsInPlace& rows, const TargetTensors& target,
                           const at::Tensor& idle, const at::Tensor& factor, at::IntArrayRef column,
                           at::Tensor& log_p) {
  at::Tensor& gradient = log_p;
  const at::Tensor pull = rows.pull.view(column) * factor;
  if (target.by_class.defined()) {
    gradient.exp_().mul_(pull).addcmul_(target.by_class, target.outer.view(column) * factor, -1);
    gradient.masked_fill_(idle, 0.0);
    return;
  }
  gradient.masked_fill_(idle, -equipoise::detail::infinity()).exp_();
  const at::Tensor at_target = target.index.view(column);
  if (rows.smoothing.defined()) {
    const at::Tensor smoothing = rows.smoothing.view(column) * factor;
    at::addcmul_out(gradient, smoothing, gradient,
                    pull - smoothing * static_cast<double>(gradient.size(1)));
    if (is_deterministic()) {
      gradient.scatter_(1, at_target, gradient.gather(1, at_target).sub_(pull));
    } else {
      gradient.scatter_add_(1, at_target, pull.neg());
    }
  } else {
    subtract_one_hot(at_target, gradient);
    gradient.mul_(pull);
  }
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
  const at::Tensor losses = found.select(0, 0)
                                .masked_fill(in.idle, 0.0)
                                .masked_fill_(in.broken, equipoise::detail::quiet_nan());
  const at::Tensor slopes = found.select(0, 1).masked_fill(in.idle, 0.0);
  ReducedLosses reduced = reduce_losses(loss, in, losses, arguments, wanted);
  if (!wanted.gradient) return reduced.result;
  reduced.result.make_gradient = [device = loss.device, rows, slopes,
                                  log_sums = found.narrow(0, 2, 2),
                                  coefficients = reduced.coefficients,
                                  sizes = logits.sizes().vec()](const at::Tensor& upstream) {
    at::Tensor factor = upstream.dim() == 0 ? upstream : upstream.reshape({-1});
    if (coefficients.defined()) factor = factor * coefficients.to(at::kFloat);
    return device->gradient(rows, (slopes * factor).contiguous(), log_sums).view(sizes);
  };
  return reduced.result;
}

// Whether logits [B, T, C] lie in memory as [B, C, T], and may be read so: as rows one after the
// other they would have to be copied.
inline bool lie_by_plane(const SoftmaxTensors& tensors, const TargetTensors& target,
                         const at::Tensor& logits) {
  return logits.dim() == 3 && !has_terms(tensors) && !target.by_class.defined() &&
         logits.transpose(1, 2).is_contiguous();
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
  const at::Tensor log_p =
      has_terms(tensors)
          ? at::log_softmax(apply_terms(*loss.settings.seesaw, tensors, in.target, z.to(type)), 1)
          : at::log_softmax(z, 1, type);
  const RowsInPlace rows = rows_in_place(loss, in, log_p, column);
  ReducedLosses reduced = reduce_losses(loss, in, rows.losses, arguments, wanted);
  if (!wanted.gradient) return reduced.result;
  const at::Tensor coefficients =
      wanted.unreduced || reduced.coefficients.dim() == 0
          ? reduced.coefficients  // [] does not make the type of what it multiplies double
          : reduced.coefficients.to(type).view(column);
  const at::Tensor scale =
      tensors.scale.defined() ? rows_of_terms(tensors.scale, in.target.group) : at::Tensor();
  reduced.result.make_gradient = [log_p, rows, coefficients, scale, column, by_plane,
                                  idle = in.idle.view(column), target = in.target,
                                  sizes = logits.sizes().vec()](const at::Tensor& upstream) {
    at::Tensor factor = upstream.dim() == 0 ? upstream : upstream.reshape(column);
    if (coefficients.defined()) factor = factor * coefficients;
    at::Tensor gradient = log_p;
    write_gradient(rows, target, idle, factor, column, gradient);
    if (scale.defined()) gradient.mul_(scale);
    return by_plane ? gradient.transpose(1, 2) : gradient.view(sizes);
  };
  return reduced.result;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OPERATIONS_H_
