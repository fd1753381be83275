#include "tests/support/recorded_operations.h"  // first: see there
//
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "equipoise/libtorch/accumulation.h"
#include "equipoise/reduction/group_dro.h"
#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"
#include "tests/support/loss_call.h"
#include "tests/support/tensors.h"

namespace equipoise::libtorch {
namespace {

using testing::error_of;
using testing::gradient_of;

constexpr std::int64_t kRows = 24;
constexpr std::int64_t kClasses = 4;
constexpr std::int64_t kPartRows = 5;  // the last part is smaller

std::vector<double> random_weights() {
  return detail::to_vector(at::rand({kClasses}, at::kDouble) + 0.2);
}

// The two families behind one face.
struct SoftmaxData {
  at::Tensor logits = at::randn({kRows, kClasses}, at::kDouble) * 2;
  at::Tensor targets =
      at::randint(0, kClasses, {kRows}, at::kLong).masked_fill(at::rand({kRows}).lt(0.15), -100);
  LossArguments arguments;

  SoftmaxData() {
    arguments.sample_weights = at::rand({kRows}, at::kDouble) + 0.1;
    arguments.groups = at::randint(0, 3, {kRows}, at::kLong);
  }
  SoftmaxData part(std::int64_t begin) const {
    const auto rows = [&](const at::Tensor& t) { return t.slice(0, begin, begin + kPartRows); };
    SoftmaxData result = *this;
    result.logits = rows(logits);
    result.targets = rows(targets);
    result.arguments.sample_weights = rows(arguments.sample_weights);
    result.arguments.groups = rows(arguments.groups);
    return result;
  }
  template <class R>
  static auto loss(R reduction) {
    SoftmaxLoss<Focal, R> result;
    result.reduction = reduction;
    result.class_weights = random_weights();
    result.label_smoothing = 0.1;
    return result;
  }
  LossAndPartial evaluate(const auto& loss) const {
    return libtorch::value_and_partial(loss, logits, targets, arguments);
  }
  TensorPartial partial(const auto& loss) const {
    return libtorch::partial(loss, logits, targets, arguments);
  }
  at::Tensor value(const auto& loss) const {
    return libtorch::value(loss, logits, targets, arguments);
  }
  at::Tensor denominators(const auto& loss) const {
    return libtorch::denominators(loss, targets, kClasses, arguments);
  }
};

struct SigmoidData {
  at::Tensor logits = at::randn({kRows, kClasses}, at::kDouble) * 2;
  at::Tensor targets = at::rand({kRows, kClasses}, at::kDouble).gt(0.7);
  LossArguments arguments;

