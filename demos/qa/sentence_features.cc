#include "demos/qa/sentence_features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "demos/common/model_file.h"
#include "demos/qa/word_splitter.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

using Hash = std::uint64_t;

constexpr std::size_t kIdfBuckets = std::size_t{1} << 18;
// How many questions have a word that is one to ask with.
constexpr std::size_t kOften = 20;

constexpr std::size_t bucket(Hash hash, std::size_t buckets) {
  return static_cast<std::size_t>((hash ^ (hash >> 32)) % buckets);
}

// One hash of two.
constexpr Hash joined(Hash a, Hash b) {
  Hash x = (a * 0x9e3779b97f4a7c15u) ^ b;
  x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
  return x ^ (x >> 32);
}

std::vector<Hash> sorted_set(std::vector<Hash> hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

bool holds(const std::vector<Hash>& sorted, Hash hash) {
  return std::binary_search(sorted.begin(), sorted.end(), hash);
}

// A text in all forms in which it is compared.
struct Analysis {
  explicit Analysis(std::string_view text) : words(words_of(text)) {
    for (const Word& word : words) hashes.push_back(splits::fnv1a64(word.text));
    distinct = sorted_set(hashes);
    pieces = sorted_set(pieces_of(words));
  }

  std::vector<Word> words;
  std::vector<Hash> hashes;  // of the words, in order
  std::vector<Hash> distinct;
  std::vector<Hash> pieces;
};

// How many of the sentences have a word or piece.
using Frequencies = std::unordered_map<Hash, double>;

Frequencies frequencies_of(std::span<const Analysis> sentences,
                           const std::vector<Hash> Analysis::*part) {
  Frequencies result;
  for (const Analysis& sentence : sentences) {
    for (const Hash hash : sentence.*part) result[hash] += 1;
  }
  return result;
}

// The share of a question that a sentence has, by weight.
template <class Weight>
double share_of(const std::vector<Hash>& question, const std::vector<Hash>& sentence,
                const Weight& weight) {
  double all = 0;
  double common = 0;
  for (const Hash hash : question) {
    const double own = weight(hash);
    all += own;
    if (holds(sentence, hash)) common += own;
  }
  return all > 0 ? common / all : 0;
}

// Shares of words and of pieces, by rarity at all and by that times rarity within the text.
constexpr std::size_t kShares = 4;
using Shares = std::array<double, kShares>;

enum class Feature : Hash {
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
  kCross,
};

constexpr Feature operator+(Feature feature, std::size_t i) {
  return static_cast<Feature>(static_cast<Hash>(feature) + i);
}

class RowBuilder {
 public:
  void add(Feature feature, Hash which, double value) {
    const Hash hash = joined(static_cast<Hash>(feature), which);
    entries_.emplace_back(static_cast<std::int32_t>(bucket(hash, kSentenceColumns)),
                          static_cast<float>(value));
  }

  // A number between low and high as a mixture of the two knots that it lies between.
  void add_level(Feature feature, double value, double low, double high, std::size_t knots) {
    const double place =
        std::clamp((value - low) / (high - low), 0.0, 1.0) * static_cast<double>(knots - 1);
    const auto knot = static_cast<std::size_t>(place);
    const double rest = place - static_cast<double>(knot);
    add(feature, knot, 1 - rest);
    if (rest > 0) add(feature, knot + 1, rest);
  }

  void finish(SparseRows& rows) {
    std::sort(entries_.begin(), entries_.end());
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (i > 0 && entries_[i].first == entries_[i - 1].first) {
        rows.values.back() += entries_[i].second;
      } else {
        rows.columns.push_back(entries_[i].first);
        rows.values.push_back(entries_[i].second);
      }
    }
    rows.starts.push_back(rows.columns.size());
    entries_.clear();
  }

 private:
  std::vector<std::pair<std::int32_t, float>> entries_;
};

// What a sentence has besides the question's words.
enum class Cue : Hash {
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
  kLength = 20,  // and the logarithm of its words
  kRank = 30,    // and how many sentences have more of the question
};

constexpr Cue operator+(Cue cue, std::size_t i) {
  return static_cast<Cue>(static_cast<Hash>(cue) + i);
}

bool has_any(std::string_view text, std::span<const std::string_view> marks) {
  return std::any_of(marks.begin(), marks.end(), [&](std::string_view mark) {
    return text.find(mark) != std::string_view::npos;
  });
}

