#include "demos/sentiment/runs.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include "demos/common/model_file.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/posthoc.h"
#include "demos/common/resampled.h"
#include "demos/sentiment/calibration.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/metrics/multilabel.h"
#include "equipoise/metrics/ranking.h"

namespace equipoise::demos {

namespace {

using Clock = std::chrono::steady_clock;

double macro_f1(const metrics::ConfusionMatrix& matrix) { return matrix.macro_f1(); }

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::shared_ptr<const SavedModel> saved(const Task& task, const std::string& strategy,
                                        const RunOptions& options, const Learner& learner) {
  auto model = std::make_shared<SavedModel>();
  model->facts = {{"strategy", strategy}, {"hidden", options.hidden}, {"classes", task.classes}};
  if (options.facts.is_null()) {
    model->facts["idf"] = to_block(task.tf_idf.idf());
  } else {
    model->facts.update(options.facts);
  }
  model->parameters = learner.parameters();
  return model;
}

MatrixView<const std::int64_t> targets_of(const Examples& part) {
  return {part.targets.data(), part.rows(), part.labels};
}

metrics::MultiLabelCounts counts_at(const Logits& logits, const Examples& part,
                                    std::span<const double> thresholds) {
  const std::vector<std::uint8_t> predictions =
      calibrate::predict_labels(logits.view(), thresholds);
  metrics::MultiLabelCounts counts(part.labels);
  counts.add(targets_of(part),
             MatrixView<const std::uint8_t>(predictions.data(), part.rows(), part.labels));
  return counts;
}

// For all labels one threshold on their logits: of those that change a decision, half-way between
// neighbouring logits, the one with the best macro-F1; of equals the highest.
double choose_shared(const Logits& logits, const Examples& validation) {
  const std::size_t labels = validation.labels;
  std::vector<metrics::BinaryCounts> counts(labels);
  for (std::size_t i = 0; i < validation.targets.size(); ++i) {
    counts[i % labels].add(validation.targets[i] != 0, false);
  }
  std::vector<std::size_t> order(logits.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return logits.values[a] > logits.values[b];
  });
  constexpr double kRounding = 1e-9;  // of a sum that changes with each decision
  double threshold = std::numeric_limits<double>::infinity();
  double best = 0;  // no decision for any label
  double sum = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    metrics::BinaryCounts& own = counts[order[i] % labels];
    sum -= own.f1();
    const bool is_positive = validation.targets[order[i]] != 0;
    (is_positive ? own.true_positives : own.false_positives) += 1;
    (is_positive ? own.false_negatives : own.true_negatives) -= 1;
    sum += own.f1();
    const double logit = logits.values[order[i]];
    const double next = i + 1 < order.size() ? double{logits.values[order[i + 1]]} : logit - 1;
    if (next == logit || !(sum > best + kRounding)) continue;
    best = sum;
    threshold = std::midpoint(next, logit);
  }
  return threshold;
}

// For each label the threshold on its logit that is best on validation; and one for all labels.
struct Thresholds {
  std::vector<double> own;
  double shared = 0;
};

Thresholds choose(const Logits& logits, const Examples& validation) {
  Thresholds result;
  for (const calibrate::Threshold& each :
       calibrate::choose_thresholds(logits.view(), targets_of(validation))) {
    result.own.push_back(each.threshold);
  }
  result.shared = choose_shared(logits, validation);
  return result;
}

Figures label_figures(const Task& task, const Examples& part, const Logits& logits,
                      const Thresholds& thresholds) {
  const metrics::MultiLabelCounts own = counts_at(logits, part, thresholds.own);
  const std::vector<double> shared_thresholds(part.labels, thresholds.shared);
  const metrics::MultiLabelCounts shared = counts_at(logits, part, shared_thresholds);
  const metrics::MultiLabelCounts half =
      counts_at(logits, part, std::vector<double>(part.labels, 0.0));
  metrics::LabelScores<float> scores(part.labels);
  scores.add(logits.view(), targets_of(part));
  Figures figures = {{"macro_f1", "", own.macro_f1()},
                     {"micro_f1", "", own.micro_f1()},
                     {"macro_f1_shared", "", shared.macro_f1()},
                     {"micro_f1_shared", "", shared.micro_f1()},
                     {"macro_f1_half", "", half.macro_f1()},
                     {"micro_f1_half", "", half.micro_f1()},
                     {"macro_average_precision", "", scores.macro_average_precision()}};
  for (std::size_t l = 0; l < part.labels; ++l) {
    figures.push_back({"precision", task.classes[l], own.precision(l)});
    figures.push_back({"recall", task.classes[l], own.recall(l)});
    figures.push_back({"f1", task.classes[l], own.f1(l)});
    figures.push_back({"average_precision", task.classes[l], scores.average_precision(l)});
  }
  return figures;
}

