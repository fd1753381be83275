// How many rows of each cell (group, class) the parts get.
#ifndef EQUIPOISE_SPLITS_DETAIL_CELL_SHARES_H_
#define EQUIPOISE_SPLITS_DETAIL_CELL_SHARES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/random.h"
#include "equipoise/sampling/cells.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/splits/detail/controlled_rounding.h"

namespace equipoise::detail {

// The cell of every row, and the rows of every cell: counts[g * classes + c].
struct Cells {
  std::vector<std::int32_t> labels;
  std::vector<std::uint64_t> counts;

  template <class R, class G>
  EQUIPOISE_HOST_INLINE Cells(std::string_view where, const R& values, const G& row_groups,
                              std::size_t groups, std::size_t classes)
      : labels(sampling::cell_labels(values, row_groups, groups, classes)),
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

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_CELL_SHARES_H_
