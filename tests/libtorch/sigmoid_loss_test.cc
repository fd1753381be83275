#include "tests/support/recorded_operations.h"  // first: see there
//
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "equipoise/libtorch/detail/sigmoid_node.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"
#include "tests/support/sigmoid_reference.h"
#include "tests/support/tensors.h"
#include "tests/support/users_own.h"

namespace equipoise::libtorch {
namespace {

using testing::ElementBatch;
using testing::error_of;
using testing::expect_close;
using testing::gradient_of;
using testing::make_element_batch;
using testing::make_sigmoid_loss;
using testing::Tsallis;

struct Tensors {
  at::Tensor logits, targets;
  LossArguments arguments;
};

Tensors to_tensors(const ElementBatch& batch, at::Device device = at::kCPU) {
  const auto real = at::TensorOptions().dtype(at::kDouble);
  const auto rows = static_cast<std::int64_t>(batch.rows);
  const auto labels = static_cast<std::int64_t>(batch.labels);
  const auto shaped = [&](const auto& values, at::ScalarType type) {
    return at::tensor(values, real.dtype(type)).reshape({rows, labels}).to(device);
  };
  Tensors result;
  result.logits = shaped(batch.logits, at::kDouble).set_requires_grad(true);
  result.targets = shaped(batch.targets, at::kDouble);
  result.arguments.mask = shaped(batch.mask, at::kByte);
  result.arguments.sample_weights = at::tensor(batch.sample_weights, real).to(device);
  result.arguments.groups = at::tensor(batch.groups, real.dtype(at::kLong)).to(device);
  return result;
}

struct TsallisOnNegatives {
  PolyCrossEntropy<Focal> positive() const { return poly1(Focal{1.0}, 0.5); }
  Tsallis negative() const { return {}; }
};

template <class F>
void for_all_losses(std::size_t labels, const F& f) {
  f(BinaryCrossEntropy{}, MeanByCount{});
  f(BinaryCrossEntropy{}, MeanPerClass{labels});
  f(SigmoidFocal{2.0}, MeanByPositives{});
  f(SigmoidFocal{0.5}, SumOverRows{});
  f(AsymmetricFocal{}, MeanByWeight{});
  f(TsallisOnNegatives{}, MeanPerGroup{testing::kElementGroups});
}

// LibTorch's own loss, in each combination of weight, pos_weight, kind of targets and reduction.
template <class R>
void expect_parity(R reduction, std::int64_t torch_reduction, at::ScalarType type) {
  at::manual_seed(1);
  const double epsilon = type == at::kFloat ? std::numeric_limits<float>::epsilon()
                                            : std::numeric_limits<double>::epsilon();
  for (const std::int64_t labels : {1, 2, 5, 17, 40}) {
    for (const bool weighted : {false, true}) {
      for (const bool pos_weighted : {false, true}) {
        for (const bool soft : {false, true}) {
          const at::Tensor logits = (at::randn({33, labels}, type) * 3).set_requires_grad(true);
          at::Tensor targets = at::rand({33, labels}, type);
          if (!soft) targets = targets.gt(0.7).to(type);
          const at::Tensor weights = at::rand({labels}, type) + 0.2;
          const at::Tensor pos_weight = at::rand({labels}, type) * 5;
          SigmoidLoss<BinaryCrossEntropy, R> loss;
          loss.reduction = reduction;
          if (weighted) loss.class_weights = detail::to_vector(weights);
          if (pos_weighted) loss.pos_weight = detail::to_vector(pos_weight);
          const auto theirs_by = [&](std::int64_t by) {
            return at::binary_cross_entropy_with_logits(
                logits, targets, weighted ? weights : at::Tensor(),
                pos_weighted ? pos_weight : at::Tensor(), by);
          };
          const at::Tensor ours = libtorch::value(loss, logits, targets);
          const at::Tensor theirs = theirs_by(torch_reduction);
          // Relative to sums of at most 33 x 40 elements, in float on their side.
          expect_close(ours, theirs, 100 * epsilon);
          expect_close(gradient_of(ours, logits), gradient_of(theirs, logits), 100 * epsilon);
          const at::Tensor elements = libtorch::unreduced(loss, logits, targets);
          const at::Tensor their_elements = theirs_by(at::Reduction::None);
          expect_close(elements, their_elements, 100 * epsilon);
          const at::Tensor upstream = at::randn({33, labels}, type);
          expect_close(gradient_of((elements * upstream).sum(), logits),
                       gradient_of((their_elements * upstream).sum(), logits), 100 * epsilon);
        }
      }
    }
  }
}

TEST(SigmoidLoss, EqualsLibTorchsMean) {
  expect_parity(MeanByCount{}, at::Reduction::Mean, at::kDouble);
  expect_parity(MeanByCount{}, at::Reduction::Mean, at::kFloat);
}
TEST(SigmoidLoss, EqualsLibTorchsSum) {
  expect_parity(SumOverRows{}, at::Reduction::Sum, at::kDouble);
  expect_parity(SumOverRows{}, at::Reduction::Sum, at::kFloat);
}

// Value and gradient by tensor operations without a graph, which overwrite what they no longer
// need.
struct InPlace {
  at::Tensor value;
  at::Tensor gradient;
};

template <class S, class R>
InPlace in_place(const SigmoidLoss<S, R>& loss, const at::Tensor& logits, const at::Tensor& targets,
                 const LossArguments& arguments) {
  const detail::SigmoidTensors tensors =
      detail::make_tensors(equipoise::detail::settings_of(loss), logits.options());
  const auto result =
      detail::sigmoid_without_graph(detail::sigmoid_of_tensors("value", loss), tensors,
                                    logits.detach(), targets, arguments, {.gradient = true});
  return {result.loss, result.make_gradient ? result.make_gradient(at::ones({1}, logits.options()),
                                                                   logits.scalar_type())
                                            : result.gradient};
}

// The kernel, tensor operations with and without a graph, and autograd of the operations' value:
// four ways to one gradient, two to its derivative.
void expect_operations_equal_kernel(at::Device device) {
  std::mt19937_64 random(2);
  for (const std::size_t labels : {1U, 7U, 20U}) {
    for (unsigned variant = 0; variant < testing::kElementVariants; variant += 3) {
      const ElementBatch batch = make_element_batch(12, labels, random, variant % 2 == 0, 1.5);
      for_all_losses(labels, [&](auto sides, auto reduction) {
        const auto loss = make_sigmoid_loss(variant, labels, random, sides, reduction);
        const Tensors on_cpu = to_tensors(batch);
        const Tensors there = to_tensors(batch, device);
        const auto tensors =
            detail::make_tensors(equipoise::detail::settings_of(loss), there.logits.options());
        const at::Tensor by_kernel =
            libtorch::value(loss, on_cpu.logits, on_cpu.targets, on_cpu.arguments);
        EXPECT_NEAR(by_kernel.item<double>(), testing::reference_loss(loss, batch, batch.logits),
                    1e-12 * (1 + by_kernel.item<double>()));
        const auto by_operations = detail::sigmoid_by_operations(
            detail::sigmoid_of_tensors("value", loss), tensors, there.logits, there.targets,
            there.arguments, {.gradient = true});
        expect_close(by_operations.loss.detach().cpu(), by_kernel.detach(), 1e-13);
        expect_close(denominators(loss, there.targets, there.arguments).cpu(),
                     denominators(loss, on_cpu.targets, on_cpu.arguments), 1e-13);
        const at::Tensor gradient = gradient_of(by_kernel, on_cpu.logits);
        expect_close(by_operations.gradient.detach().cpu(), gradient, 1e-13);
        const InPlace found = in_place(loss, there.logits, there.targets, there.arguments);
        expect_close(found.value.cpu(), by_kernel.detach(), 1e-13);
        expect_close(found.gradient.cpu(), gradient, 1e-13);
        const at::Tensor by_autograd = gradient_of(by_operations.loss, there.logits, true);
        expect_close(by_autograd.detach().cpu(), gradient, 1e-12);

        const at::Tensor with_graph = gradient_of(by_kernel, on_cpu.logits, true);
        ASSERT_TRUE(with_graph.requires_grad());
        expect_close(gradient_of(with_graph.pow(2).sum(), on_cpu.logits),
                     gradient_of(by_autograd.pow(2).sum(), there.logits).cpu(), 1e-10);
      });
    }
  }
}

TEST(SigmoidLoss, OperationsEqualTheKernelAndAutograd) { expect_operations_equal_kernel(at::kCPU); }

// Infinite logits on the right and on the wrong side; rows and labels of weight zero, whose logits
// may be NaN; a target that is none, wherever it is.
TEST(SigmoidLoss, OperationsWithoutAGraphAtTheirLimits) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto check = [&](auto sides) {
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      SigmoidLoss<decltype(sides), SumOverRows> loss;
      loss.sides = sides;
      loss.class_weights = {1, 0};
      const at::Tensor logits =
          at::tensor({inf, nan, -inf, nan, nan, nan, 0.5, nan}, at::kDouble).view({4, 2}).to(type);
      at::Tensor targets = at::tensor({1, 0, 0, 1, 1, 0, 1, 0}, at::kDouble).view({4, 2}).to(type);
      LossArguments arguments;
      arguments.sample_weights = at::tensor({1.0, 1.0, 0.0, 2.0});
      const InPlace found = in_place(loss, logits, targets, arguments);
      SigmoidLoss<decltype(sides), SumOverRows> one;
      one.sides = sides;
      const at::Tensor z = logits.slice(0, 3).narrow(1, 0, 1).detach().set_requires_grad(true);
      const at::Tensor expected = 2 * libtorch::value(one, z, at::ones({1, 1}, type));
      const double epsilon = type == at::kDouble ? 1e-15 : 1e-6;
      expect_close(found.value, expected.detach(), epsilon);
      const std::vector<double> gradient = detail::to_vector(found.gradient.to(at::kDouble));
      EXPECT_NEAR(gradient[6], gradient_of(expected, z).template item<double>(), epsilon);
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        if (i == 6) continue;
        EXPECT_EQ(gradient[i], 0.0) << i;
      }

