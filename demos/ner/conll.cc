#include "demos/ner/conll.h"

#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/unicode.h"
#include "equipoise/metrics/entity_sequences.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kMostTypes = 1000;

bool is_blank(std::string_view text) {
  return std::ranges::all_of(code_points(text), is_white_space);
}

// The columns of a line: between tabs if it has any, else between runs of spaces.
std::vector<std::string_view> columns_of(std::string_view line) {
  const absl::string_view text(line.data(), line.size());
  std::vector<std::string_view> columns;
  const auto add = [&](absl::string_view column) {
    columns.emplace_back(column.data(), column.size());
  };
  if (line.find('\t') == std::string_view::npos) {
    for (const absl::string_view column : absl::StrSplit(text, ' ', absl::SkipEmpty())) add(column);
    return columns;
  }
  for (absl::string_view column : absl::StrSplit(text, '\t')) {
    while (absl::ConsumePrefix(&column, " ") || absl::ConsumeSuffix(&column, " ")) continue;
    add(column);
  }
  return columns;
}

constexpr std::array kSchemes = {
    FileScheme{"iob2", "IOB2", metrics::TagScheme::kIob2, "BI"},
    FileScheme{"iob1", "IOB1", metrics::TagScheme::kIob1, "BI"},
    FileScheme{"bioes", "BIOES", metrics::TagScheme::kBioes, "BIES"},
    FileScheme{"bilou", "BILOU", metrics::TagScheme::kBioes, "BILU"},
    FileScheme{"bmes", "BMES", metrics::TagScheme::kBioes, "BMES"},
};

// Where the letter of a tag stands.
enum class TagForm {
  kPrefix,  // B-PER or B_PER
  kSuffix,  // PER-B or PER_B
  kLetter,  // B: entities have no types
};

struct TagNotation {
  FileScheme scheme;
  TagForm form = TagForm::kPrefix;

  // For people: "BIOES", "IOB2 with the letter behind the type".
  std::string text() const {
    constexpr std::string_view kForms[] = {"", " with the letter behind the type",
                                           " without types"};
    return std::string(scheme.name) + std::string(kForms[static_cast<std::size_t>(form)]);
  }
  // What a tag must be: "O or a type after B- or I-".
  std::string expected() const {
    std::string letters;
    for (std::size_t i = 0; i < scheme.letters.size(); ++i) {
      if (i > 0) letters += i + 1 < scheme.letters.size() ? ", " : " or ";
      if (form == TagForm::kSuffix) letters += '-';
      letters += scheme.letters[i];
      if (form == TagForm::kPrefix) letters += '-';
    }
    if (form == TagForm::kLetter) return "O, " + letters;
    return (form == TagForm::kPrefix ? "O or a type after " : "O or a type before ") + letters;
  }
};

// The type of entities that have none in their file.
constexpr std::string_view kOnlyType = "entity";

// A tag as it stands in a file.
struct WrittenTag {
  std::optional<std::size_t> letter;  // an index into FileScheme::letters; nothing for O
  std::string_view type;              // empty for O
};

// Nothing for a text that is not a tag of the notation.
std::optional<WrittenTag> parse_tag(std::string_view text, const TagNotation& notation) {
  if (text == "O") return WrittenTag{std::nullopt, {}};
  if (text.empty() || std::ranges::any_of(code_points(text), is_white_space)) return std::nullopt;
  const bool is_suffix = notation.form == TagForm::kSuffix;
  const std::size_t letter = notation.scheme.letters.find(is_suffix ? text.back() : text.front());
  if (letter == std::string_view::npos) return std::nullopt;
  if (notation.form == TagForm::kLetter) {
    return text.size() == 1 ? std::optional(WrittenTag{letter, kOnlyType}) : std::nullopt;
  }
  if (text.size() < 3) return std::nullopt;
  const char separator = text[is_suffix ? text.size() - 2 : 1];
  if (separator != '-' && separator != '_') return std::nullopt;
  return WrittenTag{letter, text.substr(is_suffix ? 0 : 2, text.size() - 2)};
}

// How often each tag occurs.
using TagTexts = std::map<std::string_view, std::size_t, std::less<>>;

