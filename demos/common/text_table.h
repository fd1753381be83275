// Tables that read well on a terminal and are Markdown.
#ifndef EQUIPOISE_DEMOS_COMMON_TEXT_TABLE_H_
#define EQUIPOISE_DEMOS_COMMON_TEXT_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace equipoise::demos {

/// A Markdown table, padded so that columns stand under each other: the first column to the left,
/// numbers to the right. Widths count code points. A "|" in a cell is escaped, a line end becomes
/// a space.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header);

  /// @throws std::invalid_argument for a row with another number of cells than the header.
  void add_row(std::vector<std::string> cells);
  std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_{};
  std::vector<std::size_t> widths_;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_TEXT_TABLE_H_