double logarithm(std::size_t n) { return std::log(static_cast<double>(n)); }

// A question on a text.
class Selection {
 public:
  explicit Selection(const SentenceQuestion& question)
      : source_(question), question_(question.text) {
    for (const std::string& sentence : question.sentences) {
      sentences_.emplace_back(sentence);
      words_ += sentences_.back().words.size();
    }
  }

  void compare(const std::vector<float>& word_idf, const std::vector<float>& piece_idf) {
    const std::pair<std::vector<Hash> Analysis::*, const std::vector<float>*> kinds[] = {
        {&Analysis::distinct, &word_idf}, {&Analysis::pieces, &piece_idf}};
    shares_.assign(sentences_.size(), Shares{});
    for (std::size_t k = 0; k < 2; ++k) {
      const auto& part = kinds[k].first;
      const std::vector<float>& idf = *kinds[k].second;
      const Frequencies here = frequencies_of(sentences_, part);
      const auto rarity = [&](Hash hash) { return double{idf[bucket(hash, kIdfBuckets)]}; };
      const auto rarity_here = [&](Hash hash) {
        const auto found = here.find(hash);
        if (found == here.end()) return 0.0;  // no sentence can have it
        return rarity(hash) *
               std::log((static_cast<double>(sentences_.size()) + 0.5) / found->second);
      };
      for (std::size_t i = 0; i < sentences_.size(); ++i) {
        shares_[i][k] = share_of(question_.*part, sentences_[i].*part, rarity);
        shares_[i][k + 2] = share_of(question_.*part, sentences_[i].*part, rarity_here);
      }
    }
  }

  void add_rows(const std::vector<Hash>& asking_words, SparseRows& rows) const {
    const std::vector<Hash> asking = asking_keys(asking_words);
    for (std::size_t i = 0; i < sentences_.size(); ++i) {
      RowBuilder row;
      add_shares(i, row);
      add_place(i, row);
      const std::vector<Cue> cues = cues_of(i);
      const double weight = 1 / std::sqrt(1 + static_cast<double>(asking.size()));
      for (const Cue cue : cues) {
        row.add(Feature::kCue, static_cast<Hash>(cue), 0.5);
        for (const Hash key : asking) {
          row.add(Feature::kCross, joined(key, static_cast<Hash>(cue)), weight);
        }
      }
      row.finish(rows);
    }
  }

 private:
  // What the question asks with: its words that many questions have, how it begins and ends.
  std::vector<Hash> asking_keys(const std::vector<Hash>& asking_words) const {
    std::vector<Hash> keys;
    for (const Hash word : question_.distinct) {
      if (holds(asking_words, word)) keys.push_back(word);
    }
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
      row.add_level(Feature::kShare + k, own, 0, 1, 11);
      row.add_level(Feature::kLead + k, own - best_of_others(i, k), -1, 1, 21);
      if (i > 0) row.add_level(Feature::kBefore + k, shares_[i - 1][k], 0, 1, 11);
      if (i + 1 < shares_.size()) row.add_level(Feature::kAfter + k, shares_[i + 1][k], 0, 1, 11);
    }
  }

  double best_of_others(std::size_t i, std::size_t k) const {
    double best = 0;
    for (std::size_t j = 0; j < shares_.size(); ++j) {
      if (j != i) best = std::max(best, shares_[j][k]);
    }
    return best;
  }

  void add_place(std::size_t i, RowBuilder& row) const {
    const std::size_t sentences = sentences_.size();
    const Hash few = std::min<std::size_t>(sentences, 7);
    row.add_level(Feature::kSentences, logarithm(sentences), 0, 3.5, 8);
    row.add(Feature::kPlace, joined(std::min<std::size_t>(i, 6), few), 1);
    row.add(Feature::kLast, joined(i + 1 == sentences ? 1 : 0, few), 1);
    const std::size_t length = sentences_[i].words.size();
    row.add_level(Feature::kLength, logarithm(1 + length), 0, 5.5, 12);
    const std::size_t words = std::max<std::size_t>(words_, 1);
    row.add_level(Feature::kShareOfText, static_cast<double>(length) / static_cast<double>(words),
                  0, 1, 11);
  }

  std::vector<Cue> cues_of(std::size_t i) const {
    const Analysis& sentence = sentences_[i];
    std::size_t numbers = 0;
    std::size_t names = 0;
    for (std::size_t w = 0; w < sentence.words.size(); ++w) {
      if (holds(question_.distinct, sentence.hashes[w])) continue;
      numbers += sentence.words[w].has_digit ? 1 : 0;
      names += sentence.words[w].is_capitalized ? 1 : 0;
    }
    std::size_t rank = 0;
    for (const Shares& other : shares_) rank += other[1] > shares_[i][1] ? 1 : 0;

    std::vector<Cue> cues = {Cue::kAlways};
    cues.push_back(numbers > 0 ? Cue::kNumber : Cue::kNoNumber);
    if (numbers > 2) cues.push_back(Cue::kNumbers);
    cues.push_back(names > 0 ? Cue::kName : Cue::kNoName);
    if (names > 2) cues.push_back(Cue::kNames);
    constexpr std::string_view kQuotes[] = {"\"", "\u201c", "\u201e", "\u00ab", "\u300a"};
    constexpr std::string_view kBrackets[] = {"(", "\uff08"};
    constexpr std::string_view kAmounts[] = {"%", "$", "\u20ac", "\u00a3", "\u066a"};
    const std::string_view text = source_.sentences[i];
    if (has_any(text, kQuotes)) cues.push_back(Cue::kQuote);
    if (has_any(text, kBrackets)) cues.push_back(Cue::kBracket);
    if (has_any(text, kAmounts)) cues.push_back(Cue::kAmount);
    if (i == 0) cues.push_back(Cue::kFirst);
    const double length = std::min(5.0, logarithm(1 + sentence.words.size()));
    cues.push_back(Cue::kLength + static_cast<std::size_t>(length));
    cues.push_back(Cue::kRank + std::min<std::size_t>(rank, 3));
    return cues;
  }

  const SentenceQuestion& source_;
  Analysis question_;
  std::vector<Analysis> sentences_;
  std::size_t words_ = 0;  // of all sentences
  std::vector<Shares> shares_;
};

