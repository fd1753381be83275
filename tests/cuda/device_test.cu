// Losses on a GPU by the kernels of equipoise/cuda.h: values, gradients and second derivatives
// against the CPU's, memory, and times beside LibTorch's operations. Where there is no GPU it says
// so and ends with 0, unless EQUIPOISE_REQUIRE_GPU is set.
#include "equipoise/cuda.h"
// Before the others.
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/sigmoid_module.h"

namespace {

namespace eq = equipoise;
namespace el = equipoise::libtorch;

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

struct Tsallis {  // a user's own
  double s = 0.7;

  template <class T>
  EQUIPOISE_INLINE eq::ValueAndSlope<T> operator()(const eq::TargetProbability<T>& t) const {
    const T power = eq::math::pow(t.p, s);
    return {(1.0 - power) * (1.0 / s), -power};
  }
};

struct Outcome {
  at::Tensor loss;
  at::Tensor gradient;
  at::Tensor second;
};

template <class Module>
Outcome outcome_of(Module& module, const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor leaf = logits.detach().clone().set_requires_grad(true);
  const at::Tensor loss = module->forward(leaf, targets);
  Outcome outcome{loss.detach(), {}, {}};
  outcome.gradient = torch::autograd::grad({loss * 3}, {leaf}, {}, true)[0];
  const auto graph = torch::autograd::grad({loss}, {leaf}, {}, true, true)[0];
  outcome.second = torch::autograd::grad({graph.to(at::kDouble).square().sum()}, {leaf})[0];
  return outcome;
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor in_double = b.to(at::kCPU, at::kDouble);
  const double size = in_double.abs().max().item<double>();
  return (a.to(at::kCPU, at::kDouble) - in_double).abs().max().item<double>() /
         std::max(size, 1e-300);
}

template <class Module>
void check(const std::function<Module()>& make, const at::Tensor& logits, const at::Tensor& targets,
           const std::string& what) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const double epsilon = type == at::kFloat ? 0x1p-23 : type == at::kHalf ? 0x1p-10 : 0x1p-7;
    const std::string name = what + ", " + c10::toString(type);
    Module on_cpu = make();
    Module on_device = make();
    on_device->to(at::kCUDA);
    const at::Tensor z = logits.to(type);
    const Outcome expected = outcome_of(on_cpu, z.to(at::kFloat), targets);
    const Outcome outcome = outcome_of(on_device, z.to(at::kCUDA), targets.to(at::kCUDA));
    expect(distance(outcome.loss, expected.loss) < 64 * 0x1p-23, name + ", loss");
    expect(outcome.gradient.scalar_type() == type, name + ", type");
    expect(distance(outcome.gradient, expected.gradient) < 64 * epsilon, name + ", gradient");
    // Of a mean over many elements it is below what half holds.
    if (type != at::kFloat) continue;
    expect(distance(outcome.second, expected.second) < 256 * epsilon, name + ", second derivative");
  }
}

template <class M, class R>
void check_softmax(const eq::SoftmaxLoss<M, R>& loss, std::int64_t classes,
                   const std::string& what) {
  at::manual_seed(1);
  const at::Tensor logits = at::randn({100, classes}) * 2;
  at::Tensor targets = at::randint(classes, {100}, at::kLong);
  targets[7] = eq::kIgnoreIndex;
  using Module = el::SoftmaxLossModule<M, R>;
  check<Module>([&] { return Module(loss); }, logits, targets,
                what + ", " + std::to_string(classes) + " classes");
}

template <class S, class R>
void check_sigmoid(const eq::SigmoidLoss<S, R>& loss, std::int64_t labels,
                   const std::string& what) {
  at::manual_seed(2);
  const at::Tensor logits = at::randn({100, labels}) * 2;
  using Module = el::SigmoidLossModule<S, R>;
  check<Module>([&] { return Module(loss); }, logits, at::rand({100, labels}).lt(.2).to(at::kFloat),
                what + ", " + std::to_string(labels) + " labels");
}

void check_values() {
  for (const std::int64_t classes : {2, 5, 31, 1000, 1025, 5000}) {
    eq::SoftmaxLoss<eq::CrossEntropy, eq::MeanByWeight> weighted;
    eq::SoftmaxLoss<eq::Focal> terms;
    for (std::int64_t c = 0; c < classes; ++c) {
      weighted.class_weights.push_back(0.5 + static_cast<double>(c % 5));
      terms.logit_terms.scale.push_back(1 + 0.1 * static_cast<double>(c % 3));
      terms.logit_terms.shift.push_back(-0.1 * static_cast<double>(c % 7));
      terms.logit_terms.margin.push_back(0.2);
    }
    check_softmax(weighted, classes, "weighted cross-entropy");
    check_softmax(terms, classes, "focal with terms");
    check_softmax(eq::SoftmaxLoss<Tsallis>{}, classes, "a modulator of one's own");
    eq::SigmoidLoss<> binary;
    binary.pos_weight = weighted.class_weights;
    check_sigmoid(binary, classes, "BCE with pos_weight");
    check_sigmoid(eq::SigmoidLoss<eq::SigmoidFocal, eq::MeanByPositives>{}, classes, "focal");
    check_sigmoid(eq::SigmoidLoss<eq::AsymmetricFocal>{}, classes, "asymmetric");
  }
}

