#include "demos/common/text_table.h"

#include <absl/strings/str_replace.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

std::size_t width_of(const std::string& text) { return code_point_offsets(text).size() - 1; }

// Cells without what Markdown takes for the end of a cell or of a row.
std::vector<std::string> escaped(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = absl::StrReplaceAll(cell, {{"|", "\\|"}, {"\n", " "}});
  return cells;
}

}  // namespace

TextTable::TextTable(std::vector<std::string> header) {
  rows_.push_back(escaped(std::move(header)));
}

void TextTable::add_row(std::vector<std::string> cells) {
  if (cells.size() != rows_.front().size()) {
    throw std::invalid_argument(
        "TextTable::add_row(): cells.size() = " + std::to_string(cells.size()) + ", expected " +
        std::to_string(rows_.front().size()) + ", the header's");
  }
  rows_.push_back(escaped(std::move(cells)));
}

std::string TextTable::to_string() const {
  std::vector<std::size_t> widths(rows_.front().size(), 3);
  for (const auto& row : rows_) {
    for (std::size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], width_of(row[k]));
  }
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t k = 0; k < widths.size(); ++k) {
      const std::string& cell = rows_[r][k];
      const std::string padding(widths[k] - width_of(cell), ' ');
      text += "| " + (k == 0 ? cell + padding : padding + cell) + ' ';
    }
    text += "|\n";
    if (r > 0) continue;
    for (std::size_t k = 0; k < widths.size(); ++k) {
      text += k == 0 ? "|:" + std::string(widths[k] + 1, '-')
                     : '|' + std::string(widths[k] + 1, '-') + ':';
    }
    text += "|\n";
  }
  return text;
}

}  // namespace equipoise::demos
