// One value that says how a training run treats its classes: sampler, loss, ledger and dry run are
// made from it, so that they cannot disagree.
#ifndef EQUIPOISE_PLAN_PLAN_H_
#define EQUIPOISE_PLAN_PLAN_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/mix.h"
#include "equipoise/plan/dry_run.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/plan/treatment.h"
#include "equipoise/reduction/mean.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/scheduled_sampler.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/schedule.h"
#include "equipoise/view.h"

namespace equipoise {

/// How a training run treats its classes: how sampler and loss change their proportions, and when
/// each part takes effect.
///
/// Each part may take effect by a ramp over optimiser steps: deferred re-weighting is a
/// weights_ramp with begin == end. A mix that changes is drawn by quota. A plan holds no labels and
/// no tensors, compares by value, and is read and written as text (plan/text.h).
struct Plan : ImbalanceCorrection {
  std::vector<double> counts{};  ///< n_c of the training data
  sampling::Mode sampling = sampling::Mode::kExactQuota;
  RampSchedule mix_ramp{};
  RampSchedule weights_ramp{};
  RampSchedule logit_terms_ramp{};

  /// The number C of classes.
  std::size_t classes() const { return counts.size(); }
  friend bool operator==(const Plan&, const Plan&) = default;

  /// A digest of every field, for a checkpoint to compare; equal plans have equal digests on every
  /// platform. If plans differ, require_same_plan() names the field. O(C).
  ///
  /// It does not cover the parts of a loss that a plan does not have (the modulator and its
  /// parameters, weight convention, ignore index, the value of an empty batch), nor the sampler's
  /// seed and labels, which the sampler's own fingerprint covers. A checkpoint that has to identify
  /// the loss stores its name too.
  std::uint64_t fingerprint() const;
};

/// The step after all ramps.
inline constexpr std::uint64_t kLastStep = std::numeric_limits<std::uint64_t>::max();

/// The names of the means, and of the ways of sampling, in the text of a plan.
inline std::span<const std::string_view> names_of(MeanKind) {
  static constexpr std::string_view kNames[] = {"by_count", "by_weight", "per_class"};
  return kNames;
}
inline std::span<const std::string_view> names_of(sampling::Mode) {
  static constexpr std::string_view kNames[] = {"independent", "exact_quota"};
  return kNames;
}

namespace detail {

template <class E>
concept NamedEnumeration = std::is_enum_v<E> && requires(E value) {
  names_of(value);
};

// "by_count or by_weight or per_class".
template <NamedEnumeration E>
std::string choices_of(E value) {
  std::string choices;
  for (const std::string_view name : names_of(value)) {
    choices.append(choices.empty() ? "" : " or ").append(name);
  }
  return choices;
}

// Rejects a number that is not an enumerator.
template <NamedEnumeration E>
std::string_view name_of(E value) {
  const auto i = static_cast<std::size_t>(value);
  if (i >= names_of(value).size()) reject("Plan", "enumerator", i, choices_of(value));
  return names_of(value)[i];
}

// Every field of a plan under its name, in the order of its text. `visit(name, field)` with field a
// vector of numbers, a number, an enumeration or a ramp.
template <class P, class F>
void for_each_field(P& plan, const F& visit) {
  visit("counts", plan.counts);
  visit("mix", plan.mix);
  visit("weights", plan.weights);
  visit("logit_scale", plan.logit_terms.scale);
  visit("logit_shift", plan.logit_terms.shift);
  visit("logit_margin", plan.logit_terms.margin);
  visit("label_smoothing", plan.label_smoothing);
  visit("mean", plan.mean);
  visit("sampling", plan.sampling);
  visit("batch_size", plan.batch_size);
  visit("mix_ramp", plan.mix_ramp);
  visit("weights_ramp", plan.weights_ramp);
  visit("logit_terms_ramp", plan.logit_terms_ramp);
}

// Turns -0 into 0 by its bits: compilers drop the sum with 0 under -ffast-math.
constexpr double with_one_zero(double value) {
  return std::bit_cast<std::uint64_t>(value) << 1 == 0 ? 0.0 : value;
}

inline void require_plan(std::string_view where, const Plan& plan) {
  require_correction(where, "plan.", plan.counts, plan);
  plan.mix_ramp.require(where, "plan.mix_ramp.end");
  plan.weights_ramp.require(where, "plan.weights_ramp.end");
  plan.logit_terms_ramp.require(where, "plan.logit_terms_ramp.end");
  name_of(plan.mean);  // rejects a number that is not an enumerator
  const std::string_view mode = name_of(plan.sampling);
  if (plan.mix_ramp.end > 0 && plan.sampling != sampling::Mode::kExactQuota) {
    reject(where, "plan.sampling", mode, "exact_quota, by which a mix that changes is drawn");
  }
}

}  // namespace detail

inline std::uint64_t Plan::fingerprint() const {
  detail::Fingerprint digest;
  detail::for_each_field(*this, [&](std::string_view, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, std::vector<double>>) {
      digest.add(field.size());
      for (const double value : field) {
        digest.add(std::bit_cast<std::uint64_t>(detail::with_one_zero(value)));
      }
    } else if constexpr (std::is_same_v<Field, double>) {
      digest.add(std::bit_cast<std::uint64_t>(detail::with_one_zero(field)));
    } else if constexpr (std::is_same_v<Field, RampSchedule>) {
      digest.add(field.begin).add(field.end);
    } else {
      digest.add(static_cast<std::uint64_t>(field));
    }
  });
  return digest.value();
}

