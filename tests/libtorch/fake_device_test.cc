// The device path on a device whose memory a host cannot read and which counts what it is asked
// for: what the "meta" device cannot show.
#include "tests/support/fake_device.h"

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/libtorch/metrics/calibration.h"
#include "equipoise/libtorch/metrics/confusion.h"
#include "equipoise/libtorch/metrics/ranking.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/overlap_module.h"
#include "equipoise/libtorch/sigmoid_module.h"
#include "equipoise/reduction/group_dro.h"
#include "tests/support/errors.h"

namespace equipoise::libtorch {
namespace {

namespace fake = testing::fake_device;
using testing::error_of;

constexpr std::int64_t kRows = 24;
constexpr std::int64_t kClasses = 5;
constexpr at::ScalarType kTypes[] = {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16};

class FakeDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fake::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  }
};

struct Batch {
  at::Tensor logits;
  at::Tensor targets;
  LossArguments arguments{};

  Batch to(const at::Device& device) const {
    Batch result{logits.to(device), targets.to(device), arguments};
    for (at::Tensor* each : {&result.arguments.sample_weights, &result.arguments.groups,
                             &result.arguments.mask, &result.arguments.seesaw_counts}) {
      if (each->defined()) *each = each->to(device);
    }
    return result;
  }
};

struct Outcome {
  at::Tensor loss;
  at::Tensor gradient;
  at::Tensor again;   // of a second backward pass
  at::Tensor second;  // the gradient of the squared norm of the gradient
};

template <class Module>
Outcome run(Module& module, const Batch& batch) {
  const at::Tensor leaf = batch.logits.detach().clone().set_requires_grad(true);
  const at::Tensor loss = module->forward(leaf, batch.targets, batch.arguments);
  const at::Tensor sum = loss.sum();
  const auto gradient = [&](bool graph) {
    return torch::autograd::grad({sum}, {leaf}, {}, /*retain_graph=*/true, graph)[0];
  };
  Outcome outcome{loss.detach(), gradient(false), gradient(false), {}};
  const at::Tensor norm = gradient(true).to(at::kDouble).square().sum();
  outcome.second = torch::autograd::grad({norm}, {leaf})[0];
  return outcome;
}

void expect_close(const at::Tensor& value, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(value.scalar_type(), expected.scalar_type()) << what;
  const double epsilon = value.scalar_type() == at::kDouble  ? 0x1p-52
                         : value.scalar_type() == at::kFloat ? 0x1p-23
                         : value.scalar_type() == at::kHalf  ? 0x1p-10
                                                             : 0x1p-7;
  const at::Tensor a = value.to(at::kCPU, at::kDouble);
  const at::Tensor b = expected.to(at::kDouble);
  const double scale = b.abs().max().item<double>();
  // About a hundred operations in the worst case, on numbers up to the largest.
  EXPECT_LE((a - b).abs().max().item<double>(), 128 * epsilon * scale) << what;
}

// The module gives on both cards, in all types, what it gives on the CPU, and asks for nothing but
// launches.
template <class Module>
void expect_the_same_on_devices(const std::function<Module()>& make, const Batch& batch,
                                const std::string& what) {
  for (const at::ScalarType type : kTypes) {
    Batch typed = batch;
    typed.logits = batch.logits.to(type);
    if (typed.targets.is_floating_point() && typed.targets.dim() == typed.logits.dim()) {
      typed.targets = batch.targets.to(type);
    }
    Module on_cpu = make();
    const Outcome expected = run(on_cpu, typed);
    for (const int card : {0, 1}) {
      const std::string name = what + ", " + c10::toString(type) + ", card " + std::to_string(card);
      Module module = make();
      module->to(fake::card(card));
      const Batch there = typed.to(fake::card(card));
      fake::reset_counts();
      const Outcome outcome = run(module, there);
      const fake::Counts counts = fake::counts();
      EXPECT_EQ(counts.uploads, 0) << name;
      EXPECT_EQ(counts.downloads, 0) << name;
      EXPECT_GT(counts.launches, 0) << name;
      EXPECT_EQ(fake::current_card(), 0) << name;
      EXPECT_EQ(outcome.loss.device(), fake::card(card)) << name;
      expect_close(outcome.loss, expected.loss, name + ", loss");
      expect_close(outcome.gradient, expected.gradient, name + ", gradient");
      expect_close(outcome.again, expected.gradient, name + ", second pass");
      expect_close(outcome.second, expected.second, name + ", second derivative");
    }
  }
}

