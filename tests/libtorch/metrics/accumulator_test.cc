// What all accumulators have in common; the tests of each are in that of its metric's header.
#include "tests/support/recorded_operations.h"  // first: see there
//
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <cmath>
#include <cstdint>
#include <exception>
#include <set>
#include <string>
#include <utility>

#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/libtorch/metrics/calibration.h"
#include "equipoise/libtorch/metrics/confusion.h"
#include "equipoise/libtorch/metrics/entities.h"
#include "equipoise/libtorch/metrics/ranking.h"
#include "tests/support/errors.h"
#include "tests/support/metric_batches.h"
#include "tests/support/tensors.h"

namespace equipoise::libtorch {
namespace {

using testing::Bits;
using testing::error_of;
using testing::expect_close;
using ::testing::HasSubstr;
using testing::kClasses;
using testing::Tokens;

// Memory that does not hold the numbers themselves: a negation that was put off.
TEST(Accumulators, ReadTensorsWhoseNegationIsPending) {
  using testing::negation_pending;
  const at::Tensor targets = at::tensor({0, 1, 1, 0, 1}, at::kLong);
  const at::Tensor pending_targets = at::_neg_view(targets.neg());
  const at::Tensor logits =
      at::tensor({3.0, 1.0, 0.0, 2.0, 5.0, 4.0, 1.0, 0.0, 2.0, 6.0}, at::kFloat).view({5, 2});
  const auto expect = [&](auto plain, const auto& add) {
    auto pending = plain;
    add(plain, logits, targets);
    add(pending, negation_pending(logits), pending_targets);
    return std::pair{plain.value(), pending.value()};
  };
  const auto by_logits = [](auto& a, const at::Tensor& z, const at::Tensor& y) { a.add(y, z); };
  const auto [confusion, confusion_pending] =
      expect(Accumulator<metrics::ConfusionMatrix>(2), by_logits);
  EXPECT_EQ(confusion, confusion_pending);
  const auto [scores, scores_pending] =
      expect(Accumulator<metrics::LabelScores<float>>(1),
             [](auto& a, const at::Tensor& z, const at::Tensor& y) { a.add(z.select(1, 1), y); });
  EXPECT_EQ(scores.roc_auc(0), scores_pending.roc_auc(0));
  EXPECT_EQ(roc_auc(negation_pending(logits.select(1, 1)), pending_targets).item<double>(),
            scores.roc_auc(0));
  const auto [calibration, calibration_pending] = expect(
      Accumulator<metrics::Calibration>(2), [](auto& a, const at::Tensor& z, const at::Tensor& y) {
        a.add(z.is_neg() ? negation_pending(z.softmax(1)) : z.softmax(1), y);
      });
  EXPECT_EQ(calibration.nll(), calibration_pending.nll());
}

TEST(Accumulators, TakeEmptyBatches) {
  const auto none = [](at::IntArrayRef sizes) { return at::zeros(sizes, at::kLong); };
  Accumulator<metrics::ConfusionMatrix> confusion(3);
  confusion.add(none({0}), none({0}));
  confusion.add(none({2, 0}), at::zeros({2, 0, 3}));
  confusion.add(none({0, 4}), at::zeros({0, 4, 3}));
  EXPECT_EQ(confusion.value(), metrics::ConfusionMatrix(3));
  Accumulator<metrics::Grouped<metrics::ConfusionMatrix>> grouped(2, 3);
  grouped.add(none({2, 0}), none({2, 0}), at::zeros({2, 0, 3}));
  EXPECT_EQ(grouped.value().group(0), metrics::ConfusionMatrix(3));
  Accumulator<metrics::Calibration> calibration(3);
  calibration.add(at::zeros({2, 0, 3}), none({2, 0}));
  Accumulator<metrics::MultiLabelCounts> labels(4);
  labels.add(none({0, 4}), none({0, 4}));
  labels.add(none({2, 0, 4}), none({2, 0, 4}));
  Accumulator<metrics::MultiLabelCalibration> label_calibration(4);
  label_calibration.add(at::zeros({2, 0, 4}), none({2, 0, 4}));
  Accumulator<metrics::LabelScores<float>> scores(3);
  scores.add(at::zeros({0, 3}), none({0}));
  scores.add(at::zeros({2, 0, 3}), none({2, 0}));
  EXPECT_TRUE(std::isnan(scores.value().roc_auc(1)));
  EXPECT_TRUE(std::isnan(roc_auc(at::zeros({0}), none({0})).item<double>()));
  Accumulator<metrics::EntityScores> entities(metrics::EntityTags{"O", "B-PER", "I-PER"});
  entities.add(none({2, 0}), none({2, 0}));
  entities.add(none({0, 3}), at::zeros({0, 3, 3}));
  EXPECT_EQ(entities.value().strict().micro_f1(), 0);
}

TEST(Accumulators, ForgetAllRowsWhenReset) {
  Accumulator<metrics::ConfusionMatrix> confusion(3);
  const at::Tensor targets = at::tensor({0, 1, 2}, at::kLong);
  confusion.add(targets, targets);
  EXPECT_EQ(confusion.value().total(), 3);
  confusion.reset();
  EXPECT_EQ(confusion.value(), metrics::ConfusionMatrix(3));
  Accumulator<metrics::Grouped<metrics::ConfusionMatrix>> grouped(2, 3);
  grouped.add(at::tensor({0, 1, 1}, at::kLong), targets, targets);
  grouped.reset();
  EXPECT_EQ(grouped.value().total().total(), 0);
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
    Accumulator<metrics::ConfusionMatrix> confusion(4);
    Accumulator<metrics::Grouped<metrics::ConfusionMatrix>> grouped(3, 4);
    Accumulator<metrics::Calibration> calibration(4);
    Accumulator<metrics::MultiLabelCounts> counts(4);
    Accumulator<metrics::MultiLabelCalibration> label_calibration(4);
    Accumulator<metrics::LabelScores<float>> scores(4);
    Accumulator<metrics::EntityScores> entities(
        metrics::EntityTags{"O", "B-PER", "B-LOC", "B-ORG"});
    for (int batch = 0; batch < 2; ++batch) {
      confusion.add(labels, logits, -100);
      confusion.add(labels, labels);
      grouped.add(labels, labels, logits, -100);
      calibration.add(logits, labels, -100);
      counts.add(bits, bits, -100);
      label_calibration.add(logits, bits);
      scores.add(logits, labels, -100);
      scores.add(logits, bits);
      entities.add(labels, labels, -100);
      entities.add(labels, logits);
    }
    EXPECT_FALSE(testing::RecordedOperations::host_tensor());
    const std::set<std::string>& seen = testing::RecordedOperations::names();
    EXPECT_EQ(seen.count("aten::scatter_add_"), 1u);
    for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                             "aten::is_nonzero", "aten::equal", "aten::cpu", "aten::bincount"}) {
      EXPECT_EQ(seen.count(name), 0u) << name;
    }
    EXPECT_THROW(confusion.value(), std::exception) << "meta tensors can be read";
    EXPECT_THROW(scores.value(), std::exception);
    EXPECT_THROW(entities.value(), std::exception);
    confusion.reset();
    EXPECT_EQ(confusion.value().total(), 0);
    scores.reset();
    EXPECT_EQ(scores.value().label(0).positives(), 0);
    entities.reset();
    EXPECT_EQ(entities.value().tokens(), 0);
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
  EXPECT_EQ(wrong(detail::confusion_sums({targets, predictions, {}}, 1, 2, -100)), 2);
  at::Tensor p = at::full({4, 2}, 0.5, at::kDouble);
  EXPECT_EQ(wrong(detail::calibration_sums(p, targets, 15, -100, 1e-4)), 1);
  p[0][1] = std::nan("");
  EXPECT_EQ(wrong(detail::calibration_sums(p, targets, 15, -100, 1e-4)), 2);
  p[0][1] = 0.6;
  EXPECT_EQ(wrong(detail::calibration_sums(p, targets, 15, -100, 1e-4)), 2);
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
  Accumulator<metrics::ConfusionMatrix> confusion(3);
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

