// What the demo compares: ways to train the same model on imbalanced classes.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_STRATEGY_H_
#define EQUIPOISE_DEMOS_SENTIMENT_STRATEGY_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/objective.h"
#include "equipoise/counts.h"
#include "equipoise/plan/plan.h"

namespace equipoise::demos {

/// What a strategy can train: any model, those with more than a head, states of a frozen encoder.
enum class ModelKind { kAny, kNetwork, kFrozen };

/// A strategy by its strengths; 0 is no correction, 1 the whole of it.
struct Strategy {
  std::string name;
  double weight_tau = 0;       ///< class weights n_c^-tau
  double sampler_tau = 0;      ///< classes drawn in proportion to n_c^(1 - tau)
  double adjustment_tau = 0;   ///< logits + tau log prior in training
  bool focal = false;          ///< focal loss, gamma 2
  double margin = 0;           ///< the largest margin of LDAM, on logits as they are
  bool deferred = false;       ///< weights from two thirds of the steps on
  bool smote = false;          ///< rows of SMOTE in place of repeated ones
  bool retrains_head = false;  ///< trained without weights, and then the head anew with them
  bool posthoc = false;        ///< after training: logits - tau log prior, tau chosen on validation
  ModelKind needs = ModelKind::kAny;
};

/// Those for texts with one label that such models can be trained with, in the order of the table:
///   none, none_tau              nothing, and the post-hoc correction that all others have to beat
///   weights, weights_0.5        class weights at full and at half strength
///   sampler, sampler_0.5        a class sampler
///   logit_adjustment, ..._0.5   logit-adjusted loss (Menon et al. 2021, arXiv:2007.07314)
///   double                      weights and sampler both at full strength: corrects twice
///   split                       weights and sampler both at half strength: corrects once
///   focal                       focal loss (Lin et al. 2017, arXiv:1708.02002)
///   ldam_drw                    the largest margins for the rarest classes, deferred weights
///                               at half strength (Cao et al. 2019, arXiv:1906.07413)
///   crt                         the head trained again with weights at half strength, after a
///                               training without (Kang et al. 2020, arXiv:1910.09217)
///   smote, smote_0.5            synthetic rows of Chawla et al. 2002 (JAIR 16), as many as sampler
///                               and sampler_0.5 draw rows too often
std::span<const Strategy> strategies_for(ModelKind kind);

/// One of these by its name.
/// @throws std::invalid_argument where there is none.
const Strategy& strategy_named(std::string_view name);

/// What a strategy does to the classes. Weights have mean one over what is drawn, so that all
/// strategies learn at the same rate.
Plan make_plan(const Strategy& strategy, const ClassCounts& counts);

/// The loss and the sampler of a plan; `steps` is how many a training has at most.
Objective make_objective(const Strategy& strategy, const ClassCounts& counts,
                         std::span<const std::int64_t> labels, std::uint64_t seed,
                         std::uint64_t steps);

/// The losses for texts with several labels, in the order of their table:
///   none                       binary cross-entropy
///   pos_weight, pos_weight_0.5 positives of label l weigh ((N - n_l) / n_l)^tau, tau 1 and 0.5
///   focal                      Lin et al. 2017
///   asymmetric                 Ben-Baruch et al. 2020 (arXiv:2009.14119)
///   distribution_balanced      Wu et al. 2020 (arXiv:2007.09654)
const std::vector<std::string>& all_multilabel_strategies();

/// One of these losses, and a sampler that passes over all rows. positives[l] is the number of rows
/// with label l.
Objective make_multilabel_objective(const std::string& strategy, std::span<const double> positives,
                                    std::size_t rows, std::uint64_t seed);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_STRATEGY_H_
