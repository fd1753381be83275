#include "demos/sentiment/calibration.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <variant>
#include <vector>

#include "equipoise/calibrate.h"
#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/treatment.h"
#include "equipoise/view.h"

namespace equipoise::demos {

namespace {

using Probabilities = std::vector<double>;

MatrixView<const double> rows_of(const Probabilities& p, std::size_t classes) {
  return {p.data(), p.size() / classes, classes};
}

ProbabilityScores scores_of(const Probabilities& p, std::size_t classes,
                            std::span<const std::int64_t> labels) {
  Calibration calibration(classes);
  calibration.add(rows_of(p, classes), labels);
  return {calibration.ece(), calibration.class_wise_ece(), calibration.nll()};
}

// The treatment undone as far as validation rows say: by a temperature and, where there is a
// nominal offset, by a share of it.
struct FittedCalibration {
  LogitCalibration calibration{};
  std::optional<Interval> share{};
};

FittedCalibration fit_calibration(const Ledger& entries, const Logits& logits,
                                  std::span<const std::int64_t> labels) {
  const std::vector<double> offset = entries.offset();
  const auto [least, most] = std::minmax_element(offset.begin(), offset.end());
  if (*most - *least < std::sqrt(std::numeric_limits<double>::epsilon())) {
    return {fit_temperature(logits.view(), labels), std::nullopt};
  }
  const FittedOffset fitted = fit_offset(logits.view(), labels, offset);
  LogitCalibration calibration;
  calibration.scale = 1 / fitted.temperature;
  for (const double value : offset) {
    calibration.bias.push_back(fitted.share.estimate * value);
  }
  return {std::move(calibration), fitted.share};
}

Probabilities logs_of(Probabilities p) {
  for (double& value : p) value = std::log(std::max(value, std::numeric_limits<double>::min()));
  return p;
}

}  // namespace

Ledger ledger_of(const Objective& objective, const ClassCounts& counts) {
  return std::visit(
      [&](const auto& loss) { return ledger(treatment(loss, counts, objective.proportions)); },
      objective.loss);
}

CalibrationScores score_calibration(const Objective& objective, const ClassCounts& counts,
                                    const Logits& validation,
                                    std::span<const std::int64_t> validation_labels,
                                    const Logits& test, std::span<const std::int64_t> test_labels,
                                    std::span<const double> taus) {
  const std::size_t classes = counts.classes();
  CalibrationScores result;
  result.raw = scores_of(LogitCalibration{}.probabilities(test.view()), classes, test_labels);
  const Probabilities nominal = std::visit(
      [&](const auto& loss) {
        return posterior(loss, test.view(), objective.proportions, counts.values());
      },
      objective.loss);
  result.nominal = scores_of(nominal, classes, test_labels);

  const FittedCalibration fitted =
      fit_calibration(ledger_of(objective, counts), validation, validation_labels);
  result.realised_share = fitted.share;
  const Probabilities on_test = fitted.calibration.probabilities(test.view());
  result.fitted = scores_of(on_test, classes, test_labels);

  const auto macro_f1 = [](const ConfusionMatrix& matrix) { return matrix.macro_f1(); };
  const Probabilities validation_logs =
      logs_of(fitted.calibration.probabilities(validation.view()));
  const PosthocTau rule = choose_tau(rows_of(validation_logs, classes), validation_labels,
                                     counts.values(), taus, macro_f1);
  std::vector<double> offset;
  for (const double n : counts.values()) {
    offset.push_back(-rule.tau * std::log(n / counts.total()));
  }
  ConfusionMatrix matrix(classes);
  const Probabilities test_logs = logs_of(on_test);
  matrix.add(test_labels, predict(rows_of(test_logs, classes), offset));
  result.rule_tau = rule.tau;
  result.rule_macro_f1 = matrix.macro_f1();
  return result;
}

}  // namespace equipoise::demos
