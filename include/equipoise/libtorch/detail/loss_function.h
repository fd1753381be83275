// Losses with a gradient of their own as nodes of the autograd graph.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LOSS_FUNCTION_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LOSS_FUNCTION_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

// On the CPU a look at the upstream gradient costs nothing and usually saves a pass.
inline bool is_one_on_cpu(const at::Tensor& factor) {
  if (factor.dim() > 0 || !factor.device().is_cpu()) return false;
  if (factor.is_neg() || factor._is_zerotensor()) return false;  // not what lies in its memory
  if (factor.scalar_type() == at::kFloat) return *factor.data_ptr<float>() == 1.0F;
  return factor.scalar_type() == at::kDouble && *factor.data_ptr<double>() == 1.0;
}

// A node is a loss with everything that it needs besides logits and targets:
//   LossAndGradient evaluate(logits, targets, wants_gradient) const     however is fastest
//   at::Tensor gradient_by_operations(logits, targets) const            the same, differentiable
//   at::Tensor factor(upstream, logits) const     the upstream gradient in a shape to multiply with
//
// The first backward pass hands out or makes the gradient of the value's forward pass; a second
// one, and one that builds a graph, compute it anew.
//
// apply(logits, targets, state) calls forward(), which leaves the sums in the state.
template <class Node>
struct LossFunction : torch::autograd::Function<LossFunction<Node>> {
  // What backward() needs and IValue has no type for.
  struct State : torch::CustomClassHolder {
    State(Node node_, const at::Tensor& logits)
        : node(std::move(node_)),
          wants_gradient(at::GradMode::is_enabled() && logits.requires_grad()) {}
    Node node;
    bool wants_gradient;  // forward() itself always runs without a graph
    LossAndGradient result;
  };

  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& targets, c10::intrusive_ptr<State> state) {
    // What the kernels read needs no copy without a history, which costs what a small loss does.
    state->result = state->node.evaluate(fits_kernel(logits) ? logits : logits.detach(), targets,
                                         state->wants_gradient);
    at::Tensor loss = std::exchange(state->result.loss, at::Tensor());
    context->save_for_backward({logits, targets});
    context->saved_data["state"] = c10::IValue::make_capsule(std::move(state));
    return loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["state"].toCapsule();
    auto& state = static_cast<State&>(*capsule);
    const at::Tensor factor = state.node.factor(upstream[0], saved[0]);
    const at::ScalarType type = saved[0].scalar_type();
    if (at::GradMode::is_enabled()) {
      const at::Tensor gradient = state.node.gradient_by_operations(saved[0], saved[1]);
      return {(gradient * factor).to(type), at::Tensor(), at::Tensor()};
    }
    LossAndGradient result = std::exchange(state.result, {});
    if (!result.gradient.defined() && !result.make_gradient) {
      result = state.node.evaluate(saved[0].detach(), saved[1], /*wants_gradient=*/true);
    }
    at::Tensor gradient = scaled(result, factor, type);
    if (gradient.scalar_type() != type) gradient = gradient.to(type);
    return {std::move(gradient), at::Tensor(), at::Tensor()};
  }

 private:
  static at::Tensor scaled(const LossAndGradient& result, const at::Tensor& factor,
                           at::ScalarType type) {
    if (result.make_gradient) return result.make_gradient(factor, type);
    return is_one_on_cpu(factor) ? result.gradient : result.gradient.mul_(factor);
  }
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LOSS_FUNCTION_H_