at::Tensor some_logits() {
  at::manual_seed(5);
  return at::randn({kRows, kClasses}, at::kDouble) * 2;
}
at::Tensor some_classes() {
  at::manual_seed(6);
  at::Tensor classes = at::randint(kClasses, {kRows}, at::kLong);
  classes[3] = kIgnoreIndex;
  return classes;
}
at::Tensor some_weights() {
  at::manual_seed(7);
  return at::rand({kRows}, at::kDouble) + 0.5;
}
const std::vector<double> kWeights = {0.5, 1, 2, 4, 1};

template <class M, class R>
void expect_softmax(const SoftmaxLoss<M, R>& loss, const Batch& batch, const std::string& what) {
  expect_the_same_on_devices<SoftmaxLossModule<M, R>>([&] { return SoftmaxLossModule<M, R>(loss); },
                                                      batch, what);
}

TEST_F(FakeDevice, SoftmaxLosses) {
  const Batch plain{some_logits(), some_classes()};
  SoftmaxLoss<CrossEntropy, MeanByWeight> weighted;
  weighted.class_weights = kWeights;
  expect_softmax(weighted, plain, "weighted");
  weighted.label_smoothing = 0.1;
  expect_softmax(weighted, plain, "smoothing");
  weighted.convention = WeightConvention::kTorch;
  expect_softmax(weighted, plain, "smoothing as LibTorch");
  expect_softmax(SoftmaxLoss<Focal>{}, {some_logits(), some_classes(), {some_weights()}}, "focal");
  SoftmaxLoss<> terms;
  terms.logit_terms = {.scale = kWeights, .shift = kWeights, .margin = kWeights};
  expect_softmax(terms, {some_logits().tanh(), some_classes()}, "terms");
  SoftmaxLoss<> pairs;
  pairs.pair_shift.values.assign(kClasses * kClasses, 0.25);
  expect_softmax(pairs, plain, "pairs");
  SoftmaxLoss<> seesaw;
  seesaw.seesaw.counts = {100, 50, 10, 5, 1};
  expect_softmax(seesaw, plain, "seesaw");
  expect_softmax(SoftmaxLoss<CrossEntropy, MeanPerClass>{.reduction = {kClasses}}, plain,
                 "per class");
  at::manual_seed(8);
  expect_softmax(SoftmaxLoss<>{}, {some_logits(), at::rand({kRows, kClasses}).softmax(1)},
                 "distributions");
}

TEST_F(FakeDevice, SigmoidLosses) {
  at::manual_seed(9);
  const Batch plain{some_logits(), at::rand({kRows, kClasses}).lt(0.3).to(at::kFloat)};
  const auto expect = [&](const auto& loss, const std::string& what) {
    using Loss = std::remove_cvref_t<decltype(loss)>;
    using Module = SigmoidLossModule<decltype(Loss::sides), decltype(Loss::reduction)>;
    expect_the_same_on_devices<Module>([&] { return Module(loss); }, plain, what);
  };
  equipoise::SigmoidLoss<> weighted;
  weighted.class_weights = kWeights;
  weighted.pos_weight = kWeights;
  weighted.shift = {0.1, 0.2, 0.3, 0.4, 0.5};
  expect(weighted, "weighted");
  expect(equipoise::SigmoidLoss<SigmoidFocal>{}, "focal");
  expect(equipoise::SigmoidLoss<AsymmetricFocal, MeanByPositives>{}, "asymmetric");
  equipoise::SigmoidLoss<> rebalanced;
  rebalanced.rebalance.counts = {100, 50, 10, 5, 1};
  rebalanced.negative_scale = 2;
  expect(rebalanced, "rebalanced");
}

TEST_F(FakeDevice, OverlapLosses) {
  const Batch plain{some_logits(), some_classes(), {some_weights()}};
  OverlapLoss<> dice;
  dice.class_weights = kWeights;
  for (const OverlapActivation activation :
       {OverlapActivation::kSoftmax, OverlapActivation::kSigmoid}) {
    dice.activation = activation;
    expect_the_same_on_devices<OverlapLossModule<>>([&] { return OverlapLossModule<>(dice); },
                                                    plain, "dice");
  }
}

