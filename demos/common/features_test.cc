#include "demos/common/features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {
namespace {

std::map<std::int32_t, float> row(const SparseRows& rows, std::size_t r) {
  std::map<std::int32_t, float> entries;
  const auto columns = rows.columns_of(r);
  for (std::size_t k = 0; k < columns.size(); ++k) entries[columns[k]] = rows.values_of(r)[k];
  return entries;
}

std::map<std::int32_t, float> counts_of(const std::string& text) {
  const std::vector<std::string> texts = {text};
  return row(ngram_counts(texts), 0);
}

double sum(const std::map<std::int32_t, float>& entries, bool words) {
  double total = 0;
  for (const auto& [column, value] : entries) {
    if ((column >= kCharacterBuckets) == words) total += double{value};
  }
  return total;
}

// A code point of generated texts: a letter, a symbol or a space.
struct Letter {
  std::string_view utf8;
  char kind;
};

constexpr Letter kAlphabet[] = {
    {"a", 'l'},      {"b", 'l'},          {"7", 'l'}, {"\u00e9", 'l'},
    {"\u4e2d", 'l'}, {"\U0001F600", 's'}, {"!", 's'}, {" ", ' '},
};

std::string joined(std::span<const Letter> letters) {
  std::string text;
  for (const Letter& letter : letters) text += letter.utf8;
  return text;
}

std::int32_t reference_bucket(const std::string& text, std::int32_t buckets) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char byte : text) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 1099511628211U;
  }
  return static_cast<std::int32_t>((hash ^ hash >> 32) % static_cast<std::uint64_t>(buckets));
}

using Counts = std::map<std::int32_t, float>;

void count_characters(std::vector<Letter> chunk, Counts& counts) {
  if (chunk.empty()) return;
  chunk.insert(chunk.begin(), {" ", ' '});
  chunk.push_back({" ", ' '});
  for (std::size_t n = 2; n <= std::min<std::size_t>(5, chunk.size()); ++n) {
    for (std::size_t i = 0; i + n <= chunk.size(); ++i) {
      const std::string gram = joined(std::span(chunk).subspan(i, n));
      counts[reference_bucket(gram, kCharacterBuckets)] += 1;
    }
  }
}

std::int32_t word_column(const std::string& word) {
  return kCharacterBuckets + reference_bucket(word, kWordBuckets);
}

// The counts of a text, n-gram by n-gram.
Counts reference_counts(std::span<const Letter> letters) {
  Counts counts;
  std::vector<Letter> chunk;
  std::vector<std::string> words;
  char previous = ' ';
  for (const Letter& letter : letters) {
    if (letter.kind == ' ') {
      count_characters(chunk, counts);
      chunk.clear();
    } else {
      chunk.push_back(letter);
      if (letter.kind != 'l' || previous != 'l') words.emplace_back();
      words.back() += letter.utf8;
    }
    previous = letter.kind;
  }
  count_characters(chunk, counts);
  for (std::size_t i = 0; i < words.size(); ++i) {
    counts[word_column(words[i])] += 1;
    if (i > 0) counts[word_column(words[i - 1] + ' ' + words[i])] += 1;
  }
  return counts;
}

TEST(NgramCounts, EqualANaiveReferenceOnGeneratedTexts) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<Letter> letters(random() % 30);
    for (Letter& letter : letters) letter = kAlphabet[random() % std::size(kAlphabet)];
    const std::string text = joined(letters);
    EXPECT_EQ(counts_of(text), reference_counts(letters)) << text;
  }
}

TEST(NgramCounts, CountsByHand) {
  // " ab ": 3 of two characters, 2 of three, and the whole once, as it is no longer than four.
  EXPECT_EQ(sum(counts_of("ab"), false), 3 + 2 + 1);
  // " a ": 2 of two characters, and the whole.
  EXPECT_EQ(sum(counts_of("a"), false), 2 + 1);
  // " abcd ": 5, 4, 3 and 2 of two to five characters.
  EXPECT_EQ(sum(counts_of("abcd"), false), 5 + 4 + 3 + 2);
  EXPECT_EQ(sum(counts_of("ab a"), false), 6 + 3);  // none across the space
  EXPECT_EQ(sum(counts_of("one two three"), true), 3 + 2);
  EXPECT_EQ(sum(counts_of("don't!"), true), 4 + 3);  // don ' t !
  EXPECT_TRUE(counts_of("").empty());
  EXPECT_TRUE(counts_of(" \t\n").empty());
}

TEST(NgramCounts, CharactersAreCodePoints) {
  EXPECT_EQ(sum(counts_of("\u4e2d\u6587"), false), 3 + 2 + 1);
  EXPECT_EQ(sum(counts_of("\U0001F600"), false), 2 + 1);
  EXPECT_EQ(sum(counts_of("\u4e2d\u6587\U0001F600"), true), 2 + 1);  // a word and a symbol
}

