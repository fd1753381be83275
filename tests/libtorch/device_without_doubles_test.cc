// Losses and metrics on a device that has no doubles, as MPS and some XPUs have none.
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/linear_loss.h"
#include "equipoise/libtorch/metrics/calibration.h"
#include "equipoise/libtorch/metrics/confusion.h"
#include "equipoise/libtorch/metrics/ranking.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "equipoise/reduction/group_dro.h"
#include "tests/support/device_cases.h"
#include "tests/support/fake_device.h"

namespace equipoise::libtorch {
namespace {

namespace fake = testing::fake_device;

constexpr std::int64_t kRows = 60;
constexpr std::int64_t kClasses = 7;
// Sums of a few hundred numbers in float.
constexpr double kBound = 1e-5;

class DeviceWithoutDoubles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fake::available()) GTEST_SKIP() << "needs LibTorch 2.1";
    fake::set_has_doubles(false);
    at::manual_seed(1);
  }
};

at::Tensor there(const at::Tensor& tensor) { return tensor.to(fake::card(0)); }

void expect_close(const at::Tensor& value, const at::Tensor& expected, const std::string& what,
                  double bound = kBound) {
  const at::Tensor a = value.detach().cpu().to(at::kDouble);
  const at::Tensor b = expected.detach().to(at::kDouble);
  const double scale = std::max(1e-3, b.abs().max().item<double>());
  EXPECT_LE((a - b).abs().max().item<double>(), bound * scale) << what;
}

TEST_F(DeviceWithoutDoubles, ItHoldsNone) {
  EXPECT_THROW(there(at::zeros({2}, at::kDouble)), c10::Error);
}

TEST_F(DeviceWithoutDoubles, Modules) {
  for (const testing::DeviceCase& each : testing::device_cases(kRows, kClasses)) {
    const at::Tensor logits = testing::device_logits(kRows, kClasses, each.type);
    const auto run = [&](const at::Device& device) {
      const at::Tensor leaf = logits.detach().clone().to(device).set_requires_grad(true);
      const at::Tensor loss = each.ours(device)(leaf);
      loss.backward();
      return std::vector<at::Tensor>{loss, leaf.grad()};
    };
    const auto expected = run(at::kCPU);
    const auto found = run(fake::card(0));
    const double bound = each.type == at::kFloat ? kBound : 0x1p-7;
    expect_close(found[0], expected[0], each.name, bound);
    expect_close(found[1], expected[1], each.name + ", gradient", bound);
  }
}

// Buffers become float there.
TEST_F(DeviceWithoutDoubles, ConstantsFollowAsFloat) {
  SoftmaxLoss<> loss;
  loss.class_weights.assign(kClasses, 2);
  SoftmaxLossModule<> module(loss);
  module->to(fake::card(0));
  EXPECT_EQ(module->class_weights.scalar_type(), at::kFloat);
  SoftmaxLossModule<> cast(loss);
  cast->to(fake::card(0), at::kHalf);
  EXPECT_EQ(cast->class_weights.scalar_type(), at::kFloat);
}

TEST_F(DeviceWithoutDoubles, SumsOfParts) {
  SoftmaxLoss<CrossEntropy, MeanPerClass> loss{.reduction = {kClasses}};
  loss.class_weights.assign(kClasses, 2);
  const at::Tensor logits = at::randn({kRows, kClasses});
  const at::Tensor targets = at::randint(kClasses, {kRows}, at::kLong);
  const at::Tensor z = there(logits);
  const at::Tensor y = there(targets);
  expect_close(value(loss, z, y), value(loss, logits, targets), "value");
  expect_close(unreduced(loss, z, y), unreduced(loss, logits, targets), "unreduced");
  const at::Tensor denominators = libtorch::denominators(loss, y, kClasses);
  expect_close(denominators, libtorch::denominators(loss, targets, kClasses), "denominators");
  expect_close(partial(loss, z, y).packed(), partial(loss, logits, targets).packed(), "partial");
  const auto twice = [](std::span<double> sums) {
    for (double& sum : sums) sum *= 2;
  };
  expect_close(sum_over_ranks(denominators, twice),
               libtorch::denominators(loss, targets, kClasses) * 2, "sum_over_ranks");
}

