// Overlap losses as modules: their class weights are a buffer, which is moved and saved with the
// module.
#ifndef EQUIPOISE_LIBTORCH_OVERLAP_MODULE_H_
#define EQUIPOISE_LIBTORCH_OVERLAP_MODULE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/arg.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/libtorch/detail/loss_module.h"
#include "equipoise/libtorch/overlap_loss.h"

namespace equipoise::libtorch {

/// Options of an OverlapLossModule: the loss, and the options for tensors only.
///
///     OverlapLossOptions<Tversky>(loss).class_dim(1)
template <OverlapPolicy P = Dice>
struct OverlapLossOptions {
  /// The loss that is configured.
  using Loss = OverlapLoss<P>;
  OverlapLossOptions(Loss loss = {})  // NOLINT(google-explicit-constructor)
      : loss_(std::move(loss)) {}

  /// The loss.
  TORCH_ARG(Loss, loss);
  /// The dimension of the classes: 1 for LibTorch's order N x C x T, -1 for N x T x C. Logits of
  /// more than two dimensions need it, here or in the arguments of a call.
  TORCH_ARG(std::optional<std::int64_t>, class_dim){};
};

/// The module behind OverlapLossModule. The class weights of its loss are a buffer of double,
/// undefined if the loss has none: it follows to(device), is saved and loaded with the module, and
/// no call uploads it again. In training and evaluation mode the loss is the same.
template <OverlapPolicy P = Dice>
class OverlapLossImpl : public detail::LossModule<OverlapLossImpl<P>> {
 public:
  /// @throws std::invalid_argument for class weights and hyper-parameters out of range.
  explicit OverlapLossImpl(OverlapLossOptions<P> options_ = {}) : options(std::move(options_)) {
    const OverlapLoss<P>& loss = options.loss();
    kernels::require_overlap_loss("OverlapLossModule", equipoise::detail::settings_of(loss),
                                  loss.class_weights.size());
    reset();
  }

  /// Makes the buffer again from the module's original loss.
  void reset() override {
    class_weights = this->register_buffer(
        "class_weights",
        detail::constant_tensor(options.loss().class_weights, at::TensorOptions(at::kDouble)));
  }

  /// value() with the class weights in the buffer and the class dimension of the options, if they
  /// have one; both take precedence over the arguments. Does not synchronise the device.
  /// @throws std::invalid_argument as value().
  EQUIPOISE_HOST_INLINE at::Tensor forward(const at::Tensor& logits, const at::Tensor& targets,
                                           const LossArguments& arguments = {}) {
    return detail::call_overlap(
        detail::overlap_of_tensors("OverlapLossModule::forward", without_weights()), logits,
        targets, with_constants(arguments));
  }

  /// partial() of these rows, for LossArguments::sums. Does not synchronise the device.
  /// @throws std::invalid_argument as value().
  at::Tensor partial(const at::Tensor& logits, const at::Tensor& targets,
                     const LossArguments& arguments = {}) const {
    return detail::call_overlap_sums(
        detail::overlap_of_tensors("OverlapLossModule::partial", without_weights()), logits,
        targets, with_constants(arguments));
  }

  void pretty_print(std::ostream& stream) const override {
    const OverlapLoss<P>& loss = options.loss();
    stream << "equipoise::libtorch::OverlapLoss(activation="
           << (loss.activation == OverlapActivation::kSigmoid ? "sigmoid" : "softmax")
           << ", absent_class="
           << (loss.absent_class == AbsentOverlapClass::kSkip ? "skip" : "count")
           << ", ignore_index=" << loss.ignore_index;
    if (options.class_dim()) stream << ", class_dim=" << *options.class_dim();
    if (class_weights.defined()) stream << ", class_weights=" << class_weights.sizes();
    stream << ")";
  }

  OverlapLossOptions<P> options;
  at::Tensor class_weights;  ///< [C] or undefined

 private:
  OverlapLoss<P> without_weights() const {
    OverlapLoss<P> loss = options.loss();
    loss.class_weights.clear();
    return loss;
  }

  LossArguments with_constants(LossArguments arguments) const {
    if (options.class_dim()) arguments.class_dim = options.class_dim();
    arguments.class_weights = class_weights;
    return arguments;
  }
};

/// A module that holds an OverlapLoss:
///
///     equipoise::libtorch::OverlapLossModule<equipoise::Tversky> criterion(loss);
///     criterion->to(device);
///     criterion->forward(logits, targets).backward();
template <OverlapPolicy P = Dice>
class OverlapLossModule : public torch::nn::ModuleHolder<OverlapLossImpl<P>> {
 public:
  using torch::nn::ModuleHolder<OverlapLossImpl<P>>::ModuleHolder;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_OVERLAP_MODULE_H_
