// The demo's model on LibTorch, and its data set.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_LIBTORCH_NET_H_
#define EQUIPOISE_DEMOS_SENTIMENT_LIBTORCH_NET_H_

#include <torch/torch.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "demos/sentiment/classifier.h"

namespace equipoise::demos {

/// Rows as torch::nn::EmbeddingBag takes them: all features one after the other, and where each row
/// starts.
struct Batch {
  at::Tensor columns;
  at::Tensor values;
  at::Tensor starts;
  at::Tensor targets;  ///< undefined where they are not known

  Batch to(const at::Device& device) const {
    return {columns.to(device), values.to(device), starts.to(device),
            targets.defined() ? targets.to(device) : targets};
  }
};

Batch make_batch(const SparseRows& features, std::span<const std::size_t> rows);

/// The examples as a data set that gives whole batches.
class ExampleSet
    : public torch::data::datasets::BatchDataset<ExampleSet, Batch, std::vector<std::size_t>> {
  // LibTorch 1.13 has c10::optional here, 2.x std::optional.
  using OptionalSize = decltype(std::declval<const BatchDataset&>().size());

 public:
  explicit ExampleSet(const Examples& examples) : examples_(&examples) {}

  Batch get_batch(std::vector<std::size_t> rows) override;
  OptionalSize size() const override { return examples_->labels.size(); }

 private:
  const Examples* examples_;
};

/// An embedding bag, whose weights are those of a linear layer on sparse features; with a hidden
/// layer, a rectifier and a linear layer after it. Linear models start at zero, others as
/// LibTorch's generator has it.
struct Net {
  Net(std::int64_t classes, std::int64_t hidden, const at::Device& device);

  at::Tensor forward(const Batch& batch);

  /// The logits of some of the rows, without a graph.
  Logits logits(const SparseRows& features, std::span<const std::size_t> rows);

  /// The parameters with their names in files.
  std::vector<std::pair<std::string, at::Tensor>> named() const;

  torch::nn::EmbeddingBag bag;
  at::Tensor bias;
  torch::nn::Linear output{nullptr};
  at::Device device;
};

/// Gradient descent with one rate for what meets the features, and another for the rest.
class NetOptimizer {
 public:
  explicit NetOptimizer(const Net& net);

  void zero_grad() { optimizer_.zero_grad(); }
  /// One step; `share` is that of the first rate which is left.
  void step(const TrainingOptions& options, double share);

 private:
  torch::optim::SGD optimizer_;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_LIBTORCH_NET_H_
