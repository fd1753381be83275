// Policies of overlap losses: Dice, generalised Dice, Tversky and their kin.
#ifndef EQUIPOISE_LOSS_OVERLAP_POLICIES_H_
#define EQUIPOISE_LOSS_OVERLAP_POLICIES_H_

#include <string_view>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap_terms.h"
#include "equipoise/math.h"

namespace equipoise {

namespace detail {

// The least divisor of sums, so that 0 / 0 is 0.
inline constexpr double kLeastMass = 1e-30;

// TP = p t, FP = p (1 - t), FN = (1 - p) t.
template <class T>
EQUIPOISE_INLINE ElementTerms<T> plain_terms(const OverlapElement<T>& e) {
  const T other = 1.0 - e.t;
  return {{e.p * e.t, e.p * other, e.q * e.t}, {e.t, other, -e.t}};
}

// missed / (kept + missed), where both are linear in the sums, and its slopes. Unlike 1 - kept /
// all, this form does not cancel if little is missed.
template <class T>
OverlapValue<T> missed_share(const T& kept, const T& missed, double kept_by_tp, double missed_by_fp,
                             double missed_by_fn) {
  const T all = math::max(kept + missed, kLeastMass);
  const T value = missed / all;
  const T rest = kept / all / all;
  return {value, {-kept_by_tp * (value / all), missed_by_fp * rest, missed_by_fn * rest}};
}

}  // namespace detail

/// 1 - (2 TP + s) / (2 TP + FP + FN + s) with the smoothing s: soft Dice, 2 TP + FP + FN being the
/// predicted mass plus the target mass. `squared` uses sum p^2 + sum t^2 for these, like Milletari
/// et al. 2016 (arXiv:1606.04797). 0 if sums and smoothing are zero.
struct Dice {
  double smoothing = 1.0;
  bool squared = false;

  template <class T>
  OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
    const T kept = 2.0 * sums.tp + smoothing;
    const T missed = sums.fp + sums.fn;
    return detail::missed_share(kept, missed, 2.0, 1.0, 1.0);
  }
  /// With squares, FP = p (p - t) and FN = t (t - p), so that 2 TP + FP + FN = p^2 + t^2.
  template <class T>
  EQUIPOISE_INLINE ElementTerms<T> element(const OverlapElement<T>& e) const {
    if (!squared) return detail::plain_terms(e);
    const T over = e.p - e.t;
    return {{e.p * e.t, e.p * over, -(e.t * over)}, {e.t, e.p + over, -e.t}};
  }
  void require(std::string_view where) const {
    detail::require_not_negative(where, "dice.smoothing", smoothing);
  }
  friend bool operator==(const Dice&, const Dice&) = default;
};

/// 1 - TI with the Tversky index TI = (TP + s) / (TP + fp FP + fn FN + s) of Salehi et al. 2017
/// (arXiv:1706.05721), whose alpha is fp and whose beta is fn: the larger fn, the more recall
/// counts. fp = fn = 1/2 is Dice with twice the smoothing.
struct Tversky {
  double fp = 0.3;
  double fn = 0.7;
  double smoothing = 1.0;

  template <class T>
  OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
    const T kept = sums.tp + smoothing;
    const T missed = fp * sums.fp + fn * sums.fn;
    return detail::missed_share(kept, missed, 1.0, fp, fn);
  }
  void require(std::string_view where) const {
    detail::require_not_negative(where, "tversky.fp", fp);
    detail::require_not_negative(where, "tversky.fn", fn);
    detail::require_not_negative(where, "tversky.smoothing", smoothing);
  }
  friend bool operator==(const Tversky&, const Tversky&) = default;
};

/// (1 - TI)^power: the focal Tversky loss of Abraham & Khan 2019 (arXiv:1810.07842), whose alpha
/// = 0.7 weights FN and whose power 1/gamma is 3/4. A power below 1 gives classes that are nearly
/// right more gradient; its slope is infinite at TI = 1, and the slope at 1 - TI = 1e-30 is used
/// there.
struct FocalTversky {
  double fp = 0.3;
  double fn = 0.7;
  double power = 0.75;
  double smoothing = 1.0;

  template <class T>
  OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
    const OverlapValue<T> base = Tversky{fp, fn, smoothing}(sums);
    const T factor = math::pow(math::max(base.value, detail::kLeastMass), power - 1.0);
    const T slope = power * factor;
    return {base.value * factor,
            {slope * base.slope.tp, slope * base.slope.fp, slope * base.slope.fn}};
  }
  void require(std::string_view where) const {
    detail::require_not_negative(where, "focal_tversky.fp", fp);
    detail::require_not_negative(where, "focal_tversky.fn", fn);
    detail::require_not_negative(where, "focal_tversky.power", power);
    detail::require_not_negative(where, "focal_tversky.smoothing", smoothing);
  }
  friend bool operator==(const FocalTversky&, const FocalTversky&) = default;
};

