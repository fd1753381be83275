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

/// The same numbers, with the negation of what lies in memory still to be done.
inline at::Tensor negation_pending(const at::Tensor& real) {
  return at::imag(at::complex(at::zeros_like(real), real.neg()).conj());
}

/// What loss(logits) gives for the second derivatives along a direction, in double and in float,
/// is what differences of the gradient say, which does not come from tensor operations.
template <class F>
void expect_second_derivatives(const at::Tensor& logits, const F& loss) {
  const at::Tensor z = logits.to(at::kDouble);
  const at::Tensor direction = at::linspace(-1, 1, z.numel(), at::kDouble).view_as(z);
  const auto gradient_at = [&](const at::Tensor& at) {
    const at::Tensor leaf = at.detach().set_requires_grad(true);
    return gradient_of(loss(leaf), leaf);
  };
  constexpr double kStep = 1e-4;
  const at::Tensor differences =
      (gradient_at(z + direction * kStep) - gradient_at(z - direction * kStep)) / (2 * kStep);
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const at::Tensor leaf = z.to(type).detach().clone().set_requires_grad(true);
    const at::Tensor gradient = gradient_of(loss(leaf), leaf, /*create_graph=*/true);
    const at::Tensor second = gradient_of((gradient * direction.to(type)).sum(), leaf);
    // Differences err by the square of the step times a third derivative, of the size of 1; floats
    // by some roundings of numbers up to 10 in size.
    expect_close(second.to(at::kDouble), differences, type == at::kDouble ? 1e-7 : 1e-5);
  }
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_TENSORS_H_
