// Overlap losses: Dice, generalised Dice, Tversky and their kin, over a set of rows, in two passes.
#ifndef EQUIPOISE_LOSS_OVERLAP_H_
#define EQUIPOISE_LOSS_OVERLAP_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/cpu.h"
#include "equipoise/detail/fits.h"
#include "equipoise/detail/pack.h"
#include "equipoise/detail/row_blocks.h"
#include "equipoise/detail/row_targets.h"
#include "equipoise/detail/softmax_kernel.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/targets.h"
#include "equipoise/math.h"
#include "equipoise/view.h"

namespace equipoise {

/// True positives, false positives and false negatives: of one row and class, or summed over rows.
template <class T>
struct OverlapTerms {
  T tp;
  T fp;
  T fn;
  friend bool operator==(const OverlapTerms&, const OverlapTerms&) = default;
};

/// The loss of one class and its derivatives with respect to the class's three sums.
template <class T>
struct OverlapValue {
  T value;
  OverlapTerms<T> slope;
};

/// One row and class: the probability p, its complement q = 1 - p, computed without cancellation,
/// and the target t in [0, 1].
template <class T>
struct OverlapElement {
  T p;
  T q;
  T t;
};

/// What one row and class adds to the sums, and the derivatives of that with respect to p.
template <class T>
struct ElementTerms {
  OverlapTerms<T> value;
  OverlapTerms<T> slope;
};

/// A copyable struct of hyper-parameters that maps the sums of one class to the loss of that class
/// and its slopes. Its call operator is a template over the field (double, or at::Tensor with all
/// classes in it), uses arithmetic and equipoise::math alone, and keeps its slopes finite:
///
///     struct Jaccard {  // 1 - TP / (TP + FP + FN)
///       template <class T>
///       OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
///         const T all = math::max(sums.tp + sums.fp + sums.fn, 1e-30);
///         const T kept = sums.tp / all / all;
///         const T missed = (sums.fp + sums.fn) / all;
///         return {missed, {-missed / all, kept, kept}};
///       }
///     };
///
/// Three further members are taken into account where a policy has them:
/// - `ElementTerms<T> element(const OverlapElement<T>&)`, a template over double, SIMD packs and
///   tensors: what a row adds, in place of TP = p t, FP = p (1 - t), FN = (1 - p) t. TP + FN must
///   not depend on p: it is the class's target mass; and both are 0 where t is.
/// - `T share(const T& target_mass)`: the sums of all classes, each times its share and its class
///   weight, are added up, and the policy is called once, on the result.
/// - `void require(std::string_view where) const`: refuses hyper-parameters by an exception.
template <class P>
concept OverlapPolicy = std::copyable<P> && requires(const P& policy, OverlapTerms<double> sums) {
  { policy(sums) } -> std::same_as<OverlapValue<double>>;
};

namespace detail {

// What sums are divided by is at least this, so that 0 / 0 is 0.
inline constexpr double kLeastMass = 1e-30;

// TP = p t, FP = p (1 - t), FN = (1 - p) t.
template <class T>
EQUIPOISE_INLINE ElementTerms<T> plain_terms(const OverlapElement<T>& e) {
  const T other = 1.0 - e.t;
  return {{e.p * e.t, e.p * other, e.q * e.t}, {e.t, other, -e.t}};
}

// missed / (kept + missed) where both are linear in the sums, and its slopes: with the loss
// 1 - kept / all, this form does not cancel where little is missed.
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
/// predicted mass plus the target mass. `squared` takes sum p^2 + sum t^2 for these, as Milletari
/// et al. 2016 (arXiv:1606.04797) do. 0 where sums and smoothing are zero.
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
/// right more gradient; its slope, infinite at TI = 1, is taken as that at 1 - TI = 1e-30.
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
/// with power = 2 in the paper; 0 weighs the classes alike (micro-averaged Dice). least_mass keeps
/// v finite where a class is absent and counts nevertheless. The sums are divided by squares of
/// masses here, so keep the smoothing at 0 or far below 1 over the largest mass.
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
// by q = 1 - p only where it has to be: 0 / 0 has a value here, but no derivative.
template <class T>
EQUIPOISE_INLINE T self_adjusted_slope(const T& p, const T& q, const T& power, double alpha) {
  if (alpha >= 1.0) return power - alpha * (p * math::pow(q, alpha - 1.0));
  return power * (1.0 - alpha * p / math::max(q, kLeastMass));
}

}  // namespace detail

/// f / (f + s) with f = (1 - p)^alpha p: the self-adjusting Dice of one example that is none of the
/// class (t = 0), as a modulator. It is called, as modulators of negatives are, with the
/// probability 1 - p of what is true.
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
/// one example, of the target's probability against the rest, t = 1:
///
///     1 - (2 f + s) / (f + 1 + s),
///
/// which decomposes over rows and so takes all weights, reductions and arguments that other softmax
/// losses do; as the modulators of a sigmoid loss it is that of each example and label, with
/// f / (f + s) where t = 0. As the policy of an OverlapLoss it is one Dice a class over the set,
///
///     1 - (2 sum_i f_i t_i + s) / (sum_i f_i + sum_i t_i + s).
///
/// Mind that f is largest at p = 1 / (1 + alpha): beyond that the loss rises again, and its
/// gradient makes sure targets less sure. alpha = 0 is Dice itself. With alpha < 1 the slope of f
/// tends to infinity as p does to 1: slopes stay finite, but of one example's gradient at its
/// target all digits are lost where 1 - p is near the rounding error of one.
struct SelfAdjustingDice {
  double alpha = 1.0;
  double smoothing = 1.0;

  /// Of one example, by the probability of its target.
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

