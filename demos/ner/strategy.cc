// What the demo compares: ways to train a tagger where almost every token is O.
#include <absl/strings/str_cat.h>

#include <numeric>
#include <utility>
#include <variant>

#include "demos/ner/task.h"
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

}  // namespace equipoise::demos
