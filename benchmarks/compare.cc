// The library against LibTorch, both sides in one run:
//
//   bazel run -c opt //benchmarks:compare -- [--json=FILE] [--filter=REGEX] [--seconds=S]
//   [--threads=N]
//
// A work runs on either side in turn, so that both see the same machine; the table shows medians
// and their ratio beside the bar that the project sets itself for one thread, which is the default.
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "benchmarks/works.h"

ABSL_FLAG(std::string, json, "", "file to write the table to as JSON");
ABSL_FLAG(std::string, filter, "", "regular expression: only works whose names contain a match");
ABSL_FLAG(double, seconds, 1.0, "about how long each work is measured");
ABSL_FLAG(int, threads, 1, "LibTorch's threads, on both sides; the bars are for one");

namespace {

using equipoise::benchmarks::Work;

struct Result {
  double peer_seconds;
  double our_seconds;
};

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

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Compares the library with LibTorch.");
  absl::ParseCommandLine(argc, argv);
  const int threads = absl::GetFlag(FLAGS_threads);
  if (threads < 1) {
    std::cerr << "--threads: " << threads << ", expected at least 1\n";
    return 2;
  }
  at::set_num_threads(threads);
  std::regex filter;
  try {
    filter = std::regex(absl::GetFlag(FLAGS_filter));
  } catch (const std::regex_error& error) {
    std::cerr << "--filter: " << error.what() << "\n";
    return 2;
  }
  std::printf("LibTorch %s, %d thread%s; medians\n\n", TORCH_VERSION, threads,
              threads == 1 ? "" : "s");
  std::printf("%-44s %-24s %12s %12s %7s %5s\n", "work", "peer", "peer time", "ours", "ratio",
              "bar");
  nlohmann::json rows = nlohmann::json::array();
  for (const Work& work : equipoise::benchmarks::all_works()) {
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
  if (rows.empty()) {
    std::cerr << "--filter: no work has a name with a match\n";
    return 2;
  }
  const std::string file = absl::GetFlag(FLAGS_json);
  if (!file.empty()) {
    std::ofstream out(file);
    out << nlohmann::json{{"libtorch", TORCH_VERSION}, {"threads", threads}, {"rows", rows}}.dump(2)
        << "\n";
    if (!out) {
      std::cerr << file << ": cannot be written\n";
      return 1;
    }
  }
  return 0;
}
