// The nearest rows of rows: how whatever resamples by neighbourhood asks for them, and two exact
// searches.
#ifndef EQUIPOISE_RESAMPLING_NEIGHBOURS_H_
#define EQUIPOISE_RESAMPLING_NEIGHBOURS_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/detail/blocked_search.h"
#include "equipoise/resampling/detail/nearest_lists.h"
#include "equipoise/resampling/detail/squared_distance.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// The k nearest rows of each of some rows: entry j of row i, j from 0, is its (j + 1)-th nearest.
struct NeighbourTable {
  std::size_t k = 0;
  std::vector<std::size_t> indices{};       ///< k a row, the nearest first
  std::vector<double> squared_distances{};  ///< of the same

  /// The number of rows that neighbours were asked of.
  std::size_t rows() const { return k == 0 ? 0 : indices.size() / k; }
  /// The neighbours of the i-th of them.
  std::span<const std::size_t> of(std::size_t i) const {
    return std::span(indices).subspan(i * k, k);
  }
  /// Their squared distances.
  std::span<const double> distances_of(std::size_t i) const {
    return std::span(squared_distances).subspan(i * k, k);
  }

  friend bool operator==(const NeighbourTable&, const NeighbourTable&) = default;
};

/// A search for neighbours. `search(rows, queries, references, k)` gives for each of `queries`,
/// which are numbers of rows, the k of `references` that are nearest to it by Euclidean distance,
/// among equally distant ones those of lower number. A row is no neighbour of its own, whichever
/// others equal it. `references` are ascending, and there are more than k of them.
///
/// Searches by an index structure of another library are written as such a struct: see
/// docs/synthetic_rows.md for one on nanoflann. An approximate one makes all that is built on it
/// approximate, and nothing else of it worse.
template <class S, class T>
concept NeighbourSearch = requires(const S& search, MatrixView<const T> rows,
                                   std::span<const std::size_t> numbers, std::size_t k) {
  { search(rows, numbers, numbers, k) } -> std::same_as<NeighbourTable>;
};

/// Compares each query with each reference, one by one, in double: O(Q R D) time for Q queries and
/// R references of D columns, O(Q k) memory. What other searches are compared with.
struct PlainNeighbours {
  /// @throws std::invalid_argument for an element that is NaN or infinite, a number that is no row,
  /// and fewer than k references beside the query.
  template <FloatElement T>
  NeighbourTable operator()(const MatrixView<const T>& rows, std::span<const std::size_t> queries,
                            std::span<const std::size_t> references, std::size_t k) const {
    detail::require_search("PlainNeighbours", rows, queries, references, k);
    return detail::plain_search<NeighbourTable>(rows, queries, references, k);
  }
};

/// The same neighbours and distances, for most rows many times as fast. Distances are first bounded
/// from below by |a|^2 + |b|^2 - 2 ab of centred rows, in the type of the rows and in blocks that
/// stay in the cache, less the most that rounding can add; between rows of one set each pair once.
/// The few rows that the bounds cannot rule out are compared as PlainNeighbours compares them, so
/// that neither the cancellation in that formula nor the processor decides who is nearest. Where
/// bounds in float rule out too little, since all rows are far from their mean and close to each
/// other, they are taken in double, and where these do not, rows are compared one by one. So are
/// queries with four or more references beyond the k-th that are as near as it: in tables of few
/// distinct rows that may be all of them, and then nothing is gained.
///
/// O(Q R D) time, half of that where queries and references are the same, and O(k) for each
/// reference that is among the k + 4 nearest so far: where k is a large part of R, O(Q R k). Memory
/// is a copy of the references in the type of the rows, then, where bounds are taken in double, one
/// in double instead; half a megabyte; 1024 rows where queries are not the references; and O(Q k).
struct ExactNeighbours {
  /// @throws std::invalid_argument as PlainNeighbours.
  template <FloatElement T>
  EQUIPOISE_HOST_INLINE NeighbourTable operator()(const MatrixView<const T>& rows,
                                                  std::span<const std::size_t> queries,
                                                  std::span<const std::size_t> references,
                                                  std::size_t k) const {
    detail::require_search("ExactNeighbours", rows, queries, references, k);
    return detail::blocked_search<NeighbourTable>(rows, queries, references, k,
                                                  detail::TiledProduct());
  }
};

}  // namespace equipoise::resampling

namespace equipoise::resampling {

/// A row has k neighbours only among more than k rows.
enum class FewRows {
  kError,  ///< an error that names the class and its number of rows
  kClip,   ///< as many neighbours as there are: one less than rows, and none of no rows
};

}  // namespace equipoise::resampling

namespace equipoise::detail {

// The number of neighbours among `available` rows, of which the row itself is one; `of_what` says
// of what.
inline std::size_t neighbours_among(std::string_view where, std::string_view of_what,
                                    std::size_t available, std::size_t k,
                                    resampling::FewRows few_rows) {
  if (k == 0) reject(where, "number of neighbours", k, "at least 1");
  if (available > k) return k;
  if (few_rows == resampling::FewRows::kClip) return available == 0 ? 0 : available - 1;
  reject(where, of_what, available, "more than the " + to_text(k) + " neighbours of each");
}

inline std::string rows_of_class(std::size_t c) { return "rows of class " + to_text(c); }

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_NEIGHBOURS_H_