// The notation that fits the most tags; of several the first in the order of file_schemes() and of
// TagForm. IOB1 is never found, as its tags are those of IOB2: only their sequences differ.
// O(distinct tags).
TagNotation find_notation(const TagTexts& tags, const std::optional<FileScheme>& scheme) {
  const std::span<const FileScheme> schemes =
      scheme ? std::span<const FileScheme>(&*scheme, 1) : file_schemes();
  TagNotation best{schemes.front()};
  std::size_t most = 0;
  for (const FileScheme& each : schemes) {
    for (const TagForm form : {TagForm::kPrefix, TagForm::kSuffix, TagForm::kLetter}) {
      const TagNotation notation{each, form};
      std::size_t count = 0;
      for (const auto& [text, times] : tags) count += parse_tag(text, notation) ? times : 0;
      if (count <= most) continue;
      best = notation;
      most = count;
    }
  }
  return best;
}

// A part of the file as errors show it.
std::string excerpt(std::string_view text) {
  constexpr std::size_t kMostCharacters = 40;
  const std::u32string points = code_points(text);
  const bool is_long = points.size() > kMostCharacters;
  return "'" + to_utf8(std::u32string_view(points).substr(0, kMostCharacters)) +
         (is_long ? "...'" : "'");
}

// The prefixes of the labels: those of a notation's letters.
constexpr std::string_view kIob2Prefixes = "BI";
constexpr std::string_view kBioesPrefixes = "BIES";

// The tags of entity types: O, then those of each type.
std::vector<std::string> tags_of(const std::vector<std::string>& types, std::string_view prefixes) {
  std::vector<std::string> tags = {"O"};
  for (const std::string& type : types) {
    for (const char prefix : prefixes) tags.push_back(std::string{prefix, '-'} + type);
  }
  return tags;
}

// And back, from IOB2.
std::vector<std::string> types_in(const std::vector<std::string>& tags) {
  std::vector<std::string> types;
  for (std::size_t i = 1; i < tags.size(); i += 2) types.push_back(tags[i].substr(2));
  return types;
}

// A line that is not blank.
struct Row {
  std::size_t line = 0;
  std::size_t sentence = 0;  // grows where one ends
  bool begins_document = false;
  std::optional<std::string> encoding_flaw = std::nullopt;
  bool begins_with_hash = false;
  bool has_tabs = false;
  std::size_t columns = 0;
  std::size_t tag_column = 0;
  std::string_view token{};  // empty where there are too few columns; so is the tag
  std::string_view tag{};

  std::pair<bool, std::size_t> shape() const { return {has_tabs, columns}; }
};

// Why a row is malformed, and what may help where too many rows are.
enum class RowFlaw : std::size_t { kEncoding, kNoTag, kWrongTag, kNoToken };
constexpr std::array kRemedies = {
    "convert the file to UTF-8", "--tag_column says where tags stand",
    "--tag_column says where tags stand, --scheme how they are written",
    "--token_column says where tokens stand"};
constexpr const char* kOrSkip = "; --flaws=skip goes on without these rows";

std::string remedy_of(RowFlaw flaw) { return kRemedies[static_cast<std::size_t>(flaw)]; }

std::string lacking(const std::string& what, std::size_t column, std::size_t columns) {
  return "expected " + what + " in column " + std::to_string(column) + ", found " +
         std::to_string(columns) + (columns == 1 ? " column" : " columns");
}

// Whether a row may be a token's, to judge by its first character: it may still be a comment else.
bool is_plain(const Row& row) {
  return !row.begins_document && !row.encoding_flaw && !row.begins_with_hash;
}

// How often each tag occurs; in lines that begin with # only if there are no others.
TagTexts count_tags(std::span<const Row> rows) {
  TagTexts plain;
  TagTexts others;
  for (const Row& row : rows) {
    if (row.begins_document || row.encoding_flaw || row.tag.empty()) continue;
    ++(is_plain(row) ? plain : others)[row.tag];
  }
  return plain.empty() ? others : plain;
}

