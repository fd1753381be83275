// Rows sorted by class: class c's rows are rows[starts[c], starts[c + 1]), in ascending order.
#ifndef EQUIPOISE_DETAIL_CLASS_INDEX_H_
#define EQUIPOISE_DETAIL_CLASS_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"

namespace equipoise::detail {

// Rows of each class, every label checked.
template <class L>
EQUIPOISE_INLINE std::vector<std::uint64_t> rows_per_class(
    std::string_view where, std::span<const L> labels, std::size_t classes,
    std::optional<std::int64_t> ignore_index = std::nullopt) {
  std::vector<std::uint64_t> counts(classes);
  count_or_reject(where, labels, classes, ignore_index, counts.data());
  return counts;
}

inline std::vector<std::uint64_t> class_starts(std::span<const std::uint64_t> counts) {
  std::vector<std::uint64_t> starts(counts.size() + 1, 0);
  for (std::size_t c = 0; c < counts.size(); ++c) starts[c + 1] = starts[c] + counts[c];
  return starts;
}

// The rows in class order, by counting sort. Labels have been checked, so what is no class is
// ignored. Row is an unsigned type that holds every row.
template <class Row, class L>
std::vector<Row> rows_by_class(std::span<const L> labels, std::span<const std::uint64_t> starts) {
  const std::size_t classes = starts.size() - 1;
  std::vector<std::uint64_t> next(starts.begin(), starts.end() - 1);
  std::vector<Row> rows(static_cast<std::size_t>(starts.back()));
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (!is_class(labels[row], classes)) continue;
    rows[static_cast<std::size_t>(next[static_cast<std::size_t>(labels[row])]++)] =
        static_cast<Row>(row);
  }
  return rows;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_CLASS_INDEX_H_
