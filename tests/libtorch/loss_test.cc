#include "tests/support/recorded_operations.h"  // first: see there
//
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/libtorch/detail/softmax_node.h"
#include "equipoise/libtorch/loss.h"
#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"
#include "tests/support/softmax_reference.h"
#include "tests/support/tensors.h"
#include "tests/support/users_own.h"

namespace equipoise::libtorch {
namespace {

using testing::Batch;
using testing::error_of;
using testing::EvenAndOdd;
using testing::expect_close;
using testing::gradient_of;
using testing::make_batch;
using testing::make_loss;
using testing::TargetKind;
using testing::Tsallis;

struct Tensors {
  at::Tensor logits, targets;
  LossArguments arguments;
};

Tensors to_tensors(const Batch& batch, at::Device device = at::kCPU,
                   TargetKind kind = TargetKind::kIndices) {
  const auto real = at::TensorOptions().dtype(at::kDouble);
  const auto rows = static_cast<std::int64_t>(batch.rows);
  Tensors result;
  result.logits = at::tensor(batch.logits, real)
                      .reshape({rows, static_cast<std::int64_t>(batch.classes)})
                      .to(device)
                      .set_requires_grad(true);
  result.targets = at::tensor(batch.targets, real.dtype(at::kLong)).to(device);
  result.arguments.sample_weights = at::tensor(batch.sample_weights, real).to(device);
  result.arguments.groups = at::tensor(batch.groups, real.dtype(at::kLong)).to(device);
  if (kind == TargetKind::kProbabilities) {
    result.targets = at::tensor(batch.probabilities, real).view_as(result.logits).to(device);
    result.arguments.mask = at::tensor(batch.mask, real.dtype(at::kByte)).to(device);
  }
  return result;
}

// LibTorch's own loss, in each combination of weight, smoothing, ignored rows and reduction.
template <class R>
void expect_parity(R reduction, std::int64_t torch_reduction, at::ScalarType type) {
  at::manual_seed(1);
  const double epsilon = type == at::kFloat ? std::numeric_limits<float>::epsilon()
                                            : std::numeric_limits<double>::epsilon();
  for (const std::int64_t classes : {1, 2, 5, 17, 40}) {
    for (const bool weighted : {false, true}) {
      for (const double smoothing : {0.0, 0.1, 1.0}) {
        for (const bool ignored : {false, true}) {
          const at::Tensor logits = (at::randn({33, classes}, type) * 3).set_requires_grad(true);
          const at::Tensor targets = at::randint(0, classes, {33}, at::kLong);
          if (ignored) targets.slice(0, 0, 7).fill_(-100);
          const at::Tensor weights = at::rand({classes}, type) + 0.2;
          SoftmaxLoss<CrossEntropy, R> loss;
          loss.reduction = reduction;
          loss.convention = WeightConvention::kTorch;
          loss.label_smoothing = smoothing;
          if (weighted) loss.class_weights = detail::to_vector(weights);
          const at::Tensor ours = libtorch::value(loss, logits, targets);
          const at::Tensor theirs = at::cross_entropy_loss(
              logits, targets, weighted ? weights : at::Tensor(), torch_reduction, -100, smoothing);
          // Relative to sums of at most 33 rows of up to 40 classes, in float on their side.
          expect_close(ours, theirs, 100 * epsilon);
          expect_close(gradient_of(ours, logits), gradient_of(theirs, logits), 100 * epsilon);
          expect_close(libtorch::unreduced(loss, logits, targets),
                       at::cross_entropy_loss(logits, targets, weighted ? weights : at::Tensor(),
                                              at::Reduction::None, -100, smoothing),
                       100 * epsilon);
        }
      }
    }
  }
}

TEST(SoftmaxLoss, EqualsLibTorchsMean) {
  expect_parity(MeanByWeight{}, at::Reduction::Mean, at::kDouble);
  expect_parity(MeanByWeight{}, at::Reduction::Mean, at::kFloat);
}
TEST(SoftmaxLoss, EqualsLibTorchsSum) {
  expect_parity(SumOverRows{}, at::Reduction::Sum, at::kDouble);
  expect_parity(SumOverRows{}, at::Reduction::Sum, at::kFloat);
}

// The same where targets are probabilities, whose mean LibTorch takes by count.
template <class R>
void expect_probability_parity(R reduction, std::int64_t torch_reduction, at::ScalarType type) {
  at::manual_seed(2);
  const double epsilon = type == at::kFloat ? std::numeric_limits<float>::epsilon()
                                            : std::numeric_limits<double>::epsilon();
  for (const std::int64_t classes : {1, 2, 5, 17, 40}) {
    for (const bool weighted : {false, true}) {
      for (const double smoothing : {0.0, 0.1, 1.0}) {
        const at::Tensor logits = (at::randn({33, classes}, type) * 3).set_requires_grad(true);
        const at::Tensor targets = at::randn({33, classes}, type).softmax(1);
        const at::Tensor weights = at::rand({classes}, type) + 0.2;
        SoftmaxLoss<CrossEntropy, R> loss;
        loss.reduction = reduction;
        loss.convention = WeightConvention::kTorch;
        loss.label_smoothing = smoothing;
        if (weighted) loss.class_weights = detail::to_vector(weights);
        const at::Tensor ours = libtorch::value(loss, logits, targets);
        const at::Tensor theirs = at::cross_entropy_loss(
            logits, targets, weighted ? weights : at::Tensor(), torch_reduction, -100, smoothing);
        expect_close(ours, theirs, 100 * epsilon);
        expect_close(gradient_of(ours, logits), gradient_of(theirs, logits), 100 * epsilon);
        const at::Tensor rows = libtorch::unreduced(loss, logits, targets);
        expect_close(rows,
                     at::cross_entropy_loss(logits, targets, weighted ? weights : at::Tensor(),
                                            at::Reduction::None, -100, smoothing),
                     100 * epsilon);
      }
    }
  }
}

TEST(SoftmaxLoss, EqualsLibTorchsOnProbabilities) {
  expect_probability_parity(MeanByWeight{}, at::Reduction::Mean, at::kDouble);
  expect_probability_parity(MeanByWeight{}, at::Reduction::Mean, at::kFloat);
  expect_probability_parity(SumOverRows{}, at::Reduction::Sum, at::kDouble);
  expect_probability_parity(SumOverRows{}, at::Reduction::Sum, at::kFloat);
}

TEST(SoftmaxLoss, AllIgnoredIsZeroOrLibTorchsNaN) {
  const at::Tensor logits = at::randn({3, 4}).set_requires_grad(true);
  const at::Tensor targets = at::full({3}, -100, at::kLong);
  SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
  EXPECT_EQ(libtorch::value(loss, logits, targets).item<float>(), 0.0F);
  loss.empty_batch = EmptyBatch::kNaN;
  const at::Tensor theirs = at::cross_entropy_loss(logits, targets);
  EXPECT_TRUE(std::isnan(theirs.item<float>()));
  EXPECT_TRUE(std::isnan(libtorch::value(loss, logits, targets).item<float>()));
  EXPECT_EQ(gradient_of(libtorch::value(loss, logits, targets), logits).abs().sum().item<float>(),
            0);
}

TEST(SoftmaxLoss, EqualsLibTorchsRows) {
  const at::Tensor logits = at::randn({9, 4}, at::kDouble).set_requires_grad(true);
  const at::Tensor targets = at::randint(0, 4, {9}, at::kLong);
  const at::Tensor upstream = at::randn({9}, at::kDouble);
  const at::Tensor ours = libtorch::unreduced(equipoise::SoftmaxLoss<>{}, logits, targets);
  const at::Tensor theirs = at::cross_entropy_loss(logits, targets, {}, at::Reduction::None);
  expect_close(ours, theirs, 1e-14);
  expect_close(torch::autograd::grad({ours}, {logits}, {upstream})[0],
               torch::autograd::grad({theirs}, {logits}, {upstream})[0], 1e-14);
}

template <class F>
void for_all_losses(std::size_t classes, const F& f) {
  const auto with_modulator = [&](auto modulator) {
    f(modulator, MeanByCount{});
    f(modulator, MeanByWeight{});
    f(modulator, SumOverRows{});
    f(modulator, MeanPerClass{classes});
    f(modulator, MeanPerGroup{testing::kGroups});
  };
  with_modulator(CrossEntropy{});
  with_modulator(Focal{2.0});
  // The others with one bucket and with several; all combinations are those of the core's test.
  f(CrossEntropy{}, EvenAndOdd{});
  f(poly1(Focal{1.0}, 0.5), MeanByWeight{});
  f(poly1(Focal{1.0}, 0.5), EvenAndOdd{});
  f(Tsallis{}, SumOverRows{});
  f(Tsallis{}, MeanPerGroup{testing::kGroups});
}

// The kernel, tensor operations, and autograd of the operations' value: three ways to one gradient,
// two to its derivative.
void expect_operations_equal_kernel(at::Device device) {
  std::mt19937_64 random(2);
  for (const std::size_t classes : {2U, 20U}) {
    for (unsigned step = 0; step < testing::kVariants; step += 19) {
      const auto kind = step % 3 == 0 ? TargetKind::kProbabilities : TargetKind::kIndices;
      const unsigned variant = kind == TargetKind::kIndices ? step : step & ~testing::kNeedIndices;
      const Batch batch = make_batch(12, classes, random, 1.5);
      for_all_losses(classes, [&](auto modulator, auto reduction) {
        const auto loss = make_loss(variant, classes, random, modulator, reduction);
        const Tensors on_cpu = to_tensors(batch, at::kCPU, kind);
        const Tensors there = to_tensors(batch, device, kind);
        const auto tensors =
            detail::make_tensors(equipoise::detail::settings_of(loss), there.logits.options(),
                                 static_cast<std::int64_t>(classes));
        const at::Tensor by_kernel =
            libtorch::value(loss, on_cpu.logits, on_cpu.targets, on_cpu.arguments);
        const auto by_operations = detail::softmax_by_operations(
            detail::softmax_of_tensors("value", loss), tensors, there.logits, there.targets,
            there.arguments, {.gradient = true});
        expect_close(by_operations.loss.detach().cpu(), by_kernel.detach(), 1e-13);
        const at::Tensor gradient = gradient_of(by_kernel, on_cpu.logits);
        expect_close(by_operations.gradient.detach().cpu(), gradient, 1e-13);
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

TEST(SoftmaxLoss, OperationsEqualTheKernelAndAutograd) { expect_operations_equal_kernel(at::kCPU); }

TEST(SoftmaxLoss, OperationsEqualTheKernelOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  expect_operations_equal_kernel(at::kCUDA);
}

TEST(SoftmaxLoss, BackwardTwiceGivesTheSameGradient) {
  const at::Tensor logits = at::randn({5, 3}).set_requires_grad(true);
  const at::Tensor targets = at::randint(0, 3, {5}, at::kLong);
  const at::Tensor loss = libtorch::value(equipoise::SoftmaxLoss<Focal>{}, logits, targets) * 3;
  const at::Tensor first = gradient_of(loss, logits);
  EXPECT_TRUE(at::equal(first, gradient_of(loss, logits)));
}

// Rows that are sure of their target, or of another class, to the last digit and beyond it.
TEST(SoftmaxLoss, SecondDerivativesOfSaturatedRows) {
  const at::Tensor logits = at::tensor({40.0, 0.0, 0.0, -40.0, 0.0, 0.0, 20.0, 1.0, 0.0, 800.0, 0.0,
                                        0.0, -800.0, 0.0, 0.0, 0.5, 0.0, 1.0},
                                       at::kDouble)
                                .view({6, 3});
  const at::Tensor targets = at::zeros({6}, at::kLong);
  const auto expect = [&](auto modulator) {
    equipoise::SoftmaxLoss<decltype(modulator)> loss;
    loss.modulator = modulator;
    testing::expect_second_derivatives(
        logits, [&](const at::Tensor& z) { return libtorch::value(loss, z, targets); });
    const at::Tensor one_hot = at::one_hot(targets, 3);
    testing::expect_second_derivatives(logits, [&](const at::Tensor& z) {
      return libtorch::value(loss, z, one_hot.to(z.scalar_type()));
    });
  };
  for (const double gamma : {0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0}) expect(Focal{gamma});
  expect(poly1(Focal{0.25}, 0.5));
  expect(Tsallis{});
}

// By hand: with p = 1 - q, the gradient of a row is nearly -1.5 q^1.5 in the target, and all its
// derivatives vanish with q.
TEST(SoftmaxLoss, SecondDerivativesAtACertainRowAreZero) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const at::Tensor logits =
        at::tensor({40.0, 0.0, 0.0}).to(type).view({1, 3}).set_requires_grad(true);
    equipoise::SoftmaxLoss<Focal> loss;
    loss.modulator.gamma = 0.5;
    const at::Tensor gradient =
        gradient_of(libtorch::value(loss, logits, at::zeros({1}, at::kLong)), logits, true);
    const at::Tensor second = gradient_of(gradient.select(1, 0).sum(), logits);
    EXPECT_LT(second.abs().max().item<double>(), 1e-24);  // q = 8.5e-18
  }
}

// What an ignored row, or one of weight zero, holds does not get into second derivatives either.
TEST(SoftmaxLoss, IdleRowsHaveNoSecondDerivatives) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor logits = at::tensor({0.5, 1.0, 0.0, nan, 0.0, 0.0, 800.0, nan, 1.0}, at::kDouble)
                                .view({3, 3})
                                .set_requires_grad(true);
  const auto expect = [&](const at::Tensor& targets, const LossArguments& arguments) {
    const at::Tensor gradient = gradient_of(
        libtorch::value(equipoise::SoftmaxLoss<Focal>{}, logits, targets, arguments), logits, true);
    const at::Tensor second = gradient_of(gradient.pow(2).sum(), logits);
    EXPECT_GT(second[0].abs().sum().item<double>(), 0);
    EXPECT_TRUE(at::equal(second.slice(0, 1), at::zeros({2, 3}, at::kDouble)));
  };
  LossArguments arguments;
  arguments.sample_weights = at::tensor({1, 1, 0});
  expect(at::tensor({0, -100, 1}, at::kLong), arguments);
  const at::Tensor probabilities = at::full({3, 3}, 1.0 / 3, at::kDouble);
  probabilities[1].fill_(nan);
  arguments.mask = at::tensor({1, 0, 1});
  expect(probabilities, arguments);
}

// Memory that does not hold the numbers themselves: a negation, or a zero, that was put off.
TEST(SoftmaxLoss, ReadsTensorsWhoseNegationIsPending) {
  using testing::negation_pending;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf}) {
    const at::Tensor logits = at::randn({4, 3}, at::kDouble).to(at::kFloat).to(type);
    const at::Tensor lazy_logits =
        (type == at::kHalf ? at::_neg_view(logits.neg()) : negation_pending(logits));
    ASSERT_TRUE(lazy_logits.is_neg());
    const at::Tensor labels = at::tensor({0, 2, 1, 1}, at::kLong);
    const at::Tensor probabilities = at::rand({4, 3}, at::kDouble);
    LossArguments plain;
    plain.sample_weights = at::rand({4}, at::kDouble);
    plain.denominators = at::full({1}, 2.0, at::kDouble);
    LossArguments lazy = plain;
    lazy.sample_weights = negation_pending(plain.sample_weights);
    lazy.denominators = negation_pending(plain.denominators);
    plain.groups = at::tensor({0, 1, 1, 0}, at::kLong);
    lazy.groups = at::_neg_view(plain.groups.neg());
    equipoise::SoftmaxLoss<Focal> loss;
    loss.group_weights = {1, 2};
    const auto expect = [&](const at::Tensor& targets, const at::Tensor& lazy_targets) {
      const at::Tensor z = logits.detach().clone().set_requires_grad(true);
      const at::Tensor lazy_z = lazy_logits.detach().set_requires_grad(true);
      ASSERT_TRUE(lazy_z.is_neg());
      const at::Tensor expected = libtorch::value(loss, z, targets, plain);
      const at::Tensor value = libtorch::value(loss, lazy_z, lazy_targets, lazy);
      EXPECT_TRUE(at::equal(value, expected));
      EXPECT_TRUE(at::equal(gradient_of(value, lazy_z), gradient_of(expected, z)));
      EXPECT_TRUE(at::equal(denominators(loss, lazy_targets, 3, lazy),
                            libtorch::denominators(loss, targets, 3, plain)));
    };
    expect(labels, at::_neg_view(labels.neg()));
    expect(probabilities, negation_pending(probabilities));
  }
  EXPECT_NO_THROW(check_targets(at::_neg_view(at::tensor({0, -1, -2}, at::kLong)), 3));
}

TEST(SoftmaxLoss, ReadsAnUpstreamGradientThatIsPending) {
  const at::Tensor logits = at::randn({4, 3}, at::kDouble).set_requires_grad(true);
  const at::Tensor loss =
      libtorch::value(equipoise::SoftmaxLoss<Focal>{}, logits, at::tensor({0, 2, 1, 1}, at::kLong));
  const auto with = [&](const at::Tensor& upstream) {
    return torch::autograd::grad({loss}, {logits}, {upstream}, /*retain_graph=*/true)[0];
  };
  const at::Tensor one = at::ones({}, at::kDouble);
  // What lies in the memory of minus one is a one.
  EXPECT_TRUE(at::equal(with(testing::negation_pending(one.neg())), with(one).neg()));
  EXPECT_EQ(with(at::_efficientzerotensor({}, at::kDouble)).abs().sum().item<double>(), 0.0);
  EXPECT_EQ(
      libtorch::value(equipoise::SoftmaxLoss<>{}, at::_efficientzerotensor({4, 3}, at::kDouble),
                      at::tensor({0, 2, 1, 1}, at::kLong))
          .item<double>(),
      libtorch::value(equipoise::SoftmaxLoss<>{}, at::zeros({4, 3}, at::kDouble),
                      at::tensor({0, 2, 1, 1}, at::kLong))
          .item<double>());
}

TEST(SoftmaxLoss, ReadsStridedLogits) {
  const at::Tensor wide = at::randn({40, 60}, at::kDouble);
  const at::Tensor targets = at::randint(0, 30, {40}, at::kLong);
  for (const at::Tensor& view :
       {wide.slice(1, 0, 60, 2), wide.slice(1, 10, 40), wide.t().slice(0, 0, 40).slice(1, 5, 35)}) {
    const at::Tensor strided = view.detach().set_requires_grad(true);
    const at::Tensor dense = view.contiguous().set_requires_grad(true);
    const at::Tensor a = libtorch::value(equipoise::SoftmaxLoss<>{}, strided, targets);
    const at::Tensor b = libtorch::value(equipoise::SoftmaxLoss<>{}, dense, targets);
    EXPECT_TRUE(at::equal(a, b));
    EXPECT_TRUE(at::equal(gradient_of(a, strided), gradient_of(b, dense)));
  }
}

TEST(SoftmaxLoss, HalfTypesComputeInFloat) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor logits = (at::randn({20, 7}) * 2).to(type).set_requires_grad(true);
    const at::Tensor targets = at::randint(0, 7, {20}, at::kLong);
    const at::Tensor exact = logits.detach().to(at::kFloat).set_requires_grad(true);
    const at::Tensor a = libtorch::value(equipoise::SoftmaxLoss<Focal>{}, logits, targets);
    const at::Tensor b = libtorch::value(equipoise::SoftmaxLoss<Focal>{}, exact, targets);
    EXPECT_EQ(a.scalar_type(), at::kFloat);
    expect_close(a, b, 50 * std::numeric_limits<float>::epsilon());
    expect_close(gradient_of(a, logits), gradient_of(b, exact).to(type), 1e-2);
  }
}

