// The means of losses, and the effect that class weights keep under each of them.
#ifndef EQUIPOISE_REDUCTION_MEAN_H_
#define EQUIPOISE_REDUCTION_MEAN_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/mix.h"
#include "equipoise/reduction/reduction.h"

namespace equipoise {

/// The denominator of a loss, as far as ledger() and posterior() need it. If denominators are
/// computed over all micro-batches and ranks, "batch" means all of them together.
enum class MeanKind {
  kByCount,   ///< MeanByCount, SumOverRows: weights act in full
  kByWeight,  ///< MeanByWeight: the smaller the batch, the weaker the weights
  kPerClass,  ///< MeanPerClass: the classes of a batch count the same, whatever their weights
};

/// The reductions that are a MeanKind, in the order of its enumerators.
using MeanReduction = std::variant<MeanByCount, MeanByWeight, MeanPerClass>;

/// The reduction of a mean over rows with the given number of classes: a value selects the type, so
/// that the two cannot disagree.
/// @throws std::invalid_argument for a number that is not an enumerator of MeanKind.
inline MeanReduction reduction_of(MeanKind mean, std::size_t classes) {
  switch (mean) {
    case MeanKind::kByCount:
      return MeanByCount{};
    case MeanKind::kByWeight:
      return MeanByWeight{};
    case MeanKind::kPerClass:
      return MeanPerClass{classes};
  }
  detail::reject("reduction_of", "mean", static_cast<int>(mean), "an enumerator of MeanKind");
}

/// The expected coefficient of a row of class c under a mean by weight: B E[w_c / (w_c + S)] with S
/// the weights of the B - 1 other rows of the batch, drawn in proportions q. For B = 1 it is 1, so
/// weights have no effect; as B grows it tends to w_c / E_q[w].
///
/// E[1 / (w + S)] is the integral over s > 0 of exp(-s w) (sum_k q_k exp(-s w_k))^(B - 1), computed
/// by the trapezoidal rule in log s, whose error falls exponentially with the number of points:
/// exact to about 1e-12. O(C) times a few hundred.
/// @throws std::invalid_argument for sizes that differ, masses that are negative, not finite or all
/// zero, and a batch size of 0.
inline std::vector<double> mean_by_weight_coefficients(std::span<const double> proportions,
                                                       std::span<const double> weights,
                                                       std::uint64_t batch_size) {
  constexpr std::string_view kWhere = "mean_by_weight_coefficients";
  detail::require_size(kWhere, "weights", weights.size(), proportions.size(), "classes");
  detail::require_some_mass(kWhere, "proportions", proportions);
  detail::require_some_mass(kWhere, "weights", weights);
  if (batch_size == 0) detail::reject(kWhere, "batch_size", 0, "at least 1");
  std::vector<double> q(proportions.begin(), proportions.end());
  std::vector<double> w(weights.begin(), weights.end());
  detail::normalize(q);
  const double largest = *std::max_element(w.begin(), w.end());
  double least = 1;
  for (double& weight : w) {
    weight /= largest;
    if (weight > 0) least = std::min(least, weight);
  }
  const auto others = static_cast<double>(batch_size - 1);
  // In x = log s the integrand rises as e^x and falls as exp(-e^x): beyond these ends it is below
  // 1e-17 of its largest value.
  constexpr double kStep = 0.125;
  constexpr double kTail = 40;
  const double begin = -std::log(others + 1) - kTail;
  const double end = -std::log(least) + std::log(kTail);
  std::vector<double> coefficients(w.size(), 0.0);
  for (double x = begin; x <= end; x += kStep) {
    const double s = std::exp(x);
    // The logarithm of the mean of exp(-s w), from 1 - mean while that is small.
    double less = 0;
    for (std::size_t k = 0; k < w.size(); ++k) less += q[k] * -std::expm1(-s * w[k]);
    const double log_mean = std::log1p(-std::min(less, 1.0));
    const double rest = others > 0 ? others * log_mean : 0;
    for (std::size_t c = 0; c < w.size(); ++c) {
      if (w[c] > 0) coefficients[c] += kStep * s * w[c] * std::exp(rest - s * w[c]);
    }
  }
  for (double& value : coefficients) value *= others + 1;
  return coefficients;
}

namespace detail {

// Points and weights of an integral over s in (0, 1) that is exact, at least to about 1e-12, for
// s^0 to s^degree: the trapezoidal rule in log(-log s).
inline std::vector<std::pair<double, double>> unit_interval_rule(double degree) {
  constexpr double kStep = 0.25;
  constexpr double kTail = 32;
  std::vector<std::pair<double, double>> rule;
  const double end = std::log(kTail);
  for (double x = -std::log(degree + 1) - kTail; x <= end; x += kStep) {
    const double u = std::exp(x);
    rule.emplace_back(std::exp(-u), kStep * u * std::exp(-u));
  }
  return rule;
}

// A complex number with only what is needed here: <complex> includes streams and locales.
struct Complex {
  double real = 0;
  double imag = 0;