      targets[0][0] = 0;
      EXPECT_EQ(in_place(loss, logits, targets, arguments).value.template item<double>(), inf);
      LossArguments small = arguments;
      small.sample_weights = at::tensor({0.01, 1.0, 0.0, 2.0});
      logits[0][0] = -inf;
      targets[0][0] = 0.01;
      EXPECT_EQ(in_place(loss, logits, targets, small).value.template item<double>(), inf);
      logits[0][0] = inf;
      targets[0][0] = 1;
      for (const std::int64_t row : {0, 2}) {  // also where the weight is 0
        targets[row][1] = 1.5;
        EXPECT_TRUE(
            std::isnan(in_place(loss, logits, targets, arguments).value.template item<double>()));
        targets[row][1] = 0;
      }
    }
  };
  check(SigmoidFocal{});
  check(AsymmetricFocal{1, 4, 0});  // with a margin no loss of a negative is infinite
  check(BinaryCrossEntropy{});
}

// A modulator of a user that is infinite where a probability is too small for float.
struct InverseProbability {
  template <class T>
  ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    return {1.0 / t.p - 1.0, -1.0 / t.p};
  }
};

TEST(SigmoidLoss, OperationsWithoutAGraphTakeModulatorsThatAreInfinite) {
  const at::Tensor logits = at::tensor({-100.0, 100.0, 0.5}, at::kFloat).view({3, 1});
  const at::Tensor targets = at::tensor({0.0, 1.0, 1.0}, at::kFloat).view({3, 1});
  const SigmoidLoss<BothSides<InverseProbability>, SumOverRows> loss;
  const InPlace found = in_place(loss, logits, targets, {});
  EXPECT_NEAR(found.value.item<double>(), std::exp(-0.5), 1e-6);
  EXPECT_TRUE(found.gradient.isfinite().all().item<bool>());
}

