#include "demos/common/trainer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <variant>

#include "demos/common/input_error.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/sampler.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "equipoise/random.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kChunk = 256;

constexpr std::uint32_t kNetworkPurpose = 0x6e6574;  // "net"

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

NamedTensors named_tensors(const torch::nn::Module& network) {
  NamedTensors tensors;
  for (const auto& item : network.named_parameters())
    tensors.emplace_back(item.key(), item.value());
  for (const auto& item : network.named_buffers()) tensors.emplace_back(item.key(), item.value());
  return tensors;
}

// Shortens the gradients, taken as one vector, to this length. LibTorch's own function leaves
// sparse ones as they are.
void clip_gradients(const std::vector<at::Tensor>& parameters, double most) {
  const torch::NoGradGuard no_gradient;
  std::vector<at::Tensor> gradients;  // the numbers that they store
  std::vector<at::Tensor> norms;
  for (const at::Tensor& parameter : parameters) {
    at::Tensor& gradient = parameter.mutable_grad();
    if (!gradient.defined()) continue;
    if (gradient.is_sparse()) gradient = gradient.coalesce();
    gradients.push_back(gradient.is_sparse() ? gradient._values() : gradient);
    norms.push_back(gradients.back().norm().to(at::kDouble));
  }
  if (norms.empty()) return;
  const double norm = at::stack(norms).norm().item<double>();
  if (!(norm > most)) return;
  for (at::Tensor& gradient : gradients) gradient.mul_(most / norm);
}

// What LibTorch's data loaders want to see.
class LoaderSet
    : public torch::data::datasets::BatchDataset<LoaderSet, Batch, std::vector<std::size_t>> {
  // LibTorch 1.13 has c10::optional here, 2.x std::optional.
  using OptionalSize = decltype(std::declval<const BatchDataset&>().size());

 public:
  explicit LoaderSet(const Dataset& data) : data_(&data) {}
  Batch get_batch(std::vector<std::size_t> units) override { return data_->batch(units); }
  OptionalSize size() const override { return data_->units(); }

 private:
  const Dataset* data_;
};

// What gradients reach: not what is frozen, which may have some of an earlier training.
std::vector<at::Tensor> trained_parameters(const Network& network) {
  std::vector<at::Tensor> parameters = network.parameters();
  std::erase_if(parameters, [](const at::Tensor& tensor) { return !tensor.requires_grad(); });
  return parameters;
}

// The units that begin with this one, as many as pass through a network at once in evaluation.
std::vector<std::size_t> chunk_of(const Dataset& data, std::size_t begin) {
  std::vector<std::size_t> units(std::min(kChunk, data.units() - begin));
  std::iota(units.begin(), units.end(), begin);
  return units;
}

std::uint64_t digest_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return 0;
  const at::Tensor values = tensor.to(at::kCPU).contiguous();
  return splits::fnv1a64({static_cast<const char*>(values.data_ptr()), values.nbytes()});
}

// Of all that a training sees of data.
std::uint64_t digest_of(const Dataset& data) {
  std::string digests;
  for (std::size_t begin = 0; begin < data.units(); begin += kChunk) {
    const std::vector<std::size_t> units = chunk_of(data, begin);
    const Batch batch = data.batch(units);
    for (const at::Tensor& each : batch.inputs) absl::StrAppend(&digests, digest_of(each), " ");
    for (const at::Tensor& each : {batch.targets, batch.groups, batch.weights}) {
      absl::StrAppend(&digests, digest_of(each), " ");
    }
    for (const std::size_t unit : units) absl::StrAppend(&digests, data.rows(unit), " ");
  }
  return splits::fnv1a64(digests);
}

libtorch::LossArguments arguments_of(const Batch& batch) {
  libtorch::LossArguments arguments;
  arguments.sample_weights = batch.weights;
  arguments.groups = batch.groups;
  return arguments;
}

// What a loss divides by: [K] of double. Those of the parts of a step are summed.
template <class L>
at::Tensor denominators_of(const L& loss, const Batch& batch, std::int64_t classes) {
  if constexpr (requires { libtorch::denominators(loss, batch.targets, classes); }) {
    return libtorch::denominators(loss, batch.targets, classes, arguments_of(batch));
  } else {
    return libtorch::denominators(loss, batch.targets, arguments_of(batch));
  }
}

