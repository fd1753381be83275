#include "equipoise/libtorch/linear_loss.h"

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linear.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/version.h>

#include <cstdint>
#include <string>
#include <vector>

#include "equipoise/reduction/group_dro.h"
#include "tests/support/errors.h"
#include "tests/support/fake_device.h"
#include "tests/support/libtorch_losses.h"

namespace equipoise::libtorch {
namespace {

namespace fake = testing::fake_device;
using testing::error_of;

constexpr std::int64_t kRows = 37;
constexpr std::int64_t kWidth = 6;
constexpr std::int64_t kClasses = 9;
const std::vector<double> kWeights = {1, 2, 3, 4, 5, .5, .25, 0, 1};

struct Problem {
  at::Tensor features;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor targets;
  LossArguments arguments{};

  std::vector<at::Tensor> variables() const {
    std::vector<at::Tensor> result = {features, weight};
    if (bias.defined()) result.push_back(bias);
    return result;
  }
};

at::Tensor leaf(const at::Tensor& tensor) {
  return tensor.detach().clone().set_requires_grad(true);
}

Problem make_problem(at::ScalarType type, std::uint64_t seed = 1) {
  at::manual_seed(seed);
  Problem result{at::randn({kRows, kWidth}, at::kDouble),
                 at::randn({kClasses, kWidth}, at::kDouble), at::randn({kClasses}, at::kDouble),
                 at::randint(kClasses, {kRows}, at::kLong)};
  result.targets.slice(0, 3, kRows, 7).fill_(kIgnoreIndex);
  for (at::Tensor* each : {&result.features, &result.weight, &result.bias}) {
    *each = leaf(each->to(type));
  }
  return result;
}

LossArguments all_arguments() {
  at::manual_seed(9);
  LossArguments result;
  result.sample_weights = at::rand({kRows}, at::kDouble) + 0.25;
  result.groups = at::randint(3, {kRows}, at::kLong);
  return result;
}

struct Outcome {
  at::Tensor loss;
  std::vector<at::Tensor> gradients;
};

Outcome outcome_of(const at::Tensor& loss, const std::vector<at::Tensor>& variables,
                   double scale = 1) {
  return {loss.detach(), torch::autograd::grad({loss * scale}, variables)};
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  const double size = b.to(at::kDouble).abs().max().item<double>();
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() / (size > 0 ? size : 1);
}

// What a layer and a loss call give, one after the other.
template <class Loss>
Outcome composition(const Loss& loss, const Problem& problem, double scale = 1) {
  const at::Tensor logits = at::linear(problem.features, problem.weight, problem.bias);
  return outcome_of(value(loss, logits, problem.targets, problem.arguments), problem.variables(),
                    scale);
}

template <class Loss>
void expect_equals_composition(const Loss& loss, const Problem& problem) {
  const Outcome expected = composition(loss, problem, 3);
  const double epsilon = problem.features.scalar_type() == at::kDouble ? 0x1p-52 : 0x1p-23;
  for (const std::int64_t rows : {0, 1, 5, 36, 37, 1000}) {
    const Outcome outcome =
        outcome_of(linear_loss(loss, problem.features, problem.weight, problem.bias,
                               problem.targets, problem.arguments, rows),
                   problem.variables(), 3);
    // Sums of kRows or kClasses products, added in another order.
    EXPECT_LT(distance(outcome.loss, expected.loss), 64 * epsilon) << rows;
    ASSERT_EQ(outcome.gradients.size(), expected.gradients.size());
    for (std::size_t k = 0; k < outcome.gradients.size(); ++k) {
      EXPECT_LT(distance(outcome.gradients[k], expected.gradients[k]), 64 * epsilon)
          << rows << " rows, gradient " << k;
    }
  }
}

TEST(LinearLoss, EqualsALayerAndALossForAllKindsOfLosses) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    Problem problem = make_problem(type);
    expect_equals_composition(SoftmaxLoss<>{}, problem);
    SoftmaxLoss<Focal, MeanByWeight> focal;
    focal.class_weights = kWeights;
    focal.logit_terms.shift = {0, -1, -2, 0, .5, .25, 0, -3, 1};
    focal.label_smoothing = 0.1;
    problem.arguments.sample_weights = all_arguments().sample_weights;
    expect_equals_composition(focal, problem);
    SoftmaxLoss<PolyCrossEntropy<>, MeanPerClass> poly;
    poly.reduction.classes = kClasses;
    expect_equals_composition(poly, problem);
    SoftmaxLoss<CrossEntropy, GroupDro> dro;
    dro.reduction = GroupDro{3};
    problem.arguments = all_arguments();
    expect_equals_composition(dro, problem);
    problem.arguments = {};
    expect_equals_composition(SoftmaxLoss<testing::Tsallis, SumOverRows>{}, problem);
    problem.bias = at::Tensor();
    expect_equals_composition(SoftmaxLoss<>{}, problem);
  }
}

