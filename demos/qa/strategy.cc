#include "demos/qa/strategy.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cmath>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "demos/common/input_error.h"
#include "equipoise/logit_terms.h"
#include "equipoise/mix.h"
#include "equipoise/sampling/cells.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

std::vector<double> raked(const QaStrategy& strategy, const GroupedCounts& counts) {
  std::vector<double> languages;
  for (std::size_t g = 0; g < counts.groups(); ++g) {
    languages.push_back(counts.group(g).total() > 0 ? 1 : 0);
  }
  std::vector<double> classes;
  const ClassCounts of_class = counts.total();
  for (const double n : of_class.values()) {
    classes.push_back(n > 0 ? std::pow(n, 1 - strategy.class_tau) : 0);
  }
  try {
    return rake(counts, languages, classes);
  } catch (const std::invalid_argument& error) {
    throw InputError(absl::StrCat("--strategy=", strategy.name, ": ", error.what()));
  }
}

template <class M>
SoftmaxLoss<M> loss_of(const QaStrategy& strategy, const GroupedCounts& counts) {
  SoftmaxLoss<M> loss;
  loss.class_weights = loss_weights(strategy, counts);
  if (strategy.adjustment_tau != 0) {
    loss.logit_terms = logit_terms(counts.total(), LogitAdjustment{strategy.adjustment_tau});
  }
  if (strategy.group_adjustment_tau != 0) {
    constexpr double kSmoothing = 1;  // a language may lack a class
    loss.group_logit_terms =
        group_logit_terms(counts, LogitAdjustment{strategy.group_adjustment_tau}, kSmoothing);
  }
  return loss;
}

}  // namespace

std::vector<QaStrategy> all_qa_strategies(std::string_view task) {
  std::vector<QaStrategy> strategies = {
      {.name = "none"},
      {.name = "none_tau", .posthoc = true},
      {.name = "weights", .weight_tau = 1},
      {.name = "weights_0.5", .weight_tau = 0.5},
      {.name = "focal", .focal = true},
      {.name = "logit_adjustment", .adjustment_tau = 1},
      {.name = "logit_adjustment_0.5", .adjustment_tau = 0.5},
      {.name = "group_adjustment", .group_adjustment_tau = 1},
      {.name = "group_adjustment_0.5", .group_adjustment_tau = 0.5},
      {.name = "mix_0.5", .languages = LanguageMix::kSquareRoot},
      {.name = "mix_0.3", .languages = LanguageMix::kTemperature},
      {.name = "unimax", .languages = LanguageMix::kUniMax},
      {.name = "uniform", .languages = LanguageMix::kUniform},
      {.name = "mix_0.3_weights_0.5", .languages = LanguageMix::kTemperature, .weight_tau = 0.5},
      {.name = "mix_0.3_group_0.5",
       .languages = LanguageMix::kTemperature,
       .group_adjustment_tau = 0.5},
      {.name = "rake", .languages = LanguageMix::kUniformAndClasses, .class_tau = 1},
      {.name = "rake_0.5", .languages = LanguageMix::kUniformAndClasses, .class_tau = 0.5},
  };
  if (task == kSentenceSelection) {
    std::erase_if(strategies, [](const QaStrategy& strategy) { return strategy.posthoc; });
  }
  return strategies;
}

QaStrategy strategy_named(std::string_view name) {
  const std::vector<QaStrategy> all = all_qa_strategies(kAnswerType);
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const QaStrategy& each) { return each.name == name; });
  if (found == all.end()) {
    throw std::invalid_argument("strategy_named(): there is no strategy " + std::string(name));
  }
  return *found;
}

bool is_for_one_language(const QaStrategy& strategy) {
  const bool draws_rows_or_classes = strategy.languages == LanguageMix::kNatural ||
                                     strategy.languages == LanguageMix::kUniformAndClasses;
  return draws_rows_or_classes && strategy.group_adjustment_tau == 0;
}

std::vector<double> drawn_cells(const QaStrategy& strategy, const GroupedCounts& counts) {
  switch (strategy.languages) {
    case LanguageMix::kNatural:
      break;
    case LanguageMix::kSquareRoot:
      return mix_table(counts, TemperatureMix{0.5}, ProportionalMix{});
    case LanguageMix::kTemperature:
      return mix_table(counts, TemperatureMix{0.3}, ProportionalMix{});
    case LanguageMix::kUniMax:
      return mix_table(counts, UniMaxMix{.budget = counts.total().total(), .max_epochs = 2},
                       ProportionalMix{});
    case LanguageMix::kUniform:
      return mix_table(counts, UniformMix{}, ProportionalMix{});
    case LanguageMix::kUniformAndClasses:
      return raked(strategy, counts);
  }
  return mix_table(counts, ProportionalMix{}, ProportionalMix{});
}

std::vector<double> language_shares(const std::vector<double>& cells, std::size_t classes) {
  std::vector<double> shares(cells.size() / classes, 0.0);
  for (std::size_t i = 0; i < cells.size(); ++i) shares[i / classes] += cells[i];
  return shares;
}

std::vector<double> class_shares(const std::vector<double>& cells, std::size_t classes) {
  std::vector<double> shares(classes, 0.0);
  for (std::size_t i = 0; i < cells.size(); ++i) shares[i % classes] += cells[i];
  return shares;
}

std::vector<double> loss_weights(const QaStrategy& strategy, const GroupedCounts& counts) {
  if (strategy.weight_tau == 0) return {};
  const ClassCounts drawn(class_shares(drawn_cells(strategy, counts), counts.classes()));
  return class_weights(drawn, PowerWeights{strategy.weight_tau});
}

Objective QaTask::objective(const std::string& strategy_name, std::uint64_t seed,
                            std::uint64_t /*steps*/) const {
  const QaStrategy strategy = strategy_named(strategy_name);
  const std::vector<double> masses = drawn_cells(strategy, counts);
  const std::vector<std::int32_t> cells =
      sampling::cell_labels(train.targets, train.groups, languages.size(), classes.size());
  sampling::ClassSamplerOptions options;
  options.mode = sampling::Mode::kExactQuota;
  Loss loss = strategy.focal ? Loss(loss_of<Focal>(strategy, counts))
                             : Loss(loss_of<CrossEntropy>(strategy, counts));
  return {std::move(loss),
          Stream(sampling::ClassSampler(cells, masses, seed, options)),
          {},
          absl::StrCat(name, " ", strategy.name, "\ndrawn ", absl::StrJoin(masses, " "))};
}

}  // namespace equipoise::demos
