// Calibration on validation data: temperature, bias-corrected temperature, and the fraction of a
// nominal logit offset that was realised.
#ifndef EQUIPOISE_CALIBRATE_TEMPERATURE_H_
#define EQUIPOISE_CALIBRATE_TEMPERATURE_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/calibrate/detail/affine_likelihood.h"
#include "equipoise/calibrate/detail/linear_algebra.h"
#include "equipoise/calibrate/detail/logit_rows.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/text.h"
#include "equipoise/metrics/interval.h"
#include "equipoise/view.h"

namespace equipoise::calibrate {

/// Calibrated logits: a z_c + b_c.
struct LogitCalibration {
  double scale = 1;            ///< a > 0, the inverse temperature
  std::vector<double> bias{};  ///< b, which sums to 0; empty: none
  double nll_before = 0;       ///< mean negative log-likelihood of the rows, in nats, before
  double nll = 0;              ///< and after
  /// False if the likelihood has no maximum within reach: the rows are separable, or too few, or
  /// the logits rank the classes the wrong way round, so that no a > 0 is best.
  bool converged = false;

  /// T = 1 / a, by which logits are divided.
  double temperature() const { return 1 / scale; }

  /// The posteriors softmax(a z + b) of rows, row by row. A logit of minus infinity rules its class
  /// out.
  /// @throws std::invalid_argument for a scale that is not finite and > 0, a bias that is not one
  /// per column or not finite, a logit that is NaN or infinity, and a row of nothing but minus
  /// infinity.
  template <class T>
  std::vector<double> probabilities(const MatrixView<T>& logits) const;
};

/// The fraction of a logit offset that makes the posteriors of validation rows right:
/// softmax(z / T + share offset), with the T and the share that maximise the likelihood.
struct FittedOffset {
  metrics::Interval share{};  ///< 1: the whole nominal offset was realised; with a 95 % interval
  double temperature = 1;     ///< T > 0
  double nll_nominal = 0;     ///< mean negative log-likelihood with T = 1, share = 1
  double nll = 0;             ///< and with the fitted ones
  bool converged = false;
  /// T times share times the nominal offset: add it to the logits z before their argmax. For
  /// probabilities the sum has to be divided by T, softmax((z + offset) / T); calibration() does
  /// both.
  std::vector<double> offset{};
  std::vector<std::string> warnings{};

