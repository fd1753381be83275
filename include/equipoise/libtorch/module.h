// Softmax losses as modules: their constants are buffers, which are moved and saved with the
// module.
#ifndef EQUIPOISE_LIBTORCH_MODULE_H_
#define EQUIPOISE_LIBTORCH_MODULE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <c10/util/Exception.h>
#include <torch/arg.h>
#include <torch/nn/pimpl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/libtorch/detail/loss_module.h"
#include "equipoise/libtorch/loss.h"

namespace equipoise::libtorch {

template <Modulator M, LossReduction R>
class LinearLossImpl;

/// Options of a SoftmaxLossModule: the loss, and the options for tensors only.
///
///     SoftmaxLossOptions<Focal>(loss).class_dim(1).reduce(false)
template <Modulator M = CrossEntropy, LossReduction R = MeanByCount>
struct SoftmaxLossOptions {
  /// The loss that is configured.
  using Loss = SoftmaxLoss<M, R>;
  SoftmaxLossOptions(Loss loss = {})  // NOLINT(google-explicit-constructor)
      : loss_(std::move(loss)) {}

  /// The loss.
  TORCH_ARG(Loss, loss);
  /// The dimension of the classes: 1 for LibTorch's order N x C x T, -1 for N x T x C. Logits of
  /// more than two dimensions need it, here or in the arguments of a call.
  TORCH_ARG(std::optional<std::int64_t>, class_dim){};
  /// Whether forward() gives one number; if not, it gives the losses of rows.
  TORCH_ARG(bool, reduce) = true;
};

/// The module behind SoftmaxLossModule. The constants of its loss are buffers of double, undefined
/// if the loss has none: they follow to(device), keep their type if the model is cast to a half
/// type, are saved and loaded with the module, and no call uploads them again. The shares of group
/// DRO are uploaded at the first call and when they have changed. In evaluation mode (eval()) the
/// loss is evaluation() of itself.
///
/// Margins are meant for cosine logits, within [-1, 1] before their scale. If the first batch of
/// training on the CPU has other logits, a warning says so, once per module.
template <Modulator M = CrossEntropy, LossReduction R = MeanByCount>
class SoftmaxLossImpl : public detail::LossModule<SoftmaxLossImpl<M, R>> {
 public:
  /// @throws std::invalid_argument for weights or terms that are negative, not finite, or of
  /// different numbers of classes.
  explicit SoftmaxLossImpl(SoftmaxLossOptions<M, R> options_ = {}) : options(std::move(options_)) {
    kernels::require_softmax_loss("SoftmaxLossModule",
                                  equipoise::detail::settings_of(options.loss()), classes());
    reset();
  }

  /// Makes the buffers again from the module's original loss.
  void reset() override {
    const detail::SoftmaxTensors tensors = detail::make_tensors(
        equipoise::detail::settings_of(options.loss()), at::TensorOptions().dtype(at::kDouble),
        static_cast<std::int64_t>(classes()));
    class_weights = this->register_buffer("class_weights", tensors.class_weights);
    scale = this->register_buffer("scale", tensors.scale);
    shift = this->register_buffer("shift", tensors.shift);
    margin = this->register_buffer("margin", tensors.margin);
    group_weights = this->register_buffer("group_weights", tensors.group_weights);
    pair_shift = this->register_buffer("pair_shift", tensors.pair_shift);
    seesaw_counts = this->register_buffer("seesaw_counts", tensors.seesaw_counts);
  }

  /// value(), or unreduced() if options.reduce is false, with the constants in the buffers. The
  /// class dimension of the options takes precedence over that of the arguments. Does not
  /// synchronise the device.
  /// @throws std::invalid_argument as value(), and for constants on another device than the logits.
  EQUIPOISE_HOST_INLINE at::Tensor forward(const at::Tensor& logits, const at::Tensor& targets,
                                           LossArguments arguments = {}) {
    if (options.class_dim()) arguments.class_dim = options.class_dim();
    const detail::Wanted wanted{.unreduced = !options.reduce()};
    const Ready ready = make_ready("SoftmaxLossModule::forward", logits, arguments);
    if (logits.device().is_cpu() && this->is_training()) warn_of_plain_logits(logits);
    return detail::call_softmax(ready.loss, ready.constants(), logits, targets, arguments, wanted)
        .loss;
  }

