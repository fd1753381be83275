// The rows of a softmax loss by tensor operations, but for their logits: targets and weights.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_TARGETS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_TARGETS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstdint>

#include "equipoise/kernels/softmax_driver.h"
#include "equipoise/libtorch/detail/softmax_of_tensors.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch::detail {

// Everything about the targets that tensor operations need, on the device. A row that is not
// ignored and whose target, or group, is invalid has NaN for weights, and so makes the loss NaN.
struct TargetTensors {
  at::Tensor ignored;     // [N] bool
  at::Tensor index;       // [N] int64, always a class
  at::Tensor group;       // [N] int64, always a group; undefined where the loss has none
  at::Tensor outer;       // [N]: sample weight times group weight, 0 where ignored; undefined where
                          // targets are indices and nothing asks for it
  at::Tensor weight;      // [N]: the weight that the reduction sees, 0 where ignored
  at::Tensor by_class;    // [N, C]: class weight times probability; undefined for indices
  at::Tensor tally;       // [2, N] for indices: room for losses beside the weights above
  bool is_count = false;  // weights are 1 wherever a row counts

  at::Tensor valid() const { return ignored.bitwise_not(); }
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

// Whether what idles a row, or what smoothing gives to other classes, is its weight without that of
// the class.
inline bool needs_outer(const kernels::SoftmaxSettings& loss) {
  return loss.label_smoothing > 0 && loss.convention == WeightConvention::kTorch;
}

// The groups of rows, and which of them there are not.
inline at::Tensor read_groups(const SoftmaxTensors& tensors, const LossArguments& arguments,
                              TargetTensors& result) {
  const std::int64_t groups = groups_of(tensors);
  if (groups == 0) return {};
  result.group = arguments.groups.to(at::kLong).clamp(0, groups - 1);
  return arguments.groups.ne(result.group);
}

// Multiplies numbers of rows by the weights of their groups, and writes over them where a row does
// not count.
inline void weigh(const SoftmaxTensors& tensors, const TargetTensors& target,
                  const at::Tensor& invalid, at::Tensor& numbers) {
  if (tensors.group_weights.defined()) {
    numbers.mul_(tensors.group_weights.gather(0, target.group));
  }
  numbers.masked_fill_(invalid, equipoise::detail::quiet_nan()).masked_fill_(target.ignored, 0.0);
}

inline TargetTensors read_indices(const kernels::SoftmaxSettings& loss,
                                  const SoftmaxTensors& tensors, const at::Tensor& targets,
                                  const LossArguments& arguments, std::int64_t classes,
                                  at::ScalarType type) {
  TargetTensors result;
  const at::Tensor labels = targets.to(at::kLong);
  result.index = labels.clamp(0, std::max<std::int64_t>(classes - 1, 0));
  result.ignored = labels.eq(loss.ignore_index);
  at::Tensor invalid = classes == 0 ? at::ones_like(labels, at::kBool) : result.index.ne(labels);
  const at::Tensor no_group = read_groups(tensors, arguments, result);
  if (no_group.defined()) invalid.bitwise_or_(no_group);

  const at::Tensor& of_class = tensors.class_weights;
  const at::Tensor& of_row = arguments.sample_weights;
  result.tally = at::empty({2, labels.size(0)}, labels.options().dtype(type));
  result.weight = result.tally.select(0, 1);
  if (of_class.defined() && classes > 0) {
    if (of_class.scalar_type() == type) {
      at::gather_out(result.weight, of_class, 0, result.index);
    } else {
      result.weight.copy_(of_class.gather(0, result.index));
    }
    if (of_row.defined()) result.weight.mul_(of_row.to(type));
  } else if (of_row.defined()) {
    result.weight.copy_(of_row);
  } else {
    result.weight.fill_(1.0);
  }
  result.is_count = !of_class.defined() && !of_row.defined() && !tensors.group_weights.defined();
  weigh(tensors, result, invalid, result.weight);
  if (!needs_outer(loss)) return result;
  result.outer =
      of_row.defined() ? at::empty_like(result.weight).copy_(of_row) : at::ones_like(result.weight);
  weigh(tensors, result, invalid, result.outer);
  return result;
}

inline TargetTensors read_distributions(const kernels::SoftmaxSettings& loss,
                                        const SoftmaxTensors& tensors, const at::Tensor& targets,
                                        const LossArguments& arguments, std::int64_t classes,
                                        at::ScalarType type) {
  TargetTensors result{};
  const at::Tensor t = targets.to(type);
  const auto flags = t.options().dtype(at::kBool);
  // A distribution over no classes is no target: the row counts as ignored.
  result.ignored = classes == 0               ? at::ones({t.size(0)}, flags)
                   : arguments.mask.defined() ? arguments.mask.eq(0)
                                              : at::zeros({t.size(0)}, flags);
  at::Tensor invalid = classes == 0 ? at::zeros({t.size(0)}, flags) : is_no_distribution(t);
  const at::Tensor no_group = read_groups(tensors, arguments, result);
  if (no_group.defined()) invalid.bitwise_or_(no_group);
  // The likeliest class is what a reduction by class goes by.
  const bool looks_at_class =
      loss.reduction.buckets() != 1 || loss.reduction.mass() == kernels::RowMass::kUnknown;
  result.index = classes == 0 || !looks_at_class
                     ? at::zeros({t.size(0)}, t.options().dtype(at::kLong))
                     : t.argmax(1);
  result.by_class = tensors.class_weights.defined() ? t * tensors.class_weights : t;
  result.outer = arguments.sample_weights.defined()
                     ? at::empty({t.size(0)}, t.options()).copy_(arguments.sample_weights)
                     : at::ones({t.size(0)}, t.options());
  weigh(tensors, result, invalid, result.outer);
  result.weight = loss.convention == WeightConvention::kConsistent
                      ? (result.outer * result.by_class.sum(1)).masked_fill_(result.ignored, 0.0)
                      : result.outer;
  return result;
}

inline TargetTensors make_targets(const kernels::SoftmaxSettings& loss,
                                  const SoftmaxTensors& tensors, const at::Tensor& targets,
                                  const LossArguments& arguments, std::int64_t classes,
                                  at::ScalarType type) {
  return targets.dim() == 1 ? read_indices(loss, tensors, targets, arguments, classes, type)
                            : read_distributions(loss, tensors, targets, arguments, classes, type);
}

// The rows as a reduction sees them.
inline ReductionRow<at::Tensor, at::Tensor> reduction_row(const TargetTensors& targets,
                                                          const at::Tensor& groups) {
  return {targets.index, targets.weight,
          groups.defined() ? groups.to(at::kLong) : at::zeros_like(targets.index),
          at::ones_like(targets.weight)};
}

// Whether the target's probability alone makes the loss of a row.
inline bool is_single(const kernels::SoftmaxSettings& loss, const TargetTensors& target) {
  return !target.by_class.defined() && loss.label_smoothing == 0;
}

// The rows that add nothing whatever their logits are: those ignored, and those of weight zero.
inline at::Tensor idle_rows(const kernels::SoftmaxSettings& loss, const TargetTensors& target) {
  const bool by_outer = target.by_class.defined() || needs_outer(loss);
  return (by_outer ? target.outer : target.weight).eq(0);
}

// All about the rows of a call but their logits.
struct RowsOfTensors {
  TargetTensors target;
  ReductionRow<at::Tensor, at::Tensor> reduced;  // where the reduction has to be asked
  RowBuckets buckets;
  at::Tensor outside;  // [N] bool: counts and is in no bucket, which makes NaN; undefined: none
  at::Tensor idle;     // [N] bool: adds nothing
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
  if (rows.buckets.outside.defined()) {
    rows.outside = rows.buckets.outside.bitwise_and(rows.target.valid());
  }
  rows.idle = idle_rows(loss.settings, rows.target);
  return rows;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_TARGETS_H_