// Parts, the last of them a short one, come to the whole.
template <class S>
void expect_parts_equal_the_whole() {
  at::manual_seed(3);
  const at::Tensor logits = at::randn({2500, 1000}).set_requires_grad(true);
  const at::Tensor targets = at::rand({2500, 1000});
  LossArguments arguments;
  arguments.sample_weights = at::rand({2500});
  SigmoidLoss<S, MeanByWeight> loss;
  loss.class_weights = detail::to_vector(at::rand({1000}, at::kDouble));
  loss.pos_weight = detail::to_vector(at::rand({1000}, at::kDouble) * 5);
  const InPlace found = in_place(loss, logits, targets, arguments);
  const at::Tensor expected = libtorch::value(loss, logits, targets, arguments);
  expect_close(found.value, expected.detach(), 1e-5);
  const at::Tensor gradient = gradient_of(expected, logits);
  expect_close(found.gradient / gradient.abs().max(), gradient / gradient.abs().max(), 1e-5);
}
TEST(SigmoidLoss, OperationsWithoutAGraphGoInParts) {
  expect_parts_equal_the_whole<SigmoidFocal>();
  expect_parts_equal_the_whole<BinaryCrossEntropy>();
}

TEST(SigmoidLoss, OperationsEqualTheKernelOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  expect_operations_equal_kernel(at::kCUDA);
}

// Second derivatives against central differences of the gradient.
TEST(SigmoidLoss, SecondDerivativesEqualFiniteDifferences) {
  const at::Tensor start = at::tensor({-2.0, -0.5, 0.0, 0.25, 3.0}, at::kDouble);
  const at::Tensor targets = at::tensor({1, 0, 0, 1, 0}, at::kLong);
  LossArguments arguments;
  arguments.groups = at::tensor({0, 1, 1, 0, 2}, at::kLong);
  for_all_losses(1, [&](auto sides, auto reduction) {
    SigmoidLoss<decltype(sides), decltype(reduction)> loss;
    loss.sides = sides;
    loss.reduction = reduction;
    const auto gradient_at = [&](const at::Tensor& z) {
      const at::Tensor logits = z.detach().set_requires_grad(true);
      return gradient_of(libtorch::value(loss, logits, targets, arguments), logits);
    };
    const at::Tensor logits = start.detach().set_requires_grad(true);
    const at::Tensor first =
        gradient_of(libtorch::value(loss, logits, targets, arguments), logits, true);
    // Elements do not mix, so the sum's derivative is the diagonal.
    expect_close(gradient_of(first.sum(), logits),
                 (gradient_at(start + 1e-5) - gradient_at(start - 1e-5)) / 2e-5, 1e-8);
  });
}

