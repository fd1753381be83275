#include <absl/strings/ascii.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "demos/common/model_file.h"
#include "demos/common/unicode.h"
#include "demos/qa/sentences.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

using Hash = std::uint64_t;

// Two kinds of what texts are compared by: words and pieces.
constexpr std::size_t kKinds = 2;
// How many questions have a word that is one to ask with.
constexpr std::size_t kOften = 20;

// The column of a feature, and the place of an idf.
constexpr std::size_t bucket(Hash hash) {
  return static_cast<std::size_t>((hash ^ (hash >> 32)) % kSentenceColumns);
}

// One hash of two.
constexpr Hash joined(Hash a, Hash b) {
  Hash x = (a * 0x9e3779b97f4a7c15u) ^ b;
  x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
  return x ^ (x >> 32);
}

// Ideographs and kana, Thai and Lao, Burmese, Khmer.
bool is_of_unspaced_script(char32_t point) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x0e00, 0x0eff}, {0x1000, 0x109f}, {0x1780, 0x17ff},  {0x2e80, 0x312f},
      {0x31a0, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x3ffff}};
  return std::ranges::any_of(
      kRanges, [&](const auto& range) { return range.first <= point && point <= range.second; });
}

std::string folded(std::string_view text) {
  const bool is_ascii = std::ranges::all_of(text, absl::ascii_isascii);
  return is_ascii ? absl::AsciiStrToLower(std::string(text)) : fold_case(text);
}

// All n characters that follow one another.
void add_ngrams(std::string_view text, std::size_t n, std::vector<Hash>& pieces) {
  const std::vector<std::size_t> at = code_point_offsets(text);
  for (std::size_t i = 0; i + n < at.size(); ++i) {
    pieces.push_back(splits::fnv1a64(text.substr(at[i], at[i + n] - at[i])));
  }
}

std::vector<Hash> sorted_set(std::vector<Hash> hashes) {
  std::ranges::sort(hashes);
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

bool holds(const std::vector<Hash>& sorted, Hash hash) {
  return std::ranges::binary_search(sorted, hash);
}

// A text in all forms in which it is compared.
struct Analysis {
  explicit Analysis(std::string_view text) : words(words_of(text)) {
    for (const Word& word : words) hashes.push_back(splits::fnv1a64(word.text));
    keys = {sorted_set(hashes), sorted_set(pieces_of(words))};
  }
  bool has_word(Hash hash) const { return holds(keys[0], hash); }

  std::vector<Word> words;
  std::vector<Hash> hashes;                    // of the words, in order
  std::array<std::vector<Hash>, kKinds> keys;  // the distinct words, and the pieces
};

// Shares of words and of pieces, by rarity at all and by that times rarity within the text.
constexpr std::size_t kShares = 2 * kKinds;
using Shares = std::array<double, kShares>;

// Features; of the first four there is one for each share.
enum Feature : Hash {
  kShare = 1,
  kLead = 11,
  kBefore = 21,
  kAfter = 31,
  kSentences = 41,
  kPlace,
  kLast,
  kLength,
  kShareOfText,
  kCue,
  kCross
};

// What a sentence has besides the question's words; behind kLengthCue stands the logarithm of its
// words, behind kRank how many sentences have more of the question.
enum Cue : Hash {
  kAlways,
  kNumber,
  kNumbers,
  kNoNumber,
  kName,
  kNames,
  kNoName,
  kQuote,
  kBracket,
  kAmount,
  kFirst,
  kLengthCue = 20,
  kRank = 30
};

class RowBuilder {
 public:
  void add(Hash feature, Hash which, double value) {
    entries_.emplace_back(static_cast<std::int32_t>(bucket(joined(feature, which))),
                          static_cast<float>(value));
  }

  // A number between low and high as a mixture of the two knots that it lies between.
  void add_level(Hash feature, double value, double low, double high, std::size_t knots) {
    const double place =
        std::clamp((value - low) / (high - low), 0.0, 1.0) * static_cast<double>(knots - 1);
    const auto knot = static_cast<std::size_t>(place);
    const double rest = place - static_cast<double>(knot);
    add(feature, knot, 1 - rest);
    if (rest > 0) add(feature, knot + 1, rest);
  }

  void append_to(SparseRows& rows) {
    std::ranges::sort(entries_);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (i > 0 && entries_[i].first == entries_[i - 1].first) {
        rows.values.back() += entries_[i].second;
      } else {
        rows.columns.push_back(entries_[i].first);
        rows.values.push_back(entries_[i].second);
      }
    }
    rows.starts.push_back(rows.columns.size());
  }

 private:
  std::vector<std::pair<std::int32_t, float>> entries_;
};

