// How often bootstrap intervals of macro-F1 hold its true value: the tables of docs/explanation.md.
//
//   bazel run -c opt //benchmarks:bootstrap_coverage [-- REPEATS [RESAMPLES]]
//
// With the default 2000 test sets a coverage of .95 has a standard deviation of .005. A few
// minutes.
#include "tests/support/bootstrap_coverage.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/metrics/bootstrap.h"

namespace {

using equipoise::metrics::Absent;
using equipoise::metrics::BootstrapOptions;
using equipoise::metrics::Resampling;
using equipoise::testing::Coverage;
using equipoise::testing::TestSets;

struct Way {
  const char* name;
  Resampling resampling;
  std::uint32_t pseudo_rows;
  Absent absent;
};

constexpr Way kWays[] = {
    {"rows, absent 0", Resampling::kRows, 0, Absent::kZero},
    {"`kSkip`", Resampling::kRows, 0, Absent::kSkip},
    {"`kSkipUnsupported`", Resampling::kRows, 0, Absent::kSkipUnsupported},
    {"within classes", Resampling::kWithinClasses, 0, Absent::kZero},
    {"default", Resampling::kWithinClasses, 1, Absent::kZero},
};

struct Line {
  std::string name;
  TestSets sets;
};

std::vector<Line> lines() {
  std::vector<Line> result;
  const auto three = [](std::size_t rare, double recall, double other, bool draws) {
    return TestSets{{150, 48, rare}, {0.92, 0.7, recall}, {0.88, 0.75, other}, draws};
  };
  for (const auto& [recall, other] : {std::pair{0.2, 0.5}, {0.5, 0.5}, {0.8, 0.5}, {0.95, 0.5}}) {
    char name[64];
    std::snprintf(name, sizeof(name), "2 rows, recall %.3g", recall);
    result.push_back({name, three(2, recall, other, false)});
  }
  result.push_back({"2 on average", three(2, 0.5, 0.5, true)});
  for (const std::size_t rare : std::vector<std::size_t>{1, 3, 5, 10, 20}) {
    result.push_back(
        {std::to_string(rare) + (rare == 1 ? " row" : " rows"), three(rare, 0.5, 0.5, false)});
  }
  const auto many = [](std::size_t rows) {
    return TestSets{std::vector<std::size_t>(28, rows), std::vector<double>(28, 0.9),
                    std::vector<double>(28, 0.8)};
  };
  result.push_back({"28 classes of 2", many(2)});
  result.push_back({"28 classes of 5", many(5)});
  result.push_back({"28 classes of 20", many(20)});
  return result;
}

void print_header(const char* of) {
  std::printf("\n| %s |", of);
  for (const Way& way : kWays) std::printf(" %s |", way.name);
  std::printf("\n|---|");
  for (std::size_t i = 0; i < std::size(kWays); ++i) std::printf("---|");
  std::printf("\n");
}

void print_line(const std::string& name, const std::vector<Coverage>& coverages,
                double Coverage::*coverage, double Coverage::*width) {
  std::printf("| %s |", name.c_str());
  for (const Coverage& c : coverages) std::printf(" %.3f (%.2f) |", c.*coverage, c.*width);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i, std::size_t otherwise) {
    return argc > i ? static_cast<std::size_t>(std::strtoul(argv[i], nullptr, 10)) : otherwise;
  };
  const std::size_t repeats = number(1, 2000);
  const std::size_t resamples = number(2, 300);
  std::vector<std::pair<std::string, std::vector<Coverage>>> table;
  for (const Line& line : lines()) {
    table.push_back({line.name, {}});
    for (const Way& way : kWays) {
      const BootstrapOptions options{
          .resamples = resamples, .resampling = way.resampling, .pseudo_rows = way.pseudo_rows};
      table.back().second.push_back(
          equipoise::testing::coverage_of(line.sets, repeats, options, way.absent));
    }
  }
  print_header("one system");
  for (const auto& [name, coverages] : table) {
    print_line(name, coverages, &Coverage::one, &Coverage::width_of_one);
  }
  print_header("difference of two");
  for (const auto& [name, coverages] : table) {
    print_line(name, coverages, &Coverage::difference, &Coverage::width_of_difference);
  }
}