// Elements that are sure, rightly and wrongly, to the last digit and beyond it.
TEST(SigmoidLoss, SecondDerivativesOfSaturatedElements) {
  const at::Tensor logits =
      at::tensor({40.0, -40.0, 100.0, -100.0, 0.5, 40.0, -40.0, 100.0, -100.0, 17.0}, at::kDouble)
          .view({2, 5});
  const at::Tensor targets = at::tensor({1, 1, 1, 1, 0, 0, 0, 0, 0, 1}, at::kLong).view({2, 5});
  const auto expect = [&](auto sides, auto reduction) {
    SigmoidLoss<decltype(sides), decltype(reduction)> loss;
    loss.sides = sides;
    loss.reduction = reduction;
    testing::expect_second_derivatives(
        logits, [&](const at::Tensor& z) { return libtorch::value(loss, z, targets); });
  };
  for (const double gamma : {0.0, 0.25, 0.5, 1.0, 1.5, 2.0}) {
    expect(SigmoidFocal{gamma}, SumOverRows{});
    expect(AsymmetricFocal{gamma, gamma / 2, 0.05}, MeanByWeight{});
    expect(AsymmetricFocal{gamma, gamma / 2, 0.0}, MeanByWeight{});
  }
}

TEST(SigmoidLoss, MaskedElementsHaveNoSecondDerivatives) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor logits =
      at::tensor({0.5, nan, nan, nan}, at::kDouble).view({2, 2}).set_requires_grad(true);
  LossArguments arguments;
  arguments.mask = at::tensor({1, 0, 1, 1}).view({2, 2});
  arguments.sample_weights = at::tensor({1, 0});
  const at::Tensor gradient = gradient_of(libtorch::value(SigmoidLoss<SigmoidFocal, SumOverRows>{},
                                                          logits, at::zeros({2, 2}), arguments),
                                          logits, true);
  const at::Tensor second = gradient_of(gradient.pow(2).sum(), logits).view({-1});
  EXPECT_GT(second[0].abs().item<double>(), 0);
  EXPECT_TRUE(at::equal(second.slice(0, 1), at::zeros({3}, at::kDouble)));
}

// Memory that does not hold the numbers themselves: a negation that was put off.
TEST(SigmoidLoss, ReadsTensorsWhoseNegationIsPending) {
  using testing::negation_pending;
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const at::Tensor logits = at::randn({4, 3}, type).set_requires_grad(true);
    const at::Tensor lazy = negation_pending(logits.detach()).set_requires_grad(true);
    ASSERT_TRUE(lazy.is_neg());
    const at::Tensor targets = at::rand({4, 3}, type);
    LossArguments plain;
    plain.sample_weights = at::rand({4}, at::kDouble);
    LossArguments lazy_weights;
    lazy_weights.sample_weights = negation_pending(plain.sample_weights);
    const SigmoidLoss<SigmoidFocal, SumOverRows> loss;
    const at::Tensor expected = libtorch::value(loss, logits, targets, plain);
    const at::Tensor value = libtorch::value(loss, lazy, negation_pending(targets), lazy_weights);
    EXPECT_TRUE(at::equal(value, expected));
    EXPECT_TRUE(at::equal(gradient_of(value, lazy), gradient_of(expected, logits)));
  }
}

TEST(SigmoidLoss, BackwardTwiceGivesTheSameGradient) {
  const at::Tensor logits = at::randn({5, 3}).set_requires_grad(true);
  const at::Tensor targets = at::randint(0, 2, {5, 3}, at::kLong);
  const at::Tensor loss =
      libtorch::value(equipoise::SigmoidLoss<AsymmetricFocal>{}, logits, targets) * 3;
  const at::Tensor first = gradient_of(loss, logits);
  EXPECT_TRUE(at::equal(first, gradient_of(loss, logits)));
}

