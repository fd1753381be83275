// One optimiser step whose batch comes in parts: micro-batches, threads, ranks.
#ifndef EQUIPOISE_REDUCTION_ACCUMULATED_STEP_H_
#define EQUIPOISE_REDUCTION_ACCUMULATED_STEP_H_

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/reduction/reduction.h"

namespace equipoise {

/// Sums each of the numbers over all ranks, in place, and gives every rank the same result, as
/// MPI_Allreduce, c10d or NCCL do. Called by all ranks, in the same order.
template <class F>
concept AllReduceSum = std::invocable<const F&, std::span<double>>;

/// The sum over a single rank: does nothing.
struct SingleRank {
  void operator()(std::span<double>) const {}
};

/// Makes one loss from the parts of a step, the same as from the whole batch at once. First every
/// part states its denominators, then each is evaluated with coefficients that account for the
/// whole:
///
///     AccumulatedStep step(loss.reduction);
///     for (const Part& part : parts) step.expect(denominators(loss, part.targets, classes));
///     step.reduce_expected(all_reduce_sum);  // with several ranks
///     for (const Part& part : parts) {
///       step.add(partial(loss, part.logits, part.targets, {.coefficients = step.coefficients()},
///                        {part.gradient}));
///       // ... backward from part.gradient, adding to the gradients of the parameters
///     }
///     step.reduce_added(all_reduce_sum);     // only the value needs it
///     // ... over several ranks, *sum* the gradients of the parameters
///     const double loss_of_the_step = step.value();
///
/// A communication layer that averages gradients gives 1 / world size of the right gradient:
/// multiply by the world size.
template <LossReduction R>
class AccumulatedStep {
 public:
  explicit AccumulatedStep(R reduction) : reduction_(std::move(reduction)) {
    expected_.buckets.resize(reduction_.buckets());
    added_ = own_ = expected_;
  }

  /// Adds the denominators of a part. O(K).
  /// @throws std::invalid_argument for a different number of buckets, and after coefficients() has
  /// been called.
  void expect(const LossPartial& denominators) {
    if (!coefficients_.empty()) {
      detail::reject("AccumulatedStep::expect", "rows", rows_in(denominators),
                     "none: the coefficients are in use");
    }
    own_ += denominators;
    expected_ += denominators;
  }

  /// Sums the expected denominators over all ranks.
  template <AllReduceSum F>
  void reduce_expected(const F& all_reduce_sum) {
    all_reduce_sum(expected_.all_reduce_buffer());
  }

  /// coefficients() of the whole step; pass them to the evaluation of each part.
  std::span<const double> coefficients() {
    if (coefficients_.empty()) coefficients_ = equipoise::coefficients(reduction_, expected_);
    return coefficients_;
  }

  /// Adds the result of partial() for a part. O(K).
  void add(const LossPartial& part) { added_ += part; }

  /// Sums the added partials over all ranks.
  /// @throws std::invalid_argument if this rank did not add the rows that it had expected.
  template <AllReduceSum F>
  void reduce_added(const F& all_reduce_sum) {
    require_complete();
    all_reduce_sum(added_.all_reduce_buffer());
    reduced_ = true;
  }

  /// The loss of the step; 0 if nothing has mass.
  /// @throws std::invalid_argument if the rows added are not those expected.
  double value() {
    if (!reduced_) require_complete();
    return equipoise::value(added_, coefficients());
  }

  /// Everything that was added: for GroupDro::advance() and for logs.
  const LossPartial& added() const { return added_; }

 private:
  static double rows_in(const LossPartial& partial) {
    double rows = 0;
    for (const LossTally& tally : partial.buckets) rows += tally.valid;
    return rows;
  }

  // Sums of the same masses in another order differ by their rounding.
  static bool is_same_mass(const LossTally& added, const LossTally& expected) {
    const double rounding = (expected.valid + 1) * std::numeric_limits<double>::epsilon();
    return std::fabs(added.denominator - expected.denominator) <= rounding * expected.denominator;
  }

  void require_complete() const {
    constexpr std::string_view kWhere = "AccumulatedStep";
    for (std::size_t k = 0; k < own_.buckets.size(); ++k) {
      const LossTally& added = added_.buckets[k];
      const LossTally& expected = own_.buckets[k];
      if (added.valid != expected.valid) {
        detail::reject_element(kWhere, "rows added to bucket", k, added.valid,
                               detail::to_text(expected.valid));
      }
      if (!is_same_mass(added, expected)) {
        detail::reject_element(kWhere, "mass added to bucket", k, added.denominator,
                               detail::to_text(expected.denominator));
      }
    }
  }

  R reduction_;
  LossPartial own_;       // denominators of this rank
  LossPartial expected_;  // of all ranks
  LossPartial added_;
  std::vector<double> coefficients_;
  bool reduced_ = false;
};

/// Deferred scaling, if the denominators are not known before the backward passes: evaluate each
/// part with coefficients {1}, add up the partials (over ranks as well), and multiply the summed
/// gradients by this before clipping them. Only for a single bucket: by then, the gradients of
/// several buckets are mixed.
/// @throws std::invalid_argument for a reduction of several buckets.
template <LossReduction R>
double deferred_scale(const R& reduction, const LossPartial& whole) {
  if (reduction.buckets() != 1) {
    detail::reject("deferred_scale", "reduction.buckets()", reduction.buckets(),
                   "1: take the denominators before the backward pass");
  }
  return coefficients(reduction, whole)[0];
}

}  // namespace equipoise

#endif  // EQUIPOISE_REDUCTION_ACCUMULATED_STEP_H_
