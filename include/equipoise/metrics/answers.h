// How well answers to questions match their references: exact match and token F1.
#ifndef EQUIPOISE_METRICS_ANSWERS_H_
#define EQUIPOISE_METRICS_ANSWERS_H_

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// Brings an answer into the form in which answers are compared: they match exactly if their forms
/// are equal, and F1 compares the tokens of the forms, which ASCII white space separates.
template <class F>
concept AnswerNormalizer = requires(const F& normalize, std::string_view answer) {
  { normalize(answer) } -> std::convertible_to<std::string>;
};

/// A contiguous range of texts: strings, string views.
template <class R>
concept TextRange = ContiguousRange<R> && std::convertible_to<ElementOf<R>, std::string_view>;

}  // namespace equipoise::metrics

namespace equipoise::detail {

// The ASCII characters at which Python's str.split() splits text.
constexpr bool is_ascii_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
}
constexpr bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}
// For ASCII; bytes of other characters count as letters.
constexpr bool is_lower_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

// The tokens of a form, sorted, so that equal ones are adjacent.
inline std::vector<std::string_view> sorted_tokens(std::string_view form) {
  std::vector<std::string_view> tokens;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= form.size(); ++i) {
    if (i < form.size() && !is_ascii_space(form[i])) continue;
    if (i > begin) tokens.push_back(form.substr(begin, i - begin));
    begin = i + 1;
  }
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

// The number of tokens in common: each counts as often as it occurs in both.
inline std::size_t common_tokens(std::span<const std::string_view> a,
                                 std::span<const std::string_view> b) {
  std::size_t common = 0;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    const int order = a[i].compare(b[j]);
    common += order == 0 ? 1 : 0;
    i += order <= 0 ? 1 : 0;
    j += order >= 0 ? 1 : 0;
  }
  return common;
}

}  // namespace equipoise::detail

namespace equipoise::metrics {

/// The form of answers in English of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250): lower
/// case; no punctuation; a space for each word "a", "an", "the"; then no space at the ends and
/// single ones between.
///
/// Punctuation is removed first, without a space in its place: "state-of-the-art" is one word, and
/// "A.N." the article "an". It handles only ASCII, where it agrees with the paper's script. Other
/// characters stay as they are and count as letters. The script treats three kinds of them
/// differently: it lowers capitals (E with an accent too), splits words at other spaces (no-break,
/// ideographic), and finds an article between quotes or dashes of other kinds. If those occur, pass
/// a normaliser that supports Unicode. O(size).
struct SquadNormalizer {
  std::string operator()(std::string_view answer) const {
    std::string text;
    text.reserve(answer.size());
    for (const char c : answer) {
      if (detail::is_ascii_punctuation(c)) continue;
      text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    std::string form;
    form.reserve(text.size());
    bool parted = false;
    for (std::size_t i = 0; i < text.size();) {
      std::size_t end = i;
      while (end < text.size() && detail::is_lower_letter_or_digit(text[end])) ++end;
      if (end == i) ++end;  // white space or a control character
      const std::string_view part(text.data() + i, end - i);
      i = end;
      if (detail::is_ascii_space(part[0]) || part == "a" || part == "an" || part == "the") {
        parted = true;
      } else {
        if (parted && !form.empty()) form += ' ';
        form += part;
        parted = false;
      }
    }
    return form;
  }
};
static_assert(AnswerNormalizer<SquadNormalizer>);

/// How answers and references with an empty form count.
enum class EmptyAnswers {
  /// Two empty forms match exactly, but F1 is 0: they have no token in common. SQuAD 1.1, MLQA.
  kSquad1,
  /// Two empty forms have F1 1, and empty references are left out if a question has others.
  kSquad2,
};

/// The scores of one answer, in [0, 1].
struct AnswerScore {
  double exact_match = 0;  ///< 1 if the forms are equal, else 0
  double f1 = 0;           ///< of tokens, counted as often as they occur

