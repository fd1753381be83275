// Classifier heads for imbalanced classes: cosine logits, learnt weight scaling, and re-training
// only the head.
#ifndef EQUIPOISE_LIBTORCH_HEADS_H_
#define EQUIPOISE_LIBTORCH_HEADS_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <torch/arg.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/detail/check.h"

namespace equipoise::libtorch {

namespace detail {

// Vectors of length 1 along the last dimension: v / max(|v|, epsilon). For half types the norm is
// computed in float.
inline at::Tensor normalized(const at::Tensor& v, double epsilon) {
  const at::ScalarType type = v.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return (v / v.norm(2, at::IntArrayRef{-1}, /*keepdim=*/true, type).clamp_min(epsilon))
      .to(v.scalar_type());
}

inline void require_features(const char* where, const at::Tensor& input, std::int64_t features) {
  if (input.dim() == 0) {
    equipoise::detail::reject(where, "input.dim()", input.dim(), "at least 1 (... x D)");
  }
  if (input.size(-1) != features) {
    equipoise::detail::reject(where, "input.size(-1)", input.size(-1),
                              std::to_string(features) + " (in_features)");
  }
}

inline void require_sizes(const char* where, std::int64_t in_features, std::int64_t out_features) {
  if (in_features < 1) equipoise::detail::reject(where, "in_features", in_features, ">= 1");
  if (out_features < 1) equipoise::detail::reject(where, "out_features", out_features, ">= 1");
}

}  // namespace detail

/// Options of NormedLinear.
///
///     NormedLinearOptions(768, 9).scale(30)
struct NormedLinearOptions {
  NormedLinearOptions(std::int64_t in_features, std::int64_t out_features)
      : in_features_(in_features), out_features_(out_features) {}

  /// D, the size of a feature vector.
  TORCH_ARG(std::int64_t, in_features);
  /// C, the number of classes.
  TORCH_ARG(std::int64_t, out_features);
  /// The factor on the cosines. Leave it at 1 if the loss scales them, as LdamMargin does.
  TORCH_ARG(double, scale) = 1.0;
  /// Vectors shorter than this are divided by it: the zero vector has cosine 0 with every vector,
  /// and no gradient is longer than scale / epsilon times the upstream gradient.
  TORCH_ARG(double, epsilon) = 1e-6;
};

/// The module behind NormedLinear.
class NormedLinearImpl : public torch::nn::Cloneable<NormedLinearImpl> {
 public:
  NormedLinearImpl(std::int64_t in_features, std::int64_t out_features)
      : NormedLinearImpl(NormedLinearOptions(in_features, out_features)) {}

  /// @throws std::invalid_argument for sizes below 1, and unless scale and epsilon are finite and
  /// positive.
  explicit NormedLinearImpl(NormedLinearOptions options_) : options(std::move(options_)) {
    detail::require_sizes("NormedLinear", options.in_features(), options.out_features());
    equipoise::detail::require_positive("NormedLinear", "scale", options.scale());
    equipoise::detail::require_positive("NormedLinear", "epsilon", options.epsilon());
    NormedLinearImpl::reset();
  }

  /// Makes the weight, and initialises it.
  void reset() override {
    weight =
        register_parameter("weight", at::empty({options.out_features(), options.in_features()}));
    reset_parameters();
  }

  /// Draws the rows of the weight uniformly from the unit sphere.
  void reset_parameters() {
    const at::NoGradGuard no_graph;
    weight.normal_();
    weight.copy_(detail::normalized(weight, options.epsilon()));
  }

  /// scale cos(x, w_c): [..., D] to [..., C], in the type of the input. Does not synchronise the
  /// device. O(N D C).
  /// @throws std::invalid_argument if the last dimension is not in_features.
  at::Tensor forward(const at::Tensor& input) {
    detail::require_features("NormedLinear", input, options.in_features());
    const at::Tensor cosines = at::linear(detail::normalized(input, options.epsilon()),
                                          detail::normalized(weight, options.epsilon()));
    return options.scale() == 1.0 ? cosines : cosines * options.scale();
  }

  void pretty_print(std::ostream& stream) const override {
    stream << "equipoise::libtorch::NormedLinear(in_features=" << options.in_features()
           << ", out_features=" << options.out_features() << ", scale=" << options.scale() << ")";
  }

