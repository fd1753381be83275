// Splits of rows that have several labels each.
#ifndef EQUIPOISE_SPLITS_ITERATIVE_H_
#define EQUIPOISE_SPLITS_ITERATIVE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/splits/detail/iterative_dealer.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"
#include "equipoise/view.h"

namespace equipoise::splits {

/// A test part of round(N * test_fraction) rows (halves away from zero) in which each label of
/// multi-label rows is as frequent as in the whole, by iterative stratification (Sechidis,
/// Tsoumakas & Vlahavas 2011, "On the stratification of multi-label data"). Row i has the labels
/// labels[offsets[i], offsets[i + 1]), each once; it may have none.
///
/// The label with the fewest rows left to assign comes next. Each of its rows goes to the part that
/// needs most rows of this label (the number due to it less those that it has); among equals, to
/// the one that needs most rows in all; among equals, to a random one. Rows without labels come
/// last. Unlike in the paper, a part that is full takes no more rows, so the sizes are exact; the
/// rows that a full part does not take are those of the most frequent labels and those without
/// labels.
///
/// A label with few rows may be absent from the test part: if 2 of 10 rows have the label and a
/// fifth is for testing, the test part never needs more of them than the training part. With
/// options.min_train_rows = m, rows go to training as long as one of their labels has fewer than m
/// there. With options.min_test_rows = k, they go to the test part as long as one of their labels
/// has fewer than k there, or fewer than n_c - max(m, 1) if that is less. Training comes first,
/// unless the label has just enough rows left for testing.
///
/// Computed in integers only, and the same on every platform. O(labels + N + C): the labels are
/// kept sorted by the number of rows that they have left.
/// @throws std::invalid_argument for a label outside [0, classes) or twice in a row, for offsets
/// that do not start at 0, decrease, or do not end at labels.size(), for a fraction outside (0, 1),
/// and if either part would be empty or the bounds of the options cannot be kept.
template <LabelRange R, LabelRange O>
EQUIPOISE_HOST_INLINE Split iterative_split(const R& labels, const O& offsets, std::size_t classes,
                                            double test_fraction, std::uint64_t seed,
                                            const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "iterative_split";
  detail::require_test_fraction(kWhere, test_fraction);
  const detail::LabelledRows rows(kWhere, as_span(labels), as_span(offsets), classes);
  return detail::split_iteratively(kWhere, rows, classes, test_fraction, seed, options);
}

/// A fold in [0, k) for every row by the method of iterative_split(). Over all rows the sizes of
/// two folds differ by at most one.
///
/// Computed in integers only, and the same on every platform. O(labels + N k + C k).
/// @throws std::invalid_argument as iterative_split(), and for k outside [2, N].
template <LabelRange R, LabelRange O>
EQUIPOISE_HOST_INLINE std::vector<std::uint32_t> iterative_k_fold(const R& labels, const O& offsets,
                                                                  std::size_t classes,
                                                                  std::uint32_t k,
                                                                  std::uint64_t seed) {
  constexpr std::string_view kWhere = "iterative_k_fold";
  const detail::LabelledRows rows(kWhere, as_span(labels), as_span(offsets), classes);
  return detail::folds_iteratively(kWhere, rows, k, seed);
}

}  // namespace equipoise::splits

#endif  // EQUIPOISE_SPLITS_ITERATIVE_H_
