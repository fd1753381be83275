#include "tests/support/recorded_operations.h"  // first: see there
//
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "equipoise/libtorch/metrics.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace equipoise::libtorch {
namespace {

using testing::error_of;
using testing::expect_close;
using ::testing::HasSubstr;

constexpr std::int64_t kRows = 60;
constexpr std::int64_t kClasses = 5;

// Tokens in 6 x 10, of which some are ignored; scores often tie.
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

struct Bits {
  at::Tensor targets, predictions, probabilities;

  explicit Bits(std::int64_t seed) {
    at::manual_seed(static_cast<std::uint64_t>(seed));
    probabilities = at::rand({kRows, 4}, at::kDouble).mul(8).round().div(8);
    predictions = probabilities.gt(0.7).to(at::kLong);
    targets = at::rand({kRows, 4}).lt(0.3).to(at::kLong);
    targets = targets.masked_fill(at::rand({kRows, 4}).lt(0.2), -1);
    targets[0].fill_(-1);
  }
};

template <class T>
MatrixView<const T> view_of(const at::Tensor& tensor) {
  return {tensor.data_ptr<T>(), static_cast<std::size_t>(tensor.size(0)),
          static_cast<std::size_t>(tensor.size(1))};
}

// What lies on a device: the sums that the metric holds, and how many rows were wrong.
template <class Metric>
void expect_sums(const at::Tensor& sums, Metric metric, double bound) {
  const std::vector<double> actual = detail::to_vector(sums);
  const auto expected = metric.all_reduce_buffer();
  ASSERT_EQ(actual.size(), expected.size() + 1);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], bound) << i;
  EXPECT_EQ(actual.back(), 0);
}

TEST(ConfusionAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor predictions = data.logits.argmax(-1);
    ConfusionMatrix expected(kClasses);
    expected.add(data.labels(), Tokens::vector_of(predictions), -100);
    Accumulator<ConfusionMatrix> by_logits(kClasses);
    Accumulator<ConfusionMatrix> by_class(kClasses);
    for (const std::int64_t half : {0, 3}) {
      const auto part = [&](const at::Tensor& tensor) { return tensor.narrow(0, half, 3); };
      by_logits.add(part(data.targets), part(data.logits).to(at::kHalf), -100);
      by_class.add(part(data.targets).to(at::kInt), part(predictions).to(at::kByte), -100);
    }
    EXPECT_EQ(by_logits.value(), expected);
    EXPECT_EQ(by_class.value(), expected);
    expect_sums(detail::confusion_sums(data.targets.flatten(), predictions.flatten(), {},
                                       data.logits.flatten(0, 1), 1, kClasses, -100),
                expected, 0);
  }
}

TEST(GroupedConfusionAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  const Tokens data(1);
  const at::Tensor predictions = data.logits.argmax(-1);
  Accumulator<Grouped<ConfusionMatrix>> accumulator(3, kClasses);
  accumulator.add(data.groups, data.targets, data.logits, -100);
  const Grouped<ConfusionMatrix> grouped = accumulator.value();
  Accumulator<Grouped<ConfusionMatrix>> by_class(3, kClasses);
  by_class.add(data.groups, data.targets, predictions, -100);
  EXPECT_EQ(by_class.value(), grouped);
  const at::Tensor sums = detail::confusion_sums(data.targets.flatten(), predictions.flatten(),
                                                 data.groups.flatten(), {}, 3, kClasses, -100);
  for (std::int64_t g = 0; g < 3; ++g) {
    const at::Tensor own = data.targets.masked_fill(data.groups.ne(g), -100);
    ConfusionMatrix expected(kClasses);
    expected.add(Tokens::vector_of(own), Tokens::vector_of(predictions), -100);
    EXPECT_EQ(grouped.group(static_cast<std::size_t>(g)), expected);
    const std::int64_t cells = kClasses * kClasses;
    expect_sums(at::cat({sums.narrow(0, g * cells, cells), sums.narrow(0, 3 * cells, 1)}), expected,
                0);
  }
}

