// The fused sigmoid kernel: value and gradient of both sides in one pass, from one exponential an
// element. Elements are a flat run, whatever the number of labels, so that binary losses fill
// vectors as well as multi-label ones.
#ifndef EQUIPOISE_KERNELS_SIGMOID_KERNEL_H_
#define EQUIPOISE_KERNELS_SIGMOID_KERNEL_H_

#include <concepts>
#include <cstddef>
#include <type_traits>

#include "equipoise/config.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/pack.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/math.h"

namespace equipoise::kernels {

// A run of elements. All arrays but logits and gradient have room for kMostLanes elements past the
// last one; what lies there is finite. The loss of element j with target t is
//   outer (t positive m+(sigma(z)) + (1 - t) negative m-(sigma(-lambda z)) / lambda)
// with z = logit + shift and lambda = negative_scale; its gradient with respect to the logit is
// multiplied by the coefficient. A side of weight zero adds nothing, whatever its value. Where
// there are ratios, outer is multiplied by alpha + sigma(beta (ratio - mu)).
template <class T>
struct SigmoidElements {
  std::size_t count;
  const T* logits;
  T* gradient;            // or null; may be the logits' own memory
  const T* targets;       // in [0, 1]
  const T* positive;      // weight of the positive side
  const T* negative;      // weight of the negative side
  const T* shift;         // or null
  const T* outer;         // or null: 1; 0 where ignored
  const T* ratios;        // or null
  const T* coefficients;  // or null: that of all elements
  T coefficient;
  T negative_scale;
  T alpha;
  T beta;
  T mu;
  T* losses;  // out
};

inline namespace EQUIPOISE_ISA_NAMESPACE {

// What sigma(z) and sigma(-z) are made of, from e = e^-|z| alone.
template <class P>
struct SigmoidParts {
  P larger;   // 1 / (1 + e)
  P smaller;  // e / (1 + e)
  P log_sum;  // log(1 + e)
};

template <class P>
EQUIPOISE_HOST_INLINE SigmoidParts<P> sigmoid_parts(const P& z) {
  const P e = exp_nonpositive(-larger(z, -z));
  const P inverse = 1.0 / (1.0 + e);
  return {inverse, e * inverse, log1p_of_unit(e)};
}

// sigma(z) in the forms that modulators take; log sigma(z) = min(z, 0) - log(1 + e).
template <class P>
EQUIPOISE_HOST_INLINE TargetProbability<P> sigmoid(const P& z, const SigmoidParts<P>& parts) {
  const P zero = math::like(z, 0.0);
  return {-larger(-z, zero) - parts.log_sum, P(z.v > zero.v ? parts.larger.v : parts.smaller.v),
          P(z.v > zero.v ? parts.smaller.v : parts.larger.v)};
}
template <class P>
EQUIPOISE_HOST_INLINE TargetProbability<P> sigmoid(const P& z) {
  return sigmoid(z, sigmoid_parts(z));
}

// The losses of one vector of elements, and their gradient before the coefficient.
template <class P>
struct LossAndSlope {
  P loss;
  P slope;
};

template <class P, class T>
EQUIPOISE_HOST_INLINE P shifted(const SigmoidElements<T>& in, std::size_t j, const P& logit) {
  return in.shift == nullptr ? logit : logit + P::load(in.shift + j);
}

// The weight besides that of a side.
template <class P, class T>
EQUIPOISE_HOST_INLINE P outer_weight(const SigmoidElements<T>& in, std::size_t j) {
  const P outer = P::load(in.outer + j);
  if (in.ratios == nullptr) return outer;
  return outer * (P(in.alpha) + sigmoid(P(in.beta) * (P::load(in.ratios + j) - P(in.mu))).p);
}

// Targets between 0 and 1: both sides.
template <class P, bool kScaled, class Positive, class Negative, class T>
EQUIPOISE_HOST_INLINE LossAndSlope<P> of_both_sides(const SigmoidElements<T>& in,
                                                    const Positive& positive,
                                                    const Negative& negative, std::size_t j,
                                                    const P& logit) {
  const P zero{T(0)};
  const P z = shifted(in, j, logit);
  const P t = P::load(in.targets + j);
  P a = t * P::load(in.positive + j);
  P b = (1.0 - t) * P::load(in.negative + j);
  if (in.outer != nullptr) {
    const P outer = outer_weight<P>(in, j);
    a = a * outer;
    b = b * outer;
  }
  const SigmoidParts<P> parts = sigmoid_parts(z);
  const TargetProbability<P> of_positive = sigmoid(z, parts);
  TargetProbability<P> of_negative = sigmoid(-z, parts);
  if constexpr (kScaled) of_negative = sigmoid(-(P(in.negative_scale) * z));
  const ValueAndSlope<P> above = positive(of_positive);
  const ValueAndSlope<P> below = negative(of_negative);
  P below_value = below.value;
  if constexpr (kScaled) below_value = below_value * P(T(1) / in.negative_scale);
  return {where_equal(a, zero, zero, a * above.value) + where_equal(b, zero, zero, b * below_value),
          where_equal(a, zero, zero, a * above.slope * of_positive.q) -
              where_equal(b, zero, zero, b * below.slope * of_negative.q)};
}

// Targets that are 0 or 1, and one modulator for both sides: that of the target alone.
template <class P, bool kScaled, class M, class T>
EQUIPOISE_HOST_INLINE LossAndSlope<P> of_one_side(const SigmoidElements<T>& in, const M& modulator,
                                                  std::size_t j, const P& logit) {
  const P zero{T(0)};
  const P z = shifted(in, j, logit);
  const P t = P::load(in.targets + j);
  P weight = where_equal(t, zero, P::load(in.negative + j), P::load(in.positive + j));
  if (in.outer != nullptr) weight = weight * outer_weight<P>(in, j);
  const P opposite = kScaled ? -(P(in.negative_scale) * z) : -z;
  const TargetProbability<P> target = sigmoid(where_equal(t, zero, opposite, z));
  const ValueAndSlope<P> result = modulator(target);
  P value = result.value;
  if constexpr (kScaled) {
    value = where_equal(t, zero, value * P(T(1) / in.negative_scale), value);
  }
  const P slope = weight * result.slope * target.q;
  return {where_equal(weight, zero, zero, weight * value),
          where_equal(weight, zero, zero, where_equal(t, zero, -slope, slope))};
}

// Whether every target is 0 or 1.
template <class P, class T>
EQUIPOISE_HOST_INLINE bool are_whole(const T* targets, std::size_t count) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const P zero{T(0)};
  const P one{T(1)};
  P positives = zero;
  P ones = zero;
  for (std::size_t j = 0; j < count; j += kLanes) {
    const P t = P::load(targets + j);
    positives += where_equal(t, zero, zero, one);
    ones += where_equal(t, one, one, zero);
  }
  return sum(positives - ones) == 0;
}

// Losses and gradient by evaluate(j, logits), a function for a vector of elements from j on.
template <class P, class Evaluate, class T>
EQUIPOISE_HOST_INLINE void sigmoid_run(const SigmoidElements<T>& in, const Evaluate& evaluate) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t whole = in.count / kLanes * kLanes;
  for (std::size_t j = 0; j < whole; j += kLanes) {
    const LossAndSlope<P> own = evaluate(j, P::load(in.logits + j));
    own.loss.store(in.losses + j);
    if (in.gradient == nullptr) continue;
    const P c = in.coefficients == nullptr ? P(in.coefficient) : P::load(in.coefficients + j);
    (own.slope * c).store(in.gradient + j);
  }
  if (whole == in.count) return;
  alignas(64) T rest[kLanes] = {};
  for (std::size_t i = 0; whole + i < in.count; ++i) rest[i] = in.logits[whole + i];
  const LossAndSlope<P> own = evaluate(whole, P::load(rest));
  own.loss.store(in.losses + whole);
  if (in.gradient == nullptr) return;
  const P c = in.coefficients == nullptr ? P(in.coefficient) : P::load(in.coefficients + whole);
  (own.slope * c).store(rest);
  for (std::size_t i = 0; whole + i < in.count; ++i) in.gradient[whole + i] = rest[i];
}

