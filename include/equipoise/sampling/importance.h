// The weight of each draw if rows are not drawn in the proportions of the data.
#ifndef EQUIPOISE_SAMPLING_IMPORTANCE_H_
#define EQUIPOISE_SAMPLING_IMPORTANCE_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/mix.h"

namespace equipoise::sampling {

/// w_k = pi_k / q_k with pi_k = natural_k / sum(natural) and q_k = drawn_k / sum(drawn): the
/// weights with which the mean over draws estimates the mean over the data without bias (Horvitz &
/// Thompson 1952; importance sampling). E_q w = 1. An element that is neither in the data nor drawn
/// gets 0.
///
/// Over classes, for ClassSampler, ClassResampler and ScheduledSampler: natural = counts, drawn =
/// proportions, targets or a window's masses, which the rows of a class share equally. Over rows,
/// for WeightedSampler, SystematicResampling and ResidualResampling: natural = ones, drawn =
/// weights. These draw in the given proportions to about 2^-60, so the weights match the actual
/// draws. For draws without replacement see inclusion_probability(). O(size).
/// @throws std::invalid_argument for sizes that differ, for masses that are negative, not finite or
/// all zero, and for mass in the data that is never drawn, which no weight can make up for.
inline std::vector<double> importance_weights(std::span<const double> natural,
                                              std::span<const double> drawn) {
  constexpr std::string_view kWhere = "importance_weights";
  detail::require_size(kWhere, "drawn", drawn.size(), natural.size(), "natural masses");
  detail::require_some_mass(kWhere, "natural", natural);
  detail::require_some_mass(kWhere, "drawn", drawn);
  std::vector<double> pi(natural.begin(), natural.end());
  std::vector<double> q(drawn.begin(), drawn.end());
  detail::normalize(pi);
  detail::normalize(q);
  for (std::size_t k = 0; k < pi.size(); ++k) {
    if (natural[k] == 0) continue;
    const double weight = pi[k] / q[k];
    if (drawn[k] == 0 || !detail::is_finite(weight)) {
      detail::reject_element(kWhere, "drawn", k, drawn[k],
                             "a positive mass, for the data have " + detail::to_text(natural[k]));
    }
    pi[k] = weight;
  }
  return pi;
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_IMPORTANCE_H_
