// TSV files in the format of GoEmotions, the input as the file for validation: its rows are those
// that are read or left out by a rule, in order, with their labels.

#include <absl/strings/numbers.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/unicode.h"
#include "demos/fuzz/properties.h"
#include "demos/sentiment/corpus.h"

namespace {

using namespace equipoise::demos;  // NOLINT(google-build-using-namespace)

// A corpus of small files in a directory of this process.
class CorpusDirectory {
 public:
  CorpusDirectory() {
    const char* const test = std::getenv("TEST_TMPDIR");
    path_ = std::filesystem::path(test != nullptr ? test : "/dev/shm") /
            ("tsv_fuzz." + std::to_string(getpid()));
    make_directory(path_);
    write_file(path_ / "labels.txt", "joy\nanger\nneutral\n");
    write_file(path_ / "train.tsv", "good\t0\ta\nbad\t1\tb\ntable\t2\tc\n");
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

constexpr std::size_t kLabels = 3;

// The parts between separators.
std::vector<std::string> parts_of(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// The rows that should be read, as a plain reading of the format has them; nothing for a text that
// should be refused.
std::optional<LabelledTexts> expected_rows(std::string_view text, bool has_several_labels) {
  if (text.empty()) return std::nullopt;
  if (text.starts_with("\uFEFF")) text.remove_prefix(3);
  std::vector<std::string> lines = parts_of(text, '\n');
  if (lines.back().empty()) lines.pop_back();
  LabelledTexts rows;
  for (std::string& line : lines) {
    if (line.ends_with('\r')) line.pop_back();
    const std::vector<std::string> columns = parts_of(line, '\t');
    if (first_invalid_utf8(line) || columns.size() < 3) return std::nullopt;
    std::vector<std::int64_t> labels;
    for (const std::string& part : parts_of(columns[1], ',')) {
      std::int64_t label = 0;
      if (!absl::SimpleAtoi(part, &label) || label < 0 || label >= std::int64_t{kLabels}) {
        return std::nullopt;
      }
      labels.push_back(label);
    }
    std::sort(labels.begin(), labels.end());
    const bool is_repeated = std::adjacent_find(labels.begin(), labels.end()) != labels.end();
    if (has_several_labels && is_repeated) return std::nullopt;
    constexpr std::string_view kElsewhere[] = {"good", "bad", "table", "nice"};
    const bool is_elsewhere =
        std::find(std::begin(kElsewhere), std::end(kElsewhere), columns[0]) != std::end(kElsewhere);
    if (!is_elsewhere && (has_several_labels || labels.size() == 1)) rows.add(columns[0], labels);
  }
  return rows.size() == 0 ? std::nullopt : std::optional(rows);
}

void check(const CorpusDirectory& directory, std::string_view text, Granularity granularity) {
  const std::string file = (directory.path() / "dev.tsv").string();
  const auto corpus =
      result_of([&] { return load_corpus(directory.path(), granularity); }, text, file);
  const auto expected = expected_rows(text, granularity == Granularity::kMultiLabel);
  require(corpus.has_value() == expected.has_value(), "what is wrong is refused, and nothing else");
  if (!corpus) return;
  require(corpus->validation.texts == expected->texts, "rows are read or left out by a rule");
  require(corpus->validation.labels == expected->labels, "rows have their labels");
  require(corpus->train.size() == 3 && corpus->test.size() == 1, "other parts stay what they are");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const CorpusDirectory directory;
  const std::string_view text = as_text(data, size);
  write_file(directory.path() / "dev.tsv", text);
  check(directory, text, Granularity::kFine);
  check(directory, text, Granularity::kMultiLabel);
  return 0;
}
