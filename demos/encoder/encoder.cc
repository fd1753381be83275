#include "demos/encoder/encoder.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <torch/nn/functional/activation.h>
#include <torch/nn/functional/dropout.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/encoder/safetensors.h"

namespace equipoise::demos {

namespace {

using torch::Tensor;
namespace nn = torch::nn;

nn::LayerNorm make_norm(const EncoderOptions& options) {
  return nn::LayerNorm(nn::LayerNormOptions({options.width}).eps(options.epsilon));
}

// A module of that name under another one, which holds modules and computes nothing.
std::shared_ptr<nn::Module> under(nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<nn::Module>());
}

class LayerImpl : public nn::Module {
 public:
  explicit LayerImpl(const EncoderOptions& options)
      : heads_(options.heads),
        dropout_(options.dropout),
        attention_dropout_(options.attention_dropout) {
    const auto attention = under(*this, "attention");
    const auto self = under(*attention, "self");
    const auto linear = [](nn::Module& parent, const char* name, std::int64_t in,
                           std::int64_t out) {
      return parent.register_module(name, nn::Linear(in, out));
    };
    const std::int64_t width = options.width;
    query_ = linear(*self, "query", width, width);
    key_ = linear(*self, "key", width, width);
    value_ = linear(*self, "value", width, width);
    const auto after = under(*attention, "output");
    mixed_ = linear(*after, "dense", width, width);
    mixed_norm_ = after->register_module("LayerNorm", make_norm(options));
    inner_ = linear(*under(*this, "intermediate"), "dense", width, options.inner_width);
    const auto output = under(*this, "output");
    outer_ = linear(*output, "dense", options.inner_width, width);
    outer_norm_ = output->register_module("LayerNorm", make_norm(options));
  }

  // `hidden` [N, 1, 1, T] is added to the scores of attention: minus infinity for padding.
  Tensor forward(const Tensor& states, const Tensor& hidden) {
    const auto by_head = [&](const Tensor& all) {
      return all.view({all.size(0), all.size(1), heads_, -1}).transpose(1, 2);
    };
    const Tensor query = by_head(query_(states));
    const double scale = 1 / std::sqrt(static_cast<double>(query.size(-1)));
    const Tensor scores = torch::matmul(query * scale, by_head(key_(states)).transpose(-1, -2));
    const Tensor attention =
        torch::dropout(torch::softmax(scores + hidden, -1), attention_dropout_, is_training());
    const Tensor mixed =
        torch::matmul(attention, by_head(value_(states))).transpose(1, 2).flatten(2);
    const Tensor between = mixed_norm_(states + drop(mixed_(mixed)));
    return outer_norm_(between + drop(outer_(torch::gelu(inner_(between)))));
  }

 private:
  Tensor drop(const Tensor& states) const {
    return torch::dropout(states, dropout_, is_training());
  }

  std::int64_t heads_;
  double dropout_;
  double attention_dropout_;
  nn::Linear query_ = nullptr;
  nn::Linear key_ = nullptr;
  nn::Linear value_ = nullptr;
  nn::Linear mixed_ = nullptr;
  nn::LayerNorm mixed_norm_ = nullptr;
  nn::Linear inner_ = nullptr;
  nn::Linear outer_ = nullptr;
  nn::LayerNorm outer_norm_ = nullptr;
};

// The parameters of an encoder but for biases and normalisations.
double least_numbers(const EncoderOptions& options) {
  const auto real = [](std::int64_t size) { return static_cast<double>(size); };
  const double rows = real(options.vocabulary) + real(options.positions) + real(options.types);
  const double of_layer = 4 * real(options.width) + 2 * real(options.inner_width);
  return real(options.width) * (rows + real(options.layers) * of_layer);
}

using Stored = std::map<std::string, StoredTensor>;

// Under its name, with a prefix, or with what older files call the parameters of normalisations.
Stored::const_iterator find_tensor(const Stored& stored, const std::string& key) {
  std::string old = key;
  for (const auto& [now, before] : {std::pair("LayerNorm.weight", "LayerNorm.gamma"),
                                    std::pair("LayerNorm.bias", "LayerNorm.beta")}) {
    if (!key.ends_with(now)) continue;
    old = key.substr(0, key.size() - std::string_view(now).size()) + before;
  }
  for (const std::string& name : {key, "bert." + key, old, "bert." + old}) {
    const auto found = stored.find(name);
    if (found != stored.end()) return found;
  }
  return stored.end();
}

std::string shape_text(c10::IntArrayRef shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

}  // namespace

EncoderOptions read_encoder_options(const std::filesystem::path& file) {
  const auto fail = [&](const std::string& reason) { throw InputError(file.string(), 0, reason); };
  const nlohmann::json config =
      nlohmann::json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) fail("expected the configuration of an encoder, a JSON object");
  const auto size = [&](const char* name) {
    constexpr std::int64_t kMost = 1 << 24;
    const auto found = config.find(name);
    if (found == config.end() || !found->is_number_integer() || *found < 1 || *found > kMost) {
      fail(absl::StrCat("expected ", name, ", a number from 1 to ", kMost));
    }
    return found->get<std::int64_t>();
  };
  EncoderOptions options;
  options.vocabulary = size("vocab_size");
  options.width = size("hidden_size");
  options.layers = size("num_hidden_layers");
  options.heads = size("num_attention_heads");
  options.inner_width = size("intermediate_size");
  options.positions = size("max_position_embeddings");
  options.types = size("type_vocab_size");
  if (options.width % options.heads != 0) {
    fail(absl::StrCat("hidden_size ", options.width, " cannot be parted among ", options.heads,
                      " heads"));
  }
  const auto require = [&](const char* name, const char* value) {
    const auto found = config.find(name);
    if (found != config.end() && *found != value) fail(absl::StrCat(name, ": expected ", value));
  };
  require("hidden_act", "gelu");
  require("position_embedding_type", "absolute");
  const auto number = [&](const char* name, double usual) {
    const auto found = config.find(name);
    if (found == config.end()) return usual;
    if (!found->is_number() || *found < 0 || *found >= 1) {
      fail(absl::StrCat(name, ": expected a number from 0, below 1"));
    }
    return found->get<double>();
  };
  options.epsilon = number("layer_norm_eps", options.epsilon);
  options.dropout = number("hidden_dropout_prob", options.dropout);
  options.attention_dropout = number("attention_probs_dropout_prob", options.attention_dropout);
  return options;
}

