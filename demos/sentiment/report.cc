#include "demos/sentiment/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/charts.h"
#include "demos/common/files.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/reliability.h"
#include "demos/common/text_table.h"
#include "demos/sentiment/advice.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

bool has_several_labels(const Task& task) { return task.train.labels > 0; }

// Of outcomes whose probabilities are their own; a post-hoc correction has those of `none`, whose
// model it is but for the epoch.
bool is_trained(const Outcome& outcome) { return outcome.runs.front().choice.empty(); }

std::string share_text(const Outcome& outcome) {
  if (!has_figure(outcome.runs.front(), "realised_share")) return "";
  const auto of_first_seed = [&](const char* metric) {
    return mean_on_test({outcome.strategy, {outcome.runs.front()}}, metric);
  };
  return absl::StrFormat("%.2f [%.2f, %.2f]", of_first_seed("realised_share"),
                         of_first_seed("realised_share_lower"),
                         of_first_seed("realised_share_upper"));
}

std::string calibration_table(const Results& results) {
  TextTable table({"strategy", "ECE raw", "nominal", "fitted", "class-wise raw", "nominal",
                   "fitted", "NLL raw", "nominal", "fitted", "T", "realised share [95 %]",
                   "macro-F1 at the rule"});
  for (const Outcome& outcome : results.outcomes) {
    if (!is_trained(outcome)) continue;
    std::vector<std::string> row = {outcome.strategy};
    for (const char* metric : {"ece_", "class_wise_ece_", "nll_"}) {
      for (const char* way : {"raw", "nominal", "fitted"}) {
        row.push_back(figure_text(mean_on_test(outcome, absl::StrCat(metric, way))));
      }
    }
    row.push_back(absl::StrFormat("%.2f", mean_on_test(outcome, "temperature")));
    row.push_back(share_text(outcome));
    row.push_back(figure_text(mean_on_test(outcome, "rule_macro_f1")));
    table.add_row(row);
  }
  return table.to_string();
}

// How many test rows have a class.
std::vector<double> test_counts(const Task& task) {
  const std::size_t classes = task.classes.size();
  std::vector<double> counts(classes, 0.0);
  for (std::size_t i = 0; i < task.test.targets.size(); ++i) {
    if (has_several_labels(task)) {
      counts[i % classes] += static_cast<double>(task.test.targets[i]);
    } else {
      counts[static_cast<std::size_t>(task.test.targets[i])] += 1;
    }
  }
  return counts;
}

std::string class_table(const Task& task, const ExperimentOptions& options,
                        const Results& results) {
  const std::vector<std::string> header = {"class", "training rows", "test rows"};
  const std::vector<double> in_test = test_counts(task);
  std::vector<std::vector<std::string>> rows;
  for (const std::size_t c : classes_by_size(task.counts)) {
    rows.push_back({task.classes[c], absl::StrCat(task.counts[c]), absl::StrCat(in_test[c])});
  }
  const std::vector<Column> metrics = {
      {"precision", "precision"}, {"recall", "recall"}, {"F1", "f1"}};
  return label_table(results, options, header, rows, metrics);
}

std::vector<double> in_order(const std::vector<std::size_t>& order,
                             const std::function<double(std::size_t)>& value) {
  std::vector<double> values;
  values.reserve(order.size());
  for (const std::size_t c : order) values.push_back(value(c));
  return values;
}

DotChart weight_chart(const Task& task, const std::vector<std::size_t>& order,
                      const std::vector<std::string>& names) {
  DotChart chart{.title = "Class weights, mean one over the training rows",
                 .value_axis = "weight",
                 .categories = names,
                 .logarithmic = true};
  if (has_several_labels(task)) chart.title = "Weights of positives";
  for (const double tau : {0.5, 1.0}) {
    const std::vector<double> weights =
        has_several_labels(task)
            ? pos_weight(task.counts, static_cast<double>(task.train.rows()), {.exponent = tau})
            : class_weights(task.counts, PowerWeights{tau});
    chart.series.push_back(
        {absl::StrCat("tau = ", tau), in_order(order, [&](std::size_t c) { return weights[c]; })});
  }
  return chart;
}

