// Parts that have the class proportions of the whole.
#ifndef EQUIPOISE_SPLITS_STRATIFIED_H_
#define EQUIPOISE_SPLITS_STRATIFIED_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/splits/detail/class_shares.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"
#include "equipoise/view.h"

namespace equipoise::splits {

/// A random test part of round(N * test_fraction) rows (halves away from zero) with the class
/// proportions of the whole; the other rows are for training.
///
/// Class c gives floor or ceil of its exact proportion n_c * test / N, ceil for the largest
/// remainders (the seed decides among equals), so the total is exact. Training comes first for rare
/// classes: a row that is the only one of its class stays in the training part, unless every row
/// that could be taken instead is of such a class too. A class with few rows may be absent from the
/// test part. With options.min_train_rows = m a class gives at most n_c - m rows, with
/// options.min_test_rows = k at least min(k, n_c - max(m, 1)). Classes at a bound give that many;
/// the other classes divide the remaining test rows in proportion.
///
/// The same on every platform. O(N + C log C); with bounds O(N + C^2) at worst.
/// @throws std::invalid_argument for a label outside [0, classes), a fraction outside (0, 1), and
/// if either part would be empty, options.min_train_rows leaves too few rows for testing or
/// options.min_test_rows takes too many.
template <LabelRange R>
EQUIPOISE_HOST_INLINE Split stratified_split(const R& labels, std::size_t classes,
                                             double test_fraction, std::uint64_t seed,
                                             const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "stratified_split";
  const auto values = as_span(labels);
  detail::require_test_fraction(kWhere, test_fraction);
  const std::vector<std::uint64_t> counts = detail::rows_per_class(kWhere, values, classes);
  const std::size_t test_rows = detail::test_rows_of(kWhere, values.size(), test_fraction);
  detail::require_testable(kWhere, counts, test_rows, options);
  return detail::split_by_quota(values, detail::test_quotas(counts, test_rows, seed, options),
                                test_rows, seed, options);
}

/// A fold in [0, k) for every row, for cross-validation: in every class, and over all rows, the
/// sizes of two folds differ by at most one. A class with fewer than k rows is absent from some
/// folds.
///
/// Random, and the same on every platform. O(N + C).
/// @throws std::invalid_argument for a label outside [0, classes), and for k outside [2, N].
template <LabelRange R>
EQUIPOISE_HOST_INLINE std::vector<std::uint32_t> stratified_k_fold(const R& labels,
                                                                   std::size_t classes,
                                                                   std::uint32_t k,
                                                                   std::uint64_t seed) {
  constexpr std::string_view kWhere = "stratified_k_fold";
  const auto values = as_span(labels);
  const std::vector<std::uint64_t> counts = detail::rows_per_class(kWhere, values, classes);
  detail::require_folds(kWhere, k, values.size(), "rows");
  return detail::deal_folds(values, counts, k, seed);
}

}  // namespace equipoise::splits

#endif  // EQUIPOISE_SPLITS_STRATIFIED_H_
