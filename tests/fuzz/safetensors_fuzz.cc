// The reader of safetensors: what it takes lies in the file and is all of it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "demos/encoder/safetensors.h"
#include "tests/fuzz/properties.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace equipoise::demos;  // NOLINT(google-build-using-namespace)
  constexpr const char* kFile = "x";
  const std::string_view file = as_text(data, size);
  const auto tensors = result_of([&] { return parse_safetensors(file, kFile); }, file, kFile);
  if (!tensors) return 0;
  std::size_t total = 0;
  for (const auto& entry : *tensors) {
    const StoredTensor& tensor = entry.second;
    total += tensor.bytes.size();
    require(tensor.bytes.empty() ||
                (tensor.bytes.data() >= file.data() &&
                 tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size()),
            "numbers lie in the file");
    std::uint64_t count = 1;
    for (const std::int64_t extent : tensor.shape) count *= static_cast<std::uint64_t>(extent);
    const auto floats = result_of([&] { return to_floats(tensor, kFile); }, file, kFile);
    if (floats) require(floats->size() == count, "there are as many numbers as the shape says");
  }
  require(total + 8 <= size, "numbers stand behind the header");
  return 0;
}
