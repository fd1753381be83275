// Sigmoid losses by tensor operations alone: any device, no synchronisation, twice differentiable.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_OPERATIONS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_OPERATIONS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/addcmul.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "equipoise/kernels/sigmoid_driver.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/parts.h"
#include "equipoise/libtorch/detail/sigmoid_of_tensors.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::libtorch::detail {

// Targets and weights on the device, all [N, L].
struct ElementTensors {
  at::Tensor target;    // in [0, 1]; 0 where ignored or broken
  at::Tensor valid;     // bool; undefined where all are
  at::Tensor broken;    // bool: not ignored and not a target
  at::Tensor positive;  // what the value of the positive side is multiplied by
  at::Tensor negative;  // that of the negative side, but for 1 / lambda
};

inline ElementTensors make_elements(const SigmoidSettings& loss, const SigmoidTensors& tensors,
                                    const at::Tensor& targets, const LossArguments& arguments,
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
  const auto times = [](const at::Tensor& numbers, double factor) {
    return factor == 1 ? numbers : numbers * factor;
  };
  result.positive = times(result.target, loss.positive_weight);
  result.negative = times(1.0 - result.target, loss.negative_weight);
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
    const LabelRebalance& rebalance = loss.rebalance;
    const at::Tensor inverse = tensors.rebalance_counts.reciprocal();
    const at::Tensor sum = (result.target * inverse).sum(1, /*keepdim=*/true);
    const at::Tensor ratio = inverse / sum.clamp_min(1 / kernels::kHugeRatio);
    multiply((ratio - rebalance.mu).mul(rebalance.beta).sigmoid().add(rebalance.alpha));
  }
  if (result.valid.defined()) multiply(result.valid.to(type));
  return result;
}

// Elements as a reduction sees them: one after the other where it has buckets, else [N, L].
struct ReducedElements {
  ReductionRow<at::Tensor, at::Tensor> row;
  at::Tensor valid;
};

inline ReducedElements reduce_elements(const TensorReduction& reduction,
                                       const ElementTensors& elements, const at::Tensor& groups) {
  const std::int64_t rows = elements.target.size(0);
  const std::int64_t labels = elements.target.size(1);
  const auto options = elements.target.options();
  // Whatever is the same along a dimension is repeated without a copy, unless there are buckets.
  const auto shaped = [&](const at::Tensor& tensor) {
    const at::Tensor all = tensor.expand({rows, labels});
    return reduction.has_buckets() ? all.reshape({-1}) : all;
  };
  const at::Tensor group = groups.defined() ? groups.to(at::kLong).unsqueeze(1)
                                            : at::zeros({1, 1}, options.dtype(at::kLong));
  const at::Tensor valid =
      elements.valid.defined() ? elements.valid : at::ones_like(elements.target, at::kBool);
  return {{shaped(at::arange(labels, options.dtype(at::kLong))),
           shaped(elements.positive + elements.negative), shaped(group), shaped(elements.target)},
          shaped(valid)};
}

// log(1 / (1 + e^-z)) with right derivatives everywhere. Above the threshold softplus(x) is x,
// which it is to rounding in double from 37 on. (LibTorch 1.13's log_sigmoid does not run on meta.)
inline at::Tensor log_of_sigmoid(const at::Tensor& z) {
  return at::softplus(z, /*beta=*/-1, /*threshold=*/40);
}

// Elements by tensor operations that a graph may follow.
struct ElementLosses {
  ElementTensors elements;
  at::Tensor losses;             // 0 where the weight is; broken targets count as 0
  at::Tensor positive_gradient;  // the gradient is the first less the second; undefined: not wanted
  at::Tensor negative_gradient;
};

