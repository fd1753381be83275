// The library's side of resampling_peers.py:
//
//   resampling_peers --rows=FILE --labels=FILE --work=NAME --repeats=R
//
// FILEs hold rows of floats, one after the other, and labels of two classes as 64-bit integers;
// without them it takes a small set of its own. It prints the seconds of each repetition, one a
// line.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "equipoise/counts.h"
#include "equipoise/resampling.h"
#include "equipoise/sampling/target_counts.h"

ABSL_FLAG(std::string, rows, "", "file of floats");
ABSL_FLAG(std::string, labels, "", "file of 64-bit integers");
ABSL_FLAG(std::string, work, "", "what to do");
ABSL_FLAG(int, repeats, 3, "how often");

namespace {

using equipoise::MatrixView;
namespace resampling = equipoise::resampling;
namespace sampling = equipoise::sampling;

struct Input {
  std::vector<float> values;
  std::vector<std::int64_t> labels;

  MatrixView<const float> rows() const {
    return {values.data(), labels.size(), values.size() / labels.size()};
  }
};
// Returns something of its result, so that none of it can be left out.
using Work = std::size_t (*)(const Input&);

// Memory for floats, by the same advice to the system as numpy gives for its arrays: with pages of
// four kilobytes, page faults take longer than the rows.
class LargePages {
 public:
  explicit LargePages(std::size_t size) {
    constexpr std::size_t kPage = std::size_t{1} << 21;
    const std::size_t bytes = (size * sizeof(float) + kPage - 1) / kPage * kPage;
    data_.reset(static_cast<float*>(std::aligned_alloc(kPage, bytes)));
#if defined(__linux__)
    madvise(data_.get(), bytes, MADV_HUGEPAGE);
#endif
  }
  float* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  std::unique_ptr<float, Free> data_;
};

// As many rows of class 1 as of class 0.
template <class Policy>
resampling::RecipeStream stream(const Input& input, const Policy& policy) {
  const auto targets = sampling::oversampling_targets(equipoise::count_labels(input.labels, 2));
  return {policy(input.rows(), input.labels, targets), 1};
}

// The rows that there are and the synthetic ones, in one matrix, and their labels.
template <class Policy>
std::size_t written_out(const Input& input) {
  const std::vector<resampling::Recipe> recipes = stream(input, Policy{}).epoch(0);
  const std::size_t columns = input.rows().cols;
  const std::size_t size = input.values.size() + recipes.size() * columns;
  const LargePages values(size);
  std::copy(input.values.begin(), input.values.end(), values.data());
  resampling::synthesize(
      recipes, input.rows(),
      MatrixView<float>(values.data() + input.values.size(), recipes.size(), columns));
  std::vector<std::int64_t> labels = input.labels;
  const auto made = resampling::labels_of(recipes, input.labels);
  labels.insert(labels.end(), made.begin(), made.end());
  return size + labels.size();
}

template <class Policy>
std::size_t recipes_alone(const Input& input) {
  return stream(input, Policy{}).epoch(0).size();
}

// The part of SMOTE's recipes that is a search: the nearest of the rows of class 1.
std::size_t neighbours_alone(const Input& input) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < input.labels.size(); ++i) {
    if (input.labels[i] == 1) rows.push_back(i);
  }
  return resampling::ExactNeighbours{}(input.rows(), rows, rows, resampling::Smote{}.k).rows();
}

template <class Policy>
std::size_t cleaned(const Input& input) {
  return Policy{}(input.rows(), input.labels, 2).size();
}

std::size_t near_miss(const Input& input) {
  const auto targets = sampling::undersampling_targets(equipoise::count_labels(input.labels, 2));
  return resampling::NearMiss{}(input.rows(), input.labels, targets).size();
}

const std::map<std::string, Work> kWorks = {
    {"SMOTE", written_out<resampling::Smote>},
    {"Borderline-SMOTE", written_out<resampling::BorderlineSmote>},
    {"ADASYN", written_out<resampling::Adasyn>},
    {"SMOTE, recipes alone", recipes_alone<resampling::Smote>},
    {"SMOTE, neighbours alone", neighbours_alone},
    {"Tomek links", cleaned<resampling::TomekLinks>},
    {"edited neighbours", cleaned<resampling::EditedNeighbours>},
    {"NearMiss", near_miss},
};

template <class T>
std::vector<T> read(const std::string& name) {
  std::ifstream file(name, std::ios::binary | std::ios::ate);
  if (!file) return {};
  std::vector<T> values(static_cast<std::size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

// Every fourth row of class 1, which is a little aside.
Input small_set() {
  Input input;
  for (std::uint32_t i = 0; i < 240; ++i) {
    input.labels.push_back(i % 4 == 0 ? 1 : 0);
    for (std::uint32_t c = 0; c < 2; ++c) {
      const std::uint32_t spread = (i * 2 + c) * 2654435761u >> 16;
      input.values.push_back(static_cast<float>(spread) * 0x1p-16f + (i % 4 == 0 ? 0.3f : 0.0f));
    }
  }
  return input;
}

Input read_set() {
  const std::string rows = absl::GetFlag(FLAGS_rows);
  const std::string labels = absl::GetFlag(FLAGS_labels);
  if (rows.empty() && labels.empty()) return small_set();
  return {read<float>(rows), read<std::int64_t>(labels)};
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Times what resamples rows.");
  absl::ParseCommandLine(argc, argv);
  const auto work = kWorks.find(absl::GetFlag(FLAGS_work));
  if (work == kWorks.end()) {
    std::cerr << "--work: \"" << absl::GetFlag(FLAGS_work) << "\", expected one of";
    for (const auto& [name, unused] : kWorks) std::cerr << " \"" << name << '"';
    std::cerr << '\n';
    return 2;
  }
  const Input input = read_set();
  if (input.labels.empty() || input.values.empty() ||
      input.values.size() % input.labels.size() != 0) {
    std::cerr << "--rows, --labels: not as many numbers for each label\n";
    return 2;
  }
  for (int i = 0; i < absl::GetFlag(FLAGS_repeats); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::size_t size = work->second(input);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (size == 0) return 1;
    std::printf("%.9f\n", taken.count());
  }
  return 0;
}
