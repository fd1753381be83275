// Half types under a large upstream gradient, as a loss scale gives it: nothing may get lost before
// the scale has been multiplied. On the CPU half types take the tensor operations that other
// devices take.
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "equipoise/libtorch/overlap_module.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "equipoise/libtorch/sigmoid_module.h"
#include "tests/support/errors.h"

namespace equipoise::libtorch {
namespace {

using testing::error_of;

constexpr double kScale = 65536;  // where loss scalers start
constexpr std::int64_t kRows = 4096;
constexpr std::int64_t kClasses = 64;

using Loss = std::function<at::Tensor(const at::Tensor& logits)>;

at::Tensor logits_of(at::ScalarType type) {
  at::manual_seed(1);
  return (at::randn({kRows, kClasses}) * 2).to(type);
}

at::Tensor gradient_of(const Loss& loss, const at::Tensor& logits) {
  const at::Tensor leaf = logits.detach().clone().set_requires_grad(true);
  (loss(leaf) * kScale).sum().backward();
  EXPECT_EQ(leaf.grad().scalar_type(), logits.scalar_type());
  return leaf.grad();
}

// The largest error of the gradient, and of its sums over rows, which are what a bias sees; of
// numbers in double.
struct Errors {
  double element;
  double column;
};
Errors errors_of(const at::Tensor& gradient, const at::Tensor& expected) {
  const at::Tensor difference = gradient.to(at::kDouble) - expected;
  return {difference.abs().max().item<double>(), difference.sum(0).abs().max().item<double>()};
}

// The gradient in double, and what it is once it is rounded to the type, which is the best there
// is.
void expect_no_loss(const Loss& loss, const char* what) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor logits = logits_of(type);
    const at::Tensor expected = gradient_of(loss, logits.to(at::kDouble));
    const at::Tensor rounded = expected.to(type).to(at::kDouble);
    const at::Tensor gradient = gradient_of(loss, logits);
    const Errors errors = errors_of(gradient, expected);
    const Errors best = errors_of(rounded, expected);
    // Another neighbour than the nearest where float is on the other side of the middle.
    EXPECT_LE(errors.element, 2 * best.element) << what << ' ' << type;
    EXPECT_LE(errors.column, 2 * best.column) << what << ' ' << type;
    const at::Tensor lost = gradient.eq(0).bitwise_and(rounded.ne(0));
    EXPECT_EQ(lost.sum().item<std::int64_t>(), 0) << what << ' ' << type;
  }
}

at::Tensor classes() {
  at::manual_seed(2);
  return at::randint(kClasses, {kRows}, at::kLong);
}
at::Tensor labels() {
  at::manual_seed(3);
  return at::rand({kRows, kClasses}).lt(0.05).to(at::kFloat);
}
std::vector<double> some_weights() {
  std::vector<double> weights(kClasses);
  for (std::size_t c = 0; c < weights.size(); ++c) weights[c] = 0.5 + 0.02 * static_cast<double>(c);
  return weights;
}

template <class L>
void expect_no_loss_of_softmax(L loss, const char* what) {
  const at::Tensor targets = classes();
  expect_no_loss([&](const at::Tensor& z) { return value(loss, z, targets); }, what);
}

TEST(HalfGradients, OfSoftmaxLossesLoseNothingUnderAScale) {
  SoftmaxLoss<CrossEntropy, MeanByWeight> weighted;
  weighted.class_weights = some_weights();
  expect_no_loss_of_softmax(weighted, "weighted");
  weighted.label_smoothing = 0.1;
  expect_no_loss_of_softmax(weighted, "smoothing");
  expect_no_loss_of_softmax(SoftmaxLoss<Focal>{}, "focal");
  SoftmaxLoss<> adjusted;
  adjusted.logit_terms.shift = some_weights();
  adjusted.logit_terms.scale = some_weights();
  expect_no_loss_of_softmax(adjusted, "terms");
  const at::Tensor targets = classes();
  expect_no_loss([&](const at::Tensor& z) { return unreduced(SoftmaxLoss<>{}, z, targets) / 4096; },
                 "rows");
  at::manual_seed(4);
  const at::Tensor distributions = at::rand({kRows, kClasses}).softmax(1);
  expect_no_loss(
      [&](const at::Tensor& z) {
        return value(SoftmaxLoss<>{}, z, distributions.to(z.scalar_type()));
      },
      "distributions");
}

