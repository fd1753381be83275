// What the demo prints and reports: tables, pictures, and the code of the best strategy.
#include "demos/common/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "demos/common/advice.h"
#include "demos/common/charts.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/reliability.h"
#include "demos/common/text_table.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

std::string share_text(const Outcome& outcome) {
  if (!has_metric(outcome.runs.front(), "realised_share")) return "";
  const auto of_first_seed = [&](const char* metric) {
    return mean_on_test({outcome.strategy, {outcome.runs.front()}}, metric);
  };
  return absl::StrFormat("%.2f [%.2f, %.2f]", of_first_seed("realised_share"),
                         of_first_seed("realised_share_lower"),
                         of_first_seed("realised_share_upper"));
}

std::string calibration_text(const Results& results) {
  return calibration_table(
      results, {.ways = {"raw", "nominal", "fitted"},
                .more_titles = {"T", "realised share [95 %]", "macro-F1 at the rule"},
                .more = [](const Outcome& outcome) -> std::vector<std::string> {
                  return {absl::StrFormat("%.2f", mean_on_test(outcome, "temperature")),
                          share_text(outcome), value_text(mean_on_test(outcome, "rule_macro_f1"))};
                }});
}

// How many test rows have each class.
std::vector<double> test_counts(const TextTask& task) {
  const std::size_t classes = task.classes.size();
  std::vector<double> counts(classes, 0.0);
  for (std::size_t i = 0; i < task.test.targets.size(); ++i) {
    if (task.test.labels > 0) {
      counts[i % classes] += static_cast<double>(task.test.targets[i]);
    } else {
      counts[static_cast<std::size_t>(task.test.targets[i])] += 1;
    }
  }
  return counts;
}

std::string class_table(const TextTask& task, const ExperimentOptions& options,
                        const Results& results) {
  const std::vector<double> in_test = test_counts(task);
  std::vector<std::vector<std::string>> rows;
  for (const std::size_t c : by_falling(task.counts.values())) {
    rows.push_back({task.classes[c], absl::StrCat(task.counts[c]), absl::StrCat(in_test[c])});
  }
  return label_table(results, options, {"class", "training rows", "test rows"}, rows,
                     {{"precision", "precision"}, {"recall", "recall"}, {"F1", "f1"}});
}

NamedPlots class_plots(const TextTask& task, const ExperimentOptions& options,
                       const Results& results) {
  const bool several = task.train.labels > 0;
  const std::vector<std::size_t> order = by_falling(task.counts.values());
  const std::vector<std::string> names = in_order(order, task.classes);
  const std::vector<double> tested = in_order(order, test_counts(task));
  const std::vector<const Outcome*> outcomes = compared(results, options);
  const auto weights = [&](double tau) {
    return in_order(order, several ? pos_weight(task.counts, static_cast<double>(task.train.rows()),
                                                {.exponent = tau})
                                   : class_weights(task.counts, PowerWeights{tau}));
  };
  DotChart scores =
      score_dots(several ? "F1 per label on test data" : "Recall per class on test data",
                 several ? "f1" : "recall", names, outcomes);
  scores.count_name = "test rows";
  scores.counts = tested;
  return {
      {"counts.png",
       bars({"Training rows per class", "rows", names, in_order(order, task.counts.values())})},
      {"weights.png", dots(weight_chart(several ? "Weights of positives"
                                                : "Class weights, mean one over the training rows",
                                        names, weights))},
      {several ? "f1.png" : "recall.png", dots(scores)},
      {"precision_recall.png",
       precision_recall(precision_recall_panels(
           "Precision and recall of the smallest classes on test data", names, tested,
           static_cast<double>(task.test.rows()), outcomes))}};
}

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

std::string code_of(const TextTask& task, const Outcome& outcome) {
  if (task.train.labels > 0) return several_labels_code(outcome.strategy);
  return one_label_code(strategy_named(outcome.strategy), outcome.runs.front().choice);
}

