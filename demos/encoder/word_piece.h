// The tokenizer of BERT: words, and pieces of words from a vocabulary.
#ifndef EQUIPOISE_DEMOS_ENCODER_WORD_PIECE_H_
#define EQUIPOISE_DEMOS_ENCODER_WORD_PIECE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace equipoise::demos {

/// The piece that stands where a text has ended.
inline constexpr std::int64_t kPaddingPiece = 0;

/// The pieces of a text.
struct Pieces {
  std::vector<std::int64_t> ids{};
  std::vector<std::int64_t> types{};  ///< 0; of a second text 1
  /// Where the pieces of each word begin among the ids. Words that did not fit are not there.
  std::vector<std::size_t> starts{};
};

/// WordPiece for uncased models (Devlin et al. 2019, arXiv:1810.04805; Wu et al. 2016,
/// arXiv:1609.08144): control characters are dropped, text is decomposed, marks that do not space
/// are dropped, letters lowered; words are parted at white space, and at punctuation and each CJK
/// ideograph, which are words of their own; of each word the longest piece that the vocabulary has
/// is taken from the left, pieces within a word begin with ##; [UNK] for a word with no such pieces
/// or of more than 100 code points. A text that has "[SEP]" has brackets and a word, not the mark.
class WordPiece {
 public:
  /// From a vocabulary with a piece a line, numbered from 0.
  /// @throws InputError for a file that cannot be read, a piece that occurs twice, another first
  /// piece than [PAD], one that lacks [UNK], [CLS] or [SEP], and one with capitals, which is of a
  /// cased model.
  explicit WordPiece(const std::filesystem::path& vocabulary);

  std::size_t size() const { return ids_.size(); }
  std::uint64_t fingerprint() const { return fingerprint_; }  ///< of the file's lines

  /// [CLS] text [SEP], at most `most` pieces (3 or more): what is behind them is dropped.
  Pieces encode(std::string_view text, std::size_t most) const;
  /// The same of words, with Pieces::starts; a word without pieces is [UNK].
  Pieces encode_words(std::span<const std::string> words, std::size_t most) const;
  /// [CLS] text [SEP] other [SEP]: the longer of the two loses pieces at its end until all fit.
  Pieces encode_pair(std::string_view text, std::string_view other, std::size_t most) const;

 private:
  std::vector<std::int64_t> pieces_of(std::string_view text) const;
  Pieces enclosed(std::vector<std::int64_t> ids, std::size_t most) const;
  void append_pieces(std::u32string_view word, std::vector<std::int64_t>& ids) const;
  std::int64_t id_of(const std::filesystem::path& file, const std::string& piece) const;

  std::unordered_map<std::string, std::int64_t> ids_;
  std::uint64_t fingerprint_ = 0;
  std::int64_t unknown_ = 0;
  std::int64_t first_ = 0;
  std::int64_t separator_ = 0;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_ENCODER_WORD_PIECE_H_
