// From class counts to class weights: policies, the rule for empty classes, clipping,
// normalisation.
#ifndef EQUIPOISE_WEIGHTS_H_
#define EQUIPOISE_WEIGHTS_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/view.h"

namespace equipoise {

/// A copyable struct of hyper-parameters whose call operator gives the weight of class c, a finite
/// number >= 0, from the counts. It is called for classes with n_c > 0, and, if it has a member
/// `static constexpr bool kIgnoresCounts = true`, for every class.
template <class P>
concept WeightPolicy = std::copyable<P> &&
    requires(const P& policy, std::size_t c, const CountSummary& counts) {
  { policy(c, counts) } -> std::same_as<double>;
};

/// w_c = 1.
struct UniformWeights {
  static constexpr bool kIgnoresCounts = true;
  double operator()(std::size_t, const CountSummary&) const { return 1.0; }
};

/// w_c = 1 / n_c. As a sampling weight it draws every class equally often.
struct InverseFrequencyWeights {
  double operator()(std::size_t c, const CountSummary& counts) const {
    return 1.0 / counts.count(c);
  }
};

/// w_c = n / (K n_c) with K the number of classes that have samples, so that sum n_c w_c = n (King
/// & Zeng 2001, "Logistic regression in rare events data"; scikit-learn's "balanced").
struct BalancedWeights {
  double operator()(std::size_t c, const CountSummary& counts) const {
    return counts.total() / (static_cast<double>(counts.present()) * counts.count(c));
  }
};

/// w_c = n_c^(-exponent): 0 is uniform, 1/2 the square root of Mahajan et al. 2018
/// (arXiv:1805.00932), 1 inverse frequency. The exponent leads from no correction to the full one.
struct PowerWeights {
  double exponent = 0.5;

  /// @throws std::invalid_argument for an exponent that is not finite.
  double operator()(std::size_t c, const CountSummary& counts) const {
    detail::require_finite("PowerWeights", "exponent", exponent);
    return std::pow(counts.count(c), -exponent);
  }
};

/// w_c = (1 - beta) / (1 - beta^n_c), the inverse of the effective number of samples (Cui et al.
/// 2019, arXiv:1901.05555). beta = 0 gives 1; beta = 1 stands for the limit 1 / n_c.
struct EffectiveNumberWeights {
  double beta = 0.999;

  /// beta = (V - 1) / V for a class that has `volume` different samples to draw from.
  /// @throws std::invalid_argument unless volume >= 1; infinity is beta = 1.
  static EffectiveNumberWeights from_volume(double volume) {
    if (detail::is_nan(volume) || volume < 1) {
      detail::reject("EffectiveNumberWeights", "volume", volume, "a number >= 1");
    }
    return {1.0 - 1.0 / volume};
  }

  /// @throws std::invalid_argument for a beta outside [0, 1].
  double operator()(std::size_t c, const CountSummary& counts) const {
    detail::require_between("EffectiveNumberWeights", "beta", beta, 0, 1);
    if (beta == 1) return 1.0 / counts.count(c);
    // 1 - beta^n without cancellation: beta - 1 is exact for the betas used in practice.
    return (1.0 - beta) / -std::expm1(counts.count(c) * std::log1p(beta - 1.0));
  }
};

/// w_c = median(f) / f_c with f_c the mass of class c over the mass of the sequences that contain
/// it (Eigen & Fergus 2015, arXiv:1411.4734). Use count_sequences(); counts without sequences give
/// the median of the counts over n_c.
struct MedianFrequencyWeights {
  double operator()(std::size_t c, const CountSummary& counts) const {
    return counts.median_frequency() / counts.frequency(c);
  }
};

/// w_c = 1 / ln(k + pi_c) with pi_c = n_c / n (ENet, Paszke et al. 2016, arXiv:1606.02147); never
/// above 1 / ln k, about 50 for the default.
struct LogarithmicWeights {
  double k = 1.02;

  /// @throws std::invalid_argument unless k is finite and > 1.
  double operator()(std::size_t c, const CountSummary& counts) const {
    if (!detail::is_finite(k) || k <= 1) {
      detail::reject("LogarithmicWeights", "k", k, "a finite number > 1");
    }
    return 1.0 / std::log(k + counts.share(c));
  }
};

/// Given weights, one per class.
struct ExplicitWeights {
  static constexpr bool kIgnoresCounts = true;
  std::vector<double> weights;

  /// @throws std::invalid_argument if the number of weights is not the number of classes.
  double operator()(std::size_t c, const CountSummary& counts) const {
    detail::require_size("ExplicitWeights", "weights", weights.size(), counts.classes(), "classes");
    return weights[c];
  }
};

/// w_c = cost of misclassifying a sample of class c, whatever it is predicted as (Elkan 2001, "The
/// foundations of cost-sensitive learning"). Costs that also depend on the prediction need a
/// decision rule, not weights.
struct CostWeights {
  static constexpr bool kIgnoresCounts = true;
  std::vector<double> costs;