TEST(LinearLoss, TakesTokensAndDistributions) {
  Problem problem = make_problem(at::kDouble);
  const Outcome expected = composition(SoftmaxLoss<>{}, problem);
  Problem single = problem;
  single.features = leaf(problem.features.detach().unsqueeze(0));
  single.targets = problem.targets.unsqueeze(0);
  const Outcome outcome = outcome_of(
      linear_loss(SoftmaxLoss<>{}, single.features, single.weight, single.bias, single.targets),
      single.variables());
  EXPECT_LT(distance(outcome.loss, expected.loss), 1e-14);
  EXPECT_EQ(outcome.gradients[0].sizes(), single.features.sizes());
  EXPECT_LT(distance(outcome.gradients[0].squeeze(0), expected.gradients[0]), 1e-14);

  problem.targets = at::rand({kRows, kClasses}, at::kDouble).softmax(1);
  problem.arguments.mask = at::ones({kRows}, at::kBool);
  problem.arguments.mask[5] = false;
  expect_equals_composition(SoftmaxLoss<>{}, problem);
}

// A chunk without a row that counts must not make the whole NaN, nor a value of its own.
TEST(LinearLoss, EmptyBatchesAndEmptyChunks) {
  Problem problem = make_problem(at::kDouble);
  problem.targets.slice(0, 0, 10).fill_(kIgnoreIndex);
  SoftmaxLoss<> nan;
  nan.empty_batch = EmptyBatch::kNaN;
  expect_equals_composition(nan, problem);
  problem.targets.fill_(kIgnoreIndex);
  EXPECT_TRUE(linear_loss(nan, problem.features, problem.weight, problem.bias, problem.targets)
                  .isnan()
                  .item<bool>());
  const Outcome none = outcome_of(
      linear_loss(SoftmaxLoss<>{}, problem.features, problem.weight, problem.bias, problem.targets),
      problem.variables());
  EXPECT_EQ(none.loss.item<double>(), 0);
  for (const at::Tensor& gradient : none.gradients)
    EXPECT_EQ(gradient.abs().max().item<double>(), 0);
  const Outcome empty =
      outcome_of(linear_loss(SoftmaxLoss<>{}, problem.features.narrow(0, 0, 0), problem.weight,
                             problem.bias, problem.targets.narrow(0, 0, 0)),
                 {problem.weight});
  EXPECT_EQ(empty.loss.item<double>(), 0);
  EXPECT_EQ(empty.gradients[0].abs().max().item<double>(), 0);
}

TEST(LinearLoss, PartsOfABatchAddUpWithItsDenominators) {
  const Problem problem = make_problem(at::kDouble);
  SoftmaxLoss<Focal, MeanPerClass> loss;
  loss.reduction.classes = kClasses;
  const Outcome expected = composition(loss, problem);
  LossArguments arguments;
  arguments.denominators = denominators(loss, problem.targets, kClasses);
  at::Tensor sum = at::zeros({}, at::kDouble);
  for (std::int64_t begin = 0; begin < kRows; begin += 10) {
    const std::int64_t rows = std::min<std::int64_t>(10, kRows - begin);
    sum = sum + linear_loss(loss, problem.features.narrow(0, begin, rows), problem.weight,
                            problem.bias, problem.targets.narrow(0, begin, rows), arguments, 3);
  }
  const Outcome outcome = outcome_of(sum, problem.variables());
  EXPECT_LT(distance(outcome.loss, expected.loss), 1e-14);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_LT(distance(outcome.gradients[k], expected.gradients[k]), 1e-13) << k;
  }
}