  Accumulator<metrics::Calibration> calibration(3);
  EXPECT_THAT(error_of([&] {
                calibration.add(at::zeros({3, 2}), targets);
              }),
              HasSubstr("probabilities.size(-1) = 2, expected 3 (classes)"));
  EXPECT_THAT(error_of([&] {
                calibration.add(at::zeros({2, 3}), targets);
              }),
              HasSubstr("targets.numel() = 3, expected 2 (rows of probabilities)"));
  Accumulator<metrics::MultiLabelCounts> counts(3);
  EXPECT_THAT(error_of([&] {
                counts.add(at::zeros({2, 3}, at::kLong), targets);
              }),
              HasSubstr("predictions.dim() = 1, expected at least 2"));
  Accumulator<metrics::MultiLabelCalibration> label_calibration(3);
  EXPECT_THAT(error_of([&] {
                label_calibration.add(at::full({1, 3}, 2.0), at::zeros({1, 3}, at::kLong));
              }),
              HasSubstr("probabilities(0, 0) = 2"));
  Accumulator<metrics::Grouped<metrics::ConfusionMatrix>> grouped(2, 3);
  EXPECT_THAT(error_of([&] { grouped.add(targets, targets, targets); }),
              HasSubstr("row_groups[2] = 2, expected a group in [0, 2)"));
  Accumulator<metrics::LabelScores<float>> scores(2);
  EXPECT_THAT(error_of([&] {
                scores.add(at::zeros({3, 3}), targets);
              }),
              HasSubstr("labels of scores = 3, expected 2 (labels)"));
  EXPECT_THAT(error_of([&] {
                scores.add(at::zeros({3, 2}, at::kDouble), targets);
              }),
              HasSubstr("scores.dtype() = double, expected float, or LabelScores<double>"));
  EXPECT_THAT(error_of([&] {
                scores.add(at::zeros({3, 2}), targets);
              }),
              HasSubstr("target out of range = 2, expected 0"));
  EXPECT_THAT(error_of([&] {
                scores.add(at::zeros({2, 3, 2}), targets);
              }),
              HasSubstr("targets.sizes() = [3], expected [2, 3]"));
  EXPECT_EQ(scores.value(), metrics::LabelScores<float>(2));
  Accumulator<metrics::EntityScores> entities(metrics::EntityTags{"O", "B-PER"});
  EXPECT_THAT(error_of([&] { entities.add(targets, targets); }), HasSubstr("targets[2] = 2"));
  EXPECT_THAT(error_of([&] {
                entities.add(targets, at::zeros({3, 4}));
              }),
              HasSubstr("predictions.size(-1) = 4, expected 2 (classes)"));
  EXPECT_THAT(error_of([&] { entities.add(at::zeros({}, at::kLong), targets); }),
              HasSubstr("targets.dim() = 0, expected at least 1"));
  EXPECT_EQ(entities.value().tokens(), 0);
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
  Accumulator<metrics::ConfusionMatrix> here(kClasses);
  Accumulator<metrics::ConfusionMatrix> there(kClasses);
  here.add(data.targets, data.logits, -100);
  there.add(gpu(data.targets), gpu(data.logits), -100);
  EXPECT_EQ(there.value(), here.value());
  Accumulator<metrics::Calibration> calibration(kClasses);
  calibration.add(data.probabilities, data.targets, -100);
  Accumulator<metrics::Calibration> calibration_there(kClasses);
  calibration_there.add(gpu(data.probabilities), gpu(data.targets), -100);
  EXPECT_NEAR(calibration_there.value().ece(), calibration.value().ece(), 1e-12);
  Accumulator<metrics::MultiLabelCounts> counts(4);
  counts.add(gpu(bits.targets), gpu(bits.predictions), -1);
  Accumulator<metrics::MultiLabelCounts> counts_here(4);
  counts_here.add(bits.targets, bits.predictions, -1);
  EXPECT_EQ(counts.value().pooled(), counts_here.value().pooled());
  Accumulator<metrics::LabelScores<float>> areas(kClasses);
  areas.add(data.logits, data.targets, -100);
  Accumulator<metrics::LabelScores<float>> areas_there(kClasses);
  Accumulator<metrics::EntityScores> entities(
      metrics::EntityTags{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"});
  entities.add(data.targets, data.logits, -100);
  Accumulator<metrics::EntityScores> entities_there(
      metrics::EntityTags{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"});
  for (const std::int64_t half : {0, 3}) {
    const at::Tensor targets = gpu(data.targets.narrow(0, half, 3));
    areas_there.add(gpu(data.logits.narrow(0, half, 3)), targets, -100);
    entities_there.add(targets, gpu(data.logits.narrow(0, half, 3)), -100);
  }
  EXPECT_EQ(areas_there.value(), areas.value());
  EXPECT_EQ(entities_there.value(), entities.value());
  // Wrong rows are found by value(), until all is forgotten.
  there.add(gpu(at::full({1}, 77, at::kLong)), gpu(at::zeros({1}, at::kLong)));
  EXPECT_THAT(error_of([&] { there.value(); }), HasSubstr("out of range = 1, expected 0"));
  there.reset();
  there.add(gpu(data.targets), gpu(data.logits), -100);
  EXPECT_EQ(there.value(), here.value());
  const at::Tensor scores = data.logits.flatten(0, 1);
  expect_close(roc_auc(gpu(scores), gpu(data.targets.flatten()), -100).cpu(),
               roc_auc(scores, data.targets.flatten(), -100), 1e-12);
}

}  // namespace
}  // namespace equipoise::libtorch
