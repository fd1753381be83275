#include "demos/ner/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "demos/common/advice.h"
#include "demos/common/charts.h"
#include "demos/common/files.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/reliability.h"
#include "demos/common/text_table.h"
#include "demos/ner/advice.h"
#include "equipoise/counts.h"
#include "equipoise/metrics/entity_sequences.h"
#include "equipoise/metrics/entity_tags.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

// Probabilities as they are, and with what fits validation.
const std::vector<std::string> kWays = {"raw", "fitted"};

ClassCounts entities_of(const TaggingTask& task, const TaggedPart& part) {
  return metrics::count_entities(part.tags, part.offsets, task.tags);
}

std::string type_table(const TaggingTask& task, const ExperimentOptions& options,
                       const Results& results) {
  const std::vector<std::string> header = {"type", "entities in train", "in test"};
  const ClassCounts train = entities_of(task, task.train);
  const ClassCounts test = entities_of(task, task.test);
  std::vector<std::vector<std::string>> rows;
  for (std::size_t k = 0; k < task.types(); ++k) {
    rows.push_back({task.tags.types()[k], absl::StrCat(train[k]), absl::StrCat(test[k])});
  }
  const std::vector<Column> metrics = {
      {"tokens' F1", "token_f1"}, {"precision", "precision"}, {"recall", "recall"}, {"F1", "f1"}};
  return label_table(results, options, header, rows, metrics);
}

std::string entity_table(const TaggingTask& task, const Results& results) {
  std::vector<Column> columns = {{"strict", "entity_f1"}, {"conlleval", "entity_f1_conlleval"}};
  for (const std::string& type : task.tags.types()) columns.push_back({type, "f1", type});
  return seed_table(results, columns);
}

std::string entity_gain(const Outcome& best, const ExperimentOptions& options) {
  if (!best.second_gain) return "";
  return absl::StrCat("\nGain of ", best.strategy, " over ", options.baseline,
                      " in entity F1, strict, over resampled test sentences: ",
                      interval_text(best.second_gain), ".\n");
}

std::string percent(double share) { return absl::StrFormat("%.2f %%", 100 * share); }

// Whether shares were estimated: validation must have every tag.
bool has_shift(const Results& results) {
  return has_figure(results.outcomes.front().runs.front(), "token_macro_f1_em");
}

std::string shift_table(const TaggingTask& task, const ExperimentOptions& options,
                        const Results& results) {
  std::vector<std::string> header = {"type", "share of train's tokens", "of test's"};
  const std::vector<const Outcome*> outcomes = compared(results, options);
  for (const Outcome* outcome : outcomes) {
    header.push_back(absl::StrCat("estimated, ", outcome->strategy));
  }
  TextTable table(header);
  const ClassCounts train = count_labels(task.train.types, task.types() + 1);
  for (std::size_t k = 0; k < task.types(); ++k) {
    const std::string& type = task.tags.types()[k];
    std::vector<std::string> row = {type, percent(train[k + 1] / train.total()),
                                    percent(mean_on_test(*outcomes.front(), "tokens", type))};
    for (const Outcome* outcome : outcomes) {
      row.push_back(percent(mean_on_test(*outcome, "tokens_em", type)));
    }
    table.add_row(row);
  }
  return table.to_string();
}

std::string shift_text(const TaggingTask& task, const ExperimentOptions& options,
                       const Results& results) {
  if (!has_shift(results)) return "";
  return "\nShares of the types, and what expectation-maximisation finds on test:\n\n" +
         shift_table(task, options, results);
}

std::string calibration_table(const Results& results) {
  TextTable table(
      {"strategy", "ECE raw", "fitted", "class-wise raw", "fitted", "NLL raw", "fitted"});
  for (const Outcome& outcome : results.outcomes) {
    if (!outcome.runs.front().choice.empty()) continue;  // its probabilities are those of none
    std::vector<std::string> row = {outcome.strategy};
    for (const char* metric : {"ece_", "class_wise_ece_", "nll_"}) {
      for (const std::string& way : kWays) {
        row.push_back(figure_text(mean_on_test(outcome, absl::StrCat(metric, way))));
      }
    }
    table.add_row(row);
  }
  return table.to_string();
}

// A value a tag, those of all tags one after the other.
std::vector<double> of_tags(const TaggingTask& task, const std::function<double(std::size_t)>& f) {
  std::vector<double> values;
  for (std::size_t t = 0; t < task.tags.size(); ++t) values.push_back(f(t));
  return values;
}

