// Softmax losses on a device, in place and by operations that a graph may follow, against the
// kernels of the CPU on set-ups drawn at random.
#include <ATen/Context.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "equipoise/libtorch/detail/softmax_call.h"
#include "equipoise/libtorch/detail/softmax_node.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/reduction/group_dro.h"
#include "equipoise/reduction/reduction.h"
#include "tests/support/fake_device.h"

namespace equipoise::libtorch {
namespace {

namespace fake = testing::fake_device;
constexpr std::int64_t kGroups = 3;
constexpr unsigned kSetUps = 24;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");

class Draws {
 public:
  explicit Draws(unsigned seed) : engine_(seed) {}
  std::int64_t below(std::int64_t n) {
    return std::uniform_int_distribution<std::int64_t>(0, n - 1)(engine_);
  }
  bool one_in(std::int64_t n) { return below(n) == 0; }
  double real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }
  std::vector<double> reals(std::int64_t size, double low, double high) {
    std::vector<double> result;
    for (std::int64_t i = 0; i < size; ++i) result.push_back(real(low, high));
    return result;
  }
  // Zeros among them, and now and then huge ones.
  std::vector<double> weights(std::int64_t size) {
    const double huge = one_in(5) ? 1e12 : 1;
    std::vector<double> result = reals(size, 0.2, 3);
    for (double& weight : result) weight *= one_in(4) ? 0 : one_in(3) ? huge : 1;
    return result;
  }

