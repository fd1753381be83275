// Texts as sentences.
#ifndef EQUIPOISE_DEMOS_QA_SENTENCES_H_
#define EQUIPOISE_DEMOS_QA_SENTENCES_H_

#include <cstddef>
#include <string_view>
#include <vector>

namespace equipoise::demos {

/// Bytes [begin, end) of a text.
struct TextRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const TextRange&, const TextRange&) = default;
};

/// What a language writes otherwise than most.
struct SentenceRules {
  /// Whether a number of one or two digits with a full stop is an ordinal, as in German ("am 3.
  /// Mai"), the Nordic and Slavic languages, Hungarian and Turkish. Then no sentence ends there.
  bool ordinals = false;
};

/// The sentences of a text in any language, without white space around them: in order, apart, and
/// together all of the text but white space. The rules are in the spirit of Unicode's (UAX #29).
///
/// A sentence ends at a line end and after one or more marks that end sentences in some script
/// (property Sentence_Terminal, the ellipsis, the Greek question mark). What closes behind them is
/// part of it: quotes, brackets, and references such as [12]. It goes on all the same before a
/// comma, colon, semicolon or hyphen and, where all marks are full stops or ellipses,
///   - before a lower case letter, also after white space;
///   - after a full stop behind a single letter: J. Smith, z. B., U.S.;
///   - before a letter or digit without white space between: 3.14, example.com. It ends there if
///     that starts with a capital and two lower case letters stand before the stop, as where a
///     space was lost, and between letters of a script without case.
/// It knows no abbreviations. Bytes that are not UTF-8 are as U+FFFD. O(size).
std::vector<TextRange> split_sentences(std::string_view text, const SentenceRules& rules = {});

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_SENTENCES_H_
