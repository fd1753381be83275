#include "demos/sentiment/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/bar_chart.h"
#include "demos/common/csv.h"
#include "demos/common/files.h"
#include "demos/common/text_table.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

// Three digits, without the zero that all of them would begin with.
std::string figure(double value) {
  std::string text = absl::StrFormat("%.3f", value);
  if (text.rfind("0.", 0) == 0) text.erase(0, 1);
  return text;
}

std::string signed_figure(double value) {
  return (value < 0 ? "-" : "+") + figure(value < 0 ? -value : value);
}

std::string gain_text(const std::optional<Interval>& gain) {
  if (!gain) return "";
  return absl::StrCat(signed_figure(gain->estimate), " [", signed_figure(gain->lower), ", ",
                      signed_figure(gain->upper), "]");
}

std::string name_text(const Outcome& outcome, bool best) {
  std::string text = outcome.strategy.name;
  if (outcome.strategy.posthoc) {
    const auto tau_of = [](std::string* out, const Run& run) { absl::StrAppend(out, *run.tau); };
    absl::StrAppend(&text, " (", absl::StrJoin(outcome.runs, ", ", tau_of), ")");
  }
  return best ? "**" + text + "**" : text;
}

std::string strategy_table(const Results& results) {
  TextTable table({"strategy", "validation macro-F1", "accuracy", "macro-F1", "balanced acc.",
                   "rare recall", "rare precision", "seconds", "gain in macro-F1 [95 %]"});
  for (std::size_t i = 0; i < results.outcomes.size(); ++i) {
    const Outcome& outcome = results.outcomes[i];
    const auto average = [&](const std::function<double(const Run&)>& f) {
      return figure(mean(outcome, f));
    };
    table.add_row(
        {name_text(outcome, i == results.best),
         average([](const Run& run) { return run.validation.macro_f1; }),
         average([](const Run& run) { return run.test.matrix.accuracy(); }),
         average([](const Run& run) { return run.test.macro_f1; }),
         average([](const Run& run) { return run.test.matrix.balanced_accuracy(); }),
         average([](const Run& run) { return run.test.rare_recall; }),
         average([](const Run& run) { return run.test.rare_precision; }),
         absl::StrFormat("%.1f", mean(outcome, [](const Run& run) { return run.seconds; })),
         gain_text(outcome.gain)});
  }
  return table.to_string();
}

std::string calibration_table(const Results& results) {
  TextTable table({"strategy", "ECE raw", "nominal", "fitted", "class-wise raw", "nominal",
                   "fitted", "NLL raw", "nominal", "fitted", "realised share [95 %]",
                   "macro-F1 at the rule"});
  for (const Outcome& outcome : results.outcomes) {
    if (outcome.strategy.posthoc) continue;  // the same probabilities as without
    std::vector<std::string> row = {outcome.strategy.name};
    const auto add = [&](double ProbabilityScores::*value) {
      for (const auto way :
           {&CalibrationScores::raw, &CalibrationScores::nominal, &CalibrationScores::fitted}) {
        row.push_back(
            figure(mean(outcome, [&](const Run& run) { return run.calibration.*way.*value; })));
      }
    };
    add(&ProbabilityScores::ece);
    add(&ProbabilityScores::class_wise_ece);
    add(&ProbabilityScores::nll);
    const std::optional<Interval>& share = outcome.runs.front().calibration.realised_share;
    row.push_back(
        share ? absl::StrFormat("%.2f [%.2f, %.2f]", share->estimate, share->lower, share->upper)
              : "");
    row.push_back(
        figure(mean(outcome, [](const Run& run) { return run.calibration.rule_macro_f1; })));
    table.add_row(row);
  }
  return table.to_string();
}

// The outcomes that are compared class by class: none, and the best unless it is none.
std::vector<const Outcome*> compared(const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  const Outcome* const none = find_outcome(results, "none");
  if (none == nullptr || none == &best) return {&best};
  return {none, &best};
}

std::vector<std::size_t> classes_by_size(const ClassCounts& counts) {
  std::vector<std::size_t> order(counts.classes());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  return order;
}

