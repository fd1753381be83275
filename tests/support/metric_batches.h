// Batches for tests of metrics on tensors, and how these compare with the core's.
#ifndef EQUIPOISE_TESTS_SUPPORT_METRIC_BATCHES_H_
#define EQUIPOISE_TESTS_SUPPORT_METRIC_BATCHES_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/view.h"

namespace equipoise::testing {

inline constexpr std::int64_t kClasses = 5;

/// Tokens in 6 x 10, of which some are ignored; scores often tie.
struct Tokens {
  at::Tensor targets, logits, probabilities, groups;

  explicit Tokens(std::int64_t seed) {
    at::manual_seed(static_cast<std::uint64_t>(seed));
    logits = at::randn({6, 10, kClasses}, at::kFloat).mul(2).round().div(2);
    probabilities = at::softmax(logits.to(at::kDouble), -1);
    targets = at::randint(0, kClasses - 1, {6, 10}, at::kLong)
                  .masked_fill(at::rand({6, 10}).lt(0.2), -100);
    groups = at::randint(0, 3, {6, 10}, at::kLong);
  }
  std::vector<std::int64_t> labels() const { return vector_of(targets); }

  static std::vector<std::int64_t> vector_of(const at::Tensor& tensor) {
    const at::Tensor dense = tensor.contiguous();
    return {dense.data_ptr<std::int64_t>(), dense.data_ptr<std::int64_t>() + dense.numel()};
  }
};

/// Rows of 4 labels, of which some are ignored, all of the first row; probabilities often tie.
struct Bits {
  at::Tensor targets, predictions, probabilities;

  explicit Bits(std::int64_t seed) {
    at::manual_seed(static_cast<std::uint64_t>(seed));
    probabilities = at::rand({60, 4}, at::kDouble).mul(8).round().div(8);
    predictions = probabilities.gt(0.7).to(at::kLong);
    targets = at::rand({60, 4}).lt(0.3).to(at::kLong);
    targets = targets.masked_fill(at::rand({60, 4}).lt(0.2), -1);
    targets[0].fill_(-1);
  }
};

/// A matrix as the core takes it.
template <class T>
MatrixView<const T> view_of(const at::Tensor& tensor) {
  return {tensor.data_ptr<T>(), static_cast<std::size_t>(tensor.size(0)),
          static_cast<std::size_t>(tensor.size(1))};
}

/// What lies on a device: the sums that the metric holds, and that no row was wrong.
template <class Metric>
void expect_sums(const at::Tensor& sums, Metric metric, double bound) {
  const std::vector<double> actual = libtorch::detail::to_vector(sums);
  const auto expected = metric.all_reduce_buffer();
  ASSERT_EQ(actual.size(), expected.size() + 1);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], bound) << i;
  EXPECT_EQ(actual.back(), 0);
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_METRIC_BATCHES_H_
