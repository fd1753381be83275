#include "benchmarks/works.h"

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
//
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include "equipoise/equipoise.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/sigmoid_loss.h"

namespace equipoise::benchmarks {

namespace {

template <class T>
void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

// Labels of which four in five are of class 0.
std::vector<std::int64_t> skewed_labels(std::size_t size, std::size_t classes) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> labels(size);
  for (std::int64_t& label : labels) {
    label = random() % 5 < 4 ? 0 : static_cast<std::int64_t>(random() % classes);
  }
  return labels;
}

Work counting(std::size_t size, std::size_t classes, const std::string& name) {
  return {"count " + name, "at::bincount", 3, [=] {
            const at::Tensor tensor = at::tensor(skewed_labels(size, classes));
            const std::span<const std::int64_t> labels(tensor.data_ptr<std::int64_t>(), size);
            return Work::Sides{
                [=] { keep(at::bincount(tensor, {}, static_cast<std::int64_t>(classes))); },
                [=] { keep(count_labels(labels, classes)); }};
          }};
}

// Predictions that miss one row in five.
Work confusion_matrix(std::size_t size, std::size_t classes, const std::string& name) {
  return {"confusion matrix " + name, "at::bincount", 2.5, [=] {
            const auto count = static_cast<std::int64_t>(classes);
            const at::Tensor targets = at::tensor(skewed_labels(size, classes));
            const at::Tensor predictions = targets.clone();
            predictions.slice(0, 0, predictions.numel(), 5).fill_(0);
            const std::span<const std::int64_t> t(targets.data_ptr<std::int64_t>(), size);
            const std::span<const std::int64_t> p(predictions.data_ptr<std::int64_t>(), size);
            return Work::Sides{
                [=] { keep(at::bincount(targets * count + predictions, {}, count * count)); },
                [=] {
                  metrics::ConfusionMatrix matrix(classes);
                  matrix.add(t, p);
                  keep(matrix);
                }};
          }};
}

Work class_sampler(std::size_t size, double bar, const std::string& name) {
  return {"class sampler, set-up and draws, " + name, "at::multinomial", bar, [=] {
            constexpr std::size_t kClasses = 10;
            const auto labels = skewed_labels(size, kClasses);
            const auto counts = count_labels(labels, kClasses);
            const auto weights = class_weights(counts, BalancedWeights{});
            const at::Tensor of_rows = at::tensor(sample_weights(labels, weights)).to(at::kFloat);
            return Work::Sides{[=] { keep(at::multinomial(of_rows, of_rows.numel(), true)); },
                               [=] {
                                 const sampling::ClassSampler sampler(
                                     labels, sampling::drawn_mass(counts, weights), 1);
                                 std::vector<std::int64_t> rows(size);
                                 sampler.fill(0, rows);
                                 keep(rows);
                               }};
          }};
}

Work without_replacement(std::size_t size, std::uint64_t draws, const std::string& name) {
  return {"without replacement, " + name, "at::multinomial", 2.5, [=] {
            std::vector<float> weights(size);
            for (std::size_t i = 0; i < size; ++i) weights[i] = i % 20 == 0 ? 10.0F : 0.5F;
            const at::Tensor tensor = at::tensor(weights);
            return Work::Sides{
                [=] { keep(at::multinomial(tensor, static_cast<std::int64_t>(draws), false)); },
                [=] { keep(sampling::WithoutReplacement(weights, draws, 1)(0)); }};
          }};
}

Work weighted_sampler(std::size_t size, const std::string& name) {
  return {"weighted sampler, set-up and draws, " + name, "at::multinomial", 4, [=] {
            std::mt19937_64 random(2);
            std::vector<float> weights(size);
            for (float& w : weights) w = std::uniform_real_distribution<float>(0.1F, 1.0F)(random);
            const at::Tensor tensor = at::tensor(weights);
            return Work::Sides{[=] { keep(at::multinomial(tensor, tensor.numel(), true)); },
                               [=] {
                                 const sampling::WeightedSampler sampler(weights, 1);
                                 std::vector<std::int64_t> rows(size);
                                 sampler.fill(0, rows);
                                 keep(rows);
                               }};
          }};
}

// Weighted cross-entropy, forward and backward, a tenth of the rows ignored.
Work cross_entropy(std::int64_t rows, std::int64_t classes, double smoothing, double bar) {
  const std::string shape = std::to_string(rows) + "x" + std::to_string(classes);
  return {"weighted CE " + shape + (smoothing > 0 ? ", smoothing" : ""), "at::cross_entropy_loss",
          bar, [=] {
            at::manual_seed(3);
            const at::Tensor logits = (at::randn({rows, classes}) * 3).set_requires_grad(true);
            const at::Tensor targets = at::randint(0, classes, {rows}, at::kLong);
            targets.slice(0, 0, rows / 10).fill_(-100);
            const at::Tensor weights = at::rand({classes}) + 0.2;
            SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
            loss.convention = WeightConvention::kTorch;
            loss.label_smoothing = smoothing;
            for (std::int64_t c = 0; c < classes; ++c) {
              loss.class_weights.push_back(weights[c].item<double>());
            }
            return Work::Sides{
                [=] {
                  const at::Tensor value = at::cross_entropy_loss(
                      logits, targets, weights, at::Reduction::Mean, -100, smoothing);
                  keep(torch::autograd::grad({value}, {logits}));
                },
                [=] {
                  const at::Tensor value = equipoise::libtorch::value(loss, logits, targets);
                  keep(torch::autograd::grad({value}, {logits}));
                }};
          }};
}

// A modulator that the library does not have: (1 - p^s) / s.
struct Tsallis {
  double s = 0.7;
  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    const T power = math::pow(t.p, s);
    return {(1.0 - power) * (1.0 / s), -power};
  }
};

