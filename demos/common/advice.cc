#include "demos/common/advice.h"

#include <absl/strings/str_cat.h>

namespace equipoise::demos {

std::string softmax_code(const SoftmaxCode& loss) {
  std::string code = absl::StrCat("equipoise::SoftmaxLoss<", loss.modulator, "> loss;\n");
  if (!loss.class_weights.empty()) {
    absl::StrAppend(&code, "loss.class_weights = ", loss.class_weights, ";\n");
  }
  if (loss.adjustment_tau != 0) {
    absl::StrAppend(&code,
                    "loss.logit_terms = equipoise::logit_terms(counts, equipoise::LogitAdjustment{",
                    loss.adjustment_tau, "});\n");
  }
  return code;
}

std::string power_weights_code(double tau, const std::string& more, const std::string& counts) {
  return absl::StrCat("equipoise::class_weights(", counts, ", equipoise::PowerWeights{", tau, "}",
                      more, ")");
}

std::string class_sampler_code(double tau) {
  return absl::StrCat(
      "const std::vector<double> mass = equipoise::sampling::drawn_mass(\n"
      "    counts, ",
      power_weights_code(tau), ");\n", batch_sampler_code("labels"));
}

std::string batch_sampler_code(const std::string& labels) {
  return absl::StrCat("const equipoise::sampling::ClassSampler sampler(\n    ", labels,
                      ", mass, seed, {.mode = equipoise::sampling::Mode::kExactQuota});\n"
                      "// A batch: sampler.fill(step * batch_size, rows).\n");
}

std::string posthoc_code(const std::string& choice, const std::string& prior) {
  const std::size_t space = choice.rfind(' ');
  return absl::StrCat(
      "// After training, to logits of new rows; choose_tau() found tau on validation.\n"
      "const std::vector<double> offset =\n"
      "    equipoise::calibrate::posthoc_offset(",
      prior, ", ", space == std::string::npos ? "1" : choice.substr(space + 1), ");\n");
}

std::string cost_in_calibration(const Results& results, const ExperimentOptions& options,
                                const std::string& fitted) {
  const Outcome& best = results.outcomes[results.best];
  const Outcome* const baseline = find_outcome(results, options.baseline);
  const auto ece = [](const Outcome& outcome, const char* metric) {
    return value_text(mean_on_test(outcome, metric));
  };
  std::string text = absl::StrCat("Its probabilities are off by ", ece(best, "ece_raw"),
                                  " (expected calibration error on test");
  if (baseline != nullptr && baseline != &best) {
    absl::StrAppend(&text, "; ", baseline->strategy, ": ", ece(*baseline, "ece_raw"));
  }
  return absl::StrCat(text, "), by ", ece(best, "ece_fitted"), " once ", fitted,
                      " been fitted on validation.\n");
}

std::string advice(const Results& results, const ExperimentOptions& options,
                   const std::string& cost, const std::string& code) {
  return absl::StrCat(gain_in_words(results, options), cost,
                      "The same with the library:\n\n```cpp\n", code, "```\n");
}

}  // namespace equipoise::demos
