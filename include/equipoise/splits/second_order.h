// Splits of rows with several labels each that also keep the proportions of pairs of labels.
#ifndef EQUIPOISE_SPLITS_SECOND_ORDER_H_
#define EQUIPOISE_SPLITS_SECOND_ORDER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/splits/detail/iterative_dealer.h"
#include "equipoise/splits/detail/labels_and_pairs.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"
#include "equipoise/view.h"

namespace equipoise::splits {

/// As iterative_split(), but each pair of labels that occurs in some row is also as frequent in the
/// parts as in the whole: second-order iterative stratification (Szymański & Kajdanowicz 2017, "A
/// network perspective on stratification of multi-label data"). A label may be rare only together
/// with another, which plain iterative stratification does not see.
///
/// Pairs are dealt like labels: of all labels and pairs, the one with the fewest rows left to
/// assign comes next, and each of its rows goes to the part that needs most rows of it. Sizes are
/// exact, as there. The bounds of the options hold for labels, not for pairs.
///
/// Computed in integers only, and the same on every platform. O(S log S + N + C) with S the sum of
/// L (L + 1) / 2 over rows of L labels; memory O(S).
/// @throws std::invalid_argument as iterative_split().
template <LabelRange R, LabelRange O>
EQUIPOISE_HOST_INLINE Split second_order_split(const R& labels, const O& offsets,
                                               std::size_t classes, double test_fraction,
                                               std::uint64_t seed,
                                               const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "second_order_split";
  detail::require_test_fraction(kWhere, test_fraction);
  const detail::LabelsAndPairs both(
      detail::LabelledRows(kWhere, as_span(labels), as_span(offsets), classes), classes);
  const detail::LabelledRows rows(kWhere, as_span(both.labels), as_span(both.offsets), both.count);
  return detail::split_iteratively(kWhere, rows, classes, test_fraction, seed, options);
}

/// A fold in [0, k) for every row by the method of second_order_split(). Over all rows the sizes of
/// two folds differ by at most one.
///
/// Computed in integers only, and the same on every platform. O(S log S + (N + C + pairs) k).
/// @throws std::invalid_argument as second_order_split(), and for k outside [2, N].
template <LabelRange R, LabelRange O>
EQUIPOISE_HOST_INLINE std::vector<std::uint32_t> second_order_k_fold(
    const R& labels, const O& offsets, std::size_t classes, std::uint32_t k, std::uint64_t seed) {
  constexpr std::string_view kWhere = "second_order_k_fold";
  const detail::LabelsAndPairs both(
      detail::LabelledRows(kWhere, as_span(labels), as_span(offsets), classes), classes);
  const detail::LabelledRows rows(kWhere, as_span(both.labels), as_span(both.offsets), both.count);
  return detail::folds_iteratively(kWhere, rows, k, seed);
}

}  // namespace equipoise::splits

#endif  // EQUIPOISE_SPLITS_SECOND_ORDER_H_
