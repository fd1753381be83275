#include "demos/common/report.h"

#include <absl/strings/str_cat.h>

#include "demos/common/files.h"
#include "demos/common/text_table.h"

namespace equipoise::demos {

std::string mean_text(const Results& results) {
  const std::size_t seeds = results.outcomes[results.best].runs.size();
  return absl::StrCat("mean over ", seeds, seeds == 1 ? " seed" : " seeds");
}

std::string calibration_table(const Results& results, const CalibrationTable& table) {
  std::vector<std::string> titles = {"strategy"};
  for (const std::string& metric : table.metrics) {
    const std::string name = metric == "ece_" ? "ECE" : metric == "nll_" ? "NLL" : "class-wise";
    for (const std::string& way : table.ways) {
      titles.push_back(way == table.ways.front() ? absl::StrCat(name, " ", way) : way);
    }
  }
  titles.insert(titles.end(), table.more_titles.begin(), table.more_titles.end());
  TextTable text(titles);
  for (const Outcome& outcome : results.outcomes) {
    if (outcome.strategy == "none_tau" && !table.has_posthoc) continue;
    std::vector<std::string> row = {outcome.strategy};
    for (const std::string& metric : table.metrics) {
      for (const std::string& way : table.ways) {
        row.push_back(value_text(mean_on_test(outcome, metric + way)));
      }
    }
    if (table.more) {
      const std::vector<std::string> more = table.more(outcome);
      row.insert(row.end(), more.begin(), more.end());
    }
    text.add_row(row);
  }
  return text.to_string();
}

DotChart weight_chart(const std::string& title, const std::vector<std::string>& names,
                      const std::function<std::vector<double>(double tau)>& weights) {
  DotChart chart{.title = title, .value_axis = "weight", .categories = names, .logarithmic = true};
  for (const double tau : {0.5, 1.0}) {
    chart.series.push_back({absl::StrCat("tau = ", tau), weights(tau)});
  }
  return chart;
}

std::string write_report(const std::string& header, const Task& task,
                         const ExperimentOptions& options, const Results& results,
                         const std::filesystem::path& directory) {
  make_directory(directory);
  write_file(directory / "results.csv", results_csv(results));
  write_file(directory / "summary.md", header + "\n\n" + task.summary(options, results));
  std::string written = "results.csv, summary.md";
  bool all = true;
  for (const auto& [name, plot] : task.plots(options, results)) {
    const bool is_drawn = draw(plot, directory / name);
    if (is_drawn) absl::StrAppend(&written, ", ", name);
    all = all && is_drawn;
  }
  return absl::StrCat(
      "Report: ", directory.string(), " (", written, ")",
      all ? "" : "; no pictures: gnuplot is missing or failed (package gnuplot-nox)");
}

}  // namespace equipoise::demos