std::vector<float> idf_of(const std::vector<double>& frequencies, double sentences) {
  std::vector<float> idf;
  idf.reserve(frequencies.size());
  for (const double frequency : frequencies) {
    idf.push_back(static_cast<float>(std::log((sentences + 1) / (frequency + 0.5))));
  }
  return idf;
}

}  // namespace

SentenceFeatures::SentenceFeatures(std::span<const SentenceQuestion> training) {
  std::vector<double> words(kIdfBuckets);
  std::vector<double> pieces(kIdfBuckets);
  double sentences = 0;
  std::unordered_map<Hash, std::size_t> in_questions;
  for (const SentenceQuestion& question : training) {
    for (const Hash word : Analysis(question.text).distinct) ++in_questions[word];
    for (const std::string& text : question.sentences) {
      const Analysis sentence(text);
      for (const Hash word : sentence.distinct) words[bucket(word, kIdfBuckets)] += 1;
      for (const Hash piece : sentence.pieces) pieces[bucket(piece, kIdfBuckets)] += 1;
      sentences += 1;
    }
  }
  word_idf_ = idf_of(words, sentences);
  piece_idf_ = idf_of(pieces, sentences);
  for (const auto& [word, questions] : in_questions) {
    if (questions >= kOften) asking_words_.push_back(word);
  }
  std::sort(asking_words_.begin(), asking_words_.end());
}

SentenceFeatures::SentenceFeatures(const nlohmann::json& facts)
    : word_idf_(from_block(facts.at("word_idf"))),
      piece_idf_(from_block(facts.at("piece_idf"))),
      asking_words_(facts.at("asking_words").get<std::vector<Hash>>()) {
  if (word_idf_.size() != kIdfBuckets || piece_idf_.size() != kIdfBuckets) {
    throw std::invalid_argument("idf of another number of buckets");
  }
  std::sort(asking_words_.begin(), asking_words_.end());
}

nlohmann::json SentenceFeatures::facts() const {
  return {{"word_idf", to_block(word_idf_)},
          {"piece_idf", to_block(piece_idf_)},
          {"asking_words", asking_words_}};
}

SparseRows SentenceFeatures::operator()(std::span<const SentenceQuestion> questions) const {
  SparseRows rows;
  for (const SentenceQuestion& question : questions) {
    Selection selection(question);
    selection.compare(word_idf_, piece_idf_);
    selection.add_rows(asking_words_, rows);
  }
  return rows;
}

}  // namespace equipoise::demos
