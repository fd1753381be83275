#include "demos/common/features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
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
  std::vector<std::int32_t> columns;
  for (const auto& [column, value] : counts_of("a")) columns.push_back(column);
  EXPECT_THAT(columns, testing::ElementsAre(64889, 76355, 197373, 274624));
}

TEST(NgramCounts, RowsOfManyTextsAreThoseOfEach) {
  const std::vector<std::string> texts = {"one two", "", "three"};
  const SparseRows rows = ngram_counts(texts);
  ASSERT_EQ(rows.rows(), 3U);
  for (std::size_t r = 0; r < 3; ++r) {
    EXPECT_EQ(row(rows, r), counts_of(texts[r]));
    const auto columns = rows.columns_of(r);
    EXPECT_TRUE(std::is_sorted(columns.begin(), columns.end()));
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

TEST(TfIdf, RowsHaveLengthOneOrNone) {
  const std::vector<std::string> train = {"some words", "some more"};
  const std::vector<std::string> texts = {"quite unseen", "", "some some some"};
  const SparseRows rows = TfIdf(ngram_counts(train))(ngram_counts(texts));
  for (std::size_t r = 0; r < 3; ++r) {
    double squares = 0;
    for (const float value : rows.values_of(r)) squares += double{value} * double{value};
    EXPECT_NEAR(squares, r == 1 ? 0 : 1, 64 * double{std::numeric_limits<float>::epsilon()});
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
