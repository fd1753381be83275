// The sums behind reliability diagrams.
#ifndef EQUIPOISE_METRICS_DETAIL_RELIABILITY_GRID_H_
#define EQUIPOISE_METRICS_DETAIL_RELIABILITY_GRID_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "equipoise/detail/check.h"
#include "equipoise/metrics/reliability.h"

namespace equipoise::detail {

inline void require_bins(std::string_view where, std::size_t bins) {
  if (bins == 0 || bins > (std::size_t{1} << 20)) {
    reject(where, "bins", bins, "a number in [1, 2^20]");
  }
}

// Diagrams of bins (l, r] of equal width, 0 in the first one, as sums that merge. Bins of equal
// mass would need all rows at once.
struct ReliabilityGrid {
  std::size_t bins;

  static constexpr std::size_t kFigures = 3;  // count, sum of probabilities, how many came true
  std::size_t size(std::size_t diagrams) const { return kFigures * bins * diagrams; }

  // The bin b with b / bins < p <= (b + 1) / bins, both rounded to doubles: one of those beside the
  // edge that is nearest to p. The product with the number of bins alone may round to the other
  // side. What is above 1, as the sum of a row may be by its tolerance, belongs to the last one.
  std::size_t bin_of(double p) const {
    const auto size = static_cast<double>(static_cast<std::int64_t>(bins));
    const double within = std::min(p, 1.0);
    // Half-way between two edges either of them will do.
    // NOLINTNEXTLINE(bugprone-incorrect-roundings)
    const auto edge = static_cast<std::int64_t>(within * size + 0.5);
    const auto is_below = static_cast<std::int64_t>(within <= static_cast<double>(edge) / size);
    return static_cast<std::size_t>(std::max<std::int64_t>(edge - is_below, 0));
  }

  void add(std::span<double> sums, std::size_t diagram, double p, bool is_true) const {
    double* const bin = &sums[kFigures * (diagram * bins + bin_of(p))];
    bin[0] += 1;
    bin[1] += p;
    bin[2] += is_true ? 1 : 0;
  }
  metrics::ReliabilityBin bin(std::span<const double> sums, std::size_t diagram,
                              std::size_t b) const {
    const double* const bin = &sums[kFigures * (diagram * bins + b)];
    if (bin[0] == 0) return {};
    return {bin[0], bin[1] / bin[0], bin[2] / bin[0]};
  }
  // Predictions that came true.
  double came_true(std::span<const double> sums, std::size_t diagram) const {
    double sum = 0;
    for (std::size_t b = 0; b < bins; ++b) sum += sums[kFigures * (diagram * bins + b) + 2];
    return sum;
  }
  // The sum over bins of |came true - sum of probabilities|.
  double error(std::span<const double> sums, std::size_t diagram) const {
    double sum = 0;
    for (std::size_t b = 0; b < bins; ++b) {
      const double* const bin = &sums[kFigures * (diagram * bins + b)];
      sum += std::fabs(bin[2] - bin[1]);
    }
    return sum;
  }
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_DETAIL_RELIABILITY_GRID_H_
