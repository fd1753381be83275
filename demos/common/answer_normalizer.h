// The form in which answers in many languages are compared.
#ifndef EQUIPOISE_DEMOS_COMMON_ANSWER_NORMALIZER_H_
#define EQUIPOISE_DEMOS_COMMON_ANSWER_NORMALIZER_H_

#include <span>
#include <string>
#include <string_view>

namespace equipoise::demos {

/// An equipoise::AnswerNormalizer for text in UTF-8: lower case; punctuation dropped, without a
/// space in its place; a space for each article; then tokens, one space between them. O(size).
///
/// Forms equal those of the scripts on Python 3, character classes and case being those of this
/// utf8proc's version of Unicode. Bytes that are not UTF-8 become U+FFFD, each by itself.
class UnicodeAnswerNormalizer {
 public:
  /// The form of MLQA (Lewis et al. 2020, arXiv:1910.07475) in a language: "en", "es", "de", "vi",
  /// "ar", "hi", "zh". Any other has no articles and parts tokens at white space; MLQA's script
  /// knows none.
  ///
  /// Punctuation is all of category P and of ASCII, such as $ and +; other symbols stay. What the
  /// script does and one might not expect:
  ///   - An article is a run of letters and digits, and marks are neither. So "la" is dropped from
  ///     a Spanish "la" followed by U+0301, and decomposed Vietnamese keeps its articles: nothing
  ///     is composed.
  ///   - In Arabic every U+0627 U+0644 becomes a space, in the midst of a word too, which it parts.
  ///   - In Chinese each of U+4E00 to U+9FA5 is a token; characters of the extensions and kana are
  ///     not parted. Its rule that punctuation is a token never applies: there is none left.
  static UnicodeAnswerNormalizer mlqa(std::string_view language);

  /// The form of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250): punctuation of ASCII alone,
  /// English articles, tokens parted by white space. TyDi QA's gold passage task (Clark et al.
  /// 2020, arXiv:2003.05002) takes it for all languages.
  static UnicodeAnswerNormalizer squad();

  std::string operator()(std::string_view answer) const;

 private:
  UnicodeAnswerNormalizer() = default;

  bool is_dropped(char32_t point) const;
  bool is_token(char32_t point) const;

  bool unicode_punctuation_ = false;               // dropped besides that of ASCII
  std::span<const std::u32string_view> articles_;  // as words
  std::u32string_view article_within_;             // anywhere, if not empty
  bool parts_ideographs_ = false;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_ANSWER_NORMALIZER_H_
