// From probabilities to decisions: by costs, with the option to abstain, and by thresholds.
#ifndef EQUIPOISE_CALIBRATE_DECISIONS_H_
#define EQUIPOISE_CALIBRATE_DECISIONS_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/calibrate/prior_shift.h"
#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/view.h"

namespace equipoise::calibrate {

/// The result of decide() for a row on which it abstains.
inline constexpr std::int64_t kAbstain = -1;

/// The decision with the lowest expected cost for each row: argmin_k sum_c p(c | x) cost(c, k), the
/// lowest k among equals (Elkan 2001, "The foundations of cost-sensitive learning"). With
/// `abstain_cost`, kAbstain if even that decision has a higher expected cost (Chow 1970).
///
/// cost is C x K, one row per true class and one column per decision: usually K = C with zeros on
/// the diagonal. Note that Elkan's C(i, j) has the decision first: pass his matrix transposed. If a
/// missed 1 costs ten times a false alarm,
///
///     //            decide 0  decide 1
///     // class 0        0         1       a false alarm
///     // class 1       10         0       a miss
///     const std::vector<double> cost = {0, 1, 10, 0};
///
/// decides for 1 at probabilities of 1/11 and more; transposed, only at 10/11 and more.
///
/// Probabilities must be calibrated; rows need not sum to one. O(N C K).
/// @throws std::invalid_argument for sizes that differ, no decisions, costs that are not finite, an
/// abstain cost that is NaN, and probabilities that are negative, not finite or all zero.
template <FloatElement T, class U>
std::vector<std::int64_t> decide(const MatrixView<T>& probabilities, const MatrixView<U>& cost,
                                 std::optional<double> abstain_cost = std::nullopt) {
  constexpr std::string_view kWhere = "decide";
  detail::require_probabilities(kWhere, probabilities);
  detail::require_count(kWhere, "cost.rows", cost.rows, probabilities.cols,
                        "columns of probabilities");
  if (cost.cols == 0) detail::reject(kWhere, "cost.cols", 0, "at least 1");
  for (std::size_t c = 0; c < cost.rows; ++c) {
    for (std::size_t k = 0; k < cost.cols; ++k) {
      if (detail::is_finite(static_cast<double>(cost(c, k)))) continue;
      detail::reject_cell(kWhere, "cost", c, k, cost(c, k), "a finite number");
    }
  }
  if (abstain_cost && detail::is_nan(*abstain_cost)) {
    detail::reject(kWhere, "abstain_cost", *abstain_cost, "a number");
  }
  std::vector<std::int64_t> decisions;
  decisions.reserve(probabilities.rows);
  for (std::size_t r = 0; r < probabilities.rows; ++r) {
    double mass = 0;
    for (std::size_t c = 0; c < cost.rows; ++c) mass += static_cast<double>(probabilities(r, c));
    std::size_t best = 0;
    double least = 0;
    for (std::size_t k = 0; k < cost.cols; ++k) {
      double expected = 0;
      for (std::size_t c = 0; c < cost.rows; ++c) {
        expected += static_cast<double>(probabilities(r, c)) * static_cast<double>(cost(c, k));
      }
      if (k == 0 || expected < least) {
        best = k;
        least = expected;
      }
    }
    const bool abstains = abstain_cost && least > *abstain_cost * mass;
    decisions.push_back(abstains ? kAbstain : static_cast<std::int64_t>(best));
  }
  return decisions;
}

/// A metric of one label's decisions; larger is better.
template <class F>
concept BinaryMetric = requires(const F& metric, const metrics::BinaryCounts& counts) {
  { metric(counts) } -> std::convertible_to<double>;
};

/// A threshold and the value of the metric there.
struct Threshold {
  double threshold = 0;
  double score = 0;
};

/// The threshold on the scores of one label that is best by a metric, for "score >= threshold", on
/// validation rows: every threshold that changes a decision is tried, half-way between neighbouring
/// scores; among equally good thresholds the highest wins, up to infinity, which no row reaches.
/// O(N log N).
///
/// With few positives such a threshold fits noise: prefer one shared by all labels, or an interval
/// over resamples, before trusting it.
/// @throws std::invalid_argument for no rows, sizes that differ, scores that are not finite, and a
/// metric that gives NaN.
template <std::floating_point T, std::integral Y, BinaryMetric F>
Threshold choose_threshold(std::span<const T> scores, std::span<const Y> positives,
                           const F& metric) {
  constexpr std::string_view kWhere = "choose_threshold";
  if (scores.empty()) detail::reject(kWhere, "scores.size()", 0, "at least 1");
  detail::require_size(kWhere, "positives", positives.size(), scores.size(), "scores");
  metrics::BinaryCounts counts;
  detail::require_all_finite(kWhere, "scores", scores);
  detail::require_binary(kWhere, "positives", positives);
  for (const Y positive : positives) {
    (positive != 0 ? counts.false_negatives : counts.true_negatives) += 1;
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  Threshold best{detail::infinity(), 0};
  bool first = true;
  const auto consider = [&](double threshold) {
    const auto score =
        static_cast<double>(metric(static_cast<const metrics::BinaryCounts&>(counts)));
    if (detail::is_nan(score)) {
      detail::reject(kWhere, "metric at threshold " + detail::to_text(threshold), score,
                     "a number");
    }
    if (first || score > best.score) best = {threshold, score};
    first = false;
  };
  consider(detail::infinity());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool positive = positives[order[i]] != 0;
    (positive ? counts.true_positives : counts.false_positives) += 1;
    (positive ? counts.false_negatives : counts.true_negatives) -= 1;
    const auto score = static_cast<double>(scores[order[i]]);
    if (i + 1 == order.size()) {
      consider(score);
      break;
    }
    const auto next = static_cast<double>(scores[order[i + 1]]);
    if (next == score) continue;
    // Half-way, but above the next score even if rounding would make them equal.
    const double half = std::midpoint(next, score);
    consider(half > next ? half : score);
  }
  return best;
}

/// One threshold per label: choose_threshold() for each column of scores, N x L, against 0 / 1
/// targets of the same shape; by default for the best F1, which maximises the multi-label macro-F1
/// over thresholds. O(L N log N).
/// @throws std::invalid_argument as choose_threshold(), and for shapes that differ.
template <class T, class Y, BinaryMetric F>
std::vector<Threshold> choose_thresholds(const MatrixView<T>& scores, const MatrixView<Y>& targets,
                                         const F& metric) {
  constexpr std::string_view kWhere = "choose_thresholds";
  detail::require_count(kWhere, "targets.rows", targets.rows, scores.rows, "rows of scores");
  detail::require_count(kWhere, "targets.cols", targets.cols, scores.cols, "columns of scores");
  std::vector<Threshold> result;
  std::vector<std::remove_const_t<T>> column(scores.rows);
  std::vector<std::remove_const_t<Y>> positives(scores.rows);
  for (std::size_t l = 0; l < scores.cols; ++l) {
    for (std::size_t r = 0; r < scores.rows; ++r) {
      column[r] = scores(r, l);
      positives[r] = targets(r, l);
    }
    using Score = std::remove_const_t<T>;
    using Target = std::remove_const_t<Y>;
    result.push_back(choose_threshold(std::span<const Score>(column),
                                      std::span<const Target>(positives), metric));
  }
  return result;
}
template <class T, class Y>
std::vector<Threshold> choose_thresholds(const MatrixView<T>& scores,
                                         const MatrixView<Y>& targets) {
  return choose_thresholds(scores, targets,
                           [](const metrics::BinaryCounts& c) { return c.f_beta(); });
}

/// The labels of rows, N x L numbers 0 or 1, row by row: 1 where score >= the label's threshold.
/// O(N L).
/// @throws std::invalid_argument unless there is one threshold per column and none is NaN, and for
/// a NaN score.
template <FloatElement T>
std::vector<std::uint8_t> predict_labels(const MatrixView<T>& scores,
                                         std::span<const double> thresholds) {
  constexpr std::string_view kWhere = "predict_labels";
  detail::require_size(kWhere, "thresholds", thresholds.size(), scores.cols, "columns of scores");
  for (std::size_t l = 0; l < thresholds.size(); ++l) {
    if (!detail::is_nan(thresholds[l])) continue;
    detail::reject_element(kWhere, "thresholds", l, thresholds[l], "a number");
  }
  std::vector<std::uint8_t> labels;
  labels.reserve(scores.rows * scores.cols);
  for (std::size_t r = 0; r < scores.rows; ++r) {
    for (std::size_t l = 0; l < scores.cols; ++l) {
      const auto score = static_cast<double>(scores(r, l));
      if (detail::is_nan(score)) {
        detail::reject_cell(kWhere, "scores", r, l, score, "a number");
      }
      labels.push_back(score >= thresholds[l] ? 1 : 0);
    }
  }
  return labels;
}
/// The same with the thresholds of choose_thresholds().
template <FloatElement T>
std::vector<std::uint8_t> predict_labels(const MatrixView<T>& scores,
                                         std::span<const Threshold> thresholds) {
  std::vector<double> values;
  for (const Threshold& each : thresholds) values.push_back(each.threshold);
  return predict_labels(scores, std::span<const double>(values));
}

/// tau-normalisation of a classifier's rows, in place: w_c / |w_c|^tau (Kang et al. 2020,
/// arXiv:1910.09217). 0 leaves them unchanged, 1 makes all of the same length; rows of frequent
/// classes tend to be long. Choose tau on validation data. A row of zeros stays. O(C D).
/// @throws std::invalid_argument for a tau outside [0, 1] and a weight that is not finite.
template <std::floating_point T>
void normalize_rows(const MatrixView<T>& weights, double tau) {
  constexpr std::string_view kWhere = "normalize_rows";
  detail::require_between(kWhere, "tau", tau, 0, 1);
  for (std::size_t c = 0; c < weights.rows; ++c) {
    for (std::size_t d = 0; d < weights.cols; ++d) {
      if (detail::is_finite(weights(c, d))) continue;
      detail::reject_cell(kWhere, "weights", c, d, weights(c, d), "a finite number");
    }
  }
  for (std::size_t c = 0; c < weights.rows; ++c) {
    double largest = 0;
    for (std::size_t d = 0; d < weights.cols; ++d) {
      largest = std::max(largest, std::fabs(static_cast<double>(weights(c, d))));
    }
    if (largest == 0) continue;
    double squares = 0;
    for (std::size_t d = 0; d < weights.cols; ++d) {
      const double relative = static_cast<double>(weights(c, d)) / largest;
      squares += relative * relative;
    }
    const double factor = std::pow(largest * std::sqrt(squares), -tau);
    for (std::size_t d = 0; d < weights.cols; ++d) {
      weights(c, d) = static_cast<T>(static_cast<double>(weights(c, d)) * factor);
    }
  }
}

}  // namespace equipoise::calibrate

#endif  // EQUIPOISE_CALIBRATE_DECISIONS_H_
