// equipoise::math on tensors, so that modulators and reductions serve LibTorch too.
#ifndef EQUIPOISE_LIBTORCH_TENSOR_MATH_H_
#define EQUIPOISE_LIBTORCH_TENSOR_MATH_H_

#include <ATen/ScalarOps.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/full_like.h>

#include "equipoise/config.h"
#include "equipoise/math.h"

/// Element-wise, on any device, differentiable, without synchronisation.
template <>
struct equipoise::math::Operations<at::Tensor> {
  static at::Tensor exp(const at::Tensor& x) { return x.exp(); }
  static at::Tensor log(const at::Tensor& x) { return x.log(); }
  static at::Tensor pow(const at::Tensor& x, double exponent) { return x.pow(exponent); }
  static at::Tensor max(const at::Tensor& x, double bound) { return x.clamp_min(bound); }
  static at::Tensor step(const at::Tensor& x) { return x.gt(0).to(x.scalar_type()); }
  static at::Tensor like(const at::Tensor& x, double value) { return at::full_like(x, value); }
};

#endif  // EQUIPOISE_LIBTORCH_TENSOR_MATH_H_
