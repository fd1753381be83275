// A pretrained encoder with a linear head, trained as a whole.
#ifndef EQUIPOISE_DEMOS_ENCODER_ENCODER_LEARNER_H_
#define EQUIPOISE_DEMOS_ENCODER_ENCODER_LEARNER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "demos/common/learner.h"

namespace equipoise::demos {

/// States that an encoder which is not trained has made of texts, kept for all that read them.
class FrozenStates;

struct EncoderLearnerOptions {
  std::filesystem::path directory{};  ///< see load_encoder()
  std::size_t classes = 0;
  std::string device = "cpu";
  std::uint64_t seed = 0;       ///< draws the head
  std::size_t pieces = 0;       ///< of the tokenizer
  std::size_t most_pieces = 0;  ///< of a text
  double layer_decay = 1;       ///< the rate of a layer is that of the one above it times this
  bool reads_places = false;    ///< a row is the state at Examples::places, not the mean of a text
  std::shared_ptr<FrozenStates> frozen{};  ///< trains the head alone, on these; null: all
  std::shared_ptr<const Workers> workers{};
};

/// What suits it (Devlin et al. 2019, arXiv:1810.04805): the rate at the top layer, the share of
/// the steps over which it rises, the bound of a step's gradient, and texts a step.
inline constexpr double kEncoderRate = 1e-4;
inline constexpr double kEncoderWarmup = 0.06;
inline constexpr double kEncoderClip = 1;
inline constexpr std::size_t kEncoderBatch = 32;

/// An empty cache, of one encoder.
/// @throws InputError where the program was built without LibTorch.
std::shared_ptr<FrozenStates> make_frozen_states();

/// Logits = W s + b, with dropout before W, where s is the mean of the states of a text's pieces or
/// the state at a row's place. Trained by AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with a
/// decay of .01, which biases and normalisations are spared; the head has 20 times the rate of the
/// top layer. Padding changes no row: texts of like length pass through the encoder together. A
/// head that is trained alone reads states that are computed once.
/// @throws InputError as load_encoder(), for a tokenizer or texts that the encoder is too small
/// for, and where the program was built without LibTorch.
std::unique_ptr<Learner> make_encoder_learner(const EncoderLearnerOptions& options);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_ENCODER_ENCODER_LEARNER_H_