class Training final : public TrainingLoop {
 public:
  Training(Network& network, torch::optim::Optimizer& optimizer, const TrainingOptions& options,
           const Workers& workers, const Dataset& train, const Dataset& validation,
           const Objective& objective)
      : TrainingLoop(objective, options),
        network_(network),
        optimizer_(optimizer),
        workers_(workers),
        train_(train),
        validation_(validation),
        parameters_(trained_parameters(network)),
        device_(parameters_.front().device()),
        sampler_(objective.stream, workers.shard(), sampling::Tail::kUneven) {
    if (!options.checkpoint.empty()) data_digest_ = digest_of(train);
    for (const auto& group : optimizer.param_groups()) rates_.push_back(group.options().get_lr());
    rate_ = rates_.front();
    if (options.batch_size % parts() != 0) {
      throw InputError(absl::StrCat(
          "a batch of ", options.batch_size, " cannot be divided equally among ",
          workers.shard().world, " workers with ", options.micro_batches, " micro-batches each"));
    }
  }

 private:
  bool is_first() const { return workers_.shard().rank == 0; }
  // Of a batch, over all workers.
  std::uint64_t parts() const { return workers_.shard().world * options_.micro_batches; }

  void start() override {
    if (options_.resumes) load();
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : named_tensors(network_)) tensors.push_back(tensor);
    workers_.broadcast(tensors);
  }

  bool train_epoch(std::uint64_t /*epoch*/, std::uint64_t first, std::uint64_t last,
                   Progress& progress) override {
    network_.train();
    const auto loader =
        torch::data::make_data_loader(LoaderSet(train_), sampler_, options_.batch_size / parts());
    auto batches = libtorch::batches(loader, sampler_);
    auto next = batches.begin();
    for (std::uint64_t i = first; i < last; ++i) {
      // Of the last batch there may be nothing for this worker.
      std::vector<Batch> own;
      while (own.size() < options_.micro_batches && next != batches.end()) {
        own.push_back((*next).to(device_));
        ++next;
      }
      const double loss = std::visit([&](const auto& each) { return step(each, own); },
                                     loss_at(objective_, steps_));
      if (!count(loss, progress)) return false;
    }
    return true;
  }

  Logits validation_logits() override { return predict(network_, validation_, device_, workers_); }
  std::vector<Parameter> parameters() const override { return parameters_of(network_); }
  void set_parameters(const std::vector<Parameter>& parameters) override {
    set_parameters_of(network_, parameters);
  }
  void end_step() override {
    if (steps_ % options_.checkpoint_steps == 0) save();
  }
  void end_epoch() override { save(); }
  bool writes_log() const override { return is_first(); }

  // The same step on all workers as one would make of the whole batch. Returns its loss.
  template <class L>
  double step(const L& loss, const std::vector<Batch>& parts) {
    at::Tensor denominators = at::zeros({static_cast<std::int64_t>(loss.reduction.buckets())},
                                        at::TensorOptions(device_).dtype(at::kDouble));
    for (const Batch& part : parts) {
      denominators =
          denominators + denominators_of(loss, part, static_cast<std::int64_t>(network_.classes()));
    }
    denominators = workers_.sum(denominators);
    optimizer_.zero_grad();
    double value = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      seed_network(p);
      libtorch::LossArguments arguments = arguments_of(parts[p]);
      arguments.denominators = denominators;
      const at::Tensor own =
          libtorch::value(loss, network_.forward(parts[p]), parts[p].targets, arguments);
      own.backward();
      value += own.item<double>();
    }
    workers_.sum_gradients(parameters_);
    if (options_.clip_norm > 0) clip_gradients(parameters_, options_.clip_norm);
    for (std::size_t g = 0; g < rates_.size(); ++g) {
      optimizer_.param_groups()[g].options().set_lr(rates_[g] * rate_share());
    }
    optimizer_.step();
    workers_.sum(std::span<double>(&value, 1));
    return value;
  }

  void seed_network(std::size_t part) const {
    const sampling::Shard shard = workers_.shard();
    const std::uint64_t place = (steps_ * options_.micro_batches + part) * shard.world + shard.rank;
    torch::manual_seed(CounterRandom{options_.seed}.bits(place, kNetworkPurpose));
  }

  // Everything besides the place that decides how a training goes on.
  std::string description() const {
    const auto in_full = [](std::string* text, double value) {
      absl::StrAppendFormat(text, "%.17g", value);
    };
    std::string shapes;
    for (const auto& [name, tensor] : named_tensors(network_)) {
      absl::StrAppend(&shapes, " ", name, " ", absl::StrJoin(tensor.sizes(), "x"));
    }
    return absl::StrCat(
        "seed ", options_.seed, ", stream ", objective_.stream.fingerprint(), " with seed ",
        objective_.stream.seed(), ", epochs ", options_.epochs, ", batch size ",
        options_.batch_size, ", rate ", absl::StrJoin(rates_, "/"), ", warm-up ", options_.warmup,
        ", clip ", options_.clip_norm, ", monitor ", options_.monitor, ", patience ",
        options_.patience, "\ndata ", data_digest_, ", class weights ",
        absl::StrJoin(class_weights_at(objective_, objective_.weights_ramp.end), "/", in_full),
        "\nnetwork", shapes, "\n", objective_.description);
  }

  void save() {
    if (options_.checkpoint.empty() || !is_first()) return;
    torch::serialize::OutputArchive archive;
    sampler_.save(archive);
    archive.write("training", c10::IValue(description()));
    archive.write("log", c10::IValue(log_));
    archive.write("loss_sum", c10::IValue(loss_sum_));
    archive.write("steps", c10::IValue(static_cast<std::int64_t>(steps_)));
    archive.write("epochs_seen", c10::IValue(static_cast<std::int64_t>(epochs_seen_)));
    archive.write("has_best", c10::IValue(!best_.empty()));
    archive.write("best_epoch", c10::IValue(static_cast<std::int64_t>(stopping_.best())));
    archive.write("best_score", c10::IValue(stopping_.score()));
    for (const auto& [name, tensor] : named_tensors(network_)) {
      archive.write("network." + name, tensor.detach());
    }
    for (const Parameter& parameter : best_) {
      archive.write("best." + parameter.name,
                    at::tensor(at::ArrayRef<float>(parameter.values)).view(parameter.shape));
    }
    torch::serialize::OutputArchive optimizer(archive.compilation_unit());
    optimizer_.save(optimizer);
    archive.write("optimizer", optimizer);
    // Replaced in one go: whatever happens, a whole checkpoint is there.
    const std::string part = options_.checkpoint.string() + ".part";
    archive.save_to(part);
    std::filesystem::rename(part, options_.checkpoint);
  }

  void load() {
    const std::string file = options_.checkpoint.string();
    if (!std::filesystem::exists(options_.checkpoint)) {
      throw InputError(file, 0, "there is no such checkpoint");
    }
    try {
      torch::serialize::InputArchive archive;
      archive.load_from(file, device_);
      const auto read = [&](const char* name) {
        c10::IValue value;
        archive.read(name, value);
        return value;
      };
      if (const std::string found = read("training").toStringRef(); found != description()) {
        throw InputError(file, 0,
                         "this is the checkpoint of another training (" + found + "), expected " +
                             description());
      }
      sampler_.load(archive);
      log_ = read("log").toStringRef();
      loss_sum_ = read("loss_sum").toDouble();
      steps_ = static_cast<std::uint64_t>(read("steps").toInt());
      epochs_seen_ = static_cast<std::uint64_t>(read("epochs_seen").toInt());
      const torch::NoGradGuard no_gradient;
      for (const auto& [name, tensor] : named_tensors(network_)) {
        at::Tensor values;
        archive.read("network." + name, values);
        at::Tensor(tensor).copy_(values);
      }
      if (read("has_best").toBool()) {
        stopping_.improves(static_cast<std::uint64_t>(read("best_epoch").toInt()),
                           read("best_score").toDouble());
        best_ = parameters_of(network_);
        for (Parameter& parameter : best_) {
          at::Tensor values;
          archive.read("best." + parameter.name, values);
          const at::Tensor host = values.to(at::kCPU).contiguous();
          std::copy_n(host.data_ptr<float>(), host.numel(), parameter.values.begin());
        }
      }
      torch::serialize::InputArchive optimizer;
      archive.read("optimizer", optimizer);
      optimizer_.load(optimizer);
    } catch (const InputError&) {
      throw;
    } catch (const std::invalid_argument& error) {
      throw InputError(file, 0, error.what());
    } catch (const std::exception&) {
      throw InputError(file, 0, "not a checkpoint, or damaged");
    }
  }

  Network& network_;
  torch::optim::Optimizer& optimizer_;
  const Workers& workers_;
  const Dataset& train_;
  const Dataset& validation_;
  std::vector<at::Tensor> parameters_;
  at::Device device_;
  libtorch::StreamSampler<Stream> sampler_;
  std::uint64_t data_digest_ = 0;
  std::vector<double> rates_;
};

}  // namespace

