#include "demos/ner/task.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "demos/common/reliability.h"
#include "demos/common/uncertainty.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/entities.h"
#include "equipoise/metrics/entity_sequences.h"
#include "equipoise/sampling/epoch_stream.h"
#include "equipoise/sampling/repeat_factors.h"
#include "equipoise/sampling/resampling.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

// 0 for O, k + 1 for type k.
std::size_t type_of(const metrics::EntityTags& tags, std::size_t tag) {
  const auto type = tags.type(tag);
  return type ? *type + 1 : 0;
}

std::vector<double> shares_of_spans(const metrics::EntityTags& tags, const Examples& part) {
  std::vector<double> shares(part.rows(), 1.0);
  for (std::size_t s = 0; s < part.units(); ++s) {
    const std::size_t begin = part.unit_begin(s);
    const std::span<const std::int64_t> own(&part.targets[begin], part.unit_begin(s + 1) - begin);
    for (const metrics::Entity& entity : metrics::find_entities(own, tags)) {
      for (std::size_t i = entity.begin; i < entity.end; ++i) {
        shares[begin + i] = 1.0 / static_cast<double>(entity.end - entity.begin);
      }
    }
  }
  return shares;
}

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
      counts[type_of(tags, t) * of_types.classes() + type_of(tags, p)] += of_tags.count(t, p);
    }
  }
  return type_macro_f1(of_types);
}

// The F1 of entities, strict, of sentences that are taken so often.
Resampled resampled_entities(const TaggingTask& task, const std::vector<std::int64_t>& tags) {
  std::vector<std::array<double, 2>> counts;  // correct; predicted and there
  for (std::size_t s = 0; s + 1 < task.test.unit_starts.size(); ++s) {
    const std::size_t begin = task.test.unit_starts[s];
    const std::size_t size = task.test.unit_starts[s + 1] - begin;
    metrics::EntityScores scores(task.tags);
    scores.add(std::span(task.test.targets).subspan(begin, size),
               std::span(tags).subspan(begin, size), std::vector<std::size_t>{0, size});
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
                     Metrics& measured) {
  // A bias needs rows of every tag.
  const ClassCounts counts = count_labels(task.validation.targets, task.tags.size());
  const std::span<const double> prior = counts.values();
  const bool complete = std::find(prior.begin(), prior.end(), 0.0) == prior.end();
  const calibrate::LogitCalibration calibration =
      complete
          ? calibrate::fit_bias_corrected_temperature(validation.view(), task.validation.targets)
          : calibrate::fit_temperature(validation.view(), task.validation.targets);
  const std::vector<double> p = calibration.probabilities(test.view());
  add_reliability("raw", calibrate::LogitCalibration{}.probabilities(test.view()), task.tags.size(),
                  task.test.targets, measured);
  add_reliability("fitted", p, task.tags.size(), task.test.targets, measured);
  // With its biases p has the prior of validation, without them one that nobody knows.
  if (!complete) return;
  const MatrixView<const double> rows(p.data(), task.test.rows(), task.tags.size());
  const calibrate::EstimatedPrior estimated = calibrate::estimate_prior(rows, prior);
  std::vector<double> deployment;
  for (const double share : estimated.prior) deployment.push_back(std::max(share, 1e-9));
  const std::vector<double> shifted = calibrate::shift_prior(rows, prior, deployment);
  const std::vector<std::int64_t> tags =
      calibrate::predict(MatrixView<const double>(shifted.data(), rows.rows, rows.cols));
  for (const MetricValue& each : task.tagging_metrics(task.test, tags)) {
    if (each.metric == "token_macro_f1") measured.push_back({"token_macro_f1_em", "", each.value});
    if (each.metric == "entity_f1") measured.push_back({"entity_f1_em", "", each.value});
  }
  const ClassCounts truth = count_labels(task.types_of(task.test.targets), task.types() + 1);
  for (std::size_t k = 0; k < task.types(); ++k) {
    double share = 0;
    for (std::size_t t = 0; t < task.tags.size(); ++t) {
      if (task.tags.type(t) == k) share += estimated.prior[t];
    }
    measured.push_back({"tokens", task.tags.types()[k], truth[k + 1] / truth.total()});
    measured.push_back({"tokens_em", task.tags.types()[k], share});
  }
}

constexpr double kOutsideWeight = 0.25;
constexpr double kRepeatThreshold = 1;  // a type in a share f of the sentences: sqrt(1 / f) times

template <sampling::RepeatPolicy P>
std::vector<double> sentence_factors(const TaggingTask& task, const P& policy) {
  return sampling::repeat_factors(task.types_of(task.train.targets), task.train.unit_starts,
                                  task.types() + 1, policy, {.background = 0});
}

// How often a sentence is drawn, in proportion: epochs of all strategies have as many sentences.
std::vector<double> factors_of(const std::string& strategy, const TaggingTask& task) {
  if (strategy == "repeat_factor") {
    return sentence_factors(task, sampling::LvisRepeats{kRepeatThreshold});
  }
  if (strategy == "scr") return sentence_factors(task, sampling::CountRarenessRepeats{});
  return std::vector<double>(task.train.units(), 1.0);
}

std::vector<double> tempered(const ClassCounts& counts, double tau) {
  return class_weights(counts, PowerWeights{tau}, {.empty = EmptyClass::kLargest});
}

// Of tags by their type, B-X as I-X: by how many entities there are, and how many tokens outside.
std::vector<double> span_weights(const TaggingTask& task) {
  const std::vector<double> weights = tempered(
      count_labels(task.types_of(task.train.targets), task.span_shares, task.types() + 1), 0.5);
  std::vector<std::int64_t> all(task.tags.size());
  std::iota(all.begin(), all.end(), std::int64_t{0});
  std::vector<double> of_tags;
  for (const std::int64_t type : task.types_of(all)) {
    of_tags.push_back(weights[static_cast<std::size_t>(type)]);
  }
  return of_tags;
}

}  // namespace

