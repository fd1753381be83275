#include "equipoise/libtorch/metrics/confusion.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/multilabel.h"
#include "tests/support/metric_batches.h"

namespace equipoise::libtorch {
namespace {

using testing::Bits;
using testing::expect_sums;
using testing::kClasses;
using testing::Tokens;
using testing::view_of;

TEST(ConfusionAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor predictions = data.logits.argmax(-1);
    metrics::ConfusionMatrix expected(kClasses);
    expected.add(data.labels(), Tokens::vector_of(predictions), -100);
    Accumulator<metrics::ConfusionMatrix> by_logits(kClasses);
    Accumulator<metrics::ConfusionMatrix> by_class(kClasses);
    for (const std::int64_t half : {0, 3}) {
      const auto part = [&](const at::Tensor& tensor) { return tensor.narrow(0, half, 3); };
      by_logits.add(part(data.targets), part(data.logits).to(at::kHalf), -100);
      by_class.add(part(data.targets).to(at::kInt), part(predictions).to(at::kByte), -100);
    }
    EXPECT_EQ(by_logits.value(), expected);
    EXPECT_EQ(by_class.value(), expected);
    expect_sums(detail::confusion_sums({data.targets.flatten(), data.logits.flatten(0, 1), {}}, 1,
                                       kClasses, -100),
                expected, 0);
  }
}

TEST(GroupedConfusionAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  const Tokens data(1);
  const at::Tensor predictions = data.logits.argmax(-1);
  Accumulator<metrics::Grouped<metrics::ConfusionMatrix>> accumulator(3, kClasses);
  accumulator.add(data.groups, data.targets, data.logits, -100);
  const metrics::Grouped<metrics::ConfusionMatrix> grouped = accumulator.value();
  Accumulator<metrics::Grouped<metrics::ConfusionMatrix>> by_class(3, kClasses);
  by_class.add(data.groups, data.targets, predictions, -100);
  EXPECT_EQ(by_class.value(), grouped);
  const at::Tensor sums = detail::confusion_sums(
      {data.targets.flatten(), predictions.flatten(), data.groups.flatten()}, 3, kClasses, -100);
  for (std::int64_t g = 0; g < 3; ++g) {
    const at::Tensor own = data.targets.masked_fill(data.groups.ne(g), -100);
    metrics::ConfusionMatrix expected(kClasses);
    expected.add(Tokens::vector_of(own), Tokens::vector_of(predictions), -100);
    EXPECT_EQ(grouped.group(static_cast<std::size_t>(g)), expected);
    const std::int64_t cells = kClasses * kClasses;
    expect_sums(at::cat({sums.narrow(0, g * cells, cells), sums.narrow(0, 3 * cells, 1)}), expected,
                0);
  }
}

TEST(MultiLabelAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Bits data(seed);
    metrics::MultiLabelCounts expected(4);
    expected.add(view_of<std::int64_t>(data.targets), view_of<std::int64_t>(data.predictions), -1);
    Accumulator<metrics::MultiLabelCounts> accumulator(4);
    accumulator.add(data.targets, data.predictions.to(at::kBool), -1);
    EXPECT_EQ(accumulator.value(), expected);
    expect_sums(detail::multilabel_sums(data.targets, data.predictions, -1), expected, 1e-12);
  }
}

}  // namespace
}  // namespace equipoise::libtorch
