// Splits without leakage: rows of one group, such as a document or a user, stay together.
#ifndef EQUIPOISE_SPLITS_GROUPED_H_
#define EQUIPOISE_SPLITS_GROUPED_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/splits/detail/group_dealer.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"
#include "equipoise/view.h"

namespace equipoise::splits {

/// A test part of about N * test_fraction rows that shares no group with the training part, with
/// class proportions as near to those of the whole as a greedy search finds.
///
/// Groups are assigned one by one, the largest first (equally large ones in a random order), each
/// to the part where it adds less to the sum over parts p and classes c of (x_pc - w_p)^2 / w_p.
/// Here x_pc is the fraction of class c that the part has, and w_p the part's fraction of the rows.
/// All rows together count as one more class, so sizes come out as near as classes do. Neither part
/// stays empty. With options.min_train_rows = m a group goes to training as long as one of its
/// classes has fewer than m rows there: a class with m rows or fewer is not tested, and one with
/// more is tested if its groups allow it. With options.min_test_rows = k a group goes to testing if
/// one of its classes would otherwise have fewer than k rows there, and some rows for training: a
/// class is tested on k rows if its groups allow it.
///
/// Random only where groups are equally large or parts tie for a group. Computed in integers only,
/// and the same on every platform. O(N + G log G + C).
/// @throws std::invalid_argument for sizes that differ, a label outside [0, classes), a group
/// outside [0, groups), a fraction outside (0, 1), fewer than two groups with rows, and if the
/// fraction, rounded to rows, or options.min_train_rows leaves a part empty.
template <LabelRange R, class G>
EQUIPOISE_HOST_INLINE Split grouped_split(const R& labels, const RowGroups<G>& row_groups,
                                          std::size_t classes, double test_fraction,
                                          std::uint64_t seed, const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "grouped_split";
  using detail::GroupDealer;
  const auto values = as_span(labels);
  detail::require_test_fraction(kWhere, test_fraction);
  const detail::GroupedRows rows(kWhere, values, row_groups.ids, row_groups.count, classes);
  const std::size_t test_rows = detail::test_rows_of(kWhere, values.size(), test_fraction);
  if (rows.present() < 2) {
    detail::reject(kWhere, "groups with rows", rows.present(), "at least 2, one for each part");
  }
  const auto test_due =
      static_cast<std::uint64_t>((static_cast<detail::uint128>(test_rows) << 32) / values.size());
  const std::uint64_t due = std::max<std::uint64_t>(test_due, 1);
  const std::vector<std::uint32_t> part_of_group =
      GroupDealer(rows.table, {GroupDealer::kOne - due, due}, options, seed)
          .deal(rows.largest_first(seed));
  const std::vector<std::uint32_t> parts =
      detail::parts_of_rows(row_groups.ids, std::span<const std::uint32_t>(part_of_group));
  if (std::count(parts.begin(), parts.end(), detail::kTestPart) == 0) {
    detail::reject(kWhere, "options.min_train_rows", options.min_train_rows,
                   "a number that leaves a group for testing");
  }
  return detail::split_of_parts(parts, seed, options);
}

/// A fold in [0, k) for every row, the same for all rows of a group, by the method of
/// grouped_split(). No fold is empty.
///
/// Computed in integers only, and the same on every platform. O(N k + G log G + C k).
/// @throws std::invalid_argument as grouped_split(), and for k outside [2, groups with rows].
template <LabelRange R, class G>
EQUIPOISE_HOST_INLINE std::vector<std::uint32_t> grouped_k_fold(const R& labels,
                                                                const RowGroups<G>& row_groups,
                                                                std::size_t classes,
                                                                std::uint32_t k,
                                                                std::uint64_t seed) {
  constexpr std::string_view kWhere = "grouped_k_fold";
  const auto values = as_span(labels);
  const detail::GroupedRows rows(kWhere, values, row_groups.ids, row_groups.count, classes);
  detail::require_folds(kWhere, k, rows.present(), "groups with rows");
  const std::vector<std::uint32_t> fold_of_group =
      detail::GroupDealer(rows.table, std::vector<std::uint64_t>(k, 1), {}, seed)
          .deal(rows.largest_first(seed));
  return detail::parts_of_rows(row_groups.ids, std::span<const std::uint32_t>(fold_of_group));
}

}  // namespace equipoise::splits

#endif  // EQUIPOISE_SPLITS_GROUPED_H_
