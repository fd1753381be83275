// Tagged sentences as models see them: what is compared, and how it is measured.
#ifndef EQUIPOISE_DEMOS_NER_TASK_H_
#define EQUIPOISE_DEMOS_NER_TASK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demos/common/task.h"
#include "demos/ner/corpus.h"
#include "demos/ner/token_features.h"
#include "equipoise/counts.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::demos {

/// Rows are tokens, classes their tags, units sentences. Metrics are token_macro_f1, the mean over
/// types of the F1 of tokens, by the type of the tag alone; entity_f1 and entity_f1_conlleval, of
/// entities in the strict and in conlleval's reading; entity_macro_f1, the mean over types in the
/// strict reading; and of each type token_f1, precision, recall and f1 (entities, strict).
struct TaggingTask final : Task {
  metrics::EntityTags tags{};
  ClassCounts counts{};               ///< of the tags of training tokens
  std::vector<double> prior{};        ///< the same, but at least a half: a tag may not occur
  std::vector<double> span_shares{};  ///< of training tokens: 1 / length of its entity; 1 for O

  std::size_t types() const { return tags.types().size(); }
  /// The types of tags: 0 for O, k + 1 for type k.
  std::vector<std::int64_t> types_of(std::span<const std::int64_t> own) const;

  std::string headline() const override { return "token_macro_f1"; }
  /// An epoch has as many sentences as there are in training.
  Objective objective(const std::string& strategy, std::uint64_t seed,
                      std::uint64_t steps) const override;
  std::vector<double> row_weights(const std::string& strategy) const override;
  Decision choose(const std::string& strategy, const Logits& logits) const override;
  Metrics measure(const Examples& part, const Logits& logits,
                  const Decision& decision) const override;
  /// On test, where validation has every tag: token_macro_f1_em and entity_f1_em, after a prior
  /// shift by expectation-maximisation (calibrated on validation by a bias-corrected temperature);
  /// and of each type tokens, its share of the test tokens, and tokens_em, that share as estimated.
  void describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const override;
  std::string summary(const ExperimentOptions& options, const Results& results) const override;
  NamedPlots plots(const ExperimentOptions& options, const Results& results) const override;

  Metrics tagging_metrics(const Examples& part, std::span<const std::int64_t> predicted) const;
};

/// All strategies that the demo knows, in the order of its table:
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

/// `model` is the name that saved models have for the kind of model that reads these features.
std::unique_ptr<TaggingTask> make_tagging_task(const TaggedCorpus& corpus,
                                               const TokenFeatures& features,
                                               const std::string& model);

/// The library's calls that make up a strategy: C++ lines that take `labels`, the tags of all
/// training tokens as numbers, `names`, the EntityTags, and `offsets`, where sentences begin;
/// `types`, 0 outside and k + 1 in an entity of type k; `steps` of a training, and `seed`. tau is
/// the first seed's.
std::string tagging_code(const Outcome& outcome);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_TASK_H_