  /// @throws std::invalid_argument if the number of costs is not the number of classes.
  double operator()(std::size_t c, const CountSummary& counts) const {
    detail::require_size("CostWeights", "costs", costs.size(), counts.classes(), "classes");
    return costs[c];
  }
};

/// The weight of a class without samples, for policies that depend on counts.
enum class EmptyClass {
  kError,    ///< std::invalid_argument
  kZero,     ///< 0
  kOne,      ///< 1, after normalisation of the others
  kLargest,  ///< the largest weight of a class with samples
};

/// The scale of the weights. n_c are the counts without smoothing.
enum class WeightNormalization {
  kNone,                ///< as the policy gives them
  kMeanOne,             ///< the mean over classes with samples is 1
  kSumToClasses,        ///< the sum over all classes is C, as in class-balanced loss
  kMeanOneOverSamples,  ///< sum n_c w_c = n: a mean-by-count loss keeps the scale of the unweighted
                        ///< one
  kMinOne,              ///< the smallest positive weight is 1
};

/// Options of class_weights().
struct WeightOptions {
  WeightNormalization normalize = WeightNormalization::kMeanOneOverSamples;
  /// Bounds of the final weights: a weight above 0 becomes max(min, min(max, s w_c)), where the
  /// factor s makes the normalisation hold after clipping. A weight of 0, and that of a class under
  /// EmptyClass::kOne, keeps its value.
  double min = 0;
  double max = detail::infinity();
  EmptyClass empty = EmptyClass::kError;
  /// Added to every count before the policy sees it, as in the mean under a Dirichlet prior; above
  /// 0 no class is empty.
  double smoothing = 0;
};

namespace detail {

// The coefficients a_c with which a mean-like normalisation reads sum a_c w_c = 1. `fixed` classes
// have the weight 1 whatever the others have.
inline std::vector<double> normalization_shares(WeightNormalization normalize,
                                                const ClassCounts& counts, std::size_t fixed) {
  const std::size_t classes = counts.classes();
  const double total = counts.total();
  double present = 0;
  for (const double n : counts.values()) present += n > 0 ? 1 : 0;
  std::vector<double> shares(classes, 0.0);
  for (std::size_t c = 0; c < classes; ++c) {
    if (normalize == WeightNormalization::kSumToClasses) {
      shares[c] = 1 / static_cast<double>(classes - fixed);
    } else if (counts[c] > 0) {
      shares[c] = normalize == WeightNormalization::kMeanOne ? 1 / present : counts[c] / total;
    }
  }
  return shares;
}

inline double scaled_and_clipped(double weight, double scale, const WeightOptions& options) {
  return weight > 0 ? std::clamp(scale * weight, options.min, options.max) : weight;
}

inline double normalized_sum(std::span<const double> shares, std::span<const double> weights,
                             double scale, const WeightOptions& options) {
  double sum = 0;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    sum += shares[c] * scaled_and_clipped(weights[c], scale, options);
  }
  return sum;
}

// The scale at which clipped weights sum to 1 under `shares`. The sum never falls as the scale
// grows, so bisection finds the scale to the last bit.
inline double clipped_scale(std::string_view where, std::span<const double> shares,
                            std::span<const double> weights, double unclipped,
                            const WeightOptions& options) {
  double least = infinity();
  double most = 0;
  double mass = 0;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (weights[c] <= 0) continue;
    least = std::min(least, weights[c]);
    most = std::max(most, weights[c]);
    mass += shares[c];
  }
  // Setting all weights to one bound shows whether the bounds leave room. Where one bound is
  // missing, the scale without clipping limits the search on that side.
  const double slack = static_cast<double>(weights.size()) * std::numeric_limits<double>::epsilon();
  if (mass * options.min > 1 + slack) {
    reject(where, "options.min", options.min, "at most " + to_text(1 / mass) + " to normalise");
  }
  if (mass * options.max < 1 - slack) {
    reject(where, "options.max", options.max, "at least " + to_text(1 / mass) + " to normalise");
  }
  double low = options.min > 0 ? options.min / most : unclipped;
  double high = is_finite(options.max) ? options.max / least : unclipped;
  for (double middle = low + (high - low) / 2; low < middle && middle < high;
       middle = low + (high - low) / 2) {
    (normalized_sum(shares, weights, middle, options) < 1 ? low : high) = middle;
  }
  return high;
}