Batch Batch::to(const at::Device& device) const {
  const auto move = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.to(device) : tensor;
  };
  Batch result{{}, move(targets), move(groups), move(weights)};
  for (const at::Tensor& input : inputs) result.inputs.push_back(move(input));
  return result;
}

at::Tensor tensor_of(const std::vector<std::int64_t>& values) {
  return at::tensor(at::ArrayRef<std::int64_t>(values), at::kLong);
}

Batch ExampleSet::batch(std::span<const std::size_t> units) const {
  const UnitRows selected(examples_, units);
  Batch batch;
  batch.targets = tensor_of(selected.targets);
  if (examples_.labels > 0) {
    batch.targets = batch.targets.view({-1, static_cast<std::int64_t>(examples_.labels)});
  }
  if (!selected.groups.empty()) batch.groups = tensor_of(selected.groups);
  if (!selected.weights.empty()) {
    batch.weights = at::tensor(at::ArrayRef<double>(selected.weights), at::kDouble);
  }
  batch.inputs = inputs_of(selected.rows, units);
  return batch;
}

at::Device device_of(const std::string& name) {
  if (name == "cuda" && !torch::cuda::is_available()) {
    throw InputError("--device=cuda: this machine or this LibTorch has no CUDA device");
  }
  return at::Device(name);
}

