#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/sentiment/distributed.h"
#include "demos/sentiment/libtorch_net.h"
#include "equipoise/calibrate.h"
#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/distributed.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/sampler.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {

namespace {

// One worker's part of a training.
class DistributedTraining {
 public:
  DistributedTraining(const Task& task, const DistributedOptions& options,
                      libtorch::Communicator workers, std::ostream& out)
      : task_(task),
        options_(options),
        workers_(std::move(workers)),
        out_(out),
        objective_(make_objective(options.strategy, task.counts)),
        sampler_(ClassSampler(task.train.labels, objective_.proportions, options.seed,
                              {.mode = SamplingMode::kExactQuota}),
                 libtorch::shard(workers_), Tail::kUneven),
        net_(seeded_net(task, options)),
        optimizer_(net_) {
    for (const auto& [name, tensor] : net_.named()) parameters_.push_back(tensor);
  }

  void run() {
    if (options_.resumes) load();
    workers_.broadcast(parameters_);
    say(absl::StrFormat(
        "%d worker%s, strategy %s, batches of %d rows together%s", workers_.size(),
        workers_.size() == 1 ? "" : "s", options_.strategy.name, options_.training.batch_size,
        sampler_.position() == 0 ? "" : absl::StrFormat(", from row %d on", sampler_.position())));
    std::visit([&](const auto& loss) { train(loss); }, objective_.loss);
    double squares = 0;
    for (const at::Tensor& tensor : parameters_) {
      squares += tensor.detach().to(at::kDouble).square().sum().item<double>();
    }
    const ConfusionMatrix test = confusion(task_.test);
    say(absl::StrFormat("test: accuracy %.4f, macro-F1 %.4f; weights have norm %.4g",
                        test.accuracy(), test.macro_f1(), std::sqrt(squares)));
  }

 private:
  static Net seeded_net(const Task& task, const DistributedOptions& options) {
    torch::manual_seed(options.seed);
    return {static_cast<std::int64_t>(task.classes.size()),
            static_cast<std::int64_t>(options.training.hidden), at::kCPU};
  }

  void say(const std::string& line) {
    if (workers_.rank() == 0) out_ << line << std::endl;
  }

  std::uint64_t rows() const { return task_.train.labels.size(); }
  // Where in the current epoch all workers are.
  std::uint64_t place() const { return sampler_.position() - sampler_.epoch() * rows(); }

  template <class Loss>
  void train(const Loss& loss) {
    const std::uint64_t batch = options_.training.batch_size;
    const auto loader = torch::data::make_data_loader(
        ExampleSet(task_.train), sampler_, batch / static_cast<std::uint64_t>(workers_.size()));
    std::uint64_t epoch = sampler_.epoch();
    if (place() == rows()) ++epoch;
    for (; epoch < options_.training.epochs; ++epoch) {
      auto batches = libtorch::batches(loader, sampler_);
      auto next = batches.begin();
      const std::uint64_t first = place() / batch;
      for (std::uint64_t i = first; i < batches_per_epoch(rows(), options_.training); ++i) {
        // Of the last batch there may be nothing for this worker.
        const bool has_rows = next != batches.end();
        loss_sum_ += step(loss, has_rows ? std::optional<Batch>(*next) : std::nullopt,
                          epoch * batches_per_epoch(rows(), options_.training) + i);
        if (has_rows) ++next;
        if ((i + 1) % options_.checkpoint_steps == 0) save();
      }
      finish_epoch(epoch);
    }
  }

  // The same step on all workers as one would make of the whole batch. Returns its loss.
  template <class Loss>
  double step(const Loss& loss, const std::optional<Batch>& batch, std::uint64_t number) {
    const at::Tensor targets = batch ? batch->targets : at::empty({0}, at::kLong);
    libtorch::SoftmaxArguments arguments;
    arguments.denominators = libtorch::sum_over_ranks(
        libtorch::softmax_denominators(loss, targets,
                                       static_cast<std::int64_t>(task_.classes.size())),
        workers_);
    optimizer_.zero_grad();
    double value = 0;
    if (batch) {
      const at::Tensor own = libtorch::softmax_loss(net_.forward(*batch), targets, loss, arguments);
      own.backward();
      value = own.item<double>();
    }
    workers_.sum_gradients(parameters_);
    optimizer_.step(options_.training, falling_rate(number, rows(), options_.training));
    workers_(std::span<double>(&value, 1));
    return value;
  }

