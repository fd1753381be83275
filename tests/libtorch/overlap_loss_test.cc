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
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "equipoise/libtorch/detail/overlap_node.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"
#include "tests/support/tensors.h"

namespace equipoise::libtorch {
namespace {

using testing::error_of;
using testing::expect_close;
using testing::gradient_of;

// A user's policy.
struct Jaccard {
  template <class T>
  OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
    const T all = math::max(sums.tp + sums.fp + sums.fn, 1e-30);
    const T kept = sums.tp / all / all;
    const T missed = (sums.fp + sums.fn) / all;
    return {missed, {-missed / all, kept, kept}};
  }
};

// Rows of which some are ignored, some weigh nothing, and none is of the last class.
struct Data {
  at::Tensor logits, targets;
  LossArguments arguments;

  Data(bool by_index, std::int64_t rows, std::int64_t classes, at::ScalarType type = at::kDouble) {
    logits = (at::randn({rows, classes}, at::kDouble) * 1.5).to(type).set_requires_grad(true);
    const at::Tensor ignored = at::rand({rows}).lt(0.15);
    if (by_index) {
      targets = at::randint(0, classes - 1, {rows}, at::kLong).masked_fill(ignored, -100);
    } else {
      targets = at::rand({rows, classes}, at::kDouble).mul(4).round().div(4).to(type);
      targets.select(1, classes - 1).zero_();
      arguments.mask = ignored.bitwise_not();
    }
    arguments.sample_weights = at::rand({rows}, at::kDouble).mul(8).round().div(4);
  }

  Data part(std::int64_t begin, std::int64_t count) const {
    Data result = *this;
    result.logits = logits.slice(0, begin, begin + count);
    result.targets = targets.slice(0, begin, begin + count);
    result.arguments.sample_weights = arguments.sample_weights.slice(0, begin, begin + count);
    if (arguments.mask.defined()) {
      result.arguments.mask = arguments.mask.slice(0, begin, begin + count);
    }
    return result;
  }

