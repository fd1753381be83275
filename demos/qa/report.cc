// What the demo prints and reports: tables, pictures, and the code of the best strategy.
#include "demos/common/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/advice.h"
#include "demos/common/charts.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/reliability.h"
#include "demos/common/text_table.h"
#include "demos/qa/scores.h"
#include "demos/qa/strategy.h"
#include "demos/qa/task.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

// Rows of test by class and by language.
std::vector<double> test_rows_by(const std::vector<std::int64_t>& labels, std::size_t size) {
  std::vector<double> counts(size, 0.0);
  for (const std::int64_t label : labels) counts[static_cast<std::size_t>(label)] += 1;
  return counts;
}

// The languages that have a metric on test, the largest first.
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
  const std::string rarest = task.classes[by_falling(task.class_counts().values()).back()];
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
  for (const std::size_t c : by_falling(task.class_counts().values())) {
    columns.push_back({task.classes[c] + " F1", "f1", task.classes[c]});
  }
  if (task.languages.size() > 1) columns.push_back({"worst language", "worst_language_f1"});
  return columns;
}

// The metric of a language by which it fares better or worse.
std::string language_metric(const QaTask& task) {
  return task.selects_sentences() ? "f1" : "macro_f1";
}

// A metric of a language on test.
double metric_of(const Run& run, const std::string& metric, const std::string& language) {
  const std::string label = language_label(language);
  const auto found = std::find_if(run.test.begin(), run.test.end(), [&](const MetricValue& each) {
    return each.metric == metric && each.label == label;
  });
  return found == run.test.end() ? std::nan("") : found->value;
}

