#include "demos/qa/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/unicode.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> split(std::string_view text, const SentenceRules& rules = {}) {
  std::vector<std::string> sentences;
  for (const TextRange& range : split_sentences(text, rules)) {
    sentences.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return sentences;
}

TEST(Sentences, EndAtMarksAndLineEnds) {
  EXPECT_THAT(split("One. Two!  Three?\tFour"), ElementsAre("One.", "Two!", "Three?", "Four"));
  EXPECT_THAT(split(" A title\nA line. \r\n\r\nEnd \u2028Last"),
              ElementsAre("A title", "A line.", "End", "Last"));
  EXPECT_THAT(split("What?! Well... Yes\u2026 No."),
              ElementsAre("What?!", "Well...", "Yes\u2026", "No."));
  EXPECT_THAT(split(""), IsEmpty());
  EXPECT_THAT(split(" \n\t\u3000"), IsEmpty());
  EXPECT_THAT(split("."), ElementsAre("."));
  EXPECT_EQ(split_sentences(" a. B"), (std::vector<TextRange>{{1, 5}}));  // behind a single letter
  EXPECT_EQ(split_sentences(" ab. B"), (std::vector<TextRange>{{1, 4}, {5, 6}}));
}

TEST(Sentences, EndAtTheMarksOfAllScripts) {
  for (const std::string mark :
       {"\u3002", "\uff01", "\uff1f", "\u061f", "\u06d4", "\u0964", "\u0965", "\u0589", "\u1362",
        "\u037e", "\u203d", "\u104b", "\U0001144b", "\uff61", "\uff0e", "."}) {
    const std::string first = "\u05d0\u05d1" + mark;
    const std::string second = "\u05d2\u05d3" + mark;
    EXPECT_THAT(split(first + second), ElementsAre(first, second)) << mark;
  }
  for (const std::string other : {"\u00b7", "\u0df4", "\u0af0", "\u3001", "\u00a7", ";"}) {
    std::string text = "\u05d0\u05d1" + other;
    text += "\u05d2\u05d3";
    EXPECT_THAT(split(text), ElementsAre(text)) << other;
  }
  EXPECT_THAT(split("\u4ed6\u8bf4\u3002\u597d\uff01"),
              ElementsAre("\u4ed6\u8bf4\u3002", "\u597d\uff01"));
  // A full stop between letters of a script without case ends a sentence, with or without a space.
  EXPECT_THAT(split("\uc774\ub2e4.\uadf8\ub294 \ub2e4. \ub05d"),
              ElementsAre("\uc774\ub2e4.", "\uadf8\ub294 \ub2e4.", "\ub05d"));
}

TEST(Sentences, GoOnAfterFullStopsThatAreNone) {
  for (const char* text :
       {"It is 3.14 or 1.000.000.", "\u0663.\u0661\u0664 \u0645\u062a\u0631",
        "J. R. R. Tolkien wrote.", "In the U.S. Army", "z. B. Berlin", "e.g. Paris",
        "Visit example.com or 2.Example now.", "Node.js etc. are (approx. five) tools",
        "Wait... what", "a so-called ...x thing", "the St., the U.S.-based, the \"end.\", all",
        "\u0645. \u0639\u0627\u0645", "Yahoo!, a company", "vs. them"}) {
    EXPECT_THAT(split(text), ElementsAre(text));
  }
  // The space was lost.
  EXPECT_THAT(split("In India.The fever"), ElementsAre("In India.", "The fever"));
  // A line end ends it all the same.
  EXPECT_THAT(split("the end.\nlower case"), ElementsAre("the end.", "lower case"));
  // Single letters are words in scripts of syllables.
  EXPECT_THAT(split("\uc544 \ubd10. \ub610"), ElementsAre("\uc544 \ubd10.", "\ub610"));
}

