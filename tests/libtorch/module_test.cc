#include "equipoise/libtorch/module.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/serialize.h>

#include <memory>
#include <sstream>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::libtorch {
namespace {

SoftmaxLoss<Focal, MeanByWeight> example() {
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = {0.1, 1, 2.3};  // 0.1 is not exact in float: a cast would show
  loss.logit_terms = logit_terms(ClassCounts{90, 9, 1}, LogitAdjustment{}, Scale{2.0});
  loss.logit_terms.margin = {0.1, 0.2, 0.3};
  return loss;
}

struct Data {
  at::Tensor logits = (at::rand({8, 3}) * 2 - 1).set_requires_grad(true);  // as cosines are
  at::Tensor targets = at::randint(0, 3, {8}, at::kLong);
};

TEST(SoftmaxLossModule, EqualsTheFunction) {
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> module(example());
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets),
                        softmax_loss(data.logits, data.targets, example())));
}

// Everything that a loss can have.
SoftmaxLoss<Focal, MeanByWeight> full_example() {
  SoftmaxLoss<Focal, MeanByWeight> loss = example();
  loss.group_weights = {0.5, 1.5};
  loss.group_logit_terms = {{{1, 2, 3}, {}, {}}, {{}, {0.1, 0.2, 0.3}, {}}};
  loss.pair_shift.values = {0, 1, 2, 3, 0, 4, 5, 6, 0};
  loss.seesaw.counts = {90, 9, 0};
  return loss;
}

SoftmaxArguments groups_of_rows() {
  SoftmaxArguments arguments;
  arguments.groups = at::tensor({0, 1, 0, 1, 1, 0, 0, 1}, at::kLong);
  return arguments;
}

TEST(SoftmaxLossModule, HoldsEveryKindOfConstant) {
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> module(full_example());
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets, groups_of_rows()),
                        softmax_loss(data.logits, data.targets, full_example(), groups_of_rows())));
}

TEST(SoftmaxLossModule, EvaluatesTheLossForEvaluation) {
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> module(full_example());
  module->eval();
  SoftmaxArguments with_counts = groups_of_rows();
  with_counts.seesaw_counts = at::tensor({1.0, 50.0, 7.0}, at::kDouble);
  EXPECT_TRUE(at::equal(
      module->forward(data.logits, data.targets, with_counts),
      softmax_loss(data.logits, data.targets, evaluation(full_example()), groups_of_rows())));
}

TEST(SoftmaxLossModule, TakesOptionsOfTensors) {
  const at::Tensor logits = at::randn({2, 3, 4});
  const at::Tensor targets = at::randint(0, 3, {2, 4}, at::kLong);
  SoftmaxLossModule<Focal, MeanByWeight> module(
      SoftmaxLossOptions<Focal, MeanByWeight>(example()).class_dim(1).reduce(false));
  SoftmaxArguments arguments;
  arguments.class_dim = 1;
  const at::Tensor rows = module->forward(logits, targets);
  EXPECT_TRUE(at::equal(rows, softmax_row_losses(logits, targets, example(), arguments)));
  EXPECT_EQ(rows.sizes(), targets.sizes());
}

TEST(SoftmaxLossModule, WarnsOnceOfMarginsOnPlainLogits) {
  const at::Tensor targets = at::tensor({0, 1}, at::kLong);
  const at::Tensor cosine = at::tensor({1.0, -1.0, 0.5, 0.25, 0.0, 1.0}).view({2, 3});
  const auto warning_of = [&](auto& module, double scale) {
    ::testing::internal::CaptureStderr();
    module->forward(cosine * scale, targets);
    return ::testing::internal::GetCapturedStderr();
  };
  SoftmaxLossModule<Focal, MeanByWeight> module(example());
  module->eval();
  EXPECT_EQ(warning_of(module, 4), "");
  module->train();
  EXPECT_THAT(warning_of(module, 4), ::testing::HasSubstr("one of size 4: use a NormedLinear"));
  EXPECT_EQ(warning_of(module, 5), "");
  SoftmaxLossModule<Focal, MeanByWeight> on_cosine(example());
  EXPECT_EQ(warning_of(on_cosine, 1), "");
}

TEST(SoftmaxLossModule, ConstantsAreBuffersThatAreSaved) {
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> saved(example());
  EXPECT_EQ(saved->named_buffers().size(), 4u);
  EXPECT_TRUE(saved->parameters().empty());
  std::stringstream stream;
  torch::serialize::OutputArchive out;
  saved->save(out);
  out.save_to(stream);

  auto other = example();
  other.class_weights = {1, 1, 1};
  SoftmaxLossModule<Focal, MeanByWeight> loaded(other);
  torch::serialize::InputArchive in;
  in.load_from(stream);
  loaded->load(in);
  EXPECT_TRUE(at::equal(loaded->forward(data.logits, data.targets),
                        saved->forward(data.logits, data.targets)));
}

TEST(SoftmaxLossModule, BuffersFollowTheModule) {
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> module(example());
  const at::Tensor expected = module->forward(data.logits, data.targets);
  module->to(at::kFloat);
  for (const at::Tensor& buffer : module->buffers()) EXPECT_EQ(buffer.scalar_type(), at::kFloat);
  EXPECT_EQ(module->class_weights.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(module->forward(data.logits, data.targets), expected, 1e-5, 1e-6));
}

TEST(SoftmaxLossModule, RunsOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> module(example());
  const at::Tensor expected = module->forward(data.logits, data.targets);
  module->to(at::kCUDA);
  const at::Tensor loss = module->forward(data.logits.to(at::kCUDA), data.targets.to(at::kCUDA));
  EXPECT_TRUE(at::allclose(loss.cpu(), expected, 1e-5, 1e-6));
}

TEST(SoftmaxLossModule, ClonesAndPrints) {
  SoftmaxLossModule<Focal, MeanByWeight> module(example());
  const auto copy =
      std::dynamic_pointer_cast<SoftmaxLossImpl<Focal, MeanByWeight>>(module->clone());
  ASSERT_NE(copy, nullptr);
  copy->class_weights.zero_();
  EXPECT_EQ(module->class_weights[1].item<double>(), 1.0);
  std::ostringstream stream;
  module->pretty_print(stream);
  EXPECT_EQ(stream.str(),
            "equipoise::libtorch::SoftmaxLoss(label_smoothing=0, ignore_index=-100, "
            "class_weights=[3], scale=[3], shift=[3], margin=[3])");
}

TEST(SoftmaxLossModule, RefusesBrokenConstants) {
  SoftmaxLoss<> loss;
  loss.class_weights = {1, -1};
  EXPECT_EQ(testing::error_of([&] { SoftmaxLossModule<> module(loss); }),
            "SoftmaxLossModule(): class_weights[1] = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::libtorch
