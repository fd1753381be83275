#include "demos/qa/squad.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/unicode.h"

namespace equipoise::demos {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

json answer(const std::string& text, std::size_t start) {
  return {{"text", text}, {"answer_start", start}};
}
json question(const std::string& id, const std::vector<json>& answers) {
  return {{"id", id}, {"question", "What is " + id + "?"}, {"answers", answers}};
}
json text_of(const std::string& context, const std::vector<json>& questions) {
  return {{"data", {{{"paragraphs", {{{"context", context}, {"qas", questions}}}}}}}};
}

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

std::string error(const std::string& text, const SquadOptions& options = {}) {
  return message_of([&] { parse_squad(text, "x", options); });
}

TEST(Squad, HasQuestionsOnContextsOfArticles) {
  const SquadText text = parse_squad(R"({"version": "1.1", "data": [
      {"title": "first", "paragraphs": [
        {"context": "Lagos is large.", "qas": [
          {"id": "1", "question": "Which town?", "answers": [{"text": "Lagos", "answer_start": 0}]},
          {"id": "2", "question": "How?", "is_impossible": true, "answers": []}]},
        {"context": "No question.", "qas": []}]},
      {"paragraphs": [{"context": "Abuja too.", "qas": [
          {"id": "3", "question": "Also?", "answers": [{"text": "Abuja", "answer_start": 0},
                                                       {"text": "too", "answer_start": 6}]}]}]}]})",
                                     "x");
  ASSERT_EQ(text.contexts.size(), 3U);
  EXPECT_EQ(text.contexts[1].text, "No question.");
  EXPECT_EQ(text.contexts[1].article, 0U);
  EXPECT_EQ(text.contexts[2].article, 1U);
  ASSERT_EQ(text.questions.size(), 3U);
  EXPECT_EQ(text.questions[0].id, "1");
  EXPECT_EQ(text.questions[0].text, "Which town?");
  EXPECT_EQ(text.questions[0].answers[0].text, "Lagos");
  EXPECT_EQ(text.questions[0].answers[0].begin, 0U);
  EXPECT_TRUE(text.questions[1].answers.empty());
  EXPECT_FALSE(text.questions[1].lacks_answer());
  EXPECT_EQ(text.questions[2].context, 2U);
  EXPECT_EQ(text.questions[2].answers[1].begin, 6U);
  EXPECT_EQ(text.report.articles, 2U);
  EXPECT_EQ(text.report.answers, 3U);
  EXPECT_EQ(summary(text.report), "3 questions on 3 contexts; 1 without an answer");
}

TEST(Squad, CountsOffsetsInCodePoints) {
  const std::string context = "caf\u00e9 \u4e2d\u6587 \U0001F600 ok";
  const SquadText text =
      parse_squad(text_of(context, {question("a", {answer("\u4e2d\u6587", 5), answer("ok", 10)}),
                                    question("b", {answer(context, 0), answer("\U0001F600", 8)})})
                      .dump(),
                  "x");
  EXPECT_EQ(text.questions[0].answers[0].begin, 6U);
  EXPECT_EQ(text.questions[0].answers[1].begin, 18U);
  EXPECT_EQ(text.questions[1].answers[0].begin, 0U);
  EXPECT_EQ(text.questions[1].answers[1].begin, 13U);
  EXPECT_EQ(text.report.moved.count + text.report.lost.count, 0U);
}

TEST(Squad, MovesAnswersToTheNearestPlaceOrFlagsTheirQuestions) {
  const json moved = question("moved", {answer("one", 7), answer("\u00e9", 11)});
  const json lost = question("lost", {answer("three", 0), answer("one", 0)});
  const json empty = question("empty", {answer("", 3)});
  const std::string rows = text_of("one two one \u00e9", {moved, lost, empty}).dump();
  const SquadText text = parse_squad(rows, "file");
  EXPECT_EQ(text.questions[0].answers[0].begin, 8U);
  EXPECT_EQ(text.questions[0].answers[1].begin, 12U);
  EXPECT_FALSE(text.questions[0].lacks_answer());
  EXPECT_FALSE(text.questions[1].answers[0].begin.has_value());
  EXPECT_EQ(text.questions[1].answers[1].begin, 0U);
  EXPECT_TRUE(text.questions[1].lacks_answer());
  EXPECT_TRUE(text.questions[2].lacks_answer());
  EXPECT_EQ(text.report.moved.count, 2U);
  EXPECT_EQ(text.report.moved.first,
            "file:0: data[0].paragraphs[0].qas[0].answers[0]: the answer stands elsewhere in the "
            "context");
  EXPECT_EQ(text.report.lost.count, 2U);
  EXPECT_EQ(text.report.lost.first,
            "file:0: data[0].paragraphs[0].qas[1].answers[0]: the answer does not stand in the "
            "context");
  EXPECT_THAT(summary(text.report),
              StartsWith("3 questions on 1 contexts; 2 answers moved to where they stand, the "
                         "first file:0: data[0]"));
  EXPECT_EQ(error(rows, {.misplaced = MisplacedAnswers::kRefuse}),
            "x:0: data[0].paragraphs[0].qas[0].answers[0]: the answer stands elsewhere in the "
            "context");
  EXPECT_EQ(error(text_of("one", {empty}).dump(), {.misplaced = MisplacedAnswers::kRefuse}),
            "x:0: data[0].paragraphs[0].qas[0].answers[0]: the answer is empty");
}