inline ElementLosses element_losses(const SigmoidOfTensors& loss, const SigmoidTensors& tensors,
                                    const at::Tensor& logits, const at::Tensor& targets,
                                    const LossArguments& arguments, bool wants_gradient) {
  const at::ScalarType type = compute_type(logits);
  ElementLosses result{make_elements(loss.settings, tensors, targets, arguments, type), {}, {}, {}};
  const ElementTensors& elements = result.elements;
  // A side of weight zero adds nothing, whatever its (perhaps infinite) value.
  const at::Tensor no_positive = elements.positive.eq(0);
  const at::Tensor no_negative = elements.negative.eq(0);
  at::Tensor z = logits.to(type);
  // Where the gradient has a gradient, what idle elements hold must not get into it.
  if (logits.requires_grad()) z = z.masked_fill(no_positive.bitwise_and(no_negative), 0.0);
  if (tensors.shift.defined()) z = z + tensors.shift;
  const double scale = loss.settings.negative_scale;
  const at::Tensor p = z.sigmoid();
  const at::Tensor minus_z = z.neg();
  const at::Tensor q = minus_z.sigmoid();
  const ValueAndSlope<at::Tensor> above =
      loss.positive(TargetProbability<at::Tensor>{log_of_sigmoid(z), p, q});
  // The negative side sees the probability of a negative, of logits times the scale.
  const at::Tensor minus_y = scale == 1 ? minus_z : minus_z * scale;
  const at::Tensor of_negative = scale == 1 ? q : minus_y.sigmoid();
  const at::Tensor of_positive = scale == 1 ? p : minus_y.neg().sigmoid();
  const ValueAndSlope<at::Tensor> below = loss.negative(
      TargetProbability<at::Tensor>{log_of_sigmoid(minus_y), of_negative, of_positive});
  at::Tensor lower = (elements.negative * below.value).masked_fill_(no_negative, 0.0);
  if (scale != 1) lower = lower / scale;
  result.losses = (elements.positive * above.value).masked_fill_(no_positive, 0.0) + lower;
  if (!wants_gradient) return result;
  result.positive_gradient = (elements.positive * above.slope * q).masked_fill_(no_positive, 0.0);
  result.negative_gradient =
      (elements.negative * below.slope * of_positive).masked_fill_(no_negative, 0.0);
  return result;
}

// The loss, given the sums of what the rows add to each bucket.
inline at::Tensor reduce_elements_by(const SigmoidOfTensors& loss, const at::Tensor& coefficient,
                                     const at::Tensor& sum, const at::Tensor& denominators,
                                     at::ScalarType type) {
  at::Tensor value = (coefficient * sum).sum().to(type);
  if (loss.settings.empty_batch != EmptyBatch::kNaN || loss.reduction.is_sum) return value;
  return value.masked_fill(denominators.sum().le(0), equipoise::detail::quiet_nan());
}

// The loss by tensor operations: differentiable with respect to the logits in the value and,
// because slopes are written in the same operations, in the gradient as well. Logits, targets and
// mask are [N, L].
inline LossAndGradient sigmoid_by_operations(const SigmoidOfTensors& loss,
                                             const SigmoidTensors& tensors,
                                             const at::Tensor& logits, const at::Tensor& targets,
                                             const LossArguments& arguments, const Wanted& wanted) {
  const at::ScalarType type = compute_type(logits);
  const ElementLosses all =
      element_losses(loss, tensors, logits, targets, arguments, wanted.gradient);
  const ElementTensors& elements = all.elements;
  const ReducedElements reduced = reduce_elements(loss.reduction, elements, arguments.groups);
  const RowBuckets buckets = loss.reduction.bucket_rows(reduced.row);
  at::Tensor broken = elements.broken;
  if (buckets.outside.defined()) {
    broken =
        broken.bitwise_or(buckets.outside.bitwise_and(reduced.valid).view(elements.target.sizes()));
  }
  const at::Tensor losses = all.losses.masked_fill(broken, equipoise::detail::quiet_nan());

  LossAndGradient result{losses, {}};
  const auto sum = [&](const at::Tensor& numbers) {
    return sum_by_bucket(numbers, buckets.index, loss.reduction.buckets());
  };
  at::Tensor denominators = arguments.denominators;
  if (wanted.sums || (!wanted.unreduced && !denominators.defined())) {
    const at::Tensor own = sum(loss.reduction.mass_of_rows(reduced.row, reduced.valid));
    if (!denominators.defined()) denominators = own;
    if (wanted.sums) {
      result.sums =
          at::stack({sum(losses.detach().reshape(reduced.valid.sizes())), own, sum(reduced.valid)});
    }
  }
  at::Tensor coefficient;
  if (!wanted.unreduced) {
    coefficient = loss.reduction.coefficient_tensor(denominators, arguments.shares);
    if (buckets.index.defined()) {
      coefficient = coefficient.gather(0, buckets.index).view(losses.sizes());
    }
    result.loss = reduce_elements_by(loss, coefficient, losses.to(sum_type(losses.device())),
                                     denominators, type);
  }
  if (!wanted.gradient) return result;
  const at::Tensor gradient = all.positive_gradient - all.negative_gradient;
  result.gradient = wanted.unreduced ? gradient : gradient * coefficient.to(type);
  return result;
}

