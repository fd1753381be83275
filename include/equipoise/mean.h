// What a loss divides by, and what that leaves of its class weights.
#ifndef EQUIPOISE_MEAN_H_
#define EQUIPOISE_MEAN_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/mix.h"
#include "equipoise/reduction.h"

namespace equipoise {

/// What a loss divides by, as far as ledger and posterior() have to know. A mean by weight over
/// more than one batch (denominators taken over all micro-batches and ranks) has the size of them
/// all.
enum class Mean {
  kByCount,   ///< MeanByCount, Sum: weights act in full
  kByWeight,  ///< MeanByWeight: weights act the less the smaller the batch
  kPerClass,  ///< MeanPerClass: every class counts the same, whatever its weight, unless it is 0
};

/// The expected coefficient of a row of class c under a mean by weight: B E[w_c / (w_c + S)] with S
/// the weights of the B - 1 other rows of the batch, drawn in proportions q. For B = 1 it is 1, so
/// that weights do nothing; as B grows it tends to w_c / E_q[w].
///
/// E[1 / (w + S)] is the integral over s > 0 of exp(-s w) (sum_k q_k exp(-s w_k))^(B - 1), here by
/// the trapezoidal rule in log s, whose error falls exponentially with the number of points: exact
/// to about 1e-12. O(C x some hundred).
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
  const double others = static_cast<double>(batch_size - 1);
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

// The mean of a reduction, where the ledger knows it. Softmax losses have one positive a row.
template <class R>
constexpr std::optional<Mean> mean_of() {
  if constexpr (std::is_same_v<R, MeanByCount> || std::is_same_v<R, Sum> ||
                std::is_same_v<R, MeanByPositives>) {
    return Mean::kByCount;
  }
  if constexpr (std::is_same_v<R, MeanByWeight>) return Mean::kByWeight;
  if constexpr (std::is_same_v<R, MeanPerClass>) return Mean::kPerClass;
  return std::nullopt;
}

// What a row of each class is expected to count for in a step, up to a factor that all steps share:
// proportions sum to one, empty weights are ones.
inline std::vector<double> expected_coefficients(std::string_view where, Mean mean,
                                                 std::span<const double> proportions,
                                                 std::span<const double> weights,
                                                 std::uint64_t batch_size) {
  std::vector<double> result(weights.begin(), weights.end());
  if (weights.empty()) result.assign(proportions.size(), 1.0);
  switch (mean) {
    case Mean::kByCount:
      return result;
    case Mean::kByWeight:
      if (weights.empty()) return result;
      if (batch_size == 0) reject(where, "batch_size", 0, "at least 1");
      return mean_by_weight_coefficients(proportions, weights, batch_size);
    case Mean::kPerClass:
      for (std::size_t c = 0; c < result.size(); ++c) {
        result[c] = result[c] > 0 && proportions[c] > 0 ? 1 / proportions[c] : 0;
      }
      return result;
  }
  reject(where, "mean", static_cast<int>(mean), "an enumerator of Mean");
}

}  // namespace detail
}  // namespace equipoise

#endif  // EQUIPOISE_MEAN_H_
