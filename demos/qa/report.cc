// What the demo prints and reports: tables, pictures, and the code of the best strategy.
#include "demos/common/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/advice.h"
#include "demos/common/charts.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/text_table.h"
#include "demos/qa/task.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

// Labels of metrics with their rows, the largest in training first.
struct LabelSizes {
  std::vector<std::string> labels{};
  std::vector<double> train{};
  std::vector<double> test{};
};

std::vector<double> rows_by(const std::vector<std::int64_t>& labels, std::size_t size) {
  std::vector<double> rows(size, 0.0);
  for (const std::int64_t label : labels) rows[static_cast<std::size_t>(label)] += 1;
  return rows;
}

LabelSizes class_sizes(const QaTask& task) {
  const ClassCounts train = task.class_counts();
  const std::vector<std::size_t> order = by_falling(train.values());
  return {in_order(order, task.classes), in_order(order, train.values()),
          in_order(order, rows_by(task.test.targets, task.classes.size()))};
}

// The languages that have a metric on test.
LabelSizes language_sizes(const QaTask& task) {
  const std::vector<double> test = rows_by(task.test.groups, task.languages.size());
  LabelSizes sizes;
  for (const std::size_t g : languages_by_size(task)) {
    if (test[g] == 0) continue;
    sizes.labels.push_back(language_label(task.languages[g]));
    sizes.train.push_back(task.counts.group(g).total());
    sizes.test.push_back(test[g]);
  }
  return sizes;
}

std::vector<Column> strategy_columns(const QaTask& task) {
  if (task.selects_sentences()) {
    return {{"F1", "positive_f1"},
            {"precision", "precision", "positive"},
            {"recall", "recall", "positive"},
            {"F1 at 1/2", "positive_f1_half"},
            {"F1, several", "positive_f1_several"},
            {"MRR", "mrr"},
            {"avg. precision", "average_precision"}};
  }
  const std::string rarest = class_sizes(task).labels.back();
  return {{"accuracy", "accuracy"},
          {"macro-F1", "macro_f1"},
          {"balanced acc.", "balanced_accuracy"},
          {rarest + " precision", "precision", rarest},
          {rarest + " recall", "recall", rarest},
          {rarest + " F1", "f1", rarest}};
}

// What is worth an interval over seeds.
std::vector<Column> seed_columns(const QaTask& task) {
  if (task.selects_sentences()) {
    return {{"F1", "positive_f1"},
            {"MRR", "mrr"},
            {"F1, mean of languages", "language_f1"},
            {"worst language", "worst_language_f1"}};
  }
  std::vector<Column> columns = {{"macro-F1", "macro_f1"}};
  for (const std::string& name : class_sizes(task).labels) {
    columns.push_back({name + " F1", "f1", name});
  }
  if (task.languages.size() > 1) columns.push_back({"worst language", "worst_language_f1"});
  return columns;
}

// The metric of a language by which it fares better or worse.
std::string language_metric(const QaTask& task) {
  return task.selects_sentences() ? "f1" : "macro_f1";
}

// The languages with the lowest metric in most seeds.
std::string worst_languages(const QaTask& task, const Outcome& outcome) {
  const std::vector<bool> comparable = comparable_languages(task, task.test);
  std::vector<std::size_t> languages = languages_by_size(task);
  std::erase_if(languages, [&](std::size_t g) { return !comparable[g]; });
  std::vector<std::size_t> times(task.languages.size(), 0);
  for (const Run& run : outcome.runs) {
    const Outcome alone{outcome.strategy, {run}};
    const auto value = [&](std::size_t g) {
      return mean_on_test(alone, language_metric(task), language_label(task.languages[g]));
    };
    ++times[*std::ranges::min_element(languages, {}, value)];
  }
  const std::size_t most = *std::ranges::max_element(times);
  std::vector<std::string> names;
  for (std::size_t g = 0; g < times.size(); ++g) {
    if (times[g] == most) names.push_back(task.languages[g]);
  }
  return absl::StrJoin(names, ", ");
}

