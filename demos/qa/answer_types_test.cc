#include "demos/qa/answer_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

std::string line(const std::string& language, const std::string& question,
                 const std::string& answer) {
  const nlohmann::json row = {{"lang", language},
                              {"question", question},
                              {"translated_question", "in English: " + question},
                              {"translated_answer", answer}};
  return row.dump() + "\n";
}

// A directory with AfriQA's files of two languages; a test changes one of them.
class AfriqaFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(directory_);
    for (const std::string language : {"hau", "yor"}) {
      std::string train;
      for (int i = 0; i < 20; ++i)
        train += line(language, "text " + std::to_string(i), "['Lagos']");
      for (int i = 0; i < 10; ++i) train += line(language, "none " + std::to_string(i), "[]");
      for (int i = 0; i < 5; ++i) train += line(language, "number " + std::to_string(i), "['12']");
      train += line(language, "yes", "['yes']");
      train += line(language, "no", "['no']");
      write(language, "train", train);
      write(language, "dev",
            line(language, "text 1", "['Lagos']") + line(language, "new", "['Abuja']") +
                line(language, "other", "[]") + line(language, "many", "['7']") +
                line(language, "is it", "['no']"));
    }
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& language, const std::string& part, const std::string& text) const {
    std::ofstream(directory_ / ("queries.afriqa." + language + ".en." + part + ".json")) << text;
  }
  std::string error() const {
    try {
      load_answer_types(directory_);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("afriqa_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(AfriqaFiles, AreSplitByLanguageAndTypeAndTestedOnDev) {
  const AnswerTypeData data = load_answer_types(directory_);
  EXPECT_THAT(data.languages, ElementsAre("hau", "yor"));
  EXPECT_EQ(data.train.size(), 59U);  // of 74
  EXPECT_EQ(data.validation.size(), 15U);
  EXPECT_EQ(data.test.size(), 8U);  // two stand in train
  std::map<std::pair<std::string, AnswerType>, int> cells;
  for (const AfriqaQuestion& question : data.validation) {
    ++cells[{question.language, question.type}];
  }
  EXPECT_EQ((cells[{"hau", AnswerType::kText}]), 4);
  EXPECT_EQ((cells[{"yor", AnswerType::kNoAnswer}]), 2);
  EXPECT_EQ((cells[{"hau", AnswerType::kNumberDate}]), 1);
  EXPECT_THAT(data.description, HasSubstr("59 training, 15 validation"));
  EXPECT_THAT(data.description, HasSubstr("Left out: 2 test and 0 validation questions"));
  // The same every time.
  const AnswerTypeData again = load_answer_types(directory_);
  for (std::size_t i = 0; i < data.validation.size(); ++i) {
    EXPECT_EQ(again.validation[i].text, data.validation[i].text);
  }
}

TEST_F(AfriqaFiles, WithDamagedLinesAreReadWhereThatIsWanted) {
  std::ofstream(directory_ / "queries.afriqa.yor.en.dev.json", std::ios::app) << "{";
  EXPECT_THAT(error(), HasSubstr("queries.afriqa.yor.en.dev.json:6: not JSON"));
  EXPECT_THAT(load_answer_types(directory_, /*skips_damaged=*/true).description,
              HasSubstr(" in another part; 1 damaged lines, the first " + directory_.string()));
}

TEST_F(AfriqaFiles, NeedEachTypeInTrainAndInDev) {
  write("hau", "dev", line("hau", "new", "['Abuja']"));
  write("yor", "dev", line("yor", "new", "['Abuja']"));
  EXPECT_EQ(error(),
            directory_.string() + ":0: no question for testing has an answer of type no_answer");
  SetUp();
  write("hau", "train", line("hau", "a", "[]"));
  write("yor", "train", line("yor", "b", "[]"));
  EXPECT_THAT(error(), HasSubstr("too few training questions"));
  std::filesystem::remove_all(directory_);
  EXPECT_THAT(error(), HasSubstr("there is no file queries.afriqa."));
}

TEST_F(AfriqaFiles, AreFoundWhereTheyLieAndBelow) {
  EXPECT_EQ(afriqa_directory(directory_), directory_);
  const std::filesystem::path above = directory_ / "above";
  std::filesystem::create_directories(above / "qa");
  EXPECT_EQ(afriqa_directory(above), above);
  std::filesystem::create_directories(above / "qa" / "afriqa");
  std::filesystem::rename(directory_ / "queries.afriqa.hau.en.dev.json",
                          above / "qa" / "afriqa" / "queries.afriqa.hau.en.dev.json");
  EXPECT_EQ(afriqa_directory(above), above / "qa" / "afriqa");
  EXPECT_EQ(afriqa_directory(above / "qa"), above / "qa" / "afriqa");
  EXPECT_EQ(afriqa_directory("nowhere"), "nowhere");
}

std::vector<AfriqaQuestion> two_questions() {
  return {{"hau", "Wane ne", "Who is it", AnswerType::kText},
          {"hau", "Shin akwai", "Is there", AnswerType::kYesNo}};
}

TEST(QuestionFeatures, AreFourVectorsOfLengthOne) {
  const std::vector<AfriqaQuestion> questions = two_questions();
  const SparseRows rows = QuestionFeatures(questions)(questions);
  ASSERT_EQ(rows.rows(), 2U);
  for (std::size_t r = 0; r < 2; ++r) {
    std::array<double, 4> squares = {};
    const auto columns = rows.columns_of(r);
    for (std::size_t k = 0; k < columns.size(); ++k) {
      ASSERT_TRUE(k == 0 || columns[k - 1] < columns[k]);
      const std::size_t of_translation = columns[k] >= kTextColumns ? 2 : 0;
      const std::size_t of_words = columns[k] % kTextColumns >= kCharacterBuckets ? 1 : 0;
      const double value = rows.values_of(r)[k];
      squares[of_translation + of_words] += value * value;
    }
    for (const double square : squares) EXPECT_NEAR(square, 1, 1e-5);
  }
}

TEST(QuestionFeatures, KnowHowATextBegins) {
  const std::vector<AfriqaQuestion> training = two_questions();
  const QuestionFeatures features(training);
  const std::vector<AfriqaQuestion> orders = {{"", "", "is it", AnswerType::kText},
                                              {"", "", "it is", AnswerType::kText}};
  const SparseRows rows = features(orders);
  // The same words, but not the same neighbours of the marks.
  EXPECT_NE(std::vector<std::int32_t>(rows.columns_of(0).begin(), rows.columns_of(0).end()),
            std::vector<std::int32_t>(rows.columns_of(1).begin(), rows.columns_of(1).end()));
}

TEST(QuestionFeatures, AreTheSameFromTheirFacts) {
  const std::vector<AfriqaQuestion> questions = two_questions();
  const QuestionFeatures features(questions);
  const QuestionFeatures again(features.facts());
  EXPECT_THAT(again(questions).values, ElementsAreArray(features(questions).values));
  nlohmann::json facts = features.facts();
  facts["question_idf"] = nlohmann::json::binary({0, 0, 0, 0});
  EXPECT_THROW(QuestionFeatures{facts}, std::invalid_argument);
}

TEST(SyntheticAnswerTypes, AreImbalancedTwiceAndAlwaysTheSame) {
  const AnswerTypeData data = synthetic_answer_types();
  std::map<AnswerType, int> types;
  std::map<std::string, int> languages;
  for (const AfriqaQuestion& question : data.train) {
    ++types[question.type];
    ++languages[question.language];
  }
  EXPECT_EQ(languages.size(), data.languages.size());
  EXPECT_EQ(languages["xa"], 1200);
  EXPECT_EQ(languages["xf"], 80);
  EXPECT_GT(types[AnswerType::kText], 12 * types[AnswerType::kYesNo]);
  EXPECT_GT(types[AnswerType::kYesNo], 50);
  EXPECT_EQ(data.train[7].text, synthetic_answer_types().train[7].text);
  EXPECT_NE(data.validation[7].text, data.test[7].text);
  EXPECT_THAT(data.description, testing::StartsWith("No data: "));
}

}  // namespace
}  // namespace equipoise::demos
