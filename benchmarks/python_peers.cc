// The library's side of python_peers.py:
//
//   python_peers --labels=FILE --classes=C --work=NAME --repeats=R
//
// FILE holds labels as 64-bit integers. It prints the seconds of each repetition, one a line.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
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
// Makes its input of the labels; what it returns is timed.
using Work = std::function<std::size_t()> (*)(const Labels&, std::size_t);

// Each returns something of its result, so that none of it can be left out.
std::function<std::size_t()> oversample(const Labels& labels, std::size_t classes) {
  return [&labels, classes] {
    const auto targets =
        equipoise::sampling::oversampling_targets(equipoise::count_labels(labels, classes));
    return equipoise::sampling::resample(labels, targets, 1).size();
  };
}

std::function<std::size_t()> undersample(const Labels& labels, std::size_t classes) {
  return [&labels, classes] {
    const auto targets =
        equipoise::sampling::undersampling_targets(equipoise::count_labels(labels, classes));
    return equipoise::sampling::resample(labels, targets, 1).size();
  };
}

std::function<std::size_t()> stratified_split(const Labels& labels, std::size_t classes) {
  return [&labels, classes] {
    return equipoise::splits::stratified_split(labels, classes, 0.2, 1).test.size();
  };
}

// Every fourth row is taken for the next class.
Labels predictions(const Labels& labels, std::size_t classes) {
  Labels result = labels;
  for (std::size_t i = 0; i < result.size(); i += 4) {
    result[i] = (result[i] + 1) % static_cast<std::int64_t>(classes);
  }
  return result;
}

std::function<std::size_t()> per_class_figures(const Labels& labels, std::size_t classes) {
  return [&labels, predicted = predictions(labels, classes), classes] {
    equipoise::metrics::ConfusionMatrix matrix(classes);
    matrix.add(labels, predicted);
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      sum += matrix.precision(c) + matrix.recall(c) + matrix.f1(c) + matrix.support(c);
    }
    return std::size_t{sum > 0 ? 1U : 0U};
  };
}

// The first class against the others; scores are spread evenly, those of positives 0.3 higher.
struct Scored {
  std::vector<double> scores;
  Labels targets;
};
Scored scored(const Labels& labels) {
  Scored result;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double spread = static_cast<double>(i) * 0.6180339887498949;
    result.targets.push_back(labels[i] == 0 ? 1 : 0);
    result.scores.push_back(spread - std::floor(spread) + (labels[i] == 0 ? 0.3 : 0.0));
  }
  return result;
}

std::function<std::size_t()> roc_auc(const Labels& labels, std::size_t) {
  return [input = scored(labels)] {
    const double area =
        equipoise::metrics::roc_auc(input.scores, input.targets, equipoise::metrics::Absent::kOne);
    return std::size_t{area > 0 ? 1U : 0U};
  };
}

std::function<std::size_t()> average_precision(const Labels& labels, std::size_t) {
  return [input = scored(labels)] {
    const double area = equipoise::metrics::average_precision(input.scores, input.targets);
    return std::size_t{area > 0 ? 1U : 0U};
  };
}

const std::map<std::string, Work> kWorks = {
    {"oversample", oversample},
    {"undersample", undersample},
    {"stratified split", stratified_split},
    {"precision, recall, F1", per_class_figures},
    {"ROC AUC", roc_auc},
    {"average precision", average_precision},
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
  const std::function<std::size_t()> timed =
      work->second(labels, static_cast<std::size_t>(absl::GetFlag(FLAGS_classes)));
  for (int i = 0; i < absl::GetFlag(FLAGS_repeats); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::size_t size = timed();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (size == 0) return 1;
    std::printf("%.9f\n", taken.count());
  }
}