TEST(SoftmaxLoss, MicroBatchesWithSharedDenominatorsEqualTheWhole) {
  std::mt19937_64 random(3);
  const Batch batch = make_batch(40, 6, random);
  for_all_losses(6, [&](auto modulator, auto reduction) {
    const auto loss = make_loss(23, 6, random, modulator, reduction);
    const Tensors all = to_tensors(batch);
    const at::Tensor whole = libtorch::value(loss, all.logits, all.targets, all.arguments);
    const auto part = [&](std::int64_t begin) {
      Tensors result = all;
      result.logits = all.logits.slice(0, begin, begin + 8);
      result.targets = all.targets.slice(0, begin, begin + 8);
      result.arguments.sample_weights = all.arguments.sample_weights.slice(0, begin, begin + 8);
      result.arguments.groups = all.arguments.groups.slice(0, begin, begin + 8);
      return result;
    };
    at::Tensor denominators =
        at::zeros({static_cast<std::int64_t>(loss.reduction.buckets())}, at::kDouble);
    for (std::int64_t begin = 0; begin < 40; begin += 8) {
      const Tensors some = part(begin);
      denominators = denominators + libtorch::denominators(loss, some.targets, 6, some.arguments);
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

// Meta tensors hold no data: reading one on the host throws. Uploads they do not notice, so what
// the operations are given is looked at as well.
TEST(SoftmaxLoss, NeitherReadsTheDeviceNorUploads) {
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor logits = at::empty({6, 4}, meta).set_requires_grad(true);
  LossArguments arguments;
  arguments.sample_weights = at::empty({6}, meta);
  arguments.groups = at::empty({6}, meta.dtype(at::kLong));
  const auto call = [&](auto modulator, auto reduction, const detail::SoftmaxTensors* tensors,
                        const at::Tensor& targets) {
    SoftmaxLoss<decltype(modulator), decltype(reduction)> loss;
    loss.modulator = modulator;
    loss.reduction = reduction;
    loss.label_smoothing = 0.1;
    if (tensors == nullptr) loss.class_weights.assign(4, 1.0);
    const at::Tensor value = detail::call_softmax(detail::softmax_of_tensors("value", loss),
                                                  tensors, logits, targets, arguments, {})
                                 .loss;
    EXPECT_TRUE(gradient_of(value, logits).is_meta());
    EXPECT_TRUE(gradient_of(value, logits, /*create_graph=*/true).is_meta());
  };
  const at::Tensor indices = at::empty({6}, meta.dtype(at::kLong));
  const testing::RecordedOperations operations;
  // With terms for all rows, by group, and with those that distributions may have.
  for (const std::vector<std::int64_t>& terms : {std::vector<std::int64_t>{4}, {3, 4}}) {
    detail::SoftmaxTensors tensors;
    tensors.class_weights = at::empty({4}, meta);
    tensors.group_weights = at::empty({3}, meta);
    tensors.scale = tensors.shift = at::empty(terms, meta);
    for_all_losses(4, [&](auto modulator, auto reduction) {
      call(modulator, reduction, &tensors, at::empty({6, 4}, meta));
    });
    tensors.margin = at::empty(terms, meta);
    tensors.pair_shift = at::empty({4, 4}, meta);
    tensors.seesaw_counts = at::empty({4}, meta);
    for_all_losses(
        4, [&](auto modulator, auto reduction) { call(modulator, reduction, &tensors, indices); });
  }
  EXPECT_FALSE(testing::RecordedOperations::host_tensor());
  const std::set<std::string>& seen = testing::RecordedOperations::names();
  EXPECT_TRUE(seen.count("aten::log_softmax") + seen.count("aten::_log_softmax") > 0);
  for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                           "aten::is_nonzero", "aten::equal", "aten::cpu"}) {
    EXPECT_EQ(seen.count(name), 0u) << name;
  }
  EXPECT_THROW(logits.sum().item<float>(), std::exception) << "meta tensors can be read";
  call(CrossEntropy{}, MeanByCount{}, nullptr, indices);
  EXPECT_TRUE(testing::RecordedOperations::host_tensor()) << "uploads are not seen";
}

TEST(SoftmaxLoss, RunsOnMetaWithItsOwnConstants) {
  const auto meta = at::TensorOptions().device(at::kMeta);
  std::mt19937_64 random(4);
  auto loss = make_loss(testing::kVariants - 1, 4, random, Focal{}, MeanPerClass{4});
  LossArguments arguments;
  arguments.groups = at::empty({2, 5}, meta.dtype(at::kLong));
  arguments.class_dim = 1;
  const at::Tensor logits = at::empty({2, 4, 5}, meta).set_requires_grad(true);
  const at::Tensor targets = at::empty({2, 5}, meta.dtype(at::kLong));
  EXPECT_EQ(libtorch::value(loss, logits, targets, arguments).dim(), 0);
  const at::Tensor rows = libtorch::unreduced(loss, logits, targets, arguments);
  EXPECT_EQ(rows.sizes(), targets.sizes());
  EXPECT_EQ(gradient_of(rows.sum(), logits).sizes(), logits.sizes());
}

// Token logits in both orders, contiguous and not, against their rows one after the other.
TEST(SoftmaxLoss, TakesTokenLogits) {
  std::mt19937_64 random(5);
  for (const std::int64_t classes : {3, 20}) {
    for (const bool probabilities : {false, true}) {
      const unsigned variant = 1 + 2 + 4 + 16 + 64 + 128;
      const auto loss =
          make_loss(variant, static_cast<std::size_t>(classes), random, Focal{}, MeanByWeight{});
      const at::Tensor rows = at::randn({4 * 6, classes}, at::kDouble);
      at::Tensor row_targets = at::randint(0, classes, {4 * 6}, at::kLong);
      row_targets.slice(0, 0, 5).fill_(-100);
      if (probabilities) row_targets = at::rand({4 * 6, classes}, at::kDouble);
      LossArguments arguments;
      arguments.groups = at::randint(0, 3, {4 * 6}, at::kLong);
      arguments.sample_weights = at::rand({4 * 6}, at::kDouble);
      const at::Tensor z = rows.detach().set_requires_grad(true);
      const at::Tensor expected = libtorch::value(loss, z, row_targets, arguments);
      const at::Tensor expected_gradient = gradient_of(expected, z).view({4, 6, classes});
      const at::Tensor expected_rows = libtorch::unreduced(loss, z, row_targets, arguments);

      for (const bool class_first : {false, true}) {
        for (const bool contiguous : {false, true}) {
          const auto arrange = [&](const at::Tensor& cube) {
            const at::Tensor result = class_first ? cube.transpose(1, 2) : cube;
            return contiguous ? result.contiguous() : result;
          };
          LossArguments of_tokens = arguments;
          of_tokens.class_dim = class_first ? 1 : -1;
          of_tokens.groups = arguments.groups.view({4, 6});
          of_tokens.sample_weights = arguments.sample_weights.view({4, 6});
          const at::Tensor tokens =
              arrange(rows.view({4, 6, classes})).detach().set_requires_grad(true);
          const at::Tensor targets =
              probabilities ? arrange(row_targets.view({4, 6, classes})) : row_targets.view({4, 6});
          const at::Tensor value = libtorch::value(loss, tokens, targets, of_tokens);
          expect_close(value, expected, 1e-14);
          expect_close(gradient_of(value, tokens), arrange(expected_gradient), 1e-14);
          expect_close(libtorch::unreduced(loss, tokens, targets, of_tokens),
                       expected_rows.view({4, 6}), 1e-14);
          const at::Tensor first = gradient_of(value, tokens, true);
          EXPECT_TRUE(gradient_of(first.pow(2).sum(), tokens).defined());
          expect_close(libtorch::denominators(loss, targets, classes, of_tokens),
                       denominators(loss, row_targets, classes, arguments), 1e-14);
        }
      }
    }
  }
}

TEST(SoftmaxLoss, EmptyShapes) {
  for (const at::ScalarType type : {at::kDouble, at::kBFloat16}) {
    for (const auto& [rows, classes] :
         {std::pair<std::int64_t, std::int64_t>{0, 3}, {3, 0}, {0, 0}, {1, 1}}) {
      const at::Tensor logits = at::randn({rows, classes}).to(type).set_requires_grad(true);
      const at::Tensor targets = at::full({rows}, -100, at::kLong);
      const at::Tensor loss = libtorch::value(equipoise::SoftmaxLoss<Focal>{}, logits, targets);
      EXPECT_EQ(loss.item<double>(), 0.0);
      EXPECT_EQ(gradient_of(loss, logits).sizes(), logits.sizes());
      EXPECT_EQ(libtorch::unreduced(equipoise::SoftmaxLoss<>{}, logits, targets).sizes(),
                targets.sizes());
    }
  }
}

// Whatever size is 0: the value of an empty batch, and a gradient of the shape of the logits.
TEST(SoftmaxLoss, EmptyShapesOfManyDimensions) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const auto expect = [&](at::IntArrayRef sizes, const at::Tensor& targets,
                            std::optional<std::int64_t> class_dim) {
      const at::Tensor logits = at::zeros(sizes).to(type).set_requires_grad(true);
      LossArguments arguments;
      arguments.class_dim = class_dim;
      equipoise::SoftmaxLoss<Focal> loss;
      EXPECT_EQ(libtorch::value(loss, logits, targets, arguments).item<double>(), 0.0);
      loss.empty_batch = EmptyBatch::kNaN;
      const at::Tensor nan = libtorch::value(loss, logits, targets, arguments);
      EXPECT_TRUE(std::isnan(nan.item<double>()));
      EXPECT_EQ(gradient_of(nan, logits).sizes(), sizes);
      EXPECT_EQ(libtorch::unreduced(loss, logits, targets, arguments).numel(),
                logits.size(class_dim.value_or(-1)) == 0 ? logits.size(0) : 0);
      EXPECT_EQ(
          libtorch::denominators(loss, targets, logits.size(class_dim.value_or(-1)), arguments)
              .item<double>(),
          0.0);
      equipoise::SoftmaxLoss<Focal, MeanPerClass> per_class;
      per_class.reduction.classes = static_cast<std::size_t>(logits.size(class_dim.value_or(-1)));
      EXPECT_EQ(libtorch::value(per_class, logits, targets, arguments).item<double>(), 0.0);
    };
    expect({2, 3, 5, 0}, at::zeros({2, 5, 0}, at::kLong), 1);
    expect({2, 3, 5, 0}, at::zeros({2, 3, 5, 0}), 1);
    expect({0, 4, 3}, at::zeros({0, 4}, at::kLong), -1);
    expect({4, 0, 3}, at::zeros({4, 0, 3}), -1);
    expect({3, 0}, at::zeros({3, 0}), {});
    expect({3, 0}, at::full({3}, -100, at::kLong), {});
  }
}