TEST(CalibrationAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor p = data.probabilities.flatten(0, 1).contiguous();
    Calibration expected(kClasses, 7);
    expected.add(view_of<double>(p), data.labels(), -100);
    Accumulator<Calibration> accumulator(kClasses, 7);
    accumulator.add(data.probabilities, data.targets, -100);
    EXPECT_EQ(accumulator.value(), expected);
    expect_sums(detail::calibration_sums(p, data.targets.flatten(), 7, -100), expected, 1e-12);
  }
}

TEST(MultiLabelAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Bits data(seed);
    MultiLabelCounts expected(4);
    expected.add(view_of<std::int64_t>(data.targets), view_of<std::int64_t>(data.predictions), -1);
    Accumulator<MultiLabelCounts> accumulator(4);
    accumulator.add(data.targets, data.predictions.to(at::kBool), -1);
    EXPECT_EQ(accumulator.value(), expected);
    expect_sums(detail::multilabel_sums(data.targets, data.predictions, -1), expected, 1e-12);
  }
}

TEST(MultiLabelCalibrationAccumulator, EqualsTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    Bits data(seed);
    data.probabilities = data.probabilities.clamp(0.01, 0.99);
    MultiLabelCalibration expected(4);
    expected.add(view_of<double>(data.probabilities), view_of<std::int64_t>(data.targets), -1);
    Accumulator<MultiLabelCalibration> accumulator(4);
    accumulator.add(data.probabilities, data.targets, -1);
    EXPECT_EQ(accumulator.value(), expected);
    expect_sums(detail::multilabel_calibration_sums(data.probabilities, data.targets, 15, -1),
                expected, 1e-12);
  }
  // What is certain and right costs nothing, on either path.
  const at::Tensor p = at::tensor({0.0, 1.0}, at::kDouble).unsqueeze(0);
  const at::Tensor targets = at::tensor({0, 1}, at::kLong).unsqueeze(0);
  MultiLabelCalibration expected(2);
  expected.add(view_of<double>(p), view_of<std::int64_t>(targets));
  expect_sums(detail::multilabel_calibration_sums(p, targets, 15, {}), expected, 0);
}

TEST(Areas, EqualTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor scores = data.logits.flatten(0, 1).contiguous();
    const at::Tensor targets = data.targets.flatten();
    LabelScores<float> expected(kClasses);
    expected.add(view_of<float>(scores), data.labels(), -100);
    const at::Tensor auc = roc_auc(scores, targets, -100);
    const at::Tensor ap = average_precision(scores, targets, -100);
    const at::Tensor both = detail::areas(detail::rank_labels("areas", scores, targets, -100));
    for (std::int64_t c = 0; c < kClasses; ++c) {
      const auto label = static_cast<std::size_t>(c);
      const at::Tensor numbers = at::tensor(
          {expected.roc_auc(label), expected.average_precision(label, Absent::kNaN)}, at::kDouble);
      expect_close(at::stack({auc[c], ap[c]}), numbers, 1e-15);
      expect_close(both.select(1, c), numbers, 1e-14);
    }
    // The last class never occurs.
    EXPECT_TRUE(std::isnan(auc[kClasses - 1].item<double>()));

    const Bits bits(seed);
    const at::Tensor of_labels = average_precision(bits.probabilities, bits.targets, -1);
    expect_close(detail::areas(detail::rank_labels("areas", bits.probabilities, bits.targets, -1)),
                 at::stack({roc_auc(bits.probabilities, bits.targets, -1), of_labels}), 1e-14);
    const at::Tensor one = bits.probabilities.select(1, 0);
    EXPECT_EQ(roc_auc(one, bits.targets.select(1, 0), -1).dim(), 0);
    expect_close(average_precision(one, bits.targets.select(1, 0), -1), of_labels[0], 0);
  }
}

