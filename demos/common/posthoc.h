// The strengths tried for the correction of logits after training, argmax z - tau log prior.
#ifndef EQUIPOISE_DEMOS_COMMON_POSTHOC_H_
#define EQUIPOISE_DEMOS_COMMON_POSTHOC_H_

#include <array>
#include <span>

namespace equipoise::demos {

/// Strengths that are tried on validation; 0 is none, and tried alone where nothing is corrected.
inline constexpr std::array kTaus = {0.0,  0.125, 0.25, 0.375, 0.5, 0.625,
                                     0.75, 0.875, 1.0,  1.25,  1.5};
inline constexpr std::span<const double> kNoTau(kTaus.data(), 1);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_POSTHOC_H_