template <class T>
std::vector<PrecisionRecallCurve> curves_of(const Task& task,
                                            const metrics::LabelScores<T>& scores) {
  std::vector<PrecisionRecallCurve> curves;
  for (std::size_t c = 0; c < task.classes.size(); ++c) {
    curves.push_back(precision_recall_curve(scores.label(c), task.classes[c]));
  }
  return curves;
}

// Macro-F1 of rows that are taken so often, from who has and was given which label.
std::function<double(std::span<const std::uint32_t>)> resampled_macro_f1(
    const Examples& part, std::vector<std::uint8_t> predictions) {
  return [targets = part.targets, labels = part.labels,
          predictions = std::move(predictions)](std::span<const std::uint32_t> times) {
    std::vector<metrics::BinaryCounts> counts(labels);
    for (std::size_t r = 0; r < times.size(); ++r) {
      if (times[r] == 0) continue;
      const auto weight = static_cast<double>(times[r]);
      for (std::size_t l = 0; l < labels; ++l) {
        const bool target = targets[r * labels + l] != 0;
        const bool prediction = predictions[r * labels + l] != 0;
        if (!target && !prediction) continue;  // F1 does not see them
        counts[l] +=
            {target && prediction ? weight : 0, !target ? weight : 0, !prediction ? weight : 0, 0};
      }
    }
    double sum = 0;
    for (const metrics::BinaryCounts& each : counts) sum += each.f1();
    return sum / static_cast<double>(labels);
  };
}

}  // namespace

double default_rate(std::size_t hidden, bool has_several_labels) {
  if (has_several_labels) return 1000;
  return hidden == 0 ? 40 : 10;
}

void train_steps(const Task& task, const RunOptions& options, std::uint64_t steps) {
  RunOptions few = options;
  few.training.max_steps = steps;
  few.training.log.clear();
  few.training.checkpoint.clear();
  few.training.resumes = false;
  const std::unique_ptr<Learner> learner =
      options.make_learner({std::size_t{kTextColumns}, task.classes.size(), options.hidden}, 0);
  const Objective objective =
      task.train.labels > 0
          ? make_multilabel_objective("none", task.counts.values(), task.train.rows(), 0)
          : make_objective(all_strategies().front(), task.counts, task.train.targets, 0, steps);
  std::ostringstream log;
  Progress progress(log, false, steps, "steps");
  learner->fit(task.train, task.validation, objective, few.training, {}, progress);
}

Figures class_figures(const Task& task, const Examples& part,
                      std::span<const std::int64_t> predictions) {
  metrics::ConfusionMatrix matrix(task.classes.size());
  matrix.add(part.targets, predictions);
  double rare_recall = 0;
  double rare_precision = 0;
  const std::vector<std::size_t> rare = rare_classes(task.counts);
  for (const std::size_t c : rare) {
    rare_recall += matrix.recall(c) / static_cast<double>(rare.size());
    rare_precision += matrix.precision(c) / static_cast<double>(rare.size());
  }
  Figures figures = {{"accuracy", "", matrix.accuracy()},
                     {"macro_f1", "", matrix.macro_f1()},
                     {"balanced_accuracy", "", matrix.balanced_accuracy()},
                     {"rare_recall", "", rare_recall},
                     {"rare_precision", "", rare_precision}};
  for (std::size_t c = 0; c < task.classes.size(); ++c) {
    figures.push_back({"precision", task.classes[c], matrix.precision(c)});
    figures.push_back({"recall", task.classes[c], matrix.recall(c)});
    figures.push_back({"f1", task.classes[c], matrix.f1(c)});
  }
  return figures;
}