template <class P, bool kScaled, class Positive, class Negative, class T>
EQUIPOISE_HOST_INLINE void sigmoid_run(const SigmoidElements<T>& in, const Positive& positive,
                                       const Negative& negative) {
  if constexpr (requires {
                  requires std::same_as<Positive, Negative>;
                  positive == negative;
                }) {
    if (positive == negative && are_whole<P>(in.targets, in.count)) {
      return sigmoid_run<P>(in, [&](std::size_t j, const P& logits) EQUIPOISE_INLINE_LAMBDA {
        return of_one_side<P, kScaled>(in, positive, j, logits);
      });
    }
  }
  sigmoid_run<P>(in, [&](std::size_t j, const P& logits) EQUIPOISE_INLINE_LAMBDA {
    return of_both_sides<P, kScaled>(in, positive, negative, j, logits);
  });
}

// The kernel of a loss's modulators, whose type is S.
template <class S, class T>
void sigmoid_kernel(const SigmoidElements<T>& in, const void* sides, Cpu instructions) {
#if !defined(__CUDA_ARCH__)
  const auto positive = static_cast<const S*>(sides)->positive();
  const auto negative = static_cast<const S*>(sides)->negative();
  using Narrow = Pack<T, 16 / sizeof(T)>;
  if constexpr (detail::require_modulator_on<std::remove_const_t<decltype(positive)>, Narrow>() &&
                detail::require_modulator_on<std::remove_const_t<decltype(negative)>, Narrow>()) {
    run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA {
      using P = Pack<T, width() / sizeof(T)>;
      if (in.negative_scale == T(1)) {
        sigmoid_run<P, false>(in, positive, negative);
      } else {
        sigmoid_run<P, true>(in, positive, negative);
      }
    });
  }
#endif
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_SIGMOID_KERNEL_H_
