// Per-class changes of the logits while training: scale, shift and margin.
#ifndef EQUIPOISE_LOGIT_TERMS_H_
#define EQUIPOISE_LOGIT_TERMS_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"

namespace equipoise {

/// z'_c = scale_c z_c + shift_c - margin_y [c = y], with y the target. An empty vector stands for
/// its identity: scale 1, shift 0, margin 0. Vectors that are not empty have C elements.
///
/// Terms act in training; evaluation() returns the part that also applies in prediction.
struct LogitTerms {
  std::vector<double> scale;
  std::vector<double> shift;
  std::vector<double> margin;

  /// Whether nothing changes the logits.
  bool empty() const { return scale.empty() && shift.empty() && margin.empty(); }

  /// Applies these terms first, then `next`. The result has the same form, since the composition of
  /// affine maps is affine. Associative. O(C).
  /// @throws std::invalid_argument if the numbers of classes differ.
  LogitTerms then(const LogitTerms& next) const;

  /// The part that also applies in prediction: a scale that all classes share, such as that of
  /// cosine logits; if scales differ, the largest. Differences between scales, shifts and margins
  /// serve training only.
  LogitTerms evaluation() const {
    if (scale.empty()) return {};
    return {
        std::vector<double>(scale.size(), *std::max_element(scale.begin(), scale.end())), {}, {}};
  }

  friend bool operator==(const LogitTerms&, const LogitTerms&) = default;
};

namespace detail {

// Checks the sizes and that every element is finite.
inline void require_terms(std::string_view where, const LogitTerms& terms, std::size_t classes) {
  const auto require = [&](std::string_view name, const std::vector<double>& values) {
    if (values.empty()) return;
    require_size(where, name, values.size(), classes, "classes");
    require_all_finite(where, name, values);
  };
  require("logit_terms.scale", terms.scale);
  require("logit_terms.shift", terms.shift);
  require("logit_terms.margin", terms.margin);
}

}  // namespace detail

inline LogitTerms LogitTerms::then(const LogitTerms& next) const {
  const std::size_t classes = std::max({scale.size(), shift.size(), margin.size(),
                                        next.scale.size(), next.shift.size(), next.margin.size()});
  detail::require_terms("LogitTerms::then", *this, classes);
  detail::require_terms("LogitTerms::then", next, classes);
  // f scales and adds: g(f(z)) = g.scale f(z) + g.shift, so each additive term of f is scaled by g.
  const auto scaled = [&](const std::vector<double>& first, const std::vector<double>& second) {
    std::vector<double> sum(first.empty() && second.empty() ? 0 : classes, 0.0);
    for (std::size_t c = 0; c < sum.size(); ++c) {
      if (!first.empty()) sum[c] = first[c] * (next.scale.empty() ? 1.0 : next.scale[c]);
      if (!second.empty()) sum[c] += second[c];
    }
    return sum;
  };
  LogitTerms result;
  result.scale = scale.empty() ? next.scale : scaled(scale, {});
  result.shift = scaled(shift, next.shift);
  result.margin = scaled(margin, next.margin);
  return result;
}

/// A struct of hyper-parameters that maps counts to LogitTerms.
template <class F>
concept LogitTransform = std::copyable<F> && requires(const F& transform, const CountSummary& s) {
  { transform(s) } -> std::same_as<LogitTerms>;
};

/// z'_c = scale z_c for every class: an inverse temperature. It also applies in prediction.
struct LogitScale {
  double scale = 1.0;

  /// @throws std::invalid_argument unless scale is finite and positive.
  LogitTerms operator()(const CountSummary& counts) const {
    detail::require_positive("LogitScale", "scale", scale);
    return {std::vector<double>(counts.classes(), scale), {}, {}};
  }
};

/// z'_c = z_c + tau log pi_c with pi the prior of the counts: logit-adjusted cross-entropy (Menon
/// et al. 2021, arXiv:2007.07314); tau = 1 is balanced softmax (Ren et al. 2020, arXiv:2007.10740)
/// up to a constant.
struct LogitAdjustment {
  double tau = 1.0;

