#include "demos/sentiment/strategy.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <variant>

#include "equipoise/logit_terms.h"
#include "equipoise/plan/text.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

// All plans of the demo have a mean by count.
template <class M>
Loss loss_of(const Plan& plan, const M& modulator) {
  return std::get<SoftmaxLoss<M>>(softmax_loss(plan, modulator));
}

// In proportion to a mix, the largest class as it is.
std::vector<std::uint64_t> smote_targets(const ClassCounts& counts, std::span<const double> mix) {
  double scale = 0;
  for (std::size_t c = 0; c < mix.size(); ++c) scale = std::max(scale, counts[c] / mix[c]);
  std::vector<std::uint64_t> targets;
  for (std::size_t c = 0; c < mix.size(); ++c) {
    targets.push_back(
        static_cast<std::uint64_t>(std::llround(std::max(scale * mix[c], counts[c]))));
  }
  return targets;
}

// Draws from the given rows and those that are made behind them, as many an epoch as are given.
Stream smote_stream(std::span<const std::int64_t> labels, const ClassCounts& counts,
                    std::span<const std::uint64_t> targets, std::uint64_t seed) {
  std::vector<std::int64_t> all(labels.begin(), labels.end());
  for (std::size_t c = 0; c < targets.size(); ++c) {
    all.insert(all.end(),
               static_cast<std::size_t>(targets[c]) - static_cast<std::size_t>(counts[c]),
               static_cast<std::int64_t>(c));
  }
  const std::vector<double> mass(targets.begin(), targets.end());
  return Stream(sampling::ClassSampler(
      all, mass, seed, {.mode = sampling::Mode::kExactQuota, .epoch_size = labels.size()}));
}

}  // namespace

std::span<const Strategy> strategies_for(ModelKind kind) {
  static const std::vector<Strategy> all = {
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
      {.name = "ldam_drw",
       .weight_tau = 0.5,
       .margin = 1,
       .deferred = true,
       .needs = ModelKind::kNetwork},
      {.name = "crt", .weight_tau = 0.5, .retrains_head = true, .needs = ModelKind::kNetwork},
      {.name = "smote", .sampler_tau = 1, .smote = true, .needs = ModelKind::kFrozen},
      {.name = "smote_0.5", .sampler_tau = 0.5, .smote = true, .needs = ModelKind::kFrozen},
  };
  const auto fits = [&](const Strategy& strategy) { return strategy.needs <= kind; };
  return std::span(all).first(static_cast<std::size_t>(std::ranges::count_if(all, fits)));
}

const Strategy& strategy_named(std::string_view name) {
  for (const Strategy& strategy : strategies_for(ModelKind::kFrozen)) {
    if (strategy.name == name) return strategy;
  }
  throw std::invalid_argument("strategy_named(): there is no strategy " + std::string(name));
}

Plan make_plan(const Strategy& strategy, const ClassCounts& counts) {
  Plan plan;
  plan.counts.assign(counts.values().begin(), counts.values().end());
  plan.mix = sampling::drawn_mass(counts, class_weights(counts, PowerWeights{strategy.sampler_tau},
                                                        {.normalize = WeightNormalization::kNone}));
  if (strategy.weight_tau != 0) {
    const std::vector<double> raw = class_weights(counts, PowerWeights{strategy.weight_tau},
                                                  {.normalize = WeightNormalization::kNone});
    plan.weights = mean_one_over_draws(raw, plan.mix);
  }
  if (strategy.adjustment_tau != 0) {
    plan.logit_terms = logit_terms(counts, LogitAdjustment{strategy.adjustment_tau});
  }
  if (strategy.margin != 0) {
    plan.logit_terms = logit_terms(counts, LdamMargin{.max_margin = strategy.margin, .scale = 1});
  }
  return plan;
}

Objective make_objective(const Strategy& strategy, const ClassCounts& counts,
                         std::span<const std::int64_t> labels, std::uint64_t seed,
                         std::uint64_t steps) {
  const Plan plan = make_plan(strategy, counts);
  const Loss loss = strategy.focal ? loss_of(plan, Focal{2.0}) : loss_of(plan, CrossEntropy{});
  RampSchedule ramp;
  if (strategy.deferred) ramp = {2 * steps / 3, 2 * steps / 3};
  if (strategy.smote) {
    std::vector<std::uint64_t> targets = smote_targets(counts, plan.mix);
    Stream stream = smote_stream(labels, counts, targets, seed);
    const std::uint64_t rows = std::accumulate(targets.begin(), targets.end(), std::uint64_t{0});
    if (rows == labels.size()) targets.clear();  // no class lacks rows
    return {loss, std::move(stream), ramp, strategy.name + "\n" + to_text(plan),
            std::move(targets)};
  }
  return {loss, Stream(class_sampler(plan, labels, seed)), ramp,
          absl::StrCat(strategy.name,
                       strategy.deferred ? absl::StrCat(", deferred to step ", ramp.begin) : "",
                       "\n", to_text(plan))};
}

const std::vector<std::string>& all_multilabel_strategies() {
  static const std::vector<std::string> strategies = {
      "none", "pos_weight", "pos_weight_0.5", "focal", "asymmetric", "distribution_balanced"};
  return strategies;
}

Objective make_multilabel_objective(const std::string& strategy, std::span<const double> positives,
                                    std::size_t rows, std::uint64_t seed) {
  const auto size = static_cast<double>(rows);
  Loss loss = SigmoidLoss<>();
  if (strategy == "pos_weight" || strategy == "pos_weight_0.5") {
    SigmoidLoss<> weighted;
    const double exponent = strategy == "pos_weight" ? 1.0 : 0.5;
    weighted.pos_weight = pos_weight(ClassCounts(positives), size, {.exponent = exponent});
    loss = weighted;
  } else if (strategy == "focal") {
    loss = SigmoidLoss<SigmoidFocal>();
  } else if (strategy == "asymmetric") {
    loss = SigmoidLoss<AsymmetricFocal>();
  } else if (strategy == "distribution_balanced") {
    loss = distribution_balanced(positives, size);
  }
  // All rows as one class: a shuffled pass over them.
  const std::vector<std::int64_t> one_class(rows, 0);
  const std::vector<double> mass = {size};
  const sampling::ClassSamplerOptions options{.mode = sampling::Mode::kExactQuota};
  return {std::move(loss),
          Stream(sampling::ClassSampler(one_class, mass, seed, options)),
          {},
          strategy};
}

}  // namespace equipoise::demos
