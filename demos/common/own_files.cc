#include "demos/common/own_files.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/table_file.h"
#include "demos/common/text_table.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

struct NamedRow {
  std::size_t line;
  std::string text;
  std::vector<std::string> labels;
  std::string language{};
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
  return !is_column_number(files.text) || !is_column_number(files.label) ||
         (!files.language.empty() && !is_column_number(files.language));
}

// What was found out about a file.
std::string form_of(const TableFile& table, const OwnFiles& files) {
  std::string form = absl::StrCat(separator_name(table.separator), " between columns, ",
                                  has_header(files) ? "a header" : "no header", ", ",
                                  table.is_quoted ? "quoted cells" : "no quotes");
  if (table.odd_quote != 0) {
    absl::StrAppend(&form, " (those of line ", table.odd_quote, " do not fit together)");
  }
  return form;
}

// A first row that seems to be a header: the only one with its label.
std::string warning_of(const OwnFiles& files, const std::vector<NamedRow>& rows) {
  if (has_header(files) || rows.front().labels.empty()) return "";
  const auto same = std::count_if(rows.begin(), rows.end(), [&](const NamedRow& row) {
    return row.labels == rows.front().labels;
  });
  if (same > 1) return "";
  return absl::StrCat("\nOnly line ", rows.front().line, " has the label '",
                      rows.front().labels.front(), "': if it is a header, say columns by name.");
}

std::vector<NamedRow> read_rows(const TableFile& table, const OwnFiles& files) {
  const std::size_t text = column_of(table, files.text_flag, files.text);
  const std::size_t label = column_of(table, "label", files.label);
  if (text == label) throw InputError("--label: this is the column of --" + files.text_flag);
  const std::size_t language =
      files.language.empty() ? 0 : column_of(table, "language", files.language);
  std::vector<NamedRow> rows;
  for (std::size_t i = has_header(files) ? 1 : 0; i < table.rows.size(); ++i) {
    const TableFile::Row& row = table.rows[i];
    const auto fail = [&](const std::string& reason) {
      throw InputError(table.name, row.line, reason);
    };
    NamedRow named{row.line, row.cells[text], labels_of(files, row.cells[label])};
    if (named.text.empty()) fail("expected a " + files.text_flag + ", found nothing");
    if (!files.language.empty()) {
      named.language = row.cells[language];
      if (named.language.empty()) fail("expected a language, found nothing");
    }
    if (files.label_separator.empty() && named.labels.front().empty()) {
      fail("expected a label, found nothing");
    }
    std::sort(named.labels.begin(), named.labels.end());
    const auto twice = std::adjacent_find(named.labels.begin(), named.labels.end());
    if (twice != named.labels.end()) fail("label '" + *twice + "' occurs twice");
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

std::vector<std::string> languages_of(const std::vector<NamedRow>& rows) {
  std::set<std::string> languages;
  for (const NamedRow& row : rows) languages.insert(row.language);
  languages.erase("");
  return {languages.begin(), languages.end()};
}

LabelledTexts numbered(std::vector<NamedRow> rows, const std::vector<std::string>& classes,
                       const path& file, const std::string& named_by,
                       const std::vector<std::string>& languages = {}) {
  std::map<std::string, std::int64_t> numbers;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    numbers[classes[c]] = static_cast<std::int64_t>(c);
  }
  LabelledTexts result;
  for (NamedRow& row : rows) {
    const bool is_known = languages.empty() || std::find(languages.begin(), languages.end(),
                                                         row.language) != languages.end();
    if (!is_known) {
      throw InputError(file.string(), row.line,
                       absl::StrCat("language '", row.language, "' does not occur in ", named_by));
    }
    std::vector<std::int64_t> labels;
    for (const std::string& label : row.labels) {
      const auto found = numbers.find(label);
      if (found == numbers.end()) {
        throw InputError(file.string(), row.line,
                         absl::StrCat("label '", label, "' does not occur in ", named_by));
      }
      labels.push_back(found->second);
    }
    std::sort(labels.begin(), labels.end());
    result.add(std::move(row.text), std::move(labels), std::move(row.language));
  }
  return result;
}

std::vector<std::size_t> counts_of(const LabelledTexts& part, std::size_t classes) {
  std::vector<std::size_t> counts(classes);
  for (const std::vector<std::int64_t>& labels : part.labels) {
    for (const std::int64_t label : labels) ++counts[static_cast<std::size_t>(label)];
  }
  return counts;
}

}  // namespace

LabelledTexts load_rows(const path& file, const OwnFiles& files,
                        const std::vector<std::string>& classes, const std::string& named_by,
                        const std::vector<std::string>& languages) {
  return numbered(read_rows(read_table(file, files.separator), files), classes, file, named_by,
                  languages);
}

Corpus load_files(const OwnFiles& files) {
  const TableFile table = read_table(files.train, files.separator);
  std::vector<NamedRow> train = read_rows(table, files);
  const std::string warning = warning_of(files, train);
  Corpus corpus;
  corpus.classes = classes_of(train, files.train);
  corpus.languages = languages_of(train);
  corpus.has_several_labels = !files.label_separator.empty();
  corpus.train = numbered(std::move(train), corpus.classes, files.train, "");
  const auto read = [&](const path& file, LabelledTexts& part) {
    if (!file.empty())
      part = load_rows(file, files, corpus.classes, files.train.string(), corpus.languages);
  };
  read(files.validation, corpus.validation);
  read(files.test, corpus.test);
  corpus = complete(std::move(corpus), {.source = files.train,
                                        .train = files.train,
                                        .validation = files.validation,
                                        .test = files.test,
                                        .validation_name = "--dev",
                                        .test_name = "--test"});
  const std::size_t classes = corpus.classes.size();
  absl::StrAppend(
      &corpus.description, "\nRead with ", form_of(table, files), ".", warning, "\n\n",
      class_list(corpus.classes,
                 {counts_of(corpus.train, classes), counts_of(corpus.validation, classes),
                  counts_of(corpus.test, classes)},
                 corpus.train.size()));
  return corpus;
}

std::string class_list(const std::vector<std::string>& classes,
                       const std::array<std::vector<std::size_t>, 3>& counts, std::size_t rows) {
  TextTable table({"class", "training rows", "share", "validation rows", "test rows"});
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const double share = static_cast<double>(counts[0][c]) / static_cast<double>(rows);
    table.add_row({classes[c], absl::StrCat(counts[0][c]), absl::StrFormat("%.1f %%", 100 * share),
                   absl::StrCat(counts[1][c]), absl::StrCat(counts[2][c])});
  }
  return table.to_string();
}

}  // namespace equipoise::demos