 private:
  std::mt19937 engine_;
};

at::Tensor tensor_of(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

// One call. Numbers are such that bfloat16 holds them.
struct Call {
  std::string name;
  bool by_index = true;
  bool unreduced = false;
  bool is_invalid = false;
  std::int64_t classes = 1;
  std::int64_t class_dim = -1;
  at::Tensor logits;
  at::Tensor targets;
  LossArguments arguments{};
  at::Tensor upstream;
};

LogitTerms draw_terms(Draws& draws, const Call& call) {
  LogitTerms terms;
  if (draws.one_in(2)) terms.scale = draws.reals(call.classes, 0.5, 2);
  if (draws.one_in(2)) terms.shift = draws.reals(call.classes, -2, 2);
  if (call.by_index && draws.one_in(2)) terms.margin = draws.reals(call.classes, 0, 0.5);
  return terms;
}

template <class M, class R>
SoftmaxLoss<M, R> draw_loss(Draws& draws, const Call& call) {
  SoftmaxLoss<M, R> loss;
  const std::int64_t classes = call.classes;
  if constexpr (std::is_same_v<M, Focal>) loss.modulator.gamma = draws.real(0, 3);
  if constexpr (std::is_same_v<R, MeanPerClass>) {
    loss.reduction = {static_cast<std::size_t>(classes)};
  }
  if constexpr (std::is_same_v<R, GroupDro>) {
    loss.reduction.groups = kGroups;
    if (draws.one_in(2)) loss.reduction.shares = {0.5, 0.3, 0.2};
  }
  if (draws.one_in(2)) loss.class_weights = draws.weights(classes);
  if (draws.one_in(4)) loss.group_weights = draws.weights(kGroups);
  loss.label_smoothing = draws.one_in(3) ? 0.1 : 0;
  if (draws.one_in(2)) loss.convention = WeightConvention::kTorch;
  if (draws.one_in(2)) loss.empty_batch = EmptyBatch::kNaN;
  if (draws.one_in(3)) loss.ignore_index = 0;
  if (draws.one_in(3)) loss.logit_terms = draw_terms(draws, call);
  for (std::int64_t g = 0, of = draws.one_in(5) ? kGroups : 0; g < of; ++g) {
    loss.group_logit_terms.push_back(draw_terms(draws, call));
  }
  if (!call.by_index) return loss;
  if (draws.one_in(6)) loss.pair_shift.values = draws.reals(classes * classes, -1, 1);
  if (draws.one_in(6)) loss.seesaw.counts = draws.reals(classes, 0, 100);
  return loss;
}

// Logits [N, C], targets and arguments of N rows. Rows that do not count hold anything.
void draw_rows(Draws& draws, const kernels::SoftmaxSettings& loss, std::int64_t rows, Call& call) {
  call.logits = (at::randn({rows, call.classes}) * (draws.one_in(4) ? 30 : 2))
                    .to(at::kBFloat16)
                    .to(at::kDouble);
  // Zero times the infinite loss of a class is NaN with smoothing on the CPU, as in LibTorch.
  const bool has_infinite = loss.label_smoothing == 0 && call.classes > 1 && draws.one_in(4);
  const bool has_invalid = call.by_index && draws.one_in(10);
  const bool has_mask = !call.by_index && draws.one_in(2);
  const bool all_ignored = draws.one_in(10);
  at::Tensor indices = at::zeros({rows}, at::kLong);
  at::Tensor mask = at::ones({rows}, draws.one_in(2) ? at::kBool : at::kFloat);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::int64_t y = draws.below(call.classes);
    if (all_ignored || draws.one_in(5)) y = loss.ignore_index;
    const bool ignored = call.by_index ? y == loss.ignore_index : has_mask && draws.one_in(4);
    if (has_invalid && draws.one_in(3)) {
      y = draws.one_in(2) ? -7 : call.classes;
      call.is_invalid = true;
    }
    indices[i] = y;
    if (ignored) mask[i] = 0;
    if (ignored && draws.one_in(2)) call.logits[i].fill_(draws.one_in(2) ? kNaN : kInfinity);
    if (!ignored && has_infinite) call.logits[i][draws.below(call.classes)] = -kInfinity;
  }
  call.targets = indices;
  if (!call.by_index) {
    call.targets = at::rand({rows, call.classes}).to(at::kDouble);
    if (draws.one_in(2)) call.targets.masked_fill_(call.targets.lt(0.4), 0.0);
    if (draws.one_in(3)) call.targets.mul_(1e-25);
    if (has_mask) call.arguments.mask = mask;
  }
  if (draws.one_in(3)) {
    call.arguments.sample_weights =
        tensor_of(draws.weights(rows)).to(draws.one_in(2) ? at::kFloat : at::kDouble);
  }
  call.arguments.groups = at::randint(kGroups, {rows}, at::kLong);
}

// The call's rows as [N, C], [N, T, C] or [N, C, T], some of them with strides of their own.
void draw_shape(Draws& draws, std::int64_t batch, std::int64_t steps, Call& call) {
  if (steps > 0) {
    if (draws.one_in(2)) call.class_dim = 1;
    const auto shape = [&](at::Tensor& tensor) {
      if (!tensor.defined()) return;
      const bool by_class = tensor.dim() == 2;
      tensor = by_class ? tensor.view({batch, steps, call.classes}).movedim(-1, call.class_dim)
                        : tensor.view({batch, steps});
      if (by_class && draws.one_in(2)) tensor = tensor.contiguous();
    };
    for (at::Tensor* each : {&call.logits, &call.targets, &call.arguments.sample_weights,
                             &call.arguments.groups, &call.arguments.mask}) {
      shape(*each);
    }
    call.arguments.class_dim = call.class_dim;
  }
  call.unreduced = draws.one_in(4);
  const at::Tensor of_rows = call.arguments.groups.to(at::kDouble);
  const double factor = draws.one_in(5) ? 0 : draws.one_in(2) ? 0x1p16 : 0.25;
  call.upstream =
      call.unreduced ? at::rand_like(of_rows) * factor : at::full({}, factor, at::kDouble);
}

template <class M, class R>
void draw_sums(Draws& draws, const SoftmaxLoss<M, R>& loss, Call& call) {
  const auto buckets = static_cast<std::int64_t>(loss.reduction.buckets());
  if (draws.one_in(5)) call.arguments.denominators = tensor_of(draws.reals(buckets, 1, 50));
  const bool has_shares = !equipoise::detail::kIsSum<R> && draws.one_in(8);
  if (has_shares) call.arguments.shares = tensor_of(draws.reals(buckets, 0.1, 1));
  if (!loss.seesaw.counts.empty() && draws.one_in(2)) {
    call.arguments.seesaw_counts = tensor_of(draws.reals(call.classes, 0, 1000));
  }
}

// The size of the terms that cancel in a gradient: the largest weight of a row.
double largest_weight(const kernels::SoftmaxSettings& loss, const LossArguments& arguments) {
  double result = 1;
  const auto grow = [&](const std::vector<double>& weights) {
    if (!weights.empty())
      result *= std::max(1.0, *std::max_element(weights.begin(), weights.end()));
  };
  grow(loss.class_weights);
  grow(loss.group_weights);
  grow(detail::to_vector(detail::flat(arguments.sample_weights)));
  return result;
}

struct Outcome {
  at::Tensor loss;
  at::Tensor gradient;
  at::Tensor second;  // the gradient of the sum of the gradient's elements
};

// The numbers are infinite and NaN where expected, and elsewhere within a tolerance of the largest
// one, or of `least`.
void expect_close(const at::Tensor& value, const at::Tensor& expected, double tolerance,
                  double least, const std::string& what) {
  ASSERT_EQ(value.numel(), expected.numel()) << what;
  if (expected.numel() == 0) return;
  const at::Tensor a = value.detach().to(at::kCPU, at::kDouble).reshape(expected.sizes());
  const at::Tensor b = expected.to(at::kDouble);
  EXPECT_TRUE(a.isnan().equal(b.isnan())) << what << "\nvalue " << a << "\nexpected " << b;
  EXPECT_TRUE(a.isinf().equal(b.isinf())) << what << "\nvalue " << a << "\nexpected " << b;
  const at::Tensor odd = b.isfinite().bitwise_not();
  const double size = b.masked_fill(odd, 0.0).abs().max().item<double>();
  EXPECT_LE((a - b).masked_fill(odd, 0.0).abs().max().item<double>(), tolerance * (size + least))
      << what << "\nvalue " << a << "\nexpected " << b;
}

// Thousands of roundings of numbers that are some ten times larger than their sum.
double tolerance_of(at::ScalarType type) {
  return type == at::kDouble ? 0x1p-32 : type == at::kFloat ? 0x1p-12 : 0x1p-6;
}

at::Tensor gradient_of(const at::Tensor& loss, const at::Tensor& leaf, const at::Tensor& upstream,
                       bool graph = false) {
  return torch::autograd::grad({loss}, {leaf}, {upstream}, /*retain_graph=*/true, graph)[0];
}

Outcome outcome_of(const at::Tensor& loss, const at::Tensor& leaf, const at::Tensor& upstream) {
  const at::Tensor gradient = gradient_of(loss, leaf, upstream, /*graph=*/true);
  return {loss.detach(), gradient_of(loss, leaf, upstream),
          torch::autograd::grad({gradient.sum()}, {leaf})[0]};
}

template <class M, class R>
class Check {
 public:
  explicit Check(unsigned seed) : draws_(seed) {
    at::manual_seed(seed);
    call_.name = "seed " + std::to_string(seed);
    call_.by_index = !draws_.one_in(3);
    call_.classes = draws_.one_in(8) ? 1 : 2 + draws_.below(6);
    loss_ = draw_loss<M, R>(draws_, call_);
    const auto settings = equipoise::detail::settings_of(loss_);
    const std::int64_t batch = draws_.one_in(8) ? 0 : 1 + draws_.below(5);
    const std::int64_t steps = draws_.one_in(3) ? 1 + draws_.below(4) : 0;
    draw_rows(draws_, settings, batch * std::max<std::int64_t>(steps, 1), call_);
    draw_shape(draws_, batch, steps, call_);
    draw_sums(draws_, loss_, call_);
    least_ = largest_weight(settings, call_.arguments);
    at::globalContext().setDeterministicAlgorithms(draws_.one_in(3), /*warn_only=*/false);
  }

