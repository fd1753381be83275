// From logits to decisions and metrics, of all rows and by language.
#ifndef EQUIPOISE_DEMOS_QA_SCORES_H_
#define EQUIPOISE_DEMOS_QA_SCORES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/training.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

/// A class for each row.
std::vector<std::int64_t> decide(const QaTask& task, const Logits& logits,
                                 const Decision& decision);

/// What ranks sentences: the logit of `positive` less that of `other`.
std::vector<double> sentence_scores(const Logits& logits);

/// 1 over the rank of the best positive among the sentences of each question, which is the number
/// of negatives that score as high or higher, plus one; questions without a positive are left out.
/// Question u has the rows [question_starts[u], question_starts[u + 1]).
std::vector<double> reciprocal_ranks(std::span<const double> scores,
                                     std::span<const std::int64_t> is_positive,
                                     std::span<const std::size_t> question_starts);

/// Languages whose metrics can be compared: of types those that have rows of every type, or if
/// there are none, as of sentences, those that have rows.
std::vector<bool> comparable_languages(const QaTask& task, const Examples& part);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_SCORES_H_
