// The task of texts with several labels, but for its tables.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "demos/common/outcome_charts.h"
#include "demos/common/report.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/metrics/multilabel.h"

namespace equipoise::demos {

namespace {

MatrixView<const std::int64_t> targets_of(const Examples& part) {
  return {part.targets.data(), part.rows(), part.labels};
}

metrics::MultiLabelCounts counts_at(const Logits& logits, const Examples& part,
                                    std::span<const double> thresholds) {
  const std::vector<std::uint8_t> predictions =
      calibrate::predict_labels(logits.view(), thresholds);
  metrics::MultiLabelCounts counts(part.labels);
  counts.add(targets_of(part),
             MatrixView<const std::uint8_t>(predictions.data(), part.rows(), part.labels));
  return counts;
}

// For all labels one threshold on their logits: of those that change a decision, half-way between
// neighbouring logits, the one with the best macro-F1; of equals the highest.
double choose_shared(const Logits& logits, const Examples& validation) {
  const std::size_t labels = validation.labels;
  std::vector<metrics::BinaryCounts> counts(labels);
  for (std::size_t i = 0; i < validation.targets.size(); ++i) {
    counts[i % labels].add(validation.targets[i] != 0, false);
  }
  const std::vector<std::size_t> order = by_falling(logits.values);
  constexpr double kRounding = 1e-9;  // of a sum that changes with each decision
  double threshold = std::numeric_limits<double>::infinity();
  double best = 0;  // no decision for any label
  double sum = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    metrics::BinaryCounts& own = counts[order[i] % labels];
    sum -= own.f1();
    const bool is_positive = validation.targets[order[i]] != 0;
    (is_positive ? own.true_positives : own.false_positives) += 1;
    (is_positive ? own.false_negatives : own.true_negatives) -= 1;
    sum += own.f1();
    const double logit = logits.values[order[i]];
    const double next = i + 1 < order.size() ? double{logits.values[order[i + 1]]} : logit - 1;
    if (next == logit || !(sum > best + kRounding)) continue;
    best = sum;
    threshold = std::midpoint(next, logit);
  }
  return threshold;
}

// Macro-F1 of rows that are taken so often, from who has and was given which label.
std::function<double(std::span<const std::uint32_t>)> resampled_macro_f1(
    const Examples& part, std::vector<std::uint8_t> predictions) {
  return [targets = part.targets, labels = part.labels,
          predictions = std::move(predictions)](std::span<const std::uint32_t> times) {
    std::vector<metrics::BinaryCounts> counts(labels);
    for (std::size_t r = 0; r < times.size(); ++r) {
      if (times[r] == 0) continue;
      const auto weight = static_cast<double>(times[r]);
      for (std::size_t l = 0; l < labels; ++l) {
        const bool target = targets[r * labels + l] != 0;
        const bool prediction = predictions[r * labels + l] != 0;
        if (!target && !prediction) continue;  // F1 does not see them
        counts[l] +=
            {target && prediction ? weight : 0, !target ? weight : 0, !prediction ? weight : 0, 0};
      }
    }
    double sum = 0;
    for (const metrics::BinaryCounts& each : counts) sum += each.f1();
    return sum / static_cast<double>(labels);
  };
}

}  // namespace

Objective ManyLabelsTask::objective(const std::string& strategy, std::uint64_t seed,
                                    std::uint64_t /*steps*/) const {
  return make_multilabel_objective(strategy, counts.values(), train.rows(), seed);
}

Decision ManyLabelsTask::choose(const std::string& /*strategy*/, const Logits& logits) const {
  Decision decision;
  for (const calibrate::Threshold& each :
       calibrate::choose_thresholds(logits.view(), targets_of(validation))) {
    decision.thresholds.push_back(each.threshold);
  }
  decision.thresholds.push_back(choose_shared(logits, validation));
  return decision;
}

Metrics ManyLabelsTask::measure(const Examples& part, const Logits& logits,
                                const Decision& decision) const {
  const auto thresholds = std::span(decision.thresholds).first(part.labels);
  const metrics::MultiLabelCounts own = counts_at(logits, part, thresholds);
  const std::vector<double> shared_thresholds(part.labels, decision.thresholds.back());
  const metrics::MultiLabelCounts shared = counts_at(logits, part, shared_thresholds);
  const metrics::MultiLabelCounts half =
      counts_at(logits, part, std::vector<double>(part.labels, 0.0));
  metrics::LabelScores<float> scores(part.labels);
  scores.add(logits.view(), targets_of(part));
  Metrics measured = {{"macro_f1", "", own.macro_f1()},
                      {"micro_f1", "", own.micro_f1()},
                      {"macro_f1_shared", "", shared.macro_f1()},
                      {"micro_f1_shared", "", shared.micro_f1()},
                      {"macro_f1_half", "", half.macro_f1()},
                      {"micro_f1_half", "", half.micro_f1()},
                      {"macro_average_precision", "", scores.macro_average_precision()}};
  for (std::size_t l = 0; l < part.labels; ++l) {
    measured.push_back({"precision", classes[l], own.precision(l)});
    measured.push_back({"recall", classes[l], own.recall(l)});
    measured.push_back({"f1", classes[l], own.f1(l)});
    measured.push_back({"average_precision", classes[l], scores.average_precision(l)});
  }
  return measured;
}

void ManyLabelsTask::describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const {
  std::vector<double> thresholds = trained.decision.thresholds;
  thresholds.pop_back();
  run.resampled =
      resampled_macro_f1(test, calibrate::predict_labels(trained.test.view(), thresholds));
  metrics::LabelScores<float> scores(test.labels);
  scores.add(trained.test.view(), targets_of(test));
  run.curves = curves_of(classes, scores);
  model_facts["thresholds"] = std::move(thresholds);
}

}  // namespace equipoise::demos