  friend bool operator==(const AnswerScore&, const AnswerScore&) = default;
};

/// The scores of an answer against several references, the largest of each: exact match and F1 may
/// come from different references.
///
/// F1 is that of bags of tokens: 2 common / (tokens of the answer + tokens of the reference), with
/// common = sum_t min(count of t in the answer, count of t in the reference); token order does not
/// count. O(n log n) in the total number of tokens, besides the normaliser.
/// @throws std::invalid_argument if there are no references: see score_unanswerable().
template <TextRange References, AnswerNormalizer F>
AnswerScore score_answer(std::string_view prediction, const References& references,
                         const F& normalize, EmptyAnswers empty) {
  if (as_span(references).empty()) {
    detail::reject("score_answer", "references.size()", 0, "at least 1");
  }
  const std::string predicted = normalize(prediction);
  const std::vector<std::string_view> tokens = detail::sorted_tokens(predicted);
  AnswerScore best;
  AnswerScore best_of_empty;
  bool all_empty = true;
  for (const auto& reference : as_span(references)) {
    const std::string form = normalize(std::string_view(reference));
    const std::vector<std::string_view> expected = detail::sorted_tokens(form);
    AnswerScore score{predicted == form ? 1.0 : 0.0, 0};
    if (!tokens.empty() || !expected.empty()) {
      score.f1 = 2 * static_cast<double>(detail::common_tokens(tokens, expected)) /
                 static_cast<double>(tokens.size() + expected.size());
    } else if (empty == EmptyAnswers::kSquad2) {
      score.f1 = 1;
    }
    const bool apart = form.empty() && empty == EmptyAnswers::kSquad2;
    AnswerScore& most = apart ? best_of_empty : best;
    most = {std::max(most.exact_match, score.exact_match), std::max(most.f1, score.f1)};
    all_empty &= apart;
  }
  return all_empty ? best_of_empty : best;
}

/// The same against one reference.
template <AnswerNormalizer F>
AnswerScore score_answer(std::string_view prediction, std::string_view reference,
                         const F& normalize, EmptyAnswers empty) {
  return score_answer(prediction, std::span<const std::string_view>(&reference, 1), normalize,
                      empty);
}

/// The scores of an answer to an unanswerable question: both 1 if the answer's form is empty, else
/// 0 (SQuAD 2.0; Rajpurkar et al. 2018, arXiv:1806.03822).
template <AnswerNormalizer F>
AnswerScore score_unanswerable(std::string_view prediction, const F& normalize) {
  const bool empty = std::string(normalize(prediction)).empty();
  return {empty ? 1.0 : 0.0, empty ? 1.0 : 0.0};
}

/// The questions that a metric covers.
enum class Questions {
  kAll,           ///< both kinds
  kAnswerable,    ///< HasAns in SQuAD 2.0
  kUnanswerable,  ///< NoAns
};

/// Mean exact match and F1 over questions, with answerable and unanswerable ones kept apart. Scores
/// of parts merge by += into those of the whole. O(1) in every operation.
class AnswerScores {
 public:
  /// Adds one question.
  /// @throws std::invalid_argument for a score outside [0, 1]; nothing is added then.
  void add(const AnswerScore& score, bool answerable = true) {
    require("score.exact_match", score.exact_match);
    require("score.f1", score.f1);
    double* const sums = &sums_[answerable ? 0 : kFigures];
    sums[0] += 1;
    sums[1] += score.exact_match;
    sums[2] += score.f1;
  }

  /// Adds the questions of another part of the data.
  AnswerScores& operator+=(const AnswerScores& other) {
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
    return *this;
  }
  friend bool operator==(const AnswerScores&, const AnswerScores&) = default;

  /// The whole state, to be summed over ranks in place.
  std::span<double> all_reduce_buffer() { return sums_; }

  /// The number of questions.
  double count(Questions which = Questions::kAll) const { return sum(0, which); }

  /// Means, as fractions in [0, 1]; undefined without questions.
  double exact_match(Questions which = Questions::kAll, Absent absent = Absent::kZero) const {
    return detail::ratio(sum(1, which), count(which), absent);
  }
  double f1(Questions which = Questions::kAll, Absent absent = Absent::kZero) const {
    return detail::ratio(sum(2, which), count(which), absent);
  }