using Loss = std::function<at::Tensor(const at::Tensor&)>;

double milliseconds_of(const Loss& loss, const at::Tensor& leaf) {
  std::vector<double> times;
  for (int i = 0; i < 30; ++i) {
    c10::cuda::device_synchronize();
    const auto begin = std::chrono::steady_clock::now();
    loss(leaf).backward();
    leaf.mutable_grad() = at::Tensor();
    c10::cuda::device_synchronize();
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  std::nth_element(times.begin(), times.begin() + 15, times.end());
  return times[15];
}

double peak_of(const Loss& loss, const at::Tensor& leaf) {
  using namespace c10::cuda::CUDACachingAllocator;
  resetPeakStats(0);
  const auto allocated = [] { return getDeviceStats(0).allocated_bytes[0]; };
  const auto before = allocated().current;
  loss(leaf).backward();
  const auto peak = allocated().peak;
  leaf.mutable_grad() = at::Tensor();
  return static_cast<double>(peak - before) /
         (static_cast<double>(leaf.numel()) * static_cast<double>(leaf.element_size()));
}

void measure(const std::string& name, const Loss& ours, const Loss& peer, const at::Tensor& logits,
             double most_memory) {
  const at::Tensor leaf = logits.detach().set_requires_grad(true);
  milliseconds_of(ours, leaf);
  const double time = milliseconds_of(ours, leaf);
  const double peer_time = milliseconds_of(peer, leaf);
  const double peak = peak_of(ours, leaf);
  std::printf("| %s | %.3f | %.3f | %.2f | %.2f | %.2f |\n", name.c_str(), time, peer_time,
              time / peer_time, peak, peak_of(peer, leaf));
  expect(peak <= most_memory, name + ", memory");
}

void measure_all() {
  std::printf("| loss, N x C | ms | LibTorch's | ratio | peak, N x C | LibTorch's |\n");
  std::printf("|---|--:|--:|--:|--:|--:|\n");
  for (const auto& [rows, classes] :
       {std::pair<std::int64_t, std::int64_t>{8192, 1000}, {512, 32000}, {4096, 32}}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      const std::string size =
          ", " + std::to_string(rows) + "x" + std::to_string(classes) + " " + c10::toString(type);
      const auto options = at::TensorOptions().device(at::kCUDA);
      const at::Tensor logits = (at::randn({rows, classes}, options) * 2).to(type);
      const at::Tensor targets = at::randint(classes, {rows}, options.dtype(at::kLong));
      const at::Tensor labels = at::rand({rows, classes}, options).lt(.05).to(at::kFloat);
      const at::Tensor weights = at::rand({classes}, options) + .5;
      const at::Tensor host = weights.to(at::kCPU, at::kDouble);
      const std::vector<double> values(host.data_ptr<double>(), host.data_ptr<double>() + classes);
      eq::SoftmaxLoss<eq::CrossEntropy, eq::MeanByWeight> weighted;
      weighted.class_weights = values;
      el::SoftmaxLossModule<eq::CrossEntropy, eq::MeanByWeight> softmax(weighted);
      softmax->to(at::kCUDA);
      // The gradient, and what is per row; a small problem has more of the latter.
      const double most = classes > 100 ? 1.1 : 3;
      measure(
          "weighted cross-entropy" + size,
          [&](const at::Tensor& z) { return softmax->forward(z, targets); },
          [&](const at::Tensor& z) {
            return at::cross_entropy_loss(z.to(at::kFloat), targets, weights);
          },
          logits, most);
      eq::SigmoidLoss<eq::SigmoidFocal> focal;
      el::SigmoidLossModule<eq::SigmoidFocal, eq::MeanByCount> sigmoid(focal);
      sigmoid->to(at::kCUDA);
      measure(
          "sigmoid focal" + size, [&](const at::Tensor& z) { return sigmoid->forward(z, labels); },
          [&](const at::Tensor& z) {
            const at::Tensor p = z.to(at::kFloat).sigmoid();
            const at::Tensor loss = at::binary_cross_entropy_with_logits(
                z.to(at::kFloat), labels, {}, {}, at::Reduction::None);
            const at::Tensor right = p * labels + (1 - p) * (1 - labels);
            return (loss * (1 - right).pow(2)).mean();
          },
          logits, 1.2);
    }
  }
}

}  // namespace

int main() {
  if (c10::cuda::device_count() == 0) {
    const bool required = std::getenv("EQUIPOISE_REQUIRE_GPU") != nullptr;
    std::printf("%s: no GPU here\n", required ? "FAILED" : "SKIPPED");
    return required ? 1 : 0;
  }
  check_values();
  measure_all();
  std::printf("%s\n", failures == 0 ? "PASSED" : "FAILED");
  return failures == 0 ? 0 : 1;
}
