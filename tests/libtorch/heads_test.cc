#include "equipoise/libtorch/heads.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>
#include <torch/serialize.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/libtorch/module.h"
#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"

namespace equipoise::libtorch {
namespace {

using testing::error_of;

void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_TRUE(at::allclose(a, b, tolerance, tolerance)) << (a - b).abs().max().item<double>();
}

template <class Module>
void save_and_load(Module& saved, Module& loaded) {
  std::stringstream stream;
  torch::serialize::OutputArchive out;
  saved->save(out);
  out.save_to(stream);
  torch::serialize::InputArchive in;
  in.load_from(stream);
  loaded->load(in);
}

template <class Module>
std::string printed(const Module& module) {
  std::ostringstream stream;
  module->pretty_print(stream);
  return stream.str();
}

// ---- NormedLinear.

TEST(NormedLinear, IsTheScaledCosine) {
  at::manual_seed(1);
  NormedLinear head(NormedLinearOptions(5, 3).scale(16));
  head->to(at::kDouble);
  const at::Tensor x = at::randn({2, 4, 5}, at::kDouble).set_requires_grad(true);
  const at::Tensor logits = head->forward(x);
  const at::Tensor plain =
      16 * at::cosine_similarity(x.unsqueeze(-2), head->weight.view({1, 1, 3, 5}), -1);
  expect_close(logits, plain, 1e-14);
  const at::Tensor upstream = at::randn({2, 4, 3}, at::kDouble);
  const auto ours = torch::autograd::grad({logits}, {x, head->weight}, {upstream});
  const auto theirs = torch::autograd::grad({plain}, {x, head->weight}, {upstream});
  expect_close(ours[0], theirs[0], 1e-13);
  expect_close(ours[1], theirs[1], 1e-13);
}

TEST(NormedLinear, LooksAtDirectionsAlone) {
  NormedLinear head(6, 4);
  const at::Tensor x = at::randn({8, 6});
  const at::Tensor before = head->forward(x);
  EXPECT_LE(before.abs().max().item<float>(), 1 + 1e-6F);
  {
    const at::NoGradGuard no_graph;
    head->weight.mul_(at::rand({4, 1}) * 10 + 1);
  }
  expect_close(head->forward(x * 100), before, 1e-5);
}

TEST(NormedLinear, StartsOnTheUnitSphere) {
  NormedLinear head(7, 3);
  expect_close(head->weight.norm(2, 1), at::ones({3}), 1e-6);
  const at::Tensor before = head->weight.detach().clone();
  head->reset_parameters();
  EXPECT_FALSE(at::equal(head->weight, before));
  ASSERT_EQ(head->parameters().size(), 1u);
  EXPECT_TRUE(head->weight.requires_grad());
}

TEST(NormedLinear, TakesZeroVectors) {
  NormedLinear head(3, 2);
  {
    const at::NoGradGuard no_graph;
    head->weight[1].zero_();
  }
  const at::Tensor x = at::tensor({0.0, 0.0, 0.0, 3.0, 0.0, 4.0}, at::kFloat).view({2, 3});
  x.set_requires_grad(true);
  const at::Tensor logits = head->forward(x);
  EXPECT_EQ(logits[0].abs().sum().item<float>(), 0.0F);
  EXPECT_EQ(logits[1][1].item<float>(), 0.0F);
  EXPECT_NE(logits[1][0].item<float>(), 0.0F);
  for (const at::Tensor& gradient : torch::autograd::grad({logits.sum()}, {x, head->weight})) {
    EXPECT_TRUE(gradient.isfinite().all().item<bool>());
    EXPECT_LE(gradient.abs().max().item<float>(), 1.01e6F);  // 1 / epsilon
  }
}

TEST(NormedLinear, HalfTypesTakeTheNormInFloat) {
  NormedLinear head(64, 3);
  head->to(at::kHalf);
  // The squares of these overflow and underflow in half precision. (On the CPU LibTorch 1.13 has no
  // product of half matrices, hence the norm alone.)
  for (const double size : {1e4, 1e-4}) {
    const at::Tensor x = at::full({1, 64}, size, at::kHalf);
    const at::Tensor unit = detail::normalized(x, 1e-6);
    EXPECT_EQ(unit.scalar_type(), at::kHalf);
    expect_close(unit.to(at::kFloat), at::full({1, 64}, 0.125F), 1e-3);
  }
  EXPECT_EQ(head->weight.scalar_type(), at::kHalf);
}

TEST(NormedLinear, SavesLoadsClonesAndPrints) {
  NormedLinear saved(NormedLinearOptions(4, 3).scale(2.5));
  NormedLinear loaded(NormedLinearOptions(4, 3).scale(2.5));
  const at::Tensor x = at::randn({5, 4});
  EXPECT_FALSE(at::equal(loaded->forward(x), saved->forward(x)));
  save_and_load(saved, loaded);
  EXPECT_TRUE(at::equal(loaded->forward(x), saved->forward(x)));
  const auto copy = std::dynamic_pointer_cast<NormedLinearImpl>(saved->clone());
  ASSERT_NE(copy, nullptr);
  EXPECT_TRUE(at::equal(copy->forward(x), saved->forward(x)));
  {
    const at::NoGradGuard no_graph;
    copy->weight.zero_();
  }
  EXPECT_NE(saved->weight.abs().sum().item<float>(), 0.0F);
  EXPECT_EQ(printed(saved),
            "equipoise::libtorch::NormedLinear(in_features=4, out_features=3, scale=2.5)");
}

TEST(NormedLinear, RunsOnMetaAndCuda) {
  NormedLinear head(4, 3);
  if (torch::cuda::is_available()) {
    const at::Tensor x = at::randn({5, 4});
    const at::Tensor expected = head->forward(x);
    head->to(at::kCUDA);
    expect_close(head->forward(x.to(at::kCUDA)).cpu(), expected, 1e-5);
  }
  // Meta tensors hold no data: reading one on the host throws. (LibTorch 1.13 cannot move a module
  // there.)
  head->weight = at::empty({3, 4}, at::kMeta);
  EXPECT_TRUE(head->forward(at::empty({5, 4}, at::kMeta)).is_meta());
}

// What the margin is made for: the loss accepts the head's logits without scaling them twice.
TEST(NormedLinear, TrainsUnderTheLdamMargin) {
  at::manual_seed(2);
  const at::Tensor targets = at::tensor({0, 0, 0, 0, 0, 0, 1, 1}, at::kLong);
  const at::Tensor x = at::one_hot(targets, 4).to(at::kFloat) + at::randn({8, 4}) * 0.1;
  SoftmaxLoss<> loss;
  loss.logit_terms = LdamMargin{}(CountSummary(ClassCounts{6, 2}));
  SoftmaxLossModule<> criterion(loss);
  NormedLinear head(4, 2);
  torch::optim::SGD optimizer(head->parameters(), 0.1);
  for (int step = 0; step < 50; ++step) {
    optimizer.zero_grad();
    criterion->forward(head->forward(x), targets).backward();
    optimizer.step();
  }
  EXPECT_TRUE(at::equal(head->forward(x).argmax(1), targets));
}

TEST(NormedLinearErrors, NameWhatIsWrong) {
  EXPECT_EQ(error_of([] { NormedLinear(0, 3); }), "NormedLinear(): in_features = 0, expected >= 1");
  EXPECT_EQ(error_of([] { NormedLinear(3, -1); }),
            "NormedLinear(): out_features = -1, expected >= 1");
  EXPECT_EQ(error_of([] { NormedLinear(NormedLinearOptions(3, 2).scale(0)); }),
            "NormedLinear(): scale = 0, expected a finite number > 0");
  EXPECT_EQ(error_of([] { NormedLinear(NormedLinearOptions(3, 2).epsilon(-1)); }),
            "NormedLinear(): epsilon = -1, expected a finite number > 0");
  NormedLinear head(3, 2);
  EXPECT_EQ(error_of([&] {
              head->forward(at::zeros({2, 4}));
            }),
            "NormedLinear(): input.size(-1) = 4, expected 3 (in_features)");
  EXPECT_EQ(error_of([&] { head->forward(at::zeros({})); }),
            "NormedLinear(): input.dim() = 0, expected at least 1 (... x D)");
}

// ---- LearnableWeightScaling.

TEST(LearnableWeightScaling, ScalesALinearClassifier) {
  at::manual_seed(3);
  for (const bool bias : {true, false}) {
    torch::nn::Linear linear(torch::nn::LinearOptions(5, 3).bias(bias));
    linear->to(at::kDouble);
    LearnableWeightScaling head(linear->weight, linear->bias);
    const at::Tensor x = at::randn({4, 5}, at::kDouble).set_requires_grad(true);
    EXPECT_TRUE(at::equal(head->forward(x), linear->forward(x))) << "the scales start at 1";
    {
      const at::NoGradGuard no_graph;
      head->scales.copy_(at::tensor({0.5, 1.0, 3.0}, at::kDouble));
    }
    const at::Tensor logits = head->forward(x);
    expect_close(logits, linear->forward(x) * at::tensor({0.5, 1.0, 3.0}, at::kDouble), 1e-15);
    const at::Tensor upstream = at::randn({4, 3}, at::kDouble);
    const auto gradients = torch::autograd::grad({logits}, {head->scales, x}, {upstream});
    expect_close(gradients[0], (linear->forward(x) * upstream).sum(0), 1e-14);
    expect_close(gradients[1], (upstream * head->scales).matmul(linear->weight), 1e-14);
    head->reset_parameters();
    EXPECT_TRUE(at::equal(head->forward(x), linear->forward(x)));
  }
}

TEST(LearnableWeightScaling, TrainsTheScalesAlone) {
  torch::nn::Linear linear(4, 3);
  LearnableWeightScaling head(linear->weight, linear->bias);
  ASSERT_EQ(head->parameters().size(), 1u);
  EXPECT_TRUE(head->parameters()[0].is_same(head->scales));
  const at::Tensor weight = head->weight.clone();
  torch::optim::SGD optimizer(head->parameters(), torch::optim::SGDOptions(0.1).weight_decay(0.1));
  head->forward(at::randn({6, 4})).pow(2).sum().backward();
  optimizer.step();
  EXPECT_TRUE(at::equal(head->weight, weight));
  EXPECT_TRUE(at::equal(head->bias, linear->bias));
  EXPECT_FALSE(at::equal(head->scales, at::ones({3})));
  EXPECT_FALSE(linear->weight.grad().defined()) << "the classifier is a copy";
  EXPECT_FALSE(head->weight.is_alias_of(linear->weight));
}

TEST(LearnableWeightScaling, SavesLoadsClonesAndPrints) {
  for (const bool bias : {true, false}) {
    torch::nn::Linear linear(torch::nn::LinearOptions(4, 3).bias(bias));
    LearnableWeightScaling saved(linear->weight, linear->bias);
    {
      const at::NoGradGuard no_graph;
      saved->scales.uniform_();
    }
    LearnableWeightScaling loaded(LearnableWeightScalingOptions(4, 3).bias(bias));
    save_and_load(saved, loaded);
    const at::Tensor x = at::randn({5, 4});
    EXPECT_TRUE(at::equal(loaded->forward(x), saved->forward(x)));
    const auto copy = std::dynamic_pointer_cast<LearnableWeightScalingImpl>(saved->clone());
    ASSERT_NE(copy, nullptr);
    EXPECT_TRUE(at::equal(copy->forward(x), saved->forward(x)));
    EXPECT_FALSE(copy->weight.is_alias_of(saved->weight));
    saved->to(at::kDouble);
    EXPECT_EQ(saved->forward(x.to(at::kDouble)).scalar_type(), at::kDouble);
    EXPECT_EQ(printed(saved),
              std::string("equipoise::libtorch::LearnableWeightScaling(in_features=4, "
                          "out_features=3, bias=") +
                  (bias ? "true)" : "false)"));
  }
}

TEST(LearnableWeightScalingErrors, NameWhatIsWrong) {
  EXPECT_EQ(error_of([] { LearnableWeightScaling(at::zeros({3})); }),
            "LearnableWeightScaling(): weight.dim() = 1, expected 2 (C x D)");
  EXPECT_EQ(error_of([] { LearnableWeightScaling{at::Tensor()}; }),
            "LearnableWeightScaling(): weight.dim() = 0, expected 2 (C x D)");
  EXPECT_EQ(error_of([] {
              LearnableWeightScaling(at::zeros({3, 2}), at::zeros({2}));
            }),
            "LearnableWeightScaling(): bias.numel() = 2, expected 3 (rows of the weight)");
  EXPECT_EQ(error_of([] { LearnableWeightScaling(LearnableWeightScalingOptions(0, 2)); }),
            "LearnableWeightScaling(): in_features = 0, expected >= 1");
  LearnableWeightScaling head(at::zeros({3, 2}));
  EXPECT_EQ(error_of([&] {
              head->forward(at::zeros({2, 3}));
            }),
            "LearnableWeightScaling(): input.size(-1) = 3, expected 2 (in_features)");
}

// ---- Re-training a head.

struct NetImpl : torch::nn::Module {
  torch::nn::Linear body{4, 6};
  torch::nn::BatchNorm1d norm{6};
  torch::nn::Linear classifier{6, 3};

