// One value that says how a training treats its classes: sampler, loss and ledger are made from it,
// so that they cannot disagree.
#ifndef EQUIPOISE_PLAN_H_
#define EQUIPOISE_PLAN_H_

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/dry_run.h"
#include "equipoise/ledger.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/mean.h"
#include "equipoise/mix.h"
#include "equipoise/reduction.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/scheduled_sampler.h"
#include "equipoise/schedule.h"
#include "equipoise/treatment.h"
#include "equipoise/view.h"

namespace equipoise {

/// How a training treats its classes. Vectors have one element a class; an empty one stands for
/// "nothing done": draw as the data are, weigh all alike, leave the logits.
///
/// Each part may set in by a ramp over optimiser steps: deferred re-weighting is a weights_ramp
/// with begin == end. A mix that changes is drawn by quota. A plan holds no labels and no tensors,
/// compares by value, and is read and written as text.
struct Plan {
  std::vector<double> counts{};   ///< n_c of the training data
  std::vector<double> mix{};      ///< mass with which each class is drawn
  std::vector<double> weights{};  ///< of the loss
  LogitTerms logit_terms{};       ///< of the loss
  double label_smoothing = 0;
  Mean mean = Mean::kByCount;
  SamplingMode sampling = SamplingMode::kExactQuota;
  std::uint64_t batch_size = 0;  ///< rows an optimiser step, of all workers; 0: not said
  Ramp mix_ramp{};
  Ramp weights_ramp{};
  Ramp logit_terms_ramp{};

  std::size_t classes() const { return counts.size(); }
  friend bool operator==(const Plan&, const Plan&) = default;

  /// A digest of every field, for a checkpoint to compare; equal plans have equal ones on every
  /// platform. Where they differ, require_same_plan() says in what. O(C).
  ///
  /// What a loss is made with beside its plan is no part of it: the modulator and its parameters,
  /// semantics, ignore index, the value of an empty batch; nor are the sampler's seed and labels,
  /// whose fingerprint is the sampler's. A checkpoint that is to know the loss stores its name too.
  std::uint64_t fingerprint() const;
};

/// The step after all ramps.
inline constexpr std::uint64_t kLastStep = std::numeric_limits<std::uint64_t>::max();

/// What the text of a plan calls means and ways of sampling.
inline std::span<const std::string_view> names_of(Mean) {
  static constexpr std::string_view kNames[] = {"by_count", "by_weight", "per_class"};
  return kNames;
}
inline std::span<const std::string_view> names_of(SamplingMode) {
  static constexpr std::string_view kNames[] = {"independent", "exact_quota"};
  return kNames;
}

/// The Mean or SamplingMode of that name; nothing for another word.
template <class E>
requires requires { names_of(E()); }
std::optional<E> from_name(std::string_view name) {
  const std::span<const std::string_view> names = names_of(E());
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<E>(found - names.begin());
}

namespace detail {

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

template <class T>
concept Enumeration = std::is_enum_v<T>;

template <Enumeration E>
std::string choices_of(E value) {
  std::string choices;
  for (const std::string_view name : names_of(value)) {
    choices.append(choices.empty() ? "" : " or ").append(name);
  }
  return choices;
}

// One zero of the two, by its bits: compilers drop the sum with 0 under -ffast-math.
constexpr double with_one_zero(double value) {
  return std::bit_cast<std::uint64_t>(value) << 1 == 0 ? 0.0 : value;
}

// The words that a field is written as.
inline std::vector<std::string> words_of(const std::vector<double>& values) {
  std::vector<std::string> words;
  for (const double value : values) words.push_back(to_text(with_one_zero(value)));
  return words;
}
inline std::vector<std::string> words_of(double value) { return {to_text(with_one_zero(value))}; }
inline std::vector<std::string> words_of(std::uint64_t value) { return {to_text(value)}; }
inline std::vector<std::string> words_of(const Ramp& ramp) {
  return {to_text(ramp.begin), to_text(ramp.end)};
}
template <Enumeration E>
std::vector<std::string> words_of(E value) {
  const auto i = static_cast<std::size_t>(value);
  if (i >= names_of(value).size()) reject("Plan", "enumerator", i, choices_of(value));
  return {std::string(names_of(value)[i])};
}

// Reads the words of one line of a plan.
class PlanLine {
 public:
  PlanLine(std::size_t number, std::string_view name, std::vector<std::string_view> words)
      : number_(number), name_(name), words_(std::move(words)) {}

