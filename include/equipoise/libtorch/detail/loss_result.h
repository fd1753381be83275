// What a loss call is asked for and what it gives.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LOSS_RESULT_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LOSS_RESULT_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <functional>

namespace equipoise::libtorch::detail {

// What a call is to compute besides its value.
struct Wanted {
  bool unreduced = false;  // in place of the value
  bool gradient = false;
  bool sums = false;
};

// What a loss call computes. A gradient is either there or made of what the call has kept, in its
// memory, once the upstream gradient is known. One that is there has the type that was computed
// with: half types would lose what the upstream gradient, often a large scale, is yet to multiply.
// One that is made has that type or the one asked for.
struct LossAndGradient {
  at::Tensor loss;      // [], or one number a row or element
  at::Tensor gradient;  // as the logits; undefined if not wanted
  at::Tensor sums{};    // [3, K] of double: numerators, denominators, rows; undefined if not wanted
  std::function<at::Tensor(const at::Tensor& factor, at::ScalarType type)> make_gradient{};
};

// What a caller may keep of it.
struct LossAndSums {
  at::Tensor loss;  // with its graph
  at::Tensor sums;
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LOSS_RESULT_H_
