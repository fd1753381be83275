// Tagged sentences in the format of the CoNLL shared tasks.
#ifndef EQUIPOISE_DEMOS_NER_CONLL_H_
#define EQUIPOISE_DEMOS_NER_CONLL_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/finding.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::demos {

/// A sentence as tokens, each with a tag: an index into a list of tags.
struct TaggedSentence {
  std::vector<std::string> tokens;
  std::vector<std::int64_t> tags;

  friend bool operator==(const TaggedSentence&, const TaggedSentence&) = default;
};

/// What becomes of rows that are malformed and of tag sequences that are broken.
enum class ConllFlaws {
  kRepair,  ///< such rows are left out, such sequences read as conlleval does; both are counted
  kRefuse,  ///< an error
};

/// What becomes of entity types that ConllOptions::tags lacks.
enum class NewTypes {
  kAdd,     ///< they are added
  kRefuse,  ///< an error: as for files on which a model is tested
};

struct ConllOptions {
  /// The column in which the tag stands, from 1; 0 for the last. The token stands in the first.
  std::size_t tag_column = 0;
  /// Of the file. What is read is in IOB2.
  TagScheme scheme = TagScheme::kIob2;
  ConllFlaws flaws = ConllFlaws::kRepair;
  /// The tags that are known before, such as those of the training files: as ConllText::tags.
  std::vector<std::string> tags = {};
  NewTypes new_types = NewTypes::kAdd;
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

/// Reads a text: a token a line with its columns, parted by tabs or, in lines without a tab, by
/// spaces; sentences parted by blank lines, which may hold white space. Spaces around a column are
/// no part of it, those inside a token are if tabs part the columns.
///
/// Lines whose first column is -DOCSTART- are skipped; they part sentences too. So are comments:
/// lines that begin with # and have no tag in the column of tags. Malformed rows are those with too
/// few columns, without a token, with a tag that is none of the scheme or holds white space, or
/// with bytes that are not UTF-8. A sequence is broken where a tag cannot follow its predecessor.
///
/// `name` stands for the file in errors. O(size).
/// @throws InputError for a text without any token, a flaw or a new type if options refuse them,
/// and more than 1000 types, which means that the column is another one; std::invalid_argument for
/// options.tags that no such text has, and a column of tags that is that of the tokens.
ConllText parse_conll(std::string_view text, std::string_view name,
                      const ConllOptions& options = {});

/// Reads files, one after the other, as if they were one with a blank line between.
/// @throws as parse_conll() does for each, and InputError for a file that cannot be read.
ConllText read_conll(std::span<const std::filesystem::path> files,
                     const ConllOptions& options = {});

/// Sentences as a text that parse_conll() reads: token, tab, tag; a blank line after each sentence.
/// @throws std::out_of_range for a tag that is no index into the list.
std::string format_conll(std::span<const TaggedSentence> sentences,
                         std::span<const std::string> tags);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_CONLL_H_
