#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
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
#include "demos/qa/sentences.h"

namespace equipoise::demos {
namespace {

// A report in a line.
std::string summary(const SquadText& result) {
  const SquadReport& report = result.report;
  std::string text = std::to_string(result.questions.size()) + " questions on " +
                     std::to_string(result.contexts.size()) + " contexts";
  if (report.without_answers > 0) {
    text += "; " + std::to_string(report.without_answers) + " without an answer";
  }
  if (report.unit != "code points") {
    text += "; offsets count " + report.unit;
  }
  text += report.respelled.text("answers that their context writes otherwise");
  text += report.moved.text("answers moved to where they stand");
  text += report.lost.text("answers that do not stand in their context");
  text += report.blank.text("answers without a text left out");
  text += report.impossible.text("questions with answers that are said to have none");
  text += report.repeated_ids.text("questions with the id of another");
  return text;
}

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

std::string error(const std::string& text, Flaws flaws = Flaws::kRepair) {
  return message_of([&] { parse_squad(text, "x", flaws); });
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
  EXPECT_EQ(text.contexts[1], "No question.");
  ASSERT_EQ(text.questions.size(), 3U);
  EXPECT_EQ(text.questions[0].id, "1");
  EXPECT_EQ(text.questions[0].text, "Which town?");
  EXPECT_EQ(text.questions[0].answers[0].text, "Lagos");
  EXPECT_EQ(text.questions[0].answers[0].begin, 0U);
  EXPECT_TRUE(text.questions[1].answers.empty());
  EXPECT_EQ(text.questions[2].context, 2U);
  EXPECT_EQ(text.questions[2].answers[1].begin, 6U);
  EXPECT_EQ(summary(text), "3 questions on 3 contexts; 1 without an answer");
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
  EXPECT_FALSE(text.questions[1].answers[0].begin.has_value());
  EXPECT_EQ(text.questions[1].answers[1].begin, 0U);
  EXPECT_TRUE(text.questions[2].answers.empty());
  EXPECT_EQ(text.report.blank.count, 1U);
  EXPECT_EQ(text.report.moved.count, 2U);
  EXPECT_EQ(text.report.moved.first,
            "file:0: data[0].paragraphs[0].qas[0].answers[0]: the answer stands elsewhere in the "
            "context");
  EXPECT_EQ(text.report.lost.count, 1U);
  EXPECT_EQ(text.report.lost.first,
            "file:0: data[0].paragraphs[0].qas[1].answers[0]: the answer does not stand in the "
            "context");
  EXPECT_THAT(summary(text),
              StartsWith("3 questions on 1 contexts; 1 without an answer; 2 answers moved to where "
                         "they stand, the first file:0: data[0]"));
  EXPECT_EQ(error(text_of("one two one \u00e9", {moved, lost}).dump(), Flaws::kRefuse),
            "x:0: data[0].paragraphs[0].qas[0].answers[0]: the answer stands elsewhere in the "
            "context");
  EXPECT_EQ(error(text_of("one", {empty}).dump(), Flaws::kRefuse),
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
  EXPECT_EQ(error(rows, Flaws::kRefuse),
            "x:0: data[0].paragraphs[0].qas[2].id: an earlier question has the same id");
  const SquadText text = parse_squad(rows, "x");
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
  EXPECT_EQ(error("[]"), "x:0: there is no question");
  EXPECT_EQ(without("", "data"), "x:0: key 'data' not found");
  EXPECT_EQ(with("/data", json::object()), "x:0: (/data) type must be array, but is object");
  EXPECT_EQ(with("/data", json::array()), "x:0: there is no question");
  EXPECT_EQ(with("/data/0", 1), "x:0: (/data/0) cannot use at() with number");
  EXPECT_EQ(without("/data/0", "paragraphs"), "x:0: (/data/0) key 'paragraphs' not found");
  EXPECT_EQ(without("/data/0/paragraphs/0", "context"),
            "x:0: (/data/0/paragraphs/0) key 'context' not found");
  EXPECT_EQ(with("/data/0/paragraphs/0/context", nullptr),
            "x:0: (/data/0/paragraphs/0/context) type must be string, but is null");
  EXPECT_EQ(without("/data/0/paragraphs/0", "qas"),
            "x:0: (/data/0/paragraphs/0) key 'qas' not found");
  for (const char* key : {"id", "question"}) {
    EXPECT_EQ(without("/data/0/paragraphs/0/qas/0", key),
              "x:0: (/data/0/paragraphs/0/qas/0) key '" + std::string(key) + "' not found");
  }
  EXPECT_EQ(without("/data/0/paragraphs/0/qas/0", "answers"),
            "x:0: data[0].paragraphs[0].qas[0]: there is no 'answers'");
  EXPECT_EQ(with("/data/0/paragraphs/0/qas/0/id", 7.5),
            "x:0: (/data/0/paragraphs/0/qas/0/id) type must be string, but is number");
  EXPECT_EQ(with("/data/0/paragraphs/0/qas/0/id", nullptr),
            "x:0: (/data/0/paragraphs/0/qas/0/id) type must be string, but is null");
  EXPECT_EQ(with("/data/0/paragraphs/0/qas/0/is_impossible", "no"),
            "x:0: (/data/0/paragraphs/0/qas/0/is_impossible) type must be boolean, but is string");
  const std::string answers = "/data/0/paragraphs/0/qas/0/answers";
  const std::string start = answers + "/0/answer_start";
  const std::string at = "x:0: data[0].paragraphs[0].qas[0].answers[0]";
  for (const char* key : {"text", "answer_start"}) {
    EXPECT_EQ(without((answers + "/0").c_str(), key),
              "x:0: (" + answers + "/0) key '" + key + "' not found");
  }
  EXPECT_EQ(with(answers.c_str(), "two"),
            "x:0: (/data/0/paragraphs/0/qas/0/answers) type must be array, but is string");
  EXPECT_EQ(with(start.c_str(), "4"),
            at + ": expected a whole number from 0 as answer_start, found string");
  EXPECT_EQ(with(start.c_str(), -2),
            at + ": expected a whole number from 0 as answer_start, found -2");
  EXPECT_EQ(with(start.c_str(), 4.5),
            at + ": expected a whole number from 0 as answer_start, found 4.5");
}

TEST(Squad, TakesWholeNumbersForIds) {
  json rows = text_of("one", {question("7", {answer("one", 0)}), question("", {})});
  rows["data"][0]["paragraphs"][0]["qas"][1]["id"] = 8;
  EXPECT_EQ(parse_squad(rows.dump(), "x").questions[1].id, "8");
  rows["data"][0]["paragraphs"][0]["qas"][1]["id"] = 7;
  EXPECT_EQ(error(rows.dump(), Flaws::kRefuse),
            "x:0: data[0].paragraphs[0].qas[1].id: an earlier question has the same id");
}

// One question has an answer; the others are each a way to write that there is none.
TEST(Squad, KnowsTheWaysToWriteThatThereIsNoAnswer) {
  const SquadText text = parse_squad(R"({"data": [{"paragraphs": [{"context": "one two", "qas": [
      {"id": 0, "question": "?", "answers": [{"text": "two", "answer_start": 4}]},
      {"id": 1, "question": "?", "answers": []},
      {"id": 2, "question": "?", "answers": null},
      {"id": 3, "question": "?"},
      {"id": 4, "question": "?", "is_impossible": true},
      {"id": 5, "question": "?", "answers": [{"text": "", "answer_start": -1}]},
      {"id": 6, "question": "?", "answers": [{"text": null, "answer_start": null}]},
      {"id": 7, "question": "?", "answers": {"text": [], "answer_start": []}},
      {"id": 8, "question": "?", "answers": {"text": [""], "answer_start": [-1]}},
      {"id": 9, "question": "?", "is_impossible": null, "answers": []}]}]}]})",
                                     "x", Flaws::kRefuse);
  ASSERT_EQ(text.questions.size(), 10U);
  EXPECT_EQ(text.questions[0].answers.size(), 1U);
  for (std::size_t q = 1; q < 10; ++q) EXPECT_TRUE(text.questions[q].answers.empty()) << q;
  EXPECT_EQ(summary(text), "10 questions on 1 contexts; 9 without an answer");
}

