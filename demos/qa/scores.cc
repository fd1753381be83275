#include "demos/qa/scores.h"

#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "demos/common/reliability.h"
#include "demos/common/task.h"
#include "demos/common/uncertainty.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/ranking.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kPositive = 1;

double macro_f1(const metrics::ConfusionMatrix& matrix) { return matrix.macro_f1(); }
double positive_f1(const metrics::ConfusionMatrix& matrix) { return matrix.f1(kPositive); }
// Of the types that a language has.
double macro_f1_of_present(const metrics::ConfusionMatrix& matrix) {
  return matrix.macro_f1(metrics::Absent::kSkipUnsupported);
}

ConfusionMetric language_metric_of(const QaTask& task) {
  return task.selects_sentences() ? positive_f1 : macro_f1_of_present;
}

std::vector<std::int64_t> at_threshold(std::span<const double> scores, double threshold) {
  std::vector<std::int64_t> decisions;
  decisions.reserve(scores.size());
  for (const double score : scores) decisions.push_back(score >= threshold ? 1 : 0);
  return decisions;
}

metrics::Grouped<metrics::ConfusionMatrix> by_language(const QaTask& task, const Examples& part,
                                                       std::span<const std::int64_t> decisions) {
  metrics::Grouped<metrics::ConfusionMatrix> grouped(task.languages.size(),
                                                     metrics::ConfusionMatrix(task.classes.size()));
  grouped.add_rows(part.groups, [&](metrics::ConfusionMatrix& matrix, std::size_t r) {
    matrix.add(part.targets[r], decisions[r]);
  });
  return grouped;
}

void add_class_metrics(const QaTask& task, const metrics::ConfusionMatrix& matrix, std::size_t c,
                       Metrics& measured) {
  measured.push_back({"precision", task.classes[c], matrix.precision(c)});
  measured.push_back({"recall", task.classes[c], matrix.recall(c)});
  measured.push_back({"f1", task.classes[c], matrix.f1(c)});
}

// A metric of each language that has one, their mean and the lowest of those to compare.
void add_language_metrics(const QaTask& task, const std::vector<bool>& comparable,
                          const std::string& metric, const std::string& name,
                          std::span<const double> values, Metrics& measured) {
  double sum = 0;
  std::optional<double> least;
  std::size_t languages = 0;
  for (std::size_t g = 0; g < values.size(); ++g) {
    if (std::isnan(values[g])) continue;
    measured.push_back({metric, language_label(task.languages[g]), values[g]});
    if (comparable[g]) least = std::min(least.value_or(values[g]), values[g]);
    sum += values[g];
    ++languages;
  }
  measured.push_back(
      {"language_" + name, "", sum / static_cast<double>(std::max<std::size_t>(languages, 1))});
  measured.push_back({"worst_language_" + name, "", least.value_or(0)});
}

Metrics type_metrics(const QaTask& task, const Examples& part,
                     std::span<const std::int64_t> decisions) {
  const metrics::Grouped<metrics::ConfusionMatrix> languages = by_language(task, part, decisions);
  const metrics::ConfusionMatrix matrix = languages.total();
  Metrics measured = {{"accuracy", "", matrix.accuracy()},
                      {"macro_f1", "", matrix.macro_f1()},
                      {"balanced_accuracy", "", matrix.balanced_accuracy()}};
  for (std::size_t c = 0; c < task.classes.size(); ++c) {
    add_class_metrics(task, matrix, c, measured);
  }
  const std::vector<double> accuracies =
      languages.figures([](const metrics::ConfusionMatrix& m) { return m.accuracy(); });
  const std::vector<bool> comparable = comparable_languages(task, part);
  add_language_metrics(task, comparable, "accuracy", "accuracy", accuracies, measured);
  add_language_metrics(task, comparable, "macro_f1", "f1", languages.figures(macro_f1_of_present),
                       measured);
  return measured;
}