namespace detail {

// The values of the ramps of a plan, in [0, 1].
struct RampShares {
  double mix;
  double weights;
  double logit_terms;
};

inline std::vector<double> normalized(std::vector<double> masses) {
  normalize(masses);
  return masses;
}

inline Treatment treatment_at(const Plan& plan, const RampShares& shares) {
  Treatment result{plan, ClassCounts(plan.counts)};
  if (!plan.mix.empty()) {
    result.mix = blend(normalized(plan.counts), normalized(plan.mix), shares.mix);
  }
  result.weights = blend({}, plan.weights, shares.weights);
  result.logit_terms = blend({}, plan.logit_terms, shares.logit_terms);
  return result;
}

// Calls f(draws, shares) for the stretches of a run of `draws` draws, in steps of `batch`, the last
// of which may be smaller. While a ramp rises, each step is a stretch of its own; a ramp of very
// many steps is cut into pieces with the mean of their steps, which is exact for anything linear in
// the shares.
template <class F>
void for_each_stretch(const Plan& plan, std::uint64_t draws, std::uint64_t batch, const F& f) {
  constexpr std::uint64_t kMostPieces = 1024;
  const RampSchedule ramps[] = {plan.mix_ramp, plan.weights_ramp, plan.logit_terms_ramp};
  const std::uint64_t steps = (draws - 1) / batch + 1;
  std::vector<std::uint64_t> cuts = {0, steps};
  for (const RampSchedule& ramp : ramps) {
    for (const std::uint64_t cut : {ramp.begin, ramp.end}) cuts.push_back(std::min(cut, steps));
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    const std::uint64_t size = cuts[i] - cuts[i - 1];
    const bool rises = std::any_of(
        std::begin(ramps), std::end(ramps),
        [&](const RampSchedule& ramp) { return ramp.begin <= cuts[i - 1] && cuts[i] <= ramp.end; });
    const std::uint64_t pieces = rises ? std::min(size, kMostPieces) : 1;
    std::uint64_t begin = cuts[i - 1];
    for (std::uint64_t piece = 0; piece < pieces; ++piece) {
      const std::uint64_t end = begin + size / pieces + (piece < size % pieces ? 1 : 0);
      const auto mean = [&](const RampSchedule& ramp) { return (ramp(begin) + ramp(end - 1)) / 2; };
      const std::uint64_t last = end == steps ? draws : end * batch;
      f(static_cast<double>(last - begin * batch),
        RampShares{mean(ramps[0]), mean(ramps[1]), mean(ramps[2])});
      begin = end;
    }
  }
}

}  // namespace detail

/// The treatment of the classes at an optimiser step; by default the one after all ramps. O(C).
/// @throws std::invalid_argument for a plan that is not valid; see parse_plan().
inline Treatment treatment(const Plan& plan, std::uint64_t step = kLastStep) {
  detail::require_plan("treatment", plan);
  return detail::treatment_at(
      plan, {plan.mix_ramp(step), plan.weights_ramp(step), plan.logit_terms_ramp(step)});
}