  SigmoidData() {
    arguments.sample_weights = at::rand({kRows}, at::kDouble) + 0.1;
    arguments.groups = at::randint(0, 3, {kRows}, at::kLong);
    arguments.mask = at::rand({kRows, kClasses}).gt(0.15);
  }
  SigmoidData part(std::int64_t begin) const {
    const auto rows = [&](const at::Tensor& t) { return t.slice(0, begin, begin + kPartRows); };
    SigmoidData result = *this;
    result.logits = rows(logits);
    result.targets = rows(targets);
    result.arguments.sample_weights = rows(arguments.sample_weights);
    result.arguments.groups = rows(arguments.groups);
    result.arguments.mask = rows(arguments.mask);
    return result;
  }
  template <class R>
  static auto loss(R reduction) {
    SigmoidLoss<AsymmetricFocal, R> result;
    result.reduction = reduction;
    result.class_weights = random_weights();
    result.pos_weight = random_weights();
    return result;
  }
  LossAndPartial evaluate(const auto& loss) const {
    return libtorch::value_and_partial(loss, logits, targets, arguments);
  }
  TensorPartial partial(const auto& loss) const {
    return libtorch::partial(loss, logits, targets, arguments);
  }
  at::Tensor value(const auto& loss) const {
    return libtorch::value(loss, logits, targets, arguments);
  }
  at::Tensor denominators(const auto& loss) const {
    return libtorch::denominators(loss, targets, arguments);
  }
};

template <class F>
void for_all_reductions(const F& f) {
  f(MeanByCount{});
  f(MeanByWeight{});
  f(MeanByPositives{});
  f(SumOverRows{});
  f(MeanPerClass{kClasses});
  f(MeanPerGroup{3});
  f(GroupDro{3, 0.1, {0.5, 0.2, 0.3}, {}});
}

// The largest difference, relative to the largest number.
void expect_equal(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const at::Tensor a = actual.to(at::kDouble);
  const at::Tensor b = expected.to(at::kDouble);
  EXPECT_LE((a - b).abs().max().item<double>(), tolerance * b.abs().max().item<double>());
}

// An all-reduce among ranks whose numbers are known.
struct AddOthers {
  std::vector<at::Tensor> others;
  void operator()(std::span<double> numbers) const {
    for (const at::Tensor& other : others) {
      const std::vector<double> values = detail::to_vector(other);
      for (std::size_t k = 0; k < numbers.size(); ++k) numbers[k] += values[k];
    }
  }
};

// All but one.
std::vector<at::Tensor> others_than(std::size_t rank, std::vector<at::Tensor> all) {
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(rank));
  return all;
}

// Micro-batches dealt out to three ranks, against the whole batch at once.
template <class Data, class Loss>
void expect_parts_equal_the_whole(Data data, const Loss& loss, at::ScalarType type,
                                  double tolerance, double gradient_tolerance) {
  data.logits = data.logits.to(type).set_requires_grad(true);
  const LossAndPartial whole = data.evaluate(loss);
  EXPECT_TRUE(at::equal(whole.loss.detach(), data.value(loss).detach()));
  expect_equal(whole.partial.packed(), data.partial(loss).packed(), tolerance);
  expect_equal(whole.partial.denominator, data.denominators(loss), tolerance);
  EXPECT_FALSE(whole.partial.packed().requires_grad());
  const LossPartial numbers = whole.partial.to_partial();
  expect_equal(at::scalar_tensor(value(numbers, coefficients(loss.reduction, numbers))),
               whole.loss.detach(), std::max(tolerance, 2e-7));

  constexpr std::size_t kRanks = 3;
  std::vector<std::vector<Data>> parts(kRanks);
  std::vector<at::Tensor> own(kRanks);
  for (std::int64_t begin = 0, i = 0; begin < kRows; begin += kPartRows, ++i) {
    const auto rank = static_cast<std::size_t>(i) % kRanks;
    parts[rank].push_back(data.part(begin));
    const at::Tensor more = parts[rank].back().denominators(loss);
    own[rank] = own[rank].defined() ? own[rank] + more : more;
  }
  std::vector<at::Tensor> packed;
  at::Tensor loss_of_step = at::zeros({}, at::kDouble);
  at::Tensor gradient = at::zeros_like(data.logits, at::kDouble);
  for (std::size_t rank = 0; rank < kRanks; ++rank) {
    const at::Tensor denominators = sum_over_ranks(own[rank], AddOthers{others_than(rank, own)});
    TensorPartial added;
    for (Data& part : parts[rank]) {
      part.arguments.denominators = denominators;
      const LossAndPartial result = part.evaluate(loss);
      added += result.partial;
      loss_of_step = loss_of_step + result.loss.detach();
      gradient = gradient + gradient_of(result.loss, data.logits);
    }
    packed.push_back(added.packed());
  }
  expect_equal(loss_of_step, whole.loss.detach(), tolerance);
  expect_equal(gradient, gradient_of(whole.loss, data.logits), gradient_tolerance);
  const at::Tensor merged = sum_over_ranks(packed[0], AddOthers{others_than(0, packed)});
  expect_equal(TensorPartial::from_packed(merged).packed(), whole.partial.packed(), tolerance);
}

template <class Data>
void expect_exact_steps() {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    at::manual_seed(seed);
    for_all_reductions([](auto reduction) {
      const Data data;
      const auto loss = Data::loss(reduction);
      expect_parts_equal_the_whole(data, loss, at::kDouble, 1e-12, 1e-12);
      expect_parts_equal_the_whole(data, loss, at::kFloat, 1e-5, 1e-5);
      // By tensor operations, in float; the gradients of parts are rounded to eight bits.
      expect_parts_equal_the_whole(data, loss, at::kBFloat16, 1e-5, 1.0 / 256);
    });
  }
}