  Data to(at::Device device) const {
    Data result = *this;
    const auto move = [&](const at::Tensor& t) { return t.defined() ? t.to(device) : t; };
    result.logits = logits.detach().to(device).set_requires_grad(true);
    result.targets = targets.to(device);
    result.arguments.sample_weights = move(arguments.sample_weights);
    result.arguments.mask = move(arguments.mask);
    return result;
  }
};

// Calls f(loss, by_index) with every policy, activation, kind of targets and rule.
template <class F>
void for_all_losses(std::size_t classes, const F& f) {
  const auto with_policy = [&](const auto& policy) {
    for (const OverlapActivation activation :
         {OverlapActivation::kSoftmax, OverlapActivation::kSigmoid}) {
      for (const bool by_index : {true, false}) {
        for (const AbsentOverlapClass absent :
             {AbsentOverlapClass::kSkip, AbsentOverlapClass::kCount}) {
          OverlapLoss<std::remove_cvref_t<decltype(policy)>> loss;
          loss.policy = policy;
          loss.activation = activation;
          loss.absent_class = absent;
          if (by_index == (absent == AbsentOverlapClass::kSkip)) {
            for (std::size_t c = 0; c < classes; ++c) {
              loss.class_weights.push_back(static_cast<double>(c) / 2);
            }
          }
          f(loss, by_index);
        }
      }
    }
  };
  with_policy(Dice{});
  with_policy(Dice{0.25, true});
  with_policy(Tversky{});
  with_policy(FocalTversky{});
  with_policy(GeneralisedDice{});
  with_policy(SelfAdjustingDice{});
  with_policy(SelfAdjustingDice{0.3, 0.5});
  with_policy(Jaccard{});
}

template <class P>
at::Tensor weights_of(const OverlapLoss<P>& loss, const at::Tensor& logits) {
  return detail::constant_tensor(loss.class_weights, logits.options().dtype(at::kDouble));
}

template <class P>
at::Tensor sums_by_operations(const OverlapLoss<P>& loss, const Data& data) {
  const detail::OverlapOfTensors erased = detail::overlap_of_tensors("value", loss);
  return detail::sum_overlap(
      erased, detail::make_overlap_tensors(
                  erased, detail::make_overlap_inputs(data.logits, data.targets, data.arguments)));
}

// The kernel, tensor operations, and autograd of the operations' value: three ways to one gradient,
// two to its derivative.
void expect_operations_equal_kernel(at::Device device) {
  at::manual_seed(1);
  for (const std::int64_t classes : {2, 7, 20}) {
    for_all_losses(static_cast<std::size_t>(classes), [&](const auto& loss, bool by_index) {
      const Data here(by_index, 12, classes);
      const Data there = here.to(device);
      const at::Tensor by_kernel = libtorch::value(loss, here.logits, here.targets, here.arguments);
      const auto by_operations = detail::overlap_by_operations(
          detail::overlap_of_tensors("value", loss), weights_of(loss, there.logits),
          detail::make_overlap_inputs(there.logits, there.targets, there.arguments), true);
      expect_close(by_operations.loss.detach().cpu(), by_kernel.detach(), 1e-13);
      const at::Tensor gradient = gradient_of(by_kernel, here.logits);
      expect_close(by_operations.gradient.detach().cpu(), gradient, 1e-13);
      const at::Tensor by_autograd = gradient_of(by_operations.loss, there.logits, true);
      expect_close(by_autograd.detach().cpu(), gradient, 1e-12);

      const at::Tensor with_graph = gradient_of(by_kernel, here.logits, true);
      ASSERT_TRUE(with_graph.requires_grad());
      expect_close(gradient_of(with_graph.pow(2).sum(), here.logits),
                   gradient_of(by_autograd.pow(2).sum(), there.logits).cpu(), 1e-11);

      expect_close(libtorch::partial(loss, here.logits, here.targets, here.arguments),
                   sums_by_operations(loss, there).detach().cpu(), 1e-13);
    });
  }
}

TEST(OverlapLoss, OperationsEqualTheKernelAndAutograd) { expect_operations_equal_kernel(at::kCPU); }

TEST(OverlapLoss, OperationsEqualTheKernelOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  expect_operations_equal_kernel(at::kCUDA);
}

// Dice in LibTorch's own terms.
TEST(OverlapLoss, EqualsDiceWrittenOut) {
  at::manual_seed(2);
  const Data data(true, 30, 4);
  OverlapLoss<> loss;
  loss.class_weights = {0, 1, 1, 1};  // without the first class; the last one is absent
  const at::Tensor ours = libtorch::value(loss, data.logits, data.targets, data.arguments);
  const at::Tensor w =
      data.arguments.sample_weights.masked_fill(data.targets.eq(-100), 0.0).unsqueeze(1);
  const at::Tensor t = at::one_hot(data.targets.clamp_min(0), 4);
  const at::Tensor p = data.logits.softmax(1);
  const at::Tensor dice = 1 - (2 * (w * p * t).sum(0) + 1) / ((w * p).sum(0) + (w * t).sum(0) + 1);
  const at::Tensor theirs = dice.slice(0, 1, 3).mean();
  expect_close(ours, theirs, 1e-14);
  expect_close(gradient_of(ours, data.logits), gradient_of(theirs, data.logits), 1e-14);
}

// Rows that are sure of their target, or of another class, to the last digit and beyond it.
TEST(OverlapLoss, SecondDerivativesOfSaturatedRows) {
  const at::Tensor logits =
      at::tensor({40.0, 0.0, 0.0, -40.0, 0.0, 0.0, 20.0, 1.0, 0.0, 800.0, 0.0, 0.0, 0.5, 0.0, 1.0},
                 at::kDouble)
          .view({5, 3});
  const at::Tensor targets = at::tensor({0, 0, 1, 2, 0}, at::kLong);
  const auto expect = [&](auto policy) {
    OverlapLoss<decltype(policy)> loss;
    loss.policy = policy;
    for (const OverlapActivation activation :
         {OverlapActivation::kSoftmax, OverlapActivation::kSigmoid}) {
      loss.activation = activation;
      testing::expect_second_derivatives(
          logits, [&](const at::Tensor& z) { return libtorch::value(loss, z, targets); });
    }
  };
  for (const double alpha : {0.0, 1.0, 1.5, 2.0}) expect(SelfAdjustingDice{alpha});
  expect(Dice{0.25, true});
  expect(FocalTversky{});
  // Below 1 the digits of (1 - p)^alpha are lost with those of 1 - p, but not more.
  const at::Tensor leaf = logits.to(at::kFloat).set_requires_grad(true);
  OverlapLoss<SelfAdjustingDice> loss;
  loss.policy.alpha = 0.3;
  const at::Tensor gradient = gradient_of(libtorch::value(loss, leaf, targets), leaf, true);
  EXPECT_LT(gradient_of(gradient.pow(2).sum(), leaf).abs().max().item<double>(), 1);
}

// The loss of one example, as a modulator: by hand, all its derivatives vanish as (1 - p)^alpha
// does. In float 1 - p = 4e-9 is lost, and its place must not be taken by a division by nothing.
void expect_no_curvature(double alpha, double logit, at::ScalarType type, double bound) {
  const at::Tensor logits = at::tensor({logit, 0.0, 0.0}).to(type).set_requires_grad(true);
  const at::Tensor log_p = at::log_softmax(logits, 0);
  const at::Tensor own = log_p[0];
  const at::Tensor slope =
      SelfAdjustingDice{alpha}(TargetProbability<at::Tensor>{own, own.exp(), own.expm1().neg()})
          .slope;
  const at::Tensor gradient = at::tensor({1.0, 0.0, 0.0}).to(type) * slope - log_p.exp() * slope;
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_LT(gradient_of(gradient[c], logits).abs().max().item<double>(), bound)
        << alpha << " " << logit << " " << c;
  }
}

