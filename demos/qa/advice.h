// The library's calls that make up a strategy.
#ifndef EQUIPOISE_DEMOS_QA_ADVICE_H_
#define EQUIPOISE_DEMOS_QA_ADVICE_H_

#include <string>

#include "demos/common/experiment.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

/// C++ lines of a strategy that take `labels`, `classes` and `seed`, and, where languages differ,
/// the number of each row's in `groups`, of `languages`; the lines of sentences choose their
/// threshold by `scores` and `targets`. tau is the first seed's.
std::string qa_code(const QaTask& task, const Outcome& outcome);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_ADVICE_H_
