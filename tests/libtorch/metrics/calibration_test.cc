#include "equipoise/libtorch/metrics/calibration.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/multilabel_calibration.h"
#include "tests/support/errors.h"
#include "tests/support/metric_batches.h"

namespace equipoise::libtorch {
namespace {

using testing::Bits;
using testing::error_of;
using testing::expect_sums;
using ::testing::HasSubstr;
using testing::kClasses;
using testing::Tokens;
using testing::view_of;

TEST(CalibrationAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor p = data.probabilities.flatten(0, 1).contiguous();
    metrics::Calibration expected(kClasses, 7);
    expected.add(view_of<double>(p), data.labels(), -100);
    Accumulator<metrics::Calibration> accumulator(kClasses, 7);
    accumulator.add(data.probabilities, data.targets, -100);
    EXPECT_EQ(accumulator.value(), expected);
    expect_sums(detail::calibration_sums(p, data.targets.flatten(), 7, -100, 1e-4), expected,
                1e-12);
  }
}

// Rounded to a half type, rows of probabilities sum to 1 no longer, by a multiple of its last
// place.
TEST(CalibrationAccumulator, TakesHalfTypesAsTheyAreRounded) {
  at::manual_seed(1);
  const at::Tensor exact = at::softmax(at::randn({1000, 28}), -1);
  const at::Tensor targets = at::randint(0, 28, {1000}, at::kLong);
  Accumulator<metrics::Calibration> in_float(28);
  in_float.add(exact, targets);
  for (const auto& [type, tolerance] :
       {std::pair{at::kHalf, 1e-4 + 0x1p-11}, std::pair{at::kBFloat16, 1e-4 + 0x1p-8}}) {
    const at::Tensor p = exact.to(type);
    EXPECT_GT(p.to(at::kDouble).sum(-1).sub(1).abs().max().item<double>(), 1e-4);
    Accumulator<metrics::Calibration> accumulator(28);
    accumulator.add(p, targets);
    EXPECT_EQ(detail::sum_tolerance(p), tolerance);
    EXPECT_EQ(accumulator.value().total(), 1000);
    EXPECT_NEAR(accumulator.value().ece(), in_float.value().ece(), 4 * tolerance);
    expect_sums(detail::calibration_sums(p.to(at::kFloat), targets, 15, {}, tolerance),
                accumulator.value(), 1e-4);
    EXPECT_THAT(error_of([&] { accumulator.add(p.mul(1.03), targets); }), HasSubstr("expected 1"));
  }
}

TEST(MultiLabelCalibrationAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    Bits data(seed);
    data.probabilities = data.probabilities.clamp(0.01, 0.99);
    metrics::MultiLabelCalibration expected(4);
    expected.add(view_of<double>(data.probabilities), view_of<std::int64_t>(data.targets), -1);
    Accumulator<metrics::MultiLabelCalibration> accumulator(4);
    accumulator.add(data.probabilities, data.targets, -1);
    EXPECT_EQ(accumulator.value(), expected);
    expect_sums(detail::multilabel_calibration_sums(data.probabilities, data.targets, 15, -1),
                expected, 1e-12);
  }
  // What is certain and right costs nothing, on either path.
  const at::Tensor p = at::tensor({0.0, 1.0}, at::kDouble).unsqueeze(0);
  const at::Tensor targets = at::tensor({0, 1}, at::kLong).unsqueeze(0);
  metrics::MultiLabelCalibration expected(2);
  expected.add(view_of<double>(p), view_of<std::int64_t>(targets));
  expect_sums(detail::multilabel_calibration_sums(p, targets, 15, {}), expected, 0);
}

// Edges of bins, and what is next to them, fall into the same bins.
TEST(MultiLabelCalibrationAccumulator, EqualsTheCoreAtEdges) {
  for (std::int64_t bins = 1; bins <= 100; ++bins) {
    const at::Tensor edges =
        at::arange(bins + 1, at::kDouble).div(at::full({1}, bins, at::kDouble));
    const at::Tensor p = at::cat({edges, edges.mul(1 - 0x1p-53), edges.mul(1 + 0x1p-52)})
                             .clamp(0, 1)
                             .unsqueeze(1)
                             .contiguous();
    const at::Tensor targets = at::zeros(p.sizes(), at::kLong);
    metrics::MultiLabelCalibration expected(1, static_cast<std::size_t>(bins));
    expected.add(view_of<double>(p.masked_fill(p.eq(1), 0.999)), view_of<std::int64_t>(targets));
    expect_sums(
        detail::multilabel_calibration_sums(p.masked_fill(p.eq(1), 0.999), targets, bins, {}),
        expected, 1e-10);
  }
}

}  // namespace
}  // namespace equipoise::libtorch
