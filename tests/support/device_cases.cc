#include "tests/support/device_cases.h"

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <torch/types.h>

#include <memory>
#include <utility>

#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/overlap_node.h"
#include "equipoise/libtorch/detail/sigmoid_node.h"
#include "equipoise/libtorch/detail/softmax_node.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/overlap_module.h"
#include "equipoise/libtorch/sigmoid_module.h"
#include "tests/support/fake_device.h"

namespace equipoise::testing {
namespace {

namespace el = equipoise::libtorch;

// The data of the cases, on a device.
struct Data {
  Data(std::int64_t rows, std::int64_t classes) {
    at::manual_seed(1);
    indices = at::randint(classes, {rows}, at::kLong);
    weights = at::rand({classes}) + 0.5;
    labels = at::rand({rows, classes}).lt(0.05).to(at::kFloat);
    distributions = at::randn({rows, classes}).softmax(1);
  }

  Data to(const at::Device& device) const {
    Data result = *this;
    for (at::Tensor* each :
         {&result.indices, &result.weights, &result.labels, &result.distributions}) {
      *each = each->to(device);
    }
    return result;
  }

  std::vector<double> weight_values() const {
    const at::Tensor values = weights.to(at::kDouble).contiguous();
    return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
  }

  at::Tensor indices;
  at::Tensor weights;
  at::Tensor labels;
  at::Tensor distributions;
};

// Nodes whose values the CPU computes by tensor operations too.
struct SoftmaxByOperations : el::detail::SoftmaxNode {
  el::detail::LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                                       bool wants_gradient) const {
    return el::detail::softmax_in_place(loss, tensors, logits, targets, arguments,
                                        {.gradient = wants_gradient});
  }
};
struct SigmoidByOperations : el::detail::SigmoidNode {
  el::detail::LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                                       bool wants_gradient) const {
    return el::detail::sigmoid_without_graph(loss, tensors, logits, targets, arguments,
                                             {.gradient = wants_gradient});
  }
};
struct OverlapByOperations : el::detail::OverlapNode {
  el::detail::LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                                       bool wants_gradient) const {
    return el::detail::overlap_in_place(loss, class_weights, {logits, targets, arguments},
                                        wants_gradient);
  }
};

template <class Node>
DeviceCase::Loss call_of(Node node, at::Tensor targets) {
  using Function = el::detail::LossFunction<Node>;
  return [node = std::move(node), targets = std::move(targets)](const at::Tensor& logits) {
    return Function::apply(logits, targets,
                           c10::make_intrusive<typename Function::State>(node, logits));
  };
}

template <class Module>
DeviceCase::Loss forward_of(Module module, const at::Device& device, at::Tensor targets) {
  module->to(device);
  return [module, targets = std::move(targets)](const at::Tensor& logits) mutable {
    return module->forward(logits, targets);
  };
}

template <class M, class R>
DeviceCase softmax_case(std::string name, TrafficBar bar, const SoftmaxLoss<M, R>& loss,
                        const Data& data, at::Tensor Data::*targets,
                        std::function<at::Tensor(const at::Tensor&, const Data&)> peer) {
  DeviceCase result;
  result.name = std::move(name);
  result.bar = bar;
  result.ours = [=](const at::Device& device) {
    return forward_of(el::SoftmaxLossModule<M, R>(loss), device, (data.*targets).to(device));
  };
  result.peer = [=](const at::Device& device) -> DeviceCase::Loss {
    return [=, there = data.to(device)](const at::Tensor& z) { return peer(z, there); };
  };
  result.operations = [=] {
    SoftmaxByOperations node{{el::detail::softmax_of_tensors("value", loss), {}, {}}};
    node.tensors = node.constants_for(data.labels);
    return call_of(std::move(node), data.*targets);
  };
  return result;
}

template <class S, class R>
DeviceCase sigmoid_case(std::string name, TrafficBar bar, const SigmoidLoss<S, R>& loss,
                        const Data& data,
                        std::function<at::Tensor(const at::Tensor&, const Data&)> peer) {
  DeviceCase result;
  result.name = std::move(name);
  result.bar = bar;
  result.ours = [=](const at::Device& device) {
    return forward_of(el::SigmoidLossModule<S, R>(loss), device, data.labels.to(device));
  };
  result.peer = [=](const at::Device& device) -> DeviceCase::Loss {
    return [=, there = data.to(device)](const at::Tensor& z) { return peer(z, there); };
  };
  result.operations = [=] {
    SigmoidByOperations node{{el::detail::sigmoid_of_tensors("value", loss), {}, {}}};
    node.tensors = el::detail::make_tensors(node.loss.settings, data.labels.options());
    return call_of(std::move(node), data.labels);
  };
  return result;
}

DeviceCase dice_case(std::string name, TrafficBar bar, const OverlapLoss<>& loss,
                     const Data& data) {
  DeviceCase result;
  result.name = std::move(name);
  result.bar = bar;
  result.ours = [=](const at::Device& device) {
    return forward_of(el::OverlapLossModule<>(loss), device, data.indices.to(device));
  };
  const bool sigmoid = loss.activation == OverlapActivation::kSigmoid;
  result.peer = [=](const at::Device& device) -> DeviceCase::Loss {
    return [=, there = data.to(device)](const at::Tensor& z) {
      const at::Tensor p = sigmoid ? z.sigmoid() : z.softmax(1);
      const at::Tensor t = at::one_hot(there.indices, z.size(1)).to(at::kFloat);
      const at::Tensor both = (p * t).sum(0);
      return 1 - ((2 * both + 1) / (p.sum(0) + t.sum(0) + 1)).mean();
    };
  };
  result.operations = [=] {
    OverlapByOperations node{{el::detail::overlap_of_tensors("value", loss), {}, {}}};
    return call_of(std::move(node), data.indices);
  };
  return result;
}

