#include "demos/common/model_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <stdexcept>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;
static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

template <class T>
json to_binary(std::span<const T> values) {
  std::vector<std::uint8_t> bytes(values.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return json::binary(std::move(bytes));
}

template <class T>
std::vector<T> from_binary(const json& value) {
  const auto& bytes = value.get_binary();
  if (bytes.size() % sizeof(T) != 0) throw std::invalid_argument("a block has part of a number");
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// The first dimension, and the product of the others.
std::pair<std::size_t, std::size_t> rows_of(const Parameter& parameter) {
  constexpr std::int64_t kMost = std::int64_t{1} << 28;  // so that damage asks for no more
  std::int64_t width = 1;
  for (const std::int64_t size : parameter.shape) {
    if (size < 0 || (size > 0 && width > kMost / size)) {
      throw std::invalid_argument("parameter " + parameter.name + " has an impossible shape");
    }
    width *= size;
  }
  const std::int64_t rows = parameter.shape.empty() ? 1 : parameter.shape[0];
  return {static_cast<std::size_t>(rows), static_cast<std::size_t>(rows > 0 ? width / rows : 0)};
}

json to_json(const Parameter& parameter) {
  const auto [rows, width] = rows_of(parameter);
  std::vector<std::uint32_t> kept;
  std::vector<float> values;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto row = std::span(parameter.values).subspan(r * width, width);
    if (std::all_of(row.begin(), row.end(), [](float value) { return value == 0; })) continue;
    kept.push_back(static_cast<std::uint32_t>(r));
    values.insert(values.end(), row.begin(), row.end());
  }
  return {{"name", parameter.name},
          {"shape", parameter.shape},
          {"kept", to_binary<std::uint32_t>(kept)},
          {"values", to_binary<float>(values)}};
}

Parameter parameter_from(const json& stored) {
  Parameter parameter{stored.at("name"), stored.at("shape")};
  const auto [rows, width] = rows_of(parameter);
  const auto kept = from_binary<std::uint32_t>(stored.at("kept"));
  const auto values = from_binary<float>(stored.at("values"));
  if (values.size() != kept.size() * width) {
    throw std::invalid_argument("sizes of parameter " + parameter.name + " do not fit");
  }
  parameter.values.resize(rows * width);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] >= rows) throw std::invalid_argument("a row lies outside its matrix");
    std::copy_n(&values[i * width], width, &parameter.values[kept[i] * width]);
  }
  return parameter;
}

}  // namespace

json to_block(const std::vector<float>& numbers) { return to_binary<float>(numbers); }
std::vector<float> from_block(const json& block) { return from_binary<float>(block); }

void save_model(std::string_view kind, const SavedModel& model, const std::filesystem::path& path) {
  json parameters = json::array();
  for (const Parameter& parameter : model.parameters) parameters.push_back(to_json(parameter));
  const json stored = {
      {"format", kind}, {"facts", model.facts}, {"parameters", std::move(parameters)}};
  std::string bytes;
  json::to_cbor(stored, bytes);
  write_file(path, bytes);
}

SavedModel load_model(std::string_view kind, const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  try {
    const json stored = json::from_cbor(bytes);
    if (!stored.is_object() || stored.value("format", "") != kind) {
      throw std::invalid_argument("it is something else");
    }
    SavedModel model{stored.at("facts"), {}};
    for (const json& parameter : stored.at("parameters")) {
      model.parameters.push_back(parameter_from(parameter));
    }
    return model;
  } catch (const std::exception& error) {  // nlohmann's and those above
    throw InputError(
        path.string(), 0,
        std::string("not a model that --save has written, or damaged: ") + error.what());
  }
}

}  // namespace equipoise::demos
