// The number of rows of each class after over- or undersampling.
#ifndef EQUIPOISE_SAMPLING_TARGET_COUNTS_H_
#define EQUIPOISE_SAMPLING_TARGET_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/near_whole.h"
#include "equipoise/sampling/detail/row_counts.h"

namespace equipoise::sampling {

/// Which classes are brought up to the size of the largest: imbalanced-learn's strategies for
/// oversampling, under the same names. Classes without rows stay empty.
enum class Oversampling {
  kNotMajority,  ///< all but the largest: imbalanced-learn's 'auto'
  kMinority,     ///< only the smallest
  kNotMinority,  ///< all but the smallest
  kAll,          ///< every one; the largest keeps its rows
};

/// Which classes are brought down to the size of the smallest: imbalanced-learn's strategies for
/// undersampling, under the same names. Classes without rows stay empty.
enum class Undersampling {
  kNotMinority,  ///< all but the smallest: imbalanced-learn's 'auto'
  kMajority,     ///< only the largest
  kNotMajority,  ///< all but the largest
  kAll,          ///< every one; the smallest keeps its rows
};

/// The number of rows to have of one class.
struct ClassTarget {
  std::size_t class_index = 0;
  std::uint64_t rows = 0;

  friend constexpr bool operator==(const ClassTarget&, const ClassTarget&) = default;
};

/// The rows of each class after oversampling: max_k n_k for the classes of the strategy, n_c for
/// the others. O(C).
/// @throws std::invalid_argument for counts that are not whole numbers or all zero.
inline std::vector<std::uint64_t> oversampling_targets(
    const ClassCounts& counts, Oversampling strategy = Oversampling::kNotMajority) {
  const detail::RowCounts own("oversampling_targets", counts);
  std::vector<std::uint64_t> result = own.rows;
  for (std::size_t c = 0; c < result.size(); ++c) {
    if (result[c] == 0 || (strategy == Oversampling::kMinority && c != own.minority)) continue;
    if (strategy == Oversampling::kNotMinority && c == own.minority) continue;
    result[c] = own.rows[own.majority];
  }
  return result;
}

/// The same with given numbers of rows, at least n_c each; classes that are not named keep theirs.
/// @throws std::invalid_argument also for a number below n_c, a class without rows, one that is
/// named twice and one that does not exist.
inline std::vector<std::uint64_t> oversampling_targets(const ClassCounts& counts,
                                                       std::span<const ClassTarget> targets) {
  return detail::named_targets("oversampling_targets", counts, targets, /*is_up=*/true);
}

/// Of two classes with rows, the smaller gets floor(ratio n_larger) rows. A product that differs
/// from a whole number only by rounding counts as that number: ratio = k / n_larger gives k.
/// @throws std::invalid_argument also unless exactly two classes have rows, for a ratio outside (0,
/// 1], and for one that would take rows away.
inline std::vector<std::uint64_t> oversampling_targets(const ClassCounts& counts, double ratio) {
  constexpr std::string_view kWhere = "oversampling_targets";
  detail::require_ratio(kWhere, ratio);
  detail::RowCounts own(kWhere, counts);
  own.require_binary(kWhere);
  const auto target = static_cast<std::uint64_t>(
      detail::near_whole(ratio * static_cast<double>(own.rows[own.majority])));
  if (target < own.rows[own.minority]) {
    detail::reject(kWhere, "ratio", ratio,
                   "one that leaves the " + detail::to_text(own.rows[own.minority]) +
                       " rows of the smaller class");
  }
  own.rows[own.minority] = target;
  return own.rows;
}

/// The rows of each class after undersampling: min n_k over the classes with rows for the classes
/// of the strategy, n_c for the others. O(C).
/// @throws std::invalid_argument for counts that are not whole numbers or all zero.
inline std::vector<std::uint64_t> undersampling_targets(
    const ClassCounts& counts, Undersampling strategy = Undersampling::kNotMinority) {
  const detail::RowCounts own("undersampling_targets", counts);
  std::vector<std::uint64_t> result = own.rows;
  for (std::size_t c = 0; c < result.size(); ++c) {
    if (result[c] == 0 || (strategy == Undersampling::kMajority && c != own.majority)) continue;
    if (strategy == Undersampling::kNotMajority && c == own.majority) continue;
    result[c] = own.rows[own.minority];
  }
  return result;
}

/// The same with given numbers of rows, at most n_c each; classes that are not named keep theirs.
/// @throws std::invalid_argument also for a number above n_c, a class that is named twice and one
/// that does not exist.
inline std::vector<std::uint64_t> undersampling_targets(const ClassCounts& counts,
                                                        std::span<const ClassTarget> targets) {
  return detail::named_targets("undersampling_targets", counts, targets, /*is_up=*/false);
}

/// Of two classes with rows, the larger gets floor(n_smaller / ratio) rows. A quotient that differs
/// from a whole number only by rounding counts as that number: ratio = n_smaller / k gives k.
/// @throws std::invalid_argument also unless exactly two classes have rows, for a ratio outside (0,
/// 1], and for one that would need more rows than there are.
inline std::vector<std::uint64_t> undersampling_targets(const ClassCounts& counts, double ratio) {
  constexpr std::string_view kWhere = "undersampling_targets";
  detail::require_ratio(kWhere, ratio);
  detail::RowCounts own(kWhere, counts);
  own.require_binary(kWhere);
  const double target = detail::near_whole(static_cast<double>(own.rows[own.minority]) / ratio);
  if (!(target < static_cast<double>(own.rows[own.majority]) + 1)) {
    detail::reject(kWhere, "ratio", ratio,
                   "one for which the " + detail::to_text(own.rows[own.majority]) +
                       " rows of the larger class suffice");
  }
  own.rows[own.majority] = static_cast<std::uint64_t>(target);
  return own.rows;
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_TARGET_COUNTS_H_
