// The likelihood of rows under scaled and shifted logits, and its maximum.
#ifndef EQUIPOISE_CALIBRATE_DETAIL_AFFINE_LIKELIHOOD_H_
#define EQUIPOISE_CALIBRATE_DETAIL_AFFINE_LIKELIHOOD_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/calibrate/detail/linear_algebra.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// Makes numbers sum to 0.
inline void center(std::span<double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  for (double& value : values) value -= sum / static_cast<double>(values.size());
}

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

// The likeliest scale and biases, as LogitCalibration has them.
struct AffineFit {
  double scale = 1;
  std::vector<double> bias{};
  double nll_before = 0;
  double nll = 0;
  bool converged = false;
};

template <class T, LabelRange Targets>
AffineFit fit_affine(std::string_view where, const MatrixView<T>& logits, const Targets& labels,
                     std::optional<std::int64_t> ignore_index, bool biases) {
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
  AffineFit result;
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

}  // namespace equipoise::detail

#endif  // EQUIPOISE_CALIBRATE_DETAIL_AFFINE_LIKELIHOOD_H_
