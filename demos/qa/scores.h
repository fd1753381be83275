// From logits to decisions and figures, of all rows and by language.
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

/// How logits become decisions.
struct QaDecision {
  std::vector<double> offset{};  ///< of types: what is added to the logits; empty: nothing
  double threshold = 0;          ///< of sentences: on the logit of `positive` less that of `other`
  std::string choice{};          ///< what was chosen, for people; may be empty
};

/// Chooses on validation: of sentences the threshold with the best F1 of positives; of types, where
/// the correction is wanted, the tau of logits - tau log prior with the best macro-F1.
QaDecision choose_decision(const QaTask& task, bool posthoc, const Logits& validation);

/// A class a row.
std::vector<std::int64_t> decide(const QaTask& task, const Logits& logits,
                                 const QaDecision& decision);

/// What ranks sentences: the logit of `positive` less that of `other`.
std::vector<double> sentence_scores(const Logits& logits);

/// 1 over the rank of the best positive among the sentences of each question, which is the number
/// of negatives that score as high or higher, plus one; questions without a positive are left out.
/// Question u has the rows [question_starts[u], question_starts[u + 1]).
std::vector<double> reciprocal_ranks(std::span<const double> scores,
                                     std::span<const std::int64_t> is_positive,
                                     std::span<const std::size_t> question_starts);

/// The figures of rows, of types:
///   accuracy, macro_f1, balanced_accuracy; precision, recall and f1 of each type
///   macro_f1 and accuracy of each language (of the types that it has there), language_f1 their
///   mean macro-F1, worst_language_f1 the lowest of comparable_languages(); so of accuracy
/// and of sentences:
///   positive_f1; at a probability of a half, positive_f1_half; of the questions that have several
///   sentences, positive_f1_several; mrr, the mean reciprocal rank; average_precision; precision,
///   recall and f1 of positives
///   f1 and mrr of each language, language_f1 and language_mrr their means, worst_language_f1 and
///   worst_language_mrr the lowest
Figures qa_figures(const QaTask& task, const Examples& part, const Logits& logits,
                   const QaDecision& decision);

/// Languages whose figures can be compared: of types those that have rows of every type, or if
/// there are none, as of sentences, those that have rows.
std::vector<bool> comparable_languages(const QaTask& task, const Examples& part);

/// The figure by which strategies of a task are chosen and compared.
std::string headline_of(const QaTask& task);

/// Figures on test of facts that are taken so often, for bootstraps.
struct QaResampled {
  std::function<double(std::span<const std::uint32_t>)> headline;
  std::function<double(std::span<const std::uint32_t>)> worst_language;
};
QaResampled qa_resampled(const QaTask& task, const std::vector<std::int64_t>& decisions);

/// How calibrated the probabilities of test rows are, as add_reliability() has it, of the most
/// probable type or of `positive`: `raw` and, with temperature and biases that fit validation best
/// (Alexandari et al. 2020, arXiv:1901.06852), `fitted`.
struct QaCalibration {
  std::vector<double> scale_and_bias{};  ///< fitted: a, b_0, b_1, ... of softmax(a z + b)
  Figures figures{};
};
QaCalibration qa_calibration(const QaTask& task, const Logits& validation, const Logits& test);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_SCORES_H_
