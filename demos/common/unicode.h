// Text as code points, by utf8proc.
#ifndef EQUIPOISE_DEMOS_COMMON_UNICODE_H_
#define EQUIPOISE_DEMOS_COMMON_UNICODE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace equipoise::demos {

/// The offset of the first byte that does not belong to a valid UTF-8 sequence, if there is one.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// The text in composed form (NFC) with case folded: what compares equal without regard to case.
/// Bytes that are not UTF-8 become U+FFFD.
std::string fold_case(std::string_view text);

/// A code point's kind, from its Unicode category.
enum class CharacterKind {
  kSpace,   ///< separators, tabs, line ends and other control characters
  kWord,    ///< letters, digits, marks, the underscore
  kSymbol,  ///< everything else: punctuation, emoji
};

/// A code point of a text: where it stands and of what kind it is.
struct Character {
  std::size_t begin;
  std::size_t size;
  CharacterKind kind;
};

/// The code point at an offset of valid UTF-8.
Character character_at(std::string_view text, std::size_t offset);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_UNICODE_H_