// The counters see what free functions upload: the constants of the loss, on each call.
TEST_F(FakeDevice, FreeFunctionsUploadTheirConstants) {
  const Batch there = Batch{some_logits(), some_classes()}.to(fake::card(0));
  SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
  fake::reset_counts();
  value(loss, there.logits, there.targets);
  EXPECT_EQ(fake::counts().uploads, 0);
  loss.class_weights = kWeights;
  loss.logit_terms.shift = kWeights;
  const at::Tensor result = value(loss, there.logits, there.targets);
  EXPECT_EQ(fake::counts().uploads, 2);
  EXPECT_EQ(fake::counts().downloads, 0);
  static_cast<void>(result.item<double>());
  EXPECT_EQ(fake::counts().downloads, 1);
}

// LibTorch's order of the classes, without a copy; and group DRO, whose shares go up once.
TEST_F(FakeDevice, ClassesInTheSecondDimension) {
  at::manual_seed(11);
  const at::Tensor logits = at::randn({4, kClasses, 6}, at::kDouble) * 2;
  at::Tensor classes = at::randint(kClasses, {4, 6}, at::kLong);
  classes[2][3] = kIgnoreIndex;
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = kWeights;
  const auto make = [&](double smoothing) {
    return [=] {
      SoftmaxLoss<CrossEntropy, MeanByWeight> smooth;
      smooth.label_smoothing = smoothing;
      smooth.class_weights = kWeights;
      return SoftmaxLossModule<CrossEntropy, MeanByWeight>(
          SoftmaxLossOptions<CrossEntropy, MeanByWeight>(smooth).class_dim(1));
    };
  };
  using Module = SoftmaxLossModule<CrossEntropy, MeanByWeight>;
  expect_the_same_on_devices<Module>(make(0), {logits, classes}, "N x C x T");
  expect_the_same_on_devices<Module>(make(0.1), {logits, classes}, "N x C x T, smoothing");
  using Focals = SoftmaxLossModule<Focal, MeanByWeight>;
  expect_the_same_on_devices<Focals>(
      [&] { return Focals(SoftmaxLossOptions<Focal, MeanByWeight>(loss).class_dim(1)); },
      {logits, classes}, "N x C x T, focal");
}

TEST_F(FakeDevice, GroupDroUploadsItsSharesWhereTheyChange) {
  SoftmaxLoss<CrossEntropy, GroupDro> loss;
  loss.reduction = GroupDro{2};
  SoftmaxLossModule<CrossEntropy, GroupDro> module(loss);
  module->to(fake::card(0));
  Batch batch{some_logits(), some_classes()};
  batch.arguments.groups = at::arange(kRows, at::kLong).remainder(2);
  const Batch there = batch.to(fake::card(0));
  const auto uploads = [&] {
    fake::reset_counts();
    module->forward(there.logits, there.targets, there.arguments);
    return fake::counts().uploads;
  };
  EXPECT_EQ(uploads(), 1);
  EXPECT_EQ(uploads(), 0);
  module->options.loss().reduction.shares = {0.25, 0.75};
  EXPECT_EQ(uploads(), 1);
  EXPECT_EQ(uploads(), 0);
  const at::Tensor on_cpu =
      value(module->options.loss(), batch.logits, batch.targets, batch.arguments);
  const at::Tensor on_device = module->forward(there.logits, there.targets, there.arguments);
  EXPECT_NEAR(on_device.to(at::kCPU).item<double>(), on_cpu.item<double>(), 1e-14);
}

// Wherever it stands, and whatever the weight of its class.
TEST_F(FakeDevice, ABrokenTargetMakesTheLossNaN) {
  Batch batch{some_logits(), some_classes()};
  batch.targets[4] = -5;
  const Batch there = batch.to(fake::card(0));
  const auto expect_nan = [&](const at::Tensor& loss, const char* what) {
    EXPECT_TRUE(loss.to(at::kCPU).isnan().item<bool>()) << what;
  };
  expect_nan(value(SoftmaxLoss<>{}, there.logits, there.targets), "cross-entropy");
  OverlapLoss<> dice;
  dice.class_weights = {0, 1, 1, 1, 1};
  expect_nan(value(dice, there.logits, there.targets), "dice");
  at::Tensor labels = at::zeros({kRows, kClasses});
  labels[2][1] = 1.5;
  expect_nan(value(equipoise::SigmoidLoss<>{}, there.logits, labels.to(fake::card(0))), "BCE");
}

