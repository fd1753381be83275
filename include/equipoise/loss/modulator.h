// Modulators: the part of a loss that turns the probability of the target into a value and a slope.
#ifndef EQUIPOISE_LOSS_MODULATOR_H_
#define EQUIPOISE_LOSS_MODULATOR_H_

#include <concepts>
#include <string_view>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/math.h"

namespace equipoise {

/// The probability of the target in the three forms that losses need. q = 1 - p is computed without
/// cancellation.
template <class T>
struct TargetProbability {
  T log_p;
  T p;
  T q;
};

/// The value of a loss and its derivative with respect to log_p.
template <class T>
struct ValueAndSlope {
  T value;
  T slope;
};

/// M can be evaluated on the field T.
template <class M, class T>
concept ModulatorOn = math::Field<T> && requires(const M& modulator, TargetProbability<T> target) {
  { modulator(target) } -> std::same_as<ValueAndSlope<T>>;
};

/// A copyable struct of hyper-parameters whose call operator is a template over the field:
///
///     struct Tsallis {  // (1 - p^s) / s
///       double s = 0.7;
///       template <class T>
///       EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
///         const T power = math::pow(t.p, s);
///         return {(1.0 - power) * (1.0 / s), -power};
///       }
///     };
///
/// It uses only arithmetic and equipoise::math, keeps constants in double, and returns slopes that
/// are finite at p = 1. Without EQUIPOISE_INLINE it is correct but slower, and is not device code,
/// which equipoise/cuda.h needs. If it has `require(where)`, loss calls call that first, so that it
/// can reject hyper-parameters out of range.
template <class M>
concept Modulator = std::copyable<M> && ModulatorOn<M, double>;

namespace detail {

// For the compiler's message: a kernel's requirements of a modulator, on packs of numbers.
template <class M, class Pack>
constexpr bool require_modulator_on() {
  static_assert(ModulatorOn<M, Pack>,
                "a modulator needs `template <class T> ValueAndSlope<T> operator()(const "
                "TargetProbability<T>&) const` that computes with equipoise::math only");
  return ModulatorOn<M, Pack>;
}

}  // namespace detail

/// -log p: cross-entropy.
struct CrossEntropy {
  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    return {-t.log_p, math::like(t.log_p, -1.0)};
  }
  friend bool operator==(const CrossEntropy&, const CrossEntropy&) = default;
};

/// -(1 - p)^gamma log p: the focal loss of Lin et al. 2017 (arXiv:1708.02002). gamma >= 0; 0 is
/// cross-entropy. Class weights multiply it from outside and never enter p.
struct Focal {
  double gamma = 2.0;

  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    const T factor = math::pow(t.q, gamma);
    // Tends to -1 as q does to 0. With q^(gamma - 1) instead, gamma < 1 would give infinity times
    // 0; and p log p tends to 0 as p does.
    const T ratio = math::max(t.log_p, -1e30) / math::max(t.q, 1e-30);
    return {-(factor * t.log_p), factor * (gamma * t.p * ratio - 1.0)};
  }

  /// @throws std::invalid_argument for a gamma that is negative or not finite.
  void require(std::string_view where) const {
    detail::require_not_negative(where, "gamma", gamma);
  }
  friend bool operator==(const Focal&, const Focal&) = default;
};

/// m(p) + epsilon (1 - p)^power: the first term of the polynomial loss of Leng et al. 2022
/// (arXiv:2204.12511), added to another modulator m. On cross-entropy it is Poly-1 with a power of
/// 1, on the focal loss with power gamma + 1; see poly1(). epsilon > 0 increases the gradient of
/// rows that are not yet right, epsilon < 0 reduces it; epsilon >= -1 keeps Poly-1 monotone in p.
template <Modulator M = CrossEntropy>
struct PolyCrossEntropy {
  M base{};
  double epsilon = 1.0;
  double power = 1.0;  ///< >= 1

  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    const ValueAndSlope<T> of_base = base(t);
    // The derivative of (1 - p)^k in log p is -k p (1 - p)^(k - 1).
    const T less = math::pow(t.q, power - 1.0);
    return {of_base.value + epsilon * (less * t.q),
            of_base.slope - (epsilon * power) * (t.p * less)};
  }

  /// @throws std::invalid_argument for an epsilon that is not finite, a power that is below 1 or
  /// not finite, and for hyper-parameters that the base rejects.
  void require(std::string_view where) const {
    if constexpr (requires { base.require(where); }) base.require(where);
    detail::require_finite(where, "epsilon", epsilon);
    if (!detail::is_finite(power) || power < 1) {
      detail::reject(where, "power", power, "a finite number >= 1");
    }
  }
  friend bool operator==(const PolyCrossEntropy&, const PolyCrossEntropy&) = default;
};

/// Poly-1 cross-entropy: -log p + epsilon (1 - p).
constexpr PolyCrossEntropy<CrossEntropy> poly1(double epsilon = 1.0) { return {{}, epsilon, 1.0}; }

/// Poly-1 focal loss: -(1 - p)^gamma log p + epsilon (1 - p)^(gamma + 1).
constexpr PolyCrossEntropy<Focal> poly1(const Focal& focal, double epsilon = 1.0) {
  return {focal, epsilon, focal.gamma + 1.0};
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_MODULATOR_H_