TEST(SigmoidLoss, TakesTargetsAndMasksOfAnyType) {
  const at::Tensor logits = at::randn({20, 6}).set_requires_grad(true);
  const at::Tensor targets = at::rand({20, 6}).gt(0.6);
  LossArguments arguments;
  arguments.mask = at::rand({20, 6}).gt(0.2);
  const equipoise::SigmoidLoss<SigmoidFocal, MeanByPositives> loss;
  const at::Tensor expected = libtorch::value(loss, logits, targets, arguments);
  const at::Tensor expected_gradient = gradient_of(expected, logits);
  for (const at::ScalarType type : {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt,
                                    at::kLong, at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
    LossArguments same;
    same.mask = arguments.mask.to(type);
    const at::Tensor value = libtorch::value(loss, logits, targets.to(type), same);
    EXPECT_TRUE(at::equal(value, expected)) << type;
    EXPECT_TRUE(at::equal(gradient_of(value, logits), expected_gradient)) << type;
  }
}

TEST(SigmoidLoss, ReadsStridedTensors) {
  const at::Tensor wide = at::randn({40, 60}, at::kDouble);
  const at::Tensor wide_targets = at::randint(0, 2, {40, 60}, at::kByte);
  const auto loss = sigmoid_focal();
  const auto expect = [&](const auto& view) {
    const at::Tensor strided = view(wide).detach().set_requires_grad(true);
    const at::Tensor dense = view(wide).contiguous().set_requires_grad(true);
    LossArguments with_mask;
    with_mask.mask = view(wide_targets.flip({0}).to(at::kBool));
    LossArguments with_dense_mask;
    with_dense_mask.mask = with_mask.mask.contiguous();
    const at::Tensor a = libtorch::value(loss, strided, view(wide_targets), with_mask);
    const at::Tensor b =
        libtorch::value(loss, dense, view(wide_targets).contiguous(), with_dense_mask);
    EXPECT_TRUE(at::allclose(a, b, 1e-15, 1e-15));
    EXPECT_TRUE(at::equal(gradient_of(a, strided), gradient_of(b, dense)));
  };
  expect([](const at::Tensor& t) { return t.slice(1, 0, 60, 2); });
  expect([](const at::Tensor& t) { return t.slice(1, 10, 40); });
  expect([](const at::Tensor& t) { return t.t().slice(1, 5, 35); });
  expect([](const at::Tensor& t) { return t.select(1, 7); });
  expect([](const at::Tensor& t) { return t.select(1, 7).unsqueeze(1).expand({40, 3}); });
}

// One logit a row as a vector, and tokens with several labels each, against their rows.
TEST(SigmoidLoss, TakesBinaryAndTokenLogits) {
  std::mt19937_64 random(5);
  const auto loss = make_sigmoid_loss(63, 1, random, SigmoidFocal{}, MeanPerGroup{3});
  LossArguments arguments;
  arguments.groups = at::randint(0, 3, {24}, at::kLong);
  arguments.sample_weights = at::rand({24}, at::kDouble);
  const at::Tensor logits = at::randn({24}, at::kDouble).set_requires_grad(true);
  const at::Tensor targets = at::randint(0, 2, {24}, at::kLong);
  const at::Tensor column = logits.detach().unsqueeze(1).set_requires_grad(true);
  const at::Tensor value = libtorch::value(loss, logits, targets, arguments);
  const at::Tensor expected = libtorch::value(loss, column, targets.unsqueeze(1), arguments);
  EXPECT_TRUE(at::equal(value, expected));
  EXPECT_TRUE(at::equal(gradient_of(value, logits), gradient_of(expected, column).squeeze(1)));
  const at::Tensor elements = libtorch::unreduced(loss, logits, targets, arguments);
  EXPECT_EQ(elements.sizes(), logits.sizes());

  const auto of_labels = make_sigmoid_loss(63, 4, random, AsymmetricFocal{}, MeanByWeight{});
  const at::Tensor cube = at::randn({4, 6, 4}, at::kDouble).set_requires_grad(true);
  const at::Tensor cube_targets = at::randint(0, 2, {4, 6, 4}, at::kBool);
  arguments.groups = at::Tensor();
  LossArguments of_tokens;
  of_tokens.sample_weights = arguments.sample_weights.view({4, 6});
  of_tokens.mask = at::rand({4, 6, 4}).gt(0.1);
  arguments.mask = of_tokens.mask.flatten(0, 1);
  const at::Tensor flat = cube.detach().flatten(0, 1).set_requires_grad(true);
  const at::Tensor of_cube = libtorch::value(of_labels, cube, cube_targets, of_tokens);
  const at::Tensor of_flat =
      libtorch::value(of_labels, flat, cube_targets.flatten(0, 1), arguments);
  EXPECT_TRUE(at::equal(of_cube, of_flat));
  EXPECT_TRUE(at::equal(gradient_of(of_cube, cube).flatten(0, 1), gradient_of(of_flat, flat)));
  EXPECT_EQ(libtorch::unreduced(of_labels, cube, cube_targets, of_tokens).sizes(), cube.sizes());
  expect_close(denominators(of_labels, cube_targets, of_tokens),
               denominators(of_labels, cube_targets.flatten(0, 1), arguments), 1e-15);
}

TEST(SigmoidLoss, HalfTypesComputeInFloat) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor logits = (at::randn({20, 7}) * 2).to(type).set_requires_grad(true);
    const at::Tensor targets = at::randint(0, 2, {20, 7}, at::kLong);
    const at::Tensor exact = logits.detach().to(at::kFloat).set_requires_grad(true);
    const at::Tensor a = libtorch::value(sigmoid_focal(), logits, targets);
    const at::Tensor b = libtorch::value(sigmoid_focal(), exact, targets);
    EXPECT_EQ(a.scalar_type(), at::kFloat);
    expect_close(a, b, 50 * std::numeric_limits<float>::epsilon());
    expect_close(gradient_of(a, logits), gradient_of(b, exact).to(type), 1e-2);
  }
}

