#include "demos/common/experiment.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "demos/common/csv.h"
#include "demos/common/over_seeds.h"
#include "demos/common/text_table.h"

namespace equipoise::demos {

namespace {

double value_of(const Figures& figures, std::string_view metric, std::string_view label) {
  for (const Figure& figure : figures) {
    if (figure.metric == metric && figure.label == label) return figure.value;
  }
  throw std::invalid_argument(
      absl::StrCat("no figure ", std::string(metric), " of '", std::string(label), "'"));
}

double mean_of(const Outcome& outcome, Figures Run::*part, std::string_view metric,
               std::string_view label) {
  double sum = 0;
  for (const Run& run : outcome.runs) sum += value_of(run.*part, metric, label);
  return sum / static_cast<double>(outcome.runs.size());
}

// The gain of each run over the one of the same seed, and what their mean is known to.
std::optional<metrics::Interval> gain_by_seed(const Outcome& outcome, const Outcome& other,
                                              std::string_view metric) {
  std::vector<double> gains;
  for (std::size_t i = 0; i < outcome.runs.size(); ++i) {
    gains.push_back(value_of(outcome.runs[i].test, metric, "") -
                    value_of(other.runs[i].test, metric, ""));
  }
  return mean_over_seeds(gains);
}

double resampled_mean(const Outcome& outcome, std::span<const std::uint32_t> multiplicity) {
  double sum = 0;
  for (const Run& run : outcome.runs) sum += run.resampled(multiplicity);
  return sum / static_cast<double>(outcome.runs.size());
}

void append_figures(const std::string& prefix, const Figures& figures, std::string& csv) {
  for (const Figure& figure : figures) {
    absl::StrAppend(&csv, prefix, csv_field(figure.metric), ",", csv_field(figure.label), ",",
                    absl::StrFormat("%.9g", figure.value), "\n");
  }
}

}  // namespace

double mean_on_test(const Outcome& outcome, std::string_view metric, std::string_view label) {
  return mean_of(outcome, &Run::test, metric, label);
}
double mean_on_validation(const Outcome& outcome, std::string_view metric, std::string_view label) {
  return mean_of(outcome, &Run::validation, metric, label);
}

const Outcome* find_outcome(const Results& results, std::string_view strategy) {
  for (const Outcome& outcome : results.outcomes) {
    if (outcome.strategy == strategy) return &outcome;
  }
  return nullptr;
}

metrics::Interval gain_over(const Outcome& outcome, const Outcome& other, std::size_t test_units) {
  return metrics::bootstrap(test_units, [&](std::span<const std::uint32_t> multiplicity) {
    return resampled_mean(outcome, multiplicity) - resampled_mean(other, multiplicity);
  });
}

Results run_experiment(const ExperimentOptions& options,
                       const std::function<Run(std::size_t, std::uint64_t)>& run,
                       Progress& progress) {
  Results results;
  double best_of_outcomes = 0;
  for (std::size_t s = 0; s < options.strategies.size(); ++s) {
    Outcome outcome{options.strategies[s]};
    std::shared_ptr<const SavedModel> model;
    double best_of_runs = 0;
    for (std::uint64_t seed = 0; seed < options.seeds; ++seed) {
      progress.set_label(absl::StrCat(outcome.strategy, ", seed ", seed));
      Run one = run(s, seed);
      const double score = value_of(one.validation, options.headline, "");
      progress.note(absl::StrFormat("%-20s seed %d: epoch %d%s, %s on validation %.3f, %.1f s",
                                    outcome.strategy, seed, one.epoch + 1,
                                    one.choice.empty() ? "" : ", " + one.choice, options.headline,
                                    score, one.seconds));
      // Models are large: only the best one is kept.
      if (seed == 0 || score > best_of_runs) {
        best_of_runs = score;
        model = std::move(one.model);
      }
      one.model.reset();
      outcome.runs.push_back(std::move(one));
    }
    results.outcomes.push_back(std::move(outcome));
    const double score = mean_on_validation(results.outcomes.back(), options.headline);
    if (s == 0 || score > best_of_outcomes) {
      best_of_outcomes = score;
      results.best = s;
      results.model = std::move(model);
    }
  }
  const Outcome* const baseline = find_outcome(results, options.baseline);
  for (Outcome& outcome : results.outcomes) {
    if (baseline == nullptr || &outcome == baseline) continue;
    outcome.gain = gain_over(outcome, *baseline, options.test_units);
  }
  return results;
}

std::string results_csv(const Results& results) {
  std::string csv = "strategy,seed,split,metric,label,value\n";
  for (const Outcome& outcome : results.outcomes) {
    for (const Run& run : outcome.runs) {
      const std::string prefix = absl::StrCat(csv_field(outcome.strategy), ",", run.seed, ",");
      append_figures(prefix + "validation,", run.validation, csv);
      append_figures(prefix + "test,", run.test, csv);
      append_figures(prefix + "test,", {{"seconds", "", run.seconds}}, csv);
    }
  }
  return csv;
}

std::string figure_text(double value) {
  std::string text = absl::StrFormat("%.3f", value);
  if (text.starts_with("0.")) text.erase(0, 1);
  if (text.starts_with("-0.")) text.erase(1, 1);
  return text;
}

std::string signed_text(double value) {
  return (value < 0 ? "-" : "+") + figure_text(value < 0 ? -value : value);
}

std::string interval_text(const std::optional<metrics::Interval>& interval) {
  if (!interval) return "";
  return absl::StrCat(signed_text(interval->estimate), " [", signed_text(interval->lower), ", ",
                      signed_text(interval->upper), "]");
}

std::string strategy_table(const Results& results, const ExperimentOptions& options,
                           std::span<const Column> columns) {
  std::vector<std::string> header = {"strategy", absl::StrCat("validation ", options.headline)};
  for (const Column& column : columns) header.push_back(column.title);
  header.insert(header.end(), {"seconds", absl::StrCat("gain in ", options.headline, " [95 %]"),
                               "over seeds [95 %]"});
  TextTable table(header);
  const Outcome* const baseline = find_outcome(results, options.baseline);
  for (std::size_t i = 0; i < results.outcomes.size(); ++i) {
    const Outcome& outcome = results.outcomes[i];
    std::vector<std::string> choices;
    double seconds = 0;
    for (const Run& run : outcome.runs) {
      const bool is_new = std::find(choices.begin(), choices.end(), run.choice) == choices.end();
      if (!run.choice.empty() && is_new) choices.push_back(run.choice);
      seconds += run.seconds / static_cast<double>(outcome.runs.size());
    }
    std::string name = outcome.strategy;
    if (!choices.empty()) absl::StrAppend(&name, " (", absl::StrJoin(choices, ", "), ")");
    std::vector<std::string> row = {i == results.best ? "**" + name + "**" : name,
                                    figure_text(mean_on_validation(outcome, options.headline))};
    for (const Column& column : columns) {
      row.push_back(figure_text(mean_on_test(outcome, column.metric, column.label)));
    }
    row.push_back(absl::StrFormat("%.1f", seconds));
    row.push_back(interval_text(outcome.gain));
    row.push_back(outcome.gain ? interval_text(gain_by_seed(outcome, *baseline, options.headline))
                               : "");
    table.add_row(row);
  }
  return table.to_string();
}

std::string gain_over_posthoc(const Results& results, const ExperimentOptions& options) {
  const Outcome& best = results.outcomes[results.best];
  const Outcome* const posthoc = find_outcome(results, "none_tau");
  if (posthoc == nullptr || posthoc == &best) return "";
  return absl::StrCat("Gain of ", best.strategy, " over none_tau: ",
                      interval_text(gain_over(best, *posthoc, options.test_units)), ".\n\n");
}

std::string explain_gains(const ExperimentOptions& options, std::string_view test_units) {
  return absl::StrCat("Gain over ", options.baseline, ": paired bootstrap over ",
                      std::string(test_units),
                      "; over seeds: the mean of the gains seed by seed, whose interval is "
                      "Student's and wide for few seeds.");
}

std::string seed_table(const Results& results, std::span<const Column> columns) {
  std::vector<std::string> header = {"strategy"};
  for (const Column& column : columns) header.push_back(column.title);
  TextTable table(header);
  for (const Outcome& outcome : results.outcomes) {
    std::vector<std::string> row = {outcome.strategy};
    for (const Column& column : columns) {
      std::vector<double> values;
      for (const Run& run : outcome.runs) {
        values.push_back(value_of(run.test, column.metric, column.label));
      }
      std::string cell = figure_text(mean_on_test(outcome, column.metric, column.label));
      if (const std::optional<metrics::Interval> interval = mean_over_seeds(values)) {
        absl::StrAppend(&cell, " [", figure_text(interval->lower), ", ",
                        figure_text(interval->upper), "]");
      }
      row.push_back(cell);
    }
    table.add_row(row);
  }
  return table.to_string();
}

std::vector<const Outcome*> compared(const Results& results, const ExperimentOptions& options) {
  const Outcome& best = results.outcomes[results.best];
  const Outcome* const baseline = find_outcome(results, options.baseline);
  if (baseline == nullptr || baseline == &best) return {&best};
  return {baseline, &best};
}

std::string label_table(const Results& results, const ExperimentOptions& options,
                        std::span<const std::string> header,
                        std::span<const std::vector<std::string>> rows,
                        std::span<const Column> metrics) {
  const std::vector<const Outcome*> outcomes = compared(results, options);
  std::vector<std::string> titles(header.begin(), header.end());
  for (const Column& metric : metrics) {
    for (const Outcome* outcome : outcomes) {
      titles.push_back(absl::StrCat(metric.title, " ", outcome->strategy));
    }
  }
  TextTable table(titles);
  for (const std::vector<std::string>& start : rows) {
    std::vector<std::string> row = start;
    for (const Column& metric : metrics) {
      for (const Outcome* outcome : outcomes) {
        row.push_back(figure_text(mean_on_test(*outcome, metric.metric, start.front())));
      }
    }
    table.add_row(row);
  }
  return table.to_string();
}

}  // namespace equipoise::demos
