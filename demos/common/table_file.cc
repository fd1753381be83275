#include "demos/common/table_file.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <csv.h>

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {

namespace {

using Rows = std::vector<TableFile::Row>;

bool is_blank(const std::string& line) {
  return line.find_first_not_of(" \t") == std::string::npos;
}

char find_separator(const std::string& file, std::span<const std::string> lines) {
  for (const std::string& line : lines) {
    if (is_blank(line)) continue;
    const auto count = [&](char c) { return std::count(line.begin(), line.end(), c); };
    if (count('\t') > 0) return '\t';
    if (count(',') > 0 || count(';') > 0) return count(',') >= count(';') ? ',' : ';';
  }
  throw InputError(file, 1,
                   "expected columns with a tab, comma or semicolon between; is it another "
                   "--separator?");
}

Rows split_rows(std::span<const std::string> lines, char separator) {
  Rows rows;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_blank(lines[i])) continue;
    TableFile::Row row{i + 1};
    for (const absl::string_view cell : absl::StrSplit(lines[i], separator)) {
      row.cells.emplace_back(absl::StripAsciiWhitespace(cell));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// What libcsv calls back while it reads.
struct Reading {
  Rows rows{};
  TableFile::Row row{};
  bool has_ended_row = true;
};

extern "C" {
void take_cell(void* cell, std::size_t size, void* reading) {
  static_cast<Reading*>(reading)->row.cells.emplace_back(static_cast<const char*>(cell), size);
}
void take_row(int, void* given) {
  auto& reading = *static_cast<Reading*>(given);
  reading.rows.push_back(std::exchange(reading.row, {}));
  reading.has_ended_row = true;
}
}

// Nothing where quotes do not fit together.
std::optional<Rows> read_quoted(std::span<const std::string> lines, char separator) {
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
  const std::unique_ptr<csv_parser, void (*)(csv_parser*)> owner(&parser, csv_free);
  csv_set_delim(&parser, static_cast<unsigned char>(separator));
  Reading reading;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (reading.has_ended_row) {
      if (is_blank(lines[i])) continue;
      reading.row.line = i + 1;
      reading.has_ended_row = false;
    }
    const std::string text = lines[i] + "\n";
    const bool is_read =
        csv_parse(&parser, text.data(), text.size(), take_cell, take_row, &reading) == text.size();
    if (is_read) continue;
    if (csv_error(&parser) == CSV_ENOMEM) throw std::bad_alloc();
    return std::nullopt;
  }
  if (csv_fini(&parser, take_cell, take_row, &reading) != 0) return std::nullopt;
  return std::move(reading.rows);
}

// The first row that has another number of cells than the first; null if there is none.
const TableFile::Row* odd_row(const Rows& rows) {
  for (const TableFile::Row& row : rows) {
    if (row.cells.size() != rows.front().cells.size()) return &row;
  }
  return nullptr;
}

}  // namespace

TableFile read_table(const std::filesystem::path& path, char separator) {
  const std::vector<std::string> lines = read_lines(path);
  TableFile table{path.string()};
  if (std::all_of(lines.begin(), lines.end(), is_blank)) {
    throw InputError(table.name, 1, "there are only blank lines");
  }
  table.separator = separator != 0 ? separator : find_separator(table.name, lines);
  table.rows = split_rows(lines, table.separator);
  const bool has_quotes = std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find('"') != std::string::npos;
  });
  if (has_quotes) {
    std::optional<Rows> quoted = read_quoted(lines, table.separator);
    table.is_quoted = quoted && odd_row(*quoted) == nullptr &&
                      (odd_row(table.rows) != nullptr || quoted->size() == table.rows.size());
    if (table.is_quoted) table.rows = *std::move(quoted);
  }
  const std::size_t columns = table.rows.front().cells.size();
  if (columns < 2) {
    throw InputError(table.name, table.rows.front().line,
                     "expected at least two columns, found one; is it another --separator?");
  }
  if (const TableFile::Row* const odd = odd_row(table.rows)) {
    throw InputError(table.name, odd->line,
                     absl::StrCat("expected ", columns, " columns as in line ",
                                  table.rows.front().line, ", found ", odd->cells.size()));
  }
  return table;
}

bool is_column_number(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), absl::ascii_isdigit);
}

std::size_t column_of(const TableFile& table, std::string_view flag, const std::string& name) {
  const std::vector<std::string>& header = table.rows.front().cells;
  std::size_t number = 0;
  if (is_column_number(name) && absl::SimpleAtoi(name, &number)) {
    if (number >= 1 && number <= header.size()) return number - 1;
    throw InputError(absl::StrCat("--", std::string(flag), "=", name, ": ", table.name,
                                  " has the columns 1 to ", header.size()));
  }
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    throw InputError(absl::StrCat("--", std::string(flag), "=", name, ": no column of ", table.name,
                                  " has this name; its first row is ",
                                  absl::StrJoin(header, " | ")));
  }
  if (std::find(found + 1, header.end(), name) != header.end()) {
    throw InputError(absl::StrCat("--", std::string(flag), "=", name, ": two columns of ",
                                  table.name, " have this name; say a number from 1"));
  }
  return static_cast<std::size_t>(found - header.begin());
}

}  // namespace equipoise::demos
