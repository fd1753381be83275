// Condensed nearest neighbours and one-sided selection: large classes without the rows that others
// stand for.
#ifndef EQUIPOISE_RESAMPLING_CONDENSED_NEIGHBOURS_H_
#define EQUIPOISE_RESAMPLING_CONDENSED_NEIGHBOURS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/resampling/cleaning.h"
#include "equipoise/resampling/detail/blocked_search.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/detail/squared_distance.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/resampling/tomek_links.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// For each row, the nearest row of a store that grows; of equally near ones that of lower number.
template <class T>
class NearestInStore {
 public:
  explicit NearestInStore(const MatrixView<const T>& rows)
      : rows_(rows), nearest_(rows.rows, kNoRow), distances_(rows.rows, infinity()) {}

  // O(N D).
  void add(std::size_t row) {
    for (std::size_t i = 0; i < nearest_.size(); ++i) {
      const double distance = squared_distance(rows_, i, row);
      if (nearest_[i] != kNoRow &&
          (distance > distances_[i] || (distance == distances_[i] && row > nearest_[i]))) {
        continue;
      }
      nearest_[i] = row;
      distances_[i] = distance;
    }
  }
  std::size_t operator[](std::size_t row) const { return nearest_[row]; }

 private:
  MatrixView<const T> rows_;
  std::vector<std::size_t> nearest_;
  std::vector<double> distances_;
};

}  // namespace equipoise::detail

namespace equipoise::resampling {

/// Condensed nearest neighbours (Hart 1968, "The condensed nearest neighbor rule"): a store of rows
/// that classifies all rows right by their nearest in it. It starts with all rows of the classes
/// that are not cleaned and one of each that is; the others are gone through in the order of the
/// seed, and each that the store gets wrong joins it, until a pass adds none.
///
/// That is Hart's rule with all classes in one store. imbalanced-learn has a store for each cleaned
/// class and the smallest, and goes through each class once, so what it keeps need not classify all
/// rows right.
struct CondensedNeighbours {
  std::uint64_t seed = 0;
  CleanedClasses cleaned = CleanedClasses::kNotMinority;

  /// The rows of the store. O(S N D) for a store of S rows, O(N) memory.
  /// @throws std::invalid_argument for a label that is no class, sizes that differ, and an element
  /// that is NaN or infinite.
  template <FloatElement T, LabelRange R>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels,
                                                             std::size_t classes) const {
    constexpr std::string_view kWhere = "CondensedNeighbours";
    const auto lists = detail::class_lists(kWhere, rows, labels, classes);
    const auto view = detail::const_view(rows);
    for (std::size_t i = 0; i < rows.rows; ++i) detail::require_finite_row(kWhere, view, i);
    const std::vector<bool> is_reduced = detail::reduced_classes(lists.counts(), cleaned);
    std::vector<bool> is_stored(rows.rows);
    detail::NearestInStore store(view);
    const auto add = [&](std::size_t row) {
      store.add(row);
      is_stored[row] = true;
    };
    const std::vector<std::size_t> order =
        shuffled_indices<std::size_t>(rows.rows, CounterRandom{seed}, detail::Purpose::kStoreOrder);
    std::vector<bool> has_row(classes);
    for (const std::size_t row : order) {
      const std::size_t c = lists.class_of(row);
      if (!is_reduced[c] || !has_row[c]) add(row);
      has_row[c] = true;
    }
    for (bool has_grown = true; has_grown;) {
      has_grown = false;
      for (const std::size_t row : order) {
        if (is_stored[row] || lists.class_of(store[row]) == lists.class_of(row)) continue;
        add(row);
        has_grown = true;
      }
    }
    std::vector<std::int64_t> kept;
    for (std::size_t i = 0; i < rows.rows; ++i) {
      if (is_stored[i]) kept.push_back(static_cast<std::int64_t>(i));
    }
    return kept;
  }

  friend bool operator==(const CondensedNeighbours&, const CondensedNeighbours&) = default;
};