  /// Of one class over a set.
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

/// Which function makes probabilities of logits.
enum class Activation {
  kSoftmax,  ///< classes exclude each other
  kSigmoid,  ///< each class is a question of its own (multi-label); one class: binary
};

/// What becomes of a class without target mass in the set.
enum class AbsentClass {
  /// It does not count, as in MeanPerClass: what is predicted as it is a false negative of a class
  /// that is present. Otherwise each set that misses a rare class would hold a loss that no
  /// prediction of the class can lower, only its absence.
  kSkip,
  /// It counts: its loss is that of TP = FN = 0, and pushes its probabilities down.
  kCount,
};

/// An overlap loss as a value. With p the softmax or sigmoid of the logits, t the targets and w the
/// weights of the rows, the sums of class c over a set of rows are
///
///     TP_c = sum_i w_i p_ic t_ic,  FP_c = sum_i w_i p_ic (1 - t_ic),
///     FN_c = sum_i w_i (1 - p_ic) t_ic
///
/// (a policy may say otherwise), and the loss is the mean of policy(TP_c, FP_c, FN_c) over the
/// classes, weighted by class_weights. Rows that are ignored, and rows of weight zero, do not take
/// part, whatever their logits.
///
/// The loss belongs to the set, not to rows: sums of parts merge, losses of parts do not. So it
/// takes two passes over the logits: overlap_sums() of each part, merged; then finish() gives the
/// value and slopes, and overlap_gradient() of each part goes from slopes to logits. The softmax is
/// computed twice, and nothing of the size of the logits is stored: two to six times the time of a
/// loss that decomposes over rows, more with more classes.
template <OverlapPolicy P = Dice>
struct OverlapLoss {
  P policy{};
  /// C finite numbers >= 0; empty: all 1. 0 leaves a class out, such as the O of entity tags.
  std::vector<double> class_weights{};
  Activation activation = Activation::kSoftmax;
  AbsentClass absent_class = AbsentClass::kSkip;
  std::int64_t ignore_index = kIgnoreIndex;
  /// The value where no class counts or nothing was added up.
  EmptyBatch empty_batch = EmptyBatch::kZero;
};

/// The sums of a set of rows, by class. Sums of parts merge by += into those of the whole.
struct OverlapSums {
  std::vector<OverlapTerms<double>> classes;

  /// Adds another part; empty sums take the other's number of classes. O(C).
  /// @throws std::invalid_argument where the numbers of classes differ.
  OverlapSums& operator+=(const OverlapSums& other) {
    if (classes.empty()) return *this = other;
    if (other.classes.empty()) return *this;
    detail::require_size("OverlapSums::operator+=", "other.classes", other.classes.size(),
                         classes.size(), "classes on the left");
    for (std::size_t c = 0; c < classes.size(); ++c) {
      classes[c].tp += other.classes[c].tp;
      classes[c].fp += other.classes[c].fp;
      classes[c].fn += other.classes[c].fn;
    }
    return *this;
  }
  friend OverlapSums operator+(OverlapSums a, const OverlapSums& b) { return a += b; }
  friend bool operator==(const OverlapSums&, const OverlapSums&) = default;

  /// Everything that merges, as 3C numbers to be summed over ranks in place.
  std::span<double> all_reduce_buffer() {
    using Terms = OverlapTerms<double>;
    static_assert(sizeof(Terms) == 3 * sizeof(double) && std::is_standard_layout_v<Terms>);
    return {classes.empty() ? nullptr : &classes[0].tp, 3 * classes.size()};
  }
};

/// The loss of a set and its derivatives with respect to the sums of each class.
struct OverlapResult {
  double value;
  std::vector<OverlapTerms<double>> slopes;
};

namespace detail {

template <class P>
inline constexpr bool kPoolsClasses = requires(const P& policy) {
  policy.share(1.0);
};

template <class P, class T>
EQUIPOISE_INLINE ElementTerms<T> element_terms(const P& policy, const OverlapElement<T>& element) {
  if constexpr (requires { policy.element(element); }) {
    return policy.element(element);
  } else {
    return plain_terms(element);
  }
}

// What the kernels need of a policy: nothing where its rows add the plain terms, so that all such
// policies share one kernel.
struct PlainElements {};
inline constexpr PlainElements kPlainElements;
template <class P>
const auto& elements_of(const P& policy) {
  if constexpr (requires(const OverlapElement<double>& element) { policy.element(element); }) {
    return policy;
  } else {
    return kPlainElements;
  }
}

// A block of rows.
template <class T>
struct OverlapRows {
  MatrixView<const T> logits;
  const std::int64_t* targets;        // the class, or any number where there are probabilities
  MatrixView<const T> probabilities;  // targets that are distributions, or without data
  const T* weights;                   // [rows]; 0 where ignored
  bool sigmoid;
};

// Sums or slopes of the classes: TP, FP and FN each in an array of its own, with room for
// kMostLanes more.
template <class T>
struct OverlapArrays {
  std::size_t stride;
  std::vector<T> values;

