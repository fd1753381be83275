#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/sentences.h"

namespace equipoise::demos {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

json question(const std::string& id, const std::string& answer, int start) {
  return {{"id", id},
          {"question", "What is " + id + "?"},
          {"answers", {{{"text", answer}, {"answer_start", start}}}}};
}

// Texts of two sentences each, with two questions that the second answers.
json squad(int texts, const std::string& start, const std::string& id = "") {
  json paragraphs = json::array();
  for (int i = 0; i < texts; ++i) {
    const std::string context = start + " " + std::to_string(i) + " ends. There it is.";
    const int at = static_cast<int>(context.find("There"));
    paragraphs.push_back({{"context", context},
                          {"qas",
                           {question(id + std::to_string(i), "There", at),
                            question(id + "again " + std::to_string(i), "it", at + 6)}}});
  }
  return {{"data", {{{"paragraphs", paragraphs}}}}};
}

class SquadFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(directory_);
    write("tydiqa.goldp.en.train.json", squad(40, "Text"));
    write("dev-context-de-question-de.json", squad(20, "Im 19. Jahrhundert, Text", "de "));
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const json& text) const {
    std::ofstream(directory_ / name) << text.dump();
  }
  std::string error(Flaws misplaced = Flaws::kRepair) const {
    try {
      load_sentence_data(directory_, misplaced);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("squad_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(SquadFiles, AreSplitByTextAndLanguage) {
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.languages, ElementsAre("de", "en"));
  std::map<std::string, std::set<int>> parts_of;
  std::map<std::pair<int, std::string>, int> sizes;
  int number = 0;
  for (const auto part : {&SentenceData::train, &SentenceData::validation, &SentenceData::test}) {
    for (const SentenceQuestion& question : data.*part) {
      ASSERT_EQ(question.sentences.size(), 2U) << question.sentences[0];  // 19. ends none
      EXPECT_THAT(question.is_answer, ElementsAre(0, 1));
      parts_of[question.sentences[0]].insert(number);
      ++sizes[{number, question.language}];
    }
    ++number;
  }
  EXPECT_EQ(parts_of.size(), 60U);
  for (const auto& [text, parts] : parts_of) EXPECT_EQ(parts.size(), 1U) << text;
  EXPECT_EQ((sizes[{0, "en"}]), 48);
  EXPECT_EQ((sizes[{1, "en"}]), 16);
  EXPECT_EQ((sizes[{2, "en"}]), 16);
  EXPECT_EQ((sizes[{1, "de"}]), 8);
  EXPECT_EQ((sizes[{2, "de"}]), 8);
  EXPECT_THAT(data.description, HasSubstr("120 questions on 60 texts, 240 pairs"));
  EXPECT_THAT(data.description, HasSubstr("72 training, 24 validation and 24 test questions"));
}

// The parts that the questions that `chosen` takes are in.
template <class F>
std::set<int> parts_of(const SentenceData& data, const F& chosen) {
  std::set<int> parts;
  int number = 0;
  for (const auto part : {&SentenceData::train, &SentenceData::validation, &SentenceData::test}) {
    for (const SentenceQuestion& question : data.*part) {
      if (chosen(question)) parts.insert(number);
    }
    ++number;
  }
  return parts;
}

TEST_F(SquadFiles, KeepTranslationsInOnePart) {
  // The same identifiers on other texts, as parallel files have them.
  std::filesystem::remove(directory_ / "dev-context-de-question-de.json");
  json parallel = squad(40, "Im 19. Jahrhundert, Text");
  for (json& paragraph : parallel["data"][0]["paragraphs"]) {
    for (json& each : paragraph["qas"]) each["question"] = "Was? " + each["id"].get<std::string>();
  }
  write("dev-context-de-question-de.json", parallel);
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.description, HasSubstr("160 questions on 80 texts"));
  EXPECT_THAT(data.description, HasSubstr("By fact, of which there are 40: 96 training"));
  for (int i = 0; i < 40; ++i) {
    const std::string text = "Text " + std::to_string(i) + " ends.";
    const std::set<int> parts = parts_of(data, [&](const SentenceQuestion& question) {
      return question.sentences[0].ends_with(text);
    });
    EXPECT_EQ(parts.size(), 1U) << i;
  }
  // Questions of one fact stand together.
  std::set<std::int64_t> seen;
  for (std::size_t q = 0; q < data.test.size(); ++q) {
    const std::int64_t fact = data.test[q].fact;
    if (q > 0 && data.test[q - 1].fact == fact) continue;
    EXPECT_TRUE(seen.insert(fact).second) << fact;
  }
}

