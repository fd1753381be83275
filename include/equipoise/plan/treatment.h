// How a training run treats its classes, as input of ledger(), dry_run() and posterior(): stated
// directly, or taken from a loss.
#ifndef EQUIPOISE_PLAN_TREATMENT_H_
#define EQUIPOISE_PLAN_TREATMENT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/mix.h"
#include "equipoise/reduction/mean.h"
#include "equipoise/reduction/reduction.h"

namespace equipoise {

/// How sampler and loss change the proportions of the classes: the fields that a Plan and a
/// Treatment share. Vectors have one element per class; an empty one means no treatment: rows are
/// drawn in the proportions of the data, all classes have the same weight, the logits are
/// unchanged.
struct ImbalanceCorrection {
  std::vector<double> mix{};           ///< mass with which each class is drawn; need not sum to one
  std::vector<double> weights{};       ///< of the loss
  LogitTerms logit_terms{};            ///< of the loss
  double label_smoothing = 0;          ///< of the loss, in [0, 1]
  MeanKind mean = MeanKind::kByCount;  ///< the denominator of the loss
  /// Rows per optimiser step, over all workers: the rows of one mean; 0 if it is not known.
  /// MeanKind::kPerClass needs it, and so does MeanKind::kByWeight with weights.
  std::uint64_t batch_size = 0;

  friend bool operator==(const ImbalanceCorrection&, const ImbalanceCorrection&) = default;
};

/// How a training run treats its classes at one optimiser step.
struct Treatment : ImbalanceCorrection {
  ClassCounts counts{};  ///< of the training data
  /// The reason why no logit offset undoes the treatment, if the other fields do not show it.
  std::string no_offset{};

  friend bool operator==(const Treatment&, const Treatment&) = default;
};

namespace detail {

// Rejects counts without mass and a correction that does not fit them. Errors name the fields with
// `owner` in front, such as "plan.".
inline void require_correction(std::string_view where, const std::string& owner,
                               std::span<const double> counts,
                               const ImbalanceCorrection& correction) {
  require_some_mass(where, owner + "counts", counts);
  const auto require = [&](const std::string& name, const std::vector<double>& values) {
    if (values.empty()) return;
    require_size(where, name, values.size(), counts.size(), "classes");
    require_some_mass(where, name, values);
  };
  require(owner + "mix", correction.mix);
  require(owner + "weights", correction.weights);
  require_terms(where, correction.logit_terms, counts.size());
  for (std::size_t c = 0; c < correction.mix.size(); ++c) {
    if (counts[c] > 0 || correction.mix[c] == 0) continue;
    reject_element(where, owner + "mix", c, correction.mix[c], "0, for no row has this class");
  }
  require_between(where, owner + "label_smoothing", correction.label_smoothing, 0, 1);
}

// "x has no logit offset that undoes it; ..."
inline std::string reason_without_offset(std::string_view what) {
  return std::string(what) +
         " has no logit offset that undoes it; calibrate on validation data, with "
         "fit_bias_corrected_temperature(), or choose thresholds";
}

// The reasons why no logit offset undoes these; empty if one does.
inline std::string reason_against_margins(const LogitTerms& terms) {
  const bool has_margin = std::any_of(terms.margin.begin(), terms.margin.end(),
                                      [](double margin) { return margin != 0; });
  return has_margin ? reason_without_offset("a margin (LDAM)") : std::string();
}
inline std::string reason_against_offset(const LogitTerms& terms) {
  const bool differs = std::any_of(terms.scale.begin(), terms.scale.end(),
                                   [&](double scale) { return scale != terms.scale[0]; });
  if (differs)
    return reason_without_offset("a scale that differs between classes (vector scaling)");
  return reason_against_margins(terms);
}
inline std::string reason_against_offset(const Treatment& treatment) {
  if (!treatment.no_offset.empty()) return treatment.no_offset;
  std::string reason = reason_against_offset(treatment.logit_terms);
  if (reason.empty() && treatment.label_smoothing != 0) {
    reason =
        "label smoothing keeps a floor under every class, which an offset would shift as if it "
        "were evidence: posterior() takes it off first";
  }
  return reason;
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

// The reason why an offset alone does not undo a loss with such a modulator. Not among the reasons
// above, which posterior() rejects too.
template <class M>
std::string reason_against_modulator() {
  if constexpr (std::is_same_v<M, CrossEntropy>) {
    return {};
  } else {
    return "a modulator (focal, Poly-1) moves the optimum away from the probabilities, which an "
           "offset does not undo: posterior() inverts it";
  }
}

}  // namespace detail

/// The treatment of classes by training with this softmax loss on rows drawn in proportions `mix`,
/// or in those of the data if it is empty: for ledger() and dry_run(). If no logit offset undoes
/// the loss, the ledger says so and Ledger::offset() throws: for pair shifts, Seesaw, everything
/// set by group, margins, and scales that differ. The same goes for label smoothing and for
/// modulators other than CrossEntropy: they do not change the ledger's prior, but with them the
/// logits are no longer log posteriors; posterior() inverts both. O(C).
template <Modulator M, LossReduction R>
Treatment treatment(const SoftmaxLoss<M, R>& loss, ClassCounts counts, std::vector<double> mix = {},
                    std::uint64_t batch_size = 0) {
  Treatment result;
  result.counts = std::move(counts);
  result.mix = std::move(mix);
  result.weights = loss.class_weights;
  result.logit_terms = loss.logit_terms;
  result.label_smoothing = loss.label_smoothing;
  result.mean = detail::mean_of<R>().value_or(MeanKind::kByCount);
  result.batch_size = batch_size;
  result.no_offset = detail::reason_against_offset(loss);
  if (result.no_offset.empty()) {
    result.no_offset = detail::reason_against_offset(loss.logit_terms);
  }
  if (result.no_offset.empty()) result.no_offset = detail::reason_against_modulator<M>();
  return result;
}

/// The same for an overlap loss, which weights sets and has no offset; its class weights apply to
/// the overlaps of classes, not to rows, so only the sampler moves the prior.
template <class P>
Treatment treatment(const OverlapLoss<P>&, ClassCounts counts, std::vector<double> mix = {}) {
  Treatment result;
  result.counts = std::move(counts);
  result.mix = std::move(mix);
  result.no_offset =
      detail::reason_without_offset("a loss of sets (Dice, Tversky), which no row has alone,");
  return result;
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_TREATMENT_H_
