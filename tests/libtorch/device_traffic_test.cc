// What losses move on a device, as counts that may not grow. The benchmark device_traffic prints
// them at their real size.
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>
#include <string>

#include "equipoise/libtorch/module.h"
#include "tests/support/device_cases.h"
#include "tests/support/fake_device.h"

namespace equipoise::testing {
namespace {

struct Most {
  double passes;
  double peak;
  int launches;
};

// Operations on rows alone add a few percent at this size, and one call goes in one part.
const std::map<std::string, Most> kMost = {
    {"weighted cross-entropy", {8.4, 1.1, 20}},
    {"weighted cross-entropy, bf16", {9.4, 2.1, 21}},
    {"cross-entropy with smoothing", {9.4, 1.1, 28}},
    {"focal", {8.4, 1.1, 38}},
    {"logit adjustment", {10.4, 2.1, 22}},
    {"probabilities as targets", {19.4, 2.1, 36}},
    {"BCE with pos_weight", {25.4, 2.1, 50}},
    {"sigmoid focal", {55.5, 8.1, 62}},
    {"asymmetric", {77.5, 10.1, 72}},
    {"Dice of softmax", {11.6, 2.1, 92}},
    {"Dice of sigmoid", {9.6, 2.1, 88}},
};

TEST(DeviceTraffic, DoesNotGrow) {
  if (!fake_device::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  constexpr std::int64_t kRows = 512;
  constexpr std::int64_t kClasses = 1000;
  std::size_t seen = 0;
  for (const DeviceCase& each : device_cases(kRows, kClasses)) {
    const auto found = kMost.find(each.name);
    ASSERT_NE(found, kMost.end()) << each.name;
    ++seen;
    const at::Tensor logits = device_logits(kRows, kClasses, each.type);
    const Traffic traffic = traffic_of(each.ours(fake_device::card(0)), logits);
    EXPECT_LE(traffic.passes, found->second.passes) << each.name;
    EXPECT_GT(traffic.passes, 0.5 * found->second.passes) << each.name << ": tighten the count";
    EXPECT_LE(traffic.peak, found->second.peak) << each.name;
    EXPECT_LE(traffic.launches, found->second.launches) << each.name;
  }
  EXPECT_EQ(seen, kMost.size());
}

// LibTorch's order, N x C x T, is read as it lies.
TEST(DeviceTraffic, ClassesInTheSecondDimensionAreNotCopied) {
  if (!fake_device::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  namespace el = equipoise::libtorch;
  el::SoftmaxLossModule<> module(el::SoftmaxLossOptions<>().class_dim(1));
  const at::Tensor targets = at::randint(250, {16, 64}, at::kLong).to(fake_device::card(0));
  const Traffic traffic =
      traffic_of([&](const at::Tensor& logits) { return module->forward(logits, targets); },
                 at::randn({16, 250, 64}));
  EXPECT_LE(traffic.passes, 8.5);
  EXPECT_LE(traffic.peak, 1.2);
}

// In parts, the largest calls of what has no closed form keep to a few N x C, and terms of logits
// to a sixteenth of it.
TEST(DeviceTraffic, LargeCallsGoInParts) {
  if (!fake_device::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  const std::map<std::string, double> most = {
      {"sigmoid focal", 2}, {"asymmetric", 2.3}, {"logit adjustment", 1.2}};
  for (const DeviceCase& each : device_cases(8192, 500)) {
    const auto found = most.find(each.name);
    if (found == most.end()) continue;
    const at::Tensor logits = device_logits(8192, 500, each.type);
    EXPECT_LE(traffic_of(each.ours(fake_device::card(0)), logits).peak, found->second) << each.name;
  }
}

// What groups of rows are scaled by is no matrix beside the gradient.
TEST(DeviceTraffic, ScalesOfGroupsAreAppliedInParts) {
  if (!fake_device::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  namespace el = equipoise::libtorch;
  SoftmaxLoss<> loss;
  loss.group_logit_terms.resize(2);
  loss.group_logit_terms[0].scale.assign(500, 2.0);
  loss.group_logit_terms[1].scale.assign(500, 0.5);
  el::SoftmaxLossModule<> module(loss);
  module->to(fake_device::card(0));
  const at::Tensor targets = at::zeros({8192}, at::kLong).to(fake_device::card(0));
  const el::LossArguments arguments{.groups = targets};
  const Traffic traffic = traffic_of(
      [&](const at::Tensor& logits) { return module->forward(logits, targets, arguments); },
      at::randn({8192, 500}));
  EXPECT_LE(traffic.peak, 1.3);
}

}  // namespace
}  // namespace equipoise::testing
