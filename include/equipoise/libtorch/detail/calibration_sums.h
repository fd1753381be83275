// What the calibration of probabilities comes to in a batch on a device, by operations.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_CALIBRATION_SUMS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_CALIBRATION_SUMS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/stack.h>

#include <cstdint>

#include "equipoise/libtorch/detail/device_sums.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/metrics/calibration.h"

namespace equipoise::libtorch::detail {

// count, sum of probabilities and how many came true of each bin, [D x bins x 3], from
// probabilities and outcomes [N, D] that count by `weights`.
inline at::Tensor reliability_sums(const at::Tensor& p, const at::Tensor& outcomes,
                                   const at::Tensor& weights, std::int64_t bins) {
  const std::int64_t diagrams = p.size(1);
  // As ReliabilityGrid::bin_of(). By a number devices divide as if by its reciprocal, which rounds
  // otherwise.
  const at::Tensor within = p.clamp_max(1);
  const at::Tensor edge = within.mul(bins).add(0.5).floor();
  const at::Tensor is_below = within.le(edge.div(at::full_like(edge, bins))).to(at::kDouble);
  const at::Tensor bin = edge.sub(is_below).clamp_min(0).to(at::kLong);
  const at::Tensor index = at::arange(diagrams, bin.options()).mul(bins).add(bin);
  const auto sum = [&](const at::Tensor& numbers) {
    return sums_at(index, numbers, diagrams * bins);
  };
  return at::stack({sum(weights), sum(p.mul(weights)), sum(outcomes.mul(weights))}, -1)
      .reshape({-1});
}

// How far the sum of a row of probabilities may be from 1: half types round each of them by up to
// half a unit of the last place.
inline double sum_tolerance(const at::Tensor& probabilities) {
  constexpr double kTolerance = equipoise::detail::kProbabilitySumTolerance;
  if (probabilities.scalar_type() == at::kHalf) return kTolerance + 0x1p-11;
  if (probabilities.scalar_type() == at::kBFloat16) return kTolerance + 0x1p-8;
  return kTolerance;
}

// The sums of a batch, as DeviceSums takes them.
inline at::Tensor calibration_sums(const at::Tensor& probabilities, const at::Tensor& targets,
                                   std::int64_t bins, IgnoreIndex ignore_index, double tolerance) {
  const std::int64_t classes = probabilities.size(1);
  const at::Tensor labels = to_integers(targets);
  const at::Tensor counted = is_counted(labels, ignore_index);
  const at::Tensor excess = probabilities.sum(-1, /*keepdim=*/false, at::kDouble).sub(1);
  // Comparisons with NaN are false.
  const at::Tensor valid = is_label(labels, classes)
                               .bitwise_and(probabilities.ge(0).all(-1))
                               .bitwise_and(excess.le(tolerance))
                               .bitwise_and(excess.ge(-tolerance));
  const at::Tensor taken = counted.bitwise_and(valid);
  const at::Tensor left_out = taken.bitwise_not().unsqueeze(1);
  const at::Tensor weight = taken.to(at::kDouble).unsqueeze(1);
  const at::Tensor p = probabilities.to(at::kDouble).masked_fill(left_out, 0);
  const at::Tensor y = labels.masked_fill(taken.bitwise_not(), 0).unsqueeze(1);
  const at::Tensor outcomes = at::arange(classes, y.options()).eq(y).to(at::kDouble);
  const at::Tensor losses = p.gather(1, y).log().neg().masked_fill(left_out, 0);
  const at::Tensor squares = p.sub(outcomes).square().mul(weight);
  const at::Tensor top = p.argmax(1, /*keepdim=*/true);
  const at::Tensor all_p = at::cat({p.gather(1, top), p}, 1);
  const at::Tensor all_outcomes = at::cat({top.eq(y).to(at::kDouble), outcomes}, 1);
  return at::cat({total(weight), total(losses), total(squares),
                  reliability_sums(all_p, all_outcomes, weight.expand_as(all_p), bins),
                  total(counted.bitwise_and(valid.bitwise_not()))});
}

// The sums of a batch, as DeviceSums takes them.
inline at::Tensor multilabel_calibration_sums(const at::Tensor& probabilities,
                                              const at::Tensor& targets, std::int64_t bins,
                                              IgnoreIndex ignore_index) {
  const at::Tensor bits = to_integers(targets);
  const at::Tensor counted = is_counted(bits, ignore_index);
  const at::Tensor valid =
      is_label(bits, 2).bitwise_and(probabilities.ge(0)).bitwise_and(probabilities.le(1));
  const at::Tensor taken = counted.bitwise_and(valid);
  const at::Tensor left_out = taken.bitwise_not();
  const at::Tensor weight = taken.to(at::kDouble);
  const at::Tensor p = probabilities.to(at::kDouble).masked_fill(left_out, 0);
  const at::Tensor outcomes = bits.masked_fill(left_out, 0).to(at::kDouble);
  const at::Tensor is_true = outcomes.gt(0);
  // Of the probability of what came true; the other logarithm may be infinite.
  const at::Tensor losses =
      p.log().neg().masked_fill(is_true.bitwise_not().bitwise_or(left_out), 0) +
      p.neg().log1p().neg().masked_fill(is_true.bitwise_or(left_out), 0);
  const at::Tensor squares = p.sub(outcomes).square().mul(weight);
  const at::Tensor totals =
      at::stack({weight.sum(0), losses.sum(0), squares.sum(0)}, -1).reshape({-1});
  return at::cat({totals, reliability_sums(p, outcomes, weight, bins),
                  total(counted.bitwise_and(valid.bitwise_not()))});
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_CALIBRATION_SUMS_H_