  explicit OverlapArrays(std::size_t classes)
      : stride(classes + kMostLanes), values(3 * stride, T(0)) {}
  T* tp() { return values.data(); }
  T* fp() { return values.data() + stride; }
  T* fn() { return values.data() + 2 * stride; }
  const T* tp() const { return values.data(); }
  const T* fp() const { return values.data() + stride; }
  const T* fn() const { return values.data() + 2 * stride; }
};

template <class T>
inline constexpr T kLaneNumbers[kMostLanes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                               8, 9, 10, 11, 12, 13, 14, 15};

// Of the two work spaces of a kernel, each: a tile of either kind.
static_assert(kNarrowClasses <= kMostLanes);
constexpr std::size_t overlap_space(std::size_t classes) {
  return classes + kMostLanes * kMostLanes;
}

inline namespace EQUIPOISE_ISA_NAMESPACE {

// A few rows in packs. Of few classes, kLanes rows, one a lane, and a pack for each class; of many
// classes (kWide), one row, and its classes side by side, padded to whole packs. What holds for a
// row is in one lane of a pack, or in all.
template <class P, class T>
struct OverlapTile {
  static constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  T* values;         // exponentials relative to the row's maximum; or, for the sigmoid, logits
  P inverse_sum;     // of the exponentials
  P tied;            // how many classes are the most probable one
  P top_complement;  // 1 - p of it, without cancellation
  P targets;         // classes; in float exact up to 2^24
  P weights;
};

template <class P, bool kWide, class T>
EQUIPOISE_INLINE std::size_t tile_packs(std::size_t classes) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  return kWide ? (classes + kLanes - 1) / kLanes : classes;
}

// Over all classes of a row, from what was added up, or compared, pack by pack.
template <bool kWide, class T, std::size_t kLanes>
EQUIPOISE_INLINE Pack<T, kLanes> over_classes(const Pack<T, kLanes>& sums) {
  if constexpr (kWide) {
    return Pack<T, kLanes>(sum(sums));
  } else {
    return sums;
  }
}
template <bool kWide, class T, std::size_t kLanes>
EQUIPOISE_INLINE Pack<T, kLanes> largest_of_classes(const Pack<T, kLanes>& maxima) {
  if constexpr (kWide) {
    return Pack<T, kLanes>(largest(maxima));
  } else {
    return maxima;
  }
}

// The logits of the row `begin`, padded by what no class comes near.
template <class P, class T>
EQUIPOISE_INLINE void load_row(const OverlapRows<T>& in, std::size_t begin,
                               OverlapTile<P, T>& tile) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const std::size_t classes = in.logits.cols;
  const T* const row = in.logits.data + static_cast<std::ptrdiff_t>(begin) * in.logits.row_stride;
  std::size_t c = 0;
  if (in.logits.col_stride == 1) {
    // In packs, as it is read: narrower stores would have to reach the cache first.
    for (; c + kLanes <= classes; c += kLanes) P::load(row + c).store(tile.values + c);
  }
  for (; c < classes; ++c) {
    tile.values[c] = row[static_cast<std::ptrdiff_t>(c) * in.logits.col_stride];
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    tile.values[classes + i] = std::numeric_limits<T>::lowest();
  }
  tile.targets = P(static_cast<T>(in.targets[begin]));
  tile.weights = P(in.weights[begin]);
}

// The logits of `lanes` rows from `begin` on; rows that do not count are zero.
template <class P, class T>
EQUIPOISE_INLINE void load_rows(const OverlapRows<T>& in, std::size_t begin, std::size_t lanes,
                                OverlapTile<P, T>& tile) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const std::size_t classes = in.logits.cols;
  alignas(64) T targets[kLanes];
  alignas(64) T weights[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    weights[i] = i < lanes ? in.weights[begin + i] : T(0);
    targets[i] = i < lanes ? static_cast<T>(in.targets[begin + i]) : T(-1);
    T* const out = tile.values + i;
    if (weights[i] == 0) {
      for (std::size_t c = 0; c < classes; ++c) out[c * kLanes] = 0;
      continue;
    }
    const T* const row =
        in.logits.data + static_cast<std::ptrdiff_t>(begin + i) * in.logits.row_stride;
    for (std::size_t c = 0; c < classes; ++c) {
      out[c * kLanes] = row[static_cast<std::ptrdiff_t>(c) * in.logits.col_stride];
    }
  }
  tile.targets = P::load(targets);
  tile.weights = P::load(weights);
}

// Exponentials and their sums. Those of the most probable classes are exactly 1; summing the others
// apart keeps the bits of a small complement.
template <class P, bool kWide, class T>
EQUIPOISE_INLINE void exponentiate_tile(std::size_t packs, OverlapTile<P, T>& tile) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const P zero{T(0)};
  const P one{T(1)};
  P top = P::load(tile.values);
  for (std::size_t k = 1; k < packs; ++k) top = larger(top, P::load(tile.values + k * kLanes));
  top = largest_of_classes<kWide>(top);
  P rest = zero;
  P tied = zero;
  for (std::size_t k = 0; k < packs; ++k) {
    const P e = exp_nonpositive(P::load(tile.values + k * kLanes) - top);
    e.store(tile.values + k * kLanes);
    rest += where_equal(e, one, zero, e);
    tied += where_equal(e, one, one, zero);
  }
  rest = over_classes<kWide>(rest);
  tile.tied = over_classes<kWide>(tied);
  tile.inverse_sum = one / (rest + tile.tied);
  tile.top_complement = (rest + (tile.tied - one)) * tile.inverse_sum;
}

// p and 1 - p of pack k.
template <class P, bool kSigmoid, class T>
EQUIPOISE_INLINE void tile_probability(const OverlapTile<P, T>& tile, std::size_t k, P& p, P& q) {
  const P x = P::load(tile.values + k * OverlapTile<P, T>::kLanes);
  const P one{T(1)};
  if constexpr (kSigmoid) {
    const P e = exp_nonpositive(-larger(x, -x));
    const P large = one / (one + e);
    const P small = e * large;
    p = P(x.v > typename P::Lanes{} ? large.v : small.v);
    q = P(x.v > typename P::Lanes{} ? small.v : large.v);
  } else {
    p = x * tile.inverse_sum;
    q = where_equal(x, one, tile.top_complement, one - p);
  }
}

