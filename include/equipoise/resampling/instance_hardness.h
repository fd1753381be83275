// Undersampling by how hard rows are for a classifier.
#ifndef EQUIPOISE_RESAMPLING_INSTANCE_HARDNESS_H_
#define EQUIPOISE_RESAMPLING_INSTANCE_HARDNESS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/cleaning.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// Instance hardness threshold (Smith, Martinez & Giraud-Carrier 2014, "An instance level analysis
/// of data complexity"): of each class the targets[c] rows to which a classifier gives the highest
/// probability of their own class remain, and those that equal the last of them; so more than asked
/// for where probabilities tie, as in imbalanced-learn. own_probabilities[i] is p(y_i | x_i), which
/// has to come from a classifier that has not seen row i: out of fold. The rows that remain,
/// ascending. O(N log N).
/// @throws std::invalid_argument for sizes that differ, a label that is no class, a probability
/// outside [0, 1], and a target beyond the rows of its class.
template <FloatRange P, LabelRange R>
EQUIPOISE_HOST_INLINE std::vector<std::int64_t> instance_hardness_threshold(
    const P& own_probabilities, const R& labels, std::span<const std::uint64_t> targets) {
  constexpr std::string_view kWhere = "instance_hardness_threshold";
  const auto values = as_span(own_probabilities);
  const auto classes = as_span(labels);
  detail::require_size(kWhere, "own_probabilities", values.size(), classes.size(), "labels");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!detail::is_finite(values[i]) || values[i] < 0 || values[i] > 1) {
      detail::reject_element(kWhere, "own_probabilities", i, values[i], "a number in [0, 1]");
    }
  }
  const detail::ClassLists lists(kWhere, classes, targets.size());
  std::vector<std::size_t> kept;
  for (std::size_t c = 0; c < targets.size(); ++c) {
    if (targets[c] > lists.size(c)) {
      detail::reject_element(
          kWhere, "targets", c, targets[c],
          "at most " + detail::to_text(lists.size(c)) + ", the rows of the class");
    }
    if (targets[c] == 0) continue;
    std::vector<double> sorted;
    for (const std::size_t row : lists.of(c)) sorted.push_back(static_cast<double>(values[row]));
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const double least = sorted[static_cast<std::size_t>(targets[c]) - 1];
    for (const std::size_t row : lists.of(c)) {
      if (static_cast<double>(values[row]) >= least) kept.push_back(row);
    }
  }
  std::sort(kept.begin(), kept.end());
  return detail::to_indices(kept);
}

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_INSTANCE_HARDNESS_H_
