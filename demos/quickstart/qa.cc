// Kinds of answers to questions in many languages: a sampler and weights that know of each other.
// In PyTorch Lightning:
//   sampler = WeightedRandomSampler(torch.bincount(langs).pow(-0.7)[langs], len(langs))
//   self.loss = nn.CrossEntropyLoss(weight=torch.bincount(kinds).pow(-0.5))
// There the weights are those of the kinds as they are counted, though the sampler moves them too.
// Here one table of proportions serves the sampler and the plan of the loss: weights are those of
// the kinds as they are drawn, and a ledger says what both do together, before training. (The loss
// is a mean over rows; nn.CrossEntropyLoss divides by the weights of the batch.)
//   bazel run -c opt //demos/quickstart:qa -- "$PWD"/{train,dev,test}.jsonl
// Each line is an object with question, lang and translated_answer, as AfriQA has them.
#include <equipoise/equipoise.h>
#include <equipoise/libtorch.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace eq = equipoise;
using eq::metrics::ConfusionMatrix;
using torch::Tensor;
constexpr std::int64_t kFeatures = 1 << 17;  // three to five bytes in a row, known by their hash
const std::vector<std::string> kKinds = {"text", "none", "number", "yes or no"};

std::int64_t kind_of(const std::string& answer) {
  if (answer == "[]" || answer == "['']") return 1;
  if (answer == "['yes']" || answer == "['no']") return 3;
  return answer.find_first_of("0123456789") == std::string::npos ? 0 : 2;
}

struct Questions {
  std::vector<Tensor> features;
  std::vector<std::int64_t> kinds, languages;
};

Questions read(const std::string& path, std::vector<std::string>& languages, bool adds) {
  std::ifstream file(path);
  if (file.peek() == EOF) throw std::runtime_error(path + ": no file, or empty");
  Questions result;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    try {
      const auto object = nlohmann::json::parse(line);
      const std::string text = " " + object.at("question").get<std::string>() + " ";
      std::vector<std::int64_t> features;
      for (std::size_t length : {3, 4, 5}) {
        for (std::size_t i = 0; i + length <= text.size(); ++i) {
          const std::size_t hash = std::hash<std::string>()(text.substr(i, length));
          features.push_back(static_cast<std::int64_t>(hash % kFeatures));
        }
      }
      const std::string name = object.at("lang");
      const auto known = std::find(languages.begin(), languages.end(), name) - languages.begin();
      if (known == std::ssize(languages) && !adds) throw std::runtime_error("new: " + name);
      if (known == std::ssize(languages)) languages.push_back(name);
      result.features.push_back(torch::tensor(features));
      result.kinds.push_back(kind_of(object.at("translated_answer")));
      result.languages.push_back(known);
    } catch (const std::exception& error) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": " + error.what());
    }
  }
  return result;
}

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("usage: qa TRAIN.jsonl DEV.jsonl TEST.jsonl");
  std::vector<std::string> languages;
  const Questions train = read(argv[1], languages, /*adds=*/true);
  const Questions dev = read(argv[2], languages, false), test = read(argv[3], languages, false);

  // Languages are drawn as n^0.3, kinds of answers as they occur in each.
  const std::size_t kinds = kKinds.size();
  const auto counts = eq::count_grouped(train.kinds, train.languages, languages.size(), kinds);
  const eq::ClassCounts of_kind = counts.total();
  const std::vector<double> cells =
      eq::mix_table(counts, eq::TemperatureMix{0.3}, eq::ProportionalMix{});
  eq::Plan plan;
  plan.counts.assign(of_kind.values().begin(), of_kind.values().end());
  plan.mix.resize(kinds);
  for (std::size_t i = 0; i < cells.size(); ++i) plan.mix[i % kinds] += cells[i];
  plan.weights = eq::class_weights(eq::ClassCounts(plan.mix), eq::PowerWeights{.exponent = 0.5});
  std::printf("%s\n", report(eq::ledger(plan), kKinds).c_str());
  namespace sampling = eq::sampling;
  const std::uint64_t steps = (train.kinds.size() + 63) / 64;
  const sampling::ClassSampler stream(
      sampling::cell_labels(train.kinds, train.languages, languages.size(), kinds), cells,
      /*seed=*/1, {.mode = sampling::Mode::kExactQuota, .epoch_size = 64 * steps});
  eq::libtorch::SoftmaxLossModule<> criterion(
      std::get<eq::SoftmaxLoss<>>(softmax_loss(plan, eq::CrossEntropy{})));
  torch::nn::EmbeddingBag model(
      torch::nn::EmbeddingBagOptions(kFeatures, std::ssize(kKinds)).mode(torch::kSum));
  model->weight.data().zero_();
  const auto logits_of = [&](const std::vector<Tensor>& features) {
    std::vector<std::int64_t> starts = {0};
    for (const Tensor& each : features) starts.push_back(starts.back() + each.size(0));
    starts.pop_back();
    return model->forward(torch::cat(features), torch::tensor(starts));
  };
  torch::optim::Adam optimizer(model->parameters(), 1e-3);
  double sum = 0;
  for (std::uint64_t step = 0; step < 5 * steps; ++step) {
    std::vector<Tensor> features;
    std::vector<std::int64_t> targets;
    for (std::uint64_t t = 64 * step; t < 64 * (step + 1); ++t) {
      features.push_back(train.features[static_cast<std::size_t>(stream[t])]);
      targets.push_back(train.kinds[static_cast<std::size_t>(stream[t])]);
    }
    optimizer.zero_grad();
    const Tensor loss = criterion->forward(logits_of(features), torch::tensor(targets));
    loss.backward();
    optimizer.step();
    sum += loss.item<double>() / static_cast<double>(steps);
    if ((step + 1) % steps == 0) std::printf("loss %.3f\n", std::exchange(sum, 0));
  }

  // What of the prior is left in the logits, q_c w_c, is taken off as far as is best on dev.
  const torch::NoGradGuard no_grad;
  const auto view = [&](const Tensor& logits) {
    return eq::MatrixView<const float>(logits.data_ptr<float>(),
                                       static_cast<std::size_t>(logits.size(0)), kinds);
  };
  const auto left = sampling::drawn_mass(eq::ClassCounts(plan.mix), plan.weights);
  const Tensor on_dev = logits_of(dev.features), on_test = logits_of(test.features);
  const auto macro_f1 = [](const auto& m) { return m.macro_f1(eq::metrics::Absent::kSkip); };
  const std::vector<double> taus = {-1, -0.5, 0, 0.5, 1};
  const auto [tau, score] =
      eq::calibrate::choose_tau(view(on_dev), dev.kinds, left, taus, macro_f1);
  std::printf("tau %.2f: macro-F1 %.3f on dev\n\n", tau, score);
  const auto predicted =
      eq::calibrate::predict(view(on_test), eq::calibrate::posthoc_offset(left, tau));
  eq::metrics::Grouped<ConfusionMatrix> scores(languages.size(), ConfusionMatrix(kinds));
  scores.add_rows(test.languages,
                  [&](ConfusionMatrix& m, std::size_t r) { m.add(test.kinds[r], predicted[r]); });
  std::printf("%s\n", report(scores.total(), kKinds, 3).c_str());
  const std::vector<double> f1 = scores.figures(macro_f1);
  for (std::size_t g = 0; g < languages.size(); ++g) {
    std::printf("%-4s macro-F1 %.3f\n", languages[g].c_str(), f1[g]);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