std::string language_table(const QaTask& task, const Results& results) {
  const bool selects = task.selects_sentences();
  std::vector<std::string> header = {
      "strategy", "validation worst",        "mean of languages", "worst",
      "which",    "gain in the worst [95 %]"};
  if (selects) header.insert(header.end(), {"mean MRR", "worst MRR"});
  TextTable table(header);
  for (const Outcome& outcome : results.outcomes) {
    const auto on_test = [&](const char* metric) {
      return value_text(mean_on_test(outcome, metric));
    };
    const bool is_best = &outcome == &results.outcomes[results.best];
    std::vector<std::string> row = {is_best ? "**" + outcome.strategy + "**" : outcome.strategy,
                                    value_text(mean_on_validation(outcome, "worst_language_f1")),
                                    on_test("language_f1"),
                                    on_test("worst_language_f1"),
                                    worst_languages(task, outcome),
                                    interval_text(outcome.second_gain)};
    if (selects) row.insert(row.end(), {on_test("language_mrr"), on_test("worst_language_mrr")});
    table.add_row(row);
  }
  return table.to_string();
}

std::string size_table(const QaTask& task, const char* what, const LabelSizes& sizes,
                       const std::vector<Column>& metrics, const ExperimentOptions& options,
                       const Results& results) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < sizes.labels.size(); ++i) {
    if (task.selects_sentences() && sizes.labels[i] == "other") continue;  // it has no metrics
    rows.push_back({sizes.labels[i], absl::StrCat(sizes.train[i]), absl::StrCat(sizes.test[i])});
  }
  return label_table(results, options, {what, "training rows", "test rows"}, rows, metrics);
}

DotChart mix_chart(const QaTask& task) {
  const std::vector<std::size_t> order = languages_by_size(task);
  DotChart chart{.title = "Fraction of the rows drawn, per language",
                 .value_axis = "fraction of rows",
                 .categories = in_order(order, task.languages)};
  for (const auto& [name, title] : {std::pair("none", "natural"), std::pair("mix_0.3", "mix_0.3"),
                                    std::pair("unimax", "unimax")}) {
    const std::vector<double> shares =
        language_shares(drawn_cells(strategy_named(name), task.counts), task.classes.size());
    chart.series.push_back({title, in_order(order, shares)});
  }
  return chart;
}

// A metric per label of some outcomes.
DotChart score_chart(const std::string& axis, const std::string& label, const std::string& metric,
                     const LabelSizes& sizes, const std::vector<const Outcome*>& outcomes) {
  DotChart chart = score_dots(absl::StrCat(axis, " per ", label, " on test data"), metric,
                              sizes.labels, outcomes);
  chart.value_axis = axis;
  chart.counts = sizes.test;
  return chart;
}

// Before and after, and, where it is neither, with languages drawn alike.
DotChart language_score_chart(const QaTask& task, const ExperimentOptions& options,
                              const Results& results) {
  std::vector<const Outcome*> outcomes = compared(results, options);
  const Outcome* const uniform = find_outcome(results, "uniform");
  if (uniform != nullptr && uniform != outcomes.back()) outcomes.push_back(uniform);
  DotChart chart = score_chart(task.selects_sentences() ? "F1" : "Macro-F1", "language",
                               language_metric(task), language_sizes(task), outcomes);
  chart.count_name = "rows";
  for (std::string& category : chart.categories) category.erase(0, language_label("").size());
  return chart;
}

std::string sampler_code(const QaStrategy& strategy, bool has_groups) {
  if (!strategy.mix.cells) return "";
  if (!has_groups) return class_sampler_code(strategy.class_tau);
  // Class weights are by what is drawn.
  const char* const drawn =
      "std::vector<double> drawn(classes, 0.0);\n"
      "for (std::size_t i = 0; i < mass.size(); ++i) drawn[i % classes] += mass[i];\n"
      "const equipoise::ClassCounts drawn_counts(drawn);\n";
  return absl::StrCat(strategy.mix.code,
                      "const std::vector<std::int32_t> cells =\n"
                      "    equipoise::sampling::cell_labels(labels, groups, languages, classes);\n",
                      batch_sampler_code("cells"), strategy.weight_tau != 0 ? drawn : "");
}

