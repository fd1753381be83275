// Texts as sparse vectors: hashed n-grams of characters and words, weighed by tf-idf.
#ifndef EQUIPOISE_DEMOS_COMMON_FEATURES_H_
#define EQUIPOISE_DEMOS_COMMON_FEATURES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace equipoise::demos {

/// A sparse matrix by rows: row r holds values[k] in column columns[k] for k in
/// [starts[r], starts[r + 1]); columns ascend within a row.
struct SparseRows {
  std::vector<std::size_t> starts{0};
  std::vector<std::int32_t> columns;
  std::vector<float> values;

  std::size_t rows() const { return starts.size() - 1; }
  std::span<const std::int32_t> columns_of(std::size_t row) const {
    return std::span(columns).subspan(starts[row], starts[row + 1] - starts[row]);
  }
  std::span<const float> values_of(std::size_t row) const {
    return std::span(values).subspan(starts[row], starts[row + 1] - starts[row]);
  }
};

/// FNV-1a (Fowler, Noll, Vo), whose high bits then reach the low ones that choose a bucket. Equal
/// on every platform.
std::uint64_t feature_hash(std::string_view name);

/// Buckets of the two kinds of n-grams; a text is a vector of kTextColumns numbers.
inline constexpr std::int32_t kCharacterBuckets = 1 << 18;
inline constexpr std::int32_t kWordBuckets = 1 << 17;
inline constexpr std::int32_t kTextColumns = kCharacterBuckets + kWordBuckets;

/// How often each n-gram stands in each text, hashed (Weinberger et al. 2009, "Feature hashing for
/// large scale multitask learning", arXiv:0902.2206). Case is folded; a word is a run of letters
/// and digits, every symbol a word of its own.
///   - 2 to 5 characters within what spaces part, a space added at both ends; what is shorter
///     counts once, whole
///   - 1 and 2 words
SparseRows ngram_counts(std::span<const std::string> texts);

/// tf-idf with logarithmic counts: (1 + ln tf) idf, idf = 1 + ln((1 + n) / (1 + df)), and rows of
/// length one (Salton & Buckley 1988, "Term-weighting approaches in automatic text retrieval").
class TfIdf {
 public:
  /// Learns idf from the counts of training texts.
  explicit TfIdf(const SparseRows& counts);
  /// With idf as learnt before: kTextColumns numbers.
  explicit TfIdf(std::vector<float> idf) : idf_(std::move(idf)) {}

  SparseRows operator()(SparseRows counts) const;
  const std::vector<float>& idf() const { return idf_; }

 private:
  std::vector<float> idf_;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_FEATURES_H_
