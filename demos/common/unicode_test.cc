#include "demos/common/unicode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {
namespace {

// The bytes of a number as UTF-8 writes code points, whether or not it is one.
std::string utf8(std::uint32_t point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (point >> shift & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

bool is_surrogate(std::uint32_t point) { return point >= 0xd800 && point < 0xe000; }

TEST(FirstInvalidUtf8, AcceptsEveryCodePointAndNoPartOfOne) {
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    const std::string text = 'x' + utf8(point);
    ASSERT_EQ(first_invalid_utf8(text).has_value(), is_surrogate(point)) << point;
    for (std::size_t size = 2; size < text.size(); ++size) {
      ASSERT_EQ(first_invalid_utf8(text.substr(0, size)), 1U) << point;
    }
  }
}

TEST(FirstInvalidUtf8, FindsWhatIsNotASequence) {
  EXPECT_EQ(first_invalid_utf8(""), std::nullopt);
  EXPECT_EQ(first_invalid_utf8("plain, caf\u00e9, \u4e2d\u6587, \U0001F600"), std::nullopt);
  EXPECT_EQ(first_invalid_utf8(std::string_view("a\0b", 3)), std::nullopt);
  EXPECT_EQ(first_invalid_utf8("ab\xff"), 2U);     // no sequence begins with it
  EXPECT_EQ(first_invalid_utf8("ab\x80"), 2U);     // a continuation alone
  EXPECT_EQ(first_invalid_utf8("\xe4\xb8"), 0U);   // cut off
  EXPECT_EQ(first_invalid_utf8("x\xc0\xaf"), 1U);  // overlong
  for (const char* overlong : {"\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf",
                               "\xf0\x8f\xbf\xbf", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_EQ(first_invalid_utf8(overlong), 0U);
  }
  EXPECT_EQ(first_invalid_utf8("\u00e9\xc3("), 2U);       // not a continuation
  EXPECT_EQ(first_invalid_utf8("\xed\xa0\x80"), 0U);      // a surrogate
  EXPECT_EQ(first_invalid_utf8("\xf4\x90\x80\x80"), 0U);  // beyond U+10FFFF
}

TEST(Decomposed, MakesEqualWhatDiffersInCompositionAlone) {
  EXPECT_EQ(decomposed("caf\u00e9"), "cafe\u0301");
  EXPECT_EQ(decomposed("cafe\u0301"), "cafe\u0301");
  EXPECT_EQ(decomposed("a\u0301\u0323"), "a\u0323\u0301");  // marks have an order
  EXPECT_EQ(decomposed("\ud55c"), "\u1112\u1161\u11ab");
  EXPECT_EQ(decomposed("\u00a0E"), "\u00a0E");  // no compatibility, no case
  EXPECT_EQ(decomposed(""), "");
  EXPECT_EQ(decomposed("a\xff"), "a\uFFFD");
}

TEST(IsMark, KnowsAccentsAndVowelSigns) {
  for (const char32_t point : {U'\u0301', U'\u093e', U'\u20dd'}) EXPECT_TRUE(is_mark(point));
  for (const char32_t point : {U'e', U'\u00e9', U'^', U'\u0e40', U' '}) {
    EXPECT_FALSE(is_mark(point));
  }
}

TEST(FoldCase, MakesEqualWhatDiffersInCaseOrComposition) {
  EXPECT_EQ(fold_case("Hello WORLD"), "hello world");
  EXPECT_EQ(fold_case("\u00c9"), "\u00e9");
  EXPECT_EQ(fold_case("E\u0301"), "\u00e9");  // E and a combining accent
  EXPECT_EQ(fold_case("Stra\u00dfe"), "strasse");
  EXPECT_EQ(fold_case(""), "");
}

TEST(FoldCase, LeavesWhatIsFolded) {
  for (std::uint32_t point = 0; point < 0x20000; ++point) {
    if (is_surrogate(point)) continue;
    const std::string folded = fold_case(utf8(point));
    ASSERT_EQ(fold_case(folded), folded) << point;
    ASSERT_EQ(first_invalid_utf8(folded), std::nullopt) << point;
  }
}

TEST(FoldCase, KeepsZeroBytes) {
  EXPECT_EQ(fold_case(std::string_view("A\0B", 3)), std::string_view("a\0b", 3));
}

TEST(FoldCase, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(fold_case("A\xff"
                      "B"),
            "a\uFFFDb");
  EXPECT_EQ(fold_case("\xe4\xb8"), "\uFFFD\uFFFD");  // one for each byte
}

TEST(CodePoints, RoundTrip) {
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    if (is_surrogate(point)) continue;
    const std::u32string points = {U'x', static_cast<char32_t>(point)};
    ASSERT_EQ(to_utf8(points), 'x' + utf8(point)) << point;
    ASSERT_EQ(code_points('x' + utf8(point)), points) << point;
  }
  EXPECT_EQ(code_points(""), U"");
}

TEST(CodePoints, ReplaceWhatIsNone) {
  EXPECT_EQ(code_points("a\xff\xe4\xb8"), U"a\uFFFD\uFFFD\uFFFD");
  const std::u32string none = {char32_t{0xd800}, char32_t{0x110000}, char32_t{0xffffffff}, U'b'};
  EXPECT_EQ(to_utf8(none), "\uFFFD\uFFFD\uFFFDb");
}

TEST(CodePointOffsets, SayWhereEachBegins) {
  using testing::ElementsAre;
  EXPECT_THAT(code_point_offsets(""), ElementsAre(0));
  EXPECT_THAT(code_point_offsets("ab"), ElementsAre(0, 1, 2));
  EXPECT_THAT(code_point_offsets("a\u00e9\u4e2d\U0001F600z"), ElementsAre(0, 1, 3, 6, 10, 11));
  EXPECT_THAT(code_point_offsets("\xe4\xb8|\xff"), ElementsAre(0, 1, 2, 3, 4));  // not UTF-8
}

TEST(CodePointOffsets, GoWithCodePoints) {
  std::string text;
  for (std::uint32_t point = 0; point < 0x110000; point += 37) text += utf8(point);
  const std::vector<std::size_t> offsets = code_point_offsets(text);
  const std::u32string points = code_points(text);
  ASSERT_EQ(offsets.size(), points.size() + 1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::string part = text.substr(offsets[i], offsets[i + 1] - offsets[i]);
    ASSERT_EQ(code_points(part), points.substr(i, 1)) << i;
  }
}

TEST(Categories, ByHand) {
  for (const char32_t letter : U"aZ\u00e9\u4e2d\u0639\u02b0\u01c5") {
    EXPECT_EQ(is_letter(letter), letter != 0) << std::uint32_t{letter};
  }
  for (const char32_t other : U"7\u0301_ .\u2163") {
    EXPECT_FALSE(is_letter(other)) << std::uint32_t{other};
  }
  EXPECT_TRUE(is_upper_case(U'Z') && is_upper_case(U'\u0416') && is_upper_case(U'\u01c5'));
  EXPECT_FALSE(is_upper_case(U'z') || is_upper_case(U'\u4e2d') || is_upper_case(U'1'));
  EXPECT_TRUE(is_lower_case(U'z') && is_lower_case(U'\u0436'));
  EXPECT_FALSE(is_lower_case(U'Z') || is_lower_case(U'\u4e2d') || is_lower_case(U'\u01c5'));
  EXPECT_TRUE(is_digit(U'7') && is_digit(U'\u0663') && is_digit(U'\u096a'));
  EXPECT_FALSE(is_digit(U'\u00b2') || is_digit(U'\u2163') || is_digit(U'a'));
  for (const char32_t closing : {U')', U']', U'}', U'"', U'\'', U'\u00bb', U'\u00ab', U'\u201d',
                                 U'\u201c', U'\u2019', U'\u300d', U'\uff09'}) {
    EXPECT_TRUE(is_closing_punctuation(closing)) << std::uint32_t{closing};
  }
  for (const char32_t other : {U'(', U'\u300c', U'\u201e', U'.', U',', U'a', U' ', U'-'}) {
    EXPECT_FALSE(is_closing_punctuation(other)) << std::uint32_t{other};
  }
}

const nlohmann::json& golden_characters() {
  static const nlohmann::json characters = [] {
    std::ifstream file("tests/golden/answers.json");
    return nlohmann::json::parse(file).at("characters");
  }();
  return characters;
}

// "a2b1" as "aab": a letter for each code point of the Basic Multilingual Plane.
std::string golden_kinds(const char* name) {
  std::istringstream runs(golden_characters().at(name).get<std::string>());
  std::string kinds;
  char kind = 0;
  for (std::size_t size = 0; runs >> kind >> size;) kinds.append(size, kind);
  EXPECT_EQ(kinds.size(), 0x10000U);
  return kinds;
}

// What Python's version of Unicode has not assigned, another may have.
TEST(CharactersGolden, KindsAreThoseOfPython) {
  const std::string kinds = golden_kinds("kinds");
  for (char32_t point = 0; point < kinds.size(); ++point) {
    const char kind = kinds[point];
    if (kind == 'u') continue;
    ASSERT_EQ(is_punctuation(point), kind == 'p') << std::uint32_t{point};
    ASSERT_EQ(is_letter_or_number(point), kind == 'w') << std::uint32_t{point};
    ASSERT_EQ(is_white_space(point), kind == 's') << std::uint32_t{point};
  }
}

TEST(CharacterAt, KnowsKindsAndSizes) {
  const auto kind = [](std::string_view text) { return character_at(text, 0).kind; };
  for (const char* word : {"a", "Z", "7", "_", "\u00e9", "\u4e2d", "\u0301", "\u0663", "\u203f"}) {
    EXPECT_EQ(kind(word), CharacterKind::kWord) << word;
  }
  for (const char* space : {" ", "\t", "\n", "\u00a0", "\u3000", "\u2028", "\x1f"}) {
    EXPECT_EQ(kind(space), CharacterKind::kSpace) << space;
  }
  for (const char* symbol : {"!", "'", "\u3002", "\U0001F600", "+"}) {
    EXPECT_EQ(kind(symbol), CharacterKind::kSymbol) << symbol;
  }
  const Character emoji = character_at("ab\U0001F600", 2);
  EXPECT_EQ(emoji.begin, 2U);
  EXPECT_EQ(emoji.size, 4U);
}

}  // namespace
}  // namespace equipoise::demos
