// The model that the demo trains, whatever library computes it.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_CLASSIFIER_H_
#define EQUIPOISE_DEMOS_SENTIMENT_CLASSIFIER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "demos/common/features.h"
#include "demos/sentiment/strategy.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/view.h"

namespace equipoise::demos {

/// Rows as vectors, with their classes.
struct Examples {
  SparseRows features;
  std::vector<std::int64_t> labels;
};

/// N x C numbers, row by row.
struct Logits {
  std::size_t classes = 0;
  std::vector<float> values;

  MatrixView<const float> view() const { return {values.data(), values.size() / classes, classes}; }
};

/// A matrix of a model under its name.
struct Parameter {
  std::string name;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<float> values{};  ///< row by row
};

/// Stochastic gradient descent whose rate falls linearly to zero over all steps.
struct TrainingOptions {
  std::uint64_t epochs = 6;
  std::size_t batch_size = 64;
  std::uint64_t hidden = 0;  ///< units of a layer between; 0: none
  double rate = 40;          ///< of the weights that meet features, at the start
};

/// The rate of everything else, as a share: a bias learns from every row.
inline constexpr double kBiasRate = 0.02;

/// The rate that suits a model, the same for every strategy: of 10, 20, 40, 80 for the linear model
/// and of 5, 10, 20 with 128 units the one with the best macro-F1 of any strategy on GoEmotions'
/// validation rows.
inline double default_rate(std::uint64_t hidden) { return hidden == 0 ? 40 : 10; }

class Classifier {
 public:
  virtual ~Classifier() = default;

  /// One epoch of the stream's draws, a step a batch; `on_batch` is called after each.
  virtual void train_epoch(const Examples& examples, const Objective& objective,
                           const ClassSampler& stream, std::uint64_t epoch,
                           const std::function<void()>& on_batch) = 0;
  virtual Logits logits(const SparseRows& features) const = 0;

  virtual std::vector<Parameter> parameters() const = 0;
  /// @throws std::invalid_argument unless names and shapes are those of parameters().
  virtual void set_parameters(const std::vector<Parameter>& parameters) = 0;
};

/// Steps of one epoch.
inline std::uint64_t batches_per_epoch(std::size_t rows, const TrainingOptions& options) {
  return (rows + options.batch_size - 1) / options.batch_size;
}

/// The share of its first value that a rate has left at a step.
inline double falling_rate(std::uint64_t step, std::size_t rows, const TrainingOptions& options) {
  const auto steps = static_cast<double>(batches_per_epoch(rows, options) * options.epochs);
  return 1 - static_cast<double>(step) / steps;
}

/// Checks what set_parameters() is given against what the model has.
void require_same_shapes(const std::vector<Parameter>& given, const std::vector<Parameter>& own);

/// A linear softmax classifier: logits = x W + b, all zero at the start.
std::unique_ptr<Classifier> make_eigen_classifier(std::size_t classes,
                                                  const TrainingOptions& options);

/// The same on LibTorch, with a hidden layer if options.hidden > 0, whose first values the seed
/// draws. `device` is "cpu" or "cuda".
/// @throws InputError where the program was built without LibTorch, or there is no such device.
std::unique_ptr<Classifier> make_libtorch_classifier(std::size_t classes,
                                                     const TrainingOptions& options,
                                                     const std::string& device, std::uint64_t seed);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_CLASSIFIER_H_