TEST_F(SquadFiles, KeepQuestionsOfTheSameTextInOnePart) {
  json text = squad(40, "Text");
  for (const std::size_t i : std::vector<std::size_t>{0, 9, 18, 27}) {
    text["data"][0]["paragraphs"][i]["qas"][0]["question"] = "Where is it?";
  }
  write("tydiqa.goldp.en.train.json", text);
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.description, HasSubstr("By fact, of which there are 57: "));
  const std::set<int> parts = parts_of(
      data, [](const SentenceQuestion& question) { return question.text == "Where is it?"; });
  EXPECT_EQ(parts.size(), 1U);
}

TEST_F(SquadFiles, WithRepeatedIdentifiersAreCountedOrRefused) {
  json text = squad(40, "Text");
  for (json& paragraph : text["data"][0]["paragraphs"]) paragraph["qas"][0]["id"] = "0";
  write("tydiqa.goldp.en.train.json", text);
  const SentenceData data = load_sentence_data(directory_, Flaws::kRepair);
  EXPECT_THAT(data.description, HasSubstr("; 39 questions with the id of another, the first "));
  EXPECT_THAT(data.description, HasSubstr("By fact, of which there are 60: "));  // they join none
  EXPECT_THAT(error(Flaws::kRefuse),
              HasSubstr("data[0].paragraphs[1].qas[0].id: an earlier question has the same id"));
}

TEST_F(SquadFiles, WithTheSameTextTwiceKeepItInOnePart) {
  // Other files repeat the texts of the first with other identifiers.
  write("tydiqa.goldp.sw.train.json", squad(40, "Text"));
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.description, HasSubstr("200 questions on 60 texts"));
  std::map<std::string, std::set<const void*>> parts_of;
  for (const auto part : {&SentenceData::train, &SentenceData::validation, &SentenceData::test}) {
    for (const SentenceQuestion& question : data.*part) {
      parts_of[question.sentences[0]].insert(&(data.*part));
    }
  }
  for (const auto& [text, parts] : parts_of) EXPECT_EQ(parts.size(), 1U) << text;
}

TEST_F(SquadFiles, WithFlawsAreRepairedAndCountedOrRefused) {
  json text = squad(50, "Text");
  json& first = text["data"][0]["paragraphs"][0]["qas"];
  first[0]["answers"][0]["answer_start"] = 0;
  first[1]["answers"][0]["text"] = "nowhere";
  write("tydiqa.goldp.en.train.json", text);
  const SentenceData data = load_sentence_data(directory_, Flaws::kRepair);
  EXPECT_THAT(data.description, HasSubstr("139 questions"));
  EXPECT_THAT(data.description, HasSubstr("; 1 answers moved to where they stand, the first "));
  EXPECT_THAT(data.description, HasSubstr("data[0].paragraphs[0].qas[0].answers[0]: "));
  EXPECT_THAT(data.description,
              HasSubstr("; 1 answers that do not stand in their text, the first "));
  EXPECT_THAT(data.description, HasSubstr("; 1 questions left out"));
  EXPECT_THAT(error(Flaws::kRefuse), HasSubstr("tydiqa.goldp.en.train.json:0: data[0]"));
}

TEST_F(SquadFiles, WithoutTheAnswersOfMoreThanOneInAHundredQuestionsAreRefusedUnlessToldToGoOn) {
  json text = squad(50, "Text");
  for (const std::size_t i : std::vector<std::size_t>{3, 7}) {
    text["data"][0]["paragraphs"][i]["qas"][0]["answers"][0]["text"] = "nowhere";
  }
  write("tydiqa.goldp.en.train.json", text);
  EXPECT_EQ(error(),
            (directory_ / "tydiqa.goldp.en.train.json").string() +
                ":0: data[0].paragraphs[3].qas[0].answers[0]: the answer does not stand in "
                "the context; 2 of 100 questions are like this, and more than 1 % is not "
                "left out: --flaws=skip goes on without them");
  const SentenceData data = load_sentence_data(directory_, Flaws::kSkip);
  EXPECT_THAT(data.description, HasSubstr("; 2 questions left out"));
}