Run run_strategy(const Task& task, const Strategy& strategy, std::uint64_t seed,
                 const RunOptions& options, Progress& progress) {
  const Clock::time_point start = Clock::now();
  const std::size_t classes = task.classes.size();
  const std::unique_ptr<Learner> learner =
      options.make_learner({std::size_t{kTextColumns}, classes, options.hidden}, seed);
  const std::uint64_t steps =
      options.training.epochs * steps_per_epoch(task.train.rows(), options.training);
  const Objective objective =
      make_objective(strategy, task.counts, task.train.targets, seed, steps);
  const std::span<const double> taus = strategy.posthoc ? std::span<const double>(kTaus) : kNoTau;
  const auto tau_for = [&](const Logits& logits) {
    return calibrate::choose_tau(logits.view(), task.validation.targets, task.counts.values(), taus,
                                 macro_f1);
  };
  const auto predictions_of = [&](const Logits& logits, double tau) {
    return calibrate::predict(
        logits.view(), strategy.posthoc ? calibrate::posthoc_offset(task.counts.values(), tau)
                                        : std::vector<double>());
  };
  TrainingOptions training = options.training;
  training.seed = seed;
  const Validate validate = [&](const Logits& logits) {
    return class_figures(task, task.validation, predictions_of(logits, tau_for(logits).tau));
  };
  const Objective first =
      strategy.retrains_head
          ? make_objective(all_strategies().front(), task.counts, task.train.targets, seed, steps)
          : objective;
  if (strategy.retrains_head) forget_head(training);
  Fit fit = learner->fit(task.train, task.validation, first, training, validate, progress);
  if (strategy.retrains_head) {
    fit = learner->fit_head(task.train, task.validation, objective, of_head(training), validate,
                            progress);
  }

  Run run;
  run.seed = seed;
  run.epoch = fit.epoch;
  const double tau = tau_for(fit.validation).tau;
  if (strategy.posthoc) run.choice = absl::StrFormat("tau %.3g", tau);
  run.validation = class_figures(task, task.validation, predictions_of(fit.validation, tau));
  const Logits test = learner->logits(task.test);
  const std::vector<std::int64_t> predictions = predictions_of(test, tau);
  run.test = class_figures(task, task.test, predictions);
  const Figures calibration =
      calibration_figures(make_plan(strategy, task.counts), objective.loss, fit.validation,
                          task.validation.targets, test, task.test.targets, kTaus);
  run.test.insert(run.test.end(), calibration.begin(), calibration.end());
  run.resampled = resampled_confusion(task.test.targets, predictions, classes, macro_f1);
  run.confusion = metrics::ConfusionMatrix(classes);
  run.confusion.add(task.test.targets, predictions);
  calibrate::LogitCalibration decided;
  if (strategy.posthoc) decided.bias = calibrate::posthoc_offset(task.counts.values(), tau);
  const std::vector<double> probabilities = decided.probabilities(test.view());
  metrics::LabelScores<double> scores(classes);
  scores.add(MatrixView<const double>(probabilities.data(), task.test.rows(), classes),
             task.test.targets);
  run.curves = curves_of(task, scores);
  auto model = std::make_shared<SavedModel>(*saved(task, strategy.name, options, *learner));
  model->facts["offset"] = strategy.posthoc ? calibrate::posthoc_offset(task.counts.values(), tau)
                                            : std::vector<double>();
  run.model = std::move(model);
  run.seconds = seconds_since(start);
  return run;
}

Run run_multilabel(const Task& task, const std::string& strategy, std::uint64_t seed,
                   const RunOptions& options, Progress& progress) {
  const Clock::time_point start = Clock::now();
  const std::unique_ptr<Learner> learner =
      options.make_learner({std::size_t{kTextColumns}, task.classes.size(), options.hidden}, seed);
  const Objective objective =
      make_multilabel_objective(strategy, task.counts.values(), task.train.rows(), seed);
  TrainingOptions training = options.training;
  training.seed = seed;
  const Fit fit = learner->fit(
      task.train, task.validation, objective, training,
      [&](const Logits& logits) {
        return label_figures(task, task.validation, logits, choose(logits, task.validation));
      },
      progress);

  Run run;
  run.seed = seed;
  run.epoch = fit.epoch;
  const Thresholds thresholds = choose(fit.validation, task.validation);
  run.validation = label_figures(task, task.validation, fit.validation, thresholds);
  const Logits test = learner->logits(task.test);
  run.test = label_figures(task, task.test, test, thresholds);
  run.resampled =
      resampled_macro_f1(task.test, calibrate::predict_labels(test.view(), thresholds.own));
  metrics::LabelScores<float> scores(task.test.labels);
  scores.add(test.view(), targets_of(task.test));
  run.curves = curves_of(task, scores);
  auto model = std::make_shared<SavedModel>(*saved(task, strategy, options, *learner));
  model->facts["thresholds"] = thresholds.own;
  run.model = std::move(model);
  run.seconds = seconds_since(start);
  return run;
}

}  // namespace equipoise::demos