  void read(std::vector<double>& values) const {
    values.assign(words_.size(), 0.0);
    for (std::size_t i = 0; i < words_.size(); ++i) number(i, values[i]);
  }
  void read(double& value) const { single(value); }
  void read(std::uint64_t& value) const { single(value); }
  void read(Ramp& ramp) const {
    require_words(2);
    number(0, ramp.begin);
    number(1, ramp.end);
    ramp.require("parse_plan", where(1));
  }
  template <Enumeration E>
  void read(E& value) const {
    require_words(1);
    const std::optional<E> named = from_name<E>(words_[0]);
    if (!named) reject("parse_plan", where(0), words_[0], choices_of(value));
    value = *named;
  }

 private:
  std::string where(std::size_t word) const {
    return "line " + to_text(number_) + ", " + name_ + "[" + to_text(word) + "]";
  }
  void require_words(std::size_t count) const {
    if (words_.size() == count) return;
    reject("parse_plan", "line " + to_text(number_) + ", words of " + name_, words_.size(),
           to_text(count));
  }
  template <class T>
  void single(T& value) const {
    require_words(1);
    number(0, value);
  }
  template <class T>
  void number(std::size_t i, T& value) const {
    const std::string_view word = words_[i];
    const std::from_chars_result end =
        std::from_chars(word.data(), word.data() + word.size(), value);
    if (end.ec == std::errc() && end.ptr == word.data() + word.size()) return;
    reject("parse_plan", where(i), word,
           std::is_integral_v<T> ? "an integer in [0, 2^64)" : "a number");
  }

  std::size_t number_;
  std::string name_;
  std::vector<std::string_view> words_;
};

inline std::vector<std::string_view> split_words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

inline void require_plan(std::string_view where, const Plan& plan) {
  const std::size_t classes = plan.classes();
  require_some_mass(where, "plan.counts", plan.counts);
  const auto require = [&](std::string_view name, const std::vector<double>& values) {
    if (values.empty()) return;
    require_size(where, name, values.size(), classes, "classes");
    require_some_mass(where, name, values);
  };
  require("plan.mix", plan.mix);
  require("plan.weights", plan.weights);
  require_terms(where, plan.logit_terms, classes);
  for (std::size_t c = 0; c < plan.mix.size(); ++c) {
    if (plan.counts[c] > 0 || plan.mix[c] == 0) continue;
    reject_element(where, "plan.mix", c, plan.mix[c], "0, for no row has this class");
  }
  require_between(where, "plan.label_smoothing", plan.label_smoothing, 0, 1);
  plan.mix_ramp.require(where, "plan.mix_ramp.end");
  plan.weights_ramp.require(where, "plan.weights_ramp.end");
  plan.logit_terms_ramp.require(where, "plan.logit_terms_ramp.end");
  words_of(plan.mean);  // for what is no enumerator
  if (const std::string mode = words_of(plan.sampling)[0];
      plan.mix_ramp.end > 0 && plan.sampling != SamplingMode::kExactQuota) {
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
    } else if constexpr (std::is_same_v<Field, Ramp>) {
      digest.add(field.begin).add(field.end);
    } else {
      digest.add(static_cast<std::uint64_t>(field));
    }
  });
  return digest.value();
}

/// A plan as text: a line a field, its name and its values with blanks between; fields that are
/// empty are left out. parse_plan() reads it back to the last bit, zeros without a sign.
/// @throws std::invalid_argument for a mean or way of sampling that is no enumerator.
inline std::string to_text(const Plan& plan) {
  std::string text;
  detail::for_each_field(plan, [&](std::string_view name, const auto& field) {
    const std::vector<std::string> words = detail::words_of(field);
    if (words.empty()) return;
    text += name;
    for (const std::string& word : words) text.append(" ").append(word);
    text += '\n';
  });
  return text;
}

/// Reads a plan: lines of a field's name and its values, in any order; fields left out keep their
/// defaults. What follows a # is a comment. O(size of the text).
/// @throws std::invalid_argument, naming the line, for a field that is unknown or stands twice and
/// for a value that cannot be read; and for a plan that is not valid: no counts, sizes that differ,
/// masses that are negative, not finite or all zero, a class without rows that is to be drawn, and
/// independent draws from a mix with a ramp.
inline Plan parse_plan(std::string_view text) {
  constexpr std::string_view kWhere = "parse_plan";
  Plan plan;
  std::vector<std::string_view> seen;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    line = line.substr(0, line.find('#'));
    std::vector<std::string_view> words = detail::split_words(line);
    if (words.empty()) continue;
    const std::string_view name = words[0];
    words.erase(words.begin());
    const std::string where = "line " + detail::to_text(number);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      detail::reject(kWhere, where, name, "each field once");
    }
    seen.push_back(name);
    bool known = false;
    detail::for_each_field(plan, [&](std::string_view field_name, auto& field) {
      if (field_name != name) return;
      known = true;
      detail::PlanLine(number, name, words).read(field);
    });
    if (!known) detail::reject(kWhere, where, name, "the name of a field of a plan");
  }
  detail::require_plan(kWhere, plan);
  return plan;
}

