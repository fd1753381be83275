#include "demos/common/trainer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <torch/torch.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <functional>
#include <numeric>
#include <variant>

#include "demos/common/criterion.h"
#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "equipoise/libtorch/sampler.h"
#include "equipoise/random.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

// Units that pass through a network at once in evaluation.
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

// The numbers that a gradient, which may be sparse, stores.
at::Tensor stored_values(const at::Tensor& gradient) {
  return gradient.is_sparse() ? gradient._values() : gradient;
}

// Shortens the gradients, taken as one vector, to this length. LibTorch's own function leaves
// sparse ones as they are.
void clip_gradients(const std::vector<at::Tensor>& parameters, double most) {
  const torch::NoGradGuard no_gradient;
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> norms;
  for (const at::Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    gradients.push_back(parameter.grad());
    const at::Tensor summed =
        parameter.grad().is_sparse() ? parameter.grad().coalesce() : parameter.grad();
    norms.push_back(stored_values(summed).norm().to(at::kDouble));
  }
  if (norms.empty()) return;
  const double norm = at::stack(norms).norm().item<double>();
  if (!(norm > most)) return;
  for (const at::Tensor& gradient : gradients) stored_values(gradient).mul_(most / norm);
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

std::uint64_t digest_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return 0;
  const at::Tensor values = tensor.to(at::kCPU).contiguous();
  return splits::fnv1a64({static_cast<const char*>(values.data_ptr()), values.nbytes()});
}

// Of all that a training sees of data.
std::uint64_t digest_of(const Dataset& data) {
  std::string digests;
  for (std::size_t begin = 0; begin < data.units(); begin += kChunk) {
    std::vector<std::size_t> units(std::min(kChunk, data.units() - begin));
    std::iota(units.begin(), units.end(), begin);
    const Batch batch = data.batch(units);
    for (const at::Tensor& each : batch.inputs) absl::StrAppend(&digests, digest_of(each), " ");
    for (const at::Tensor& each : {batch.targets, batch.groups, batch.weights}) {
      absl::StrAppend(&digests, digest_of(each), " ");
    }
    for (const std::size_t unit : units) absl::StrAppend(&digests, data.rows(unit), " ");
  }
  return splits::fnv1a64(digests);
}

// Of a loss's numbers for each class.
std::uint64_t digest_of(const Loss& loss) {
  const auto add = [](std::string& text, const std::vector<double>& values) {
    absl::StrAppend(&text, values.size(), ":");
    for (const double value : values)
      absl::StrAppend(&text, std::bit_cast<std::uint64_t>(value), " ");
  };
  std::string text = absl::StrCat(loss.index(), " ");
  std::visit(
      [&](const auto& each) {
        add(text, each.class_weights);
        if constexpr (requires { each.group_weights; }) add(text, each.group_weights);
        if constexpr (requires { each.pos_weight; }) {
          add(text, each.pos_weight);
          add(text, each.shift);
        }
      },
      loss);
  return splits::fnv1a64(text);
}

// The state of one training.
class Training {
 public:
  Training(Network& network, torch::optim::Optimizer& optimizer, const TrainingOptions& options,
           const Workers& workers, const Dataset& train, const Objective& objective)
      : network_(network),
        optimizer_(optimizer),
        options_(options),
        workers_(workers),
        train_(train),
        objective_(objective),
        parameters_(trained_parameters(network)),
        device_(parameters_.front().device()),
        criterion_(make_criterion(objective, network.classes(), device_)),
        sampler_(objective.stream, workers.shard(), sampling::Tail::kUneven),
        stopping_(options.patience) {
    if (!options.checkpoint.empty()) data_digest_ = digest_of(train);
    for (const auto& group : optimizer.param_groups()) rates_.push_back(group.options().get_lr());
    const std::uint64_t parts = workers.shard().world * options.micro_batches;
    if (options.batch_size % parts != 0) {
      throw InputError(absl::StrCat("a batch of ", options.batch_size,
                                    " cannot be cut into as many equal parts as ",
                                    workers.shard().world, " workers with ", options.micro_batches,
                                    " micro-batches each need"));
    }
  }

