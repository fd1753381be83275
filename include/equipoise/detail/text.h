// Columns of text, for tables that people read.
#ifndef EQUIPOISE_DETAIL_TEXT_H_
#define EQUIPOISE_DETAIL_TEXT_H_

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "equipoise/detail/check.h"

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

// Lines of a name and of columns, all to the right.
class Table {
 public:
  // Names are as wide as the widest of `names`, and at least as `least`; `gap` follows them.
  Table(std::span<const std::string> names, std::size_t least, std::size_t column_width,
        std::string_view gap = "")
      : names_(names), width_(least), column_width_(column_width), gap_(gap) {
    for (const std::string& name : names) width_ = std::max(width_, characters(name));
  }

  void line(std::string_view name, std::initializer_list<std::string> columns) {
    text_.append(right_aligned(name, width_)).append(gap_);
    for (const std::string& column : columns) text_ += ' ' + right_aligned(column, column_width_);
    text_ += '\n';
  }
  // That of row i, by its name, or its number where rows have none.
  void line(std::size_t i, std::initializer_list<std::string> columns) {
    line(names_.empty() ? std::to_string(i) : names_[i], columns);
  }
  void blank_line() { text_ += '\n'; }
  const std::string& text() const { return text_; }

 private:
  std::span<const std::string> names_;
  std::size_t width_;
  std::size_t column_width_;
  std::string_view gap_;
  std::string text_{};
};

// Refuses names that are not one a class, if there are any.
inline void require_names(std::string_view where, std::span<const std::string> names,
                          std::size_t classes) {
  if (!names.empty()) require_size(where, "names", names.size(), classes, "classes");
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_TEXT_H_
