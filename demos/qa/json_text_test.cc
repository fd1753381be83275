#include "demos/qa/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using nlohmann::json;
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

std::string error(std::string_view text, std::size_t line = 0) {
  return message_of([&] { parse_json(text, "x", line); });
}

TEST(ParseJson, AgreesWithTheLibrary) {
  for (const char* text :
       {"null", "true", "-1", "18446744073709551615", "1.5e3", R"("a\u00e9\ud83d\ude00")", "[]",
        "{}", R"( [1, [], {"a": [2, {"b": null}], "c": {}}, "d"] )", "7\n"}) {
    EXPECT_EQ(parse_json(text, "x").value(), json::parse(text)) << text;
  }
  EXPECT_EQ(parse_json("\uFEFF{\"a\": 1}", "x").value(), json::parse("{\"a\": 1}"));
}

TEST(ParseJson, NamesTheLineOfWhatIsNotJson) {
  EXPECT_EQ(error(""), "x:1: expected JSON, found nothing");
  EXPECT_THAT(error(" \n "), StartsWith("x:2: not JSON: "));
  EXPECT_THAT(error("{\n\"a\": [1,\n"), StartsWith("x:2: not JSON: unexpected end of input"));
  EXPECT_THAT(error("{\n\"a\": [1,\n2}\n}"), StartsWith("x:3: not JSON: unexpected '}'"));
  EXPECT_THAT(error("[1]\n[2]"), StartsWith("x:2: not JSON: unexpected '['"));
  EXPECT_THAT(error("[1,]", 7), StartsWith("x:7: not JSON: unexpected ']'"));
  EXPECT_THAT(error("\"a\nb\""), StartsWith("x:1: not JSON: invalid string: control character"));
  EXPECT_THAT(error("\n\"\\ud800\""), StartsWith("x:2: not JSON: invalid string: surrogate"));
  EXPECT_EQ(error("[\n1e999]"), "x:2: not JSON: number overflow");
  EXPECT_THAT(error("nul"), StartsWith("x:1: not JSON: invalid literal"));
}

TEST(ParseJson, DoesNotCiteDocuments) {
  EXPECT_EQ(error("[\"" + std::string(100000, 'a')),
            "x:1: not JSON: invalid string: missing closing quote");
}

TEST(ParseJson, RefusesBytesThatAreNotUtf8) {
  EXPECT_EQ(error("{\n\n \"a\xff\": 1}"), "x:3: byte 4 of the line is not UTF-8");
  EXPECT_EQ(error("\xc3", 9), "x:9: byte 1 of the line is not UTF-8");
}

TEST(ParseJson, RefusesKeysThatStandTwice) {
  EXPECT_EQ(error("{\"a\": 1, \"a\": 2}"), "x:0: a: stands twice");
  EXPECT_EQ(error("{\"data\": [[], {\"b\": {\"c\": 1, \"d\": {}, \"c\": 2}}]}"),
            "x:0: data[1].b.c: stands twice");
  EXPECT_EQ(error("{\"a\": 1, \"a\": 2}", 7), "x:7: a: stands twice");
  EXPECT_EQ(error("{\"a\": {\"a\": [{\"a\": 1}, {\"a\": 1}]}}"), "");
}

TEST(ParseJson, TakesDeepNesting) {
  constexpr std::size_t kDepth = 200000;
  EXPECT_EQ(error(std::string(kDepth, '[') + std::string(kDepth, ']')), "");
  EXPECT_THAT(error(std::string(kDepth, '[')), HasSubstr("unexpected end of input"));
}

TEST(JsonValue, NamesWhatItIsNot) {
  const std::string_view text = R"({"a": [{"b": "text", "n": 7, "m": -1, "f": 1.5}, null]})";
  const JsonValue value = parse_json(text, "file");
  EXPECT_EQ(value["a"].size(), 2U);
  EXPECT_EQ(value["a"][0]["b"].text(), "text");
  EXPECT_EQ(value["a"][0]["n"].count(), 7U);
  EXPECT_EQ(value["a"][0]["n"].path(), "a[0].n");
  EXPECT_EQ(message_of([&] { static_cast<void>(value["c"]); }), "file:0: there is no 'c'");
  EXPECT_EQ(message_of([&] { static_cast<void>(value.text()); }),
            "file:0: expected a string, found object");
  EXPECT_EQ(message_of([&] { static_cast<void>(value["a"][1]["b"]); }),
            "file:0: a[1]: expected an object, found null");
  EXPECT_EQ(message_of([&] { static_cast<void>(value["a"][0].size()); }),
            "file:0: a[0]: expected an array, found object");
  EXPECT_EQ(message_of([&] { static_cast<void>(value["a"][0]["n"].text()); }),
            "file:0: a[0].n: expected a string, found 7");
  EXPECT_EQ(message_of([&] { static_cast<void>(value["a"][0]["m"].count()); }),
            "file:0: a[0].m: expected a whole number from 0, found -1");
  EXPECT_EQ(message_of([&] { static_cast<void>(value["a"][0]["f"].count()); }),
            "file:0: a[0].f: expected a whole number from 0, found 1.5");
  EXPECT_EQ(message_of([&] { parse_json(text, "lines", 4).fail("wrong"); }), "lines:4: wrong");
}

}  // namespace
}  // namespace equipoise::demos