TEST(SelfAdjustingDice, SecondDerivativesOfACertainExampleAreZero) {
  for (const double alpha : {1.0, 1.5, 2.0}) {
    expect_no_curvature(alpha, 40, at::kDouble, 1e-15);
    expect_no_curvature(alpha, 20, at::kFloat, 1e-7);
  }
  expect_no_curvature(0.3, 40, at::kDouble, 1e-5);  // (8.5e-18)^0.3
}

// Memory that does not hold the numbers themselves: a negation that was put off.
TEST(OverlapLoss, ReadsTensorsWhoseNegationIsPending) {
  using testing::negation_pending;
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const at::Tensor logits = at::randn({4, 3}, type).set_requires_grad(true);
    const at::Tensor lazy = negation_pending(logits.detach()).set_requires_grad(true);
    ASSERT_TRUE(lazy.is_neg());
    const at::Tensor targets = at::rand({4, 3}, type);
    LossArguments plain;
    plain.sample_weights = at::rand({4}, at::kDouble);
    plain.class_weights = at::rand({3}, at::kDouble);
    LossArguments pending;
    pending.sample_weights = negation_pending(plain.sample_weights);
    pending.class_weights = negation_pending(plain.class_weights);
    const OverlapLoss<Tversky> loss;
    const at::Tensor expected = libtorch::value(loss, logits, targets, plain);
    const at::Tensor value = libtorch::value(loss, lazy, negation_pending(targets), pending);
    EXPECT_TRUE(at::equal(value, expected));
    EXPECT_TRUE(at::equal(gradient_of(value, lazy), gradient_of(expected, logits)));
  }
}

TEST(OverlapLoss, BackwardTwiceGivesTheSameGradient) {
  const Data data(true, 9, 3, at::kFloat);
  const at::Tensor loss = libtorch::value(OverlapLoss<Tversky>{}, data.logits, data.targets) * 3;
  const at::Tensor first = gradient_of(loss, data.logits);
  EXPECT_TRUE(at::equal(first, gradient_of(loss, data.logits)));
  const at::Tensor single =
      gradient_of(libtorch::value(OverlapLoss<Tversky>{}, data.logits, data.targets), data.logits);
  expect_close(first, single * 3, 4 * std::numeric_limits<float>::epsilon());
}

// Parts with merged sums: each has the value of the whole, their gradients make up the whole's, and
// so by the kernel and by operations.
template <class Loss>
void expect_parts_equal_the_whole(const Loss& loss, const Data& all, double tolerance) {
  const at::Tensor whole = libtorch::value(loss, all.logits, all.targets, all.arguments);
  const at::Tensor expected = gradient_of(whole, all.logits);
  const double largest = expected.abs().max().template item<double>();
  at::Tensor sums = at::zeros({3, all.logits.size(1)}, at::kDouble);
  for (std::int64_t begin = 0; begin < 40; begin += 8) {
    const Data some = all.part(begin, 8);
    sums = sums + libtorch::partial(loss, some.logits, some.targets, some.arguments);
  }
  EXPECT_FALSE(sums.requires_grad());
  at::Tensor by_kernel = at::zeros_like(all.logits);
  at::Tensor by_operations = at::zeros_like(all.logits);
  for (std::int64_t begin = 0; begin < 40; begin += 8) {
    Data some = all.part(begin, 8);
    some.arguments.sums = sums;
    const at::Tensor value = libtorch::value(loss, some.logits, some.targets, some.arguments);
    expect_close(value.detach(), whole.detach(), tolerance);
    by_kernel = by_kernel + gradient_of(value, all.logits);
    const auto outcome = detail::overlap_by_operations(
        detail::overlap_of_tensors("value", loss), weights_of(loss, all.logits),
        detail::make_overlap_inputs(some.logits, some.targets, some.arguments), false);
    by_operations = by_operations + gradient_of(outcome.loss, all.logits);
  }
  expect_close(by_kernel / largest, expected / largest, tolerance);
  expect_close(by_operations / largest, expected / largest, tolerance);
}

