// The questions of AfriQA by the type of their answers.
#ifndef EQUIPOISE_DEMOS_QA_AFRIQA_H_
#define EQUIPOISE_DEMOS_QA_AFRIQA_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/input_error.h"

namespace equipoise::demos {

/// What an answer is: one of AfriQA's types, or the number of a label of other questions.
enum class AnswerType : std::int64_t { kText, kNoAnswer, kNumberDate, kYesNo };

/// The names of the types, in the order of their values: text, no_answer, number_date, yes_no.
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

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_AFRIQA_H_