const std::vector<std::string>& all_tagging_strategies() {
  static const std::vector<std::string> strategies = {
      "none",  "none_tau", "weights",       "weights_0.5", "outside", "spans_0.5",
      "focal", "dice",     "repeat_factor", "scr",         "drw",     "crt"};
  return strategies;
}

std::vector<double> TaggingTask::row_weights(const std::string& strategy) const {
  return strategy == "spans_0.5" ? span_shares : std::vector<double>();
}

Objective TaggingTask::objective(const std::string& strategy, std::uint64_t seed,
                                 std::uint64_t steps) const {
  Stream stream{sampling::EpochStream(
      sampling::SystematicResampling(factors_of(strategy, *this), train.units(), seed))};
  RampSchedule ramp;
  SoftmaxLoss<> loss;
  if (strategy == "weights") {
    loss.class_weights = tempered(counts, 1.0);
  } else if (strategy == "weights_0.5" || strategy == "drw" || retrains_head(strategy)) {
    loss.class_weights = tempered(counts, 0.5);
    if (strategy == "drw") ramp = {2 * steps / 3, 2 * steps / 3};
  } else if (strategy == "outside") {
    loss.class_weights.assign(tags.size(), 1.0);
    loss.class_weights[tags.label(metrics::TagPrefix::kOutside).value()] = kOutsideWeight;
  } else if (strategy == "spans_0.5") {
    loss.class_weights = span_weights(*this);
  }
  Loss any = loss;
  if (strategy == "focal") any = SoftmaxLoss<Focal>{Focal{2.0}};
  if (strategy == "dice") any = SoftmaxLoss<SelfAdjustingDice>{SelfAdjustingDice{0.01}};
  return {std::move(any), std::move(stream), ramp,
          absl::StrCat(strategy, ", deferred to step ", ramp.begin)};
}

