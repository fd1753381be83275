// Files of tensors in the safetensors format.
#ifndef EQUIPOISE_DEMOS_ENCODER_SAFETENSORS_H_
#define EQUIPOISE_DEMOS_ENCODER_SAFETENSORS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {

/// A tensor in a file: little-endian numbers, row after row.
struct StoredTensor {
  std::string type;  ///< as the format names it: F32, F16, BF16, F64, I64, ...
  std::vector<std::int64_t> shape{};
  std::string_view bytes{};
};

/// The tensors of a file in memory, by name; they refer to its bytes. The format is 8 bytes for the
/// size of a header, the header in JSON, and the numbers, which it places one after the other
/// (github.com/huggingface/safetensors). O(header).
/// @throws InputError under this name for what does not follow it: sizes beyond the file, a header
/// that is no JSON or lacks something, an unknown type, a shape that is not what its bytes hold,
/// tensors that overlap or leave a gap.
std::map<std::string, StoredTensor> parse_safetensors(std::string_view file, std::string_view name);

/// The file that has these tensors. O(size).
std::string to_safetensors(const std::map<std::string, StoredTensor>& tensors);

/// Numbers of type F32, F16 or BF16 as floats.
/// @throws InputError under this name for another type.
std::vector<float> to_floats(const StoredTensor& tensor, std::string_view name);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_ENCODER_SAFETENSORS_H_