/// One-sided selection (Kubat & Matwin 1997, "Addressing the curse of imbalanced training sets"):
/// of each cleaned class those rows remain that the nearest of the smallest class's rows and of
/// `seed_rows` random ones of the class gets wrong, and the random ones themselves; of these, rows
/// of cleaned classes in Tomek links go.
struct OneSidedSelection {
  std::uint64_t seed = 0;
  std::size_t seed_rows = 1;  ///< of each cleaned class, at least 1 and at most its rows
  CleanedClasses cleaned = CleanedClasses::kNotMinority;

  /// The rows that remain.
  /// @throws std::invalid_argument for a label that is no class, sizes that differ, seed_rows out
  /// of range, and as the search.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels, std::size_t classes,
                                                             const S& search = {}) const {
    constexpr std::string_view kWhere = "OneSidedSelection";
    const auto lists = detail::class_lists(kWhere, rows, labels, classes);
    const std::vector<bool> is_reduced = detail::reduced_classes(lists.counts(), cleaned);
    std::vector<std::vector<std::size_t>> first(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      if (!is_reduced[c] || lists.size(c) == 0) continue;
      if (seed_rows == 0 || seed_rows > lists.size(c)) {
        detail::reject(kWhere, "seed_rows", seed_rows,
                       "at least 1 and at most " + detail::to_text(lists.size(c)) + ", the " +
                           detail::rows_of_class(c));
      }
      const RandomPermutation order(lists.size(c), CounterRandom{seed}, c,
                                    detail::Purpose::kStoreOrder);
      for (std::size_t i = 0; i < seed_rows; ++i) {
        first[c].push_back(lists.of(c)[static_cast<std::size_t>(order(i))]);
      }
    }
    return select(rows, lists, is_reduced, first, search);
  }

  /// The same from given first rows: those of each class that is cleaned, at least one.
  /// @throws std::invalid_argument also for a first row that is none of the class.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> from(
      const std::vector<std::vector<std::size_t>>& first, const MatrixView<T>& rows,
      const R& labels, const S& search = {}) const {
    constexpr std::string_view kWhere = "OneSidedSelection::from";
    const auto lists = detail::class_lists(kWhere, rows, labels, first.size());
    const std::vector<bool> is_reduced = detail::reduced_classes(lists.counts(), cleaned);
    for (std::size_t c = 0; c < first.size(); ++c) {
      if (is_reduced[c] && lists.size(c) > 0 && first[c].empty()) {
        detail::reject(kWhere, "first rows of class " + detail::to_text(c), 0, "at least 1");
      }
      for (const std::size_t row : first[c]) {
        if (row >= rows.rows || lists.class_of(row) != c) {
          detail::reject_element(kWhere, "first", c, row, "a row of the class");
        }
      }
    }
    return select(rows, lists, is_reduced, first, search);
  }

  friend bool operator==(const OneSidedSelection&, const OneSidedSelection&) = default;

 private:
  template <class T, class S>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> select(
      const MatrixView<T>& rows, const detail::ClassLists& lists,
      const std::vector<bool>& is_reduced, const std::vector<std::vector<std::size_t>>& first,
      const S& search) const {
    const auto view = detail::const_view(rows);
    const std::size_t smallest = detail::ExtremeClasses(lists.counts()).smallest;
    std::vector<bool> remains(rows.rows);
    for (std::size_t c = 0; c < lists.classes(); ++c) {
      if (!is_reduced[c] || c == smallest) {
        for (const std::size_t row : lists.of(c)) remains[row] = true;
        continue;
      }
      std::vector<std::size_t> store = detail::to_vector(lists.of(smallest));
      for (const std::size_t row : first[c]) {
        store.push_back(row);
        remains[row] = true;
      }
      std::sort(store.begin(), store.end());
      store.erase(std::unique(store.begin(), store.end()), store.end());
      std::vector<std::size_t> others;
      for (const std::size_t row : lists.of(c)) {
        if (!remains[row]) others.push_back(row);
      }
      if (others.empty()) continue;
      const auto table = search(view, others, store, 1);
      for (std::size_t i = 0; i < others.size(); ++i) {
        remains[others[i]] = lists.class_of(table.indices[i]) != c;
      }
    }
    std::vector<std::size_t> among;
    for (std::size_t i = 0; i < rows.rows; ++i) {
      if (remains[i]) among.push_back(i);
    }
    return detail::to_indices(detail::without_links(view, among, lists, is_reduced, search));
  }
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_CONDENSED_NEIGHBOURS_H_
