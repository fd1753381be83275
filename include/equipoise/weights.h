// From class counts to class weights: policies, the rule for empty classes, clipping,
// normalisation.
#ifndef EQUIPOISE_WEIGHTS_H_
#define EQUIPOISE_WEIGHTS_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
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
struct Uniform {
  static constexpr bool kIgnoresCounts = true;
  double operator()(std::size_t, const CountSummary&) const { return 1.0; }
};

/// w_c = 1 / n_c: with it as sampling weight every class is drawn equally often.
struct InverseFrequency {
  double operator()(std::size_t c, const CountSummary& counts) const {
    return 1.0 / counts.count(c);
  }
};

/// w_c = n / (K n_c) with K the number of classes that have samples, so that sum n_c w_c = n (King
/// & Zeng 2001, "Logistic regression in rare events data"; scikit-learn's "balanced").
struct Balanced {
  double operator()(std::size_t c, const CountSummary& counts) const {
    return counts.total() / (static_cast<double>(counts.present()) * counts.count(c));
  }
};

/// w_c = n_c^(-exponent): 0 is uniform, 1/2 the square root of Mahajan et al. 2018
/// (arXiv:1805.00932), 1 inverse frequency. One knob from no correction to the whole of it.
struct Power {
  double exponent = 0.5;

  /// @throws std::invalid_argument for an exponent that is not finite.
  double operator()(std::size_t c, const CountSummary& counts) const {
    if (!detail::is_finite(exponent)) {
      detail::reject("Power", "exponent", exponent, "a finite number");
    }
    return std::pow(counts.count(c), -exponent);
  }
};

/// w_c = (1 - beta) / (1 - beta^n_c), the inverse of the effective number of samples (Cui et al.
/// 2019, arXiv:1901.05555). beta = 0 gives 1, beta -> 1 gives 1 / n_c, which beta = 1 stands for.
struct EffectiveNumber {
  double beta = 0.999;

  /// beta = (V - 1) / V for a class that has `volume` different samples to draw from.
  /// @throws std::invalid_argument unless volume >= 1; infinity is beta = 1.
  static EffectiveNumber from_volume(double volume) {
    if (!(volume >= 1)) detail::reject("EffectiveNumber", "volume", volume, "a number >= 1");
    return {1.0 - 1.0 / volume};
  }

  /// @throws std::invalid_argument for a beta outside [0, 1].
  double operator()(std::size_t c, const CountSummary& counts) const {
    if (!(beta >= 0 && beta <= 1)) {
      detail::reject("EffectiveNumber", "beta", beta, "a number in [0, 1]");
    }
    if (beta == 1) return 1.0 / counts.count(c);
    // 1 - beta^n without cancellation: beta - 1 is exact for the betas in use.
    return (1.0 - beta) / -std::expm1(counts.count(c) * std::log1p(beta - 1.0));
  }
};

/// w_c = median(f) / f_c with f_c the mass of class c over the mass of the sequences that contain
/// it (Eigen & Fergus 2015, arXiv:1411.4734). Use count_sequences(); counts without sequences give
/// the median of the counts over n_c.
struct MedianFrequency {
  double operator()(std::size_t c, const CountSummary& counts) const {
    return counts.median_frequency() / counts.frequency(c);
  }
};

/// w_c = 1 / ln(k + pi_c) with pi_c = n_c / n (ENet, Paszke et al. 2016, arXiv:1606.02147); never
/// above 1 / ln k, about 50 for the default.
struct Logarithmic {
  double k = 1.02;

  /// @throws std::invalid_argument unless k is finite and > 1.
  double operator()(std::size_t c, const CountSummary& counts) const {
    if (!detail::is_finite(k) || !(k > 1)) detail::reject("Logarithmic", "k", k, "a number > 1");
    return 1.0 / std::log(k + counts.share(c));
  }
};

/// Weights that the user knows, one a class.
struct Explicit {
  static constexpr bool kIgnoresCounts = true;
  std::vector<double> weights;

  /// @throws std::invalid_argument where the number of weights is not that of the classes.
  double operator()(std::size_t c, const CountSummary& counts) const {
    detail::require_size("Explicit", "weights", weights.size(), counts.classes(), "classes");
    return weights[c];
  }
};

/// w_c = cost of misclassifying a sample of class c, whatever it is taken for (Elkan 2001, "The
/// foundations of cost-sensitive learning"). Costs that depend on the prediction too need a
/// decision rule, not weights.
struct Cost {
  static constexpr bool kIgnoresCounts = true;
  std::vector<double> costs;

  /// @throws std::invalid_argument where the number of costs is not that of the classes.
  double operator()(std::size_t c, const CountSummary& counts) const {
    detail::require_size("Cost", "costs", costs.size(), counts.classes(), "classes");
    return costs[c];
  }
};

/// The weight of a class without samples, for policies that depend on counts.
enum class EmptyClass {
  kError,    ///< std::invalid_argument
  kZero,     ///< 0
  kOne,      ///< 1, after normalisation
  kLargest,  ///< the largest weight of a class with samples
};

/// What the scale of the weights is.
enum class Normalize {
  kNone,                ///< as the policy gives them
  kMeanOne,             ///< the mean over classes with samples is 1
  kSumToClasses,        ///< the sum over all classes is C, as in class-balanced loss
  kMeanOneOverSamples,  ///< sum n_c w_c = n: a mean-by-count loss keeps the scale of the unweighted
                        ///< one
  kMinOne,              ///< the least positive weight is 1
};

