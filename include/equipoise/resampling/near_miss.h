// NearMiss: undersampling by the distance to the smallest class.
#ifndef EQUIPOISE_RESAMPLING_NEAR_MISS_H_
#define EQUIPOISE_RESAMPLING_NEAR_MISS_H_

#include <algorithm>
#include <cmath>
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
#include "equipoise/resampling/detail/missing_rows.h"
#include "equipoise/resampling/detail/squared_distance.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// Which rows of a class NearMiss keeps.
enum class NearMissVersion {
  kNearest,   ///< 1: the nearest on average to their k nearest rows of the smallest class
  kFarthest,  ///< 2: the nearest on average to their k farthest rows of the smallest class
  kSelected,  ///< 3: of the `candidates` nearest to each row of the smallest class, the farthest on
              ///< average from their k nearest rows of it
};

/// NearMiss of Mani & Zhang 2003 ("kNN approach to unbalanced data distributions: a case study
/// involving information extraction"): undersampling to given numbers of rows, by distances, not
/// their squares, to rows of the smallest class. Among equals those of lower number remain. The
/// third version keeps fewer rows than asked for where there are no more candidates.
struct NearMiss {
  NearMissVersion version = NearMissVersion::kNearest;
  std::size_t k = 3;
  std::size_t candidates = 3;  ///< of each row of the smallest class, for kSelected
  FewRows few_rows = FewRows::kError;

  /// The rows that remain: targets[c] of each class, such as those of
  /// sampling::undersampling_targets(); a class whose target is its number of rows is left as it
  /// is. O(N n D), n being the rows of the smallest class.
  /// @throws std::invalid_argument for a label that is no class, sizes that differ, a target beyond
  /// the rows of its class or of the smallest class below its rows, fewer than k rows of the
  /// smallest class (see FewRows), and as the search.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels,
                                                             std::span<const std::uint64_t> targets,
                                                             const S& search = {}) const {
    const auto lists = detail::class_lists(kWhere, rows, labels, targets.size());
    const std::size_t smallest = detail::ExtremeClasses(lists.counts()).smallest;
    for (std::size_t c = 0; c < targets.size(); ++c) require_target(targets, c, smallest, lists);
    const auto view = detail::const_view(rows);
    std::vector<std::size_t> kept;
    for (std::size_t c = 0; c < targets.size(); ++c) {
      if (targets[c] == lists.size(c)) {
        kept.insert(kept.end(), lists.of(c).begin(), lists.of(c).end());
        continue;
      }
      const std::vector<std::size_t> chosen = chosen_of(
          view, lists.of(c), lists.of(smallest), static_cast<std::size_t>(targets[c]), search);
      kept.insert(kept.end(), chosen.begin(), chosen.end());
    }
    std::sort(kept.begin(), kept.end());
    return detail::to_indices(kept);
  }

  friend bool operator==(const NearMiss&, const NearMiss&) = default;

 private:
  static constexpr std::string_view kWhere = "NearMiss";
  using Rows = std::span<const std::size_t>;

  static void require_target(std::span<const std::uint64_t> targets, std::size_t c,
                             std::size_t smallest, const detail::ClassLists& lists) {
    if (targets[c] > lists.size(c) || (c == smallest && targets[c] < lists.size(c))) {
      detail::reject_element(kWhere, "targets", c, targets[c],
                             (targets[c] > lists.size(c) ? "at most " : "all ") +
                                 detail::to_text(lists.size(c)) + ", the " +
                                 detail::rows_of_class(c));
    }
  }

  // At most as many as there are.
  std::size_t clipped(std::string_view of_what, std::size_t available, std::size_t wanted) const {
    if (wanted == 0) detail::reject(kWhere, "k or candidates", wanted, "at least 1");
    if (available >= wanted) return wanted;
    if (few_rows == FewRows::kClip) return available;
    detail::reject(kWhere, of_what, available,
                   "at least the " + detail::to_text(wanted) + " neighbours of each");
  }

  template <class T, class S>
  EQUIPOISE_HOST_INLINE std::vector<std::size_t> chosen_of(const MatrixView<const T>& rows,
                                                           Rows own, Rows small, std::size_t target,
                                                           const S& search) const {
    const std::size_t near = clipped("rows of the smallest class", small.size(), k);
    if (version == NearMissVersion::kFarthest) {
      return least(own, farthest_sums(rows, own, small, near), target);
    }
    if (version == NearMissVersion::kNearest) {
      return least(own, nearest_sums(search(rows, own, small, near)), target);
    }
    const std::size_t each = clipped("rows of a class", own.size(), candidates);
    std::vector<std::size_t> selected = search(rows, small, own, each).indices;
    std::sort(selected.begin(), selected.end());
    selected.erase(std::unique(selected.begin(), selected.end()), selected.end());
    std::vector<double> sums = nearest_sums(search(rows, selected, small, near));
    for (double& sum : sums) sum = -sum;
    return least(selected, sums, target);
  }

  static std::vector<double> nearest_sums(const NeighbourTable& table) {
    std::vector<double> sums(table.rows());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      for (const double squared : table.distances_of(i)) sums[i] += std::sqrt(squared);
    }
    return sums;
  }

  template <class T>
  static std::vector<double> farthest_sums(const MatrixView<const T>& rows, Rows own, Rows small,
                                           std::size_t near) {
    for (const Rows numbers : {own, small}) {
      for (const std::size_t row : numbers) detail::require_finite_row(kWhere, rows, row);
    }
    std::vector<double> sums;
    std::vector<double> distances(small.size());
    const auto first = distances.end() - static_cast<std::ptrdiff_t>(near);
    for (const std::size_t row : own) {
      for (std::size_t j = 0; j < small.size(); ++j) {
        distances[j] = std::sqrt(detail::squared_distance(rows, row, small[j]));
      }
      std::nth_element(distances.begin(), first, distances.end());
      std::sort(first, distances.end());
      double sum = 0;
      for (auto distance = first; distance != distances.end(); ++distance) sum += *distance;
      sums.push_back(sum);
    }
    return sums;
  }

  // The rows with the `target` least sums.
  static std::vector<std::size_t> least(Rows rows, const std::vector<double>& sums,
                                        std::size_t target) {
    std::vector<std::size_t> order = detail::first_numbers(rows.size());
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return sums[a] < sums[b]; });
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < std::min(target, order.size()); ++i)
      chosen.push_back(rows[order[i]]);
    return chosen;
  }
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_NEAR_MISS_H_
