// The library against LibTorch, both sides in one run:
//
//   bazel run -c opt //benchmarks:compare -- [--json=FILE] [--filter=REGEX] [--seconds=S]
//
// A work runs on either side in turn, so that both see the same machine; the table shows medians
// and their ratio beside the bar that the project sets itself. One thread.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "equipoise/equipoise.h"
#include "equipoise/libtorch/loss.h"

ABSL_FLAG(std::string, json, "", "file to write the table to as JSON");
ABSL_FLAG(std::string, filter, "", "regular expression: only works whose names contain a match");
ABSL_FLAG(double, seconds, 1.0, "about how long each work is measured");

namespace {

// One piece of work that both sides do.
struct Work {
  std::string name;
  std::string peer;
  double bar;  // the least peer time / our time
  // Makes the input and returns the two sides; the input lives as long as they do.
  struct Sides {
    std::function<void()> peer;
    std::function<void()> ours;
  };
  std::function<Sides()> prepare;
};

struct Result {
  double peer_seconds;
  double our_seconds;
};

template <class T>
void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

double seconds_of(const std::function<void()>& side, int repeats) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) side();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / repeats;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Result measure(const Work& work, double seconds) {
  const Work::Sides sides = work.prepare();
  sides.ours();
  const double once = seconds_of(sides.peer, 1) + seconds_of(sides.ours, 1);
  const int repeats =
      std::max(1, static_cast<int>(1e-3 / once));  // the clock is read once a millisecond
  const int rounds = std::clamp(static_cast<int>(seconds / (once * repeats)), 3, 1001);
  std::vector<double> peer;
  std::vector<double> ours;
  for (int round = 0; round < rounds; ++round) {
    peer.push_back(seconds_of(sides.peer, repeats));
    ours.push_back(seconds_of(sides.ours, repeats));
  }
  return {median(peer), median(ours)};
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
            const auto labels = skewed_labels(size, classes);
            const at::Tensor tensor = at::tensor(labels);
            return Work::Sides{
                [=] { keep(at::bincount(tensor, {}, static_cast<std::int64_t>(classes))); },
                [=] { keep(equipoise::count_labels(labels, classes)); }};
          }};
}

Work class_sampler(std::size_t size, double bar, const std::string& name) {
  return {"class sampler, set-up and draws, " + name, "at::multinomial", bar, [=] {
            constexpr std::size_t kClasses = 10;
            const auto labels = skewed_labels(size, kClasses);
            const auto counts = equipoise::count_labels(labels, kClasses);
            const auto weights = equipoise::class_weights(counts, equipoise::Balanced{});
            const at::Tensor of_rows =
                at::tensor(equipoise::sample_weights(labels, weights)).to(at::kFloat);
            return Work::Sides{[=] { keep(at::multinomial(of_rows, of_rows.numel(), true)); },
                               [=] {
                                 const equipoise::ClassSampler sampler(
                                     labels, equipoise::drawn_mass(counts, weights), 1);
                                 std::vector<std::int64_t> rows(size);
                                 sampler.fill(0, rows);
                                 keep(rows);
                               }};
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
                                 const equipoise::WeightedSampler sampler(weights, 1);
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
            equipoise::SoftmaxLoss<equipoise::CrossEntropy, equipoise::MeanByWeight> loss;
            loss.semantics = equipoise::Semantics::kTorch;
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
                  const at::Tensor value = equipoise::libtorch::softmax_loss(logits, targets, loss);
                  keep(torch::autograd::grad({value}, {logits}));
                }};
          }};
}

std::vector<Work> all_works() {
  return {counting(1'000'000, 2, "1e6, 2 classes"),
          counting(1'000'000, 10, "1e6, 10 classes"),
          counting(1'000'000, 1000, "1e6, 1000 classes"),
          counting(100'000'000, 10, "1e8, 10 classes"),
          class_sampler(10'000, 7, "1e4"),
          class_sampler(1'000'000, 12, "1e6"),
          class_sampler(10'000'000, 12, "1e7"),
          weighted_sampler(10'000, "1e4"),
          weighted_sampler(1'000'000, "1e6"),
          weighted_sampler(10'000'000, "1e7"),
          cross_entropy(32, 2, 0, 1.4),
          cross_entropy(1024, 5, 0, 5),
          cross_entropy(4096, 32, 0, 2),
          cross_entropy(8192, 1000, 0, 2.2),
          cross_entropy(512, 32000, 0, 2.8),
          cross_entropy(4096, 32, 0.1, 3),
          cross_entropy(8192, 1000, 0.1, 3)};
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Compares the library with LibTorch, on one thread.");
  absl::ParseCommandLine(argc, argv);
  at::set_num_threads(1);
  std::regex filter;
  try {
    filter = std::regex(absl::GetFlag(FLAGS_filter));
  } catch (const std::regex_error& error) {
    std::cerr << "--filter: " << error.what() << "\n";
    return 2;
  }
  std::printf("LibTorch %s, one thread; medians\n\n", TORCH_VERSION);
  std::printf("%-44s %-24s %12s %12s %7s %5s\n", "work", "peer", "peer time", "ours", "ratio",
              "bar");
  nlohmann::json rows = nlohmann::json::array();
  for (const Work& work : all_works()) {
    if (!std::regex_search(work.name, filter)) continue;
    const Result result = measure(work, absl::GetFlag(FLAGS_seconds));
    const double ratio = result.peer_seconds / result.our_seconds;
    std::printf("%-44s %-24s %9.1f us %9.1f us %6.2fx %4.1fx%s\n", work.name.c_str(),
                work.peer.c_str(), result.peer_seconds * 1e6, result.our_seconds * 1e6, ratio,
                work.bar, ratio < work.bar ? "  below the bar" : "");
    std::fflush(stdout);
    rows.push_back({{"work", work.name},
                    {"peer", work.peer},
                    {"peer_time", result.peer_seconds},
                    {"ours", result.our_seconds},
                    {"ratio", ratio},
                    {"bar", work.bar}});
  }
  const std::string file = absl::GetFlag(FLAGS_json);
  if (!file.empty()) {
    std::ofstream out(file);
    out << nlohmann::json{{"libtorch", TORCH_VERSION}, {"threads", 1}, {"rows", rows}}.dump(2)
        << "\n";
    if (!out) {
      std::cerr << file << ": cannot be written\n";
      return 1;
    }
  }
  return 0;
}
