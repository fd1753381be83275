// Edited nearest neighbours: rows that their neighbours disagree with are left out.
#ifndef EQUIPOISE_RESAMPLING_EDITED_NEIGHBOURS_H_
#define EQUIPOISE_RESAMPLING_EDITED_NEIGHBOURS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
#include "equipoise/resampling/tomek_links.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// When the k nearest rows agree with a row.
enum class Agreement {
  kAll,   ///< where all are of its class
  kMode,  ///< where its class is the most frequent among them, of equally frequent ones the first
};

}  // namespace equipoise::resampling

namespace equipoise::detail {

// The most frequent class among some rows; of equally frequent ones the first.
inline std::size_t most_frequent_class(std::span<const std::size_t> neighbours,
                                       const ClassLists& lists, std::vector<std::size_t>& votes) {
  votes.assign(lists.classes(), 0);
  for (const std::size_t neighbour : neighbours) ++votes[lists.class_of(neighbour)];
  return static_cast<std::size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

struct Editing {
  resampling::Agreement agreement;
  resampling::CleanedClasses cleaned;
};

inline std::vector<std::uint64_t> counts_among(std::span<const std::size_t> among,
                                               const ClassLists& lists) {
  std::vector<std::uint64_t> counts(lists.classes());
  for (const std::size_t row : among) ++counts[lists.class_of(row)];
  return counts;
}

// Those of `among` that remain when each one's k nearest are asked. Which classes lose rows is
// decided by what there is of them.
template <class T, class Search>
EQUIPOISE_HOST_INLINE std::vector<std::size_t> edited(const MatrixView<const T>& rows,
                                                      std::span<const std::size_t> among,
                                                      const ClassLists& lists, std::size_t k,
                                                      const Editing& editing,
                                                      const Search& search) {
  if (k == 0 || among.empty()) return to_vector(among);
  const std::vector<bool> is_reduced = reduced_classes(counts_among(among, lists), editing.cleaned);
  const auto table = search(rows, among, among, k);
  std::vector<bool> goes(among.size());
  std::vector<std::size_t> votes;
  for (std::size_t i = 0; i < among.size(); ++i) {
    const std::size_t c = lists.class_of(among[i]);
    if (!is_reduced[c]) continue;
    const auto neighbours = table.of(i);
    if (editing.agreement == resampling::Agreement::kMode) {
      goes[i] = most_frequent_class(neighbours, lists, votes) != c;
    } else {
      goes[i] = !std::all_of(neighbours.begin(), neighbours.end(),
                             [&](std::size_t row) { return lists.class_of(row) == c; });
    }
  }
  return remaining(among, goes);
}

// Whether a class other than the smallest has become smaller than that one was, or has vanished.
inline bool is_class_used_up(std::span<const std::uint64_t> now,
                             std::span<const std::uint64_t> before, bool spares_minority) {
  const ExtremeClasses extremes(before);
  for (std::size_t c = 0; c < now.size(); ++c) {
    if (before[c] > 0 && now[c] == 0) return true;
    if (spares_minority && c != extremes.smallest && now[c] < before[extremes.smallest]) {
      return true;
    }
  }
  return false;
}

}  // namespace equipoise::detail

namespace equipoise::resampling {

/// Edited nearest neighbours (Wilson 1972, "Asymptotic properties of nearest neighbor rules using
/// edited data"): a row of a cleaned class goes where its k nearest rows do not agree with it.
/// Wilson asks for the majority, kMode; imbalanced-learn's default is kAll, as here.
struct EditedNeighbours {
  std::size_t k = 3;
  Agreement agreement = Agreement::kAll;
  CleanedClasses cleaned = CleanedClasses::kNotMinority;
  FewRows few_rows = FewRows::kError;

  /// The rows that remain. O(N^2 D) by default.
  /// @throws std::invalid_argument for a label that is no class, sizes that differ, k or fewer rows
  /// in all (see FewRows), and as the search.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels, std::size_t classes,
                                                             const S& search = {}) const {
    constexpr std::string_view kWhere = "EditedNeighbours";
    const auto lists = detail::class_lists(kWhere, rows, labels, classes);
    const std::size_t clipped = detail::neighbours_among(kWhere, "rows", lists.rows(), k, few_rows);
    return detail::to_indices(detail::edited(detail::const_view(rows),
                                             detail::first_numbers(rows.rows), lists, clipped,
                                             {agreement, cleaned}, search));
  }