TEST(OverlapLoss, MicroBatchesWithMergedSumsEqualTheWhole) {
  at::manual_seed(3);
  for_all_losses(6, [&](const auto& loss, bool by_index) {
    expect_parts_equal_the_whole(loss, Data(by_index, 40, 6), 1e-12);
    expect_parts_equal_the_whole(loss, Data(by_index, 40, 6, at::kFloat), 1e-5);
  });
}

// With merged sums the second derivative is that of the whole with respect to one part's logits
// twice.
TEST(OverlapLoss, SecondDerivativesOfPartsAreBlocksOfTheWhole) {
  at::manual_seed(4);
  const Data all(true, 16, 3);
  const OverlapLoss<FocalTversky> loss;
  Data first = all.part(0, 8);
  const Data second = all.part(8, 8);
  first.logits = first.logits.detach().set_requires_grad(true);
  const at::Tensor direction = at::randn({8, 3}, at::kDouble);
  const at::Tensor joined = at::cat({first.logits, second.logits.detach()});
  const at::Tensor whole = libtorch::value(loss, joined, all.targets, all.arguments);
  const at::Tensor expected =
      gradient_of((gradient_of(whole, first.logits, true) * direction).sum(), first.logits);
  first.arguments.sums = libtorch::partial(loss, joined, all.targets, all.arguments);
  const at::Tensor part = libtorch::value(loss, first.logits, first.targets, first.arguments);
  const at::Tensor actual =
      gradient_of((gradient_of(part, first.logits, true) * direction).sum(), first.logits);
  expect_close(actual, expected, 1e-13);
}

TEST(OverlapLoss, HalfTypesComputeInFloat) {
  at::manual_seed(5);
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const Data data(true, 20, 7, type);
    const at::Tensor exact = data.logits.detach().to(at::kFloat).set_requires_grad(true);
    const at::Tensor a = libtorch::value(OverlapLoss<Tversky>{}, data.logits, data.targets);
    const at::Tensor b = libtorch::value(OverlapLoss<Tversky>{}, exact, data.targets);
    EXPECT_EQ(a.scalar_type(), at::kFloat);
    expect_close(a, b, 50 * std::numeric_limits<float>::epsilon());
    expect_close(gradient_of(a, data.logits), gradient_of(b, exact).to(type), 1e-2);
    EXPECT_EQ(gradient_of(a, data.logits).scalar_type(), type);
  }
}

// Token logits in both orders against their rows one after the other.
TEST(OverlapLoss, TakesTokenLogits) {
  at::manual_seed(6);
  for (const bool by_index : {true, false}) {
    const Data rows(by_index, 24, 5);
    const OverlapLoss<> loss;
    const at::Tensor expected = libtorch::value(loss, rows.logits, rows.targets, rows.arguments);
    const at::Tensor gradient = gradient_of(expected, rows.logits).view({4, 6, 5});
    for (const bool class_first : {false, true}) {
      const auto arrange = [&](const at::Tensor& cube) {
        return class_first ? cube.transpose(1, 2).contiguous() : cube;
      };
      LossArguments arguments = rows.arguments;
      arguments.class_dim = class_first ? 1 : -1;
      arguments.sample_weights = rows.arguments.sample_weights.view({4, 6});
      if (arguments.mask.defined()) arguments.mask = arguments.mask.view({4, 6});
      const at::Tensor tokens =
          arrange(rows.logits.detach().view({4, 6, 5})).detach().set_requires_grad(true);
      const at::Tensor targets =
          by_index ? rows.targets.view({4, 6}) : arrange(rows.targets.view({4, 6, 5}));
      const at::Tensor value = libtorch::value(loss, tokens, targets, arguments);
      expect_close(value, expected, 1e-14);
      expect_close(gradient_of(value, tokens), arrange(gradient), 1e-14);
      expect_close(libtorch::partial(loss, tokens, targets, arguments),
                   libtorch::partial(loss, rows.logits, rows.targets, rows.arguments), 1e-14);
    }
  }
}

