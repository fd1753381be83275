#include "demos/sentiment/own_files.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/table_file.h"
#include "demos/common/text_table.h"
#include "demos/sentiment/complete_corpus.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

struct NamedRow {
  std::size_t line;
  std::string text;
  std::vector<std::string> labels;
};

std::vector<std::string> labels_of(const OwnFiles& files, const std::string& cell) {
  if (files.label_separator.empty()) return {cell};
  std::vector<std::string> labels;
  for (const absl::string_view part : absl::StrSplit(cell, files.label_separator)) {
    const absl::string_view label = absl::StripAsciiWhitespace(part);
    if (!label.empty()) labels.emplace_back(label);
  }
  return labels;
}

bool has_header(const OwnFiles& files) {
  return !is_column_number(files.text) || !is_column_number(files.label);
}

// What was found out about a file.
std::string form_of(const TableFile& table, const OwnFiles& files) {
  const std::string separator = table.separator == '\t'  ? "tab"
                                : table.separator == ',' ? "comma"
                                                         : std::string{table.separator};
  return absl::StrCat("columns by ", separator, table.is_quoted ? ", quoted" : ", no quotes",
                      has_header(files) ? ", with a header" : ", no header");
}

std::vector<NamedRow> read_rows(const TableFile& table, const OwnFiles& files) {
  const std::size_t text = column_of(table, "text", files.text);
  const std::size_t label = column_of(table, "label", files.label);
  if (text == label) throw InputError("--label: this is the column of --text");
  std::vector<NamedRow> rows;
  for (std::size_t i = has_header(files) ? 1 : 0; i < table.rows.size(); ++i) {
    const TableFile::Row& row = table.rows[i];
    const auto fail = [&](const std::string& reason) {
      throw InputError(table.name, row.line, reason);
    };
    NamedRow named{row.line, row.cells[text], labels_of(files, row.cells[label])};
    if (named.text.empty()) fail("expected a text, found nothing");
    if (files.label_separator.empty() && named.labels.front().empty()) {
      fail("expected a label, found nothing");
    }
    std::sort(named.labels.begin(), named.labels.end());
    const auto twice = std::adjacent_find(named.labels.begin(), named.labels.end());
    if (twice != named.labels.end()) fail("label '" + *twice + "' stands twice");
    rows.push_back(std::move(named));
  }
  if (rows.empty()) throw InputError(table.name, 0, "there is no row below the header");
  return rows;
}

// The labels, the most frequent first, equals by name.
std::vector<std::string> classes_of(const std::vector<NamedRow>& rows, const path& file) {
  std::map<std::string, std::size_t> counts;
  for (const NamedRow& row : rows) {
    for (const std::string& label : row.labels) ++counts[label];
  }
  std::vector<std::pair<std::string, std::size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> classes;
  classes.reserve(sorted.size());
  for (auto& [name, count] : sorted) classes.push_back(std::move(name));
  if (classes.size() < 2) {
    throw InputError(file.string(), 0,
                     absl::StrCat("expected at least two labels, found ",
                                  classes.empty() ? "none" : "'" + classes[0] + "' alone"));
  }
  return classes;
}

LabelledTexts numbered(std::vector<NamedRow> rows, const std::vector<std::string>& classes,
                       const path& file, const path& train) {
  std::map<std::string, std::int64_t> numbers;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    numbers[classes[c]] = static_cast<std::int64_t>(c);
  }
  LabelledTexts result;
  for (NamedRow& row : rows) {
    std::vector<std::int64_t> labels;
    for (const std::string& label : row.labels) {
      const auto found = numbers.find(label);
      if (found == numbers.end()) {
        throw InputError(file.string(), row.line,
                         "label '" + label + "' does not occur in " + train.string());
      }
      labels.push_back(found->second);
    }
    std::sort(labels.begin(), labels.end());
    result.add(std::move(row.text), std::move(labels));
  }
  return result;
}

std::string class_list(const Corpus& corpus) {
  std::vector<std::size_t> counts(corpus.classes.size());
  for (const std::vector<std::int64_t>& labels : corpus.train.labels) {
    for (const std::int64_t label : labels) ++counts[static_cast<std::size_t>(label)];
  }
  TextTable table({"class", "training rows", "share"});
  for (std::size_t c = 0; c < counts.size(); ++c) {
    table.add_row({corpus.classes[c], absl::StrCat(counts[c]),
                   absl::StrFormat("%.1f %%", 100 * static_cast<double>(counts[c]) /
                                                  static_cast<double>(corpus.train.size()))});
  }
  return table.to_string();
}

}  // namespace

Corpus load_files(const OwnFiles& files) {
  const TableFile table = read_table(files.train, files.separator);
  std::vector<NamedRow> train = read_rows(table, files);
  Corpus corpus;
  corpus.classes = classes_of(train, files.train);
  corpus.has_several_labels = !files.label_separator.empty();
  corpus.train = numbered(std::move(train), corpus.classes, files.train, files.train);
  const auto read = [&](const path& file, LabelledTexts& part) {
    if (file.empty()) return;
    part = numbered(read_rows(read_table(file, files.separator), files), corpus.classes, file,
                    files.train);
  };
  read(files.validation, corpus.validation);
  read(files.test, corpus.test);
  corpus = complete(std::move(corpus), {.source = files.train,
                                        .train = files.train,
                                        .validation = files.validation,
                                        .test = files.test});
  absl::StrAppend(&corpus.description, "\nRead with ", form_of(table, files), ".\n\n",
                  class_list(corpus));
  return corpus;
}

}  // namespace equipoise::demos
