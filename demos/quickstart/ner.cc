// Named entities, where nearly every token is O: a loss with class weights. In PyTorch Lightning:
//   self.loss = nn.CrossEntropyLoss(weight=counts.pow(-0.5), ignore_index=-100)
//   def training_step(self, batch, i):
//     return self.loss(self(batch.words).flatten(0, 1), batch.tags.flatten())
//   Trainer(accumulate_grad_batches=2).fit(...)
//
// There each part of a step is divided by its own weight, so a part without entities pulls as hard
// as one that is full of them. Here the parts are divided by the weight of the whole step: it is
// the same step however it is cut.
//   bazel run -c opt //demos/quickstart:ner -- "$PWD"/{train,dev,test}.conll
// Each line has a token first and a tag in IOB2 last; blank lines end sentences.
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
constexpr std::int64_t kFeatures = 1 << 15;  // 0 is padding

struct Sentence {
  std::vector<std::int64_t> features, tags;  // two features a token: the word, its ending
};

std::vector<Sentence> read(const std::string& path, std::vector<std::string>& tags, bool adds) {
  std::ifstream file(path);
  if (file.peek() == EOF) throw std::runtime_error(path + ": no file, or empty");
  std::vector<Sentence> sentences(1);
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t") == std::string::npos) {
      if (!sentences.back().tags.empty()) sentences.emplace_back();
      continue;
    }
    const std::size_t tab = line.find_last_of(" \t");
    const std::string token = line.substr(0, line.find_first_of(" \t")),
                      name = line.substr(tab + 1);
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
    for (const auto& text : {word, word.substr(std::max<std::size_t>(word.size(), 9) - 9)}) {
      const std::size_t hash = std::hash<std::string>()(text);
      sentences.back().features.push_back(1 + static_cast<std::int64_t>(hash % (kFeatures - 1)));
    }
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
  torch::nn::EmbeddingBag embed{torch::nn::EmbeddingBagOptions(kFeatures, 64).padding_idx(0)};
  torch::nn::Conv1d window{torch::nn::Conv1dOptions(64, 128, /*kernel_size=*/5).padding(2)};
  torch::nn::Linear out;

  explicit Tagger(std::int64_t tags) : out(128, tags) {
    register_module("embed", embed);
    register_module("window", window);
    register_module("out", out);
  }
  Tensor forward(const Tensor& features) {  // [N, T, tags]
    const Tensor words = torch::dropout(embed->forward(features.flatten(0, 1)), 0.5, is_training());
    const Tensor near = window->forward(words.view({features.size(0), -1, 64}).transpose(1, 2));
    return out->forward(near.relu().transpose(1, 2));
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
  const std::vector<double> left = eq::sampling::drawn_mass(counts, loss.class_weights);
  eq::libtorch::SoftmaxLossModule<eq::CrossEntropy, eq::MeanByWeight> criterion(loss);
  for (std::size_t t = 0; t < names.size(); ++t) {
    std::printf("%-12s %7.0f x %.2f\n", names[t].c_str(), counts[t], loss.class_weights[t]);
  }
  torch::manual_seed(1);
  Tagger model(std::ssize(names));
  const auto scores_of = [&](const std::vector<Sentence>& data, double tau) {
    const torch::NoGradGuard no_grad;
    model.eval();
    const Tensor offset = torch::tensor(eq::calibrate::posthoc_offset(left, tau));
    eq::libtorch::Accumulator<eq::metrics::EntityScores> scores{eq::metrics::EntityTags(names)};
    for (const Tensor& rows : torch::arange(std::ssize(data)).split(64)) {
      const auto [features, tags] = batch_of(data, rows);
      scores.add(tags, (model.forward(features) + offset).argmax(-1), /*ignore_index=*/-100);
    }
    return scores.value().strict();
  };
  torch::optim::Adam optimizer(model.parameters(), 3e-3);
  for (int epoch = 1; epoch <= 4; ++epoch) {
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
  // What is left of the prior in the logits, n_c w_c, is taken off (or put back) as is best on dev.
  double best = -1, tau = 0;
  for (const double each : {0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0}) {
    const double f1 = scores_of(dev, each).micro_f1();
    if (f1 > best) best = f1, tau = each;
  }
  std::printf("tau %.2f: entity F1 %.3f on dev\n\n", tau, best);
  std::printf("%s", report(scores_of(test, tau), 3).c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