// The counts of the step as an argument do what they do in the loss.
TEST(SoftmaxLoss, SeesawCountsAreAnArgument) {
  const at::Tensor targets = at::tensor({0, 0, 2, 0, -100}, at::kLong);
  at::Tensor counts = at::zeros({3}, at::kDouble);
  add_to_seesaw_counts(counts, targets);
  expect_close(counts, at::tensor({3.0, 0.0, 1.0}, at::kDouble), 0);
  at::Tensor without_padding = at::zeros({3}, at::kDouble);
  add_to_seesaw_counts(without_padding, targets, /*ignore_index=*/0);
  expect_close(without_padding, at::tensor({0.0, 0.0, 1.0}, at::kDouble), 0);
  LossArguments arguments;
  arguments.seesaw_counts = counts;
  SoftmaxLoss<> loss;
  loss.seesaw.counts = {3, 0, 1};
  for (const at::ScalarType type : {at::kDouble, at::kHalf}) {
    const at::Tensor logits = at::randn({5, 3}).to(type).set_requires_grad(true);
    const at::Tensor expected = libtorch::value(loss, logits, targets);
    EXPECT_TRUE(at::equal(libtorch::value(SoftmaxLoss<>{}, logits, targets, arguments), expected));
    EXPECT_FALSE(at::equal(libtorch::value(SoftmaxLoss<>{}, logits, targets), expected));
  }
}

