// Tagged sentences in the format of the CoNLL shared tasks.
#ifndef EQUIPOISE_DEMOS_NER_CONLL_H_
#define EQUIPOISE_DEMOS_NER_CONLL_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/input_error.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::demos {

/// A sentence as tokens, each with a tag: an index into a list of tags.
struct TaggedSentence {
  std::vector<std::string> tokens;
  std::vector<std::int64_t> tags;

  friend bool operator==(const TaggedSentence&, const TaggedSentence&) = default;
};

/// A scheme as its users call it.
struct FileScheme {
  std::string_view flag;      ///< as --scheme has it: "bilou"
  std::string_view name;      ///< "BILOU"
  metrics::TagScheme scheme;  ///< what the letters mean
  std::string_view letters;   ///< begin, inside and, in kBioes, end, single, in this order: "BILU"
};

/// IOB2 (also called BIO), IOB1, BIOES (IOBES), BILOU and BMES; see TagScheme.
std::span<const FileScheme> file_schemes();

/// The scheme that --scheme names; nothing for "auto".
std::optional<FileScheme> file_scheme(std::string_view flag);

struct ConllOptions {
  /// The column in which the token stands, from 1; 0 for the first, which must not number the
  /// tokens then.
  std::size_t token_column = 0;
  /// The column in which the tag stands, from 1, not that of the tokens; 0 for the last.
  std::size_t tag_column = 0;
  /// Of the file; without it the one that fits the most tags. What is read is in IOB2.
  std::optional<FileScheme> scheme = std::nullopt;
  /// Repaired, broken tag sequences are read as conlleval does, and malformed rows are left out;
  /// but a tag that fits no scheme is an error then, and so is a file of which more than 1 % is
  /// left out for one reason.
  Flaws flaws = Flaws::kRepair;
  /// The tags that are known before, such as those of the training files: none, or as
  /// ConllText::tags has them.
  std::vector<std::string> tags = {};
  /// Whether types that those lack are an error, as for files on which a model is tested.
  bool refuses_new_types = false;
};

/// What was found in the lines of files: lines = tokens + malformed + skipped + blank_lines.
struct ConllReport {
  std::size_t lines = 0;
  std::size_t blank_lines = 0;
  std::size_t tokens = 0;
  std::size_t sentences = 0;
  Finding malformed;  ///< rows left out
  Finding broken;     ///< sentences whose tags were repaired
  Finding skipped;    ///< -DOCSTART- lines and comments
  Finding converted;  ///< files whose tags are in another notation than IOB2 with B- and I-

  /// Adds what was found in further files.
  ConllReport& operator+=(const ConllReport& other);
};

/// The report in a line of text, for people.
std::string summary(const ConllReport& report);

struct ConllText {
  std::vector<TaggedSentence> sentences;
  /// O, then B-X and I-X for each type X: those of ConllOptions::tags, then new ones in the order
  /// in which they first appear.
  std::vector<std::string> tags;
  ConllReport report;
};

/// Reads a text: a token a line with its columns, separated by tabs or, in lines without a tab, by
/// spaces; blank lines, which may hold white space, separate sentences. Spaces around a column do
/// not belong to it, those inside a token do where tabs separate the columns.
///
/// Lines whose first column or token is -DOCSTART- are skipped; they separate sentences too. So are
/// comments: lines that begin with # and have no tag in the column of tags, or whose columns differ
/// in number or separator from those of all rows that do not begin with #.
///
/// The notation of the tags is the one that fits most of them. Of IOB1 and IOB2 it is the one with
/// fewer broken sequences. Malformed are rows with too few columns, without a token or a tag, with
/// a tag that the notation does not have, or with bytes that are zero or not UTF-8. Lines end as
/// split_lines() has it. A sequence is broken where a tag cannot follow its predecessor. The column
/// of tokens numbers them if there are at least three rows, and in most the number at its end (7,
/// 7., 3-7 and w7 have 7) follows that of the row before, or begins a sentence with 0 or 1.
///
/// `name` stands for the file in errors. O(size).
/// @throws InputError for a text without any token, a column of numbers where tokens are expected,
/// what options refuse, and more than 1000 types, which means that the column is another one.
ConllText parse_conll(std::string_view text, std::string_view name,
                      const ConllOptions& options = {});

/// Reads files, one after the other, as if they were one with a blank line between.
/// @throws as parse_conll() does for each, and InputError for a file that cannot be read.
ConllText read_conll(std::span<const std::filesystem::path> files,
                     const ConllOptions& options = {});

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_CONLL_H_
