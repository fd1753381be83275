#include "demos/encoder/encoder_learner.h"

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <functional>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/trainer.h"
#include "demos/encoder/encoder.h"
#include "demos/encoder/word_piece.h"
#include "equipoise/libtorch/resampling.h"
#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smote.h"

namespace equipoise::demos {

class FrozenStates {
 public:
  /// Those of the same texts and places, computed at the first time.
  at::Tensor find(const Examples& examples, const std::function<at::Tensor()>& compute) {
    const auto [found, is_new] =
        states_.try_emplace({examples.pieces, examples.seconds, examples.places});
    if (is_new) found->second = compute();
    return found->second;
  }

 private:
  using Texts = std::tuple<std::vector<std::vector<std::int64_t>>, std::vector<std::size_t>,
                           std::vector<PiecePlace>>;
  std::map<Texts, at::Tensor> states_;
};

namespace {

constexpr double kWeightDecay = 0.01;
constexpr double kHeadRate = 20;
constexpr double kHeadDeviation = 0.02;
// Rows that pass through the encoder together, the shortest of a batch first.
constexpr std::size_t kGroup = 8;

// Texts as pieces: the shortest of a batch first, in groups as wide as their longest. Inputs: where
// each row is among what the groups give, then of each group ids and types.
class PieceSet final : public ExampleSet {
 public:
  PieceSet(const Examples& examples, bool reads_places) : ExampleSet(examples) {
    if (reads_places == examples.places.empty()) {
      throw std::invalid_argument(reads_places ? "PieceSet: rows have no places"
                                               : "PieceSet: rows have places");
    }
  }

 private:
  std::vector<at::Tensor> inputs_of(std::span<const std::size_t> rows,
                                    std::span<const std::size_t> /*units*/) const override {
    std::vector<std::size_t> texts;     // of the batch
    std::vector<std::size_t> own_text;  // of each row, among these
    for (const std::size_t row : rows) {
      const std::size_t text = examples_.places.empty() ? row : examples_.places[row].text;
      if (texts.empty() || texts.back() != text) texts.push_back(text);
      own_text.push_back(texts.size() - 1);
    }
    std::vector<std::size_t> order(texts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return examples_.pieces[texts[a]].size() < examples_.pieces[texts[b]].size();
    });
    std::vector<at::Tensor> inputs(1);
    std::vector<std::size_t> start(texts.size());  // where what is made of a text begins
    std::size_t made = 0;
    for (std::size_t begin = 0; begin < order.size(); begin += kGroup) {
      const std::size_t count = std::min(kGroup, order.size() - begin);
      const std::size_t length = examples_.pieces[texts[order[begin + count - 1]]].size();
      for (std::size_t i = begin; i < begin + count; ++i) {
        start[order[i]] = made;
        made += examples_.places.empty() ? 1 : length;
      }
      add_group(texts, std::span(order).subspan(begin, count), length, inputs);
    }
    std::vector<std::int64_t> at;
    for (std::size_t i = 0; const std::size_t row : rows) {
      const std::size_t piece = examples_.places.empty() ? 0 : examples_.places[row].piece;
      at.push_back(static_cast<std::int64_t>(start[own_text[i++]] + piece));
    }
    inputs[0] = tensor_of(at);
    return inputs;
  }

  void add_group(std::span<const std::size_t> texts, std::span<const std::size_t> group,
                 std::size_t length, std::vector<at::Tensor>& inputs) const {
    std::vector<std::int64_t> ids(group.size() * length, kPaddingPiece);
    std::vector<std::int64_t> types(ids.size(), 0);
    for (std::size_t i = 0; i < group.size(); ++i) {
      const std::vector<std::int64_t>& pieces = examples_.pieces[texts[group[i]]];
      const auto begin = static_cast<std::ptrdiff_t>(i * length);
      std::copy(pieces.begin(), pieces.end(), ids.begin() + begin);
      if (examples_.seconds.empty()) continue;
      const auto second = static_cast<std::ptrdiff_t>(examples_.seconds[texts[group[i]]]);
      std::fill(types.begin() + begin + second,
                types.begin() + begin + static_cast<std::ptrdiff_t>(pieces.size()), 1);
    }
    for (const std::vector<std::int64_t>& each : {ids, types}) {
      inputs.push_back(tensor_of(each).view({static_cast<std::int64_t>(group.size()), -1}));
    }
  }
};

// Rows whose states are known.
class StateSet final : public ExampleSet {
 public:
  StateSet(const Examples& examples, at::Tensor states)
      : ExampleSet(examples), states_(std::move(states)) {}