TEST(TensorPartial, PartsEqualTheWholeForSoftmaxLosses) { expect_exact_steps<SoftmaxData>(); }
TEST(TensorPartial, PartsEqualTheWholeForSigmoidLosses) { expect_exact_steps<SigmoidData>(); }

// log 4 a row of equal logits; the row of class 3 is ignored.
TEST(TensorPartial, HoldsTheSumsOfItsBuckets) {
  const at::Tensor logits = at::zeros({4, 4}, at::kDouble);
  const at::Tensor targets = at::tensor({0, 1, 1, -100}, at::kLong);
  SoftmaxLoss<CrossEntropy, MeanPerClass> loss;
  loss.reduction.classes = 4;
  loss.class_weights = {1, 2, 3, 4};
  for (const at::ScalarType type : {at::kDouble, at::kHalf}) {
    const LossPartial partial = libtorch::partial(loss, logits.to(type), targets).to_partial();
    ASSERT_EQ(partial.buckets.size(), 4u);
    EXPECT_NEAR(partial.buckets[0].numerator, std::log(4.0), 1e-6);
    EXPECT_NEAR(partial.buckets[1].numerator, 4 * std::log(4.0), 1e-6);
    EXPECT_EQ(partial.buckets[1].denominator, 4.0);
    EXPECT_EQ(partial.buckets[1].valid, 2.0);
    EXPECT_EQ(partial.buckets[3], (LossTally{0, 0, 0}));
  }
}

TEST(TensorPartial, AnUndefinedOneIsNothing) {
  const SoftmaxData data;
  const TensorPartial some = data.partial(SoftmaxData::loss(MeanByWeight{}));
  TensorPartial none;
  EXPECT_TRUE(none.to_partial().buckets.empty());
  none += TensorPartial{};
  EXPECT_TRUE(at::equal((none + some).packed(), some.packed()));
  EXPECT_TRUE(at::equal((some + none).packed(), some.packed()));
  EXPECT_TRUE(at::equal((some + some).packed(), 2 * some.packed()));
}

TEST(TensorPartial, RunsWithoutReadingTheDeviceOrUploading) {
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::Tensor logits = at::empty({6, 4}, meta).set_requires_grad(true);
  const at::Tensor weight = at::empty({6, 4}, meta).set_requires_grad(true);
  const testing::RecordedOperations operations;
  LossArguments arguments;
  arguments.groups = at::empty({6}, meta.dtype(at::kLong));
  const at::Tensor targets = at::empty({6}, meta.dtype(at::kLong));
  const LossAndPartial result = libtorch::value_and_partial(
      SoftmaxLoss<CrossEntropy, MeanPerGroup>{{}, {3}}, logits, targets, arguments);
  TensorPartial step = result.partial;
  step += result.partial;
  EXPECT_EQ(step.packed().sizes(), (std::vector<std::int64_t>{3, 3}));
  EXPECT_TRUE(step.packed().is_meta());
  EXPECT_TRUE(gradient_of(result.loss, logits).is_meta());
  const LossAndPartial binary = libtorch::value_and_partial(
      SigmoidLoss<>{}, logits, at::empty({6, 4}, meta.dtype(at::kBool)));
  const at::Tensor scale = deferred_scale(MeanByCount{}, binary.partial);
  EXPECT_TRUE(scale.is_meta());
  weight.mutable_grad() = at::empty({6, 4}, meta);
  scale_gradients({weight}, scale);
  EXPECT_FALSE(testing::RecordedOperations::host_tensor());
  const std::set<std::string>& seen = testing::RecordedOperations::names();
  EXPECT_GT(seen.count("aten::scatter_add"), 0u);
  for (const char* name : {"aten::item", "aten::_local_scalar_dense", "aten::nonzero",
                           "aten::is_nonzero", "aten::equal", "aten::cpu"}) {
    EXPECT_EQ(seen.count(name), 0u) << name;
  }
}

