#include "equipoise/libtorch/overlap_module.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/serialize.h>

#include <memory>
#include <sstream>

#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"

namespace equipoise::libtorch {
namespace {

using Loss = OverlapLoss<Tversky>;
using Module = OverlapLossModule<Tversky>;

Loss example() {
  Loss loss;
  loss.class_weights = {0.1, 1, 2.3};  // 0.1 is not exact in float: a cast would show
  return loss;
}

struct Data {
  at::Tensor logits = at::randn({8, 3}).set_requires_grad(true);
  at::Tensor targets = at::randint(0, 3, {8}, at::kLong);
};

TEST(OverlapLossModule, EqualsTheFunction) {
  const Data data;
  Module module(example());
  const at::Tensor expected = libtorch::value(example(), data.logits, data.targets);
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets), expected));
  module->eval();
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets), expected));
  LossArguments arguments;
  arguments.sample_weights = at::rand({8});
  EXPECT_TRUE(at::equal(module->forward(data.logits, data.targets, arguments),
                        libtorch::value(example(), data.logits, data.targets, arguments)));
}

TEST(OverlapLossModule, TakesTheClassDimensionFromItsOptions) {
  const at::Tensor logits = at::randn({2, 3, 5});
  const at::Tensor targets = at::randint(0, 3, {2, 5}, at::kLong);
  Module module(OverlapLossOptions<Tversky>(example()).class_dim(1));
  LossArguments arguments;
  arguments.class_dim = 1;
  EXPECT_TRUE(at::equal(module->forward(logits, targets),
                        libtorch::value(example(), logits, targets, arguments)));
}

// The sums of two halves, merged, make each half's value that of all rows.
TEST(OverlapLossModule, MergesSums) {
  const Data data;
  Module module(example());
  const at::Tensor whole = module->forward(data.logits, data.targets);
  LossArguments arguments;
  arguments.sums = module->partial(data.logits.slice(0, 0, 4), data.targets.slice(0, 0, 4)) +
                   module->partial(data.logits.slice(0, 4), data.targets.slice(0, 4));
  const at::Tensor half =
      module->forward(data.logits.slice(0, 4), data.targets.slice(0, 4), arguments);
  EXPECT_TRUE(at::allclose(half, whole, 1e-6, 1e-6));
}

TEST(OverlapLossModule, ClassWeightsAreABufferThatIsSaved) {
  const Data data;
  Module saved(example());
  EXPECT_EQ(saved->named_buffers().size(), 1u);
  EXPECT_TRUE(saved->parameters().empty());
  std::stringstream stream;
  torch::serialize::OutputArchive out;
  saved->save(out);
  out.save_to(stream);

  Loss other = example();
  other.class_weights = {1, 1, 1};
  Module loaded(other);
  EXPECT_FALSE(at::equal(loaded->forward(data.logits, data.targets),
                         saved->forward(data.logits, data.targets)));
  torch::serialize::InputArchive in;
  in.load_from(stream);
  loaded->load(in);
  EXPECT_TRUE(at::equal(loaded->forward(data.logits, data.targets),
                        saved->forward(data.logits, data.targets)));
}

TEST(OverlapLossModule, TheBufferFollowsTheModule) {
  const Data data;
  Module module(example());
  const at::Tensor expected = module->forward(data.logits, data.targets);
  module->to(at::kFloat);
  EXPECT_EQ(module->class_weights.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(module->forward(data.logits, data.targets), expected, 1e-5, 1e-6));
}

TEST(OverlapLossModule, RunsOnMeta) {
  Module module(example());
  // LibTorch 1.13 cannot move a module there.
  module->class_weights = module->class_weights.to(at::kMeta);
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor logits = at::empty({8, 3}, meta).set_requires_grad(true);
  const at::Tensor loss = module->forward(logits, at::empty({8}, meta.dtype(at::kLong)));
  EXPECT_TRUE(loss.is_meta());
  EXPECT_EQ(loss.dim(), 0);
}

TEST(OverlapLossModule, RunsOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  const Data data;
  Module module(example());
  const at::Tensor expected = module->forward(data.logits, data.targets);
  module->to(at::kCUDA);
  const at::Tensor loss = module->forward(data.logits.to(at::kCUDA), data.targets.to(at::kCUDA));
  EXPECT_TRUE(at::allclose(loss.cpu(), expected, 1e-5, 1e-6));
}

TEST(OverlapLossModule, ClonesAndPrints) {
  Module module(OverlapLossOptions<Tversky>(example()).class_dim(1));
  const auto copy = std::dynamic_pointer_cast<OverlapLossImpl<Tversky>>(module->clone());
  ASSERT_NE(copy, nullptr);
  copy->class_weights.zero_();
  EXPECT_EQ(module->class_weights[1].item<double>(), 1.0);
  std::ostringstream stream;
  module->pretty_print(stream);
  EXPECT_EQ(stream.str(),
            "equipoise::libtorch::OverlapLoss(activation=softmax, absent_class=skip, "
            "ignore_index=-100, class_dim=1, class_weights=[3])");
}

TEST(OverlapLossModuleErrors, NameWhatIsWrong) {
  Loss loss = example();
  loss.class_weights[1] = -1;
  EXPECT_EQ(testing::error_of([&] { Module module(loss); }),
            "OverlapLossModule(): class_weights[1] = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::libtorch