  void run(bool on_device) {
    try {
      const at::Tensor leaf = call_.logits.clone().set_requires_grad(true);
      expected_ = outcome_of(loss_of(leaf), leaf, call_.upstream);
    } catch (const std::invalid_argument& error) {
      ASSERT_TRUE(call_.is_invalid) << call_.name << ": " << error.what();
    }
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      by_tensors(type, /*in_place=*/true);
      by_tensors(type, /*in_place=*/false);
    }
    if (!on_device) return;
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) by_module(type);
    if (largest_upstream() <= 1) by_module(at::kHalf);  // gradients of others may not fit
  }

 private:
  at::Tensor loss_of(const at::Tensor& logits) const {
    return call_.unreduced ? unreduced(loss_, logits, call_.targets, call_.arguments)
                           : value(loss_, logits, call_.targets, call_.arguments);
  }

  void expect_loss(const at::Tensor& loss, at::ScalarType type, const std::string& what) const {
    if (call_.is_invalid) {
      EXPECT_TRUE(loss.to(at::kCPU).isnan().any().template item<bool>()) << what;
    } else {
      // Logits of half types are computed with in float.
      expect_close(loss, expected_.loss, tolerance_of(type == at::kDouble ? type : at::kFloat),
                   1e-3, what + ", loss");
    }
  }
  void expect_gradient(const at::Tensor& gradient, at::ScalarType type,
                       const std::string& what) const {
    expect_close(gradient, expected_.gradient, tolerance_of(type), least_ * largest_upstream(),
                 what);
  }
  double largest_upstream() const {
    return call_.upstream.numel() > 0 ? call_.upstream.max().template item<double>() : 0;
  }

  // Without a device.
  void by_tensors(at::ScalarType type, bool in_place) const {
    const auto of = detail::softmax_of_tensors("value", loss_);
    const auto in = detail::make_inputs(call_.logits.to(type), call_.targets, call_.arguments);
    detail::SoftmaxNode node{of, {}, in.arguments, call_.unreduced, false};
    const detail::SoftmaxTensors tensors = node.constants_for(in.logits);
    const at::Tensor factor = node.factor(call_.upstream.to(type), in.logits);
    for (const detail::Wanted wanted : {detail::Wanted{call_.unreduced, false, false},
                                        detail::Wanted{call_.unreduced, true, false},
                                        detail::Wanted{call_.unreduced, true, true}}) {
      const std::string what = call_.name + (in_place ? ", in place" : ", by operations") +
                               (wanted.gradient ? ", gradient" : "") +
                               (wanted.sums ? ", sums" : "");
      const auto compute = [&](const auto&... given) {
        return in_place ? detail::softmax_in_place(given...)
                        : detail::softmax_by_operations(given...);
      };
      const detail::LossAndGradient result =
          compute(of, tensors, in.logits, in.targets, in.arguments, wanted);
      expect_loss(result.loss, type, what);
      if (!wanted.gradient || call_.is_invalid) continue;
      const at::Tensor gradient =
          result.make_gradient ? result.make_gradient(factor, type) : result.gradient * factor;
      const auto sizes = call_.logits.movedim(call_.class_dim, -1).sizes();
      expect_gradient(gradient.reshape(sizes).movedim(-1, call_.class_dim), type, what);
    }
  }

  // A module on one of the cards; nothing is read or uploaded.
  void by_module(at::ScalarType type) {
    const at::Device card = fake::card(static_cast<int>(draws_.below(2)));
    const std::string what = call_.name + ", module, " + c10::toString(type);
    SoftmaxLossModule<M, R> module(SoftmaxLossOptions<M, R>(loss_).reduce(!call_.unreduced));
    module->to(card);
    const at::Tensor leaf = call_.logits.to(type).to(card).set_requires_grad(true);
    const at::Tensor targets = call_.targets.to(card);
    const at::Tensor upstream =
        call_.upstream.to(type == at::kDouble ? at::kDouble : at::kFloat).to(card);
    LossArguments arguments = call_.arguments;
    for (at::Tensor* each :
         {&arguments.sample_weights, &arguments.groups, &arguments.mask, &arguments.denominators,
          &arguments.shares, &arguments.seesaw_counts}) {
      if (each->defined()) *each = each->to(card);
    }
    module->forward(leaf, targets, arguments);  // uploads shares, where there are some
    fake::reset_counts();
    const at::Tensor loss = module->forward(leaf, targets, arguments);
    const Outcome found = outcome_of(loss, leaf, upstream);
    const at::Tensor again = gradient_of(loss, leaf, upstream);
    at::Tensor without_graph;
    {
      const at::NoGradGuard no_graph;
      without_graph = module->forward(leaf, targets, arguments);
    }
    EXPECT_EQ(fake::counts().uploads, 0) << what;
    EXPECT_EQ(fake::counts().downloads, 0) << what;
    expect_loss(found.loss, type, what);
    expect_loss(without_graph, type, what + " without a graph");
    if (call_.is_invalid) return;
    expect_gradient(found.gradient, type, what + ", gradient");
    expect_gradient(again, type, what + ", second pass");
    if (type != at::kDouble) return;
    const double size = expected_.gradient.nan_to_num().abs().sum().template item<double>();
    expect_close(found.second, expected_.second, tolerance_of(type), size, what + ", second");
  }

  Draws draws_;
  Call call_;
  SoftmaxLoss<M, R> loss_;
  Outcome expected_;
  double least_ = 1;
};

template <class M, class R>
void check() {
  for (unsigned seed = 0; seed < kSetUps; ++seed) {
    Check<M, R>(seed).run(fake::available() && seed % 4 == 0);
  }
  at::globalContext().setDeterministicAlgorithms(false, /*warn_only=*/false);
}

TEST(DeviceProperty, CrossEntropyByCount) { check<CrossEntropy, MeanByCount>(); }
TEST(DeviceProperty, CrossEntropyByWeight) { check<CrossEntropy, MeanByWeight>(); }
TEST(DeviceProperty, CrossEntropySummed) { check<CrossEntropy, SumOverRows>(); }
TEST(DeviceProperty, CrossEntropyPerClass) { check<CrossEntropy, MeanPerClass>(); }
TEST(DeviceProperty, CrossEntropyByPositives) { check<CrossEntropy, MeanByPositives>(); }
TEST(DeviceProperty, CrossEntropyOfGroups) { check<CrossEntropy, GroupDro>(); }
TEST(DeviceProperty, FocalByWeight) { check<Focal, MeanByWeight>(); }
TEST(DeviceProperty, PolyByCount) { check<PolyCrossEntropy<>, MeanByCount>(); }

}  // namespace
}  // namespace equipoise::libtorch
