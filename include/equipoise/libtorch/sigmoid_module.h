// Sigmoid losses as modules: their constants are buffers, which are moved and saved with the
// module.
#ifndef EQUIPOISE_LIBTORCH_SIGMOID_MODULE_H_
#define EQUIPOISE_LIBTORCH_SIGMOID_MODULE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/arg.h>
#include <torch/nn/pimpl.h>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/libtorch/detail/loss_module.h"
#include "equipoise/libtorch/sigmoid_loss.h"

namespace equipoise::libtorch {

/// Options of a SigmoidLossModule: the loss, and the options for tensors only.
///
///     SigmoidLossOptions<AsymmetricFocal>(loss).reduce(false)
template <SigmoidModulators S = BinaryCrossEntropy, LossReduction R = MeanByCount>
struct SigmoidLossOptions {
  /// The loss that is configured.
  using Loss = SigmoidLoss<S, R>;
  SigmoidLossOptions(Loss loss = {})  // NOLINT(google-explicit-constructor)
      : loss_(std::move(loss)) {}

  /// The loss.
  TORCH_ARG(Loss, loss);
  /// Whether forward() gives one number; if not, it gives the losses of elements.
  TORCH_ARG(bool, reduce) = true;
};

/// The module behind SigmoidLossModule. The constants of its loss are buffers of double, undefined
/// if the loss has none: they follow to(device), keep their type if the model is cast to a half
/// type, are saved and loaded with the module, and no call uploads them again. In evaluation mode
/// (eval()) the loss is evaluation() of itself.
template <SigmoidModulators S = BinaryCrossEntropy, LossReduction R = MeanByCount>
class SigmoidLossImpl : public detail::LossModule<SigmoidLossImpl<S, R>> {
 public:
  /// @throws std::invalid_argument for hyper-parameters out of range or of different numbers of
  /// labels.
  explicit SigmoidLossImpl(SigmoidLossOptions<S, R> options_ = {}) : options(std::move(options_)) {
    kernels::require_sigmoid_loss("SigmoidLossModule",
                                  equipoise::detail::settings_of(options.loss()), labels());
    reset();
  }

  /// Makes the buffers again from the module's original loss.
  void reset() override {
    const detail::SigmoidTensors tensors = detail::make_tensors(
        equipoise::detail::settings_of(options.loss()), at::TensorOptions().dtype(at::kDouble));
    class_weights = this->register_buffer("class_weights", tensors.class_weights);
    pos_weight = this->register_buffer("pos_weight", tensors.pos_weight);
    shift = this->register_buffer("shift", tensors.shift);
    rebalance_counts = this->register_buffer("rebalance_counts", tensors.rebalance_counts);
  }

  /// value(), or unreduced() if options.reduce is false, with the constants in the buffers. Does
  /// not synchronise the device.
  /// @throws std::invalid_argument as value(), and for constants on another device than the logits.
  EQUIPOISE_HOST_INLINE at::Tensor forward(const at::Tensor& logits, const at::Tensor& targets,
                                           LossArguments arguments = {}) {
    constexpr const char* kForward = "SigmoidLossModule::forward";
    const detail::Wanted wanted{.unreduced = !options.reduce()};
    detail::require_constants_beside(kForward, logits,
                                     {{"class_weights", &class_weights},
                                      {"pos_weight", &pos_weight},
                                      {"shift", &shift},
                                      {"rebalance_counts", &rebalance_counts}});
    SigmoidLoss<S, R> loss = without_constants();
    detail::SigmoidTensors tensors{class_weights, pos_weight, shift, rebalance_counts};
    if (!this->is_training()) {
      loss = evaluation(std::move(loss));
      tensors.shift = at::Tensor();
    }
    if (logits.device().is_cpu()) {
      loss.class_weights = detail::to_vector(tensors.class_weights);
      loss.pos_weight = detail::to_vector(tensors.pos_weight);
      loss.shift = detail::to_vector(tensors.shift);
      loss.rebalance.counts = detail::to_vector(tensors.rebalance_counts);
      return detail::call_sigmoid(detail::sigmoid_of_tensors(kForward, loss), nullptr, logits,
                                  targets, arguments, wanted)
          .loss;
    }
    for (at::Tensor* tensor :
         {&tensors.class_weights, &tensors.pos_weight, &tensors.shift, &tensors.rebalance_counts}) {
      if (!tensor->defined()) continue;
      // A copy: the backward pass reads them again, and they may have been set anew by then.
      *tensor = tensor->to(detail::compute_type(logits), /*non_blocking=*/false, /*copy=*/true);
    }
    if (!arguments.shares.defined()) {
      arguments.shares = shares_.of(kForward, loss.reduction, logits.device());
    }
    return detail::call_sigmoid(detail::sigmoid_of_tensors(kForward, loss), &tensors, logits,
                                targets, arguments, wanted)
        .loss;
  }