TEST(Squad, LeavesOutAnswersOfQuestionsThatAreSaidToHaveNone) {
  json rows = text_of("one two", {question("a", {answer("one", 0)}),
                                  question("b", {answer("two", 4), answer("three", 0)})});
  rows["data"][0]["paragraphs"][0]["qas"][1]["is_impossible"] = true;
  const SquadText text = parse_squad(rows.dump(), "x");
  EXPECT_EQ(text.questions[0].answers.size(), 1U);
  EXPECT_TRUE(text.questions[1].answers.empty());
  EXPECT_EQ(text.report.impossible.count, 1U);
  EXPECT_EQ(text.report.impossible.first,
            "x:0: data[0].paragraphs[0].qas[1]: is_impossible is true, but there is an answer");
  EXPECT_EQ(text.report.lost.count, 0U);
  EXPECT_EQ(error(rows.dump(), Flaws::kRefuse), text.report.impossible.first);
}

TEST(Squad, ReadsAnswersAsListsOfTextsAndPlacesAndAsOneObject) {
  json rows = text_of("one two one", {question("a", {}), question("b", {})});
  json& questions = rows["data"][0]["paragraphs"][0]["qas"];
  questions[0]["answers"] = {{"text", {"two", "one"}}, {"answer_start", {4, 8}}};
  questions[1]["answers"] = {{"text", "two"}, {"answer_start", 4}};
  const SquadText text = parse_squad(rows.dump(), "x", Flaws::kRefuse);
  ASSERT_EQ(text.questions[0].answers.size(), 2U);
  EXPECT_EQ(text.questions[0].answers[0].begin, 4U);
  EXPECT_EQ(text.questions[0].answers[1].text, "one");
  EXPECT_EQ(text.questions[0].answers[1].begin, 8U);
  ASSERT_EQ(text.questions[1].answers.size(), 1U);
  EXPECT_EQ(text.questions[1].answers[0].begin, 4U);

  const std::string at = "x:0: data[0].paragraphs[0].qas[0].answers";
  questions[0]["answers"] = {{"text", {"two", "one"}}, {"answer_start", {4}}};
  EXPECT_EQ(error(rows.dump()), at + ": 2 texts, but 1 places");
  questions[0]["answers"] = {{"text", {"two", 5}}, {"answer_start", {4, 0}}};
  EXPECT_EQ(error(rows.dump()),
            "x:0: (/data/0/paragraphs/0/qas/0/answers/text/1) type must be "
            "string, but is number");
  questions[0]["answers"] = {{"text", {"two", "one"}}};
  EXPECT_EQ(error(rows.dump()),
            "x:0: (/data/0/paragraphs/0/qas/0/answers) key 'answer_start' not found");
}