bool has_any(std::string_view text, std::initializer_list<std::string_view> marks) {
  return std::ranges::any_of(
      marks, [&](std::string_view mark) { return text.find(mark) != std::string_view::npos; });
}

double logarithm(std::size_t n) { return std::log(static_cast<double>(n)); }

// A question on a text.
class Selection {
 public:
  Selection(const SentenceQuestion& question, std::span<const std::vector<float>> idf)
      : source_(question), question_(question.text) {
    for (const std::string& sentence : question.sentences) {
      sentences_.emplace_back(sentence);
      words_ += sentences_.back().words.size();
    }
    shares_.resize(sentences_.size());
    for (std::size_t k = 0; k < kKinds; ++k) compare(k, idf[k]);
  }

  void add_rows(const std::vector<Hash>& asking_words, SparseRows& rows) const {
    const std::vector<Hash> asking = asking_keys(asking_words);
    const double weight = 1 / std::sqrt(1 + static_cast<double>(asking.size()));
    for (std::size_t i = 0; i < sentences_.size(); ++i) {
      RowBuilder row;
      add_shares(i, row);
      add_place(i, row);
      for (const Hash cue : cues_of(i)) {
        row.add(kCue, cue, 0.5);
        for (const Hash key : asking) row.add(kCross, joined(key, cue), weight);
      }
      row.append_to(rows);
    }
  }

 private:
  // Which share of the question's keys of a kind each sentence has, by both weights.
  void compare(std::size_t kind, const std::vector<float>& idf) {
    std::unordered_map<Hash, double> here;  // how many of the sentences have a key
    for (const Analysis& sentence : sentences_) {
      for (const Hash key : sentence.keys[kind]) here[key] += 1;
    }
    const double size = static_cast<double>(sentences_.size()) + 0.5;
    for (std::size_t i = 0; i < sentences_.size(); ++i) {
      double all[2] = {0, 0};
      double common[2] = {0, 0};
      for (const Hash key : question_.keys[kind]) {
        const auto found = here.find(key);
        const double rarity = idf[bucket(key)];
        const double weights[] = {
            rarity, found == here.end() ? 0.0 : rarity * std::log(size / found->second)};
        const bool is_common = holds(sentences_[i].keys[kind], key);
        for (std::size_t w = 0; w < 2; ++w) {
          all[w] += weights[w];
          if (is_common) common[w] += weights[w];
        }
      }
      for (std::size_t w = 0; w < 2; ++w) {
        shares_[i][kind + w * kKinds] = all[w] > 0 ? common[w] / all[w] : 0;
      }
    }
  }

  // What the question asks with: its words that many questions have, how it begins and ends.
  std::vector<Hash> asking_keys(const std::vector<Hash>& asking_words) const {
    std::vector<Hash> keys;
    std::set_intersection(question_.keys[0].begin(), question_.keys[0].end(), asking_words.begin(),
                          asking_words.end(), std::back_inserter(keys));
    const std::vector<Hash>& words = question_.hashes;
    if (!words.empty()) {
      keys.push_back(joined(words.front(), 1));
      keys.push_back(joined(words.back(), 2));
    }
    if (words.size() > 1) keys.push_back(joined(joined(words[0], words[1]), 3));
    return keys;
  }

  void add_shares(std::size_t i, RowBuilder& row) const {
    for (std::size_t k = 0; k < kShares; ++k) {
      const double own = shares_[i][k];
      double best_of_others = 0;
      for (std::size_t j = 0; j < shares_.size(); ++j) {
        if (j != i) best_of_others = std::max(best_of_others, shares_[j][k]);
      }
      row.add_level(kShare + k, own, 0, 1, 11);
      row.add_level(kLead + k, own - best_of_others, -1, 1, 21);
      if (i > 0) row.add_level(kBefore + k, shares_[i - 1][k], 0, 1, 11);
      if (i + 1 < shares_.size()) row.add_level(kAfter + k, shares_[i + 1][k], 0, 1, 11);
    }
  }

  void add_place(std::size_t i, RowBuilder& row) const {
    const std::size_t sentences = sentences_.size();
    const Hash few = std::min<std::size_t>(sentences, 7);
    row.add_level(kSentences, logarithm(sentences), 0, 3.5, 8);
    row.add(kPlace, joined(std::min<std::size_t>(i, 6), few), 1);
    row.add(kLast, joined(i + 1 == sentences ? 1 : 0, few), 1);
    const std::size_t length = sentences_[i].words.size();
    row.add_level(kLength, logarithm(1 + length), 0, 5.5, 12);
    const std::size_t words = std::max<std::size_t>(words_, 1);
    row.add_level(kShareOfText, static_cast<double>(length) / static_cast<double>(words), 0, 1, 11);
  }

