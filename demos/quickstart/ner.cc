// Named entities, where nearly every token is O: a loss with class weights. In PyTorch Lightning:
//
//   self.loss = nn.CrossEntropyLoss(weight=counts.pow(-0.5), ignore_index=-100)
//   def training_step(self, batch, i):
//     return self.loss(self(batch.words).flatten(0, 1), batch.tags.flatten())
//   Trainer(accumulate_grad_batches=2).fit(...)
//
// Exact here and not there: a step divides by the weight of all its tokens, so it is the same step
// however it is cut into parts or workers. There each part is divided by its own weight, and a part
// without entities pulls as hard as one that is full of them.
//
//   bazel run -c opt //demos/quickstart:ner -- TRAIN.conll DEV.conll TEST.conll
// Each line is a token, white space and a tag in IOB2; blank lines end sentences.
#include <equipoise/equipoise.h>
#include <equipoise/libtorch.h>
#include <torch/torch.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace eq = equipoise;
using torch::Tensor;
constexpr std::int64_t kFeatures = 1 << 15;

struct Sentence {
  std::vector<std::int64_t> features, tags;  // two features a token: the word, its ending
};

std::int64_t feature(const std::string& text) {
  return static_cast<std::int64_t>(std::hash<std::string>()(text) % kFeatures);
}

std::vector<Sentence> read(const std::string& path, std::vector<std::string>& tags, bool adds) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<Sentence> sentences(1);
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t") == std::string::npos) {
      if (!sentences.back().tags.empty()) sentences.emplace_back();
      continue;
    }
    const std::size_t tab = line.find_last_of(" \t");
    const std::string token = line.substr(0, tab), name = line.substr(tab + 1);
    const auto tag = std::find(tags.begin(), tags.end(), name) - tags.begin();
    const bool is_new = tag == std::ssize(tags);
    if (tab == std::string::npos || name.empty() || (is_new && !adds)) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": no token with a known tag");
    }
    if (is_new) tags.push_back(name);
    sentences.back().tags.push_back(tag);
    std::string word = token;
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    word += token == word ? " small" : " large";
    sentences.back().features.push_back(feature(word));
    sentences.back().features.push_back(
        feature(word.substr(word.size() < 9 ? 0 : word.size() - 9)));
  }
  if (sentences.back().tags.empty()) sentences.pop_back();  // after a blank line at the end
  return sentences;
}

// Features [N, T, 2] and tags [N, T], padded with -100.
std::pair<Tensor, Tensor> batch_of(const std::vector<Sentence>& sentences, const Tensor& rows) {
  std::vector<Tensor> features, tags;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const Sentence& each = sentences[static_cast<std::size_t>(rows[i].item<std::int64_t>())];
    features.push_back(torch::tensor(each.features).view({-1, 2}));
    tags.push_back(torch::tensor(each.tags));
  }
  return {torch::pad_sequence(features, /*batch_first=*/true),
          torch::pad_sequence(tags, /*batch_first=*/true, /*padding_value=*/-100)};
}

struct Tagger : torch::nn::Module {
  torch::nn::EmbeddingBag embed = register_module("embed", torch::nn::EmbeddingBag(kFeatures, 64));
  torch::nn::GRU gru = register_module(
      "gru", torch::nn::GRU(torch::nn::GRUOptions(64, 64).bidirectional(true).batch_first(true)));
  torch::nn::Linear out;

  explicit Tagger(std::int64_t tags) : out(register_module("out", torch::nn::Linear(128, tags))) {}
  Tensor forward(const Tensor& features) {  // [N, T, tags]
    const Tensor token = torch::dropout(embed->forward(features.flatten(0, 1)), 0.5, is_training());
    return out->forward(std::get<0>(gru->forward(token.view({features.size(0), -1, 64}))));
  }
};

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: ner TRAIN.conll DEV.conll TEST.conll");
  std::vector<std::string> names = {"O"};
  const std::vector<Sentence> train = read(argv[1], names, /*adds=*/true);
  const std::vector<Sentence> dev = read(argv[2], names, false), test = read(argv[3], names, false);
  std::vector<std::int64_t> all;
  for (const Sentence& each : train) all.insert(all.end(), each.tags.begin(), each.tags.end());
  const auto counts = eq::count_labels(all, names.size());
  eq::SoftmaxLoss<eq::CrossEntropy, eq::MeanByWeight> loss;  // the mean of nn.CrossEntropyLoss
  loss.class_weights = eq::class_weights(counts, eq::PowerWeights{.exponent = 0.5});
  eq::libtorch::SoftmaxLossModule<eq::CrossEntropy, eq::MeanByWeight> criterion(loss);
  for (std::size_t t = 0; t < names.size(); ++t) {
    std::printf("%-12s %7.0f x %.2f\n", names[t].c_str(), counts[t], loss.class_weights[t]);
  }
  torch::manual_seed(1);
  Tagger model(std::ssize(names));
  const auto scores_of = [&](const std::vector<Sentence>& data, double tau) {
    const torch::NoGradGuard no_grad;
    model.eval();
    const Tensor offset = torch::tensor(eq::calibrate::posthoc_offset(counts.values(), tau));
    eq::libtorch::Accumulator<eq::metrics::EntityScores> scores{eq::metrics::EntityTags(names)};
    for (const Tensor& rows : torch::arange(std::ssize(data)).split(64)) {
      const auto [features, tags] = batch_of(data, rows);
      scores.add(tags, (model.forward(features) + offset).argmax(-1), /*ignore_index=*/-100);
    }
    return scores.value().strict();
  };
  torch::optim::Adam optimizer(model.parameters(), 3e-3);
  for (int epoch = 1; epoch <= 2; ++epoch) {
    model.train();
    for (const Tensor& rows : torch::randperm(std::ssize(train)).split(32)) {
      const auto [features, tags] = batch_of(train, rows);
      eq::libtorch::LossArguments whole;  // what the parts of the step divide by
      whole.denominators = eq::libtorch::denominators(loss, tags, std::ssize(names));
      optimizer.zero_grad();
      for (std::int64_t i = 0; i < rows.size(0); i += 16) {
        const Tensor logits = model.forward(features.slice(0, i, i + 16)).flatten(0, 1);
        criterion->forward(logits, tags.slice(0, i, i + 16).flatten(), whole).backward();
      }
      optimizer.step();
    }
    std::printf("epoch %d: entity F1 %.3f on dev\n", epoch, scores_of(dev, 0).micro_f1());
  }

  // Moves the logits by as much of the prior as is best on dev; then test is looked at, once.
  double best = -1, tau = 0;
  for (const double each : {-0.2, -0.1, 0.0, 0.1, 0.2}) {
    const double f1 = scores_of(dev, each).micro_f1();
    if (f1 > best) best = f1, tau = each;
  }
  std::printf("tau %.1f: entity F1 %.3f on dev\n\n", tau, best);
  std::printf("%s", report(scores_of(test, tau), 3).c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