TEST(OverlapLoss, ReadsStridedLogits) {
  const at::Tensor wide = at::randn({40, 60}, at::kDouble);
  const at::Tensor targets = at::randint(0, 30, {40}, at::kLong);
  for (const at::Tensor& view : {wide.slice(1, 0, 60, 2), wide.slice(1, 10, 40)}) {
    const at::Tensor strided = view.detach().set_requires_grad(true);
    const at::Tensor dense = view.contiguous().set_requires_grad(true);
    const at::Tensor a = libtorch::value(OverlapLoss<>{}, strided, targets);
    const at::Tensor b = libtorch::value(OverlapLoss<>{}, dense, targets);
    EXPECT_TRUE(at::equal(a, b));
    EXPECT_TRUE(at::equal(gradient_of(a, strided), gradient_of(b, dense)));
  }
}

TEST(OverlapLoss, ClassWeightsAreAnArgument) {
  for (const at::ScalarType type : {at::kDouble, at::kHalf}) {
    const Data data(true, 20, 3, type);
    OverlapLoss<> loss;
    LossArguments arguments;
    arguments.class_weights = at::tensor({0.5, 2.0, 0.0}, at::kDouble);
    const at::Tensor by_argument = libtorch::value(loss, data.logits, data.targets, arguments);
    EXPECT_FALSE(at::equal(by_argument, libtorch::value(loss, data.logits, data.targets)));
    loss.class_weights = {0.5, 2, 0};
    EXPECT_TRUE(at::equal(by_argument, libtorch::value(loss, data.logits, data.targets)));
  }
}

TEST(OverlapLoss, EmptySets) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    OverlapLoss<Tversky> loss;
    const auto expect = [&](const at::Tensor& z, const at::Tensor& targets,
                            std::optional<std::int64_t> class_dim = {}) {
      const at::Tensor logits = z.to(type).set_requires_grad(true);
      LossArguments arguments;
      arguments.class_dim = class_dim;
      loss.empty_batch = EmptyBatch::kZero;
      EXPECT_EQ(libtorch::value(loss, logits, targets, arguments).item<float>(), 0.0F);
      loss.empty_batch = EmptyBatch::kNaN;
      const at::Tensor nan = libtorch::value(loss, logits, targets, arguments);
      EXPECT_TRUE(std::isnan(nan.item<float>()));
      const at::Tensor gradient = gradient_of(nan, logits);
      EXPECT_EQ(gradient.sizes(), logits.sizes());
      EXPECT_EQ(gradient.abs().sum().item<float>(), 0.0F);
    };
    expect(at::zeros({0, 3}), at::zeros({0}, at::kLong));
    expect(at::zeros({3, 0}), at::zeros({3, 0}));
    expect(at::zeros({3, 0}), at::full({3}, -100, at::kLong));
    expect(at::zeros({2, 3, 5, 0}), at::zeros({2, 5, 0}, at::kLong), 1);
    expect(at::zeros({2, 3, 5, 0}), at::zeros({2, 3, 5, 0}), 1);
    expect(at::zeros({2, 0, 3}), at::zeros({2, 0}, at::kLong), -1);
    expect(at::full({2, 3}, std::numeric_limits<double>::quiet_NaN()),
           at::full({2}, -100, at::kLong));
  }
}

TEST(OverlapLoss, ABrokenTargetOnADeviceMakesNaN) {
  const at::Tensor logits = at::randn({2, 3}, at::kDouble);
  const auto value = [&](const at::Tensor& targets) {
    return detail::overlap_by_operations(detail::overlap_of_tensors("value", OverlapLoss<>{}), {},
                                         {logits, targets, {}}, false)
        .loss.item<double>();
  };
  EXPECT_TRUE(std::isnan(value(at::tensor({0, 3}, at::kLong))));
  EXPECT_TRUE(std::isnan(value(at::full({2, 3}, 1.5, at::kDouble))));
  EXPECT_FALSE(std::isnan(value(at::tensor({0, -100}, at::kLong))));
}

