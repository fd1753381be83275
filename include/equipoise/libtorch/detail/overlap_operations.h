// Overlap losses by tensor operations alone: any device, no synchronisation, twice differentiable.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_OPERATIONS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_OPERATIONS_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/addcmul.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/overlap_driver.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/overlap_of_tensors.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/overlap.h"

namespace equipoise::libtorch::detail {

// Logits [N, C], targets [N] or [N, C], arguments [N].
struct OverlapInputs {
  at::Tensor logits;
  at::Tensor targets;
  LossArguments arguments;
};

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// The rows of a call by tensor operations: what counts, and the probabilities.
struct OverlapTensors {
  at::Tensor counts;                   // [N, 1] bool: neither ignored nor of weight zero
  at::Tensor weights;                  // [N, 1]; NaN where the target is broken
  OverlapElement<at::Tensor> element;  // [N, C] each
};

inline OverlapTensors make_overlap_tensors(const OverlapOfTensors& loss, const OverlapInputs& in) {
  const at::ScalarType type = compute_type(in.logits);
  const std::int64_t classes = in.logits.size(1);
  at::Tensor ignored;
  at::Tensor broken;
  at::Tensor t;
  if (in.targets.dim() == 1) {
    const at::Tensor labels = in.targets.to(at::kLong);
    ignored = labels.eq(loss.settings.ignore_index);
    broken = labels.lt(0).bitwise_or(labels.ge(classes));
    const at::Tensor column = labels.clamp(0, std::max<std::int64_t>(classes - 1, 0)).unsqueeze(1);
    t = at::zeros(in.logits.sizes(), in.logits.options().dtype(type));
    if (classes > 0) t = t.scatter(1, column, 1.0);
  } else {
    t = in.targets.to(type);
    ignored = in.arguments.mask.defined() ? in.arguments.mask.eq(0)
                                          : at::zeros({t.size(0)}, t.options().dtype(at::kBool));
    broken = t.ge(0).bitwise_and(t.le(1)).all(1).bitwise_not();
  }
  OverlapTensors result;
  result.weights = ignored.bitwise_not().to(type);
  if (in.arguments.sample_weights.defined()) {
    result.weights = in.arguments.sample_weights.to(type).masked_fill(ignored, 0.0);
  }
  broken = broken.bitwise_and(ignored.bitwise_not());
  result.weights = result.weights.masked_fill(broken, equipoise::detail::quiet_nan()).unsqueeze(1);
  result.counts = result.weights.ne(0);
  const at::Tensor leave_out = result.counts.bitwise_not();
  const at::Tensor z = in.logits.to(type).masked_fill(leave_out, 0.0);
  result.element.t = t.masked_fill(leave_out, 0.0);
  if (loss.settings.sigmoid) {
    result.element.p = z.sigmoid();
    result.element.q = z.neg().sigmoid();
  } else {
    const at::Tensor log_p = at::log_softmax(z, 1);
    result.element.p = log_p.exp();
    result.element.q = log_p.expm1().neg();
  }
  return result;
}

// [3, C] of double: the sums of these rows.
inline at::Tensor sum_overlap(const OverlapOfTensors& loss, const OverlapTensors& rows) {
  const OverlapTerms<at::Tensor> terms = loss.element(loss.settings.policy, rows.element).value;
  const auto sum = [&](const at::Tensor& term) {
    return (rows.weights * term).sum(0, /*keepdim=*/false, sum_type(term.device()));
  };
  return at::stack({sum(terms.tp), sum(terms.fp), sum(terms.fn)});
}

struct OverlapResultTensors {
  at::Tensor value;   // [] of double
  at::Tensor slopes;  // [3, C] of double
};

// value_and_slopes() on the device.
inline OverlapResultTensors finish_overlap(const OverlapOfTensors& loss,
                                           const at::Tensor& class_weights,
                                           const at::Tensor& sums) {
  const void* const policy = loss.settings.policy;
  const OverlapTerms<at::Tensor> of_class{sums.select(0, 0), sums.select(0, 1), sums.select(0, 2)};
  const at::Tensor mass = (of_class.tp + of_class.fn).detach();
  at::Tensor weights =
      class_weights.defined() ? class_weights.to(mass.scalar_type()) : at::ones_like(mass);
  if (!loss.settings.counts_absent) weights = weights.masked_fill(mass.eq(0), 0.0);
  const at::Tensor none = weights.eq(0);
  const at::Tensor total = weights.sum();
  const at::Tensor nothing = total.eq(0).bitwise_or(sums.detach().eq(0).all());
  const auto counted = [&](const at::Tensor& values) { return values.masked_fill(none, 0.0); };
  OverlapResultTensors result;
  OverlapTerms<at::Tensor> slope;
  if (loss.share != nullptr) {
    weights = counted(weights * loss.share(policy, mass));
    const auto pooled = [&](const at::Tensor& each) { return counted(weights * each).sum(); };
    const OverlapValue<at::Tensor> whole =
        loss.value(policy, {pooled(of_class.tp), pooled(of_class.fp), pooled(of_class.fn)});
    result.value = whole.value;
    slope = whole.slope;
  } else {
    weights = weights / total.masked_fill(nothing, 1.0);
    const OverlapValue<at::Tensor> each = loss.value(policy, of_class);
    result.value = counted(weights * each.value).sum();
    slope = each.slope;
  }
  result.slopes = at::stack({counted(weights * slope.tp), counted(weights * slope.fp),
                             counted(weights * slope.fn)})
                      .masked_fill(nothing, 0.0);
  result.value = result.value.masked_fill(nothing, loss.settings.empty_batch == EmptyBatch::kNaN
                                                       ? equipoise::detail::quiet_nan()
                                                       : 0.0);
  return result;
}

// The gradient of these rows [N, C] from the slopes of the sums; see write_overlap_gradient().
inline at::Tensor gradient_of_overlap(const OverlapOfTensors& loss, const OverlapTensors& rows,
                                      const at::Tensor& slopes) {
  const at::Tensor& p = rows.element.p;
  const OverlapTerms<at::Tensor> of_p = loss.element(loss.settings.policy, rows.element).slope;
  const at::Tensor s = slopes.to(p.scalar_type());
  at::Tensor g = (of_p.tp * s.select(0, 0) + of_p.fp * s.select(0, 1) + of_p.fn * s.select(0, 2)) *
                 rows.weights;
  if (loss.settings.sigmoid) {
    g = g * p * rows.element.q;
  } else {
    g = g - g.gather(1, p.detach().argmax(1, /*keepdim=*/true));
    g = p * (g - (g * p).sum(1, /*keepdim=*/true));
  }
  return g.masked_fill(rows.counts.bitwise_not(), 0.0);
}

// The loss by tensor operations: differentiable with respect to the logits in the value and, since
// the gradient is written in the same operations, in the gradient as well. Of merged sums the
// logits of this part move their own share.
inline LossAndGradient overlap_by_operations(const OverlapOfTensors& loss,
                                             const at::Tensor& class_weights,
                                             const OverlapInputs& in, bool wants_gradient) {
  const OverlapTensors rows = make_overlap_tensors(loss, in);
  at::Tensor sums;
  if (!in.arguments.sums.defined()) {
    sums = sum_overlap(loss, rows);
  } else {
    sums = in.arguments.sums.to(sum_type(in.logits.device())).view({3, -1});
    if (at::GradMode::is_enabled()) {
      const at::Tensor own = sum_overlap(loss, rows);
      sums = sums + (own - own.detach());
    }
  }
  const OverlapResultTensors whole = finish_overlap(loss, class_weights, sums);
  LossAndGradient outcome{whole.value.to(compute_type(in.logits)), {}};
  if (wants_gradient) {
    outcome.gradient = in.logits.numel() == 0 ? at::zeros_like(in.logits)
                                              : gradient_of_overlap(loss, rows, whole.slopes);
  }
  return outcome;
}

// The loss without a graph where targets are indices and rows add the plain terms, in as little
// memory as may be: probabilities are kept, and those of the targets apart from all others, so that
// what is missed is summed without cancellation.
class OverlapInPlace {
 public:
  static bool takes(const OverlapOfTensors& loss, const OverlapInputs& in) {
    return loss.is_plain && in.targets.dim() == 1 && in.logits.numel() > 0;
  }