TEST(SigmoidLoss, MicroBatchesWithSharedDenominatorsEqualTheWhole) {
  std::mt19937_64 random(3);
  const ElementBatch batch = make_element_batch(40, 6, random, false);
  for_all_losses(6, [&](auto sides, auto reduction) {
    const auto loss = make_sigmoid_loss(63, 6, random, sides, reduction);
    const Tensors all = to_tensors(batch);
    const at::Tensor whole = libtorch::value(loss, all.logits, all.targets, all.arguments);
    const auto part = [&](std::int64_t begin) {
      const auto rows = [&](const at::Tensor& tensor) { return tensor.slice(0, begin, begin + 8); };
      Tensors result{rows(all.logits), rows(all.targets), {}};
      result.arguments.sample_weights = rows(all.arguments.sample_weights);
      result.arguments.groups = rows(all.arguments.groups);
      result.arguments.mask = rows(all.arguments.mask);
      return result;
    };
    at::Tensor denominators =
        at::zeros({static_cast<std::int64_t>(loss.reduction.buckets())}, at::kDouble);
    for (std::int64_t begin = 0; begin < 40; begin += 8) {
      const Tensors some = part(begin);
      denominators = denominators + libtorch::denominators(loss, some.targets, some.arguments);
    }
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (std::int64_t begin = 0; begin < 40; begin += 8) {
      Tensors some = part(begin);
      some.arguments.denominators = denominators;
      sum = sum + libtorch::value(loss, some.logits, some.targets, some.arguments);
    }
    expect_close(sum, whole, 1e-12);
    expect_close(gradient_of(sum, all.logits), gradient_of(whole, all.logits), 1e-12);
  });
}

TEST(SigmoidLoss, SharesAreAnArgument) {
  std::mt19937_64 random(6);
  const Tensors data = to_tensors(make_element_batch(30, 4, random, true));
  LossArguments arguments = data.arguments;
  arguments.shares = at::tensor({0.5, 0.25, 0.25}, at::kDouble);
  const SigmoidLoss<BinaryCrossEntropy, MeanPerGroup> loss{{}, {testing::kElementGroups}};
  const at::Tensor elements = libtorch::unreduced(loss, data.logits, data.targets, data.arguments);
  const at::Tensor weights =
      data.arguments.sample_weights.unsqueeze(1) * data.arguments.mask.to(at::kDouble);
  at::Tensor expected = at::zeros({}, at::kDouble);
  for (std::int64_t g = 0; g < 3; ++g) {
    const at::Tensor own = data.arguments.groups.eq(g).to(at::kDouble).unsqueeze(1);
    expected = expected + arguments.shares[g] * (elements * own).sum() / (weights * own).sum();
  }
  expect_close(libtorch::value(loss, data.logits, data.targets, arguments), expected, 1e-13);
  const auto by_operations = detail::sigmoid_by_operations(
      detail::sigmoid_of_tensors("value", loss), {}, data.logits, data.targets, arguments, {});
  expect_close(by_operations.loss, expected, 1e-13);
}

TEST(SigmoidLoss, AnEmptyBatchIsZeroOrNaN) {
  const at::Tensor logits = at::zeros({0, 3}).set_requires_grad(true);
  const at::Tensor targets = at::zeros({0, 3}, at::kLong);
  SigmoidLoss<> loss;
  EXPECT_EQ(libtorch::value(loss, logits, targets).item<float>(), 0.0F);
  EXPECT_EQ(gradient_of(libtorch::value(loss, logits, targets), logits).sizes(), logits.sizes());
  loss.empty_batch = EmptyBatch::kNaN;
  EXPECT_TRUE(std::isnan(libtorch::value(loss, logits, targets).item<float>()));
  const auto by_operations = detail::sigmoid_by_operations(
      detail::sigmoid_of_tensors("value", loss), {}, logits.detach(), targets, {}, {});
  EXPECT_TRUE(std::isnan(by_operations.loss.item<float>()));
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    for (const std::vector<std::int64_t>& sizes :
         {std::vector<std::int64_t>{3, 0}, {2, 0, 3}, {2, 3, 0}, {0}}) {
      const at::Tensor z = at::zeros(sizes).to(type).set_requires_grad(true);
      const at::Tensor nan = libtorch::value(loss, z, at::zeros(sizes));
      EXPECT_TRUE(std::isnan(nan.item<double>()));
      EXPECT_EQ(gradient_of(nan, z).sizes(), z.sizes());
      EXPECT_EQ(libtorch::unreduced(loss, z, at::zeros(sizes)).sizes(), z.sizes());
    }
  }
}

