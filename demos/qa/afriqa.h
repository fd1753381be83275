// The questions of AfriQA by the type of their answers.
#ifndef EQUIPOISE_DEMOS_QA_AFRIQA_H_
#define EQUIPOISE_DEMOS_QA_AFRIQA_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/finding.h"

namespace equipoise::demos {

/// What an answer is: one of AfriQA's types, or the number of a label of other questions.
enum class AnswerType : std::int64_t { kText, kNoAnswer, kNumberDate, kYesNo };

/// The names of the types, in the order of their values: text, no_answer, number_date, yes_no.
const std::vector<std::string>& answer_type_names();

/// The type of a list of answers in English or French, written as a list in Python: ['Lagos'].
///
/// Its outer brackets are dropped; it is split where a quote, a comma, a space and a quote follow
/// one another; white space around the parts, quotes around them and full stops at their end are
/// dropped, white space is folded, letters are lower-cased; empty parts are dropped. No part is
/// left: no_answer. A part is yes, no, oui or non: yes_no. A part has a digit and at most three
/// letters besides names of months and units: number_date. Else it is text.
AnswerType answer_type_of(std::string_view answers);

struct AfriqaQuestion {
  std::string language;
  std::string text;
  std::string translation;  ///< into English or French
  AnswerType type = AnswerType::kText;
};

/// What becomes of lines that are no questions.
enum class DamagedLines {
  kRefuse,  ///< an error
  kCount,   ///< they are left out and counted
};

/// Reads a part of AfriQA (Ogundepo et al. 2023, arXiv:2305.06897): a JSON object a line, with
/// lang, question, translated_question and translated_answer, which are strings; other members are
/// not read. Lines may be blank. `name` stands for the file in errors. Damaged are lines that are
/// not JSON or not UTF-8, and objects without one of the members or with one of another type:
/// without `damaged` an error, else left out and counted there. O(size).
/// @throws InputError for an empty text, and for what is damaged.
std::vector<AfriqaQuestion> parse_afriqa(std::string_view text, std::string_view name,
                                         Finding* damaged = nullptr);

struct AfriqaCorpus {
  std::vector<std::string> languages;  ///< those of the training files, sorted
  std::vector<AfriqaQuestion> train;   ///< by language
  std::vector<AfriqaQuestion> dev;
  std::vector<AfriqaQuestion> test;
  /// How many were dropped because a question of the same language and, with white space folded,
  /// the same text stands in train.
  std::size_t dev_dropped = 0;
  std::size_t test_dropped = 0;
  Finding damaged{};  ///< lines that were left out
};

/// Reads the files of a directory that are called
/// queries.afriqa.<language>.<pivot language>.<train, dev or test>.json.
/// @throws InputError as parse_afriqa(), for a directory without such a file for each of the three,
/// and for a question of another language than its file's.
AfriqaCorpus load_afriqa(const std::filesystem::path& directory,
                         DamagedLines damaged = DamagedLines::kRefuse);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_AFRIQA_H_