  OverlapInPlace(const OverlapOfTensors& loss, const OverlapInputs& in)
      : is_softmax_(!loss.settings.sigmoid), type_(compute_type(in.logits)) {
    read_targets(loss.settings, in);
    const at::Tensor idle = weights_.eq(0).unsqueeze(1);
    if (is_softmax_) {
      p_ = at::softmax(in.logits, 1, type_);
    } else {
      const at::Tensor z = in.logits.to(type_);
      p_ = z.sigmoid();
      own_q_ = z.gather(1, column_).neg_().sigmoid_().squeeze(1);
    }
    // What the logits of idle rows are, NaN perhaps, does not matter.
    p_.masked_fill_(idle, 0.0);
    own_p_ = p_.gather(1, column_).squeeze(1);
    p_.scatter_(1, column_, 0.0);
    if (is_softmax_) own_q_ = p_.sum(1);
    own_q_.masked_fill_(idle.squeeze(1), 0.0);
  }

  // [3, C] of double: the sums of these rows.
  at::Tensor sums(std::int64_t classes) const {
    const at::ScalarType sums_in = sum_type(p_.device());
    const auto by_class = [&](const at::Tensor& numbers) {
      return at::zeros({classes}, numbers.options().dtype(sums_in))
          .scatter_add_(0, column_.squeeze(1), (weights_ * numbers).to(sums_in));
    };
    // What a broken target makes NaN in its row has to show in all classes.
    const at::Tensor others =
        (weighs_rows_ ? product(p_.t(), weights_) : p_.sum(0)) + weights_.sum() * 0.0;
    return at::stack({by_class(own_p_), others.to(sums_in), by_class(own_q_)});
  }

