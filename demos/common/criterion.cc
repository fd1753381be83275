#include "demos/common/criterion.h"

#include <utility>
#include <variant>

#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "equipoise/libtorch/sigmoid_module.h"

namespace equipoise::demos {

namespace {

template <class M, class R>
libtorch::SoftmaxLossModule<M, R> module_of(const SoftmaxLoss<M, R>& loss) {
  return libtorch::SoftmaxLossModule<M, R>(loss);
}
template <class S, class R>
libtorch::SigmoidLossModule<S, R> module_of(const SigmoidLoss<S, R>& loss) {
  return libtorch::SigmoidLossModule<S, R>(loss);
}

libtorch::LossArguments arguments_of(const Batch& batch) {
  libtorch::LossArguments arguments;
  arguments.sample_weights = batch.weights;
  arguments.groups = batch.groups;
  return arguments;
}

template <class L>
class LossCriterion final : public Criterion {
 public:
  LossCriterion(L loss, const Objective& objective, std::size_t classes, const at::Device& device)
      : loss_(std::move(loss)),
        objective_(objective),
        classes_(static_cast<std::int64_t>(classes)),
        module_(module_of(loss_)) {
    module_->to(device);
  }

  void start_step(std::uint64_t step) override {
    if (objective_.weights_ramp.end == 0) return;
    loss_.class_weights = class_weights_at(objective_, step);
    module_->set_class_weights(loss_.class_weights);
  }

  at::Tensor denominators(const Batch& batch) const override {
    const auto arguments = arguments_of(batch);
    if constexpr (requires { libtorch::denominators(loss_, batch.targets, classes_); }) {
      return libtorch::denominators(loss_, batch.targets, classes_, arguments);
    } else {
      return libtorch::denominators(loss_, batch.targets, arguments);
    }
  }
  at::Tensor no_denominators() const override {
    return at::zeros({static_cast<std::int64_t>(loss_.reduction.buckets())}, at::kDouble);
  }

  at::Tensor operator()(const at::Tensor& logits, const Batch& batch,
                        const at::Tensor& denominators) override {
    auto arguments = arguments_of(batch);
    arguments.denominators = denominators;
    return module_->forward(logits, batch.targets, arguments);
  }

 private:
  L loss_;
  const Objective& objective_;
  std::int64_t classes_;
  decltype(module_of(std::declval<L>())) module_;
};

}  // namespace

std::unique_ptr<Criterion> make_criterion(const Objective& objective, std::size_t classes,
                                          const at::Device& device) {
  return std::visit(
      [&](const auto& loss) -> std::unique_ptr<Criterion> {
        return std::make_unique<LossCriterion<std::decay_t<decltype(loss)>>>(loss, objective,
                                                                             classes, device);
      },
      objective.loss);
}

}  // namespace equipoise::demos
