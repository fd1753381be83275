// Either task as models see it.
#ifndef EQUIPOISE_DEMOS_QA_TASK_H_
#define EQUIPOISE_DEMOS_QA_TASK_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/task.h"
#include "demos/encoder/word_piece.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/sentence_data.h"
#include "equipoise/counts.h"

namespace equipoise::demos {

/// The tasks by the names that flags and saved models have for them.
inline constexpr std::string_view kAnswerType = "answer_type";
inline constexpr std::string_view kSentenceSelection = "sentence_selection";

/// What makes pieces of questions with their sentences, a row each.
struct PairPieces {
  WordPiece tokenizer;
  std::size_t most_pieces = 0;

  /// Rows without targets.
  Examples operator()(std::span<const SentenceQuestion> questions) const;
};

/// Groups of rows are languages. Where sentences are selected, the classes are `other` and
/// `positive`, and units of validation and test are questions: their sentences.
///
/// Metrics of types:
///   accuracy, macro_f1, balanced_accuracy; precision, recall and f1 of each type
///   macro_f1 and accuracy of each language (of the types that it has there), language_f1 their
///   mean macro-F1, worst_language_f1 the lowest of comparable_languages(); so of accuracy
/// and of sentences:
///   positive_f1; at a probability of a half, positive_f1_half; of the questions that have several
///   sentences, positive_f1_several; mrr, the mean reciprocal rank; average_precision; precision,
///   recall and f1 of positives
///   f1 and mrr of each language, language_f1 and language_mrr their means, worst_language_f1 and
///   worst_language_mrr the lowest
struct QaTask final : Task {
  std::string name{};
  std::vector<std::string> languages{};
  GroupedCounts counts{};  ///< training rows by language and class
  /// Bootstraps resample the test rows [fact_starts[f], fact_starts[f + 1]) together; empty: units.
  std::vector<std::size_t> fact_starts{};
  bool is_translated = true;  ///< of types: whether questions have translations

  bool selects_sentences() const { return name == kSentenceSelection; }
  ClassCounts class_counts() const { return counts.total(); }
  const std::vector<std::size_t>& resampled_starts() const {
    return fact_starts.empty() ? test.unit_starts : fact_starts;
  }

  std::string headline() const override { return selects_sentences() ? "positive_f1" : "macro_f1"; }
  std::size_t resampled_units() const override {
    return fact_starts.empty() ? test.units() : fact_starts.size() - 1;
  }
  Objective objective(const std::string& strategy, std::uint64_t seed,
                      std::uint64_t steps) const override;
  /// Of sentences the threshold with the best F1 of positives, on the logit of `positive` less that
  /// of `other`; of types the tau of none_tau.
  Decision choose(const std::string& strategy, const Logits& logits) const override;
  Metrics measure(const Examples& part, const Logits& logits,
                  const Decision& decision) const override;
  /// How calibrated the probabilities of test rows are, as add_reliability() has it, of the most
  /// probable type or of `positive`: `raw` and, with temperature and biases that fit validation
  /// best (Alexandari et al. 2020, arXiv:1901.06852), `fitted`. The second resampled metric is that
  /// of the worst language. The facts have the fitted a, b_0, b_1, ... of softmax(a z + b).
  void describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const override;
  /// What each strategy draws and weighs.
  std::string preview(const std::vector<std::string>& strategies) const override;
  std::string summary(const ExperimentOptions& options, const Results& results) const override;
  NamedPlots plots(const ExperimentOptions& options, const Results& results) const override;
};

QaTask make_task(const AnswerTypeData& data);
QaTask make_task(const SentenceData& data);
/// With question and sentence as a pair of texts for an encoder; `facts` say which.
QaTask make_task(const SentenceData& data, const PairPieces& pieces, const nlohmann::json& facts);

/// Questions as rows with targets; a question of a language that is not in the list has none of
/// its group, -1.
Examples make_examples(const QuestionFeatures& features, std::span<const AfriqaQuestion> questions,
                       std::span<const std::string> languages);
Examples make_examples(const SentenceFeatures& features,
                       std::span<const SentenceQuestion> questions,
                       std::span<const std::string> languages);

Examples make_examples(const PairPieces& pieces, std::span<const SentenceQuestion> questions,
                       std::span<const std::string> languages);

/// What tells rows from others: units, rows, and a digest of targets, languages and units.
std::string fingerprint(const Examples& examples);

/// The languages from the one with most training rows to that with fewest.
std::vector<std::size_t> languages_by_size(const QaTask& task);

/// How a metric of a language is labelled: "lang=sw".
std::string language_label(const std::string& language);

/// The library's calls that make up a strategy: C++ lines that take `labels`, `classes` and `seed`,
/// and, where languages differ, the number of each row's in `groups`, of `languages`; the lines of
/// sentences choose their threshold by `scores` and `targets`. tau is the first seed's.
std::string qa_code(const QaTask& task, const Outcome& outcome);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_TASK_H_
