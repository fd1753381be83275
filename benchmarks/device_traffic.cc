// What the losses cost on a device, counted on one that the host stands in for, so that no GPU is
// needed: passes (reads and writes of N x C floats), memory beside the logits, and launches, of a
// module's forward and backward pass and of LibTorch's operation for the same; and the time of
// these operations on one thread of the CPU.
#include <ATen/Parallel.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linear.h>
#include <malloc.h>
#include <torch/types.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "equipoise/libtorch/linear_loss.h"
#include "tests/support/device_cases.h"
#include "tests/support/fake_device.h"

ABSL_FLAG(int, rows, 8192, "rows of the logits");
ABSL_FLAG(int, classes, 1000, "classes");
ABSL_FLAG(int, repeats, 5, "calls that each time is the median of; 0 times nothing");
ABSL_FLAG(bool, linear, true, "also the linear layer and loss in one, 2048 x 32000 of width 64");
ABSL_FLAG(bool, half, true, "also the errors of gradients of half logits under a loss scale");
ABSL_FLAG(std::string, json, "", "file to write the rows to as well");

namespace equipoise {
namespace {

namespace fake = testing::fake_device;
using testing::DeviceCase;

struct Row {
  std::string loss;
  testing::Traffic ours;
  testing::Traffic peer;
  testing::TrafficBar bar;
  double time_ratio = 0;  // 0: not timed
};

double seconds_of(const std::function<void()>& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// The ratio of the medians of two works that are run in turn.
double ratio_of(const std::function<void()>& ours, const std::function<void()>& peer) {
  ours();
  peer();
  std::vector<double> times;
  std::vector<double> peer_times;
  for (int i = 0; i < absl::GetFlag(FLAGS_repeats); ++i) {
    times.push_back(seconds_of(ours));
    peer_times.push_back(seconds_of(peer));
  }
  return times.empty() ? 0 : median(times) / median(peer_times);
}

std::function<void()> on_cpu(const DeviceCase::Loss& loss, const at::Tensor& logits) {
  const at::Tensor leaf = logits.detach().clone().set_requires_grad(true);
  return [loss, leaf] {
    loss(leaf).backward();
    leaf.mutable_grad() = at::Tensor();
  };
}

Row measure(const DeviceCase& each, std::int64_t rows, std::int64_t classes) {
  const at::Tensor logits = testing::device_logits(rows, classes, each.type);
  Row row{each.name, testing::traffic_of(each.ours(fake::card(0)), logits),
          testing::traffic_of(each.peer(fake::card(0)), logits), each.bar};
  if (absl::GetFlag(FLAGS_repeats) > 0) {
    row.time_ratio =
        ratio_of(on_cpu(each.operations(), logits), on_cpu(each.peer(at::kCPU), logits));
  }
  return row;
}

// A class-weighted focal loss with logit adjustment of a wide layer, beside LibTorch's layer and
// weighted cross-entropy.
Row measure_linear() {
  constexpr std::int64_t kRows = 2048;
  constexpr std::int64_t kClasses = 32000;
  constexpr std::int64_t kWidth = 64;
  at::manual_seed(3);
  const at::Tensor features = at::randn({kRows, kWidth});
  const at::Tensor weight = at::randn({kClasses, kWidth}) * 0.1;
  const at::Tensor targets = at::randint(kClasses, {kRows}, at::kLong);
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights.resize(kClasses);
  loss.logit_terms.shift.resize(kClasses);
  for (std::size_t c = 0; c < kClasses; ++c) {
    loss.class_weights[c] = 0.5 + static_cast<double>(c % 5);
    loss.logit_terms.shift[c] = -0.001 * static_cast<double>(c % 100);
  }
  const auto ours_on = [&](const at::Device& device) {
    return [&, there = targets.to(device)](const at::Tensor& x, const at::Tensor& w) {
      // As many rows as the CPU's default, so that memory is what it is there.
      libtorch::linear_loss(loss, x, w, at::Tensor(), there, {}, 32).backward();
    };
  };
  const at::Tensor class_weights = at::tensor(loss.class_weights, at::kDouble).to(at::kFloat);
  const auto peer_on = [&](const at::Device& device) {
    return [there = targets.to(device), weights = class_weights.to(device)](const at::Tensor& x,
                                                                            const at::Tensor& w) {
      at::cross_entropy_loss(at::linear(x, w), there, weights).backward();
    };
  };
  const auto traffic = [&](const auto& call) {
    const at::Tensor x = features.to(fake::card(0)).set_requires_grad(true);
    const at::Tensor w = weight.to(fake::card(0)).set_requires_grad(true);
    fake::reset_counts();
    call(x, w);
    const fake::Counts counts = fake::counts();
    constexpr double kUnit = 4.0 * kRows * kClasses;
    return testing::Traffic{counts.bytes_moved / kUnit, counts.peak_bytes / kUnit, counts.launches};
  };
  Row row{"linear layer and focal, 2048x32000",
          traffic(ours_on(fake::card(0))),
          traffic(peer_on(fake::card(0))),
          {0, 0.1}};
  const at::Tensor x = features.clone().set_requires_grad(true);
  const at::Tensor w = weight.clone().set_requires_grad(true);
  const auto timed = [&](const auto& call) {
    return [&, call] {
      call(x, w);
      x.mutable_grad() = at::Tensor();
      w.mutable_grad() = at::Tensor();
    };
  };
  if (absl::GetFlag(FLAGS_repeats) > 0) {
    row.time_ratio = ratio_of(timed(ours_on(at::kCPU)), timed(peer_on(at::kCPU)));
  }
  return row;
}

void print(const std::vector<Row>& rows) {
  std::printf(
      "| loss | passes (LibTorch) | bar | peak (LibTorch) | bar | launches (LibTorch) |%s\n",
      " CPU time / LibTorch's |");
  std::printf("|---|--:|--:|--:|--:|--:|--:|\n");
  const auto number = [](double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.0f", value);
    return value > 0 ? std::string(text) : std::string();
  };
  for (const Row& row : rows) {
    char time[32] = "";
    if (row.time_ratio > 0) std::snprintf(time, sizeof(time), "%.2f", row.time_ratio);
    std::printf("| %s | %.1f (%.1f) | %s | %.2f (%.2f) | %g | %d (%d) | %s |\n", row.loss.c_str(),
                row.ours.passes, row.peer.passes, number(row.bar.passes).c_str(), row.ours.peak,
                row.peer.peak, row.bar.peak, row.ours.launches, row.peer.launches, time);
  }
}

// Errors of a gradient of half logits under the scale that loss scalers start with, relative to its
// largest element and column sum, and the share of elements that are 0 and should not be.
struct HalfErrors {
  double element;
  double column;
  double lost;
};

at::Tensor scaled_gradient(const DeviceCase::Loss& loss, const at::Tensor& logits) {
  const at::Tensor leaf = logits.detach().clone().set_requires_grad(true);
  (loss(leaf) * 65536.0).sum().backward();
  return leaf.grad();
}

HalfErrors half_errors(const at::Tensor& gradient, const at::Tensor& exact) {
  const at::Tensor found = gradient.to(at::kDouble);
  const auto largest = [](const at::Tensor& t) { return t.abs().max().item<double>(); };
  const at::Tensor rounded = exact.to(gradient.scalar_type());
  const at::Tensor lost = gradient.eq(0).bitwise_and(rounded.ne(0));
  return {largest(found - exact) / largest(exact),
          largest(found.sum(0) - exact.sum(0)) / largest(exact.sum(0)),
          lost.to(at::kDouble).mean().item<double>()};
}

void print_half_errors() {
  constexpr std::int64_t kRows = 8192;
  constexpr std::int64_t kClasses = 256;
  std::printf("\nfp16 logits, %lld x %lld, upstream gradient 65536: error / LibTorch's error\n",
              static_cast<long long>(kRows), static_cast<long long>(kClasses));
  std::printf("| loss | element | column sums | lost elements |\n|---|--:|--:|--:|\n");
  for (const DeviceCase& each : testing::device_cases(kRows, kClasses)) {
    if (each.type != at::kFloat) continue;
    const at::Tensor logits = testing::device_logits(kRows, kClasses, at::kHalf);
    const DeviceCase::Loss ours = each.ours(at::kCPU);
    const DeviceCase::Loss peer = each.peer(at::kCPU);
    const at::Tensor exact = scaled_gradient(ours, logits.to(at::kDouble));
    const HalfErrors errors = half_errors(scaled_gradient(ours, logits), exact);
    // As under autocast, which takes losses in float.
    const HalfErrors theirs = half_errors(
        scaled_gradient([&](const at::Tensor& z) { return peer(z.to(at::kFloat)); }, logits),
        exact);
    std::printf("| %s | %.1e / %.1e | %.1e / %.1e | %.1f %% / %.1f %% |\n", each.name.c_str(),
                errors.element, theirs.element, errors.column, theirs.column, 100 * errors.lost,
                100 * theirs.lost);
  }
}

nlohmann::json to_json(const std::vector<Row>& rows) {
  nlohmann::json result = nlohmann::json::array();
  for (const Row& row : rows) {
    result.push_back({{"loss", row.loss},
                      {"passes", row.ours.passes},
                      {"peak", row.ours.peak},
                      {"launches", row.ours.launches},
                      {"peer_passes", row.peer.passes},
                      {"peer_peak", row.peer.peak},
                      {"peer_launches", row.peer.launches},
                      {"time_ratio", row.time_ratio},
                      {"bar", {{"passes", row.bar.passes}, {"peak", row.bar.peak}}}});
  }
  return result;
}

int run() {
  if (!fake::available()) {
    std::fprintf(stderr, "device_traffic: the device that counts needs LibTorch 2.1 or later\n");
    return 2;
  }
  const std::int64_t rows = absl::GetFlag(FLAGS_rows);
  const std::int64_t classes = absl::GetFlag(FLAGS_classes);
  if (rows < 1 || classes < 2 || absl::GetFlag(FLAGS_repeats) < 0) {
    std::fprintf(stderr, "device_traffic: --rows from 1, --classes from 2, --repeats from 0\n");
    return 2;
  }
  at::set_num_threads(1);
  std::vector<Row> all;
  for (const DeviceCase& each : testing::device_cases(rows, classes)) {
    std::fprintf(stderr, "%s ...\n", each.name.c_str());
    all.push_back(measure(each, rows, classes));
  }
  if (absl::GetFlag(FLAGS_linear)) all.push_back(measure_linear());
  std::printf("%lld x %lld logits, LibTorch %s\n", static_cast<long long>(rows),
              static_cast<long long>(classes), TORCH_VERSION);
  print(all);
  if (absl::GetFlag(FLAGS_half)) print_half_errors();
  const std::string path = absl::GetFlag(FLAGS_json);
  if (path.empty()) return 0;
  std::ofstream file(path);
  file << to_json(all).dump(2) << '\n';
  if (file.flush()) return 0;
  std::fprintf(stderr, "device_traffic: cannot write %s\n", path.c_str());
  return 1;
}

}  // namespace
}  // namespace equipoise

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "counts what the losses move on a device, beside LibTorch's; no GPU needed");
  absl::ParseCommandLine(argc, argv);
  // Large tensors come from memory that the process keeps: fresh pages cost whoever touches them
  // first more than a pass does.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  return equipoise::run();
}
