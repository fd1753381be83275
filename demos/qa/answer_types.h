// Questions in many languages with the types of their answers.
#ifndef EQUIPOISE_DEMOS_QA_ANSWER_TYPES_H_
#define EQUIPOISE_DEMOS_QA_ANSWER_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/features.h"
#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/own_files.h"

namespace equipoise::demos {

/// What an answer is: one of AfriQA's types, or the number of a label of other questions.
enum class AnswerType : std::int64_t { kText, kNoAnswer, kNumberDate, kYesNo };

/// text, no_answer, number_date, yes_no.
const std::vector<std::string>& answer_type_names();

/// The type of a list of answers in English or French, written as a list in Python: ['Lagos'].
///
/// Its outer brackets are dropped; it is split where a quote, a comma, a space and a quote follow
/// one another; white space around the parts, quotes around them and full stops at their end are
/// dropped, white space is folded, case is folded; empty parts are dropped. No part is
/// left: no_answer. A part is yes, no, oui or non: yes_no. A part has a digit and at most three
/// letters besides names of months and units: number_date. Else it is text.
AnswerType answer_type_of(std::string_view answers);

struct AfriqaQuestion {
  std::string language;
  std::string text;
  std::string translation;  ///< into English or French
  AnswerType type = AnswerType::kText;
};

/// Reads a part of AfriQA (Ogundepo et al. 2023, arXiv:2305.06897): a JSON object a line, with
/// lang, question, translated_question and translated_answer, which are strings; other members are
/// not read. Lines may be blank. `name` stands for the file in errors. Damaged are lines that are
/// not JSON or not UTF-8, and objects without one of the members or with one of another type:
/// without `damaged` an error, else left out and counted there. O(size).
/// @throws InputError for an empty text, and for what is damaged.
std::vector<AfriqaQuestion> parse_afriqa(std::string_view text, std::string_view name,
                                         Finding* damaged = nullptr);

/// Reads the files of a part, sorted by language, in a directory:
/// queries.afriqa.<language>.<pivot language>.<part>.json.
/// @throws InputError as parse_afriqa(), for a directory without such a file, and for a question of
/// another language than its file's.
std::vector<AfriqaQuestion> read_afriqa(const std::filesystem::path& directory,
                                        const std::string& part, Finding* damaged = nullptr);

/// Drops the questions of which a known one has the same language and, with white space folded, the
/// same text. Returns how many.
std::size_t drop_known(const std::vector<AfriqaQuestion>& known,
                       std::vector<AfriqaQuestion>& questions);

/// The language of questions that name none.
inline constexpr const char* kUnnamedLanguage = "unnamed";

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

/// Tables of one's own, with the labels as they stand, as load_files() reads them; `columns` names
/// no files. Without a column of languages all questions are of one, kUnnamedLanguage.
/// @throws InputError as load_files(), and for several tables for one part.
AnswerTypeData load_own_types(const PartFiles& files, OwnFiles columns);

/// The table for testing alone, of the classes and languages of a model.
/// @throws InputError as load_rows(), and where one of them goes by language and the other does
/// not.
AnswerTypeData load_own_type_test(const PartFiles& files, OwnFiles columns,
                                  const std::vector<std::string>& types,
                                  const std::vector<std::string>& languages);

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
