// The number of draws in an epoch, from when its classes run out of rows.
#ifndef EQUIPOISE_SAMPLING_EPOCH_LENGTH_H_
#define EQUIPOISE_SAMPLING_EPOCH_LENGTH_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/mix.h"

namespace equipoise::sampling {

/// When an epoch ends, for classes (or data sets) whose rows are dealt out before any is repeated.
/// The first two are first_exhausted and all_exhausted of Hugging Face's interleave_datasets.
enum class Exhaustion {
  kStopAtFirst,  ///< as soon as one has no fresh rows left: nothing is repeated
  kCycle,        ///< when the last has been seen once: the others start over
  kCap,          ///< when one has been seen max_epochs times
};

/// The number of draws in an epoch under an exhaustion rule, for draws in proportions q: with r_c =
/// n_c / q_c over the classes that are drawn, floor(min r_c), ceil(max r_c) or floor(max_epochs min
/// r_c). Proportions need not sum to one. O(C).
/// @throws std::invalid_argument for sizes that differ, masses that are negative, not finite or all
/// zero, a class without rows that is to be drawn, max_epochs that are not positive, and a number
/// of draws from 2^63 on.
inline std::uint64_t epoch_draws(std::span<const double> counts,
                                 std::span<const double> proportions, Exhaustion rule,
                                 double max_epochs = 1) {
  constexpr std::string_view kWhere = "epoch_draws";
  detail::require_size(kWhere, "proportions", proportions.size(), counts.size(), "classes");
  detail::require_masses(kWhere, "counts", counts);
  detail::require_some_mass(kWhere, "proportions", proportions);
  detail::require_positive(kWhere, "max_epochs", max_epochs);
  std::vector<double> q(proportions.begin(), proportions.end());
  detail::normalize(q);
  double least = detail::infinity();
  double most = 0;
  for (std::size_t c = 0; c < q.size(); ++c) {
    if (q[c] == 0) continue;
    if (counts[c] == 0) {
      detail::reject_element(kWhere, "proportions", c, proportions[c],
                             "0, for no row has this class");
    }
    least = std::min(least, counts[c] / q[c]);
    most = std::max(most, counts[c] / q[c]);
  }
  // A quotient that differs from an integer only by rounding counts as that integer.
  constexpr double kSlack = 1e-12;
  double draws = 0;
  if (rule == Exhaustion::kCycle) {
    draws = std::ceil(most * (1 - kSlack));
  } else {
    draws = std::floor((rule == Exhaustion::kCap ? max_epochs : 1) * least * (1 + kSlack));
  }
  if (!(draws < 0x1.0p63)) detail::reject(kWhere, "draws", draws, "less than 2^63");
  return static_cast<std::uint64_t>(draws);
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_EPOCH_LENGTH_H_