  // The gradient from the slopes of the sums, which is made in the memory of the probabilities, or
  // beside them.
  at::Tensor gradient(const at::Tensor& slopes, const at::Tensor& factor) const {
    const at::Tensor s = slopes.to(type_);
    const at::Tensor f = (weights_ * factor).unsqueeze(1);
    const at::Tensor of_others = s.select(0, 1);
    const at::Tensor of_own =
        (s.select(0, 0) - s.select(0, 2)).gather(0, column_.squeeze(1)).unsqueeze(1);
    const at::Tensor own_p = own_p_.unsqueeze(1);
    const at::Tensor own_q = own_q_.unsqueeze(1);
    if (!is_softmax_) {
      return at::sigmoid_backward(of_others.expand(p_.sizes()), p_)
          .mul_(f)
          .scatter_(1, column_, own_p * own_q * of_own * f);
    }
    // p_c (g_c - sum_k p_k g_k), which for the target is p (q g - the others' share of the sum).
    const at::Tensor others = product(p_, of_others).unsqueeze(1);
    const at::Tensor mean = others + own_p * of_own;
    return at::addcmul((mean * f).neg_(), f, of_others)
        .mul_(p_)
        .scatter_(1, column_, own_p * (own_q * of_own - others) * f);
  }

 private:
  // In the tensors' own type: autocast takes at::mv() in half, but not what writes to a tensor.
  static at::Tensor product(const at::Tensor& matrix, const at::Tensor& vector) {
    at::Tensor result = at::empty({matrix.size(0)}, matrix.options());
    at::mv_out(result, matrix, vector);
    return result;
  }

  void read_targets(const kernels::OverlapSettings& loss, const OverlapInputs& in) {
    const at::Tensor labels = in.targets.to(at::kLong);
    const at::Tensor ignored = labels.eq(loss.ignore_index);
    const at::Tensor index = labels.clamp(0, in.logits.size(1) - 1);
    const at::Tensor broken = index.ne(labels).bitwise_and_(ignored.bitwise_not());
    column_ = index.unsqueeze(1);
    weighs_rows_ = in.arguments.sample_weights.defined();
    const at::Tensor given = weighs_rows_
                                 ? in.arguments.sample_weights.to(type_)
                                 : at::ones(labels.sizes(), in.logits.options().dtype(type_));
    weights_ = given.masked_fill(ignored, 0.0).masked_fill_(broken, equipoise::detail::quiet_nan());
  }

  bool is_softmax_;
  bool weighs_rows_ = false;
  at::ScalarType type_;
  at::Tensor column_;   // [N, 1]: the target, always a class
  at::Tensor weights_;  // [N]: 0 where idle, NaN where the target is broken
  at::Tensor p_;        // [N, C]: 0 at the target, and in idle rows
  at::Tensor own_p_;    // [N]: of the target
  at::Tensor own_q_;    // [N]: the others'
};

inline LossAndGradient overlap_in_place(const OverlapOfTensors& loss,
                                        const at::Tensor& class_weights, const OverlapInputs& in,
                                        bool wants_gradient) {
  const OverlapInPlace rows(loss, in);
  const at::Tensor sums = in.arguments.sums.defined()
                              ? in.arguments.sums.to(sum_type(in.logits.device())).view({3, -1})
                              : rows.sums(in.logits.size(1));
  const OverlapResultTensors whole = finish_overlap(loss, class_weights, sums);
  LossAndGradient outcome{whole.value.to(compute_type(in.logits)), {}};
  if (wants_gradient) {
    outcome.make_gradient = [rows, slopes = whole.slopes](const at::Tensor& upstream,
                                                          at::ScalarType) {
      return rows.gradient(slopes, upstream);
    };
  }
  return outcome;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_OPERATIONS_H_
