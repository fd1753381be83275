// Questions on texts in the format of SQuAD.
#ifndef EQUIPOISE_DEMOS_QA_SQUAD_H_
#define EQUIPOISE_DEMOS_QA_SQUAD_H_

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/qa/answer_place.h"

namespace equipoise::demos {

/// An answer that its context holds, or should.
struct SquadAnswer {
  std::string text;  ///< as the context has it, where it stands there
  /// Where it begins in its context, in bytes; nothing if it does not stand there.
  std::optional<std::size_t> begin = std::nullopt;
};

struct SquadQuestion {
  std::string id;
  std::string text;
  std::size_t context = 0;  ///< an index into SquadText::contexts
  std::vector<SquadAnswer> answers;
};

/// What was found in texts. Places are "FILE:0: data[0].paragraphs[2].qas[1]...".
struct SquadReport {
  std::size_t without_answers = 0;  ///< questions, as those that SQuAD 2.0 calls impossible
  OffsetUnit unit = OffsetUnit::kCodePoints;  ///< what the offsets of the text count
  Finding respelled;     ///< answers that are an equivalent of what stands at their place
  Finding moved;         ///< answers that stand elsewhere in the context
  Finding lost;          ///< answers that do not stand in the context
  Finding blank;         ///< answers without a text that have a place, which are left out
  Finding impossible;    ///< questions that are said to have no answer and have one
  Finding repeated_ids;  ///< questions
};

struct SquadText {
  std::vector<std::string> contexts;     ///< the texts that questions are on
  std::vector<SquadQuestion> questions;  ///< in the order of the file
  SquadReport report;
};

/// Reads data.paragraphs.{context, qas.{id, question, is_impossible, answers}}, as SQuAD (Rajpurkar
/// et al. 2016, arXiv:1606.05250; 2018, arXiv:1806.03822), MLQA (Lewis et al. 2020) and TyDi QA
/// (Clark et al. 2020) have it, and data.{id, context, question, answers}, as Hugging Face's tools
/// write it. Other members are not read.
///
/// The list of articles or rows may stand for itself, without the object that has it as "data".
///
/// Identifiers are texts or whole numbers, places whole numbers, also as 4.0. Answers are a list of
/// {text, answer_start}, one such object, or {text: [...], answer_start: [...]}. A question without
/// answers has an empty list, null, or an answer without a text (null, "" or white space), which
/// should have no place either
/// (-1 or null), but where is_impossible is true; "answers" may be
/// missing where is_impossible is true, and from some questions of a text that has it for others.
/// Where is_impossible is true, answers are left out: they are only plausible ones.
///
/// Offsets count what most of the text's answers agree with: code points, else UTF-16 units, else
/// bytes of UTF-8. An answer that does not stand at its place may have an equivalent there, as
/// AnswerFinder has it, which is taken for it. Else it is misplaced: it is taken from the place to
/// which its offset leads in another unit, from the nearest place at which it stands, or, without
/// an offset, from the only one.
///
/// Repaired, misplaced answers and questions with the identifier of another in the same text are
/// counted; TyDi QA numbers its questions from 0 in each part.
///
/// `name` stands for the file in errors. O(size), but for answers that do not stand where they
/// should, each of which searches its context. An offset beyond the context is one of them, and is
/// taken for its end.
/// @throws InputError for what parse_json() refuses, a member that is missing or of another type,
/// an offset below -1, lists of texts and offsets of different lengths, a text without any
/// question, and any defect if these are refused.
SquadText parse_squad(std::string_view text, std::string_view name, Flaws flaws = Flaws::kRepair);

/// Reads a file.
/// @throws as parse_squad() does, and InputError for a file that cannot be read.
SquadText read_squad(const std::filesystem::path& file, Flaws flaws = Flaws::kRepair);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_SQUAD_H_
