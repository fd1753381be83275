// The neighbourhood cleaning rule.
#ifndef EQUIPOISE_RESAMPLING_NEIGHBOURHOOD_CLEANING_H_
#define EQUIPOISE_RESAMPLING_NEIGHBOURHOOD_CLEANING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/cleaning.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/edited_neighbours.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// The neighbourhood cleaning rule of Laurikkala 2001 ("Improving identification of difficult small
/// classes by balancing class distribution"). Two sets of rows go: those that EditedNeighbours with
/// kMode takes, and, of the k nearest of each row of the smallest class that most of them
/// misclassify, the rows of cleaned classes with more than `threshold` times the smallest one's
/// rows.
///
/// A row does not vote on itself, as in the paper. imbalanced-learn lets each row of the smallest
/// class be one of its own k voters; `counts_itself` does so too.
struct NeighbourhoodCleaning {
  std::size_t k = 3;
  double threshold = 0.5;  ///< > 0
  bool counts_itself = false;
  CleanedClasses cleaned = CleanedClasses::kNotMinority;
  FewRows few_rows = FewRows::kError;

  /// The rows that remain. O(N^2 D) by default.
  /// @throws std::invalid_argument as EditedNeighbours, and for a threshold that is not positive.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels, std::size_t classes,
                                                             const S& search = {}) const {
    constexpr std::string_view kWhere = "NeighbourhoodCleaning";
    detail::require_positive(kWhere, "threshold", threshold);
    const auto lists = detail::class_lists(kWhere, rows, labels, classes);
    const std::vector<std::size_t> all = detail::first_numbers(rows.rows);
    const std::size_t near = detail::neighbours_among(kWhere, "rows", lists.rows(), k, few_rows);
    if (near == 0) return detail::to_indices(all);
    const auto table = search(detail::const_view(rows), all, all, near);
    const std::vector<bool> goes = leaving(table, lists);
    return detail::to_indices(detail::remaining(all, goes));
  }

  friend bool operator==(const NeighbourhoodCleaning&, const NeighbourhoodCleaning&) = default;

 private:
  std::vector<bool> leaving(const NeighbourTable& table, const detail::ClassLists& lists) const {
    const std::vector<bool> is_reduced = detail::reduced_classes(lists.counts(), cleaned);
    const std::size_t smallest = detail::ExtremeClasses(lists.counts()).smallest;
    const auto is_large = [&](std::size_t c) {
      return is_reduced[c] && static_cast<double>(lists.size(c)) >
                                  static_cast<double>(lists.size(smallest)) * threshold;
    };
    std::vector<bool> goes(lists.rows());
    std::vector<std::size_t> votes;
    for (std::size_t i = 0; i < lists.rows(); ++i) {
      const std::size_t c = lists.class_of(i);
      const auto neighbours = table.of(i);
      if (is_reduced[c] && detail::most_frequent_class(neighbours, lists, votes) != c) {
        goes[i] = true;
      }
      if (c != smallest || vote(neighbours, smallest, lists, votes) == smallest) continue;
      for (const std::size_t neighbour : neighbours) {
        if (is_large(lists.class_of(neighbour))) goes[neighbour] = true;
      }
    }
    return goes;
  }

  // What the voters on a row of the smallest class take it for.
  std::size_t vote(std::span<const std::size_t> neighbours, std::size_t smallest,
                   const detail::ClassLists& lists, std::vector<std::size_t>& votes) const {
    if (!counts_itself) return detail::most_frequent_class(neighbours, lists, votes);
    detail::most_frequent_class(neighbours.first(neighbours.size() - 1), lists, votes);
    ++votes[smallest];
    return static_cast<std::size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  }
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_NEIGHBOURHOOD_CLEANING_H_
