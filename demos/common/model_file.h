// Trained models as files.
#ifndef EQUIPOISE_DEMOS_COMMON_MODEL_FILE_H_
#define EQUIPOISE_DEMOS_COMMON_MODEL_FILE_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/examples.h"

namespace equipoise::demos {

/// A model that was trained: whatever a demo has to know to use it again, and its tensors.
struct SavedModel {
  nlohmann::json facts;
  std::vector<Parameter> parameters;
};

/// Numbers as a block of bytes within facts; and back.
/// @throws std::invalid_argument for a block that holds part of a number.
nlohmann::json to_block(const std::vector<float>& numbers);
std::vector<float> from_block(const nlohmann::json& block);

/// Writes a model in CBOR. Rows of zeros, which features have that training did not meet, take no
/// space. `kind` says what it is a model of.
/// @throws InputError if the file cannot be written.
void save_model(std::string_view kind, const SavedModel& model, const std::filesystem::path& path);

/// @throws InputError for a file that cannot be read, is damaged, or is of another kind.
SavedModel load_model(std::string_view kind, const std::filesystem::path& path);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_MODEL_FILE_H_
