// Random numbers for data that demos make themselves.
#ifndef EQUIPOISE_DEMOS_COMMON_RANDOM_NUMBERS_H_
#define EQUIPOISE_DEMOS_COMMON_RANDOM_NUMBERS_H_

#include <cstddef>
#include <cstdint>

#include "equipoise/random.h"

namespace equipoise::demos {

/// The numbers of a seed, one after the other; equal on every platform.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_{seed} {}

  /// Uniform in [0, n).
  std::size_t below(std::size_t n) {
    constexpr std::uint32_t kPurpose = 1;
    return static_cast<std::size_t>(random_.below(n, position_++, kPurpose));
  }
  bool happens(std::size_t of_hundred) { return below(100) < of_hundred; }

 private:
  CounterRandom random_;
  std::uint64_t position_ = 0;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_RANDOM_NUMBERS_H_