/// Refuses to go on with another plan than that of a checkpoint.
/// @throws std::invalid_argument for plans that differ, naming the first field and element that
/// does, with both values.
inline void require_same_plan(const Plan& saved, const Plan& now) {
  constexpr std::string_view kWhere = "require_same_plan";
  std::vector<std::vector<std::string>> before;
  detail::for_each_field(saved, [&](std::string_view, const auto& field) {
    before.push_back(detail::words_of(field));
  });
  std::size_t i = 0;
  detail::for_each_field(now, [&](std::string_view name, const auto& field) {
    const std::vector<std::string>& old_words = before[i++];
    const std::vector<std::string> words = detail::words_of(field);
    detail::require_size(kWhere, name, words.size(), old_words.size(), "as saved");
    for (std::size_t k = 0; k < words.size(); ++k) {
      if (words[k] == old_words[k]) continue;
      detail::reject_element(kWhere, name, k, words[k], old_words[k] + ", as saved");
    }
  });
}

namespace detail {

// How far the ramps of a plan are up.
struct RampShares {
  double mix;
  double weights;
  double logit_terms;
};

inline Treatment treatment_at(const Plan& plan, const RampShares& shares) {
  Treatment result;
  result.counts = ClassCounts(plan.counts);
  if (!plan.mix.empty()) {
    std::vector<double> natural = plan.counts;
    std::vector<double> drawn = plan.mix;
    normalize(natural);
    normalize(drawn);
    result.mix = blend(natural, drawn, shares.mix);
  }
  result.weights = blend({}, plan.weights, shares.weights);
  result.logit_terms = blend({}, plan.logit_terms, shares.logit_terms);
  result.label_smoothing = plan.label_smoothing;
  result.mean = plan.mean;
  result.batch_size = plan.batch_size;
  return result;
}

// Calls f(draws, shares) for stretches that make up a run of `steps` steps of `batch` draws, the
// last of which may have fewer. Where a ramp rises, each step is a stretch of its own; a ramp of
// very many steps is cut into pieces with the mean of their steps, which is exact for what is
// linear in the shares.
template <class F>
void for_each_stretch(const Plan& plan, std::uint64_t draws, std::uint64_t batch, const F& f) {
  constexpr std::uint64_t kMostPieces = 1024;
  const Ramp ramps[] = {plan.mix_ramp, plan.weights_ramp, plan.logit_terms_ramp};
  const std::uint64_t steps = (draws - 1) / batch + 1;
  std::vector<std::uint64_t> cuts = {0, steps};
  for (const Ramp& ramp : ramps) {
    for (const std::uint64_t cut : {ramp.begin, ramp.end}) cuts.push_back(std::min(cut, steps));
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    const std::uint64_t size = cuts[i] - cuts[i - 1];
    const bool rises = std::any_of(std::begin(ramps), std::end(ramps), [&](const Ramp& ramp) {
      return ramp.begin <= cuts[i - 1] && cuts[i] <= ramp.end;
    });
    const std::uint64_t pieces = rises ? std::min(size, kMostPieces) : 1;
    std::uint64_t begin = cuts[i - 1];
    for (std::uint64_t piece = 0; piece < pieces; ++piece) {
      const std::uint64_t end = begin + size / pieces + (piece < size % pieces ? 1 : 0);
      const auto mean = [&](const Ramp& ramp) { return (ramp(begin) + ramp(end - 1)) / 2; };
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

/// The ledger of the plan after all ramps. With a ramp it is approximate: how much of the last
/// stage is realised depends on how long it lasts. A plan holds no modulator, so the offset of this
/// ledger is for a cross-entropy; that of ledger(treatment(loss, counts, mix)) is refused where the
/// loss has one.
/// @throws std::invalid_argument as treatment() and ledger() of a treatment.
inline Ledger ledger(const Plan& plan) {
  Ledger result = ledger(treatment(plan));
  result.approximate =
      plan.mix_ramp.end > 0 || plan.weights_ramp.end > 0 || plan.logit_terms_ramp.end > 0;
  return result;
}

/// The dry run of the plan with its batch size, or that of the options where the plan does not say
/// one, and its sampler: class_sampler(), or
/// scheduled_sampler() where the mix has a ramp. Mix and weights are taken as they are at each step
/// of the run, a step being batch_size draws, so that what is shown, what is never learnt from and
/// the effective rows are those of the whole run; the ratio of weights and double correction are
/// those of its last step. With a ramp of the mix each batch has floor or ceil of its share of a
/// class, and draws its rows anew: a class shows n_c (1 - prod_s (1 - B q_c(s) / n_c)) different
/// ones. O(C) a step of a ramp, of which there are at most 1,024: longer ones are taken in pieces.
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
  Plan sized = plan;  // a mean may depend on it
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

// Refuses labels of other data than those of the plan; otherwise the number of rows with a class.
template <LabelRange R>
std::uint64_t rows_of_plan(std::string_view where, const Plan& plan, const R& labels,
                           std::optional<std::int64_t> ignore_index) {
  constexpr double kRounding = 1e-9;
  const ClassCounts counted = count_labels(labels, plan.classes(), {ignore_index});
  const double rows = counted.rows();
  double total = 0;
  for (const double n : plan.counts) total += n;
  for (std::size_t c = 0; c < plan.classes(); ++c) {
    // Differences of shares, and so of counts that are sums of rounded shares as well.
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
/// scheduled_sampler()), for labels that are no class, and for labels whose classes are not in the
/// proportions of plan.counts: they are of other data. Where a plan counts in other units (tokens,
/// spans), make a ClassSampler of its mix.
template <LabelRange R>
ClassSampler class_sampler(const Plan& plan, const R& labels, std::uint64_t seed,
                           std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "class_sampler";
  detail::require_plan(kWhere, plan);
  if (plan.mix_ramp.end > 0) {
    detail::reject(kWhere, "plan.mix_ramp.end", plan.mix_ramp.end, "0; see scheduled_sampler()");
  }
  ClassSamplerOptions options;
  options.mode = plan.sampling;
  options.epoch_size = detail::rows_of_plan(kWhere, plan, labels, ignore_index);
  options.ignore_index = ignore_index;
  return ClassSampler(labels, plan.mix.empty() ? plan.counts : plan.mix, seed, options);
}

/// The mix of a plan as a function of the position in a stream, in draws.
class PlanMix {
 public:
  /// @throws std::invalid_argument for a plan that is not valid or does not say its batch size.
  explicit PlanMix(const Plan& plan) : ramp_(plan.mix_ramp), batch_size_(plan.batch_size) {
    constexpr std::string_view kWhere = "PlanMix";
    detail::require_plan(kWhere, plan);
    if (batch_size_ == 0) detail::reject(kWhere, "plan.batch_size", 0, "at least 1");
    natural_ = plan.counts;
    drawn_ = plan.mix.empty() ? plan.counts : plan.mix;
    detail::normalize(natural_);
    detail::normalize(drawn_);
  }
  std::vector<double> operator()(std::uint64_t t) const {
    return blend(natural_, drawn_, ramp_(t / batch_size_));
  }

 private:
  std::vector<double> natural_;
  std::vector<double> drawn_;
  Ramp ramp_;
  std::uint64_t batch_size_;
};

/// The sampler of a plan whose mix has a ramp: it reads the mix once a batch, and each batch has
/// its quotas. Epochs as class_sampler(). O(N).
/// @throws std::invalid_argument as class_sampler(), for a plan without such a ramp (see there),
/// and for one that does not say its batch size.
template <LabelRange R>
ScheduledSampler<PlanMix> scheduled_sampler(
    const Plan& plan, const R& labels, std::uint64_t seed,
    std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "scheduled_sampler";
  PlanMix mix(plan);
  if (plan.mix_ramp.end == 0) {
    detail::reject(kWhere, "plan.mix_ramp.end", 0, "more; see class_sampler()");
  }
  ScheduledSamplerOptions options;
  options.epoch_size = detail::rows_of_plan(kWhere, plan, labels, ignore_index);
  options.window = plan.batch_size;
  options.ignore_index = ignore_index;
  return ScheduledSampler<PlanMix>(labels, plan.classes(), std::move(mix), seed, options);
}

/// The loss of a plan at an optimiser step; by default the one after all ramps. The reduction is a
/// type, so it is named where it is not MeanByCount: softmax_loss<MeanByWeight>(plan). O(C).
/// @throws std::invalid_argument for a plan that is not valid, and for a reduction that is not the
/// plan's mean.
template <Reduction R = MeanByCount, Modulator M = CrossEntropy>
SoftmaxLoss<M, R> softmax_loss(const Plan& plan, M modulator = {}, std::uint64_t step = kLastStep) {
  constexpr std::string_view kWhere = "softmax_loss";
  if (detail::mean_of<R>() != plan.mean) {
    detail::reject(kWhere, "plan.mean", detail::words_of(plan.mean)[0],
                   "the mean of the reduction that the loss was asked for with");
  }
  Treatment at_step = treatment(plan, step);
  SoftmaxLoss<M, R> loss;
  loss.modulator = std::move(modulator);
  if constexpr (std::is_same_v<R, MeanPerClass>) loss.reduction.classes = plan.classes();
  loss.class_weights = std::move(at_step.weights);
  loss.logit_terms = std::move(at_step.logit_terms);
  loss.label_smoothing = plan.label_smoothing;
  return loss;
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_H_