// Meta tensors hold no data: reading one on the host throws. Uploads they do not notice, so what
// the operations are given is looked at as well.
TEST(Accumulators, NeitherReadTheDeviceNorUpload) {
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor labels = at::empty({6}, meta.dtype(at::kLong));
  const at::Tensor logits = at::empty({6, 4}, meta.dtype(at::kFloat));
  const at::Tensor bits = at::empty({6, 4}, meta.dtype(at::kLong));
  {
    const testing::RecordedOperations operations;
    Accumulator<ConfusionMatrix> confusion(4);
    Accumulator<Grouped<ConfusionMatrix>> grouped(3, 4);
    Accumulator<Calibration> calibration(4);
    Accumulator<MultiLabelCounts> counts(4);
    Accumulator<MultiLabelCalibration> label_calibration(4);
    for (int batch = 0; batch < 2; ++batch) {
      confusion.add(labels, logits, -100);
      confusion.add(labels, labels);
      grouped.add(labels, labels, logits, -100);
      calibration.add(logits, labels, -100);
      counts.add(bits, bits, -100);
      label_calibration.add(logits, bits);
    }
    EXPECT_FALSE(testing::RecordedOperations::host_tensor());
    const std::set<std::string>& seen = testing::RecordedOperations::names();
    EXPECT_EQ(seen.count("aten::scatter_add"), 1u);
    for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                             "aten::is_nonzero", "aten::equal", "aten::cpu", "aten::bincount"}) {
      EXPECT_EQ(seen.count(name), 0u) << name;
    }
    EXPECT_THROW(confusion.value(), std::exception) << "meta tensors can be read";
  }
  // LibTorch 1.13 searches no meta tensors; on the CPU one sees what is called all the same.
  const Tokens data(1);
  const detail::RankedLabels ranked =
      detail::rank_labels("areas", data.logits.flatten(0, 1), data.targets.flatten(), -100);
  const testing::RecordedOperations operations;
  detail::areas(ranked);
  for (const char* name :
       {"aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"}) {
    EXPECT_EQ(testing::RecordedOperations::names().count(name), 0u) << name;
  }
}

TEST(Accumulators, CountWrongRowsOnTheDevice) {
  const auto wrong = [](const at::Tensor& sums) { return sums[-1].item<double>(); };
  const at::Tensor targets = at::tensor({0, 1, 2, -100}, at::kLong);
  const at::Tensor predictions = at::tensor({0, 7, 0, 9}, at::kLong);
  EXPECT_EQ(wrong(detail::confusion_sums(targets, predictions, {}, {}, 1, 2, -100)), 2);
  at::Tensor p = at::full({4, 2}, 0.5, at::kDouble);
  EXPECT_EQ(wrong(detail::calibration_sums(p, targets, 15, -100)), 1);
  p[0][1] = std::nan("");
  EXPECT_EQ(wrong(detail::calibration_sums(p, targets, 15, -100)), 2);
  p[0][1] = 0.6;
  EXPECT_EQ(wrong(detail::calibration_sums(p, targets, 15, -100)), 2);
  const at::Tensor bits = at::tensor({0, 2, 1, -1}, at::kLong).view({2, 2});
  EXPECT_EQ(wrong(detail::multilabel_sums(bits, at::zeros_like(bits), -1)), 1);
  EXPECT_EQ(wrong(detail::multilabel_calibration_sums(p.narrow(0, 2, 2), bits, 15, -1)), 1);
  const at::Tensor nan = at::tensor({0.5, std::nan("")}, at::kDouble);
  EXPECT_TRUE(std::isnan(
      detail::areas(detail::rank_labels("areas", nan, at::tensor({0, 1}, at::kLong), {}))[0]
          .item<double>()));
  detail::DeviceSums sums;
  sums.add("f", at::tensor({1.0, 2.0}, at::kDouble));
  EXPECT_THAT(error_of([&] { sums.read("f"); }), HasSubstr("out of range = 2, expected 0"));
}

