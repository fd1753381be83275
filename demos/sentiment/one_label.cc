// The task of texts with one label, but for its tables.
#include <absl/strings/str_format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "demos/common/outcome_charts.h"
#include "demos/common/task.h"
#include "demos/common/uncertainty.h"
#include "demos/sentiment/calibration.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/label_scores.h"

namespace equipoise::demos {

namespace {

double macro_f1(const metrics::ConfusionMatrix& matrix) { return matrix.macro_f1(); }

}  // namespace

Objective OneLabelTask::objective(const std::string& strategy, std::uint64_t seed,
                                  std::uint64_t steps) const {
  return make_objective(strategy_named(strategy), counts, train.targets, seed, steps);
}

Decision OneLabelTask::choose(const std::string& strategy, const Logits& logits) const {
  if (!strategy_named(strategy).posthoc) return {};
  const double tau = calibrate::choose_tau(logits.view(), validation.targets, counts.values(),
                                           std::span<const double>(kTaus), macro_f1)
                         .tau;
  return {.offset = calibrate::posthoc_offset(counts.values(), tau),
          .choice = absl::StrFormat("tau %.3g", tau)};
}

Metrics OneLabelTask::measure(const Examples& part, const Logits& logits,
                              const Decision& decision) const {
  return class_metrics(part, calibrate::predict(logits.view(), decision.offset));
}

Metrics OneLabelTask::class_metrics(const Examples& part,
                                    std::span<const std::int64_t> predictions) const {
  metrics::ConfusionMatrix matrix(classes.size());
  matrix.add(part.targets, predictions);
  double rare_recall = 0;
  double rare_precision = 0;
  const std::vector<std::size_t> rare = rare_classes(counts);
  for (const std::size_t c : rare) {
    rare_recall += matrix.recall(c) / static_cast<double>(rare.size());
    rare_precision += matrix.precision(c) / static_cast<double>(rare.size());
  }
  Metrics measured = {{"accuracy", "", matrix.accuracy()},
                      {"macro_f1", "", matrix.macro_f1()},
                      {"balanced_accuracy", "", matrix.balanced_accuracy()},
                      {"rare_recall", "", rare_recall},
                      {"rare_precision", "", rare_precision}};
  for (std::size_t c = 0; c < classes.size(); ++c) {
    measured.push_back({"precision", classes[c], matrix.precision(c)});
    measured.push_back({"recall", classes[c], matrix.recall(c)});
    measured.push_back({"f1", classes[c], matrix.f1(c)});
  }
  return measured;
}

void OneLabelTask::describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const {
  const Metrics calibration = calibration_metrics(
      make_plan(strategy_named(trained.strategy), counts), trained.objective.loss,
      trained.validation, validation.targets, trained.test, test.targets, kTaus);
  run.test.insert(run.test.end(), calibration.begin(), calibration.end());
  const std::vector<std::int64_t> predictions =
      calibrate::predict(trained.test.view(), trained.decision.offset);
  run.resampled = resampled_confusion(test.targets, predictions, classes.size(), macro_f1);
  run.confusion = metrics::ConfusionMatrix(classes.size());
  run.confusion.add(test.targets, predictions);
  calibrate::LogitCalibration decided;
  decided.bias = trained.decision.offset;
  const std::vector<double> probabilities = decided.probabilities(trained.test.view());
  metrics::LabelScores<double> scores(classes.size());
  scores.add(MatrixView<const double>(probabilities.data(), test.rows(), classes.size()),
             test.targets);
  run.curves = curves_of(classes, scores);
  model_facts["offset"] = trained.decision.offset;
}

}  // namespace equipoise::demos