TEST(SoftmaxLoss, SharesAreAnArgument) {
  std::mt19937_64 random(6);
  const Tensors data = to_tensors(make_batch(30, 4, random));
  LossArguments arguments = data.arguments;
  arguments.shares = at::tensor({0.5, 0.25, 0.25}, at::kDouble);
  const SoftmaxLoss<CrossEntropy, MeanPerGroup> loss{{}, {testing::kGroups}};
  const at::Tensor rows = libtorch::unreduced(loss, data.logits, data.targets, data.arguments);
  at::Tensor expected = at::zeros({}, at::kDouble);
  for (std::int64_t g = 0; g < 3; ++g) {
    const at::Tensor own = data.arguments.groups.eq(g).bitwise_and(data.targets.ne(-100));
    expected = expected + arguments.shares[g] * rows.masked_select(own).sum() /
                              data.arguments.sample_weights.masked_select(own).sum();
  }
  expect_close(libtorch::value(loss, data.logits, data.targets, arguments), expected, 1e-14);
  const auto by_operations = detail::softmax_by_operations(
      detail::softmax_of_tensors("value", loss), {}, data.logits, data.targets, arguments, {});
  expect_close(by_operations.loss, expected, 1e-14);
}

// What a device computes with the constants of the loss, here on the CPU.
template <class M, class R>
detail::LossAndGradient in_place(const SoftmaxLoss<M, R>& loss, const at::Tensor& logits,
                                 const at::Tensor& targets, const LossArguments& arguments,
                                 const detail::Wanted& wanted) {
  const auto tensors =
      detail::make_tensors(equipoise::detail::settings_of(loss), logits.options(), logits.size(1));
  return detail::softmax_in_place(detail::softmax_of_tensors("value", loss), tensors, logits,
                                  targets, arguments, wanted);
}

