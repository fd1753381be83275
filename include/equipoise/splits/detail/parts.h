// How large parts are, and rows in the order in which parts take them.
#ifndef EQUIPOISE_SPLITS_DETAIL_PARTS_H_
#define EQUIPOISE_SPLITS_DETAIL_PARTS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/near_whole.h"
#include "equipoise/random.h"

namespace equipoise::detail {

inline void require_test_fraction(std::string_view where, double test_fraction) {
  if (is_finite(test_fraction) && test_fraction > 0 && test_fraction < 1) return;
  reject(where, "test_fraction", test_fraction, "a number between 0 and 1");
}

// round(rows * test_fraction), if that leaves rows in both parts. Halves are rounded up, also where
// the product is one but for its rounding.
inline std::size_t test_rows_of(std::string_view where, std::size_t rows, double test_fraction) {
  const double halves = near_whole(2 * (static_cast<double>(rows) * test_fraction));
  const auto test_rows = static_cast<std::size_t>(std::llround(halves / 2));
  if (test_rows == 0 || test_rows >= rows) {
    reject(where, "test_fraction", test_fraction,
           "one that leaves rows in both parts of " + to_text(rows));
  }
  return test_rows;
}

inline void require_folds(std::string_view where, std::uint32_t k, std::size_t most,
                          std::string_view of_what) {
  if (k >= 2 && k <= most) return;
  reject(where, "k", k, "2 to " + to_text(most) + " (" + std::string(of_what) + ")");
}

// Calls assign(row) for every row, in a random order that is the same on every platform.
template <class F>
EQUIPOISE_HOST_INLINE void for_each_shuffled(std::size_t rows, std::uint64_t seed,
                                             const F& assign) {
  const auto visit = [&](const auto& order) {
    for (const auto row : order) assign(static_cast<std::size_t>(row));
  };
  if (rows <= std::numeric_limits<std::uint32_t>::max()) {
    visit(shuffled_indices<std::uint32_t>(rows, CounterRandom{seed}));
  } else {
    visit(shuffled_indices<std::uint64_t>(rows, CounterRandom{seed}));
  }
}

// Where a part is chosen for every row or group on its own, training is part 0 and testing part 1.
constexpr std::uint32_t kTrainPart = 0;
constexpr std::uint32_t kTestPart = 1;

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_PARTS_H_