TEST(LinearLoss, GradientIsThatOfTheValueAndHasAGradient) {
  Problem problem = make_problem(at::kDouble);
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = kWeights;
  const auto value_of = [&](bool linear) {
    return linear ? linear_loss(loss, problem.features, problem.weight, problem.bias,
                                problem.targets, {}, 8)
                  : value(loss, at::linear(problem.features, problem.weight, problem.bias),
                          problem.targets);
  };
  const Outcome outcome = outcome_of(value_of(true), problem.variables());
  for (std::size_t k = 0; k < 3; ++k) {
    const at::NoGradGuard no_graph;
    double* const data = problem.variables()[k].data_ptr<double>();
    for (std::int64_t i = 0; i < problem.variables()[k].numel(); ++i) {
      const double kept = data[i];
      data[i] = kept + 1e-5;
      const double above = value_of(true).item<double>();
      data[i] = kept - 1e-5;
      const double below = value_of(true).item<double>();
      data[i] = kept;
      EXPECT_NEAR(outcome.gradients[k].contiguous().data_ptr<double>()[i], (above - below) / 2e-5,
                  1e-9);
    }
  }
  // Of the squared norm of the gradient, through one graph and the other.
  const auto second = [&](bool linear) {
    const auto gradients = torch::autograd::grad({value_of(linear)}, problem.variables(), {},
                                                 /*retain_graph=*/true, /*create_graph=*/true);
    at::Tensor norm = at::zeros({}, at::kDouble);
    for (const at::Tensor& each : gradients) norm = norm + each.square().sum();
    return torch::autograd::grad({norm}, problem.variables());
  };
  const auto by_chunks = second(true);
  const auto expected = second(false);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_LT(distance(by_chunks[k], expected[k]), 1e-12) << k;
}

// A weight that the features depend on as well gets each part of its gradient once.
TEST(LinearLoss, TiedParametersHaveSecondDerivatives) {
  const Problem problem = make_problem(at::kDouble);
  const auto second = [&](bool linear) {
    const at::Tensor features = problem.features + problem.weight.sum(0);
    const at::Tensor loss =
        linear ? linear_loss(SoftmaxLoss<>{}, features, problem.weight, problem.bias,
                             problem.targets, {}, 8)
               : value(SoftmaxLoss<>{}, at::linear(features, problem.weight, problem.bias),
                       problem.targets);
    const auto gradient = torch::autograd::grad({loss}, {problem.weight}, {}, /*retain_graph=*/true,
                                                /*create_graph=*/true)[0];
    return torch::autograd::grad({gradient.square().sum()}, {problem.weight})[0];
  };
  EXPECT_LT(distance(second(true), second(false)), 1e-12);
}

// Rows whose weights alone are beyond half, and too small for it.
TEST(LinearLoss, HalfTypesKeepLargeAndSmallWeights) {
  Problem problem = make_problem(at::kBFloat16);
  for (const double size : {1e-6, 1e6}) {
    SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
    loss.class_weights = std::vector<double>(kClasses, size);
    const Outcome expected = composition(SoftmaxLoss<CrossEntropy, MeanByWeight>{}, problem, 1024);
    const Outcome outcome = outcome_of(
        linear_loss(loss, problem.features, problem.weight, problem.bias, problem.targets, {}, 8),
        problem.variables(), 1024);
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_LT(distance(outcome.gradients[k], expected.gradients[k]), 3e-2) << size << ' ' << k;
    }
  }
}

TEST(LinearLoss, HalfFeaturesGoWithParametersOfFloat) {
  const Problem problem = make_problem(at::kFloat);
  const at::Tensor half = leaf(problem.features.to(at::kBFloat16));
  const Outcome outcome =
      outcome_of(linear_loss(SoftmaxLoss<>{}, half, problem.weight, problem.bias, problem.targets),
                 {half, problem.weight});
  const Outcome expected = outcome_of(linear_loss(SoftmaxLoss<>{}, half.to(at::kFloat),
                                                  problem.weight, problem.bias, problem.targets),
                                      {half, problem.weight});
  EXPECT_EQ(outcome.gradients[0].scalar_type(), at::kBFloat16);
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_TRUE(outcome.gradients[k].equal(expected.gradients[k])) << k;
  }
}