// However it is reduced, and whatever else weighs its row.
TEST(SoftmaxLoss, AnInvalidTargetOnADeviceMakesNaN) {
  const at::Tensor logits = at::randn({3, 4}, at::kDouble);
  const auto expect_nan = [&](const auto& loss, const LossArguments& arguments) {
    for (const std::int64_t invalid : {-1, 4, -99}) {
      for (const bool gradient : {false, true}) {
        const at::Tensor targets = at::tensor({std::int64_t{0}, invalid, std::int64_t{-100}});
        const detail::Wanted wanted{.gradient = gradient};
        EXPECT_TRUE(
            in_place(loss, logits, targets, arguments, wanted).loss.isnan().template item<bool>());
        const at::Tensor rows =
            in_place(loss, logits, targets, arguments, {.unreduced = true}).loss;
        EXPECT_EQ(rows.isnan().sum().template item<int>(), 1);
        EXPECT_TRUE(rows[1].isnan().template item<bool>());
        const at::Tensor by_operations =
            detail::softmax_by_operations(
                detail::softmax_of_tensors("value", loss),
                detail::make_tensors(equipoise::detail::settings_of(loss), logits.options(), 4),
                logits, targets, arguments, wanted)
                .loss;
        EXPECT_TRUE(by_operations.isnan().template item<bool>());
      }
    }
  };
  LossArguments weightless;  // the row of the invalid target has no weight
  weightless.sample_weights = at::tensor({1.0, 0.0, 1.0}, at::kDouble);
  LossArguments with_denominators;
  with_denominators.denominators = at::tensor({5.0}, at::kDouble);
  for (const LossArguments& arguments : {LossArguments{}, weightless, with_denominators}) {
    expect_nan(SoftmaxLoss<>{}, arguments);
    SoftmaxLoss<CrossEntropy, MeanByWeight> weighted;
    weighted.class_weights = {0, 1, 1, 0};  // as have the classes nearest to the invalid targets
    expect_nan(weighted, arguments);
    weighted.label_smoothing = 0.1;
    expect_nan(weighted, arguments);
    expect_nan(SoftmaxLoss<Focal, SumOverRows>{}, arguments);
  }
}

