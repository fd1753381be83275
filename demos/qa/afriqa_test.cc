#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/qa/answer_types.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// What the InputError says that f() throws; nothing if it throws none.
template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const InputError& failure) {
    return failure.what();
  }
  return "";
}

std::string row(const std::string& language, const std::string& question,
                const std::string& answers) {
  return R"({"id": 1, "lang": ")" + language + R"(", "question": ")" + question +
         R"(", "translated_question": "in English", "answers": "[]", "translated_answer": ")" +
         answers + "\"}\n";
}

TEST(AnswerTypeOf, Nothing) {
  for (const char* answers : {"[]", "", " [ ] ", "['']", "[' ']", "['.']", "['', '']", "[\"\"]"}) {
    EXPECT_EQ(answer_type_of(answers), AnswerType::kNoAnswer) << answers;
  }
}

TEST(AnswerTypeOf, YesAndNo) {
  for (const char* answers : {"['yes']", "['No']", "['OUI.']", "[' non ']", "['maybe', 'Yes']",
                              "[\"yes\", '12']", "yes", "['\u00a0yes\u2003']"}) {
    EXPECT_EQ(answer_type_of(answers), AnswerType::kYesNo) << answers;
  }
  for (const char* answers : {"['yes, no']", "['yes','no']", "['yes it is']", "['nope']"}) {
    EXPECT_EQ(answer_type_of(answers), AnswerType::kText) << answers;
  }
}

TEST(AnswerTypeOf, NumbersAndDates) {
  for (const char* answers :
       {"['2021']", "['23,087']", "['1 January 1990']", "['le 3 f\u00e9vrier 2001']", "['12 km']",
        "['3.5 million']", "['21st']", "['July 4th, 1776.']", "['\u0661\u0662']", "['AD 30']",
        "['Lagos', '7']", "['5 abc']"}) {
    EXPECT_EQ(answer_type_of(answers), AnswerType::kNumberDate) << answers;
  }
  for (const char* answers :
       {"['May']", "['5 abcd']", "['Apollo 11']", "['twelve']", "['\u00b2']"}) {
    EXPECT_EQ(answer_type_of(answers), AnswerType::kText) << answers;
  }
}

TEST(AnswerTypeOf, TakesTimeInProportion) {
  std::string answers = "['1";
  for (int i = 0; i < 300000; ++i) answers += "may";
  EXPECT_EQ(answer_type_of(answers + "']"), AnswerType::kNumberDate);
}

TEST(Afriqa, HasAQuestionALine) {
  const std::vector<AfriqaQuestion> questions = parse_afriqa(
      "\uFEFF" + row("hau", "Wane gari?", "['Lagos']") + "\r\n \t\n" + row("yor", "b\u1eb9", "[]"),
      "x");
  ASSERT_EQ(questions.size(), 2U);
  EXPECT_EQ(questions[0].language, "hau");
  EXPECT_EQ(questions[0].text, "Wane gari?");
  EXPECT_EQ(questions[0].translation, "in English");
  EXPECT_EQ(questions[0].type, AnswerType::kText);
  EXPECT_EQ(questions[1].text, "b\u1eb9");
  EXPECT_EQ(questions[1].type, AnswerType::kNoAnswer);
  EXPECT_THAT(answer_type_names(), ElementsAre("text", "no_answer", "number_date", "yes_no"));
}

TEST(Afriqa, NamesTheLineOfWhatIsWrong) {
  const std::string good = row("hau", "q", "[]");
  const auto error = [&](const std::string& line) {
    return message_of([&] { parse_afriqa(good + "\n" + line, "x"); });
  };
  EXPECT_EQ(message_of([] { parse_afriqa("", "x"); }), "x:1: the file is empty");
  EXPECT_THAT(error(good.substr(0, 50)), StartsWith("x:3: not JSON: "));
  EXPECT_THAT(error("{} {}"), StartsWith("x:3: not JSON: "));
  EXPECT_EQ(error("[1]"), "x:3: cannot use at() with array");
  EXPECT_EQ(error("{}"), "x:3: key 'lang' not found");
  EXPECT_EQ(error(R"({"lang": "hau", "question": 7})"),
            "x:3: (/question) type must be string, but is number");
  EXPECT_EQ(error(R"({"lang": "hau", "question": "q", "translated_question": ""})"),
            "x:3: key 'translated_answer' not found");
  EXPECT_EQ(error("{\"\xff\": 1}"), "x:3: byte 3 of the line is not UTF-8");
}

TEST(Afriqa, CountsDamagedLinesWhereThatIsWanted) {
  const std::string good = row("hau", "q", "[]");
  Finding damaged;
  const std::vector<AfriqaQuestion> questions =
      parse_afriqa(good + "{\"lang\": \"ha\n" + good + "{}\n", "x", &damaged);
  EXPECT_EQ(questions.size(), 2U);
  EXPECT_EQ(damaged.count, 2U);
  EXPECT_THAT(damaged.first, StartsWith("x:2: not JSON: "));
  EXPECT_EQ(message_of([&] { parse_afriqa("", "x", &damaged); }), "x:1: the file is empty");
}