  /// Replace the weights, for example by those of a schedule at the next step. Copy L numbers to
  /// their device.
  /// @throws std::invalid_argument for another number of weights than the module was made with
  /// (give it ones for none), and for weights that are negative or not finite.
  void set_class_weights(const std::vector<double>& weights) {
    constexpr const char* kWhere = "SigmoidLossModule::set_class_weights";
    equipoise::detail::require_masses(kWhere, "weights", weights);
    detail::set_constant(kWhere, "weights", class_weights, weights);
  }
  void set_pos_weight(const std::vector<double>& weights) {
    constexpr const char* kWhere = "SigmoidLossModule::set_pos_weight";
    equipoise::detail::require_masses(kWhere, "weights", weights);
    detail::set_constant(kWhere, "weights", pos_weight, weights);
  }

  void pretty_print(std::ostream& stream) const override {
    const SigmoidLoss<S, R>& loss = options.loss();
    stream << "equipoise::libtorch::SigmoidLoss(positive_weight=" << loss.positive_weight
           << ", negative_weight=" << loss.negative_weight
           << ", negative_scale=" << loss.negative_scale;
    if (!options.reduce()) stream << ", reduce=false";
    for (const auto& buffer : this->named_buffers(/*recurse=*/false)) {
      if (!buffer.value().defined()) continue;
      stream << ", " << buffer.key() << "=" << buffer.value().sizes();
    }
    stream << ")";
  }

  SigmoidLossOptions<S, R> options;
  at::Tensor class_weights;     ///< [L] or undefined
  at::Tensor pos_weight;        ///< [L] or undefined
  at::Tensor shift;             ///< [L] or undefined
  at::Tensor rebalance_counts;  ///< [L] or undefined

 private:
  // The number of labels of the constants; 0 if there are none.
  std::size_t labels() const {
    const SigmoidLoss<S, R>& loss = options.loss();
    return std::max({loss.class_weights.size(), loss.pos_weight.size(), loss.shift.size(),
                     loss.rebalance.counts.size()});
  }

  // The loss without the constants, which the buffers hold.
  SigmoidLoss<S, R> without_constants() const {
    SigmoidLoss<S, R> loss = options.loss();
    loss.class_weights.clear();
    loss.pos_weight.clear();
    loss.shift.clear();
    loss.rebalance.counts.clear();
    return loss;
  }

  detail::SharesOnDevice shares_;
};

/// A module that holds a SigmoidLoss:
///
///     equipoise::libtorch::SigmoidLossModule<equipoise::AsymmetricFocal> criterion(loss);
///     criterion->to(device);
///     criterion->forward(logits, targets).backward();
template <SigmoidModulators S = BinaryCrossEntropy, LossReduction R = MeanByCount>
class SigmoidLossModule : public torch::nn::ModuleHolder<SigmoidLossImpl<S, R>> {
 public:
  using torch::nn::ModuleHolder<SigmoidLossImpl<S, R>>::ModuleHolder;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_SIGMOID_MODULE_H_
