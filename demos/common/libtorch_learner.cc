#include <dlfcn.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "demos/common/learner.h"
#include "demos/common/trainer.h"

namespace equipoise::demos {

namespace {

constexpr double kHiddenDeviation = 0.03;

// Sparse rows as torch::nn::EmbeddingBag takes them: all features one after the other, their
// values, and where each row starts.
class SparseSet final : public ExampleSet {
 public:
  using ExampleSet::ExampleSet;

 private:
  std::vector<at::Tensor> inputs_of(std::span<const std::size_t> rows,
                                    std::span<const std::size_t> /*units*/) const override {
    std::vector<std::int64_t> columns;
    std::vector<float> values;
    std::vector<std::int64_t> starts;
    for (const std::size_t row : rows) {
      starts.push_back(static_cast<std::int64_t>(columns.size()));
      const auto of_row = examples_.features.columns_of(row);
      columns.insert(columns.end(), of_row.begin(), of_row.end());
      const auto values_of_row = examples_.features.values_of(row);
      values.insert(values.end(), values_of_row.begin(), values_of_row.end());
    }
    return {tensor_of(columns), at::tensor(at::ArrayRef<float>(values), at::kFloat),
            tensor_of(starts)};
  }
};

// An embedding bag, whose weights are those of a linear layer on sparse features; with a hidden
// layer, a rectifier and a linear layer after it. Linear models start at zero, others as LibTorch's
// generator has it.
class SparseNetwork final : public Network {
 public:
  SparseNetwork(const LearnerShape& shape, const at::Device& device) : classes_(shape.classes) {
    const auto columns = static_cast<std::int64_t>(shape.columns);
    const auto width = static_cast<std::int64_t>(shape.hidden > 0 ? shape.hidden : shape.classes);
    weight = register_parameter("weight", torch::zeros({columns, width}));
    bias = register_parameter("bias", torch::zeros({1, width}));
    if (shape.hidden > 0) {
      const torch::NoGradGuard no_gradient;
      torch::nn::init::normal_(weight, 0.0, kHiddenDeviation);
      output = register_module("output",
                               torch::nn::Linear(width, static_cast<std::int64_t>(shape.classes)));
    }
    to(device);
  }

  at::Tensor forward(const Batch& batch) override {
    constexpr std::int64_t kSum = 0;
    const at::Tensor sum =
        std::get<0>(at::embedding_bag(weight, batch.inputs[0], batch.inputs[2],
                                      /*scale_grad_by_freq=*/false, kSum, /*sparse=*/true,
                                      batch.inputs[1], /*include_last_offset=*/false)) +
        bias;
    return output.is_empty() ? sum : output->forward(torch::relu(sum));
  }
  std::size_t classes() const override { return classes_; }

  // The weights that meet features, and the rest.
  std::vector<torch::optim::OptimizerParamGroup> parameter_groups(double rate) const {
    std::vector<at::Tensor> rest = {bias};
    if (!output.is_empty()) {
      rest.push_back(output->weight);
      rest.push_back(output->bias);
    }
    const auto group = [](std::vector<at::Tensor> parameters, double own_rate) {
      return torch::optim::OptimizerParamGroup(
          std::move(parameters), std::make_unique<torch::optim::SGDOptions>(own_rate));
    };
    return {group({weight}, rate), group(std::move(rest), kBiasRate * rate)};
  }

  at::Tensor weight;
  at::Tensor bias;
  torch::nn::Linear output{nullptr};

 private:
  std::size_t classes_;
};

class LibTorchLearner final : public Learner {
 public:
  LibTorchLearner(const LearnerShape& shape, const at::Device& device,
                  std::shared_ptr<const Workers> workers)
      : device_(device),
        workers_(workers ? std::move(workers) : std::make_shared<const Workers>()),
        network_(std::make_shared<SparseNetwork>(shape, device)) {}

  Fit fit(const Examples& train, const Examples& validation, const Objective& objective,
          const TrainingOptions& options, const Validate& validate, Progress& progress) override {
    auto optimizer = std::make_unique<torch::optim::SGD>(network_->parameter_groups(options.rate),
                                                         torch::optim::SGDOptions(options.rate));
    Trainer trainer(network_, std::move(optimizer), options, workers_);
    return trainer.fit(SparseSet(train), SparseSet(validation), objective, validate, progress);
  }

  Logits logits(const Examples& examples) const override {
    return predict(*network_, SparseSet(examples), device_, *workers_);
  }

  std::vector<Parameter> parameters() const override { return parameters_of(*network_); }
  void set_parameters(const std::vector<Parameter>& parameters) override {
    set_parameters_of(*network_, parameters);
  }

 private:
  at::Device device_;
  std::shared_ptr<const Workers> workers_;
  std::shared_ptr<SparseNetwork> network_;
};

}  // namespace

std::unique_ptr<Learner> make_libtorch_learner(const LearnerShape& shape, const std::string& device,
                                               std::uint64_t seed,
                                               std::shared_ptr<const Workers> workers) {
  torch::manual_seed(seed);
  return std::make_unique<LibTorchLearner>(shape, device_of(device), std::move(workers));
}

void set_threads(int threads) {
  at::set_num_threads(threads);
  // Where OpenBLAS multiplies matrices its threads are its own, and wait by spinning.
  using SetThreads = void (*)(int);
  void* const symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
  if (symbol != nullptr) reinterpret_cast<SetThreads>(symbol)(threads);
}

}  // namespace equipoise::demos