// Micro-batches whose denominators nobody knew: their gradients, scaled at the end, are the
// whole's.
TEST(DeferredScale, MakesTheGradientsThatOfTheWhole) {
  at::manual_seed(1);
  const SoftmaxData all;
  const auto expect = [&](auto reduction) {
    const auto loss = SoftmaxData::loss(reduction);
    const at::Tensor model = at::randn({kClasses, kClasses}, at::kDouble).set_requires_grad(true);
    const auto through_model = [&](SoftmaxData data) {
      data.logits = data.logits.matmul(model);
      return data;
    };
    const at::Tensor whole = through_model(all).value(loss);
    const at::Tensor expected = gradient_of(whole, model);
    TensorPartial step;
    for (std::int64_t begin = 0; begin < kRows; begin += kPartRows) {
      SoftmaxData part = through_model(all.part(begin));
      part.arguments.denominators = at::ones({1}, at::kDouble);
      const LossAndPartial result = part.evaluate(loss);
      result.loss.backward();
      step += result.partial;
    }
    const at::Tensor scale = deferred_scale(loss.reduction, step);
    const at::Tensor without_gradient = at::zeros({2}).set_requires_grad(true);
    scale_gradients({model, without_gradient, model}, scale);
    expect_equal(model.grad(), expected, 1e-12);
    expect_equal(scale * step.numerator[0], whole.detach(), 1e-12);
    EXPECT_FALSE(without_gradient.grad().defined());
  };
  expect(MeanByCount{});
  expect(MeanByWeight{});
  expect(SumOverRows{});
}

TEST(DeferredScale, IsZeroWhereNothingHasMass) {
  const TensorPartial nothing = TensorPartial::from_packed(at::zeros({3, 1}, at::kDouble));
  EXPECT_EQ(deferred_scale(MeanByWeight{}, nothing).item<double>(), 0.0);
}

TEST(ScaleGradients, KeepsTheTypeOfTheGradients) {
  const at::Tensor parameter = at::zeros({2}, at::kHalf).set_requires_grad(true);
  parameter.mutable_grad() = at::full({2}, 3, at::kHalf);
  scale_gradients({parameter}, at::scalar_tensor(0.5, at::kDouble));
  EXPECT_EQ(parameter.grad().scalar_type(), at::kHalf);
  EXPECT_EQ(parameter.grad()[0].item<double>(), 1.5);
}

TEST(SumOverRanks, ReadsATensorWhoseNegationIsPending) {
  const at::Tensor numbers = testing::negation_pending(at::tensor({1.0, -2.0}, at::kDouble));
  EXPECT_TRUE(at::equal(sum_over_ranks(numbers, [](std::span<double>) {}),
                        at::tensor({1.0, -2.0}, at::kDouble)));
}

TEST(SumOverRanks, LeavesItsInputAlone) {
  const at::Tensor numbers = at::tensor({1.0, 2.0}, at::kDouble);
  const at::Tensor sum = sum_over_ranks(numbers, AddOthers{{at::tensor({10.0, 20.0})}});
  EXPECT_TRUE(at::equal(sum, at::tensor({11.0, 22.0}, at::kDouble)));
  EXPECT_TRUE(at::equal(numbers, at::tensor({1.0, 2.0}, at::kDouble)));
  EXPECT_TRUE(at::equal(sum_over_ranks(numbers, SingleRank{}), numbers));
}