/// The ledger of the plan after all ramps. With a ramp it is approximate: the longer the last stage
/// lasts, the more of it is realised. A plan has no modulator, so the offset of this ledger is for
/// cross-entropy; for a loss with a modulator, ledger(treatment(loss, counts, mix)) has no offset.
/// @throws std::invalid_argument as treatment() and ledger() of a treatment.
inline Ledger ledger(const Plan& plan) {
  Ledger result = ledger(treatment(plan));
  result.approximate =
      plan.mix_ramp.end > 0 || plan.weights_ramp.end > 0 || plan.logit_terms_ramp.end > 0;
  return result;
}

/// The dry run of the plan with its sampler (class_sampler(), or scheduled_sampler() if the mix has
/// a ramp) and its batch size, or that of the options if the plan has none. Mix and weights are
/// those of each step of the run, a step being batch_size draws, so exposures, classes that are
/// never learnt from and effective rows are those of the whole run; the ratio of weights and double
/// correction are those of its last step. With a ramp of the mix each batch has floor or ceil of
/// its expected number of rows of a class, drawn independently of other batches: a class shows n_c
/// (1 - prod_s (1 - B q_c(s) / n_c)) distinct rows. O(C) per step of a ramp, for at most 1,024
/// steps: longer ramps are processed in pieces.
/// @throws std::invalid_argument as treatment() and dry_run() of a treatment, and for a batch size
/// in the options that is not the plan's.
inline DryRun dry_run(const Plan& plan, DryRunOptions options = {}) {
  constexpr std::string_view kWhere = "dry_run";
  detail::require_plan(kWhere, plan);
  if (plan.batch_size > 0) {
    if (options.batch_size > 0 && options.batch_size != plan.batch_size) {
      detail::reject(kWhere, "options.batch_size", options.batch_size,
                     "0 or that of the plan, " + detail::to_text(plan.batch_size));
    }
    options.batch_size = plan.batch_size;
  }
  Plan sized = plan;  // some means depend on the batch size
  sized.batch_size = options.batch_size;
  options.mode = plan.sampling;
  std::optional<std::uint64_t> window;
  if (plan.mix_ramp.end > 0) window = options.batch_size;
  detail::RunForecast forecast(kWhere, plan.counts, options, window);
  detail::for_each_stretch(
      sized, forecast.draws(), options.batch_size,
      [&](double draws, const detail::RampShares& shares) {
        forecast.add(draws, detail::exposure_of(kWhere, detail::treatment_at(sized, shares)));
      });
  return forecast.result(ledger(treatment(sized, (forecast.draws() - 1) / options.batch_size)));
}

namespace detail {

// The number of rows with a class. Rejects labels that are not from the data of the plan.
template <LabelRange R>
std::uint64_t rows_of_plan(std::string_view where, const Plan& plan, const R& labels,
                           std::optional<std::int64_t> ignore_index) {
  constexpr double kRounding = 1e-9;
  const ClassCounts counted = count_labels(labels, plan.classes(), {ignore_index});
  const double rows = counted.rows();
  double total = 0;
  for (const double n : plan.counts) total += n;
  for (std::size_t c = 0; c < plan.classes(); ++c) {
    // Compares proportions, so that counts which are sums of rounded proportions also match.
    if (std::fabs(counted[c] / rows - plan.counts[c] / total) <= kRounding &&
        (counted[c] > 0) == (plan.counts[c] > 0)) {
      continue;
    }
    reject_element(where, "rows of class", c, counted[c],
                   "as plan.counts says, " + to_text(plan.counts[c]) + " of " + to_text(total));
  }
  return static_cast<std::uint64_t>(rows);
}

}  // namespace detail

