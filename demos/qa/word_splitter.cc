#include "demos/qa/word_splitter.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "demos/common/unicode.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

// Ideographs and kana, Thai and Lao, Burmese, Khmer.
bool is_of_unspaced_script(char32_t point) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x0e00, 0x0eff}, {0x1000, 0x109f}, {0x1780, 0x17ff},  {0x2e80, 0x312f},
      {0x31a0, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x3ffff}};
  return std::any_of(std::begin(kRanges), std::end(kRanges), [&](const auto& range) {
    return range.first <= point && point <= range.second;
  });
}

std::string folded(std::string_view text) {
  const bool is_ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
  if (!is_ascii) return fold_case(text);
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// All n characters that follow one another.
void add_ngrams(std::string_view text, std::size_t n, std::vector<std::uint64_t>& pieces) {
  const std::vector<std::size_t> at = code_point_offsets(text);
  for (std::size_t i = 0; i + n < at.size(); ++i) {
    pieces.push_back(splits::fnv1a64(text.substr(at[i], at[i + n] - at[i])));
  }
}

}  // namespace

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  std::size_t begin = 0;  // of the run
  std::size_t end = 0;    // of the last word
  const auto add = [&](std::size_t from, std::size_t to, bool is_character) {
    if (from == to) return;
    const std::string_view raw = text.substr(from, to - from);
    Word word{folded(raw)};
    const std::u32string points = code_points(raw);
    word.has_digit = std::any_of(points.begin(), points.end(), is_digit);
    word.is_capitalized = !words.empty() && is_upper_case(points.front());
    word.is_character = is_character;
    word.joins = !words.empty() && end == from;
    words.push_back(std::move(word));
    end = to;
  };
  const std::vector<std::size_t> at = code_point_offsets(text);
  const std::u32string points = code_points(text);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool is_word = character_at(text, at[i]).kind == CharacterKind::kWord;
    if (is_word && !is_of_unspaced_script(points[i])) continue;
    add(begin, at[i], false);
    if (is_word) add(at[i], at[i + 1], true);
    begin = at[i + 1];
  }
  add(begin, text.size(), false);
  return words;
}

std::vector<std::uint64_t> pieces_of(std::span<const Word> words) {
  std::vector<std::uint64_t> pieces;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].is_character) {
      const std::string marked = '<' + words[i].text + '>';
      for (const std::size_t n : {std::size_t{3}, std::size_t{4}}) add_ngrams(marked, n, pieces);
      continue;
    }
    std::string joined = words[i].text;
    for (std::size_t k = i; k > 0 && i - k < 2; --k) {
      if (!words[k].joins || !words[k - 1].is_character) break;
      joined.insert(0, words[k - 1].text);
      pieces.push_back(splits::fnv1a64(joined));
    }
  }
  return pieces;
}

}  // namespace equipoise::demos
