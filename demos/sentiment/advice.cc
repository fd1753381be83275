#include "demos/sentiment/advice.h"

#include <absl/strings/str_cat.h>

#include <string_view>

#include "demos/sentiment/strategy.h"

namespace equipoise::demos {

namespace {

std::string power_weights(double tau) {
  return absl::StrCat("equipoise::class_weights(counts, equipoise::PowerWeights{", tau, "})");
}

std::string one_label_code(const Strategy& strategy, const std::string& choice) {
  std::string code =
      "const equipoise::ClassCounts counts = equipoise::count_labels(labels, classes);\n";
  if (strategy.sampler_tau != 0) {
    absl::StrAppend(&code,
                    "const std::vector<double> mass = equipoise::sampling::drawn_mass(\n"
                    "    counts, ",
                    power_weights(strategy.sampler_tau),
                    ");\n"
                    "const equipoise::sampling::ClassSampler sampler(\n"
                    "    labels, mass, seed, {.mode = equipoise::sampling::Mode::kExactQuota});\n"
                    "// A batch: sampler.fill(step * batch_size, rows).\n");
  }
  absl::StrAppend(&code, "equipoise::SoftmaxLoss<", strategy.focal ? "equipoise::Focal" : "",
                  "> loss;\n");
  if (strategy.weight_tau != 0 && strategy.sampler_tau != 0) {
    absl::StrAppend(&code, "loss.class_weights = equipoise::mean_one_over_draws(\n    ",
                    power_weights(strategy.weight_tau), ", mass);\n");
  } else if (strategy.weight_tau != 0) {
    absl::StrAppend(&code, "loss.class_weights = ", power_weights(strategy.weight_tau), ";\n");
  }
  if (strategy.adjustment_tau != 0) {
    absl::StrAppend(&code,
                    "loss.logit_terms = equipoise::logit_terms(counts, equipoise::LogitAdjustment{",
                    strategy.adjustment_tau, "});\n");
  }
  if (strategy.margin != 0) {
    absl::StrAppend(&code, "loss.logit_terms = equipoise::logit_terms(\n    counts, ",
                    "equipoise::LdamMargin{.max_margin = ", strategy.margin, ", .scale = 1});\n");
  }
  if (strategy.deferred)
    absl::StrAppend(&code, "// The weights from two thirds of the steps on.\n");
  if (strategy.retrains_head) {
    absl::StrAppend(&code,
                    "// With these for a new head alone, once all is trained without them.\n");
  }
  if (strategy.posthoc) {
    const std::size_t space = choice.rfind(' ');
    absl::StrAppend(
        &code,
        "// After training, to logits of new texts; choose_tau() found tau on validation.\n"
        "const std::vector<double> offset =\n"
        "    equipoise::calibrate::posthoc_offset(counts.values(), ",
        space == std::string::npos ? "1" : choice.substr(space + 1), ");\n");
  }
  return code;
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

// What a strategy's probabilities are worth on test.
std::string cost_in_calibration(const Outcome& best, const Outcome* baseline) {
  const auto ece = [](const Outcome& outcome, const char* metric) {
    return figure_text(mean_on_test(outcome, metric));
  };
  std::string text = absl::StrCat("Its probabilities are off by ", ece(best, "ece_raw"),
                                  " (expected calibration error on test");
  if (baseline != nullptr && baseline != &best) {
    absl::StrAppend(&text, "; ", baseline->strategy, ": ", ece(*baseline, "ece_raw"));
  }
  return absl::StrCat(text, "), by ", ece(best, "ece_fitted"),
                      " once posterior() has been fitted on validation.\n");
}

}  // namespace

std::string code_of(const Task& task, const Outcome& outcome) {
  if (task.train.labels > 0) return several_labels_code(outcome.strategy);
  return one_label_code(strategy_named(outcome.strategy), outcome.runs.front().choice);
}

std::string advice(const Task& task, const ExperimentOptions& options, const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  const Outcome* const baseline = find_outcome(results, options.baseline);
  std::string text = absl::StrCat("\n", gain_in_words(results, options));
  if (task.train.labels == 0) absl::StrAppend(&text, cost_in_calibration(best, baseline));
  return absl::StrCat(text, "The same with the library:\n\n```cpp\n", code_of(task, best), "```\n");
}

}  // namespace equipoise::demos
