#include "demos/qa/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "demos/common/advice.h"
#include "demos/common/charts.h"
#include "demos/common/files.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/reliability.h"
#include "demos/common/text_table.h"
#include "demos/qa/advice.h"
#include "demos/qa/scores.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

template <class F>
std::vector<double> in_order(const std::vector<std::size_t>& order, const F& value) {
  std::vector<double> values;
  values.reserve(order.size());
  for (const std::size_t i : order) values.push_back(value(i));
  return values;
}

std::vector<std::string> names_in(const std::vector<std::size_t>& order,
                                  const std::vector<std::string>& names) {
  std::vector<std::string> result;
  result.reserve(order.size());
  for (const std::size_t i : order) result.push_back(names[i]);
  return result;
}

// Rows of test by class and by language.
std::vector<double> test_rows_by(const std::vector<std::int64_t>& labels, std::size_t size) {
  std::vector<double> counts(size, 0.0);
  for (const std::int64_t label : labels) counts[static_cast<std::size_t>(label)] += 1;
  return counts;
}

// The languages that have a figure on test, the largest first.
std::vector<std::size_t> tested_languages(const QaTask& task) {
  const std::vector<double> rows = test_rows_by(task.test.groups, task.languages.size());
  std::vector<std::size_t> order = languages_by_size(task);
  std::erase_if(order, [&](std::size_t g) { return rows[g] == 0; });
  return order;
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
  const std::string rarest = task.classes[classes_by_size(task).back()];
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
  for (const std::size_t c : classes_by_size(task)) {
    columns.push_back({task.classes[c] + " F1", "f1", task.classes[c]});
  }
  if (task.languages.size() > 1) columns.push_back({"worst language", "worst_language_f1"});
  return columns;
}

// The metric of a language by which it fares better or worse.
std::string language_metric(const QaTask& task) {
  return task.selects_sentences() ? "f1" : "macro_f1";
}

// A figure of a language on test.
double figure_of(const Run& run, const std::string& metric, const std::string& language) {
  const std::string label = language_label(language);
  const auto found = std::find_if(run.test.begin(), run.test.end(), [&](const Figure& figure) {
    return figure.metric == metric && figure.label == label;
  });
  return found == run.test.end() ? std::nan("") : found->value;
}

