// Networks that tag tokens.
#ifndef EQUIPOISE_DEMOS_NER_NEURAL_TAGGER_H_
#define EQUIPOISE_DEMOS_NER_NEURAL_TAGGER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "demos/common/learner.h"

namespace equipoise::demos {

/// "bilstm", a bidirectional LSTM (Hochreiter & Schmidhuber 1997), or "cnn", a convolutional
/// network, over embeddings of words and of their parts. It reads rows of word_features(), of as
/// many words as the shape has columns. `workers` train it together.
/// @throws InputError where the program was built without LibTorch, or there is no such device.
std::unique_ptr<Learner> make_neural_tagger(const std::string& model, const LearnerShape& shape,
                                            const std::string& device, std::uint64_t seed,
                                            std::shared_ptr<const Workers> workers);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_NEURAL_TAGGER_H_