double mean_of(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The mean reciprocal rank of the questions of each language; NaN for those that have none.
std::vector<double> mrr_by_language(const QaTask& task, const Examples& part,
                                    std::span<const double> scores) {
  std::vector<std::vector<double>> ranks(task.languages.size());
  for (std::size_t u = 0; u < part.units(); ++u) {
    const std::size_t begin = part.unit_begin(u);
    const std::size_t size = part.unit_begin(u + 1) - begin;
    const std::size_t whole[] = {0, size};
    const std::vector<double> rank = reciprocal_ranks(
        scores.subspan(begin, size), std::span(part.targets).subspan(begin, size), whole);
    std::vector<double>& own = ranks[static_cast<std::size_t>(part.groups[begin])];
    own.insert(own.end(), rank.begin(), rank.end());
  }
  std::vector<double> means;
  means.reserve(ranks.size());
  for (const std::vector<double>& of_language : ranks) {
    means.push_back(of_language.empty() ? std::nan("") : mean_of(of_language));
  }
  return means;
}

// F1 of positives over the questions that have several sentences.
double f1_of_several(const Examples& part, std::span<const std::int64_t> decisions) {
  metrics::ConfusionMatrix matrix(2);
  for (std::size_t u = 0; u < part.units(); ++u) {
    if (part.unit_begin(u + 1) - part.unit_begin(u) < 2) continue;
    for (std::size_t r = part.unit_begin(u); r < part.unit_begin(u + 1); ++r) {
      matrix.add(part.targets[r], decisions[r]);
    }
  }
  return positive_f1(matrix);
}

Metrics sentence_metrics(const QaTask& task, const Examples& part, std::span<const double> scores,
                         std::span<const std::int64_t> decisions) {
  const metrics::Grouped<metrics::ConfusionMatrix> languages = by_language(task, part, decisions);
  const metrics::ConfusionMatrix matrix = languages.total();
  metrics::ConfusionMatrix at_half(2);
  at_half.add(part.targets, at_threshold(scores, 0));
  Metrics measured = {
      {"positive_f1", "", positive_f1(matrix)},
      {"positive_f1_half", "", positive_f1(at_half)},
      {"positive_f1_several", "", f1_of_several(part, decisions)},
      {"mrr", "", mean_of(reciprocal_ranks(scores, part.targets, part.unit_starts))},
      {"average_precision", "", metrics::average_precision(scores, part.targets)}};
  add_class_metrics(task, matrix, kPositive, measured);
  const std::vector<bool> comparable = comparable_languages(task, part);
  add_language_metrics(task, comparable, "f1", "f1", languages.figures(positive_f1), measured);
  add_language_metrics(task, comparable, "mrr", "mrr", mrr_by_language(task, part, scores),
                       measured);
  return measured;
}

// The metric of the worst language, of facts that are taken so often.
Resampled resampled_worst_language(const QaTask& task, const std::vector<std::int64_t>& decisions) {
  const std::size_t classes = task.classes.size();
  // One matrix over (language, class): a language is a block of it.
  const std::size_t languages = task.languages.size();
  std::vector<std::int64_t> targets;
  std::vector<std::int64_t> predictions;
  for (std::size_t r = 0; r < task.test.rows(); ++r) {
    const auto first = task.test.groups[r] * static_cast<std::int64_t>(classes);
    targets.push_back(first + task.test.targets[r]);
    predictions.push_back(first + decisions[r]);
  }
  const auto lowest = [languages, classes, comparable = comparable_languages(task, task.test),
                       metric = language_metric_of(task)](const metrics::ConfusionMatrix& all) {
    double least = 1;
    for (std::size_t g = 0; g < languages; ++g) {
      if (!comparable[g]) continue;
      metrics::ConfusionMatrix own(classes);
      const std::span<double> counts = own.all_reduce_buffer();
      for (std::size_t i = 0; i < counts.size(); ++i) {
        counts[i] = all.count(g * classes + i / classes, g * classes + i % classes);
      }
      if (own.total() > 0) least = std::min(least, metric(own));
    }
    return least;
  };
  return resampled_confusion(targets, predictions, languages * classes, lowest,
                             task.resampled_starts());
}

// The fitted a, b_0, b_1, ... of softmax(a z + b).
std::vector<double> add_calibration(const QaTask& task, const Logits& validation,
                                    const Logits& test, Metrics& measured) {
  const ClassCounts there = count_labels(task.validation.targets, task.classes.size());
  const bool has_all =
      std::all_of(there.values().begin(), there.values().end(), [](double n) { return n > 0; });
  const calibrate::LogitCalibration fitted =
      has_all
          ? calibrate::fit_bias_corrected_temperature(validation.view(), task.validation.targets)
          : calibrate::fit_temperature(validation.view(), task.validation.targets);
  std::optional<std::size_t> of_class;
  if (task.selects_sentences()) of_class = kPositive;
  const auto add = [&](const char* way, const calibrate::LogitCalibration& calibration) {
    add_reliability(way, calibration.probabilities(test.view()), task.classes.size(),
                    task.test.targets, measured, of_class);
  };
  add("raw", {});
  add("fitted", fitted);
  std::vector<double> scale_and_bias(task.classes.size() + 1, 0.0);
  scale_and_bias[0] = fitted.scale;
  std::copy(fitted.bias.begin(), fitted.bias.end(), scale_and_bias.begin() + 1);
  return scale_and_bias;
}

}  // namespace