  /// Replaces the class weights, for example by those of a schedule at the next step. Copies C
  /// numbers to their device.
  ///
  ///     criterion->set_class_weights(schedule(step));
  ///     const Treatment now = treatment(plan, step);
  ///     criterion->set_class_weights(now.weights);
  ///     criterion->set_logit_terms(now.logit_terms);
  /// @throws std::invalid_argument for another number of weights than the module was made with
  /// (give it ones for none), and for weights that are negative or not finite.
  void set_class_weights(const std::vector<double>& weights) {
    constexpr const char* kWhere = "SoftmaxLossModule::set_class_weights";
    equipoise::detail::require_masses(kWhere, "weights", weights);
    detail::set_constant(kWhere, "weights", class_weights, weights);
  }

  /// The same for the logit terms of all rows.
  /// @throws std::invalid_argument for a scale, shift or margin of another size than the module was
  /// made with, for a number that is not finite, and for a module whose terms are set by group.
  void set_logit_terms(const LogitTerms& terms) {
    constexpr const char* kWhere = "SoftmaxLossModule::set_logit_terms";
    if (const std::size_t groups = options.loss().group_logit_terms.size(); groups > 0) {
      detail::reject(kWhere, "groups of the module's terms", groups, "0");
    }
    detail::set_constant(kWhere, "terms.scale", scale, terms.scale);
    detail::set_constant(kWhere, "terms.shift", shift, terms.shift);
    detail::set_constant(kWhere, "terms.margin", margin, terms.margin);
  }

  void pretty_print(std::ostream& stream) const override {
    stream << "equipoise::libtorch::SoftmaxLoss(label_smoothing=" << options.loss().label_smoothing
           << ", ignore_index=" << options.loss().ignore_index;
    if (options.class_dim()) stream << ", class_dim=" << *options.class_dim();
    if (!options.reduce()) stream << ", reduce=false";
    for (const auto& buffer : this->named_buffers(/*recurse=*/false)) {
      if (!buffer.value().defined()) continue;
      stream << ", " << buffer.key() << "=" << buffer.value().sizes();
    }
    stream << ")";
  }

  SoftmaxLossOptions<M, R> options;
  at::Tensor class_weights;  ///< [C] or undefined
  at::Tensor scale;          ///< [C], [G, C] or undefined
  at::Tensor shift;          ///< [C], [G, C] or undefined
  at::Tensor margin;         ///< [C], [G, C] or undefined
  at::Tensor group_weights;  ///< [G] or undefined
  at::Tensor pair_shift;     ///< [C, C] or undefined
  at::Tensor seesaw_counts;  ///< [C] or undefined; see add_to_seesaw_counts()

 private:
  friend class LinearLossImpl<M, R>;

  // The loss for logits of a type and device, and its constants if tensor operations need them.
  struct Ready {
    detail::SoftmaxOfTensors loss;
    std::optional<detail::SoftmaxTensors> tensors;

    const detail::SoftmaxTensors* constants() const { return tensors ? &*tensors : nullptr; }
  };

  EQUIPOISE_HOST_INLINE Ready make_ready(const char* where, const at::Tensor& logits,
                                         LossArguments& arguments) {
    detail::require_constants_beside(where, logits,
                                     {{"class_weights", &class_weights},
                                      {"scale", &scale},
                                      {"shift", &shift},
                                      {"margin", &margin},
                                      {"group_weights", &group_weights},
                                      {"pair_shift", &pair_shift},
                                      {"seesaw_counts", &seesaw_counts}});
    detail::SoftmaxTensors tensors{class_weights, scale,      shift,        margin,
                                   group_weights, pair_shift, seesaw_counts};
    if (!this->is_training()) {
      tensors = evaluation_tensors(tensors);
      arguments.seesaw_counts = at::Tensor();
    }
    if (logits.device().is_cpu()) {
      return {detail::softmax_of_tensors(where, from_tensors(tensors)), std::nullopt};
    }
    for (at::Tensor* tensor : fields(tensors)) {
      if (!tensor->defined()) continue;
      // A copy: the backward pass reads them again, and they may have been set anew by then.
      *tensor = tensor->to(detail::compute_type(logits), /*non_blocking=*/false, /*copy=*/true);
    }
    if (!arguments.shares.defined()) {
      arguments.shares = shares_.of(where, options.loss().reduction, logits.device());
    }
    return {detail::softmax_of_tensors(where, without_constants()), tensors};
  }

