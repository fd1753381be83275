#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/sentiment/classifier.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/sampler.h"

namespace equipoise::demos {

namespace {

// Rows as torch::nn::EmbeddingBag takes them: all features one after the other, and where each row
// starts.
struct Batch {
  at::Tensor columns;
  at::Tensor values;
  at::Tensor starts;
  at::Tensor targets;  // undefined where they are not known

  Batch to(const at::Device& device) const {
    return {columns.to(device), values.to(device), starts.to(device),
            targets.defined() ? targets.to(device) : targets};
  }
};

Batch make_batch(const SparseRows& features, std::span<const std::size_t> rows) {
  std::size_t size = 0;
  for (const std::size_t row : rows) size += features.columns_of(row).size();
  Batch batch;
  batch.columns = at::empty({static_cast<std::int64_t>(size)}, at::kLong);
  batch.values = at::empty({static_cast<std::int64_t>(size)}, at::kFloat);
  batch.starts = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
  auto* column = batch.columns.data_ptr<std::int64_t>();
  auto* value = batch.values.data_ptr<float>();
  auto* start = batch.starts.data_ptr<std::int64_t>();
  for (const std::size_t row : rows) {
    *start++ = column - batch.columns.data_ptr<std::int64_t>();
    column = std::copy(features.columns_of(row).begin(), features.columns_of(row).end(), column);
    value = std::copy(features.values_of(row).begin(), features.values_of(row).end(), value);
  }
  return batch;
}

// The examples as a data set that gives whole batches.
class ExampleSet
    : public torch::data::datasets::BatchDataset<ExampleSet, Batch, std::vector<std::size_t>> {
  // LibTorch 1.13 has c10::optional here, 2.x std::optional.
  using OptionalSize = decltype(std::declval<const BatchDataset&>().size());

 public:
  explicit ExampleSet(const Examples& examples) : examples_(&examples) {}

  Batch get_batch(std::vector<std::size_t> rows) override {
    Batch batch = make_batch(examples_->features, rows);
    batch.targets = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
    auto* target = batch.targets.data_ptr<std::int64_t>();
    for (const std::size_t row : rows) *target++ = examples_->labels[row];
    return batch;
  }

  OptionalSize size() const override { return examples_->labels.size(); }

 private:
  const Examples* examples_;
};

// An embedding bag, whose weights are those of a linear layer on sparse features; with a hidden
// layer, a rectifier and a linear layer after it.
struct Net {
  Net(std::int64_t classes, std::int64_t hidden)
      : bag(torch::nn::EmbeddingBagOptions(kTextColumns, hidden > 0 ? hidden : classes)
                .mode(torch::kSum)
                .sparse(true)),
        bias(torch::zeros({1, hidden > 0 ? hidden : classes})) {
    const torch::NoGradGuard no_gradient;
    if (hidden > 0) {
      torch::nn::init::normal_(bag->weight, 0.0, kHiddenDeviation);
      output = torch::nn::Linear(hidden, classes);
    } else {
      torch::nn::init::zeros_(bag->weight);
    }
  }

  at::Tensor forward(const Batch& batch) {
    const at::Tensor sum = bag->forward(batch.columns, batch.starts, batch.values) + bias;
    return output.is_empty() ? sum : output->forward(torch::relu(sum));
  }

  // The parameters with their names in files.
  std::vector<std::pair<std::string, at::Tensor>> named() const {
    std::vector<std::pair<std::string, at::Tensor>> named = {{"weight", bag->weight},
                                                             {"bias", bias}};
    if (!output.is_empty()) {
      named.emplace_back("output.weight", output->weight);
      named.emplace_back("output.bias", output->bias);
    }
    return named;
  }

  static constexpr double kHiddenDeviation = 0.03;

  torch::nn::EmbeddingBag bag;
  at::Tensor bias;
  torch::nn::Linear output{nullptr};
};

class LibTorchClassifier final : public Classifier {
 public:
  LibTorchClassifier(std::size_t classes, const TrainingOptions& options, const at::Device& device)
      : options_(options),
        device_(device),
        net_(static_cast<std::int64_t>(classes), static_cast<std::int64_t>(options.hidden)),
        optimizer_(parameter_groups(), torch::optim::SGDOptions(0)) {}

  void train_epoch(const Examples& examples, const Objective& objective, const ClassSampler& stream,
                   std::uint64_t epoch, const std::function<void()>& on_batch) override {
    std::visit([&](const auto& loss) { train(examples, loss, stream, epoch, on_batch); },
               objective.loss);
  }

  Logits logits(const SparseRows& features) const override {
    const torch::NoGradGuard no_gradient;
    constexpr std::size_t kChunk = 1024;
    Logits result;
    std::vector<std::size_t> rows;
    for (std::size_t begin = 0; begin < features.rows(); begin += kChunk) {
      rows.resize(std::min(kChunk, features.rows() - begin));
      std::iota(rows.begin(), rows.end(), begin);
      const Batch batch = make_batch(features, rows).to(device_);
      const at::Tensor part = net_.forward(batch).to(at::kCPU).contiguous();
      result.classes = static_cast<std::size_t>(part.size(1));
      const float* const values = part.data_ptr<float>();
      result.values.insert(result.values.end(), values, values + part.numel());
    }
    return result;
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
    criterion->to(device_);
    libtorch::StreamSampler<ClassSampler> sampler(stream);
    sampler.set_epoch(epoch);
    const auto loader =
        torch::data::make_data_loader(ExampleSet(examples), sampler, options_.batch_size);
    const std::size_t rows = examples.labels.size();
    std::uint64_t step = epoch * batches_per_epoch(rows, options_);
    for (const Batch& batch : libtorch::batches(loader, sampler)) {
      const Batch here = batch.to(device_);
      optimizer_.zero_grad();
      criterion->forward(net_.forward(here), here.targets).backward();
      set_rates(falling_rate(step++, rows, options_));
      optimizer_.step();
      on_batch();
    }
  }

  // What meets the features, and the rest.
  std::vector<torch::optim::OptimizerParamGroup> parameter_groups() {
    net_.bag->to(device_);
    net_.bias = net_.bias.to(device_).set_requires_grad(true);
    std::vector<at::Tensor> rest = {net_.bias};
    if (!net_.output.is_empty()) {
      net_.output->to(device_);
      rest.push_back(net_.output->weight);
      rest.push_back(net_.output->bias);
    }
    return {torch::optim::OptimizerParamGroup({net_.bag->weight}),
            torch::optim::OptimizerParamGroup(rest)};
  }

  void set_rates(double share) {
    const double rates[] = {options_.rate * share, kBiasRate * options_.rate * share};
    for (std::size_t g = 0; g < 2; ++g) {
      static_cast<torch::optim::SGDOptions&>(optimizer_.param_groups()[g].options()).lr(rates[g]);
    }
  }

  TrainingOptions options_;
  at::Device device_;
  mutable Net net_;  // forward() of LibTorch's modules is not const
  torch::optim::SGD optimizer_;
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
