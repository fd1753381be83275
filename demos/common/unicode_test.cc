#include "demos/common/unicode.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace equipoise::demos {
namespace {

TEST(FirstInvalidUtf8, FindsWhatIsNotASequence) {
  EXPECT_EQ(first_invalid_utf8(""), std::nullopt);
  EXPECT_EQ(first_invalid_utf8("plain, caf\u00e9, \u4e2d\u6587, \U0001F600"), std::nullopt);
  EXPECT_EQ(first_invalid_utf8(std::string_view("a\0b", 3)), std::nullopt);
  EXPECT_EQ(first_invalid_utf8("ab\xff"), 2U);            // no sequence begins with it
  EXPECT_EQ(first_invalid_utf8("ab\x80"), 2U);            // a continuation alone
  EXPECT_EQ(first_invalid_utf8("\xe4\xb8"), 0U);          // cut off
  EXPECT_EQ(first_invalid_utf8("x\xc0\xaf"), 1U);         // overlong
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

TEST(FoldCase, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(fold_case("A\xff"
                      "B"),
            "a\uFFFDb");
}

TEST(CharacterAt, KnowsKindsAndSizes) {
  const auto kind = [](std::string_view text) { return character_at(text, 0).kind; };
  for (const char* word : {"a", "Z", "7", "_", "\u00e9", "\u4e2d", "\u0301"}) {
    EXPECT_EQ(kind(word), CharacterKind::kWord) << word;
  }
  for (const char* space : {" ", "\t", "\n", "\u00a0", "\u3000"}) {
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
