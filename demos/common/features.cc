#include "demos/common/features.h"

#include <algorithm>
#include <cmath>

#include "demos/common/unicode.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kShortest = 2;
constexpr std::size_t kLongest = 5;

std::int32_t bucket(std::string_view text, std::int32_t buckets) {
  return static_cast<std::int32_t>(feature_hash(text) % static_cast<std::uint64_t>(buckets));
}

void add_character_ngrams(std::string_view chunk, std::vector<std::int32_t>& columns) {
  const std::string padded = ' ' + std::string(chunk) + ' ';
  const std::vector<std::size_t> at = code_point_offsets(padded);
  const std::size_t length = at.size() - 1;
  for (std::size_t n = kShortest; n <= kLongest; ++n) {
    if (n >= length) {
      columns.push_back(bucket(padded, kCharacterBuckets));
      return;
    }
    for (std::size_t i = 0; i + n <= length; ++i) {
      const std::string_view gram(padded.data() + at[i], at[i + n] - at[i]);
      columns.push_back(bucket(gram, kCharacterBuckets));
    }
  }
}

void add_word_ngrams(std::span<const std::string_view> words, std::vector<std::int32_t>& columns) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    columns.push_back(kCharacterBuckets + bucket(words[i], kWordBuckets));
    if (i == 0) continue;
    const std::string pair = std::string(words[i - 1]) + ' ' + std::string(words[i]);
    columns.push_back(kCharacterBuckets + bucket(pair, kWordBuckets));
  }
}

// The runs of characters that `same` puts together with their predecessor, without spaces.
template <class F>
std::vector<std::string_view> runs(std::string_view text, const F& same) {
  std::vector<std::string_view> found;
  CharacterKind previous = CharacterKind::kSpace;
  for (std::size_t i = 0; i < text.size();) {
    const Character next = character_at(text, i);
    if (next.kind != CharacterKind::kSpace) {
      if (same(previous, next.kind)) {
        found.back() = {found.back().data(), found.back().size() + next.size};
      } else {
        found.push_back(text.substr(i, next.size));
      }
    }
    previous = next.kind;
    i += next.size;
  }
  return found;
}

std::vector<std::int32_t> ngram_columns(std::string_view text) {
  const std::string folded = fold_case(text);
  std::vector<std::int32_t> columns;
  const auto chunks = runs(folded, [](CharacterKind previous, CharacterKind) {
    return previous != CharacterKind::kSpace;
  });
  for (const std::string_view chunk : chunks) add_character_ngrams(chunk, columns);
  const auto words = runs(folded, [](CharacterKind previous, CharacterKind next) {
    return previous == CharacterKind::kWord && next == CharacterKind::kWord;
  });
  add_word_ngrams(words, columns);
  std::sort(columns.begin(), columns.end());
  return columns;
}

}  // namespace

std::uint64_t feature_hash(std::string_view name) {
  const std::uint64_t hash = splits::fnv1a64(name);
  return hash ^ (hash >> 32);
}

SparseRows ngram_counts(std::span<const std::string> texts) {
  SparseRows counts;
  for (const std::string& text : texts) {
    const std::vector<std::int32_t> columns = ngram_columns(text);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i > 0 && columns[i] == columns[i - 1]) {
        counts.values.back() += 1;
      } else {
        counts.columns.push_back(columns[i]);
        counts.values.push_back(1);
      }
    }
    counts.starts.push_back(counts.columns.size());
  }
  return counts;
}

TfIdf::TfIdf(const SparseRows& counts) : idf_(kTextColumns, 0.0F) {
  for (const std::int32_t column : counts.columns) idf_[static_cast<std::size_t>(column)] += 1;
  const auto texts = static_cast<double>(counts.rows());
  for (float& idf : idf_) idf = static_cast<float>(1 + std::log((1 + texts) / (1 + double{idf})));
}

SparseRows TfIdf::operator()(SparseRows counts) const {
  for (std::size_t row = 0; row < counts.rows(); ++row) {
    double squares = 0;
    for (std::size_t k = counts.starts[row]; k < counts.starts[row + 1]; ++k) {
      float& value = counts.values[k];
      value = (1 + std::log(value)) * idf_[static_cast<std::size_t>(counts.columns[k])];
      squares += double{value} * double{value};
    }
    const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
    for (std::size_t k = counts.starts[row]; k < counts.starts[row + 1]; ++k) {
      counts.values[k] *= scale;
    }
  }
  return counts;
}

}  // namespace equipoise::demos