TEST_F(SquadFiles, WithManyQuestionsThatHaveNoAnswerAreNoDamagedFiles) {
  json text = squad(50, "Text");
  json& paragraphs = text["data"][0]["paragraphs"];
  for (std::size_t i = 0; i < 30; ++i) {
    json& question = paragraphs[i]["qas"][0];
    if (i % 3 == 0) question["answers"][0] = {{"text", ""}, {"answer_start", 0}};
    if (i % 3 == 1) question["answers"] = json::array();
    if (i % 3 == 2) {
      question["is_impossible"] = true;
      question["answers"][0]["text"] = "nowhere";  // only a plausible one
    }
  }
  write("tydiqa.goldp.en.train.json", text);
  const SentenceData data = load_sentence_data(directory_, Flaws::kRepair);
  EXPECT_THAT(data.description, HasSubstr("; 10 answers without a text left out"));
  EXPECT_THAT(data.description,
              HasSubstr("; 10 questions with answers that are said to have none"));
  EXPECT_THAT(data.description, HasSubstr("; 30 without an answer"));
  EXPECT_THAT(data.description, testing::Not(HasSubstr("questions left out")));
}

TEST_F(SquadFiles, ThatAreCutShortAreRefusedOrLeftOutAndCounted) {
  const std::string whole = squad(40, "Text").dump();
  std::ofstream(directory_ / "tydiqa.goldp.ko.train.json") << whole.substr(0, whole.size() / 2);
  EXPECT_THAT(error(), HasSubstr("tydiqa.goldp.ko.train.json:1: not JSON"));
  const auto load = [&] { return load_sentence_data(directory_, Flaws::kSkip); };
  const SentenceData data = load();
  EXPECT_THAT(data.languages, ElementsAre("de", "en"));
  EXPECT_THAT(data.description, HasSubstr("120 questions on 60 texts"));
  EXPECT_THAT(data.description, HasSubstr("; 1 damaged files left out, the first "));
  EXPECT_THAT(data.description, HasSubstr("tydiqa.goldp.ko.train.json:1: not JSON"));

  std::filesystem::remove(directory_ / "tydiqa.goldp.en.train.json");
  std::filesystem::remove(directory_ / "dev-context-de-question-de.json");
  std::string message;
  try {
    load();
  } catch (const InputError& failure) {
    message = failure.what();
  }
  EXPECT_THAT(message, HasSubstr("too few texts to train, validate and test on; 1 damaged files"));
}

TEST_F(SquadFiles, MaySayThatThereIsNoAnswer) {
  json text = squad(40, "Text");
  text["data"][0]["paragraphs"][0]["qas"][0]["answers"] = json::array();
  write("tydiqa.goldp.en.train.json", text);
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.description, HasSubstr("120 questions"));
  EXPECT_THAT(data.description, HasSubstr("; 1 without an answer"));
}

TEST_F(SquadFiles, SayTheirLanguageInTheirNames) {
  std::filesystem::remove(directory_ / "tydiqa.goldp.en.train.json");
  std::filesystem::remove(directory_ / "dev-context-de-question-de.json");
  const auto language_of = [&](const std::string& name) {
    write(name, squad(20, "Text"));
    const std::string failure = error();
    const auto languages = failure.empty()
                               ? load_sentence_data(directory_, Flaws::kRepair).languages
                               : std::vector<std::string>{failure};
    std::filesystem::remove(directory_ / name);
    return languages.front();
  };
  EXPECT_EQ(language_of("tydiqa.goldp.sw.train.json"), "sw");
  EXPECT_EQ(language_of("dev-context-zh-question-zh.json"), "zh");
  EXPECT_EQ(language_of("train_ko.json"), "ko");
  EXPECT_EQ(language_of("squad.pt_br.json"), "pt");
  EXPECT_EQ(language_of("qa_de.json"), "de");
  EXPECT_EQ(language_of("squad_de_en.json"), "de");
  for (const std::string name : {"train-v1.1.json", "qa.json", "qa_DE.json"}) {
    EXPECT_THAT(language_of(name), HasSubstr(name + ":0: the name says no language"));
  }
}

TEST_F(SquadFiles, OfTwoLanguagesAreLeftOut) {
  write("dev-context-en-question-de.json", squad(3, "Other"));
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.description, HasSubstr(", 2 files: 120 questions"));
  EXPECT_THAT(data.description, HasSubstr("\nLeft out: 1 files"));
  std::filesystem::remove(directory_ / "tydiqa.goldp.en.train.json");
  std::filesystem::remove(directory_ / "dev-context-de-question-de.json");
  EXPECT_EQ(error(), (directory_ / "dev-context-en-question-de.json").string() +
                         ":0: questions are of another language than the texts, by the name, and "
                         "there is no other file");
}

