// Training of networks on LibTorch: batches from a sampler, exact losses over micro-batches and
// workers, early stopping, checkpoints that go on as if nothing had happened.
#ifndef EQUIPOISE_DEMOS_COMMON_TRAINER_H_
#define EQUIPOISE_DEMOS_COMMON_TRAINER_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/nn/module.h>
#include <torch/optim/optimizer.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/objective.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "demos/common/workers.h"

namespace equipoise::demos {

/// Some units as tensors: what the network reads, and R rows of targets.
struct Batch {
  std::vector<at::Tensor> inputs;
  at::Tensor targets;    ///< [R] classes, or [R, L] of 0 and 1
  at::Tensor groups{};   ///< [R], or undefined
  at::Tensor weights{};  ///< [R] of double, or undefined

  Batch to(const at::Device& device) const;
};

/// Units as batches, and how many rows each has: the tokens of a sentence, say.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::size_t units() const = 0;
  virtual std::size_t rows(std::size_t unit) const = 0;
  virtual Batch batch(std::span<const std::size_t> units) const = 0;
};

at::Tensor tensor_of(const std::vector<std::int64_t>& values);

/// Examples as batches; what the network reads of rows is for subclasses to say. The examples must
/// outlive it.
class ExampleSet : public Dataset {
 public:
  explicit ExampleSet(const Examples& examples) : examples_(examples) {}

  std::size_t units() const final { return examples_.units(); }
  std::size_t rows(std::size_t unit) const final {
    return examples_.unit_begin(unit + 1) - examples_.unit_begin(unit);
  }
  Batch batch(std::span<const std::size_t> units) const final;

 protected:
  virtual std::vector<at::Tensor> inputs_of(std::span<const std::size_t> rows,
                                            std::span<const std::size_t> units) const = 0;

  const Examples& examples_;
};

/// A network that makes logits [R, C] of a batch, its rows in order.
class Network : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const Batch& batch) = 0;
  virtual std::size_t classes() const = 0;
};

/// @throws InputError where there is no such device.
at::Device device_of(const std::string& name);

/// The parameters and buffers of a network, as they are saved; and back.
std::vector<Parameter> parameters_of(const torch::nn::Module& network);
void set_parameters_of(torch::nn::Module& network, const std::vector<Parameter>& parameters);

/// The logits of all units, in evaluation mode. Workers share the units and all get all logits.
Logits predict(Network& network, const Dataset& data, const at::Device& device,
               const Workers& workers = Workers());

/// Trains a network on the device where its parameters lie.
///
/// A step takes options.batch_size units over all workers and micro-batches, divides by the loss's
/// denominators of all of them, and sums gradients, so that it is the same step however the batch
/// is cut. Whatever is random in the network (dropout, say) is a function of the seed, the step and
/// the part: nothing of it has to be kept, but another cut draws other numbers. The rates of the
/// optimiser's parameter groups are taken for those at the start and fall linearly to zero.
class Trainer {
 public:
  Trainer(std::shared_ptr<Network> network, std::unique_ptr<torch::optim::Optimizer> optimizer,
          TrainingOptions options, std::shared_ptr<const Workers> workers = nullptr)
      : network_(std::move(network)),
        optimizer_(std::move(optimizer)),
        options_(std::move(options)),
        workers_(workers ? std::move(workers) : std::make_shared<const Workers>()) {}

  /// Trains; see Learner::fit(). The first worker writes log and checkpoint, the latter every
  /// checkpoint_steps steps and after each epoch; any number of workers may go on from it. A
  /// training that goes on from there ends as if it had not stopped; in another cut, to rounding
  /// and only without randomness in the network.
  /// @throws InputError for a batch that workers and micro-batches do not divide, and for a
  /// checkpoint that cannot be read or is of another training, naming what differs.
  Fit fit(const Dataset& train, const Dataset& validation, const Objective& objective,
          const Validate& validate, Progress& progress);

 private:
  std::shared_ptr<Network> network_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  TrainingOptions options_;
  std::shared_ptr<const Workers> workers_;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_TRAINER_H_