// What the mask hides has no say: a NaN logit, a target that is none.
TEST(SigmoidLoss, MaskedElementsHaveNoLossAndNoGradient) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor logits = at::tensor({1.0, nan, 2.0, nan}, at::kDouble).view({2, 2});
  const at::Tensor targets = at::tensor({1.0, 7.0, 0.0, nan}, at::kDouble).view({2, 2});
  LossArguments arguments;
  arguments.mask = at::tensor({1, 0, 1, 0}, at::kLong).view({2, 2});
  const at::Tensor z = logits.set_requires_grad(true);
  const at::Tensor value = libtorch::value(equipoise::SigmoidLoss<>{}, z, targets, arguments);
  EXPECT_NEAR(value.item<double>(), (std::log1p(std::exp(-1.0)) + std::log1p(std::exp(2.0))) / 2,
              1e-15);
  const at::Tensor gradient = gradient_of(value, z);
  EXPECT_EQ(gradient.select(1, 1).abs().sum().item<double>(), 0.0);
  const auto by_operations =
      detail::sigmoid_by_operations(detail::sigmoid_of_tensors("value", equipoise::SigmoidLoss<>{}),
                                    {}, logits.detach(), targets, arguments, {.gradient = true});
  expect_close(by_operations.loss, value.detach(), 1e-15);
  expect_close(by_operations.gradient, gradient, 1e-15);
}

TEST(SigmoidLoss, ABrokenTargetOnADeviceMakesNaN) {
  const at::Tensor logits = at::randn({2, 3}, at::kDouble);
  const at::Tensor targets = at::tensor({0, 1, 0, 2, 0, 1}, at::kLong).view({2, 3});
  const auto result = detail::sigmoid_by_operations(
      detail::sigmoid_of_tensors("value", equipoise::SigmoidLoss<>{}), {}, logits, targets, {}, {});
  EXPECT_TRUE(std::isnan(result.loss.item<double>()));
}

// Elements that are masked may be of any group; others of a group without a bucket make NaN.
TEST(SigmoidLoss, AGroupWithoutABucketOnADeviceMakesNaN) {
  const at::Tensor logits = at::randn({2, 2}, at::kDouble);
  const at::Tensor targets = at::zeros({2, 2}, at::kLong);
  LossArguments arguments;
  arguments.groups = at::tensor({0, 5}, at::kLong);
  const SigmoidLoss<BinaryCrossEntropy, MeanPerGroup> loss{{}, {2}};
  const auto value = [&] {
    return detail::sigmoid_by_operations(detail::sigmoid_of_tensors("value", loss), {}, logits,
                                         targets, arguments, {})
        .loss.item<double>();
  };
  EXPECT_TRUE(std::isnan(value()));
  arguments.mask = at::tensor({1, 1, 0, 0}, at::kByte).view({2, 2});
  EXPECT_TRUE(std::isfinite(value()));
}

// Meta tensors hold no data: reading one on the host throws. Uploads they do not notice, so what
// the operations are given is looked at as well.
TEST(SigmoidLoss, NeitherReadsTheDeviceNorUploads) {
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor logits = at::empty({6, 4}, meta).set_requires_grad(true);
  LossArguments arguments;
  arguments.sample_weights = at::empty({6}, meta);
  arguments.groups = at::empty({6}, meta.dtype(at::kLong));
  arguments.mask = at::empty({6, 4}, meta.dtype(at::kBool));
  const at::Tensor targets = at::empty({6, 4}, meta.dtype(at::kBool));
  const auto call = [&](auto sides, auto reduction, const detail::SigmoidTensors* tensors) {
    SigmoidLoss<decltype(sides), decltype(reduction)> loss;
    loss.sides = sides;
    loss.reduction = reduction;
    loss.negative_scale = 2;
    if (tensors == nullptr) loss.class_weights.assign(4, 1.0);
    for (const bool by_element : {false, true}) {
      at::Tensor value = detail::call_sigmoid(detail::sigmoid_of_tensors("value", loss), tensors,
                                              logits, targets, arguments, {.unreduced = by_element})
                             .loss;
      if (by_element) value = value.sum();
      EXPECT_TRUE(gradient_of(value, logits).is_meta());
      // LibTorch 1.13 cannot differentiate clamp_min() on meta, which the other sides use.
      if (!std::is_same_v<decltype(sides), BinaryCrossEntropy>) continue;
      EXPECT_TRUE(gradient_of(gradient_of(value, logits, true).sum(), logits).is_meta());
    }
  };
  const testing::RecordedOperations operations;
  detail::SigmoidTensors tensors;
  tensors.class_weights = tensors.pos_weight = tensors.shift = at::empty({4}, meta);
  tensors.rebalance_counts = at::empty({4}, meta);
  for_all_losses(4, [&](auto sides, auto reduction) { call(sides, reduction, &tensors); });
  EXPECT_FALSE(testing::RecordedOperations::host_tensor());
  const std::set<std::string>& seen = testing::RecordedOperations::names();
  EXPECT_GT(seen.count("aten::sigmoid"), 0u);
  for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                           "aten::is_nonzero", "aten::equal", "aten::cpu"}) {
    EXPECT_EQ(seen.count(name), 0u) << name;
  }
  EXPECT_THROW(logits.sum().item<float>(), std::exception) << "meta tensors can be read";
  call(BinaryCrossEntropy{}, MeanByCount{}, nullptr);
  EXPECT_TRUE(testing::RecordedOperations::host_tensor()) << "uploads are not seen";
}