 private:
  std::vector<at::Tensor> inputs_of(std::span<const std::size_t> rows,
                                    std::span<const std::size_t> /*units*/) const override {
    return {states_.index_select(0, tensor_of({rows.begin(), rows.end()}))};
  }

  at::Tensor states_;
};

// Rows with those of SMOTE behind them, class by class.
std::pair<Examples, at::Tensor> with_synthetic_rows(const Examples& given, const at::Tensor& states,
                                                    std::span<const std::uint64_t> targets,
                                                    std::uint64_t seed) {
  const at::Tensor all = states.contiguous();
  const MatrixView<const float> view(all.data_ptr<float>(), given.rows(),
                                     static_cast<std::size_t>(all.size(1)));
  const resampling::RecipeStream stream(
      resampling::Smote{.few_rows = resampling::FewRows::kClip}(view, given.targets, targets),
      seed);
  std::vector<resampling::Recipe> recipes = stream.epoch(0);
  const auto class_of = [&](const resampling::Recipe& recipe) {
    return given.targets[recipe.base];
  };
  std::ranges::stable_sort(recipes, {}, class_of);
  Examples rows;
  rows.targets = given.targets;
  for (const resampling::Recipe& recipe : recipes) rows.targets.push_back(class_of(recipe));
  rows.pieces.resize(rows.targets.size());  // their texts are of no use
  return {std::move(rows),
          at::cat({all, libtorch::synthesize(libtorch::recipe_tensors(recipes), all)})};
}

// The states that rows are read from.
class StateNetwork final : public Network {
 public:
  StateNetwork(Encoder loaded, bool reads_places)
      : encoder(std::move(loaded)), reads_places_(reads_places) {
    register_module("encoder", encoder);
  }

  at::Tensor forward(const Batch& batch) override {
    std::vector<at::Tensor> made;
    for (std::size_t i = 1; i < batch.inputs.size(); i += 2) {
      const at::Tensor& ids = batch.inputs[i];
      const at::Tensor mask = ids.ne(kPaddingPiece);
      const at::Tensor states = encoder->forward(ids, batch.inputs[i + 1], mask);
      made.push_back(reads_places_ ? states.flatten(0, 1) : mean_of_pieces(states, mask));
    }
    return torch::cat(made).index_select(0, batch.inputs[0]);
  }
  std::size_t classes() const override {
    return static_cast<std::size_t>(encoder->options().width);
  }

  Encoder encoder;

 private:
  bool reads_places_;
};

// A linear layer behind dropout, on states that are the batch's one input.
class HeadNetwork final : public Network {
 public:
  HeadNetwork(const EncoderOptions& options, std::size_t classes)
      : head(options.width, static_cast<std::int64_t>(classes)), dropout_(options.dropout) {
    register_module("head", head);
    start_anew();
  }

  void start_anew() {
    const torch::NoGradGuard no_gradient;
    torch::nn::init::normal_(head->weight, 0.0, kHeadDeviation);
    torch::nn::init::zeros_(head->bias);
  }

  at::Tensor logits(const at::Tensor& states) {
    return head->forward(torch::dropout(states, dropout_, is_training()));
  }
  at::Tensor forward(const Batch& batch) override { return logits(batch.inputs[0]); }
  std::size_t classes() const override {
    return static_cast<std::size_t>(head->options.out_features());
  }

  torch::nn::Linear head;

 private:
  double dropout_;
};

// Both, under the names that the encoder and the head have.
class EncoderNetwork final : public Network {
 public:
  EncoderNetwork(const Encoder& loaded, bool reads_places, std::size_t classes)
      : states(std::make_shared<StateNetwork>(loaded, reads_places)),
        top(std::make_shared<HeadNetwork>(loaded->options(), classes)) {
    register_module("encoder", states->encoder);
    register_module("head", top->head);
  }

