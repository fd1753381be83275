#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/qa/sentences.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAreArray;

std::vector<SentenceQuestion> some_questions() {
  std::vector<SentenceQuestion> questions;
  for (int i = 0; i < 30; ++i) {
    const std::string number = std::to_string(1900 + i);
    questions.push_back({"When was the bridge built?",
                         "en",
                         {"The bridge was built in " + number + ".", "It is long."},
                         {1, 0}});
  }
  questions.push_back({"Who is it?", "en", {"Nobody."}, {1}});
  return questions;
}

std::vector<std::int32_t> columns_of(const SparseRows& rows, std::size_t row) {
  const auto columns = rows.columns_of(row);
  return {columns.begin(), columns.end()};
}

TEST(SentenceFeatures, AreARowASentenceWithAscendingColumns) {
  const std::vector<SentenceQuestion> questions = some_questions();
  const SparseRows rows = SentenceFeatures(questions)(questions);
  ASSERT_EQ(rows.rows(), 61U);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const std::vector<std::int32_t> columns = columns_of(rows, r);
    ASSERT_FALSE(columns.empty());
    EXPECT_GE(columns.front(), 0);
    EXPECT_LT(columns.back(), static_cast<std::int32_t>(kSentenceColumns));
    for (std::size_t k = 1; k < columns.size(); ++k) ASSERT_LT(columns[k - 1], columns[k]);
  }
  // A sentence that shares words and has a number differs from one that does not.
  EXPECT_NE(columns_of(rows, 0), columns_of(rows, 1));
}

TEST(SentenceFeatures, DependOnTheQuestionAlone) {
  const std::vector<SentenceQuestion> questions = some_questions();
  const SentenceFeatures features(questions);
  const SparseRows together = features(questions);
  const SparseRows alone = features(std::span(questions).subspan(4, 1));
  ASSERT_EQ(alone.rows(), 2U);
  EXPECT_EQ(columns_of(alone, 1), columns_of(together, 9));
}

TEST(SentenceFeatures, SeeWhereTheSentenceStandsAndWhatItsNeighboursHave) {
  const SentenceFeatures features(some_questions());
  const std::vector<SentenceQuestion> swapped = {
      {"When was the bridge built?", "en", {"It is long.", "The bridge was built in 1905."}, {}}};
  const std::vector<SentenceQuestion> as_usual = {
      {"When was the bridge built?", "en", {"The bridge was built in 1905.", "It is long."}, {}}};
  EXPECT_NE(columns_of(features(swapped), 1), columns_of(features(as_usual), 0));
}

TEST(SentenceFeatures, TakeQuestionsAndSentencesWithoutWords) {
  const SentenceFeatures features(some_questions());
  const std::vector<SentenceQuestion> odd = {{"?!", "en", {"...", "Words."}, {}},
                                             {"", "", {"A."}, {}}};
  const SparseRows rows = features(odd);
  ASSERT_EQ(rows.rows(), 3U);
  for (const float value : rows.values) EXPECT_TRUE(value > 0) << value;
}

TEST(SentenceFeatures, AreTheSameFromTheirFacts) {
  const std::vector<SentenceQuestion> questions = some_questions();
  const SentenceFeatures features(questions);
  const SentenceFeatures again(features.facts());
  const SparseRows a = features(questions);
  const SparseRows b = again(questions);
  EXPECT_THAT(b.columns, ElementsAreArray(a.columns));
  EXPECT_THAT(b.values, ElementsAreArray(a.values));
  nlohmann::json facts = features.facts();
  facts["word_idf"] = facts["asking_words"];
  EXPECT_ANY_THROW(SentenceFeatures{facts});
  facts = features.facts();
  facts["piece_idf"] = nlohmann::json::binary({0, 0, 0, 0});
  EXPECT_THROW(SentenceFeatures{facts}, std::invalid_argument);
}

}  // namespace
}  // namespace equipoise::demos
