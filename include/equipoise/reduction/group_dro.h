// Distributionally robust optimisation over groups, as a reduction.
#ifndef EQUIPOISE_REDUCTION_GROUP_DRO_H_
#define EQUIPOISE_REDUCTION_GROUP_DRO_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/reduction/reduction.h"

namespace equipoise {

/// Group DRO of Sagawa et al. 2020 (arXiv:1911.08731): sum_g q_g L_g with L_g the weighted mean of
/// group g's losses, and with shares q that move towards the groups with the largest losses. Groups
/// without rows add nothing.
///
/// It is a value: advance() returns the reduction for the next step from the partial of a finished
/// one. If the partial covers all micro-batches and ranks, every rank gets the same shares. The
/// authors' code updates the shares first and computes the loss of the same batch with the new
/// ones; here shares come only from finished steps, so the coefficients of a step are known before
/// it.
struct GroupDro {
  std::size_t groups = 0;
  double step_size = 0.01;       ///< eta >= 0
  std::vector<double> shares{};  ///< q: G numbers >= 0; empty: 1/G each
  std::vector<double>
      adjustments{};  ///< added to L_g in advance(), C / sqrt(n_g) in the paper; G or empty

  std::size_t group_count() const { return groups; }
  std::size_t buckets() const { return groups; }
  template <class Row>
  auto bucket(const Row& row) const {
    return row.group;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
  double share(std::size_t g) const {
    return shares.empty() ? 1.0 / static_cast<double>(groups) : shares[g];
  }

  /// @throws std::invalid_argument for shares and adjustments for a different number of groups,
  /// shares that are negative or not finite, adjustments that are not finite, and a step size that
  /// is negative or not finite.
  void require(std::string_view where) const;

  /// q_g' proportional to q_g exp(step_size (L_g + adjustment_g)) for the groups with rows, scaled
  /// so that the sum of their shares stays the same; the other groups keep their shares, and a
  /// share of zero stays zero. O(G).
  /// @throws std::invalid_argument for sizes that differ, a step size that is negative or not
  /// finite, and losses that are not finite; this reduction is not changed.
  GroupDro advance(const LossPartial& finished) const;

  friend bool operator==(const GroupDro&, const GroupDro&) = default;
};

inline void GroupDro::require(std::string_view where) const {
  if (!shares.empty()) {
    detail::require_size(where, "shares", shares.size(), groups, "groups");
    detail::require_masses(where, "shares", shares);
  }
  if (!adjustments.empty()) {
    detail::require_size(where, "adjustments", adjustments.size(), groups, "groups");
  }
  detail::require_all_finite(where, "adjustments", adjustments);
  detail::require_not_negative(where, "step_size", step_size);
}

inline GroupDro GroupDro::advance(const LossPartial& finished) const {
  constexpr const char* kWhere = "GroupDro::advance";
  detail::require_size(kWhere, "finished.buckets", finished.buckets.size(), groups, "groups");
  require(kWhere);
  // The logarithms of the new shares up to a constant, relative to the largest, so that nothing
  // overflows and not everything underflows.
  GroupDro next = *this;
  next.shares.resize(groups);
  std::vector<double> logs(groups);
  double largest = -detail::infinity();
  double together = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    next.shares[g] = share(g);
    const LossTally& tally = finished.buckets[g];
    if (!(tally.denominator > 0)) continue;
    const double loss = tally.numerator / tally.denominator;
    if (!detail::is_finite(loss)) {
      detail::reject_element(kWhere, "loss of group", g, loss, "a finite number");
    }
    if (!(share(g) > 0)) continue;
    logs[g] = std::log(share(g)) + step_size * (loss + (adjustments.empty() ? 0 : adjustments[g]));
    largest = std::max(largest, logs[g]);
    together += share(g);
  }
  double sum = 0;
  const auto moves = [&](std::size_t g) {
    return finished.buckets[g].denominator > 0 && share(g) > 0;
  };
  for (std::size_t g = 0; g < groups; ++g) {
    if (!moves(g)) continue;
    next.shares[g] = std::exp(logs[g] - largest);
    sum += next.shares[g];
  }
  for (std::size_t g = 0; g < groups; ++g) {
    if (moves(g)) next.shares[g] *= together / sum;
  }
  return next;
}

}  // namespace equipoise

#endif  // EQUIPOISE_REDUCTION_GROUP_DRO_H_