TEST_F(DeviceWithoutDoubles, GroupDro) {
  SoftmaxLoss<CrossEntropy, equipoise::GroupDro> loss;
  loss.reduction = equipoise::GroupDro{2};
  loss.reduction.shares = {0.25, 0.75};
  SoftmaxLossModule<CrossEntropy, equipoise::GroupDro> module(loss);
  module->to(fake::card(0));
  const at::Tensor logits = at::randn({kRows, kClasses});
  const at::Tensor targets = at::randint(kClasses, {kRows}, at::kLong);
  LossArguments arguments;
  arguments.groups = at::arange(kRows, at::kLong).remainder(2);
  const at::Tensor expected = value(loss, logits, targets, arguments);
  arguments.groups = there(arguments.groups);
  expect_close(module->forward(there(logits), there(targets), arguments), expected, "module");
  expect_close(value(loss, there(logits), there(targets), arguments), expected, "value");
}

TEST_F(DeviceWithoutDoubles, LinearLoss) {
  const SoftmaxLoss<Focal> loss;
  const at::Tensor targets = at::randint(kClasses, {kRows}, at::kLong);
  const std::vector<at::Tensor> inputs = {at::randn({kRows, 5}), at::randn({kClasses, 5}),
                                          at::randn({kClasses})};
  const auto run = [&](const at::Device& device) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& each : inputs) {
      leaves.push_back(each.clone().to(device).set_requires_grad(true));
    }
    std::vector<at::Tensor> result = {linear_loss(loss, leaves[0], leaves[1], leaves[2],
                                                  targets.to(device), LossArguments{}, 16)};
    result[0].backward();
    for (const at::Tensor& leaf : leaves) result.push_back(leaf.grad());
    return result;
  };
  const auto expected = run(at::kCPU);
  const auto found = run(fake::card(0));
  for (std::size_t i = 0; i < found.size(); ++i) {
    expect_close(found[i], expected[i], "linear_loss " + std::to_string(i));
  }
}

TEST_F(DeviceWithoutDoubles, OverlapSums) {
  OverlapLoss<> loss;
  loss.class_weights.assign(kClasses, 2);
  const at::Tensor logits = at::randn({kRows, kClasses});
  const at::Tensor targets = at::randint(kClasses, {kRows}, at::kLong);
  expect_close(value(loss, there(logits), there(targets)), value(loss, logits, targets), "value");
}

// They count in doubles, and so on the host.
TEST_F(DeviceWithoutDoubles, Metrics) {
  const at::Tensor logits = at::randn({kRows, kClasses});
  const at::Tensor targets = at::randint(kClasses, {kRows}, at::kLong);
  const at::Tensor bits = at::rand({kRows, kClasses}).lt(0.3);
  Accumulator<metrics::ConfusionMatrix> confusion(kClasses);
  Accumulator<metrics::ConfusionMatrix> confusion_here(kClasses);
  confusion.add(there(targets), there(logits));
  confusion_here.add(targets, logits);
  EXPECT_EQ(confusion.value(), confusion_here.value());
  Accumulator<metrics::Calibration> calibration(kClasses);
  Accumulator<metrics::Calibration> calibration_here(kClasses);
  calibration.add(there(logits.softmax(1)), there(targets));
  calibration_here.add(logits.softmax(1), targets);
  EXPECT_EQ(calibration.value(), calibration_here.value());
  Accumulator<metrics::MultiLabelCounts> counts(kClasses);
  Accumulator<metrics::MultiLabelCounts> counts_here(kClasses);
  counts.add(there(bits), there(logits.gt(0)));
  counts_here.add(bits, logits.gt(0));
  EXPECT_EQ(counts.value(), counts_here.value());
  Accumulator<metrics::LabelScores<double>> scores(kClasses);
  scores.add(there(logits), there(bits));
  EXPECT_DOUBLE_EQ(scores.value().label(2).roc_auc(), roc_auc(logits, bits)[2].item<double>());
  expect_close(roc_auc(there(logits), there(bits)), roc_auc(logits, bits), "roc_auc");
  expect_close(average_precision(there(logits), there(bits)), average_precision(logits, bits),
               "average_precision");
}

}  // namespace
}  // namespace equipoise::libtorch
