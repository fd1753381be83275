// Invented languages, for a first look without data.
#include <absl/strings/str_cat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/random_numbers.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/sentences.h"

namespace equipoise::demos {

namespace {

// Word `number` of language `language`: two or three of the language's syllables.
std::string word(std::size_t language, std::size_t number) {
  constexpr std::array kOnsets = {"b", "d", "k", "l", "m", "n", "r", "s", "t", "w", "ch", "nd"};
  constexpr std::array kVowels = {"a", "e", "i", "o", "u", "ai", "ou"};
  Draws draws(1000 * (language + 1) + number);
  std::string text;
  const std::size_t syllables = 2 + draws.below(2);
  for (std::size_t i = 0; i < syllables; ++i) {
    // A language has seven onsets and four vowels.
    const std::size_t vowel = language * 2 + draws.below(4);
    const std::size_t onset = language * 3 + draws.below(7);
    absl::StrAppend(&text, kOnsets[onset % kOnsets.size()], kVowels[vowel % kVowels.size()]);
  }
  return text;
}

std::string language_name(std::size_t language) { return {'x', static_cast<char>('a' + language)}; }

std::string capitalized(std::string text) {
  text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// Questions that f(language, draws) makes, so many of each language.
template <class F>
auto questions_of(std::uint64_t seed, const std::vector<std::size_t>& sizes, const F& f) {
  Draws draws(seed);
  std::vector<decltype(f(0, draws))> questions;
  for (std::size_t language = 0; language < sizes.size(); ++language) {
    for (std::size_t i = 0; i < sizes[language]; ++i) questions.push_back(f(language, draws));
  }
  return questions;
}

// Names the languages, and says what the data are.
template <class Data>
Data completed(Data data, std::size_t languages, const std::string& what) {
  for (std::size_t i = 0; i < languages; ++i) data.languages.push_back(language_name(i));
  data.description =
      absl::StrCat("No data: ", what,
                   ", generated here. For real data run tools/fetch_data.sh qa, or say "
                   "--data=DIR.\n",
                   data.train.size(), " training, ", data.validation.size(), " validation and ",
                   data.test.size(), " test questions in ", languages, " invented languages.");
  return data;
}

// --- Types of answers ---

// How a question of a type begins in English: those for yes or no in many ways, each of them rare.
const std::vector<std::string>& openings(std::size_t type) {
  static const std::vector<std::string> kOpenings[] = {
      {"who is", "what is the name of", "where is", "which"},
      {"what kind of", "why did", "how does", "what is the"},
      {"when did", "how many", "what year did", "how old is"},
      {"is", "did", "does", "was", "are", "has", "can", "do", "were", "have", "will", "had"},
  };
  return kOpenings[type];
}
// In a hundred: how many questions are of a type.
constexpr std::array<std::size_t, 4> kTypeShares = {45, 39, 13, 3};

std::size_t draw_type(Draws& draws) {
  std::size_t rest = draws.below(100);
  std::size_t type = 0;
  while (rest >= kTypeShares[type]) rest -= kTypeShares[type++];
  return type;
}

AfriqaQuestion typed_question(std::size_t language, Draws& draws) {
  const std::size_t type = draw_type(draws);
  // An eighth begin as questions of some type do.
  const std::size_t opening = draws.below(8) == 0 ? draw_type(draws) : type;
  const std::vector<std::string>& in_english = openings(opening);
  AfriqaQuestion question;
  question.language = language_name(language);
  question.type = static_cast<AnswerType>(type);
  const std::size_t way = draws.below(in_english.size());
  question.text = capitalized(word(language, 200 + 20 * opening + way));
  question.translation = in_english[way];
  constexpr std::array kTopics = {"river", "king",   "town",  "song",   "team",
                                  "film",  "church", "party", "school", "war"};
  const std::size_t words = 2 + draws.below(4);
  for (std::size_t i = 0; i < words; ++i) {
    // Topics lean to a type.
    const std::size_t topic =
        draws.happens(30) ? (type * 3 + draws.below(3)) % 10 : draws.below(10);
    absl::StrAppend(&question.text, " ", word(language, 20 + topic));
    absl::StrAppend(&question.translation, " ", kTopics[topic]);
  }
  question.text += '?';
  question.translation += '?';
  return question;
}

// --- Sentences ---

// What a question asks for, and what its answer then has.
enum class Wanted : std::size_t { kName, kNumber, kQuote, kWords };
constexpr std::size_t kWantedKinds = 4;

// Of 400 words, those with small numbers are more frequent.
std::size_t content_word(Draws& draws) { return 50 + draws.below(1 + draws.below(400)); }

struct Sentence {
  std::vector<std::size_t> words;
  std::string text;
};

Sentence sentence(std::size_t language, Wanted wanted, Draws& draws) {
  Sentence result;
  const std::size_t size = 6 + draws.below(6);
  const std::size_t place = 1 + draws.below(size - 1);
  for (std::size_t i = 0; i < size; ++i) {
    result.words.push_back(content_word(draws));
    const std::string text = word(language, result.words.back());
    absl::StrAppend(&result.text, i == 0 ? "" : " ", i == 0 ? capitalized(text) : text);
    if (i != place) continue;
    if (wanted == Wanted::kName) {
      absl::StrAppend(&result.text, " ", capitalized(word(language, 500 + draws.below(300))));
    } else if (wanted == Wanted::kNumber) {
      absl::StrAppend(&result.text, " ", 1000 + draws.below(1000));
    } else if (wanted == Wanted::kQuote) {
      absl::StrAppend(&result.text, " \"", word(language, 800 + draws.below(300)), "\"");
    }
  }
  result.text += '.';
  return result;
}

// Which sentence answers is told by words that it shares with the question, but a second one shares
// some too; and by the word that the question asks with, which each language has its own of.
SentenceQuestion selection_question(std::size_t language, Draws& draws) {
  SentenceQuestion question;
  question.language = language_name(language);
  const std::size_t sentences = 3 + draws.below(4);
  const std::size_t answer = draws.below(sentences);
  const std::size_t second = (answer + 1 + draws.below(sentences - 1)) % sentences;
  const std::size_t wanted = draws.below(kWantedKinds);
  std::vector<Sentence> context;
  for (std::size_t i = 0; i < sentences; ++i) {
    const std::size_t kind = i == answer ? wanted : draws.below(kWantedKinds);
    context.push_back(sentence(language, static_cast<Wanted>(kind), draws));
    question.sentences.push_back(context.back().text);
    question.is_answer.push_back(i == answer ? 1 : 0);
  }
  const auto from = [&](std::size_t i) {
    return word(language, context[i].words[draws.below(context[i].words.size())]);
  };
  question.text = capitalized(word(language, 2 * wanted + draws.below(2)));
  // Compilers may evaluate the arguments of a call in any order.
  const std::string last = draws.happens(50) ? from(second) : word(language, content_word(draws));
  const std::string third = from(answer);
  const std::string other = from(second);
  absl::StrAppend(&question.text, " ", from(answer), " ", other, " ", third, " ", last, "?");
  return question;
}

}  // namespace

AnswerTypeData synthetic_answer_types() {
  AnswerTypeData data;
  data.train = questions_of(1, {1200, 800, 500, 300, 150, 80}, typed_question);
  data.validation = questions_of(2, {1200, 800, 500, 300, 150, 80}, typed_question);
  data.test = questions_of(3, {1800, 1200, 750, 450, 225, 120}, typed_question);
  return completed(std::move(data), 6, "questions with four types of answers");
}

// Of small languages there is enough to measure them too.
SentenceData synthetic_sentence_data() {
  SentenceData data;
  data.train = questions_of(1, {900, 450, 200, 100, 60}, selection_question);
  data.validation = questions_of(2, {900, 450, 200, 150, 150}, selection_question);
  data.test = questions_of(3, {900, 450, 200, 150, 150}, selection_question);
  return completed(std::move(data), 5, "texts with questions");
}

}  // namespace equipoise::demos
