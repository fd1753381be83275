// The works of the comparison under Google Benchmark, each on both sides:
//
//   bazel run -c opt //benchmarks:works_benchmark -- [--benchmark_filter=REGEX]
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <functional>
#include <string>

#include "benchmarks/works.h"

namespace equipoise::benchmarks {
namespace {

void add(const Work& work, const std::string& side,
         const std::function<void()> Work::Sides::*function) {
  benchmark::RegisterBenchmark((work.name + "/" + side).c_str(), [work, function](
                                                                     benchmark::State& state) {
    at::set_num_threads(1);
    const Work::Sides sides = work.prepare();
    for (auto _ : state) (sides.*function)();
  })->Unit(benchmark::kMicrosecond);
}

const bool added = [] {
  for (const Work& work : all_works()) {
    add(work, work.peer, &Work::Sides::peer);
    add(work, "equipoise", &Work::Sides::ours);
  }
  return true;
}();

}  // namespace
}  // namespace equipoise::benchmarks
