#include "demos/ner/conll.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kMostTypes = 1000;

bool is_blank(std::string_view text) {
  const std::u32string points = code_points(text);
  return std::all_of(points.begin(), points.end(), is_white_space);
}

bool has_space(std::string_view text) {
  const std::u32string points = code_points(text);
  return std::any_of(points.begin(), points.end(), is_white_space);
}

std::string_view without_spaces_around(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

// The columns of a line: between tabs if it has any, else between runs of spaces.
std::vector<std::string_view> columns_of(std::string_view line) {
  const bool has_tabs = line.find('\t') != std::string_view::npos;
  std::vector<std::string_view> columns;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find(has_tabs ? '\t' : ' ', begin), line.size());
    const std::string_view column = without_spaces_around(line.substr(begin, end - begin));
    if (has_tabs || !column.empty()) columns.push_back(column);
    begin = end + 1;
  }
  return columns;
}

// A part of the file as errors show it.
std::string excerpt(std::string_view text) {
  constexpr std::size_t kMostCharacters = 40;
  const std::u32string points = code_points(text);
  const bool is_long = points.size() > kMostCharacters;
  return "'" + to_utf8(std::u32string_view(points).substr(0, kMostCharacters)) +
         (is_long ? "...'" : "'");
}

// The entity types of a text and, made of them, its tags: O, then those of each type.
class TypeList {
 public:
  std::size_t size() const { return types_.size(); }
  std::optional<std::size_t> find(std::string_view type) const {
    const auto at = places_.find(type);
    return at == places_.end() ? std::nullopt : std::optional(at->second);
  }
  std::size_t add(std::string_view type) {
    const auto [at, is_new] = places_.try_emplace(std::string(type), types_.size());
    if (is_new) types_.push_back(at->first);
    return at->second;
  }

  std::vector<std::string> tags(std::string_view prefixes) const {
    std::vector<std::string> tags = {"O"};
    for (const std::string& type : types_) {
      for (const char prefix : prefixes) tags.push_back(std::string{prefix, '-'} + type);
    }
    return tags;
  }

 private:
  std::vector<std::string> types_;
  std::map<std::string, std::size_t, std::less<>> places_;
};

constexpr std::string_view kIob2Prefixes = "BI";

TypeList types_in(const std::vector<std::string>& tags) {
  TypeList types;
  for (const std::string& tag : tags) {
    if (tag.size() > 2) types.add(std::string_view(tag).substr(2));
  }
  if (!tags.empty() && types.tags(kIob2Prefixes) != tags) {
    throw std::invalid_argument(
        "parse_conll(): options.tags, expected O, then B-X and I-X for each type X");
  }
  return types;
}

// A tag as it stands in a file.
struct Tag {
  char prefix;  // one of O and the prefixes of the scheme
  std::string_view type;
};

class ConllParser {
 public:
  ConllParser(std::string_view name, const ConllOptions& options)
      : name_(name),
        options_(options),
        prefixes_(options.scheme == TagScheme::kBioes ? "BIES" : kIob2Prefixes),
        types_(types_in(options.tags)) {
    if (options.tag_column == 1) {
      throw std::invalid_argument("parse_conll(): options.tag_column = 1, expected 0 or >= 2");
    }
  }

