// The flags of demos that train a pretrained encoder further.
#ifndef EQUIPOISE_DEMOS_ENCODER_ENCODER_FLAGS_H_
#define EQUIPOISE_DEMOS_ENCODER_ENCODER_FLAGS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/examples.h"
#include "demos/common/learner.h"
#include "demos/common/program.h"
#include "demos/common/training.h"
#include "demos/encoder/encoder_learner.h"
#include "demos/encoder/word_piece.h"

namespace equipoise::demos {

/// An encoder as flags or a saved model name it, with what makes pieces of texts for it.
struct Encoding {
  std::string directory{};
  WordPiece tokenizer;
  std::size_t most_pieces = 0;  ///< of a text
  double layer_decay = 1;
  std::shared_ptr<FrozenStates> frozen{};
};

/// @throws InputError for flags that are out of range or would be set in vain.
void check_encoder_flags(const DemoFlags& flags);

/// What --encoder and its other flags say, with as many pieces of a text as the demo reads by
/// default; nothing without it.
std::optional<Encoding> encoding_of_flags(std::size_t most_pieces);

/// What a saved model needs to know of it, and back; --encoder may name another directory, unless
/// that flag is of another model.
/// @throws InputError for a vocabulary that is not the same, and for flags that do not fit;
/// nlohmann::json::exception for facts that are missing.
nlohmann::json facts_of(const Encoding& encoding);
std::optional<Encoding> encoding_of_facts(const DemoFlags& flags, const nlohmann::json& facts,
                                          bool obeys_flag = true);

/// Writes the encoder of a model with these facts and parameters to the directory in
/// --export_encoder, if that is set, as --encoder reads one.
/// @throws InputError for a model without an encoder and for files that cannot be read or written.
void export_encoder(const nlohmann::json& facts, const std::vector<Parameter>& parameters);

/// How a demo trains its own model, and an encoder, unless flags say otherwise.
struct ModelDefaults {
  std::string text{};     ///< what the model is, for people
  double rate = 0;        ///< of its own model
  bool is_linear = true;  ///< whether that is linear
  std::uint64_t epochs = TrainingOptions().epochs;
  double clip_norm = 0;
  std::uint64_t encoder_epochs = 2;
  std::size_t encoder_batch = kEncoderBatch;  ///< units a step
};

/// The model that a demo trains: an encoder if there is one, else one on --backend.
Model make_model(const DemoFlags& flags, const std::optional<Encoding>& encoding,
                 const ModelDefaults& defaults);

/// The same untrained, for saved parameters.
std::unique_ptr<Learner> make_learner(const DemoFlags& flags,
                                      const std::optional<Encoding>& encoding,
                                      const LearnerShape& shape, std::uint64_t seed,
                                      bool reads_places = false);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_ENCODER_ENCODER_FLAGS_H_