  friend constexpr Complex operator+(Complex a, Complex b) {
    return {a.real + b.real, a.imag + b.imag};
  }
  friend constexpr Complex operator-(Complex a, Complex b) {
    return {a.real - b.real, a.imag - b.imag};
  }
  friend constexpr Complex operator*(double a, Complex b) { return {a * b.real, a * b.imag}; }
  friend constexpr Complex operator*(Complex a, Complex b) {
    return {a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real};
  }
};

inline Complex exp_of(Complex z) {
  const double size = std::exp(z.real);
  return {size * std::cos(z.imag), size * std::sin(z.imag)};
}

// exp(z) - 1 without cancellation.
inline Complex expm1_of(Complex z) {
  const double half = std::sin(z.imag / 2);
  return {std::expm1(z.real) * std::cos(z.imag) - 2 * half * half,
          std::exp(z.real) * std::sin(z.imag)};
}

}  // namespace detail

/// The expected coefficient of a row of class c under a mean per class, times the size of the
/// batch: E[[c occurs] / K] / q_c, with K the number of classes that occur among B rows drawn in
/// proportions q. A class with weight 0 or proportion 0 does not occur; otherwise weights have no
/// effect. The coefficients depend on the batch: for B = 1 they are 1, so the mean per class has no
/// effect; as B grows they tend to 1 / (C q_c), so all classes count the same. In between, the more
/// batches lack a class, the less it counts. The sum over classes of q_c times the coefficient is
/// the probability that some class occurs.
///
/// Exact, to about 1e-10, for independent draws: 1 / K is the integral of s^(K - 1) over [0, 1],
/// and E[s^K] is B! times the coefficient of t^B in prod_k (1 - s + s exp(q_k t)), by Cauchy's
/// integral over the circle |t| = B, where about 20 points matter. A shuffled pass over N rows
/// comes close to that while B is much less than N; batches that are windows of exact quotas always
/// hold a class that is frequent enough (ClassSampler), and it then counts in full. O(C) times a
/// few thousand.
/// @throws std::invalid_argument for sizes that differ, masses that are negative, not finite or all
/// zero, if no class has both, and for a batch size of 0.
inline std::vector<double> mean_per_class_coefficients(std::span<const double> proportions,
                                                       std::span<const double> weights,
                                                       std::uint64_t batch_size) {
  constexpr std::string_view kWhere = "mean_per_class_coefficients";
  using detail::Complex;
  detail::require_size(kWhere, "weights", weights.size(), proportions.size(), "classes");
  detail::require_some_mass(kWhere, "proportions", proportions);
  detail::require_some_mass(kWhere, "weights", weights);
  if (batch_size == 0) detail::reject(kWhere, "batch_size", 0, "at least 1");
  std::vector<double> q(proportions.begin(), proportions.end());
  detail::normalize(q);
  std::vector<std::size_t> occurring;
  double never = 0;  // proportion of the rows whose class does not occur
  for (std::size_t c = 0; c < q.size(); ++c) {
    if (q[c] > 0 && weights[c] > 0) {
      occurring.push_back(c);
    } else {
      never += q[c];
    }
  }
  const std::size_t size = occurring.size();
  if (size == 0) {
    detail::reject(kWhere, "classes with a proportion and a weight", 0, "at least 1");
  }
  const auto rows = static_cast<double>(batch_size);
  const auto rule = detail::unit_interval_rule(std::min(rows, static_cast<double>(size)));
  // Coefficients of t^n other than n = B come in at n = B +- points, where those of exp(t) on the
  // circle have fallen below 1e-15 of its largest.
  constexpr double kNegligible = 40;
  const double points = std::ceil(8.5 * std::sqrt(rows)) + 30;
  std::vector<double> shares(size, 0.0);
  std::vector<Complex> absent(size);   // exp(-q_k t) per class, turned by its part of t^-B
  std::vector<Complex> present(size);  // and 1 - that
  std::vector<Complex> after(size + 1);
  for (double j = 0; 2 * j <= points; ++j) {
    constexpr double kPi = 3.141592653589793;
    const double angle = 2 * kPi * j / points;
    const double half = std::sin(angle / 2);
    // t = B e^(i angle); exp(t) (t / B)^-B exp(-B), shared out among the classes by q_k.
    const Complex turned{-2 * rows * half * half, rows * (std::sin(angle) - angle)};
    if (turned.real < -kNegligible) break;
    const Complex rest{-rows, -rows * angle};
    for (std::size_t i = 0; i < size; ++i) {
      const double share = q[occurring[i]];
      absent[i] = detail::exp_of(share * rest);
      const Complex t{rows * std::cos(angle), rows * std::sin(angle)};
      const Complex exponent = share * t;
      present[i] = exponent.real < 1 ? absent[i] * detail::expm1_of(exponent)
                                     : detail::exp_of(share * turned) - absent[i];
    }
    const Complex start = detail::exp_of(never * turned);
    // Both halves of the circle have the same real part.
    const double fold = j == 0 || 2 * j == points ? 1 : 2;
    for (const auto& [s, weight] : rule) {
      after[size] = {1, 0};
      for (std::size_t i = size; i-- > 0;) {
        after[i] = after[i + 1] * (absent[i] + s * present[i]);
      }
      Complex before = start;
      for (std::size_t i = 0; i < size; ++i) {
        shares[i] += fold * weight * (before * present[i] * after[i + 1]).real;
        before = before * (absent[i] + s * present[i]);
      }
    }
  }
  // The constant factor of the integral follows from the known sum of the shares.
  double sum = 0;
  for (double& share : shares) sum += share = std::max(share, 0.0);
  const double some = never > 0 ? -std::expm1(rows * std::log(never)) : 1;
  std::vector<double> coefficients(q.size(), 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    coefficients[occurring[i]] = shares[i] / sum * some / q[occurring[i]];
  }
  return coefficients;
}

namespace detail {

// The mean of a reduction, if the ledger supports it. SumOverRows differs from MeanByCount by a
// factor, and so does MeanByPositives in softmax losses, which have one positive per row.
template <class R>
constexpr std::optional<MeanKind> mean_of() {
  if constexpr (std::is_same_v<R, MeanByCount> || std::is_same_v<R, SumOverRows> ||
                std::is_same_v<R, MeanByPositives>) {
    return MeanKind::kByCount;
  }
  if constexpr (std::is_same_v<R, MeanByWeight>) return MeanKind::kByWeight;
  if constexpr (std::is_same_v<R, MeanPerClass>) return MeanKind::kPerClass;
  return std::nullopt;
}

// The expected coefficient of a row of each class in a step, up to a factor that all steps share.
// Proportions sum to one; empty weights are ones.
inline std::vector<double> expected_coefficients(std::string_view where, MeanKind mean,
                                                 std::span<const double> proportions,
                                                 std::span<const double> weights,
                                                 std::uint64_t batch_size) {
  std::vector<double> result(weights.begin(), weights.end());
  if (weights.empty()) result.assign(proportions.size(), 1.0);
  switch (mean) {
    case MeanKind::kByCount:
      return result;
    case MeanKind::kByWeight:
      if (weights.empty()) return result;
      if (batch_size == 0) reject(where, "batch_size", 0, "at least 1");
      return mean_by_weight_coefficients(proportions, weights, batch_size);
    case MeanKind::kPerClass:
      if (batch_size == 0) reject(where, "batch_size", 0, "at least 1");
      return mean_per_class_coefficients(proportions, result, batch_size);
  }
  reject(where, "mean", static_cast<int>(mean), "an enumerator of MeanKind");
}

}  // namespace detail
}  // namespace equipoise

#endif  // EQUIPOISE_REDUCTION_MEAN_H_
