#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "demos/common/model_file.h"
#include "demos/common/trainer.h"
#include "demos/ner/tagger.h"
#include "demos/ner/tagger_features.h"
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

// Words by number, 1 for the first; 0 for all others.
class Vocabulary {
 public:
  explicit Vocabulary(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      numbers_.emplace(words_[i], static_cast<std::int64_t>(i) + 1);
    }
  }
  std::int64_t operator[](const std::string& form) const {
    const auto place = numbers_.find(form);
    return place == numbers_.end() ? kUnknown : place->second;
  }
  const std::vector<std::string>& words() const { return words_; }

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::int64_t> numbers_;
};

// Words that occur at least twice: of the others, the unknown word learns.
std::vector<std::string> frequent_words(const TaggedPart& part) {
  std::map<std::string, int> counts;
  for (const TaggedSentence& sentence : part.sentences) {
    for (const std::string& token : sentence.tokens) ++counts[lookup_form(token)];
  }
  std::vector<std::string> words;
  for (const auto& [word, count] : counts) {
    if (count > 1) words.push_back(word);
  }
  return words;
}

// Sentences as numbers of words and of their parts.
class SentenceSet final : public Dataset {
 public:
  SentenceSet(const TaggedPart& part, const Vocabulary& words,
              const std::vector<double>& weights = {})
      : part_(part), weights_(weights) {
    part_starts_.push_back(0);
    for (const TaggedSentence& sentence : part.sentences) {
      for (const std::string& token : sentence.tokens) {
        words_.push_back(words[lookup_form(token)]);
        const std::vector<std::int64_t> own = parts_of_word(token);
        parts_.insert(parts_.end(), own.begin(), own.end());
        part_starts_.push_back(parts_.size());
      }
    }
  }

  std::size_t units() const override { return part_.sentences.size(); }
  std::size_t rows(std::size_t unit) const override {
    return part_.offsets[unit + 1] - part_.offsets[unit];
  }

  // Inputs: words [R], parts of words, where those of each word start [R], for each token its place
  // in sentences of equal length [R], and the lengths of sentences [B].
  Batch batch(std::span<const std::size_t> units) const override {
    std::size_t longest = 1;
    for (const std::size_t unit : units) longest = std::max(longest, rows(unit));
    std::vector<std::int64_t> words;
    std::vector<std::int64_t> parts;
    std::vector<std::int64_t> starts;
    std::vector<std::int64_t> places;
    std::vector<std::int64_t> lengths;
    std::vector<std::int64_t> tags;
    std::vector<double> weights;
    for (std::size_t b = 0; b < units.size(); ++b) {
      const std::size_t begin = part_.offsets[units[b]];
      lengths.push_back(static_cast<std::int64_t>(rows(units[b])));
      for (std::size_t i = begin; i < part_.offsets[units[b] + 1]; ++i) {
        words.push_back(words_[i]);
        starts.push_back(static_cast<std::int64_t>(parts.size()));
        parts.insert(parts.end(), parts_.begin() + static_cast<std::ptrdiff_t>(part_starts_[i]),
                     parts_.begin() + static_cast<std::ptrdiff_t>(part_starts_[i + 1]));
        places.push_back(static_cast<std::int64_t>(b * longest + (i - begin)));
        tags.push_back(part_.tags[i]);
        if (!weights_.empty()) weights.push_back(weights_[i]);
      }
    }
    Batch batch{{tensor_of(words), tensor_of(parts), tensor_of(starts), tensor_of(places),
                 tensor_of(lengths)},
                tensor_of(tags)};
    if (!weights.empty()) batch.weights = at::tensor(at::ArrayRef<double>(weights), at::kDouble);
    return batch;
  }

 private:
  const TaggedPart& part_;
  std::vector<double> weights_;
  std::vector<std::int64_t> words_;
  std::vector<std::int64_t> parts_;
  std::vector<std::size_t> part_starts_;
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

class NeuralTagger final : public Tagger {
 public:
  NeuralTagger(const TaggerOptions& options, const TaggingTask& task)
      : options_(options),
        device_(device_of(options.device)),
        workers_(options.workers ? options.workers : std::make_shared<const Workers>()),
        tags_(task.tags.size()),
        vocabulary_(frequent_words(task.train)) {
    make_network();
  }

  Fit fit(const TaggedPart& train, const TaggedPart& validation, const std::vector<double>& weights,
          const Objective& objective, const TrainingOptions& options, const Validate& validate,
          Progress& progress) override {
    auto optimizer = std::make_unique<torch::optim::Adam>(network_->parameters(),
                                                          torch::optim::AdamOptions(options.rate));
    return Trainer(network_, std::move(optimizer), options, workers_)
        .fit(SentenceSet(train, vocabulary_, weights), SentenceSet(validation, vocabulary_),
             objective, validate, progress);
  }

  Fit fit_head(const TaggedPart& train, const TaggedPart& validation, const Objective& objective,
               const TrainingOptions& options, const Validate& validate,
               Progress& progress) override {
    torch::manual_seed(options_.seed);  // the same head, whatever has been drawn before
    auto retraining = libtorch::retrain_head(
        *network_, *network_->head, [](torch::nn::LinearImpl& head) { head.reset_parameters(); });
    network_->trains_head_only = true;
    auto optimizer = std::make_unique<torch::optim::Adam>(
        retraining.parameters(), torch::optim::AdamOptions(kHeadRate * options.rate));
    Fit fit = Trainer(network_, std::move(optimizer), options, workers_)
                  .fit(SentenceSet(train, vocabulary_), SentenceSet(validation, vocabulary_),
                       objective, validate, progress);
    network_->trains_head_only = false;
    return fit;
  }

  Logits logits(const TaggedPart& part) const override {
    return predict(*network_, SentenceSet(part, vocabulary_), device_, *workers_);
  }

  SavedModel save() const override {
    return {{{"words", vocabulary_.words()}}, parameters_of(*network_)};
  }
  void restore(const SavedModel& model) override {
    vocabulary_ = Vocabulary(model.facts.at("words").get<std::vector<std::string>>());
    make_network();
    set_parameters_of(*network_, model.parameters);
  }

 private:
  void make_network() {
    torch::manual_seed(options_.seed);
    network_ = std::make_shared<TaggerNetwork>(options_.model == "bilstm",
                                               vocabulary_.words().size(), tags_);
    network_->to(device_);
  }

  TaggerOptions options_;
  at::Device device_;
  std::shared_ptr<const Workers> workers_;
  std::size_t tags_;
  Vocabulary vocabulary_;
  std::shared_ptr<TaggerNetwork> network_;
};

}  // namespace

std::unique_ptr<Tagger> make_neural_tagger(const TaggerOptions& options, const TaggingTask& task) {
  return std::make_unique<NeuralTagger>(options, task);
}

}  // namespace equipoise::demos