TEST(Sentences, KeepWhatClosesBehindTheirMarks) {
  EXPECT_THAT(split("He said \"Go.\" Then (he left.) So \u00abOui!\u00bb \u201eJa.\u201c Ok"),
              ElementsAre("He said \"Go.\"", "Then (he left.)", "So \u00abOui!\u00bb",
                          "\u201eJa.\u201c", "Ok"));
  EXPECT_THAT(split("\u300c\u597d\u3002\u300d\u597d"),
              ElementsAre("\u300c\u597d\u3002\u300d", "\u597d"));
  EXPECT_THAT(split("\"What?\". Next"), ElementsAre("\"What?\".", "Next"));
  EXPECT_THAT(split("A claim.[12][3] Another.[4]\u200b Last.[a] X"),
              ElementsAre("A claim.[12][3]", "Another.[4]\u200b", "Last.", "[a] X"));
  EXPECT_THAT(split("Open.[12"), ElementsAre("Open.", "[12"));
}

TEST(Sentences, KnowOrdinalsWhereTheLanguageWritesThemSo) {
  const std::string_view text = "Am 3. Mai 1990. Der 21. Tag. Haus 123. Ende v2. Gut";
  EXPECT_THAT(split(text),
              ElementsAre("Am 3.", "Mai 1990.", "Der 21.", "Tag.", "Haus 123.", "Ende v2.", "Gut"));
  EXPECT_THAT(split(text, {.ordinals = true}),
              ElementsAre("Am 3. Mai 1990.", "Der 21. Tag.", "Haus 123.", "Ende v2.", "Gut"));
}

// Ranges in order, apart, on whole code points, none empty, without white space around; between
// them white space alone.
void expect_cover(std::string_view text, const std::vector<TextRange>& ranges) {
  const auto is_blank = [](std::string_view part) {
    for (const char32_t point : code_points(part)) {
      if (!is_white_space(point)) return false;
    }
    return true;
  };
  std::size_t end = 0;
  for (const TextRange& range : ranges) {
    ASSERT_LE(end, range.begin);
    ASSERT_LT(range.begin, range.end);
    ASSERT_LE(range.end, text.size());
    ASSERT_TRUE(is_blank(text.substr(end, range.begin - end)));
    const std::u32string points = code_points(text.substr(range.begin, range.end - range.begin));
    ASSERT_FALSE(is_white_space(points.front()));
    ASSERT_FALSE(is_white_space(points.back()));
    end = range.end;
  }
  ASSERT_TRUE(is_blank(text.substr(end)));
  // Whole code points: those of the parts are those of the text.
  std::size_t points = 0;
  end = 0;
  for (const TextRange& range : ranges) {
    points += code_points(text.substr(end, range.begin - end)).size();
    points += code_points(text.substr(range.begin, range.end - range.begin)).size();
    end = range.end;
  }
  points += code_points(text.substr(end)).size();
  ASSERT_EQ(points, code_points(text).size());
}

TEST(Sentences, CoverTheText) {
  const std::string_view pieces[] = {
      "a",      "B",      "word",   "Word",   " ",      "  ",     "\n",     ".",
      "!",      "?",      ",",      "\"",     "(",      ")",      "[1]",    "[",
      "7",      "12",     "\u3002", "\u0964", "\u4e2d", "\uc544", "\u3000", "\r\n",
      "\u00bb", "\u2026", "\u0301", "\xff",   "\xe4",   "-",      "\u200b", "\u2028"};
  std::mt19937 random(5);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    const std::size_t size = random() % 25;
    for (std::size_t i = 0; i < size; ++i) text += pieces[random() % std::size(pieces)];
    for (const bool ordinals : {false, true}) {
      expect_cover(text, split_sentences(text, {.ordinals = ordinals}));
      if (HasFatalFailure()) FAIL() << text;
    }
  }
}

TEST(Sentences, OfASentenceAreItself) {
  const std::string_view text =
      "One two. Three [4]. J. S. Bach! \"Go.\" 3.5 etc. and more. \u4e2d\u3002";
  for (const std::string& sentence : split(text)) {
    EXPECT_THAT(split(sentence), ElementsAre(sentence));
  }
}

}  // namespace
}  // namespace equipoise::demos
