// Questions on texts, and the sentences of those texts that answer them.
#ifndef EQUIPOISE_DEMOS_QA_SENTENCES_H_
#define EQUIPOISE_DEMOS_QA_SENTENCES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/features.h"
#include "demos/common/files.h"
#include "demos/common/input_error.h"

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
  /// What the offsets of the text count: code points, as SQuAD itself, UTF-16 units, as browsers,
  /// Java and C# do (two for an emoji), or UTF-8 bytes.
  std::string unit = "code points";
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
/// write it, or the list of articles or rows by itself; docs/qa.md has the ways to write answers.
/// Those of a question that is_impossible are left out: they are only plausible ones.
///
/// Offsets count what most of the text's answers agree with: code points, else UTF-16 units, else
/// bytes. An answer that does not stand at its place may have an equivalent there, with other white
/// space or accents that are composed otherwise, which is taken for it. Else it is misplaced: it is
/// taken from the place to which its offset leads in another unit, from the nearest place at which
/// it stands, or, without an offset, from the only one. TyDi QA numbers its questions from 0 in
/// each part, so that identifiers are repeated.
///
/// `name` stands for the file in errors. O(size), but for answers that do not stand where they
/// should, each of which searches its context.
/// @throws InputError for what parse_json() refuses, for members that are missing or of another
/// type, for a text without any question, and for any defect if these are refused.
SquadText parse_squad(std::string_view text, std::string_view name, Flaws flaws = Flaws::kRepair);
SquadText read_squad(const std::filesystem::path& file, Flaws flaws = Flaws::kRepair);

/// Bytes [begin, end) of a text.
struct TextRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const TextRange&, const TextRange&) = default;
};

/// What a language writes otherwise than most.
struct SentenceRules {
  /// Whether a number of one or two digits with a full stop is an ordinal, as in German ("am 3.
  /// Mai"), the Nordic and Slavic languages, Hungarian and Turkish. Then no sentence ends there.
  bool ordinals = false;
};

/// The sentences of a text in any language, without white space around them: in order, apart, and
/// together all of the text but white space. The rules are in the spirit of Unicode's (UAX #29).
///
/// A sentence ends at a line end and after one or more marks that end sentences in some script
/// (property Sentence_Terminal, the ellipsis, the Greek question mark). What closes behind them is
/// part of it: quotes, brackets, and references such as [12]. It goes on all the same before a
/// comma, colon, semicolon or hyphen and, where all marks are full stops or ellipses,
///   - before a lower case letter, also after white space;
///   - after a full stop behind a single letter: J. Smith, z. B., U.S.;
///   - before a letter or digit without white space between: 3.14, example.com. It ends there if
///     that starts with a capital and two lower case letters stand before the stop, as where a
///     space was lost, and between letters of a script without case.
/// It knows no abbreviations. Bytes that are not UTF-8 are as U+FFFD. O(size).
std::vector<TextRange> split_sentences(std::string_view text, const SentenceRules& rules = {});

/// A context as its sentences, by the rules of its language.
std::vector<std::string> sentences_of(std::string_view context, std::string_view language);

/// A question, and the sentences of the text that it is on.
struct SentenceQuestion {
  std::string text;
  std::string language;
  std::vector<std::string> sentences;
  std::vector<std::int64_t> is_answer{};  ///< of each sentence, 0 or 1
  /// Questions of one number may ask for one fact, such as translations; -1: no other does.
  std::int64_t fact = -1;
};

struct SentenceData {
  std::string description;  ///< a line or more: what it is and what was found and left out
  std::vector<std::string> languages;
  std::vector<SentenceQuestion> train;
  std::vector<SentenceQuestion> validation;
  std::vector<SentenceQuestion> test;  ///< questions of one fact stand together
};

/// The files in what --data names that are in the format of SQuAD: there, in mlqa/ and
/// tydiqa_goldp/ under it, and in the same under qa/. Sorted.
std::vector<std::filesystem::path> squad_files(const std::filesystem::path& data);

/// All questions of all files: a fifth for testing, a fifth for validation, the others for
/// training. No fact is in two parts, and of each language a part has its share. Of one fact are
/// questions on the same context, those with the same identifier, unless a file repeats it, those
/// of the same text in the same language, and all that these join. A sentence is an answer if it
/// holds one or a piece of one. Left out are files whose questions are of another language than
/// their contexts, and questions none of whose answers is to be found.
/// @throws InputError where there is no file, for a file whose name says no language, for one that
/// cannot be read or of which more than 1 % of the questions are left out, unless such are skipped,
/// for any defect if these are refused, and for too few facts.
SentenceData load_sentence_data(const std::filesystem::path& data, Flaws flaws);

/// Files of one's own, of any name, the language of which is kUnnamedLanguage if it says none. By
/// fact, a tenth of train is taken for validation and a fifth for testing, where these have no
/// file. Left out are test and validation questions whose text or words stand in train, and
/// validation questions whose stand in test. The description lists the classes.
/// @throws InputError as load_sentence_data() does, and for a language that train does not have.
SentenceData load_sentence_files(const PartFiles& files, Flaws flaws);

/// Files for testing alone, of the languages of a model.
SentenceData load_sentence_test(const std::vector<std::filesystem::path>& files,
                                const std::vector<std::string>& languages, Flaws flaws);

/// Texts and questions that a generator makes, for a first look without data: five invented
/// languages from 900 questions down to 60. Equal on every platform.
SentenceData synthetic_sentence_data();

struct Word {
  std::string text;             ///< composed, case folded
  bool has_digit = false;       ///< of any script
  bool is_capitalized = false;  ///< its first letter, and it is not the first word
  /// One character of a script that puts no spaces between words.
  bool is_character = false;
  bool joins = false;  ///< to the word before: nothing stands between them
};

/// The words of a text: runs of letters, digits and marks. Where words are not set apart, in
/// Chinese and Japanese, Thai, Lao, Khmer and Burmese, each character is one. The text is valid
/// UTF-8. O(size).
std::vector<Word> words_of(std::string_view text);

/// Parts of words, as 64-bit hashes that stand for them, with repetitions: 3 and 4 characters of
/// each word, its ends marked; and of characters that join, 2 and 3 one after the other. They tell
/// that two words share a stem.
std::vector<std::uint64_t> pieces_of(std::span<const Word> words);

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
  std::array<std::vector<float>, 2> idf_;    // of words and of pieces, by bucket
  std::vector<std::uint64_t> asking_words_;  // that many questions have; ascending
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_SENTENCES_H_