// Two codes in a name are no two languages, but for context-xx-question-yy.
TEST_F(SquadFiles, MayHaveRegionsAndOtherPairsOfLettersInTheirNames) {
  std::filesystem::remove(directory_ / "tydiqa.goldp.en.train.json");
  std::filesystem::remove(directory_ / "dev-context-de-question-de.json");
  write("squad.pt_br.json", squad(20, "Texto", "pt "));
  EXPECT_THAT(load_sentence_data(directory_, Flaws::kRefuse).languages, ElementsAre("pt"));
  write("qa_de.json", squad(20, "Text", "de "));
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.languages, ElementsAre("de", "pt"));
  EXPECT_THAT(data.description, HasSubstr(", 2 files: 80 questions on 40 texts"));
  EXPECT_THAT(data.description, HasSubstr("2 languages: de, pt.\n"));
  EXPECT_THAT(data.description, testing::Not(HasSubstr("Left out")));
}

TEST_F(SquadFiles, MayCountTheirOffsetsOtherwiseAndItIsSaid) {
  json text = squad(20, "\U0001F600 Texto", "pt ");
  for (json& paragraph : text["data"][0]["paragraphs"]) {  // from bytes to UTF-16 units
    for (json& each : paragraph["qas"]) {
      json& start = each["answers"][0]["answer_start"];
      start = start.get<int>() - 2;
    }
  }
  write("squad.pt_br.json", text);
  const SentenceData data = load_sentence_data(directory_, Flaws::kRefuse);
  EXPECT_THAT(data.description,
              HasSubstr("; 1 files whose offsets count no code points, the first " +
                        (directory_ / "squad.pt_br.json").string() + ":0: in UTF-16 units"));
  for (const SentenceQuestion& question : data.test)
    EXPECT_THAT(question.is_answer, ElementsAre(0, 1));
}

TEST_F(SquadFiles, AreFoundBelowTheDirectoryToo) {
  EXPECT_EQ(squad_files(directory_).size(), 2U);
  std::filesystem::create_directories(directory_ / "qa" / "mlqa");
  std::filesystem::rename(directory_ / "dev-context-de-question-de.json",
                          directory_ / "qa" / "mlqa" / "dev-context-de-question-de.json");
  write("queries.afriqa.hau.en.train.json", {});
  EXPECT_EQ(squad_files(directory_).size(), 2U);
  EXPECT_EQ(squad_files(directory_ / "qa").size(), 1U);
  EXPECT_THAT(squad_files(directory_ / "nowhere"), IsEmpty());
}

TEST_F(SquadFiles, NeedTextsForAllParts) {
  std::filesystem::remove(directory_ / "dev-context-de-question-de.json");
  write("tydiqa.goldp.en.train.json", squad(4, "Text"));
  EXPECT_EQ(error(), directory_.string() + ":0: too few texts to train, validate and test on");
  std::filesystem::remove(directory_ / "tydiqa.goldp.en.train.json");
  EXPECT_THAT(error(), HasSubstr("there is no file in the format of SQuAD"));
  json without = squad(10, "Text");
  for (json& paragraph : without["data"][0]["paragraphs"]) {
    for (json& each : paragraph["qas"]) each["answers"] = json::array();
  }
  write("tydiqa.goldp.en.train.json", without);
  EXPECT_THAT(error(), HasSubstr("no sentence with an answer"));
}

// Files of one's own, of any name: sizes of the parts.
std::vector<std::size_t> sizes_of(const SentenceData& data) {
  return {data.train.size(), data.validation.size(), data.test.size()};
}

// An English word that is a code too is one at the end of a name alone.
TEST_F(SquadFiles, OfAnyNameHaveLanguagesThatAreNoWords) {
  const auto language_in = [&](const std::string& name) {
    write(name, squad(20, "Text"));
    return load_sentence_files({.train = {directory_ / name}}, Flaws::kRefuse).languages.front();
  };
  EXPECT_EQ(language_in("my_train.json"), kUnnamedLanguage);
  EXPECT_EQ(language_in("no_context.json"), kUnnamedLanguage);
  EXPECT_EQ(language_in("train_my.json"), "my");
  EXPECT_EQ(language_in("squad.sw.train.json"), "sw");
  EXPECT_EQ(language_in("dev-context-hi-question-hi.json"), "hi");
}

TEST_F(SquadFiles, OfAnyNameAreCutByText) {
  write("mine", squad(40, "Text"));
  const SentenceData data = load_sentence_files({.train = {directory_ / "mine"}}, Flaws::kRefuse);
  EXPECT_THAT(data.languages, ElementsAre(kUnnamedLanguage));
  EXPECT_THAT(sizes_of(data), ElementsAre(56, 8, 16));
  for (int i = 0; i < 40; ++i) {
    const std::string text = "Text " + std::to_string(i) + " ends.";
    const auto is_on_it = [&](const SentenceQuestion& q) { return q.sentences[0] == text; };
    EXPECT_EQ(parts_of(data, is_on_it).size(), 1U) << text;
  }
  EXPECT_THAT(data.description, HasSubstr("No text is in two parts: 56 training, 8 validation and "
                                          "16 test questions. Left out: 0 whose"));
  EXPECT_THAT(data.description, HasSubstr("| positive |            56 | 50.0 % |"));
}

