#include "demos/qa/answer_place.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace equipoise::demos {
namespace {

constexpr OffsetUnit kCodePoints = OffsetUnit::kCodePoints;
constexpr OffsetUnit kUtf16 = OffsetUnit::kUtf16;
constexpr OffsetUnit kBytes = OffsetUnit::kBytes;

// The part of a context in which an answer was found, and the byte where that begins.
struct Found {
  std::size_t begin;
  std::string text;

  friend bool operator==(const Found&, const Found&) = default;
};

std::optional<Found> found(std::string_view context, const std::optional<TextRange>& range) {
  if (!range) return std::nullopt;
  return Found{range->begin, std::string(context.substr(range->begin, range->end - range->begin))};
}

TEST(AnswerFinder, CountsInThreeUnits) {
  // a, e acute (2 bytes), an emoji (4 bytes, 2 units), b.
  const AnswerFinder finder("a\u00e9\U0001F600b");
  EXPECT_EQ(finder.size(kCodePoints), 4U);
  EXPECT_EQ(finder.size(kUtf16), 5U);
  EXPECT_EQ(finder.size(kBytes), 8U);
  const std::size_t code_points[] = {0, 1, 3, 7, 8, 8};
  const std::size_t utf16[] = {0, 1, 3, 3, 7, 8, 8};
  const std::size_t bytes[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
  for (std::size_t i = 0; i < std::size(code_points); ++i) {
    EXPECT_EQ(finder.byte_at(i, kCodePoints), code_points[i]) << i;
  }
  for (std::size_t i = 0; i < std::size(utf16); ++i) {
    EXPECT_EQ(finder.byte_at(i, kUtf16), utf16[i]) << i;
  }
  for (std::size_t i = 0; i < std::size(bytes); ++i) {
    EXPECT_EQ(finder.byte_at(i, kBytes), bytes[i]) << i;
  }
  const AnswerFinder plain("abc");  // without pairs
  EXPECT_EQ(plain.size(kUtf16), 3U);
  EXPECT_EQ(plain.byte_at(2, kUtf16), 2U);
}

TEST(AnswerFinder, FindsWhatStandsAtAPlaceAndNothingWithinACodePoint) {
  const std::string context = "a\u00e9\U0001F600b";
  const AnswerFinder finder(context);
  const auto at = [&](std::string_view answer, std::size_t offset, OffsetUnit unit) {
    return found(context, finder.exact_at(answer, offset, unit));
  };
  EXPECT_EQ(at("b", 3, kCodePoints), (Found{7, "b"}));
  EXPECT_EQ(at("b", 4, kUtf16), (Found{7, "b"}));
  EXPECT_EQ(at("b", 7, kBytes), (Found{7, "b"}));
  EXPECT_EQ(at("\U0001F600", 2, kUtf16), (Found{3, "\U0001F600"}));
  EXPECT_EQ(at("\U0001F600", 3, kUtf16), std::nullopt);  // the second unit of the pair
  EXPECT_EQ(at("\u00e9", 1, kBytes), (Found{1, "\u00e9"}));
  EXPECT_EQ(at("\u00e9", 2, kBytes), std::nullopt);
  for (const OffsetUnit unit : kOffsetUnits) {
    EXPECT_EQ(at("b", 0, unit), std::nullopt);
    EXPECT_EQ(at("b", 9, unit), std::nullopt);
    EXPECT_EQ(at("b", std::numeric_limits<std::size_t>::max(), unit), std::nullopt);
  }
}

TEST(AnswerFinder, TakesEquivalentsOfSpacesAndAccents) {
  // A no-break space, a decomposed e acute, two spaces, a Hangul syllable.
  const std::string context = "10\u00a0km cafe\u0301  bar \ud55c";
  const AnswerFinder finder(context);
  const auto at = [&](std::string_view answer, std::size_t offset) {
    return found(context, finder.equivalent_at(answer, offset, kCodePoints));
  };
  EXPECT_EQ(at("10 km", 0), (Found{0, "10\u00a0km"}));
  EXPECT_EQ(at("caf\u00e9", 6), (Found{7, "cafe\u0301"}));
  EXPECT_EQ(at("caf\u00e9 bar", 6), (Found{7, "cafe\u0301  bar"}));
  EXPECT_EQ(at("  10 km\n", 0), (Found{0, "10\u00a0km"}));
  EXPECT_EQ(at(" bar", 11), (Found{15, "bar"}));  // at the first of two spaces
  EXPECT_EQ(at(" bar", 12), (Found{15, "bar"}));  // at the second
  EXPECT_EQ(at("bar", 12), std::nullopt);         // no space to leave out
  EXPECT_EQ(at("cafe", 6), std::nullopt);         // the accent belongs to the e
  EXPECT_EQ(at("\u1112\u1161\u11ab", 17), (Found{19, "\ud55c"}));
  EXPECT_EQ(at("\u1112\u1161", 17), std::nullopt);  // a part of the syllable
  EXPECT_EQ(at("Caf\u00e9", 6), std::nullopt);      // case is no matter of spelling
  EXPECT_EQ(at(" ", 2), std::nullopt);
  EXPECT_EQ(at("", 0), std::nullopt);
  EXPECT_EQ(at("10 km", 99), std::nullopt);
}

TEST(AnswerFinder, FindsTheNearestPlaceOrTheOnlyOne) {
  const std::string context = "one caf\u00e9 two one caf\u00e9 ";
  const AnswerFinder finder(context);
  const auto nearest = [&](std::string_view answer, std::size_t byte) {
    return found(context, finder.nearest(answer, byte));
  };
  EXPECT_EQ(nearest("one", 0), (Found{0, "one"}));
  EXPECT_EQ(nearest("one", 7), (Found{0, "one"}));  // 7 bytes from both 0 and 14
  EXPECT_EQ(nearest("one", 8), (Found{14, "one"}));
  EXPECT_EQ(nearest("one", 99), (Found{14, "one"}));
  EXPECT_EQ(nearest("cafe\u0301", 0), (Found{4, "caf\u00e9"}));
  EXPECT_EQ(nearest("cafe\u0301", 20), (Found{18, "caf\u00e9"}));
  EXPECT_EQ(nearest("three", 0), std::nullopt);
  EXPECT_EQ(nearest(" ", 3), std::nullopt);
  const auto only = [&](std::string_view answer) { return found(context, finder.only(answer)); };
  EXPECT_EQ(only("two"), (Found{10, "two"}));
  EXPECT_EQ(only(" two\t"), (Found{10, "two"}));
  EXPECT_EQ(only("one"), std::nullopt);
  EXPECT_EQ(only("cafe\u0301"), std::nullopt);
  EXPECT_EQ(only("three"), std::nullopt);
  EXPECT_EQ(only(""), std::nullopt);
}

TEST(WithoutSpaceAround, IsTheTextBetween) {
  EXPECT_EQ(without_space_around(" \u00a0a b\u3000\n"), "a b");
  EXPECT_EQ(without_space_around("ab"), "ab");
  EXPECT_EQ(without_space_around(" \t"), "");
  EXPECT_EQ(without_space_around(""), "");
}

}  // namespace
}  // namespace equipoise::demos