std::string class_table(const Task& task, const Results& results) {
  std::vector<std::string> header = {"class", "training rows", "test rows"};
  for (const char* metric : {"precision", "recall", "F1"}) {
    for (const Outcome* outcome : compared(results)) {
      header.push_back(absl::StrCat(metric, " ", outcome->strategy.name));
    }
  }
  TextTable table(header);
  for (const std::size_t c : classes_by_size(task.counts)) {
    std::vector<std::string> row = {
        task.classes[c], absl::StrCat(task.counts[c]),
        absl::StrCat(results.outcomes.front().runs.front().test.matrix.support(c))};
    const auto add = [&](const std::function<double(const ConfusionMatrix&)>& f) {
      for (const Outcome* outcome : compared(results)) {
        row.push_back(figure(mean(*outcome, [&](const Run& run) { return f(run.test.matrix); })));
      }
    };
    add([c](const ConfusionMatrix& matrix) { return matrix.precision(c); });
    add([c](const ConfusionMatrix& matrix) { return matrix.recall(c); });
    add([c](const ConfusionMatrix& matrix) { return matrix.f1(c); });
    table.add_row(row);
  }
  return table.to_string();
}

// The numbers of a table, not of its text: all digits that matter.
std::string exact(double value) { return absl::StrFormat("%.9g", value); }

void append_calibration(const std::string& prefix, const CalibrationScores& scores,
                        std::string& csv) {
  const auto add = [&](const char* way, const ProbabilityScores& of_way) {
    absl::StrAppend(&csv, prefix, "ece_", way, ",,", exact(of_way.ece), "\n");
    absl::StrAppend(&csv, prefix, "class_wise_ece_", way, ",,", exact(of_way.class_wise_ece), "\n");
    absl::StrAppend(&csv, prefix, "nll_", way, ",,", exact(of_way.nll), "\n");
  };
  add("raw", scores.raw);
  add("nominal", scores.nominal);
  add("fitted", scores.fitted);
  if (scores.realised_share) {
    absl::StrAppend(&csv, prefix, "realised_share,,", exact(scores.realised_share->estimate), "\n");
  }
  absl::StrAppend(&csv, prefix, "rule_tau,,", exact(scores.rule_tau), "\n");
  absl::StrAppend(&csv, prefix, "rule_macro_f1,,", exact(scores.rule_macro_f1), "\n");
}

void append_scores(const Task& task, const std::string& prefix, const Scores& scores,
                   double seconds, std::string& csv) {
  const ConfusionMatrix& matrix = scores.matrix;
  const std::pair<const char*, double> totals[] = {
      {"accuracy", matrix.accuracy()},
      {"macro_f1", scores.macro_f1},
      {"balanced_accuracy", matrix.balanced_accuracy()},
      {"rare_recall", scores.rare_recall},
      {"rare_precision", scores.rare_precision},
      {"seconds", seconds},
  };
  for (const auto& [metric, value] : totals) {
    absl::StrAppend(&csv, prefix, metric, ",,", exact(value), "\n");
  }
  for (std::size_t c = 0; c < task.classes.size(); ++c) {
    const std::pair<const char*, double> figures[] = {
        {"precision", matrix.precision(c)}, {"recall", matrix.recall(c)}, {"f1", matrix.f1(c)}};
    for (const auto& [metric, value] : figures) {
      absl::StrAppend(&csv, prefix, metric, ",", csv_field(task.classes[c]), ",", exact(value),
                      "\n");
    }
  }
}

std::vector<double> in_order(const std::vector<std::size_t>& order,
                             const std::function<double(std::size_t)>& value) {
  std::vector<double> values;
  values.reserve(order.size());
  for (const std::size_t c : order) values.push_back(value(c));
  return values;
}

BarChart count_chart(const Task& task, const std::vector<std::size_t>& order) {
  return {.title = "Training rows of each class",
          .value_axis = "rows",
          .series = {{"rows", in_order(order, [&](std::size_t c) { return task.counts[c]; })}},
          .logarithmic = true};
}

