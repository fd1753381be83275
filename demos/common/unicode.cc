#include "demos/common/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>

namespace equipoise::demos {

namespace {

struct CodePoint {
  utf8proc_int32_t value = -1;  // -1: not UTF-8
  std::size_t size = 1;
};

CodePoint code_point_at(std::string_view text, std::size_t offset) {
  CodePoint point;
  const utf8proc_ssize_t size =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + offset,
                       static_cast<utf8proc_ssize_t>(text.size() - offset), &point.value);
  if (size > 0) point.size = static_cast<std::size_t>(size);
  if (size <= 0) point.value = -1;
  return point;
}

// A text by utf8proc's options.
std::string mapped(std::string_view text, int options) {
  if (first_invalid_utf8(text)) return mapped(to_utf8(code_points(text)), options);
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                             static_cast<utf8proc_ssize_t>(text.size()), &result,
                                             static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (size < 0) throw std::bad_alloc();  // the only error that valid UTF-8 leaves
  return {reinterpret_cast<const char*>(result), static_cast<std::size_t>(size)};
}

// Whether a code point's category lies in a range of utf8proc's order: L, M, N, P, S, Z, C.
bool is_between(utf8proc_category_t first, utf8proc_category_t last, char32_t point) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(point));
  return first <= category && category <= last;
}

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = code_point_at(text, i);
    if (point.value < 0) return i;
    i += point.size;
  }
  return std::nullopt;
}

std::string fold_case(std::string_view text) {
  return mapped(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
}

std::string decomposed(std::string_view text) {
  return mapped(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
}

std::u32string code_points(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = code_point_at(text, i);
    points += point.value < 0 ? U'\uFFFD' : static_cast<char32_t>(point.value);
    i += point.size;
  }
  return points;
}

std::vector<std::size_t> code_point_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  offsets.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); i += code_point_at(text, i).size) offsets.push_back(i);
  offsets.push_back(text.size());
  return offsets;
}

std::string to_utf8(std::u32string_view points) {
  std::string text;
  text.reserve(points.size());
  for (const char32_t point : points) {
    const auto value = static_cast<utf8proc_int32_t>(point);
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t size =
        utf8proc_encode_char(utf8proc_codepoint_valid(value) ? value : 0xfffd, bytes);
    text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  return text;
}

bool is_punctuation(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO, point);
}

bool is_closing_punctuation(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_PE, UTF8PROC_CATEGORY_PF, point) || point == U'"' ||
         point == U'\'';
}

bool is_letter_or_number(char32_t point) {
  return is_letter(point) || is_between(UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO, point);
}

bool is_mark(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME, point);
}

bool is_letter(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO, point);
}

bool is_upper_case(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LT, point) && !is_lower_case(point);
}

bool is_lower_case(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LL, point);
}

bool is_digit(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_ND, point);
}

bool is_white_space(char32_t point) {
  return is_between(UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP, point) ||
         (point >= U'\t' && point <= U'\r') || (point >= 0x1c && point <= 0x1f) || point == 0x85;
}

Character character_at(std::string_view text, std::size_t offset) {
  const CodePoint code = code_point_at(text, offset);
  const auto point = static_cast<char32_t>(code.value);
  CharacterKind kind = CharacterKind::kSymbol;
  if (code.value >= 0 && is_between(UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_PC, point)) {
    kind = CharacterKind::kWord;
  } else if (code.value >= 0 && is_between(UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_CC, point)) {
    kind = CharacterKind::kSpace;
  }
  return {offset, code.size, kind};
}

}  // namespace equipoise::demos
