// How CoNLL files write tags: which letters mark an entity, and where in a tag they stand.
#ifndef EQUIPOISE_DEMOS_NER_TAG_NOTATION_H_
#define EQUIPOISE_DEMOS_NER_TAG_NOTATION_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "equipoise/metrics/entity_tags.h"

namespace equipoise::demos {

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

/// Where the letter of a tag stands.
enum class TagForm {
  kPrefix,  ///< B-PER or B_PER
  kSuffix,  ///< PER-B or PER_B
  kLetter,  ///< B: entities have no types
};

struct TagNotation {
  FileScheme scheme;
  TagForm form = TagForm::kPrefix;

  /// For people: "BIOES", "IOB2 with the letter behind the type".
  std::string text() const;
  /// What a tag must be: "O or a type after B- or I-".
  std::string expected() const;
};

/// The type of entities that have none in their file.
inline constexpr std::string_view kOnlyType = "entity";

/// A tag as it stands in a file.
struct WrittenTag {
  std::optional<std::size_t> letter;  ///< an index into FileScheme::letters; nothing for O
  std::string_view type;              ///< empty for O
};

/// Nothing for a text that is not a tag of the notation.
std::optional<WrittenTag> parse_tag(std::string_view text, const TagNotation& notation);

/// How often each tag occurs.
using TagTexts = std::map<std::string_view, std::size_t, std::less<>>;

/// The notation that fits the most tags; of several the first in the order of file_schemes() and of
/// TagForm. IOB1 is never found, as its tags are those of IOB2: only their sequences differ.
/// O(distinct tags).
TagNotation find_notation(const TagTexts& tags, const std::optional<FileScheme>& scheme);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_TAG_NOTATION_H_
