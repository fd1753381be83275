// Either task as models see it.
#ifndef EQUIPOISE_DEMOS_QA_TASK_H_
#define EQUIPOISE_DEMOS_QA_TASK_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/examples.h"
#include "demos/encoder/encoder_flags.h"
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
struct QaTask {
  std::string name;
  std::vector<std::string> classes;
  std::vector<std::string> languages;
  GroupedCounts counts;  ///< training rows by language and class
  std::size_t columns = 0;
  nlohmann::json features;  ///< what makes the rows of other questions
  Examples train;
  Examples validation;
  Examples test;
  /// Bootstraps resample the test rows [fact_starts[f], fact_starts[f + 1]) together; empty: units.
  std::vector<std::size_t> fact_starts{};
  bool is_translated = true;  ///< of types: whether questions have translations

  bool selects_sentences() const { return name == kSentenceSelection; }
  ClassCounts class_counts() const { return counts.total(); }
  const std::vector<std::size_t>& resampled_starts() const {
    return fact_starts.empty() ? test.unit_starts : fact_starts;
  }
  std::size_t resampled_units() const {
    return fact_starts.empty() ? test.units() : fact_starts.size() - 1;
  }
};

QaTask make_task(const AnswerTypeData& data);
QaTask make_task(const SentenceData& data);
/// With question and sentence as a pair of texts for an encoder.
QaTask make_task(const SentenceData& data, const Encoding& encoding);

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

/// The classes, or the languages, from the one with most training rows to that with fewest.
std::vector<std::size_t> classes_by_size(const QaTask& task);
std::vector<std::size_t> languages_by_size(const QaTask& task);

/// How a figure of a language is labelled: "lang=sw".
std::string language_label(const std::string& language);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_TASK_H_
