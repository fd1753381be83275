#include "demos/encoder/encoder_learner.h"

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/trainer.h"
#include "demos/encoder/encoder.h"
#include "demos/encoder/word_piece.h"

namespace equipoise::demos {

namespace {

constexpr double kWeightDecay = 0.01;
constexpr double kHeadRate = 20;
constexpr double kHeadDeviation = 0.02;
// Rows that pass through the encoder together, the shortest of a batch first.
constexpr std::size_t kGroup = 8;

// Texts as pieces: where each row of the batch is among the sorted ones, and groups of these, each
// as wide as its longest.
class PieceSet final : public Dataset {
 public:
  explicit PieceSet(const Examples& examples) : examples_(examples) {
    if (!examples.groups.empty() || !examples.weights.empty() || !examples.unit_starts.empty()) {
      throw std::invalid_argument("PieceSet: groups, weights and units are not for an encoder");
    }
  }

  std::size_t units() const override { return examples_.units(); }
  std::size_t rows(std::size_t) const override { return 1; }

  Batch batch(std::span<const std::size_t> units) const override {
    std::vector<std::size_t> order(units.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return examples_.pieces[units[a]].size() < examples_.pieces[units[b]].size();
    });
    std::vector<std::int64_t> place(units.size());
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::int64_t>(i);
    Batch batch{{tensor_of(place)}, targets_of(units)};
    for (std::size_t begin = 0; begin < order.size(); begin += kGroup) {
      const std::size_t end = std::min(begin + kGroup, order.size());
      const std::size_t length = examples_.pieces[units[order[end - 1]]].size();
      std::vector<std::int64_t> ids((end - begin) * length, kPaddingPiece);
      for (std::size_t i = begin; i < end; ++i) {
        const std::vector<std::int64_t>& pieces = examples_.pieces[units[order[i]]];
        std::copy(pieces.begin(), pieces.end(),
                  ids.begin() + static_cast<std::ptrdiff_t>((i - begin) * length));
      }
      batch.inputs.push_back(tensor_of(ids).view(
          {static_cast<std::int64_t>(end - begin), static_cast<std::int64_t>(length)}));
    }
    return batch;
  }

 private:
  at::Tensor targets_of(std::span<const std::size_t> units) const {
    const std::size_t width = std::max<std::size_t>(examples_.labels, 1);
    std::vector<std::int64_t> targets;
    for (const std::size_t unit : units) {
      for (std::size_t l = 0; l < width && !examples_.targets.empty(); ++l) {
        targets.push_back(examples_.targets[unit * width + l]);
      }
    }
    const at::Tensor all = tensor_of(targets);
    return examples_.labels > 0 ? all.view({-1, static_cast<std::int64_t>(width)}) : all;
  }

  const Examples& examples_;
};

class EncoderNetwork final : public Network {
 public:
  EncoderNetwork(Encoder loaded, std::size_t classes)
      : encoder(std::move(loaded)), classes_(classes) {
    register_module("encoder", encoder);
    head = register_module(
        "head", torch::nn::Linear(encoder->options().width, static_cast<std::int64_t>(classes)));
    const torch::NoGradGuard no_gradient;
    torch::nn::init::normal_(head->weight, 0.0, kHeadDeviation);
    torch::nn::init::zeros_(head->bias);
  }

  at::Tensor forward(const Batch& batch) override {
    std::vector<at::Tensor> means;
    for (std::size_t i = 1; i < batch.inputs.size(); ++i) {
      const at::Tensor& ids = batch.inputs[i];
      const at::Tensor mask = ids.ne(kPaddingPiece);
      means.push_back(mean_of_pieces(encoder->forward(ids, torch::zeros_like(ids), mask), mask));
    }
    const at::Tensor rows = torch::cat(means).index_select(0, batch.inputs[0]);
    return head->forward(torch::dropout(rows, encoder->options().dropout, is_training()));
  }
  std::size_t classes() const override { return classes_; }

  Encoder encoder;
  torch::nn::Linear head = nullptr;

