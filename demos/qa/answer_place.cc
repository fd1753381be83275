#include "demos/qa/answer_place.h"

#include <algorithm>
#include <utility>

#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

// Whether a code point belongs to the letter before it: a mark, or a vowel or final consonant of
// Hangul that is written apart.
bool continues_letter(char32_t point) {
  return is_mark(point) || (0x1160 <= point && point <= 0x11ff);
}

std::size_t distance(std::size_t a, std::size_t b) { return a < b ? b - a : a - b; }

}  // namespace

// A text as it is compared: canonically decomposed, each run of white space a single space.
class AnswerFinder::Folded {
 public:
  explicit Folded(std::string_view source) {
    const std::u32string points = code_points(source);
    const std::vector<std::size_t> offsets = code_point_offsets(source);
    for (std::size_t i = 0, next = 0; i < points.size(); i = next) {
      mark(offsets[i]);
      next = i + 1;
      if (is_white_space(points[i])) {
        while (next < points.size() && is_white_space(points[next])) ++next;
        text_ += ' ';
      } else {
        while (next < points.size() && continues_letter(points[next])) ++next;
        text_ += decomposed(source.substr(offsets[i], offsets[next] - offsets[i]));
      }
    }
    mark(source.size());
  }

  const std::string& text() const { return text_; }

  // The range in the source of what begins in the folded text at a place and is so long; nothing
  // if it cuts a letter.
  std::optional<TextRange> source_of(std::size_t begin, std::size_t size) const {
    const auto first = std::lower_bound(places_.begin(), places_.end(), begin);
    const auto last = std::lower_bound(first, places_.end(), begin + size);
    if (first == places_.end() || *first != begin) return std::nullopt;
    if (last == places_.end() || *last != begin + size) return std::nullopt;
    return TextRange{sources_[static_cast<std::size_t>(first - places_.begin())],
                     sources_[static_cast<std::size_t>(last - places_.begin())]};
  }

  // The same for a text at a byte of the source, or behind the white space there.
  std::optional<TextRange> at(std::string_view part, std::size_t byte, bool skips_space) const {
    const auto after = std::upper_bound(sources_.begin(), sources_.end(), byte);
    auto i = static_cast<std::size_t>(after - sources_.begin()) - 1;
    const bool is_space = i + 1 < places_.size() && text_[places_[i]] == ' ';
    if (skips_space && is_space) {
      ++i;
    } else if (sources_[i] != byte) {
      return std::nullopt;
    }
    if (text_.compare(places_[i], part.size(), part) != 0) return std::nullopt;
    return source_of(places_[i], part.size());
  }

  // Calls f(range) for each place of a text, from left to right.
  template <class F>
  void for_each(std::string_view part, const F& f) const {
    for (std::size_t at = text_.find(part); at != std::string::npos;
         at = text_.find(part, at + 1)) {
      if (const auto range = source_of(at, part.size())) f(*range);
    }
  }

 private:
  void mark(std::size_t source) {
    places_.push_back(text_.size());
    sources_.push_back(source);
  }

  std::string text_;
  // Where each letter with its marks, and each run of white space, begins here and in the source;
  // at last the two sizes.
  std::vector<std::size_t> places_;
  std::vector<std::size_t> sources_;
};

std::string_view name_of(OffsetUnit unit) {
  switch (unit) {
    case OffsetUnit::kCodePoints:
      return "code points";
    case OffsetUnit::kUtf16:
      return "UTF-16 units";
    case OffsetUnit::kBytes:
      return "UTF-8 bytes";
  }
  return "";
}

std::string_view without_space_around(std::string_view text) {
  const std::u32string points = code_points(text);
  const std::vector<std::size_t> offsets = code_point_offsets(text);
  const auto is_text = [](char32_t point) { return !is_white_space(point); };
  const auto first = std::find_if(points.begin(), points.end(), is_text);
  if (first == points.end()) return {};
  const auto last = std::find_if(points.rbegin(), points.rend(), is_text).base();
  const std::size_t begin = offsets[static_cast<std::size_t>(first - points.begin())];
  return text.substr(begin, offsets[static_cast<std::size_t>(last - points.begin())] - begin);
}