// The language with the lowest metric in most seeds, or those.
std::string worst_languages(const QaTask& task, const Outcome& outcome) {
  const std::vector<bool> comparable = comparable_languages(task, task.test);
  std::vector<std::size_t> times(task.languages.size(), 0);
  for (const Run& run : outcome.runs) {
    std::size_t worst = task.languages.size();
    double least = 0;
    for (const std::size_t g : tested_languages(task)) {
      if (!comparable[g]) continue;
      const double value = metric_of(run, language_metric(task), task.languages[g]);
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
        value_text(mean_on_validation(outcome, "worst_language_f1")),
        value_text(mean_on_test(outcome, "language_f1")),
        value_text(mean_on_test(outcome, "worst_language_f1")),
        worst_languages(task, outcome),
        interval_text(outcome.second_gain)};
    if (selects) {
      row.push_back(value_text(mean_on_test(outcome, "language_mrr")));
      row.push_back(value_text(mean_on_test(outcome, "worst_language_mrr")));
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
  for (const std::size_t c : by_falling(task.class_counts().values())) {
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

DotChart mix_chart(const QaTask& task) {
  const std::vector<std::size_t> order = languages_by_size(task);
  DotChart chart{.title = "Fraction of the rows drawn, per language",
                 .value_axis = "fraction of rows",
                 .categories = in_order(order, task.languages)};
  for (const char* name : {"none", "mix_0.3", "unimax"}) {
    const std::vector<double> shares =
        language_shares(drawn_cells(strategy_named(name), task.counts), task.classes.size());
    chart.series.push_back(
        {std::string(name) == "none" ? "natural" : name, in_order(order, shares)});
  }
  return chart;
}

// A metric per class, before and after.
DotChart class_score_chart(const QaTask& task, const ExperimentOptions& options,
                           const Results& results) {
  const std::vector<std::size_t> order = by_falling(task.class_counts().values());
  DotChart chart = score_dots("F1 per answer type on test data", "f1",
                              in_order(order, task.classes), compared(results, options));
  chart.value_axis = "F1";
  chart.count_name = "questions";
  chart.counts = in_order(order, test_rows_by(task.test.targets, task.classes.size()));
  return chart;
}

// Before and after, and, where it is neither, with languages drawn alike.
DotChart language_score_chart(const QaTask& task, const ExperimentOptions& options,
                              const Results& results) {
  const std::vector<std::size_t> order = tested_languages(task);
  const std::vector<std::string> names = in_order(order, task.languages);
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
  chart.counts = in_order(order, test_rows_by(task.test.groups, task.languages.size()));
  return chart;
}

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
  const QaStrategy strategy = strategy_named(outcome.strategy);
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

std::string QaTask::preview(const std::vector<std::string>& strategies) const {
  const std::vector<std::size_t> by_size = languages_by_size(*this);
  const std::size_t largest = by_size.front();
  const std::size_t smallest = by_size.back();
  const std::size_t width = classes.size();
  const std::size_t rarest = by_falling(class_counts().values()).back();
  const bool has_languages = languages.size() > 1;
  std::vector<std::string> header = {"strategy", "draws of " + classes[rarest], "a row at most",
                                     "weight of " + classes[rarest], "logit terms"};
  if (has_languages) {
    header[1] = "of " + classes[rarest];
    header.insert(header.begin() + 1,
                  {"draws of " + languages[largest], "of " + languages[smallest]});
  }
  TextTable table(header);
  for (const std::string& name_of_strategy : strategies) {
    const QaStrategy strategy = strategy_named(name_of_strategy);
    const std::vector<double> cells = drawn_cells(strategy, counts);
    const std::vector<double> of_language = language_shares(cells, width);
    const std::vector<double> of_class = class_shares(cells, width);
    const std::vector<double> weights = loss_weights(strategy, counts);
    const double rows = class_counts().total();
    double most = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (cells[i] > 0) most = std::max(most, cells[i] * rows / counts.group(i / width)[i % width]);
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
      row.insert(row.begin() + 1, {percent(of_language[largest]), percent(of_language[smallest])});
    }
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
  const std::string mean = mean_text(results);
  const std::vector<Column> columns = strategy_columns(*this);
  const bool has_languages = languages.size() > 1;
  std::string text;
  if (selects_sentences()) {
    absl::StrAppend(&text, "Test questions, ", mean, "; epoch, threshold and the best strategy (**",
                    best.strategy,
                    "**) are chosen on validation. Metrics are of\nsentences that hold an answer. "
                    "F1 at 1/2: without a threshold. F1, several: of questions with several "
                    "sentences.\nMRR: mean reciprocal rank of the best such sentence.\n");
  } else {
    absl::StrAppend(&text, "Test questions, ", mean, "; epoch, tau and the best strategy (**",
                    best.strategy, "**) are chosen on validation.\n");
  }
  absl::StrAppend(&text,
                  explain_gains(results, options,
                                selects_sentences() ? "facts of test questions" : "test questions"),
                  "\n\n");
  absl::StrAppend(&text, strategy_table(results, options, columns), "\n",
                  gain_over_posthoc(results, options));
  if (has_languages) {
    absl::StrAppend(&text, "By language, ",
                    selects_sentences()
                        ? "F1: the mean of all languages, and the worst of them"
                        : "macro-F1 over the types that it has: the mean of all languages, and the "
                          "worst of those that\nhave every type in the part at hand",
                    "; which: the worst in most seeds.\n\n", language_table(*this, results), "\n");
  }
  if (best.runs.size() > 1) {
    absl::StrAppend(&text, "Over seeds, the mean and its 95 % interval by Student's t:\n\n",
                    seed_table(results, seed_columns(*this)), "\n");
  }
  absl::StrAppend(&text, "Each class on test:\n\n", class_table(*this, options, results));
  if (has_languages) {
    absl::StrAppend(&text, "\nEach language on test:\n\n",
                    each_language_table(*this, options, results));
  }
  absl::StrAppend(&text,
                  "\nProbabilities on test, as they are and with the temperature and biases that "
                  "fit validation best:\n\n",
                  calibration_table(results, {.metrics = {"ece_", "nll_"}, .has_posthoc = true}),
                  "\n",
                  advice(results, options,
                         cost_in_calibration(results, options, "a temperature and biases have"),
                         qa_code(*this, best)));
  return text;
}

NamedPlots QaTask::plots(const ExperimentOptions& options, const Results& results) const {
  const Outcome& best = results.outcomes[results.best];
  const ClassCounts class_rows = class_counts();
  const std::vector<std::size_t> order = by_falling(class_rows.values());
  const std::vector<std::string> names = in_order(order, classes);
  const auto weights = [&](double tau) {
    return in_order(order, class_weights(class_rows, PowerWeights{tau}));
  };
  NamedPlots plots = {{"classes.png", bars({"Training rows per class", "rows", names,
                                            in_order(order, class_rows.values())})},
                      {"weights.png", dots(weight_chart("Class weights", names, weights))},
                      {"reliability.png",
                       reliability(reliability_lines(
                           selects_sentences() ? "Reliability of the positive class on test data"
                                               : "Reliability of the top answer type on test data",
                           best, {"raw", "fitted"}))}};
  if (languages.size() > 1) {
    const std::vector<std::size_t> by_size = languages_by_size(*this);
    std::vector<double> rows;
    rows.reserve(by_size.size());
    for (const std::size_t g : by_size) rows.push_back(counts.group(g).total());
    plots.emplace_back("languages.png", bars({"Training rows per language", "rows",
                                              in_order(by_size, languages), rows}));
    plots.emplace_back("mixes.png", dots(mix_chart(*this)));
    plots.emplace_back("language_scores.png", dots(language_score_chart(*this, options, results)));
  }
  if (!selects_sentences()) {
    plots.emplace_back("class_scores.png", dots(class_score_chart(*this, options, results)));
    plots.emplace_back("confusion.png",
                       heat_map(confusion_map("Predicted types on test data, % of each true type",
                                              classes, order, best)));
  }
  return plots;
}

}  // namespace equipoise::demos
