// Charts of what strategies reach on test data.
#ifndef EQUIPOISE_DEMOS_COMMON_OUTCOME_CHARTS_H_
#define EQUIPOISE_DEMOS_COMMON_OUTCOME_CHARTS_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "demos/common/charts.h"
#include "demos/common/experiment.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/metrics/ranking.h"

namespace equipoise::demos {

/// A metric per label, mean over seeds, with a series for each outcome: before and after.
DotChart score_dots(const std::string& title, const std::string& metric,
                    const std::vector<std::string>& labels,
                    const std::vector<const Outcome*>& outcomes);

/// The diagram of the first seed's probabilities in these ways; see add_reliability(). With several
/// seeds the title says which.
ReliabilityChart reliability_lines(const std::string& title, const Outcome& outcome,
                                   const std::vector<std::string>& ways);

/// The precision-recall curve of scores: the points at which recall grows.
template <std::floating_point T>
PrecisionRecallCurve precision_recall_curve(const metrics::BinaryScores<T>& scores,
                                            const std::string& name) {
  PrecisionRecallCurve curve{name};
  curve.average_precision = scores.average_precision();
  double before = 0;
  for (const metrics::OperatingPoint& point : scores.operating_points()) {
    if (point.true_positives == before) continue;
    before = point.true_positives;
    curve.recall.push_back(before / static_cast<double>(scores.positives()));
    curve.precision.push_back(before / (before + point.false_positives));
  }
  return curve;
}

/// The curve of each label, under its name.
template <std::floating_point T>
std::vector<PrecisionRecallCurve> curves_of(std::span<const std::string> names,
                                            const metrics::LabelScores<T>& scores) {
  std::vector<PrecisionRecallCurve> curves;
  for (std::size_t l = 0; l < names.size(); ++l) {
    curves.push_back(precision_recall_curve(scores.label(l), names[l]));
  }
  return curves;
}

/// A panel for each of these labels, at most the last 12, with the first seed's curve for each
/// outcome. `positives` are the test rows of each label, `rows` all test rows.
PrecisionRecallChart precision_recall_panels(const std::string& title,
                                             std::span<const std::string> labels,
                                             std::span<const double> positives, double rows,
                                             const std::vector<const Outcome*>& outcomes);

/// The confusion matrices of all seeds together, classes in this order.
HeatMap confusion_map(const std::string& title, const std::vector<std::string>& classes,
                      std::span<const std::size_t> order, const Outcome& outcome);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_OUTCOME_CHARTS_H_