EncoderImpl::EncoderImpl(const EncoderOptions& options) : options_(options) {
  const auto embeddings = under(*this, "embeddings");
  const auto table = [&](const char* name, std::int64_t rows) {
    return embeddings->register_module(name, nn::Embedding(rows, options.width));
  };
  words_ = table("word_embeddings", options.vocabulary);
  positions_ = table("position_embeddings", options.positions);
  types_ = table("token_type_embeddings", options.types);
  norm_ = embeddings->register_module("LayerNorm", make_norm(options));
  layers_ = under(*this, "encoder")->register_module("layer", nn::ModuleList());
  for (std::int64_t i = 0; i < options.layers; ++i) {
    layers_->push_back(std::make_shared<LayerImpl>(options));
  }
}

Tensor EncoderImpl::drop(const Tensor& states) const {
  return torch::dropout(states, options_.dropout, is_training());
}

Tensor EncoderImpl::forward(const Tensor& ids, const Tensor& types, const Tensor& mask) {
  TORCH_CHECK(ids.dim() == 2 && ids.size(1) <= options_.positions,
              "encoder: expected [N, T] with T <= ", options_.positions, ", got ", ids.sizes());
  const Tensor places = torch::arange(ids.size(1), ids.options());
  Tensor states = drop(norm_(words_(ids) + types_(types) + positions_(places)));
  const Tensor hidden = torch::zeros(mask.sizes(), states.options())
                            .masked_fill(mask.logical_not(), std::numeric_limits<float>::lowest())
                            .unsqueeze(1)
                            .unsqueeze(1);
  for (const auto& layer : *layers_) states = layer->as<LayerImpl>()->forward(states, hidden);
  return states;
}

Encoder load_encoder(const std::filesystem::path& directory) {
  const EncoderOptions options = read_encoder_options(directory / "config.json");
  const std::string name = (directory / "model.safetensors").string();
  const std::string file = read_file(directory / "model.safetensors");
  const std::map<std::string, StoredTensor> stored = parse_safetensors(file, name);
  if (least_numbers(options) > static_cast<double>(file.size()) / 2) {
    throw InputError(name, 0, "there are fewer numbers than config.json says");
  }
  Encoder encoder(options);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : encoder->named_parameters()) {
    const auto found = find_tensor(stored, parameter.key());
    if (found == stored.end()) throw InputError(name, 0, "there is no tensor " + parameter.key());
    if (parameter->sizes() != c10::IntArrayRef(found->second.shape)) {
      throw InputError(name, 0,
                       absl::StrCat("tensor ", parameter.key(), " has the shape ",
                                    shape_text(found->second.shape), ", expected ",
                                    shape_text(parameter->sizes())));
    }
    std::vector<float> values = to_floats(found->second, name);
    parameter->copy_(torch::from_blob(values.data(), parameter->sizes()));
  }
  encoder->eval();
  return encoder;
}

Tensor mean_of_pieces(const Tensor& states, const Tensor& mask) {
  const Tensor weight = mask.to(states.scalar_type()).unsqueeze(-1);
  return (states * weight).sum(1) / weight.sum(1).clamp_min(1);
}

}  // namespace equipoise::demos
