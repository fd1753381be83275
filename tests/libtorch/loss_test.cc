#include "equipoise/libtorch/loss.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/softmax_reference.h"

namespace equipoise::libtorch {
namespace {

using testing::Batch;
using testing::error_of;
using testing::make_batch;
using testing::make_loss;

at::Tensor gradient_of(const at::Tensor& loss, const at::Tensor& logits,
                       bool create_graph = false) {
  return torch::autograd::grad({loss}, {logits}, {}, /*retain_graph=*/true, create_graph)[0];
}

void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_TRUE(at::allclose(a, b, tolerance, tolerance, /*equal_nan=*/true))
      << (a - b).abs().max().item<double>();
}

struct Tensors {
  at::Tensor logits, targets;
  SoftmaxArguments arguments;
};

Tensors to_tensors(const Batch& batch, at::Device device = at::kCPU) {
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
          loss.semantics = Semantics::kTorch;
          loss.label_smoothing = smoothing;
          if (weighted) loss.class_weights = detail::to_vector(weights);
          const at::Tensor ours = softmax_loss(logits, targets, loss);
          const at::Tensor theirs = at::cross_entropy_loss(
              logits, targets, weighted ? weights : at::Tensor(), torch_reduction, -100, smoothing);
          // Relative to sums of at most 33 rows of up to 40 classes, in float on their side.
          expect_close(ours, theirs, 100 * epsilon);
          expect_close(gradient_of(ours, logits), gradient_of(theirs, logits), 100 * epsilon);
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
  expect_parity(Sum{}, at::Reduction::Sum, at::kDouble);
  expect_parity(Sum{}, at::Reduction::Sum, at::kFloat);
}

TEST(SoftmaxLoss, AllIgnoredIsZeroOrLibTorchsNaN) {
  const at::Tensor logits = at::randn({3, 4}).set_requires_grad(true);
  const at::Tensor targets = at::full({3}, -100, at::kLong);
  SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
  EXPECT_EQ(softmax_loss(logits, targets, loss).item<float>(), 0.0F);
  loss.empty_batch = EmptyBatch::kNaN;
  const at::Tensor theirs = at::cross_entropy_loss(logits, targets);
  EXPECT_TRUE(std::isnan(theirs.item<float>()));
  EXPECT_TRUE(std::isnan(softmax_loss(logits, targets, loss).item<float>()));
  EXPECT_EQ(gradient_of(softmax_loss(logits, targets, loss), logits).abs().sum().item<float>(), 0);
}

TEST(SoftmaxLoss, EqualsLibTorchsRows) {
  const at::Tensor logits = at::randn({9, 4}, at::kDouble).set_requires_grad(true);
  const at::Tensor targets = at::randint(0, 4, {9}, at::kLong);
  const at::Tensor upstream = at::randn({9}, at::kDouble);
  const at::Tensor ours = softmax_row_losses(logits, targets, equipoise::SoftmaxLoss<>{});
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
    f(modulator, Sum{});
    f(modulator, MeanPerClass{classes});
    f(modulator, MeanPerGroup{testing::kGroups});
  };
  with_modulator(CrossEntropy{});
  with_modulator(Focal{2.0});
}

// The kernel, tensor operations, and autograd of the operations' value: three ways to one gradient,
// two to its derivative.
void expect_operations_equal_kernel(at::Device device) {
  std::mt19937_64 random(2);
  for (const std::size_t classes : {2U, 20U}) {
    for (unsigned variant = 0; variant < testing::kVariants; variant += 3) {
      const Batch batch = make_batch(12, classes, random, 1.5);
      for_all_losses(classes, [&](auto modulator, auto reduction) {
        const auto loss = make_loss(variant, classes, random, modulator, reduction);
        const Tensors on_cpu = to_tensors(batch);
        const Tensors there = to_tensors(batch, device);
        const auto tensors = detail::make_tensors(loss, there.logits.options());
        const at::Tensor by_kernel =
            softmax_loss(on_cpu.logits, on_cpu.targets, loss, on_cpu.arguments);
        const auto by_operations = detail::softmax_by_operations(
            loss, tensors, there.logits, there.targets, there.arguments, false, true);
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
  const at::Tensor loss = softmax_loss(logits, targets, equipoise::SoftmaxLoss<Focal>{}) * 3;
  const at::Tensor first = gradient_of(loss, logits);
  EXPECT_TRUE(at::equal(first, gradient_of(loss, logits)));
}

TEST(SoftmaxLoss, ReadsStridedLogits) {
  const at::Tensor wide = at::randn({40, 60}, at::kDouble);
  const at::Tensor targets = at::randint(0, 30, {40}, at::kLong);
  for (const at::Tensor& view :
       {wide.slice(1, 0, 60, 2), wide.slice(1, 10, 40), wide.t().slice(0, 0, 40).slice(1, 5, 35)}) {
    const at::Tensor strided = view.detach().set_requires_grad(true);
    const at::Tensor dense = view.contiguous().set_requires_grad(true);
    const at::Tensor a = softmax_loss(strided, targets, equipoise::SoftmaxLoss<>{});
    const at::Tensor b = softmax_loss(dense, targets, equipoise::SoftmaxLoss<>{});
    EXPECT_TRUE(at::equal(a, b));
    EXPECT_TRUE(at::equal(gradient_of(a, strided), gradient_of(b, dense)));
  }
}

TEST(SoftmaxLoss, HalfTypesComputeInFloat) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor logits = (at::randn({20, 7}) * 2).to(type).set_requires_grad(true);
    const at::Tensor targets = at::randint(0, 7, {20}, at::kLong);
    const at::Tensor exact = logits.detach().to(at::kFloat).set_requires_grad(true);
    const at::Tensor a = softmax_loss(logits, targets, equipoise::SoftmaxLoss<Focal>{});
    const at::Tensor b = softmax_loss(exact, targets, equipoise::SoftmaxLoss<Focal>{});
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
    const at::Tensor whole = softmax_loss(all.logits, all.targets, loss, all.arguments);
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
      denominators = denominators + softmax_denominators(loss, some.targets, 6, some.arguments);
    }
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (std::int64_t begin = 0; begin < 40; begin += 8) {
      Tensors some = part(begin);
      some.arguments.denominators = denominators;
      sum = sum + softmax_loss(some.logits, some.targets, loss, some.arguments);
    }
    expect_close(sum, whole, 1e-12);
    expect_close(gradient_of(sum, all.logits), gradient_of(whole, all.logits), 1e-12);
  });
}

