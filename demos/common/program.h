// What every demo does around its models: compares strategies, saves and loads, reports.
#ifndef EQUIPOISE_DEMOS_COMMON_PROGRAM_H_
#define EQUIPOISE_DEMOS_COMMON_PROGRAM_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "demos/common/demo_flags.h"
#include "demos/common/experiment.h"
#include "demos/common/model_file.h"
#include "demos/common/progress.h"

namespace equipoise::demos {

/// The strategies of a demo, and how it trains them.
struct Comparison {
  ExperimentOptions experiment{};
  std::uint64_t all_steps = 0;    ///< of all runs; 0: each has experiment.steps_per_run
  std::uint64_t tried_units = 0;  ///< steps or epochs of a run, of which ...
  /// ... a few are made before, to tell how long it will take, and thrown away.
  std::function<void(std::uint64_t)> try_out{};
  std::function<Run(std::size_t strategy, std::uint64_t seed, double rate, Progress& progress)>
      run{};
  std::function<std::string(const Results&)> summary{};
  /// Writes a report into a directory and says so.
  std::function<std::string(const Results&, const std::filesystem::path&)> write_report{};
};

/// Trains them all, shows progress, prints the tables and writes the report. Returns the model that
/// did best on validation.
std::shared_ptr<const SavedModel> compare(const DemoFlags& flags, const Comparison& comparison);

/// A demo, once its flags are checked.
struct Program {
  std::string_view kind;  ///< of its models, see save_model()
  std::function<std::shared_ptr<const SavedModel>()> train{};
  std::function<void(const SavedModel&)> evaluate{};  ///< of a loaded model, on test
  std::function<void(const SavedModel&)> predict{};   ///< empty: there is nothing to predict
};

/// Trains a model, or loads one and, without anything to predict, evaluates it; saves it where
/// --save says; predicts.
void run_program(const DemoFlags& flags, const Program& program);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_PROGRAM_H_
