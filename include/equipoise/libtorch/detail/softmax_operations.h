// Softmax losses by tensor operations alone: any device, no synchronisation, twice differentiable.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OPERATIONS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OPERATIONS_H_

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "equipoise/kernels/softmax_driver.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/softmax_of_tensors.h"
#include "equipoise/libtorch/detail/softmax_targets.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch::detail {

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
    at::Tensor soft = (as_torch ? target.outer : target.weight)
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

// Numbers of rows, or one of all, beside matrices of rows.
inline at::Tensor as_column(const at::Tensor& numbers) {
  return numbers.dim() == 0 ? numbers : numbers.unsqueeze(1);
}

// What the losses of rows come to.
struct ReducedLosses {
  LossAndGradient result;   // without a gradient
  at::Tensor coefficients;  // [N], or [] where all rows have one; undefined if unreduced, or if
  at::Tensor divisor;       // [] is what the losses of all rows are divided by

  // The upstream gradient, [] or one number a row, as a factor of the gradients of rows.
  at::Tensor factor(const at::Tensor& upstream) const {
    if (divisor.defined()) return upstream / divisor;
    return coefficients.defined() ? upstream * coefficients : upstream;
  }
};

// What rows add to the denominators.
inline at::Tensor masses_of_rows(const TensorReduction& reduction, const RowsOfTensors& rows) {
  switch (rows.reduced.weight.defined() ? kernels::RowMass::kUnknown : reduction.mass) {
    case kernels::RowMass::kOne:
    case kernels::RowMass::kPositive:  // one a row
      return rows.target.valid();
    case kernels::RowMass::kWeight:
      return rows.target.weight;
    case kernels::RowMass::kUnknown:
      break;
  }
  return reduction.mass_of_rows(rows.reduced, rows.target.valid());
}

// Whether the losses and masses of the rows are the two lines of their tally.
inline bool is_tallied(const TensorReduction& reduction, const RowsOfTensors& rows,
                       const at::Tensor& row_losses) {
  if (rows.buckets.index.defined() || rows.reduced.weight.defined()) return false;
  const at::Tensor& tally = rows.target.tally;
  return tally.defined() && row_losses.is_alias_of(tally) &&
         (reduction.mass == kernels::RowMass::kWeight || rows.target.is_count);
}

// The losses of rows added up by bucket, and the denominators unless the call has them, [K] of the
// type of sums.
struct RowSums {
  at::Tensor losses;
  at::Tensor denominators;
};

inline RowSums sum_rows(const TensorReduction& reduction, const RowsOfTensors& rows,
                        const at::Tensor& row_losses, bool wants_denominators) {
  if (is_tallied(reduction, rows, row_losses)) {
    const at::Tensor both = rows.target.tally.sum(1, false, sum_type(row_losses.device()));
    return {both.narrow(0, 0, 1), both.narrow(0, 1, 1)};
  }
  const auto sum = [&](const at::Tensor& numbers) {
    return sum_by_bucket(numbers, rows.buckets.index, reduction.buckets());
  };
  return {sum(row_losses),
          wants_denominators ? sum(masses_of_rows(reduction, rows)) : at::Tensor()};
}

// A loss [] that is the quotient of two numbers of the type of sums.
inline at::Tensor quotient(const at::Tensor& dividend, const at::Tensor& divisor,
                           at::ScalarType type) {
  if (dividend.requires_grad()) return (dividend / divisor).to(type);
  at::Tensor result = at::empty({}, dividend.options().dtype(type));
  return at::div_out(result, dividend, divisor);
}

inline ReducedLosses reduce_losses(const SoftmaxOfTensors& loss, const RowsOfTensors& rows,
                                   const at::Tensor& row_losses, const LossArguments& arguments,
                                   const Wanted& wanted) {
  ReducedLosses reduced{{row_losses, {}}, {}, {}};
  if (wanted.unreduced && !wanted.sums) return reduced;
  const TensorReduction& reduction = loss.reduction;
  const RowSums own =
      sum_rows(reduction, rows, row_losses, wanted.sums || !arguments.denominators.defined());
  if (wanted.sums) {
    reduced.result.sums =
        at::stack({own.losses.detach(), own.denominators,
                   sum_by_bucket(rows.target.valid(), rows.buckets.index, reduction.buckets())});
  }
  if (wanted.unreduced) return reduced;
  const at::Tensor& denominators =
      arguments.denominators.defined() ? arguments.denominators : own.denominators;
  const at::ScalarType type = row_losses.scalar_type();
  if (rows.buckets.index.defined()) {
    const at::Tensor scales = reduction.coefficient_tensor(denominators, arguments.shares);
    reduced.coefficients = reduction.buckets() == 0 ? at::zeros_like(row_losses)
                                                    : scales.gather(0, rows.buckets.index);
    reduced.result.loss =
        (reduced.coefficients * row_losses.to(sum_type(row_losses.device()))).sum().to(type);
  } else if (reduction.is_plain_mean && !arguments.shares.defined()) {
    reduced.divisor = divisor_tensor(denominators).reshape({});
    reduced.result.loss = quotient(own.losses.squeeze(0), reduced.divisor, type);
  } else {
    const at::Tensor scales = reduction.coefficient_tensor(denominators, arguments.shares);
    reduced.coefficients = scales.reshape({});
    reduced.result.loss = (reduced.coefficients * own.losses.squeeze(0)).to(type);
  }
  if (loss.settings.empty_batch == EmptyBatch::kNaN && !reduction.is_sum) {
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
      classes == 0 ? RowsAndSlopes{target.weight * z.sum(1), z}
      : is_single(loss.settings, target)
          ? rows_of_indices(loss, target, log_p, wanted.gradient)
          : rows_of_distributions(loss, tensors, target, log_p, wanted.gradient);
  at::Tensor row_losses = rows.losses.masked_fill(in.idle, 0.0);
  if (in.outside.defined()) {
    row_losses = row_losses.masked_fill(in.outside, equipoise::detail::quiet_nan());
  }
  ReducedLosses reduced = reduce_losses(loss, in, row_losses, arguments, wanted);
  if (!wanted.gradient) return reduced.result;
  at::Tensor gradient = rows.slopes - log_p.exp() * rows.slopes.sum(1, /*keepdim=*/true);
  if (reduced.divisor.defined()) {
    gradient = gradient / reduced.divisor.to(type);
  } else if (reduced.coefficients.defined()) {
    gradient = gradient * as_column(reduced.coefficients.to(type));
  }
  if (tensors.scale.defined()) gradient = gradient * rows_of_terms(tensors.scale, target.group);
  reduced.result.gradient = gradient.masked_fill(in.idle.unsqueeze(1), 0.0).view(logits.sizes());
  return reduced.result;
}

inline LossAndGradient softmax_by_operations(const SoftmaxOfTensors& loss,
                                             const SoftmaxTensors& tensors,
                                             const at::Tensor& logits, const at::Tensor& targets,
                                             const LossArguments& arguments, const Wanted& wanted) {
  const auto rows = [&] {
    const at::NoGradGuard no_graph;  // they depend on no logits
    return read_rows(loss, tensors, logits, targets, arguments);
  };
  return softmax_by_operations(loss, tensors, logits, arguments, wanted, rows());
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OPERATIONS_H_
