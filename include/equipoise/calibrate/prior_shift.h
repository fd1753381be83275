// When the classes of deployment are distributed otherwise than those of training: by how much, and
// the posteriors that follow.
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
#include <utility>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/linear_algebra.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/mix.h"
#include "equipoise/view.h"

namespace equipoise {

namespace detail {

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

}  // namespace detail

/// Posteriors under another prior: p'(c | x) proportional to p(c | x) deployment_c / training_c
/// (Saerens et al. 2002). The same as adding logit_offset() to the logits. N x C numbers, row by
/// row; a row that keeps no mass stays zero. O(N C).
/// @throws std::invalid_argument for sizes that differ, probabilities that are negative, not finite
/// or all zero, and priors that are not finite and > 0.
template <class T>
requires std::floating_point<std::remove_const_t<T>> std::vector<double> shift_prior(
    const MatrixView<T>& probabilities, std::span<const double> training_prior,
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
/// posterior of the positive class after sampling and beta the share of the negatives that was kept
/// (Dal Pozzolo et al. 2015, "Calibrating probability with undersampling for unbalanced
/// classification"). O(1).
/// @throws std::invalid_argument for a posterior outside [0, 1] and a beta outside (0, 1].
inline double undo_undersampling(double sampled_posterior, double beta) {
  constexpr std::string_view kWhere = "undo_undersampling";
  detail::require_between(kWhere, "sampled_posterior", sampled_posterior, 0, 1);
  detail::require_between(kWhere, "beta", beta, 0, 1, detail::Ends::kMost);
  return beta * sampled_posterior / (beta * sampled_posterior + (1 - sampled_posterior));
}

/// A prior that was estimated from rows without labels.
struct EstimatedPrior {
  std::vector<double> prior{};  ///< sums to one
  double log_likelihood = 0;    ///< mean over rows of log sum_c p_c prior_c / training_c
  std::size_t iterations = 0;
  bool converged = false;
};

struct EstimatePriorOptions {
  double tolerance = 1e-9;  ///< the most that a prior moves in the last iteration
  std::size_t max_iterations = 10000;
};

/// The class proportions of rows without labels, by expectation-maximisation (Saerens et al. 2002):
/// prior_c <- mean over rows of p_c prior_c / training_c, normalised, from training_prior on. Every
/// iteration raises the likelihood, which is concave, so the result is the maximum.
///
/// probabilities are posteriors under training_prior, calibrated first, by
/// fit_bias_corrected_temperature() (Alexandari et al. 2020, arXiv:1901.06852): errors of
/// calibration become errors of the prior. O(N C) an iteration.
/// @throws std::invalid_argument for no rows, sizes that differ, probabilities that are negative,
/// not finite or all zero, a training prior that is not finite and > 0, and options out of range.
template <class T>
requires std::floating_point<std::remove_const_t<T>> EstimatedPrior
estimate_prior(const MatrixView<T>& probabilities, std::span<const double> training_prior,
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
  while (result.iterations < options.max_iterations && !result.converged) {
    std::fill(next.begin(), next.end(), 0.0);
    result.log_likelihood = 0;
    for (std::size_t r = 0; r < probabilities.rows; ++r) {
      double mass = 0;
      double sum = 0;
      for (std::size_t c = 0; c < classes; ++c) {
        const auto p = static_cast<double>(probabilities(r, c));
        mass += p;
        sum += row[c] = p * (result.prior[c] / training[c]);
      }
      result.log_likelihood += std::log(sum / mass) / size;
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
  return result;
}

/// What black-box shift estimation found.
struct BlackBoxShift {
  /// deployment_c / training_c, >= 0; its mean under the training prior is one.
  std::vector<double> ratio{};
  std::vector<double> prior{};  ///< of deployment; sums to one
  double condition = 0;         ///< largest over smallest singular value of the confusion matrix
};

/// Black-box shift estimation, BBSE (Lipton et al. 2018, arXiv:1802.03916): from nothing but
/// predicted classes. Solves C w = mu with C_ij = P(prediction i, class j) of held-out rows of the
/// training distribution and mu_i = P(prediction i) of the rows without labels; negative ratios,
/// which noise makes, become 0, and what is left is scaled to sum to one as a prior. Needs no
/// calibration, only a classifier that tells the classes apart; less precise than estimate_prior().
/// O(C^3).
///
/// `held_out` is the confusion matrix of held-out rows, predictions[i] how many unlabelled rows
/// were taken for class i.
/// @throws std::invalid_argument for sizes that differ, counts that are negative, not finite or all
/// zero, a class without held-out rows, a max_condition that is not finite and > 0, and a matrix
/// whose condition exceeds it: the classifier confuses some classes completely, and the solution
/// would be noise.
inline BlackBoxShift estimate_black_box_shift(const ConfusionMatrix& held_out,
                                              std::span<const double> predictions,
                                              double max_condition = 1e6) {
  constexpr std::string_view kWhere = "estimate_black_box_shift";
  const std::size_t classes = held_out.classes();
  detail::require_size(kWhere, "predictions", predictions.size(), classes, "classes of held_out");
  detail::require_some_mass(kWhere, "predictions", predictions);
  detail::require_positive(kWhere, "max_condition", max_condition);
  std::vector<double> joint(classes * classes);
  const double total = held_out.total();
  for (std::size_t j = 0; j < classes; ++j) {
    if (held_out.support(j) <= 0) {
      detail::reject_element(kWhere, "held_out.support", j, held_out.support(j), "> 0");
    }
    for (std::size_t i = 0; i < classes; ++i) joint[i * classes + j] = held_out.count(j, i) / total;
  }
  const detail::Svd svd = detail::svd(std::move(joint), classes);
  const auto [least, most] = std::minmax_element(svd.values.begin(), svd.values.end());
  BlackBoxShift result;
  result.condition = *least > 0 ? *most / *least : detail::infinity();
  if (!detail::is_finite(result.condition) || result.condition > max_condition) {
    detail::reject(kWhere, "condition of held_out", result.condition,
                   "at most " + detail::to_text(max_condition));
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

}  // namespace equipoise

#endif  // EQUIPOISE_CALIBRATE_PRIOR_SHIFT_H_
