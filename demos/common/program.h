// What every demo does around its task: compares strategies, saves and loads, reports.
#ifndef EQUIPOISE_DEMOS_COMMON_PROGRAM_H_
#define EQUIPOISE_DEMOS_COMMON_PROGRAM_H_

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/model_file.h"
#include "demos/common/task.h"

namespace equipoise::demos {

/// A model, and how it is trained unless flags say otherwise.
struct Model {
  std::string text{};      ///< what it is, for people
  double rate = 0;         ///< at which runs, or the search for a rate, begin
  bool is_linear = false;  ///< whether its rate is searched
  RunOptions run{};
};

/// Trains all strategies, shows progress, prints the tables and writes the report. Returns the
/// model that did best on validation.
std::shared_ptr<const SavedModel> compare(const DemoFlags& flags, const Task& task,
                                          const std::vector<std::string>& strategies, Model model);

/// How long the table will take, in words: a run's steps from the time that the first few of them
/// take, which `train_steps(n)` makes and throws away, and what a run takes besides.
std::string announcement(std::uint64_t runs, std::uint64_t steps_per_run,
                         const std::function<void(std::uint64_t)>& train_steps,
                         double more_seconds_per_run = 0);

/// A demo, once its flags are checked; what is done with a model that was trained or loaded.
struct Program {
  std::string_view kind;  ///< of its models, see save_model()
  std::string predict{};  ///< what --predict asks; empty: nothing
  std::function<std::shared_ptr<const SavedModel>()> train{};
  std::function<void(const SavedModel&)> evaluate{};      ///< on test
  std::function<void(const SavedModel&)> answer{};        ///< that question
  std::function<void(const SavedModel&)> export_parts{};  ///< where flags ask for it
};

/// Trains a model, or loads one and, without anything to predict, evaluates it; saves it where
/// --save says; predicts.
void run_program(const DemoFlags& flags, const Program& program);

/// Calls read() on what was saved in --load.
/// @throws InputError that names the file for facts that are missing or do not fit.
template <class F>
auto read_saved(const DemoFlags& flags, const F& read) -> decltype(read()) {
  std::string reason;
  try {
    return read();
  } catch (const nlohmann::json::exception& error) {
    reason = error.what();
  } catch (const std::invalid_argument& error) {
    reason = error.what();
  }
  throw InputError(flags.load.string(), 0, "not a model that --save has written: " + reason);
}

/// Prints what answer() makes of each line of standard input, a line each; blank ones are left out.
/// @throws InputError that names the line for what is no JSON or lacks something, and where there
/// is no line.
void answer_lines(const DemoFlags& flags,
                  const std::function<nlohmann::ordered_json(const nlohmann::json&)>& answer);

/// A line for people: what is predicted with which probability; a star for what is decided for.
std::string prediction_line(double probability, const std::string& what, bool has_star);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_PROGRAM_H_
