#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "demos/common/trainer.h"
#include "demos/ner/token_features.h"
#include "equipoise/libtorch/heads.h"

namespace equipoise::demos {

namespace {

constexpr std::int64_t kUnknown = 0;  // the word of words that training has not met
constexpr std::int64_t kWordWidth = 64;
constexpr std::int64_t kPartWidth = 64;
constexpr std::int64_t kHidden = 96;  // a direction
constexpr double kDropout = 0.5;
constexpr double kWordDropout = 0.05;  // words taken for unknown in training
constexpr double kHeadRate = 0.5;      // of the first training's rate, for the head alone

// Rows of word_features(). Inputs: words [R], parts of words, where those of each word start [R],
// for each token its place in sentences of equal length [R], and the lengths of sentences [B].
class SentenceSet final : public ExampleSet {
 public:
  using ExampleSet::ExampleSet;

 private:
  std::vector<at::Tensor> inputs_of(std::span<const std::size_t> rows_of_units,
                                    std::span<const std::size_t> units) const override {
    std::size_t longest = 1;
    for (const std::size_t unit : units) longest = std::max(longest, rows(unit));
    std::vector<std::int64_t> words;
    std::vector<std::int64_t> parts;
    std::vector<std::int64_t> starts;
    for (const std::size_t row : rows_of_units) {
      const auto columns = examples_.features.columns_of(row);
      words.push_back(columns.front());
      starts.push_back(static_cast<std::int64_t>(parts.size()));
      parts.insert(parts.end(), columns.begin() + 1, columns.end());
    }
    std::vector<std::int64_t> places;
    std::vector<std::int64_t> lengths;
    for (std::size_t b = 0; b < units.size(); ++b) {
      lengths.push_back(static_cast<std::int64_t>(rows(units[b])));
      for (std::size_t i = 0; i < rows(units[b]); ++i) {
        places.push_back(static_cast<std::int64_t>(b * longest + i));
      }
    }
    return {tensor_of(words), tensor_of(parts), tensor_of(starts), tensor_of(places),
            tensor_of(lengths)};
  }
};

class TaggerNetwork final : public Network {
 public:
  TaggerNetwork(bool recurrent, std::size_t words, std::size_t tags) : tags_(tags) {
    words_ = register_module(
        "words", torch::nn::Embedding(static_cast<std::int64_t>(words) + 1, kWordWidth));
    parts_ = register_module(
        "parts", torch::nn::EmbeddingBag(
                     torch::nn::EmbeddingBagOptions(kPartBuckets, kPartWidth).mode(torch::kMean)));
    constexpr std::int64_t kWidth = kWordWidth + kPartWidth;
    if (recurrent) {
      lstm_ = register_module(
          "lstm",
          torch::nn::LSTM(
              torch::nn::LSTMOptions(kWidth, kHidden).bidirectional(true).batch_first(true)));
    } else {
      const auto layer = [](std::int64_t from) {
        return torch::nn::Conv1d(torch::nn::Conv1dOptions(from, 2 * kHidden, 3).padding(1));
      };
      convolutions_ =
          register_module("convolutions", torch::nn::ModuleList(layer(kWidth), layer(2 * kHidden)));
    }
    head = register_module("head", torch::nn::Linear(2 * kHidden, static_cast<std::int64_t>(tags)));
    const torch::NoGradGuard no_gradient;
    torch::nn::init::normal_(words_->weight, 0.0, 0.1);
    torch::nn::init::normal_(parts_->weight, 0.0, 0.1);
  }

  at::Tensor forward(const Batch& batch) override {
    const at::Tensor& places = batch.inputs[3];
    const at::Tensor& lengths = batch.inputs[4];
    at::Tensor words = batch.inputs[0];
    if (is_training()) {
      const at::Tensor dropped = torch::rand(words.sizes(), words.device()).lt(kWordDropout);
      words = words.masked_fill(dropped, kUnknown);
    }
    const at::Tensor tokens = torch::dropout(
        torch::cat({words_->forward(words), parts_->forward(batch.inputs[1], batch.inputs[2])}, 1),
        kDropout, is_training());
    const std::int64_t sentences = lengths.size(0);
    const std::int64_t longest = lengths.max().item<std::int64_t>();
    const at::Tensor padded = torch::zeros({sentences * longest, tokens.size(1)}, tokens.options())
                                  .index_copy(0, places, tokens)
                                  .view({sentences, longest, tokens.size(1)});
    const at::Tensor states = lstm_.is_empty() ? convolve(padded, places) : read(padded, lengths);
    const at::Tensor own = states.reshape({sentences * longest, -1}).index_select(0, places);
    return head->forward(torch::dropout(own, kDropout, is_training()));
  }
  std::size_t classes() const override { return tags_; }