// As datasets.Dataset.to_json() writes rows, and run_qa.py reads them.
TEST(Squad, ReadsRowsOfATable) {
  const SquadText text = parse_squad(R"({"version": "0.1", "data": [
      {"id": "a", "title": "t", "context": "one two", "question": "first?",
       "answers": {"text": ["two"], "answer_start": [4]}},
      {"id": "b", "title": "t", "context": "three", "question": "second?",
       "answers": {"text": [], "answer_start": []}}]})",
                                     "x");
  ASSERT_EQ(text.questions.size(), 2U);
  EXPECT_EQ(text.questions[0].text, "first?");
  EXPECT_EQ(text.questions[0].answers[0].begin, 4U);
  EXPECT_EQ(text.contexts[text.questions[1].context], "three");
  EXPECT_TRUE(text.questions[1].answers.empty());
}

TEST(Squad, ReadsAnswersThatTheContextWritesWithOtherSpacesOrAccents) {
  // In the context a no-break space and a composed e acute.
  const std::string rows =
      text_of("It is 10\u00a0km to the caf\u00e9. 10\u00a0km!",
              {question("a", {answer("10 km", 6), answer("10 km", 25)}),
               question("b", {answer("cafe\u0301", 19), answer(" caf\u00e9 ", 18)}),
               question("c", {answer(" 10 km", 5), answer("\n10 km", 5), answer("10 km ", 6)})})
          .dump();
  const SquadText text = parse_squad(rows, "x", Flaws::kRefuse);
  EXPECT_EQ(text.questions[0].answers[0].begin, 6U);
  EXPECT_EQ(text.questions[0].answers[0].text, "10\u00a0km");
  EXPECT_EQ(text.questions[0].answers[1].begin, 27U);  // 25, and a byte more for each of two
  EXPECT_EQ(text.questions[1].answers[0].begin, 20U);
  EXPECT_EQ(text.questions[1].answers[0].text, "caf\u00e9");
  EXPECT_EQ(text.questions[1].answers[1].begin, 20U);
  for (const SquadAnswer& each : text.questions[2].answers) EXPECT_EQ(each.begin, 6U);
  EXPECT_EQ(text.report.moved.count + text.report.lost.count, 0U);
  EXPECT_EQ(text.report.respelled.count, 7U);
  EXPECT_THAT(summary(text),
              HasSubstr("; 7 answers that their context writes otherwise, the first x:0: data[0]"));
}

