#include "demos/sentiment/experiment.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "equipoise/calibrate.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {

namespace {

constexpr std::uint64_t kPatience = 2;

// Strengths of the post-hoc correction that are tried on validation; 0 is none.
constexpr std::array kTaus = {0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5};
constexpr std::span<const double> kNoTau(kTaus.data(), 1);

double macro_f1(const ConfusionMatrix& matrix) { return matrix.macro_f1(); }

// A model at its best epoch; tau is 0 without the post-hoc correction.
struct Fitted {
  std::uint64_t epoch = 0;
  PosthocTau choice{0, -1};
  Logits validation{};
  std::vector<Parameter> parameters{};
};

Fitted fit(const Task& task, const Strategy& strategy, std::uint64_t seed,
           const TrainingOptions& options, Classifier& model, Progress& progress) {
  const Objective objective = make_objective(strategy, task.counts);
  const ClassSampler stream(task.train.labels, objective.proportions, seed,
                            {.mode = SamplingMode::kExactQuota});
  const std::uint64_t batches = batches_per_epoch(task.train.labels.size(), options);
  const std::span<const double> taus = strategy.posthoc ? std::span<const double>(kTaus) : kNoTau;
  Fitted best;
  for (std::uint64_t epoch = 0; epoch < options.epochs; ++epoch) {
    model.train_epoch(task.train, objective, stream, epoch, [&] { progress.advance(1); });
    Logits logits = model.logits(task.validation.features);
    const PosthocTau choice =
        choose_tau(logits.view(), task.validation.labels, task.counts.values(), taus, macro_f1);
    if (choice.score > best.choice.score) {
      best = {epoch, choice, std::move(logits), model.parameters()};
    } else if (epoch - best.epoch >= kPatience) {
      progress.skip((options.epochs - 1 - epoch) * batches);
      break;
    }
  }
  model.set_parameters(best.parameters);
  return best;
}

double validation_macro_f1(const Run& run) { return run.validation.macro_f1; }

// -tau log prior, up to a constant: zero for a class of average size.
std::vector<double> posthoc_offset(const ClassCounts& counts, double tau) {
  const std::vector<double> equal(counts.classes(),
                                  counts.total() / static_cast<double>(counts.classes()));
  std::vector<double> offset = logit_offset(counts.values(), equal);
  for (double& value : offset) value *= tau;
  return offset;
}

// One run of one strategy, and the model it ends with.
std::pair<Run, TrainedModel> run_once(const Task& task, const Strategy& strategy,
                                      std::uint64_t seed, const ExperimentOptions& options,
                                      Progress& progress) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  progress.set_label(absl::StrCat(strategy.name, ", seed ", seed));
  const std::unique_ptr<Classifier> model = options.make_classifier(seed);
  Fitted fitted = fit(task, strategy, seed, options.training, *model, progress);

  Run run{.seed = seed, .epoch = fitted.epoch};
  std::vector<double> offset;
  if (strategy.posthoc) {
    run.tau = fitted.choice.tau;
    offset = posthoc_offset(task.counts, *run.tau);
  }
  run.validation = score(task, task.validation, predict(fitted.validation.view(), offset));
  const Logits test = model->logits(task.test.features);
  run.test_predictions = predict(test.view(), offset);
  run.test = score(task, task.test, run.test_predictions);
  run.calibration =
      score_calibration(make_objective(strategy, task.counts), task.counts, fitted.validation,
                        task.validation.labels, test, task.test.labels, kTaus);
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  progress.note(
      absl::StrFormat("%-20s seed %d: epoch %d of %d%s, macro-F1 on validation %.3f, %.1f s",
                      strategy.name, seed, run.epoch + 1, options.training.epochs,
                      run.tau ? absl::StrFormat(", tau %.3g", *run.tau) : "",
                      run.validation.macro_f1, run.seconds));
  TrainedModel trained{strategy.name,     options.training.hidden, task.classes,
                       task.tf_idf.idf(), std::move(offset),       std::move(fitted.parameters)};
  return {std::move(run), std::move(trained)};
}