TEST(HalfGradients, OfSigmoidLossesLoseNothingUnderAScale) {
  const at::Tensor targets = labels();
  equipoise::SigmoidLoss<> weighted;
  weighted.pos_weight = some_weights();
  expect_no_loss([&](const at::Tensor& z) { return value(weighted, z, targets); }, "weighted");
  const equipoise::SigmoidLoss<AsymmetricFocal> asymmetric;
  expect_no_loss([&](const at::Tensor& z) { return value(asymmetric, z, targets); }, "asymmetric");
  expect_no_loss([&](const at::Tensor& z) { return unreduced(weighted, z, targets) / 4096; },
                 "elements");
}

TEST(HalfGradients, OfOverlapLossesLoseNothingUnderAScale) {
  const at::Tensor targets = classes();
  OverlapLoss<> dice;
  expect_no_loss([&](const at::Tensor& z) { return value(dice, z, targets); }, "softmax");
  dice.activation = OverlapActivation::kSigmoid;
  expect_no_loss([&](const at::Tensor& z) { return value(dice, z, targets); }, "sigmoid");
}

// LibTorch computes in float and casts last.
TEST(HalfGradients, AreAsExactAsThoseOfLibTorch) {
  const at::Tensor targets = classes();
  const at::Tensor of_labels = labels();
  const auto expect = [](const Loss& ours, const Loss& theirs, const char* what) {
    const at::Tensor logits = logits_of(at::kHalf);
    const at::Tensor expected = gradient_of(ours, logits.to(at::kDouble));
    const Errors own = errors_of(gradient_of(ours, logits), expected);
    const Errors their = errors_of(gradient_of(theirs, logits), expected);
    EXPECT_LE(own.element, 2 * their.element) << what;
    EXPECT_LE(own.column, 2 * their.column) << what;
  };
  expect([&](const at::Tensor& z) { return value(SoftmaxLoss<>{}, z, targets); },
         [&](const at::Tensor& z) { return at::cross_entropy_loss(z.to(at::kFloat), targets); },
         "cross-entropy");
  expect([&](const at::Tensor& z) { return value(equipoise::SigmoidLoss<>{}, z, of_labels); },
         [&](const at::Tensor& z) {
           return at::binary_cross_entropy_with_logits(z.to(at::kFloat), of_labels);
         },
         "binary cross-entropy");
}

// A second pass and one that builds a graph compute the gradient again.
TEST(HalfGradients, OfASecondPassAreThoseOfTheFirst) {
  const at::Tensor targets = classes();
  const at::Tensor leaf = logits_of(at::kHalf).set_requires_grad(true);
  const at::Tensor loss = value(SoftmaxLoss<Focal>{}, leaf, targets) * kScale;
  const auto pass = [&](bool graph) {
    return torch::autograd::grad({loss}, {leaf}, {}, /*retain_graph=*/true, graph)[0].detach();
  };
  const at::Tensor first = pass(false);
  EXPECT_TRUE(at::equal(first, pass(false)));
  const at::Tensor with_graph = pass(true);
  EXPECT_EQ(with_graph.scalar_type(), at::kHalf);
  EXPECT_LE((with_graph - first).abs().max().item<double>(),
            first.abs().max().item<double>() * 0x1p-10);
}

