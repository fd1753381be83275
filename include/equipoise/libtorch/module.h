// Softmax losses as modules: their constants are buffers, which move and are saved with the module.
#ifndef EQUIPOISE_LIBTORCH_MODULE_H_
#define EQUIPOISE_LIBTORCH_MODULE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <ostream>
#include <utility>

#include "equipoise/libtorch/loss.h"

namespace equipoise::libtorch {

/// The module behind SoftmaxLossModule. Its class weights and logit terms are buffers of double,
/// `class_weights`, `scale`, `shift` and `margin` (undefined where the loss has none): they follow
/// to(device), are saved and loaded with the module, and no call uploads them again. In evaluation
/// mode (eval()) shift and margin are left out and the scale stays.
template <Modulator M = CrossEntropy, Reduction R = MeanByCount>
class SoftmaxLossImpl : public torch::nn::Cloneable<SoftmaxLossImpl<M, R>> {
 public:
  /// @throws std::invalid_argument for weights or terms that are negative, not finite, or of
  /// different numbers of classes.
  explicit SoftmaxLossImpl(SoftmaxLoss<M, R> loss = {}) : loss_(std::move(loss)) {
    const std::size_t classes =
        std::max({loss_.class_weights.size(), loss_.logit_terms.scale.size(),
                  loss_.logit_terms.shift.size(), loss_.logit_terms.margin.size()});
    equipoise::detail::require_softmax_loss("SoftmaxLossModule", loss_, classes);
    reset();
  }

  /// Makes the buffers anew from the loss that the module was built with.
  void reset() override {
    const SoftmaxTensors tensors =
        detail::make_tensors(loss_, at::TensorOptions().dtype(at::kDouble));
    class_weights = this->register_buffer("class_weights", tensors.class_weights);
    scale = this->register_buffer("scale", tensors.scale);
    shift = this->register_buffer("shift", tensors.shift);
    margin = this->register_buffer("margin", tensors.margin);
  }

  /// softmax_loss() with the buffers' constants. Does not synchronise the device.
  /// @throws std::invalid_argument as softmax_loss().
  at::Tensor forward(const at::Tensor& logits, const at::Tensor& targets,
                     const SoftmaxArguments& arguments = {}) {
    SoftmaxTensors tensors{class_weights, scale, shift, margin};
    if (!this->is_training()) tensors.shift = tensors.margin = at::Tensor();
    if (logits.device().is_cpu())
      return softmax_loss(logits, targets, from_buffers(tensors), arguments);
    const auto type = logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    for (at::Tensor* tensor :
         {&tensors.class_weights, &tensors.scale, &tensors.shift, &tensors.margin}) {
      if (tensor->defined()) *tensor = tensor->to(type);
    }
    return detail::SoftmaxFunction<M, R>::call(without_constants(), &tensors, logits, targets,
                                               arguments, false);
  }

  void pretty_print(std::ostream& stream) const override {
    stream << "equipoise::libtorch::SoftmaxLoss(label_smoothing=" << loss_.label_smoothing
           << ", ignore_index=" << loss_.ignore_index;
    for (const auto& buffer : this->named_buffers(/*recurse=*/false)) {
      if (buffer.value().defined()) {
        stream << ", " << buffer.key() << "=[" << buffer.value().numel() << "]";
      }
    }
    stream << ")";
  }

  at::Tensor class_weights;  ///< [C] or undefined
  at::Tensor scale;          ///< [C] or undefined
  at::Tensor shift;          ///< [C] or undefined
  at::Tensor margin;         ///< [C] or undefined

 private:
  // The loss without the constants, which the buffers hold.
  SoftmaxLoss<M, R> without_constants() const {
    SoftmaxLoss<M, R> loss;
    loss.modulator = loss_.modulator;
    loss.reduction = loss_.reduction;
    loss.label_smoothing = loss_.label_smoothing;
    loss.ignore_index = loss_.ignore_index;
    loss.semantics = loss_.semantics;
    loss.empty_batch = loss_.empty_batch;
    return loss;
  }

  SoftmaxLoss<M, R> from_buffers(const SoftmaxTensors& tensors) const {
    SoftmaxLoss<M, R> loss = without_constants();
    loss.class_weights = detail::to_vector(tensors.class_weights);
    loss.logit_terms = {detail::to_vector(tensors.scale), detail::to_vector(tensors.shift),
                        detail::to_vector(tensors.margin)};
    return loss;
  }

  SoftmaxLoss<M, R> loss_;
};

/// A module that holds a SoftmaxLoss:
///
///     equipoise::libtorch::SoftmaxLossModule<equipoise::Focal> criterion(loss);
///     criterion->to(device);
///     criterion->forward(logits, targets).backward();
template <Modulator M = CrossEntropy, Reduction R = MeanByCount>
class SoftmaxLossModule : public torch::nn::ModuleHolder<SoftmaxLossImpl<M, R>> {
 public:
  using torch::nn::ModuleHolder<SoftmaxLossImpl<M, R>>::ModuleHolder;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_MODULE_H_
