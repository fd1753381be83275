#include "demos/common/json.h"

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
    EXPECT_EQ(parse_json(text, "x"), json::parse(text)) << text;
  }
  EXPECT_EQ(parse_json("\uFEFF{\"a\": 1}", "x"), json::parse("{\"a\": 1}"));
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
  EXPECT_EQ(error("[\n1e999]"), "x:0: not JSON: number overflow");
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
  EXPECT_EQ(error("{\"a\": 1, \"a\": 2}"), "x:0: key 'a' occurs twice in an object");
  EXPECT_EQ(error("{\"data\": [[], {\"b\": {\"c\": 1, \"d\": {}, \"c\": 2}}]}", 7),
            "x:7: key 'c' occurs twice in an object");
  EXPECT_EQ(error("{\"a\": {\"a\": [{\"a\": 1}, {\"a\": 1}]}}"), "");
}

TEST(ParseJson, TakesDeepNesting) {
  constexpr std::size_t kDepth = 200000;
  EXPECT_EQ(error(std::string(kDepth, '[') + std::string(kDepth, ']')), "");
  EXPECT_THAT(error(std::string(kDepth, '[')), HasSubstr("unexpected end of input"));
}

TEST(ReasonOf, NamesThePlaceOfWhatIsMissingOrOfAnotherType) {
  const json value = parse_json(R"({"a": [{"b": "text"}, null]})", "x");
  const auto reason = [](const auto& read) -> std::string {
    try {
      read();
    } catch (const json::exception& failure) {
      return reason_of(failure);
    }
    return "";
  };
  EXPECT_EQ(reason([&] { value.at("c"); }), "key 'c' not found");
  EXPECT_EQ(reason([&] { value.at("a").at(0).at("c"); }), "(/a/0) key 'c' not found");
  EXPECT_EQ(reason([&] { value.at("a").at(1).get<std::string>(); }),
            "(/a/1) type must be string, but is null");
}

TEST(TextOrNone, IsEmptyForWhatIsMissing) {
  const json value = {{"a", "text"}, {"b", nullptr}};
  EXPECT_EQ(text_or_none(value, "a"), "text");
  EXPECT_EQ(text_or_none(value, "b"), "");
  EXPECT_EQ(text_or_none(value, "c"), "");
}

}  // namespace
}  // namespace equipoise::demos