std::string OneLabelTask::preview(const std::vector<std::string>& strategies) const {
  const std::vector<std::size_t> order = by_falling(counts.values());
  const std::size_t largest = order.front();
  const std::size_t smallest = order.back();
  TextTable table({"strategy", "sampler", "weights", "logit terms", "total",
                   absl::StrCat("prior of ", classes[largest]),
                   absl::StrCat("prior of ", classes[smallest]), "effective rows", ""});
  for (const std::string& strategy : strategies) {
    const Ledger entries = ledger(make_plan(strategy_named(strategy), counts));
    const auto strength = [](double value) { return absl::StrFormat("%.2f", value + 0.0); };
    table.add_row({strategy, strength(entries.strength.sampler), strength(entries.strength.weights),
                   strength(entries.strength.logit_terms), strength(entries.strength.total()),
                   absl::StrFormat("%.4f", entries.effective[largest]),
                   absl::StrFormat("%.4f", entries.effective[smallest]),
                   absl::StrFormat("%.0f", entries.effective_sample_size),
                   entries.corrects_twice() ? "corrects twice" : ""});
  }
  return absl::StrCat(
      "Before training, by the ledger (nominal): how much each part corrects, 1 being balanced "
      "classes;\nthe prior that the logits will carry; what the rows are worth.\n\n",
      table.to_string());
}

std::string OneLabelTask::summary(const ExperimentOptions& options, const Results& results) const {
  const Outcome& best = results.outcomes[results.best];
  const auto name_of = [&](std::string* out, std::size_t c) { *out += classes[c]; };
  const std::vector<std::size_t> rare = rare_classes(counts);
  const std::vector<Column> columns = {{"accuracy", "accuracy"},
                                       {"macro-F1", "macro_f1"},
                                       {"balanced acc.", "balanced_accuracy"},
                                       {"rare recall", "rare_recall"},
                                       {"rare precision", "rare_precision"}};
  return absl::StrCat(
      "Test rows, ", mean_text(results), "; epoch, tau and the best strategy (**", best.strategy,
      "**) are chosen on validation. Rare: ", absl::StrJoin(rare, ", ", name_of), ".\n",
      explain_gains(results, options, "test rows"), "\n\n",
      strategy_table(results, options, columns), "\n", gain_over_posthoc(results, options),
      "Probabilities on test: as they are; with the treatment undone as the ledger has it "
      "(nominal; margins have nothing to undo); with the\ntemperature T and the share of the "
      "ledger's offset that fit validation "
      "best, which the first seed's share says (fitted).\nThe rule: argmax of the fitted log p - "
      "tau log prior, tau chosen on validation.\n\n",
      calibration_text(results), "\nEach class on test:\n\n", class_table(*this, options, results),
      "\n",
      advice(results, options, cost_in_calibration(results, options, "posterior() has"),
             code_of(*this, best)));
}

NamedPlots OneLabelTask::plots(const ExperimentOptions& options, const Results& results) const {
  const Outcome& last = *compared(results, options).back();
  NamedPlots plots = class_plots(*this, options, results);
  plots.emplace_back("reliability.png",
                     reliability(reliability_lines("Reliability of the top label on test data",
                                                   last, {"raw", "fitted"})));
  plots.emplace_back("confusion.png",
                     heat_map(confusion_map("Predictions on test data, % of each true class",
                                            classes, by_falling(counts.values()), last)));
  return plots;
}

std::string ManyLabelsTask::summary(const ExperimentOptions& options,
                                    const Results& results) const {
  const Outcome& best = results.outcomes[results.best];
  const std::vector<Column> columns = {{"macro-F1", "macro_f1"},
                                       {"micro-F1", "micro_f1"},
                                       {"macro-F1, shared", "macro_f1_shared"},
                                       {"micro-F1, shared", "micro_f1_shared"},
                                       {"macro-F1, half", "macro_f1_half"},
                                       {"micro-F1, half", "micro_f1_half"},
                                       {"macro AP", "macro_average_precision"}};
  return absl::StrCat(
      "Test rows, ", mean_text(results), "; epoch, thresholds and the best loss (**", best.strategy,
      "**) are chosen on validation. Thresholds: each label's\nown, one shared by all, a half. "
      "AP: average precision.\n",
      explain_gains(results, options, "test rows"), "\n\n",
      strategy_table(results, options, columns), "\nEach label on test, at its own threshold:\n\n",
      class_table(*this, options, results), "\n",
      advice(results, options, "", code_of(*this, best)));
}

NamedPlots ManyLabelsTask::plots(const ExperimentOptions& options, const Results& results) const {
  return class_plots(*this, options, results);
}

}  // namespace equipoise::demos
