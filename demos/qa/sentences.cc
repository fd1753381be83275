#include "demos/qa/sentences.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

// What ends sentences whatever follows: Sentence_Terminal of Unicode 14 without the full stops, and
// U+037E, which looks like a semicolon and asks in Greek.
constexpr CodePointRange kEndMarks[] = {
    {0x0021, 0x0021},   {0x003f, 0x003f},   {0x037e, 0x037e},   {0x0589, 0x0589},
    {0x061d, 0x061f},   {0x06d4, 0x06d4},   {0x0700, 0x0702},   {0x07f9, 0x07f9},
    {0x0837, 0x0837},   {0x0839, 0x0839},   {0x083d, 0x083e},   {0x0964, 0x0965},
    {0x104a, 0x104b},   {0x1362, 0x1362},   {0x1367, 0x1368},   {0x166e, 0x166e},
    {0x1735, 0x1736},   {0x1803, 0x1803},   {0x1809, 0x1809},   {0x1944, 0x1945},
    {0x1aa8, 0x1aab},   {0x1b5a, 0x1b5b},   {0x1b5e, 0x1b5f},   {0x1b7d, 0x1b7e},
    {0x1c3b, 0x1c3c},   {0x1c7e, 0x1c7f},   {0x203c, 0x203d},   {0x2047, 0x2049},
    {0x2e2e, 0x2e2e},   {0x2e3c, 0x2e3c},   {0x2e53, 0x2e54},   {0x3002, 0x3002},
    {0xa4ff, 0xa4ff},   {0xa60e, 0xa60f},   {0xa6f3, 0xa6f3},   {0xa6f7, 0xa6f7},
    {0xa876, 0xa877},   {0xa8ce, 0xa8cf},   {0xa92f, 0xa92f},   {0xa9c8, 0xa9c9},
    {0xaa5d, 0xaa5f},   {0xaaf0, 0xaaf1},   {0xabeb, 0xabeb},   {0xfe56, 0xfe57},
    {0xff01, 0xff01},   {0xff1f, 0xff1f},   {0xff61, 0xff61},   {0x10a56, 0x10a57},
    {0x10f55, 0x10f59}, {0x10f86, 0x10f89}, {0x11047, 0x11048}, {0x110be, 0x110c1},
    {0x11141, 0x11143}, {0x111c5, 0x111c6}, {0x111cd, 0x111cd}, {0x111de, 0x111df},
    {0x11238, 0x11239}, {0x1123b, 0x1123c}, {0x112a9, 0x112a9}, {0x1144b, 0x1144c},
    {0x115c2, 0x115c3}, {0x115c9, 0x115d7}, {0x11641, 0x11642}, {0x1173c, 0x1173e},
    {0x11944, 0x11944}, {0x11946, 0x11946}, {0x11a42, 0x11a43}, {0x11a9b, 0x11a9c},
    {0x11c41, 0x11c42}, {0x11ef7, 0x11ef8}, {0x16a6e, 0x16a6f}, {0x16af5, 0x16af5},
    {0x16b37, 0x16b38}, {0x16b44, 0x16b44}, {0x16e98, 0x16e98}, {0x1bc9f, 0x1bc9f},
    {0x1da88, 0x1da88}};

bool is_end_mark(char32_t point) {
  const auto* const at = std::ranges::lower_bound(kEndMarks, point, {}, &CodePointRange::last);
  return at != std::end(kEndMarks) && at->first <= point;
}

bool is_one_of(char32_t point, std::u32string_view points) {
  return points.find(point) != std::u32string_view::npos;
}

// Full stops, and what stands for some: an ellipsis, the dot of a leader.
bool is_stop(char32_t point) { return is_one_of(point, U".\u2024\u2026\ufe52\uff0e"); }

bool is_line_end(char32_t point) { return is_one_of(point, U"\n\v\f\r\u0085\u2028\u2029"); }

// What goes on with a sentence if it stands after a full stop.
bool continues(char32_t point) {
  return is_one_of(point,
                   U",;:-\u055d\u060c\u061b\u2010\u2011\u2013\u2014\u3001\uff0c\uff1a\uff1b");
}

bool has_case(char32_t point) { return is_lower_case(point) || is_upper_case(point); }

// Scripts whose characters are syllables or words: there a single one is no abbreviation.
bool is_syllable(char32_t point) { return point >= 0x2e80 && point <= 0xd7ff; }