 private:
  static constexpr std::size_t kFigures = 3;  // count, sum of exact matches, sum of F1

  static void require(std::string_view name, double value) {
    detail::require_between("AnswerScores::add", name, value, 0, 1);
  }
  double sum(std::size_t figure, Questions which) const {
    const double answerable = which == Questions::kUnanswerable ? 0 : sums_[figure];
    const double unanswerable = which == Questions::kAnswerable ? 0 : sums_[kFigures + figure];
    return answerable + unanswerable;
  }

  std::array<double, 2 * kFigures> sums_{};  // of answerable questions, then of the others
};

/// A threshold on no-answer scores and the mean score that it reaches.
struct NoAnswerThreshold {
  double threshold = 0;
  double score = 0;
};

/// The threshold on no-answer scores with the best mean score on validation questions, where a
/// question is left unanswered if no_answer_score > threshold (Rajpurkar et al. 2018,
/// arXiv:1806.03822).
///
/// For each question: a score for its having no answer (a probability, or a difference of logits);
/// the exact match or F1 of the answer that would be given; whether it is unanswerable, 0 or 1. If
/// left unanswered, an unanswerable question scores 1 and any other 0. Every threshold that changes
/// a decision is tried, half-way between neighbouring scores, never among equal ones; among equally
/// good thresholds the lowest wins, down to -infinity, which leaves all questions unanswered. The
/// highest is the largest score, with which all are answered. The order of the questions does not
/// matter. O(N log N).
/// @throws std::invalid_argument for no questions, sizes that differ, no-answer scores that are not
/// finite, answer scores outside [0, 1], and an `unanswerable` other than 0 and 1.
template <FloatRange NoAnswerScores, FloatRange Scores, LabelRange Labels>
NoAnswerThreshold choose_no_answer_threshold(const NoAnswerScores& no_answer_scores,
                                             const Scores& answer_scores,
                                             const Labels& unanswerable) {
  constexpr std::string_view kWhere = "choose_no_answer_threshold";
  const auto no_answer = as_span(no_answer_scores);
  const auto scores = as_span(answer_scores);
  const auto labels = as_span(unanswerable);
  if (no_answer.empty()) detail::reject(kWhere, "no_answer_scores.size()", 0, "at least 1");
  detail::require_size(kWhere, "answer_scores", scores.size(), no_answer.size(),
                       "no_answer_scores");
  detail::require_size(kWhere, "unanswerable", labels.size(), no_answer.size(), "no_answer_scores");
  detail::require_binary(kWhere, "unanswerable", labels);
  double sum = 0;
  // The no-answer score, and the change of the sum if the question is answered.
  std::vector<std::pair<double, double>> questions;
  questions.reserve(no_answer.size());
  for (std::size_t i = 0; i < no_answer.size(); ++i) {
    if (!detail::is_finite(no_answer[i])) {
      detail::reject_element(kWhere, "no_answer_scores", i, no_answer[i], "a finite number");
    }
    if (!detail::is_finite(scores[i]) || scores[i] < 0 || scores[i] > 1) {
      detail::reject_element(kWhere, "answer_scores", i, scores[i], "a number in [0, 1]");
    }
    const double unanswered = labels[i] != 0 ? 1 : 0;
    sum += unanswered;
    questions.emplace_back(no_answer[i], static_cast<double>(scores[i]) - unanswered);
  }
  // By both, so that sums are rounded alike whatever the order of the questions.
  std::sort(questions.begin(), questions.end());
  double best_sum = sum;
  double threshold = -detail::infinity();
  for (std::size_t i = 0; i < questions.size(); ++i) {
    sum += questions[i].second;
    const double score = questions[i].first;
    const bool last = i + 1 == questions.size();
    const double next = last ? score : questions[i + 1].first;
    if (!(sum > best_sum) || (!last && next == score)) continue;
    best_sum = sum;
    // Half-way, but below the next score even if rounding would make them equal.
    const double middle = score + (next - score) / 2;
    threshold = middle < next ? middle : score;
  }
  return {threshold, best_sum / static_cast<double>(questions.size())};
}

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_ANSWERS_H_