  static std::array<at::Tensor*, 7> fields(detail::SoftmaxTensors& t) {
    return {&t.class_weights, &t.scale,      &t.shift,        &t.margin,
            &t.group_weights, &t.pair_shift, &t.seesaw_counts};
  }

  // The number of classes of the constants; 0 if there are none.
  std::size_t classes() const {
    const SoftmaxLoss<M, R>& loss = options.loss();
    std::size_t result = std::max(loss.class_weights.size(), loss.seesaw.counts.size());
    const auto count = [&](const LogitTerms& terms) {
      result = std::max({result, terms.scale.size(), terms.shift.size(), terms.margin.size()});
    };
    count(loss.logit_terms);
    for (const LogitTerms& terms : loss.group_logit_terms) count(terms);
    const auto pairs = static_cast<double>(loss.pair_shift.values.size());
    return std::max(result, static_cast<std::size_t>(std::lround(std::sqrt(pairs))));
  }

  // evaluation() on tensors.
  static detail::SoftmaxTensors evaluation_tensors(const detail::SoftmaxTensors& training) {
    detail::SoftmaxTensors result;
    result.class_weights = training.class_weights;
    result.group_weights = training.group_weights;
    if (training.scale.defined()) {
      result.scale = training.scale.amax(-1, /*keepdim=*/true).expand_as(training.scale);
    }
    return result;
  }

  // The loss without the constants, which the buffers hold.
  SoftmaxLoss<M, R> without_constants() const {
    const SoftmaxLoss<M, R>& given = options.loss();
    SoftmaxLoss<M, R> loss;
    loss.modulator = given.modulator;
    loss.reduction = given.reduction;
    loss.label_smoothing = given.label_smoothing;
    loss.ignore_index = given.ignore_index;
    loss.convention = given.convention;
    loss.empty_batch = given.empty_batch;
    loss.seesaw = given.seesaw;
    loss.seesaw.counts.clear();
    return loss;
  }

  // The terms of one group, or of all rows.
  static LogitTerms terms_of(const detail::SoftmaxTensors& tensors, std::int64_t group) {
    const auto row = [&](const at::Tensor& terms) {
      return detail::to_vector(terms.defined() && terms.dim() == 2 ? terms.select(0, group)
                                                                   : terms);
    };
    return {row(tensors.scale), row(tensors.shift), row(tensors.margin)};
  }

  SoftmaxLoss<M, R> from_tensors(const detail::SoftmaxTensors& tensors) const {
    SoftmaxLoss<M, R> loss = without_constants();
    loss.class_weights = detail::to_vector(tensors.class_weights);
    loss.group_weights = detail::to_vector(tensors.group_weights);
    loss.pair_shift.values = detail::to_vector(tensors.pair_shift);
    loss.seesaw.counts = detail::to_vector(tensors.seesaw_counts);
    const bool grouped = !options.loss().group_logit_terms.empty();
    if (!grouped) loss.logit_terms = terms_of(tensors, 0);
    for (std::size_t g = 0; grouped && g < options.loss().group_logit_terms.size(); ++g) {
      loss.group_logit_terms.push_back(terms_of(tensors, static_cast<std::int64_t>(g)));
    }
    return loss;
  }

  void warn_of_plain_logits(const at::Tensor& logits) {
    if (looked_at_logits_ || !margin.defined() || logits.numel() == 0) return;
    looked_at_logits_ = true;
    const auto largest = logits.detach().abs().max().template item<double>();
    if (largest <= 1.001) return;
    TORCH_WARN("SoftmaxLossModule: margins are made for cosine logits, within [-1, 1], and this ",
               "batch has one of size ", largest,
               ": use a NormedLinear head, or a loss without margins");
  }

  detail::SharesOnDevice shares_;
  bool looked_at_logits_ = false;
};

/// A module that holds a SoftmaxLoss:
///
///     equipoise::libtorch::SoftmaxLossModule<equipoise::Focal> criterion(loss);
///     criterion->to(device);
///     criterion->forward(logits, targets).backward();
template <Modulator M = CrossEntropy, LossReduction R = MeanByCount>
class SoftmaxLossModule : public torch::nn::ModuleHolder<SoftmaxLossImpl<M, R>> {
 public:
  using torch::nn::ModuleHolder<SoftmaxLossImpl<M, R>>::ModuleHolder;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_MODULE_H_