// Of a class that cannot be, a target of 0 adds nothing and any other makes the loss infinite.
TEST(SoftmaxLoss, DistributionsOverAnImpossibleClassOnADevice) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor logits = at::tensor({0.0, 0.0, -kInfinity}, at::kDouble).to(type).unsqueeze(0);
    const at::Tensor possible = at::tensor({0.5, 0.5, 0.0}, at::kDouble).to(type).unsqueeze(0);
    const auto found = in_place(SoftmaxLoss<>{}, logits, possible, {}, {.gradient = true});
    expect_close(found.loss.to(at::kDouble), at::full({}, std::log(2.0), at::kDouble), 1e-7);
    expect_close(found.make_gradient(at::ones({}, type), type).to(at::kDouble),
                 at::zeros({1, 3}, at::kDouble), 1e-7);
    const at::Tensor impossible = at::tensor({0.5, 0.4999, 1e-4}, at::kDouble).to(type);
    EXPECT_EQ(in_place(SoftmaxLoss<>{}, logits, impossible.unsqueeze(0), {}, {})
                  .loss.to(at::kDouble)
                  .item<double>(),
              kInfinity);
  }
}

// Large calls process some rows at a time, in parts that are not even, with or without terms of the
// logits. Logits of ignored rows may be NaN.
TEST(SoftmaxLoss, RowsInPartsAreThoseOfTheWhole) {
  at::manual_seed(8);
  constexpr std::int64_t kRows = 5003;
  constexpr std::int64_t kClasses = 211;  // more than 2^20 logits
  const at::Tensor logits = at::randn({kRows, kClasses}, at::kDouble);
  const at::Tensor targets = at::randint(kClasses, {kRows}, at::kLong);
  for (const std::int64_t row : {0, 2500, 5002}) {
    targets[row] = -100;
    logits[row][3] = NAN;
  }
  const auto expect_same = [&](const SoftmaxLoss<>& loss, const at::Tensor& given,
                               const LossArguments& arguments) {
    const auto found = in_place(loss, logits, given, arguments, {.gradient = true});
    const at::Tensor leaf = logits.clone().set_requires_grad(true);
    const at::Tensor expected = libtorch::value(loss, leaf, given, arguments);
    expect_close(found.loss, expected.detach(), 1e-13);
    expect_close(found.make_gradient(at::ones({}, at::kDouble), at::kDouble),
                 gradient_of(expected, leaf), 1e-13);
  };
  SoftmaxLoss<> loss;
  expect_same(loss, targets, {});
  LossArguments arguments;
  arguments.mask = targets.ne(-100);
  expect_same(loss, at::rand({kRows, kClasses}, at::kDouble).softmax(1), arguments);
  loss.label_smoothing = 0.1;
  expect_same(loss, targets, {});
  loss.label_smoothing = 0;
  for (std::int64_t c = 0; c < kClasses; ++c) {
    const auto x = static_cast<double>(c);
    loss.logit_terms.scale.push_back(1 + x / kClasses);
    loss.logit_terms.shift.push_back(std::sin(x));
    loss.logit_terms.margin.push_back(0.01 * x);
  }
  expect_same(loss, targets, {});
}

