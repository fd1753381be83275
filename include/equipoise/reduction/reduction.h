// From the losses of rows to one number, in two parts that merge: whole batch, micro-batches,
// threads and ranks give the same loss and the same gradient.
#ifndef EQUIPOISE_REDUCTION_REDUCTION_H_
#define EQUIPOISE_REDUCTION_REDUCTION_H_

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/math.h"

namespace equipoise {

/// A row that is not ignored, as a reduction sees it: its class, its weight (the product of all
/// weights that the loss gives it), its group, and how far it is a positive. Softmax losses have
/// one row per example and call it positive (1); sigmoid losses have one row for each example and
/// label, whose class is the label and whose `positive` is its target in [0, 1]. Real is double,
/// Index std::size_t; on LibTorch both are tensors that contain all rows.
template <class Real = double, class Index = std::size_t>
struct ReductionRow {
  Index target;
  Real weight;
  Index group;
  Real positive;
};

/// The same without a group, for a reduction that does not declare how many groups it expects: it
/// cannot read a group that was not passed.
template <class Real = double, class Index = std::size_t>
struct UngroupedRow {
  Index target;
  Real weight;
  Real positive;
};

/// The sums that one bucket of rows contributes.
struct LossTally {
  double numerator = 0;    ///< sum of weight x loss
  double denominator = 0;  ///< sum of mass
  double valid = 0;        ///< number of rows that are not ignored
  friend bool operator==(const LossTally&, const LossTally&) = default;
};

/// The contribution of a part of a batch: one tally per bucket. Partials of parts merge by += into
/// that of the whole.
struct LossPartial {
  std::vector<LossTally> buckets;

  /// Adds another part; an empty partial adopts the other's number of buckets.
  /// @throws std::invalid_argument if the numbers of buckets differ.
  LossPartial& operator+=(const LossPartial& other) {
    if (buckets.empty()) return *this = other;
    if (other.buckets.empty()) return *this;
    detail::require_size("LossPartial::operator+=", "other.buckets", other.buckets.size(),
                         buckets.size(), "buckets on the left");
    for (std::size_t k = 0; k < buckets.size(); ++k) {
      buckets[k].numerator += other.buckets[k].numerator;
      buckets[k].denominator += other.buckets[k].denominator;
      buckets[k].valid += other.buckets[k].valid;
    }
    return *this;
  }
  friend LossPartial operator+(LossPartial a, const LossPartial& b) { return a += b; }
  friend bool operator==(const LossPartial&, const LossPartial&) = default;