// What the elements of a call come to where all are in one bucket: [1] of double each.
struct ElementSums {
  at::Tensor numerator;
  at::Tensor mass;   // undefined if not wanted
  at::Tensor valid;  // undefined if not wanted
};

// Whether the masses of the elements are wanted.
inline bool wants_masses(const LossArguments& arguments, const Wanted& wanted) {
  return wanted.sums || (!wanted.unreduced && !arguments.denominators.defined());
}

// The value and the sums of a call whose elements are all in one bucket, and what each loss is
// multiplied by, [1] of double; undefined if unreduced.
inline at::Tensor finish_elements(const SigmoidOfTensors& loss, const LossArguments& arguments,
                                  const Wanted& wanted, const ElementSums& sums,
                                  at::ScalarType type, LossAndGradient& result) {
  if (wanted.sums) result.sums = at::stack({sums.numerator, sums.mass, sums.valid});
  if (wanted.unreduced) return {};
  const at::Tensor denominators =
      arguments.denominators.defined() ? arguments.denominators : sums.mass;
  at::Tensor coefficient = loss.reduction.coefficient_tensor(denominators, arguments.shares);
  result.loss = reduce_elements_by(loss, coefficient, sums.numerator, denominators, type);
  return coefficient;
}

// The sum of numbers [N, L], [1]: over labels in their own type, then in that of sums, since a sum
// in another type first copies all numbers to it.
inline at::Tensor sum_of_elements(const at::Tensor& numbers) { return sum_of(numbers.sum(1)); }

// How many rows tensor operations take at a time, so that what they make on the way is no more than
// a few times the gradient; small calls, which wait for launches, go in one.
inline std::int64_t rows_at_a_time(std::int64_t rows, std::int64_t labels) {
  constexpr std::int64_t kSmall = std::int64_t{1} << 19;
  constexpr std::int64_t kParts = 16;
  const std::int64_t of_small = kSmall / std::max<std::int64_t>(labels, 1);
  return std::max<std::int64_t>({of_small, (rows + kParts - 1) / kParts, 1});
}

// Adds the masses of elements that are all in one bucket, and how many count.
inline void add_masses(const SigmoidOfTensors& loss, const ElementTensors& elements,
                       const at::Tensor& groups, ElementSums& sums) {
  const at::Tensor& t = elements.target;
  const at::Tensor valid = elements.valid.defined()
                               ? elements.valid.sum()
                               : at::full({}, static_cast<double>(t.numel()), sum_options(t));
  sums.valid = sums.valid + valid;
  switch (loss.reduction.mass) {
    case kernels::RowMass::kOne:
      sums.mass = sums.mass + valid;
      return;
    case kernels::RowMass::kPositive:  // 0 where ignored
      sums.mass = sums.mass + sum_of_elements(t);
      return;
    case kernels::RowMass::kWeight:
      sums.mass = sums.mass + sum_of_elements(elements.positive + elements.negative);
      return;
    case kernels::RowMass::kUnknown:
      break;
  }
  const ReducedElements reduced = reduce_elements(loss.reduction, elements, groups);
  const at::Tensor mass = loss.reduction.mass_of_rows(reduced.row, reduced.valid);
  sums.mass = sums.mass + sum_of(mass);
}