  NetImpl() {
    register_module("body", body);
    register_module("norm", norm);
    register_module("classifier", classifier);
  }
  at::Tensor forward(const at::Tensor& x) {
    return classifier->forward(norm->forward(body->forward(x)).relu());
  }
};
TORCH_MODULE(Net);

std::vector<at::Tensor> state_without_head(const Net& net) {
  std::vector<at::Tensor> result;
  const auto keep = [&](const auto& named) {
    for (const auto& item : named) {
      if (item.key().rfind("classifier", 0) != 0) result.push_back(item.value().detach().clone());
    }
  };
  keep(net->named_parameters());
  keep(net->named_buffers());
  return result;
}

void train(Net& net, torch::optim::Optimizer& optimizer) {
  const at::Tensor x = at::randn({32, 4});
  const at::Tensor targets = at::randint(0, 3, {32}, at::kLong);
  for (int step = 0; step < 5; ++step) {
    optimizer.zero_grad();
    at::cross_entropy_loss(net->forward(x), targets).backward();
    optimizer.step();
  }
}

TEST(RetrainHead, FreezesAllButTheHead) {
  at::manual_seed(4);
  Net net;
  net->body->bias.set_requires_grad(false);
  net->forward(at::randn({8, 4})).sum().backward();  // gradients from before
  const at::Tensor head_before = net->classifier->weight.detach().clone();
  const std::vector<at::Tensor> before = state_without_head(net);
  HeadRetraining retraining = retrain_head(*net, *net->classifier);
  EXPECT_FALSE(at::equal(net->classifier->weight, head_before)) << "it starts anew";
  EXPECT_FALSE(net->classifier->weight.grad().defined());
  ASSERT_EQ(retraining.parameters().size(), 2u);
  EXPECT_FALSE(net->body->weight.requires_grad());
  EXPECT_FALSE(net->norm->is_training());
  EXPECT_TRUE(net->classifier->is_training());

  const at::Tensor head_reset = net->classifier->weight.detach().clone();
  // Even an optimiser that holds everything changes the head alone.
  torch::optim::SGD optimizer(net->parameters(), 0.1);
  optimizer.zero_grad();
  train(net, optimizer);
  EXPECT_FALSE(at::equal(net->classifier->weight, head_reset)) << "the head learns";
  const std::vector<at::Tensor> after = state_without_head(net);
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i])) << i;

  const at::Tensor learnt = net->classifier->weight.detach().clone();
  retraining.restore();
  EXPECT_TRUE(at::equal(net->classifier->weight, learnt));
  EXPECT_TRUE(net->body->weight.requires_grad());
  EXPECT_FALSE(net->body->bias.requires_grad()) << "as it was before";
  EXPECT_TRUE(net->norm->is_training());
  EXPECT_TRUE(net->is_training());
}

