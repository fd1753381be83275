// A linear layer fused with a softmax loss: the logits of all rows are never in memory at once.
#ifndef EQUIPOISE_LIBTORCH_LINEAR_LOSS_H_
#define EQUIPOISE_LIBTORCH_LINEAR_LOSS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/nn/cloneable.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/linear_call.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch {

/// value(loss, linear(features, weight, bias), targets, arguments), a chunk of rows at a time. For
/// problems with many classes, in which the N x C logits, their softmax and their gradient would be
/// the largest objects in memory. Takes part in autograd; features, weight and bias get gradients.
///
/// features is N x D or ... x D, weight C x D as in torch::nn::Linear, bias [C] or undefined; all
/// of one floating-point type on one device. The exception is features of a half type with
/// parameters of float: everything is then computed in float. Targets and arguments are those of
/// value() for logits ... x C. Any SoftmaxLoss works: its denominators need no logits, so chunks
/// add up to the loss of the whole batch, and with LossArguments::denominators to that of all
/// micro-batches and ranks.
///
/// Gradients are computed with the value, in one pass over the chunks: it needs memory for the
/// gradients and for one chunk's logits and gradient, and the time of the usual three matrix
/// products. Products are in the type of the features; the gradients of half types are summed over
/// chunks, and multiplied by the mean's factor and the upstream gradient, in float. Second
/// derivatives are right, but need all logits at once, and so does a backward pass that builds a
/// graph.
///
/// rows_per_chunk 0 stands for a million logits per chunk on the CPU and 32 million elsewhere, at
/// least 16 rows. On devices other than the CPU this function uploads the constants of the loss on
/// each call; LinearLossModule keeps them on the device.
/// @throws std::invalid_argument for shapes, types, devices or values that do not fit; targets are
/// checked before anything is computed.
template <Modulator M, LossReduction R>
EQUIPOISE_HOST_INLINE at::Tensor linear_loss(const SoftmaxLoss<M, R>& loss,
                                             const at::Tensor& features, const at::Tensor& weight,
                                             const at::Tensor& bias, const at::Tensor& targets,
                                             const LossArguments& arguments = {},
                                             std::int64_t rows_per_chunk = 0) {
  return detail::call_linear(detail::softmax_of_tensors("linear_loss", loss), nullptr,
                             {features, weight, bias, targets}, arguments, rows_per_chunk);
}

/// The module behind LinearLossModule: the constants of the loss are the buffers of `loss`.
template <Modulator M = CrossEntropy, LossReduction R = MeanByCount>
class LinearLossImpl : public torch::nn::Cloneable<LinearLossImpl<M, R>> {
 public:
  /// The options for tensors, class_dim and reduce, have no effect here.
  /// @throws std::invalid_argument as SoftmaxLossImpl.
  explicit LinearLossImpl(SoftmaxLossOptions<M, R> options = {}) : options_(std::move(options)) {
    reset();
  }

  /// Makes the loss again from the module's original options.
  void reset() override { loss = this->register_module("loss", SoftmaxLossModule<M, R>(options_)); }

  /// linear_loss() with the layer's parameters and the constants in the buffers. Does not
  /// synchronise the device.
  /// @throws std::invalid_argument as linear_loss(), and for constants on another device.
  EQUIPOISE_HOST_INLINE at::Tensor forward(const torch::nn::Linear& layer,
                                           const at::Tensor& features, const at::Tensor& targets,
                                           LossArguments arguments = {},
                                           std::int64_t rows_per_chunk = 0) {
    const auto ready = loss->make_ready("LinearLossModule::forward", features, arguments);
    return detail::call_linear(ready.loss, ready.constants(),
                               {features, layer->weight, layer->bias, targets}, arguments,
                               rows_per_chunk);
  }

  /// The loss with its constants, which can be changed: loss->set_class_weights(weights).
  SoftmaxLossModule<M, R> loss{nullptr};

 private:
  SoftmaxLossOptions<M, R> options_;
};

/// A module that holds a SoftmaxLoss; forward() is called with the classifier layer and its
/// features:
///
///     equipoise::libtorch::LinearLossModule<equipoise::Focal> criterion(loss);
///     criterion->forward(head, model->forward(tokens), targets).backward();
template <Modulator M = CrossEntropy, LossReduction R = MeanByCount>
class LinearLossModule : public torch::nn::ModuleHolder<LinearLossImpl<M, R>> {
 public:
  using torch::nn::ModuleHolder<LinearLossImpl<M, R>>::ModuleHolder;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_LINEAR_LOSS_H_
