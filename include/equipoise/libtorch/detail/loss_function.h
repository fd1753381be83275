// Losses with a gradient of their own as nodes of the autograd graph.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LOSS_FUNCTION_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LOSS_FUNCTION_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace equipoise::libtorch::detail {

// What a call is to compute besides its value.
struct Wanted {
  bool unreduced = false;  // in place of the value
  bool gradient = false;
  bool sums = false;
};

// What a loss call computes.
struct LossAndGradient {
  at::Tensor loss;      // [], or one number a row or element
  at::Tensor gradient;  // as the logits; undefined if not wanted
  at::Tensor sums{};    // [3, K] of double: numerators, denominators, rows; undefined if not wanted
};

// What a caller may keep of it.
struct LossAndSums {
  at::Tensor loss;  // with its graph
  at::Tensor sums;
};

// A node is a loss with everything that it needs besides logits and targets:
//   LossAndGradient evaluate(logits, targets, wants_gradient) const     however is fastest
//   at::Tensor gradient_by_operations(logits, targets) const            the same, differentiable
//   at::Tensor factor(upstream, logits) const     the upstream gradient in a shape to multiply with
//
// The gradient is computed with the value and handed out by the first backward pass; a second one,
// and one that builds a graph, compute it anew.
//
// apply(logits, targets, state) calls forward(), which leaves the sums in the state.
template <class Node>
struct LossFunction : torch::autograd::Function<LossFunction<Node>> {
  // What backward() needs and IValue has no type for.
  struct State : torch::CustomClassHolder {
    explicit State(Node node_) : node(std::move(node_)) {}
    Node node;
    at::Tensor gradient;
    at::Tensor sums;
  };

  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& targets, c10::intrusive_ptr<State> state) {
    const bool wants_gradient = logits.requires_grad();
    LossAndGradient result = state->node.evaluate(logits.detach(), targets, wants_gradient);
    state->gradient = std::move(result.gradient);
    state->sums = std::move(result.sums);
    context->save_for_backward({logits, targets});
    context->saved_data["state"] = c10::IValue::make_capsule(std::move(state));
    return result.loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["state"].toCapsule();
    auto& state = static_cast<State&>(*capsule);
    const at::Tensor outer = state.node.factor(upstream[0], saved[0]);
    if (at::GradMode::is_enabled()) {
      return {state.node.gradient_by_operations(saved[0], saved[1]) * outer, at::Tensor(),
              at::Tensor()};
    }
    at::Tensor gradient = std::exchange(state.gradient, at::Tensor());
    if (!gradient.defined()) {
      gradient = state.node.evaluate(saved[0].detach(), saved[1], /*wants_gradient=*/true).gradient;
    }
    if (!is_one_on_cpu(outer)) gradient.mul_(outer);
    return {gradient, at::Tensor(), at::Tensor()};
  }

 private:
  // On the CPU a look at the upstream gradient costs nothing and usually saves a pass.
  static bool is_one_on_cpu(const at::Tensor& factor) {
    if (factor.dim() > 0 || !factor.device().is_cpu()) return false;
    if (factor.is_neg() || factor._is_zerotensor()) return false;  // not what lies in its memory
    if (factor.scalar_type() == at::kFloat) return *factor.data_ptr<float>() == 1.0F;
    return factor.scalar_type() == at::kDouble && *factor.data_ptr<double>() == 1.0;
  }
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LOSS_FUNCTION_H_