BarChart weight_chart(const Task& task, const std::vector<std::size_t>& order) {
  BarChart chart{.title = "Class weights, mean one over the training rows",
                 .value_axis = "weight",
                 .logarithmic = true};
  for (const double tau : {1.0, 0.5}) {
    const std::vector<double> weights = class_weights(task.counts, Power{tau});
    chart.series.push_back(
        {absl::StrCat("tau = ", tau), in_order(order, [&](std::size_t c) { return weights[c]; })});
  }
  return chart;
}

BarChart recall_chart(const Results& results, const std::vector<std::size_t>& order) {
  BarChart chart{.title = "Recall of each class on test", .value_axis = "recall"};
  for (const Outcome* outcome : compared(results)) {
    chart.series.push_back(
        {outcome->strategy.name, in_order(order, [&](std::size_t c) {
           return mean(*outcome, [c](const Run& run) { return run.test.matrix.recall(c); });
         })});
  }
  return chart;
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
    const Ledger entries = ledger_of(make_objective(strategy, task.counts), task.counts);
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

std::string summary(const Task& task, const Results& results) {
  const Outcome& best = results.outcomes[results.best];
  const auto name_of = [&](std::string* out, std::size_t c) { *out += task.classes[c]; };
  const std::vector<std::size_t> rare = rare_classes(task.counts);
  const std::size_t seeds = best.runs.size();
  return absl::StrCat(
      "Test rows, mean over ", seeds, seeds == 1 ? " seed" : " seeds",
      "; epoch, tau and the best strategy (**", best.strategy.name,
      "**) are chosen on validation. Gain over none:\npaired bootstrap over test rows. Rare: ",
      absl::StrJoin(rare, ", ", name_of), ".\n\n", strategy_table(results), "\n",
      results.gain_over_posthoc
          ? absl::StrCat("Gain of ", best.strategy.name,
                         " over none_tau: ", gain_text(results.gain_over_posthoc), ".\n\n")
          : "",
      "Probabilities on test: as they are; with the treatment undone as the ledger has it "
      "(nominal); with the\ntemperature and the share of the ledger's offset that fit validation "
      "best, which the first seed's share says (fitted).\nThe rule: argmax of the fitted log p - "
      "tau "
      "log prior, tau chosen on validation.\n\n",
      calibration_table(results), "\nEach class on test:\n\n", class_table(task, results));
}

std::string results_csv(const Task& task, const Results& results) {
  std::string csv = "strategy,seed,split,metric,label,value\n";
  for (const Outcome& outcome : results.outcomes) {
    for (const Run& run : outcome.runs) {
      const std::string prefix = absl::StrCat(outcome.strategy.name, ",", run.seed, ",");
      append_scores(task, prefix + "validation,", run.validation, run.seconds, csv);
      append_scores(task, prefix + "test,", run.test, run.seconds, csv);
      append_calibration(prefix + "test,", run.calibration, csv);
    }
  }
  return csv;
}

std::string write_report(const std::string& header, const Task& task, const Results& results,
                         const std::filesystem::path& directory) {
  make_directory(directory);
  write_file(directory / "results.csv", results_csv(task, results));
  write_file(directory / "summary.md", header + "\n\n" + summary(task, results));
  const std::vector<std::size_t> order = classes_by_size(task.counts);
  std::vector<std::string> names;
  names.reserve(order.size());
  for (const std::size_t c : order) names.push_back(task.classes[c]);
  std::pair<const char*, BarChart> charts[] = {{"counts.png", count_chart(task, order)},
                                               {"weights.png", weight_chart(task, order)},
                                               {"recall.png", recall_chart(results, order)}};
  std::size_t drawn = 0;
  for (auto& [name, chart] : charts) {
    chart.categories = names;
    drawn += draw(chart, directory / name) ? 1 : 0;
  }
  return absl::StrCat("Report: ", directory.string(), " (results.csv, summary.md",
                      drawn == std::size(charts)
                          ? ", counts.png, weights.png, recall.png)"
                          : "); no pictures: gnuplot is missing or failed (package gnuplot-nox)");
}

}  // namespace equipoise::demos
