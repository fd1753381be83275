#include "demos/encoder/word_piece.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>
#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/unicode.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kLongestWord = 100;

// The blocks of ideographs that the reference takes for words, but not all that Unicode has now.
bool is_ideograph(char32_t c) {
  struct Block {
    char32_t first, last;
  };
  static constexpr Block kBlocks[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                      {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                      {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [c](const Block& block) { return c >= block.first && c <= block.last; });
}

bool is_symbol_of_ascii(char32_t c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
         (c >= 123 && c <= 126);
}

bool is_word_alone(char32_t c) {
  return is_symbol_of_ascii(c) || is_punctuation(c) || is_ideograph(c);
}

utf8proc_category_t category_of(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_blank(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return c == '\t' || c == '\n' || c == '\r' ||
         (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

// Control and format characters, and those for private use.
bool is_invisible(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_CC && category <= UTF8PROC_CATEGORY_CO;
}

// Decomposed, without what does not show.
std::u32string cleaned(std::string_view text) {
  std::u32string kept;
  for (const char32_t c : code_points(text)) {
    if (is_blank(c)) {
      kept += U' ';
    } else if (c != 0 && c != 0xFFFD && !is_invisible(c)) {
      kept += c;
    }
  }
  std::u32string result;
  for (const char32_t c : code_points(decomposed(to_utf8(kept)))) {
    if (category_of(c) == UTF8PROC_CATEGORY_MN) continue;
    result += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  }
  return result;
}

}  // namespace

WordPiece::WordPiece(const std::filesystem::path& vocabulary) {
  const std::vector<std::string> lines = read_lines(vocabulary);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool is_mark = lines[i].starts_with('[') && lines[i].ends_with(']');
    if (!is_mark && std::any_of(lines[i].begin(), lines[i].end(), absl::ascii_isupper)) {
      throw InputError(vocabulary.string(), i + 1,
                       "piece '" + lines[i] + "' is of a cased model, expected an uncased one");
    }
    if (!ids_.emplace(lines[i], static_cast<std::int64_t>(i)).second) {
      throw InputError(vocabulary.string(), i + 1, "piece '" + lines[i] + "' occurs twice");
    }
  }
  fingerprint_ = splits::fnv1a64(absl::StrJoin(lines, "\n"));
  if (id_of(vocabulary, "[PAD]") != kPaddingPiece) {
    throw InputError(vocabulary.string(), 1, "expected [PAD], found '" + lines.front() + "'");
  }
  unknown_ = id_of(vocabulary, "[UNK]");
  first_ = id_of(vocabulary, "[CLS]");
  separator_ = id_of(vocabulary, "[SEP]");
}

std::int64_t WordPiece::id_of(const std::filesystem::path& file, const std::string& piece) const {
  const auto found = ids_.find(piece);
  if (found == ids_.end()) throw InputError(file.string(), 0, "there is no piece " + piece);
  return found->second;
}

void WordPiece::append_pieces(std::u32string_view word, std::vector<std::int64_t>& ids) const {
  if (word.size() > kLongestWord) {
    ids.push_back(unknown_);
    return;
  }
  const std::size_t before = ids.size();
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = word.size();
    auto found = ids_.end();
    for (; end > begin; --end) {
      const std::string piece = to_utf8(word.substr(begin, end - begin));
      found = ids_.find(begin == 0 ? piece : "##" + piece);
      if (found != ids_.end()) break;
    }
    if (found == ids_.end()) {
      ids.resize(before);
      ids.push_back(unknown_);
      return;
    }
    ids.push_back(found->second);
    begin = end;
  }
}

std::vector<std::int64_t> WordPiece::pieces_of(std::string_view text) const {
  const std::u32string points = cleaned(text);
  std::vector<std::int64_t> ids;
  std::size_t begin = 0;  // of the word
  const auto end_word = [&](std::size_t end) {
    if (end > begin) append_pieces(std::u32string_view(points).substr(begin, end - begin), ids);
    begin = end;
  };
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i] == U' ') {
      end_word(i);
      begin = i + 1;
    } else if (is_word_alone(points[i])) {
      end_word(i);
      end_word(i + 1);
    }
  }
  end_word(points.size());
  return ids;
}

Pieces WordPiece::enclosed(std::vector<std::int64_t> ids, std::size_t most) const {
  ids.resize(std::min(ids.size(), most - 1));
  ids.push_back(separator_);
  Pieces pieces;
  pieces.types.assign(ids.size(), 0);
  pieces.ids = std::move(ids);
  return pieces;
}

Pieces WordPiece::encode(std::string_view text, std::size_t most) const {
  std::vector<std::int64_t> ids = pieces_of(text);
  ids.insert(ids.begin(), first_);
  return enclosed(std::move(ids), most);
}

Pieces WordPiece::encode_words(std::span<const std::string> words, std::size_t most) const {
  std::vector<std::int64_t> ids = {first_};
  std::vector<std::size_t> starts;
  for (const std::string& word : words) {
    if (ids.size() + 1 >= most) break;
    starts.push_back(ids.size());
    std::vector<std::int64_t> own = pieces_of(word);
    if (own.empty()) own.push_back(unknown_);
    ids.insert(ids.end(), own.begin(), own.end());
  }
  Pieces pieces = enclosed(std::move(ids), most);
  pieces.starts = std::move(starts);
  return pieces;
}

Pieces WordPiece::encode_pair(std::string_view text, std::string_view other,
                              std::size_t most) const {
  std::vector<std::int64_t> first = pieces_of(text);
  std::vector<std::int64_t> second = pieces_of(other);
  constexpr std::size_t kMarks = 3;
  while (first.size() + second.size() + kMarks > most) {
    (first.size() > second.size() ? first : second).pop_back();
  }
  Pieces pieces;
  pieces.ids.push_back(first_);
  pieces.ids.insert(pieces.ids.end(), first.begin(), first.end());
  pieces.ids.push_back(separator_);
  pieces.types.assign(pieces.ids.size(), 0);
  pieces.ids.insert(pieces.ids.end(), second.begin(), second.end());
  pieces.ids.push_back(separator_);
  pieces.types.resize(pieces.ids.size(), 1);
  return pieces;
}

}  // namespace equipoise::demos