  NormedLinearOptions options;
  at::Tensor weight;  ///< [C, D]; forward() uses only the directions of its rows
};

/// A linear classifier whose logits are cosines: features and the weights of each class are scaled
/// to length 1, and there is no bias. So no class gets larger logits from the length of its
/// weights, which grows with its frequency. The margins of LDAM (Cao et al. 2019, arXiv:1906.07413)
/// are meant for such logits.
TORCH_MODULE(NormedLinear);

/// Options of LearnableWeightScaling.
struct LearnableWeightScalingOptions {
  LearnableWeightScalingOptions(std::int64_t in_features, std::int64_t out_features)
      : in_features_(in_features), out_features_(out_features) {}

  /// D, the size of a feature vector.
  TORCH_ARG(std::int64_t, in_features);
  /// C, the number of classes.
  TORCH_ARG(std::int64_t, out_features);
  /// Whether the classifier has a bias.
  TORCH_ARG(bool, bias) = true;
};

/// The module behind LearnableWeightScaling.
class LearnableWeightScalingImpl : public torch::nn::Cloneable<LearnableWeightScalingImpl> {
 public:
  /// A classifier of zeros, for load() to fill.
  /// @throws std::invalid_argument for sizes below 1.
  explicit LearnableWeightScalingImpl(LearnableWeightScalingOptions options_)
      : options(std::move(options_)) {
    detail::require_sizes("LearnableWeightScaling", options.in_features(), options.out_features());
    LearnableWeightScalingImpl::reset();
  }

  /// Copies the weight [C, D] and the bias [C], if defined, of a trained linear classifier, in
  /// their type and on their device.
  /// @throws std::invalid_argument for a weight that is not a matrix, and a bias of another size.
  explicit LearnableWeightScalingImpl(const at::Tensor& trained_weight,
                                      const at::Tensor& trained_bias = {})
      : LearnableWeightScalingImpl(options_of(trained_weight, trained_bias)) {
    const at::NoGradGuard no_graph;
    to(trained_weight.device(), trained_weight.scalar_type());
    weight.copy_(trained_weight);
    if (bias.defined()) bias.copy_(trained_bias);
  }

  /// Makes the scales, 1 each, and a classifier of zeros.
  void reset() override {
    scales = register_parameter("scales", at::ones({options.out_features()}));
    weight = register_buffer("weight", at::zeros({options.out_features(), options.in_features()}));
    bias = register_buffer("bias",
                           options.bias() ? at::zeros({options.out_features()}) : at::Tensor());
  }

  /// Sets the scales to 1, at which the logits are those of the classifier. The classifier does not
  /// change.
  void reset_parameters() {
    const at::NoGradGuard no_graph;
    scales.fill_(1.0);
  }

  /// f_c (w_c x + b_c): [..., D] to [..., C]. Does not synchronise the device. O(N D C).
  /// @throws std::invalid_argument if the last dimension is not in_features.
  at::Tensor forward(const at::Tensor& input) {
    detail::require_features("LearnableWeightScaling", input, options.in_features());
    return at::linear(input, weight, bias) * scales;
  }

  void pretty_print(std::ostream& stream) const override {
    stream << "equipoise::libtorch::LearnableWeightScaling(in_features=" << options.in_features()
           << ", out_features=" << options.out_features()
           << ", bias=" << (options.bias() ? "true" : "false") << ")";
  }

  LearnableWeightScalingOptions options;
  at::Tensor scales;  ///< [C], f; the only parameter
  at::Tensor weight;  ///< [C, D], a buffer
  at::Tensor bias;    ///< [C], a buffer, or undefined

 private:
  static LearnableWeightScalingOptions options_of(const at::Tensor& weight,
                                                  const at::Tensor& bias) {
    constexpr const char* kWhere = "LearnableWeightScaling";
    const std::int64_t dims = weight.defined() ? weight.dim() : 0;
    if (dims != 2) equipoise::detail::reject(kWhere, "weight.dim()", dims, "2 (C x D)");
    if (bias.defined() && (bias.dim() != 1 || bias.size(0) != weight.size(0))) {
      equipoise::detail::reject(kWhere, "bias.numel()", bias.numel(),
                                std::to_string(weight.size(0)) + " (rows of the weight)");
    }
    return LearnableWeightScalingOptions(weight.size(1), weight.size(0)).bias(bias.defined());
  }
};

/// Learnt weight scaling (LWS) of Kang et al. 2020 (arXiv:1910.09217): a trained linear classifier,
/// frozen, whose logits get one learnt factor per class, f_c (w_c x + b_c). Train it on balanced
/// draws, with the features fixed. The classifier is held in buffers, which no optimiser changes;
/// only the factors are parameters.
///
///     LearnableWeightScaling head(linear->weight, linear->bias);
TORCH_MODULE(LearnableWeightScaling);

/// Keeps a model in the state in which only its head trains, for as long as the object lives; made
/// by retrain_head(). The model must outlive it. Movable, not copyable.
class HeadRetraining {
 public:
  HeadRetraining(HeadRetraining&& other) noexcept
      : parameters_(std::move(other.parameters_)),
        required_(std::exchange(other.required_, {})),
        training_(std::exchange(other.training_, {})) {}
  HeadRetraining(const HeadRetraining&) = delete;
  HeadRetraining& operator=(const HeadRetraining&) = delete;
  HeadRetraining& operator=(HeadRetraining&&) = delete;
  ~HeadRetraining() { restore(); }

