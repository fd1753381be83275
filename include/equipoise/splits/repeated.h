// Cross-validation several times over.
#ifndef EQUIPOISE_SPLITS_REPEATED_H_
#define EQUIPOISE_SPLITS_REPEATED_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/random.h"

namespace equipoise::splits {

/// The seed of one of several repeats: a pure function of both arguments, so any repeat can be made
/// without the others. The seeds of different repeats look like independent random numbers. O(1).
constexpr std::uint64_t repeat_seed(std::uint64_t seed, std::uint64_t repeat) {
  return CounterRandom{seed}.bits(repeat, detail::Purpose::kRepeatSeed);
}

/// split(repeat_seed(seed, r)) for r in [0, repeats): repeats any split that depends on a seed.
///
///     auto runs = repeated(10, seed, [&](std::uint64_t s) {
///       return stratified_k_fold(labels, classes, 5, s);
///     });
///
/// gives runs[r][row], the fold of a row in repeat r. The first repeats of a longer run are those
/// of a shorter one.
/// @throws std::invalid_argument for no repeats, and what split() throws.
template <class F>
std::vector<std::invoke_result_t<const F&, std::uint64_t>> repeated(std::size_t repeats,
                                                                    std::uint64_t seed,
                                                                    const F& split) {
  if (repeats == 0) detail::reject("repeated", "repeats", repeats, "at least 1");
  std::vector<std::invoke_result_t<const F&, std::uint64_t>> results;
  results.reserve(repeats);
  for (std::size_t r = 0; r < repeats; ++r) results.push_back(split(repeat_seed(seed, r)));
  return results;
}

}  // namespace equipoise::splits

#endif  // EQUIPOISE_SPLITS_REPEATED_H_
