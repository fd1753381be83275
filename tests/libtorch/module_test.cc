#include "equipoise/libtorch/module.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/serialize.h>

#include <cstdint>
#include <memory>
#include <sstream>
#include <variant>
#include <vector>

#include "equipoise/plan/plan.h"
#include "equipoise/plan/treatment.h"
#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"

namespace equipoise::libtorch {
namespace {

SoftmaxLoss<Focal, MeanByWeight> example() {
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = {0.1, 1, 2.3};  // 0.1 is not exact in float: a cast would show
  loss.logit_terms = logit_terms(ClassCounts{90, 9, 1}, LogitAdjustment{}, LogitScale{2.0});
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
                        libtorch::value(example(), data.logits, data.targets)));
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

LossArguments groups_of_rows() {
  LossArguments arguments;
  arguments.groups = at::tensor({0, 1, 0, 1, 1, 0, 0, 1}, at::kLong);
  return arguments;
}

TEST(SoftmaxLossModule, HoldsEveryKindOfConstant) {
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> module(full_example());
  EXPECT_TRUE(
      at::equal(module->forward(data.logits, data.targets, groups_of_rows()),
                libtorch::value(full_example(), data.logits, data.targets, groups_of_rows())));
}

TEST(SoftmaxLossModule, EvaluatesTheLossForEvaluation) {
  const Data data;
  SoftmaxLossModule<Focal, MeanByWeight> module(full_example());
  module->eval();
  LossArguments with_counts = groups_of_rows();
  with_counts.seesaw_counts = at::tensor({1.0, 50.0, 7.0}, at::kDouble);
  EXPECT_TRUE(at::equal(
      module->forward(data.logits, data.targets, with_counts),
      libtorch::value(evaluation(full_example()), data.logits, data.targets, groups_of_rows())));
}

TEST(SoftmaxLossModule, TakesOptionsOfTensors) {
  const at::Tensor logits = at::randn({2, 3, 4});
  const at::Tensor targets = at::randint(0, 3, {2, 4}, at::kLong);
  SoftmaxLossModule<Focal, MeanByWeight> module(
      SoftmaxLossOptions<Focal, MeanByWeight>(example()).class_dim(1).reduce(false));
  LossArguments arguments;
  arguments.class_dim = 1;
  const at::Tensor rows = module->forward(logits, targets);
  EXPECT_TRUE(at::equal(rows, libtorch::unreduced(example(), logits, targets, arguments)));
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

// Deferred re-weighting and a logit adjustment that sets in by a ramp: at every step the module
// has the loss that the core makes of the plan for it, also where it starts in the middle.
TEST(SoftmaxLossModule, FollowsAPlansSchedule) {
  const Data data;
  Plan plan;
  plan.counts = {90, 9, 1};
  plan.weights = {0.1, 1, 2.3};
  plan.logit_terms = logit_terms(ClassCounts(plan.counts), LogitAdjustment{});
  plan.weights_ramp = {3, 3};
  plan.logit_terms_ramp = {2, 6};
  const auto loss_at = [&](std::uint64_t step) {
    return std::get<SoftmaxLoss<Focal>>(equipoise::softmax_loss(plan, Focal{}, step));
  };
  SoftmaxLossModule<Focal> module(loss_at(kLastStep));
  const at::Tensor buffer = module->class_weights;
  std::vector<double> values;
  for (const std::uint64_t step : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 3U, 0U}) {
    const Treatment now = treatment(plan, step);
    module->set_class_weights(now.weights);
    module->set_logit_terms(now.logit_terms);
    const SoftmaxLoss<Focal> expected = loss_at(step);
    const at::Tensor value = module->forward(data.logits, data.targets);
    EXPECT_TRUE(at::equal(value, libtorch::value(expected, data.logits, data.targets))) << step;
    values.push_back(value.item<double>());
  }
  EXPECT_NE(values[2], values[3]);
  EXPECT_EQ(values[3], values[8]);
  EXPECT_TRUE(buffer.is_same(module->class_weights)) << "a buffer of its own would not be moved";
}

TEST(SoftmaxLossModule, RefusesConstantsThatDoNotFit) {
  SoftmaxLossModule<Focal, MeanByWeight> module(example());
  EXPECT_EQ(testing::error_of([&] {
              module->set_class_weights({1, 2});
            }),
            "SoftmaxLossModule::set_class_weights(): weights.size() = 2, expected 3 (of the buffer "
            "that the module was made with)");
  EXPECT_EQ(
      testing::error_of([&] {
        module->set_class_weights({1, 2, -3});
      }),
      "SoftmaxLossModule::set_class_weights(): weights[2] = -3, expected a finite number >= 0");
  LogitTerms terms = example().logit_terms;
  terms.shift.clear();
  EXPECT_EQ(testing::error_of([&] { module->set_logit_terms(terms); }),
            "SoftmaxLossModule::set_logit_terms(): terms.shift.size() = 0, expected 3 (of the "
            "buffer that the module was made with)");
  SoftmaxLossModule<Focal, MeanByWeight> grouped(full_example());
  EXPECT_EQ(testing::error_of([&] { grouped->set_logit_terms({}); }),
            "SoftmaxLossModule::set_logit_terms(): groups of the module's terms = 2, expected 0");
}

}  // namespace
}  // namespace equipoise::libtorch
