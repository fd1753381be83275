#include "demos/common/task.h"

#include <chrono>
#include <sstream>

#include "demos/common/model_file.h"

namespace equipoise::demos {

bool retrains_head(const std::string& strategy) { return strategy == "crt"; }

std::uint64_t steps_of(const Task& task, const TrainingOptions& training) {
  return training.epochs * steps_per_epoch(task.train.units(), training);
}

Run run_strategy(const Task& task, const std::string& strategy, std::uint64_t seed,
                 const RunOptions& options, Progress& progress) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const std::unique_ptr<Learner> learner = options.make_learner(task.shape, seed);
  TrainingOptions training = options.training;
  training.seed = seed;
  const Validate validate = [&](const Logits& logits) {
    return task.measure(task.validation, logits, task.choose(strategy, logits));
  };
  const Objective objective = task.objective(strategy, seed, steps_of(task, training));
  Fit fit;
  if (retrains_head(strategy)) {
    forget_head(training);
    const Objective first = task.objective("none", seed, steps_of(task, training));
    learner->fit(task.train, task.validation, first, training, validate, progress);
    fit = learner->fit_head(task.train, task.validation, objective, of_head(training), validate,
                            progress);
  } else if (std::vector<double> weights = task.row_weights(strategy); !weights.empty()) {
    Examples weighted = task.train;
    weighted.weights = std::move(weights);
    fit = learner->fit(weighted, task.validation, objective, training, validate, progress);
  } else {
    fit = learner->fit(task.train, task.validation, objective, training, validate, progress);
  }

  const Decision decision = task.choose(strategy, fit.validation);
  const Logits test = learner->logits(task.test);
  Run run;
  run.seed = seed;
  run.epoch = fit.epoch;
  run.choice = decision.choice;
  run.validation = task.measure(task.validation, fit.validation, decision);
  run.test = task.measure(task.test, test, decision);
  auto model = std::make_shared<SavedModel>(SavedModel{task.facts, learner->parameters()});
  model->facts["strategy"] = strategy;
  task.describe({strategy, objective, decision, fit.validation, test}, run, model->facts);
  run.model = std::move(model);
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return run;
}

void train_steps(const Task& task, const RunOptions& options, std::uint64_t steps) {
  TrainingOptions few = options.training;
  few.max_steps = steps;
  few.log.clear();
  few.checkpoint.clear();
  few.resumes = false;
  std::ostringstream log;
  Progress progress(log, false, steps, "steps");
  options.make_learner(task.shape, 0)
      ->fit(task.train, task.validation, task.objective("none", 0, steps), few, {}, progress);
}

}  // namespace equipoise::demos
