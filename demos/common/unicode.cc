#include "demos/common/unicode.h"

#include <utf8proc.h>

#include <algorithm>
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

std::string with_replacements(std::string_view text) {
  std::string valid;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = code_point_at(text, i);
    valid += point.value < 0 ? std::string_view("\uFFFD") : text.substr(i, point.size);
    i += point.size;
  }
  return valid;
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
  if (first_invalid_utf8(text)) return fold_case(with_replacements(text));
  constexpr auto kOptions =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
  utf8proc_uint8_t* folded = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &folded, kOptions);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(folded, &std::free);
  if (size < 0) throw std::bad_alloc();  // the only error that valid UTF-8 leaves
  return {reinterpret_cast<const char*>(folded), static_cast<std::size_t>(size)};
}

Character character_at(std::string_view text, std::size_t offset) {
  const CodePoint point = code_point_at(text, offset);
  Character character{offset, point.size, CharacterKind::kSymbol};
  if (point.value < 0) return character;
  switch (utf8proc_category(point.value)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
    case UTF8PROC_CATEGORY_PC:
      character.kind = CharacterKind::kWord;
      break;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
      character.kind = CharacterKind::kSpace;
      break;
    default:
      break;
  }
  return character;
}

}  // namespace equipoise::demos
