// Parts that have the proportions of the whole by group and class at once: languages x labels.
#ifndef EQUIPOISE_SPLITS_STRATIFIED_CELLS_H_
#define EQUIPOISE_SPLITS_STRATIFIED_CELLS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/sampling/cells.h"
#include "equipoise/splits/detail/cell_shares.h"
#include "equipoise/splits/detail/class_shares.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"
#include "equipoise/splits/stratified.h"
#include "equipoise/view.h"

namespace equipoise::splits {

/// As stratified_split() by class, and within each class by group as well: each cell (group, class)
/// and each group gives floor or ceil of its exact proportion, however small the cells are. Every
/// class gives as many rows as it does without groups, and the total is exact.
///
/// The exact proportion of a cell is n_gc / n_c times the test rows of class c. The cells to round
/// up are drawn such that each is rounded up with a probability equal to its fractional part (Cox
/// 1987, controlled rounding).
///
/// The same on every platform. O(N + G C min(G, C) + C log C); memory is 4 bytes per row more than
/// without groups, and O(G C).
/// @throws std::invalid_argument as stratified_split(), and as cell_labels().
template <LabelRange R, class G>
EQUIPOISE_HOST_INLINE Split stratified_split(const R& labels, const RowGroups<G>& row_groups,
                                             std::size_t classes, double test_fraction,
                                             std::uint64_t seed, const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "stratified_split";
  detail::require_test_fraction(kWhere, test_fraction);
  const detail::Cells cells(kWhere, labels, row_groups.ids, row_groups.count, classes);
  const std::size_t test_rows = detail::test_rows_of(kWhere, cells.labels.size(), test_fraction);
  const std::vector<std::uint64_t> class_counts = detail::column_sums(cells.counts, classes);
  detail::require_testable(kWhere, class_counts, test_rows, options);
  const std::vector<std::uint64_t> class_quotas =
      detail::test_quotas(class_counts, test_rows, seed, options);
  return detail::split_by_quota(std::span<const std::int32_t>(cells.labels),
                                detail::cell_quotas(cells.counts, class_counts, class_quotas, seed),
                                test_rows, seed, options);
}

/// A fold in [0, k) for every row: in every cell (group, class), in every group, in every class and
/// over all rows, the sizes of two folds differ by at most one.
///
/// Random, and the same on every platform. O(N + k G C min(G, C)), memory O(N + k G C).
/// @throws std::invalid_argument as cell_labels(), and for k outside [2, N].
template <LabelRange R, class G>
EQUIPOISE_HOST_INLINE std::vector<std::uint32_t> stratified_k_fold(const R& labels,
                                                                   const RowGroups<G>& row_groups,
                                                                   std::size_t classes,
                                                                   std::uint32_t k,
                                                                   std::uint64_t seed) {
  constexpr std::string_view kWhere = "stratified_k_fold";
  const detail::Cells cells(kWhere, labels, row_groups.ids, row_groups.count, classes);
  detail::require_folds(kWhere, k, cells.labels.size(), "rows");
  std::vector<std::uint64_t> left =
      detail::cell_fold_sizes(cells.counts, row_groups.count, classes, k, seed);
  std::vector<std::uint32_t> next(cells.counts.size());  // the fold to which each cell now gives
  std::vector<std::uint32_t> folds(cells.labels.size());
  detail::for_each_shuffled(folds.size(), seed, [&](std::size_t row) {
    const auto cell = static_cast<std::size_t>(cells.labels[row]);
    while (left[cell * k + next[cell]] == 0) ++next[cell];
    --left[cell * k + next[cell]];
    folds[row] = next[cell];
  });
  return folds;
}

}  // namespace equipoise::splits

#endif  // EQUIPOISE_SPLITS_STRATIFIED_CELLS_H_
