// Class proportions that differ between training and deployment: estimating them, and the
// posteriors under them.
#ifndef EQUIPOISE_CALIBRATE_PRIOR_SHIFT_H_
#define EQUIPOISE_CALIBRATE_PRIOR_SHIFT_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/calibrate/detail/linear_algebra.h"
#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/text.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/mix.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// Rows of probabilities: finite, not negative, not all zero.
template <class T>
void require_probabilities(std::string_view where, const MatrixView<T>& probabilities) {
  if (probabilities.cols == 0) reject(where, "probabilities.cols", 0, "at least 1");
  for (std::size_t r = 0; r < probabilities.rows; ++r) {
    bool some = false;
    for (std::size_t c = 0; c < probabilities.cols; ++c) {
      const auto p = static_cast<double>(probabilities(r, c));
      if (!is_finite(p) || p < 0) {
        reject_cell(where, "probabilities", r, c, p, "a finite number >= 0");
      }
      some |= p > 0;
    }
    if (!some) reject(where, "sum of row " + to_text(r) + " of probabilities", 0, "a positive one");
  }
}

}  // namespace equipoise::detail

namespace equipoise::calibrate {

/// Posteriors under another prior: p'(c | x) proportional to p(c | x) deployment_c / training_c
/// (Saerens et al. 2002). The same as adding logit_offset() to the logits. N x C numbers, row by
/// row; a row that keeps no mass stays zero. O(N C).
/// @throws std::invalid_argument for sizes that differ, probabilities that are negative, not finite
/// or all zero, and priors that are not finite and > 0.
template <FloatElement T>
std::vector<double> shift_prior(const MatrixView<T>& probabilities,
                                std::span<const double> training_prior,
                                std::span<const double> deployment_prior) {
  constexpr std::string_view kWhere = "shift_prior";
  detail::require_probabilities(kWhere, probabilities);
  detail::require_size(kWhere, "training_prior", training_prior.size(), probabilities.cols,
                       "columns of probabilities");
  detail::require_size(kWhere, "deployment_prior", deployment_prior.size(), probabilities.cols,
                       "columns of probabilities");
  detail::require_all_positive(kWhere, "training_prior", training_prior);
  detail::require_all_positive(kWhere, "deployment_prior", deployment_prior);
  std::vector<double> result;
  result.reserve(probabilities.rows * probabilities.cols);
  for (std::size_t r = 0; r < probabilities.rows; ++r) {
    for (std::size_t c = 0; c < probabilities.cols; ++c) {
      result.push_back(static_cast<double>(probabilities(r, c)) *
                       (deployment_prior[c] / training_prior[c]));
    }
    detail::normalize(std::span(result).last(probabilities.cols));
  }
  return result;
}

/// Undoes random undersampling of the negatives: p = beta p_s / (beta p_s - p_s + 1), with p_s the
/// posterior of the positive class after sampling and beta the fraction of the negatives that was
/// kept (Dal Pozzolo et al. 2015, "Calibrating probability with undersampling for unbalanced
/// classification"). O(1).
/// @throws std::invalid_argument for a posterior outside [0, 1] and a beta outside (0, 1].
inline double undo_undersampling(double sampled_posterior, double beta) {
  constexpr std::string_view kWhere = "undo_undersampling";
  detail::require_between(kWhere, "sampled_posterior", sampled_posterior, 0, 1);
  detail::require_between(kWhere, "beta", beta, 0, 1, detail::Ends::kMost);
  return beta * sampled_posterior / (beta * sampled_posterior + (1 - sampled_posterior));
}

/// A prior that was estimated from unlabelled rows.
struct EstimatedPrior {
  std::vector<double> prior{};  ///< sums to one
  double log_likelihood =
      0;  ///< of that prior: mean over rows of log sum_c p_c prior_c / training_c
  std::size_t iterations = 0;
  bool converged = false;
};

/// Options of estimate_prior().
struct EstimatePriorOptions {
  double tolerance = 1e-9;  ///< the largest change of a prior in the last iteration
  std::size_t max_iterations = 10000;
};

/// The class proportions of unlabelled rows, by expectation-maximisation (Saerens et al. 2002):
/// prior_c <- mean over rows of p_c prior_c / training_c, normalised, starting at training_prior.
/// Every iteration raises the likelihood, which is concave, so the result is the maximum.
///
/// probabilities are posteriors under training_prior, calibrated first, by
/// fit_bias_corrected_temperature() (Alexandari et al. 2020, arXiv:1901.06852): errors of
/// calibration become errors of the prior. Make sure that training_prior is the prior of these
/// posteriors: probabilities that were calibrated on validation rows, by
/// fit_bias_corrected_temperature() or FittedOffset::calibration(), carry the proportions of those
/// rows, whatever weights or sampler the training used. The softmax of uncalibrated logits, and
/// that of fit_temperature(), which has no biases, carries the ledger's effective prior. O(N C) per
/// iteration.
/// @throws std::invalid_argument for no rows, sizes that differ, probabilities that are negative,
/// not finite or all zero, a training prior that is not finite and > 0, and options out of range.
template <FloatElement T>
EstimatedPrior estimate_prior(const MatrixView<T>& probabilities,
                              std::span<const double> training_prior,
                              const EstimatePriorOptions& options = {}) {
  constexpr std::string_view kWhere = "estimate_prior";
  detail::require_probabilities(kWhere, probabilities);
  if (probabilities.rows == 0) detail::reject(kWhere, "probabilities.rows", 0, "at least 1");
  detail::require_size(kWhere, "training_prior", training_prior.size(), probabilities.cols,
                       "columns of probabilities");
  detail::require_all_positive(kWhere, "training_prior", training_prior);
  detail::require_positive(kWhere, "options.tolerance", options.tolerance);
  const std::size_t classes = probabilities.cols;
  std::vector<double> training(training_prior.begin(), training_prior.end());
  detail::normalize(training);
  EstimatedPrior result;
  result.prior = training;
  std::vector<double> row(classes);
  std::vector<double> next(classes);
  const auto size = static_cast<double>(probabilities.rows);
  // row_c = p_c prior_c / training_c of a row, and its sum.
  const auto weigh = [&](std::size_t r) {
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      const auto p = static_cast<double>(probabilities(r, c));
      sum += row[c] = p * (result.prior[c] / training[c]);
    }
    return sum;
  };
  while (result.iterations < options.max_iterations && !result.converged) {
    std::fill(next.begin(), next.end(), 0.0);
    for (std::size_t r = 0; r < probabilities.rows; ++r) {
      const double sum = weigh(r);
      for (std::size_t c = 0; c < classes; ++c) next[c] += row[c] / sum / size;
    }
    double moved = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      moved = std::max(moved, std::fabs(next[c] - result.prior[c]));
    }
    result.prior.swap(next);
    ++result.iterations;
    result.converged = moved <= options.tolerance;
  }
  for (std::size_t r = 0; r < probabilities.rows; ++r) {
    double mass = 0;
    for (std::size_t c = 0; c < classes; ++c) mass += static_cast<double>(probabilities(r, c));
    result.log_likelihood += std::log(weigh(r) / mass) / size;
  }
  return result;
}