// The language with the lowest figure in most seeds, or those.
std::string worst_languages(const QaTask& task, const Outcome& outcome) {
  const std::vector<bool> comparable = comparable_languages(task, task.test);
  std::vector<std::size_t> times(task.languages.size(), 0);
  for (const Run& run : outcome.runs) {
    std::size_t worst = task.languages.size();
    double least = 0;
    for (const std::size_t g : tested_languages(task)) {
      if (!comparable[g]) continue;
      const double value = figure_of(run, language_metric(task), task.languages[g]);
      if (worst < task.languages.size() && value >= least) continue;
      worst = g;
      least = value;
    }
    if (worst < task.languages.size()) ++times[worst];
  }
  const std::size_t most = *std::max_element(times.begin(), times.end());
  std::vector<std::string> names;
  for (std::size_t g = 0; g < times.size() && most > 0; ++g) {
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
  for (std::size_t i = 0; i < results.outcomes.size(); ++i) {
    const Outcome& outcome = results.outcomes[i];
    std::vector<std::string> row = {
        i == results.best ? "**" + outcome.strategy + "**" : outcome.strategy,
        figure_text(mean_on_validation(outcome, "worst_language_f1")),
        figure_text(mean_on_test(outcome, "language_f1")),
        figure_text(mean_on_test(outcome, "worst_language_f1")),
        worst_languages(task, outcome),
        interval_text(outcome.second_gain)};
    if (selects) {
      row.push_back(figure_text(mean_on_test(outcome, "language_mrr")));
      row.push_back(figure_text(mean_on_test(outcome, "worst_language_mrr")));
    }
    table.add_row(row);
  }
  return table.to_string();
}

std::string class_table(const QaTask& task, const ExperimentOptions& options,
                        const Results& results) {
  const std::vector<std::string> header = {"class", "training rows", "test rows"};
  const ClassCounts counts = task.class_counts();
  const std::vector<double> in_test = test_rows_by(task.test.targets, task.classes.size());
  std::vector<std::vector<std::string>> rows;
  for (const std::size_t c : classes_by_size(task)) {
    if (task.selects_sentences() && task.classes[c] != "positive") continue;
    rows.push_back({task.classes[c], absl::StrCat(counts[c]), absl::StrCat(in_test[c])});
  }
  const std::vector<Column> metrics = {
      {"precision", "precision"}, {"recall", "recall"}, {"F1", "f1"}};
  return label_table(results, options, header, rows, metrics);
}

std::string each_language_table(const QaTask& task, const ExperimentOptions& options,
                                const Results& results) {
  const std::vector<std::string> header = {"language", "training rows", "test rows"};
  const std::vector<double> in_test = test_rows_by(task.test.groups, task.languages.size());
  std::vector<std::vector<std::string>> rows;
  for (const std::size_t g : tested_languages(task)) {
    rows.push_back({language_label(task.languages[g]), absl::StrCat(task.counts.group(g).total()),
                    absl::StrCat(in_test[g])});
  }
  std::vector<Column> metrics = {{"F1", "f1"}, {"MRR", "mrr"}};
  if (!task.selects_sentences()) metrics = {{"accuracy", "accuracy"}, {"macro-F1", "macro_f1"}};
  return label_table(results, options, header, rows, metrics);
}

std::string calibration_table(const Results& results) {
  TextTable table({"strategy", "ECE raw", "fitted", "NLL raw", "fitted"});
  for (const Outcome& outcome : results.outcomes) {
    std::vector<std::string> row = {outcome.strategy};
    for (const char* metric : {"ece_raw", "ece_fitted", "nll_raw", "nll_fitted"}) {
      row.push_back(figure_text(mean_on_test(outcome, metric)));
    }
    table.add_row(row);
  }
  return table.to_string();
}

BarChart class_chart(const QaTask& task) {
  const std::vector<std::size_t> order = classes_by_size(task);
  const ClassCounts counts = task.class_counts();
  return {"Training rows per class", "rows", names_in(order, task.classes),
          in_order(order, [&](std::size_t c) { return counts[c]; })};
}

BarChart language_chart(const QaTask& task) {
  const std::vector<std::size_t> order = languages_by_size(task);
  return {"Training rows per language", "rows", names_in(order, task.languages),
          in_order(order, [&](std::size_t g) { return task.counts.group(g).total(); })};
}

const QaStrategy& named(const std::vector<QaStrategy>& strategies, const std::string& name) {
  return *std::find_if(strategies.begin(), strategies.end(),
                       [&](const QaStrategy& strategy) { return strategy.name == name; });
}

DotChart mix_chart(const QaTask& task) {
  const std::vector<std::size_t> order = languages_by_size(task);
  const std::vector<QaStrategy> strategies = all_qa_strategies(task.name);
  DotChart chart{.title = "Fraction of the rows drawn, per language",
                 .value_axis = "fraction of rows",
                 .categories = names_in(order, task.languages)};
  for (const char* name : {"none", "mix_0.3", "unimax"}) {
    const std::vector<double> shares =
        language_shares(drawn_cells(named(strategies, name), task.counts), task.classes.size());
    chart.series.push_back({std::string(name) == "none" ? "natural" : name,
                            in_order(order, [&](std::size_t g) { return shares[g]; })});
  }
  return chart;
}

DotChart weight_chart(const QaTask& task) {
  const std::vector<std::size_t> order = classes_by_size(task);
  DotChart chart{.title = "Class weights",
                 .value_axis = "weight",
                 .categories = names_in(order, task.classes),
                 .logarithmic = true};
  for (const double tau : {0.5, 1.0}) {
    const std::vector<double> weights = class_weights(task.class_counts(), PowerWeights{tau});
    chart.series.push_back(
        {absl::StrCat("tau = ", tau), in_order(order, [&](std::size_t c) { return weights[c]; })});
  }
  return chart;
}

// A metric per class, before and after.
DotChart class_score_chart(const QaTask& task, const ExperimentOptions& options,
                           const Results& results) {
  const std::vector<std::size_t> order = classes_by_size(task);
  const std::vector<double> rows = test_rows_by(task.test.targets, task.classes.size());
  DotChart chart = score_dots("F1 per answer type on test data", "f1",
                              names_in(order, task.classes), compared(results, options));
  chart.value_axis = "F1";
  chart.count_name = "questions";
  chart.counts = in_order(order, [&](std::size_t c) { return rows[c]; });
  return chart;
}

// Before and after, and, where it is neither, with languages drawn alike.
DotChart language_score_chart(const QaTask& task, const ExperimentOptions& options,
                              const Results& results) {
  const std::vector<std::size_t> order = tested_languages(task);
  const std::vector<double> rows = test_rows_by(task.test.groups, task.languages.size());
  const std::vector<std::string> names = names_in(order, task.languages);
  std::vector<std::string> labels;
  labels.reserve(names.size());
  for (const std::string& language : names) labels.push_back(language_label(language));
  std::vector<const Outcome*> outcomes = compared(results, options);
  const Outcome* const uniform = find_outcome(results, "uniform");
  if (uniform != nullptr && uniform != outcomes.back()) outcomes.push_back(uniform);
  const std::string metric = task.selects_sentences() ? "F1" : "Macro-F1";
  DotChart chart =
      score_dots(metric + " per language on test data", language_metric(task), labels, outcomes);
  chart.value_axis = metric;
  chart.categories = names;
  chart.count_name = "rows";
  chart.counts = in_order(order, [&](std::size_t g) { return rows[g]; });
  return chart;
}

std::vector<std::pair<std::string, Plot>> plots_of(const QaTask& task,
                                                   const ExperimentOptions& options,
                                                   const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  std::vector<std::pair<std::string, Plot>> plots = {
      {"classes.png", bars(class_chart(task))},
      {"weights.png", dots(weight_chart(task))},
      {"reliability.png",
       reliability(reliability_lines(task.selects_sentences()
                                         ? "Reliability of `positive` on test data"
                                         : "Reliability of the top answer type on test data",
                                     best, {"raw", "fitted"}))}};
  if (task.languages.size() > 1) {
    plots.emplace_back("languages.png", bars(language_chart(task)));
    plots.emplace_back("mixes.png", dots(mix_chart(task)));
    plots.emplace_back("language_scores.png", dots(language_score_chart(task, options, results)));
  }
  if (!task.selects_sentences()) {
    plots.emplace_back("class_scores.png", dots(class_score_chart(task, options, results)));
    plots.emplace_back("confusion.png",
                       heat_map(confusion_map("Predicted types on test data, % of each true type",
                                              task.classes, classes_by_size(task), best)));
  }
  return plots;
}

}  // namespace

