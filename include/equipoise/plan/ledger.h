// The combined effect of sampler, weights, logit terms and reduction, predicted before training:
// the prior that the logits will carry, double correction, and the offset that undoes it.
#ifndef EQUIPOISE_PLAN_LEDGER_H_
#define EQUIPOISE_PLAN_LEDGER_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/text.h"
#include "equipoise/logit_terms.h"
#include "equipoise/mix.h"
#include "equipoise/plan/treatment.h"
#include "equipoise/reduction/mean.h"

namespace equipoise {

/// The strength of the correction by each part of a treatment, as an exponent: 0 leaves the
/// proportions as they are, 1 balances them, 2 makes the rare classes as frequent as the frequent
/// ones were before. The parts add up.
struct CorrectionStrength {
  double sampler = 0;
  double weights = 0;
  double logit_terms = 0;
  /// The sum of the parts.
  double total() const { return sampler + weights + logit_terms; }
};

/// The effect of a treatment on the classes. All numbers are nominal: they hold at the minimum of
/// the expected loss, for data that the model cannot separate, and for training to convergence;
/// fit_offset() measures on validation data how much of the effect was realised.
struct Ledger {
  std::vector<double> natural;    ///< pi_c = n_c / n
  std::vector<double> drawn;      ///< q_c, the fraction of the draws
  std::vector<double> weights;    ///< expected coefficient of a row, with mean one over the draws
  std::vector<double> effective;  ///< e_c, the prior that the logits carry; sums to one
  /// e_c / pi_c: how much a row of the data counts.
  std::vector<double> importance;
  CorrectionStrength strength{};
  /// Kish's effective number of distinct rows, (sum_i v_i)^2 / sum_i v_i^2 with v_i = q_c w_c / n_c
  /// the weight of row i over a whole training run (Kish 1965); never more than there are rows.
  double effective_sample_size = 0;
  /// The number of rows with a class that is drawn, over effective_sample_size: the factor by which
  /// the variance of an average over the data grows.
  double variance_inflation = 0;
  /// The reason why no logit offset undoes the treatment; empty if one does.
  std::string no_offset{};
  /// Whether the treatment was a schedule; the numbers are then those of its last stage.
  bool approximate = false;

  /// The number C of classes.
  std::size_t classes() const { return natural.size(); }

  /// Whether more than one part corrects and together they overshoot: the total strength exceeds 1,
  /// the correction that balances, by more than `tolerance`.
  /// @throws std::invalid_argument for a tolerance that is negative or not finite.
  bool corrects_twice(double tolerance = 0.05) const {
    detail::require_not_negative("Ledger::corrects_twice", "tolerance", tolerance);
    const auto acts = [&](double value) { return value > tolerance ? 1 : 0; };
    return acts(strength.sampler) + acts(strength.weights) + acts(strength.logit_terms) > 1 &&
           strength.total() > 1 + tolerance;
  }

