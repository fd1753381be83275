// The class counts that a sampler actually draws in a range of its stream.
#ifndef EQUIPOISE_SAMPLING_REALISED_COUNTS_H_
#define EQUIPOISE_SAMPLING_REALISED_COUNTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// How often rows of each class are drawn at the positions [begin, begin + size) of a stream,
/// exactly; `labels` are the labels of its rows. Divided by their total, the counts are the
/// realised proportions; epoch e is begin = e epoch_size(), size = epoch_size(). The stream is not
/// changed, since it has no state. One draw per position.
/// @throws std::invalid_argument for a row beyond the labels, and for a drawn row whose label is
/// not a class.
template <IndexStream S, LabelRange R>
EQUIPOISE_HOST_INLINE ClassCounts realised_counts(const S& stream, const R& labels,
                                                  std::size_t classes, std::uint64_t begin,
                                                  std::uint64_t size) {
  constexpr std::string_view kWhere = "realised_counts";
  constexpr std::size_t kBlock = 1024;
  const auto values = as_span(labels);
  std::vector<double> counts(classes, 0.0);
  std::vector<std::int64_t> rows(kBlock);
  while (size > 0) {
    const auto block = static_cast<std::size_t>(std::min<std::uint64_t>(size, kBlock));
    const std::span<std::int64_t> drawn = std::span(rows).first(block);
    if constexpr (requires { stream.fill(begin, drawn); }) {
      stream.fill(begin, drawn);
    } else {
      for (std::size_t i = 0; i < block; ++i) {
        drawn[i] = static_cast<std::int64_t>(stream[begin + i]);
      }
    }
    for (std::size_t i = 0; i < block; ++i) {
      const auto row = static_cast<std::size_t>(drawn[i]);
      if (row >= values.size()) {
        detail::reject_element(kWhere, "stream", static_cast<std::size_t>(begin + i), row,
                               "a row below labels.size() = " + detail::to_text(values.size()));
      }
      if (!detail::is_class(values[row], classes)) {
        detail::reject_element(kWhere, "labels", row, values[row],
                               "a class in [0, " + detail::to_text(classes) + ")");
      }
      counts[static_cast<std::size_t>(values[row])] += 1;
    }
    begin += block;
    size -= block;
  }
  return ClassCounts(counts);
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_REALISED_COUNTS_H_
