// What tests of losses on tensors share.
#ifndef EQUIPOISE_TESTS_SUPPORT_TENSORS_H_
#define EQUIPOISE_TESTS_SUPPORT_TENSORS_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace equipoise::testing {

/// The derivative of a loss [] with respect to the logits; keeps the graph.
inline at::Tensor gradient_of(const at::Tensor& loss, const at::Tensor& logits,
                              bool create_graph = false) {
  return torch::autograd::grad({loss}, {logits}, {}, /*retain_graph=*/true, create_graph)[0];
}

/// Same shape, and elements within the tolerance, absolute and relative; NaN equals NaN.
inline void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_TRUE(at::allclose(a, b, tolerance, tolerance, /*equal_nan=*/true))
      << (a - b).abs().max().item<double>();
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_TENSORS_H_