AnswerFinder::AnswerFinder(std::string_view context)
    : context_(context), code_points_(code_point_offsets(context)) {
  const auto size_at = [&](std::size_t i) { return code_points_[i + 1] - code_points_[i]; };
  constexpr std::size_t kBytesOfPair = 4;  // what UTF-8 writes in four bytes, UTF-16 does in two
  bool has_pairs = false;
  for (std::size_t i = 0; i + 1 < code_points_.size() && !has_pairs; ++i) {
    has_pairs = size_at(i) == kBytesOfPair;
  }
  if (!has_pairs) return;
  for (std::size_t i = 0; i + 1 < code_points_.size(); ++i) {
    utf16_.push_back(code_points_[i]);
    if (size_at(i) == kBytesOfPair) utf16_.push_back(code_points_[i]);
  }
  utf16_.push_back(context.size());
}

AnswerFinder::~AnswerFinder() = default;

const AnswerFinder::Folded& AnswerFinder::folded() const {
  if (!folded_) folded_ = std::make_unique<const Folded>(context_);
  return *folded_;
}

std::size_t AnswerFinder::size(OffsetUnit unit) const {
  if (unit == OffsetUnit::kBytes) return context_.size();
  const bool has_pairs = unit == OffsetUnit::kUtf16 && !utf16_.empty();
  return (has_pairs ? utf16_ : code_points_).size() - 1;
}

std::size_t AnswerFinder::byte_at(std::size_t offset, OffsetUnit unit) const {
  if (offset >= size(unit)) return context_.size();
  if (unit == OffsetUnit::kBytes) {
    return *(std::upper_bound(code_points_.begin(), code_points_.end(), offset) - 1);
  }
  const bool has_pairs = unit == OffsetUnit::kUtf16 && !utf16_.empty();
  return (has_pairs ? utf16_ : code_points_)[offset];
}

std::optional<TextRange> AnswerFinder::exact_at(std::string_view answer, std::size_t offset,
                                                OffsetUnit unit) const {
  if (offset > size(unit)) return std::nullopt;
  const std::size_t begin = byte_at(offset, unit);
  if (unit == OffsetUnit::kBytes && begin != offset) return std::nullopt;
  // The second half of a pair is no place.
  if (unit == OffsetUnit::kUtf16 && offset > 0 && offset < size(unit) &&
      byte_at(offset - 1, unit) == begin) {
    return std::nullopt;
  }
  if (!context_.substr(begin).starts_with(answer)) return std::nullopt;
  return TextRange{begin, begin + answer.size()};
}

std::optional<TextRange> AnswerFinder::equivalent_at(std::string_view answer, std::size_t offset,
                                                     OffsetUnit unit) const {
  const std::string_view part = without_space_around(answer);
  if (part.empty() || !exact_at("", offset, unit)) return std::nullopt;
  const bool skips_space = part.data() != answer.data();
  return folded().at(Folded(part).text(), byte_at(offset, unit), skips_space);
}

std::optional<TextRange> AnswerFinder::nearest(std::string_view answer, std::size_t byte) const {
  std::optional<TextRange> best;
  const auto take = [&](const TextRange& range) {
    if (!best || distance(range.begin, byte) < distance(best->begin, byte)) best = range;
  };
  if (without_space_around(answer).empty()) return std::nullopt;
  for (const std::size_t at : {context_.rfind(answer, byte), context_.find(answer, byte)}) {
    if (at != std::string_view::npos) take({at, at + answer.size()});
  }
  if (!best) folded().for_each(Folded(without_space_around(answer)).text(), take);
  return best;
}

std::optional<TextRange> AnswerFinder::only(std::string_view answer) const {
  std::optional<TextRange> found;
  std::size_t count = 0;
  const auto take = [&](const TextRange& range) {
    found = range;
    ++count;
  };
  if (without_space_around(answer).empty()) return std::nullopt;
  const std::size_t first = context_.find(answer);
  if (first != std::string_view::npos) {
    return context_.find(answer, first + 1) == std::string_view::npos
               ? std::optional(TextRange{first, first + answer.size()})
               : std::nullopt;
  }
  folded().for_each(Folded(without_space_around(answer)).text(), take);
  return count == 1 ? found : std::nullopt;
}

}  // namespace equipoise::demos
