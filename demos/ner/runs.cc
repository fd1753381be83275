#include "demos/ner/runs.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>
#include <utility>
#include <vector>

#include "demos/common/model_file.h"
#include "demos/common/posthoc.h"
#include "demos/common/reliability.h"
#include "demos/common/resampled.h"
#include "demos/ner/strategy.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/entities.h"

namespace equipoise::demos {

namespace {

using Clock = std::chrono::steady_clock;

// The mean F1 of types, of which 0 is O, which is no type.
double type_macro_f1(const metrics::ConfusionMatrix& of_types) {
  double sum = 0;
  for (std::size_t k = 1; k < of_types.classes(); ++k) sum += of_types.f1(k);
  return sum / static_cast<double>(of_types.classes() - 1);
}

// The same from a matrix of tags.
double tag_macro_f1(const metrics::EntityTags& tags, const metrics::ConfusionMatrix& of_tags) {
  metrics::ConfusionMatrix of_types(tags.types().size() + 1);
  const std::span<double> counts = of_types.all_reduce_buffer();
  for (std::size_t t = 0; t < of_tags.classes(); ++t) {
    for (std::size_t p = 0; p < of_tags.classes(); ++p) {
      const auto target = static_cast<std::size_t>(type_of_tag(tags, static_cast<std::int64_t>(t)));
      const auto guess = static_cast<std::size_t>(type_of_tag(tags, static_cast<std::int64_t>(p)));
      counts[target * of_types.classes() + guess] += of_tags.count(t, p);
    }
  }
  return type_macro_f1(of_types);
}

std::vector<std::int64_t> types_of(const metrics::EntityTags& tags,
                                   std::span<const std::int64_t> own) {
  std::vector<std::int64_t> types;
  types.reserve(own.size());
  for (const std::int64_t tag : own) types.push_back(type_of_tag(tags, tag));
  return types;
}

// The F1 of entities, strict, of sentences that are taken so often.
Resampled resampled_entities(const TaggingTask& task, const std::vector<std::int64_t>& tags) {
  std::vector<std::array<double, 2>> counts;  // correct; predicted and there
  for (std::size_t s = 0; s + 1 < task.test.offsets.size(); ++s) {
    const std::size_t begin = task.test.offsets[s];
    const std::size_t size = task.test.offsets[s + 1] - begin;
    metrics::EntityScores scores(task.tags);
    scores.add(std::span(task.test.tags).subspan(begin, size), std::span(tags).subspan(begin, size),
               std::vector<std::size_t>{0, size});
    const metrics::EntityMetrics strict = scores.strict();
    counts.push_back({0, 0});
    for (std::size_t k = 0; k < task.types(); ++k) {
      counts.back()[0] += strict.correct(k);
      counts.back()[1] += strict.predicted(k) + strict.support(k);
    }
  }
  return [counts = std::move(counts)](std::span<const std::uint32_t> times) {
    double correct = 0;
    double all = 0;
    for (std::size_t s = 0; s < counts.size(); ++s) {
      correct += times[s] * counts[s][0];
      all += times[s] * counts[s][1];
    }
    return all > 0 ? 2 * correct / all : 0.0;
  };
}

// How well the probabilities of test tokens are calibrated, as they are and as fits validation, and
// what a prior shift that is estimated from these tokens, without their tags, makes of them.
void add_calibration(const TaggingTask& task, const Logits& validation, const Logits& test,
                     Figures& figures) {
  // A bias needs rows of every tag.
  const ClassCounts counts = count_labels(task.validation.tags, task.tags.size());
  const std::span<const double> prior = counts.values();
  const bool complete = std::find(prior.begin(), prior.end(), 0.0) == prior.end();
  const calibrate::LogitCalibration calibration =
      complete ? calibrate::fit_bias_corrected_temperature(validation.view(), task.validation.tags)
               : calibrate::fit_temperature(validation.view(), task.validation.tags);
  const std::vector<double> p = calibration.probabilities(test.view());
  add_reliability("raw", calibrate::LogitCalibration{}.probabilities(test.view()), task.tags.size(),
                  task.test.tags, figures);
  add_reliability("fitted", p, task.tags.size(), task.test.tags, figures);
  // With its biases p has the prior of validation, without them one that nobody knows.
  if (!complete) return;
  const MatrixView<const double> rows(p.data(), task.test.tokens(), task.tags.size());
  const calibrate::EstimatedPrior estimated = calibrate::estimate_prior(rows, prior);
  std::vector<double> deployment;
  for (const double share : estimated.prior) deployment.push_back(std::max(share, 1e-9));
  const std::vector<double> shifted = calibrate::shift_prior(rows, prior, deployment);
  const std::vector<std::int64_t> tags =
      calibrate::predict(MatrixView<const double>(shifted.data(), rows.rows, rows.cols));
  for (const Figure& figure : tagging_figures(task, task.test, tags)) {
    if (figure.metric == "token_macro_f1")
      figures.push_back({"token_macro_f1_em", "", figure.value});
    if (figure.metric == "entity_f1") figures.push_back({"entity_f1_em", "", figure.value});
  }
  const ClassCounts truth = count_labels(task.test.types, task.types() + 1);
  for (std::size_t k = 0; k < task.types(); ++k) {
    double share = 0;
    for (std::size_t t = 0; t < task.tags.size(); ++t) {
      if (task.tags.type(t) == k) share += estimated.prior[t];
    }
    figures.push_back({"tokens", task.tags.types()[k], truth[k + 1] / truth.total()});
    figures.push_back({"tokens_em", task.tags.types()[k], share});
  }
}

}  // namespace

double default_rate(const std::string& model) { return model == "linear" ? 200 : 8e-3; }

Figures tagging_figures(const TaggingTask& task, const TaggedPart& part,
                        std::span<const std::int64_t> tags) {
  metrics::ConfusionMatrix of_types(task.types() + 1);
  of_types.add(part.types, types_of(task.tags, tags));
  metrics::EntityScores scores(task.tags);
  scores.add(part.tags, tags, part.offsets);
  const metrics::EntityMetrics strict = scores.strict();
  Figures figures = {{"token_macro_f1", "", type_macro_f1(of_types)},
                     {"entity_f1", "", strict.micro_f1()},
                     {"entity_f1_conlleval", "", scores.conlleval().micro_f1()},
                     {"entity_macro_f1", "", strict.macro_f1()},
                     {"entity_precision", "", strict.micro_precision()},
                     {"entity_recall", "", strict.micro_recall()}};
  for (std::size_t k = 0; k < task.types(); ++k) {
    const std::string& name = task.tags.types()[k];
    figures.push_back({"token_f1", name, of_types.f1(k + 1)});
    figures.push_back({"precision", name, strict.precision(k)});
    figures.push_back({"recall", name, strict.recall(k)});
    figures.push_back({"f1", name, strict.f1(k)});
  }
  return figures;
}

std::uint64_t tagging_steps(const TaggingTask& task, const std::string& strategy,
                            const TrainingOptions& options) {
  const std::uint64_t epoch =
      steps_per_epoch(make_tagging_objective(strategy, task, 0, 1).stream.epoch_size(), options);
  return epoch * options.epochs * (strategy == "crt" ? 2 : 1);
}

Run run_tagging(const TaggingTask& task, const std::string& strategy, std::uint64_t seed,
                const TaggingRunOptions& options, Progress& progress) {
  const Clock::time_point start = Clock::now();
  TaggerOptions tagger_options = options.tagger;
  tagger_options.seed = seed;
  TrainingOptions training = options.training;
  training.seed = seed;
  const std::unique_ptr<Tagger> tagger = make_tagger(tagger_options, task);
  const bool is_posthoc = strategy == "none_tau";
  const std::span<const double> taus = is_posthoc ? std::span<const double>(kTaus) : kNoTau;
  const auto tau_for = [&](const Logits& logits) {
    return calibrate::choose_tau(logits.view(), task.validation.tags, task.prior, taus,
                                 [&](const metrics::ConfusionMatrix& matrix) {
                                   return tag_macro_f1(task.tags, matrix);
                                 })
        .tau;
  };
  const auto tags_of = [&](const Logits& logits, double tau) {
    return calibrate::predict(logits.view(), calibrate::posthoc_offset(task.prior, tau));
  };
  const Validate validate = [&](const Logits& logits) {
    return tagging_figures(task, task.validation, tags_of(logits, tau_for(logits)));
  };
  const auto objective_of = [&](const std::string& name) {
    return make_tagging_objective(name, task, seed, tagging_steps(task, name, training));
  };
  const bool retrains = strategy == "crt";
  if (retrains) forget_head(training);
  Fit fit = tagger->fit(task.train, task.validation, token_weights(strategy, task),
                        objective_of(retrains ? "none" : strategy), training, validate, progress);
  if (retrains) {
    fit = tagger->fit_head(task.train, task.validation, objective_of("weights_0.5"),
                           of_head(training), validate, progress);
  }

  Run run;
  run.seed = seed;
  run.epoch = fit.epoch;
  const double tau = tau_for(fit.validation);
  if (is_posthoc) run.choice = absl::StrFormat("tau %.3g", tau);
  run.validation = tagging_figures(task, task.validation, tags_of(fit.validation, tau));
  const Logits test = tagger->logits(task.test);
  const std::vector<std::int64_t> tags = tags_of(test, tau);
  run.test = tagging_figures(task, task.test, tags);
  add_calibration(task, fit.validation, test, run.test);
  run.resampled = resampled_confusion(task.test.types, types_of(task.tags, tags), task.types() + 1,
                                      type_macro_f1, task.test.offsets);
  run.second = resampled_entities(task, tags);
  auto model = std::make_shared<SavedModel>(tagger->save());
  model->facts["strategy"] = strategy;
  model->facts["model"] = options.tagger.model;
  model->facts["tags"] = task.tag_names;
  model->facts["offset"] = calibrate::posthoc_offset(task.prior, tau);
  run.model = std::move(model);
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return run;
}

void train_tagging_steps(const TaggingTask& task, const TaggingRunOptions& options,
                         std::uint64_t steps) {
  TrainingOptions few = options.training;
  few.max_steps = steps;
  few.log.clear();
  few.checkpoint.clear();
  few.resumes = false;
  std::ostringstream log;
  Progress progress(log, false, steps, "steps");
  make_tagger(options.tagger, task)
      ->fit(task.train, task.validation, {}, make_tagging_objective("none", task, 0, 1), few, {},
            progress);
}

}  // namespace equipoise::demos