std::string loss_code(const QaStrategy& strategy) {
  std::string weights;
  if (strategy.weight_tau != 0) {
    weights =
        power_weights_code(strategy.weight_tau, "", strategy.mix.cells ? "drawn_counts" : "counts");
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
  const QaStrategy strategy = strategy_named(outcome.strategy);
  const bool has_groups = task.languages.size() > 1 || !is_for_one_language(strategy);
  const char* const count =
      has_groups ? "// groups: the language of each row, as a number.\n"
                   "const equipoise::GroupedCounts table =\n"
                   "    equipoise::count_grouped(labels, groups, languages, classes);\n"
                   "const equipoise::ClassCounts counts = table.total();\n"
                 : "const equipoise::ClassCounts counts = equipoise::count_labels(labels, "
                   "classes);\n";
  std::string code = absl::StrCat(count, sampler_code(strategy, has_groups), loss_code(strategy));
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

std::string QaTask::preview(const std::vector<std::string>& strategies) const {
  const std::vector<std::size_t> by_size = languages_by_size(*this);
  const std::size_t width = classes.size();
  const std::size_t rarest = by_falling(class_counts().values()).back();
  const bool has_languages = languages.size() > 1;
  std::vector<std::string> header = {"strategy"};
  if (has_languages) {
    header.insert(header.end(), {"draws of " + languages[by_size.front()],
                                 "of " + languages[by_size.back()], "of " + classes[rarest]});
  } else {
    header.push_back("draws of " + classes[rarest]);
  }
  header.insert(header.end(), {"a row at most", "weight of " + classes[rarest], "logit terms"});
  TextTable table(header);
  for (const std::string& name_of_strategy : strategies) {
    const QaStrategy strategy = strategy_named(name_of_strategy);
    const std::vector<double> cells = drawn_cells(strategy, counts);
    const std::vector<double> weights = loss_weights(strategy, counts);
    const double rows = class_counts().total();
    double most = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (cells[i] > 0) most = std::max(most, cells[i] * rows / counts.group(i / width)[i % width]);
    }
    const auto percent = [](double share) { return absl::StrFormat("%.1f %%", 100 * share); };
    std::vector<std::string> row = {strategy.name};
    if (has_languages) {
      const std::vector<double> shares = language_shares(cells, width);
      row.insert(row.end(), {percent(shares[by_size.front()]), percent(shares[by_size.back()])});
    }
    std::string terms;
    if (strategy.adjustment_tau != 0) terms = absl::StrFormat("%.2f", strategy.adjustment_tau);
    if (strategy.group_adjustment_tau != 0) {
      terms = absl::StrFormat("%.2f by language", strategy.group_adjustment_tau);
    }
    row.insert(row.end(),
               {percent(class_shares(cells, width)[rarest]), absl::StrFormat("%.1f times", most),
                absl::StrFormat("%.2f", weights.empty() ? 1.0 : weights[rarest]), terms});
    table.add_row(row);
  }
  return absl::StrCat(
      "Before training: the share of draws that ",
      has_languages ? "the largest and the smallest language and the rarest class have,\n"
                    : "the rarest class has, ",
      "how often an epoch draws a row at most, and what the loss does.\n\n", table.to_string());
}

std::string QaTask::summary(const ExperimentOptions& options, const Results& results) const {
  const Outcome& best = results.outcomes[results.best];
  const bool selects = selects_sentences();
  const bool has_languages = languages.size() > 1;
  std::string text = absl::StrCat(
      "Test questions, ", mean_text(results), "; epoch, ", selects ? "threshold" : "tau",
      " and the best strategy (**", best.strategy, "**) are chosen on validation.",
      selects
          ? " Metrics are of\nsentences that hold an answer. F1 at 1/2: without a threshold. F1, "
            "several: of questions with several sentences.\nMRR: mean reciprocal rank of the "
            "best such sentence."
          : "",
      "\n", explain_gains(results, options, selects ? "facts of test questions" : "test questions"),
      "\n\n", strategy_table(results, options, strategy_columns(*this)), "\n",
      gain_over_posthoc(results, options));
  if (has_languages) {
    absl::StrAppend(&text, "By language, ",
                    selects ? "F1: the mean of all languages, and the worst of them"
                            : "macro-F1 over the types that it has: the mean of all languages, and "
                              "the worst of those that\nhave every type in the part at hand",
                    "; which: the worst in most seeds.\n\n", language_table(*this, results), "\n");
  }
  if (best.runs.size() > 1) {
    absl::StrAppend(&text, "Over seeds, the mean and its 95 % interval by Student's t:\n\n",
                    seed_table(results, seed_columns(*this)), "\n");
  }
  absl::StrAppend(&text, "Each class on test:\n\n",
                  size_table(*this, "class", class_sizes(*this),
                             {{"precision", "precision"}, {"recall", "recall"}, {"F1", "f1"}},
                             options, results));
  if (has_languages) {
    std::vector<Column> metrics = {{"F1", "f1"}, {"MRR", "mrr"}};
    if (!selects) metrics = {{"accuracy", "accuracy"}, {"macro-F1", "macro_f1"}};
    absl::StrAppend(
        &text, "\nEach language on test:\n\n",
        size_table(*this, "language", language_sizes(*this), metrics, options, results));
  }
  return absl::StrCat(
      text,
      "\nProbabilities on test, as they are and with the temperature and biases that fit "
      "validation best:\n\n",
      calibration_table(results, {.metrics = {"ece_", "nll_"}, .has_posthoc = true}), "\n",
      advice(results, options,
             cost_in_calibration(results, options, "a temperature and biases have"),
             qa_code(*this, best)));
}

NamedPlots QaTask::plots(const ExperimentOptions& options, const Results& results) const {
  const Outcome& best = results.outcomes[results.best];
  const LabelSizes sizes = class_sizes(*this);
  const std::vector<std::size_t> order = by_falling(class_counts().values());
  const auto weights = [&](double tau) {
    return in_order(order, class_weights(class_counts(), PowerWeights{tau}));
  };
  const char* const title = selects_sentences() ? "Reliability of the positive class on test data"
                                                : "Reliability of the top answer type on test data";
  NamedPlots plots = {
      {"classes.png", bars({"Training rows per class", "rows", sizes.labels, sizes.train})},
      {"weights.png", dots(weight_chart("Class weights", sizes.labels, weights))},
      {"reliability.png", reliability(reliability_lines(title, best, {"raw", "fitted"}))}};
  if (languages.size() > 1) {
    const std::vector<std::size_t> by_size = languages_by_size(*this);
    BarChart chart{"Training rows per language", "rows", in_order(by_size, languages)};
    for (const std::size_t g : by_size) chart.counts.push_back(counts.group(g).total());
    plots.emplace_back("languages.png", bars(chart));
    plots.emplace_back("mixes.png", dots(mix_chart(*this)));
    plots.emplace_back("language_scores.png", dots(language_score_chart(*this, options, results)));
  }
  if (!selects_sentences()) {
    DotChart scores = score_chart("F1", "answer type", "f1", sizes, compared(results, options));
    scores.count_name = "questions";
    plots.emplace_back("class_scores.png", dots(scores));
    plots.emplace_back("confusion.png",
                       heat_map(confusion_map("Predicted types on test data, % of each true type",
                                              classes, order, best)));
  }
  return plots;
}

}  // namespace equipoise::demos