// The number at the end of a text, before a full stop: of 7, 7., 3-7 and w7; nothing without one.
std::optional<std::uint64_t> number_at_end(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  text.remove_prefix(text.find_last_not_of("0123456789") + 1);  // npos + 1 is 0
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

// The first row of a column that numbers the tokens; nothing if it does not.
const Row* find_numbering(std::span<const Row> rows) {
  constexpr std::size_t kLeastRows = 3;
  std::size_t plain = 0;
  std::size_t running = 0;
  const Row* first = nullptr;
  std::optional<std::uint64_t> last;
  std::size_t sentence = 0;
  for (const Row& row : rows) {
    if (!is_plain(row)) continue;
    const bool begins = plain++ == 0 || row.sentence != sentence;
    sentence = row.sentence;
    const std::optional<std::uint64_t> number = number_at_end(row.token);
    if (!number) continue;
    if ((begins && *number <= 1) || (last && *number == *last + 1)) {
      ++running;
      if (first == nullptr) first = &row;
    }
    last = number;
  }
  return plain >= kLeastRows && 2 * running > plain ? first : nullptr;
}

class ConllParser {
 public:
  ConllParser(std::string_view name, const ConllOptions& options)
      : name_(name),
        options_(options),
        token_column_(std::max<std::size_t>(options.token_column, 1)),
        types_(types_in(options.tags)) {}

  ConllText parse(std::string_view text) {
    if (text.empty()) throw InputError(name_, 1, "the file is empty");
    const std::vector<Row> rows = rows_of(text);
    const Row* const numbering = options_.token_column == 0 ? find_numbering(rows) : nullptr;
    if (numbering != nullptr) {
      throw InputError(name_, numbering->line,
                       "column 1, where tokens are expected, numbers them (" +
                           excerpt(numbering->token) + "); --token_column says where tokens stand");
    }
    notation_ = find_notation(count_tags(rows), options_.scheme);
    prefixes_ =
        notation_.scheme.scheme == metrics::TagScheme::kBioes ? kBioesPrefixes : kIob2Prefixes;
    for (const Row& row : rows) {
      if (is_plain(row)) shapes_.insert(row.shape());
    }
    for (const Row& row : rows) take(row);
    if (!tokens_.empty()) offsets_.push_back(static_cast<std::int64_t>(tokens_.size()));
    require_tokens();
    return finish();
  }

 private:
  // The lines that are not blank.
  std::vector<Row> rows_of(std::string_view text) {
    std::vector<Row> rows;
    std::size_t sentence = 0;
    for (const std::string_view line : split_lines(text)) {
      Row row{.line = ++report_.lines, .sentence = sentence, .encoding_flaw = encoding_flaw(line)};
      if (!row.encoding_flaw && is_blank(line)) {
        ++report_.blank_lines;
        ++sentence;
        continue;
      }
      if (!row.encoding_flaw) take_columns(line, row);
      if (row.begins_document) ++sentence;
      rows.push_back(std::move(row));
    }
    return rows;
  }

  void take_columns(std::string_view line, Row& row) const {
    constexpr std::string_view kDocument = "-DOCSTART-";
    const std::vector<std::string_view> columns = columns_of(line);
    row.begins_with_hash = line.starts_with('#');
    row.has_tabs = line.find('\t') != std::string_view::npos;
    row.columns = columns.size();
    if (row.columns >= token_column_) row.token = columns[token_column_ - 1];
    // In an only column stands the token.
    row.tag_column =
        options_.tag_column == 0 ? std::max(row.columns, token_column_ + 1) : options_.tag_column;
    if (row.columns >= row.tag_column) row.tag = columns[row.tag_column - 1];
    row.begins_document = columns[0] == kDocument || row.token == kDocument;
  }

  void take(const Row& row) {
    if (row.begins_document) return add(report_.skipped, row.line, "a document begins");
    if (row.encoding_flaw) return take_malformed(row, RowFlaw::kEncoding, *row.encoding_flaw);
    const std::optional<WrittenTag> tag = parse_tag(row.tag, notation_);
    if (row.begins_with_hash && (!tag || (!shapes_.empty() && !shapes_.contains(row.shape())))) {
      add(report_.skipped, row.line, "a comment");
    } else if (row.columns < token_column_) {
      take_malformed(row, RowFlaw::kNoToken, lacking("a token", token_column_, row.columns));
    } else if (row.columns < row.tag_column) {
      take_malformed(row, RowFlaw::kNoTag, lacking("a tag", row.tag_column, row.columns));
    } else if (row.tag.empty()) {
      take_malformed(row, RowFlaw::kNoTag,
                     "the tag in column " + std::to_string(row.tag_column) + " is empty");
    } else if (!tag) {
      take_malformed(row, RowFlaw::kWrongTag,
                     excerpt(row.tag) + " in column " + std::to_string(row.tag_column) +
                         " is not a tag of " + notation_.text() + ", expected " +
                         notation_.expected());
    } else if (is_blank(row.token)) {
      take_malformed(row, RowFlaw::kNoToken, "the token is empty");
    } else {
      take_token(row, *tag);
    }
  }

  void take_token(const Row& row, const WrittenTag& tag) {
    if (!tokens_.empty() && row.sentence != sentence_) {
      offsets_.push_back(static_cast<std::int64_t>(tokens_.size()));
    }
    sentence_ = row.sentence;
    labels_.push_back(label_of(row.line, tag));
    tokens_.emplace_back(row.token);
    lines_.push_back(row.line);
    written_.push_back(row.tag);
  }

  // As an index into the tags of the file's scheme.
  std::int64_t label_of(std::size_t line, const WrittenTag& tag) {
    if (!tag.letter) return 0;
    const auto found = std::find(types_.begin(), types_.end(), tag.type);
    const auto type = static_cast<std::size_t>(found - types_.begin());
    if (found == types_.end()) {
      if (options_.refuses_new_types) {
        throw InputError(name_, line,
                         "the type " + excerpt(tag.type) + " is none of the known ones");
      }
      if (types_.size() == kMostTypes) {
        throw InputError(name_, line,
                         "more than " + std::to_string(kMostTypes) +
                             " entity types; is this the column of the tags? See --tag_column");
      }
      types_.emplace_back(tag.type);
    }
    return static_cast<std::int64_t>(1 + type * prefixes_.size() + *tag.letter);
  }

  void add(Finding& finding, std::size_t line, const std::string& reason) {
    if (finding.count++ == 0) finding.first = InputError(name_, line, reason).what();
  }

  void take_malformed(const Row& row, RowFlaw flaw, const std::string& reason) {
    if (options_.flaws == Flaws::kRefuse) throw InputError(name_, row.line, reason);
    if (options_.flaws == Flaws::kRepair && flaw == RowFlaw::kWrongTag) {
      throw InputError(name_, row.line, reason + "; " + remedy_of(flaw) + kOrSkip);
    }
    if (report_.malformed.count == 0) first_flaw_ = flaw;
    add(report_.malformed, row.line, reason);
    add(malformed_[static_cast<std::size_t>(flaw)], row.line, reason);
  }

  // Refuses a text without tokens, or of which too much is left out.
  void require_tokens() const {
    if (tokens_.empty()) {
      std::string reason = "no row has a token and a tag";
      if (report_.malformed.count > 0) {
        reason += "; the first that is malformed: " + report_.malformed.first + "; " +
                  remedy_of(first_flaw_);
      }
      throw InputError(name_, report_.lines, reason);
    }
    if (options_.flaws != Flaws::kRepair) return;
    const std::size_t rows = tokens_.size() + report_.malformed.count;
    for (std::size_t flaw = 0; flaw < kRemedies.size(); ++flaw) {
      malformed_[flaw].require_few(rows, "rows", std::string(kRemedies[flaw]) + kOrSkip);
    }
  }

  // The sentences whose tags are broken in a scheme: the line of the first such tag, and why.
  std::vector<std::pair<std::size_t, std::string>> broken_in(const std::vector<std::string>& names,
                                                             metrics::TagScheme scheme) const {
    const metrics::EntityTags tags(names, scheme);
    std::vector<std::pair<std::size_t, std::string>> broken;
    for (std::size_t s = 1; s < offsets_.size(); ++s) {
      const auto begin = static_cast<std::size_t>(offsets_[s - 1]);
      const auto end = static_cast<std::size_t>(offsets_[s]);
      const auto first =
          metrics::find_tag_breaks(std::span(labels_).subspan(begin, end - begin), tags).first;
      if (!first) continue;
      const std::size_t at = begin + *first;
      const auto name = [&](std::size_t i) { return excerpt(written_[i]); };
      broken.emplace_back(lines_[std::min(at, end - 1)],
                          at == end     ? name(at - 1) + " cannot end a sentence"
                          : at == begin ? name(at) + " cannot begin a sentence"
                                        : name(at) + " cannot follow " + name(at - 1));
    }
    return broken;
  }

  // Settles whether tags are of IOB1, then counts or refuses broken sequences.
  void check_sequences(const std::vector<std::string>& names) {
    auto broken = broken_in(names, notation_.scheme.scheme);
    if (!options_.scheme && notation_.scheme.scheme == metrics::TagScheme::kIob2 &&
        !broken.empty()) {
      auto in_iob1 = broken_in(names, metrics::TagScheme::kIob1);
      if (in_iob1.size() < broken.size()) {
        broken = std::move(in_iob1);
        notation_.scheme = *file_scheme("iob1");
      }
    }
    for (const auto& [line, reason] : broken) {
      if (options_.flaws == Flaws::kRefuse) throw InputError(name_, line, reason);
      add(report_.broken, line, reason);
    }
  }

  ConllText finish() {
    const std::vector<std::string> names = tags_of(types_, prefixes_);
    check_sequences(names);
    if (notation_.scheme.scheme != metrics::TagScheme::kIob2 ||
        notation_.form != TagForm::kPrefix) {
      report_.converted = {1, InputError(name_, 0, notation_.text()).what()};
    }

    ConllText result;
    result.tags = tags_of(types_, kIob2Prefixes);
    const std::vector<std::int64_t> tags = metrics::convert_tags(
        labels_, offsets_, metrics::EntityTags(names, notation_.scheme.scheme),
        metrics::EntityTags(result.tags));
    for (std::size_t s = 1; s < offsets_.size(); ++s) {
      const auto begin = static_cast<std::ptrdiff_t>(offsets_[s - 1]);
      const auto end = static_cast<std::ptrdiff_t>(offsets_[s]);
      result.sentences.push_back({{std::make_move_iterator(tokens_.begin() + begin),
                                   std::make_move_iterator(tokens_.begin() + end)},
                                  {tags.begin() + begin, tags.begin() + end}});
    }
    report_.tokens = tokens_.size();
    report_.sentences = result.sentences.size();
    result.report = std::move(report_);
    return result;
  }

  std::string_view name_;
  const ConllOptions& options_;
  TagNotation notation_{file_schemes().front()};
  std::string_view prefixes_;
  std::size_t token_column_;
  std::vector<std::string> types_;
  std::set<std::pair<bool, std::size_t>> shapes_;    // of rows that do not begin with #
  std::array<Finding, kRemedies.size()> malformed_;  // by RowFlaw
  RowFlaw first_flaw_{};                             // of the malformed rows
  ConllReport report_;

  // Of all tokens.
  std::vector<std::string> tokens_;
  std::vector<std::int64_t> labels_;
  std::vector<std::size_t> lines_;
  std::vector<std::string_view> written_;    // the tags as the file has them
  std::vector<std::int64_t> offsets_ = {0};  // where sentences begin, and the end
  std::size_t sentence_ = 0;                 // of the last token
};

}  // namespace

