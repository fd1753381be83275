#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "demos/qa/sentences.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> texts_of(std::string_view text) {
  std::vector<std::string> texts;
  for (const Word& word : words_of(text)) texts.push_back(word.text);
  return texts;
}

// How many pieces two texts share.
std::size_t common_pieces(std::string_view a, std::string_view b) {
  const std::vector<std::uint64_t> of_a = pieces_of(words_of(a));
  const std::vector<std::uint64_t> of_b = pieces_of(words_of(b));
  const std::set<std::uint64_t> distinct(of_a.begin(), of_a.end());
  const std::set<std::uint64_t> others(of_b.begin(), of_b.end());
  return static_cast<std::size_t>(std::count_if(
      distinct.begin(), distinct.end(), [&](auto piece) { return others.contains(piece); }));
}

TEST(Words, AreRunsOfLettersDigitsAndMarksWithCaseFolded) {
  EXPECT_THAT(texts_of("In 1998, Ann's TEAM won."),
              ElementsAre("in", "1998", "ann", "s", "team", "won"));
  EXPECT_THAT(texts_of("Stra\u00dfe \u00c4rzte"), ElementsAre("strasse", "\u00e4rzte"));
  EXPECT_THAT(texts_of("\u0928\u092e\u0938\u094d\u0924\u0947 \u0964"),
              ElementsAre("\u0928\u092e\u0938\u094d\u0924\u0947"));
  EXPECT_THAT(texts_of(""), IsEmpty());
  EXPECT_THAT(texts_of(" ?! "), IsEmpty());
}

TEST(Words, AreSingleCharactersWhereScriptsSetNoneApart) {
  const std::vector<Word> words = words_of("\u5317\u4eac2008\u5e74\u3002ok");
  std::vector<std::string> texts;
  std::vector<bool> characters;
  std::vector<bool> joins;
  for (const Word& word : words) {
    texts.push_back(word.text);
    characters.push_back(word.is_character);
    joins.push_back(word.joins);
  }
  EXPECT_THAT(texts, ElementsAre("\u5317", "\u4eac", "2008", "\u5e74", "ok"));
  EXPECT_THAT(characters, ElementsAre(true, true, false, true, false));
  EXPECT_THAT(joins, ElementsAre(false, true, true, true, false));
  // Korean puts spaces.
  EXPECT_THAT(texts_of("\uc11c\uc6b8\uc758 \uc778\uad6c"),
              ElementsAre("\uc11c\uc6b8\uc758", "\uc778\uad6c"));
}

TEST(Words, SayWhatIsANumberAndWhatBeginsWithACapital) {
  const std::vector<Word> words = words_of("The 3rd king \u00c9tienne \u0663");
  EXPECT_FALSE(words[0].is_capitalized);  // as first words are
  EXPECT_TRUE(words[1].has_digit);
  EXPECT_FALSE(words[2].has_digit || words[2].is_capitalized);
  EXPECT_TRUE(words[3].is_capitalized);
  EXPECT_TRUE(words[4].has_digit);
}

TEST(Pieces, AreThreeAndFourCharactersOfMarkedWords) {
  EXPECT_THAT(
      pieces_of(words_of("Cat")),
      UnorderedElementsAre(splits::fnv1a64("<ca"), splits::fnv1a64("cat"), splits::fnv1a64("at>"),
                           splits::fnv1a64("<cat"), splits::fnv1a64("cat>")));
  EXPECT_THAT(pieces_of(words_of("a")), ElementsAre(splits::fnv1a64("<a>")));
  // Characters, not bytes.
  EXPECT_THAT(pieces_of(words_of("\u00e9")), ElementsAre(splits::fnv1a64("<\u00e9>")));
}

TEST(Pieces, OfCharactersAreTwoAndThreeThatJoin) {
  EXPECT_THAT(pieces_of(words_of("\u5317\u4eac\u5e02\u3001\u4eba")),
              UnorderedElementsAre(splits::fnv1a64("\u5317\u4eac"), splits::fnv1a64("\u4eac\u5e02"),
                                   splits::fnv1a64("\u5317\u4eac\u5e02")));
}

TEST(Pieces, ShowCommonStems) {
  EXPECT_GT(common_pieces("elected", "election"), 4U);
  EXPECT_EQ(common_pieces("elected", "bird"), 0U);
}

}  // namespace
}  // namespace equipoise::demos