/// The result of black-box shift estimation.
struct BlackBoxShift {
  /// deployment_c / training_c, >= 0; its mean under the training prior is one.
  std::vector<double> ratio{};
  std::vector<double> prior{};  ///< of deployment; sums to one
  double condition = 0;         ///< largest over smallest singular value of the confusion matrix
  double signal =
      0;  ///< least ratio of a singular value to its standard error; infinity: no errors
};

/// Black-box shift estimation, BBSE (Lipton et al. 2018, arXiv:1802.03916), which uses only
/// predicted classes. Solves C w = mu with C_ij = P(prediction i, class j) on held-out rows of the
/// training distribution and mu_i = P(prediction i) on unlabelled rows; negative ratios, which are
/// due to noise, become 0, and the rest is scaled so that the prior sums to one. Needs no
/// calibration, only a classifier that tells the classes apart; less precise than estimate_prior().
/// O(C^3).
///
/// The solution divides by the singular values of C, so each has to be larger than chance makes it.
/// For n held-out rows a singular value u^T C v has the variance
/// (sum_ij u_i^2 v_j^2 C_ij - (u^T C v)^2) / n, at most 1 / n. One that is less than `least_signal`
/// times its standard error is rejected: the classifier hardly tells some classes apart, or a class
/// has too few rows (for a perfect classifier the ratio is the square root of the number of rows of
/// the rarest class). The default rejects about 95 % of classifiers that guess; 0 rejects none of
/// them.
///
/// `held_out` is the confusion matrix of held-out rows, each counted as 1; predictions[i] is the
/// number of unlabelled rows predicted as class i.
/// @throws std::invalid_argument for sizes that differ, counts that are negative, not finite or all
/// zero, a class without held-out rows, a max_condition that is not finite and > 0, a least_signal
/// that is negative or not finite, and a matrix whose condition exceeds max_condition or whose
/// signal is below least_signal: the solution would be noise.
inline BlackBoxShift estimate_black_box_shift(const metrics::ConfusionMatrix& held_out,
                                              std::span<const double> predictions,
                                              double max_condition = 1e6, double least_signal = 2) {
  constexpr std::string_view kWhere = "estimate_black_box_shift";
  const std::size_t classes = held_out.classes();
  detail::require_size(kWhere, "predictions", predictions.size(), classes, "classes of held_out");
  detail::require_some_mass(kWhere, "predictions", predictions);
  detail::require_positive(kWhere, "max_condition", max_condition);
  detail::require_not_negative(kWhere, "least_signal", least_signal);
  std::vector<double> joint(classes * classes);
  const double total = held_out.total();
  for (std::size_t j = 0; j < classes; ++j) {
    if (held_out.support(j) <= 0) {
      detail::reject_element(kWhere, "held_out.support", j, held_out.support(j), "> 0");
    }
    for (std::size_t i = 0; i < classes; ++i) joint[i * classes + j] = held_out.count(j, i) / total;
  }
  const detail::Svd svd = detail::svd(joint, classes);
  const auto [least, most] = std::minmax_element(svd.values.begin(), svd.values.end());
  BlackBoxShift result;
  result.condition = *least > 0 ? *most / *least : detail::infinity();
  if (!detail::is_finite(result.condition) || result.condition > max_condition) {
    detail::reject(kWhere, "condition of held_out", result.condition,
                   "at most " + detail::to_text(max_condition));
  }
  result.signal = detail::infinity();
  for (std::size_t k = 0; k < classes; ++k) {
    const double value = svd.values[k];
    double squares = 0;
    for (std::size_t i = 0; i < classes; ++i) {
      const double u = svd.scaled_u[i * classes + k] / value;
      for (std::size_t j = 0; j < classes; ++j) {
        const double v = svd.v[j * classes + k];
        squares += u * u * v * v * joint[i * classes + j];
      }
    }
    const double error = std::sqrt(std::max(squares - value * value, 0.0) / total);
    if (value < least_signal * error) {
      detail::reject(kWhere, "a singular value of held_out", value,
                     "at least " + detail::to_text(least_signal) + " times its standard error, " +
                         detail::with_digits(error, 4) + " from " + detail::to_text(total) +
                         " rows: the classifier hardly tells some classes apart");
    }
    if (error > 0) result.signal = std::min(result.signal, value / error);
  }
  std::vector<double> mu(predictions.begin(), predictions.end());
  detail::normalize(mu);
  result.ratio = svd.solve(mu);
  for (std::size_t c = 0; c < classes; ++c) {
    result.prior.push_back(std::max(result.ratio[c], 0.0) * held_out.support(c));
  }
  detail::normalize(result.prior);
  for (std::size_t c = 0; c < classes; ++c) {
    result.ratio[c] = result.prior[c] / (held_out.support(c) / total);
  }
  return result;
}

}  // namespace equipoise::calibrate

#endif  // EQUIPOISE_CALIBRATE_PRIOR_SHIFT_H_
