// A linear layer and a softmax loss in one, a chunk of rows at a time.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CHUNKS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CHUNKS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/linear_inputs.h"
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/softmax_node.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/arguments.h"

namespace equipoise::libtorch::detail {

// Gradients of the loss, undefined where they are not wanted. `unit`, where defined, is a factor
// that they still lack.
struct LinearGradients {
  at::Tensor features;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor unit;
};

inline bool is_half(const at::Tensor& tensor) { return tensor.element_size() < 4; }

// How many rows a chunk has where nobody says: logits of four megabytes of float stay in the CPU's
// cache, other devices need more work at once.
inline std::int64_t default_rows_per_chunk(const LinearInputs& in) {
  const std::int64_t elements =
      in.features.device().is_cpu() ? std::int64_t{1} << 20 : std::int64_t{1} << 25;
  return std::max<std::int64_t>(elements / std::max<std::int64_t>(in.classes(), 1), 16);
}

inline void require_linear(const char* where, const at::Tensor& features, const at::Tensor& weight,
                           const at::Tensor& bias, const LossArguments& arguments) {
  require_floating_point(where, "features", features);
  if (features.dim() < 2) reject(where, "features.dim()", features.dim(), "at least 2 (N x D)");
  if (arguments.class_dim) {
    reject(where, "class_dim", *arguments.class_dim, "none: the layer makes the logits");
  }
  const NamedTensor reference{features, "features"};
  require_matches(where, "weight", weight, reference, -1, "");
  require_matches(where, "bias", bias, reference, -1, "");
  if (!weight.defined() || weight.dim() != 2) {
    reject(where, "weight.dim()", weight.defined() ? weight.dim() : 0, "2 (C x D)");
  }
  if (weight.size(1) != features.size(-1)) {
    reject(where, "weight.size(1)", weight.size(1),
           std::to_string(features.size(-1)) + " (features.size(-1))");
  }
  const auto require_type = [&](const char* name, const at::Tensor& tensor) {
    if (!tensor.defined() || tensor.scalar_type() == features.scalar_type()) return;
    reject(where, std::string(name) + ".dtype()", std::string(tensor.dtype().name()),
           std::string(features.dtype().name()) + ", that of the features");
  };
  require_type("weight", weight);
  require_type("bias", bias);
  if (bias.defined()) require_sizes(where, "bias", bias, {weight.size(0)});
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// What a call computes, by its values alone. The denominators of the node's arguments are those of
// all rows, so that chunks add up to the loss of the whole.
class LinearChunks {
 public:
  LinearChunks(SoftmaxNode node, EmptyBatch empty_batch, std::int64_t rows_per_chunk)
      : node_(std::move(node)), empty_batch_(empty_batch), rows_per_chunk_(rows_per_chunk) {
    node_.loss.settings.empty_batch = EmptyBatch::kZero;  // a chunk may be empty
  }

  const SoftmaxNode& node() const { return node_; }

  // The loss, [] of double. Defined tensors of `wanted` become the gradients.
  at::Tensor evaluate(const LinearInputs& in, LinearGradients& wanted) const {
    const bool wants_gradient =
        wanted.features.defined() || wanted.weight.defined() || wanted.bias.defined();
    const at::Tensor one = at::ones({}, in.features.options().dtype(compute_type(in.features)));
    SoftmaxNode node = node_;
    if (wants_gradient && is_half(in.features)) wanted.unit = take_unit(node.arguments);
    at::Tensor total = at::zeros({}, sum_options(in.features));
    for (std::int64_t begin = 0; begin < in.rows(); begin += rows_per_chunk_) {
      const std::int64_t rows = std::min(rows_per_chunk_, in.rows() - begin);
      narrow(node.arguments, begin, rows);
      const at::Tensor features = in.features.narrow(0, begin, rows);
      // Autocast may give another type than that of the features.
      const at::Tensor logits =
          at::linear(features, in.weight, in.bias).to(in.features.scalar_type());
      LossAndGradient result =
          node.evaluate(logits, in.targets.narrow(0, begin, rows), wants_gradient);
      total.add_(result.loss);
      if (!wants_gradient) continue;
      const at::Tensor gradient = result.make_gradient
                                      ? result.make_gradient(one, one.scalar_type())
                                      : std::move(result.gradient);
      add_gradients(gradient, features, in.weight, begin, wanted);
    }
    if (wanted.unit.defined()) total.mul_(wanted.unit);
    if (empty_batch_ == EmptyBatch::kNaN && !node_.loss.reduction.is_sum) {
      total.masked_fill_(is_empty(), equipoise::detail::quiet_nan());
    }
    return total;
  }

 private:
  // Whether nothing was averaged, [] of bool, as value() has it on the CPU and elsewhere.
  at::Tensor is_empty() const {
    const at::Tensor& denominators = node_.arguments.denominators;
    if (!denominators.device().is_cpu()) return denominators.sum().le(0);
    return node_.loss.reduction.coefficient_tensor(denominators, node_.arguments.shares)
        .eq(0)
        .all();
  }

  // Half types hold no gradient that is divided by many rows, or by large weights: takes the
  // largest coefficient and weights out by the denominators, and returns them.
  at::Tensor take_unit(LossArguments& arguments) const {
    if (node_.loss.reduction.is_sum || node_.loss.reduction.buckets() == 0) return {};
    const at::Tensor largest =
        node_.loss.reduction.coefficient_tensor(arguments.denominators, arguments.shares).amax();
    at::Tensor unit = largest;
    const at::Tensor of_rows[] = {node_.tensors.class_weights, node_.tensors.group_weights,
                                  arguments.sample_weights};
    for (const at::Tensor& weights : of_rows) {
      if (weights.defined() && weights.numel() > 0) unit = unit * weights.amax();
    }
    unit = unit.masked_fill(unit.le(0), 1.0);
    arguments.denominators = arguments.denominators * unit;
    return unit;
  }

  void narrow(LossArguments& part, std::int64_t begin, std::int64_t rows) const {
    const auto narrowed = [&](const at::Tensor& whole) {
      return whole.defined() ? whole.narrow(0, begin, rows) : whole;
    };
    part.sample_weights = narrowed(node_.arguments.sample_weights);
    part.groups = narrowed(node_.arguments.groups);
    part.mask = narrowed(node_.arguments.mask);
  }

  // Products are in the type of the features, sums in float at least.
  static void add_gradients(const at::Tensor& gradient, const at::Tensor& features,
                            const at::Tensor& weight, std::int64_t begin, LinearGradients& wanted) {
    if (wanted.bias.defined()) {
      wanted.bias.add_(gradient.sum(0, /*keepdim=*/false, compute_type(gradient)));
    }
    const at::Tensor g = gradient.to(features.scalar_type());
    if (wanted.features.defined()) {
      at::Tensor rows = wanted.features.narrow(0, begin, features.size(0));
      at::mm_out(rows, g, weight);
    }
    if (!wanted.weight.defined()) return;
    if (is_half(features)) {
      // A sum over many rows may be more than half holds.
      const double part = std::exp2(-std::ceil(std::log2(static_cast<double>(g.size(0))) / 2));
      wanted.weight.add_(at::mm((g * part).t(), features), 1 / part);
    } else {
      wanted.weight.addmm_(g.t(), features);
    }
  }

  SoftmaxNode node_;
  EmptyBatch empty_batch_;
  std::int64_t rows_per_chunk_;
};

// The call as a node of the autograd graph: gradients are made with the value.
struct LinearFunction : torch::autograd::Function<LinearFunction> {
  struct State : torch::CustomClassHolder {
    State(LinearChunks chunks_, const LinearInputs& in) : chunks(std::move(chunks_)) {
      const bool records = at::GradMode::is_enabled();
      const auto wants = [&](const at::Tensor& tensor) {
        return records && tensor.defined() && tensor.requires_grad();
      };
      for_features = wants(in.features);
      for_weight = wants(in.weight);
      for_bias = wants(in.bias) && in.bias.numel() > 0;
    }

    // Memory for the gradients that are wanted.
    LinearGradients make_gradients(const LinearInputs& in) const {
      const auto options = in.weight.options().dtype(compute_type(in.weight));
      LinearGradients result;
      if (for_features) result.features = at::empty(in.features.sizes(), in.features.options());
      if (for_weight) result.weight = at::zeros(in.weight.sizes(), options);
      if (for_bias) result.bias = at::zeros({in.classes()}, options);
      return result;
    }

    LinearChunks chunks;
    bool for_features = false;
    bool for_weight = false;
    bool for_bias = false;
    LinearGradients gradients;
    bool has_gradients = false;
  };

  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& features,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& targets, c10::intrusive_ptr<State> state) {
    const LinearInputs in = detached({features, weight, or_none(bias), targets});
    state->gradients = state->make_gradients(in);
    const at::Tensor loss = state->chunks.evaluate(in, state->gradients);
    state->has_gradients = true;
    context->save_for_backward({features, weight, bias, targets});
    context->saved_data["state"] = c10::IValue::make_capsule(std::move(state));
    return loss.to(compute_type(features));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const auto saved = context->get_saved_variables();
    const LinearInputs in{saved[0], saved[1], or_none(saved[2]), saved[3]};
    const auto capsule = context->saved_data["state"].toCapsule();
    auto& state = static_cast<State&>(*capsule);
    if (at::GradMode::is_enabled()) return differentiable(state, in, upstream[0]);
    LinearGradients gradients = std::exchange(state.gradients, {});
    if (!std::exchange(state.has_gradients, false)) {
      const LinearInputs values = detached(in);
      gradients = state.make_gradients(values);
      state.chunks.evaluate(values, gradients);
    }
    at::Tensor factor = upstream[0];
    if (gradients.unit.defined()) factor = factor * gradients.unit.to(factor.scalar_type());
    const auto scaled = [&](const at::Tensor& gradient) {
      if (!gradient.defined() || is_one_on_cpu(factor)) return gradient;
      return is_half(gradient) ? gradient.to(at::kFloat).mul_(factor) : gradient.mul_(factor);
    };
    const at::ScalarType type = in.features.scalar_type();
    const auto cast = [&](const at::Tensor& gradient) {
      return gradient.defined() ? gradient.to(type) : gradient;
    };
    return {cast(scaled(gradients.features)), cast(scaled(gradients.weight)),
            cast(scaled(gradients.bias)), at::Tensor(), at::Tensor()};
  }

 private:
  // Autograd takes no undefined tensors: an empty one stands for none.
  static at::Tensor or_none(const at::Tensor& bias) {
    return bias.numel() == 0 ? at::Tensor() : bias;
  }

  static LinearInputs detached(const LinearInputs& in) {
    return {in.features.detach(), in.weight.detach(),
            in.bias.defined() ? in.bias.detach() : in.bias, in.targets};
  }

  // Gradients with a graph of their own, from all logits at once.
  static torch::autograd::variable_list differentiable(const State& state, const LinearInputs& in,
                                                       const at::Tensor& upstream) {
    using Function = LossFunction<SoftmaxNode>;
    // Through aliases: a parameter that the features depend on as well must not be counted twice.
    const auto alias = [](const at::Tensor& tensor) {
      return tensor.defined() ? tensor.view_as(tensor) : tensor;
    };
    const at::Tensor features = alias(in.features);
    const at::Tensor weight = alias(in.weight);
    const at::Tensor bias = alias(in.bias);
    const at::Tensor logits = at::linear(features, weight, bias).to(features.scalar_type());
    const at::Tensor loss = Function::apply(
        logits, in.targets, c10::make_intrusive<Function::State>(state.chunks.node(), logits));
    torch::autograd::variable_list inputs;
    if (state.for_features) inputs.push_back(features);
    if (state.for_weight) inputs.push_back(weight);
    if (state.for_bias) inputs.push_back(bias);
    const auto found = torch::autograd::grad({loss}, inputs, {upstream}, /*retain_graph=*/true,
                                             /*create_graph=*/true);
    std::size_t next = 0;
    const auto take = [&](bool wanted) { return wanted ? found[next++] : at::Tensor(); };
    torch::autograd::variable_list result(5);
    result[0] = take(state.for_features);
    result[1] = take(state.for_weight);
    result[2] = take(state.for_bias);
    return result;
  }
};

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CHUNKS_H_
