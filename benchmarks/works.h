// The works that are measured: what the library does and what LibTorch does for the same purpose.
#ifndef EQUIPOISE_BENCHMARKS_WORKS_H_
#define EQUIPOISE_BENCHMARKS_WORKS_H_

#include <functional>
#include <string>
#include <vector>

namespace equipoise::benchmarks {

/// One piece of work that both sides do, on one thread.
struct Work {
  std::string name;
  std::string peer;
  double bar;  ///< the least peer time / our time
  /// Makes the input and returns the two sides; the input lives as long as they do.
  struct Sides {
    std::function<void()> peer;
    std::function<void()> ours;
  };
  std::function<Sides()> prepare;
};

/// Counting, confusion matrices, samplers and losses.
std::vector<Work> all_works();

}  // namespace equipoise::benchmarks

#endif  // EQUIPOISE_BENCHMARKS_WORKS_H_
