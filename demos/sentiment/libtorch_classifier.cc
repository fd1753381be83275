#include <torch/torch.h>

#include <cstddef>
#include <numeric>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/sentiment/classifier.h"
#include "demos/sentiment/libtorch_net.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/sampler.h"

namespace equipoise::demos {

namespace {

class LibTorchClassifier final : public Classifier {
 public:
  LibTorchClassifier(std::size_t classes, const TrainingOptions& options, const at::Device& device)
      : options_(options),
        net_(static_cast<std::int64_t>(classes), static_cast<std::int64_t>(options.hidden), device),
        optimizer_(net_) {}

  void train_epoch(const Examples& examples, const Objective& objective, const ClassSampler& stream,
                   std::uint64_t epoch, const std::function<void()>& on_batch) override {
    std::visit([&](const auto& loss) { train(examples, loss, stream, epoch, on_batch); },
               objective.loss);
  }

  Logits logits(const SparseRows& features) const override {
    std::vector<std::size_t> rows(features.rows());
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    return net_.logits(features, rows);
  }

  std::vector<Parameter> parameters() const override {
    std::vector<Parameter> parameters;
    for (const auto& [name, tensor] : net_.named()) {
      const at::Tensor values = tensor.detach().to(at::kCPU).contiguous();
      const auto cols = static_cast<std::size_t>(values.size(-1));
      const auto size = static_cast<std::size_t>(values.numel());
      const float* const data = values.data_ptr<float>();
      parameters.push_back({name, size / cols, cols, std::vector<float>(data, data + size)});
    }
    return parameters;
  }

  void set_parameters(const std::vector<Parameter>& parameters) override {
    require_same_shapes(parameters, this->parameters());
    const torch::NoGradGuard no_gradient;
    std::size_t i = 0;
    for (auto& [name, tensor] : net_.named()) {
      const std::vector<float>& values = parameters[i++].values;
      tensor.copy_(at::tensor(at::ArrayRef<float>(values)).view(tensor.sizes()));
    }
  }

 private:
  template <class M>
  void train(const Examples& examples, const SoftmaxLoss<M>& loss, const ClassSampler& stream,
             std::uint64_t epoch, const std::function<void()>& on_batch) {
    libtorch::SoftmaxLossModule<M> criterion(loss);
    criterion->to(net_.device);
    libtorch::StreamSampler<ClassSampler> sampler(stream);
    sampler.set_epoch(epoch);
    const auto loader =
        torch::data::make_data_loader(ExampleSet(examples), sampler, options_.batch_size);
    const std::size_t rows = examples.labels.size();
    std::uint64_t step = epoch * batches_per_epoch(rows, options_);
    for (const Batch& batch : libtorch::batches(loader, sampler)) {
      const Batch here = batch.to(net_.device);
      optimizer_.zero_grad();
      criterion->forward(net_.forward(here), here.targets).backward();
      optimizer_.step(options_, falling_rate(step++, rows, options_));
      on_batch();
    }
  }

  TrainingOptions options_;
  mutable Net net_;  // forward() of LibTorch's modules is not const
  NetOptimizer optimizer_;
};

at::Device to_device(const std::string& name) {
  if (name == "cuda" && !torch::cuda::is_available()) {
    throw InputError("--device=cuda: this machine or this LibTorch has no CUDA device");
  }
  return at::Device(name);
}

}  // namespace

std::unique_ptr<Classifier> make_libtorch_classifier(std::size_t classes,
                                                     const TrainingOptions& options,
                                                     const std::string& device,
                                                     std::uint64_t seed) {
  torch::manual_seed(seed);
  return std::make_unique<LibTorchClassifier>(classes, options, to_device(device));
}

}  // namespace equipoise::demos