std::vector<Parameter> parameters_of(const torch::nn::Module& network) {
  std::vector<Parameter> parameters;
  for (const auto& [name, tensor] : named_tensors(network)) {
    const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    const float* const data = values.data_ptr<float>();
    parameters.push_back({name, values.sizes().vec(), {data, data + values.numel()}});
  }
  return parameters;
}

void set_parameters_of(torch::nn::Module& network, const std::vector<Parameter>& parameters) {
  require_same_shapes(parameters, parameters_of(network));
  const torch::NoGradGuard no_gradient;
  std::size_t i = 0;
  for (auto& [name, tensor] : named_tensors(network)) {
    const Parameter& parameter = parameters[i++];
    tensor.copy_(at::tensor(at::ArrayRef<float>(parameter.values)).view(parameter.shape));
  }
}

Logits predict(Network& network, const Dataset& data, const at::Device& device,
               const Workers& workers) {
  const torch::NoGradGuard no_gradient;
  const bool was_training = network.is_training();
  network.eval();
  Logits result{network.classes(), {}};
  std::vector<std::size_t> begin(data.units() + 1, 0);
  for (std::size_t u = 0; u < data.units(); ++u) begin[u + 1] = begin[u] + data.rows(u);
  // All rows, of which each worker fills in its own; the sum has them all.
  result.values.resize(begin.back() * result.classes, 0);
  const sampling::Shard shard = workers.shard();
  for (std::size_t chunk = shard.rank * kChunk; chunk < data.units();
       chunk += shard.world * kChunk) {
    const at::Tensor logits = network.forward(data.batch(chunk_of(data, chunk)).to(device))
                                  .to(at::kCPU, at::kFloat)
                                  .contiguous();
    std::copy_n(logits.data_ptr<float>(), logits.numel(),
                result.values.begin() + static_cast<std::ptrdiff_t>(begin[chunk] * result.classes));
  }
  if (shard.world > 1) {
    std::vector<double> all(result.values.begin(), result.values.end());
    workers.sum(std::span<double>(all));
    result.values.assign(all.begin(), all.end());
  }
  if (was_training) network.train();
  return result;
}

Fit Trainer::fit(const Dataset& train, const Dataset& validation, const Objective& objective,
                 const Validate& validate, Progress& progress) {
  return Training(*network_, *optimizer_, options_, *workers_, train, validation, objective)
      .run(validate, progress);
}

}  // namespace equipoise::demos