TEST(NgramCounts, DoNotSeeCaseOrTheNumberOfSpaces) {
  EXPECT_EQ(counts_of("Hello  World"), counts_of("hello world"));
  EXPECT_NE(counts_of("hello world"), counts_of("world hello"));
}

TEST(NgramCounts, RepeatedOnesAreCountedInOneColumn) {
  const auto entries = counts_of("no no no");
  bool three = false;
  for (const auto& [column, value] : entries) three |= column >= kCharacterBuckets && value == 3;
  EXPECT_TRUE(three);
}

TEST(NgramCounts, BucketsAreThoseOfSavedModels) {
  EXPECT_EQ(counts_of("a"), (Counts{{64889, 1}, {76355, 1}, {197373, 1}, {274624, 1}}));
  EXPECT_EQ(counts_of("No no"), (Counts{{631, 2},
                                        {141437, 2},
                                        {175603, 2},
                                        {195198, 2},
                                        {202212, 2},
                                        {246781, 2},
                                        {368878, 1},
                                        {377853, 2}}));
  EXPECT_EQ(counts_of("\u4e2d\U0001F600"), (Counts{{7205, 1},
                                                   {9355, 1},
                                                   {68209, 1},
                                                   {94102, 1},
                                                   {207639, 1},
                                                   {257642, 1},
                                                   {322071, 1},
                                                   {329136, 1},
                                                   {361423, 1}}));
}

TEST(NgramCounts, RowsOfManyTextsAreThoseOfEach) {
  const std::vector<std::string> texts = {"one two", "", "three"};
  const SparseRows rows = ngram_counts(texts);
  ASSERT_EQ(rows.rows(), 3U);
  for (std::size_t r = 0; r < 3; ++r) {
    EXPECT_EQ(row(rows, r), counts_of(texts[r]));
    const auto columns = rows.columns_of(r);
    EXPECT_EQ(std::adjacent_find(columns.begin(), columns.end(), std::greater_equal<>()),
              columns.end());  // each is above the one before
  }
}

TEST(TfIdf, EqualsItsFormula) {
  const std::vector<std::string> texts = {"a a b", "b c"};
  const SparseRows counts = ngram_counts(texts);
  const SparseRows weighed = TfIdf(counts)(counts);
  for (std::size_t r = 0; r < 2; ++r) {
    std::map<std::int32_t, double> expected;
    double squares = 0;
    for (const auto& [column, tf] : row(counts, r)) {
      const double df = static_cast<double>(row(counts, 0).count(column)) +
                        static_cast<double>(row(counts, 1).count(column));
      expected[column] = (1 + std::log(double{tf})) * (1 + std::log(3 / (1 + df)));
      squares += expected[column] * expected[column];
    }
    for (const auto& [column, value] : row(weighed, r)) {
      EXPECT_NEAR(double{value}, expected[column] / std::sqrt(squares),
                  8 * double{std::numeric_limits<float>::epsilon()});
    }
  }
}

TEST(TfIdf, IdfFallsFromUnseenFeaturesToThoseOfEveryText) {
  const std::vector<std::string> texts = {"a b b", "a c", "a d"};
  const TfIdf weights(ngram_counts(texts));
  ASSERT_EQ(weights.idf().size(), std::size_t{kTextColumns});
  const auto idf_of = [&](const std::string& word) {
    return double{weights.idf()[static_cast<std::size_t>(word_column(word))]};
  };
  constexpr double kTolerance = 2 * double{std::numeric_limits<float>::epsilon()};
  EXPECT_EQ(idf_of("a"), 1);                                // in 3 texts of 3
  EXPECT_NEAR(idf_of("b"), 1 + std::log(2.0), kTolerance);  // in one of them, twice
  EXPECT_NEAR(idf_of("unseen"), 1 + std::log(4.0), kTolerance);
}

TEST(TfIdf, WithoutTrainingTextsEveryFeatureWeighsTheSame) {
  const TfIdf weights(SparseRows{});
  EXPECT_EQ(weights.idf(), std::vector<float>(kTextColumns, 1.0F));
}

TEST(TfIdf, RowsHaveLengthOneOrNone) {
  const std::vector<std::string> train = {"some words", "some more"};
  const std::vector<std::string> texts = {"quite unseen", "", "some some some"};
  const SparseRows rows = TfIdf(ngram_counts(train))(ngram_counts(texts));
  for (std::size_t r = 0; r < 3; ++r) {
    double squares = 0;
    for (const float value : rows.values_of(r)) squares += double{value} * double{value};
    // The scale and each product with it are rounded to half an epsilon, and squares double that.
    EXPECT_NEAR(squares, r == 1 ? 0 : 1, 3 * double{std::numeric_limits<float>::epsilon()});
  }
}

TEST(TfIdf, CanBeMadeFromWhatItLearnt) {
  const std::vector<std::string> texts = {"a b", "b"};
  const SparseRows counts = ngram_counts(texts);
  const TfIdf learnt(counts);
  EXPECT_EQ(TfIdf(learnt.idf())(counts).values, learnt(counts).values);
}

}  // namespace
}  // namespace equipoise::demos