// The targets of pack k.
template <class P, bool kWide, class T>
EQUIPOISE_INLINE P tile_target(const OverlapRows<T>& in, const OverlapTile<P, T>& tile,
                               std::size_t begin, std::size_t lanes, std::size_t k) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const std::size_t first = kWide ? k * kLanes : k;
  if (in.probabilities.data == nullptr) {
    P index{T(first)};
    if constexpr (kWide) index += P::load(kLaneNumbers<T>);
    return where_equal(tile.targets, index, P(T(1)), P(T(0)));
  }
  const T* const from = in.probabilities.data +
                        static_cast<std::ptrdiff_t>(begin) * in.probabilities.row_stride +
                        static_cast<std::ptrdiff_t>(first) * in.probabilities.col_stride;
  alignas(64) T t[kLanes] = {};
  if constexpr (kWide) {
    const std::size_t count = std::min(kLanes, in.logits.cols - first);
    if (count == kLanes && in.probabilities.col_stride == 1) return P::load(from);
    for (std::size_t i = 0; i < count; ++i) {
      t[i] = from[static_cast<std::ptrdiff_t>(i) * in.probabilities.col_stride];
    }
  } else {
    for (std::size_t i = 0; i < lanes; ++i) {
      if (in.weights[begin + i] == 0) continue;  // what is there may be anything
      t[i] = from[static_cast<std::ptrdiff_t>(i) * in.probabilities.row_stride];
    }
  }
  return P::load(t);
}

// Adds pack k to the sums, in double.
template <bool kWide, std::size_t kLanes>
EQUIPOISE_INLINE void add_in_double(const Pack<double, kLanes>& a, std::size_t k, double* sums) {
  if constexpr (kWide) {
    (Pack<double, kLanes>::load(sums + k * kLanes) + a).store(sums + k * kLanes);
  } else {
    sums[k] += sum(a);
  }
}
template <bool kWide, std::size_t kLanes>
EQUIPOISE_INLINE void add_in_double(const Pack<float, kLanes>& a, std::size_t k, double* sums) {
  using Half = Pack<double, kLanes / 2>;
  constexpr std::make_index_sequence<kLanes / 2> kHalf;
  const Half low(__builtin_convertvector(low_half(a, kHalf).v, typename Half::Lanes));
  const Half high(__builtin_convertvector(high_half(a, kHalf).v, typename Half::Lanes));
  if constexpr (kWide) {
    add_in_double<true>(low, 2 * k, sums);
    add_in_double<true>(high, 2 * k + 1, sums);
  } else {
    add_in_double<false>(low + high, k, sums);
  }
}

template <class P, bool kWide, bool kSigmoid, class T>
EQUIPOISE_INLINE void prepare_tile(const OverlapRows<T>& in, std::size_t begin, std::size_t lanes,
                                   OverlapTile<P, T>& tile) {
  if constexpr (kWide) {
    load_row(in, begin, tile);
  } else {
    load_rows(in, begin, lanes, tile);
  }
  if constexpr (!kSigmoid) {
    exponentiate_tile<P, kWide>(tile_packs<P, kWide, T>(in.logits.cols), tile);
  }
}

// First pass: adds the block's rows to the sums of the classes.
template <class P, bool kWide, bool kSigmoid, class Policy, class T>
EQUIPOISE_INLINE void add_overlap(const OverlapRows<T>& in, const Policy& policy, T* space,
                                  OverlapArrays<double>& sums) {
  constexpr std::size_t kPack = OverlapTile<P, T>::kLanes;
  constexpr std::size_t kStep = kWide ? 1 : kPack;
  const std::size_t packs = tile_packs<P, kWide, T>(in.logits.cols);
  const bool by_index = in.probabilities.data == nullptr;
  OverlapTile<P, T> tile;
  tile.values = space;
  for (std::size_t begin = 0; begin < in.logits.rows; begin += kStep) {
    if (kWide && in.weights[begin] == 0) continue;
    const std::size_t lanes = std::min(kStep, in.logits.rows - begin);
    prepare_tile<P, kWide, kSigmoid>(in, begin, lanes, tile);
    for (std::size_t k = 0; k < packs; ++k) {
      OverlapElement<P> element;
      tile_probability<P, kSigmoid>(tile, k, element.p, element.q);
      element.t = tile_target<P, kWide>(in, tile, begin, lanes, k);
      const ElementTerms<P> terms = element_terms(policy, element);
      add_in_double<kWide>(tile.weights * terms.value.fp, k, sums.fp());
      // One pack alone holds the class of the row.
      if (kWide && by_index && k != static_cast<std::size_t>(in.targets[begin]) / kPack) continue;
      add_in_double<kWide>(tile.weights * terms.value.tp, k, sums.tp());
      add_in_double<kWide>(tile.weights * terms.value.fn, k, sums.fn());
    }
  }
}

// Pack k of what each class has.
template <class P, bool kWide, class T>
EQUIPOISE_INLINE P class_pack(const T* values, std::size_t k) {
  if constexpr (kWide) {
    return P::load(values + k * OverlapTile<P, T>::kLanes);
  } else {
    return P(values[k]);
  }
}

// Writes the tile's rows at `g` to the gradient, zeros where a row does not count.
template <class P, bool kWide, class T>
EQUIPOISE_INLINE void store_rows(const OverlapRows<T>& in, const T* g, std::size_t begin,
                                 std::size_t lanes, const MatrixView<T>& gradient) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  constexpr std::size_t kFromClass = kWide ? 1 : kLanes;
  for (std::size_t i = 0; i < lanes; ++i) {
    T* const out = gradient.data + static_cast<std::ptrdiff_t>(begin + i) * gradient.row_stride;
    const bool counts = in.weights[begin + i] != 0;
    std::size_t c = 0;
    if (kWide && counts && gradient.col_stride == 1) {
      for (; c + kLanes <= gradient.cols; c += kLanes) P::load(g + c).store(out + c);
    }
    for (; c < gradient.cols; ++c) {
      out[static_cast<std::ptrdiff_t>(c) * gradient.col_stride] =
          counts ? g[c * kFromClass + i] : T(0);
    }
  }
}