TEST(LinearLoss, ASecondBackwardPassGivesTheSame) {
  const Problem problem = make_problem(at::kDouble);
  const at::Tensor loss = linear_loss(SoftmaxLoss<Focal>{}, problem.features, problem.weight,
                                      problem.bias, problem.targets, {}, 8);
  const auto once = torch::autograd::grad({loss * 2}, problem.variables(), {}, true);
  const auto again = torch::autograd::grad({loss * 2}, problem.variables());
  for (std::size_t k = 0; k < 3; ++k) EXPECT_TRUE(once[k].equal(again[k])) << k;
}

TEST(LinearLoss, GivesGradientsToWhatRequiresThem) {
  Problem problem = make_problem(at::kDouble);
  const Outcome expected = composition(SoftmaxLoss<>{}, problem);
  problem.features = problem.features.detach();
  const auto found =
      torch::autograd::grad({linear_loss(SoftmaxLoss<>{}, problem.features, problem.weight,
                                         problem.bias, problem.targets)},
                            {problem.weight});
  EXPECT_LT(distance(found[0], expected.gradients[1]), 1e-14);
  const at::NoGradGuard no_graph;
  EXPECT_FALSE(
      linear_loss(SoftmaxLoss<>{}, problem.features, problem.weight, problem.bias, problem.targets)
          .requires_grad());
}

// Half types under the scale that loss scalers start with, against LibTorch's own layer and loss:
// an error of at most twice theirs.
TEST(LinearLoss, HalfTypesKeepWhatAScaleBringsBack) {
  constexpr double kScale = 65536;
  at::manual_seed(4);
  const at::Tensor features = at::randn({2048, 16}, at::kDouble);
  const at::Tensor weight = at::randn({50, 16}, at::kDouble) * 0.5;
  const at::Tensor targets = at::randint(50, {2048}, at::kLong);
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    // LibTorch 1.13 has no products of half on the CPU.
    if (TORCH_VERSION_MAJOR < 2 && type == at::kHalf) continue;
    const at::Tensor x = leaf(features.to(type));
    const at::Tensor w = leaf(weight.to(type));
    const at::Tensor x_double = leaf(x.detach().to(at::kDouble));
    const at::Tensor w_double = leaf(w.detach().to(at::kDouble));
    const Outcome exact =
        outcome_of(at::cross_entropy_loss(at::linear(x_double, w_double), targets),
                   {x_double, w_double}, kScale);
    const Outcome theirs = outcome_of(
        at::cross_entropy_loss(at::linear(x, w).to(at::kFloat), targets), {x, w}, kScale);
    const Outcome ours = outcome_of(
        linear_loss(SoftmaxLoss<>{}, x, w, at::Tensor(), targets, {}, 256), {x, w}, kScale);
    EXPECT_EQ(ours.loss.scalar_type(), at::kFloat);
    EXPECT_NEAR(ours.loss.item<double>(), exact.loss.item<double>(), 1e-2);
    for (std::size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(ours.gradients[k].scalar_type(), type);
      EXPECT_LE(distance(ours.gradients[k], exact.gradients[k]),
                2 * distance(theirs.gradients[k], exact.gradients[k]))
          << type << ' ' << k;
    }
  }
}

TEST(LinearLoss, ErrorsNameTheArgumentAndTheRow) {
  Problem problem = make_problem(at::kFloat);
  const auto error = [&](const LossArguments& arguments = {}, std::int64_t rows = 4) {
    return error_of([&] {
      linear_loss(SoftmaxLoss<>{}, problem.features, problem.weight, problem.bias, problem.targets,
                  arguments, rows);
    });
  };
  EXPECT_EQ(error({}, -1),
            "linear_loss(): rows_per_chunk = -1, expected a number >= 1, or 0 for the default");
  problem.targets[31] = kClasses;
  EXPECT_NE(error().find("linear_loss(): targets[31] = 9"), std::string::npos) << error();
  problem.targets[31] = 0;
  LossArguments by_class;
  by_class.class_dim = 1;
  EXPECT_NE(error(by_class).find("class_dim"), std::string::npos);
  const at::Tensor kept = problem.bias;
  problem.bias = kept.slice(0, 1);
  EXPECT_NE(error().find("bias.sizes()"), std::string::npos) << error();
  problem.bias = kept.to(at::kDouble);
  EXPECT_NE(error().find("bias.dtype()"), std::string::npos) << error();
  problem.bias = kept;
  problem.weight = problem.weight.slice(1, 1);
  EXPECT_NE(error().find("weight.size(1)"), std::string::npos) << error();
}

