#include "demos/common/resampled.h"

#include <algorithm>
#include <utility>

namespace equipoise::demos {

std::function<double(std::span<const std::uint32_t>)> resampled_confusion(
    std::span<const std::int64_t> targets, std::span<const std::int64_t> predictions,
    std::size_t classes, ConfusionFigure figure, std::vector<std::size_t> unit_starts) {
  std::vector<std::size_t> cells(targets.size());
  for (std::size_t r = 0; r < cells.size(); ++r) {
    cells[r] =
        static_cast<std::size_t>(targets[r]) * classes + static_cast<std::size_t>(predictions[r]);
  }
  return
      [cells = std::move(cells), unit_starts = std::move(unit_starts), figure = std::move(figure),
       matrix = metrics::ConfusionMatrix(classes)](std::span<const std::uint32_t> times) mutable {
        const std::span<double> counts = matrix.all_reduce_buffer();
        std::fill(counts.begin(), counts.end(), 0.0);
        for (std::size_t u = 0; u < times.size(); ++u) {
          const std::size_t begin = unit_starts.empty() ? u : unit_starts[u];
          const std::size_t end = unit_starts.empty() ? u + 1 : unit_starts[u + 1];
          for (std::size_t r = begin; r < end; ++r) {
            counts[cells[r]] += static_cast<double>(times[u]);
          }
        }
        return figure(matrix);
      };
}

}  // namespace equipoise::demos
