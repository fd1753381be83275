#include "demos/ner/token_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;

std::vector<TaggedSentence> tagged(const std::vector<std::vector<std::string>>& sentences) {
  std::vector<TaggedSentence> result;
  for (const std::vector<std::string>& tokens : sentences) {
    result.push_back({tokens, {}});
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      result.back().tags.push_back(static_cast<std::int64_t>(i % 3));
    }
  }
  return result;
}

Examples linear_rows(const std::vector<std::vector<std::string>>& sentences) {
  return linear_features().rows(tagged(sentences));
}

std::vector<std::int32_t> columns_of(const Examples& examples, std::size_t row) {
  const auto columns = examples.features.columns_of(row);
  return {columns.begin(), columns.end()};
}

TEST(LinearFeatures, AreRowsOfLengthOneWithSentencesAsUnits) {
  const Examples examples = linear_rows({{"I", "met", "Ann"}, {"Hi"}});
  EXPECT_EQ(examples.rows(), 4U);
  EXPECT_EQ(examples.units(), 2U);
  EXPECT_EQ(examples.unit_begin(1), 3U);
  for (std::size_t r = 0; r < 4; ++r) {
    double squares = 0;
    for (const float value : examples.features.values_of(r)) {
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    EXPECT_NEAR(squares, 1, 1e-5);
    const std::vector<std::int32_t> columns = columns_of(examples, r);
    EXPECT_TRUE(std::is_sorted(columns.begin(), columns.end()));
    EXPECT_TRUE(std::adjacent_find(columns.begin(), columns.end()) == columns.end());
    EXPECT_GE(columns.front(), 0);
    EXPECT_LT(columns.back(), kTaggerColumns);
  }
}

TEST(LinearFeatures, SeeTwoTokensEitherWayWithinTheSentence) {
  const Examples first = linear_rows({{"a", "b", "c", "d", "e"}, {"f"}});
  const Examples other = linear_rows({{"a", "b", "c", "d", "X"}, {"Y"}});
  for (std::size_t row = 0; row < 2; ++row) {
    EXPECT_EQ(columns_of(first, row), columns_of(other, row)) << row;
  }
  for (std::size_t row = 2; row < 5; ++row) {
    EXPECT_NE(columns_of(first, row), columns_of(other, row)) << row;
  }
}

TEST(WordFeatures, AreTheNumberOfAWordAndItsParts) {
  const TokenFeatures features = word_features({"ann", "met"});
  EXPECT_EQ(features.columns, 2U);
  EXPECT_EQ(features.facts.at("words"), (std::vector<std::string>{"ann", "met"}));
  const Examples examples = features.rows(tagged({{"Bob", "met"}, {"Ann"}}));
  ASSERT_EQ(examples.rows(), 3U);
  EXPECT_THAT(examples.targets, ElementsAre(0, 1, 0));
  EXPECT_THAT(examples.unit_starts, ElementsAre(0, 2, 3));
  for (const auto& [row, number] : {std::pair(0, 0), std::pair(1, 2), std::pair(2, 1)}) {
    EXPECT_EQ(columns_of(examples, static_cast<std::size_t>(row)).front(), number);
  }
}

TEST(FrequentWords, OccurAtLeastTwice) {
  EXPECT_THAT(frequent_words(tagged({{"Ann", "met", "Bob"}, {"ann", "saw", "2 cats", "met"}})),
              ElementsAre("ann", "met"));
}

TEST(WordFeatures, ArePartlySharedByWordsThatLookAlike) {
  const auto parts_of_word = [](const std::string& token) {
    std::vector<std::int32_t> parts = columns_of(word_features({}).rows(tagged({{token}})), 0);
    parts.erase(parts.begin());
    return parts;
  };
  const auto common = [&](const std::string& a, const std::string& b) {
    const std::vector<std::int32_t> x = parts_of_word(a);
    const std::vector<std::int32_t> y = parts_of_word(b);
    const std::set<std::int32_t> in_a(x.begin(), x.end());
    return std::count_if(y.begin(), y.end(), [&](std::int32_t p) { return in_a.count(p) > 0; });
  };
  EXPECT_GT(common("London", "Londres"), common("London", "Paris"));
  EXPECT_GT(common("Running", "jumping"), 2);
  for (const char* token : {"", "a", "\u00e9", "\u65e5\u672c", "\xff\xfe"}) {
    const std::vector<std::int32_t> parts = parts_of_word(token);
    ASSERT_FALSE(parts.empty()) << token;
    for (const std::int32_t part : parts) {
      EXPECT_GE(part, 0);
      EXPECT_LT(part, kPartBuckets);
    }
  }
}

std::vector<std::vector<std::size_t>> places_of(const Examples& examples) {
  std::vector<std::vector<std::size_t>> places(examples.pieces.size());
  for (const PiecePlace& place : examples.places) places[place.text].push_back(place.piece);
  return places;
}

// "unaffable" has three pieces.
TEST(PieceFeatures, AreReadAtTheFirstPieceOfEachToken) {
  const WordPiece tokenizer("tests/golden/encoder/vocab.txt");
  const Examples examples =
      piece_features(tokenizer, 20).rows(tagged({{"the", "unaffable", "cat"}, {"on"}}));
  EXPECT_THAT(places_of(examples),
              ElementsAre(ElementsAre(1U, 2U, 5U), ElementsAre(std::size_t{1})));
  EXPECT_EQ(examples.pieces[0].size(), 7U);  // with both marks
  EXPECT_EQ(examples.rows(), 4U);
  EXPECT_THAT(examples.targets, ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(examples.unit_starts, ElementsAre(0, 3, 4));
}

// No token is lost where a sentence is too long, nor one that is too long itself.
TEST(PieceFeatures, CutsLongSentencesBetweenTokens) {
  const WordPiece tokenizer("tests/golden/encoder/vocab.txt");
  const Examples examples =
      piece_features(tokenizer, 5)
          .rows(tagged({{"the", "cat", "the", "unaffable", "cat", "sat", "on"}}));
  EXPECT_THAT(places_of(examples),
              ElementsAre(ElementsAre(1U, 2U, 3U), ElementsAre(1U), ElementsAre(1U, 2U, 3U)));
  for (const auto& pieces : examples.pieces) EXPECT_LE(pieces.size(), 5U);
  EXPECT_EQ(examples.rows(), 7U);
  EXPECT_EQ(examples.units(), 1U);
}

TEST(LookupForm, FoldsCaseDigitsLinksAndMentions) {
  EXPECT_EQ(lookup_form("Straße"), "strasse");
  EXPECT_EQ(lookup_form("2016-10"), "0000-00");
  EXPECT_EQ(lookup_form("http://t.co/x"), "<link>");
  EXPECT_EQ(lookup_form("@ann"), "<mention>");
  EXPECT_EQ(lookup_form("@"), "@");
}

}  // namespace
}  // namespace equipoise::demos
