// After training: logit offsets between priors, and a correction strength chosen on validation
// data.
#ifndef EQUIPOISE_CALIBRATE_LOGIT_OFFSET_H_
#define EQUIPOISE_CALIBRATE_LOGIT_OFFSET_H_

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/calibrate/detail/logit_rows.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/view.h"

namespace equipoise::calibrate {

/// The offset to add to the logits of a model trained under one prior so that their softmax is the
/// posterior under another: log(deployment_c / training_c) (Saerens et al. 2002, "Adjusting the
/// outputs of a classifier to new a priori probabilities"). Priors need not sum to one; a factor
/// shifts all logits equally. With training weights or a sampler, training_c is the prior that they
/// produce, q_c w_c. O(C).
/// @throws std::invalid_argument for sizes that differ, and for a prior that is not finite and > 0.
inline std::vector<double> logit_offset(std::span<const double> training_prior,
                                        std::span<const double> deployment_prior) {
  constexpr std::string_view kWhere = "logit_offset";
  detail::require_size(kWhere, "deployment_prior", deployment_prior.size(), training_prior.size(),
                       "classes of training_prior");
  detail::require_all_positive(kWhere, "training_prior", training_prior);
  detail::require_all_positive(kWhere, "deployment_prior", deployment_prior);
  std::vector<double> offset(training_prior.size());
  for (std::size_t c = 0; c < offset.size(); ++c) {
    offset[c] = std::log(deployment_prior[c]) - std::log(training_prior[c]);
  }
  return offset;
}

/// argmax_c of logits + offset for each row; among equals the lowest class. An empty offset is
/// zero. Sums are taken in double, for logits of type float too. O(N C).
/// @throws std::invalid_argument for no classes, an offset of another size or with an element that
/// is not finite, and for a NaN logit, naming its row and column.
template <FloatElement T>
std::vector<std::int64_t> predict(const MatrixView<T>& logits,
                                  std::span<const double> offset = {}) {
  constexpr std::string_view kWhere = "predict";
  if (logits.cols == 0) detail::reject(kWhere, "logits.cols", 0, "at least 1");
  if (!offset.empty()) {
    detail::require_size(kWhere, "offset", offset.size(), logits.cols, "columns of logits");
    detail::require_all_finite(kWhere, "offset", offset);
  }
  detail::require_no_nan(kWhere, logits);
  std::vector<std::int64_t> predictions(logits.rows);
  detail::argmax_rows(logits, offset, 1.0, predictions);
  return predictions;
}

/// A strength of the post-hoc correction and its score by the metric.
struct PosthocTau {
  double tau = 0;
  double score = 0;
};

/// The tau for which argmax_c z_c - tau log prior_c does best by a metric (post-hoc logit
/// adjustment, Menon et al. 2021, arXiv:2007.07314): no retraining, one number, and the baseline
/// that every other strategy has to beat. Choose it on validation data, then predict with the
/// offset -tau log prior: posthoc_offset().
///
/// `metric` maps a ConfusionMatrix to a number, larger being better; of equal scores the smallest
/// tau wins, whatever the order of `taus`. prior is that of training: the class proportions, or
/// q_c w_c; it need not sum to one. Rows whose target is the ignore index do not count, but their
/// logits must be numbers too. O(taus x N C).
/// @throws std::invalid_argument for no taus or one that is not finite, sizes that differ, a prior
/// that is not > 0, a NaN logit, a target that is not a class, and a score that is NaN.
template <class T, LabelRange Targets, class F>
requires std::floating_point<std::remove_const_t<T>> &&
    std::is_invocable_r_v<double, const F&, const metrics::ConfusionMatrix&>
        PosthocTau choose_tau(const MatrixView<T>& logits, const Targets& targets,
                              std::span<const double> prior, std::span<const double> taus,
                              const F& metric,
                              std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "choose_tau";
  detail::require_size(kWhere, "targets", as_span(targets).size(), logits.rows, "rows of logits");
  detail::require_size(kWhere, "prior", prior.size(), logits.cols, "columns of logits");
  detail::require_all_positive(kWhere, "prior", prior);
  if (taus.empty()) detail::reject(kWhere, "taus.size()", 0, "at least 1");
  detail::require_all_finite(kWhere, "taus", taus);
  detail::require_no_nan(kWhere, logits);
  std::vector<double> log_prior;
  for (const double p : prior) log_prior.push_back(std::log(p));
  std::vector<std::int64_t> predictions(logits.rows);
  PosthocTau best;
  for (std::size_t i = 0; i < taus.size(); ++i) {
    detail::argmax_rows(logits, log_prior, -taus[i], predictions);
    metrics::ConfusionMatrix matrix(logits.cols);
    matrix.add(targets, predictions, ignore_index);
    const double score = metric(static_cast<const metrics::ConfusionMatrix&>(matrix));
    if (detail::is_nan(score)) {
      detail::reject(kWhere, "score of tau " + detail::to_text(taus[i]), score, "a number");
    }
    const bool better = score > best.score || (score == best.score && taus[i] < best.tau);
    if (i == 0 || better) best = {taus[i], score};
  }
  return best;
}

/// The offset of the post-hoc correction, -tau log prior_c, in units of logits: choose_tau() adds
/// it to score a tau, so that predict() with it makes the predictions that were scored. tau 0
/// changes nothing; tau 1 removes the whole prior, for the best balanced accuracy. A prior that
/// does not sum to one (such as counts) shifts all logits equally, which changes neither a softmax
/// nor an argmax. Without classes the offset is empty. O(C).
/// @throws std::invalid_argument for a prior that is not finite and > 0, and for a tau that is not
/// finite.
inline std::vector<double> posthoc_offset(std::span<const double> prior, double tau) {
  constexpr std::string_view kWhere = "posthoc_offset";
  detail::require_all_positive(kWhere, "prior", prior);
  detail::require_finite(kWhere, "tau", tau);
  std::vector<double> offset;
  offset.reserve(prior.size());
  for (const double p : prior) offset.push_back(-tau * std::log(p));
  return offset;
}

}  // namespace equipoise::calibrate

#endif  // EQUIPOISE_CALIBRATE_LOGIT_OFFSET_H_
