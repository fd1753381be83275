// Calibration on validation data: temperature, bias-corrected temperature, and how much of a
// nominal logit offset was realised.
#ifndef EQUIPOISE_CALIBRATE_TEMPERATURE_H_
#define EQUIPOISE_CALIBRATE_TEMPERATURE_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/linear_algebra.h"
#include "equipoise/detail/text.h"
#include "equipoise/metrics/interval.h"
#include "equipoise/view.h"

namespace equipoise {

/// Calibrated logits: a z_c + b_c.
struct LogitCalibration {
  double scale = 1;            ///< a > 0, the inverse temperature
  std::vector<double> bias{};  ///< b, which sums to 0; empty: none
  double nll_before = 0;       ///< mean negative log-likelihood of the rows, in nats, before
  double nll = 0;              ///< and after
  /// False where the likelihood has no maximum within reach: the rows are separable, or too few, or
  /// the logits rank the classes the wrong way round, so that no a > 0 is best.
  bool converged = false;

  double temperature() const { return 1 / scale; }

  /// The posteriors softmax(a z + b) of rows, row by row. A logit of minus infinity rules its class
  /// out.
  /// @throws std::invalid_argument for a scale that is not finite and > 0, a bias that is not one a
  /// column or not finite, a logit that is NaN or infinity, and a row of nothing but minus
  /// infinity.
  template <class T>
  std::vector<double> probabilities(const MatrixView<T>& logits) const;
};

namespace detail {

// Makes numbers sum to 0.
inline void center(std::span<double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  for (double& value : values) value -= sum / static_cast<double>(values.size());
}

}  // namespace detail

/// How much of a logit offset makes the posteriors of validation rows right: softmax(z / T + share
/// offset), with T and share the most likely ones.
struct FittedOffset {
  Interval share{};        ///< 1: all that was nominal was realised; with a 95 % interval
  double temperature = 1;  ///< T > 0
  double nll_nominal = 0;  ///< mean negative log-likelihood with T = 1, share = 1
  double nll = 0;          ///< and with the fitted ones
  bool converged = false;
  /// T share offset: what to add to the logits z where their argmax is taken. For probabilities the
  /// sum has to be divided by T, softmax((z + offset) / T); calibration() does both.
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

/// What was nominal and what was realised, in a line, then the warnings:
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

namespace detail {

// u_c = sum_d theta_d f_d(c) + b_c, the logits of a row: f are the row's logits and, if given, an
// offset that is the same for all rows; biases b_1 ... b_(C-1) if wanted, b_0 = 0.
template <class T, class Y>
class AffineLikelihood {
 public:
  AffineLikelihood(const MatrixView<T>& logits, std::span<const Y> targets,
                   std::optional<std::int64_t> ignore_index, std::span<const double> offset,
                   bool biases)
      : logits_(logits),
        targets_(targets),
        ignore_index_(ignore_index),
        offset_(offset),
        dense_(offset.empty() ? 1 : 2),
        size_(dense_ + (biases ? logits.cols - 1 : 0)) {}

  std::size_t size() const { return size_; }

  // The mean negative log-likelihood, infinity where it overflows; with its gradient and Hessian if
  // they are asked for, and the mean of the outer products of the rows' gradients.
  double operator()(const std::vector<double>& theta, std::vector<double>* gradient = nullptr,
                    std::vector<double>* hessian = nullptr,
                    std::vector<double>* outer = nullptr) const {
    const std::size_t classes = logits_.cols;
    std::vector<double> p(classes);
    std::vector<double> slope(size_);  // of a row
    std::vector<double> mean(dense_);
    if (gradient != nullptr) gradient->assign(size_, 0.0);
    if (hessian != nullptr) hessian->assign(size_ * size_, 0.0);
    if (outer != nullptr) outer->assign(size_ * size_, 0.0);
    double sum = 0;
    double rows = 0;
    for (std::size_t r = 0; r < logits_.rows; ++r) {
      if (is_ignored(targets_[r], ignore_index_)) continue;
      rows += 1;
      const auto y = static_cast<std::size_t>(targets_[r]);
      double most = -infinity();
      for (std::size_t c = 0; c < classes; ++c) {
        p[c] = theta[0] * feature(r, 0, c);
        if (dense_ > 1) p[c] += theta[1] * feature(r, 1, c);
        if (size_ > dense_ && c > 0) p[c] += theta[dense_ + c - 1];
        most = std::max(most, p[c]);
      }
      const double of_target = p[y];
      double total = 0;
      for (double& value : p) total += value = std::exp(value - most);
      sum += most + std::log(total) - of_target;
      if (gradient == nullptr) continue;
      for (double& value : p) value /= total;
      for (std::size_t d = 0; d < dense_; ++d) {
        mean[d] = 0;
        for (std::size_t c = 0; c < classes; ++c) mean[d] += p[c] * feature(r, d, c);
        slope[d] = mean[d] - feature(r, d, y);
      }
      for (std::size_t k = dense_; k < size_; ++k) {
        const std::size_t c = k - dense_ + 1;
        slope[k] = p[c] - (c == y ? 1 : 0);
      }
      for (std::size_t k = 0; k < size_; ++k) (*gradient)[k] += slope[k];
      if (hessian != nullptr) add_hessian(r, p, mean, *hessian);
      for (std::size_t k = 0; outer != nullptr && k < size_ * size_; ++k) {
        (*outer)[k] += slope[k / size_] * slope[k % size_];
      }
    }
    for (std::vector<double>* values : {gradient, hessian, outer}) {
      if (values == nullptr) continue;
      for (double& value : *values) value /= rows;
    }
    return sum / rows;
  }