  friend bool operator==(const EditedNeighbours&, const EditedNeighbours&) = default;
};

/// Edited nearest neighbours again and again (Tomek 1976, "An experiment with the edited
/// nearest-neighbor rule"): until no row goes, or until one class is used up, that is, has vanished
/// or, of those that were not the smallest, has fewer rows than the smallest had; what goes in that
/// round goes, as in imbalanced-learn. Which class is the smallest is found anew in every round.
struct RepeatedEditedNeighbours {
  std::size_t k = 3;
  Agreement agreement = Agreement::kAll;
  CleanedClasses cleaned = CleanedClasses::kNotMinority;
  FewRows few_rows = FewRows::kError;
  std::size_t max_rounds = 100;

  /// The rows that remain. O(N^2 D) a round by default.
  /// @throws std::invalid_argument as EditedNeighbours, in any round.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels, std::size_t classes,
                                                             const S& search = {}) const {
    constexpr std::string_view kWhere = "RepeatedEditedNeighbours";
    const auto lists = detail::class_lists(kWhere, rows, labels, classes);
    std::vector<std::size_t> among = detail::first_numbers(rows.rows);
    for (std::size_t round = 0; round < max_rounds; ++round) {
      const std::size_t clipped =
          detail::neighbours_among(kWhere, "remaining rows", among.size(), k, few_rows);
      std::vector<std::size_t> rest = detail::edited(detail::const_view(rows), among, lists,
                                                     clipped, {agreement, cleaned}, search);
      const bool is_done =
          rest.size() == among.size() ||
          detail::is_class_used_up(detail::counts_among(rest, lists), lists.counts(), true);
      among = std::move(rest);
      if (is_done) break;
    }
    return detail::to_indices(among);
  }

  friend bool operator==(const RepeatedEditedNeighbours&,
                         const RepeatedEditedNeighbours&) = default;
};

/// All k-NN (Tomek 1976, as above): edited nearest neighbours with 1, 2, ..., k neighbours in turn.
/// As in imbalanced-learn each round runs on the rows that the one before left, neighbours and the
/// smallest class included; Tomek asks all rows each time, and removes at the end. It stops after a
/// round that uses up a class, as RepeatedEditedNeighbours does; with allows_minority only where
/// one has vanished.
struct AllNeighbours {
  std::size_t k = 3;
  Agreement agreement = Agreement::kAll;
  CleanedClasses cleaned = CleanedClasses::kNotMinority;
  FewRows few_rows = FewRows::kError;
  bool allows_minority = false;  ///< other classes may become smaller than the smallest was

  /// The rows that remain. O(k N^2 D) by default.
  /// @throws std::invalid_argument as EditedNeighbours, in any round, and for k = 0.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(const MatrixView<T>& rows,
                                                             const R& labels, std::size_t classes,
                                                             const S& search = {}) const {
    constexpr std::string_view kWhere = "AllNeighbours";
    if (k == 0) detail::reject(kWhere, "k", k, "at least 1");
    const auto lists = detail::class_lists(kWhere, rows, labels, classes);
    std::vector<std::size_t> among = detail::first_numbers(rows.rows);
    for (std::size_t near = 1; near <= k; ++near) {
      const std::size_t clipped =
          detail::neighbours_among(kWhere, "remaining rows", among.size(), near, few_rows);
      among = detail::edited(detail::const_view(rows), among, lists, clipped, {agreement, cleaned},
                             search);
      if (detail::is_class_used_up(detail::counts_among(among, lists), lists.counts(),
                                   !allows_minority)) {
        break;
      }
    }
    return detail::to_indices(among);
  }

  friend bool operator==(const AllNeighbours&, const AllNeighbours&) = default;
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_EDITED_NEIGHBOURS_H_