std::span<const FileScheme> file_schemes() { return kSchemes; }

std::optional<FileScheme> file_scheme(std::string_view flag) {
  for (const FileScheme& scheme : kSchemes) {
    if (scheme.flag == flag) return scheme;
  }
  return std::nullopt;
}

ConllReport& ConllReport::operator+=(const ConllReport& other) {
  lines += other.lines;
  blank_lines += other.blank_lines;
  tokens += other.tokens;
  sentences += other.sentences;
  malformed += other.malformed;
  broken += other.broken;
  skipped += other.skipped;
  converted += other.converted;
  return *this;
}

std::string summary(const ConllReport& report) {
  std::string text =
      std::to_string(report.sentences) + " sentences, " + std::to_string(report.tokens) + " tokens";
  text += report.malformed.text("malformed rows left out");
  text += report.broken.text("sentences with broken tags repaired");
  text += report.skipped.text("comments and document lines skipped");
  text += report.converted.text("files with tags converted to IOB2");
  return text;
}

ConllText parse_conll(std::string_view text, std::string_view name, const ConllOptions& options) {
  return ConllParser(name, options).parse(text);
}

ConllText read_conll(std::span<const std::filesystem::path> files, const ConllOptions& options) {
  ConllText all;
  all.tags = options.tags;
  for (const std::filesystem::path& file : files) {
    ConllOptions with_tags = options;
    with_tags.tags = std::move(all.tags);
    ConllText text = parse_conll(read_file(file), file.string(), with_tags);
    all.sentences.insert(all.sentences.end(), std::make_move_iterator(text.sentences.begin()),
                         std::make_move_iterator(text.sentences.end()));
    all.tags = std::move(text.tags);
    all.report += text.report;
  }
  return all;
}

}  // namespace equipoise::demos