/// The generalised Dice loss of Sudre et al. 2017 (arXiv:1707.03237), one ratio over the classes:
///
///     1 - (2 sum_c v_c TP_c + s) / (sum_c v_c (2 TP_c + FP_c + FN_c) + s),
///     v_c = max(T_c, least_mass)^-power, T_c the target mass of the class,
///
/// with power = 2 in the paper; 0 weights the classes equally (micro-averaged Dice). least_mass
/// keeps v finite if a class is absent but counts. The sums are divided by squares of masses here,
/// so keep the smoothing at 0 or far below 1 over the largest mass.
struct GeneralisedDice {
  double power = 2.0;
  double smoothing = 0.0;
  double least_mass = 1.0;

  template <class T>
  OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
    return Dice{smoothing}(sums);
  }
  template <class T>
  T share(const T& target_mass) const {
    return math::pow(math::max(target_mass, least_mass), -power);
  }
  void require(std::string_view where) const {
    detail::require_not_negative(where, "generalised_dice.power", power);
    detail::require_not_negative(where, "generalised_dice.smoothing", smoothing);
    detail::require_positive(where, "generalised_dice.least_mass", least_mass);
  }
  friend bool operator==(const GeneralisedDice&, const GeneralisedDice&) = default;
};

namespace detail {

// The derivative of (1 - p)^alpha p with respect to p, with `power` = (1 - p)^alpha. It is divided
// by q = 1 - p only if necessary: 0 / 0 has a value here, but no derivative.
template <class T>
EQUIPOISE_INLINE T self_adjusted_slope(const T& p, const T& q, const T& power, double alpha) {
  if (alpha >= 1.0) return power - alpha * (p * math::pow(q, alpha - 1.0));
  return power * (1.0 - alpha * p / math::max(q, kLeastMass));
}

}  // namespace detail

/// f / (f + s) with f = (1 - p)^alpha p: the self-adjusting Dice of one example that is not of the
/// class (t = 0), as a modulator. Like all modulators of negatives, it is called with the
/// probability 1 - p of the truth.
struct SelfAdjustingDiceNegative {
  double alpha = 1.0;
  double smoothing = 1.0;

  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& target) const {
    const T power = math::pow(target.p, alpha);
    const T f = power * target.q;
    const T all = math::max(f + smoothing, detail::kLeastMass);
    return {f / all, smoothing * power * (alpha * target.q - target.p) / (all * all)};
  }
  friend bool operator==(const SelfAdjustingDiceNegative&,
                         const SelfAdjustingDiceNegative&) = default;
};

/// The self-adjusting Dice of Li et al. 2020 (arXiv:1911.02855): Dice on f = (1 - p)^alpha p in
/// place of p, in its two forms.
///
/// As the modulator of a softmax loss, SoftmaxLoss<SelfAdjustingDice>, it is the paper's loss of
/// one example, for the target's probability against the rest, t = 1:
///
///     1 - (2 f + s) / (f + 1 + s),
///
/// which decomposes over rows and so accepts all weights, reductions and arguments that other
/// softmax losses do; as the modulators of a sigmoid loss it is that of each example and label,
/// with f / (f + s) where t = 0. As the policy of an OverlapLoss it is one Dice per class over the
/// set,
///
///     1 - (2 sum_i f_i t_i + s) / (sum_i f_i + sum_i t_i + s).
///
/// Note that f is largest at p = 1 / (1 + alpha): beyond that the loss rises again, and its
/// gradient makes confident targets less confident. alpha = 0 is Dice itself. With alpha < 1 the
/// slope of f tends to infinity as p tends to 1: slopes stay finite, but one example's gradient at
/// its target loses all digits if 1 - p is near the rounding error of one.
struct SelfAdjustingDice {
  double alpha = 1.0;
  double smoothing = 1.0;

  /// For one example, by the probability of its target.
  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& target) const {
    const T power = math::pow(target.q, alpha);
    const T f = power * target.p;
    const T all = f + (1.0 + smoothing);
    const T slope =
        target.p * detail::self_adjusted_slope(target.p, target.q, power, alpha);  // of log p
    return {(1.0 - f) / all, -((2.0 + smoothing) * slope / (all * all))};
  }
  SelfAdjustingDice positive() const { return *this; }
  SelfAdjustingDiceNegative negative() const { return {alpha, smoothing}; }

  /// For one class over a set.
  template <class T>
  OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
    return Dice{smoothing}(sums);
  }
  template <class T>
  EQUIPOISE_INLINE ElementTerms<T> element(const OverlapElement<T>& e) const {
    const T power = math::pow(e.q, alpha);
    const T f = power * e.p;
    const T slope = detail::self_adjusted_slope(e.p, e.q, power, alpha);
    const T other = 1.0 - e.t;
    return {{f * e.t, f * other, (1.0 - f) * e.t}, {slope * e.t, slope * other, -(slope * e.t)}};
  }
  void require(std::string_view where) const {
    detail::require_not_negative(where, "self_adjusting_dice.alpha", alpha);
    detail::require_not_negative(where, "self_adjusting_dice.smoothing", smoothing);
  }
  friend bool operator==(const SelfAdjustingDice&, const SelfAdjustingDice&) = default;
};

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_OVERLAP_POLICIES_H_
