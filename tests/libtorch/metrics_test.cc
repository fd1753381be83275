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
#include <utility>
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
  Accumulator<Calibration> in_float(28);
  in_float.add(exact, targets);
  for (const auto& [type, tolerance] :
       {std::pair{at::kHalf, 1e-4 + 0x1p-11}, std::pair{at::kBFloat16, 1e-4 + 0x1p-8}}) {
    const at::Tensor p = exact.to(type);
    EXPECT_GT(p.to(at::kDouble).sum(-1).sub(1).abs().max().item<double>(), 1e-4);
    Accumulator<Calibration> accumulator(28);
    accumulator.add(p, targets);
    EXPECT_EQ(detail::sum_tolerance(p), tolerance);
    EXPECT_EQ(accumulator.value().total(), 1000);
    EXPECT_NEAR(accumulator.value().ece(), in_float.value().ece(), 4 * tolerance);
    expect_sums(detail::calibration_sums(p.to(at::kFloat), targets, 15, {}, tolerance),
                accumulator.value(), 1e-4);
    EXPECT_THAT(error_of([&] { accumulator.add(p.mul(1.03), targets); }), HasSubstr("expected 1"));
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
    MultiLabelCalibration expected(1, static_cast<std::size_t>(bins));
    expected.add(view_of<double>(p.masked_fill(p.eq(1), 0.999)), view_of<std::int64_t>(targets));
    expect_sums(
        detail::multilabel_calibration_sums(p.masked_fill(p.eq(1), 0.999), targets, bins, {}),
        expected, 1e-10);
  }
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

TEST(LabelScoresAccumulator, EqualsTheCoreInBatchesOfAnyShape) {
  for (std::int64_t seed = 0; seed < 10; ++seed) {
    const Tokens data(seed);
    LabelScores<float> expected(kClasses);
    const at::Tensor flat = data.logits.flatten(0, 1).contiguous();
    expected.add(view_of<float>(flat), data.labels(), -100);
    Accumulator<LabelScores<float>> by_class(kClasses);
    Accumulator<LabelScores<float>> by_label(kClasses);
    const at::Tensor one_hot = at::arange(kClasses).eq(data.targets.unsqueeze(-1)).to(at::kInt);
    const at::Tensor bits = one_hot.masked_fill(data.targets.eq(-100).unsqueeze(-1), -100);
    for (const std::int64_t half : {0, 3}) {
      const auto part = [&](const at::Tensor& tensor) { return tensor.narrow(0, half, 3); };
      by_class.add(part(data.logits).to(at::kHalf), part(data.targets), -100);  // halves are exact
      by_label.add(part(data.logits), part(bits), -100);
    }
    for (std::size_t c = 0; c < kClasses; ++c) {
      const auto points = expected.label(c).operating_points();
      EXPECT_EQ(by_class.value().label(c).operating_points(), points);
      EXPECT_EQ(by_label.value().label(c).operating_points(), points);
    }
    by_class.reset();
    EXPECT_EQ(by_class.value(), LabelScores<float>(kClasses));
  }
  // Scores of one label, and what a device would keep.
  const Bits bits(1);
  const at::Tensor scores = bits.probabilities.select(1, 0);
  const at::Tensor targets = bits.targets.select(1, 0);
  Accumulator<LabelScores<double>> one;
  one.add(scores, targets, -1);
  EXPECT_EQ(one.value().roc_auc(0), roc_auc(scores, targets, -1).item<double>());
  detail::DeviceRows kept_scores;
  detail::DeviceRows kept_targets;
  for (const std::int64_t half : {0, 30}) {
    const auto rows = detail::rank_labels("f", bits.probabilities.narrow(0, half, 30),
                                          bits.targets.narrow(0, half, 30), -1);
    kept_scores.add("f", rows.scores);
    kept_targets.add("f", rows.targets);
  }
  LabelScores<double> read(4);
  detail::add_ranked("f", {kept_scores.read(), kept_targets.read()}, read);
  Accumulator<LabelScores<double>> whole(4);
  whole.add(bits.probabilities, bits.targets, -1);
  EXPECT_EQ(read, whole.value());
}

