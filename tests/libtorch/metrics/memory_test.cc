// What metrics of tensors take of a device's memory beside what they are given.
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "equipoise/libtorch/metrics/calibration.h"
#include "equipoise/libtorch/metrics/confusion.h"
#include "equipoise/libtorch/metrics/entities.h"
#include "equipoise/libtorch/metrics/ranking.h"
#include "equipoise/metrics/entity_tags.h"
#include "equipoise/metrics/grouped.h"
#include "tests/support/fake_device.h"

namespace equipoise::libtorch {
namespace {

namespace fake = testing::fake_device;

constexpr std::int64_t kRows = 1024;
constexpr std::int64_t kColumns = 512;
constexpr at::ScalarType kFloats[] = {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16};
constexpr at::ScalarType kIntegers[] = {at::kLong, at::kInt, at::kByte};

class MetricMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fake::available()) GTEST_SKIP() << "needs LibTorch 2.1";
    at::manual_seed(1);
  }
};

at::Tensor there(const at::Tensor& tensor) { return tensor.to(fake::card(0)); }

// Takes at most 4 times the memory of `input`, and synchronises nothing.
template <class F>
void expect_little(const at::Tensor& input, const F& add) {
  const std::string type(input.dtype().name());
  fake::reset_counts();
  add();
  const fake::Counts counts = fake::counts();
  const auto size = static_cast<double>(input.numel()) * static_cast<double>(input.element_size());
  EXPECT_LE(counts.peak_bytes / size, 4.0) << type;
  EXPECT_EQ(counts.uploads, 0) << type;
  EXPECT_EQ(counts.downloads, 0) << type;
}

at::Tensor some_classes() { return at::randint(kColumns, {kRows}, at::kLong); }
at::Tensor some_bits() { return at::rand({kRows, kColumns}).lt(0.1); }

// Of few classes: the matrix itself is not counted among what it takes on the way.
TEST_F(MetricMemory, ConfusionOfLogits) {
  constexpr std::int64_t kClasses = 64;
  constexpr std::int64_t kTokens = kRows * kColumns / kClasses;
  const at::Tensor targets = at::randint(kClasses, {kTokens}, at::kLong);
  for (const at::ScalarType type : kFloats) {
    const at::Tensor logits = at::randn({kTokens, kClasses}).to(type);
    const at::Tensor here = there(logits);
    const at::Tensor labels = there(targets);
    Accumulator<metrics::ConfusionMatrix> accumulator(kClasses);
    expect_little(here, [&] { accumulator.add(labels, here); });
    Accumulator<metrics::ConfusionMatrix> expected(kClasses);
    expected.add(targets, logits);
    EXPECT_EQ(accumulator.value(), expected.value());
  }
}

TEST_F(MetricMemory, GroupedConfusionOfLogits) {
  using Grouped = Accumulator<metrics::Grouped<metrics::ConfusionMatrix>>;
  const at::Tensor targets = at::randint(20, {20 * kRows}, at::kLong);
  const at::Tensor groups = targets.remainder(3);
  const at::Tensor logits = at::randn({20 * kRows, 20});
  const at::Tensor labels = there(targets);
  const at::Tensor of_rows = there(groups);
  const at::Tensor here = there(logits);
  Grouped accumulator(3, 20);
  expect_little(here, [&] { accumulator.add(of_rows, labels, here); });
  Grouped expected(3, 20);
  expected.add(groups, targets, logits);
  for (std::size_t g = 0; g < 3; ++g) {
    EXPECT_EQ(accumulator.value().group(g), expected.value().group(g));
  }
}

TEST_F(MetricMemory, ConfusionOfLabels) {
  for (const at::ScalarType type : kIntegers) {
    const at::Tensor targets = at::randint(10, {kRows * kColumns}, at::kLong).to(type);
    const at::Tensor predictions = at::randint(10, {kRows * kColumns}, at::kLong).to(type);
    const at::Tensor here = there(predictions);
    const at::Tensor labels = there(targets);
    Accumulator<metrics::ConfusionMatrix> accumulator(10);
    expect_little(here, [&] { accumulator.add(labels, here); });
    Accumulator<metrics::ConfusionMatrix> expected(10);
    expected.add(targets, predictions);
    EXPECT_EQ(accumulator.value(), expected.value());
  }
}

