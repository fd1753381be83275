#include <stdexcept>
#include <string>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/learner.h"
#include "demos/common/workers.h"
#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/distributed.h"

namespace equipoise::demos {

namespace {

class ConnectedWorkers final : public Workers {
 public:
  explicit ConnectedWorkers(libtorch::Communicator workers) : workers_(std::move(workers)) {}

  sampling::Shard shard() const override { return libtorch::shard(workers_); }
  void sum(std::span<double> numbers) const override { workers_(numbers); }
  at::Tensor sum(const at::Tensor& numbers) const override {
    return libtorch::sum_over_ranks(numbers, workers_);
  }
  void broadcast(const std::vector<at::Tensor>& tensors) const override {
    workers_.broadcast(tensors);
  }
  void sum_gradients(const std::vector<at::Tensor>& parameters) const override {
    workers_.sum_gradients(parameters);
  }

 private:
  libtorch::Communicator workers_;
};

}  // namespace

std::shared_ptr<const Workers> connect_workers(std::chrono::seconds timeout) {
  if (!is_worker()) return nullptr;
  libtorch::WorkerEnvironment environment;
  try {
    environment = libtorch::worker_environment();
  } catch (const std::invalid_argument& error) {  // what the launcher says is the user's to mend
    throw InputError(std::string("--distributed: ") + error.what());
  }
  return std::make_shared<ConnectedWorkers>(libtorch::connect(environment, {.timeout = timeout}));
}

}  // namespace equipoise::demos