  ConllText parse(std::string_view text) {
    if (text.empty()) throw InputError(name_, 1, "the file is empty");
    constexpr std::string_view kByteOrderMark = "\uFEFF";
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line = text.substr(begin, end - begin);
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++report_.lines;
      take(line);
      begin = end + 1;
    }
    end_sentence();
    if (tokens_.empty()) {
      throw InputError(name_, report_.lines,
                       "no row has a token and a tag" +
                           (report_.malformed.count == 0
                                ? std::string()
                                : "; the first that is malformed: " + report_.malformed.first));
    }
    return finish();
  }

 private:
  void take(std::string_view line) {
    if (const auto offset = first_invalid_utf8(line)) {
      return take_malformed("byte " + std::to_string(*offset + 1) + " of the line is not UTF-8");
    }
    if (is_blank(line)) {
      ++report_.blank_lines;
      return end_sentence();
    }
    const std::vector<std::string_view> columns = columns_of(line);
    if (columns[0] == "-DOCSTART-") {
      add(report_.skipped, "a document begins");
      return end_sentence();
    }
    // In an only column stands the token.
    const std::size_t column =
        options_.tag_column == 0 ? std::max<std::size_t>(columns.size(), 2) : options_.tag_column;
    const std::optional<Tag> tag =
        column <= columns.size() ? tag_in(columns[column - 1]) : std::nullopt;
    if (!tag && line.starts_with('#')) {
      add(report_.skipped, "a comment");
    } else if (column > columns.size()) {
      take_malformed("expected a tag in column " + std::to_string(column) + ", found " +
                     std::to_string(columns.size()) +
                     (columns.size() == 1 ? " column" : " columns"));
    } else if (!tag) {
      take_malformed(
          excerpt(columns[column - 1]) + " in column " + std::to_string(column) +
          " is no tag, expected O or a type after " +
          (options_.scheme == TagScheme::kBioes ? "B-, I-, E- (L-) or S- (U-)" : "B- or I-"));
    } else if (is_blank(columns[0])) {
      take_malformed("the token is empty");
    } else {
      tokens_.emplace_back(columns[0]);
      labels_.push_back(label_of(*tag));
      lines_.push_back(report_.lines);
    }
  }

  void end_sentence() {
    const auto end = static_cast<std::int64_t>(tokens_.size());
    if (end > offsets_.back()) offsets_.push_back(end);
  }

  std::optional<Tag> tag_in(std::string_view text) const {
    if (text == "O") return Tag{'O', {}};
    if (text.size() < 3 || text[1] != '-') return std::nullopt;
    char prefix = text[0];
    if (options_.scheme == TagScheme::kBioes && prefix == 'L') prefix = 'E';
    if (options_.scheme == TagScheme::kBioes && prefix == 'U') prefix = 'S';
    if (prefixes_.find(prefix) == std::string_view::npos || has_space(text)) return std::nullopt;
    return Tag{prefix, text.substr(2)};
  }

  // As an index into the tags of the file's scheme.
  std::int64_t label_of(const Tag& tag) {
    if (tag.prefix == 'O') return 0;
    std::optional<std::size_t> type = types_.find(tag.type);
    if (!type && options_.new_types == NewTypes::kRefuse) {
      throw InputError(name_, report_.lines,
                       "the type " + excerpt(tag.type) + " is none of the known ones");
    }
    if (!type && types_.size() == kMostTypes) {
      throw InputError(name_, report_.lines,
                       "more than " + std::to_string(kMostTypes) +
                           " entity types; is this the column of the tags?");
    }
    if (!type) type = types_.add(tag.type);
    return static_cast<std::int64_t>(1 + *type * prefixes_.size() + prefixes_.find(tag.prefix));
  }

  void add(Finding& finding, const std::string& reason) { add(finding, report_.lines, reason); }
  void add(Finding& finding, std::size_t line, const std::string& reason) {
    if (finding.count++ == 0) finding.first = InputError(name_, line, reason).what();
  }

  void take_malformed(const std::string& reason) {
    if (options_.flaws == ConllFlaws::kRefuse) throw InputError(name_, report_.lines, reason);
    add(report_.malformed, reason);
  }

  // Counts or refuses broken sequences; what the tags are is known now.
  void check_sequences(const std::vector<std::string>& names, const EntityTags& tags) {
    for (std::size_t s = 1; s < offsets_.size(); ++s) {
      const auto begin = static_cast<std::size_t>(offsets_[s - 1]);
      const auto end = static_cast<std::size_t>(offsets_[s]);
      const auto first =
          find_tag_breaks(std::span(labels_).subspan(begin, end - begin), tags).first;
      if (!first) continue;
      const std::size_t at = begin + *first;
      const auto name = [&](std::size_t i) -> std::string {
        return excerpt(names[static_cast<std::size_t>(labels_[i])]);
      };
      const std::string reason = at == end     ? name(at - 1) + " cannot end a sentence"
                                 : at == begin ? name(at) + " cannot begin a sentence"
                                               : name(at) + " cannot follow " + name(at - 1);
      const std::size_t line = lines_[std::min(at, end - 1)];
      if (options_.flaws == ConllFlaws::kRefuse) throw InputError(name_, line, reason);
      add(report_.broken, line, reason);
    }
  }

  ConllText finish() {
    const std::vector<std::string> names = types_.tags(prefixes_);
    const EntityTags from(names, options_.scheme);
    check_sequences(names, from);

    ConllText result;
    result.tags = types_.tags(kIob2Prefixes);
    const std::vector<std::int64_t> tags =
        convert_tags(labels_, offsets_, from, EntityTags(result.tags));
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
  std::string_view prefixes_;
  TypeList types_;
  ConllReport report_;

  // Of all tokens.
  std::vector<std::string> tokens_;
  std::vector<std::int64_t> labels_;
  std::vector<std::size_t> lines_;
  std::vector<std::int64_t> offsets_ = {0};  // where sentences begin, and the end
};

}  // namespace

ConllReport& ConllReport::operator+=(const ConllReport& other) {
  lines += other.lines;
  blank_lines += other.blank_lines;
  tokens += other.tokens;
  sentences += other.sentences;
  malformed += other.malformed;
  broken += other.broken;
  skipped += other.skipped;
  return *this;
}

std::string summary(const ConllReport& report) {
  std::string text =
      std::to_string(report.sentences) + " sentences, " + std::to_string(report.tokens) + " tokens";
  text += report.malformed.text("malformed rows left out");
  text += report.broken.text("sentences with broken tags repaired");
  text += report.skipped.text("comments and document lines skipped");
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

std::string format_conll(std::span<const TaggedSentence> sentences,
                         std::span<const std::string> tags) {
  std::string text;
  for (const TaggedSentence& sentence : sentences) {
    for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
      const auto tag = static_cast<std::size_t>(sentence.tags.at(i));
      if (tag >= tags.size()) {
        throw std::out_of_range("format_conll(): tag " + std::to_string(sentence.tags[i]) +
                                ", expected an index into " + std::to_string(tags.size()) +
                                " tags");
      }
      text += sentence.tokens[i] + "\t" + tags[tag] + "\n";
    }
    text += '\n';
  }
  return text;
}

}  // namespace equipoise::demos