 private:
  double feature(std::size_t r, std::size_t d, std::size_t c) const {
    return d == 0 ? static_cast<double>(logits_(r, c)) : offset_[c];
  }

  // The covariance of the features under p.
  void add_hessian(std::size_t r, const std::vector<double>& p, const std::vector<double>& mean,
                   std::vector<double>& hessian) const {
    for (std::size_t d = 0; d < dense_; ++d) {
      for (std::size_t c = 0; c < p.size(); ++c) {
        const double weighted = p[c] * (feature(r, d, c) - mean[d]);
        for (std::size_t e = 0; e < dense_; ++e) {
          hessian[d * size_ + e] += weighted * (feature(r, e, c) - mean[e]);
        }
        if (size_ == dense_ || c == 0) continue;
        hessian[d * size_ + dense_ + c - 1] += weighted;
        hessian[(dense_ + c - 1) * size_ + d] += weighted;
      }
    }
    for (std::size_t j = dense_; j < size_; ++j) {
      double* const row = &hessian[j * size_];
      const double p_j = p[j - dense_ + 1];
      for (std::size_t k = dense_; k < size_; ++k) row[k] -= p_j * p[k - dense_ + 1];
      row[j] += p_j;
    }
  }

  const MatrixView<T>& logits_;
  std::span<const Y> targets_;
  std::optional<std::int64_t> ignore_index_;
  std::span<const double> offset_;
  std::size_t dense_;
  std::size_t size_;
};

// How far a scale may lie from 1: beyond that only separable rows ask for it, or wrong ones.
inline constexpr double kFarthestScale = 1e6;

// Newton's method from theta, each step halved until the likelihood, which is convex, falls as much
// as it should. theta[0], a scale, stays positive. Whether it converged.
template <class F>
bool minimize(const F& likelihood, std::vector<double>& theta) {
  constexpr int kMostSteps = 100;
  std::vector<double> gradient;
  std::vector<double> hessian;
  for (int step = 0; step < kMostSteps; ++step) {
    const double before = likelihood(theta, &gradient, &hessian);
    std::vector<double> direction = gradient;
    if (!cholesky(hessian, theta.size())) return false;
    solve_cholesky(hessian, direction);
    double decrease = 0;
    bool is_short = true;
    for (std::size_t k = 0; k < theta.size(); ++k) {
      decrease += gradient[k] * direction[k];
      is_short = is_short && std::fabs(direction[k]) <= 1e-6 * (1 + std::fabs(theta[k]));
    }
    // Errors are squared by each step, so the last one leaves less than rounding does. The
    // likelihood would not tell: it is flat here, and rounds as sums of many rows do. On separable
    // rows it is flat too, and steps are never short.
    if (is_short && direction[0] < theta[0]) {
      for (std::size_t k = 0; k < theta.size(); ++k) theta[k] -= direction[k];
      return true;
    }
    std::vector<double> next(theta.size());
    double share = direction[0] < 0.9 * theta[0] ? 1 : 0.9 * theta[0] / direction[0];
    for (; share > 1e-12; share /= 2) {
      for (std::size_t k = 0; k < theta.size(); ++k) next[k] = theta[k] - share * direction[k];
      const double after = likelihood(next);
      if (is_finite(after) && after <= before - 1e-4 * share * decrease) break;
    }
    if (share <= 1e-12) return false;
    theta = next;
    if (theta[0] < 1 / kFarthestScale) return false;
    for (const double value : theta) {
      if (!is_finite(value) || std::fabs(value) > kFarthestScale) return false;
    }
  }
  return false;
}

template <class T, class Y>
void require_calibration_rows(std::string_view where, const MatrixView<T>& logits,
                              std::span<const Y> targets,
                              std::optional<std::int64_t> ignore_index) {
  if (logits.cols < 2) reject(where, "logits.cols", logits.cols, "at least 2");
  require_size(where, "targets", targets.size(), logits.rows, "rows of logits");
  std::vector<std::uint64_t> counts(logits.cols);
  count_or_reject(where, targets, logits.cols, ignore_index, counts.data());
  if (std::all_of(counts.begin(), counts.end(), [](std::uint64_t n) { return n == 0; })) {
    reject(where, "rows with a class", 0, "at least 1");
  }
  for (std::size_t r = 0; r < logits.rows; ++r) {
    for (std::size_t c = 0; c < logits.cols; ++c) {
      if (is_finite(logits(r, c))) continue;
      reject_cell(where, "logits", r, c, logits(r, c), "a finite number");
    }
  }
}

template <class T, LabelRange Targets>
LogitCalibration fit_calibration(std::string_view where, const MatrixView<T>& logits,
                                 const Targets& labels, std::optional<std::int64_t> ignore_index,
                                 bool biases) {
  const auto targets = as_span(labels);
  require_calibration_rows(where, logits, targets, ignore_index);
  if (biases) {
    const ClassCounts counts = count_labels(labels, logits.cols, {ignore_index});
    for (std::size_t c = 0; c < logits.cols; ++c) {
      if (counts[c] > 0) continue;
      reject_element(where, "targets of class", c, 0, "at least 1: its bias has no finite optimum");
    }
  }
  const AffineLikelihood likelihood(logits, targets, ignore_index, {}, biases);
  std::vector<double> theta(likelihood.size(), 0.0);
  theta[0] = 1;
  LogitCalibration result;
  result.nll_before = likelihood(theta);
  result.converged = minimize(likelihood, theta);
  result.nll = likelihood(theta);
  result.scale = theta[0];
  if (biases) {
    result.bias.assign(1, 0.0);
    result.bias.insert(result.bias.end(), theta.begin() + 1, theta.end());
    center(result.bias);
  }
  return result;
}

}  // namespace detail

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
/// likely on validation rows. Newton's method; O(N C) a step, about ten.
///
/// a > 0, so it leaves every decision by argmax as it is, and mends over-confidence, not a prior:
/// see fit_bias_corrected_temperature() and Ledger::offset(). Where the rows are separable there is
/// no maximum, and where the logits rank them the wrong way round a tends to 0; `converged` is
/// false then.
/// @throws std::invalid_argument for fewer than two classes, sizes that differ, a logit that is not
/// finite, a target that is neither a class nor the ignore index, and rows that are all ignored.
template <class T, LabelRange Targets>
requires std::floating_point<std::remove_const_t<T>> LogitCalibration
fit_temperature(const MatrixView<T>& logits, const Targets& targets,
                std::optional<std::int64_t> ignore_index = std::nullopt) {
  return detail::fit_calibration("fit_temperature", logits, targets, ignore_index, false);
}

/// Bias-corrected temperature scaling, BCTS (Alexandari et al. 2020, arXiv:1901.06852): a and b for
/// which softmax(a z + b) is most likely on validation rows; what estimate_prior() wants before it,
/// and what calibrates where no logit offset exists. O(N C^2 + C^3) a step.
/// @throws std::invalid_argument as fit_temperature(), and for a class without rows.
template <class T, LabelRange Targets>
requires std::floating_point<std::remove_const_t<T>> LogitCalibration
fit_bias_corrected_temperature(const MatrixView<T>& logits, const Targets& targets,
                               std::optional<std::int64_t> ignore_index = std::nullopt) {
  return detail::fit_calibration("fit_bias_corrected_temperature", logits, targets, ignore_index,
                                 true);
}

/// Measures on validation rows, distributed as those of deployment, how much of a nominal logit
/// offset (Ledger::offset()) a training realised: the share and the temperature for which
/// softmax(z / T + share offset) is most likely. Weights and shifts act in full only on data that
/// the model cannot separate and at the end of training: early stopping leaves part undone, and on
/// separable data the additive ones fade (Byrd & Lipton 2019, arXiv:1812.03372).
///
/// The interval is Wald's with the sandwich variance (White 1982), which holds for a wrong model
/// too. Warns of a share outside [0.8, 1.2], of a train accuracy above 0.99 where it is given, and
/// of a likelihood without a maximum among temperatures > 0. O(N C) a step, about ten.
/// @throws std::invalid_argument as fit_temperature(), and for an offset of another size, one that
/// is not finite, or one that is the same for all classes.
template <class T, LabelRange Targets>
requires std::floating_point<std::remove_const_t<T>> FittedOffset
fit_offset(const MatrixView<T>& logits, const Targets& labels, std::span<const double> offset,
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

}  // namespace equipoise

#endif  // EQUIPOISE_CALIBRATE_TEMPERATURE_H_