  /// The whole state, as 3K numbers to be summed over ranks in place.
  std::span<double> all_reduce_buffer() {
    static_assert(sizeof(LossTally) == 3 * sizeof(double) && std::is_standard_layout_v<LossTally>);
    return {buckets.empty() ? nullptr : &buckets[0].numerator, 3 * buckets.size()};
  }
};

namespace detail {

// Whether R uses groups.
template <class R>
inline constexpr bool kNeedsGroups = requires(const R& reduction) {
  { reduction.group_count() } -> std::convertible_to<std::size_t>;
};

// A row as R sees it.
template <class R, class Real = double, class Index = std::size_t>
using RowFor =
    std::conditional_t<kNeedsGroups<R>, ReductionRow<Real, Index>, UngroupedRow<Real, Index>>;
template <class R, class Real, class Index>
EQUIPOISE_HOST_INLINE RowFor<R, Real, Index> row_for(const ReductionRow<Real, Index>& row) {
  if constexpr (kNeedsGroups<R>) {
    return row;
  } else {
    return {row.target, row.weight, row.positive};
  }
}

}  // namespace detail

/// A reduction puts each row in one of buckets() buckets (`bucket(row)`), where it adds `mass(row)`
/// to the denominator; the bucket's mean counts with `share(k)` in the result, by default 1 over
/// the number of buckets that are not empty. Its functions are templates over the row, so that one
/// struct serves numbers and tensors.
///
/// A reduction that uses groups has `group_count()`, the number of groups. Its rows are
/// ReductionRows; losses reject rows without groups, and groups outside [0, group_count()). Without
/// `group_count()` rows are UngroupedRows, and a reduction that reads the group does not compile.
/// If a reduction has `require(where)`, that is called first, so that it can reject its parameters.
template <class R>
concept LossReduction = std::copyable<R> &&
    requires(const R& reduction, const detail::RowFor<R>& row) {
  { reduction.buckets() } -> std::convertible_to<std::size_t>;
  { reduction.bucket(row) } -> std::convertible_to<std::size_t>;
  { reduction.mass(row) } -> std::convertible_to<double>;
};

/// Sum of weight x loss / number of rows that are not ignored.
///
/// The default of this library: the influence of a row depends on its weight, not on the other rows
/// of the batch. With weights for which sum n_c w_c = n the loss keeps the scale of the unweighted
/// mean.
struct MeanByCount {
  std::size_t buckets() const { return 1; }
  template <class Row>
  std::size_t bucket(const Row&) const {
    return 0;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return math::like(row.weight, 1.0);
  }
  friend bool operator==(const MeanByCount&, const MeanByCount&) = default;
};

/// Sum of weight x loss / sum of weight: LibTorch's and PyTorch's mean.
///
/// If each batch has its own denominator, it weakens the weights, more so in small batches.
struct MeanByWeight {
  std::size_t buckets() const { return 1; }
  template <class Row>
  std::size_t bucket(const Row&) const {
    return 0;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
  friend bool operator==(const MeanByWeight&, const MeanByWeight&) = default;
};

/// Sum of weight x loss / number of positives: the mean that Lin et al. 2017 (arXiv:1708.02002) use
/// for the sigmoid focal loss. Softmax losses have one positive per row, so there it is
/// MeanByCount.
struct MeanByPositives {
  std::size_t buckets() const { return 1; }
  template <class Row>
  std::size_t bucket(const Row&) const {
    return 0;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.positive;
  }
  friend bool operator==(const MeanByPositives&, const MeanByPositives&) = default;
};

/// Sum of weight x loss.
struct SumOverRows {
  std::size_t buckets() const { return 1; }
  template <class Row>
  std::size_t bucket(const Row&) const {
    return 0;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return math::like(row.weight, 1.0);
  }
  /// The denominator cancels: sum = denominator x mean.
  static constexpr bool kIsSum = true;
  friend bool operator==(const SumOverRows&, const SumOverRows&) = default;
};

/// The mean over classes of each class's weighted mean; classes without rows do not count.
struct MeanPerClass {
  std::size_t classes = 0;
  std::size_t buckets() const { return classes; }
  template <class Row>
  auto bucket(const Row& row) const {
    return row.target;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
  friend bool operator==(const MeanPerClass&, const MeanPerClass&) = default;
};

/// The mean over groups of each group's weighted mean; groups without rows do not count.
struct MeanPerGroup {
  std::size_t groups = 0;
  std::size_t group_count() const { return groups; }
  std::size_t buckets() const { return groups; }
  template <class Row>
  auto bucket(const Row& row) const {
    return row.group;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
  friend bool operator==(const MeanPerGroup&, const MeanPerGroup&) = default;
};

namespace detail {

template <class R>
inline constexpr bool kIsSum = requires {
  requires R::kIsSum;
};

}  // namespace detail

/// coefficient_k = share_k / denominator_k: the factor on bucket k's numerator, and so on the
/// gradient of each of its rows. 0 for a bucket without mass. Compute the denominators over
/// everything that one optimiser step sees: all micro-batches, all ranks. O(K).
/// @throws std::invalid_argument for a number of buckets that is not the reduction's, and for a
/// denominator that is negative or not finite.
template <LossReduction R>
std::vector<double> coefficients(const R& reduction, const LossPartial& denominators) {
  const std::vector<LossTally>& buckets = denominators.buckets;
  if constexpr (requires { reduction.require("coefficients"); }) reduction.require("coefficients");
  detail::require_size("coefficients", "denominators.buckets", buckets.size(), reduction.buckets(),
                       "buckets of the reduction");
  for (std::size_t k = 0; k < buckets.size(); ++k) {
    const double denominator = buckets[k].denominator;
    if (detail::is_finite(denominator) && denominator >= 0) continue;
    detail::reject("coefficients", "denominators.buckets[" + detail::to_text(k) + "].denominator",
                   denominator, "a finite number >= 0");
  }
  double occupied = 0;
  for (const LossTally& tally : buckets) occupied += tally.denominator > 0 ? 1 : 0;
  std::vector<double> result(buckets.size(), 0.0);
  for (std::size_t k = 0; k < buckets.size(); ++k) {
    if constexpr (detail::kIsSum<R>) {
      result[k] = 1;
    } else if (buckets[k].denominator > 0) {
      double share = 1 / occupied;
      if constexpr (requires { reduction.share(k); }) share = reduction.share(k);
      result[k] = share / buckets[k].denominator;
    }
  }
  return result;
}

/// sum_k coefficients[k] x numerator_k: the value of the loss, or of a part of it. O(K).
/// @throws std::invalid_argument if the numbers of buckets differ.
inline double value(const LossPartial& partial, std::span<const double> coefficients) {
  detail::require_size("value", "coefficients", coefficients.size(), partial.buckets.size(),
                       "buckets of the partial");
  double sum = 0;
  for (std::size_t k = 0; k < coefficients.size(); ++k) {
    sum += coefficients[k] * partial.buckets[k].numerator;
  }
  return sum;
}

}  // namespace equipoise

#endif  // EQUIPOISE_REDUCTION_REDUCTION_H_