// Meta tensors hold no data: reading one on the host throws. Uploads they do not notice, so what
// the operations are given is looked at as well.
TEST(OverlapLoss, NeitherReadsTheDeviceNorUploads) {
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor logits = at::empty({6, 4}, meta).set_requires_grad(true);
  const testing::RecordedOperations operations;
  const auto call = [&](auto loss, bool by_index, bool uploads) {
    LossArguments arguments;
    arguments.sample_weights = at::empty({6}, meta);
    if (!uploads) {
      loss.class_weights.clear();
      arguments.class_weights = at::empty({4}, meta.dtype(at::kDouble));
    }
    const at::Tensor targets =
        by_index ? at::empty({6}, meta.dtype(at::kLong)) : at::empty({6, 4}, meta);
    if (!by_index) arguments.mask = at::empty({6}, meta);
    const at::Tensor sums = libtorch::partial(loss, logits, targets, arguments);
    EXPECT_EQ(sums.sizes(), (std::vector<std::int64_t>{3, 4}));
    for (const at::Tensor& merged : {at::Tensor(), sums}) {
      arguments.sums = merged;
      const at::Tensor value = libtorch::value(loss, logits, targets, arguments);
      EXPECT_TRUE(gradient_of(value, logits).is_meta());
      EXPECT_TRUE(gradient_of(value, logits, /*create_graph=*/true).is_meta());
    }
  };
  for_all_losses(4, [&](const auto& loss, bool by_index) { call(loss, by_index, false); });
  EXPECT_FALSE(testing::RecordedOperations::host_tensor());
  const std::set<std::string>& seen = testing::RecordedOperations::names();
  EXPECT_TRUE(seen.count("aten::log_softmax") + seen.count("aten::_log_softmax") > 0);
  for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                           "aten::is_nonzero", "aten::equal", "aten::cpu"}) {
    EXPECT_EQ(seen.count(name), 0u) << name;
  }
  EXPECT_THROW(logits.sum().item<float>(), std::exception) << "meta tensors can be read";
  OverlapLoss<> weighted;
  weighted.class_weights = {1, 2, 3, 4};
  call(weighted, true, true);
  EXPECT_TRUE(testing::RecordedOperations::host_tensor()) << "uploads are not seen";
}

// Tensors of the right size in another order, and half types, whose values tensor operations take.
TEST(OverlapLossErrors, ShapesAndHalfTypesOnTheCpuAreChecked) {
  const OverlapLoss<> loss;
  EXPECT_EQ(error_of([&] {
              libtorch::value(loss, at::zeros({2, 3}), at::zeros({3, 2}));
            }),
            "value(): targets.sizes() = [3, 2], expected [2, 3]");
  LossArguments arguments;
  arguments.class_dim = -1;
  EXPECT_EQ(error_of([&] {
              libtorch::value(loss, at::zeros({2, 4, 3}), at::zeros({4, 2}, at::kLong), arguments);
            }),
            "value(): targets.sizes() = [4, 2], expected [2, 4]");
  arguments.sample_weights = at::ones({4, 2});
  EXPECT_EQ(error_of([&] {
              libtorch::value(loss, at::zeros({2, 4, 3}), at::zeros({2, 4}, at::kLong), arguments);
            }),
            "value(): sample_weights.sizes() = [4, 2], expected [2, 4]");
  const at::Tensor labels = at::tensor({0, 5}, at::kLong);
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor logits = at::zeros({2, 3}, type);
    EXPECT_EQ(error_of([&] { libtorch::value(loss, logits, labels); }),
              "value(): targets[1] = 5, expected a class in [0, 3) or the ignore index -100");
    EXPECT_EQ(error_of([&] { libtorch::partial(loss, logits, labels); }),
              "partial(): targets[1] = 5, expected a class in [0, 3) or the ignore index -100");
    EXPECT_EQ(error_of([&] {
                libtorch::value(loss, logits, at::full({2, 3}, 2.0, type));
              }),
              "value(): targets.probabilities[0][0] = 2, expected a number in [0, 1]");
  }
}

