#include "demos/common/answer_normalizer.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/unicode.h"
#include "equipoise/metrics/answers.h"

namespace equipoise::demos {
namespace {

static_assert(metrics::AnswerNormalizer<UnicodeAnswerNormalizer>);

std::string mlqa(std::string_view language, std::string_view answer) {
  return UnicodeAnswerNormalizer::mlqa(language)(answer);
}

TEST(MlqaForm, DropsCasePunctuationAndArticles) {
  EXPECT_EQ(mlqa("en", " The cat,  a DOG\t& an owl. "), "cat dog owl");
  EXPECT_EQ(mlqa("en", "\u201cThe U.S.\u201d \u2013 \u00abna\u00efve\u00bb"), "us na\u00efve");
  EXPECT_EQ(mlqa("es", "\u00bfEl \u00c1rbol de LAS Unas?"), "\u00e1rbol de");
  EXPECT_EQ(mlqa("de", "Das \u00dcberma\u00df der einen DEM-Leute"), "\u00fcberma\u00df demleute");
  EXPECT_EQ(mlqa("vi", "Nh\u1eefng c\u00e1i c\u1ee7a Vi\u1ec7t Nam L\u00c0 l\u00e0m"),
            "vi\u1ec7t nam l\u00e0m");
  // The danda is punctuation; the vowel signs are not.
  EXPECT_EQ(mlqa("hi", "\u0926\u093f\u0932\u094d\u0932\u0940\u0964 the"),
            "\u0926\u093f\u0932\u094d\u0932\u0940 the");
  for (const char* language : {"en", "zh", "sw"}) EXPECT_EQ(mlqa(language, " .\n"), "");
}

TEST(MlqaForm, DropsSymbolsOfAsciiAlone) {
  EXPECT_EQ(mlqa("en", "$5+$6 <=> ^`|~ \u20ac7 10\u00b0 5\u00d75 \u00a7 1"),
            "56 \u20ac7 10\u00b0 5\u00d75 1");
}

TEST(MlqaForm, TakesArticlesByRunsOfLettersAndDigits) {
  EXPECT_EQ(mlqa("es", "del la3 3la \u00e9l"), "del la3 3la \u00e9l");
  // A symbol parts words, and so does a mark.
  EXPECT_EQ(mlqa("es", "la\u20acel"), "\u20ac");
  EXPECT_EQ(mlqa("es", "la\u0301piz"), "\u0301piz");
  EXPECT_EQ(mlqa("es", "l\u00e1piz"), "l\u00e1piz");
  // Decomposed Vietnamese has other letters than the articles.
  EXPECT_EQ(mlqa("vi", "cu\u0309a"), "cu\u0309a");
}

TEST(MlqaForm, InArabicPartsWordsAtEveryArticle) {
  EXPECT_EQ(mlqa("ar", "\u0627\u0644\u0643\u062a\u0627\u0628"), "\u0643\u062a\u0627\u0628");
  EXPECT_EQ(mlqa("ar", "\u0648\u0627\u0644\u0628\u064a\u062a"), "\u0648 \u0628\u064a\u062a");
  EXPECT_EQ(mlqa("ar", "\u0633\u0624\u0627\u0644\u061f"), "\u0633\u0624");
  EXPECT_EQ(mlqa("ar", "\u0627.\u0644\u0643"), "\u0643");  // once the full stop is gone
  EXPECT_EQ(mlqa("ar", "\u0627\u064e\u0644\u0643"), "\u0627\u064e\u0644\u0643");
}

TEST(MlqaForm, InChinesePartsIdeographs) {
  EXPECT_EQ(mlqa("zh", "\u5317\u4eac\u5927\u5b66"), "\u5317 \u4eac \u5927 \u5b66");
  EXPECT_EQ(mlqa("zh", "\u5317 \u4eac\u3000\u3002"), "\u5317 \u4eac");
  EXPECT_EQ(mlqa("zh", "NBA\u7403\u961f 2008\u5e74 the X"), "nba \u7403 \u961f 2008 \u5e74 the x");
  // The first and the last of the range; what follows it, an extension, kana.
  EXPECT_EQ(mlqa("zh", "\u4e00\u9fa5\u9fa6\u9fa7\u3400\U00020000\u304b\u306a"),
            "\u4e00 \u9fa5 \u9fa6\u9fa7\u3400\U00020000\u304b\u306a");
}

TEST(MlqaForm, OfOtherLanguagesHasNoArticles) {
  for (const char* language : {"sw", "ko", "", "EN"}) {
    EXPECT_EQ(mlqa(language, "Ng'ombe the la \u5317\u4eac, \u0627\u0644."),
              "ngombe the la \u5317\u4eac \u0627\u0644");
  }
}

TEST(SquadForm, DropsPunctuationOfAsciiAlone) {
  const auto normalize = UnicodeAnswerNormalizer::squad();
  EXPECT_EQ(normalize("The \u00c9cole, an 'A'"), "\u00e9cole");
  EXPECT_EQ(normalize("\u201cThe end\u201d"), "\u201c end\u201d");
  EXPECT_EQ(normalize("a\u00a0\u5317\u4eac\u3002"), "\u5317\u4eac\u3002");
}

std::string random_text(std::mt19937_64& random, std::uint64_t below, std::size_t size) {
  std::string text(random() % (size + 1), ' ');
  for (char& c : text) c = static_cast<char>(random() % below);
  return text;
}

TEST(SquadForm, EqualsThatOfTheCoreOnAscii) {
  std::mt19937_64 random(1);
  const auto normalize = UnicodeAnswerNormalizer::squad();
  for (int repeat = 0; repeat < 5000; ++repeat) {
    std::string text = random_text(random, 128, 40);
    if (repeat % 2 == 0) {
      for (char& c : text) c = "aAnNtThHeE .-\t"[static_cast<unsigned char>(c) % 14];
    }
    EXPECT_EQ(normalize(text), metrics::SquadNormalizer{}(text));
  }
}

TEST(AnswerForm, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(mlqa("en",
                 "The \xff"
                 "A\xe4\xb8 dog"),
            "\uFFFD \uFFFD\uFFFD dog");
  EXPECT_EQ(mlqa("zh", "\xe5\x8c\u5317"), "\uFFFD\uFFFD \u5317");
  EXPECT_EQ(UnicodeAnswerNormalizer::squad()("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
}

// Any bytes at all give UTF-8 whose form is itself, tokens parted by single spaces.
TEST(AnswerForm, OfAnythingIsItsOwnForm) {
  std::mt19937_64 random(2);
  for (const char* language : {"en", "es", "de", "vi", "hi", "zh", "sw"}) {
    const auto normalize = UnicodeAnswerNormalizer::mlqa(language);
    for (int repeat = 0; repeat < 1000; ++repeat) {
      const std::string form = normalize(random_text(random, 256, 30));
      ASSERT_EQ(first_invalid_utf8(form), std::nullopt);
      ASSERT_EQ(normalize(form), form);
      ASSERT_EQ(form.find("  "), std::string::npos);
      ASSERT_FALSE(form.starts_with(' ') || form.ends_with(' '));
    }
  }
}

nlohmann::json golden(const char* part) {
  std::ifstream file("tests/golden/answers.json");
  return nlohmann::json::parse(file).at(part);
}

TEST(AnswerGolden, MlqaFormsAndScoresEqualThoseOfPython) {
  std::size_t cases = 0;
  const nlohmann::json languages = golden("mlqa");
  for (const auto& [language, questions] : languages.items()) {
    const auto normalize = UnicodeAnswerNormalizer::mlqa(language);
    for (const nlohmann::json& question : questions) {
      const auto texts = question.at("texts").get<std::vector<std::string>>();
      const auto forms = question.at("forms").get<std::vector<std::string>>();
      for (std::size_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(normalize(texts[i]), forms[i]) << language << ": " << texts[i];
      }
      const metrics::AnswerScore score =
          metrics::score_answer(texts[0], texts[1], normalize, metrics::EmptyAnswers::kSquad1);
      EXPECT_EQ(score.exact_match, question.at("exact_match").get<double>()) << question;
      EXPECT_DOUBLE_EQ(score.f1, question.at("f1").get<double>()) << question;
      ++cases;
    }
  }
  EXPECT_GE(cases, 200U);
}

TEST(AnswerGolden, SquadScoresEqualThoseOfTorchmetrics) {
  const nlohmann::json squad = golden("squad_unicode");
  metrics::AnswerScores scores;
  for (const nlohmann::json& question : squad.at("cases")) {
    const metrics::AnswerScore score =
        metrics::score_answer(question.at("prediction").get<std::string>(),
                              question.at("references").get<std::vector<std::string>>(),
                              UnicodeAnswerNormalizer::squad(), metrics::EmptyAnswers::kSquad2);
    EXPECT_EQ(score.exact_match, question.at("exact_match").get<double>()) << question;
    EXPECT_NEAR(score.f1, question.at("f1").get<double>(), 1e-6) << question;  // of floats
    scores.add(score);
  }
  EXPECT_NEAR(scores.f1(), squad.at("total").at("f1").get<double>(), 1e-6);
}

}  // namespace
}  // namespace equipoise::demos