// The first answer to a question that a context has at an offset, and where it begins.
std::optional<std::pair<std::size_t, std::string>> found(const std::string& context,
                                                         const std::string& text,
                                                         const json& start) {
  const json rows =
      text_of(context, {question("q", {json{{"text", text}, {"answer_start", start}}})});
  const SquadAnswer answer = parse_squad(rows.dump(), "x").questions[0].answers.at(0);
  if (!answer.begin) return std::nullopt;
  return std::pair(*answer.begin, answer.text);
}

TEST(Squad, TakesEquivalentsOfWholeLettersWithTheirMarks) {
  // A no-break space, a decomposed e acute, two spaces, a Hangul syllable.
  const std::string context = "10\u00a0km cafe\u0301  bar \ud55c";
  const auto at = [&](const std::string& text, std::size_t start) {
    return found(context, text, start);
  };
  EXPECT_EQ(at("caf\u00e9 bar", 6), std::pair(std::size_t{7}, std::string("cafe\u0301  bar")));
  EXPECT_EQ(at("  10 km\n", 0), std::pair(std::size_t{0}, std::string("10\u00a0km")));
  EXPECT_EQ(at("\u1112\u1161\u11ab", 17), std::pair(std::size_t{19}, std::string("\ud55c")));
  EXPECT_EQ(at("\u1112\u1161", 17), std::nullopt);  // a part of the syllable
  EXPECT_EQ(at("Caf\u00e9", 6), std::nullopt);      // case is no matter of spelling
  EXPECT_EQ(at("10 km", 99), std::pair(std::size_t{0}, std::string("10\u00a0km")));
}

TEST(Squad, LeavesOutSpaceAtTheBeginningOfAnswersAlone) {
  const std::string context = "a  bar";
  const auto is_respelled = [&](const std::string& text, std::size_t start) {
    const json rows = text_of(context, {question("q", {answer(text, start)})});
    return parse_squad(rows.dump(), "x").report.respelled.count == 1;
  };
  EXPECT_TRUE(is_respelled(" bar", 1));   // at the first of two spaces
  EXPECT_FALSE(is_respelled(" bar", 2));  // there it stands
  EXPECT_TRUE(is_respelled("\tbar", 2));
  EXPECT_FALSE(is_respelled("bar", 2));
}

TEST(Squad, TakesNoAnswerFromWithinACodePoint) {
  // An e acute of two bytes, an emoji of two UTF-16 units; most answers count bytes, or units.
  const std::string context = "a\u00e9\U0001F600b b";
  const auto moved = [&](const std::string& text, std::size_t start, std::size_t b) {
    const json rows = text_of(context, {question("b", {answer("b", b), answer("b", b)}),
                                        question("q", {answer(text, start)})});
    return parse_squad(rows.dump(), "x").report.moved.count;
  };
  EXPECT_EQ(moved("\U0001F600", 2, 4), 0U);
  EXPECT_EQ(moved("\U0001F600", 3, 4), 1U);  // the second unit of the pair
  EXPECT_EQ(moved("\u00e9", 1, 7), 0U);
  EXPECT_EQ(moved("\u00e9", 2, 7), 1U);
}

TEST(Squad, TakesTheNearestEquivalentOrTheOnlyOne) {
  const std::string context = "one caf\u00e9 two one caf\u00e9 ";
  const std::pair<std::size_t, std::string> first(4, "caf\u00e9");
  EXPECT_EQ(found(context, "cafe\u0301", 0), first);
  EXPECT_EQ(found(context, "cafe\u0301", 18), std::pair(std::size_t{18}, first.second));
  EXPECT_EQ(found(context, "cafe\u0301", -1), std::nullopt);
  EXPECT_EQ(found(context, " two\t", nullptr), std::pair(std::size_t{10}, std::string("two")));
}