// Second pass: the gradient of the block's rows from the slopes of the sums; `space` is that of two
// tiles.
//
// With g_c the derivative with respect to p_c, that with respect to logit k is
// p_k (g_k - sum_c g_c p_c) for the softmax, in which g of the most probable class may be taken
// from all g: it is then exact where that class leaves the others next to nothing.
template <class P, bool kWide, bool kSigmoid, class Policy, class T>
EQUIPOISE_INLINE void write_overlap_gradient(const OverlapRows<T>& in, const Policy& policy,
                                             const OverlapArrays<T>& slopes, T* space,
                                             const MatrixView<T>& gradient) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  constexpr std::size_t kStep = kWide ? 1 : kLanes;
  const std::size_t packs = tile_packs<P, kWide, T>(in.logits.cols);
  const P zero{T(0)};
  const P one{T(1)};
  OverlapTile<P, T> tile;
  tile.values = space;
  T* const g = space + overlap_space(in.logits.cols);
  for (std::size_t begin = 0; begin < in.logits.rows; begin += kStep) {
    const std::size_t lanes = std::min(kStep, in.logits.rows - begin);
    if (kWide && in.weights[begin] == 0) {
      store_rows<P, kWide>(in, g, begin, lanes, gradient);
      continue;
    }
    prepare_tile<P, kWide, kSigmoid>(in, begin, lanes, tile);
    P top_g = zero;
    for (std::size_t k = 0; k < packs; ++k) {
      OverlapElement<P> element;
      tile_probability<P, kSigmoid>(tile, k, element.p, element.q);
      element.t = tile_target<P, kWide>(in, tile, begin, lanes, k);
      const ElementTerms<P> terms = element_terms(policy, element);
      P of_p = terms.slope.tp * class_pack<P, kWide>(slopes.tp(), k) +
               terms.slope.fp * class_pack<P, kWide>(slopes.fp(), k) +
               terms.slope.fn * class_pack<P, kWide>(slopes.fn(), k);
      of_p = of_p * tile.weights;
      if constexpr (kSigmoid) {
        of_p = of_p * element.p * element.q;
      } else {
        top_g += where_equal(P::load(tile.values + k * kLanes), one, of_p, zero);
        element.p.store(tile.values + k * kLanes);
      }
      of_p.store(g + k * kLanes);
    }
    if constexpr (!kSigmoid) {
      top_g = over_classes<kWide>(top_g) / tile.tied;
      P mean = zero;
      for (std::size_t k = 0; k < packs; ++k) {
        const P of_p = P::load(g + k * kLanes) - top_g;
        mean += of_p * P::load(tile.values + k * kLanes);
        of_p.store(g + k * kLanes);
      }
      mean = over_classes<kWide>(mean);
      for (std::size_t k = 0; k < packs; ++k) {
        const P p = P::load(tile.values + k * kLanes);
        (p * (P::load(g + k * kLanes) - mean)).store(g + k * kLanes);
      }
    }
    store_rows<P, kWide>(in, g, begin, lanes, gradient);
  }
}

template <std::size_t kBytes, class Policy, class T>
EQUIPOISE_INLINE void add_overlap_any(const OverlapRows<T>& in, const Policy& policy, T* space,
                                      OverlapArrays<double>& sums) {
  using P = Pack<T, kBytes / sizeof(T)>;
  const bool wide = in.logits.cols > kNarrowClasses;
  if (in.sigmoid) {
    if (wide) return add_overlap<P, true, true>(in, policy, space, sums);
    return add_overlap<P, false, true>(in, policy, space, sums);
  }
  if (wide) return add_overlap<P, true, false>(in, policy, space, sums);
  add_overlap<P, false, false>(in, policy, space, sums);
}
template <std::size_t kBytes, class Policy, class T>
EQUIPOISE_INLINE void overlap_gradient_any(const OverlapRows<T>& in, const Policy& policy,
                                           const OverlapArrays<T>& slopes, T* space,
                                           const MatrixView<T>& gradient) {
  using P = Pack<T, kBytes / sizeof(T)>;
  const bool wide = in.logits.cols > kNarrowClasses;
  if (in.sigmoid) {
    if (wide) return write_overlap_gradient<P, true, true>(in, policy, slopes, space, gradient);
    return write_overlap_gradient<P, false, true>(in, policy, slopes, space, gradient);
  }
  if (wide) return write_overlap_gradient<P, true, false>(in, policy, slopes, space, gradient);
  write_overlap_gradient<P, false, false>(in, policy, slopes, space, gradient);
}

template <class Policy, class T>
void add_overlap_baseline(const OverlapRows<T>& in, const Policy& policy, T* space,
                          OverlapArrays<double>& sums) {
  add_overlap_any<16>(in, policy, space, sums);
}
template <class Policy, class T>
EQUIPOISE_TARGET_AVX2 void add_overlap_avx2(const OverlapRows<T>& in, const Policy& policy,
                                            T* space, OverlapArrays<double>& sums) {
  add_overlap_any<32>(in, policy, space, sums);
}
template <class Policy, class T>
EQUIPOISE_TARGET_AVX512 void add_overlap_avx512(const OverlapRows<T>& in, const Policy& policy,
                                                T* space, OverlapArrays<double>& sums) {
  add_overlap_any<64>(in, policy, space, sums);
}