std::string treatment_table(const QaTask& task, const std::vector<QaStrategy>& strategies) {
  const std::vector<std::size_t> languages = languages_by_size(task);
  const std::vector<std::size_t> classes = classes_by_size(task);
  const std::size_t width = task.classes.size();
  const std::size_t rarest = classes.back();
  const bool has_languages = task.languages.size() > 1;
  std::vector<std::string> header = {"strategy", "draws of " + task.classes[rarest],
                                     "a row at most", "weight of " + task.classes[rarest],
                                     "logit terms"};
  if (has_languages) {
    header[1] = "of " + task.classes[rarest];
    header.insert(header.begin() + 1, {"draws of " + task.languages[languages.front()],
                                       "of " + task.languages[languages.back()]});
  }
  TextTable table(header);
  for (const QaStrategy& strategy : strategies) {
    const std::vector<double> cells = drawn_cells(strategy, task.counts);
    const std::vector<double> of_language = language_shares(cells, width);
    const std::vector<double> of_class = class_shares(cells, width);
    const std::vector<double> weights = loss_weights(strategy, task.counts);
    const double rows = task.class_counts().total();
    double most = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (cells[i] > 0)
        most = std::max(most, cells[i] * rows / task.counts.group(i / width)[i % width]);
    }
    std::string terms;
    if (strategy.adjustment_tau != 0) terms = absl::StrFormat("%.2f", strategy.adjustment_tau);
    if (strategy.group_adjustment_tau != 0) {
      terms = absl::StrFormat("%.2f by language", strategy.group_adjustment_tau);
    }
    const auto percent = [](double share) { return absl::StrFormat("%.1f %%", 100 * share); };
    std::vector<std::string> row = {
        strategy.name, percent(of_class[rarest]), absl::StrFormat("%.1f times", most),
        absl::StrFormat("%.2f", weights.empty() ? 1.0 : weights[rarest]), terms};
    if (has_languages) {
      row.insert(row.begin() + 1,
                 {percent(of_language[languages.front()]), percent(of_language[languages.back()])});
    }
    table.add_row(row);
  }
  return absl::StrCat(
      "Before training: the share of draws that ",
      has_languages ? "the largest and the smallest language and the rarest class have,\n"
                    : "the rarest class has, ",
      "how often an epoch draws a row at most, and what the loss does.\n\n", table.to_string());
}