  // While the head alone is trained, all else stays in evaluation mode.
  void train(bool on = true) override {
    torch::nn::Module::train(on && !trains_head_only);
    head->train(on);
  }

  torch::nn::Linear head{nullptr};
  bool trains_head_only = false;

 private:
  at::Tensor read(const at::Tensor& padded, const at::Tensor& lengths) {
    namespace rnn = torch::nn::utils::rnn;
    const auto packed = rnn::pack_padded_sequence(padded, lengths.cpu(), /*batch_first=*/true,
                                                  /*enforce_sorted=*/false);
    const auto output = std::get<0>(lstm_->forward_with_packed_input(packed));
    return std::get<0>(rnn::pad_packed_sequence(output, /*batch_first=*/true, 0.0, padded.size(1)));
  }

  // What lies behind a sentence's end stays zero, as beyond the edge.
  at::Tensor convolve(const at::Tensor& padded, const at::Tensor& places) {
    const at::Tensor inside = torch::zeros({padded.size(0) * padded.size(1)}, padded.options())
                                  .index_fill(0, places, 1.0)
                                  .view({padded.size(0), 1, padded.size(1)});
    at::Tensor x = padded.transpose(1, 2);
    for (std::size_t i = 0; i < convolutions_->size(); ++i) {
      x = torch::relu(convolutions_->ptr<torch::nn::Conv1dImpl>(i)->forward(x)) * inside;
      x = torch::dropout(x, kDropout / 2, is_training());
    }
    return x.transpose(1, 2);
  }

  std::size_t tags_;
  torch::nn::Embedding words_{nullptr};
  torch::nn::EmbeddingBag parts_{nullptr};
  torch::nn::LSTM lstm_{nullptr};
  torch::nn::ModuleList convolutions_{nullptr};
};

class NeuralTagger final : public Learner {
 public:
  NeuralTagger(bool recurrent, const LearnerShape& shape, const std::string& device,
               std::uint64_t seed, std::shared_ptr<const Workers> workers)
      : seed_(seed),
        device_(device_of(device)),
        workers_(workers ? std::move(workers) : std::make_shared<const Workers>()) {
    torch::manual_seed(seed);
    network_ = std::make_shared<TaggerNetwork>(recurrent, shape.columns, shape.classes);
    network_->to(device_);
  }

  Fit fit(const Examples& train, const Examples& validation, const Objective& objective,
          const TrainingOptions& options, const Validate& validate, Progress& progress) override {
    auto optimizer = std::make_unique<torch::optim::Adam>(network_->parameters(),
                                                          torch::optim::AdamOptions(options.rate));
    return Trainer(network_, std::move(optimizer), options, workers_)
        .fit(SentenceSet(train), SentenceSet(validation), objective, validate, progress);
  }

  Fit fit_head(const Examples& train, const Examples& validation, const Objective& objective,
               const TrainingOptions& options, const Validate& validate,
               Progress& progress) override {
    torch::manual_seed(seed_);  // the same head, whatever has been drawn before
    auto retraining = libtorch::retrain_head(
        *network_, *network_->head, [](torch::nn::LinearImpl& head) { head.reset_parameters(); });
    network_->trains_head_only = true;
    auto optimizer = std::make_unique<torch::optim::Adam>(
        retraining.parameters(), torch::optim::AdamOptions(kHeadRate * options.rate));
    Fit fit = Trainer(network_, std::move(optimizer), options, workers_)
                  .fit(SentenceSet(train), SentenceSet(validation), objective, validate, progress);
    network_->trains_head_only = false;
    return fit;
  }

  Logits logits(const Examples& examples) const override {
    return predict(*network_, SentenceSet(examples), device_, *workers_);
  }
  std::vector<Parameter> parameters() const override { return parameters_of(*network_); }
  void set_parameters(const std::vector<Parameter>& parameters) override {
    set_parameters_of(*network_, parameters);
  }

 private:
  std::uint64_t seed_;
  at::Device device_;
  std::shared_ptr<const Workers> workers_;
  std::shared_ptr<TaggerNetwork> network_;
};

}  // namespace

std::unique_ptr<Learner> make_neural_tagger(const std::string& model, const LearnerShape& shape,
                                            const std::string& device, std::uint64_t seed,
                                            std::shared_ptr<const Workers> workers) {
  return std::make_unique<NeuralTagger>(model == "bilstm", shape, device, seed, std::move(workers));
}

}  // namespace equipoise::demos
