#include "demos/common/text_table.h"

#include <absl/strings/str_replace.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

std::size_t width_of(const std::string& text) { return code_point_offsets(text).size() - 1; }

}  // namespace

TextTable::TextTable(std::vector<std::string> header) : widths_(header.size(), 3) {
  add_row(std::move(header));
}

void TextTable::add_row(std::vector<std::string> cells) {
  if (cells.size() != widths_.size()) {
    throw std::invalid_argument("TextTable::add_row(): expected as many cells as in the header");
  }
  for (std::size_t k = 0; k < cells.size(); ++k) {
    // What Markdown takes for the end of a cell or of a row.
    cells[k] = absl::StrReplaceAll(cells[k], {{"|", "\\|"}, {"\n", " "}});
    widths_[k] = std::max(widths_[k], width_of(cells[k]));
  }
  rows_.push_back(std::move(cells));
}

std::string TextTable::to_string() const {
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;  // under the header
    for (std::size_t k = 0; k < widths_.size(); ++k) {
      const std::string& cell = rows_[r][k];
      const std::string padding(widths_[k] - width_of(cell), ' ');
      text += "| " + (k == 0 ? cell + padding : padding + cell) + ' ';
      const std::string dashes(widths_[k] + 1, '-');
      line += k == 0 ? "|:" + dashes : '|' + dashes + ':';
    }
    text += "|\n";
    if (r == 0) text += line + "|\n";
  }
  return text;
}

}  // namespace equipoise::demos
