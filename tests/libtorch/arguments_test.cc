#include "equipoise/libtorch/arguments.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <string>

#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "tests/support/errors.h"

namespace equipoise::libtorch {
namespace {

using equipoise::testing::error_of;

const std::string kNotTaken = ", expected no such argument: this loss does not take it";

// What a loss leaves unread would be lost without a word.
TEST(LossArguments, ThatALossDoesNotTakeAreRefused) {
  const at::Tensor logits = at::zeros({2, 3}, at::kDouble);
  const at::Tensor indices = at::zeros({2}, at::kLong);
  const at::Tensor labels = at::zeros({2, 3}, at::kDouble);
  const auto softmax = [&](const LossArguments& arguments) {
    return error_of([&] { value(SoftmaxLoss<>{}, logits, indices, arguments); });
  };
  const auto sigmoid = [&](const LossArguments& arguments) {
    return error_of([&] { value(SigmoidLoss<>{}, logits, labels, arguments); });
  };
  const auto overlap = [&](const LossArguments& arguments) {
    return error_of([&] { partial(OverlapLoss<>{}, logits, indices, arguments); });
  };
  const at::Tensor three = at::ones({3}, at::kDouble);
  const at::Tensor two = at::ones({2}, at::kLong);
  EXPECT_EQ(softmax({.class_weights = three}), "value(): class_weights.numel() = 3" + kNotTaken);
  EXPECT_EQ(softmax({.sums = three}), "value(): sums.numel() = 3" + kNotTaken);
  EXPECT_EQ(sigmoid({.seesaw_counts = three}), "value(): seesaw_counts.numel() = 3" + kNotTaken);
  EXPECT_EQ(sigmoid({.class_weights = three}), "value(): class_weights.numel() = 3" + kNotTaken);
  EXPECT_EQ(sigmoid({.sums = three}), "value(): sums.numel() = 3" + kNotTaken);
  EXPECT_EQ(sigmoid({.class_dim = 1}),
            "value(): class_dim = 1, expected none: the labels are the last dimension");
  EXPECT_EQ(overlap({.groups = two}), "partial(): groups.numel() = 2" + kNotTaken);
  EXPECT_EQ(overlap({.denominators = three}), "partial(): denominators.numel() = 3" + kNotTaken);
  EXPECT_EQ(overlap({.shares = three}), "partial(): shares.numel() = 3" + kNotTaken);
  EXPECT_EQ(overlap({.seesaw_counts = three}), "partial(): seesaw_counts.numel() = 3" + kNotTaken);
}

// On every path: the kernels', tensor operations', denominators alone.
TEST(LossArguments, ASumHasNoShares) {
  const LossArguments arguments{.shares = at::ones({1}, at::kDouble)};
  const std::string text =
      "(): shares.numel() = 1, expected no shares: the reduction is a sum, which has none";
  const at::Tensor none = at::zeros({2}, at::kLong);
  const SoftmaxLoss<CrossEntropy, SumOverRows> softmax;
  const SigmoidLoss<BinaryCrossEntropy, SumOverRows> sigmoid;
  for (const at::ScalarType type : {at::kDouble, at::kHalf}) {
    const at::Tensor logits = at::zeros({2, 3}, type);
    EXPECT_EQ(error_of([&] { value(softmax, logits, none, arguments); }), "value" + text);
    EXPECT_EQ(error_of([&] {
                value(sigmoid, logits, at::zeros({2, 3}), arguments);
              }),
              "value" + text);
  }
  EXPECT_EQ(error_of([&] { denominators(softmax, none, 3, arguments); }), "denominators" + text);
}

TEST(LossArguments, ErrorsNameTheVerb) {
  const at::Tensor logits = at::zeros({2, 3}, at::kDouble);
  const at::Tensor none = at::full({2}, 7, at::kLong);
  const std::string text =
      "(): targets[0] = 7, expected a class in [0, 3) or the ignore index -100";
  const SoftmaxLoss<> loss;
  EXPECT_EQ(error_of([&] { value(loss, logits, none); }), "value" + text);
  EXPECT_EQ(error_of([&] { unreduced(loss, logits, none); }), "unreduced" + text);
  EXPECT_EQ(error_of([&] { denominators(loss, none, 3); }), "denominators" + text);
  EXPECT_EQ(error_of([&] { partial(loss, logits, none); }), "partial" + text);
  EXPECT_EQ(error_of([&] { value_and_partial(loss, logits, none); }), "value_and_partial" + text);
}

TEST(LossArguments, StandForNoneUnlessGiven) {
  const at::Tensor logits = at::zeros({2, 3}, at::kDouble);
  const at::Tensor indices = at::zeros({2}, at::kLong);
  EXPECT_EQ(value(SoftmaxLoss<>{}, logits, indices, {}).item<double>(),
            value(SoftmaxLoss<>{}, logits, indices).item<double>());
}

}  // namespace
}  // namespace equipoise::libtorch