// A linear model trained in micro-batches on tensors, beside one that the core trains on whole
// batches.
TEST(GroupDroOnTensors, MovesItsSharesAsTheCore) {
  at::manual_seed(2);
  const std::int64_t features = 3;
  SoftmaxLoss<CrossEntropy, GroupDro> loss;
  loss.reduction = {3, 0.5, {}, {}};
  loss.class_weights = {1, 2, 0.5, 3};
  GroupDro of_core = loss.reduction;
  at::Tensor model = at::zeros({features, kClasses}, at::kDouble).set_requires_grad(true);
  at::Tensor model_of_core = at::zeros({features, kClasses}, at::kDouble);
  for (int step = 0; step < 10; ++step) {
    SoftmaxData batch;
    const at::Tensor inputs = at::randn({kRows, features}, at::kDouble);
    const at::Tensor denominators = batch.denominators(loss);
    TensorPartial finished;
    for (std::int64_t begin = 0; begin < kRows; begin += kPartRows) {
      SoftmaxData part = batch.part(begin);
      part.logits = inputs.slice(0, begin, begin + kPartRows).matmul(model);
      part.arguments.denominators = denominators;
      const LossAndPartial result = part.evaluate(loss);
      result.loss.backward();
      finished += result.partial;
    }
    model = (model.detach() - 0.5 * model.grad()).set_requires_grad(true);
    loss.reduction = loss.reduction.advance(finished.to_partial());

    SoftmaxLoss<CrossEntropy, GroupDro> core{{}, of_core, loss.class_weights};
    const at::Tensor logits = inputs.matmul(model_of_core);
    at::Tensor gradient = at::zeros_like(logits);
    const auto labels = detail::span_of<std::int64_t>(batch.targets);
    const equipoise::LossArguments rows{detail::span_of<double>(batch.arguments.sample_weights),
                                        detail::span_of<std::int64_t>(batch.arguments.groups)};
    const std::vector<double> scales =
        coefficients(of_core, equipoise::denominators(core, labels, kClasses, rows));
    const LossPartial partial =
        equipoise::partial(core, detail::matrix_view<const double>(logits), labels,
                           testing::with_coefficients(rows, scales),
                           LossOutputs<double>{detail::matrix_view<double>(gradient), {}});
    model_of_core = model_of_core - 0.5 * inputs.t().matmul(gradient);
    of_core = of_core.advance(partial);

    ASSERT_EQ(loss.reduction.shares.size(), 3u);
    for (std::size_t g = 0; g < 3; ++g) {
      EXPECT_NEAR(loss.reduction.shares[g], of_core.shares[g], 1e-12) << "group " << g;
    }
    expect_equal(model.detach(), model_of_core, 1e-12);
  }
  EXPECT_GT(std::fabs(of_core.shares[0] - of_core.shares[1]), 1e-3) << "the shares did not move";
}

TEST(AccumulationErrors, NameWhatIsWrong) {
  const TensorPartial two = TensorPartial::from_packed(at::ones({3, 2}, at::kDouble));
  TensorPartial three = TensorPartial::from_packed(at::ones({3, 3}, at::kDouble));
  EXPECT_EQ(error_of([&] { three += two; }),
            "TensorPartial::operator+=(): other.numerator.numel() = 2, expected 3 (buckets on the "
            "left)");
  EXPECT_EQ(error_of([] {
              TensorPartial::from_packed(at::ones({2, 3}));
            }),
            "TensorPartial::from_packed(): packed.sizes() = [2, 3], expected [3, K]");
  EXPECT_EQ(error_of([&] { deferred_scale(MeanPerGroup{2}, two); }),
            "deferred_scale(): reduction.buckets() = 2, expected 1: take the denominators before "
            "the backward pass");
  EXPECT_EQ(error_of([&] { deferred_scale(MeanByCount{}, two); }),
            "deferred_scale(): whole.denominator.numel() = 2, expected 1");
  const at::Tensor parameter = at::zeros({2}).set_requires_grad(true);
  parameter.mutable_grad() = at::ones({2});
  EXPECT_EQ(error_of([&] { scale_gradients({parameter}, at::ones({2})); }),
            "scale_gradients(): scale.dim() = 1, expected 0");
  EXPECT_EQ(error_of([&] { scale_gradients({parameter}, at::scalar_tensor(1, at::kMeta)); }),
            "scale_gradients(): scale.device() = meta, expected cpu, the device of the gradient of "
            "parameters[0]");
}

}  // namespace
}  // namespace equipoise::libtorch
