// The library's side of python_peers.py:
//
//   python_peers --labels=FILE --classes=C --work=NAME --repeats=R
//
// FILE holds labels as 64-bit integers. It prints the seconds of each repetition, one a line.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "equipoise/equipoise.h"

ABSL_FLAG(std::string, labels, "", "file of 64-bit integers");
ABSL_FLAG(int, classes, 10, "number of classes");
ABSL_FLAG(std::string, work, "", "what to do");
ABSL_FLAG(int, repeats, 5, "how often");

namespace {

using Labels = std::vector<std::int64_t>;
using Work = std::size_t (*)(const Labels&, std::size_t);

// Each returns something of its result, so that none of it can be left out.
std::size_t oversample(const Labels& labels, std::size_t classes) {
  const auto targets = equipoise::oversampling_targets(equipoise::count_labels(labels, classes));
  return equipoise::resample(labels, targets, 1).size();
}

std::size_t undersample(const Labels& labels, std::size_t classes) {
  const auto targets = equipoise::undersampling_targets(equipoise::count_labels(labels, classes));
  return equipoise::resample(labels, targets, 1).size();
}

std::size_t stratified_split(const Labels& labels, std::size_t classes) {
  return equipoise::stratified_split(labels, classes, 0.2, 1).test.size();
}

const std::map<std::string, Work> kWorks = {
    {"oversample", oversample},
    {"undersample", undersample},
    {"stratified split", stratified_split},
};

Labels read(const std::string& name) {
  std::ifstream file(name, std::ios::binary | std::ios::ate);
  if (!file) return {};
  Labels labels(static_cast<std::size_t>(file.tellg()) / sizeof(std::int64_t));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(labels.data()),
            static_cast<std::streamsize>(labels.size() * sizeof(std::int64_t)));
  return labels;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Times works on labels.");
  absl::ParseCommandLine(argc, argv);
  const auto work = kWorks.find(absl::GetFlag(FLAGS_work));
  if (work == kWorks.end()) {
    std::cerr << "--work: \"" << absl::GetFlag(FLAGS_work) << "\", expected one of";
    for (const auto& [name, unused] : kWorks) std::cerr << " \"" << name << '"';
    std::cerr << '\n';
    return 2;
  }
  const Labels labels = read(absl::GetFlag(FLAGS_labels));
  if (labels.empty()) {
    std::cerr << "--labels: \"" << absl::GetFlag(FLAGS_labels) << "\" has no labels\n";
    return 2;
  }
  for (int i = 0; i < absl::GetFlag(FLAGS_repeats); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::size_t size =
        work->second(labels, static_cast<std::size_t>(absl::GetFlag(FLAGS_classes)));
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (size == 0) return 1;
    std::printf("%.9f\n", taken.count());
  }
}