TEST(EntityAccumulator, EqualsTheCoreOnPaddedBatches) {
  const EntityTags tags{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor predictions = data.logits.argmax(-1);
    EntityScores expected(tags);
    expected.add(data.labels(), Tokens::vector_of(predictions),
                 std::vector<std::size_t>{0, 10, 20, 30, 40, 50, 60}, -100);
    Accumulator<EntityScores> by_tag(tags);
    Accumulator<EntityScores> by_logits(tags);
    for (std::int64_t sentence = 0; sentence < 6; ++sentence) {
      by_tag.add(data.targets[sentence].to(at::kInt), predictions[sentence], -100);
    }
    by_logits.add(data.targets.narrow(0, 0, 2), data.logits.narrow(0, 0, 2), -100);
    by_logits.add(data.targets.narrow(0, 2, 4), data.logits.narrow(0, 2, 4), -100);
    EXPECT_EQ(by_tag.value(), expected);
    EXPECT_EQ(by_logits.value(), expected);
    by_logits.reset();
    EXPECT_EQ(by_logits.value(), EntityScores(tags));
  }
  Accumulator<EntityScores> none(tags);
  none.add(at::zeros({0, 7}, at::kLong), at::zeros({0, 7}, at::kLong));
  EXPECT_EQ(none.value().tokens(), 0);
}

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
  const auto [confusion, confusion_pending] = expect(Accumulator<ConfusionMatrix>(2), by_logits);
  EXPECT_EQ(confusion, confusion_pending);
  const auto [scores, scores_pending] =
      expect(Accumulator<LabelScores<float>>(1),
             [](auto& a, const at::Tensor& z, const at::Tensor& y) { a.add(z.select(1, 1), y); });
  EXPECT_EQ(scores.roc_auc(0), scores_pending.roc_auc(0));
  EXPECT_EQ(roc_auc(negation_pending(logits.select(1, 1)), pending_targets).item<double>(),
            scores.roc_auc(0));
  const auto [calibration, calibration_pending] =
      expect(Accumulator<Calibration>(2), [](auto& a, const at::Tensor& z, const at::Tensor& y) {
        a.add(z.is_neg() ? negation_pending(z.softmax(1)) : z.softmax(1), y);
      });
  EXPECT_EQ(calibration.nll(), calibration_pending.nll());
}

TEST(Accumulators, TakeEmptyBatches) {
  const auto none = [](at::IntArrayRef sizes) { return at::zeros(sizes, at::kLong); };
  Accumulator<ConfusionMatrix> confusion(3);
  confusion.add(none({0}), none({0}));
  confusion.add(none({2, 0}), at::zeros({2, 0, 3}));
  confusion.add(none({0, 4}), at::zeros({0, 4, 3}));
  EXPECT_EQ(confusion.value(), ConfusionMatrix(3));
  Accumulator<Grouped<ConfusionMatrix>> grouped(2, 3);
  grouped.add(none({2, 0}), none({2, 0}), at::zeros({2, 0, 3}));
  EXPECT_EQ(grouped.value().group(0), ConfusionMatrix(3));
  Accumulator<Calibration> calibration(3);
  calibration.add(at::zeros({2, 0, 3}), none({2, 0}));
  Accumulator<MultiLabelCounts> labels(4);
  labels.add(none({0, 4}), none({0, 4}));
  labels.add(none({2, 0, 4}), none({2, 0, 4}));
  Accumulator<MultiLabelCalibration> label_calibration(4);
  label_calibration.add(at::zeros({2, 0, 4}), none({2, 0, 4}));
  Accumulator<LabelScores<float>> scores(3);
  scores.add(at::zeros({0, 3}), none({0}));
  scores.add(at::zeros({2, 0, 3}), none({2, 0}));
  EXPECT_TRUE(std::isnan(scores.value().roc_auc(1)));
  EXPECT_TRUE(std::isnan(roc_auc(at::zeros({0}), none({0})).item<double>()));
  Accumulator<EntityScores> entities(EntityTags{"O", "B-PER", "I-PER"});
  entities.add(none({2, 0}), none({2, 0}));
  entities.add(none({0, 3}), at::zeros({0, 3, 3}));
  EXPECT_EQ(entities.value().strict().micro_f1(), 0);
}

TEST(Accumulators, ForgetAllRowsWhenReset) {
  Accumulator<ConfusionMatrix> confusion(3);
  const at::Tensor targets = at::tensor({0, 1, 2}, at::kLong);
  confusion.add(targets, targets);
  EXPECT_EQ(confusion.value().total(), 3);
  confusion.reset();
  EXPECT_EQ(confusion.value(), ConfusionMatrix(3));
  Accumulator<Grouped<ConfusionMatrix>> grouped(2, 3);
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
    Accumulator<ConfusionMatrix> confusion(4);
    Accumulator<Grouped<ConfusionMatrix>> grouped(3, 4);
    Accumulator<Calibration> calibration(4);
    Accumulator<MultiLabelCounts> counts(4);
    Accumulator<MultiLabelCalibration> label_calibration(4);
    Accumulator<LabelScores<float>> scores(4);
    Accumulator<EntityScores> entities(EntityTags{"O", "B-PER", "B-LOC", "B-ORG"});
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
    EXPECT_EQ(seen.count("aten::scatter_add"), 1u);
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
  EXPECT_EQ(wrong(detail::confusion_sums(targets, predictions, {}, {}, 1, 2, -100)), 2);
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
  Accumulator<LabelScores<float>> scores(2);
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
  EXPECT_EQ(scores.value(), LabelScores<float>(2));
  Accumulator<EntityScores> entities(EntityTags{"O", "B-PER"});
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
  Accumulator<LabelScores<float>> areas(kClasses);
  areas.add(data.logits, data.targets, -100);
  Accumulator<LabelScores<float>> areas_there(kClasses);
  Accumulator<EntityScores> entities(EntityTags{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"});
  entities.add(data.targets, data.logits, -100);
  Accumulator<EntityScores> entities_there(EntityTags{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"});
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
