// Trained models as files.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_SAVED_MODEL_H_
#define EQUIPOISE_DEMOS_SENTIMENT_SAVED_MODEL_H_

#include <filesystem>

#include "demos/sentiment/experiment.h"

namespace equipoise::demos {

/// Writes a model as CBOR (RFC 8949), whole or not at all. Matrices are blocks of little-endian
/// 32-bit floats, without their rows of zeros.
/// @throws InputError if the file cannot be written.
void save_model(const TrainedModel& model, const std::filesystem::path& path);

/// Reads what save_model() wrote.
/// @throws InputError for a file that cannot be read, is not such a model, or is damaged.
TrainedModel load_model(const std::filesystem::path& path);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_SAVED_MODEL_H_