Decision QaTask::choose(const std::string& strategy, const Logits& logits) const {
  Decision decision;
  if (selects_sentences()) {
    const std::vector<double> scores = sentence_scores(logits);
    const double threshold =
        calibrate::choose_threshold(std::span<const double>(scores),
                                    std::span<const std::int64_t>(validation.targets),
                                    [](const metrics::BinaryCounts& each) { return each.f1(); })
            .threshold;
    decision.thresholds = {threshold};
    decision.choice = absl::StrFormat("at %.2f", 1 / (1 + std::exp(-threshold)));
  } else if (strategy == "none_tau") {
    const ClassCounts prior = class_counts();
    const double tau = calibrate::choose_tau(logits.view(), validation.targets, prior.values(),
                                             std::span<const double>(kTaus), macro_f1)
                           .tau;
    decision.offset = calibrate::posthoc_offset(prior.values(), tau);
    decision.choice = absl::StrFormat("tau %.3g", tau);
  }
  return decision;
}

std::vector<std::int64_t> decide(const QaTask& task, const Logits& logits,
                                 const Decision& decision) {
  if (task.selects_sentences()) {
    return at_threshold(sentence_scores(logits), decision.thresholds.front());
  }
  return calibrate::predict(logits.view(), decision.offset);
}

std::vector<double> sentence_scores(const Logits& logits) {
  const MatrixView<const float> rows = logits.view();
  std::vector<double> scores;
  scores.reserve(rows.rows);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    scores.push_back(double{rows(r, kPositive)} - double{rows(r, 0)});
  }
  return scores;
}

std::vector<double> reciprocal_ranks(std::span<const double> scores,
                                     std::span<const std::int64_t> is_positive,
                                     std::span<const std::size_t> question_starts) {
  std::vector<double> ranks;
  for (std::size_t u = 0; u + 1 < question_starts.size(); ++u) {
    const std::size_t begin = question_starts[u];
    const std::size_t end = question_starts[u + 1];
    std::size_t best = end;
    for (std::size_t r = begin; r < end; ++r) {
      if (is_positive[r] != 0 && (best == end || scores[r] > scores[best])) best = r;
    }
    if (best == end) continue;
    std::size_t before = 0;
    for (std::size_t r = begin; r < end; ++r) {
      before += is_positive[r] == 0 && scores[r] >= scores[best] ? 1 : 0;
    }
    ranks.push_back(1 / static_cast<double>(before + 1));
  }
  return ranks;
}

Metrics QaTask::measure(const Examples& part, const Logits& logits,
                        const Decision& decision) const {
  const std::vector<std::int64_t> decisions = decide(*this, logits, decision);
  if (!selects_sentences()) return type_metrics(*this, part, decisions);
  return sentence_metrics(*this, part, sentence_scores(logits), decisions);
}

std::vector<bool> comparable_languages(const QaTask& task, const Examples& part) {
  const std::size_t classes = task.classes.size();
  std::vector<std::vector<bool>> has(task.languages.size(), std::vector<bool>(classes, false));
  for (std::size_t r = 0; r < part.targets.size(); ++r) {
    has[static_cast<std::size_t>(part.groups[r])][static_cast<std::size_t>(part.targets[r])] = true;
  }
  std::vector<bool> with_rows;
  std::vector<bool> with_all;
  for (const std::vector<bool>& own : has) {
    const auto there = static_cast<std::size_t>(std::count(own.begin(), own.end(), true));
    with_rows.push_back(there > 0);
    with_all.push_back(there == classes);
  }
  const bool is_any_whole = std::find(with_all.begin(), with_all.end(), true) != with_all.end();
  return !task.selects_sentences() && is_any_whole ? with_all : with_rows;
}

void QaTask::describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const {
  const std::vector<std::int64_t> decisions = decide(*this, trained.test, trained.decision);
  run.resampled =
      resampled_confusion(test.targets, decisions, classes.size(),
                          selects_sentences() ? positive_f1 : macro_f1, resampled_starts());
  run.confusion = metrics::ConfusionMatrix(classes.size());
  run.confusion.add(test.targets, decisions);
  run.second = resampled_worst_language(*this, decisions);
  model_facts["offset"] = trained.decision.offset;
  model_facts["threshold"] = selects_sentences() ? trained.decision.thresholds.front() : 0.0;
  model_facts["calibration"] = add_calibration(*this, trained.validation, trained.test, run.test);
}

}  // namespace equipoise::demos