std::vector<std::vector<std::int64_t>> test_predictions(const Outcome& outcome) {
  std::vector<std::vector<std::int64_t>> predictions;
  for (const Run& run : outcome.runs) predictions.push_back(run.test_predictions);
  return predictions;
}

// Of an outcome over a strategy on test; nothing if that was not run or is the outcome's own.
std::optional<Interval> gain(const Task& task, const Results& results, const Outcome& outcome,
                             std::string_view baseline) {
  const Outcome* const other = find_outcome(results, baseline);
  if (other == nullptr || other == &outcome) return std::nullopt;
  return paired_bootstrap(task.test.labels, test_predictions(outcome), test_predictions(*other),
                          task.classes.size(), macro_f1);
}

}  // namespace

double mean(const Outcome& outcome, const std::function<double(const Run&)>& figure) {
  double sum = 0;
  for (const Run& run : outcome.runs) sum += figure(run);
  return sum / static_cast<double>(outcome.runs.size());
}

const Outcome* find_outcome(const Results& results, std::string_view strategy) {
  for (const Outcome& outcome : results.outcomes) {
    if (outcome.strategy.name == strategy) return &outcome;
  }
  return nullptr;
}

Task make_task(const Corpus& corpus) {
  SparseRows train = ngram_counts(corpus.train.texts);
  TfIdf tf_idf(train);
  Task task{corpus.classes,
            count_labels(corpus.train.labels, corpus.classes.size()),
            tf_idf,
            {tf_idf(std::move(train)), corpus.train.labels},
            {tf_idf(ngram_counts(corpus.validation.texts)), corpus.validation.labels},
            {tf_idf(ngram_counts(corpus.test.texts)), corpus.test.labels}};
  return task;
}

std::vector<std::size_t> rare_classes(const ClassCounts& counts) {
  constexpr double kShare = 0.1;
  std::vector<std::size_t> classes(counts.classes());
  std::iota(classes.begin(), classes.end(), std::size_t{0});
  std::stable_sort(classes.begin(), classes.end(),
                   [&](std::size_t a, std::size_t b) { return counts[a] < counts[b]; });
  std::size_t size = 0;
  double rows = 0;
  while (size < classes.size() && rows + counts[classes[size]] <= kShare * counts.total()) {
    rows += counts[classes[size++]];
  }
  classes.resize(std::max<std::size_t>(size, 1));
  std::sort(classes.begin(), classes.end());
  return classes;
}

Scores score(const Task& task, const Examples& part, std::span<const std::int64_t> predictions) {
  Scores scores{ConfusionMatrix(task.classes.size())};
  scores.matrix.add(part.labels, predictions);
  scores.macro_f1 = scores.matrix.macro_f1();
  const std::vector<std::size_t> rare = rare_classes(task.counts);
  for (const std::size_t c : rare) {
    scores.rare_recall += scores.matrix.recall(c) / static_cast<double>(rare.size());
    scores.rare_precision += scores.matrix.precision(c) / static_cast<double>(rare.size());
  }
  return scores;
}

Results run_experiment(const Task& task, const ExperimentOptions& options, Progress& progress) {
  Results results;
  double best_of_outcomes = -1;
  for (const Strategy& strategy : options.strategies) {
    Outcome outcome{strategy};
    TrainedModel best_model;
    double best_of_runs = -1;
    for (std::uint64_t seed = 0; seed < options.seeds; ++seed) {
      auto [run, model] = run_once(task, strategy, seed, options, progress);
      if (run.validation.macro_f1 > best_of_runs) {
        best_of_runs = run.validation.macro_f1;
        best_model = std::move(model);
      }
      outcome.runs.push_back(std::move(run));
    }
    if (const double figure = mean(outcome, validation_macro_f1); figure > best_of_outcomes) {
      best_of_outcomes = figure;
      results.best = results.outcomes.size();
      results.model = std::move(best_model);
    }
    results.outcomes.push_back(std::move(outcome));
  }
  for (Outcome& outcome : results.outcomes) outcome.gain = gain(task, results, outcome, "none");
  results.gain_over_posthoc = gain(task, results, results.outcomes[results.best], "none_tau");
  return results;
}

}  // namespace equipoise::demos
