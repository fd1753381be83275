// Changes of the logits that depend on both the class and the target: costs and Seesaw.
#ifndef EQUIPOISE_PAIR_SHIFT_H_
#define EQUIPOISE_PAIR_SHIFT_H_

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"

namespace equipoise {

/// A C x C matrix D. Training adds the row of the target y to the logits: z'_c = z_c + D_yc.
/// `values` holds the rows one after the other; if it is empty, nothing is added.
///
/// With D = costs it is the softmax-margin of Gimpel & Smith 2010 (NAACL),
/// -z_y + log sum_c exp(z_c + cost(y, c)): the logit of a wrong class has to stay below the right
/// one's by the cost of the mistake. Costs that depend only on y are class weights (the policy
/// CostWeights); decisions by costs are made after training.
struct PairShift {
  std::vector<double> values;

  friend bool operator==(const PairShift&, const PairShift&) = default;
};

/// Seesaw loss of Wang et al. 2021 (arXiv:2008.10032): z'_c = z_c + log(M_yc K_yc) for the classes
/// c other than the target y, with
///
///     M_yc = (N_c / N_y)^mitigation      where c has fewer samples than y, else 1
///     K_yc = (p_c / p_y)^compensation    where p_c > p_y, else 1
///
/// so that frequent targets push rare classes down less, except classes that the model confuses
/// them with. p is the softmax of the logits without this shift and is a constant in the gradient;
/// p_y is raised to least_probability if it is smaller.
///
/// The counts N are those of the samples seen so far: keep a ClassCounts, add each batch to it,
/// merge it over ranks with +=, and assign it here. Counts below 1 are treated as 1.
struct Seesaw {
  double mitigation = 0.8;
  double compensation = 2.0;
  double least_probability = 1e-2;  ///< in (0, 1]
  std::vector<double> counts{};     ///< C finite numbers >= 0; empty: no shift

  friend bool operator==(const Seesaw&, const Seesaw&) = default;
};

/// Seesaw with the counts of all samples so far.
inline Seesaw seesaw(const ClassCounts& counts, double mitigation = 0.8,
                     double compensation = 2.0) {
  return {mitigation, compensation, 1e-2, {counts.values().begin(), counts.values().end()}};
}

namespace detail {

inline void require_pair_shift(std::string_view where, const PairShift& shift,
                               std::size_t classes) {
  if (shift.values.empty()) return;
  require_size(where, "pair_shift.values", shift.values.size(), classes * classes,
               "classes squared");
  require_all_finite(where, "pair_shift.values", shift.values);
}

inline void require_seesaw(std::string_view where, const Seesaw& seesaw, std::size_t classes) {
  if (seesaw.counts.empty()) return;
  require_size(where, "seesaw.counts", seesaw.counts.size(), classes, "classes");
  require_masses(where, "seesaw.counts", seesaw.counts);
  require_not_negative(where, "seesaw.mitigation", seesaw.mitigation);
  require_not_negative(where, "seesaw.compensation", seesaw.compensation);
  require_between(where, "seesaw.least_probability", seesaw.least_probability, 0, 1, Ends::kMost);
}

}  // namespace detail

}  // namespace equipoise

#endif  // EQUIPOISE_PAIR_SHIFT_H_