  std::vector<Hash> cues_of(std::size_t i) const {
    const Analysis& sentence = sentences_[i];
    std::size_t numbers = 0;
    std::size_t names = 0;
    for (std::size_t w = 0; w < sentence.words.size(); ++w) {
      if (question_.has_word(sentence.hashes[w])) continue;
      numbers += sentence.words[w].has_digit ? 1 : 0;
      names += sentence.words[w].is_capitalized ? 1 : 0;
    }
    const auto rank = std::ranges::count_if(
        shares_, [&](const Shares& other) { return other[1] > shares_[i][1]; });
    const double length = std::min(5.0, logarithm(1 + sentence.words.size()));
    std::vector<Hash> cues = {kAlways, numbers > 0 ? kNumber : kNoNumber,
                              names > 0 ? kName : kNoName, kLengthCue + static_cast<Hash>(length),
                              kRank + static_cast<Hash>(std::min<std::ptrdiff_t>(rank, 3))};
    const std::string_view text = source_.sentences[i];
    const std::pair<bool, Cue> others[] = {
        {numbers > 2, kNumbers},
        {names > 2, kNames},
        {has_any(text, {"\"", "\u201c", "\u201e", "\u00ab", "\u300a"}), kQuote},
        {has_any(text, {"(", "\uff08"}), kBracket},
        {has_any(text, {"%", "$", "\u20ac", "\u00a3", "\u066a"}), kAmount},
        {i == 0, kFirst}};
    for (const auto& [is_there, cue] : others) {
      if (is_there) cues.push_back(cue);
    }
    return cues;
  }

  const SentenceQuestion& source_;
  Analysis question_;
  std::vector<Analysis> sentences_;
  std::size_t words_ = 0;  // of all sentences
  std::vector<Shares> shares_;
};

}  // namespace

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  std::size_t begin = 0;  // of the run
  std::size_t end = 0;    // of the last word
  const auto add = [&](std::size_t from, std::size_t to, bool is_character) {
    if (from == to) return;
    const std::string_view raw = text.substr(from, to - from);
    const std::u32string points = code_points(raw);
    words.push_back({.text = folded(raw),
                     .has_digit = std::ranges::any_of(points, is_digit),
                     .is_capitalized = !words.empty() && is_upper_case(points.front()),
                     .is_character = is_character,
                     .joins = !words.empty() && end == from});
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
      add_ngrams(marked, 3, pieces);
      add_ngrams(marked, 4, pieces);
      continue;
    }
    std::string characters = words[i].text;
    for (std::size_t k = i; k > 0 && i - k < 2; --k) {
      if (!words[k].joins || !words[k - 1].is_character) break;
      characters.insert(0, words[k - 1].text);
      pieces.push_back(splits::fnv1a64(characters));
    }
  }
  return pieces;
}

SentenceFeatures::SentenceFeatures(std::span<const SentenceQuestion> training) {
  std::array<std::vector<double>, kKinds> counts;  // of sentences with a key
  counts.fill(std::vector<double>(kSentenceColumns));
  double sentences = 0;
  std::map<Hash, std::size_t> in_questions;
  for (const SentenceQuestion& question : training) {
    const Analysis analysis(question.text);
    for (const Hash word : analysis.keys[0]) ++in_questions[word];
    for (const std::string& text : question.sentences) {
      const Analysis sentence(text);
      for (std::size_t k = 0; k < kKinds; ++k) {
        for (const Hash key : sentence.keys[k]) counts[k][bucket(key)] += 1;
      }
      sentences += 1;
    }
  }
  for (std::size_t k = 0; k < kKinds; ++k) {
    for (const double count : counts[k]) {
      idf_[k].push_back(static_cast<float>(std::log((sentences + 1) / (count + 0.5))));
    }
  }
  for (const auto& [word, questions] : in_questions) {
    if (questions >= kOften) asking_words_.push_back(word);
  }
}

SentenceFeatures::SentenceFeatures(const nlohmann::json& facts)
    : idf_{from_block(facts.at("word_idf")), from_block(facts.at("piece_idf"))},
      asking_words_(facts.at("asking_words").get<std::vector<Hash>>()) {
  if (idf_[0].size() != kSentenceColumns || idf_[1].size() != kSentenceColumns) {
    throw std::invalid_argument("idf of another number of buckets");
  }
  std::ranges::sort(asking_words_);
}

nlohmann::json SentenceFeatures::facts() const {
  return {{"word_idf", to_block(idf_[0])},
          {"piece_idf", to_block(idf_[1])},
          {"asking_words", asking_words_}};
}

SparseRows SentenceFeatures::operator()(std::span<const SentenceQuestion> questions) const {
  SparseRows rows;
  for (const SentenceQuestion& question : questions) {
    Selection(question, idf_).add_rows(asking_words_, rows);
  }
  return rows;
}

}  // namespace equipoise::demos