TEST(LinearLossModule, IsTheFunctionAndTakesWeightsOfASchedule) {
  const Problem problem = make_problem(at::kFloat);
  torch::nn::Linear layer(kWidth, kClasses);
  {
    const at::NoGradGuard no_graph;
    layer->weight.copy_(problem.weight);
    layer->bias.copy_(problem.bias);
  }
  SoftmaxLoss<Focal> loss;
  loss.class_weights = std::vector<double>(kClasses, 1.0);
  LinearLossModule<Focal> module(loss);
  module->loss->set_class_weights(kWeights);
  loss.class_weights = kWeights;
  const at::Tensor expected =
      linear_loss(loss, problem.features, problem.weight, problem.bias, problem.targets);
  const auto check = [&](LinearLossImpl<Focal>& each) {
    const at::Tensor result = each.forward(layer, problem.features, problem.targets);
    EXPECT_EQ(result.item<float>(), expected.item<float>());
  };
  check(*module);
  const auto copy = std::dynamic_pointer_cast<LinearLossImpl<Focal>>(module->clone());
  ASSERT_NE(copy, nullptr);
  check(*copy);
  EXPECT_EQ(module->named_buffers().size(), 1U);
  module->to(at::kHalf);
  EXPECT_EQ(module->loss->class_weights.scalar_type(), at::kDouble);
  module->eval();
  check(*module);
}

// The logits of all rows are never there at once.
TEST(LinearLoss, MemoryIsThatOfAChunk) {
  if (!fake::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  constexpr std::int64_t kMany = 2000;
  const auto device = fake::card(0);
  const at::Tensor x = at::randn({512, 4}).to(device).set_requires_grad(true);
  const at::Tensor w = at::randn({kMany, 4}).to(device).set_requires_grad(true);
  const at::Tensor targets = at::randint(kMany, {512}, at::kLong).to(device);
  const auto peak = [&](std::int64_t rows) {
    fake::reset_counts();
    torch::autograd::grad({linear_loss(SoftmaxLoss<>{}, x, w, at::Tensor(), targets, {}, rows)},
                          {x, w});
    return fake::counts().peak_bytes / (4.0 * 512 * kMany);
  };
  EXPECT_LT(peak(16), 0.2);
  EXPECT_GT(peak(512), 1);  // what is measured is there to be saved
}

TEST(LinearLossModule, GivesTheSameOnADeviceAndUploadsNothing) {
  if (!fake::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = kWeights;
  loss.logit_terms.shift = kWeights;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const Problem problem = make_problem(type);
    torch::nn::Linear layer(kWidth, kClasses);
    layer->to(type);
    const auto run = [&](const at::Device& device, LinearLossModule<Focal, MeanByWeight>& module) {
      layer->to(device);
      module->to(device);
      const at::Tensor x = leaf(problem.features.detach().to(device));
      const at::Tensor targets = problem.targets.to(device);
      fake::reset_counts();
      const at::Tensor result = module->forward(layer, x, targets, {}, 10);
      return outcome_of(result, {x, layer->weight, layer->bias}, 2);
    };
    LinearLossModule<Focal, MeanByWeight> module(loss);
    const Outcome expected = run(at::kCPU, module);
    for (const int card : {0, 1}) {
      const Outcome outcome = run(fake::card(card), module);
      EXPECT_EQ(fake::counts().uploads, 0);
      EXPECT_EQ(fake::counts().downloads, 0);
      const double tolerance = type == at::kDouble ? 1e-13 : type == at::kFloat ? 1e-5 : 2e-2;
      EXPECT_LT(distance(outcome.loss.to(at::kCPU), expected.loss), tolerance);
      for (std::size_t k = 0; k < 3; ++k) {
        EXPECT_LT(distance(outcome.gradients[k].to(at::kCPU), expected.gradients[k]), tolerance)
            << type << ' ' << k;
      }
    }
  }
}

}  // namespace
}  // namespace equipoise::libtorch
