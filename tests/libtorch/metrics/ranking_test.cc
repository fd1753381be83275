#include "equipoise/libtorch/metrics/ranking.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/label_scores.h"
#include "tests/support/metric_batches.h"
#include "tests/support/tensors.h"

namespace equipoise::libtorch {
namespace {

using testing::Bits;
using testing::expect_close;
using testing::kClasses;
using testing::Tokens;
using testing::view_of;

TEST(Areas, EqualTheCoreOnTheCpuAndByOperations) {
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor scores = data.logits.flatten(0, 1).contiguous();
    const at::Tensor targets = data.targets.flatten();
    metrics::LabelScores<float> expected(kClasses);
    expected.add(view_of<float>(scores), data.labels(), -100);
    const at::Tensor auc = roc_auc(scores, targets, -100);
    const at::Tensor ap = average_precision(scores, targets, -100);
    const at::Tensor both = detail::areas(detail::rank_labels("areas", scores, targets, -100));
    for (std::int64_t c = 0; c < kClasses; ++c) {
      const auto label = static_cast<std::size_t>(c);
      const at::Tensor numbers = at::tensor(
          {expected.roc_auc(label), expected.average_precision(label, metrics::Absent::kNaN)},
          at::kDouble);
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
    metrics::LabelScores<float> expected(kClasses);
    const at::Tensor flat = data.logits.flatten(0, 1).contiguous();
    expected.add(view_of<float>(flat), data.labels(), -100);
    Accumulator<metrics::LabelScores<float>> by_class(kClasses);
    Accumulator<metrics::LabelScores<float>> by_label(kClasses);
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
    EXPECT_EQ(by_class.value(), metrics::LabelScores<float>(kClasses));
  }
  // Scores of one label, and what a device would keep.
  const Bits bits(1);
  const at::Tensor scores = bits.probabilities.select(1, 0);
  const at::Tensor targets = bits.targets.select(1, 0);
  Accumulator<metrics::LabelScores<double>> one;
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
  metrics::LabelScores<double> read(4);
  detail::add_ranked("f", {kept_scores.read(), kept_targets.read()}, read);
  Accumulator<metrics::LabelScores<double>> whole(4);
  whole.add(bits.probabilities, bits.targets, -1);
  EXPECT_EQ(read, whole.value());
}

}  // namespace
}  // namespace equipoise::libtorch