// Meta tensors hold no data: reading one on the host throws. Uploads they do not notice, so the
// operations that a call makes are looked at as well.
TEST(SoftmaxLoss, NeitherReadsTheDeviceNorUploads) {
  static std::set<std::string> seen;
  seen.clear();
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor logits = at::empty({6, 4}, meta).set_requires_grad(true);
  const at::Tensor targets = at::empty({6}, meta.dtype(at::kLong));
  SoftmaxArguments arguments;
  arguments.sample_weights = at::empty({6}, meta);
  arguments.groups = at::empty({6}, meta.dtype(at::kLong));
  SoftmaxTensors tensors{at::empty({4}, meta), at::empty({4}, meta), at::empty({4}, meta),
                         at::empty({4}, meta)};
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(
      [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
        seen.insert(function.name());
        return nullptr;
      }));
  for_all_losses(4, [&](auto modulator, auto reduction) {
    SoftmaxLoss<decltype(modulator), decltype(reduction)> loss;
    loss.modulator = modulator;
    loss.reduction = reduction;
    loss.label_smoothing = 0.1;
    const at::Tensor value =
        detail::SoftmaxFunction<decltype(modulator), decltype(reduction)>::call(
            loss, &tensors, logits, targets, arguments, false);
    EXPECT_TRUE(gradient_of(value, logits).is_meta());
  });
  at::removeCallback(handle);
  EXPECT_TRUE(seen.count("aten::log_softmax") + seen.count("aten::_log_softmax") > 0);
  for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                           "aten::is_nonzero", "aten::equal", "aten::cpu"}) {
    EXPECT_EQ(seen.count(name), 0u) << name;
  }
  EXPECT_THROW(logits.sum().item<float>(), std::exception) << "meta tensors can be read";
}

TEST(SoftmaxLoss, ABrokenTargetOnADeviceMakesNaN) {
  const at::Tensor logits = at::randn({2, 3}, at::kDouble);
  const at::Tensor targets = at::tensor({0, 3}, at::kLong);
  const auto result = detail::softmax_by_operations(equipoise::SoftmaxLoss<>{}, {}, logits, targets,
                                                    {}, false, false);
  EXPECT_TRUE(std::isnan(result.loss.item<double>()));
}

TEST(SoftmaxLossErrors, NameWhatIsWrong) {
  const at::Tensor logits = at::zeros({2, 3});
  const auto call = [](const at::Tensor& z, const at::Tensor& y,
                       const SoftmaxArguments& more = {}) {
    return error_of([&] { softmax_loss(z, y, equipoise::SoftmaxLoss<>{}, more); });
  };
  EXPECT_EQ(call(at::zeros({6}), at::zeros({2}, at::kLong)),
            "softmax_loss(): logits.dim() = 1, expected 2 (N x C)");
  EXPECT_EQ(call(logits, at::zeros({3}, at::kLong)),
            "softmax_loss(): targets.numel() = 3, expected 2 (rows of logits)");
  EXPECT_EQ(call(logits, at::tensor({0, 5}, at::kLong)),
            "softmax_loss(): targets[1] = 5, expected a class in [0, 3) or the ignore index -100");
  EXPECT_EQ(call(logits, at::zeros({2}, at::TensorOptions().dtype(at::kLong).device(at::kMeta))),
            "softmax_loss(): targets.device() = meta, expected cpu, the device of the logits");
  SoftmaxArguments arguments;
  arguments.sample_weights = at::ones({3});
  EXPECT_EQ(call(logits, at::zeros({2}, at::kLong), arguments),
            "softmax_loss(): sample_weights.numel() = 3, expected 2 (rows of logits)");
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
