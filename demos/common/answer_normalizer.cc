#include "demos/common/answer_normalizer.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

constexpr std::u32string_view kEnglish[] = {U"a", U"an", U"the"};
constexpr std::u32string_view kSpanish[] = {U"un", U"una", U"unos", U"unas",
                                            U"el", U"la",  U"los",  U"las"};
constexpr std::u32string_view kGerman[] = {U"ein", U"eine", U"einen", U"einem", U"eines", U"einer",
                                           U"der", U"die",  U"das",   U"den",   U"dem",   U"des"};
constexpr std::u32string_view kVietnamese[] = {U"c\u1ee7a", U"l\u00e0", U"c\u00e1i", U"chi\u1ebfc",
                                               U"nh\u1eefng"};
constexpr std::u32string_view kArabic = U"\u0627\u0644";

constexpr std::u32string_view kAsciiPunctuation = U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

// With a space for each run of letters and numbers that is one of the words.
std::u32string without_words(std::u32string_view text, std::span<const std::u32string_view> words) {
  std::u32string rest;
  rest.reserve(text.size());
  while (!text.empty()) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_letter_or_number);
    const auto size = static_cast<std::size_t>(end - text.begin());
    const std::u32string_view word = text.substr(0, size);
    if (std::find(words.begin(), words.end(), word) == words.end()) {
      rest += word;
    } else {
      rest += U' ';
    }
    if (size < text.size()) rest += text[size];
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return rest;
}

// With a space for each occurrence of a part, within words too.
std::u32string without_part(std::u32string_view text, std::u32string_view part) {
  std::u32string rest;
  rest.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const bool found = text.substr(i).starts_with(part);
    rest += found ? U' ' : text[i];
    i += found ? part.size() : 1;
  }
  return rest;
}

}  // namespace

UnicodeAnswerNormalizer UnicodeAnswerNormalizer::mlqa(std::string_view language) {
  UnicodeAnswerNormalizer normalizer;
  normalizer.unicode_punctuation_ = true;
  if (language == "en") normalizer.articles_ = kEnglish;
  if (language == "es") normalizer.articles_ = kSpanish;
  if (language == "de") normalizer.articles_ = kGerman;
  if (language == "vi") normalizer.articles_ = kVietnamese;
  if (language == "ar") normalizer.article_within_ = kArabic;
  normalizer.parts_ideographs_ = language == "zh";
  return normalizer;
}

UnicodeAnswerNormalizer UnicodeAnswerNormalizer::squad() {
  UnicodeAnswerNormalizer normalizer;
  normalizer.articles_ = kEnglish;
  return normalizer;
}

std::string UnicodeAnswerNormalizer::operator()(std::string_view answer) const {
  std::u32string text = lower_case(code_points(answer));
  std::erase_if(text, [this](char32_t point) { return is_dropped(point); });
  if (!articles_.empty()) text = without_words(text, articles_);
  if (!article_within_.empty()) text = without_part(text, article_within_);
  std::u32string form;
  form.reserve(text.size());
  bool parted = false;
  for (const char32_t point : text) {
    if (is_white_space(point)) {
      parted = true;
      continue;
    }
    if ((parted || is_token(point)) && !form.empty()) form += U' ';
    form += point;
    parted = is_token(point);
  }
  return to_utf8(form);
}

bool UnicodeAnswerNormalizer::is_dropped(char32_t point) const {
  return kAsciiPunctuation.find(point) != std::u32string_view::npos ||
         (unicode_punctuation_ && is_punctuation(point));
}

bool UnicodeAnswerNormalizer::is_token(char32_t point) const {
  return parts_ideographs_ && point >= 0x4e00 && point <= 0x9fa5;
}

}  // namespace equipoise::demos