TEST(RetrainHead, TheEndOfItsLifeRestores) {
  Net net;
  net->norm->eval();
  net->classifier->bias.set_requires_grad(false);
  {
    HeadRetraining first = retrain_head(*net, *net->classifier);
    const HeadRetraining retraining = std::move(first);
    EXPECT_EQ(retraining.parameters().size(), 2u);
    first.restore();  // NOLINT(bugprone-use-after-move): what was moved from has nothing to restore
    EXPECT_FALSE(net->body->weight.requires_grad());
    EXPECT_TRUE(net->classifier->bias.requires_grad());
  }
  EXPECT_TRUE(net->body->weight.requires_grad());
  EXPECT_FALSE(net->classifier->bias.requires_grad());
  EXPECT_FALSE(net->norm->is_training()) << "each module has its own mode back";
  EXPECT_TRUE(net->is_training() && net->body->is_training());
}

TEST(RetrainHead, TakesAnInitialiser) {
  torch::nn::Sequential model(torch::nn::Linear(4, 5), NormedLinear(5, 2));
  auto& head = model->at<NormedLinearImpl>(1);
  const HeadRetraining retraining = retrain_head(*model, head, [](NormedLinearImpl& own) {
    const at::NoGradGuard no_graph;
    own.weight.fill_(0.5);
  });
  EXPECT_EQ(head.weight.sum().item<float>(), 5.0F);
  EXPECT_TRUE(head.weight.requires_grad());
  EXPECT_FALSE(model->at<torch::nn::LinearImpl>(0).weight.requires_grad());
}

TEST(RetrainHead, RestoresWhereTheInitialiserFails) {
  Net net;
  EXPECT_THROW(retrain_head(*net, *net->classifier,
                            [](torch::nn::LinearImpl&) { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_TRUE(net->body->weight.requires_grad());
  EXPECT_TRUE(net->norm->is_training());
}

TEST(RetrainHeadErrors, NameWhatIsWrong) {
  Net net;
  torch::nn::Linear other(6, 3);
  EXPECT_EQ(error_of([&] { retrain_head(*net, *other); }),
            "retrain_head(): head.parameters()[0] = not of the model, expected a parameter of the "
            "model");
  torch::nn::Sequential nothing;
  EXPECT_EQ(error_of([&] { retrain_head(*net, *nothing, [](torch::nn::SequentialImpl&) {}); }),
            "retrain_head(): head.parameters().size() = 0, expected >= 1");
  EXPECT_TRUE(net->body->weight.requires_grad()) << "nothing has changed";
}

}  // namespace
}  // namespace equipoise::libtorch
