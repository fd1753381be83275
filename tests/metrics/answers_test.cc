#include "equipoise/metrics/answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;
using Texts = std::vector<std::string>;
using Numbers = std::vector<double>;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr EmptyAnswers kSquad1 = EmptyAnswers::kSquad1;
constexpr EmptyAnswers kSquad2 = EmptyAnswers::kSquad2;

TEST(SquadNormalizer, ByHand) {
  const SquadNormalizer normalize;
  EXPECT_EQ(normalize("The Cat"), "cat");
  EXPECT_EQ(normalize("  a  cat,\tan owl;\nthe DOG! "), "cat owl dog");
  EXPECT_EQ(normalize("state-of-the-art"), "stateoftheart");
  EXPECT_EQ(normalize("A.N. other"), "other");  // "an", once the full stops are gone
  EXPECT_EQ(normalize("(the) _a_ 'an'"), "");
  EXPECT_EQ(normalize("theory another a1 1a"), "theory another a1 1a");
  EXPECT_EQ(normalize("$1,000 + 5%"), "1000 5");
  EXPECT_EQ(normalize("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), "");
  EXPECT_EQ(normalize("x\t\n\v\f\r \x1c\x1d\x1e\x1fy"), "x y");
  EXPECT_EQ(normalize(""), "");
}

// Control characters are neither letters, punctuation nor white space.
TEST(SquadNormalizer, TakesArticlesBetweenControlCharacters) {
  const SquadNormalizer normalize;
  EXPECT_EQ(normalize("a\x01the\x01"
                      "b"),
            "\x01 \x01"
            "b");
  EXPECT_EQ(normalize(std::string_view("x\0y an\x7f", 7)), std::string_view("x\0y \x7f", 5));
}

TEST(SquadNormalizer, LeavesWhatIsNotAscii) {
  const SquadNormalizer normalize;
  EXPECT_EQ(normalize("Th\u00e9 \u00c9A\u00a0the \u4e2d\u56fd\u3002"),
            "th\u00e9 \u00c9"
            "a\u00a0the \u4e2d\u56fd\u3002");
  EXPECT_EQ(normalize("\u201cThe end\u201d"), "\u201cthe end\u201d");
  EXPECT_EQ(normalize("A \xff\xc3 the"), "\xff\xc3");
}

std::string random_text(std::mt19937_64& random, std::string_view alphabet, std::size_t size) {
  std::string text(random() % (size + 1), ' ');
  for (char& c : text) c = alphabet[random() % alphabet.size()];
  return text;
}

bool is_letter_or_digit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Step by step, each article looked for at each place.
std::string squad_form_by_definition(const std::string& answer) {
  std::string text;
  for (const char c : answer) {
    if (std::ispunct(static_cast<unsigned char>(c)) == 0) {
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  const auto is_word_end = [&](std::size_t i) {
    return (i > 0 && is_letter_or_digit(text[i - 1])) !=
           (i < text.size() && is_letter_or_digit(text[i]));
  };
  for (const std::string article : {"a", "an", "the"}) {
    for (std::size_t i = 0; i + article.size() <= text.size(); ++i) {
      const bool found = text.compare(i, article.size(), article) == 0 && is_word_end(i) &&
                         is_word_end(i + article.size());
      if (found) text.replace(i, article.size(), " ");
    }
  }
  std::string form;
  for (const char c : text) {
    const bool space = std::isspace(static_cast<unsigned char>(c)) != 0 || (c >= 28 && c < 32);
    if (!space) form += c;
    if (space && !form.empty() && form.back() != ' ') form += ' ';
  }
  if (form.ends_with(' ')) form.pop_back();
  return form;
}

TEST(SquadNormalizer, EqualsTheDefinition) {
  std::mt19937_64 random(1);
  std::string ascii;
  for (int c = 0; c < 128; ++c) ascii += static_cast<char>(c);
  for (int repeat = 0; repeat < 2000; ++repeat) {
    for (const std::string_view alphabet :
         {std::string_view(ascii), std::string_view("aAnNtThHeE  .")}) {
      const std::string text = random_text(random, alphabet, 30);
      const std::string form = SquadNormalizer{}(text);
      EXPECT_EQ(form, squad_form_by_definition(text)) << text;
      // A form is its own form.
      EXPECT_EQ(SquadNormalizer{}(form), form);
    }
  }
}

// A user's normaliser: answers as they are.
struct AsTheyAre {
  std::string operator()(std::string_view answer) const { return std::string(answer); }
};
static_assert(AnswerNormalizer<AsTheyAre>);

TEST(ScoreAnswer, ByHand) {
  const SquadNormalizer normalize;
  const auto score = [&](std::string_view prediction, std::string_view reference) {
    const AnswerScore result = score_answer(prediction, reference, normalize, kSquad2);
    EXPECT_EQ(score_answer(prediction, reference, normalize, kSquad1), result);
    return result;
  };
  EXPECT_EQ(score("the Cat.", "cat"), (AnswerScore{1, 1}));
  // One of two tokens is one of three: 2 * 1 / (2 + 3).
  EXPECT_EQ(score("black cat", "the cat of Mary"), (AnswerScore{0, 0.4}));
  // "dog" twice against three times is common twice, "cat" not at all: 2 * 2 / (3 + 3).
  EXPECT_NEAR(score("dog dog cat", "dog dog dog").f1, 2.0 / 3, kEpsilon);
  // In another order: all tokens are common, yet it is not the same text.
  EXPECT_EQ(score("York New", "New York"), (AnswerScore{0, 1}));
  EXPECT_EQ(score("cat", "dog"), (AnswerScore{0, 0}));
  EXPECT_EQ(score("", "dog"), (AnswerScore{0, 0}));
  EXPECT_EQ(score("dog", "the"), (AnswerScore{0, 0}));
}

TEST(ScoreAnswer, TakesTheLargestOfEach) {
  const SquadNormalizer normalize;
  const Texts references = {"x y z", "b a", "a"};
  EXPECT_EQ(score_answer("x y", references, normalize, kSquad1), (AnswerScore{0, 0.8}));
  EXPECT_EQ(score_answer("b a", references, normalize, kSquad1), (AnswerScore{1, 1}));
  EXPECT_EQ(score_answer("q", references, normalize, kSquad1), (AnswerScore{0, 0}));
  // Exact match compares forms, F1 their tokens.
  EXPECT_EQ(score_answer("a b", Texts{"b a", "a b c"}, AsTheyAre{}, kSquad1), (AnswerScore{0, 1}));
  EXPECT_EQ(score_answer(" ", Texts{" ", "a"}, AsTheyAre{}, kSquad1), (AnswerScore{1, 0}));
}

TEST(ScoreAnswer, OfEmptyFormsFollowsTheRule) {
  const SquadNormalizer normalize;
  const auto score = [&](std::string_view prediction, const Texts& references, EmptyAnswers rule) {
    return score_answer(prediction, references, normalize, rule);
  };
  EXPECT_EQ(score("", {""}, kSquad1), (AnswerScore{1, 0}));
  EXPECT_EQ(score("", {""}, kSquad2), (AnswerScore{1, 1}));
  EXPECT_EQ(score("the", {"a", "an."}, kSquad1), (AnswerScore{1, 0}));
  EXPECT_EQ(score("the", {"a", "an."}, kSquad2), (AnswerScore{1, 1}));
  EXPECT_EQ(score("cat", {"", "the"}, kSquad2), (AnswerScore{0, 0}));
  // An empty reference beside another.
  EXPECT_EQ(score("", {"the", "cat"}, kSquad1), (AnswerScore{1, 0}));
  EXPECT_EQ(score("", {"the", "cat"}, kSquad2), (AnswerScore{0, 0}));
  EXPECT_EQ(score("", {"cat", "the"}, kSquad2), (AnswerScore{0, 0}));
  EXPECT_EQ(score("cat", {"the", "cat"}, kSquad2), (AnswerScore{1, 1}));
  EXPECT_EQ(score_unanswerable("", normalize), (AnswerScore{1, 1}));
  EXPECT_EQ(score_unanswerable(" The! ", normalize), (AnswerScore{1, 1}));
  EXPECT_EQ(score_unanswerable("cat", normalize), (AnswerScore{0, 0}));
}

TEST(ScoreAnswer, TakesTextsOfAnyKind) {
  const std::vector<std::string_view> views = {"cat"};
  const char* const pointers[] = {"dog", "cat"};
  const SquadNormalizer normalize;
  EXPECT_EQ(score_answer("a cat", views, normalize, kSquad1).exact_match, 1);
  EXPECT_EQ(score_answer("a cat", std::span(pointers), normalize, kSquad1).exact_match, 1);
  EXPECT_EQ(score_answer("a cat", std::string("cat"), normalize, kSquad1).exact_match, 1);
  const auto first_letter = [](std::string_view text) { return std::string(text.substr(0, 1)); };
  EXPECT_EQ(score_answer("cat", "cow", first_letter, kSquad1), (AnswerScore{1, 1}));
}

TEST(ScoreAnswer, NeedsAReference) {
  EXPECT_EQ(error_of([] { score_answer("cat", Texts{}, SquadNormalizer{}, kSquad2); }),
            "score_answer(): references.size() = 0, expected at least 1");
}

std::map<std::string, int> count_tokens(const std::string& form) {
  std::map<std::string, int> counts;
  std::string token;
  for (const char c : form + " ") {
    if (c != ' ') {
      token += c;
    } else if (!token.empty()) {
      ++counts[std::exchange(token, "")];
    }
  }
  return counts;
}

// Precision and recall of the bags.
AnswerScore score_by_definition(const std::string& prediction, const std::string& reference,
                                EmptyAnswers rule) {
  const auto predicted = count_tokens(prediction);
  const auto expected = count_tokens(reference);
  const auto total = [](const std::map<std::string, int>& counts) {
    return std::accumulate(counts.begin(), counts.end(), 0.0,
                           [](double sum, const auto& entry) { return sum + entry.second; });
  };
  double common = 0;
  for (const auto& [token, n] : predicted) {
    if (expected.contains(token)) common += std::min(n, expected.at(token));
  }
  AnswerScore score{prediction == reference ? 1.0 : 0.0, 0};
  if (common > 0) {
    const double precision = common / total(predicted);
    const double recall = common / total(expected);
    score.f1 = 2 * precision * recall / (precision + recall);
  } else if (rule == kSquad2 && predicted.empty() && expected.empty()) {
    score.f1 = 1;
  }
  return score;
}

TEST(ScoreAnswer, EqualsTheDefinition) {
  std::mt19937_64 random(2);
  for (int repeat = 0; repeat < 5000; ++repeat) {
    const auto text = [&] { return random_text(random, "aabc   ", 12); };
    const std::string prediction = text();
    Texts references(1 + random() % 4);
    for (std::string& reference : references) reference = random() % 4 == 0 ? prediction : text();
    const SquadNormalizer normalize;
    for (const EmptyAnswers rule : {kSquad1, kSquad2}) {
      Texts forms;
      for (const std::string& reference : references) forms.push_back(normalize(reference));
      if (rule == kSquad2) std::erase(forms, "");
      if (forms.empty()) forms.emplace_back();
      AnswerScore expected;
      for (const std::string& form : forms) {
        const AnswerScore one = score_by_definition(normalize(prediction), form, rule);
        expected.exact_match = std::max(expected.exact_match, one.exact_match);
        expected.f1 = std::max(expected.f1, one.f1);
      }
      const AnswerScore score = score_answer(prediction, references, normalize, rule);
      EXPECT_EQ(score.exact_match, expected.exact_match) << repeat;
      EXPECT_NEAR(score.f1, expected.f1, 4 * kEpsilon) << repeat;
      // The order of references does not count, nor which side is the reference.
      std::shuffle(references.begin(), references.end(), random);
      EXPECT_EQ(score_answer(prediction, references, normalize, rule), score);
      EXPECT_EQ(score_answer(references[0], prediction, normalize, rule),
                score_answer(prediction, references[0], normalize, rule));
    }
  }
}

TEST(AnswerScores, ByHand) {
  AnswerScores scores;
  scores.add({1, 1});
  scores.add({0, 0.5});
  scores.add({0, 0.25});
  scores.add({1, 1}, false);
  EXPECT_EQ(scores.count(), 4);
  EXPECT_EQ(scores.exact_match(), 0.5);
  EXPECT_EQ(scores.f1(), 2.75 / 4);
  EXPECT_EQ(scores.count(Questions::kAnswerable), 3);
  EXPECT_EQ(scores.exact_match(Questions::kAnswerable), 1.0 / 3);
  EXPECT_EQ(scores.f1(Questions::kAnswerable), 1.75 / 3);
  EXPECT_EQ(scores.count(Questions::kUnanswerable), 1);
  EXPECT_EQ(scores.exact_match(Questions::kUnanswerable), 1);
  EXPECT_EQ(scores.f1(Questions::kUnanswerable), 1);
}

TEST(AnswerScores, OfNothingIsZero) {
  AnswerScores scores;
  for (const Questions which :
       {Questions::kAll, Questions::kAnswerable, Questions::kUnanswerable}) {
    EXPECT_EQ(scores.count(which), 0);
    EXPECT_EQ(scores.exact_match(which), 0);
    EXPECT_EQ(scores.f1(which), 0);
  }
  scores.add({1, 1});
  EXPECT_EQ(scores.f1(Questions::kUnanswerable), 0);
  EXPECT_TRUE(detail::is_nan(scores.f1(Questions::kUnanswerable, Absent::kNaN)));
  EXPECT_EQ(scores.exact_match(Questions::kUnanswerable, Absent::kOne), 1);
}

struct Question {
  AnswerScore score;
  bool answerable;
};

// F1s are multiples of 1 / 64, whose sums are exact.
std::vector<Question> random_questions(std::mt19937_64& random) {
  std::vector<Question> questions(random() % 40);
  for (Question& question : questions) {
    const bool exact = random() % 2 == 0;
    const double f1 = static_cast<double>(random() % 65) / 64;
    question = {{exact ? 1.0 : 0.0, exact ? 1 : f1}, random() % 3 != 0};
  }
  return questions;
}

AnswerScores scores_of(std::span<const Question> questions) {
  AnswerScores scores;
  for (const Question& question : questions) scores.add(question.score, question.answerable);
  return scores;
}

TEST(AnswerScores, MergeInAnyOrder) {
  std::mt19937_64 random(3);
  for (int repeat = 0; repeat < 500; ++repeat) {
    std::vector<Question> questions = random_questions(random);
    const AnswerScores whole = scores_of(questions);
    std::shuffle(questions.begin(), questions.end(), random);
    EXPECT_EQ(scores_of(questions), whole);
    const std::size_t cut = random() % (questions.size() + 1);
    AnswerScores merged = scores_of(std::span(questions).subspan(cut));
    merged += scores_of(std::span(questions).first(cut));
    EXPECT_EQ(merged, whole);
    // As ranks sum what lies in the buffers.
    AnswerScores first = scores_of(std::span(questions).first(cut));
    AnswerScores second = scores_of(std::span(questions).subspan(cut));
    for (std::size_t i = 0; i < first.all_reduce_buffer().size(); ++i) {
      first.all_reduce_buffer()[i] += second.all_reduce_buffer()[i];
    }
    EXPECT_EQ(first, whole);
    double f1 = 0;
    for (const Question& question : questions) f1 += question.score.f1;
    const auto n = static_cast<double>(questions.size());
    EXPECT_DOUBLE_EQ(whole.f1(), n > 0 ? f1 / n : 0);
  }
}

TEST(AnswerScores, RefusesWhatIsNoFraction) {
  AnswerScores scores;
  EXPECT_EQ(error_of([&] {
              scores.add({100, 1});
            }),
            "AnswerScores::add(): score.exact_match = 100, expected a number in [0, 1]");
  EXPECT_EQ(error_of([&] {
              scores.add({1, std::nan("")});
            }),
            "AnswerScores::add(): score.f1 = nan, expected a number in [0, 1]");
  EXPECT_EQ(error_of([&] {
              scores.add({1, -0.5}, false);
            }),
            "AnswerScores::add(): score.f1 = -0.5, expected a number in [0, 1]");
  EXPECT_EQ(scores, AnswerScores());
}

// No-answer scores .1 .2 .3 .4, two unanswerable questions that are answered. Sums of scores if the
// first k are answered: 2, 2.5, 3.5, 2.5, 1.5.
TEST(ChooseNoAnswerThreshold, ByHand) {
  const Numbers no_answer = {0.4, 0.1, 0.2, 0.3};
  const Numbers scores = {0, 0.5, 1, 0};
  const std::vector<int> unanswerable = {1, 0, 0, 1};
  const NoAnswerThreshold chosen = choose_no_answer_threshold(no_answer, scores, unanswerable);
  EXPECT_DOUBLE_EQ(chosen.threshold, 0.25);
  EXPECT_EQ(chosen.score, 3.5 / 4);
}

TEST(ChooseNoAnswerThreshold, TakesTheLowestOfEquals) {
  // Nothing is gained by answering.
  const NoAnswerThreshold none =
      choose_no_answer_threshold(Numbers{1, 2}, Numbers{0, 0}, std::vector<int>{1, 0});
  EXPECT_EQ(none.threshold, -kInfinity);
  EXPECT_EQ(none.score, 0.5);
  // An unanswerable question that is left empty anyway scores 1 on both sides.
  const NoAnswerThreshold first =
      choose_no_answer_threshold(Numbers{1, 2}, Numbers{1, 1}, std::vector<int>{0, 1});
  EXPECT_EQ(first.threshold, 1.5);
  EXPECT_EQ(first.score, 1);
  // All are answered up to the largest score.
  const NoAnswerThreshold all =
      choose_no_answer_threshold(Numbers{1, 2}, Numbers{0, 1}, std::vector<int>{0, 0});
  EXPECT_EQ(all.threshold, 2);
  EXPECT_EQ(all.score, 0.5);
}

// Between the two equal scores the sum would be 2.
TEST(ChooseNoAnswerThreshold, DoesNotPartEqualScores) {
  for (const bool swapped : {false, true}) {
    const std::vector<int> unanswerable = swapped ? std::vector<int>{1, 0} : std::vector<int>{0, 1};
    const Numbers scores = swapped ? Numbers{0, 1} : Numbers{1, 0};
    const NoAnswerThreshold chosen =
        choose_no_answer_threshold(Numbers{3, 3}, scores, unanswerable);
    EXPECT_EQ(chosen.score, 0.5);
    EXPECT_EQ(chosen.threshold, -kInfinity);
  }
}

TEST(ChooseNoAnswerThreshold, SeparatesScoresThatAreNeighbours) {
  const float low = 1.0F;
  const std::vector<float> no_answer = {std::nextafter(low, 2.0F), low};
  const NoAnswerThreshold chosen =
      choose_no_answer_threshold(no_answer, std::vector<float>{0, 1}, std::vector<int>{1, 0});
  EXPECT_GE(chosen.threshold, static_cast<double>(no_answer[1]));
  EXPECT_LT(chosen.threshold, static_cast<double>(no_answer[0]));
  EXPECT_EQ(chosen.score, 1);
  const double next = std::nextafter(1.0, 2.0);
  EXPECT_EQ(choose_no_answer_threshold(Numbers{next, 1.0}, Numbers{0, 1}, std::vector<int>{1, 0})
                .threshold,
            1.0);
  constexpr double kMost = std::numeric_limits<double>::max();
  EXPECT_EQ(
      choose_no_answer_threshold(Numbers{kMost, -kMost}, Numbers{0, 1}, std::vector<int>{1, 0})
          .threshold,
      -kMost);
}

struct Validation {
  Numbers no_answer;
  Numbers scores;
  std::vector<std::uint8_t> unanswerable;

  // The sum of scores at a threshold, by the rule itself; multiples of 1 / 4 are summed exactly.
  double sum_at(double threshold) const {
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      sum += no_answer[i] > threshold ? (unanswerable[i] != 0 ? 1 : 0) : scores[i];
    }
    return sum;
  }
};

TEST(ChooseNoAnswerThreshold, IsTheLowestOfTheBest) {
  std::mt19937_64 random(4);
  for (int repeat = 0; repeat < 2000; ++repeat) {
    Validation data;
    const std::size_t size = 1 + random() % 30;
    for (std::size_t i = 0; i < size; ++i) {
      data.no_answer.push_back(static_cast<double>(random() % 12) / 4 - 1);
      data.scores.push_back(static_cast<double>(random() % 5) / 4);
      data.unanswerable.push_back(random() % 2 == 0 ? 1 : 0);
    }
    Numbers thresholds = data.no_answer;
    thresholds.push_back(-kInfinity);
    std::sort(thresholds.begin(), thresholds.end());
    double threshold = 0;
    double best = -1;
    for (const double each : thresholds) {
      if (data.sum_at(each) > best) {
        best = data.sum_at(each);
        threshold = each;
      }
    }
    const NoAnswerThreshold chosen =
        choose_no_answer_threshold(data.no_answer, data.scores, data.unanswerable);
    EXPECT_DOUBLE_EQ(chosen.score, best / static_cast<double>(size)) << repeat;
    EXPECT_EQ(data.sum_at(chosen.threshold), best) << repeat;
    // It makes the decisions of the lowest: no score lies between.
    EXPECT_GE(chosen.threshold, threshold);
    for (const double score : data.no_answer) {
      EXPECT_TRUE(score <= threshold || score > chosen.threshold) << repeat;
    }
  }
}

// Sums of F1s are rounded, but in an order of their own.
TEST(ChooseNoAnswerThreshold, DoesNotDependOnTheOrder) {
  std::mt19937_64 random(5);
  for (int repeat = 0; repeat < 500; ++repeat) {
    std::vector<std::size_t> order(1 + random() % 30);
    std::iota(order.begin(), order.end(), std::size_t{0});
    Validation data;
    for (std::size_t i = 0; i < order.size(); ++i) {
      data.no_answer.push_back(static_cast<double>(random() % 6));
      data.scores.push_back(static_cast<double>(random() % 8) / 7);
      data.unanswerable.push_back(random() % 2 == 0 ? 1 : 0);
    }
    const NoAnswerThreshold chosen =
        choose_no_answer_threshold(data.no_answer, data.scores, data.unanswerable);
    std::shuffle(order.begin(), order.end(), random);
    Validation shuffled;
    for (const std::size_t i : order) {
      shuffled.no_answer.push_back(data.no_answer[i]);
      shuffled.scores.push_back(data.scores[i]);
      shuffled.unanswerable.push_back(data.unanswerable[i]);
    }
    const NoAnswerThreshold again =
        choose_no_answer_threshold(shuffled.no_answer, shuffled.scores, shuffled.unanswerable);
    EXPECT_EQ(again.threshold, chosen.threshold);
    EXPECT_EQ(again.score, chosen.score);
  }
}

TEST(ChooseNoAnswerThreshold, RefusesBadInput) {
  const auto error = [](const Numbers& no_answer, const Numbers& scores,
                        const std::vector<int>& unanswerable) {
    return error_of([&] { choose_no_answer_threshold(no_answer, scores, unanswerable); });
  };
  EXPECT_EQ(error({}, {}, {}),
            "choose_no_answer_threshold(): no_answer_scores.size() = 0, expected at least 1");
  EXPECT_EQ(error({1, 2}, {1}, {0, 1}),
            "choose_no_answer_threshold(): answer_scores.size() = 1, expected 2 "
            "(no_answer_scores)");
  EXPECT_EQ(error({1, 2}, {1, 1}, {0}),
            "choose_no_answer_threshold(): unanswerable.size() = 1, expected 2 "
            "(no_answer_scores)");
  EXPECT_EQ(error({1, std::nan("")}, {1, 1}, {0, 1}),
            "choose_no_answer_threshold(): no_answer_scores[1] = nan, expected a finite number");
  EXPECT_EQ(error({1, kInfinity}, {1, 1}, {0, 1}),
            "choose_no_answer_threshold(): no_answer_scores[1] = inf, expected a finite number");
  EXPECT_EQ(error({1, 2}, {std::nan(""), 1}, {0, 1}),
            "choose_no_answer_threshold(): answer_scores[0] = nan, expected a number in [0, 1]");
  EXPECT_EQ(error({1, 2}, {1, 80}, {0, 1}),
            "choose_no_answer_threshold(): answer_scores[1] = 80, expected a number in [0, 1]");
  EXPECT_EQ(error({1, 2}, {1, 1}, {0, 2}),
            "choose_no_answer_threshold(): unanswerable[1] = 2, expected 0 or 1");
}

}  // namespace
}  // namespace equipoise::metrics
