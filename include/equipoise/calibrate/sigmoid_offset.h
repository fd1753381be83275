// From the logits of one sigmoid per label to probabilities: the offset that undoes the loss's
// weights.
#ifndef EQUIPOISE_CALIBRATE_SIGMOID_OFFSET_H_
#define EQUIPOISE_CALIBRATE_SIGMOID_OFFSET_H_

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/plan/treatment.h"
#include "equipoise/reduction/reduction.h"

namespace equipoise::calibrate {

/// The offset to add to the logits of a network with one sigmoid per label, trained with this loss,
/// so that the sigmoid is the probability of the label under the data's proportions: with the
/// weight pos_l of positives and the weights a+ and a- of the sides, -log(pos_l a+ / a-) + shift_l.
/// O(L).
///
/// Nominal, like every offset (see Ledger). Multi-label rows cannot be drawn in chosen proportions
/// of the labels; a sampler shifts the labels too, and only validation data show by how much.
/// @throws std::invalid_argument for a pos_weight or shift that is not one per label, for weights
/// that are not finite and > 0, and for losses without an offset: with a negative_scale, with a
/// rebalancing, or with a reduction other than MeanByCount and SumOverRows, whose denominator
/// depends on labels and groups.
template <LossReduction R>
std::vector<double> logit_offset(const SigmoidLoss<BinaryCrossEntropy, R>& loss,
                                 std::size_t labels) {
  constexpr std::string_view kWhere = "logit_offset";
  const auto refuse = [&](std::string_view what) {
    detail::invalid_argument(std::string(kWhere) + "(): " + detail::reason_without_offset(what));
  };
  if (!std::is_same_v<R, MeanByCount> && !std::is_same_v<R, SumOverRows>) {
    refuse("a reduction other than MeanByCount and SumOverRows");
  }
  if (loss.negative_scale != 1) refuse("a negative_scale other than 1");
  if (!loss.rebalance.counts.empty()) refuse("a rebalancing by counts");
  detail::require_positive(kWhere, "loss.positive_weight", loss.positive_weight);
  detail::require_positive(kWhere, "loss.negative_weight", loss.negative_weight);
  if (!loss.pos_weight.empty()) {
    detail::require_size(kWhere, "loss.pos_weight", loss.pos_weight.size(), labels, "labels");
    detail::require_all_positive(kWhere, "loss.pos_weight", loss.pos_weight);
  }
  if (!loss.shift.empty()) {
    detail::require_size(kWhere, "loss.shift", loss.shift.size(), labels, "labels");
    detail::require_all_finite(kWhere, "loss.shift", loss.shift);
  }
  std::vector<double> offset(labels,
                             std::log(loss.negative_weight) - std::log(loss.positive_weight));
  for (std::size_t l = 0; l < labels; ++l) {
    if (!loss.pos_weight.empty()) offset[l] -= std::log(loss.pos_weight[l]);
    if (!loss.shift.empty()) offset[l] += loss.shift[l];
  }
  return offset;
}

}  // namespace equipoise::calibrate

#endif  // EQUIPOISE_CALIBRATE_SIGMOID_OFFSET_H_
