// The flags of demos that train a pretrained encoder further.
#ifndef EQUIPOISE_DEMOS_ENCODER_ENCODER_FLAGS_H_
#define EQUIPOISE_DEMOS_ENCODER_ENCODER_FLAGS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "demos/common/demo_flags.h"
#include "demos/common/experiment.h"
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

/// How a demo trains an encoder unless flags say otherwise.
struct EncoderDefaults {
  std::uint64_t epochs = 2;
  std::size_t batch_size = kEncoderBatch;  ///< units a step
};
void set_encoder_training(const DemoFlags& flags, const Encoding& encoding,
                          const EncoderDefaults& defaults, ExperimentOptions& experiment,
                          TrainingOptions& training);

/// Computes the states of a frozen encoder, so that no run has to and the time of a run is told
/// without them. Nothing for others.
void prepare(const std::optional<Encoding>& encoding, const Comparison& comparison);

/// What make_encoder_learner() needs to know of it; the rest is the caller's.
EncoderLearnerOptions learner_options(const Encoding& encoding);

/// An untrained model: of an encoder if there is one, else as --backend says.
std::unique_ptr<Learner> make_learner(const DemoFlags& flags,
                                      const std::optional<Encoding>& encoding,
                                      const LearnerShape& shape, std::uint64_t seed);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_ENCODER_ENCODER_FLAGS_H_