template <class Policy, class T>
void overlap_gradient_baseline(const OverlapRows<T>& in, const Policy& policy,
                               const OverlapArrays<T>& slopes, T* space,
                               const MatrixView<T>& gradient) {
  overlap_gradient_any<16>(in, policy, slopes, space, gradient);
}
template <class Policy, class T>
EQUIPOISE_TARGET_AVX2 void overlap_gradient_avx2(const OverlapRows<T>& in, const Policy& policy,
                                                 const OverlapArrays<T>& slopes, T* space,
                                                 const MatrixView<T>& gradient) {
  overlap_gradient_any<32>(in, policy, slopes, space, gradient);
}
template <class Policy, class T>
EQUIPOISE_TARGET_AVX512 void overlap_gradient_avx512(const OverlapRows<T>& in, const Policy& policy,
                                                     const OverlapArrays<T>& slopes, T* space,
                                                     const MatrixView<T>& gradient) {
  overlap_gradient_any<64>(in, policy, slopes, space, gradient);
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

template <class Policy, class T>
EQUIPOISE_INLINE void add_overlap_kernel(const OverlapRows<T>& in, const Policy& policy, T* space,
                                         OverlapArrays<double>& sums, Cpu instructions) {
  switch (instructions) {
    case Cpu::kAvx512:
      return add_overlap_avx512(in, policy, space, sums);
    case Cpu::kAvx2:
      return add_overlap_avx2(in, policy, space, sums);
    default:
      return add_overlap_baseline(in, policy, space, sums);
  }
}

template <class Policy, class T>
EQUIPOISE_INLINE void overlap_gradient_kernel(const OverlapRows<T>& in, const Policy& policy,
                                              const OverlapArrays<T>& slopes, T* space,
                                              const MatrixView<T>& gradient, Cpu instructions) {
  switch (instructions) {
    case Cpu::kAvx512:
      return overlap_gradient_avx512(in, policy, slopes, space, gradient);
    case Cpu::kAvx2:
      return overlap_gradient_avx2(in, policy, slopes, space, gradient);
    default:
      return overlap_gradient_baseline(in, policy, slopes, space, gradient);
  }
}

// Rows are taken in blocks whose size depends on the number of classes alone. Each block has sums
// of its own, so a block of many classes has rows enough to make them small beside its logits.
constexpr std::size_t overlap_block_rows(std::size_t classes) {
  return std::max<std::size_t>(block_rows(classes), 128);
}

inline void require_extent(std::string_view where, std::string_view name, std::size_t extent,
                           std::size_t expected, std::string_view of_what) {
  if (extent == expected) return;
  reject(where, name, extent, to_text(expected) + " (" + std::string(of_what) + ")");
}

template <class P, LabelRange Targets>
IndexTargets<ElementOf<Targets>> read_overlap_targets(std::string_view, const OverlapLoss<P>& loss,
                                                      const Targets& targets, std::size_t) {
  return {as_span(targets), loss.ignore_index};
}
template <class P, class T>
DistributionTargets<T> read_overlap_targets(std::string_view where, const OverlapLoss<P>&,
                                            const ProbabilityTargets<T>& targets,
                                            std::size_t classes) {
  require_extent(where, "targets.probabilities.cols", targets.probabilities.cols, classes,
                 "classes");
  if (!targets.mask.empty()) {
    require_size(where, "targets.mask", targets.mask.size(), targets.probabilities.rows,
                 "rows of targets.probabilities");
  }
  return {targets.probabilities, targets.mask};
}

template <class L>
void require_overlap_target(std::string_view where, const IndexTargets<L>& targets, std::size_t i,
                            std::size_t classes) {
  targets.require(where, i, classes);
}
template <class T>
void require_overlap_target(std::string_view where, const DistributionTargets<T>& targets,
                            std::size_t i, std::size_t classes) {
  for (std::size_t c = 0; c < classes; ++c) {
    const T t = targets.probabilities(i, c);
    if (is_finite(t) && t >= 0 && t <= 1) continue;
    reject_element(where, "targets.probabilities[" + to_text(i) + "]", c, t, "a number in [0, 1]");
  }
}

template <class P>
void require_overlap_loss(std::string_view where, const OverlapLoss<P>& loss, std::size_t classes) {
  if constexpr (requires { loss.policy.require(where); }) loss.policy.require(where);
  if (loss.class_weights.empty()) return;
  require_size(where, "class_weights", loss.class_weights.size(), classes, "classes");
  require_masses(where, "class_weights", loss.class_weights);
  double total = 0;
  for (const double weight : loss.class_weights) total += weight;
  require_finite(where, "sum of class_weights", total);
}

// Everything about a call but its logits, which are of type T.
template <class T, class P, class Y>
void require_overlap(std::string_view where, const OverlapLoss<P>& loss, std::size_t rows,
                     std::size_t classes, const Y& targets,
                     std::span<const double> sample_weights) {
  require_overlap_loss(where, loss, classes);
  require_size(where, "targets", targets.size(), rows, "rows of logits");
  if (!sample_weights.empty()) {
    require_size(where, "sample_weights", sample_weights.size(), rows, "rows of logits");
    require_masses(where, "sample_weights", sample_weights);
    require_factors_fit<T>(where, "sample_weights", sample_weights);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    if (!targets.is_ignored(i)) require_overlap_target(where, targets, i, classes);
  }
}

template <class T>
void require_overlap_gradient(std::string_view where, const MatrixView<const T>& logits,
                              const MatrixView<T>& gradient) {
  require_extent(where, "gradient.rows", gradient.rows, logits.rows, "rows of logits");
  require_extent(where, "gradient.cols", gradient.cols, logits.cols, "columns of logits");
}

// Refuses slopes that would be infinite in T, the type of the logits.
template <class T>
void require_slopes_fit(std::string_view where, std::span<const OverlapTerms<double>> slopes) {
  for (std::size_t c = 0; c < slopes.size(); ++c) {
    for (const double slope : {slopes[c].tp, slopes[c].fp, slopes[c].fn}) {
      if (!is_finite(slope) || is_finite(static_cast<T>(slope))) continue;
      reject_element(where, "slope of class", c, slope,
                     "a number that is finite in the type of the logits");
    }
  }
}

// Calls f(block, rows) for each block of rows; everything is checked.
template <class P, class T, class Y, class ParallelFor, class F>
EQUIPOISE_INLINE void for_overlap_blocks(const OverlapLoss<P>& loss,
                                         const MatrixView<const T>& logits, const Y& targets,
                                         std::span<const double> sample_weights,
                                         const ParallelFor& parallel_for, const F& f) {
  const std::size_t size = overlap_block_rows(logits.cols);
  parallel_for((logits.rows + size - 1) / size, [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    const std::size_t begin = block * size;
    const std::size_t count = std::min(size, logits.rows - begin);
    std::int64_t target[kBlockRows];
    T weight[kBlockRows];
    for (std::size_t i = 0; i < count; ++i) {
      const bool ignored = targets.is_ignored(begin + i);
      target[i] = -1;
      weight[i] = 0;
      if (ignored) continue;
      if constexpr (requires { targets.labels; }) {
        target[i] = static_cast<std::int64_t>(targets.class_of(begin + i));
      }
      weight[i] = sample_weights.empty() ? T(1) : static_cast<T>(sample_weights[begin + i]);
    }
    OverlapRows<T> rows{};
    rows.logits = logits.middle_rows(begin, count);
    rows.targets = target;
    if constexpr (requires { targets.probabilities; }) {
      rows.probabilities = targets.probabilities.middle_rows(begin, count);
    }
    rows.weights = weight;
    rows.sigmoid = loss.activation == Activation::kSigmoid;
    f(block, begin, rows);
  });
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// overlap_sums() of what is checked.
template <class P, class T, class Y, class ParallelFor>
OverlapSums checked_overlap_sums(const OverlapLoss<P>& loss, const MatrixView<const T>& logits,
                                 const Y& targets, std::span<const double> sample_weights,
                                 const ParallelFor& parallel_for, Cpu instructions) {
  const std::size_t classes = logits.cols;
  OverlapSums total{std::vector<OverlapTerms<double>>(classes)};
  if (logits.rows == 0 || classes == 0) return total;
  const std::size_t size = overlap_block_rows(classes);
  std::vector<OverlapSums> sums((logits.rows + size - 1) / size);
  for_overlap_blocks(
      loss, logits, targets, sample_weights, parallel_for,
      [&](std::size_t block, std::size_t, const OverlapRows<T>& rows) EQUIPOISE_INLINE_LAMBDA {
        std::vector<T> space(overlap_space(classes));
        OverlapArrays<double> arrays(classes);
        add_overlap_kernel(rows, elements_of(loss.policy), space.data(), arrays, instructions);
        for (std::size_t c = 0; c < classes; ++c) {
          sums[block].classes.push_back({arrays.tp()[c], arrays.fp()[c], arrays.fn()[c]});
        }
      });
  for (const OverlapSums& each : sums) total += each;
  return total;
}

// overlap_gradient() of what is checked.
template <class P, class T, class Y, class ParallelFor>
void checked_overlap_gradient(const OverlapLoss<P>& loss,
                              std::span<const OverlapTerms<double>> slopes,
                              const MatrixView<const T>& logits, const Y& targets,
                              const MatrixView<T>& gradient, std::span<const double> sample_weights,
                              const ParallelFor& parallel_for, Cpu instructions) {
  if (logits.rows == 0 || logits.cols == 0) return;
  OverlapArrays<T> arrays(logits.cols);
  for (std::size_t c = 0; c < slopes.size(); ++c) {
    arrays.tp()[c] = static_cast<T>(slopes[c].tp);
    arrays.fp()[c] = static_cast<T>(slopes[c].fp);
    arrays.fn()[c] = static_cast<T>(slopes[c].fn);
  }
  for_overlap_blocks(
      loss, logits, targets, sample_weights, parallel_for,
      [&](std::size_t, std::size_t begin, const OverlapRows<T>& rows) EQUIPOISE_INLINE_LAMBDA {
        std::vector<T> space(2 * overlap_space(logits.cols));
        overlap_gradient_kernel(rows, elements_of(loss.policy), arrays, space.data(),
                                gradient.middle_rows(begin, rows.logits.rows), instructions);
      });
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

template <class P>
OverlapResult finish_overlap(const OverlapLoss<P>& loss, const OverlapSums& sums) {
  const std::size_t classes = sums.classes.size();
  OverlapResult result{0, std::vector<OverlapTerms<double>>(classes)};
  std::vector<double> weights(classes);
  double total = 0;
  bool nothing = true;
  for (std::size_t c = 0; c < classes; ++c) {
    const auto& [tp, fp, fn] = sums.classes[c];
    nothing = nothing && tp == 0 && fp == 0 && fn == 0;
    const bool counts = loss.absent_class == AbsentClass::kCount || tp + fn != 0;
    if (counts) weights[c] = loss.class_weights.empty() ? 1.0 : loss.class_weights[c];
    total += weights[c];
  }
  if (nothing || total == 0) {
    result.value = loss.empty_batch == EmptyBatch::kNaN ? quiet_nan() : 0;
    return result;
  }
  if constexpr (kPoolsClasses<P>) {
    OverlapTerms<double> pooled{0, 0, 0};
    for (std::size_t c = 0; c < classes; ++c) {
      if (weights[c] == 0) continue;
      const auto& [tp, fp, fn] = sums.classes[c];
      weights[c] *= loss.policy.share(tp + fn);
      pooled.tp += weights[c] * tp;
      pooled.fp += weights[c] * fp;
      pooled.fn += weights[c] * fn;
    }
    const OverlapValue<double> whole = loss.policy(pooled);
    result.value = whole.value;
    for (std::size_t c = 0; c < classes; ++c) {
      result.slopes[c] = {weights[c] * whole.slope.tp, weights[c] * whole.slope.fp,
                          weights[c] * whole.slope.fn};
    }
  } else {
    for (std::size_t c = 0; c < classes; ++c) {
      if (weights[c] == 0) continue;
      const double weight = weights[c] / total;
      const OverlapValue<double> own = loss.policy(sums.classes[c]);
      result.value += weight * own.value;
      result.slopes[c] = {weight * own.slope.tp, weight * own.slope.fp, weight * own.slope.fn};
    }
  }
  return result;
}

}  // namespace detail

/// First pass: the sums of some rows. Merge those of all micro-batches with += and sum
/// all_reduce_buffer() over ranks, then finish().
///
/// logits is N x C of float or double, with any strides. Targets are class indices, or an N x C
/// matrix of numbers in [0, 1], ProbabilityTargets, with a mask of rows: multi-label targets for
/// the sigmoid, distributions for the softmax. sample_weights has N finite numbers >= 0 or none;
/// with 0 and 1 it is a mask of tokens. Sums over rows are taken in double, in an order that does
/// not depend on the number of threads. NaN or +infinity among the logits of a row that counts
/// makes sums, and with them the whole loss and gradient, NaN (the sigmoid of +infinity is 1);
/// -infinity is a probability of zero. O(N C), with work space for a few rows.
///
/// @throws std::invalid_argument for a target that is neither a class nor the ignore index, or that
/// is not in [0, 1]; for weights that are negative, NaN or infinite, or that T does not hold (1e39
/// and 1e-46 are no floats); for sizes that do not match
/// and for hyper-parameters that the policy refuses.
template <OverlapPolicy P, std::floating_point T, SoftmaxTargets Targets,
          class ParallelFor = SerialFor>
EQUIPOISE_INLINE OverlapSums overlap_sums(const OverlapLoss<P>& loss, MatrixView<const T> logits,
                                          const Targets& targets,
                                          std::span<const double> sample_weights = {},
                                          const ParallelFor& parallel_for = {},
                                          detail::Cpu instructions = detail::cpu()) {
  const auto labels = detail::read_overlap_targets("overlap_sums", loss, targets, logits.cols);
  detail::require_overlap<T>("overlap_sums", loss, logits.rows, logits.cols, labels,
                             sample_weights);
  return detail::checked_overlap_sums(loss, logits, labels, sample_weights, parallel_for,
                                      instructions);
}

/// The loss of a set from its merged sums, and what overlap_gradient() needs. Where no class counts
/// or all sums are zero, the slopes are zero and the value is what loss.empty_batch says. O(C).
/// @throws std::invalid_argument for class weights that do not fit and hyper-parameters that the
/// policy refuses.
template <OverlapPolicy P>
OverlapResult finish(const OverlapLoss<P>& loss, const OverlapSums& sums) {
  detail::require_overlap_loss("finish", loss, sums.classes.size());
  return detail::finish_overlap(loss, sums);
}

/// Second pass: writes the gradient of the set's loss with respect to the logits of some of its
/// rows, given the slopes of the whole set. Takes what overlap_sums() takes; gradient is N x C with
/// any strides. Rows that do not count get zeros. Parts of a set thus get the rows of the
/// gradient of the whole.
/// @throws std::invalid_argument as overlap_sums(), and for slopes of another number of classes and
/// a gradient of another shape. Nothing is written then.
template <OverlapPolicy P, std::floating_point T, SoftmaxTargets Targets,
          class ParallelFor = SerialFor>
EQUIPOISE_INLINE void overlap_gradient(const OverlapLoss<P>& loss, const OverlapResult& whole,
                                       MatrixView<const T> logits, const Targets& targets,
                                       MatrixView<T> gradient,
                                       std::span<const double> sample_weights = {},
                                       const ParallelFor& parallel_for = {},
                                       detail::Cpu instructions = detail::cpu()) {
  constexpr std::string_view kWhere = "overlap_gradient";
  const auto labels = detail::read_overlap_targets(kWhere, loss, targets, logits.cols);
  detail::require_overlap<T>(kWhere, loss, logits.rows, logits.cols, labels, sample_weights);
  detail::require_size(kWhere, "whole.slopes", whole.slopes.size(), logits.cols, "classes");
  detail::require_overlap_gradient(kWhere, logits, gradient);
  detail::require_slopes_fit<T>(kWhere, whole.slopes);
  detail::checked_overlap_gradient(loss, std::span<const OverlapTerms<double>>(whole.slopes),
                                   logits, labels, gradient, sample_weights, parallel_for,
                                   instructions);
}

/// The loss of a set that lies in one piece, and its gradient if `gradient` has data: both passes.
/// @throws std::invalid_argument as overlap_gradient().
template <OverlapPolicy P, std::floating_point T, SoftmaxTargets Targets>
EQUIPOISE_INLINE double overlap_loss(const OverlapLoss<P>& loss, MatrixView<const T> logits,
                                     const Targets& targets, MatrixView<T> gradient = {},
                                     std::span<const double> sample_weights = {}) {
  constexpr std::string_view kWhere = "overlap_loss";
  const auto labels = detail::read_overlap_targets(kWhere, loss, targets, logits.cols);
  detail::require_overlap<T>(kWhere, loss, logits.rows, logits.cols, labels, sample_weights);
  if (gradient.data != nullptr) detail::require_overlap_gradient(kWhere, logits, gradient);
  const OverlapResult whole = detail::finish_overlap(
      loss, detail::checked_overlap_sums(loss, logits, labels, sample_weights, SerialFor{},
                                         detail::cpu()));
  if (gradient.data != nullptr) {
    detail::require_slopes_fit<T>(kWhere, whole.slopes);
    detail::checked_overlap_gradient(loss, std::span<const OverlapTerms<double>>(whole.slopes),
                                     logits, labels, gradient, sample_weights, SerialFor{},
                                     detail::cpu());
  }
  return whole.value;
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_OVERLAP_H_