TEST_F(SquadFiles, ForEachPartShareNoTextAndNoWords) {
  write("a.json", squad(40, "Text"));
  json other = squad(10, "Other", "other ");
  other["data"][0]["paragraphs"].push_back(squad(1, "Text", "new ")["data"][0]["paragraphs"][0]);
  other["data"][0]["paragraphs"][0]["qas"][0]["question"] = "What is 7?";
  write("b.json", other);
  const PartFiles files{.train = {directory_ / "a.json"}, .test = {directory_ / "b.json"}};
  const SentenceData data = load_sentence_files(files, Flaws::kRefuse);
  EXPECT_THAT(sizes_of(data), ElementsAre(72, 8, 19));
  EXPECT_THAT(data.description, HasSubstr("Left out: 3 whose text or words stand in another"));
}

// Where every part has a file, no text has to be taken for another part.
TEST_F(SquadFiles, ForEachPartMayTrainOnOneText) {
  write("one.json", squad(1, "Text"));
  write("dev.json", squad(3, "Dev", "dev "));
  write("test.json", squad(2, "Test", "test "));
  const SentenceData data = load_sentence_files({.train = {directory_ / "one.json"},
                                                 .validation = {directory_ / "dev.json"},
                                                 .test = {directory_ / "test.json"}},
                                                Flaws::kRefuse);
  EXPECT_THAT(sizes_of(data), ElementsAre(2, 6, 4));
}

TEST_F(SquadFiles, OfOnesOwnNeedTheLanguagesOfTrain) {
  const auto error_with = [&](const PartFiles& files) {
    try {
      load_sentence_files(files, Flaws::kRepair);
    } catch (const InputError& failure) {
      return std::string(failure.what());
    }
    return std::string();
  };
  const std::filesystem::path english = directory_ / "tydiqa.goldp.en.train.json";
  const std::filesystem::path german = directory_ / "dev-context-de-question-de.json";
  EXPECT_THAT(error_with({.train = {english}, .test = {german}}),
              testing::EndsWith("-de.json:0: language 'de' does not occur in " + english.string()));
  EXPECT_THAT(error_with({.train = {english}, .test = {english, german}}),
              testing::StartsWith(german.string() + ":0: language 'de'"));
  EXPECT_EQ(error_with({.train = {english, german}, .test = {german}}),
            german.string() +
                ":0: too few texts: a part of them has no sentence with an answer, "
                "or no other");
  write("few.json", squad(9, "Text"));
  EXPECT_THAT(error_with({.train = {directory_ / "few.json"}}), HasSubstr("few.json:0: too few"));
  EXPECT_THAT(load_sentence_test({german}, {"de", "en"}, Flaws::kRepair).test.size(), 40);
}

TEST(Sentences, AreCutByTheRulesOfTheLanguage) {
  EXPECT_THAT(sentences_of("Am 3. Mai kam er. Er ging.", "de"),
              ElementsAre("Am 3. Mai kam er.", "Er ging."));
  EXPECT_THAT(sentences_of("He had 3. May came. He left.", "en"),
              ElementsAre("He had 3.", "May came.", "He left."));
  EXPECT_THAT(sentences_of(" \n ", "en"), IsEmpty());
}

TEST(SyntheticSentenceData, IsImbalancedAndAlwaysTheSame) {
  const SentenceData data = synthetic_sentence_data();
  std::map<std::string, int> languages;
  for (const SentenceQuestion& question : data.train) {
    ++languages[question.language];
    ASSERT_EQ(question.is_answer.size(), question.sentences.size());
    ASSERT_GE(question.sentences.size(), 3U);
    EXPECT_EQ(std::count(question.is_answer.begin(), question.is_answer.end(), 1), 1);
  }
  EXPECT_EQ(languages.size(), data.languages.size());
  EXPECT_EQ(languages["xa"], 900);
  EXPECT_EQ(languages["xe"], 60);
  EXPECT_EQ(data.train[5].text, synthetic_sentence_data().train[5].text);
  EXPECT_NE(data.validation[5].text, data.test[5].text);
  EXPECT_THAT(data.description, testing::StartsWith("No data: "));
}

}  // namespace
}  // namespace equipoise::demos
