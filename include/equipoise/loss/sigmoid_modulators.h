// The two sides of sigmoid losses: one modulator for positives and one for negatives.
#ifndef EQUIPOISE_LOSS_SIGMOID_MODULATORS_H_
#define EQUIPOISE_LOSS_SIGMOID_MODULATORS_H_

#include <concepts>
#include <string_view>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/math.h"

namespace equipoise {

/// A copyable struct that names a modulator for each side. The one for positives sees the
/// probability of a positive, p = sigma(z); the one for negatives sees the probability of a
/// negative, p = sigma(-z). A user's struct needs no more:
///
///     struct FocalOnNegatives {
///       CrossEntropy positive() const { return {}; }
///       Focal negative() const { return {2.0}; }
///     };
///
/// If it also has `require(where)`, loss calls call that first, so that it can reject
/// hyper-parameters out of range.
template <class S>
concept SigmoidModulators = std::copyable<S> && requires(const S& sides) {
  { sides.positive() } -> Modulator;
  { sides.negative() } -> Modulator;
};

/// The same modulator on both sides: turns your own modulator, or poly1(), into a sigmoid loss.
template <Modulator M = CrossEntropy>
struct BothSides {
  M modulator{};

  M positive() const { return modulator; }
  M negative() const { return modulator; }
  void require(std::string_view where) const {
    if constexpr (requires { modulator.require(where); }) modulator.require(where);
  }
  friend bool operator==(const BothSides&, const BothSides&) = default;
};

/// -log sigma(z) for positives, -log sigma(-z) for negatives.
using BinaryCrossEntropy = BothSides<CrossEntropy>;

/// The focal loss of Lin et al. 2017 (arXiv:1708.02002) on both sides: -(1 - p)^gamma log p with p
/// the probability of the truth. gamma >= 0. Its alpha is a weight, see sigmoid_focal().
struct SigmoidFocal {
  double gamma = 2.0;

  Focal positive() const { return {gamma}; }
  Focal negative() const { return {gamma}; }

  /// @throws std::invalid_argument for a gamma that is negative or not finite.
  void require(std::string_view where) const {
    detail::require_not_negative(where, "sides.gamma", gamma);
  }
  friend bool operator==(const SigmoidFocal&, const SigmoidFocal&) = default;
};

/// Another modulator m at a probability raised by `margin` and clipped at 1: m(min(p + margin, 1)).
/// If the model gives the truth a probability of 1 - margin or more, the loss is m(1) and the
/// gradient is 0.
template <Modulator M = Focal>
struct ProbabilityShift {
  M base{};
  double margin = 0.05;  ///< in [0, 1); 0 is the base itself

  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    if (margin == 0) return base(t);
    const T q = math::max(t.q - margin, 0.0);
    const T below = math::step(q);
    const T p = below * (t.p + margin) + (1.0 - below);
    const ValueAndSlope<T> result = base(TargetProbability<T>{math::log(p), p, q});
    // From the slope in log(p + margin) to that in log p.
    return {result.value, result.slope * below * t.p / p};
  }
  friend bool operator==(const ProbabilityShift&, const ProbabilityShift&) = default;
};

/// The asymmetric loss of Ben-Baruch et al. 2020 (arXiv:2009.14119). With p = sigma(z) and
/// p_m = max(p - clip, 0),
///
///     positives: -(1 - p)^gamma_positive log p        negatives: -p_m^gamma_negative log(1 - p_m)
///
/// so that easy negatives have little weight and very easy ones, p <= clip, none. These are most of
/// the elements, and include positives that annotators missed. The gradient is that of the formula;
/// nothing in it is held constant.
struct AsymmetricFocal {
  double gamma_positive = 1.0;  ///< >= 0
  double gamma_negative = 4.0;  ///< >= 0
  double clip = 0.05;           ///< in [0, 1)

  Focal positive() const { return {gamma_positive}; }
  ProbabilityShift<Focal> negative() const { return {{gamma_negative}, clip}; }

  /// @throws std::invalid_argument for hyper-parameters out of range.
  void require(std::string_view where) const {
    detail::require_not_negative(where, "sides.gamma_positive", gamma_positive);
    detail::require_not_negative(where, "sides.gamma_negative", gamma_negative);
    detail::require_between(where, "sides.clip", clip, 0, 1, detail::Ends::kLeast);
  }
  friend bool operator==(const AsymmetricFocal&, const AsymmetricFocal&) = default;
};

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_SIGMOID_MODULATORS_H_
