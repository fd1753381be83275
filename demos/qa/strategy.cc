// What the demo compares, as objectives.

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <stdexcept>
#include <string_view>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/qa/task.h"
#include "equipoise/logit_terms.h"
#include "equipoise/mix.h"
#include "equipoise/sampling/cells.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

// Languages by a policy of the library, which `code` makes; classes as they are in each.
template <class Mix>
LanguageMix mixed(const Mix& mix, const std::string& code) {
  return {[mix](const GroupedCounts& counts) { return mix_table(counts, mix, ProportionalMix{}); },
          absl::StrCat("const std::vector<double> mass =\n    equipoise::mix_table(table, ", code,
                       ", equipoise::ProportionalMix{});\n")};
}

// Conneau et al. 2020 (arXiv:1911.02116).
LanguageMix temperature(double exponent) {
  return mixed(TemperatureMix{exponent}, absl::StrCat("equipoise::TemperatureMix{", exponent, "}"));
}

// Alike, but no row more than twice an epoch (Chung et al. 2023, arXiv:2304.09151).
LanguageMix unimax() {
  return {[](const GroupedCounts& counts) {
            const UniMaxMix mix{.budget = counts.total().total(), .max_epochs = 2};
            return mix_table(counts, mix, ProportionalMix{});
          },
          "const equipoise::UniMaxMix unimax{.budget = counts.total(), .max_epochs = 2};\n" +
              mixed(UniformMix{}, "unimax").code};
}

// Languages alike and, by raking, classes at once, as n_c^(1 - tau).
LanguageMix raked(double tau) {
  return {[tau](const GroupedCounts& counts) {
            std::vector<double> languages;
            for (std::size_t g = 0; g < counts.groups(); ++g) {
              languages.push_back(counts.group(g).total());
            }
            const ClassCounts classes = counts.total();
            return rake(counts, UniformMix{}(languages), TemperatureMix{1 - tau}(classes.values()));
          },
          absl::StrCat("std::vector<double> of_class;\n"
                       "for (const double n : counts.values()) {\n"
                       "  of_class.push_back(n > 0 ? std::pow(n, ",
                       1 - tau,
                       ") : 0);\n"
                       "}\n"
                       "const std::vector<double> of_language(languages, 1.0);\n"
                       "const std::vector<double> mass = equipoise::rake(table, of_language, "
                       "of_class);\n")};
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
      {.name = "mix_0.5", .mix = temperature(0.5)},
      {.name = "mix_0.3", .mix = temperature(0.3)},
      {.name = "unimax", .mix = unimax()},
      {.name = "uniform", .mix = mixed(UniformMix{}, "equipoise::UniformMix{}")},
      {.name = "mix_0.3_weights_0.5", .mix = temperature(0.3), .weight_tau = 0.5},
      {.name = "mix_0.3_group_0.5", .mix = temperature(0.3), .group_adjustment_tau = 0.5},
      {.name = "rake", .mix = raked(1), .class_tau = 1},
      {.name = "rake_0.5", .mix = raked(0.5), .class_tau = 0.5},
  };
  if (task == kSentenceSelection) {
    std::erase_if(strategies, [](const QaStrategy& strategy) { return strategy.posthoc; });
  }
  return strategies;
}

QaStrategy strategy_named(std::string_view name) {
  const std::vector<QaStrategy> all = all_qa_strategies(kAnswerType);
  const auto found = std::ranges::find(all, name, &QaStrategy::name);
  if (found == all.end()) {
    throw std::invalid_argument("strategy_named(): there is no strategy " + std::string(name));
  }
  return *found;
}

bool is_for_one_language(const QaStrategy& strategy) {
  return (!strategy.mix.cells || strategy.class_tau != 0) && strategy.group_adjustment_tau == 0;
}

std::vector<double> drawn_cells(const QaStrategy& strategy, const GroupedCounts& counts) {
  if (!strategy.mix.cells) return mix_table(counts, ProportionalMix{}, ProportionalMix{});
  try {
    return strategy.mix.cells(counts);
  } catch (const std::invalid_argument& error) {
    throw InputError(absl::StrCat("--strategy=", strategy.name, ": ", error.what()));
  }
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