  void finish_epoch(std::uint64_t epoch) {
    const double steps = static_cast<double>(batches_per_epoch(rows(), options_.training));
    const ConfusionMatrix validation = confusion(task_.validation);
    say(absl::StrFormat("epoch %d of %d: loss %.4f, macro-F1 on validation %.4f", epoch + 1,
                        options_.training.epochs, loss_sum_ / steps, validation.macro_f1()));
    loss_sum_ = 0;
    save();
  }

  // Of all rows of a part; each worker predicts its own.
  ConfusionMatrix confusion(const Examples& part) {
    std::vector<std::size_t> own;
    std::vector<std::int64_t> labels;
    const Positions positions =
        shard_positions(part.labels.size(), 0, libtorch::shard(workers_), Tail::kUneven);
    for (std::uint64_t i = 0; i < positions.size; ++i) {
      own.push_back(static_cast<std::size_t>(positions[i]));
      labels.push_back(part.labels[own.back()]);
    }
    ConfusionMatrix matrix(task_.classes.size());
    if (!own.empty()) matrix.add(labels, predict(net_.logits(part.features, own).view()));
    workers_.all_reduce(matrix);
    return matrix;
  }

  // Everything besides the place that decides how a training goes on.
  std::string description() const {
    return absl::StrCat("strategy ", options_.strategy.name, ", seed ", options_.seed, ", epochs ",
                        options_.training.epochs, ", batch size ", options_.training.batch_size,
                        ", hidden ", options_.training.hidden, ", rate ", options_.training.rate);
  }

  void save() {
    if (options_.checkpoint.empty() || workers_.rank() != 0) return;
    torch::serialize::OutputArchive archive;
    sampler_.save(archive);
    archive.write("run", c10::IValue(description()));
    archive.write("loss_sum", c10::IValue(loss_sum_));
    for (const auto& [name, tensor] : net_.named()) archive.write(name, tensor.detach());
    // Replaced in one go: whatever happens, a whole checkpoint is there.
    const std::string part = options_.checkpoint.string() + ".part";
    archive.save_to(part);
    std::filesystem::rename(part, options_.checkpoint);
  }

  void load() {
    const std::string file = options_.checkpoint.string();
    try {
      torch::serialize::InputArchive archive;
      archive.load_from(file);
      c10::IValue run;
      archive.read("run", run);
      if (run.toStringRef() != description()) {
        throw InputError(file, 0,
                         "this is the checkpoint of another run (" + run.toStringRef() +
                             "), expected " + description());
      }
      sampler_.load(archive);
      c10::IValue loss_sum;
      archive.read("loss_sum", loss_sum);
      loss_sum_ = loss_sum.toDouble();
      const torch::NoGradGuard no_gradient;
      for (auto& [name, tensor] : net_.named()) {
        at::Tensor values;
        archive.read(name, values);
        at::Tensor(tensor).copy_(values);
      }
    } catch (const InputError&) {
      throw;
    } catch (const std::invalid_argument& error) {
      throw InputError(file, 0, error.what());
    } catch (const std::exception&) {
      throw InputError(file, 0, "not a checkpoint, or damaged");
    }
  }

  const Task& task_;
  const DistributedOptions& options_;
  libtorch::Communicator workers_;
  std::ostream& out_;
  Objective objective_;
  libtorch::StreamSampler<ClassSampler> sampler_;
  Net net_;
  NetOptimizer optimizer_;
  std::vector<at::Tensor> parameters_;
  double loss_sum_ = 0;  // over the steps of the epoch
};

}  // namespace

void run_distributed_worker(const Task& task, const DistributedOptions& options,
                            std::ostream& out) {
  at::set_num_threads(1);  // workers on one machine share its cores
  const libtorch::WorkerEnvironment environment = libtorch::worker_environment();
  const auto world = static_cast<std::size_t>(environment.world);
  if (options.training.batch_size % world != 0) {
    throw InputError(absl::StrCat("--workers=", world, ": expected a divisor of the batch size, ",
                                  options.training.batch_size));
  }
  DistributedTraining(task, options, libtorch::connect(environment, {.timeout = options.timeout}),
                      out)
      .run();
}

}  // namespace equipoise::demos
