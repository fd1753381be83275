#include "demos/common/program.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <ostream>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/json.h"
#include "demos/common/report.h"

namespace equipoise::demos {

namespace {

double seconds_of(const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// How long it takes to score the epochs of a run.
double scoring_seconds(const Task& task, const RunOptions& options) {
  const std::unique_ptr<Learner> learner = options.make_learner(task.shape, 0);
  const double an_epoch = seconds_of([&] {
    const Logits logits = learner->logits(task.validation);
    task.measure(task.validation, logits, task.choose("none", logits));
  });
  return an_epoch * static_cast<double>(options.training.epochs);
}

}  // namespace

std::shared_ptr<const SavedModel> compare(const DemoFlags& flags, const Task& task,
                                          const std::vector<std::string>& strategies, Model model) {
  RunOptions& options = model.run;
  ExperimentOptions experiment;
  experiment.strategies = strategies;
  experiment.seeds = flags.seeds;
  experiment.headline = task.headline();
  experiment.test_units = task.resampled_units();
  experiment.steps_per_run = steps_of(task, options.training);
  set_rate(flags, model.rate, model.is_linear, experiment);
  options.training.rate = experiment.rate;
  if (!is_set("monitor")) options.training.monitor = experiment.headline;
  // What is impossible is noticed before anything is written.
  options.make_learner(task.shape, 0);
  if (!flags.report.empty()) make_directory(flags.report);
  const std::string header = absl::StrCat(
      task.description, "\nModel: ", model.text,
      experiment.searches_rate ? "" : absl::StrCat(", learning rate ", experiment.rate),
      ", trained with ", flags.backend, ".");
  *flags.out << header << std::endl;
  if (const std::string preview = task.preview(strategies); !preview.empty()) {
    *flags.out << '\n' << preview << std::endl;
  }

  const std::uint64_t runs = most_runs(experiment);
  std::uint64_t steps = runs * experiment.steps_per_run;
  for (const std::string& strategy : strategies) {
    if (retrains_head(strategy)) steps += flags.seeds * experiment.steps_per_run;
  }
  if (flags.workers == nullptr) {
    train_steps(task, options, 1);  // states of a frozen encoder are computed once
    *flags.out << announcement(
                      runs, steps / runs,
                      [&](std::uint64_t few) { train_steps(task, options, few); },
                      model.is_linear ? scoring_seconds(task, options) : 0)
               << std::endl;
  }
  const std::unique_ptr<Progress> progress = make_progress(flags, steps);
  const Results results = run_experiment(
      experiment,
      [&](std::size_t strategy, std::uint64_t seed, double rate) {
        options.training.rate = rate;
        return run_strategy(task, strategies[strategy], seed, options, *progress);
      },
      *progress);
  *flags.out << '\n' << task.summary(experiment, results) << std::endl;
  if (!flags.report.empty()) {
    *flags.out << write_report(header, task, experiment, results, flags.report) << std::endl;
  }
  return results.model;
}

std::string announcement(std::uint64_t runs, std::uint64_t steps_per_run,
                         const std::function<void(std::uint64_t)>& train_steps,
                         double more_seconds_per_run) {
  // What does not depend on the number of steps is left out: runs have it once.
  constexpr std::uint64_t kFirst = 2;
  const std::uint64_t few = std::clamp<std::uint64_t>(steps_per_run / 100, 5, 50);
  const double once = seconds_of([&] { train_steps(kFirst); });
  const double more = std::max(seconds_of([&] { train_steps(kFirst + few); }) - once, 0.0);
  const double per_step = more / static_cast<double>(few);
  const double seconds =
      static_cast<double>(runs) *
      (once + per_step * static_cast<double>(steps_per_run) + more_seconds_per_run);
  const std::string text = seconds < 90 ? absl::StrFormat("%.0f s", std::max(seconds, 1.0))
                                        : absl::StrFormat("%.0f min", seconds / 60);
  return absl::StrFormat("About %s at most for %d run%s, if the machine is no busier than now.",
                         text, runs, runs == 1 ? "" : "s");
}

void run_program(const DemoFlags& flags, const Program& program) {
  std::shared_ptr<const SavedModel> model;
  if (flags.load.empty()) {
    model = program.train();
  } else {
    model = std::make_shared<SavedModel>(load_model(program.kind, flags.load));
    if (program.predict.empty()) program.evaluate(*model);
  }
  if (!flags.save.empty()) {
    save_model(program.kind, *model, flags.save);
    *flags.out << "Model of strategy " << model->facts.value("strategy", "?") << ": "
               << flags.save.string() << std::endl;
  }
  if (flags.is_first && program.export_parts) program.export_parts(*model);
  if (!program.predict.empty()) program.answer(*model);
}

void answer_lines(const DemoFlags& flags,
                  const std::function<nlohmann::ordered_json(const nlohmann::json&)>& answer) {
  constexpr const char* kSource = "standard input";
  std::string answers;
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      absl::StrAppend(&answers, answer(parse_json(line, kSource, number)).dump(), "\n");
    } catch (const nlohmann::json::exception& error) {
      throw InputError(kSource, number, reason_of(error));
    }
  }
  if (answers.empty()) throw InputError(kSource, 0, "there is no JSON line");
  *flags.out << answers << std::flush;
}

std::string prediction_line(double probability, const std::string& what, bool has_star) {
  return absl::StrFormat("  %5.1f %%  %s%s\n", 100 * probability, what, has_star ? " *" : "");
}

}  // namespace equipoise::demos