TEST(OverlapLossErrors, NoGradientFlowsToTargetsOrWeights) {
  const at::Tensor logits = at::zeros({2, 3});
  const at::Tensor probabilities = at::full({2, 3}, 0.5).set_requires_grad(true);
  EXPECT_EQ(error_of([&] { libtorch::value(OverlapLoss<>{}, logits, probabilities); }),
            "value(): targets.requires_grad() = 1, expected 0: no gradient flows to targets");
  LossArguments arguments;
  arguments.sample_weights = at::ones({2}).set_requires_grad(true);
  EXPECT_EQ(error_of([&] {
              libtorch::value(OverlapLoss<>{}, logits, at::zeros({2}, at::kLong), arguments);
            }),
            "value(): sample_weights.requires_grad() = 1, expected 0: no gradient flows to "
            "sample_weights");
  const at::NoGradGuard no_graph;
  EXPECT_NO_THROW(libtorch::value(OverlapLoss<>{}, logits, probabilities));
}

TEST(OverlapLoss, ARowOfMinusInfinityMakesNaN) {
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor logits = at::tensor({-infinity, -infinity, 0.0, 1.0}, at::kDouble).view({2, 2});
  const at::Tensor targets = at::tensor({0, 1}, at::kLong);
  EXPECT_TRUE(std::isnan(libtorch::value(OverlapLoss<>{}, logits, targets).item<double>()));
  EXPECT_TRUE(
      std::isnan(detail::overlap_by_operations(detail::overlap_of_tensors("value", OverlapLoss<>{}),
                                               {}, {logits, targets, {}}, false)
                     .loss.item<double>()));
}

TEST(OverlapLossErrors, NameWhatIsWrong) {
  const at::Tensor logits = at::zeros({2, 3});
  const at::Tensor labels = at::zeros({2}, at::kLong);
  OverlapLoss<> loss;
  const auto call = [&](const at::Tensor& z, const at::Tensor& y, const LossArguments& more = {}) {
    return error_of([&] { libtorch::value(loss, z, y, more); });
  };
  EXPECT_EQ(call(at::zeros({6}), labels), "value(): logits.dim() = 1, expected at least 2 (N x C)");
  EXPECT_EQ(call(at::zeros({2, 3}, at::kLong), labels),
            "value(): logits.dtype() = long int, expected a floating-point type");
  EXPECT_EQ(call(at::zeros({2, 3, 3}), at::zeros({2, 3}, at::kLong)),
            "value(): class_dim = (not set), expected 1 for N x C x ... as LibTorch has it, "
            "or -1 for N x ... x C: the logits have 3 dimensions");
  EXPECT_EQ(call(logits, at::zeros({3}, at::kLong)),
            "value(): targets.numel() = 3, expected 2 (rows of logits)");
  EXPECT_EQ(call(logits, at::tensor({0, 5}, at::kLong)),
            "value(): targets[1] = 5, expected a class in [0, 3) or the ignore index -100");
  EXPECT_EQ(error_of([&] {
              libtorch::partial(loss, logits, at::tensor({0, 5}, at::kLong));
            }),
            "partial(): targets[1] = 5, expected a class in [0, 3) or the ignore index -100");
  EXPECT_EQ(call(logits, at::full({2, 3}, 2.0)),
            "value(): targets.probabilities[0][0] = 2, expected a number in [0, 1]");
  EXPECT_EQ(call(logits, at::zeros({2})),
            "value(): targets.dim() = 1, expected 2 (probabilities, in the shape of the "
            "logits)");
  EXPECT_EQ(call(logits, labels.to(at::kMeta)),
            "value(): targets.device() = meta, expected cpu, the device of the logits");
  LossArguments arguments;
  arguments.class_dim = 2;
  EXPECT_EQ(call(logits, labels, arguments),
            "value(): class_dim = 2, expected a dimension of the logits");
  arguments = {};
  arguments.mask = at::ones({2});
  EXPECT_EQ(call(logits, labels, arguments),
            "value(): mask.numel() = 2, expected no mask: index targets say with the ignore "
            "index which rows do not count");
  arguments = {};
  arguments.sums = at::zeros({3, 2}, at::kDouble);
  EXPECT_EQ(call(logits, labels, arguments), "value(): sums.numel() = 6, expected 9 (3 x classes)");
  arguments = {};
  arguments.sample_weights = at::full({2}, -1.0);
  EXPECT_EQ(call(logits, labels, arguments),
            "value(): sample_weights[0] = -1, expected a finite number >= 0");
  arguments = {};
  arguments.class_weights = at::full({3}, -1.0);
  EXPECT_EQ(call(logits, labels, arguments),
            "value(): class_weights[0] = -1, expected a finite number >= 0");
  loss.policy.smoothing = -1;
  EXPECT_EQ(call(logits.to(at::kHalf), labels),
            "value(): dice.smoothing = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::libtorch
