#include "demos/sentiment/advice.h"

#include <absl/strings/str_cat.h>

#include <string_view>

#include "demos/common/advice.h"
#include "demos/sentiment/strategy.h"

namespace equipoise::demos {

namespace {

constexpr const char* kSmoteCode =
    "// targets: how many rows each class is to have; states: a row for each text.\n"
    "const equipoise::resampling::RecipeStream recipes(\n"
    "    equipoise::resampling::Smote{.few_rows = equipoise::resampling::FewRows::kClip}(\n"
    "        states, labels, targets), seed);\n"
    "equipoise::resampling::synthesize(recipes.epoch(0), states, synthetic);\n";

std::string one_label_code(const Strategy& strategy, const std::string& choice) {
  std::string weights;
  if (strategy.weight_tau != 0) weights = power_weights_code(strategy.weight_tau);
  if (strategy.weight_tau != 0 && strategy.sampler_tau != 0) {
    weights = absl::StrCat("equipoise::mean_one_over_draws(\n    ", weights, ", mass)");
  }
  std::string more;
  if (strategy.margin != 0) {
    absl::StrAppend(&more, "loss.logit_terms = equipoise::logit_terms(\n    counts, ",
                    "equipoise::LdamMargin{.max_margin = ", strategy.margin, ", .scale = 1});\n");
  }
  if (strategy.deferred) more += "// The weights from two thirds of the steps on.\n";
  if (strategy.retrains_head) {
    more += "// With these for a new head alone, once all is trained without them.\n";
  }
  return absl::StrCat(
      "const equipoise::ClassCounts counts = equipoise::count_labels(labels, classes);\n",
      strategy.smote              ? kSmoteCode
      : strategy.sampler_tau != 0 ? class_sampler_code(strategy.sampler_tau)
                                  : "",
      softmax_code({strategy.focal ? "equipoise::Focal" : "", weights, strategy.adjustment_tau}),
      more, strategy.posthoc ? posthoc_code(choice) : "");
}

std::string several_labels_code(std::string_view strategy) {
  std::string code;
  if (strategy == "distribution_balanced") {
    code = "const auto loss = equipoise::distribution_balanced(positives.values(), rows);\n";
  } else if (strategy == "focal") {
    code = "equipoise::SigmoidLoss<equipoise::SigmoidFocal> loss;\n";
  } else if (strategy == "asymmetric") {
    code = "equipoise::SigmoidLoss<equipoise::AsymmetricFocal> loss;\n";
  } else {
    code = "equipoise::SigmoidLoss<> loss;\n";
  }
  if (strategy.starts_with("pos_weight")) {
    absl::StrAppend(&code, "loss.pos_weight = equipoise::pos_weight(positives, rows, {.exponent = ",
                    strategy == "pos_weight" ? "1" : "0.5", "});\n");
  }
  return code +
         "// After training, on validation: each label's own threshold.\n"
         "const auto thresholds = equipoise::calibrate::choose_thresholds(logits, targets);\n";
}

}  // namespace

std::string code_of(const Task& task, const Outcome& outcome) {
  if (task.train.labels > 0) return several_labels_code(outcome.strategy);
  return one_label_code(strategy_named(outcome.strategy), outcome.runs.front().choice);
}

std::string advice(const Task& task, const ExperimentOptions& options, const Results& results) {
  const bool several = task.train.labels > 0;
  return absl::StrCat(
      "\n", advice(results, options,
                   several ? "" : cost_in_calibration(results, options, "posterior() has"),
                   code_of(task, results.outcomes[results.best])));
}

}  // namespace equipoise::demos
