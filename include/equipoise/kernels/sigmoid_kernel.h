// The fused sigmoid kernel: value and gradient of both sides in one pass, from one exponential an
// element. Elements are a flat run, whatever the number of labels, so that binary losses fill
// vectors as well as multi-label ones.
#ifndef EQUIPOISE_KERNELS_SIGMOID_KERNEL_H_
#define EQUIPOISE_KERNELS_SIGMOID_KERNEL_H_

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

// sigma(z) and sigma(-z), each in the forms that modulators take.
template <class P>
struct Sigmoids {
  TargetProbability<P> positive;
  TargetProbability<P> negative;
};

// From e = e^-|z| alone: the larger probability is 1 / (1 + e), the smaller one e / (1 + e), and
// log sigma(z) = min(z, 0) - log(1 + e). The logarithm of the rounded 1 + e alone would lose the
// bits of a small e: log1p's correction brings them back.
template <class P>
EQUIPOISE_HOST_INLINE Sigmoids<P> sigmoids(const P& z) {
  const P zero = math::like(z, 0.0);
  const P e = exp_nonpositive(-larger(z, -z));
  const P sum = 1.0 + e;
  const P inverse = 1.0 / sum;
  const P log_sum = log(sum) + (e - (sum - 1.0)) * inverse;
  const P less = e * inverse;
  const P p(z.v > zero.v ? inverse.v : less.v);
  const P q(z.v > zero.v ? less.v : inverse.v);
  const P log_p = -larger(-z, zero) - log_sum;
  const P log_q = -larger(z, zero) - log_sum;
  return {{log_p, p, q}, {log_q, q, p}};
}

// The losses of one vector of elements, and their gradient before the coefficient.
template <class P>
struct LossAndSlope {
  P loss;
  P slope;
};

template <class P, bool kScaled, class Positive, class Negative, class T>
EQUIPOISE_HOST_INLINE LossAndSlope<P> sigmoid_vector(const SigmoidElements<T>& in,
                                                     const Positive& positive,
                                                     const Negative& negative, std::size_t j,
                                                     const P& logit) {
  const P zero{T(0)};
  const P z = in.shift == nullptr ? logit : logit + P::load(in.shift + j);
  const P t = P::load(in.targets + j);
  P a = t * P::load(in.positive + j);
  P b = (1.0 - t) * P::load(in.negative + j);
  if (in.outer != nullptr) {
    P outer = P::load(in.outer + j);
    if (in.ratios != nullptr) {
      const P x = P(in.beta) * (P::load(in.ratios + j) - P(in.mu));
      outer = outer * (P(in.alpha) + sigmoids(x).positive.p);
    }
    a = a * outer;
    b = b * outer;
  }
  const Sigmoids<P> s = sigmoids(z);
  TargetProbability<P> of_negative = s.negative;
  if constexpr (kScaled) {
    const P scale(in.negative_scale);
    of_negative = sigmoids(scale * z).negative;
  }
  const ValueAndSlope<P> above = positive(s.positive);
  const ValueAndSlope<P> below = negative(of_negative);
  P below_value = below.value;
  if constexpr (kScaled) below_value = below_value * P(T(1) / in.negative_scale);
  return {where_equal(a, zero, zero, a * above.value) + where_equal(b, zero, zero, b * below_value),
          where_equal(a, zero, zero, a * above.slope * s.positive.q) -
              where_equal(b, zero, zero, b * below.slope * of_negative.q)};
}

template <class P, bool kScaled, class Positive, class Negative, class T>
EQUIPOISE_HOST_INLINE void sigmoid_run(const SigmoidElements<T>& in, const Positive& positive,
                                       const Negative& negative) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t whole = in.count / kLanes * kLanes;
  for (std::size_t j = 0; j < whole; j += kLanes) {
    const LossAndSlope<P> own =
        sigmoid_vector<P, kScaled>(in, positive, negative, j, P::load(in.logits + j));
    own.loss.store(in.losses + j);
    if (in.gradient == nullptr) continue;
    const P c = in.coefficients == nullptr ? P(in.coefficient) : P::load(in.coefficients + j);
    (own.slope * c).store(in.gradient + j);
  }
  if (whole == in.count) return;
  alignas(64) T rest[kLanes] = {};
  for (std::size_t i = 0; whole + i < in.count; ++i) rest[i] = in.logits[whole + i];
  const LossAndSlope<P> own =
      sigmoid_vector<P, kScaled>(in, positive, negative, whole, P::load(rest));
  own.loss.store(in.losses + whole);
  if (in.gradient == nullptr) return;
  const P c = in.coefficients == nullptr ? P(in.coefficient) : P::load(in.coefficients + whole);
  (own.slope * c).store(rest);
  for (std::size_t i = 0; whole + i < in.count; ++i) in.gradient[whole + i] = rest[i];
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