std::unique_ptr<TaggingTask> make_tagging_task(const TaggedCorpus& corpus,
                                               const TokenFeatures& features,
                                               const std::string& model) {
  auto task = std::make_unique<TaggingTask>();
  task->description = corpus.description;
  task->classes = corpus.tags;
  task->tags = metrics::EntityTags(corpus.tags);
  task->shape = {features.columns, corpus.tags.size()};
  task->facts = features.facts;
  task->facts["model"] = model;
  task->facts["tags"] = corpus.tags;
  task->train = features.rows(corpus.train);
  task->validation = features.rows(corpus.validation);
  task->test = features.rows(corpus.test);
  task->counts = count_labels(task->train.targets, corpus.tags.size());
  for (const double count : task->counts.values()) task->prior.push_back(std::max(count, 0.5));
  task->span_shares = shares_of_spans(task->tags, task->train);
  return task;
}

std::vector<std::int64_t> TaggingTask::types_of(std::span<const std::int64_t> own) const {
  std::vector<std::int64_t> result;
  result.reserve(own.size());
  for (const std::int64_t tag : own) {
    result.push_back(static_cast<std::int64_t>(type_of(tags, static_cast<std::size_t>(tag))));
  }
  return result;
}

Decision TaggingTask::choose(const std::string& strategy, const Logits& logits) const {
  const bool is_posthoc = strategy == "none_tau";
  const std::span<const double> taus = is_posthoc ? std::span<const double>(kTaus) : kNoTau;
  const auto score = [&](const metrics::ConfusionMatrix& matrix) {
    return tag_macro_f1(tags, matrix);
  };
  const double tau =
      calibrate::choose_tau(logits.view(), validation.targets, prior, taus, score).tau;
  return {.offset = calibrate::posthoc_offset(prior, tau),
          .choice = is_posthoc ? absl::StrFormat("tau %.3g", tau) : ""};
}

Metrics TaggingTask::measure(const Examples& part, const Logits& logits,
                             const Decision& decision) const {
  return tagging_metrics(part, calibrate::predict(logits.view(), decision.offset));
}

Metrics TaggingTask::tagging_metrics(const Examples& part,
                                     std::span<const std::int64_t> predicted) const {
  metrics::ConfusionMatrix of_types(types() + 1);
  of_types.add(types_of(part.targets), types_of(predicted));
  metrics::EntityScores scores(tags);
  scores.add(part.targets, predicted, part.unit_starts);
  const metrics::EntityMetrics strict = scores.strict();
  Metrics measured = {{"token_macro_f1", "", type_macro_f1(of_types)},
                      {"entity_f1", "", strict.micro_f1()},
                      {"entity_f1_conlleval", "", scores.conlleval().micro_f1()},
                      {"entity_macro_f1", "", strict.macro_f1()},
                      {"entity_precision", "", strict.micro_precision()},
                      {"entity_recall", "", strict.micro_recall()}};
  for (std::size_t k = 0; k < types(); ++k) {
    const std::string& name = tags.types()[k];
    measured.push_back({"token_f1", name, of_types.f1(k + 1)});
    measured.push_back({"precision", name, strict.precision(k)});
    measured.push_back({"recall", name, strict.recall(k)});
    measured.push_back({"f1", name, strict.f1(k)});
  }
  return measured;
}

void TaggingTask::describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const {
  const std::vector<std::int64_t> predicted =
      calibrate::predict(trained.test.view(), trained.decision.offset);
  add_calibration(*this, trained.validation, trained.test, run.test);
  run.resampled = resampled_confusion(types_of(test.targets), types_of(predicted), types() + 1,
                                      type_macro_f1, test.unit_starts);
  run.second = resampled_entities(*this, predicted);
  model_facts["offset"] = trained.decision.offset;
}

}  // namespace equipoise::demos
