// What the demo compares: ways to train the same model where classes and languages differ in size.
#ifndef EQUIPOISE_DEMOS_QA_STRATEGY_H_
#define EQUIPOISE_DEMOS_QA_STRATEGY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "demos/common/objective.h"
#include "demos/qa/task.h"
#include "equipoise/counts.h"

namespace equipoise::demos {

/// In what proportions languages are drawn.
enum class LanguageMix {
  kNatural,           ///< as the data are
  kSquareRoot,        ///< n^0.5
  kTemperature,       ///< n^0.3 (Conneau et al. 2020, arXiv:1911.02116)
  kUniMax,            ///< alike, but no row more than twice an epoch (Chung et al. 2023,
                      ///< arXiv:2304.09151)
  kUniform,           ///< alike
  kUniformAndClasses  ///< alike, and classes by class_tau: raked over language x class
};

/// A strategy by its parts.
struct QaStrategy {
  std::string name;
  LanguageMix languages = LanguageMix::kNatural;
  double class_tau = 0;             ///< where classes are raked: drawn as n_c^(1 - tau)
  double weight_tau = 0;            ///< class weights n_c^-tau, n_c what is drawn
  double adjustment_tau = 0;        ///< logits + tau log prior in training
  double group_adjustment_tau = 0;  ///< the same with the prior within the row's language
  bool focal = false;               ///< focal loss, gamma 2
  bool posthoc = false;  ///< after training: logits - tau log prior, tau chosen on validation
};

/// All strategies of a task, in the order of its table:
///   none                    nothing
///   none_tau                nothing; tau chosen afterwards (of answer types: sentences have a
///                           threshold, which is chosen for all strategies)
///   weights, weights_0.5    class weights at full and at half strength
///   focal                   Lin et al. 2017 (arXiv:1708.02002)
///   logit_adjustment, ..._0.5   Menon et al. 2021 (arXiv:2007.07314)
///   group_adjustment, ..._0.5   the same by language
///   mix_0.5, mix_0.3, unimax, uniform   languages drawn otherwise
///   mix_0.3_weights_0.5, mix_0.3_group_0.5   a mix with weights, or adjustment by language
///   rake, rake_0.5          languages alike and classes at once: alike, or by their square roots
std::vector<QaStrategy> all_qa_strategies(std::string_view task);

/// One of these by its name.
/// @throws std::invalid_argument where there is none.
QaStrategy strategy_named(std::string_view name);

/// Whether a strategy is another one than those before it where there is one language: it does not
/// go by language.
bool is_for_one_language(const QaStrategy& strategy);

/// The masses with which a strategy draws the cells (language, class), language by language; they
/// sum to one.
/// @throws InputError where no table has the marginals that the strategy asks for.
std::vector<double> drawn_cells(const QaStrategy& strategy, const GroupedCounts& counts);

/// The share of each language, and of each class, in such masses.
std::vector<double> language_shares(const std::vector<double>& cells, std::size_t classes);
std::vector<double> class_shares(const std::vector<double>& cells, std::size_t classes);

/// The class weights of the loss, mean one over what is drawn; empty for none.
std::vector<double> loss_weights(const QaStrategy& strategy, const GroupedCounts& counts);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_STRATEGY_H_