  /// softmax(z / T + share offset) as a calibration of logits: probabilities(), with the nominal
  /// correction for nll_before.
  LogitCalibration calibration() const {
    LogitCalibration result;
    result.scale = 1 / temperature;
    for (const double value : offset) result.bias.push_back(value / temperature);
    detail::center(result.bias);
    result.nll_before = nll_nominal;
    result.nll = nll;
    result.converged = converged;
    return result;
  }
};

/// The nominal and the realised share in one line, then the warnings:
///
///     nominal 1.00, realised 0.74 [0.71, 0.77], temperature 1.30
inline std::string report(const FittedOffset& fitted) {
  const auto figure = [](double value) { return detail::with_digits(value, 2); };
  std::string text = "nominal 1.00, realised " + figure(fitted.share.estimate) + " [" +
                     figure(fitted.share.lower) + ", " + figure(fitted.share.upper) +
                     "], temperature " + figure(fitted.temperature) + "\n";
  for (const std::string& warning : fitted.warnings) text += "warning: " + warning + "\n";
  return text;
}

template <class T>
std::vector<double> LogitCalibration::probabilities(const MatrixView<T>& logits) const {
  constexpr std::string_view kWhere = "LogitCalibration::probabilities";
  if (!bias.empty()) {
    detail::require_size(kWhere, "bias", bias.size(), logits.cols, "columns of logits");
    detail::require_all_finite(kWhere, "bias", bias);
  }
  detail::require_positive(kWhere, "scale", scale);
  detail::require_softmax_exists(kWhere, logits);
  std::vector<double> result(logits.rows * logits.cols);
  for (std::size_t r = 0; r < logits.rows; ++r) {
    const std::span<double> row(&result[r * logits.cols], logits.cols);
    for (std::size_t c = 0; c < row.size(); ++c) {
      row[c] = scale * static_cast<double>(logits(r, c)) + (bias.empty() ? 0.0 : bias[c]);
    }
    detail::softmax(row);
  }
  return result;
}

/// Temperature scaling (Guo et al. 2017, arXiv:1706.04599): the a for which softmax(a z) is most
/// likely on validation rows. Newton's method; O(N C) per step, about ten steps.
///
/// a > 0, so it leaves every decision by argmax unchanged. It repairs over-confidence, not a prior:
/// see fit_bias_corrected_temperature() and Ledger::offset(). If the rows are separable there is no
/// maximum, and if the logits rank them the wrong way round a tends to 0; `converged` is false
/// then.
/// @throws std::invalid_argument for fewer than two classes, sizes that differ, a logit that is not
/// finite, a target that is neither a class nor the ignore index, and if all rows are ignored.
template <FloatElement T, LabelRange Targets>
LogitCalibration fit_temperature(const MatrixView<T>& logits, const Targets& targets,
                                 std::optional<std::int64_t> ignore_index = std::nullopt) {
  detail::AffineFit fit =
      detail::fit_affine("fit_temperature", logits, targets, ignore_index, false);
  return {fit.scale, std::move(fit.bias), fit.nll_before, fit.nll, fit.converged};
}

/// Bias-corrected temperature scaling, BCTS (Alexandari et al. 2020, arXiv:1901.06852): a and b for
/// which softmax(a z + b) is most likely on validation rows. Use it before estimate_prior(), and
/// for calibration where no logit offset exists. O(N C^2 + C^3) per step.
/// @throws std::invalid_argument as fit_temperature(), and for a class without rows.
template <FloatElement T, LabelRange Targets>
LogitCalibration fit_bias_corrected_temperature(
    const MatrixView<T>& logits, const Targets& targets,
    std::optional<std::int64_t> ignore_index = std::nullopt) {
  detail::AffineFit fit =
      detail::fit_affine("fit_bias_corrected_temperature", logits, targets, ignore_index, true);
  return {fit.scale, std::move(fit.bias), fit.nll_before, fit.nll, fit.converged};
}

/// Measures on validation rows, which are distributed as in deployment, how much of a nominal logit
/// offset (Ledger::offset()) a training run realised: the share and the temperature for which
/// softmax(z / T + share offset) is most likely. Weights and shifts act in full only on data that
/// the model cannot separate and at the end of training: early stopping leaves part of the
/// correction undone, and on separable data weights and additive shifts fade (Byrd & Lipton 2019,
/// arXiv:1812.03372).
///
/// The interval is Wald's with the sandwich variance (White 1982), which is valid for a
/// misspecified model too. Warns of a share outside [0.8, 1.2], of a train accuracy above 0.99 if
/// it is given, and of a likelihood without a maximum among temperatures > 0. O(N C) per step,
/// about ten steps.
/// @throws std::invalid_argument as fit_temperature(), and for an offset of another size, one that
/// is not finite, or one that is the same for all classes.
template <FloatElement T, LabelRange Targets>
FittedOffset fit_offset(const MatrixView<T>& logits, const Targets& labels,
                        std::span<const double> offset,
                        std::optional<std::int64_t> ignore_index = std::nullopt,
                        std::optional<double> train_accuracy = std::nullopt) {
  constexpr std::string_view kWhere = "fit_offset";
  const auto targets = as_span(labels);
  detail::require_calibration_rows(kWhere, logits, targets, ignore_index);
  detail::require_size(kWhere, "offset", offset.size(), logits.cols, "columns of logits");
  detail::require_all_finite(kWhere, "offset", offset);
  const auto [least, most] = std::minmax_element(offset.begin(), offset.end());
  if (*least == *most) {
    detail::reject(kWhere, "largest - smallest offset", 0, "more: all classes have the same");
  }
  const detail::AffineLikelihood likelihood(logits, targets, ignore_index, offset, false);
  std::vector<double> theta = {1, 1};
  FittedOffset result;
  result.nll_nominal = likelihood(theta);
  result.converged = detail::minimize(likelihood, theta);
  std::vector<double> gradient;
  std::vector<double> hessian;
  std::vector<double> outer;
  result.nll = likelihood(theta, &gradient, &hessian, &outer);
  result.temperature = 1 / theta[0];
  result.share.estimate = theta[1];
  double error = detail::infinity();
  if (result.converged && detail::cholesky(hessian, 2)) {
    double rows = 0;
    for (const auto y : targets) rows += detail::is_ignored(y, ignore_index) ? 0 : 1;
    std::vector<double> unit = {0, 1};  // the row of the inverse Hessian that belongs to the share
    detail::solve_cholesky(hessian, unit);
    double variance = 0;
    for (std::size_t k = 0; k < 4; ++k) variance += unit[k / 2] * outer[k] * unit[k % 2];
    error = std::sqrt(variance / rows);
  }
  constexpr double kNormalQuantile = 1.959963984540054;  // of 0.975
  result.share.lower = theta[1] - kNormalQuantile * error;
  result.share.upper = theta[1] + kNormalQuantile * error;
  for (const double value : offset) result.offset.push_back(theta[1] * value / theta[0]);
  if (!result.converged) {
    result.warnings.push_back(
        theta[0] < 1 / detail::kFarthestScale
            ? "the logits rank the classes the wrong way round: no temperature > 0 is best"
            : "the likelihood has no maximum within reach: separable rows, or too few of them");
  }
  if (train_accuracy && *train_accuracy > 0.99) {
    result.warnings.push_back("train accuracy " + detail::to_text(*train_accuracy) +
                              " > 0.99: on data that the model separates, weights and shifts fade");
  }
  if (theta[1] < 0.8 || theta[1] > 1.2) {
    result.warnings.push_back("realised share " + detail::to_text(theta[1]) +
                              " is outside [0.8, 1.2] of the nominal correction");
  }
  return result;
}

}  // namespace equipoise::calibrate

#endif  // EQUIPOISE_CALIBRATE_TEMPERATURE_H_
