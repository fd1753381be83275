#include "demos/encoder/safetensors.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "demos/common/input_error.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kSizeOfSize = 8;
constexpr std::uint64_t kMostHeader = 100'000'000;  // as the format's own reader has it

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// The bytes of a number; 0 for a type that the format does not have.
std::size_t size_of_type(const std::string& type) {
  static const std::map<std::string, std::size_t> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2}, {"U16", 2}, {"F16", 2}, {"BF16", 2},
      {"I32", 4},  {"U32", 4}, {"F32", 4}, {"F64", 8}, {"I64", 8}, {"U64", 8}};
  const auto found = sizes.find(type);
  return found == sizes.end() ? 0 : found->second;
}

// The bytes of all numbers; nothing where they are more than can be counted.
std::uint64_t size_of(const StoredTensor& tensor) {
  std::uint64_t size = size_of_type(tensor.type);
  for (const std::int64_t extent : tensor.shape) {
    const auto factor = static_cast<std::uint64_t>(extent);
    if (factor != 0 && size > std::numeric_limits<std::uint64_t>::max() / factor) {
      return std::numeric_limits<std::uint64_t>::max();
    }
    size *= factor;
  }
  return size;
}

// Of a name from a file, what a message has room for.
std::string shortened(const std::string& name) {
  constexpr std::size_t kMost = 80;
  return name.size() <= kMost ? name : name.substr(0, kMost) + "...";
}

struct Placed {
  std::uint64_t begin;
  std::uint64_t end;
};

}  // namespace

std::map<std::string, StoredTensor> parse_safetensors(std::string_view file,
                                                      std::string_view name) {
  const auto fail = [&](const std::string& reason) {
    throw InputError(name, 0, "not a safetensors file: " + reason);
  };
  if (file.size() < kSizeOfSize) fail("it ends before the header");
  const std::uint64_t header_size = little_endian(file.substr(0, kSizeOfSize));
  if (header_size > file.size() - kSizeOfSize) fail("its header is larger than the file");
  if (header_size > kMostHeader) fail("its header is larger than 100 MB");
  const std::string_view numbers = file.substr(kSizeOfSize + header_size);
  const nlohmann::json header = nlohmann::json::parse(file.substr(kSizeOfSize, header_size),
                                                      nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) fail("its header is no JSON object");

  std::map<std::string, StoredTensor> tensors;
  std::vector<Placed> places;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") continue;
    const std::string of = "tensor '" + shortened(key) + "' ";
    StoredTensor tensor;
    Placed placed{};
    try {
      tensor.type = entry.at("dtype").get<std::string>();
      const nlohmann::json& shape = entry.at("shape");
      if (!shape.is_array()) fail(of + "has no list as its shape");
      for (const nlohmann::json& extent : shape) {
        if (!extent.is_number_unsigned()) fail(of + "has an extent that is no number from 0");
        tensor.shape.push_back(extent.get<std::int64_t>());
        if (tensor.shape.back() < 0) fail(of + "has an extent that is too large");
      }
      const nlohmann::json& offsets = entry.at("data_offsets");
      const bool is_pair = offsets.is_array() && offsets.size() == 2 &&
                           offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
      if (!is_pair) fail(of + "has no two data_offsets");
      placed = {offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>()};
    } catch (const nlohmann::json::exception& error) {
      fail(of + "is not described: " + error.what());
    }
    if (size_of_type(tensor.type) == 0)
      fail(of + "has the unknown type '" + shortened(tensor.type) + "'");
    if (placed.begin > placed.end || placed.end > numbers.size()) {
      fail(absl::StrCat(of, "lies at ", placed.begin, " to ", placed.end, " of ", numbers.size(),
                        " bytes"));
    }
    if (placed.end - placed.begin != size_of(tensor)) {
      fail(absl::StrCat(of, "has ", placed.end - placed.begin, " bytes, which is not its shape"));
    }
    tensor.bytes = numbers.substr(placed.begin, placed.end - placed.begin);
    places.push_back(placed);
    tensors.emplace(key, std::move(tensor));
  }
  std::sort(places.begin(), places.end(), [](const Placed& a, const Placed& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t end = 0;
  for (const Placed& placed : places) {
    if (placed.begin != end) fail("tensors overlap or leave a gap");
    end = placed.end;
  }
  if (end != numbers.size()) fail("there is more behind the last tensor");
  return tensors;
}

std::string to_safetensors(const std::map<std::string, StoredTensor>& tensors) {
  // What other readers ask for: the kind of tensors, and numbers that begin at a multiple of 8.
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string numbers;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t begin = numbers.size();
    numbers += tensor.bytes;
    header[name] = {
        {"dtype", tensor.type}, {"shape", tensor.shape}, {"data_offsets", {begin, numbers.size()}}};
  }
  std::string text = header.dump();
  text.append((kSizeOfSize - text.size() % kSizeOfSize) % kSizeOfSize, ' ');
  std::string file;
  for (std::size_t i = 0; i < kSizeOfSize; ++i) {
    file.push_back(static_cast<char>(text.size() >> (8 * i) & 0xffU));
  }
  return file + text + numbers;
}

namespace {

float from_bits(std::uint64_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}

// IEEE 754's 16 bits: 1 of sign, 5 of exponent, 10 of fraction.
float from_half(std::uint64_t bits) {
  const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
  const auto exponent = static_cast<int>(bits >> 10U & 0x1fU);
  const auto fraction = static_cast<float>(bits & 0x3ffU);
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<float>::infinity()
                         : std::numeric_limits<float>::quiet_NaN();
  }
  return sign * (exponent == 0 ? std::ldexp(fraction, -24)
                               : std::ldexp(1024.0F + fraction, exponent - 25));
}

}  // namespace

std::vector<float> to_floats(const StoredTensor& tensor, std::string_view name) {
  const std::size_t size = size_of_type(tensor.type);
  std::vector<float> values;
  values.reserve(tensor.bytes.size() / std::max<std::size_t>(size, 1));
  for (std::size_t i = 0; i < tensor.bytes.size(); i += size) {
    const std::uint64_t bits = little_endian(tensor.bytes.substr(i, size));
    if (tensor.type == "F32") {
      values.push_back(from_bits(bits));
    } else if (tensor.type == "BF16") {
      values.push_back(from_bits(bits << 16U));
    } else if (tensor.type == "F16") {
      values.push_back(from_half(bits));
    } else {
      throw InputError(name, 0, "numbers of type " + tensor.type + ", expected F32, F16 or BF16");
    }
  }
  return values;
}

}  // namespace equipoise::demos
