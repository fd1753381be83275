// What the demo compares: ways to train a tagger where almost every token is O.
#ifndef EQUIPOISE_DEMOS_NER_STRATEGY_H_
#define EQUIPOISE_DEMOS_NER_STRATEGY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "demos/common/objective.h"
#include "demos/ner/task.h"

namespace equipoise::demos {

/// All that the demo knows, in the order of its table:
///   none, none_tau          nothing, and the post-hoc correction that all others have to beat
///   weights, weights_0.5    tags weigh n^-tau, tau 1 and 0.5
///   outside                 O weighs a quarter, all other tags 1
///   spans_0.5               a token weighs by its share of its entity, so that an entity counts
///                           once however long it is, and types weigh n^-0.5, n their entities, or
///                           the tokens outside
///   focal                   focal loss, gamma 2 (Lin et al. 2017, arXiv:1708.02002)
///   dice                    self-adjusting Dice of each token (Li et al. 2020, arXiv:1911.02855)
///   repeat_factor           sentences drawn in proportion to max(1, sqrt(1 / f)), f the share of
///                           sentences with their rarest type (LVIS, Gupta et al. 2019,
///                           arXiv:1908.03195)
///   scr                     sentences drawn by number and rareness of their entities' tokens
///                           (Wang & Wang 2022)
///   drw                     deferred re-weighting (Cao et al. 2019, arXiv:1906.07413): the weights
///                           of weights_0.5 from two thirds of the steps on
///   crt                     the head trained again with these weights, after a training without
///                           (Kang et al. 2020, arXiv:1910.09217); LibTorch only
const std::vector<std::string>& all_tagging_strategies();

/// A strategy's loss, and its sampler of sentences, of which an epoch has as many as there are in
/// training. `steps` is how many a training has at most.
/// The weights of tokens, where the strategy has some, are token_weights().
Objective make_tagging_objective(const std::string& strategy, const TaggingTask& task,
                                 std::uint64_t seed, std::uint64_t steps);

/// Weights of the training tokens; empty for all 1.
std::vector<double> token_weights(const std::string& strategy, const TaggingTask& task);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_STRATEGY_H_
