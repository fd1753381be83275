#include "demos/ner/tag_notation.h"

#include <algorithm>
#include <array>

#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

constexpr std::array kSchemes = {
    FileScheme{"iob2", "IOB2", metrics::TagScheme::kIob2, "BI"},
    FileScheme{"iob1", "IOB1", metrics::TagScheme::kIob1, "BI"},
    FileScheme{"bioes", "BIOES", metrics::TagScheme::kBioes, "BIES"},
    FileScheme{"bilou", "BILOU", metrics::TagScheme::kBioes, "BILU"},
    FileScheme{"bmes", "BMES", metrics::TagScheme::kBioes, "BMES"},
};

bool is_separator(char c) { return c == '-' || c == '_'; }

bool has_space(std::string_view text) {
  const std::u32string points = code_points(text);
  return std::any_of(points.begin(), points.end(), is_white_space);
}

std::size_t count_fitting(const TagTexts& tags, const TagNotation& notation) {
  std::size_t count = 0;
  for (const auto& [text, times] : tags) count += parse_tag(text, notation) ? times : 0;
  return count;
}

}  // namespace

std::span<const FileScheme> file_schemes() { return kSchemes; }

std::optional<FileScheme> file_scheme(std::string_view flag) {
  for (const FileScheme& scheme : kSchemes) {
    if (scheme.flag == flag) return scheme;
  }
  return std::nullopt;
}

std::string TagNotation::text() const {
  constexpr std::string_view kForms[] = {"", " with the letter behind the type", " without types"};
  return std::string(scheme.name) + std::string(kForms[static_cast<std::size_t>(form)]);
}

std::string TagNotation::expected() const {
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

std::optional<WrittenTag> parse_tag(std::string_view text, const TagNotation& notation) {
  if (text == "O") return WrittenTag{std::nullopt, {}};
  if (text.empty() || has_space(text)) return std::nullopt;
  const bool is_suffix = notation.form == TagForm::kSuffix;
  const std::size_t letter = notation.scheme.letters.find(is_suffix ? text.back() : text.front());
  if (letter == std::string_view::npos) return std::nullopt;
  if (notation.form == TagForm::kLetter) {
    return text.size() == 1 ? std::optional(WrittenTag{letter, kOnlyType}) : std::nullopt;
  }
  if (text.size() < 3 || !is_separator(text[is_suffix ? text.size() - 2 : 1])) return std::nullopt;
  return WrittenTag{letter, text.substr(is_suffix ? 0 : 2, text.size() - 2)};
}

TagNotation find_notation(const TagTexts& tags, const std::optional<FileScheme>& scheme) {
  const std::span<const FileScheme> schemes =
      scheme ? std::span<const FileScheme>(&*scheme, 1) : file_schemes();
  TagNotation best{schemes.front()};
  std::size_t most = count_fitting(tags, best);
  for (const FileScheme& each : schemes) {
    for (const TagForm form : {TagForm::kPrefix, TagForm::kSuffix, TagForm::kLetter}) {
      const TagNotation notation{each, form};
      const std::size_t count = count_fitting(tags, notation);
      if (count > most) {
        best = notation;
        most = count;
      }
    }
  }
  return best;
}

}  // namespace equipoise::demos
