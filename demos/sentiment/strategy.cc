#include "demos/sentiment/strategy.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <utility>

#include "demos/common/input_error.h"
#include "equipoise/logit_terms.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

template <class M>
SoftmaxLoss<M> make_loss(const Strategy& strategy, const ClassCounts& counts,
                         const std::vector<double>& proportions) {
  SoftmaxLoss<M> loss;
  if (strategy.weight_tau != 0) {
    const std::vector<double> raw =
        class_weights(counts, Power{strategy.weight_tau}, {.normalize = Normalize::kNone});
    // Explicit weights, normalised over the counts of what is drawn.
    loss.class_weights = class_weights(ClassCounts(proportions), Explicit{raw});
  }
  if (strategy.adjustment_tau != 0) {
    loss.logit_terms = logit_terms(counts, LogitAdjustment{strategy.adjustment_tau});
  }
  return loss;
}

}  // namespace

const std::vector<Strategy>& all_strategies() {
  static const std::vector<Strategy> strategies = {
      {.name = "none"},
      {.name = "none_tau", .posthoc = true},
      {.name = "weights", .weight_tau = 1},
      {.name = "weights_0.5", .weight_tau = 0.5},
      {.name = "sampler", .sampler_tau = 1},
      {.name = "sampler_0.5", .sampler_tau = 0.5},
      {.name = "logit_adjustment", .adjustment_tau = 1},
      {.name = "logit_adjustment_0.5", .adjustment_tau = 0.5},
      {.name = "double", .weight_tau = 1, .sampler_tau = 1},
      {.name = "split", .weight_tau = 0.5, .sampler_tau = 0.5},
      {.name = "focal", .focal = true},
  };
  return strategies;
}

std::vector<Strategy> parse_strategies(std::string_view names) {
  const std::vector<Strategy>& all = all_strategies();
  if (names.empty()) return all;
  std::vector<Strategy> chosen;
  const std::vector<std::string> list =
      absl::StrSplit(absl::string_view(names.data(), names.size()), ',');
  for (const std::string& name : list) {
    const auto named = [&](const Strategy& strategy) { return strategy.name == name; };
    const auto place = std::find_if(all.begin(), all.end(), named);
    if (place == all.end()) {
      const auto append_name = [](std::string* text, const Strategy& s) { *text += s.name; };
      throw InputError(absl::StrCat("--strategy: there is no strategy '", name, "', expected ",
                                    absl::StrJoin(all, ", ", append_name)));
    }
    if (std::any_of(chosen.begin(), chosen.end(), named)) {
      throw InputError(absl::StrCat("--strategy: '", name, "' stands twice"));
    }
    chosen.push_back(*place);
  }
  return chosen;
}

Objective make_objective(const Strategy& strategy, const ClassCounts& counts) {
  Objective objective;
  objective.proportions = drawn_mass(
      counts, class_weights(counts, Power{strategy.sampler_tau}, {.normalize = Normalize::kNone}));
  if (strategy.focal) {
    objective.loss = make_loss<Focal>(strategy, counts, objective.proportions);
  } else {
    objective.loss = make_loss<CrossEntropy>(strategy, counts, objective.proportions);
  }
  return objective;
}

}  // namespace equipoise::demos
