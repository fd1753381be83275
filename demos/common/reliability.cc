#include "demos/common/reliability.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstdint>

#include "equipoise/metrics/calibration.h"
#include "equipoise/view.h"

namespace equipoise::demos {

void add_reliability(const std::string& way, std::span<const double> probabilities,
                     std::size_t classes, std::span<const std::int64_t> targets, Figures& figures,
                     std::optional<std::size_t> of_class) {
  metrics::Calibration calibration(classes, kReliabilityBins);
  calibration.add(MatrixView<const double>(probabilities.data(), targets.size(), classes), targets);
  const auto add = [&](const char* metric, const std::string& label, double value) {
    figures.push_back({absl::StrCat(metric, way), label, value});
  };
  add("ece_", "", of_class ? calibration.ece(*of_class) : calibration.ece());
  add("class_wise_ece_", "", calibration.class_wise_ece());
  add("nll_", "", calibration.nll());
  for (std::size_t b = 0; b < kReliabilityBins; ++b) {
    const metrics::ReliabilityBin bin =
        of_class ? calibration.bin(*of_class, b) : calibration.top_label_bin(b);
    if (bin.count == 0) continue;
    add("confidence_", absl::StrCat(b + 1), bin.confidence);
    add("frequency_", absl::StrCat(b + 1), bin.frequency);
  }
}

bool has_figure(const Run& run, std::string_view metric, std::string_view label) {
  return std::any_of(run.test.begin(), run.test.end(), [&](const Figure& figure) {
    return figure.metric == metric && figure.label == label;
  });
}

BarChart reliability_chart(const std::string& title, const Outcome& outcome,
                           const std::vector<std::string>& ways) {
  const Run& first = outcome.runs.front();
  BarChart chart{.title = title, .value_axis = "how often it is right"};
  BarSeries ideal{"ideal", {}};
  for (std::size_t b = 0; b < kReliabilityBins; ++b) {
    const double middle = (static_cast<double>(b) + 0.5) / kReliabilityBins;
    chart.categories.push_back(absl::StrFormat("%.2f", middle));
    ideal.values.push_back(middle);
  }
  chart.series.push_back(ideal);
  for (const std::string& way : ways) {
    const std::string metric = absl::StrCat("frequency_", way);
    BarSeries bars{absl::StrCat(outcome.strategy, ", ", way), {}};
    for (std::size_t b = 0; b < kReliabilityBins; ++b) {
      const std::string label = absl::StrCat(b + 1);
      const bool has_rows = has_figure(first, metric, label);
      bars.values.push_back(has_rows ? mean_on_test({"", {first}}, metric, label) : 0.0);
    }
    chart.series.push_back(bars);
  }
  return chart;
}

}  // namespace equipoise::demos
