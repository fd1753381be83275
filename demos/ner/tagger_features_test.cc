#include "demos/ner/tagger_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace equipoise::demos {
namespace {

TaggedPart part_of(const std::vector<std::vector<std::string>>& sentences) {
  TaggedPart part;
  for (const auto& tokens : sentences) {
    part.sentences.push_back({tokens, std::vector<std::int64_t>(tokens.size(), 0)});
    part.tags.insert(part.tags.end(), tokens.size(), 0);
    part.offsets.push_back(part.tags.size());
  }
  return part;
}

std::vector<std::int32_t> columns_of(const Examples& examples, std::size_t row) {
  const auto columns = examples.features.columns_of(row);
  return {columns.begin(), columns.end()};
}

TEST(LinearFeatures, AreRowsOfLengthOneWithSentencesAsUnits) {
  const Examples examples = linear_features(part_of({{"I", "met", "Ann"}, {"Hi"}}));
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
  const Examples first = linear_features(part_of({{"a", "b", "c", "d", "e"}, {"f"}}));
  const Examples other = linear_features(part_of({{"a", "b", "c", "d", "X"}, {"Y"}}));
  for (std::size_t row = 0; row < 2; ++row) {
    EXPECT_EQ(columns_of(first, row), columns_of(other, row)) << row;
  }
  for (std::size_t row = 2; row < 5; ++row) {
    EXPECT_NE(columns_of(first, row), columns_of(other, row)) << row;
  }
}

TEST(LinearFeatures, KeepWeights) {
  EXPECT_EQ(linear_features(part_of({{"a", "b"}}), {0.5, 1}).weights,
            (std::vector<double>{0.5, 1}));
}

TEST(PartsOfWord, AreSharedByWordsThatLookAlike) {
  const auto common = [](const std::string& a, const std::string& b) {
    const std::vector<std::int64_t> x = parts_of_word(a);
    const std::vector<std::int64_t> y = parts_of_word(b);
    const std::set<std::int64_t> in_a(x.begin(), x.end());
    return std::count_if(y.begin(), y.end(), [&](std::int64_t p) { return in_a.count(p) > 0; });
  };
  EXPECT_GT(common("London", "Londres"), common("London", "Paris"));
  EXPECT_GT(common("Running", "jumping"), 2);
  for (const char* token : {"", "a", "é", "日本", "\xff\xfe"}) {
    const std::vector<std::int64_t> parts = parts_of_word(token);
    ASSERT_FALSE(parts.empty()) << token;
    for (const std::int64_t part : parts) {
      EXPECT_GE(part, 0);
      EXPECT_LT(part, kPartBuckets);
    }
  }
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
