// Models on sparse rows, whatever library computes them.
#ifndef EQUIPOISE_DEMOS_COMMON_LEARNER_H_
#define EQUIPOISE_DEMOS_COMMON_LEARNER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/training.h"

namespace equipoise::demos {

/// What a model is like: `columns` features, `classes` logits, and units of a hidden layer between
/// them, 0 for none.
struct LearnerShape {
  std::size_t columns = 0;
  std::size_t classes = 0;
  std::size_t hidden = 0;
};

/// A bias learns from every row, a weight only from those that have its feature: its share of the
/// learning rate.
inline constexpr double kBiasRate = 0.02;

class Learner {
 public:
  virtual ~Learner() = default;

  /// Trains by stochastic gradient descent on the units that the objective's stream draws from
  /// `train`, and ends with the parameters of the epoch whose monitored metric on validation is
  /// best. The progress counts steps.
  virtual Fit fit(const Examples& train, const Examples& validation, const Objective& objective,
                  const TrainingOptions& options, const Validate& validate, Progress& progress) = 0;
  /// The same of the head alone, which starts anew; for models that have more than a head.
  /// @throws InputError by default.
  virtual Fit fit_head(const Examples&, const Examples&, const Objective&, const TrainingOptions&,
                       const Validate&, Progress&) {
    throw InputError("--strategy=crt: this model is all head");
  }

  virtual Logits logits(const Examples& examples) const = 0;

  virtual std::vector<Parameter> parameters() const = 0;
  /// @throws std::invalid_argument unless names and shapes are those of parameters().
  virtual void set_parameters(const std::vector<Parameter>& parameters) = 0;
};

/// On Eigen: logits = x W + b, all zero at the start; no hidden layer.
std::unique_ptr<Learner> make_eigen_learner(const LearnerShape& shape);

/// The processes that train one model together; see workers.h.
class Workers;

/// Whether a launcher has started this process as a worker: it then has a RANK.
bool is_worker();

/// Starts this program `count` times with the same arguments and the variables that torchrun sets
/// (RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) for a free port of 127.0.0.1, and waits
/// for all of them. Writes to the standard error output which worker failed, and how. Returns 0
/// where all have ended well, else the exit code of the first that failed; 1 if a signal ended it.
/// @throws std::runtime_error where a process cannot be started.
int run_local_workers(int count, std::span<char* const> arguments);

/// Whoever a launcher has started together with this process; null unless is_worker(). Call it once
/// a process.
/// @throws InputError where there should be others and the program was built without LibTorch or
/// Gloo; std::runtime_error where they do not come.
std::shared_ptr<const Workers> connect_workers(std::chrono::seconds timeout);

/// On LibTorch, where a seed draws the first values of a hidden layer. `device` is "cpu" or "cuda";
/// `workers` train it together.
/// @throws InputError where the program was built without LibTorch, or there is no such device.
std::unique_ptr<Learner> make_libtorch_learner(const LearnerShape& shape, const std::string& device,
                                               std::uint64_t seed,
                                               std::shared_ptr<const Workers> workers);

/// How many threads LibTorch takes for its operations; without LibTorch it does nothing.
void set_threads(int threads);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_LEARNER_H_
