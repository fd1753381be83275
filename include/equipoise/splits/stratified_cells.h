// Parts that have the proportions of the whole by group and class at once: languages x labels.
#ifndef EQUIPOISE_SPLITS_STRATIFIED_CELLS_H_
#define EQUIPOISE_SPLITS_STRATIFIED_CELLS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/class_index.h"
#include "equipoise/detail/controlled_rounding.h"
#include "equipoise/random.h"
#include "equipoise/sampling/cells.h"
#include "equipoise/splits/split.h"
#include "equipoise/splits/stratified.h"
#include "equipoise/view.h"

namespace equipoise {

namespace detail {

// The cell of every row, and the rows of every cell: counts[g * classes + c].
struct Cells {
  std::vector<std::int32_t> labels;
  std::vector<std::uint64_t> counts;

  template <class R, class G>
  EQUIPOISE_INLINE Cells(std::string_view where, const R& values, const G& row_groups,
                         std::size_t groups, std::size_t classes)
      : labels(cell_labels(values, row_groups, groups, classes)),
        counts(rows_per_class(where, std::span<const std::int32_t>(labels), groups * classes)) {}
};

inline std::vector<std::uint64_t> column_sums(std::span<const std::uint64_t> table,
                                              std::size_t cols) {
  std::vector<std::uint64_t> sums(cols);
  for (std::size_t i = 0; i < table.size(); ++i) sums[i % cols] += table[i];
  return sums;
}

// How many rows of each cell go to the test part, of which class_quotas[c] in class c: those of a
// class are divided among the groups by n_gc / n_c, in units of 2^-40, and the table is rounded
// with its margins. Differences of rounded running sums add up to the quota of the class.
inline std::vector<std::uint64_t> cell_quotas(std::span<const std::uint64_t> counts,
                                              std::span<const std::uint64_t> class_counts,
                                              std::span<const std::uint64_t> class_quotas,
                                              std::uint64_t seed) {
  constexpr int kUnitBits = 40;
  constexpr std::uint64_t kOne = std::uint64_t{1} << kUnitBits;
  const std::size_t classes = class_counts.size();
  std::vector<std::uint64_t> quotas(counts.size());
  std::vector<std::uint64_t> fractions(counts.size());
  for (std::size_t c = 0; c < classes; ++c) {
    if (class_counts[c] == 0) continue;
    std::uint64_t rows = 0;
    uint128 given = 0;
    for (std::size_t i = c; i < counts.size(); i += classes) {
      rows += counts[i];
      const uint128 due =
          ((static_cast<uint128>(rows) * class_quotas[c]) << kUnitBits) / class_counts[c];
      quotas[i] = static_cast<std::uint64_t>((due - given) >> kUnitBits);
      fractions[i] = static_cast<std::uint64_t>(due - given) % kOne;
      given = due;
    }
  }
  const std::size_t groups = classes == 0 ? 0 : counts.size() / classes;
  const ControlledRounding is_up(fractions, groups, classes, kOne, CounterRandom{seed});
  for (std::size_t i = 0; i < quotas.size(); ++i) quotas[i] += is_up[i] ? 1 : 0;
  return quotas;
}

// How many rows of cell i go to fold f, at i * k + f: one k-th of each cell, of what is left one
// (k-1)-th, and so on. Each table is rounded with its margins, so that a cell or margin of m rows
// gives floor or ceil of m / k each time.
inline std::vector<std::uint64_t> cell_fold_sizes(std::span<const std::uint64_t> counts,
                                                  std::size_t groups, std::size_t classes,
                                                  std::uint32_t k, std::uint64_t seed) {
  std::vector<std::uint64_t> left(counts.begin(), counts.end());
  std::vector<std::uint64_t> fractions(counts.size());
  std::vector<std::uint64_t> sizes(counts.size() * k);
  std::uint64_t draws = 0;
  for (std::uint32_t f = 0; f < k; ++f) {
    const std::uint64_t folds = k - f;
    for (std::size_t i = 0; i < counts.size(); ++i) fractions[i] = left[i] % folds;
    const ControlledRounding is_up(fractions, groups, classes, folds, CounterRandom{seed}, draws);
    draws += (groups + 1) * (classes + 1);  // one for each cell at most
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const std::uint64_t size = left[i] / folds + (is_up[i] ? 1 : 0);
      sizes[i * k + f] = size;
      left[i] -= size;
    }
  }
  return sizes;
}

}  // namespace detail

/// As stratified_split() by class, and within each class by group as well: each cell (group, class)
/// and each group gives floor or ceil of its share, however small the cells are. So does every
/// class, as many rows as it gives without groups, and the total is exact.
///
/// The share of a cell is n_gc / n_c times the test rows of class c. Which cells are rounded up is
/// drawn such that each does with a probability equal to its fraction (Cox 1987, controlled
/// rounding).
///
/// The same on every platform. O(N + G C min(G, C) + C log C); memory is 4 bytes a row more than
/// without groups, and O(G C).
/// @throws std::invalid_argument as stratified_split(), and as cell_labels().
template <LabelRange R, LabelRange G>
EQUIPOISE_INLINE Split stratified_split(const R& labels, const G& row_groups, std::size_t groups,
                                        std::size_t classes, double test_fraction,
                                        std::uint64_t seed, const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "stratified_split";
  detail::require_test_fraction(kWhere, test_fraction);
  const detail::Cells cells(kWhere, labels, row_groups, groups, classes);
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
template <LabelRange R, LabelRange G>
EQUIPOISE_INLINE std::vector<std::uint32_t> stratified_k_fold(const R& labels, const G& row_groups,
                                                              std::size_t groups,
                                                              std::size_t classes, std::uint32_t k,
                                                              std::uint64_t seed) {
  constexpr std::string_view kWhere = "stratified_k_fold";
  const detail::Cells cells(kWhere, labels, row_groups, groups, classes);
  detail::require_folds(kWhere, k, cells.labels.size(), "rows");
  std::vector<std::uint64_t> left = detail::cell_fold_sizes(cells.counts, groups, classes, k, seed);
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

}  // namespace equipoise

#endif  // EQUIPOISE_SPLITS_STRATIFIED_CELLS_H_