TEST(Squad, TakesTheNearerOfTwoPlaces) {
  const auto place = [](std::size_t start) {
    return *parse_squad(text_of("ab ..... ab", {question("q", {answer("ab", start)})}).dump(), "x")
                .questions[0]
                .answers[0]
                .begin;
  };
  EXPECT_EQ(place(1), 0U);
  EXPECT_EQ(place(4), 0U);
  EXPECT_EQ(place(5), 9U);
  EXPECT_EQ(place(11), 9U);
}

TEST(Squad, RefusesOrCountsIdsThatStandTwice) {
  const std::string rows =
      text_of("one", {question("a", {}), question("b", {}), question("a", {})}).dump();
  EXPECT_EQ(error(rows),
            "x:0: data[0].paragraphs[0].qas[2].id: an earlier question has the same id");
  const SquadText text = parse_squad(rows, "x", {.repeated_ids = RepeatedIds::kCount});
  EXPECT_EQ(text.questions.size(), 3U);
  EXPECT_EQ(text.report.repeated_ids.count, 1U);
  EXPECT_THAT(text.report.repeated_ids.first, HasSubstr("qas[2].id"));
}

TEST(Squad, NamesThePlaceOfWhatIsWrong) {
  const json good = text_of("one two", {question("a", {answer("two", 4)})});
  EXPECT_EQ(error(good.dump()), "");
  const auto with = [&](const char* pointer, const json& value) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    return error(changed.dump());
  };
  const auto without = [&](const char* pointer, const char* key) {
    json changed = good;
    changed[json::json_pointer(pointer)].erase(key);
    return error(changed.dump());
  };
  EXPECT_EQ(error("[]"), "x:0: expected an object, found array");
  EXPECT_EQ(without("", "data"), "x:0: there is no 'data'");
  EXPECT_EQ(with("/data", json::object()), "x:0: data: expected an array, found object");
  EXPECT_EQ(with("/data", json::array()), "x:0: there is no question");
  EXPECT_EQ(with("/data/0", 1), "x:0: data[0]: expected an object, found 1");
  EXPECT_EQ(without("/data/0", "paragraphs"), "x:0: data[0]: there is no 'paragraphs'");
  EXPECT_EQ(without("/data/0/paragraphs/0", "context"),
            "x:0: data[0].paragraphs[0]: there is no 'context'");
  EXPECT_EQ(with("/data/0/paragraphs/0/context", nullptr),
            "x:0: data[0].paragraphs[0].context: expected a string, found null");
  EXPECT_EQ(without("/data/0/paragraphs/0", "qas"),
            "x:0: data[0].paragraphs[0]: there is no 'qas'");
  for (const char* key : {"id", "question", "answers"}) {
    EXPECT_EQ(without("/data/0/paragraphs/0/qas/0", key),
              "x:0: data[0].paragraphs[0].qas[0]: there is no '" + std::string(key) + "'");
  }
  EXPECT_EQ(with("/data/0/paragraphs/0/qas/0/id", 7),
            "x:0: data[0].paragraphs[0].qas[0].id: expected a string, found 7");
  const std::string answers = "/data/0/paragraphs/0/qas/0/answers";
  const std::string start = answers + "/0/answer_start";
  const std::string at = "x:0: data[0].paragraphs[0].qas[0].answers[0]";
  for (const char* key : {"text", "answer_start"}) {
    EXPECT_EQ(without((answers + "/0").c_str(), key), at + ": there is no '" + key + "'");
  }
  EXPECT_EQ(with(answers.c_str(), "two"),
            "x:0: data[0].paragraphs[0].qas[0].answers: expected an array, found string");
  EXPECT_EQ(with(start.c_str(), "4"),
            at + ".answer_start: expected a whole number from 0, found string");
  EXPECT_EQ(with(start.c_str(), -1),
            at + ".answer_start: expected a whole number from 0, found -1");
  EXPECT_EQ(with(start.c_str(), 4.0),
            at + ".answer_start: expected a whole number from 0, found 4.0");
}

TEST(Squad, RefusesOrRepairsOffsetsBeyondTheContext) {
  for (const std::size_t start : {std::size_t{8}, std::numeric_limits<std::size_t>::max()}) {
    const std::string rows = text_of("two two", {question("a", {answer("two", start)}),
                                                 question("b", {answer("three", start)})})
                                 .dump();
    const SquadText text = parse_squad(rows, "x");
    EXPECT_EQ(text.questions[0].answers[0].begin, 4U);  // the nearest to the end
    EXPECT_EQ(text.questions[1].answers[0].begin, std::nullopt);
    EXPECT_EQ(text.report.moved.count, 1U);
    EXPECT_EQ(text.report.lost.count, 1U);
    EXPECT_EQ(message_of([&] { parse_squad(rows, "x", {.misplaced = MisplacedAnswers::kRefuse}); }),
              "x:0: data[0].paragraphs[0].qas[0].answers[0].answer_start: " +
                  std::to_string(start) + " is beyond the context, which has 7 characters");
  }
}