  /// @throws std::invalid_argument for a class without samples, whose logarithm does not exist, and
  /// for a tau that is not finite.
  LogitTerms operator()(const CountSummary& counts) const {
    detail::require_finite("LogitAdjustment", "tau", tau);
    LogitTerms terms;
    for (std::size_t c = 0; c < counts.classes(); ++c) {
      if (!(counts.count(c) > 0)) {
        detail::reject_element("LogitAdjustment", "counts", c, counts.count(c),
                               "> 0; smoothing gives every class a prior");
      }
      terms.shift.push_back(tau * std::log(counts.share(c)));
    }
    return terms;
  }
};

/// The label-distribution-aware margin (LDAM) of Cao et al. 2019 (arXiv:1906.07413):
/// z'_c = scale (z_c - Delta_y [c = y]) with Delta_c = max_margin (n_c / n_min)^(-1/4) and n_min
/// the least count of a class with samples, so that the rarest class has the largest margin.
///
/// It is meant for cosine logits: with a scale of 30 on plain logits the margin is 15 nats. A class
/// without samples gets max_margin, which no target will use.
struct LdamMargin {
  double max_margin = 0.5;
  double scale = 30.0;

  /// @throws std::invalid_argument unless max_margin is finite and >= 0, scale finite and > 0, and
  /// some class has samples.
  LogitTerms operator()(const CountSummary& counts) const {
    detail::require_not_negative("LdamMargin", "max_margin", max_margin);
    detail::require_positive("LdamMargin", "scale", scale);
    if (counts.present() == 0) {
      detail::reject("LdamMargin", "counts.total()", counts.total(), "> 0");
    }
    LogitTerms terms;
    for (std::size_t c = 0; c < counts.classes(); ++c) {
      const double relative =
          std::max(counts.count(c), counts.min_present()) / counts.min_present();
      terms.scale.push_back(scale);
      terms.margin.push_back(scale * max_margin * std::pow(relative, -0.25));
    }
    return terms;
  }
};

/// The vector-scaling loss of Kini et al. 2021 (arXiv:2103.01550): z'_c = Delta_c z_c + iota_c with
/// Delta_c = (n_c / n_max)^gamma and iota_c = tau log pi_c. The additive part acts early in
/// training; the multiplicative part still acts once the model separates the data. Predictions use
/// neither.
struct VectorScaling {
  double gamma = 0.3;
  double tau = 1.0;

  /// @throws std::invalid_argument for a gamma that is negative or not finite, a tau that is not
  /// finite, and a class without samples.
  LogitTerms operator()(const CountSummary& counts) const {
    detail::require_not_negative("VectorScaling", "gamma", gamma);
    LogitTerms terms = LogitAdjustment{tau}(counts);
    for (std::size_t c = 0; c < counts.classes(); ++c) {
      terms.scale.push_back(std::pow(counts.count(c) / counts.max(), gamma));
    }
    return terms;
  }
};

/// One LogitTerms per group, from the counts of that group. With LogitAdjustment each row is
/// adjusted by the prior of its own group, z'_c = z_c + tau log pi_(c|g), which suits groups
/// (languages, domains) whose class proportions differ. `smoothing` is added to each count, since
/// some groups may lack a class. O(G C).
template <LogitTransform F>
std::vector<LogitTerms> group_logit_terms(const GroupedCounts& counts, const F& transform,
                                          double smoothing = 0.0) {
  std::vector<LogitTerms> result;
  for (std::size_t g = 0; g < counts.groups(); ++g) {
    result.push_back(transform(CountSummary(counts.group(g), smoothing)));
  }
  return result;
}

/// The terms of several transforms of the same counts, applied from left to right. O(C) each.
template <LogitTransform... F>
LogitTerms logit_terms(const CountSummary& counts, const F&... transforms) {
  LogitTerms terms;
  ((terms = terms.then(transforms(counts))), ...);
  return terms;
}
template <LogitTransform... F>
LogitTerms logit_terms(const ClassCounts& counts, const F&... transforms) {
  return logit_terms(CountSummary(counts), transforms...);
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOGIT_TERMS_H_
