// Tomek links: pairs of rows of two classes, each the other's nearest.
#ifndef EQUIPOISE_RESAMPLING_TOMEK_LINKS_H_
#define EQUIPOISE_RESAMPLING_TOMEK_LINKS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/cleaning.h"
#include "equipoise/resampling/detail/blocked_search.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/detail/missing_rows.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/view.h"

namespace equipoise::detail {

inline constexpr std::size_t kNoRow = std::numeric_limits<std::size_t>::max();

// Sets nearest[q] of each of `queries`, which are of `rows`.
template <class T, class Search>
EQUIPOISE_HOST_INLINE void set_nearest(const MatrixView<const T>& rows,
                                       std::span<const std::size_t> queries,
                                       std::span<const std::size_t> references,
                                       const Search& search, std::vector<std::size_t>& nearest) {
  if (queries.empty()) return;
  const auto table = search(rows, queries, references, 1);
  for (std::size_t i = 0; i < queries.size(); ++i) nearest[queries[i]] = table.indices[i];
}

// Tomek links among some rows. Of each link one row is not of the largest class, so where that
// class has most of the rows it is enough to ask the others, and of it those that they lead to.
template <class T, class Search>
EQUIPOISE_HOST_INLINE std::vector<std::pair<std::size_t, std::size_t>> links_among(
    const MatrixView<const T>& rows, std::span<const std::size_t> among, const ClassLists& lists,
    const Search& search) {
  std::vector<std::uint64_t> counts(lists.classes());
  for (const std::size_t row : among) ++counts[lists.class_of(row)];
  const ExtremeClasses extremes(counts);
  std::vector<std::pair<std::size_t, std::size_t>> links;
  if (extremes.present < 2) return links;
  std::vector<std::size_t> nearest(rows.rows, kNoRow);
  if (among.size() - counts[extremes.largest] > among.size() / 4) {
    set_nearest(rows, among, among, search, nearest);
  } else {
    std::vector<std::size_t> small;
    for (const std::size_t row : among) {
      if (lists.class_of(row) != extremes.largest) small.push_back(row);
    }
    set_nearest(rows, small, among, search, nearest);
    std::vector<std::size_t> large;
    for (const std::size_t row : small) {
      if (lists.class_of(nearest[row]) == extremes.largest) large.push_back(nearest[row]);
    }
    std::sort(large.begin(), large.end());
    large.erase(std::unique(large.begin(), large.end()), large.end());
    set_nearest(rows, large, among, search, nearest);
  }
  for (const std::size_t row : among) {
    const std::size_t other = nearest[row];
    if (other == kNoRow || other < row || nearest[other] != row) continue;
    if (lists.class_of(row) != lists.class_of(other)) links.emplace_back(row, other);
  }
  return links;
}

// Those of `among` that remain where rows of reduced classes in links go.
template <class T, class Search>
EQUIPOISE_HOST_INLINE std::vector<std::size_t> without_links(const MatrixView<const T>& rows,
                                                             std::span<const std::size_t> among,
                                                             const ClassLists& lists,
                                                             const std::vector<bool>& is_reduced,
                                                             const Search& search) {
  std::vector<bool> goes(rows.rows);
  for (const auto& [a, b] : links_among(rows, among, lists, search)) {
    goes[a] = is_reduced[lists.class_of(a)];
    goes[b] = is_reduced[lists.class_of(b)];
  }
  std::vector<std::size_t> result;
  for (const std::size_t row : among) {
    if (!goes[row]) result.push_back(row);
  }
  return result;
}

inline std::vector<bool> reduced_classes(std::span<const std::uint64_t> counts,
                                         resampling::CleanedClasses cleaned) {
  const ExtremeClasses extremes(counts);
  std::vector<bool> result;
  for (std::size_t c = 0; c < counts.size(); ++c) result.push_back(extremes.is_reduced(c, cleaned));
  return result;
}

}  // namespace equipoise::detail

namespace equipoise::resampling {

/// The Tomek links of rows (Tomek 1976, "Two modifications of CNN"): pairs of different classes
/// each of which is the other's nearest row, the lower number first, ascending. One of the two is
/// noise, or both are on the border. O(N^2 D) by default; where one class has three quarters of the
/// rows or more, only the others' neighbours are looked for.
/// @throws std::invalid_argument for a label that is no class, sizes that differ, and as the
/// search.
template <FloatElement T, LabelRange R, NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
EQUIPOISE_HOST_INLINE std::vector<std::pair<std::size_t, std::size_t>> tomek_links(
    const MatrixView<T>& rows, const R& labels, std::size_t classes, const S& search = {}) {
  const auto lists = detail::class_lists("tomek_links", rows, labels, classes);
  return detail::links_among(detail::const_view(rows), detail::first_numbers(rows.rows), lists,
                             search);
}

/// Leaves out those rows of Tomek links that are of the cleaned classes. One class, or no rows, are
/// left as they are.
struct TomekLinks {
  CleanedClasses cleaned = CleanedClasses::kNotMinority;

  /// The rows that remain. @throws std::invalid_argument as tomek_links().
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels, std::size_t classes,
                                                             const S& search = {}) const {
    const auto lists = detail::class_lists("TomekLinks", rows, labels, classes);
    return detail::to_indices(
        detail::without_links(detail::const_view(rows), detail::first_numbers(rows.rows), lists,
                              detail::reduced_classes(lists.counts(), cleaned), search));
  }

  friend bool operator==(const TomekLinks&, const TomekLinks&) = default;
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_TOMEK_LINKS_H_