TEST(HalfModules, KeepTheirConstantsWhateverTheModelIsCastTo) {
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = {1, 1e6};
  SoftmaxLossModule<> softmax(loss);
  softmax->to(at::kHalf);
  softmax->to(at::kCPU, at::kHalf);
  EXPECT_EQ(softmax->class_weights[1].item<double>(), 1e6);
  EXPECT_EQ(softmax->class_weights.scalar_type(), at::kDouble);
  softmax->to(at::kFloat);
  softmax->to(at::kBFloat16);
  EXPECT_EQ(softmax->class_weights.scalar_type(), at::kFloat);
  equipoise::SigmoidLoss<> of_labels;
  of_labels.pos_weight = {1, 1e6};
  SigmoidLossModule<> sigmoid(of_labels);
  sigmoid->to(at::kHalf);
  EXPECT_EQ(sigmoid->pos_weight[1].item<double>(), 1e6);
  OverlapLoss<> dice;
  dice.class_weights = {1, 1e6};
  OverlapLossModule<> overlap(dice);
  overlap->to(at::kHalf);
  EXPECT_EQ(overlap->class_weights[1].item<double>(), 1e6);

  // As part of a model as well.
  struct Model : torch::nn::Module {
    explicit Model(const SoftmaxLossModule<>& criterion) {
      register_module("head", torch::nn::Linear(2, 2));
      register_module("criterion", criterion);
    }
  };
  Model model(softmax);
  model.to(at::kHalf);
  EXPECT_EQ(softmax->class_weights.scalar_type(), at::kFloat);
}

// What lies on a device is not read by the host; meta stands for one here.
TEST(ModulesOfTwoDevices, AreRefusedByName) {
  const at::Tensor z = at::zeros({2, 2});
  const at::Tensor y = at::zeros({2}, at::kLong);
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = {1, 2};
  SoftmaxLossModule<> softmax(loss);
  EXPECT_EQ(error_of([&] { softmax->forward(z.to(at::kMeta), y.to(at::kMeta)); }),
            "SoftmaxLossModule::forward(): class_weights.device() = cpu, expected meta, the device "
            "of the logits");
  softmax->class_weights = softmax->class_weights.to(at::kMeta);
  EXPECT_EQ(error_of([&] { softmax->forward(z, y); }),
            "SoftmaxLossModule::forward(): class_weights.device() = meta, expected cpu, the device "
            "of the logits");
  equipoise::SigmoidLoss<> of_labels;
  of_labels.pos_weight = {1, 2};
  SigmoidLossModule<> sigmoid(of_labels);
  sigmoid->pos_weight = sigmoid->pos_weight.to(at::kMeta);
  EXPECT_EQ(error_of([&] { sigmoid->forward(z, z); }),
            "SigmoidLossModule::forward(): pos_weight.device() = meta, expected cpu, the device of "
            "the logits");
}

TEST(NoGradGuard, MakesNoGradient) {
  const at::Tensor leaf = at::zeros({3, 2}, at::kHalf).set_requires_grad(true);
  const at::NoGradGuard no_graph;
  EXPECT_FALSE(value(SoftmaxLoss<>{}, leaf, at::zeros({3}, at::kLong)).requires_grad());
}

// What stands in for a sum that some devices refuse then gives the same.
TEST(DeterministicAlgorithms, ChangeNothing) {
  at::manual_seed(21);
  const at::Tensor logits = at::randn({40, 6}).tanh().to(at::kHalf);
  const at::Tensor targets = at::randint(6, {40}, at::kLong);
  const auto run = [&](const auto& loss, bool deterministic) {
    at::globalContext().setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
    const at::Tensor leaf = logits.detach().clone().set_requires_grad(true);
    const at::Tensor result = value(loss, leaf, targets);
    const auto gradient = [&](bool graph) {
      return torch::autograd::grad({result}, {leaf}, {}, /*retain_graph=*/true, graph)[0].detach();
    };
    std::vector<at::Tensor> found = {result.detach(), gradient(false), gradient(true)};
    at::globalContext().setDeterministicAlgorithms(false, /*warn_only=*/false);
    return found;
  };
  const auto expect_the_same = [&](const auto& loss) {
    const std::vector<at::Tensor> expected = run(loss, false);
    const std::vector<at::Tensor> found = run(loss, true);
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(at::equal(found[i], expected[i])) << i;
    }
    EXPECT_GT(expected[1].abs().sum().item<float>(), 0);
  };
  SoftmaxLoss<Focal, MeanByWeight> focal;
  focal.class_weights = {1, 2, 3, 4, 5, 6};
  expect_the_same(focal);
  SoftmaxLoss<> margins;
  margins.label_smoothing = 0.1;
  margins.logit_terms.scale.assign(6, 8);
  margins.logit_terms.margin = {0.1, 0.2, 0.3, 0.1, 0.2, 0.3};
  expect_the_same(margins);
}

}  // namespace
}  // namespace equipoise::libtorch