// What the two sides of each label are multiplied by, [L] or [1].
struct SideWeights {
  at::Tensor positive;
  at::Tensor negative;
};

inline SideWeights side_weights(const SigmoidSettings& loss, const SigmoidTensors& tensors,
                                const at::TensorOptions& options) {
  const auto times = [](const at::Tensor& a, const at::Tensor& b) {
    return b.defined() ? a * b : a;
  };
  const at::Tensor& of_class = tensors.class_weights;
  return {times(times(at::full({1}, loss.positive_weight, options), tensors.pos_weight), of_class),
          times(at::full({1}, loss.negative_weight, options), of_class)};
}

// Whether a call is one that SigmoidInPlace takes, but for its modulators.
inline bool fits_in_place(const SigmoidOfTensors& loss, const SigmoidTensors& tensors,
                          const at::Tensor& logits, const LossArguments& arguments,
                          const Wanted& wanted) {
  return loss.reduction.mass != kernels::RowMass::kUnknown && loss.settings.negative_scale == 1 &&
         loss.settings.positive_weight != 0 && loss.settings.negative_weight != 0 &&
         !tensors.rebalance_counts.defined() && !arguments.mask.defined() && !wanted.unreduced &&
         logits.numel() > 0;
}

// A call without a graph and in as little memory as may be: by the device's own kernels, binary
// cross-entropy in closed form by tensor operations, or modulators that kIsFinite knows
// by few of these. Per element, with a and b the weights of the sides,
//   value    t a f(p) + (1 - t) b g(q)
//   gradient t a f'(p) q - (1 - t) b g'(q) p
// where p = sigma(z) = 1 - q; of cross-entropy
//   value    t a log(1 + e^-z) + (1 - t) b log(1 + e^z)
//   gradient sigma(z) (t a + (1 - t) b) - t a
// A NaN logit counts wherever its label does, also where pos_weight is 0 and t is 1.
class SigmoidInPlace {
 public:
  SigmoidInPlace(SigmoidOfTensors loss, const SigmoidTensors& tensors, const at::Tensor& logits,
                 const at::Tensor& targets, const LossArguments& arguments)
      : loss_(std::move(loss)),
        type_(compute_type(logits)),
        logits_(logits),
        targets_(targets),
        shift_(tensors.shift),
        weighs_classes_(tensors.class_weights.defined()),
        weights_(side_weights(loss_.settings, tensors, logits.options().dtype(type_))) {
    if (!arguments.sample_weights.defined()) return;
    // A copy: the backward pass reads them again.
    row_weights_ =
        arguments.sample_weights.to(type_, /*non_blocking=*/false, /*copy=*/true).unsqueeze(1);
    idle_ = row_weights_.eq(0);
  }

  static bool fits_device(const SigmoidOfTensors& loss, const at::Tensor& logits) {
    return loss.device != nullptr && logits.device().is_cuda() &&
           is_device_type(logits.scalar_type());
  }

  LossAndGradient evaluate(const LossArguments& arguments, const Wanted& wanted) const {
    const at::Tensor t = targets_.to(type_);
    ElementSums sums{fits_device(loss_, logits_) ? numerator_on_device(t) : numerator(t), {}, {}};
    if (wants_masses(arguments, wanted)) {
      sums.mass = mass(t);
      sums.valid = at::full({1}, static_cast<double>(t.numel()), sums.numerator.options());
    }
    LossAndGradient result;
    const at::Tensor coefficient = finish_elements(loss_, arguments, wanted, sums, type_, result);
    if (!wanted.gradient) return result;
    result.make_gradient = [self = *this, coefficient = coefficient.to(type_)](
                               const at::Tensor& upstream, at::ScalarType) {
      const at::Tensor factor = upstream * coefficient;
      return fits_device(self.loss_, self.logits_)
                 ? self.loss_.device->gradient(self.loss_.in_float.sides,
                                               self.device_elements(self.targets_.to(self.type_)),
                                               factor)
                 : self.gradient(factor);
    };
    return result;
  }

