// Questions in many languages with the types of their answers, in three parts.
#ifndef EQUIPOISE_DEMOS_QA_ANSWER_TYPES_H_
#define EQUIPOISE_DEMOS_QA_ANSWER_TYPES_H_

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "demos/common/features.h"
#include "demos/qa/afriqa.h"

namespace equipoise::demos {

struct AnswerTypeData {
  std::string description;  ///< a line or more: what it is and what was left out
  std::vector<std::string> languages;
  std::vector<AfriqaQuestion> train;
  std::vector<AfriqaQuestion> validation;
  std::vector<AfriqaQuestion> test;
  std::vector<std::string> types = answer_type_names();
  bool is_translated = true;  ///< whether questions have translations
};

/// Where AfriQA lies in what --data names: there, or in afriqa/ or qa/afriqa/ under it. The
/// directory itself if it is in none of them.
std::filesystem::path afriqa_directory(const std::filesystem::path& data);

/// AfriQA: dev is for testing, for the test files have hardly a question without an answer; a fifth
/// of the training files is for validation, stratified by language and type. Questions that stand
/// in an earlier part are left out, and so are damaged lines if they are to be skipped.
/// @throws InputError as read_afriqa(), and where a type has no question to train or to test on.
AnswerTypeData load_answer_types(const std::filesystem::path& directory,
                                 bool skips_damaged = false);

/// Questions that a generator makes, for a first look without data: six invented languages from
/// 1,200 training questions down to 80, types 15 to 1. Equal on every platform.
AnswerTypeData synthetic_answer_types();

/// Columns of the rows that QuestionFeatures makes.
inline constexpr std::size_t kQuestionColumns = 2 * std::size_t{kTextColumns};

/// A row for each question: the n-grams of the question and those of its translation, of characters
/// and of words apart, each of these four a vector of length one by tf-idf. Marks at both ends make
/// n-grams of how a text begins and ends.
class QuestionFeatures {
 public:
  /// Learns idf from questions for training.
  explicit QuestionFeatures(std::span<const AfriqaQuestion> training);

  /// As learnt before, from facts().
  /// @throws nlohmann::json::exception, std::invalid_argument for what facts() does not give.
  explicit QuestionFeatures(const nlohmann::json& facts);
  nlohmann::json facts() const;

  SparseRows operator()(std::span<const AfriqaQuestion> questions) const;

 private:
  TfIdf question_;
  TfIdf translation_;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_ANSWER_TYPES_H_