  at::Tensor forward(const Batch& batch) override { return top->logits(states->forward(batch)); }
  std::size_t classes() const override { return top->classes(); }

  // Those of the modules that hold its own.
  void train(bool on = true) override {
    torch::nn::Module::train(on);
    states->train(on);
    top->train(on);
  }

  std::shared_ptr<StateNetwork> states;
  std::shared_ptr<HeadNetwork> top;
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
            : rate * std::pow(layer_decay,
                              layers_above(name, network.states->encoder->options().layers));
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
      : options_(options),
        device_(device_of(options.device)),
        workers_(options.workers ? options.workers : std::make_shared<const Workers>()) {
    const Encoder encoder = load_encoder(options.directory);
    require_room(options, encoder->options());
    torch::manual_seed(options.seed);
    network_ = std::make_shared<EncoderNetwork>(encoder, options.reads_places, options.classes);
    network_->to(device_);
  }

  Fit fit(const Examples& train, const Examples& validation, const Objective& objective,
          const TrainingOptions& options, const Validate& validate, Progress& progress) override {
    if (options_.frozen)
      return train_head(train, validation, objective, options, validate, progress);
    return Trainer(network_, make_optimizer(*network_, options.rate, options_.layer_decay), options,
                   workers_)
        .fit(pieces_of(train), pieces_of(validation), objective, validate, progress);
  }

  Fit fit_head(const Examples& train, const Examples& validation, const Objective& objective,
               const TrainingOptions& options, const Validate& validate,
               Progress& progress) override {
    torch::manual_seed(options_.seed);  // the same head, whatever has been drawn before
    network_->top->start_anew();
    return train_head(train, validation, objective, options, validate, progress);
  }

  Logits logits(const Examples& examples) const override {
    if (!options_.frozen) return predict(*network_, pieces_of(examples), device_, *workers_);
    return predict(*network_->top, StateSet(examples, states_of(examples)), device_, *workers_);
  }

  std::vector<Parameter> parameters() const override { return parameters_of(*network_); }
  void set_parameters(const std::vector<Parameter>& parameters) override {
    set_parameters_of(*network_, parameters);
  }

 private:
  PieceSet pieces_of(const Examples& examples) const { return {examples, options_.reads_places}; }

  at::Tensor states_of(const Examples& examples) const {
    const auto compute = [&] {
      const Logits states = predict(*network_->states, pieces_of(examples), device_, *workers_);
      return torch::tensor(states.values).view({-1, network_->states->encoder->options().width});
    };
    return options_.frozen ? options_.frozen->find(examples, compute) : compute();
  }

  Fit train_head(const Examples& train, const Examples& validation, const Objective& objective,
                 const TrainingOptions& options, const Validate& validate, Progress& progress) {
    const double rate = kHeadRate * options.rate;
    const auto group = [&](const at::Tensor& parameter, double decay) {
      return torch::optim::OptimizerParamGroup(
          {parameter}, std::make_unique<torch::optim::AdamWOptions>(
                           torch::optim::AdamWOptions(rate).weight_decay(decay)));
    };
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.push_back(group(network_->top->head->weight, kWeightDecay));
    groups.push_back(group(network_->top->head->bias, 0));
    auto optimizer =
        std::make_unique<torch::optim::AdamW>(std::move(groups), torch::optim::AdamWOptions(rate));
    const StateSet known(validation, states_of(validation));
    Trainer trainer(network_->top, std::move(optimizer), options, workers_);
    if (objective.smote_targets.empty()) {
      return trainer.fit(StateSet(train, states_of(train)), known, objective, validate, progress);
    }
    const auto [rows, states] =
        with_synthetic_rows(train, states_of(train), objective.smote_targets, options.seed);
    return trainer.fit(StateSet(rows, states), known, objective, validate, progress);
  }

  EncoderLearnerOptions options_;
  at::Device device_;
  std::shared_ptr<const Workers> workers_;
  std::shared_ptr<EncoderNetwork> network_;
};

}  // namespace

std::shared_ptr<FrozenStates> make_frozen_states() { return std::make_shared<FrozenStates>(); }

std::unique_ptr<Learner> make_encoder_learner(const EncoderLearnerOptions& options) {
  return std::make_unique<EncoderLearner>(options);
}

}  // namespace equipoise::demos