std::vector<std::pair<std::string, Plot>> plots_of(const Task& task,
                                                   const ExperimentOptions& options,
                                                   const Results& results) {
  const std::vector<std::size_t> order = classes_by_size(task.counts);
  std::vector<std::string> names;
  names.reserve(order.size());
  for (const std::size_t c : order) names.push_back(task.classes[c]);
  const std::vector<double> all_tested = test_counts(task);
  const std::vector<double> tested = in_order(order, [&](std::size_t c) { return all_tested[c]; });
  const std::vector<const Outcome*> outcomes = compared(results, options);
  const bool several = has_several_labels(task);

  DotChart scores =
      score_dots(several ? "F1 per label on test data" : "Recall per class on test data",
                 several ? "f1" : "recall", names, outcomes);
  scores.count_name = "test rows";
  scores.counts = tested;
  std::vector<std::pair<std::string, Plot>> plots = {
      {"counts.png", bars({"Training rows per class", "rows", names,
                           in_order(order, [&](std::size_t c) { return task.counts[c]; })})},
      {"weights.png", dots(weight_chart(task, order, names))},
      {several ? "f1.png" : "recall.png", dots(scores)},
      {"precision_recall.png",
       precision_recall(precision_recall_panels(
           "Precision and recall of the smallest classes on test data", names, tested,
           static_cast<double>(task.test.rows()), outcomes))}};
  if (several) return plots;
  plots.emplace_back("reliability.png",
                     reliability(reliability_lines("Reliability of the top label on test data",
                                                   *outcomes.back(), {"raw", "fitted"})));
  plots.emplace_back("confusion.png",
                     heat_map(confusion_map("Predictions on test data, % of each true class",
                                            task.classes, order, *outcomes.back())));
  return plots;
}

std::string one_label_summary(const Task& task, const ExperimentOptions& options,
                              const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  const auto name_of = [&](std::string* out, std::size_t c) { *out += task.classes[c]; };
  const std::vector<std::size_t> rare = rare_classes(task.counts);
  const std::vector<Column> columns = {{"accuracy", "accuracy"},
                                       {"macro-F1", "macro_f1"},
                                       {"balanced acc.", "balanced_accuracy"},
                                       {"rare recall", "rare_recall"},
                                       {"rare precision", "rare_precision"}};
  const std::size_t seeds = best.runs.size();
  return absl::StrCat(
      "Test rows, mean over ", seeds, seeds == 1 ? " seed" : " seeds",
      "; epoch, tau and the best strategy (**", best.strategy,
      "**) are chosen on validation. Rare: ", absl::StrJoin(rare, ", ", name_of), ".\n",
      explain_gains(results, options, "test rows"), "\n\n",
      strategy_table(results, options, columns), "\n", gain_over_posthoc(results, options),
      "Probabilities on test: as they are; with the treatment undone as the ledger has it "
      "(nominal; margins have nothing to undo); with the\ntemperature T and the share of the "
      "ledger's offset that fit validation "
      "best, which the first seed's share says (fitted).\nThe rule: argmax of the fitted log p - "
      "tau log prior, tau chosen on validation.\n\n",
      calibration_table(results), "\nEach class on test:\n\n", class_table(task, options, results));
}

std::string multilabel_summary(const Task& task, const ExperimentOptions& options,
                               const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  const std::vector<Column> columns = {{"macro-F1", "macro_f1"},
                                       {"micro-F1", "micro_f1"},
                                       {"macro-F1, shared", "macro_f1_shared"},
                                       {"micro-F1, shared", "micro_f1_shared"},
                                       {"macro-F1, half", "macro_f1_half"},
                                       {"micro-F1, half", "micro_f1_half"},
                                       {"macro AP", "macro_average_precision"}};
  const std::size_t seeds = best.runs.size();
  return absl::StrCat(
      "Test rows, mean over ", seeds, seeds == 1 ? " seed" : " seeds",
      "; epoch, thresholds and the best loss (**", best.strategy,
      "**) are chosen on validation. Thresholds: each label's\nown, one shared by all, a half. "
      "AP: average precision.\n",
      explain_gains(results, options, "test rows"), "\n\n",
      strategy_table(results, options, columns), "\nEach label on test, at its own threshold:\n\n",
      class_table(task, options, results));
}

}  // namespace

std::string ledger_table(const Task& task, const std::vector<Strategy>& strategies) {
  const std::vector<std::size_t> order = classes_by_size(task.counts);
  const std::size_t largest = order.front();
  const std::size_t smallest = order.back();
  TextTable table({"strategy", "sampler", "weights", "logit terms", "total",
                   absl::StrCat("prior of ", task.classes[largest]),
                   absl::StrCat("prior of ", task.classes[smallest]), "effective rows", ""});
  for (const Strategy& strategy : strategies) {
    const Ledger entries = ledger(make_plan(strategy, task.counts));
    const auto strength = [](double value) { return absl::StrFormat("%.2f", value + 0.0); };
    table.add_row({strategy.name, strength(entries.strength.sampler),
                   strength(entries.strength.weights), strength(entries.strength.logit_terms),
                   strength(entries.strength.total()),
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

std::string summary(const Task& task, const ExperimentOptions& options, const Results& results) {
  return (has_several_labels(task) ? multilabel_summary(task, options, results)
                                   : one_label_summary(task, options, results)) +
         advice(task, options, results);
}

std::string write_report(const std::string& header, const Task& task,
                         const ExperimentOptions& options, const Results& results,
                         const std::filesystem::path& directory) {
  make_directory(directory);
  write_file(directory / "results.csv", results_csv(results));
  write_file(directory / "summary.md", header + "\n\n" + summary(task, options, results));
  return draw_report(plots_of(task, options, results), directory);
}

}  // namespace equipoise::demos