  // By the modulators: the weighted sum of all losses, [1] of double. The gradient goes where
  // `gradient` is defined, but for the factor of the call. For modulators that kIsFinite knows.
  at::Tensor by_modulators(at::Tensor gradient) const {
    const at::Tensor t = targets_.to(type_);
    at::Tensor z = finite_logits();
    const at::Tensor p = z.sigmoid();
    at::Tensor log_p = log_of_sigmoid(z);
    z.neg_();
    const at::Tensor q = z.sigmoid();
    at::Tensor log_q = log_of_sigmoid(z);
    z.reset();  // what is done with is freed at once
    at::Tensor sum;
    at::Tensor rise;
    {
      ValueAndLogitSlope above = loss_.positive_in_place({std::exchange(log_p, {}), p, q});
      sum = weighted(above.value.mul_(t), above.sign, weights_.positive);
      rise = above.slope.mul_(weights_.positive * above.sign);
    }
    ValueAndLogitSlope below = loss_.negative_in_place({std::exchange(log_q, {}), q, p});
    sum = sum + weighted(below.value.addcmul_(below.value, t, -1), below.sign, weights_.negative);
    require_targets(t, sum);
    if (gradient.defined()) {
      const at::Tensor fall = below.slope.mul_(weights_.negative * -below.sign);
      weigh_rows(at::lerp_out(gradient, fall, rise, t));
    }
    return sum;
  }

  // Adds what the elements add to the denominator, and their number.
  void add_masses(ElementSums& sums) const {
    const at::Tensor t = targets_.to(type_);
    sums.mass = sums.mass + mass(t);
    sums.valid = sums.valid + static_cast<double>(t.numel());
  }

 private:
  ElementsOnDevice device_elements(const at::Tensor& t) const {
    const auto of_labels = [&](const char* name, const at::Tensor& numbers, std::int64_t least) {
      if (!numbers.defined()) return numbers;
      if (numbers.numel() != logits_.size(1) && numbers.numel() != least) {
        reject(loss_.where, std::string(name) + ".numel()", numbers.numel(),
               std::to_string(logits_.size(1)) + " (labels)");
      }
      return numbers.to(at::kFloat).contiguous();
    };
    return {logits_.contiguous(),
            t.contiguous(),
            of_labels("pos_weight or class_weights", weights_.positive, 1),
            of_labels("class_weights", weights_.negative, 1),
            of_labels("shift", shift_, logits_.size(1)),
            row_weights_.defined() ? row_weights_.squeeze(1).contiguous() : row_weights_};
  }

  at::Tensor shifted() const {
    const at::Tensor z = logits_.to(type_);
    return shift_.defined() ? z + shift_ : z;
  }

  // Infinite logits as the largest ones there are, whose product with a target of zero is zero.
  at::Tensor finite_logits() const {
    const double largest = type_ == at::kDouble ? 1e300 : 1e38;
    const at::Tensor z = shifted();
    return z.is_same(logits_) ? z.clamp(-largest, largest)
                              : at::Tensor(z).clamp_(-largest, largest);
  }

  // A sum is no number where a target is none.
  static void require_targets(const at::Tensor& t, at::Tensor& sum) {
    const auto [least, largest] = at::aminmax(t);
    const at::Tensor is_target = least.ge(0).bitwise_and(largest.le(1));
    sum.masked_fill_(is_target.bitwise_not(), equipoise::detail::quiet_nan());
  }

