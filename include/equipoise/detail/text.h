// Columns of text, for tables that people read.
#ifndef EQUIPOISE_DETAIL_TEXT_H_
#define EQUIPOISE_DETAIL_TEXT_H_

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace equipoise::detail {

// Characters of UTF-8 text: bytes that continue none.
inline std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
  }));
}

inline std::string right_aligned(std::string_view text, std::size_t width) {
  const std::size_t used = characters(text);
  return std::string(width > used ? width - used : 0, ' ') += text;
}

inline std::string with_digits(double value, int digits) {
  std::string text(static_cast<std::size_t>(std::snprintf(nullptr, 0, "%.*f", digits, value)), ' ');
  std::snprintf(text.data(), text.size() + 1, "%.*f", digits, value);
  return text;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_TEXT_H_
