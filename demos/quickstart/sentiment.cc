// Texts of unequal classes, drawn by a weighted sampler. In PyTorch Lightning:
//
//   class Texts(LightningDataModule):
//     def train_dataloader(self):
//       weights = torch.bincount(self.labels).pow(-0.5)[self.labels]
//       sampler = WeightedRandomSampler(weights, num_samples=len(self.labels))
//       return DataLoader(self.train, batch_size=64, sampler=sampler)
//
// There each class is drawn as often as it should be on average, and a text may come three times
// while another waits. Here every epoch draws each class in its proportion, and no text comes again
// before all others of its class had their turn. The order is a function of the seed and the
// position: with sampler.save(), not shown, a stopped run goes on in the middle of an epoch.
//
//   bazel run -c opt //demos/quickstart:sentiment -- "$PWD"/{train,dev,test}.tsv
// Each line is a text, a tab and its class; columns after these are not read.
#include <equipoise/equipoise.h>
#include <equipoise/libtorch.h>
#include <torch/torch.h>

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace eq = equipoise;
using eq::metrics::ConfusionMatrix;

constexpr std::int64_t kWords = 1 << 16;  // a word is known by its hash; 0 is no word
constexpr std::int64_t kLength = 48;      // words that are read of a text

struct Texts : torch::data::datasets::Dataset<Texts> {
  std::vector<torch::Tensor> words;  // [kLength] each
  std::vector<std::int64_t> labels;

  torch::data::Example<> get(std::size_t i) override {
    return {words[i], torch::tensor(labels[i])};
  }
  decltype(std::declval<const Dataset&>().size()) size() const override { return labels.size(); }
};

// The words of a text as numbers, lower-case and without punctuation.
torch::Tensor words_of(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    c = std::isalnum(byte) || byte > 127 ? static_cast<char>(std::tolower(byte)) : ' ';
  }
  torch::Tensor result = torch::zeros({kLength}, torch::kLong);
  std::istringstream stream(text);
  std::string word;
  for (std::int64_t i = 0; i < kLength && stream >> word; ++i) {
    result[i] = static_cast<std::int64_t>(std::hash<std::string>()(word) % (kWords - 1)) + 1;
  }
  return result;
}

// Classes are numbered as they come; in dev and test they must be known.
Texts read(const char* path, std::map<std::string, std::int64_t>& classes, bool adds_classes) {
  std::ifstream file(path);
  if (file.peek() == EOF) throw std::runtime_error(std::string(path) + ": no file, or empty");
  Texts texts;
  std::string line, text, name;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    std::istringstream columns(line);
    std::getline(columns, text, '\t');
    if (!std::getline(columns, name, '\t') || (!adds_classes && classes.count(name) == 0)) {
      throw std::runtime_error(std::string(path) + ":" + std::to_string(number) +
                               ": expected a text, a tab and a class of the training file");
    }
    const auto next = static_cast<std::int64_t>(classes.size());
    texts.labels.push_back(classes.emplace(name, next).first->second);
    texts.words.push_back(words_of(text));
  }
  return texts;
}

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: sentiment TRAIN.tsv DEV.tsv TEST.tsv");
  std::map<std::string, std::int64_t> classes;
  Texts train = read(argv[1], classes, /*adds_classes=*/true);
  Texts dev = read(argv[2], classes, false), test = read(argv[3], classes, false);

  const eq::ClassCounts counts = eq::count_labels(train.labels, classes.size());
  std::vector<std::string> names(classes.size());
  for (const auto& [name, c] : classes) names[static_cast<std::size_t>(c)] = name;
  for (std::size_t c = 0; c < names.size(); ++c) {
    std::printf("%-16s %6.0f texts\n", names[c].c_str(), counts[c]);
  }

  // A text is drawn in proportion to n^-0.5 of its class: rare classes more often than they occur,
  // but not as often as frequent ones.
  const auto weights = eq::class_weights(counts, eq::PowerWeights{.exponent = 0.5});
  const std::vector<double> drawn = eq::sampling::drawn_mass(counts, weights);
  eq::sampling::ClassSamplerOptions options;
  options.mode = eq::sampling::Mode::kExactQuota;
  const eq::sampling::ClassSampler stream(train.labels, drawn, /*seed=*/1, options);
  eq::libtorch::StreamSampler<eq::sampling::ClassSampler> sampler(stream);
  const auto loader = torch::data::make_data_loader(
      Texts(train).map(torch::data::transforms::Stack<>()), sampler, /*options=*/64);

  torch::manual_seed(1);
  const auto size = static_cast<std::int64_t>(classes.size());
  torch::nn::EmbeddingBag model(
      torch::nn::EmbeddingBagOptions(kWords, size).mode(torch::kSum).padding_idx(0));
  model->weight.data().zero_();
  torch::optim::Adam optimizer(model->parameters(), 5e-3);
  eq::libtorch::SoftmaxLossModule<> criterion(eq::SoftmaxLoss<>{});
  for (int epoch = 0; epoch < 2; ++epoch) {
    double loss = 0;
    for (auto& batch : eq::libtorch::batches(loader, sampler)) {
      optimizer.zero_grad();
      const torch::Tensor value = criterion->forward(model->forward(batch.data), batch.target);
      value.backward();
      optimizer.step();
      loss += value.item<double>() * static_cast<double>(batch.data.size(0));
    }
    std::printf("epoch %d: loss %.3f\n", epoch + 1,
                loss / static_cast<double>(stream.epoch_size()));
  }

  // After training, the prior that the model still has is taken off the logits, as much of it as is
  // best on dev; then test is looked at once.
  const torch::NoGradGuard no_grad;
  const auto logits_of = [&](const Texts& texts) {
    return model->forward(torch::stack(texts.words));
  };
  const auto view = [&](const torch::Tensor& t) {
    return eq::MatrixView<const float>(t.data_ptr<float>(), static_cast<std::size_t>(t.size(0)),
                                       classes.size());
  };
  const std::array<double, 6> taus = {0, 0.1, 0.2, 0.3, 0.4, 0.5};
  const torch::Tensor on_dev = logits_of(dev), on_test = logits_of(test);
  const auto [tau, score] = eq::calibrate::choose_tau(
      view(on_dev), dev.labels, drawn, taus, [](const ConfusionMatrix& m) { return m.macro_f1(); });
  std::printf("tau %.1f: macro-F1 %.3f on dev\n\n", tau, score);
  ConfusionMatrix matrix(classes.size());
  matrix.add(test.labels,
             eq::calibrate::predict(view(on_test), eq::calibrate::posthoc_offset(drawn, tau)));
  std::printf("%s", eq::metrics::report(matrix, names, 3).c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