TEST(Squad, NamesTheLineOfWhatIsNotJson) {
  const std::string good = text_of("one two", {question("a", {answer("two", 4)})}).dump(1);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, good.size() / 2, good.size() - 1}) {
    const std::string cut = good.substr(0, size);
    const auto ends = std::count(cut.begin(), cut.end(), '\n');
    const auto line = cut.ends_with('\n') ? ends : ends + 1;
    EXPECT_THAT(error(cut), StartsWith("x:" + std::to_string(line) + ": ")) << size;
  }
  EXPECT_EQ(error("{\"data\":\n\"\xff\"}"), "x:2: byte 2 of the line is not UTF-8");
  EXPECT_EQ(error(R"({"data": [], "data": []})"), "x:0: data: stands twice");
}

// Contexts of random characters, answers cut out of them, some of the offsets wrong: what is said
// to stand in a context does, and where it was right nothing was moved.
TEST(Squad, SaysWhereAnswersStand) {
  std::mt19937 random(3);
  const std::u32string alphabet = U"ab \u00e9\u0639\u4e2d\U0001F600";
  for (int round = 0; round < 300; ++round) {
    std::u32string context;
    const std::size_t size = 1 + random() % 30;
    for (std::size_t i = 0; i < size; ++i) context += alphabet[random() % alphabet.size()];
    std::vector<json> questions;
    std::vector<std::size_t> starts;
    std::vector<bool> is_right;
    for (std::size_t q = 0; q < 5; ++q) {
      const std::size_t begin = random() % size;
      const std::u32string part = context.substr(begin, 1 + random() % 5);
      starts.push_back(random() % 2 == 0 ? begin : random() % (size + 1));
      is_right.push_back(context.substr(starts[q], part.size()) == part);
      questions.push_back(question(std::to_string(q), {answer(to_utf8(part), starts[q])}));
    }
    const SquadText text = parse_squad(text_of(to_utf8(context), questions).dump(), "x");
    std::size_t right = 0;
    for (std::size_t q = 0; q < text.questions.size(); ++q) {
      const SquadAnswer& found = text.questions[q].answers[0];
      ASSERT_TRUE(found.begin.has_value());  // each was cut out of the context
      ASSERT_EQ(to_utf8(context).substr(*found.begin, found.text.size()), found.text);
      if (!is_right[q]) continue;
      ++right;
      ASSERT_EQ(*found.begin, to_utf8(context.substr(0, starts[q])).size());
    }
    ASSERT_EQ(text.report.moved.count, text.questions.size() - right);
    ASSERT_EQ(text.report.lost.count, 0U);
  }
}

// With EQUIPOISE_DATA set to where tools/fetch_data.sh puts the data sets.
TEST(SquadData, AnswersStandWhereTheFilesSay) {
  const char* const data = std::getenv("EQUIPOISE_DATA");
  if (data == nullptr) GTEST_SKIP() << "EQUIPOISE_DATA is not set";
  const std::filesystem::path qa = std::filesystem::path(data) / "qa";
  for (const auto& [language, questions] :
       std::vector<std::pair<std::string, std::size_t>>{{"ar", 517},
                                                        {"de", 512},
                                                        {"en", 1148},
                                                        {"es", 500},
                                                        {"hi", 507},
                                                        {"vi", 511},
                                                        {"zh", 504}}) {
    std::string name = "dev-context-LL-question-LL.json";
    for (std::size_t at = 0; (at = name.find("LL", at)) != std::string::npos;) {
      name.replace(at, 2, language);
    }
    const SquadText text = read_squad(qa / "mlqa" / name, {.misplaced = MisplacedAnswers::kRefuse});
    EXPECT_EQ(text.questions.size(), questions) << language;
  }
  for (const auto& [language, questions] :
       std::vector<std::pair<std::string, std::size_t>>{{"en", 3696}, {"ko", 1625}, {"sw", 2755}}) {
    const SquadText text =
        read_squad(qa / "tydiqa_goldp" / ("tydiqa.goldp." + language + ".train.json"),
                   {.misplaced = MisplacedAnswers::kRefuse, .repeated_ids = RepeatedIds::kCount});
    EXPECT_EQ(text.questions.size(), questions) << language;
  }
}

TEST(Squad, IsReadFromAFile) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "squad.json";
  write_file(file, text_of("one", {question("a", {answer("one", 0)})}).dump());
  EXPECT_EQ(read_squad(file).questions.size(), 1U);
  write_file(file, "{");
  EXPECT_THAT(message_of([&] { read_squad(file); }),
              HasSubstr("squad.json:1: not JSON: unexpected end of input"));
  std::filesystem::remove(file);
  EXPECT_THAT(message_of([&] { read_squad(file); }), HasSubstr("squad.json:0: cannot be read"));
}

}  // namespace
}  // namespace equipoise::demos
