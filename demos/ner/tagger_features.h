// Tokens as features: hashed, for linear models and for embeddings.
#ifndef EQUIPOISE_DEMOS_NER_TAGGER_FEATURES_H_
#define EQUIPOISE_DEMOS_NER_TAGGER_FEATURES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/examples.h"
#include "demos/ner/task.h"

namespace equipoise::demos {

/// Buckets of the features of a linear tagger.
inline constexpr std::int32_t kTaggerColumns = 1 << 19;

/// Tokens as sparse rows, sentences as units: the token and its neighbours up to two away, as they
/// are and lower-cased; of the token itself also beginnings and ends of up to four characters,
/// groups of three characters and its shape (Aa for Anna, 9 for numbers). Rows have length one.
Examples linear_features(const TaggedPart& part, std::vector<double> weights = {});

/// Buckets of parts of a word, for embeddings.
inline constexpr std::int64_t kPartBuckets = 30000;

/// The parts of a word: beginnings and ends of up to three characters, its shape, groups of three
/// characters; hashed into [0, kPartBuckets). Never none.
std::vector<std::int64_t> parts_of_word(std::string_view token);

/// What a word is looked up as: with case folded, each digit as 0, links and mentions as one.
std::string lookup_form(std::string_view token);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_TAGGER_FEATURES_H_