  /// The parameters of the head, for the optimiser.
  const std::vector<at::Tensor>& parameters() const { return parameters_; }

  /// Restores requires_grad of every parameter of the model and the mode of every module. The
  /// learnt values stay. A second call does nothing.
  void restore() {
    for (const auto& [parameter, required] : std::exchange(required_, {})) {
      parameter.requires_grad_(required);
    }
    // From parents to children, since train() also sets the children.
    for (const auto& [module, training] : std::exchange(training_, {})) module->train(training);
  }

 private:
  HeadRetraining(torch::nn::Module& model, torch::nn::Module& head)
      : parameters_(head.parameters()) {
    for (const at::Tensor& parameter : model.parameters()) {
      required_.emplace_back(parameter, parameter.requires_grad());
    }
    model.apply([this](torch::nn::Module& module) {
      training_.emplace_back(&module, module.is_training());
    });
    for (const auto& [parameter, required] : required_) parameter.requires_grad_(false);
    model.eval();
    head.train();
    for (at::Tensor& parameter : parameters_) {
      parameter.requires_grad_(true);
      parameter.mutable_grad() = at::Tensor();
    }
  }

  static void require(torch::nn::Module& model, torch::nn::Module& head) {
    const std::vector<at::Tensor> all = model.parameters();
    const std::vector<at::Tensor> own = head.parameters();
    if (own.empty()) {
      equipoise::detail::reject("retrain_head", "head.parameters().size()", own.size(), ">= 1");
    }
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (std::any_of(all.begin(), all.end(),
                      [&](const at::Tensor& each) { return each.is_same(own[i]); })) {
        continue;
      }
      equipoise::detail::reject("retrain_head", "head.parameters()[" + std::to_string(i) + "]",
                                "not of the model", "a parameter of the model");
    }
  }

  template <class Head, class Initialize>
  friend HeadRetraining retrain_head(torch::nn::Module& model, Head& head,
                                     const Initialize& initialize);

  std::vector<at::Tensor> parameters_;
  std::vector<std::pair<at::Tensor, bool>> required_;
  std::vector<std::pair<torch::nn::Module*, bool>> training_;
};

/// Re-training the classifier (cRT) of Kang et al. 2020 (arXiv:1910.09217): after the whole model
/// was trained on the data in their own proportions, its head is initialised again and trained on
/// balanced draws, while the rest of the model does not change.
///
/// Freezes every parameter of the model (requires_grad = false), puts its modules into evaluation
/// mode, which also freezes running statistics and disables dropout, then enables gradients and
/// training mode again for the head, a part of the model, and calls initialize(head). Do not call
/// model.train() meanwhile; restore(), or the destruction of the returned object, restores the
/// former state.
///
///     auto retraining = retrain_head(*model, *model->classifier);
///     torch::optim::SGD optimizer(retraining.parameters(), 0.1);
///
/// O(parameters of the head x parameters). Does not synchronise the device.
/// @throws std::invalid_argument if the head has no parameters, or one that is not the model's.
template <class Head, class Initialize>
HeadRetraining retrain_head(torch::nn::Module& model, Head& head, const Initialize& initialize) {
  HeadRetraining::require(model, head);
  HeadRetraining retraining(model, head);
  initialize(head);
  return retraining;
}

/// The same for a head that initialises itself by reset_parameters(), as torch::nn::Linear and the
/// heads above do.
template <class Head>
requires requires(Head& head) { head.reset_parameters(); }
HeadRetraining retrain_head(torch::nn::Module& model, Head& head) {
  return retrain_head(model, head, [](Head& own) { own.reset_parameters(); });
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_HEADS_H_