// Some tools write 0 where there is no place.
TEST(Squad, LeavesOutAnswersWithoutATextAndDoesNotCallThemLost) {
  json rows = text_of(
      "one two", {question("a", {answer(" ", 3)}), question("b", {answer("", 0)}),
                  question("c", {answer("", 0), answer("two", 4)}), question("d", {answer("", 0)}),
                  question("e", {json{{"text", nullptr}, {"answer_start", 0}}})});
  rows["data"][0]["paragraphs"][0]["qas"][3]["is_impossible"] = true;
  const SquadText text = parse_squad(rows.dump(), "x");
  for (const std::size_t q : {0U, 1U, 3U, 4U}) EXPECT_TRUE(text.questions[q].answers.empty()) << q;
  ASSERT_EQ(text.questions[2].answers.size(), 1U);
  EXPECT_EQ(text.questions[2].answers[0].begin, 4U);
  EXPECT_EQ(text.report.lost.count, 0U);
  EXPECT_EQ(text.report.impossible.count, 0U);
  EXPECT_EQ(
      summary(text),
      "5 questions on 1 contexts; 4 without an answer; 4 answers without a text left out, the "
      "first x:0: data[0].paragraphs[0].qas[0].answers[0]: the answer is empty");
}

TEST(Squad, ReadsPlacesThatAreWrittenAsFractionsAndAListWithoutItsObject) {
  const auto text_with = [](const std::string& start) {
    return R"([{"id": 1, "context": "one two", "question": "?", "answers":
        [{"text": "two", "answer_start": )" +
           start + "}]}]";
  };
  EXPECT_EQ(parse_squad(text_with("4.0"), "x").questions[0].answers[0].begin, 4U);
  EXPECT_EQ(parse_squad(text_with("-1.0"), "x").report.moved.count, 1U);  // from the only place
  for (const std::string start : {"4.5", "1e300", "-4.0", "\"4\""}) {
    EXPECT_THAT(error(text_with(start)),
                StartsWith("x:0: [0].answers[0]: expected a whole number from 0 as answer_start"));
  }
}

TEST(Squad, TakesAnAnswerWithoutAPlaceFromTheOnlyOne) {
  const auto without_place = [](const std::string& id, const std::string& text, const json& start) {
    return question(id, {json{{"text", text}, {"answer_start", start}}});
  };
  const json rows =
      text_of("one two one", {without_place("a", "two", -1), without_place("b", "one", -1),
                              without_place("c", "three", nullptr)});
  const SquadText text = parse_squad(rows.dump(), "x");
  EXPECT_EQ(text.questions[0].answers[0].begin, 4U);
  EXPECT_EQ(text.questions[1].answers[0].begin, std::nullopt);  // which of the two?
  EXPECT_EQ(text.questions[2].answers[0].begin, std::nullopt);
  EXPECT_EQ(text.report.moved.count, 1U);
  EXPECT_EQ(text.report.lost.count, 2U);
  EXPECT_EQ(error(rows.dump(), Flaws::kRefuse),
            "x:0: data[0].paragraphs[0].qas[0].answers[0]: the answer has no offset");
}

// 24 contexts with an emoji, in each of which the answer occurs twice: where it is meant, and
// nearer to the place to which its offset leads in code points.
json with_answers_behind_emoji(const std::function<std::size_t(std::string_view)>& size) {
  json paragraphs = json::array();
  for (int i = 0; i < 24; ++i) {
    std::string before;
    for (int k = 0; k < 6 + i; ++k) before += "\U0001F600";
    before += " It is ";
    const std::string context = before + "five. Then five.";
    paragraphs.push_back({{"context", context},
                          {"qas", {question(std::to_string(i), {answer("five", size(before))})}}});
  }
  return {{"data", {{{"paragraphs", paragraphs}}}}};
}

TEST(Squad, FindsTheUnitOfOffsets) {
  const std::vector<std::pair<std::string, std::function<std::size_t(std::string_view)>>> units = {
      {"code points", [](std::string_view text) { return code_points(text).size(); }},
      {"UTF-16 units",
       [](std::string_view text) {
         std::size_t count = 0;
         for (const char32_t point : code_points(text)) count += point > 0xffff ? 2 : 1;
         return count;
       }},
      {"UTF-8 bytes", [](std::string_view text) { return text.size(); }}};
  for (const auto& [unit, size] : units) {
    const std::string rows = with_answers_behind_emoji(size).dump();
    const SquadText text = parse_squad(rows, "x", Flaws::kRefuse);
    EXPECT_EQ(text.report.unit, unit);
    EXPECT_EQ(text.report.moved.count, 0U);
    ASSERT_EQ(text.questions.size(), 24U);
    for (std::size_t q = 0; q < 24; ++q) {
      EXPECT_EQ(text.questions[q].answers[0].begin, 4 * (6 + q) + 7) << q;  // the first "five"
    }
    const std::string said = "24 questions on 24 contexts; offsets count " + unit;
    EXPECT_EQ(summary(text), unit == "code points" ? "24 questions on 24 contexts" : said);
  }
}

TEST(Squad, TakesSingleAnswersFromAnotherUnitBeforeTheNearestPlace) {
  // Two answers in code points, one in UTF-16 units: 12 + 7 of them stand before the first "five".
  std::string emoji;
  for (int k = 0; k < 6; ++k) emoji += "\U0001F600";
  const std::string rows =
      text_of(emoji + " It is five. Then five.",
              {question("a", {answer("five", 13)}), question("b", {answer("Then", 19)}),
               question("c", {answer("five", 19)})})
          .dump();
  const SquadText text = parse_squad(rows, "x");
  EXPECT_EQ(text.report.unit, "code points");
  EXPECT_EQ(text.questions[2].answers[0].begin, 31U);  // the nearest to 19 is the other one
  EXPECT_EQ(text.report.moved.count, 1U);
  EXPECT_THAT(text.report.moved.first,
              HasSubstr("the answer stands at its offset in UTF-16 units, not in code points"));
  EXPECT_THAT(error(rows, Flaws::kRefuse), HasSubstr("UTF-16 units"));
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
    EXPECT_EQ(message_of([&] { parse_squad(rows, "x", Flaws::kRefuse); }),
              "x:0: data[0].paragraphs[0].qas[0].answers[0]: answer_start: " +
                  std::to_string(start) + " is beyond the context, which has 7 code points");
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
  EXPECT_EQ(error(R"({"data": [], "data": []})"), "x:0: key 'data' occurs twice in an object");
}

// Contexts of random characters, answers cut out of them, some of the offsets wrong: what is said
// to stand in a context does, and where it was right nothing was moved. So many answers are at the
// dollar behind them that offsets count code points.
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
    std::size_t blank = 0;
    for (std::size_t q = 0; q < 5; ++q) {
      const std::size_t begin = random() % size;
      const std::u32string part = context.substr(begin, 1 + random() % 5);
      starts.push_back(random() % 2 == 0 ? begin : random() % (size + 1));
      is_right.push_back(context.substr(starts[q], part.size()) == part);
      blank += part.find_first_not_of(U' ') == std::u32string::npos ? 1 : 0;
      questions.push_back(question(std::to_string(q), {answer(to_utf8(part), starts[q])}));
    }
    questions.push_back(question("$", std::vector<json>(5, answer("$", size))));
    const SquadText text = parse_squad(text_of(to_utf8(context) + "$", questions).dump(), "x");
    ASSERT_EQ(text.report.unit, "code points");
    std::size_t placed = 0;
    for (std::size_t q = 0; q < 5; ++q) {
      if (text.questions[q].answers.empty()) continue;
      const SquadAnswer& found = text.questions[q].answers[0];
      if (!found.begin) continue;
      ASSERT_EQ(to_utf8(context).substr(*found.begin, found.text.size()), found.text);
      if (!is_right[q]) continue;
      ++placed;
      ASSERT_EQ(*found.begin, to_utf8(context.substr(0, starts[q])).size());
    }
    ASSERT_EQ(text.report.lost.count, 0U);
    ASSERT_EQ(text.report.blank.count, blank);
    ASSERT_EQ(text.report.moved.count + text.report.respelled.count + placed, 5 - blank);
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
    const SquadText text = read_squad(qa / "mlqa" / name, Flaws::kRefuse);
    EXPECT_EQ(text.questions.size(), questions) << language;
    EXPECT_EQ(text.report.unit, "code points") << language;
    EXPECT_EQ(text.report.respelled.count, 0U) << language;
  }
  for (const auto& [language, questions] :
       std::vector<std::pair<std::string, std::size_t>>{{"en", 3696}, {"ko", 1625}, {"sw", 2755}}) {
    const SquadText text =
        read_squad(qa / "tydiqa_goldp" / ("tydiqa.goldp." + language + ".train.json"));
    EXPECT_EQ(text.questions.size(), questions) << language;
    EXPECT_EQ(text.report.moved.count + text.report.lost.count, 0U) << language;
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