 private:
  std::size_t classes_;
};

// How many layers lie above a parameter's: none above the top one, all above the embeddings.
std::int64_t layers_above(const std::string& name, std::int64_t layers) {
  constexpr std::string_view kPrefix = "encoder.encoder.layer.";
  if (!absl::StartsWith(name, std::string(kPrefix))) return layers;
  const std::size_t end = name.find('.', kPrefix.size());
  std::int64_t layer = 0;
  return absl::SimpleAtoi(name.substr(kPrefix.size(), end - kPrefix.size()), &layer)
             ? layers - 1 - layer
             : layers;
}

// Parameters of the given rate first: it is what the log shows.
std::unique_ptr<torch::optim::Optimizer> make_optimizer(const EncoderNetwork& network, double rate,
                                                        double layer_decay) {
  struct Kind {
    bool has_another_rate;
    double rate;
    bool is_spared;

    auto operator<=>(const Kind&) const = default;
  };
  std::map<Kind, std::vector<at::Tensor>> groups;
  for (const auto& parameter : network.named_parameters()) {
    const std::string& name = parameter.key();
    const bool is_spared = absl::EndsWith(name, "bias") || absl::StrContains(name, "LayerNorm");
    const double own_rate =
        absl::StartsWith(name, "head.")
            ? kHeadRate * rate
            : rate * std::pow(layer_decay, layers_above(name, network.encoder->options().layers));
    groups[{own_rate != rate, own_rate, is_spared}].push_back(parameter.value());
  }
  std::vector<torch::optim::OptimizerParamGroup> all;
  for (auto& [kind, parameters] : groups) {
    all.emplace_back(std::move(parameters), std::make_unique<torch::optim::AdamWOptions>(
                                                torch::optim::AdamWOptions(kind.rate).weight_decay(
                                                    kind.is_spared ? 0.0 : kWeightDecay)));
  }
  return std::make_unique<torch::optim::AdamW>(std::move(all), torch::optim::AdamWOptions(rate));
}

void require_room(const EncoderLearnerOptions& options, const EncoderOptions& encoder) {
  const std::string config = (options.directory / "config.json").string();
  if (options.pieces > static_cast<std::size_t>(encoder.vocabulary)) {
    throw InputError(config, 0,
                     absl::StrCat("vocab_size is ", encoder.vocabulary, ", but vocab.txt has ",
                                  options.pieces, " pieces"));
  }
  if (options.most_pieces > static_cast<std::size_t>(encoder.positions)) {
    throw InputError(absl::StrCat("--most_pieces=", options.most_pieces, ": this encoder reads ",
                                  encoder.positions, " at most"));
  }
}

class EncoderLearner final : public Learner {
 public:
  explicit EncoderLearner(const EncoderLearnerOptions& options)
      : device_(device_of(options.device)),
        layer_decay_(options.layer_decay),
        workers_(options.workers ? options.workers : std::make_shared<const Workers>()) {
    const Encoder encoder = load_encoder(options.directory);
    require_room(options, encoder->options());
    torch::manual_seed(options.seed);
    network_ = std::make_shared<EncoderNetwork>(encoder, options.classes);
    network_->to(device_);
  }

  Fit fit(const Examples& train, const Examples& validation, const Objective& objective,
          const TrainingOptions& options, const Validate& validate, Progress& progress) override {
    return Trainer(network_, make_optimizer(*network_, options.rate, layer_decay_), options,
                   workers_)
        .fit(PieceSet(train), PieceSet(validation), objective, validate, progress);
  }

  Logits logits(const Examples& examples) const override {
    return predict(*network_, PieceSet(examples), device_, *workers_);
  }

  std::vector<Parameter> parameters() const override { return parameters_of(*network_); }
  void set_parameters(const std::vector<Parameter>& parameters) override {
    set_parameters_of(*network_, parameters);
  }

 private:
  at::Device device_;
  double layer_decay_;
  std::shared_ptr<const Workers> workers_;
  std::shared_ptr<EncoderNetwork> network_;
};

}  // namespace

std::unique_ptr<Learner> make_encoder_learner(const EncoderLearnerOptions& options) {
  return std::make_unique<EncoderLearner>(options);
}

}  // namespace equipoise::demos