std::string qa_summary(const QaTask& task, const ExperimentOptions& options,
                       const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  const std::size_t seeds = best.runs.size();
  const std::string mean = absl::StrCat("mean over ", seeds, seeds == 1 ? " seed" : " seeds");
  const std::vector<Column> columns = strategy_columns(task);
  const bool has_languages = task.languages.size() > 1;
  std::string text;
  if (task.selects_sentences()) {
    absl::StrAppend(&text, "Test questions, ", mean, "; epoch, threshold and the best strategy (**",
                    best.strategy,
                    "**) are chosen on validation. Figures are of\nsentences that hold an answer. "
                    "F1 at 1/2: without a threshold. F1, several: of questions with several "
                    "sentences.\nMRR: mean reciprocal rank of the best such sentence.\n");
  } else {
    absl::StrAppend(&text, "Test questions, ", mean, "; epoch, tau and the best strategy (**",
                    best.strategy, "**) are chosen on validation.\n");
  }
  absl::StrAppend(
      &text,
      explain_gains(results, options,
                    task.selects_sentences() ? "facts of test questions" : "test questions"),
      "\n\n");
  absl::StrAppend(&text, strategy_table(results, options, columns), "\n",
                  gain_over_posthoc(results, options));
  if (has_languages) {
    absl::StrAppend(&text, "By language, ",
                    task.selects_sentences()
                        ? "F1: the mean of all languages, and the worst of them"
                        : "macro-F1 over the types that it has: the mean of all languages, and the "
                          "worst of those that\nhave every type in the part at hand",
                    "; which: the worst in most seeds.\n\n", language_table(task, results), "\n");
  }
  if (seeds > 1) {
    absl::StrAppend(&text, "Over seeds, the mean and its 95 % interval by Student's t:\n\n",
                    seed_table(results, seed_columns(task)), "\n");
  }
  absl::StrAppend(&text, "Each class on test:\n\n", class_table(task, options, results));
  if (has_languages) {
    absl::StrAppend(&text, "\nEach language on test:\n\n",
                    each_language_table(task, options, results));
  }
  absl::StrAppend(&text,
                  "\nProbabilities on test, as they are and with the temperature and biases that "
                  "fit validation best:\n\n",
                  calibration_table(results), "\n",
                  advice(results, options,
                         cost_in_calibration(results, options, "a temperature and biases have"),
                         qa_code(task, best)));
  return text;
}

std::string write_qa_report(const std::string& header, const QaTask& task,
                            const ExperimentOptions& options, const Results& results,
                            const std::filesystem::path& directory) {
  make_directory(directory);
  write_file(directory / "results.csv", results_csv(results));
  write_file(directory / "summary.md", header + "\n\n" + qa_summary(task, options, results));
  return draw_report(plots_of(task, options, results), directory);
}

}  // namespace equipoise::demos
