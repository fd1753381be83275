#include "demos/common/reliability.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>

#include "equipoise/metrics/calibration.h"
#include "equipoise/view.h"

namespace equipoise::demos {

void add_reliability(const std::string& way, std::span<const double> probabilities,
                     std::size_t classes, std::span<const std::int64_t> targets, Metrics& measured,
                     std::optional<std::size_t> of_class) {
  metrics::Calibration calibration(classes, kReliabilityBins);
  calibration.add(MatrixView<const double>(probabilities.data(), targets.size(), classes), targets);
  const auto add = [&](const char* metric, const std::string& label, double value) {
    measured.push_back({absl::StrCat(metric, way), label, value});
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
    add("predictions_", absl::StrCat(b + 1), bin.count);
  }
}

bool has_metric(const Run& run, std::string_view metric, std::string_view label) {
  return std::any_of(run.test.begin(), run.test.end(), [&](const MetricValue& each) {
    return each.metric == metric && each.label == label;
  });
}

}  // namespace equipoise::demos
