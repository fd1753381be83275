// Bins of predicted probabilities, and how often what they predict comes true.
#ifndef EQUIPOISE_METRICS_RELIABILITY_H_
#define EQUIPOISE_METRICS_RELIABILITY_H_

#include <cstddef>
#include <span>

#include "equipoise/metrics/detail/reliability_grid.h"

namespace equipoise {

/// What fell into one bin of a reliability diagram.
struct ReliabilityBin {
  double count = 0;       ///< predictions
  double confidence = 0;  ///< their mean probability; 0 without predictions
  double frequency = 0;   ///< the share of them that came true; 0 without predictions
};

inline ReliabilityBin detail::ReliabilityGrid::bin(std::span<const double> sums,
                                                   std::size_t diagram, std::size_t b) const {
  const double* const bin = &sums[kFigures * (diagram * bins + b)];
  if (bin[0] == 0) return {};
  return {bin[0], bin[1] / bin[0], bin[2] / bin[0]};
}

}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_RELIABILITY_H_
