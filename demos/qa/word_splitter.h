// Texts as words, to compare them in any language.
#ifndef EQUIPOISE_DEMOS_QA_WORD_SPLITTER_H_
#define EQUIPOISE_DEMOS_QA_WORD_SPLITTER_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {

struct Word {
  std::string text;             ///< composed, case folded
  bool has_digit = false;       ///< of any script
  bool is_capitalized = false;  ///< its first letter, and it is not the first word
  /// One character of a script that puts no spaces between words.
  bool is_character = false;
  bool joins = false;  ///< to the word before: nothing stands between them
};

/// The words of a text: runs of letters, digits and marks. Where words are not set apart, in
/// Chinese and Japanese, Thai, Lao, Khmer and Burmese, each character is one. The text is valid
/// UTF-8. O(size).
std::vector<Word> words_of(std::string_view text);

/// Parts of words, as 64-bit hashes that stand for them, with repetitions: 3 and 4 characters of
/// each word, its ends marked; and of characters that join, 2 and 3 one after the other. They tell
/// that two words share a stem.
std::vector<std::uint64_t> pieces_of(std::span<const Word> words);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_WORD_SPLITTER_H_