// What a masked row holds does not matter.
TEST_F(FakeDevice, MaskedRowsMayHoldAnything) {
  at::manual_seed(12);
  Batch batch{some_logits(), at::rand({kRows, kClasses}, at::kDouble).softmax(1)};
  batch.arguments.mask = at::ones({kRows}, at::kBool);
  batch.arguments.mask[5] = false;
  const SoftmaxLoss<Focal, MeanByWeight> loss;
  const double expected = value(loss, batch.logits, batch.targets, batch.arguments).item<double>();
  batch.logits[5] = std::nan("");
  batch.targets[5] = std::nan("");
  const Batch there = batch.to(fake::card(0));
  EXPECT_NEAR(value(loss, there.logits, there.targets, there.arguments).to(at::kCPU).item<double>(),
              expected, 1e-14);
  EXPECT_EQ(
      denominators(loss, there.targets, kClasses, there.arguments).to(at::kCPU).item<double>(),
      denominators(loss, batch.targets.nan_to_num(), kClasses, batch.arguments).item<double>());
}

// A checkpoint that was saved on a device brings its buffers there with it.
TEST_F(FakeDevice, AModuleWhoseConstantsAreElsewhereIsRefused) {
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = kWeights;
  SoftmaxLossModule<> module(loss);
  module->to(fake::card(1));
  const Batch batch{some_logits(), some_classes()};
  EXPECT_EQ(error_of([&] { module->forward(batch.logits, batch.targets); }),
            "SoftmaxLossModule::forward(): class_weights.device() = fake:1, expected cpu, the "
            "device of the logits");
  const Batch there = batch.to(fake::card(0));
  EXPECT_EQ(error_of([&] { module->forward(there.logits, there.targets); }),
            "SoftmaxLossModule::forward(): class_weights.device() = fake:1, expected fake:0, the "
            "device of the logits");
  EXPECT_EQ(error_of([&] { value(equipoise::SoftmaxLoss<>{}, there.logits, batch.targets); }),
            "value(): targets.device() = cpu, expected fake:0, the device of the logits");
}

// On the CPU the core refuses it; here gathers would read beyond the constants.
TEST_F(FakeDevice, AModuleForOtherClassesIsRefused) {
  SoftmaxLoss<> weighted;
  weighted.class_weights = kWeights;
  SoftmaxLossModule<> module(weighted);
  SoftmaxLoss<> shifted;
  shifted.logit_terms.shift = {0.5};
  SoftmaxLossModule<> of_one_class(shifted);
  equipoise::SigmoidLoss<> bce;
  bce.pos_weight = {2};
  SigmoidLossModule<> of_one_label(bce);
  module->to(fake::card(0));
  of_one_class->to(fake::card(0));
  of_one_label->to(fake::card(0));
  const at::Tensor logits = at::randn({kRows, 4}).to(fake::card(0));
  const at::Tensor targets = at::zeros({kRows}, at::kLong).to(fake::card(0));
  EXPECT_EQ(error_of([&] { module->forward(logits, targets); }),
            "SoftmaxLossModule::forward(): class_weights.size(-1) = 5, expected 4, as the logits");
  EXPECT_EQ(error_of([&] { of_one_class->forward(logits, targets); }),
            "SoftmaxLossModule::forward(): shift.size(-1) = 1, expected 4, as the logits");
  EXPECT_EQ(error_of([&] { of_one_label->forward(logits, at::zeros_like(logits)); }),
            "SigmoidLossModule::forward(): pos_weight.size(-1) = 1, expected 4, as the logits");
}

// The constants of a forward pass are those of all its backward passes, whatever a schedule has
// set since.
TEST_F(FakeDevice, ConstantsSetAfterTheForwardPassAreOfTheNextOne) {
  const at::Tensor logits = some_logits().to(fake::card(0)).set_requires_grad(true);
  const auto expect_unmoved = [&](const at::Tensor& loss, const auto& set, const char* what) {
    const auto gradient = [&] {
      return torch::autograd::grad({loss}, {logits}, {}, /*retain_graph=*/true)[0].to(at::kCPU);
    };
    const at::Tensor before = gradient();
    set();
    EXPECT_TRUE(gradient().equal(before)) << what;
  };
  const std::vector<double> other = {1, 2, 3, 4, 5};
  SoftmaxLoss<> scaled;
  scaled.class_weights = kWeights;
  scaled.logit_terms.scale = kWeights;
  SoftmaxLossModule<> module(scaled);
  module->to(fake::card(0));
  expect_unmoved(
      module->forward(logits, some_classes().to(fake::card(0))),
      [&] {
        module->set_class_weights(other);
        module->set_logit_terms({.scale = other, .shift = {}, .margin = {}});
      },
      "softmax");
  equipoise::SigmoidLoss<> bce;
  bce.class_weights = kWeights;
  bce.pos_weight = kWeights;
  SigmoidLossModule<> sigmoid(bce);
  sigmoid->to(fake::card(0));
  expect_unmoved(
      sigmoid->forward(logits, at::ones({kRows, kClasses}).to(fake::card(0))),
      [&] {
        sigmoid->set_class_weights(other);
        sigmoid->set_pos_weight(other);
      },
      "sigmoid");
}

