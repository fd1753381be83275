// Files of rows in columns: CSV, TSV and the like.
#ifndef EQUIPOISE_DEMOS_COMMON_TABLE_FILE_H_
#define EQUIPOISE_DEMOS_COMMON_TABLE_FILE_H_

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {

struct TableFile {
  struct Row {
    std::size_t line = 0;  ///< where it begins, from 1
    std::vector<std::string> cells{};
  };

  std::string name;  ///< of the file, for messages
  std::vector<Row> rows{};
  char separator = ',';
  bool is_quoted = false;     ///< whether quotes around cells have been taken off
  std::size_t odd_quote = 0;  ///< the line whose quotes do not fit together; 0: none
};

/// Reads a table, its header (if it has one) as the first row. Blank lines are skipped, blanks
/// around cells are dropped, a byte order mark too.
///
/// Cells may be in quotes, which may hold separators, line ends and doubled quotes (RFC 4180), if
/// the quotes of the whole file fit together and rows have as many cells then. Else quotes are
/// characters like others; so they are if reading them so gives more rows, with as many cells in
/// each. The separator is the given one; for 0 that of tab, comma and semicolon with which all rows
/// have as many cells, two or more: of several the one that the first line has, a tab first, then
/// the more frequent.
/// @throws InputError for a file that cannot be read or is blank, a line that is not UTF-8, one
/// column, and a row with more or fewer cells than the first.
TableFile read_table(const std::filesystem::path& path, char separator = 0);

/// The separator that --separator names: a character, or "tab"; 0 for nothing.
/// @throws InputError for anything else.
char separator_named(const std::string& name);

/// "a tab", "a comma", "'|'".
std::string separator_name(char separator);

/// The place of a column that --flag names: by its number from 1, or as the first row has it.
/// @throws InputError that lists the first row for a name that is not in it, or stands there twice.
std::size_t column_of(const TableFile& table, std::string_view flag, const std::string& name);

bool is_column_number(std::string_view name);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_TABLE_FILE_H_
