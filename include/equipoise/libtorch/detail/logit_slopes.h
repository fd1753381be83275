// Modulators on tensors with the slope that a sigmoid loss needs, in as few operations as may be.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LOGIT_SLOPES_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LOGIT_SLOPES_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/addcmul.h>

#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/sigmoid_modulators.h"

namespace equipoise::libtorch::detail {

// The value of a modulator and its derivative with respect to x where p = sigma(x), both times
// `sign`, which is 1 or -1. The derivative is the slope times q: d log p / dx = 1 - p.
struct ValueAndLogitSlope {
  at::Tensor value;
  at::Tensor slope;
  double sign;
};

// Of any modulator. As for all of these, log p is finite, and no graph may follow.
template <class M>
ValueAndLogitSlope with_logit_slope(const M& modulator, const TargetProbability<at::Tensor>& t) {
  const ValueAndSlope<at::Tensor> result = modulator(t);
  return {result.value, result.slope * t.q, 1.0};
}

// With f = q^gamma, -f log p and f (gamma p log p - q).
inline ValueAndLogitSlope with_logit_slope(const Focal& focal,
                                           const TargetProbability<at::Tensor>& t) {
  const at::Tensor f = t.q.pow(focal.gamma);
  return {f * t.log_p, at::addcmul(t.q, t.p, t.log_p, -focal.gamma).mul_(f), -1.0};
}

// The same of p' = min(p + margin, 1) and q' = 1 - p', whose derivative is p q where q' > 0: with
// f = q'^gamma, which is 0 elsewhere, -f log p' and f p q (gamma log p' / q' - 1 / p').
inline ValueAndLogitSlope with_logit_slope(const ProbabilityShift<Focal>& shift,
                                           const TargetProbability<at::Tensor>& t) {
  const double gamma = shift.base.gamma;
  if (shift.margin == 0) return with_logit_slope(shift.base, t);
  if (gamma == 0) return with_logit_slope<ProbabilityShift<Focal>>(shift, t);
  at::Tensor q = (t.q - shift.margin).clamp_min_(0.0);
  at::Tensor p = (t.p + shift.margin).clamp_max_(1.0);
  const at::Tensor f = q.pow(gamma);
  at::Tensor log_p = p.log();
  at::Tensor value = f * log_p;
  log_p.div_(q.clamp_min_(1e-30));
  return {value, p.reciprocal_().sub_(log_p, gamma).mul_(f).mul_(t.p).mul_(t.q), -1.0};
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LOGIT_SLOPES_H_
