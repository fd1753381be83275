#include "demos/ner/strategy.h"

#include <absl/strings/str_cat.h>

#include <utility>
#include <variant>

#include "equipoise/counts.h"
#include "equipoise/sampling/epoch_stream.h"
#include "equipoise/sampling/repeat_factors.h"
#include "equipoise/sampling/resampling.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

constexpr double kOutsideWeight = 0.25;
constexpr double kRepeatThreshold = 1;  // a type in a share f of the sentences: sqrt(1 / f) times

template <sampling::RepeatPolicy P>
std::vector<double> sentence_factors(const TaggingTask& task, const P& policy) {
  return sampling::repeat_factors(task.train.types, task.train.offsets, task.types() + 1, policy,
                                  {.background = 0});
}

// How often a sentence is drawn, in proportion: epochs of all strategies have as many sentences.
std::vector<double> factors_of(const std::string& strategy, const TaggingTask& task) {
  if (strategy == "repeat_factor") {
    return sentence_factors(task, sampling::LvisRepeats{kRepeatThreshold});
  }
  if (strategy == "scr") return sentence_factors(task, sampling::CountRarenessRepeats{});
  return std::vector<double>(task.train.sentences.size(), 1.0);
}

std::vector<double> tempered(const ClassCounts& counts, double tau) {
  return class_weights(counts, PowerWeights{tau}, {.empty = EmptyClass::kLargest});
}

// Of tags by their type, B-X as I-X: by how many entities there are, and how many tokens outside.
std::vector<double> span_weights(const TaggingTask& task) {
  const std::vector<double> of_types =
      tempered(count_labels(task.train.types, task.span_shares, task.types() + 1), 0.5);
  std::vector<double> weights;
  for (std::size_t t = 0; t < task.tags.size(); ++t) {
    const std::int64_t type = type_of_tag(task.tags, static_cast<std::int64_t>(t));
    weights.push_back(of_types[static_cast<std::size_t>(type)]);
  }
  return weights;
}

}  // namespace

const std::vector<std::string>& all_tagging_strategies() {
  static const std::vector<std::string> strategies = {
      "none",  "none_tau", "weights",       "weights_0.5", "outside", "spans_0.5",
      "focal", "dice",     "repeat_factor", "scr",         "drw",     "crt"};
  return strategies;
}

std::vector<double> token_weights(const std::string& strategy, const TaggingTask& task) {
  return strategy == "spans_0.5" ? task.span_shares : std::vector<double>();
}

Objective make_tagging_objective(const std::string& strategy, const TaggingTask& task,
                                 std::uint64_t seed, std::uint64_t steps) {
  const std::size_t sentences = task.train.sentences.size();
  Stream stream{sampling::EpochStream(
      sampling::SystematicResampling(factors_of(strategy, task), sentences, seed))};
  RampSchedule ramp;
  SoftmaxLoss<> loss;
  if (strategy == "weights") {
    loss.class_weights = tempered(task.counts, 1.0);
  } else if (strategy == "weights_0.5" || strategy == "drw") {
    loss.class_weights = tempered(task.counts, 0.5);
    if (strategy == "drw") ramp = {2 * steps / 3, 2 * steps / 3};
  } else if (strategy == "outside") {
    loss.class_weights.assign(task.tags.size(), 1.0);
    loss.class_weights[task.tags.label(metrics::TagPrefix::kOutside).value()] = kOutsideWeight;
  } else if (strategy == "spans_0.5") {
    loss.class_weights = span_weights(task);
  }
  Loss any = loss;
  if (strategy == "focal") any = SoftmaxLoss<Focal>{Focal{2.0}};
  if (strategy == "dice") any = SoftmaxLoss<SelfAdjustingDice>{SelfAdjustingDice{0.01}};
  return {std::move(any), std::move(stream), ramp,
          absl::StrCat(strategy, ", deferred to step ", ramp.begin)};
}

}  // namespace equipoise::demos