/// The sampler of a plan without a ramp of the mix; an epoch has as many draws as there are rows
/// with a class. O(N).
/// @throws std::invalid_argument for a plan that is not valid or has such a ramp (see
/// scheduled_sampler()), for labels that are not classes, and for labels whose classes are not in
/// the proportions of plan.counts, since they belong to other data. If a plan counts in other units
/// (tokens, spans), make a ClassSampler of its mix.
template <LabelRange R>
sampling::ClassSampler class_sampler(const Plan& plan, const R& labels, std::uint64_t seed,
                                     std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "class_sampler";
  detail::require_plan(kWhere, plan);
  if (plan.mix_ramp.end > 0) {
    detail::reject(kWhere, "plan.mix_ramp.end", plan.mix_ramp.end, "0; see scheduled_sampler()");
  }
  sampling::ClassSamplerOptions options;
  options.mode = plan.sampling;
  options.epoch_size = detail::rows_of_plan(kWhere, plan, labels, ignore_index);
  options.ignore_index = ignore_index;
  return sampling::ClassSampler(labels, plan.mix.empty() ? plan.counts : plan.mix, seed, options);
}

/// The mix of a plan as a function of the position in a stream, in draws.
class PlanMix {
 public:
  /// @throws std::invalid_argument for a plan that is not valid or has no batch size.
  explicit PlanMix(const Plan& plan) : ramp_(plan.mix_ramp), batch_size_(plan.batch_size) {
    constexpr std::string_view kWhere = "PlanMix";
    detail::require_plan(kWhere, plan);
    if (batch_size_ == 0) detail::reject(kWhere, "plan.batch_size", 0, "at least 1");
    natural_ = detail::normalized(plan.counts);
    drawn_ = plan.mix.empty() ? natural_ : detail::normalized(plan.mix);
  }
  std::vector<double> operator()(std::uint64_t t) const {
    return blend(natural_, drawn_, ramp_(t / batch_size_));
  }

 private:
  std::vector<double> natural_;
  std::vector<double> drawn_;
  RampSchedule ramp_;
  std::uint64_t batch_size_;
};

/// The sampler of a plan whose mix has a ramp: it reads the mix once per batch, and each batch has
/// its quotas. Epochs are those of class_sampler(). O(N).
/// @throws std::invalid_argument as class_sampler(), for a plan without such a ramp (see there),
/// and for one without a batch size.
template <LabelRange R>
sampling::ScheduledSampler<PlanMix> scheduled_sampler(
    const Plan& plan, const R& labels, std::uint64_t seed,
    std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "scheduled_sampler";
  PlanMix mix(plan);
  if (plan.mix_ramp.end == 0) {
    detail::reject(kWhere, "plan.mix_ramp.end", 0, "more; see class_sampler()");
  }
  sampling::ScheduledSamplerOptions options;
  options.epoch_size = detail::rows_of_plan(kWhere, plan, labels, ignore_index);
  options.window = plan.batch_size;
  options.ignore_index = ignore_index;
  return sampling::ScheduledSampler<PlanMix>(labels, plan.classes(), std::move(mix), seed, options);
}

/// The loss of a plan: a variant over reductions, of which the plan's mean selects one.
template <Modulator M = CrossEntropy>
using PlanLoss = std::variant<SoftmaxLoss<M, MeanByCount>, SoftmaxLoss<M, MeanByWeight>,
                              SoftmaxLoss<M, MeanPerClass>>;

/// The loss of a plan at an optimiser step; by default the one after all ramps. std::visit() calls
/// a function with the loss itself; if the mean of the plan is known, so is its type (here
/// MeanByCount):
///
///     auto loss = std::get<SoftmaxLoss<Focal>>(softmax_loss(plan, Focal{2}));
///
/// O(C).
/// @throws std::invalid_argument for a plan that is not valid; see parse_plan().
template <Modulator M = CrossEntropy>
PlanLoss<M> softmax_loss(const Plan& plan, M modulator = {}, std::uint64_t step = kLastStep) {
  Treatment at_step = treatment(plan, step);
  const auto with = [&]<class R>(const R& reduction) -> PlanLoss<M> {
    SoftmaxLoss<M, R> loss;
    loss.modulator = std::move(modulator);
    loss.reduction = reduction;
    loss.class_weights = std::move(at_step.weights);
    loss.logit_terms = std::move(at_step.logit_terms);
    loss.label_smoothing = at_step.label_smoothing;
    return loss;
  };
  return std::visit(with, reduction_of(plan.mean, plan.classes()));
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_PLAN_H_