// The formulas of the papers as LibTorch's operations, as other libraries write them.
at::Tensor focal(const at::Tensor& z, const Data& data) {
  const at::Tensor loss = at::cross_entropy_loss(z, data.indices, {}, at::Reduction::None);
  return ((1 - (-loss).exp()).pow(2) * loss).mean();
}
at::Tensor sigmoid_focal(const at::Tensor& z, const Data& data) {
  const at::Tensor p = z.sigmoid();
  const at::Tensor loss =
      at::binary_cross_entropy_with_logits(z, data.labels, {}, {}, at::Reduction::None);
  const at::Tensor right = p * data.labels + (1 - p) * (1 - data.labels);
  return (loss * (1 - right).pow(2)).mean();
}
at::Tensor asymmetric(const at::Tensor& z, const Data& data) {
  const at::Tensor p = z.sigmoid();
  const at::Tensor q = (1 - p + 0.05).clamp_max(1);
  const at::Tensor& t = data.labels;
  const at::Tensor loss = t * p.clamp_min(1e-8).log() + (1 - t) * q.clamp_min(1e-8).log();
  const at::Tensor right = p * t + q * (1 - t);
  return -(loss * (1 - right).pow(t + 4 * (1 - t))).mean();
}

}  // namespace

std::vector<DeviceCase> device_cases(std::int64_t rows, std::int64_t classes) {
  const Data data(rows, classes);
  const std::vector<double> weights = data.weight_values();
  std::vector<DeviceCase> cases;
  SoftmaxLoss<CrossEntropy, MeanByWeight> weighted;
  weighted.class_weights = weights;
  cases.push_back(softmax_case("weighted cross-entropy", {8, 1}, weighted, data, &Data::indices,
                               [](const at::Tensor& z, const Data& d) {
                                 return at::cross_entropy_loss(z.to(at::kFloat), d.indices,
                                                               d.weights);
                               }));
  cases.push_back(cases.back());
  cases.back().name += ", bf16";
  cases.back().type = at::kBFloat16;
  cases.back().bar = {9, 2};
  SoftmaxLoss<> smooth;
  smooth.label_smoothing = 0.1;
  cases.push_back(softmax_case("cross-entropy with smoothing", {9, 1}, smooth, data, &Data::indices,
                               [](const at::Tensor& z, const Data& d) {
                                 return at::cross_entropy_loss(z, d.indices, {},
                                                               at::Reduction::Mean, -100, 0.1);
                               }));
  cases.push_back(softmax_case("focal", {8, 1}, SoftmaxLoss<Focal>{}, data, &Data::indices, focal));
  SoftmaxLoss<> adjusted;
  adjusted.logit_terms.shift = weights;
  cases.push_back(softmax_case("logit adjustment", {8, 1}, adjusted, data, &Data::indices,
                               [](const at::Tensor& z, const Data& d) {
                                 return at::cross_entropy_loss(z + d.weights, d.indices);
                               }));
  cases.push_back(softmax_case("probabilities as targets", {20, 3}, SoftmaxLoss<>{}, data,
                               &Data::distributions, [](const at::Tensor& z, const Data& d) {
                                 return at::cross_entropy_loss(z, d.distributions);
                               }));

  SigmoidLoss<> binary;
  binary.pos_weight = weights;
  cases.push_back(sigmoid_case(
      "BCE with pos_weight", {28, 2}, binary, data, [](const at::Tensor& z, const Data& d) {
        return at::binary_cross_entropy_with_logits(z, d.labels, {}, d.weights);
      }));
  cases.push_back(
      sigmoid_case("sigmoid focal", {60, 2}, SigmoidLoss<SigmoidFocal>{}, data, sigmoid_focal));
  cases.push_back(
      sigmoid_case("asymmetric", {80, 2}, SigmoidLoss<AsymmetricFocal>{}, data, asymmetric));
  OverlapLoss<> dice;
  cases.push_back(dice_case("Dice of softmax", {10, 2}, dice, data));
  dice.activation = OverlapActivation::kSigmoid;
  cases.push_back(dice_case("Dice of sigmoid", {12, 2}, dice, data));
  return cases;
}

at::Tensor device_logits(std::int64_t rows, std::int64_t classes, at::ScalarType type) {
  at::manual_seed(2);
  return (at::randn({rows, classes}) * 2).to(type);
}

Traffic traffic_of(const DeviceCase::Loss& loss, const at::Tensor& logits) {
  const at::Tensor leaf = logits.detach().to(fake_device::card(0)).set_requires_grad(true);
  fake_device::reset_counts();
  loss(leaf).backward();
  const fake_device::Counts counts = fake_device::counts();
  const double unit = 4.0 * static_cast<double>(logits.numel());
  return {counts.bytes_moved / unit, counts.peak_bytes / unit, counts.launches};
}

}  // namespace equipoise::testing
