#include "demos/common/outcome_charts.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "demos/common/reliability.h"

namespace equipoise::demos {

namespace {

std::string of_first_seed(const std::string& title, const Outcome& outcome) {
  return absl::StrCat(title, outcome.runs.size() > 1 ? ", first seed" : "");
}

}  // namespace

DotChart score_dots(const std::string& title, const std::string& metric,
                    const std::vector<std::string>& labels,
                    const std::vector<const Outcome*>& outcomes) {
  DotChart chart{.title = title, .value_axis = metric, .categories = labels, .most = 1};
  for (const Outcome* outcome : outcomes) {
    Series series{outcome->strategy};
    for (const std::string& label : labels) {
      series.values.push_back(mean_on_test(*outcome, metric, label));
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

ReliabilityChart reliability_lines(const std::string& title, const Outcome& outcome,
                                   const std::vector<std::string>& ways) {
  const Outcome first{outcome.strategy, {outcome.runs.front()}};
  const auto value = [&](const char* metric, const std::string& way, const std::string& label) {
    return mean_on_test(first, absl::StrCat(metric, way), label);
  };
  ReliabilityChart chart{
      .title = of_first_seed(absl::StrCat(title, ": ", outcome.strategy), outcome),
      .bins = kReliabilityBins};
  for (const std::string& way : ways) {
    ReliabilityLine line{absl::StrCat(way, ", ECE ", value_text(value("ece_", way, "")))};
    for (std::size_t b = 1; b <= kReliabilityBins; ++b) {
      const std::string label = absl::StrCat(b);
      if (!has_metric(first.runs.front(), absl::StrCat("predictions_", way), label)) continue;
      line.confidence.push_back(value("confidence_", way, label));
      line.frequency.push_back(value("frequency_", way, label));
      line.count.push_back(value("predictions_", way, label));
    }
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

PrecisionRecallChart precision_recall_panels(const std::string& title,
                                             std::span<const std::string> labels,
                                             std::span<const double> positives, double rows,
                                             const std::vector<const Outcome*>& outcomes) {
  constexpr std::size_t kMost = 12;
  PrecisionRecallChart chart{of_first_seed(title, *outcomes.front())};
  for (std::size_t l = labels.size() - std::min(labels.size(), kMost); l < labels.size(); ++l) {
    PrecisionRecallPanel panel{labels[l], positives[l], positives[l] / rows};
    for (const Outcome* outcome : outcomes) {
      for (PrecisionRecallCurve curve : outcome->runs.front().curves) {
        if (curve.name != labels[l]) continue;
        curve.name = outcome->strategy;
        panel.curves.push_back(std::move(curve));
      }
    }
    chart.panels.push_back(std::move(panel));
  }
  return chart;
}

HeatMap confusion_map(const std::string& title, const std::vector<std::string>& classes,
                      std::span<const std::size_t> order, const Outcome& outcome) {
  metrics::ConfusionMatrix all;
  for (const Run& run : outcome.runs) all += run.confusion;
  HeatMap map{.title = absl::StrCat(title, ": ", outcome.strategy),
              .runs = static_cast<double>(outcome.runs.size())};
  if (all.classes() == 0) return map;
  for (const std::size_t t : order) {
    map.classes.push_back(classes[t]);
    for (const std::size_t p : order) map.counts.push_back(all.count(t, p));
  }
  return map;
}

}  // namespace equipoise::demos
