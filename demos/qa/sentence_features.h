// What tells that a sentence answers a question, as sparse vectors.
#ifndef EQUIPOISE_DEMOS_QA_SENTENCE_FEATURES_H_
#define EQUIPOISE_DEMOS_QA_SENTENCE_FEATURES_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "demos/common/features.h"

namespace equipoise::demos {

/// A question, and the sentences of the text that it is on.
struct SentenceQuestion {
  std::string text;
  std::string language;
  std::vector<std::string> sentences;
  std::vector<std::int64_t> is_answer{};  ///< of each sentence, 0 or 1
  /// Questions of one number may ask for one fact, such as translations; -1: no other does.
  std::int64_t fact = -1;
};

/// Columns of the rows that SentenceFeatures makes.
inline constexpr std::size_t kSentenceColumns = std::size_t{1} << 18;

/// A row for each sentence of each question, of
///   - how much of the question stands in it: the share of the question's words, and of their
///     pieces, weighed by how rare they are at all, and how rare within this text; how far that
///     leads over the other sentences; the same of the sentences before and after
///   - its place, its length, and how many sentences there are
///   - what it has besides the question's words (numbers, names, quotes, ...), for itself and
///     crossed with the question's most telling words: "when" wants a number. What these words are
///     is learnt, so that any language will do.
/// Numbers become levels: a piecewise linear function of them can be learnt. Columns are hashed.
class SentenceFeatures {
 public:
  /// Learns what is rare, and with what words one asks, from questions for training.
  explicit SentenceFeatures(std::span<const SentenceQuestion> training);

  /// As learnt before, from facts().
  /// @throws nlohmann::json::exception, std::invalid_argument for what facts() does not give.
  explicit SentenceFeatures(const nlohmann::json& facts);
  nlohmann::json facts() const;

  SparseRows operator()(std::span<const SentenceQuestion> questions) const;

 private:
  std::vector<float> word_idf_;              // by bucket
  std::vector<float> piece_idf_;             // by bucket
  std::vector<std::uint64_t> asking_words_;  // that many questions have; ascending
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_SENTENCE_FEATURES_H_