  // The sum of one side's losses, [1] of double: those of each label times the weight of their row,
  // added up, infinite from a sum that only an infinite logit reaches. Overwrites them. They come
  // times a sign.
  at::Tensor weighted(at::Tensor losses, double sign, const at::Tensor& weights) const {
    const double infinite = type_ == at::kDouble ? 1e270 : 1e18;
    if (row_weights_.defined()) losses.mul_(row_weights_).masked_fill_(idle_, 0.0);
    at::Tensor sums = losses.sum(0);
    if (sign < 0) sums.neg_();
    sums.masked_fill_(sums.gt(infinite), equipoise::detail::infinity());
    return sum_of((sums * weights).masked_fill(weights.eq(0), 0.0));
  }

  at::Tensor numerator_on_device(const at::Tensor& t) const {
    at::Tensor sum = sum_of(loss_.device->sums(loss_.in_float.sides, device_elements(t)));
    require_targets(t, sum);
    return sum;
  }

  // The call of some rows.
  SigmoidInPlace of(const RowPart& part) const {
    SigmoidInPlace result = *this;
    for (at::Tensor* const each :
         {&result.logits_, &result.targets_, &result.row_weights_, &result.idle_}) {
      *each = part.of(*each);
    }
    return result;
  }

  // The weighted sum of all losses of cross-entropy, [1] of double.
  at::Tensor numerator(const at::Tensor& t) const {
    at::Tensor sum;
    for_each_part_in_cache(logits_, [&](const RowPart& part) {
      const at::Tensor more = of(part).numerator_of_part(part.of(t));
      sum = sum.defined() ? sum + more : more;
    });
    return sum;
  }
  at::Tensor numerator_of_part(const at::Tensor& t) const {
    const at::Tensor z = finite_logits();
    at::Tensor losses = log_of_sigmoid(z).mul_(t);
    const at::Tensor above = weighted(losses, -1, weights_.positive);
    at::softplus_out(losses, z, /*beta=*/1, /*threshold=*/40).addcmul_(losses, t, -1);
    at::Tensor sum = above + weighted(losses, 1, weights_.negative);
    require_targets(t, sum);
    return sum;
  }

  // What the elements add to the denominator, [1] of double.
  at::Tensor mass(const at::Tensor& t) const {
    const at::TensorOptions options = sum_options(t);
    switch (loss_.reduction.mass) {
      case kernels::RowMass::kOne:
        return at::full({1}, static_cast<double>(t.numel()), options);
      case kernels::RowMass::kPositive:
        return sum_of(t.sum(0));
      default:
        break;
    }
    const at::Tensor positives = row_weights_.defined() ? (t * row_weights_).sum(0) : t.sum(0);
    const at::Tensor all = row_weights_.defined()
                               ? sum_of(row_weights_)
                               : at::full({1}, static_cast<double>(t.size(0)), options);
    const at::Tensor sums = positives.to(options);
    return sum_of(weights_.positive * sums + weights_.negative * (all - sums));
  }

  at::Tensor gradient(const at::Tensor& factor) const {
    const at::Tensor above = weights_.positive * factor;
    const at::Tensor below = weights_.negative * factor;
    at::Tensor result = at::empty(logits_.sizes(), logits_.options().dtype(type_));
    for_each_part_in_cache(logits_, [&](const RowPart& part) {
      of(part).write_gradient(above, below, part.of(result));
    });
    return result;
  }
  void write_gradient(const at::Tensor& above, const at::Tensor& below, at::Tensor result) const {
    const at::Tensor t = targets_.to(type_);
    at::sigmoid_out(result, shifted());
    result.mul_(at::addcmul(below, t, above - below)).addcmul_(t, above, -1);
    weigh_rows(result);
  }

  // Rows by their weights, in place. The logits of rows and labels that do not count may be NaN.
  void weigh_rows(at::Tensor& gradient) const {
    if (row_weights_.defined()) gradient.mul_(row_weights_).masked_fill_(idle_, 0.0);
    if (!weighs_classes_) return;
    gradient.masked_fill_(weights_.positive.eq(0).bitwise_and(weights_.negative.eq(0)), 0.0);
  }

