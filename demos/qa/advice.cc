#include "demos/qa/advice.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <vector>

#include "demos/common/advice.h"
#include "demos/qa/strategy.h"

namespace equipoise::demos {

namespace {

// What makes `mass`, the masses of the cells (language, class).
std::string mass_code(const QaStrategy& strategy) {
  const auto mix = [](const char* policy) {
    return absl::StrCat("const std::vector<double> mass =\n    equipoise::mix_table(table, ",
                        policy, ", equipoise::ProportionalMix{});\n");
  };
  switch (strategy.languages) {
    case LanguageMix::kNatural:
      break;
    case LanguageMix::kSquareRoot:
      return mix("equipoise::TemperatureMix{0.5}");
    case LanguageMix::kTemperature:
      return mix("equipoise::TemperatureMix{0.3}");
    case LanguageMix::kUniMax:
      return absl::StrCat(
          "const equipoise::UniMaxMix unimax{.budget = counts.total(), .max_epochs = 2};\n",
          mix("unimax"));
    case LanguageMix::kUniform:
      return mix("equipoise::UniformMix{}");
    case LanguageMix::kUniformAndClasses:
      return absl::StrCat(
          "std::vector<double> of_class;\n"
          "for (const double n : counts.values()) {\n"
          "  of_class.push_back(n > 0 ? std::pow(n, ",
          1 - strategy.class_tau,
          ") : 0);\n"
          "}\n"
          "const std::vector<double> of_language(languages, 1.0);\n"
          "const std::vector<double> mass = equipoise::rake(table, of_language, "
          "of_class);\n");
  }
  return "";
}

// Class weights are by what is drawn.
std::string drawn_code(const QaStrategy& strategy) {
  if (strategy.weight_tau == 0) return "";
  return "std::vector<double> drawn(classes, 0.0);\n"
         "for (std::size_t i = 0; i < mass.size(); ++i) drawn[i % classes] += mass[i];\n"
         "const equipoise::ClassCounts drawn_counts(drawn);\n";
}

std::string sampler_code(const QaStrategy& strategy, bool has_groups) {
  if (strategy.languages == LanguageMix::kNatural) return "";
  if (!has_groups) return class_sampler_code(strategy.class_tau);
  return absl::StrCat(mass_code(strategy),
                      "const std::vector<std::int32_t> cells =\n"
                      "    equipoise::sampling::cell_labels(labels, groups, languages, classes);\n",
                      batch_sampler_code("cells"), drawn_code(strategy));
}

std::string count_code(bool has_groups) {
  if (!has_groups) {
    return "const equipoise::ClassCounts counts = equipoise::count_labels(labels, classes);\n";
  }
  return "// groups: the language of each row, as a number.\n"
         "const equipoise::GroupedCounts table =\n"
         "    equipoise::count_grouped(labels, groups, languages, classes);\n"
         "const equipoise::ClassCounts counts = table.total();\n";
}

std::string loss_code(const QaStrategy& strategy) {
  std::string weights;
  if (strategy.weight_tau != 0) {
    const bool is_natural = strategy.languages == LanguageMix::kNatural;
    weights = power_weights_code(strategy.weight_tau, "", is_natural ? "counts" : "drawn_counts");
  }
  std::string code =
      softmax_code({strategy.focal ? "equipoise::Focal" : "", weights, strategy.adjustment_tau});
  if (strategy.group_adjustment_tau != 0) {
    absl::StrAppend(&code,
                    "loss.group_logit_terms = equipoise::group_logit_terms(\n"
                    "    table, equipoise::LogitAdjustment{",
                    strategy.group_adjustment_tau, "}, 1);\n");
  }
  return code;
}

}  // namespace

std::string qa_code(const QaTask& task, const Outcome& outcome) {
  const std::vector<QaStrategy> all = all_qa_strategies(task.name);
  const QaStrategy& strategy = *std::find_if(all.begin(), all.end(), [&](const QaStrategy& each) {
    return each.name == outcome.strategy;
  });
  const bool has_groups = task.languages.size() > 1 || !is_for_one_language(strategy);
  std::string code =
      absl::StrCat(count_code(has_groups), sampler_code(strategy, has_groups), loss_code(strategy));
  if (strategy.posthoc) absl::StrAppend(&code, posthoc_code(outcome.runs.front().choice));
  if (task.selects_sentences()) {
    absl::StrAppend(
        &code,
        "// After training, on validation: the threshold of the logits' difference.\n"
        "const auto f1 = [](const equipoise::metrics::BinaryCounts& c) { return c.f1(); };\n"
        "const auto chosen = equipoise::calibrate::choose_threshold(scores, targets, f1);\n");
  }
  return code;
}

}  // namespace equipoise::demos
