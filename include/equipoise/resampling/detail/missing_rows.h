// What oversampling policies have in common: how many rows classes lack.
#ifndef EQUIPOISE_RESAMPLING_DETAIL_MISSING_ROWS_H_
#define EQUIPOISE_RESAMPLING_DETAIL_MISSING_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// How many rows of each class are to be made: targets less what there is.
inline std::vector<std::uint64_t> missing_rows(std::string_view where,
                                               std::span<const std::uint64_t> targets,
                                               const ClassLists& lists) {
  std::vector<std::uint64_t> missing;
  for (std::size_t c = 0; c < targets.size(); ++c) {
    const std::uint64_t own = lists.counts()[c];
    if (targets[c] < own || (own == 0 && targets[c] > 0)) {
      reject_element(where, "targets", c, targets[c],
                     own == 0 ? "0, for no row has this class"
                              : "at least " + to_text(own) + ", the rows of the class");
    }
    missing.push_back(targets[c] - own);
  }
  return missing;
}

template <class T>
MatrixView<const std::remove_const_t<T>> const_view(const MatrixView<T>& rows) {
  return {rows.data, rows.rows, rows.cols, rows.row_stride, rows.col_stride};
}

// Calls make(c, n, lists) for each class that lacks n > 0 rows; `lists` are the rows of classes.
template <class T, class R, class Make>
EQUIPOISE_HOST_INLINE void for_each_missing(std::string_view where, const MatrixView<T>& rows,
                                            const R& labels, std::span<const std::uint64_t> targets,
                                            const Make& make) {
  const ClassLists lists = class_lists(where, rows, labels, targets.size());
  const std::vector<std::uint64_t> missing = missing_rows(where, targets, lists);
  for (std::size_t c = 0; c < targets.size(); ++c) {
    if (missing[c] > 0) make(c, missing[c], lists);
  }
}

inline std::vector<std::size_t> to_vector(std::span<const std::size_t> numbers) {
  return {numbers.begin(), numbers.end()};
}

// How many of each row's neighbours are of another class than c.
template <class Table>
std::vector<std::size_t> others_among(const Table& table, std::size_t c, const ClassLists& lists) {
  std::vector<std::size_t> others(table.rows());
  for (std::size_t i = 0; i < others.size(); ++i) {
    for (const std::size_t neighbour : table.of(i)) {
      others[i] += lists.class_of(neighbour) != c ? 1 : 0;
    }
  }
  return others;
}

// The neighbours of some rows among rows of their own class, as a group's.
template <class T, class Search>
EQUIPOISE_HOST_INLINE void set_neighbours_within(resampling::RecipeGroup& group,
                                                 const MatrixView<const T>& rows,
                                                 std::span<const std::size_t> references,
                                                 std::size_t k, const Search& search) {
  group.k = k;
  if (k > 0) group.neighbours = search(rows, group.bases, references, k).indices;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_DETAIL_MISSING_ROWS_H_
