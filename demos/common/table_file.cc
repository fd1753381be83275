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

// Tabs are no blanks: they may part cells.
bool is_blank(const std::string& line) { return line.find_first_not_of(' ') == std::string::npos; }

std::string stripped(std::string_view cell) {
  return std::string(absl::StripAsciiWhitespace(absl::string_view(cell.data(), cell.size())));
}

// What may part the columns, the likeliest first.
std::vector<char> likely_separators(const std::string& line) {
  const auto count = [&](char c) { return std::count(line.begin(), line.end(), c); };
  if (count('\t') > 0) return {'\t', ',', ';'};
  return count(',') >= count(';') ? std::vector<char>{',', ';', '\t'}
                                  : std::vector<char>{';', ',', '\t'};
}

Rows split_rows(std::span<const std::string> lines, char separator) {
  Rows rows;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_blank(lines[i])) continue;
    TableFile::Row row{i + 1};
    for (const absl::string_view cell : absl::StrSplit(lines[i], separator)) {
      row.cells.push_back(stripped({cell.data(), cell.size()}));
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
  const char* const begin = cell == nullptr ? "" : static_cast<const char*>(cell);
  static_cast<Reading*>(reading)->row.cells.push_back(stripped({begin, size}));
}
void take_row(int, void* given) {
  auto& reading = *static_cast<Reading*>(given);
  reading.rows.push_back(std::exchange(reading.row, {}));
  reading.has_ended_row = true;
}
}

// Rows, or the line at which quotes do not fit together.
struct Quoted {
  Rows rows{};
  std::size_t odd_line = 0;
};

Quoted read_quoted(std::span<const std::string> lines, char separator) {
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
    return {{}, i + 1};
  }
  if (csv_fini(&parser, take_cell, take_row, &reading) != 0) return {{}, reading.row.line};
  return {std::move(reading.rows)};
}

// The first row that has another number of cells than the first; null if there is none.
const TableFile::Row* odd_row(const Rows& rows) {
  for (const TableFile::Row& row : rows) {
    if (row.cells.size() != rows.front().cells.size()) return &row;
  }
  return nullptr;
}

// With this separator; `why_not` says what is wrong with rows that are not all alike.
struct Parsed {
  TableFile table;
  std::string why_not{};
  std::size_t line = 0;
};

Parsed parse(const std::string& name, std::span<const std::string> lines, char separator) {
  Parsed parsed{{.name = name, .rows = split_rows(lines, separator), .separator = separator}};
  TableFile& table = parsed.table;
  const bool has_quotes = std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find('"') != std::string::npos;
  });
  if (has_quotes) {
    Quoted quoted = read_quoted(lines, separator);
    table.odd_quote = quoted.odd_line;
    const bool is_plain = odd_row(table.rows) == nullptr;
    if (quoted.odd_line == 0 && (!is_plain || (odd_row(quoted.rows) == nullptr &&
                                               quoted.rows.size() == table.rows.size()))) {
      table.rows = std::move(quoted.rows);
      table.is_quoted = true;
    }
  }
  const TableFile::Row& first = table.rows.front();
  if (const TableFile::Row* const odd = odd_row(table.rows)) {
    parsed.line = odd->line;
    parsed.why_not = absl::StrCat("expected ", first.cells.size(), " columns as in line ",
                                  first.line, ", found ", odd->cells.size());
    if (table.odd_quote != 0) {
      absl::StrAppend(&parsed.why_not, "; quotes are read as characters, for those of line ",
                      table.odd_quote, " do not fit together");
    }
  } else if (first.cells.size() < 2) {
    parsed.line = first.line;
    parsed.why_not = "expected at least two columns, found one";
  }
  return parsed;
}

}  // namespace

char separator_named(const std::string& name) {
  if (name == "tab") return '\t';
  if (name.size() > 1) {
    throw InputError(absl::StrCat("--separator=", name, ": expected a character, or tab"));
  }
  return name.empty() ? '\0' : name[0];
}

std::string separator_name(char separator) {
  return separator == '\t'  ? "a tab"
         : separator == ',' ? "a comma"
         : separator == ';' ? "a semicolon"
                            : absl::StrCat("'", std::string{separator}, "'");
}

TableFile read_table(const std::filesystem::path& path, char separator) {
  const std::string name = path.string();
  const std::vector<std::string> lines = read_lines(path);
  const auto first = std::find_if_not(lines.begin(), lines.end(), is_blank);
  if (first == lines.end()) throw InputError(name, 1, "there are only blank lines");
  const std::vector<char> separators =
      separator != 0 ? std::vector<char>{separator} : likely_separators(*first);
  Parsed likeliest = parse(name, lines, separators.front());
  if (likeliest.why_not.empty()) return std::move(likeliest.table);
  for (std::size_t i = 1; i < separators.size(); ++i) {
    Parsed other = parse(name, lines, separators[i]);
    if (other.why_not.empty()) return std::move(other.table);
  }
  throw InputError(name, likeliest.line,
                   absl::StrCat(likeliest.why_not, ", with ", separator_name(separators.front()),
                                " between columns; --separator says another"));
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
