#include "demos/common/experiment.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "demos/common/text_table.h"
#include "demos/common/uncertainty.h"

namespace equipoise::demos {

namespace {

double value_of(const Metrics& measured, std::string_view metric, std::string_view label) {
  for (const MetricValue& each : measured) {
    if (each.metric == metric && each.label == label) return each.value;
  }
  throw std::invalid_argument(
      absl::StrCat("no metric ", std::string(metric), " of '", std::string(label), "'"));
}

double mean_of(const Outcome& outcome, Metrics Run::*part, std::string_view metric,
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

double resampled_mean(const Outcome& outcome, Resampled Run::*metric,
                      std::span<const std::uint32_t> times) {
  double sum = 0;
  for (const Run& run : outcome.runs) sum += (run.*metric)(times);
  return sum / static_cast<double>(outcome.runs.size());
}

constexpr std::size_t kMostRates = 5;
constexpr std::string_view kPosthoc = "none_tau";

// Whether the post-hoc correction is of what the baseline has learnt: it comes after it.
bool corrects_baseline(const ExperimentOptions& options) {
  const auto baseline =
      std::find(options.strategies.begin(), options.strategies.end(), options.baseline);
  return std::find(baseline, options.strategies.end(), kPosthoc) != options.strategies.end();
}

// The runs of a strategy at one rate.
struct Candidate {
  Outcome outcome;
  double score = 0;                           // the mean over seeds
  std::shared_ptr<const SavedModel> model{};  // large: that of the best run alone
};

using RunOnce = std::function<Run(std::uint64_t seed, double rate)>;

Candidate train(const ExperimentOptions& options, const std::string& strategy, double rate,
                const RunOnce& run_once, Progress& progress) {
  Candidate candidate{{.strategy = strategy, .rate = rate}};
  const std::string at = options.searches_rate ? absl::StrFormat(", rate %g", rate) : "";
  double best = 0;
  for (std::uint64_t seed = 0; seed < options.seeds; ++seed) {
    progress.set_label(absl::StrCat(strategy, ", seed ", seed, at));
    Run run = run_once(seed, rate);
    const double score = value_of(run.validation, options.headline, "");
    progress.note(absl::StrFormat("%-20s seed %d%s: epoch %d%s, %s on validation %.3f, %.1f s",
                                  strategy, seed, at, run.epoch + 1,
                                  run.choice.empty() ? "" : ", " + run.choice, options.headline,
                                  score, run.seconds));
    if (seed == 0 || score > best) {
      best = score;
      candidate.model = std::move(run.model);
    }
    run.model.reset();
    candidate.score += score / static_cast<double>(options.seeds);
    candidate.outcome.runs.push_back(std::move(run));
  }
  return candidate;
}

// The best of several rates; see run_experiment().
Candidate search(const ExperimentOptions& options, const std::string& strategy,
                 const RunOnce& run_once, Progress& progress) {
  Candidate best = train(options, strategy, options.rate, run_once, progress);
  std::size_t tried = 1;
  const auto improve = [&](double rate) {
    ++tried;
    Candidate other = train(options, strategy, rate, run_once, progress);
    if (!(other.score > best.score)) return false;
    best = std::move(other);
    return true;
  };
  const bool is_higher = improve(2 * options.rate);
  const bool is_lower = improve(options.rate / 2);
  bool goes_on = is_higher || is_lower;
  while (tried < kMostRates && goes_on) {
    goes_on = improve(best.outcome.rate * (is_lower ? 0.5 : 2));
  }
  progress.skip((kMostRates - tried) * options.seeds * options.steps_per_run);
  best.outcome.is_edge = goes_on;
  return best;
}

// A field as RFC 4180 wants it: in double quotes, inner ones doubled, if it holds a comma, a quote
// or a line end.
std::string csv_field(std::string_view text) {
  const bool is_plain = text.find_first_of(",\"\r\n") == std::string_view::npos;
  return is_plain ? std::string(text)
                  : "\"" + absl::StrReplaceAll(std::string(text), {{"\"", "\"\""}}) + "\"";
}

void append_metrics(const std::string& prefix, const Metrics& measured, std::string& csv) {
  for (const MetricValue& each : measured) {
    absl::StrAppend(&csv, prefix, csv_field(each.metric), ",", csv_field(each.label), ",",
                    absl::StrFormat("%.9g", each.value), "\n");
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

metrics::Interval gain_over(const Outcome& outcome, const Outcome& other, std::size_t test_units,
                            Resampled Run::*metric) {
  return metrics::bootstrap(test_units, [&](std::span<const std::uint32_t> times) {
    return resampled_mean(outcome, metric, times) - resampled_mean(other, metric, times);
  });
}

std::uint64_t most_runs(const ExperimentOptions& options) {
  std::uint64_t candidates = options.strategies.size();
  if (options.searches_rate) {
    candidates *= kMostRates;
    if (corrects_baseline(options)) candidates -= kMostRates - 1;
  }
  return candidates * options.seeds;
}

Results run_experiment(const ExperimentOptions& options,
                       const std::function<Run(std::size_t, std::uint64_t, double)>& run,
                       Progress& progress) {
  Results results;
  double best_score = 0;
  for (std::size_t s = 0; s < options.strategies.size(); ++s) {
    const std::string& strategy = options.strategies[s];
    const auto run_once = [&](std::uint64_t seed, double rate) { return run(s, seed, rate); };
    const Outcome* const corrected =
        strategy == kPosthoc ? find_outcome(results, options.baseline) : nullptr;
    Candidate trained =
        options.searches_rate && corrected == nullptr
            ? search(options, strategy, run_once, progress)
            : train(options, strategy, options.searches_rate ? corrected->rate : options.rate,
                    run_once, progress);
    results.outcomes.push_back(std::move(trained.outcome));
    const double score = mean_on_validation(results.outcomes.back(), options.headline);
    if (s == 0 || score > best_score) {
      best_score = score;
      results.best = s;
      results.model = std::move(trained.model);
    }
  }
  const Outcome* const baseline = find_outcome(results, options.baseline);
  for (Outcome& outcome : results.outcomes) {
    if (baseline == nullptr || &outcome == baseline) continue;
    outcome.gain = gain_over(outcome, *baseline, options.test_units);
    if (outcome.runs.front().second) {
      outcome.second_gain = gain_over(outcome, *baseline, options.test_units, &Run::second);
    }
  }
  return results;
}

std::string results_csv(const Results& results) {
  std::string csv = "strategy,seed,split,metric,label,value\n";
  for (const Outcome& outcome : results.outcomes) {
    for (const Run& run : outcome.runs) {
      const std::string prefix = absl::StrCat(csv_field(outcome.strategy), ",", run.seed, ",");
      append_metrics(prefix + "validation,", run.validation, csv);
      append_metrics(prefix + "test,", run.test, csv);
      append_metrics(prefix + "test,", {{"seconds", "", run.seconds}}, csv);
    }
  }
  return csv;
}

std::string value_text(double value) {
  std::string text = absl::StrFormat("%.3f", value);
  if (text.starts_with("0.")) text.erase(0, 1);
  if (text.starts_with("-0.")) text.erase(1, 1);
  return text;
}

std::string interval_text(const std::optional<metrics::Interval>& interval) {
  if (!interval) return "";
  const auto signed_text = [](double value) {
    return (value < 0 ? "-" : "+") + value_text(std::abs(value));
  };
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
    if (options.searches_rate) choices.push_back(absl::StrFormat("rate %g", outcome.rate));
    double seconds = 0;
    for (const Run& run : outcome.runs) {
      const bool is_new = std::find(choices.begin(), choices.end(), run.choice) == choices.end();
      if (!run.choice.empty() && is_new) choices.push_back(run.choice);
      seconds += run.seconds / static_cast<double>(outcome.runs.size());
    }
    std::string name = outcome.strategy;
    if (!choices.empty()) absl::StrAppend(&name, " (", absl::StrJoin(choices, ", "), ")");
    std::vector<std::string> row = {i == results.best ? "**" + name + "**" : name,
                                    value_text(mean_on_validation(outcome, options.headline))};
    for (const Column& column : columns) {
      row.push_back(value_text(mean_on_test(outcome, column.metric, column.label)));
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
  const Outcome* const posthoc = find_outcome(results, kPosthoc);
  if (posthoc == nullptr || posthoc == &best) return "";
  return absl::StrCat("Gain of ", best.strategy, " over ", std::string(kPosthoc), ": ",
                      interval_text(gain_over(best, *posthoc, options.test_units)), ".\n\n");
}

std::string gain_in_words(const Results& results, const ExperimentOptions& options) {
  const Outcome& best = results.outcomes[results.best];
  const auto on_validation = [&](const Outcome& outcome) {
    return value_text(mean_on_validation(outcome, options.headline));
  };
  std::string text =
      absl::StrCat("What to take from it: --strategy=", best.strategy,
                   " is the best on validation (", options.headline, " ", on_validation(best));
  const Outcome* const baseline = find_outcome(results, options.baseline);
  if (baseline == &best) {
    return absl::StrCat(text, "): here nothing that was tried does better than no correction.\n");
  }
  if (baseline == nullptr || !best.gain) return text + ").\n";
  absl::StrAppend(&text, ", ", options.baseline, " ", on_validation(*baseline),
                  ").\nOn test it gains ", interval_text(best.gain), " over ", options.baseline);
  if (best.gain->lower <= 0) return text + ": these rows do not show that it helps.\n";
  const std::optional<metrics::Interval> over_seeds =
      gain_by_seed(best, *baseline, options.headline);
  if (!over_seeds || over_seeds->lower > 0) return text + ".\n";
  return absl::StrCat(text, ", with these seeds; over seeds it is known to ",
                      interval_text(over_seeds), ".\n");
}

std::string explain_gains(const Results& results, const ExperimentOptions& options,
                          std::string_view test_units) {
  std::string text = absl::StrCat(
      "Gain over ", options.baseline, ": paired bootstrap over ", std::string(test_units),
      "; over seeds: the mean of the gains seed by seed, whose interval is "
      "Student's and wide for few seeds.");
  if (!options.searches_rate) return text;
  absl::StrAppend(
      &text, "\nRates: for each strategy the best on validation, mean over the seeds, of up to ",
      kMostRates, " that go by factors of two from ", options.rate, ".");
  if (corrects_baseline(options)) {
    absl::StrAppend(&text, " ", std::string(kPosthoc), " has that of ", options.baseline, ".");
  }
  absl::StrAppend(&text, " Intervals take the rates as given.");
  for (const Outcome& outcome : results.outcomes) {
    if (!outcome.is_edge) continue;
    absl::StrAppend(&text, "\n", outcome.strategy, ": ", outcome.rate,
                    " was the last rate to be tried and the best: another may be better still.");
  }
  return text;
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
      std::string cell = value_text(mean_on_test(outcome, column.metric, column.label));
      if (const std::optional<metrics::Interval> interval = mean_over_seeds(values)) {
        absl::StrAppend(&cell, " [", value_text(interval->lower), ", ", value_text(interval->upper),
                        "]");
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
                        const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows,
                        const std::vector<Column>& metrics) {
  const std::vector<const Outcome*> outcomes = compared(results, options);
  std::vector<std::string> titles = header;
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
        row.push_back(value_text(mean_on_test(*outcome, metric.metric, start.front())));
      }
    }
    table.add_row(row);
  }
  return table.to_string();
}

}  // namespace equipoise::demos
