// The flags that all demos have, and how a demo runs.
#ifndef EQUIPOISE_DEMOS_COMMON_DEMO_FLAGS_H_
#define EQUIPOISE_DEMOS_COMMON_DEMO_FLAGS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/experiment.h"
#include "demos/common/input_error.h"
#include "demos/common/learner.h"
#include "demos/common/training.h"

namespace equipoise::demos {

/// What the common flags say, checked. Paths are the user's.
struct DemoFlags {
  std::filesystem::path data{};  ///< empty: what was fetched, else a generated default
  std::string backend{};         ///< "eigen" or "libtorch"
  std::string device{};
  std::vector<std::string> strategies{};  ///< empty: all
  std::uint64_t seeds = 3;
  std::filesystem::path report{};
  std::filesystem::path save{};
  std::filesystem::path load{};
  TrainingOptions training{};  ///< epochs and rate are the demo's own unless flags say otherwise
  bool has_epochs = false;

  /// Those of the processes that train together. `out` is where a demo prints: nowhere, unless this
  /// is the first of them.
  std::shared_ptr<const Workers> workers{};
  bool is_first = true;
  std::ostream* out = nullptr;
};

/// Parses the command line, starts the workers of --distributed, runs the demo and returns the exit
/// code: 0, 2 for an InputError and for a path at which one cannot look, 1 for any other; messages
/// go to standard error. A step takes batch_size units, which --micro_batches and --workers must
/// divide.
int run_demo(int argc, char** argv, std::string_view usage,
             const std::function<void(const DemoFlags&)>& demo,
             std::size_t batch_size = TrainingOptions().batch_size);

/// Whether a flag has another value than its default.
bool is_set(const char* name);
/// @throws InputError that gives the reason, if one of these flags was given, if only its default.
void refuse_flags(std::initializer_list<const char*> names, const std::string& reason);

/// @throws InputError unless workers and micro-batches divide a batch of this size.
void require_batch(std::size_t batch_size);

/// Names from a list, as the flag has them; all of them for an empty list.
/// @throws InputError for a name that is unknown or occurs twice, listing the known ones.
std::vector<std::string> choose_strategies(const std::vector<std::string>& wanted,
                                           const std::vector<std::string>& known);

/// What --flaws says.
Flaws flaws_named(const std::string& name);

/// The directory where data lie: the flag's; else `data` in the workspace if it exists; else empty.
std::filesystem::path data_directory(const DemoFlags& flags);

/// The learning rate of an experiment: the flag's; else the model's own, from which that of a
/// linear model is searched unless a log or a checkpoint is written, which are of one training.
void set_rate(const DemoFlags& flags, double own, bool is_linear, ExperimentOptions& experiment);

/// Silent unless this is the first worker.
std::unique_ptr<Progress> make_progress(const DemoFlags& flags, std::uint64_t steps);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_DEMO_FLAGS_H_