TEST(Accumulators, RefuseWhatDoesNotFit) {
  Accumulator<ConfusionMatrix> confusion(3);
  const at::Tensor targets = at::tensor({0, 1, 2}, at::kLong);
  const auto add = [&](const at::Tensor& t, const at::Tensor& p) {
    return error_of([&] { confusion.add(t, p); });
  };
  EXPECT_THAT(add(targets, at::zeros({2}, at::kLong)), HasSubstr("= 2, expected 3 (rows of"));
  EXPECT_THAT(add(targets, at::zeros({3, 4})), HasSubstr("size(-1) = 4, expected 3 (classes)"));
  EXPECT_THAT(add(at::zeros({3}), targets), HasSubstr("targets.dtype() = float, expected an int"));
  EXPECT_THAT(add(targets, at::empty({3}, at::TensorOptions(at::kMeta).dtype(at::kLong))),
              HasSubstr("predictions.device() = meta, expected cpu"));
  EXPECT_THAT(add(targets, at::full({3}, 3, at::kLong)), HasSubstr("predictions[0] = 3"));
  EXPECT_THAT(add(targets, at::full({3, 3}, std::nan(""))), HasSubstr("logits(0, 0) = nan"));
  EXPECT_EQ(confusion.value().total(), 0);

  Accumulator<Calibration> calibration(3);
  EXPECT_THAT(error_of([&] {
                calibration.add(at::zeros({3, 2}), targets);
              }),
              HasSubstr("probabilities.size(-1) = 2, expected 3 (classes)"));
  EXPECT_THAT(error_of([&] {
                calibration.add(at::zeros({2, 3}), targets);
              }),
              HasSubstr("targets.numel() = 3, expected 2 (rows of probabilities)"));
  Accumulator<MultiLabelCounts> counts(3);
  EXPECT_THAT(error_of([&] {
                counts.add(at::zeros({2, 3}, at::kLong), targets);
              }),
              HasSubstr("predictions.dim() = 1, expected at least 2"));
  Accumulator<MultiLabelCalibration> label_calibration(3);
  EXPECT_THAT(error_of([&] {
                label_calibration.add(at::full({1, 3}, 2.0), at::zeros({1, 3}, at::kLong));
              }),
              HasSubstr("probabilities(0, 0) = 2"));
  Accumulator<Grouped<ConfusionMatrix>> grouped(2, 3);
  EXPECT_THAT(error_of([&] { grouped.add(targets, targets, targets); }),
              HasSubstr("row_groups[2] = 2, expected a group in [0, 2)"));
  EXPECT_THAT(error_of([&] { roc_auc(at::zeros({3}), at::zeros({2}, at::kLong)); }),
              HasSubstr("targets.sizes()"));
  EXPECT_THAT(error_of([&] { roc_auc(at::zeros({3}), at::full({3}, 2, at::kLong)); }),
              HasSubstr("target out of range = 1, expected 0"));
}

TEST(Accumulators, OnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  const Tokens data(3);
  const Bits bits(3);
  const auto gpu = [](const at::Tensor& tensor) { return tensor.to(at::kCUDA); };
  Accumulator<ConfusionMatrix> here(kClasses);
  Accumulator<ConfusionMatrix> there(kClasses);
  here.add(data.targets, data.logits, -100);
  there.add(gpu(data.targets), gpu(data.logits), -100);
  EXPECT_EQ(there.value(), here.value());
  Accumulator<Calibration> calibration(kClasses);
  calibration.add(data.probabilities, data.targets, -100);
  Accumulator<Calibration> calibration_there(kClasses);
  calibration_there.add(gpu(data.probabilities), gpu(data.targets), -100);
  EXPECT_NEAR(calibration_there.value().ece(), calibration.value().ece(), 1e-12);
  Accumulator<MultiLabelCounts> counts(4);
  counts.add(gpu(bits.targets), gpu(bits.predictions), -1);
  Accumulator<MultiLabelCounts> counts_here(4);
  counts_here.add(bits.targets, bits.predictions, -1);
  EXPECT_EQ(counts.value().pooled(), counts_here.value().pooled());
  const at::Tensor scores = data.logits.flatten(0, 1);
  expect_close(roc_auc(gpu(scores), gpu(data.targets.flatten()), -100).cpu(),
               roc_auc(scores, data.targets.flatten(), -100), 1e-12);
}

}  // namespace
}  // namespace equipoise::libtorch