// The factor on positive weights before clipping; 1 where nothing can be scaled.
inline double weight_scale(std::string_view where, const ClassCounts& counts,
                           std::span<const double> weights, std::size_t fixed,
                           const WeightOptions& options) {
  if (options.normalize == WeightNormalization::kNone) return 1;
  if (options.normalize == WeightNormalization::kMinOne) {
    double least = infinity();
    for (const double weight : weights) least = weight > 0 ? std::min(least, weight) : least;
    if (!is_finite(least)) return 1;
    if (options.min > 1) reject(where, "options.min", options.min, "at most 1 to normalise");
    if (options.max < 1) reject(where, "options.max", options.max, "at least 1 to normalise");
    return 1 / least;
  }
  const std::vector<double> shares = normalization_shares(options.normalize, counts, fixed);
  double sum = 0;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (weights[c] > 0) sum += shares[c] * weights[c];
  }
  if (sum == 0) return 1;
  const double scale = 1 / sum;
  if (!is_finite(sum) || !is_finite(scale)) {
    reject(where, "mean of the weights", sum, "a number to divide by");
  }
  const bool clips = std::any_of(weights.begin(), weights.end(), [&](double weight) {
    return scaled_and_clipped(weight, scale, options) != scale * weight;
  });
  return clips ? clipped_scale(where, shares, weights, scale, options) : scale;
}

}  // namespace detail

/// One weight per class: the policy's for classes with samples (see EmptyClass for the others),
/// scaled and clipped. Never NaN or infinite. O(C log C); with active bounds, about a hundred
/// passes over the classes.
///
/// Bounds and normalisation both hold, to rounding. If no class with samples has a positive weight,
/// there is nothing to scale, and only the bounds hold.
/// @throws std::invalid_argument for counts without classes, for a class without samples under
/// EmptyClass::kError, for bounds that are not 0 <= min <= max or leave no room for the
/// normalisation (such as max < 1 where the mean has to be 1), and if the policy gives a weight
/// that is negative, NaN or infinite, or so large or small that scaling it overflows or leaves 0.
template <WeightPolicy P>
std::vector<double> class_weights(const ClassCounts& counts, const P& policy,
                                  const WeightOptions& options = {}) {
  constexpr std::string_view kWhere = "class_weights";
  detail::require_not_negative(kWhere, "options.min", options.min);
  if (detail::is_nan(options.max) || options.max < options.min) {
    detail::reject(kWhere, "options.max", options.max,
                   "at least options.min = " + detail::to_text(options.min));
  }
  const CountSummary summary(counts, options.smoothing);
  constexpr bool kIgnoresCounts = requires { requires P::kIgnoresCounts; };

  std::vector<double> weights(summary.classes(), 0.0);
  std::vector<std::size_t> empty;
  double largest = 0;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (!kIgnoresCounts && summary.count(c) == 0) {
      if (options.empty == EmptyClass::kError) {
        detail::reject_element(kWhere, "counts", c, summary.count(c),
                               "> 0, or options.empty or options.smoothing to say what it weighs");
      }
      empty.push_back(c);
      continue;
    }
    weights[c] = policy(c, summary);
    if (!detail::is_finite(weights[c]) || weights[c] < 0) {
      detail::reject_element(kWhere, "policy", c, weights[c], "a finite number >= 0");
    }
    largest = std::max(largest, weights[c]);
  }
  const bool is_one = options.empty == EmptyClass::kOne;
  if (options.empty == EmptyClass::kLargest) {
    for (const std::size_t c : empty) weights[c] = largest;
  }
  const double scale =
      detail::weight_scale(kWhere, counts, weights, is_one ? empty.size() : 0, options);
  for (std::size_t c = 0; c < weights.size(); ++c) {
    const double scaled = detail::scaled_and_clipped(weights[c], scale, options);
    const bool vanished = weights[c] > 0 && scaled == 0 && options.max > 0;
    if (!detail::is_finite(scaled) || vanished) {
      detail::reject_element(
          kWhere, "weights", c, scaled,
          vanished ? "a number > 0 once normalised" : "a finite number once normalised");
    }
    weights[c] = scaled;
  }
  if (is_one) {
    for (const std::size_t c : empty) weights[c] = 1.0;
  }
  return weights;
}