/// Options of class_weights().
struct WeightOptions {
  Normalize normalize = Normalize::kMeanOneOverSamples;
  /// Bounds that hold for every weight of a class with samples once normalised. Clipping comes last
  /// but for one rescaling that would restore the normalisation if it broke no bound; so where a
  /// bound is active, the bounds hold and the normalisation may not.
  double min = 0;
  double max = detail::infinity();
  EmptyClass empty = EmptyClass::kError;
  /// Added to every count: the mean of a Dirichlet prior; above 0 no class is empty.
  double smoothing = 0;
};

namespace detail {

// What a weight vector has to be divided by.
inline double weight_scale(Normalize normalize, const CountSummary& counts,
                           std::span<const double> weights) {
  double sum = 0;
  double over_samples = 0;
  double least = infinity();
  double classes = 0;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    sum += weights[c];
    over_samples += counts.count(c) * weights[c];
    if (weights[c] > 0) least = std::min(least, weights[c]);
    if (counts.count(c) > 0) classes += 1;
  }
  double scale = 1;
  if (normalize == Normalize::kMeanOne) scale = sum / classes;
  if (normalize == Normalize::kSumToClasses) scale = sum / static_cast<double>(weights.size());
  if (normalize == Normalize::kMeanOneOverSamples) scale = over_samples / counts.total();
  if (normalize == Normalize::kMinOne) scale = least;
  return is_finite(scale) && scale > 0 ? scale : 1;
}

}  // namespace detail

/// One weight a class: the policy's for classes with samples (see EmptyClass for the others),
/// scaled, clipped. Never NaN or infinite. O(C log C).
///
/// Where all weights are zero nothing is scaled.
/// @throws std::invalid_argument for counts without classes, for a class without samples under
/// EmptyClass::kError, for bounds that are not 0 <= min <= max, and where the policy gives a weight
/// that is negative, NaN or infinite.
template <WeightPolicy P>
std::vector<double> class_weights(const ClassCounts& counts, const P& policy,
                                  const WeightOptions& options = {}) {
  constexpr std::string_view kWhere = "class_weights";
  if (!(options.min >= 0) || !detail::is_finite(options.min)) {
    detail::reject(kWhere, "options.min", options.min, "a finite number >= 0");
  }
  if (!(options.max >= options.min)) {
    detail::reject(kWhere, "options.max", options.max,
                   "at least options.min = " + detail::to_text(options.min));
  }
  const CountSummary summary(counts, options.smoothing);
  const std::size_t classes = summary.classes();
  constexpr bool kIgnoresCounts = requires { requires P::kIgnoresCounts; };
  const auto has_weight = [&](std::size_t c) { return kIgnoresCounts || summary.count(c) > 0; };

  std::vector<double> weights(classes, 0.0);
  for (std::size_t c = 0; c < classes; ++c) {
    if (!has_weight(c)) {
      if (options.empty == EmptyClass::kError) {
        detail::reject_element(kWhere, "counts", c, summary.count(c),
                               "> 0, or options.empty or options.smoothing to say what it weighs");
      }
      continue;
    }
    weights[c] = policy(c, summary);
    if (!detail::is_finite(weights[c]) || weights[c] < 0) {
      detail::reject_element(kWhere, "policy", c, weights[c], "a finite number >= 0");
    }
  }
  const auto set_empty = [&](double weight) {
    for (std::size_t c = 0; c < classes; ++c) {
      if (!has_weight(c)) weights[c] = weight;
    }
  };
  if (options.empty == EmptyClass::kLargest) {
    set_empty(*std::max_element(weights.begin(), weights.end()));
  }
  const double scale = detail::weight_scale(options.normalize, summary, weights);
  for (std::size_t c = 0; c < classes; ++c) {
    const double scaled = weights[c] / scale;
    weights[c] = has_weight(c) || options.empty == EmptyClass::kLargest
                     ? std::clamp(scaled, options.min, options.max)
                     : scaled;
  }
  const double again = detail::weight_scale(options.normalize, summary, weights);
  const bool within = std::all_of(weights.begin(), weights.end(), [&](double weight) {
    return weight == 0 || (weight / again >= options.min && weight / again <= options.max);
  });
  if (options.normalize != Normalize::kNone && within) {
    for (double& weight : weights) weight /= again;
  }
  if (options.empty == EmptyClass::kOne) set_empty(1.0);
  return weights;
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
  double max = detail::infinity();  ///< the most that a label weighs
  EmptyClass empty =
      EmptyClass::kError;  ///< for labels without positives; kLargest among the others
};

/// What the positives of each label weigh in a multi-label loss: ((n - n_l) / n_l)^exponent with
/// n_l positives among n rows, at most options.max. A label that every row has weighs 0. O(L).
/// @throws std::invalid_argument for a count above `rows`, for rows that are not finite, for a
/// label without positives under EmptyClass::kError, and for an exponent that is negative or not
/// finite.
inline std::vector<double> pos_weight(const ClassCounts& positives, double rows,
                                      const PosWeightOptions& options = {}) {
  constexpr std::string_view kWhere = "pos_weight";
  if (!detail::is_finite(rows) || rows < 0) {
    detail::reject(kWhere, "rows", rows, "a finite number >= 0");
  }
  if (!detail::is_finite(options.exponent) || options.exponent < 0) {
    detail::reject(kWhere, "options.exponent", options.exponent, "a finite number >= 0");
  }
  if (!(options.max > 0)) detail::reject(kWhere, "options.max", options.max, "a number > 0");
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
