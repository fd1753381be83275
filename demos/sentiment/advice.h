// What a user can take from the table: the strategy, what it costs, and the lines of code.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_ADVICE_H_
#define EQUIPOISE_DEMOS_SENTIMENT_ADVICE_H_

#include <string>

#include "demos/common/experiment.h"
#include "demos/sentiment/task.h"

namespace equipoise::demos {

/// The library's calls that make up a strategy, for texts with one label or with several: C++ lines
/// that take `labels`, `classes` and `seed`, or `positives` and `rows`. tau is the first seed's.
std::string code_of(const Task& task, const Outcome& outcome);

/// The strategy that is best on validation: its flag, its gain on test, what it does to
/// probabilities, and code_of() it.
std::string advice(const Task& task, const ExperimentOptions& options, const Results& results);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_ADVICE_H_
