#include "equipoise/libtorch/tensor_math.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <vector>

namespace equipoise {
namespace {

static_assert(math::Field<at::Tensor>);

// Element by element what the same function gives for a number.
template <class F>
void expect_elementwise(const F& f) {
  const std::vector<double> values = {0.0, 0.25, 1.0, 2.5, 9.0};
  const at::Tensor actual = f(at::tensor(values));
  std::vector<double> expected;
  for (const double value : values) expected.push_back(f(value));
  EXPECT_TRUE(at::allclose(actual, at::tensor(expected), 1e-15, 1e-15)) << actual;
}

TEST(TensorMath, IsThatOfItsElements) {
  expect_elementwise([](const auto& x) { return math::exp(x); });
  expect_elementwise([](const auto& x) { return math::log(1.0 + x); });
  for (const double exponent : {0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.5}) {
    expect_elementwise([exponent](const auto& x) { return math::pow(x, exponent); });
  }
  expect_elementwise([](const auto& x) { return math::max(x, 0.5); });
  expect_elementwise([](const auto& x) { return math::step(x - 1.0); });
  expect_elementwise([](const auto& x) { return math::like(x, 0.5); });
}

TEST(TensorMath, KeepsTheType) {
  const at::Tensor x = at::tensor({0.5F, -0.5F});
  EXPECT_EQ(math::step(x).scalar_type(), at::kFloat);
  EXPECT_EQ(math::like(x, 0.1).scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(math::max(x, 0.0), at::tensor({0.5F, 0.0F})));
}

}  // namespace
}  // namespace equipoise