class AfriqaFiles : public testing::Test {
 protected:
  void SetUp() override {
    make_directory(directory_);
    write("queries.afriqa.yor.en.train.json", row("yor", "one  two", "[]") + row("yor", "x", "[]"));
    write("queries.afriqa.hau.en.train.json", row("hau", "three", "['1']"));
    write("queries.afriqa.hau.en.dev.json", row("hau", "three", "[]") + row("hau", "x", "[]"));
    write("queries.afriqa.yor.en.dev.json", row("yor", " one two", "[]") + row("yor", "y", "[]"));
    write("README.md", "not a part");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, std::string_view content) const {
    write_file(directory_ / name, content);
  }
  std::string error() const {
    return message_of([&] { read_afriqa(directory_, "dev"); });
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("afriqa_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(AfriqaFiles, AreReadByLanguageWithoutWhatStandsInTrain) {
  const auto shown = [](const std::vector<AfriqaQuestion>& questions) {
    std::vector<std::string> texts;
    texts.reserve(questions.size());
    for (const AfriqaQuestion& question : questions) {
      texts.push_back(question.language + ":" + question.text);
    }
    return texts;
  };
  const std::vector<AfriqaQuestion> train = read_afriqa(directory_, "train");
  EXPECT_THAT(shown(train), ElementsAre("hau:three", "yor:one  two", "yor:x"));
  std::vector<AfriqaQuestion> dev = read_afriqa(directory_, "dev");
  EXPECT_EQ(drop_known(train, dev), 2U);
  EXPECT_THAT(shown(dev), ElementsAre("hau:x", "yor:y"));

  write("queries.afriqa.yor.en.dev.json", row("yor", "y", "[]") + "{");
  Finding damaged;
  EXPECT_THAT(shown(read_afriqa(directory_, "dev", &damaged)),
              ElementsAre("hau:three", "hau:x", "yor:y"));
  EXPECT_EQ(damaged.count, 1U);
  EXPECT_THAT(damaged.first, HasSubstr("yor.en.dev.json:2: not JSON"));
  EXPECT_THAT(error(), HasSubstr("yor.en.dev.json:2: not JSON"));
}

TEST_F(AfriqaFiles, AreMissingOrOfAnotherLanguage) {
  write("queries.afriqa.hau.en.dev.json", row("ibo", "x", "[]"));
  EXPECT_THAT(error(), HasSubstr("hau.en.dev.json:0: a question is of language 'ibo'"));
  write("queries.afriqa.hau.en.dev.json", "{");
  EXPECT_THAT(error(), HasSubstr("hau.en.dev.json:1: not JSON"));
  std::filesystem::remove(directory_ / "queries.afriqa.hau.en.dev.json");
  std::filesystem::remove(directory_ / "queries.afriqa.yor.en.dev.json");
  EXPECT_EQ(error(), directory_.string() +
                         ":0: there is no file queries.afriqa.<language>.<pivot "
                         "language>.dev.json");
  std::filesystem::remove_all(directory_);
  EXPECT_THAT(error(), HasSubstr(":0: there is no file"));
}

// With EQUIPOISE_DATA set to where tools/fetch_data.sh puts the data sets.
TEST(AfriqaData, HasTheKnownCounts) {
  const char* const data = std::getenv("EQUIPOISE_DATA");
  if (data == nullptr) GTEST_SKIP() << "EQUIPOISE_DATA is not set";
  const std::filesystem::path directory = std::filesystem::path(data) / "qa" / "afriqa";
  const auto count = [](const std::vector<AfriqaQuestion>& questions) {
    std::vector<int> counts(answer_type_names().size());
    for (const AfriqaQuestion& question : questions) {
      ++counts[static_cast<std::size_t>(question.type)];
    }
    return counts;
  };
  const auto count_part = [&](const std::string& part) {
    std::vector<AfriqaQuestion> all;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (!entry.path().string().ends_with("." + part + ".json")) continue;
      const auto questions = parse_afriqa(read_file(entry.path()), entry.path().string());
      all.insert(all.end(), questions.begin(), questions.end());
    }
    return count(all);
  };
  EXPECT_THAT(count_part("train"), ElementsAre(1932, 1666, 576, 130));
  EXPECT_THAT(count_part("dev"), ElementsAre(1987, 1669, 528, 132));
  EXPECT_THAT(count_part("test"), ElementsAre(2591, 15, 761, 172));

  std::vector<AfriqaQuestion> dev = read_afriqa(directory, "dev");
  EXPECT_EQ(drop_known(read_afriqa(directory, "train"), dev), 46U);
  EXPECT_THAT(count(dev), ElementsAre(1962, 1649, 527, 132));
}

}  // namespace
}  // namespace equipoise::demos