  /// The offset to add to the logits so that their softmax is the posterior under
  /// `deployment_prior`: log(deployment_c / e_c). The natural prior undoes the treatment, a uniform
  /// one gives the rule with the best balanced accuracy; for macro-F1 choose the strength with
  /// choose_tau(). Invert a modulator first, with posterior(), which also removes label smoothing.
  /// @throws std::invalid_argument if there is no such offset (see no_offset), for sizes that
  /// differ, and for a prior that is not finite and > 0.
  std::vector<double> offset(std::span<const double> deployment_prior) const {
    if (!no_offset.empty()) detail::invalid_argument("Ledger::offset(): " + no_offset);
    return calibrate::logit_offset(effective, deployment_prior);
  }
  /// The offset back to the proportions of the training data.
  std::vector<double> offset() const { return offset(natural); }
};

namespace detail {

// The slope of log(part) over -log pi, least squares over the classes that occur: for parts
// proportional to pi^-tau it is tau.
inline double strength_of(std::span<const double> natural, std::span<const double> log_part) {
  double size = 0;
  double mean_x = 0;
  double mean_y = 0;
  for (std::size_t c = 0; c < natural.size(); ++c) {
    if (!(natural[c] > 0) || !is_finite(log_part[c])) continue;
    size += 1;
    mean_x -= std::log(natural[c]);
    mean_y += log_part[c];
  }
  if (size == 0) return 0;
  double xx = 0;
  double xy = 0;
  for (std::size_t c = 0; c < natural.size(); ++c) {
    if (!(natural[c] > 0) || !is_finite(log_part[c])) continue;
    const double x = -std::log(natural[c]) - mean_x / size;
    xx += x * x;
    xy += x * (log_part[c] - mean_y / size);
  }
  // Counts that are equal up to rounding have no rare class to correct for, and a part that moves
  // the classes by no more than rounding corrects nothing.
  constexpr double kRounding = 1e-12;
  const double slope = xx > kRounding * size ? xy / xx : 0;
  return std::fabs(slope) > kRounding ? slope : 0;
}

// The exposure of each class under a treatment: its proportion of the draws, and the expected
// coefficient of one of its rows; see expected_coefficients().
struct Exposure {
  std::vector<double> drawn;
  std::vector<double> coefficients;
};

inline Exposure exposure_of(std::string_view where, const Treatment& treatment) {
  const std::span<const double> counts = treatment.counts.values();
  require_correction(where, "", counts, treatment);
  const std::span<const double> mix = treatment.mix.empty() ? counts : treatment.mix;
  Exposure result{{mix.begin(), mix.end()}, {}};
  normalize(result.drawn);
  result.coefficients = expected_coefficients(where, treatment.mean, result.drawn,
                                              treatment.weights, treatment.batch_size);
  return result;
}

}  // namespace detail

/// The ledger of a treatment: e_c proportional to q_c w_c exp(-shift_c), with w_c the expected
/// coefficient of a row under the mean, and shift_c in units of the scaled logits. O(C), times a
/// few hundred with MeanKind::kByWeight, times a few thousand with MeanKind::kPerClass.
///
/// Under MeanKind::kPerClass a class counts less, the more batches lack it; so e is uniform (before
/// the shifts) only if every batch has all classes. For the two means that depend on the batch, its
/// rows are assumed to be independent draws; see mean_by_weight_coefficients() and
/// mean_per_class_coefficients().
/// @throws std::invalid_argument for counts that are empty or all zero, sizes that differ, masses
/// that are negative, NaN, infinite or all zero, terms that are not finite, a class without rows
/// whose mass is not 0, a label smoothing outside [0, 1], and a batch size of 0 under
/// MeanKind::kPerClass, and with weights under MeanKind::kByWeight.
inline Ledger ledger(const Treatment& treatment) {
  const std::size_t classes = treatment.counts.classes();
  auto [drawn, weights] = detail::exposure_of("ledger", treatment);
  double mean_weight = 0;
  for (std::size_t c = 0; c < classes; ++c) mean_weight += drawn[c] * weights[c];
  if (mean_weight <= 0)
    detail::reject("ledger", "weight of all draws", mean_weight, "a positive one");
  for (double& weight : weights) weight /= mean_weight;

  Ledger result;
  result.natural.assign(treatment.counts.values().begin(), treatment.counts.values().end());
  detail::normalize(result.natural);
  result.drawn = std::move(drawn);
  result.weights = std::move(weights);
  double squares = 0;
  double rows = 0;
  std::vector<double> log_sampler(classes);
  std::vector<double> log_weights(classes);
  std::vector<double> log_terms(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    const double share = result.drawn[c] * result.weights[c];
    const double shift = treatment.logit_terms.shift.empty() ? 0.0 : treatment.logit_terms.shift[c];
    if (share > 0) {
      squares += share * share / treatment.counts[c];
      rows += treatment.counts[c];
    }
    log_sampler[c] = std::log(result.drawn[c]) - std::log(result.natural[c]);
    log_weights[c] = std::log(result.weights[c]);
    log_terms[c] = -shift;
    result.effective.push_back(share > 0 ? std::log(share) - shift : -detail::infinity());
  }
  // A softmax, so that large shifts do not overflow.
  const double most = *std::max_element(result.effective.begin(), result.effective.end());
  double sum = 0;
  for (double& e : result.effective) sum += e = std::exp(e - most);
  for (double& e : result.effective) e /= sum;
  for (std::size_t c = 0; c < classes; ++c) {
    result.importance.push_back(result.natural[c] > 0 ? result.effective[c] / result.natural[c]
                                                      : 0);
  }
  result.strength = {detail::strength_of(result.natural, log_sampler),
                     detail::strength_of(result.natural, log_weights),
                     detail::strength_of(result.natural, log_terms)};
  result.effective_sample_size = 1 / squares;
  result.variance_inflation = rows * squares;
  result.no_offset = detail::reason_against_offset(treatment);
  return result;
}

/// Rejects a treatment that corrects twice, with a message that gives the strength of each part.
/// @throws std::invalid_argument if ledger.corrects_twice(tolerance).
inline void require_single_correction(const Ledger& ledger, double tolerance = 0.05) {
  if (!ledger.corrects_twice(tolerance)) return;
  const auto figure = [](double value) { return detail::with_digits(value, 2); };
  detail::invalid_argument(
      "require_single_correction(): sampler " + figure(ledger.strength.sampler) + " + weights " +
      figure(ledger.strength.weights) + " + logit terms " + figure(ledger.strength.logit_terms) +
      " = " + figure(ledger.strength.total()) +
      " of the correction that balances the classes, expected at most 1; see split_correction()");
}

/// One correction divided between a sampler and the weights of a loss.
struct SplitCorrection {
  std::vector<double> mix;      ///< q_c, sum to one
  std::vector<double> weights;  ///< sum q_c w_c = 1, for MeanKind::kByCount
};

/// A sampler and weights that together turn the prior of the data into `target`: q_c proportional
/// to pi_c (target_c / pi_c)^share and w_c to target_c / q_c. share 0 leaves the whole correction
/// to the weights, share 1 to the sampler; 1/2 has the smallest combined spread of weights and
/// repeats. A class without rows is not drawn and has weight 0. O(C).
/// @throws std::invalid_argument for a share outside [0, 1], sizes that differ, masses that are
/// negative, not finite or all zero, and a class without rows that has mass in the target.
inline SplitCorrection split_correction(const ClassCounts& counts, std::span<const double> target,
                                        double share) {
  constexpr std::string_view kWhere = "split_correction";
  detail::require_between(kWhere, "share", share, 0, 1);
  detail::require_size(kWhere, "target", target.size(), counts.classes(), "classes");
  detail::require_some_mass(kWhere, "counts", counts.values());
  detail::require_some_mass(kWhere, "target", target);
  SplitCorrection result;
  std::vector<double> wanted(target.begin(), target.end());
  detail::normalize(wanted);
  for (std::size_t c = 0; c < wanted.size(); ++c) {
    if (counts[c] == 0 && wanted[c] > 0) {
      detail::reject_element(kWhere, "target", c, target[c], "0, for no row has this class");
    }
    // A class with no mass in the target is drawn only with share 0.
    const double ratio = counts[c] > 0 ? wanted[c] / counts[c] : 0;
    result.mix.push_back(share == 0 ? counts[c] : counts[c] * std::pow(ratio, share));
  }
  detail::normalize(result.mix);
  for (std::size_t c = 0; c < wanted.size(); ++c) {
    result.weights.push_back(result.mix[c] > 0 ? wanted[c] / result.mix[c] : 0);
  }
  return result;
}

/// The weights that the loss still needs for the logits to carry the prior `target`, given this
/// sampler and these shifts: w_c proportional to target_c exp(shift_c) / q_c, with sum q_c w_c = 1,
/// for MeanKind::kByCount. O(C).
/// @throws std::invalid_argument for sizes that differ, masses that are negative, not finite or all
/// zero, terms that are not finite, a class of the target that is not drawn, and margins and scales
/// that differ, for which no weights exist.
inline std::vector<double> residual_weights(std::span<const double> mix,
                                            std::span<const double> target,
                                            const LogitTerms& logit_terms = {}) {
  constexpr std::string_view kWhere = "residual_weights";
  detail::require_size(kWhere, "target", target.size(), mix.size(), "classes of mix");
  detail::require_some_mass(kWhere, "mix", mix);
  detail::require_some_mass(kWhere, "target", target);
  detail::require_terms(kWhere, logit_terms, mix.size());
  if (const std::string reason = detail::reason_against_offset(logit_terms); !reason.empty()) {
    detail::invalid_argument("residual_weights(): " + reason);
  }
  std::vector<double> q(mix.begin(), mix.end());
  detail::normalize(q);
  double most = -detail::infinity();
  for (const double shift : logit_terms.shift) most = std::max(most, shift);
  std::vector<double> mass;  // q_c w_c
  for (std::size_t c = 0; c < q.size(); ++c) {
    if (target[c] > 0 && q[c] == 0) {
      detail::reject_element(kWhere, "mix", c, mix[c], "a positive mass, for the target has one");
    }
    const double shift = logit_terms.shift.empty() ? 0.0 : logit_terms.shift[c] - most;
    mass.push_back(target[c] * std::exp(shift));
  }
  if (!detail::normalize(mass)) {
    detail::reject(kWhere, "sum of target times exp(shift)", 0, "a positive one");
  }
  for (std::size_t c = 0; c < q.size(); ++c) mass[c] = q[c] > 0 ? mass[c] / q[c] : 0;
  return mass;
}

/// A table of the ledger, one line per class, then its sums and warnings. `names` has one name per
/// class, in UTF-8; if it is empty, classes are numbered.
/// @throws std::invalid_argument if the number of names is not the number of classes.
inline std::string report(const Ledger& ledger, std::span<const std::string> names = {}) {
  detail::require_names("report", names, ledger.classes());
  detail::Table table(names, 5, /*column_width=*/11);
  table.line("class", {"natural", "drawn", "weight", "effective", "importance"});
  for (std::size_t c = 0; c < ledger.classes(); ++c) {
    table.line(
        c, {detail::with_digits(ledger.natural[c], 5), detail::with_digits(ledger.drawn[c], 5),
            detail::with_digits(ledger.weights[c], 3), detail::with_digits(ledger.effective[c], 5),
            detail::with_digits(ledger.importance[c], 3)});
  }
  std::string text = table.text();
  const auto figure = [](double value) { return detail::with_digits(value, 2); };
  text += "\ncorrection (1 balances the classes): sampler " + figure(ledger.strength.sampler) +
          " + weights " + figure(ledger.strength.weights) + " + logit terms " +
          figure(ledger.strength.logit_terms) + " = " + figure(ledger.strength.total()) + "\n";
  text += "effective sample size " + detail::with_digits(ledger.effective_sample_size, 0) +
          ", variance x " + figure(ledger.variance_inflation) + "\n";
  if (ledger.corrects_twice()) text += "warning: the imbalance is corrected twice\n";
  if (!ledger.no_offset.empty()) text += "warning: " + ledger.no_offset + "\n";
  if (ledger.approximate) text += "These are the numbers of the schedule's last stage.\n";
  return text += "All numbers are nominal: they hold at the minimum of the expected loss.\n";
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_LEDGER_H_
