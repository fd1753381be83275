#include "equipoise/libtorch/sigmoid_module.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/serialize.h>

#include <memory>
#include <sstream>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"

namespace equipoise::libtorch {
namespace {

using Loss = SigmoidLoss<SigmoidFocal, MeanByWeight>;
using Module = SigmoidLossModule<SigmoidFocal, MeanByWeight>;

// Everything that a loss can have.
Loss example() {
  Loss loss;
  loss.class_weights = {0.1, 1, 2.3};  // 0.1 is not exact in float: a cast would show
  loss.pos_weight = {3, 0.7, 1};
  loss.positive_weight = 0.25;
  loss.negative_weight = 0.75;
  loss.shift = {0.1, -0.2, 0.3};
  loss.negative_scale = 2;
  loss.rebalance.counts = {7, 20, 3};
  loss.rebalance.mu = 0.3;
  return loss;
}

struct Data {
  at::Tensor logits = at::randn({8, 3}).set_requires_grad(true);
  at::Tensor targets = at::randint(0, 2, {8, 3}, at::kLong);
};

TEST(SigmoidLossModule, EqualsTheFunction) {
  const Data data;
  Module module(example());
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets),
                        libtorch::value(example(), data.logits, data.targets)));
  LossArguments arguments;
  arguments.mask = at::rand({8, 3}).gt(0.3);
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets, arguments),
                        libtorch::value(example(), data.logits, data.targets, arguments)));
}

TEST(SigmoidLossModule, GivesLossesOfElements) {
  const Data data;
  Module module(SigmoidLossOptions<SigmoidFocal, MeanByWeight>(example()).reduce(false));
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets),
                        libtorch::unreduced(example(), data.logits, data.targets)));
}

TEST(SigmoidLossModule, EvaluatesTheLossForEvaluation) {
  const Data data;
  Module module(example());
  module->eval();
  const at::Tensor value = module->forward(data.logits, data.targets);
  EXPECT_TRUE(at::equal(value, libtorch::value(evaluation(example()), data.logits, data.targets)));
  EXPECT_FALSE(at::equal(value, libtorch::value(example(), data.logits, data.targets)));
}

TEST(SigmoidLossModule, ConstantsAreBuffersThatAreSaved) {
  const Data data;
  Module saved(example());
  EXPECT_EQ(saved->named_buffers().size(), 4u);
  EXPECT_TRUE(saved->parameters().empty());
  std::stringstream stream;
  torch::serialize::OutputArchive out;
  saved->save(out);
  out.save_to(stream);

  Loss other = example();
  other.class_weights = {1, 1, 1};
  other.shift = {0, 0, 0};
  Module loaded(other);
  torch::serialize::InputArchive in;
  in.load_from(stream);
  loaded->load(in);
  EXPECT_TRUE(at::equal(loaded->forward(data.logits, data.targets),
                        saved->forward(data.logits, data.targets)));
}

TEST(SigmoidLossModule, BuffersFollowTheModule) {
  const Data data;
  Module module(example());
  const at::Tensor expected = module->forward(data.logits, data.targets);
  module->to(at::kFloat);
  for (const at::Tensor& buffer : module->buffers()) EXPECT_EQ(buffer.scalar_type(), at::kFloat);
  EXPECT_EQ(module->class_weights.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(module->forward(data.logits, data.targets), expected, 1e-5, 1e-6));
}

TEST(SigmoidLossModule, RunsOnMeta) {
  Module module(example());
  // LibTorch 1.13 cannot move a module there.
  for (at::Tensor* buffer :
       {&module->class_weights, &module->pos_weight, &module->shift, &module->rebalance_counts}) {
    *buffer = buffer->to(at::kMeta);
  }
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor logits = at::empty({8, 3}, meta).set_requires_grad(true);
  const at::Tensor loss = module->forward(logits, at::empty({8, 3}, meta.dtype(at::kBool)));
  EXPECT_TRUE(loss.is_meta());
  EXPECT_EQ(loss.dim(), 0);
}

TEST(SigmoidLossModule, RunsOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  const Data data;
  Module module(example());
  const at::Tensor expected = module->forward(data.logits, data.targets);
  module->to(at::kCUDA);
  const at::Tensor loss = module->forward(data.logits.to(at::kCUDA), data.targets.to(at::kCUDA));
  EXPECT_TRUE(at::allclose(loss.cpu(), expected, 1e-5, 1e-6));
}

TEST(SigmoidLossModule, ClonesAndPrints) {
  Loss loss;
  loss.pos_weight = {1, 2, 3};
  Module module(loss);
  const auto copy =
      std::dynamic_pointer_cast<SigmoidLossImpl<SigmoidFocal, MeanByWeight>>(module->clone());
  ASSERT_NE(copy, nullptr);
  copy->pos_weight.zero_();
  EXPECT_EQ(module->pos_weight[1].item<double>(), 2.0);
  std::ostringstream stream;
  module->pretty_print(stream);
  EXPECT_EQ(stream.str(),
            "equipoise::libtorch::SigmoidLoss(positive_weight=1, negative_weight=1, "
            "negative_scale=1, pos_weight=[3])");
}

TEST(SigmoidLossModuleErrors, NameWhatIsWrong) {
  Loss loss = example();
  loss.shift = {1, 2};
  EXPECT_EQ(testing::error_of([&] { Module module(loss); }),
            "SigmoidLossModule(): shift.size() = 2, expected 3 (labels)");
}

TEST(SigmoidLossModule, TakesTheWeightsOfASchedule) {
  SigmoidLoss<> loss;
  loss.class_weights = {1, 1};
  loss.pos_weight = {1, 1};
  SigmoidLossModule<> module(loss);
  const at::Tensor logits = at::randn({5, 2}, at::kDouble);
  const at::Tensor targets = at::randint(0, 2, {5, 2}, at::kLong);
  loss.class_weights = {0.5, 2};
  loss.pos_weight = {9, 0};
  module->set_class_weights(loss.class_weights);
  module->set_pos_weight(loss.pos_weight);
  EXPECT_TRUE(at::equal(module->forward(logits, targets), libtorch::value(loss, logits, targets)));
  EXPECT_EQ(testing::error_of([&] { module->set_pos_weight({1}); }),
            "SigmoidLossModule::set_pos_weight(): weights.size() = 1, expected 2 (of the buffer "
            "that the module was made with)");
  EXPECT_EQ(
      testing::error_of([&] {
        module->set_class_weights({1, -1});
      }),
      "SigmoidLossModule::set_class_weights(): weights[1] = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::libtorch
