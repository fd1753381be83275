// What the tests of both backends share.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_CLASSIFIER_TEST_H_
#define EQUIPOISE_DEMOS_SENTIMENT_CLASSIFIER_TEST_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "demos/sentiment/classifier.h"
#include "demos/sentiment/experiment.h"

namespace equipoise::demos {

/// Three classes, 40 to 8 to 2, told apart by a word.
inline Task small_task() {
  Corpus corpus{"", {"red", "green", "blue"}, {}, {}, {}};
  const std::size_t sizes[] = {40, 8, 2};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < sizes[c]; ++i) {
      corpus.train.add(corpus.classes[c] + " thing " + std::to_string(i % 7),
                       static_cast<std::int64_t>(c));
    }
    corpus.validation.add("one " + corpus.classes[c], static_cast<std::int64_t>(c));
    corpus.test.add("a " + corpus.classes[c] + " thing", static_cast<std::int64_t>(c));
  }
  return make_task(corpus);
}

inline TrainingOptions small_training() {
  return {.epochs = 3, .batch_size = 8, .hidden = 0, .rate = 2};
}

/// Trains all epochs of a strategy and returns the number of batches.
inline std::uint64_t train(Classifier& model, const Task& task, const Strategy& strategy,
                           const TrainingOptions& options) {
  const Objective objective = make_objective(strategy, task.counts);
  const ClassSampler stream(task.train.labels, objective.proportions, 5,
                            {.mode = SamplingMode::kExactQuota});
  std::uint64_t batches = 0;
  for (std::uint64_t epoch = 0; epoch < options.epochs; ++epoch) {
    model.train_epoch(task.train, objective, stream, epoch, [&] { ++batches; });
  }
  return batches;
}

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_CLASSIFIER_TEST_H_
