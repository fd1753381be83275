// What the demo compares: ways to train the same model on imbalanced classes.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_STRATEGY_H_
#define EQUIPOISE_DEMOS_SENTIMENT_STRATEGY_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::demos {

/// A strategy by its strengths; 0 is no correction, 1 the whole of it.
struct Strategy {
  std::string name;
  double weight_tau = 0;      ///< class weights n_c^-tau
  double sampler_tau = 0;     ///< classes drawn in proportion to n_c^(1 - tau)
  double adjustment_tau = 0;  ///< logits + tau log prior in training
  bool focal = false;         ///< focal loss, gamma 2
  bool posthoc = false;       ///< after training: logits - tau log prior, tau chosen on validation
};

/// All that the demo knows, in the order of its table:
///   none, none_tau              nothing, and the post-hoc correction that all others have to beat
///   weights, weights_0.5        class weights at full and at half strength
///   sampler, sampler_0.5        a class sampler
///   logit_adjustment, ..._0.5   logit-adjusted loss (Menon et al. 2021, arXiv:2007.07314)
///   double                      weights and sampler both at full strength: corrects twice
///   split                       weights and sampler both at half strength: corrects once
///   focal                       focal loss (Lin et al. 2017, arXiv:1708.02002)
const std::vector<Strategy>& all_strategies();

/// The strategies of a list of names with commas between; all of them for an empty list.
/// @throws InputError for a name that is unknown or stands twice.
std::vector<Strategy> parse_strategies(std::string_view names);

/// What a strategy makes of the training counts: the loss, and how often each class is drawn.
struct Objective {
  std::variant<SoftmaxLoss<CrossEntropy>, SoftmaxLoss<Focal>> loss;
  std::vector<double> proportions;  ///< of classes in the batches, for a ClassSampler
};

/// Weights have mean one over what is drawn, so that all strategies learn at the same rate.
Objective make_objective(const Strategy& strategy, const ClassCounts& counts);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_STRATEGY_H_
