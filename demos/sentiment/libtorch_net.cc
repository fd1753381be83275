#include "demos/sentiment/libtorch_net.h"

#include <algorithm>

namespace equipoise::demos {

namespace {

constexpr double kHiddenDeviation = 0.03;
constexpr std::size_t kChunk = 1024;

std::vector<torch::optim::OptimizerParamGroup> parameter_groups(const Net& net) {
  std::vector<at::Tensor> rest = {net.bias};
  if (!net.output.is_empty()) {
    rest.push_back(net.output->weight);
    rest.push_back(net.output->bias);
  }
  return {torch::optim::OptimizerParamGroup({net.bag->weight}),
          torch::optim::OptimizerParamGroup(rest)};
}

}  // namespace

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

Batch ExampleSet::get_batch(std::vector<std::size_t> rows) {
  Batch batch = make_batch(examples_->features, rows);
  batch.targets = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
  auto* target = batch.targets.data_ptr<std::int64_t>();
  for (const std::size_t row : rows) *target++ = examples_->labels[row];
  return batch;
}

Net::Net(std::int64_t classes, std::int64_t hidden, const at::Device& device_)
    : bag(torch::nn::EmbeddingBagOptions(kTextColumns, hidden > 0 ? hidden : classes)
              .mode(torch::kSum)
              .sparse(true)),
      bias(torch::zeros({1, hidden > 0 ? hidden : classes}, device_).set_requires_grad(true)),
      device(device_) {
  const torch::NoGradGuard no_gradient;
  if (hidden > 0) {
    torch::nn::init::normal_(bag->weight, 0.0, kHiddenDeviation);
    output = torch::nn::Linear(hidden, classes);
    output->to(device);
  } else {
    torch::nn::init::zeros_(bag->weight);
  }
  bag->to(device);
}

at::Tensor Net::forward(const Batch& batch) {
  const at::Tensor sum = bag->forward(batch.columns, batch.starts, batch.values) + bias;
  return output.is_empty() ? sum : output->forward(torch::relu(sum));
}

Logits Net::logits(const SparseRows& features, std::span<const std::size_t> rows) {
  const torch::NoGradGuard no_gradient;
  Logits result;
  result.classes =
      static_cast<std::size_t>(output.is_empty() ? bias.size(1) : output->bias.size(0));
  for (std::size_t begin = 0; begin < rows.size(); begin += kChunk) {
    const auto chunk = rows.subspan(begin, std::min(kChunk, rows.size() - begin));
    const Batch batch = make_batch(features, chunk).to(device);
    const at::Tensor part = forward(batch).to(at::kCPU).contiguous();
    const float* const values = part.data_ptr<float>();
    result.values.insert(result.values.end(), values, values + part.numel());
  }
  return result;
}

std::vector<std::pair<std::string, at::Tensor>> Net::named() const {
  std::vector<std::pair<std::string, at::Tensor>> named = {{"weight", bag->weight}, {"bias", bias}};
  if (!output.is_empty()) {
    named.emplace_back("output.weight", output->weight);
    named.emplace_back("output.bias", output->bias);
  }
  return named;
}

NetOptimizer::NetOptimizer(const Net& net)
    : optimizer_(parameter_groups(net), torch::optim::SGDOptions(0)) {}

void NetOptimizer::step(const TrainingOptions& options, double share) {
  const double rates[] = {options.rate * share, kBiasRate * options.rate * share};
  for (std::size_t g = 0; g < 2; ++g) {
    static_cast<torch::optim::SGDOptions&>(optimizer_.param_groups()[g].options()).lr(rates[g]);
  }
  optimizer_.step();
}

}  // namespace equipoise::demos
