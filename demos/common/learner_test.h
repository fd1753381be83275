// What the tests of all learners share: small examples, losses of every kind, streams, scripts.
#ifndef EQUIPOISE_DEMOS_COMMON_LEARNER_TEST_H_
#define EQUIPOISE_DEMOS_COMMON_LEARNER_TEST_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/learner.h"
#include "demos/common/objective.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {

inline constexpr std::size_t kColumns = 12;
inline constexpr std::size_t kClasses = 3;
inline constexpr std::size_t kGroups = 2;

struct ExampleOptions {
  std::size_t rows = 50;
  bool has_several_labels = false;
  bool has_groups = false;
  bool has_weights = false;
  bool has_units = false;  ///< runs of one to three rows
};

/// Rows of three classes, five to two to one, each told by a column of its own among two others;
/// one row in thirteen is empty. With several labels the next class may be there besides.
inline Examples random_examples(const ExampleOptions& options, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  Examples examples;
  if (options.has_several_labels) examples.labels = kClasses;
  if (options.has_units) examples.unit_starts = {0};
  for (std::size_t r = 0; r < options.rows; ++r) {
    const std::size_t die = random() % 8;
    const std::size_t y = die < 5 ? 0 : die < 7 ? 1 : 2;
    const std::size_t second = options.has_several_labels && random() % 3 == 0 ? (y + 1) % 3 : y;
    std::set<std::size_t> columns;
    if (random() % 13 != 0) columns = {y, second, 3 + random() % 9, 3 + random() % 9};
    for (const std::size_t column : columns) {
      examples.features.columns.push_back(static_cast<std::int32_t>(column));
      examples.features.values.push_back(static_cast<float>(1 + random() % 8) / 8);
    }
    examples.features.starts.push_back(examples.features.columns.size());
    if (options.has_several_labels) {
      for (std::size_t l = 0; l < kClasses; ++l) {
        examples.targets.push_back(l == y || l == second ? 1 : 0);
      }
    } else {
      examples.targets.push_back(static_cast<std::int64_t>(y));
    }
    if (options.has_groups) {
      examples.groups.push_back(static_cast<std::int64_t>(random() % kGroups));
    }
    if (options.has_weights) examples.weights.push_back(static_cast<double>(random() % 5) / 2);
  }
  while (options.has_units && examples.unit_starts.back() < options.rows) {
    examples.unit_starts.push_back(
        std::min(examples.unit_starts.back() + 1 + random() % 3, options.rows));
  }
  return examples;
}

/// Shuffled passes over all units.
inline Stream pass_over(std::size_t units, std::uint64_t seed = 5) {
  const std::vector<std::int64_t> one_class(units, 0);
  const std::vector<double> mass = {1};
  return Stream(
      sampling::ClassSampler(one_class, mass, seed, {.mode = sampling::Mode::kExactQuota}));
}

/// A loss of each kind, with all that is a number a class.
struct LossCase {
  std::string name;
  Loss loss;
  bool has_several_labels = false;
};

inline std::vector<LossCase> loss_cases() {
  SoftmaxLoss<CrossEntropy> cross_entropy;
  cross_entropy.class_weights = {0.5, 1, 2};
  SoftmaxLoss<Focal> focal;
  focal.modulator.gamma = 2;
  focal.class_weights = {0.5, 1.5, 1};
  SoftmaxLoss<SelfAdjustingDice> dice;
  dice.class_weights = {1, 1, 3};
  SigmoidLoss<BinaryCrossEntropy> binary;
  binary.class_weights = {0.5, 1, 2};
  binary.pos_weight = {1, 2, 4};
  SigmoidLoss<SigmoidFocal> sigmoid_focal;
  sigmoid_focal.pos_weight = {2, 1, 3};
  SigmoidLoss<AsymmetricFocal> asymmetric;
  asymmetric.class_weights = {1, 2, 1};
  return {{"cross-entropy", cross_entropy, false}, {"focal", focal, false},
          {"self-adjusting Dice", dice, false},    {"binary cross-entropy", binary, true},
          {"sigmoid focal", sigmoid_focal, true},  {"asymmetric", asymmetric, true}};
}

