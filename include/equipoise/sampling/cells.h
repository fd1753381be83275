// Groups x classes as one set of classes, for samplers and splits by class.
#ifndef EQUIPOISE_SAMPLING_CELLS_H_
#define EQUIPOISE_SAMPLING_CELLS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// The ignore index of cell_labels().
inline constexpr std::int32_t kIgnoredCell = -1;

/// cell_i = group_i C + label_i for each row, in [0, G C); kIgnoredCell where the label is the
/// ignore index, whatever the group. With mix_table() or rake(), ClassSampler over the cells draws
/// classes and groups in given proportions at once. O(N), 4 bytes per row.
/// @throws std::invalid_argument for sizes that differ, for a label that is neither a class nor the
/// ignore index, for a group outside [0, groups), and for 2^31 cells or more.
template <LabelRange R, LabelRange G>
std::vector<std::int32_t> cell_labels(const R& labels, const G& row_groups, std::size_t groups,
                                      std::size_t classes,
                                      std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "cell_labels";
  const auto values = as_span(labels);
  const auto group_of = as_span(row_groups);
  detail::require_size(kWhere, "row_groups", group_of.size(), values.size(), "labels");
  detail::require_ignore_index_is_no_class(kWhere, classes, ignore_index);
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  if (classes != 0 && groups > kMost / classes) {
    detail::reject(kWhere, "groups", groups,
                   "at most " + detail::to_text(kMost / classes) + " groups of " +
                       detail::to_text(classes) + " classes");
  }
  std::vector<std::int32_t> cells(values.size(), kIgnoredCell);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (detail::is_ignored(values[i], ignore_index)) continue;
    if (!detail::is_class(values[i], classes)) {
      detail::reject_element(kWhere, "labels", i, values[i],
                             detail::class_range(classes, ignore_index));
    }
    if (!detail::is_class(group_of[i], groups)) {
      detail::reject_element(kWhere, "row_groups", i, group_of[i],
                             "a group in [0, " + detail::to_text(groups) + ")");
    }
    cells[i] = static_cast<std::int32_t>(static_cast<std::size_t>(group_of[i]) * classes +
                                         static_cast<std::size_t>(values[i]));
  }
  return cells;
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_CELLS_H_