TEST_F(MetricMemory, MultiLabelCounts) {
  const at::Tensor bits = some_bits();
  for (const at::ScalarType type : {at::kLong, at::kInt, at::kByte, at::kBool}) {
    const at::Tensor targets = bits.to(type);
    const at::Tensor predictions = bits.flip(0).to(type);
    const at::Tensor labels = there(targets);
    const at::Tensor here = there(predictions);
    Accumulator<metrics::MultiLabelCounts> accumulator(kColumns);
    expect_little(here, [&] { accumulator.add(labels, here); });
    Accumulator<metrics::MultiLabelCounts> expected(kColumns);
    expected.add(targets, predictions);
    EXPECT_EQ(accumulator.value().label(3), expected.value().label(3));
    EXPECT_DOUBLE_EQ(accumulator.value().macro_f1(), expected.value().macro_f1());
    EXPECT_NEAR(accumulator.value().samples_f1(), expected.value().samples_f1(), 1e-12);
  }
}

TEST_F(MetricMemory, Calibration) {
  const at::Tensor targets = some_classes();
  const at::Tensor labels = there(targets);
  for (const at::ScalarType type : kFloats) {
    // Powers of two, which add up to 1 in half types too.
    const at::Tensor p = at::full({kRows, kColumns}, 0x1p-10).to(type);
    p.select(1, 0).fill_(1 - (kColumns - 1) * 0x1p-10);
    const at::Tensor here = there(p);
    Accumulator<metrics::Calibration> accumulator(kColumns);
    expect_little(here, [&] { accumulator.add(here, labels); });
    Accumulator<metrics::Calibration> expected(kColumns);
    expected.add(p, targets);
    EXPECT_NEAR(accumulator.value().nll(), expected.value().nll(), 1e-12);
    EXPECT_NEAR(accumulator.value().brier(), expected.value().brier(), 1e-12);
  }
}

TEST_F(MetricMemory, MultiLabelCalibration) {
  const at::Tensor targets = some_bits();
  const at::Tensor labels = there(targets);
  for (const at::ScalarType type : kFloats) {
    const at::Tensor p = at::rand({kRows, kColumns}).clamp(0.01, 0.99).to(type);
    const at::Tensor here = there(p);
    Accumulator<metrics::MultiLabelCalibration> accumulator(kColumns);
    expect_little(here, [&] { accumulator.add(here, labels); });
    Accumulator<metrics::MultiLabelCalibration> expected(kColumns);
    expected.add(p, targets);
    EXPECT_NEAR(accumulator.value().nll(3), expected.value().nll(3), 1e-12);
  }
}

TEST_F(MetricMemory, LabelScores) {
  const at::Tensor classes = some_classes();
  const at::Tensor bits = some_bits();
  for (const at::ScalarType type : kFloats) {
    const at::Tensor scores = at::rand({kRows, kColumns}).to(type);
    const at::Tensor here = there(scores);
    for (const at::Tensor& targets : {classes, bits}) {
      const at::Tensor labels = there(targets);
      Accumulator<metrics::LabelScores<double>> accumulator(kColumns);
      Accumulator<metrics::LabelScores<double>> expected(kColumns);
      expect_little(here, [&] { accumulator.add(here, labels); });
      expected.add(scores, targets);
      EXPECT_EQ(accumulator.value().label(5).roc_auc(), expected.value().label(5).roc_auc());
    }
  }
}

TEST_F(MetricMemory, EntityScores) {
  const metrics::EntityTags tags({"O", "B-X", "I-X"}, metrics::TagScheme::kIob2);
  const at::Tensor targets = at::randint(3, {kRows, kColumns}, at::kLong);
  const at::Tensor logits = at::randn({kRows, kColumns, 3});
  const at::Tensor labels = there(targets);
  const at::Tensor here = there(logits);
  Accumulator<metrics::EntityScores> accumulator(tags);
  Accumulator<metrics::EntityScores> expected(tags);
  expect_little(here, [&] { accumulator.add(labels, here); });
  expected.add(targets, logits);
  EXPECT_EQ(accumulator.value(), expected.value());
}

TEST_F(MetricMemory, Areas) {
  for (const std::int64_t labels : {std::int64_t{1}, std::int64_t{3}, kColumns}) {
    const std::int64_t rows = 2 * kRows * kColumns / labels;
    // With ties, and targets that are left out.
    const at::Tensor scores = at::randn({rows, labels}).mul(8).round();
    const at::Tensor targets = at::rand({rows, labels}).mul(3).to(at::kInt).sub(1);
    const at::Tensor here = there(scores);
    const at::Tensor bits = there(targets);
    at::Tensor roc;
    at::Tensor precision;
    expect_little(here, [&] { roc = roc_auc(here, bits, -1); });
    expect_little(here, [&] { precision = average_precision(here, bits, -1); });
    EXPECT_TRUE(at::allclose(roc.cpu(), roc_auc(scores, targets, -1), 1e-12));
    EXPECT_TRUE(at::allclose(precision.cpu(), average_precision(scores, targets, -1), 1e-12));
  }
}

}  // namespace
}  // namespace equipoise::libtorch