/// Scores for the epochs, one after the other, whatever the logits are; counts them.
struct ScoreScript {
  std::vector<double> scores;
  std::size_t epochs = 0;

  Validate validate() {
    return [this](const Logits&) { return Metrics{{"score", "", scores.at(epochs++)}}; };
  }
};

/// Options under which the last epoch is the best in a script that rises.
inline TrainingOptions small_training() {
  TrainingOptions options;
  options.epochs = 3;
  options.batch_size = 8;
  options.rate = 2;
  options.monitor = "score";
  return options;
}

inline Fit fit_quietly(Learner& learner, const Examples& train, const Examples& validation,
                       const Objective& objective, const TrainingOptions& options,
                       const Validate& validate) {
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  return learner.fit(train, validation, objective, options, validate, progress);
}

/// Trains all epochs and keeps the last.
inline Fit fit_to_the_end(Learner& learner, const Examples& train, const Objective& objective,
                          const TrainingOptions& options) {
  ScoreScript script{std::vector<double>(options.epochs)};
  for (std::size_t e = 0; e < options.epochs; ++e) script.scores[e] = static_cast<double>(e);
  return fit_quietly(learner, train, train, objective, options, script.validate());
}

/// Of class weights that set in late the epochs before do not count, however good; nor do they
/// where the weights never set in, and the last epoch is kept.
inline void expect_waits_for_deferred_weights(
    const std::function<std::unique_ptr<Learner>()>& make) {
  const Examples train = random_examples({});
  TrainingOptions options = small_training();
  options.epochs = 6;
  constexpr std::uint64_t kSteps = 7;  // an epoch
  SoftmaxLoss<CrossEntropy> loss;
  loss.class_weights = {0.5, 1, 2};
  const auto after_epochs = [&](const Objective& objective, std::uint64_t epochs) {
    TrainingOptions cut = options;
    cut.max_steps = epochs * kSteps;
    const std::unique_ptr<Learner> learner = make();
    fit_quietly(*learner, train, train, objective, cut, {});
    return learner->parameters();
  };
  const auto fit = [&](const Objective& objective, const std::unique_ptr<Learner>& learner) {
    ScoreScript script{{9, 8, 7, 3, 2, 1}};
    return fit_quietly(*learner, train, train, objective, options, script.validate());
  };
  const Objective late{loss, pass_over(train.units()), {3 * kSteps, 3 * kSteps}};
  const std::unique_ptr<Learner> learner = make();
  const Fit reached = fit(late, learner);
  EXPECT_EQ(reached.epoch, 3U);
  EXPECT_EQ(reached.score, 3);
  EXPECT_EQ(reached.steps, 6 * kSteps);
  EXPECT_EQ(learner->parameters(), after_epochs(late, 4));
  EXPECT_NE(learner->parameters(), after_epochs({loss, late.stream}, 4));
  const Objective never{loss, late.stream, {100, 100}};
  const std::unique_ptr<Learner> other = make();
  const Fit last = fit(never, other);
  EXPECT_EQ(last.epoch, 5U);
  EXPECT_EQ(other->parameters(), after_epochs(never, 6));
  EXPECT_EQ(last.validation.values, other->logits(train).values);
  const std::unique_ptr<Learner> third = make();
  EXPECT_EQ(fit({loss, late.stream}, third).epoch, 0U);
}

/// The class with the largest logit, row by row.
inline std::vector<std::int64_t> largest_of(const Logits& logits) {
  std::vector<std::int64_t> result;
  for (std::size_t begin = 0; begin < logits.values.size(); begin += logits.classes) {
    const auto first = logits.values.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = first + static_cast<std::ptrdiff_t>(logits.classes);
    result.push_back(std::max_element(first, last) - first);
  }
  return result;
}

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_LEARNER_TEST_H_
