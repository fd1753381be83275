// TSV files in the format of GoEmotions. The input as the file for validation: its rows are those
// that are read or left out by a rule, in order, with their labels. The input as more rows for
// training, where there is no such file: each row is in one part, or counted as left out.

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/unicode.h"
#include "demos/sentiment/corpus.h"
#include "tests/fuzz/properties.h"

namespace {

using namespace equipoise::demos;  // NOLINT(google-build-using-namespace)

// A corpus of small files in a directory of this process.
class CorpusDirectory {
 public:
  explicit CorpusDirectory(const char* name) {
    const char* const test = std::getenv("TEST_TMPDIR");
    path_ = std::filesystem::path(test != nullptr ? test : "/dev/shm") /
            absl::StrCat("tsv_fuzz.", getpid(), name);
    make_directory(path_);
    write_file(path_ / "labels.txt", "joy\nanger\nneutral\nsurprise\n");
    write_file(path_ / "train.tsv", "good\t0\ta\nbad\t1\tb\ntable\t2\tc\noh\t3\td\n");
    write_file(path_ / "test.tsv", "nice\t0\td\n");
  }
  CorpusDirectory(const CorpusDirectory&) = delete;
  CorpusDirectory& operator=(const CorpusDirectory&) = delete;
  ~CorpusDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr std::size_t kLabels = 4;
constexpr std::int64_t kPolarities[kLabels] = {0, 2, 1, 3};  // of joy, anger, neutral, surprise

// Every line end as "\n". Where a file has "\r\n" there is a blank line more, which is no row.
std::string with_plain_line_ends(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '\r', '\n');
  return plain;
}

// The rows that should be read, as a plain reading of the format has them; nothing for a text that
// should be refused.
std::optional<LabelledTexts> expected_rows(std::string_view text, Granularity granularity) {
  const bool has_several_labels = granularity == Granularity::kMultiLabel;
  if (text.empty()) return std::nullopt;
  if (text.starts_with("\uFEFF")) text.remove_prefix(3);
  LabelledTexts rows;
  const std::string plain = with_plain_line_ends(text);
  for (const absl::string_view row : absl::StrSplit(plain, '\n')) {
    const std::string line(row);
    if (first_invalid_utf8(line) || line.find('\0') != std::string::npos) return std::nullopt;
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    std::vector<std::string> columns = absl::StrSplit(line, '\t');
    while (columns.size() > 3 && columns.back().empty()) columns.pop_back();
    if (columns.size() != 3) return std::nullopt;
    std::vector<std::int64_t> labels;
    for (const absl::string_view part : absl::StrSplit(columns[1], ',')) {
      std::int64_t label = 0;
      if (!absl::SimpleAtoi(part, &label) || label < 0 || label >= std::int64_t{kLabels}) {
        return std::nullopt;
      }
      labels.push_back(granularity == Granularity::kPolarity ? kPolarities[label] : label);
    }
    std::sort(labels.begin(), labels.end());
    const bool is_repeated = std::adjacent_find(labels.begin(), labels.end()) != labels.end();
    if (has_several_labels && is_repeated) return std::nullopt;
    if (has_several_labels || labels.size() == 1) rows.add(columns[0], labels);
  }
  return rows;
}

bool has_text(const LabelledTexts& rows, std::string_view text) {
  return std::find(rows.texts.begin(), rows.texts.end(), text) != rows.texts.end();
}

void check_validation(const std::filesystem::path& directory, std::string_view text,
                      Granularity granularity) {
  const std::string file = (directory / "dev.tsv").string();
  const auto corpus = result_of([&] { return load_corpus(directory, granularity); },
                                with_plain_line_ends(text), file);
  LabelledTexts expected;
  const auto rows = expected_rows(text, granularity);
  for (std::size_t i = 0; rows && i < rows->size(); ++i) {
    constexpr std::string_view kElsewhere[] = {"good", "bad", "table", "oh", "nice"};
    const bool is_elsewhere = std::find(std::begin(kElsewhere), std::end(kElsewhere),
                                        rows->texts[i]) != std::end(kElsewhere);
    if (!is_elsewhere) expected.add(rows->texts[i], rows->labels[i]);
  }
  require(corpus.has_value() == (expected.size() > 0),
          "what is wrong is refused, and nothing else");
  if (!corpus) return;
  require(corpus->validation.texts == expected.texts, "rows are read or left out by a rule");
  require(corpus->validation.labels == expected.labels, "rows have their labels");
  require(corpus->train.size() == kLabels && corpus->test.size() == 1,
          "other parts stay what they are");
}

// Enough rows of each label to take a tenth of them.
std::string with_more_rows(std::string_view text) {
  std::string all;
  for (int i = 0; i < 12; ++i) absl::StrAppend(&all, "row ", i, "\t", i % 4, "\tx\n");
  return all.append(text);
}

void check_split(const std::filesystem::path& directory, std::string_view text,
                 Granularity granularity) {
  const auto expected = expected_rows(text, granularity);
  if (expected && has_text(*expected, "nice")) return;  // the row for testing
  const std::string file = (directory / "train.tsv").string();
  const auto corpus = result_of([&] { return load_corpus(directory, granularity); },
                                with_plain_line_ends(text), file);
  require(expected.has_value() || !corpus, "what is wrong is refused");
  if (!expected) return;
  const std::set<std::string> texts(expected->texts.begin(), expected->texts.end());
  const bool has_repeated_texts = texts.size() < expected->size();
  require(corpus || has_repeated_texts, "what is right is not refused");
  if (!corpus) return;
  std::multiset<std::pair<std::string, std::vector<std::int64_t>>> rest;
  for (std::size_t i = 0; i < expected->size(); ++i) {
    rest.emplace(expected->texts[i], expected->labels[i]);
  }
  for (const LabelledTexts* part : {&corpus->train, &corpus->validation}) {
    for (std::size_t i = 0; i < part->size(); ++i) {
      const auto place = rest.find({part->texts[i], part->labels[i]});
      require(place != rest.end(), "a row is that of the file, and in one part");
      rest.erase(place);
    }
  }
  const std::string dropped = absl::StrCat(" ", rest.size(), " validation rows whose text stands");
  require(corpus->description.find(dropped) != std::string::npos, "what is left out is counted");
  require(rest.empty() || has_repeated_texts, "a text that stands once is not left out");
  const std::set<std::string> trained(corpus->train.texts.begin(), corpus->train.texts.end());
  for (const std::string& each : corpus->validation.texts) {
    require(!trained.contains(each), "no text is in two parts");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const CorpusDirectory with_validation("");
  static const CorpusDirectory without_validation(".split");
  const std::string_view text = as_text(data, size);
  const std::string more = with_more_rows(text);
  write_file(with_validation.path() / "dev.tsv", text);
  write_file(without_validation.path() / "train.tsv", more);
  for (const Granularity granularity :
       {Granularity::kFine, Granularity::kPolarity, Granularity::kMultiLabel}) {
    check_validation(with_validation.path(), text, granularity);
    check_split(without_validation.path(), more, granularity);
  }
  return 0;
}