/// Class weights scaled so that their mean over the rows drawn is 1,
///
///     w_c / sum_k q_k w_k,   q_c = drawn_c / sum_k drawn_k,
///
/// where `drawn` holds the masses with which a sampler draws the classes: a mix, or the counts of
/// the rows it has drawn. With these weights a mean over rows keeps the scale of the unweighted
/// loss under any sampler, and so the learning rate can stay; class_weights() does the same for
/// rows drawn in proportion to the counts (WeightNormalization::kMeanOneOverSamples). A class that
/// is not drawn is scaled like the others but does not enter the mean. Weights have no unit, and
/// the scale of either argument does not matter. O(C).
/// @throws std::invalid_argument for sizes that differ, for weights and masses that are negative,
/// NaN or infinite, if no class that is drawn has a positive weight, and for numbers so large or
/// small that scaling them overflows or leaves 0.
inline std::vector<double> mean_one_over_draws(std::span<const double> class_weights,
                                               std::span<const double> drawn) {
  constexpr std::string_view kWhere = "mean_one_over_draws";
  detail::require_masses(kWhere, "class_weights", class_weights);
  detail::require_size(kWhere, "drawn", drawn.size(), class_weights.size(), "classes");
  detail::require_masses(kWhere, "drawn", drawn);
  double total = 0;
  for (const double mass : drawn) total += mass;
  double mean = 0;
  for (std::size_t c = 0; c < drawn.size(); ++c) {
    if (drawn[c] > 0) mean += drawn[c] / total * class_weights[c];
  }
  const double scale = 1 / mean;
  if (!(mean > 0) || !detail::is_finite(mean) || !detail::is_finite(scale)) {
    detail::reject(kWhere, "mean of class_weights over the rows drawn", mean,
                   "a positive number to divide by");
  }
  std::vector<double> result(class_weights.begin(), class_weights.end());
  for (std::size_t c = 0; c < result.size(); ++c) {
    result[c] *= scale;
    if (detail::is_finite(result[c]) && (result[c] > 0 || class_weights[c] == 0)) continue;
    detail::reject_element(kWhere, "class_weights", c, class_weights[c],
                           "a number that is neither infinite nor 0 once normalised");
  }
  return result;
}

/// The weight of each sample: that of its class; 0 for the ignore index. O(N).
/// @throws std::invalid_argument for a label that is neither a class nor the ignore index, and for
/// weights that are negative, NaN or infinite.
template <LabelRange R>
std::vector<double> sample_weights(const R& labels, std::span<const double> class_weights,
                                   std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "sample_weights";
  detail::require_masses(kWhere, "class_weights", class_weights);
  detail::require_ignore_index_is_no_class(kWhere, class_weights.size(), ignore_index);
  const auto values = as_span(labels);
  std::vector<double> weights(values.size(), 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (detail::is_class(values[i], class_weights.size())) {
      weights[i] = class_weights[static_cast<std::size_t>(values[i])];
    } else if (!detail::is_ignored(values[i], ignore_index)) {
      detail::reject_first_invalid(kWhere, "labels", values, class_weights.size(), ignore_index);
    }
  }
  return weights;
}

/// Options of pos_weight().
struct PosWeightOptions {
  double exponent = 1.0;            ///< 1 is the whole correction, 1/2 its square root, 0 none
  double max = detail::infinity();  ///< the largest weight of a label
  /// For labels without positives; kLargest is the largest weight of the others, kOne 1.
  EmptyClass empty = EmptyClass::kError;
};

/// The weight of the positives of each label in a multi-label loss: ((n - n_l) / n_l)^exponent with
/// n_l positives among n rows, at most options.max. A label that every row has weighs 0 (1 under an
/// exponent of 0). O(L).
/// @throws std::invalid_argument for a count above `rows`, for rows that are not finite, for a
/// label without positives under EmptyClass::kError, for an exponent that is negative or not
/// finite, for a max that is not > 0, and for a weight that is infinite.
inline std::vector<double> pos_weight(const ClassCounts& positives, double rows,
                                      const PosWeightOptions& options = {}) {
  constexpr std::string_view kWhere = "pos_weight";
  detail::require_not_negative(kWhere, "rows", rows);
  detail::require_not_negative(kWhere, "options.exponent", options.exponent);
  if (detail::is_nan(options.max) || options.max <= 0) {
    detail::reject(kWhere, "options.max", options.max, "a number > 0");
  }
  std::vector<double> weights(positives.classes(), 0.0);
  double largest = 0;
  for (std::size_t l = 0; l < weights.size(); ++l) {
    if (positives[l] > rows) {
      detail::reject_element(kWhere, "positives", l, positives[l],
                             "at most rows = " + detail::to_text(rows));
    }
    if (positives[l] > 0) {
      const double odds = (rows - positives[l]) / positives[l];
      weights[l] = std::min(std::pow(odds, options.exponent), options.max);
      if (!detail::is_finite(weights[l])) {
        detail::reject_element(kWhere, "positives", l, positives[l],
                               "enough positives for finite odds, or options.max");
      }
      largest = std::max(largest, weights[l]);
    } else if (options.empty == EmptyClass::kError) {
      detail::reject_element(kWhere, "positives", l, positives[l],
                             "> 0, or options.empty to say what the label weighs");
    }
  }
  for (std::size_t l = 0; l < weights.size(); ++l) {
    if (positives[l] > 0) continue;
    if (options.empty == EmptyClass::kOne) weights[l] = 1.0;
    if (options.empty == EmptyClass::kLargest) weights[l] = largest;
  }
  return weights;
}

}  // namespace equipoise

#endif  // EQUIPOISE_WEIGHTS_H_
