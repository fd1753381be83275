// The correction of logits after training, argmax z - tau log prior.
#ifndef EQUIPOISE_DEMOS_COMMON_POSTHOC_H_
#define EQUIPOISE_DEMOS_COMMON_POSTHOC_H_

#include <array>
#include <cmath>
#include <span>
#include <vector>

namespace equipoise::demos {

/// Strengths that are tried on validation; 0 is none, and tried alone where nothing is corrected.
inline constexpr std::array kTaus = {0.0,  0.125, 0.25, 0.375, 0.5, 0.625,
                                     0.75, 0.875, 1.0,  1.25,  1.5};
inline constexpr std::span<const double> kNoTau(kTaus.data(), 1);

/// -tau log prior from counts > 0, up to a constant: zero for a class of average size.
inline std::vector<double> posthoc_offset(std::span<const double> counts, double tau) {
  double total = 0;
  for (const double n : counts) total += n;
  std::vector<double> offset;
  for (const double n : counts) {
    offset.push_back(-tau * std::log(n * static_cast<double>(counts.size()) / total));
  }
  return offset;
}

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_POSTHOC_H_
