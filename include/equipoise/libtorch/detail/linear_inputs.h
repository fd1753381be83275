// What a linear layer and its loss are given.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LINEAR_INPUTS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LINEAR_INPUTS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstdint>

namespace equipoise::libtorch::detail {

// Rows of features and the layer that makes logits of them.
struct LinearInputs {
  at::Tensor features;  // [N, D]
  at::Tensor weight;    // [C, D]
  at::Tensor bias;      // [C] or undefined
  at::Tensor targets;   // [N], or [N, C] of probabilities

  std::int64_t rows() const { return features.size(0); }
  std::int64_t classes() const { return weight.size(0); }
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LINEAR_INPUTS_H_