  SigmoidOfTensors loss_;
  at::ScalarType type_;
  at::Tensor logits_;
  at::Tensor targets_;
  at::Tensor shift_;
  bool weighs_classes_;
  SideWeights weights_;
  at::Tensor row_weights_;  // [N, 1] or undefined
  at::Tensor idle_;         // [N, 1]: rows of weight zero
};

// The loss without a graph, some rows at a time; all elements are in one bucket.
inline LossAndGradient sigmoid_in_parts(const SigmoidOfTensors& loss, const SigmoidTensors& tensors,
                                        const at::Tensor& logits, const at::Tensor& targets,
                                        const LossArguments& arguments, const Wanted& wanted) {
  const at::ScalarType type = compute_type(logits);
  const std::int64_t rows = logits.size(0);
  const auto options = logits.options().dtype(type);
  LossAndGradient result;
  if (wanted.gradient) result.gradient = at::empty(logits.sizes(), options);
  if (wanted.unreduced) result.loss = at::empty(logits.sizes(), options);
  const at::Tensor zero = at::zeros({1}, sum_options(logits));
  ElementSums sums{zero, zero, zero};
  const bool in_place = loss.is_finite && fits_in_place(loss, tensors, logits, arguments, wanted);
  const std::int64_t step = rows_at_a_time(rows, logits.size(1));
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t size = std::min(step, rows - begin);
    const auto part = [&](const at::Tensor& whole) {
      return whole.defined() ? whole.narrow(0, begin, size) : whole;
    };
    LossArguments own = arguments;
    for (at::Tensor* each : {&own.sample_weights, &own.groups, &own.mask}) *each = part(*each);
    if (in_place) {
      const SigmoidInPlace each(loss, tensors, part(logits), part(targets), own);
      sums.numerator = sums.numerator + each.by_modulators(part(result.gradient));
      if (wants_masses(arguments, wanted)) each.add_masses(sums);
      continue;
    }
    const ElementLosses each =
        element_losses(loss, tensors, part(logits), part(targets), own, wanted.gradient);
    at::Tensor losses = each.losses;
    losses.masked_fill_(each.elements.broken, equipoise::detail::quiet_nan());
    sums.numerator = sums.numerator + sum_of_elements(losses);
    if (wants_masses(arguments, wanted)) add_masses(loss, each.elements, own.groups, sums);
    if (wanted.unreduced) part(result.loss).copy_(losses);
    if (wanted.gradient) {
      at::Tensor gradient = part(result.gradient);
      at::sub_out(gradient, each.positive_gradient, each.negative_gradient);
    }
  }
  const at::Tensor coefficient = finish_elements(loss, arguments, wanted, sums, type, result);
  if (!wanted.gradient || wanted.unreduced) return result;
  result.make_gradient = [gradient = std::exchange(result.gradient, at::Tensor()),
                          coefficient = coefficient.to(type)](const at::Tensor& upstream,
                                                              at::ScalarType) {
    return at::Tensor(gradient).mul_(upstream * coefficient);
  };
  return result;
}

// The loss without a graph, in the best way for the call.
inline LossAndGradient sigmoid_without_graph(const SigmoidOfTensors& loss,
                                             const SigmoidTensors& tensors,
                                             const at::Tensor& logits, const at::Tensor& targets,
                                             const LossArguments& arguments, const Wanted& wanted) {
  if (loss.reduction.has_buckets()) {
    return sigmoid_by_operations(loss, tensors, logits, targets, arguments, wanted);
  }
  const bool has_form = loss.is_cross_entropy || SigmoidInPlace::fits_device(loss, logits);
  if (has_form && fits_in_place(loss, tensors, logits, arguments, wanted)) {
    return SigmoidInPlace(loss, tensors, logits, targets, arguments).evaluate(arguments, wanted);
  }
  return sigmoid_in_parts(loss, tensors, logits, targets, arguments, wanted);
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_OPERATIONS_H_
