// Where an answer stands in its context.
#ifndef EQUIPOISE_DEMOS_QA_ANSWER_PLACE_H_
#define EQUIPOISE_DEMOS_QA_ANSWER_PLACE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/qa/sentences.h"

namespace equipoise::demos {

/// What an offset into a text counts.
enum class OffsetUnit : std::uint8_t {
  kCodePoints,  ///< as SQuAD itself and Python count
  kUtf16,       ///< as browsers, Java and C# count: two for an emoji
  kBytes,       ///< of UTF-8
};
inline constexpr std::array kOffsetUnits = {OffsetUnit::kCodePoints, OffsetUnit::kUtf16,
                                            OffsetUnit::kBytes};

/// "code points", "UTF-16 units", "UTF-8 bytes".
std::string_view name_of(OffsetUnit unit);

/// A text without the white space at its ends.
std::string_view without_space_around(std::string_view text);

/// Finds answers in a context. Both are UTF-8; the context must outlive this.
///
/// "Equivalent" are texts that differ only in what Unicode calls canonically equivalent (composed
/// and decomposed letters), in the kind and number of white space characters between words, and in
/// white space at the ends. An equivalent range of the context holds whole letters with their
/// marks.
class AnswerFinder {
 public:
  explicit AnswerFinder(std::string_view context);
  ~AnswerFinder();

  /// The length of the context. O(1).
  std::size_t size(OffsetUnit unit) const;

  /// The byte at which an offset leads: the end for one beyond it, the beginning of a code point
  /// for one within it. O(1).
  std::size_t byte_at(std::size_t offset, OffsetUnit unit) const;

  /// The bytes of the answer if it stands at an offset, character by character. O(answer).
  std::optional<TextRange> exact_at(std::string_view answer, std::size_t offset,
                                    OffsetUnit unit) const;

  /// The bytes of an equivalent of the answer at an offset. White space at the beginning of the
  /// answer may be missing there. O(context) for the first call, then O(answer + log context).
  std::optional<TextRange> equivalent_at(std::string_view answer, std::size_t offset,
                                         OffsetUnit unit) const;

  /// The place nearest to a byte at which the answer stands, the earlier of two; failing that, at
  /// which an equivalent does. O(context).
  std::optional<TextRange> nearest(std::string_view answer, std::size_t byte) const;

  /// The place of the answer if it stands at exactly one, or else of its equivalent if that does.
  /// O(context).
  std::optional<TextRange> only(std::string_view answer) const;

 private:
  class Folded;

  const Folded& folded() const;

  std::string_view context_;
  std::vector<std::size_t> code_points_;  // where each begins, and the end
  std::vector<std::size_t> utf16_;        // the same of UTF-16 units; empty where they are the same
  mutable std::unique_ptr<const Folded> folded_;  // made when it is first needed
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_ANSWER_PLACE_H_