// No gradient flows to them; second derivatives are the same as ever.
TEST_F(FakeDevice, ConstantsMayRequireGradients) {
  SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
  loss.class_weights = kWeights;
  using Module = SoftmaxLossModule<CrossEntropy, MeanByWeight>;
  expect_the_same_on_devices<Module>(
      [&] {
        Module module(loss);
        module->class_weights.set_requires_grad(true);
        return module;
      },
      {some_logits(), some_classes()}, "constants that require gradients");
}

// However small the probability that the target has of what the logits rule out, and however large
// a finite loss.
TEST_F(FakeDevice, LossesOfDistributionsAreInfiniteWhereAProbabilityIsZero) {
  SoftmaxLoss<> loss;
  loss.class_weights = {1, 1e20};
  const auto unreduced_on_device = [&](const at::Tensor& logits, const at::Tensor& targets) {
    return unreduced(loss, logits.to(fake::card(0)), targets.to(fake::card(0))).to(at::kCPU);
  };
  const at::Tensor logits = at::tensor({-INFINITY, 0.F, 1.F, 0.F, -INFINITY, 0.F}).view({3, 2});
  const at::Tensor targets = at::tensor({1e-25F, 1.F, 0.F, 1.F, 0.F, 1.F}).view({3, 2});
  const at::Tensor losses = unreduced_on_device(logits, targets);
  EXPECT_EQ(losses[0].item<float>(), INFINITY);
  // -log p_1 = log(1 + e)
  EXPECT_NEAR(losses[1].item<float>(), 1e20F * 1.3132617F, 1e20F * 1e-6F);
  EXPECT_EQ(losses[2].item<float>(), 0);
  EXPECT_TRUE(std::isnan(unreduced_on_device(logits + NAN, targets)[2].item<float>()));
}

// Without classes no index is one.
TEST_F(FakeDevice, IndicesAmongNoClassesAreInvalid) {
  const at::Tensor logits = at::zeros({3, 0}).to(fake::card(0));
  at::Tensor targets = at::full({3}, kIgnoreIndex, at::kLong);
  EXPECT_EQ(value(SoftmaxLoss<>{}, logits, targets.to(fake::card(0))).to(at::kCPU).item<float>(),
            0);
  targets[1] = 0;
  EXPECT_TRUE(std::isnan(
      value(SoftmaxLoss<>{}, logits, targets.to(fake::card(0))).to(at::kCPU).item<float>()));
}

TEST_F(FakeDevice, MetricsReadTheDeviceOnce) {
  const Batch batch{some_logits(), some_classes()};
  const auto expect = [&](auto accumulator, auto on_cpu, const auto& add, const auto& read) {
    const Batch there = batch.to(fake::card(0));
    fake::reset_counts();
    add(accumulator, there);
    add(accumulator, there);
    EXPECT_EQ(fake::counts().uploads, 0);
    EXPECT_EQ(fake::counts().downloads, 0);
    const double value = read(accumulator);
    EXPECT_EQ(fake::counts().downloads, 1);
    add(on_cpu, batch);
    add(on_cpu, batch);
    EXPECT_DOUBLE_EQ(value, read(on_cpu));
  };
  using Confusion = Accumulator<metrics::ConfusionMatrix>;
  expect(
      Confusion(kClasses), Confusion(kClasses),
      [](Confusion& sums, const Batch& b) { sums.add(b.targets, b.logits, kIgnoreIndex); },
      [](const Confusion& sums) { return sums.value().macro_f1(); });
  using Calibration = Accumulator<metrics::Calibration>;
  expect(
      Calibration(kClasses), Calibration(kClasses),
      [](Calibration& sums, const Batch& b) {
        sums.add(b.logits.softmax(1), b.targets, kIgnoreIndex);
      },
      [](const Calibration& sums) { return sums.value().nll(); });
}

}  // namespace
}  // namespace equipoise::libtorch