TEST(SigmoidLossErrors, DenominatorsHalfTypesAndGradientsAreCheckedToo) {
  const at::Tensor targets = at::tensor({0, 1, 0, 2}, at::kLong).view({2, 2});
  EXPECT_EQ(error_of([&] { denominators(SigmoidLoss<>{}, targets); }),
            "denominators(): targets[1][1] = 2, expected 0 or 1");
  EXPECT_EQ(error_of([&] {
              denominators(SigmoidLoss<BinaryCrossEntropy, MeanPerGroup>{{}, {2}}, targets);
            }),
            "denominators(): groups.numel() = 0, expected one group a row");
  EXPECT_EQ(error_of([&] {
              libtorch::value(SigmoidLoss<>{}, at::zeros({2, 2}, at::kBFloat16), targets);
            }),
            "value(): targets[1][1] = 2, expected 0 or 1");
  const at::Tensor soft = at::full({2, 2}, 0.5).set_requires_grad(true);
  EXPECT_EQ(error_of([&] {
              libtorch::value(SigmoidLoss<>{}, at::zeros({2, 2}), soft);
            }),
            "value(): targets.requires_grad() = 1, expected 0: no gradient flows to targets");
}

TEST(SigmoidLossErrors, NameWhatIsWrong) {
  const at::Tensor logits = at::zeros({2, 3});
  const auto call = [](const at::Tensor& z, const at::Tensor& y, const LossArguments& more = {}) {
    return error_of([&] { libtorch::value(equipoise::SigmoidLoss<>{}, z, y, more); });
  };
  EXPECT_EQ(call(at::zeros({}), at::zeros({})),
            "value(): logits.dim() = 0, expected at least 1 (N)");
  EXPECT_EQ(call(at::zeros({2}, at::kInt), at::zeros({2})),
            "value(): logits.dtype() = int, expected a floating-point type");
  EXPECT_EQ(call(logits, at::zeros({6})),
            "value(): targets.dim() = 1, expected 2, that of the logits");
  EXPECT_EQ(call(logits, at::zeros({2, 4})),
            "value(): targets.size(1) = 4, expected 3, that of the logits");
  EXPECT_EQ(call(logits, at::zeros({2, 3}, at::kComplexFloat)),
            "value(): targets.dtype() = c10::complex<float>, expected bool, an integer or a "
            "floating-point type");
  EXPECT_EQ(call(logits, at::full({2, 3}, 2, at::kLong)),
            "value(): targets[0][0] = 2, expected 0 or 1");
  EXPECT_EQ(call(logits, at::full({2, 3}, 1.5)),
            "value(): targets[0][0] = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(call(logits, at::zeros({2, 3}, at::TensorOptions().device(at::kMeta))),
            "value(): targets.device() = meta, expected cpu, the device of the logits");
  LossArguments arguments;
  arguments.sample_weights = at::ones({3});
  EXPECT_EQ(call(logits, at::zeros({2, 3}), arguments),
            "value(): sample_weights.numel() = 3, expected 2 (rows of logits)");
  arguments.sample_weights = at::Tensor();
  arguments.groups = at::ones({2});
  EXPECT_EQ(call(logits, at::zeros({2, 3}), arguments),
            "value(): groups.dtype() = float, expected an integer type");
  arguments.groups = at::Tensor();
  arguments.mask = at::ones({3, 2});
  EXPECT_EQ(call(logits, at::zeros({2, 3}), arguments),
            "value(): mask.size(0) = 3, expected 2, that of the logits");
  arguments.mask = at::Tensor();
  arguments.sample_weights = at::tensor({1e39, 1.0}, at::kDouble);
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    EXPECT_EQ(call(logits.to(type), at::zeros({2, 3}), arguments),
              "value(): sample_weights[0] = 1e+39, expected 0 or a number in "
              "[1.1754944e-38, 3.4028235e+38], as the type of the logits has it");
  }
  SigmoidLoss<> loss;
  loss.class_weights = {1, 2};
  EXPECT_EQ(error_of([&] {
              libtorch::value(loss, logits, at::zeros({2, 3}));
            }),
            "value(): class_weights.size() = 2, expected 3 (labels)");
}

}  // namespace
}  // namespace equipoise::libtorch
