// Schedules: weights, mixes and logit terms as pure functions of the step.
#ifndef EQUIPOISE_SCHEDULE_H_
#define EQUIPOISE_SCHEDULE_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/logit_terms.h"

namespace equipoise {

/// A copyable function of the step, defined for every step, whose value depends only on the step: a
/// run that resumes at step t sees the same values as an uninterrupted one.
///
/// For a loss t counts optimiser steps; for a sampler it is the position in the stream, in draws:
/// see PerBatchSchedule. The core and Eigen need only `loss.class_weights = schedule(step)` before
/// a loss call; modules on LibTorch have set_class_weights() and set_logit_terms().
template <class S, class Value>
concept ScheduleOf = std::copy_constructible<S> && requires(const S& schedule, std::uint64_t t) {
  { schedule(t) } -> std::convertible_to<Value>;
};

/// 0 before step `begin`, 1 from step `end` on, and linear in between. With begin == end it jumps:
/// the deferred re-weighting (DRW) of Cao et al. 2019 (arXiv:1906.07413). If both are 0 it is 1 at
/// every step.
struct RampSchedule {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  /// @throws std::invalid_argument if end < begin.
  double operator()(std::uint64_t t) const {
    require("RampSchedule", "end");
    if (t >= end) return 1;
    if (t <= begin) return 0;
    return static_cast<double>(t - begin) / static_cast<double>(end - begin);
  }
  void require(std::string_view where, std::string_view argument) const {
    if (end >= begin) return;
    detail::reject(where, argument, end, "at least begin = " + detail::to_text(begin));
  }
  friend bool operator==(const RampSchedule&, const RampSchedule&) = default;
};

/// values[i] from step starts[i] on, until starts[i + 1]. Value is a number, a vector or
/// LogitTerms.
template <std::copyable Value>
class PiecewiseSchedule {
 public:
  /// @throws std::invalid_argument if there are no values, for sizes that differ, and for starts
  /// that do not begin with 0 or do not ascend.
  PiecewiseSchedule(std::vector<std::uint64_t> starts, std::vector<Value> values)
      : starts_(std::move(starts)), values_(std::move(values)) {
    constexpr std::string_view kWhere = "PiecewiseSchedule";
    detail::require_size(kWhere, "values", values_.size(), starts_.size(), "starts");
    if (starts_.empty()) detail::reject(kWhere, "starts.size()", 0, "at least 1");
    if (starts_[0] != 0) detail::reject_element(kWhere, "starts", 0, starts_[0], "0");
    for (std::size_t i = 1; i < starts_.size(); ++i) {
      if (starts_[i] > starts_[i - 1]) continue;
      detail::reject_element(kWhere, "starts", i, starts_[i],
                             "more than " + detail::to_text(starts_[i - 1]));
    }
  }

  /// O(log of the number of values).
  const Value& operator()(std::uint64_t t) const {
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), t);
    return values_[static_cast<std::size_t>(after - starts_.begin()) - 1];
  }
  friend bool operator==(const PiecewiseSchedule&, const PiecewiseSchedule&) = default;

 private:
  std::vector<std::uint64_t> starts_;
  std::vector<Value> values_;
};

/// (1 - share) from_c + share to_c. An empty vector stands for `identity` in every class. O(C).
/// @throws std::invalid_argument for sizes that differ and a share outside [0, 1].
inline std::vector<double> blend(std::span<const double> from, std::span<const double> to,
                                 double share, double identity = 1.0) {
  constexpr std::string_view kWhere = "blend";
  detail::require_between(kWhere, "share", share, 0, 1);
  if (!from.empty() && !to.empty()) {
    detail::require_size(kWhere, "to", to.size(), from.size(), "elements of from");
  }
  std::vector<double> result(std::max(from.size(), to.size()));
  for (std::size_t c = 0; c < result.size(); ++c) {
    const double a = from.empty() ? identity : from[c];
    const double b = to.empty() ? identity : to[c];
    result[c] = share == 1 ? b : a + share * (b - a);
  }
  return result;
}

/// Logit terms between two others, term by term: an empty scale stands for 1, an empty shift or
/// margin for 0. O(C).
/// @throws std::invalid_argument as for vectors.
inline LogitTerms blend(const LogitTerms& from, const LogitTerms& to, double share) {
  return {blend(from.scale, to.scale, share, 1.0), blend(from.shift, to.shift, share, 0.0),
          blend(from.margin, to.margin, share, 0.0)};
}

/// Moves from one vector (of weights or of proportions), or from one LogitTerms, to another, as
/// `ramp` rises: weights that warm up from ones, a mix that goes from natural to balanced (Kang et
/// al. 2020, arXiv:1910.09217), a logit adjustment that starts late. An empty vector of weights
/// stands for ones; proportions must both be given, and sum to the same.
template <class Value, ScheduleOf<double> R = RampSchedule>
struct BlendSchedule {
  Value from;
  Value to;
  R ramp{};

  Value operator()(std::uint64_t t) const { return blend(from, to, ramp(t)); }
  friend bool operator==(const BlendSchedule&, const BlendSchedule&) = default;
};

/// Turns a schedule over optimiser steps into one over draws: schedule(t / batch_size). batch_size
/// counts the draws of all workers and micro-batches of a step.
template <class S>
class PerBatchSchedule {
 public:
  /// @throws std::invalid_argument for a batch size of 0.
  PerBatchSchedule(S schedule, std::uint64_t batch_size)
      : schedule_(std::move(schedule)), batch_size_(batch_size) {
    if (batch_size == 0) detail::reject("PerBatchSchedule", "batch_size", 0, "at least 1");
  }
  auto operator()(std::uint64_t t) const { return schedule_(t / batch_size_); }

 private:
  S schedule_;
  std::uint64_t batch_size_;
};

}  // namespace equipoise

#endif  // EQUIPOISE_SCHEDULE_H_