// A modulator, forward and backward, against the same formula in LibTorch's operations; theirs maps
// log p of the targets to the losses of rows.
template <class M, class Theirs>
Work modulated(const std::string& name, std::int64_t rows, std::int64_t classes, double bar,
               const M& modulator, const Theirs& theirs) {
  const std::string shape = std::to_string(rows) + "x" + std::to_string(classes);
  return {name + " " + shape, "tensor operations", bar, [=] {
            at::manual_seed(3);
            const at::Tensor logits = (at::randn({rows, classes}) * 3).set_requires_grad(true);
            const at::Tensor targets = at::randint(0, classes, {rows}, at::kLong);
            SoftmaxLoss<M> loss;
            loss.modulator = modulator;
            return Work::Sides{
                [=] {
                  const at::Tensor log_p = at::log_softmax(logits, 1);
                  const at::Tensor value =
                      theirs(log_p.gather(1, targets.unsqueeze(1)).squeeze(1)).mean();
                  keep(torch::autograd::grad({value}, {logits}));
                },
                [=] {
                  const at::Tensor value = equipoise::libtorch::value(loss, logits, targets);
                  keep(torch::autograd::grad({value}, {logits}));
                }};
          }};
}

Work softmax_focal(std::int64_t rows, std::int64_t classes) {
  return modulated("softmax focal", rows, classes, 3, Focal{2.0},
                   [](const at::Tensor& log_p) { return -(1 - log_p.exp()).pow(2.0) * log_p; });
}

Work users_modulator(std::int64_t rows, std::int64_t classes) {
  return modulated("a user's modulator", rows, classes, 2, Tsallis{0.7},
                   [](const at::Tensor& log_p) { return (1 - log_p.exp().pow(0.7)) / 0.7; });
}

// The sigmoid focal loss as torchvision composes it, alpha .25 and gamma 2, averaged over elements.
Work sigmoid_focal_loss(std::int64_t rows, std::int64_t labels, const std::string& name) {
  return {
      "sigmoid focal, " + name, "tensor operations", 3.5, [=] {
        at::manual_seed(3);
        const at::Tensor logits = (at::randn({rows, labels}) * 3).set_requires_grad(true);
        const at::Tensor targets = at::rand({rows, labels}).lt(0.05).to(at::kFloat);
        const auto loss = sigmoid_focal(0.25, 2.0, MeanByCount{});
        return Work::Sides{
            [=] {
              const at::Tensor p = at::sigmoid(logits);
              const at::Tensor ce = at::binary_cross_entropy_with_logits(logits, targets, {}, {},
                                                                         at::Reduction::None);
              const at::Tensor of_true = p * targets + (1 - p) * (1 - targets);
              const at::Tensor alpha = 0.25 * targets + 0.75 * (1 - targets);
              keep(torch::autograd::grad({(alpha * ce * (1 - of_true).pow(2)).mean()}, {logits}));
            },
            [=] {
              const at::Tensor value = equipoise::libtorch::value(loss, logits, targets);
              keep(torch::autograd::grad({value}, {logits}));
            }};
      }};
}

}  // namespace

std::vector<Work> all_works() {
  return {counting(1'000'000, 2, "1e6, 2 classes"),
          counting(1'000'000, 10, "1e6, 10 classes"),
          counting(1'000'000, 1000, "1e6, 1000 classes"),
          counting(100'000'000, 10, "1e8, 10 classes"),
          confusion_matrix(1'000'000, 2, "1e6, 2 classes"),
          confusion_matrix(1'000'000, 10, "1e6, 10 classes"),
          confusion_matrix(1'000'000, 100, "1e6, 100 classes"),
          class_sampler(10'000, 7, "1e4"),
          class_sampler(1'000'000, 12, "1e6"),
          class_sampler(10'000'000, 12, "1e7"),
          weighted_sampler(10'000, "1e4"),
          weighted_sampler(1'000'000, "1e6"),
          weighted_sampler(10'000'000, "1e7"),
          without_replacement(1'000'000, 1'000, "1e3 of 1e6"),
          without_replacement(1'000'000, 100'000, "1e5 of 1e6"),
          without_replacement(10'000'000, 1'000'000, "1e6 of 1e7"),
          cross_entropy(32, 2, 0, 1.4),
          cross_entropy(1024, 5, 0, 5),
          cross_entropy(4096, 32, 0, 2),
          cross_entropy(4096, 100, 0, 2),
          cross_entropy(8192, 1000, 0, 2.2),
          cross_entropy(512, 32000, 0, 2.8),
          cross_entropy(4096, 32, 0.1, 3),
          cross_entropy(8192, 1000, 0.1, 3),
          softmax_focal(1024, 5),
          softmax_focal(4096, 32),
          softmax_focal(8192, 1000),
          users_modulator(4096, 32),
          sigmoid_focal_loss(10'000, 10, "1e5 elements"),
          sigmoid_focal_loss(1'000'000, 1, "1e6 elements, one label")};
}

}  // namespace equipoise::benchmarks
