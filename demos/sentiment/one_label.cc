// The task of texts with one label, but for its tables; whether its probabilities can be believed.
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <variant>

#include "demos/common/outcome_charts.h"
#include "demos/common/reliability.h"
#include "demos/common/uncertainty.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/view.h"

namespace equipoise::demos {

namespace {

double macro_f1(const metrics::ConfusionMatrix& matrix) { return matrix.macro_f1(); }

using Probabilities = std::vector<double>;

MatrixView<const double> rows_of(const Probabilities& p, std::size_t classes) {
  return {p.data(), p.size() / classes, classes};
}

// The treatment undone as far as validation rows say: by a temperature and, where there is a
// nominal offset, by a share of it.
struct FittedCalibration {
  calibrate::LogitCalibration calibration{};
  std::optional<metrics::Interval> share{};
};

// A margin is none: nothing is known that undoes it.
bool has_margin(const Plan& plan) { return !plan.logit_terms.margin.empty(); }

FittedCalibration fit_calibration(const Plan& plan, const Logits& logits,
                                  std::span<const std::int64_t> labels) {
  if (has_margin(plan)) return {calibrate::fit_temperature(logits.view(), labels), std::nullopt};
  const std::vector<double> offset = ledger(plan).offset();
  const auto [least, most] = std::minmax_element(offset.begin(), offset.end());
  if (*most - *least < std::sqrt(std::numeric_limits<double>::epsilon())) {
    return {calibrate::fit_temperature(logits.view(), labels), std::nullopt};
  }
  const calibrate::FittedOffset fitted = calibrate::fit_offset(logits.view(), labels, offset);
  return {fitted.calibration(), fitted.share};
}

Probabilities logs_of(Probabilities p) {
  for (double& value : p) value = std::log(std::max(value, std::numeric_limits<double>::min()));
  return p;
}

// The treatment undone as the ledger has it, but for margins. No strategy with one label has a
// sigmoid loss.
Probabilities nominal_posterior(const Loss& loss, const Plan& plan, const Logits& logits) {
  return std::visit(
      [&](const auto& each) {
        if constexpr (requires {
                        calibrate::posterior(each, logits.view(), plan.mix, plan.counts);
                      }) {
          if (!has_margin(plan)) {
            return calibrate::posterior(each, logits.view(), plan.mix, plan.counts);
          }
        }
        return calibrate::LogitCalibration{}.probabilities(logits.view());
      },
      loss);
}

}  // namespace

Metrics calibration_metrics(const Plan& plan, const Loss& loss, const Logits& validation,
                            std::span<const std::int64_t> validation_labels, const Logits& test,
                            std::span<const std::int64_t> test_labels,
                            std::span<const double> taus) {
  const std::size_t classes = plan.classes();
  Metrics measured;
  add_reliability("raw", calibrate::LogitCalibration{}.probabilities(test.view()), classes,
                  test_labels, measured);
  add_reliability("nominal", nominal_posterior(loss, plan, test), classes, test_labels, measured);

  const FittedCalibration fitted = fit_calibration(plan, validation, validation_labels);
  const Probabilities on_test = fitted.calibration.probabilities(test.view());
  add_reliability("fitted", on_test, classes, test_labels, measured);
  measured.push_back({"temperature", "", 1 / fitted.calibration.scale});
  if (fitted.share) {
    measured.push_back({"realised_share", "", fitted.share->estimate});
    measured.push_back({"realised_share_lower", "", fitted.share->lower});
    measured.push_back({"realised_share_upper", "", fitted.share->upper});
  }

  const Probabilities validation_logs =
      logs_of(fitted.calibration.probabilities(validation.view()));
  const calibrate::PosthocTau rule = calibrate::choose_tau(
      rows_of(validation_logs, classes), validation_labels, plan.counts, taus, macro_f1);
  metrics::ConfusionMatrix matrix(classes);
  const Probabilities test_logs = logs_of(on_test);
  matrix.add(test_labels, calibrate::predict(rows_of(test_logs, classes),
                                             calibrate::posthoc_offset(plan.counts, rule.tau)));
  measured.push_back({"rule_tau", "", rule.tau});
  measured.push_back({"rule_macro_f1", "", matrix.macro_f1()});
  return measured;
}

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
