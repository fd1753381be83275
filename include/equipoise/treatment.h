// What a loss does to the classes, as the ledger reads it.
#ifndef EQUIPOISE_TREATMENT_H_
#define EQUIPOISE_TREATMENT_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/ledger.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/reduction.h"

namespace equipoise {

namespace detail {

template <class R>
constexpr std::optional<Mean> mean_of() {
  if constexpr (std::is_same_v<R, MeanByCount> || std::is_same_v<R, Sum>) return Mean::kByCount;
  if constexpr (std::is_same_v<R, MeanByWeight>) return Mean::kByWeight;
  if constexpr (std::is_same_v<R, MeanPerClass>) return Mean::kPerClass;
  return std::nullopt;
}

// "x has no logit offset that undoes it; ..."
inline std::string reason_without_offset(std::string_view what) {
  return std::string(what).append(kInsteadOfOffset);
}

template <class M, class R>
std::string reason_against_offset(const SoftmaxLoss<M, R>& loss) {
  if (!loss.seesaw.counts.empty()) {
    return reason_without_offset("Seesaw, whose shifts follow the counts and the probabilities,");
  }
  if (!loss.pair_shift.values.empty()) {
    return reason_without_offset("a shift by pair of classes");
  }
  if (!loss.group_logit_terms.empty() || !loss.group_weights.empty() || kNeedsGroups<R>) {
    return reason_without_offset(
        "a treatment by group (terms or weights by group, a mean per group, group DRO, whose prior "
        "drifts)");
  }
  if (!mean_of<R>()) return reason_without_offset("a reduction that the ledger does not know");
  return {};
}

}  // namespace detail

/// What a training with this softmax loss does to classes that are drawn in proportion to `mix`, or
/// as they are if it is empty: for ledger() and dry_run(). The modulator and label smoothing do not
/// move the classes; posterior() inverts them. Where no logit offset undoes the loss, the ledger
/// says so and Ledger::offset() refuses: pair shifts, Seesaw, whatever goes by group, margins and
/// scales that differ. O(C).
template <Modulator M, Reduction R>
Treatment treatment(const SoftmaxLoss<M, R>& loss, ClassCounts counts, std::vector<double> mix = {},
                    std::uint64_t batch_size = 0) {
  Treatment result;
  result.counts = std::move(counts);
  result.mix = std::move(mix);
  result.weights = loss.class_weights;
  result.logit_terms = loss.logit_terms;
  result.mean = detail::mean_of<R>().value_or(Mean::kByCount);
  result.batch_size = batch_size;
  result.no_offset = detail::reason_against_offset(loss);
  return result;
}

/// The same for an overlap loss, which weighs sets and has no offset; its class weights are those
/// of the classes' overlaps, not of rows, so that only the sampler moves the prior.
template <class P>
Treatment treatment(const OverlapLoss<P>&, ClassCounts counts, std::vector<double> mix = {}) {
  Treatment result;
  result.counts = std::move(counts);
  result.mix = std::move(mix);
  result.no_offset =
      detail::reason_without_offset("a loss of sets (Dice, Tversky), which no row has alone,");
  return result;
}

/// What to add to the logits of a network with a sigmoid a label, trained with this loss, so that
/// the sigmoid is the probability of the label under the data's proportions: with the weight pos_l
/// of positives and the weights a+ and a- of the sides, -log(pos_l a+ / a-) + shift_l. O(L).
///
/// Nominal, as all such figures (see Ledger). Labels of which a row has any number cannot be drawn
/// in proportions of one's own; a sampler shifts them too, and only validation tells by how much.
/// @throws std::invalid_argument for a pos_weight or shift that is not one a label, for weights
/// that are not finite and > 0, and for a negative_scale or a rebalancing, which have no offset.
template <Reduction R>
std::vector<double> logit_offset(const SigmoidLoss<BinaryCrossEntropy, R>& loss,
                                 std::size_t labels) {
  constexpr std::string_view kWhere = "logit_offset";
  const auto require_positive = [&](std::string_view name, double value) {
    if (detail::is_finite(value) && value > 0) return;
    detail::reject(kWhere, name, value, "a finite number > 0");
  };
  if (loss.negative_scale != 1) {
    detail::reject(kWhere, "loss.negative_scale", loss.negative_scale,
                   std::string("1: otherwise it").append(detail::kInsteadOfOffset));
  }
  if (!loss.rebalance.counts.empty()) {
    detail::reject(kWhere, "loss.rebalance.counts.size()", loss.rebalance.counts.size(),
                   std::string("0: otherwise it").append(detail::kInsteadOfOffset));
  }
  require_positive("loss.positive_weight", loss.positive_weight);
  require_positive("loss.negative_weight", loss.negative_weight);
  if (!loss.pos_weight.empty()) {
    detail::require_size(kWhere, "loss.pos_weight", loss.pos_weight.size(), labels, "labels");
    detail::require_prior(kWhere, "loss.pos_weight", loss.pos_weight);
  }
  if (!loss.shift.empty()) {
    detail::require_size(kWhere, "loss.shift", loss.shift.size(), labels, "labels");
  }
  std::vector<double> offset(labels, std::log(loss.negative_weight / loss.positive_weight));
  for (std::size_t l = 0; l < labels; ++l) {
    if (!loss.pos_weight.empty()) offset[l] -= std::log(loss.pos_weight[l]);
    if (!loss.shift.empty()) offset[l] += loss.shift[l];
    if (detail::is_finite(offset[l])) continue;
    detail::reject_element(kWhere, "loss.shift", l, loss.shift[l], "a finite number");
  }
  return offset;
}

}  // namespace equipoise

#endif  // EQUIPOISE_TREATMENT_H_