// A row that is ignored may be of any group; another one of a group without a bucket makes NaN.
TEST(SoftmaxLoss, AGroupWithoutABucketOnADeviceMakesNaN) {
  const at::Tensor logits = at::randn({3, 2}, at::kDouble);
  const at::Tensor targets = at::tensor({0, -100, 1}, at::kLong);
  const SoftmaxLoss<CrossEntropy, MeanPerGroup> loss{{}, {2}};
  const auto value = [&](at::Tensor groups) {
    LossArguments arguments;
    arguments.groups = std::move(groups);
    return detail::softmax_by_operations(detail::softmax_of_tensors("value", loss), {}, logits,
                                         targets, arguments, {})
        .loss.item<double>();
  };
  EXPECT_TRUE(std::isfinite(value(at::tensor({0, -1, 1}, at::kLong))));
  EXPECT_TRUE(std::isnan(value(at::tensor({0, 0, 2}, at::kLong))));
  EXPECT_TRUE(std::isnan(value(at::tensor({0, 0, -1}, at::kLong))));
}

// The table of docs/losses.md, on the kernel and by tensor operations.
TEST(SoftmaxLoss, ValuesAtTheEdge) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto expect = [&](const auto& loss, const std::vector<double>& row, std::int64_t target,
                          double expected, const at::Tensor& expected_gradient) {
    const at::Tensor logits = at::tensor(row, at::kDouble).unsqueeze(0).set_requires_grad(true);
    const at::Tensor targets = at::tensor({target}, at::kLong);
    const auto tensors = detail::make_tensors(equipoise::detail::settings_of(loss),
                                              logits.options(), logits.size(1));
    const auto by_operations =
        detail::softmax_by_operations(detail::softmax_of_tensors("value", loss), tensors, logits,
                                      targets, {}, {.gradient = true});
    const at::Tensor by_kernel = libtorch::value(loss, logits, targets);
    const at::Tensor gradient = gradient_of(by_kernel, logits);
    for (const at::Tensor& value : {by_kernel, by_operations.loss}) {
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(value.item<double>()));
      } else if (std::isinf(expected)) {
        EXPECT_EQ(value.item<double>(), expected);
      } else {
        EXPECT_NEAR(value.item<double>(), expected, 1e-15);
      }
    }
    if (!expected_gradient.defined()) return;
    expect_close(gradient[0], expected_gradient, 1e-15);
    expect_close(by_operations.gradient[0].detach(), expected_gradient, 1e-15);
  };
  const auto numbers = [](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble);
  };
  const SoftmaxLoss<> plain;
  SoftmaxLoss<> weighted;
  weighted.class_weights = {0, 1};
  const at::Tensor none;
  expect(plain, {-kInfinity, -kInfinity}, 0, std::nan(""), none);
  expect(plain, {kInfinity, 0}, 1, std::nan(""), none);
  expect(plain, {std::nan(""), 0}, 1, std::nan(""), none);
  expect(plain, {0, 0, -kInfinity}, 0, std::log(2.0), numbers({-0.5, 0.5, 0}));
  expect(plain, {-kInfinity, 0}, 0, kInfinity, numbers({-1, 1}));
  expect(SoftmaxLoss<Focal>{}, {-kInfinity, 0}, 0, kInfinity, numbers({-1, 1}));
  expect(weighted, {-kInfinity, 0}, 0, 0, numbers({0, 0}));
  expect(weighted, {std::nan(""), 0}, 0, 0, numbers({0, 0}));
  expect(plain, {1e4, -1e4}, 1, 2e4, numbers({1, -1}));
  expect(plain, {3}, 0, 0, numbers({0}));
}

TEST(SoftmaxLossErrors, NoGradientFlowsToTargetsOrWeights) {
  const at::Tensor logits = at::zeros({2, 2}, at::kDouble).set_requires_grad(true);
  const at::Tensor probabilities = at::full({2, 2}, 0.5, at::kDouble).set_requires_grad(true);
  EXPECT_EQ(error_of([&] { libtorch::value(SoftmaxLoss<>{}, logits, probabilities); }),
            "value(): targets.requires_grad() = 1, expected 0: no gradient flows to targets");
  LossArguments arguments;
  arguments.sample_weights = at::ones({2}, at::kDouble).set_requires_grad(true);
  EXPECT_EQ(error_of([&] {
              libtorch::value(SoftmaxLoss<>{}, logits, at::zeros({2}, at::kLong), arguments);
            }),
            "value(): sample_weights.requires_grad() = 1, expected 0: no gradient flows to "
            "sample_weights");
}

TEST(SoftmaxLossErrors, DenominatorsAndHalfTypesOnTheCpuAreChecked) {
  SoftmaxLoss<CrossEntropy, MeanPerGroup> loss{{}, {2}};
  const at::Tensor targets = at::tensor({0, 3}, at::kLong);
  EXPECT_EQ(error_of([&] { libtorch::denominators(loss, targets, 3); }),
            "denominators(): groups.numel() = 0, expected one group a row");
  EXPECT_EQ(error_of([&] { denominators(SoftmaxLoss<>{}, targets, 3); }),
            "denominators(): targets[1] = 3, expected a class in [0, 3) or the ignore "
            "index -100");
  EXPECT_EQ(error_of([&] {
              libtorch::value(SoftmaxLoss<>{}, at::zeros({2, 3}, at::kBFloat16), targets);
            }),
            "value(): targets[1] = 3, expected a class in [0, 3) or the ignore index -100");
}

// With the kernel, and of half types, which compute in float.
TEST(SoftmaxLossErrors, NameWhatTheTypeOfTheLogitsDoesNotHold) {
  const at::Tensor targets = at::tensor({0, 1}, at::kLong);
  const std::string floats =
      ", expected 0 or a number in [1.1754944e-38, 3.4028235e+38], as the type of the logits has "
      "it";
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    const auto call = [&](const auto& change) {
      equipoise::SoftmaxLoss<Focal> loss;
      LossArguments arguments;
      change(loss, arguments);
      return error_of([&] { libtorch::value(loss, at::zeros({2, 2}, type), targets, arguments); });
    };
    EXPECT_EQ(call([](auto& loss, auto&) {
                loss.class_weights = {1, 1e39};
              }),
              "value(): class_weights[1] = 1e+39" + floats);
    EXPECT_EQ(call([](auto& loss, auto&) {
                loss.class_weights = {1e-46, 1};
              }),
              "value(): class_weights[0] = 1e-46" + floats);
    EXPECT_EQ(call([](auto& loss, auto&) {
                loss.logit_terms.shift = {0, 1e39};
              }),
              "value(): logit_terms.shift[1] = 1e+39, expected at most 3.4028235e+38, the "
              "most that the type of the logits has");
    EXPECT_EQ(call([](auto&, auto& arguments) {
                arguments.sample_weights = at::tensor({1.0, 1e39}, at::kDouble);
              }),
              "value(): sample_weights[1] = 1e+39" + floats);
    EXPECT_EQ(call([](auto&, auto& arguments) {
                arguments.denominators = at::full({1}, 1e-46, at::kDouble);
              }),
              "value(): coefficients[0] = 1e+46" + floats);
    EXPECT_EQ(call([](auto&, auto& arguments) {
                arguments.denominators = at::full({1}, NAN, at::kDouble);
              }),
              "value(): denominators[0] = nan, expected a finite number >= 0");
    EXPECT_EQ(
        call([](auto&, auto& arguments) { arguments.shares = at::full({1}, -1.0, at::kDouble); }),
        "value(): shares[0] = -1, expected a finite number >= 0");
  }
}