DotChart shift_chart(const TaggingTask& task, const std::vector<const Outcome*>& outcomes) {
  Series in_train{"training data"};
  const ClassCounts train = count_labels(task.train.types, task.types() + 1);
  for (std::size_t k = 0; k < task.types(); ++k) {
    in_train.values.push_back(train[k + 1] / train.total());
  }
  const std::vector<std::string> types(task.tags.types().begin(), task.tags.types().end());
  DotChart chart = score_dots("Fraction of tokens per type, and its estimate without tags",
                              "tokens_em", types, outcomes);
  for (Series& series : chart.series) series.name = "estimated, " + series.name;
  Series in_test = score_dots("", "tokens", types, {outcomes.front()}).series.front();
  in_test.name = "test data";
  chart.series.insert(chart.series.begin(), {in_train, in_test});
  chart.value_axis = "fraction of tokens";
  chart.most = 0;
  return chart;
}

std::vector<std::pair<std::string, Plot>> plots_of(const TaggingTask& task,
                                                   const ExperimentOptions& options,
                                                   const Results& results) {
  DotChart weights{.title = "Weights of tags, mean one over the training tokens",
                   .value_axis = "weight",
                   .categories = task.tag_names,
                   .logarithmic = true};
  for (const double tau : {0.5, 1.0}) {
    const std::vector<double> w =
        class_weights(task.counts, PowerWeights{tau}, {.empty = EmptyClass::kLargest});
    weights.series.push_back(
        {absl::StrCat("tau = ", tau), of_tags(task, [&](std::size_t t) { return w[t]; })});
  }
  const std::vector<const Outcome*> outcomes = compared(results, options);
  const std::vector<std::string> types(task.tags.types().begin(), task.tags.types().end());
  DotChart f1 = score_dots("F1 of named entities on test data", "f1", types, outcomes);
  f1.value_axis = "F1";
  f1.count_name = "entities";
  const ClassCounts tested = entities_of(task, task.test);
  for (std::size_t k = 0; k < task.types(); ++k) f1.counts.push_back(tested[k]);
  std::vector<std::pair<std::string, Plot>> plots = {
      {"counts.png", bars({"Training tokens per tag", "tokens", task.tag_names, task.prior})},
      {"weights.png", dots(weights)},
      {"f1.png", dots(f1)},
      {"reliability.png", reliability(reliability_lines("Reliability of the top tag on test data",
                                                        *outcomes.back(), kWays))}};
  if (has_shift(results)) plots.emplace_back("shift.png", dots(shift_chart(task, outcomes)));
  return plots;
}

}  // namespace

std::string tagging_summary(const TaggingTask& task, const ExperimentOptions& options,
                            const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  std::vector<Column> columns = {
      {"tokens' macro-F1", "token_macro_f1"}, {"entity F1", "entity_f1"},
      {"conlleval", "entity_f1_conlleval"},   {"macro", "entity_macro_f1"},
      {"precision", "entity_precision"},      {"recall", "entity_recall"}};
  if (has_shift(results))
    columns.insert(columns.begin() + 1, {"the same, EM", "token_macro_f1_em"});
  const std::size_t seeds = best.runs.size();
  return absl::StrCat(
      "Test sentences, mean over ", seeds, seeds == 1 ? " seed" : " seeds",
      "; epoch, tau and the best strategy (**", best.strategy,
      "**) are chosen on validation. Tokens' macro-F1:\nthe mean over entity types of the F1 of "
      "tokens by their type; EM: after a prior shift that is estimated from the\ntest tokens "
      "without their tags. Entity F1: strict, and as conlleval reads tags.\n",
      explain_gains(results, options, "test sentences"), "\n\n",
      strategy_table(results, options, columns), "\n", gain_over_posthoc(results, options),
      "Entity F1 on test, of all types and of each, with 95 % intervals over seeds:\n\n",
      entity_table(task, results), entity_gain(best, options), "\nEach type on test:\n\n",
      type_table(task, options, results), shift_text(task, options, results),
      "\nProbabilities of test tokens as they are, and with the temperature and biases that fit "
      "validation best:\n\n",
      calibration_table(results), "\n",
      advice(results, options,
             cost_in_calibration(results, options, "a temperature and biases have"),
             tagging_code(best)));
}

std::string write_tagging_report(const std::string& header, const TaggingTask& task,
                                 const ExperimentOptions& options, const Results& results,
                                 const std::filesystem::path& directory) {
  make_directory(directory);
  write_file(directory / "results.csv", results_csv(results));
  write_file(directory / "summary.md", header + "\n\n" + tagging_summary(task, options, results));
  return draw_report(plots_of(task, options, results), directory);
}

}  // namespace equipoise::demos
