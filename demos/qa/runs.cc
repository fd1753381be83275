#include "demos/qa/runs.h"

#include <chrono>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/model_file.h"

namespace equipoise::demos {

namespace {

using Clock = std::chrono::steady_clock;

LearnerShape shape_of(const QaTask& task) { return {task.columns, task.classes.size(), 0}; }

// The figures of a model with the decisions that suit it best.
Validate validation_of(const QaTask& task, bool posthoc) {
  return [&task, posthoc](const Logits& logits) {
    return qa_figures(task, task.validation, logits, choose_decision(task, posthoc, logits));
  };
}

// A training without traces, thrown away.
void try_out(const QaTask& task, const QaRunOptions& options, TrainingOptions training,
             const Validate& validate) {
  training.log.clear();
  training.checkpoint.clear();
  training.resumes = false;
  const std::unique_ptr<Learner> learner = options.make_learner(shape_of(task), 0);
  const Objective objective = make_qa_objective(all_qa_strategies(task.name).front(), task, 0);
  std::ostringstream log;
  Progress progress(log, false, 1, "units");
  learner->fit(task.train, task.validation, objective, training, validate, progress);
}

}  // namespace

double default_rate(std::string_view task) { return task == kSentenceSelection ? 2 : 40; }

void train_epochs(const QaTask& task, const QaRunOptions& options, std::uint64_t epochs) {
  TrainingOptions training = options.training;
  training.epochs = epochs;
  training.patience = epochs;
  try_out(task, options, training, validation_of(task, false));
}

void train_steps(const QaTask& task, const QaRunOptions& options, std::uint64_t steps) {
  TrainingOptions training = options.training;
  training.max_steps = steps;
  try_out(task, options, training, {});
}

Run run_qa_strategy(const QaTask& task, const QaStrategy& strategy, std::uint64_t seed,
                    const QaRunOptions& options, Progress& progress) {
  const Clock::time_point start = Clock::now();
  const std::unique_ptr<Learner> learner = options.make_learner(shape_of(task), seed);
  const Objective objective = make_qa_objective(strategy, task, seed);
  TrainingOptions training = options.training;
  training.seed = seed;
  const Fit fit = learner->fit(task.train, task.validation, objective, training,
                               validation_of(task, strategy.posthoc), progress);

  Run run;
  run.seed = seed;
  run.epoch = fit.epoch;
  const QaDecision decision = choose_decision(task, strategy.posthoc, fit.validation);
  run.choice = decision.choice;
  run.validation = qa_figures(task, task.validation, fit.validation, decision);
  const Logits test = learner->logits(task.test);
  run.test = qa_figures(task, task.test, test, decision);
  const QaCalibration calibration = qa_calibration(task, fit.validation, test);
  run.test.insert(run.test.end(), calibration.figures.begin(), calibration.figures.end());
  const std::vector<std::int64_t> decisions = decide(task, test, decision);
  run.confusion = metrics::ConfusionMatrix(task.classes.size());
  run.confusion.add(task.test.targets, decisions);
  QaResampled resampled = qa_resampled(task, decisions);
  run.resampled = std::move(resampled.headline);
  run.second = std::move(resampled.worst_language);
  auto model = std::make_shared<SavedModel>();
  model->facts = {{"task", task.name},
                  {"strategy", strategy.name},
                  {"classes", task.classes},
                  {"languages", task.languages},
                  {"features", task.features},
                  {"offset", decision.offset},
                  {"threshold", decision.threshold},
                  {"calibration", calibration.scale_and_bias},
                  {"translated", task.is_translated},
                  {"test", fingerprint(task.test)}};
  model->parameters = learner->parameters();
  run.model = std::move(model);
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return run;
}

}  // namespace equipoise::demos