// A reduction of one's own by group and class, by the kernel and by tensor operations.
TEST(SoftmaxLoss, TakesAReductionByGroupAndClass) {
  SoftmaxLoss<CrossEntropy, testing::MeanPerCell> loss;
  loss.reduction = {3, 2};
  loss.group_weights = {1, 5, 7};  // as many as there are groups, not cells
  const at::Tensor targets = at::tensor({0, 1, 0, 0}, at::kLong);
  LossArguments arguments;
  arguments.groups = at::tensor({0, 1, 2, 2}, at::kLong);
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    // Each cell's mean is ln 2 whatever its weights.
    EXPECT_NEAR(libtorch::value(loss, at::zeros({4, 2}, type), targets, arguments).item<double>(),
                std::log(2.0), 4 * std::numeric_limits<float>::epsilon());
  }
  EXPECT_EQ(error_of([&] {
              libtorch::value(loss, at::zeros({4, 2}), targets);
            }),
            "value(): groups.numel() = 0, expected one group a row");
  // On a device a row of a group that there is not is in no bucket, which makes its loss NaN.
  const at::Tensor groups = at::tensor({0, 2, 3, -1}, at::kLong);
  const detail::RowBuckets buckets =
      detail::bucket_rows(loss.reduction, {targets, at::ones({4}), groups, at::ones({4})});
  EXPECT_TRUE(at::equal(buckets.outside, at::tensor({0, 0, 1, 1}).to(at::kBool)));
  EXPECT_TRUE(at::equal(buckets.index.slice(0, 0, 2), at::tensor({0, 5}, at::kLong)));
}

TEST(SoftmaxLossErrors, NameWhatIsWrong) {
  const at::Tensor logits = at::zeros({2, 3});
  const auto call = [](const at::Tensor& z, const at::Tensor& y, const LossArguments& more = {}) {
    return error_of([&] { libtorch::value(equipoise::SoftmaxLoss<>{}, z, y, more); });
  };
  EXPECT_EQ(call(at::zeros({6}), at::zeros({2}, at::kLong)),
            "value(): logits.dim() = 1, expected at least 2 (N x C)");
  EXPECT_EQ(call(logits, at::zeros({3}, at::kLong)),
            "value(): targets.numel() = 3, expected 2 (rows of logits)");
  EXPECT_EQ(call(logits, at::tensor({0, 5}, at::kLong)),
            "value(): targets[1] = 5, expected a class in [0, 3) or the ignore index -100");
  EXPECT_EQ(call(logits, at::zeros({2}, at::TensorOptions().dtype(at::kLong).device(at::kMeta))),
            "value(): targets.device() = meta, expected cpu, the device of the logits");
  // With as many tokens as classes, both orders would give a number.
  EXPECT_EQ(call(at::zeros({2, 3, 3}), at::zeros({2, 3}, at::kLong)),
            "value(): class_dim = (not set), expected 1 for N x C x ... as LibTorch has it, "
            "or -1 for N x ... x C: the logits have 3 dimensions");
  EXPECT_EQ(error_of([] {
              denominators(equipoise::SoftmaxLoss<>{}, at::zeros({2, 3, 3}), 3);
            }),
            "denominators(): class_dim = (not set), expected 1 for N x C x ... as LibTorch "
            "has it, or -1 for N x ... x C: the targets have 3 dimensions");
  LossArguments tokens;
  tokens.class_dim = -1;
  EXPECT_EQ(call(at::zeros({2, 3, 4}), at::zeros({8}, at::kLong), tokens),
            "value(): targets.dim() = 1, expected 2 (the logits' less that of the classes)");
  EXPECT_EQ(call(logits, at::zeros({2, 2})),
            "value(): targets.numel() = 4, expected 6 (elements of logits)");
  EXPECT_EQ(call(logits, at::zeros({2})),
            "value(): targets.dim() = 1, expected 2 (probabilities, in the shape of the "
            "logits)");
  EXPECT_EQ(call(at::zeros({2, 4, 3}), at::zeros({4, 2}, at::kLong), tokens),
            "value(): targets.sizes() = [4, 2], expected [2, 4]");
  EXPECT_EQ(call(logits, at::zeros({3, 2})), "value(): targets.sizes() = [3, 2], expected [2, 3]");
  LossArguments of_buckets;
  of_buckets.denominators = at::ones({2}, at::kDouble);
  EXPECT_EQ(call(logits, at::zeros({2}, at::kLong), of_buckets),
            "value(): denominators.numel() = 2, expected 1 (buckets of the reduction)");
  EXPECT_EQ(call(logits, at::full({2, 3}, -1.0)),
            "value(): targets.probabilities[0][0] = -1, expected a finite number >= 0");
  LossArguments arguments;
  arguments.class_dim = 2;
  EXPECT_EQ(call(logits, at::zeros({2}, at::kLong), arguments),
            "value(): class_dim = 2, expected a dimension of the logits");
  arguments.class_dim = -1;
  arguments.mask = at::ones({2});
  EXPECT_EQ(call(logits, at::zeros({2}, at::kLong), arguments),
            "value(): mask.numel() = 2, expected no mask: index targets say with the ignore "
            "index which rows do not count");
  arguments.mask = at::Tensor();
  arguments.sample_weights = at::ones({3});
  EXPECT_EQ(call(logits, at::zeros({2}, at::kLong), arguments),
            "value(): sample_weights.numel() = 3, expected 2 (rows of logits)");
}

TEST(CheckTargets, NamesTheFirstThatIsNoClass) {
  check_targets(at::tensor({0, 2, -100}, at::kLong), 3);
  EXPECT_EQ(
      error_of([] {
        check_targets(at::tensor({0, -1, 3}, at::kLong), 3);
      }),
      "check_targets(): targets[1] = -1, expected a class in [0, 3) or the ignore index -100");
}

}  // namespace
}  // namespace equipoise::libtorch
