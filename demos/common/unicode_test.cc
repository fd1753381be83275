#include "demos/common/unicode.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
