#include "demos/sentiment/saved_model.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;
static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

constexpr const char* kFormat = "equipoise sentiment model 1";

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

// Features that training has not met have rows of zeros: only the others are kept.
json to_json(const Parameter& parameter) {
  std::vector<std::uint32_t> kept;
  std::vector<float> values;
  for (std::size_t r = 0; r < parameter.rows; ++r) {
    const auto row = std::span(parameter.values).subspan(r * parameter.cols, parameter.cols);
    if (std::all_of(row.begin(), row.end(), [](float value) { return value == 0; })) continue;
    kept.push_back(static_cast<std::uint32_t>(r));
    values.insert(values.end(), row.begin(), row.end());
  }
  return {{"name", parameter.name},
          {"rows", parameter.rows},
          {"cols", parameter.cols},
          {"kept", to_binary<std::uint32_t>(kept)},
          {"values", to_binary<float>(values)}};
}

Parameter parameter_from(const json& stored) {
  constexpr std::size_t kMost = std::size_t{1} << 31;  // numbers, so that damage asks for no more
  Parameter parameter{stored.at("name"), stored.at("rows"), stored.at("cols")};
  const auto kept = from_binary<std::uint32_t>(stored.at("kept"));
  const auto values = from_binary<float>(stored.at("values"));
  const bool fits = parameter.cols > 0 && parameter.rows <= kMost / parameter.cols &&
                    values.size() == kept.size() * parameter.cols;
  if (!fits) throw std::invalid_argument("sizes of parameter " + parameter.name + " do not fit");
  parameter.values.resize(parameter.rows * parameter.cols);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] >= parameter.rows) throw std::invalid_argument("a row lies outside its matrix");
    std::copy_n(&values[i * parameter.cols], parameter.cols,
                &parameter.values[kept[i] * parameter.cols]);
  }
  return parameter;
}

TrainedModel model_from(const json& stored) {
  TrainedModel model{stored.at("strategy"), stored.at("hidden"),
                     stored.at("classes"),  from_binary<float>(stored.at("idf")),
                     stored.at("offset"),   {}};
  if (model.classes.size() < 2) throw std::invalid_argument("fewer than two classes");
  if (model.idf.size() != std::size_t{kTextColumns}) {
    throw std::invalid_argument("another number of features than this program's");
  }
  if (!model.offset.empty() && model.offset.size() != model.classes.size()) {
    throw std::invalid_argument("the offset has another number of classes");
  }
  for (const json& parameter : stored.at("parameters")) {
    model.parameters.push_back(parameter_from(parameter));
  }
  return model;
}

}  // namespace

void save_model(const TrainedModel& model, const std::filesystem::path& path) {
  json parameters = json::array();
  for (const Parameter& parameter : model.parameters) parameters.push_back(to_json(parameter));
  const json stored = {{"format", kFormat},
                       {"strategy", model.strategy},
                       {"hidden", model.hidden},
                       {"classes", model.classes},
                       {"idf", to_binary<float>(model.idf)},
                       {"offset", model.offset},
                       {"parameters", std::move(parameters)}};
  std::string bytes;
  json::to_cbor(stored, bytes);
  write_file(path, bytes);
}

TrainedModel load_model(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  try {
    const json stored = json::from_cbor(bytes);
    if (!stored.is_object() || stored.value("format", "") != kFormat) {
      throw std::invalid_argument("it is something else");
    }
    return model_from(stored);
  } catch (const std::exception& error) {  // nlohmann's and those above
    throw InputError(
        path.string(), 0,
        std::string("not a model that --save has written, or damaged: ") + error.what());
  }
}

}  // namespace equipoise::demos
