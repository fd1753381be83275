// equipoise::math on tensors, so that modulators and reductions also work on LibTorch.
#ifndef EQUIPOISE_LIBTORCH_TENSOR_MATH_H_
#define EQUIPOISE_LIBTORCH_TENSOR_MATH_H_

#include <ATen/ScalarOps.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/full_like.h>

#include <limits>

#include "equipoise/config.h"
#include "equipoise/math.h"

/// Element-wise, on any device, differentiable, without synchronisation. Derivatives are finite
/// where the functions are, at 0 too.
template <>
struct equipoise::math::Operations<at::Tensor> {
  /// As the function objects of the same names in math.h.
  static at::Tensor exp(const at::Tensor& x) { return x.exp(); }
  static at::Tensor log(const at::Tensor& x) { return x.log(); }
  // With an exponent below 1 the derivative is infinite at 0. In a loss whose probability reaches 0
  // it is multiplied by 0, which would be NaN; so the derivative at 0 is taken as 0.
  static at::Tensor pow(const at::Tensor& x, double exponent) {
    if (exponent <= 0 || exponent >= 1 || !x.requires_grad()) return x.pow(exponent);
    const double least = x.scalar_type() == at::kDouble ? std::numeric_limits<double>::min()
                                                        : std::numeric_limits<float>::min();
    return x.clamp_min(least).pow(exponent).masked_fill(x.le(0), 0.0);
  }
  static at::Tensor max(const at::Tensor& x, double bound) { return x.clamp_min(bound); }
  static at::Tensor step(const at::Tensor& x) { return x.gt(0).to(x.scalar_type()); }
  static at::Tensor like(const at::Tensor& x, double value) { return at::full_like(x, value); }
};

#endif  // EQUIPOISE_LIBTORCH_TENSOR_MATH_H_
