// Tokens as features, for linear models, for embeddings, and for pretrained encoders; and the
// networks over embeddings.
#ifndef EQUIPOISE_DEMOS_NER_TOKEN_FEATURES_H_
#define EQUIPOISE_DEMOS_NER_TOKEN_FEATURES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/learner.h"
#include "demos/encoder/word_piece.h"
#include "demos/ner/conll.h"

namespace equipoise::demos {

/// What makes rows of the tokens of sentences: tags as targets, sentences as units.
struct TokenFeatures {
  std::function<Examples(std::span<const TaggedSentence>)> rows{};
  std::size_t columns = 0;  ///< of the rows' features; of embeddings the number of words
  nlohmann::json facts = nlohmann::json::object();  ///< what a saved model has to know of them
};

/// Buckets of the features of a linear tagger, and of parts of a word, for embeddings.
inline constexpr std::int32_t kTaggerColumns = 1 << 19;
inline constexpr std::int64_t kPartBuckets = 30000;

/// Tokens as sparse rows: the token and its neighbours up to two away, as they are and lower-cased;
/// of the token itself also beginnings and ends of up to four characters, groups of three
/// characters and its shape (Aa for Anna, 9 for numbers). Rows have length one.
TokenFeatures linear_features();

/// Tokens as embeddings are looked up. The columns of a row are the number of its lookup_form()
/// among these words, from 1, 0 for none of them; and then the parts of the word, hashed into
/// [0, kPartBuckets): beginnings and ends of up to three characters, its shape, groups of three
/// characters. There are no values.
TokenFeatures word_features(std::vector<std::string> words);

/// Tokens as places of pieces: a token is read where its first piece stands (Devlin et al. 2019,
/// section 5.3). A sentence of more than `most` pieces is cut between tokens.
TokenFeatures piece_features(const WordPiece& tokenizer, std::size_t most);

/// The words that occur at least twice, as they are looked up: of the others, the unknown word
/// learns.
std::vector<std::string> frequent_words(std::span<const TaggedSentence> sentences);

/// What a word is looked up as: with case folded, each digit as 0, links and mentions as one.
std::string lookup_form(std::string_view token);

/// "bilstm", a bidirectional LSTM (Hochreiter & Schmidhuber 1997), or "cnn", a convolutional
/// network, over embeddings of words and of their parts. It reads rows of word_features(), of as
/// many words as the shape has columns. `workers` train it together.
/// @throws InputError where the program was built without LibTorch, or there is no such device.
std::unique_ptr<Learner> make_neural_tagger(const std::string& model, const LearnerShape& shape,
                                            const std::string& device, std::uint64_t seed,
                                            std::shared_ptr<const Workers> workers);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_TOKEN_FEATURES_H_
