// Text as code points, by utf8proc.
#ifndef EQUIPOISE_DEMOS_COMMON_UNICODE_H_
#define EQUIPOISE_DEMOS_COMMON_UNICODE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {

/// The offset of the first byte that does not belong to a valid UTF-8 sequence, if there is one.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// The text in composed form (NFC) with case folded: what compares equal without regard to case.
/// Bytes that are not UTF-8 become U+FFFD.
std::string fold_case(std::string_view text);

/// The text in canonically decomposed form (NFD): texts that Unicode calls canonically equivalent
/// are equal in it. Bytes that are not UTF-8 become U+FFFD.
std::string decomposed(std::string_view text);

/// The code points of a text, and back. Bytes that are not UTF-8 become U+FFFD, each by itself; so
/// does what is no code point, surrogates among them.
std::u32string code_points(std::string_view text);
std::string to_utf8(std::u32string_view points);

/// Where each code point of a text begins, in bytes, and after the last one the size of the text.
/// Bytes that are not UTF-8 count by themselves, as in code_points(). O(size).
std::vector<std::size_t> code_point_offsets(std::string_view text);

/// Whether a code point is of a Unicode category: P, without symbols such as + or $; L or N; M,
/// what is written onto the letter before it; L; Lu or Lt; Ll; Nd, the decimal digits of any
/// script.
bool is_punctuation(char32_t point);
bool is_letter_or_number(char32_t point);
bool is_mark(char32_t point);
bool is_letter(char32_t point);
bool is_upper_case(char32_t point);
bool is_lower_case(char32_t point);
bool is_digit(char32_t point);

/// Whether a code point is punctuation that closes: of category Pe or Pf, or of Pi, as some
/// languages close with what others open with; also the typewriter's quotes.
bool is_closing_punctuation(char32_t point);

/// Whether Python's str.split() parts words at a code point: category Z, tabs, line ends and the
/// separators U+001C to U+001F.
bool is_white_space(char32_t point);

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