class Splitter {
 public:
  Splitter(std::string_view text, const SentenceRules& rules)
      : text_(text),
        rules_(rules),
        points_(code_points(text) + U'\n'),
        offsets_(code_point_offsets(text)) {}

  std::vector<TextRange> split() {
    for (std::size_t i = 0; i < points_.size();) {
      if (is_line_end(points_[i])) {
        end_at(i++);
      } else if (is_stop(points_[i]) || is_end_mark(points_[i])) {
        i = take_marks(i);
      } else {
        if (!begin_ && !is_white_space(points_[i])) begin_ = i;
        ++i;
      }
    }
    return sentences_;
  }

 private:
  // Takes marks and what closes behind them; returns where they end.
  std::size_t take_marks(std::size_t first) {
    if (!begin_) begin_ = first;
    bool only_stops = true;
    std::size_t last_mark = first;
    std::size_t end = first;
    for (;;) {
      if (is_stop(points_[end]) || is_end_mark(points_[end])) {
        only_stops = only_stops && is_stop(points_[end]);
        last_mark = end++;
      } else if (is_closing_punctuation(points_[end])) {
        ++end;
      } else if (const std::size_t size = reference_at(end); size > 0) {
        end += size;
      } else {
        break;
      }
    }
    if (!goes_on(first, last_mark, end, only_stops)) end_at(end);
    return end;
  }

  // The size of a reference to a note: [12], perhaps with a zero width space.
  std::size_t reference_at(std::size_t i) const {
    std::size_t end = i + 1;
    if (points_[i] != U'[' || !is_digit(points_[end])) return 0;
    while (is_digit(points_[end])) ++end;
    if (points_[end] != U']') return 0;
    return end + (points_[end + 1] == U'\u200b' ? 2 : 1) - i;
  }

  // Whether a sentence goes on after the marks [first, last_mark] and what closes, up to end.
  bool goes_on(std::size_t first, std::size_t last_mark, std::size_t end, bool only_stops) const {
    const char32_t next = points_[end];
    if (continues(next)) return true;
    if (!only_stops) return false;
    if (first == last_mark && (is_behind_single_letter(first) || is_behind_ordinal(first))) {
      return true;
    }
    if (is_white_space(next)) return is_lower_case(next_word(end));
    if (!is_letter_or_number(next)) return false;
    const bool space_was_lost =
        is_upper_case(next) && is_lower_case(before(first)) && is_lower_case(before(first, 2));
    const bool lacks_case =
        is_letter(next) && !has_case(next) && is_letter(before(first)) && !has_case(before(first));
    return !space_was_lost && !lacks_case;
  }

  // The code point so many before another one of the sentence; a space if there is none.
  char32_t before(std::size_t i, std::size_t distance = 1) const {
    return i >= *begin_ + distance ? points_[i - distance] : U' ';
  }

  bool is_behind_single_letter(std::size_t stop) const {
    const char32_t letter = before(stop);
    return is_letter(letter) && !is_syllable(letter) && !is_word(stop, 2);
  }

  bool is_behind_ordinal(std::size_t stop) const {
    if (!rules_.ordinals || !is_digit(before(stop))) return false;
    return !is_word(stop, is_digit(before(stop, 2)) ? 3 : 2);
  }

  // Whether the code point so many before another one is of a word.
  bool is_word(std::size_t i, std::size_t distance) const {
    if (i < *begin_ + distance) return false;
    return character_at(text_, offsets_[i - distance]).kind == CharacterKind::kWord;
  }

  // What follows white space; a line end if one lies between.
  char32_t next_word(std::size_t i) const {
    while (is_white_space(points_[i]) && !is_line_end(points_[i])) ++i;
    return points_[i];
  }

  // Ends the sentence, if one has begun, before a code point.
  void end_at(std::size_t end) {
    if (!begin_) return;
    while (is_white_space(points_[end - 1])) --end;
    sentences_.push_back({offsets_[*begin_], offsets_[end]});
    begin_.reset();
  }

  std::string_view text_;
  const SentenceRules& rules_;
  std::u32string points_;  // and a line end
  std::vector<std::size_t> offsets_;
  std::optional<std::size_t> begin_;  // of the sentence
  std::vector<TextRange> sentences_;
};

}  // namespace

std::vector<TextRange> split_sentences(std::string_view text, const SentenceRules& rules) {
  return Splitter(text, rules).split();
}

}  // namespace equipoise::demos