  Fit run(const Dataset& validation, const Validate& validate, Progress& progress) {
    if (options_.resumes) load();
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : named_tensors(network_)) tensors.push_back(tensor);
    workers_.broadcast(tensors);
    progress.advance(steps_);
    const std::uint64_t size = objective_.stream.epoch_size();
    const std::uint64_t parts = workers_.shard().world * options_.micro_batches;
    const auto loader =
        torch::data::make_data_loader(LoaderSet(train_), sampler_, options_.batch_size / parts);
    std::uint64_t epoch = sampler_.epoch();
    // A checkpoint may lie between the last step of an epoch and the look at validation.
    if (place() == size && epochs_seen_ > epoch) ++epoch;
    while (epoch < options_.epochs && !is_stopped(epoch)) {
      if (!train_epoch(loader, epoch, progress)) return {.steps = steps_};
      end_epoch(epoch, validation, validate);
      ++epoch;
    }
    if (epoch < options_.epochs) {
      progress.skip((options_.epochs - epoch) * steps_per_epoch(size, options_));
    }
    if (!best_.empty()) set_parameters_of(network_, best_);
    return {stopping_.best(), stopping_.score(), predict(network_, validation, device_, workers_),
            steps_};
  }

 private:
  // Where in the current epoch all workers are.
  std::uint64_t place() const {
    return sampler_.position() - sampler_.epoch() * objective_.stream.epoch_size();
  }
  bool is_stopped(std::uint64_t epoch) const {
    return epoch > 0 && epochs_seen_ >= epoch && stopping_.stops_after(epoch - 1);
  }
  bool is_first() const { return workers_.shard().rank == 0; }

  // False if max_steps were made.
  template <class Loader>
  bool train_epoch(Loader& loader, std::uint64_t epoch, Progress& progress) {
    const std::uint64_t size = objective_.stream.epoch_size();
    const std::uint64_t steps = steps_per_epoch(size, options_);
    // Rounded up: the last batch of an epoch may be smaller.
    const std::uint64_t batch = options_.batch_size;
    std::uint64_t i = sampler_.epoch() == epoch ? (place() + batch - 1) / batch : 0;
    if (i == steps) return true;
    network_.train();
    auto batches = libtorch::batches(loader, sampler_);
    auto next = batches.begin();
    for (; i < steps; ++i) {
      // Of the last batch there may be nothing for this worker.
      std::vector<Batch> parts;
      while (parts.size() < options_.micro_batches && next != batches.end()) {
        parts.push_back((*next).to(device_));
        ++next;
      }
      loss_sum_ += step(parts);
      progress.advance(1);
      if (steps_ % options_.checkpoint_steps == 0) save();
      if (options_.max_steps > 0 && steps_ >= options_.max_steps) return false;
    }
    return true;
  }

  // The same step on all workers as one would make of the whole batch. Returns its loss.
  double step(const std::vector<Batch>& parts) {
    criterion_->start_step(steps_);
    at::Tensor denominators = criterion_->no_denominators().to(device_);
    for (const Batch& part : parts) denominators = denominators + criterion_->denominators(part);
    denominators = workers_.sum(denominators);
    optimizer_.zero_grad();
    double value = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      seed_network(p);
      const at::Tensor loss = (*criterion_)(network_.forward(parts[p]), parts[p], denominators);
      loss.backward();
      value += loss.item<double>();
    }
    workers_.sum_gradients(parameters_);
    if (options_.clip_norm > 0) clip_gradients(parameters_, options_.clip_norm);
    const double share = falling_rate(steps_, objective_.stream.epoch_size(), options_);
    for (std::size_t g = 0; g < rates_.size(); ++g) {
      optimizer_.param_groups()[g].options().set_lr(rates_[g] * share);
    }
    optimizer_.step();
    ++steps_;
    workers_.sum(std::span<double>(&value, 1));
    return value;
  }

  void seed_network(std::size_t part) const {
    const sampling::Shard shard = workers_.shard();
    const std::uint64_t place = (steps_ * options_.micro_batches + part) * shard.world + shard.rank;
    torch::manual_seed(CounterRandom{options_.seed}.bits(place, kNetworkPurpose));
  }

  void end_epoch(std::uint64_t epoch, const Dataset& validation, const Validate& validate) {
    if (validate) {
      const Figures figures =
          validate(require_finite(predict(network_, validation, device_, workers_), options_));
      if (log_.empty()) log_ = log_header(figures);
      const std::uint64_t size = objective_.stream.epoch_size();
      const auto steps = static_cast<double>(steps_per_epoch(size, options_));
      log_ += log_line(epoch, steps_, rates_.front() * falling_rate(steps_, size, options_),
                       loss_sum_ / steps, figures);
      if (is_first() && !options_.log.empty()) write_file(options_.log, log_);
      const double score = figure_of(figures, options_.monitor);
      const bool is_last = epoch + 1 == options_.epochs;
      if ((has_set_in(objective_, steps_) || is_last) && stopping_.improves(epoch, score)) {
        best_ = parameters_of(network_);
      }
    }
    loss_sum_ = 0;
    epochs_seen_ = epoch + 1;
    save();
  }

  // Everything besides the place that decides how a training goes on.
  std::string description() const {
    std::string shapes;
    for (const auto& [name, tensor] : named_tensors(network_)) {
      absl::StrAppend(&shapes, " ", name, " ", absl::StrJoin(tensor.sizes(), "x"));
    }
    return absl::StrCat("seed ", options_.seed, ", stream ", objective_.stream.fingerprint(),
                        " with seed ", objective_.stream.seed(), ", epochs ", options_.epochs,
                        ", batch size ", options_.batch_size, ", rate ", absl::StrJoin(rates_, "/"),
                        ", warm-up ", options_.warmup, ", clip ", options_.clip_norm, ", monitor ",
                        options_.monitor, ", patience ", options_.patience, "\ndata ", data_digest_,
                        ", class weights ", digest_of(objective_.loss), "\nnetwork", shapes, "\n",
                        objective_.description);
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
  const TrainingOptions& options_;
  const Workers& workers_;
  const Dataset& train_;
  const Objective& objective_;
  std::vector<at::Tensor> parameters_;
  at::Device device_;
  std::unique_ptr<Criterion> criterion_;
  libtorch::StreamSampler<Stream> sampler_;
  std::uint64_t data_digest_ = 0;
  std::vector<double> rates_;
  EarlyStopping stopping_;
  std::vector<Parameter> best_;
  std::string log_;
  std::uint64_t steps_ = 0;
  std::uint64_t epochs_seen_ = 0;  // of which validation was looked at
  double loss_sum_ = 0;            // over the steps of the epoch
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
  const sampling::Shard shard = workers.shard();
  // All rows, of which each worker fills in its own; the sum has them all.
  std::vector<double> all(shard.world > 1 ? begin.back() * result.classes : 0, 0.0);
  for (std::size_t chunk = shard.rank * kChunk; chunk < data.units();
       chunk += shard.world * kChunk) {
    std::vector<std::size_t> units(std::min(kChunk, data.units() - chunk));
    std::iota(units.begin(), units.end(), chunk);
    const at::Tensor logits =
        network.forward(data.batch(units).to(device)).to(at::kCPU, at::kFloat).contiguous();
    const float* const values = logits.data_ptr<float>();
    if (shard.world == 1) {
      result.values.insert(result.values.end(), values, values + logits.numel());
    } else {
      std::copy_n(values, logits.numel(),
                  all.begin() + static_cast<std::ptrdiff_t>(begin[chunk] * result.classes));
    }
  }
  if (shard.world > 1) {
    workers.sum(std::span<double>(all));
    result.values.assign(all.begin(), all.end());
  }
  if (was_training) network.train();
  return result;
}

Fit Trainer::fit(const Dataset& train, const Dataset& validation, const Objective& objective,
                 const Validate& validate, Progress& progress) {
  Training training(*network_, *optimizer_, options_, *workers_, train, objective);
  return training.run(validation, validate, progress);
}

}  // namespace equipoise::demos
