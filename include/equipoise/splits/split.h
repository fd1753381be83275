// What cutting a data set gives: two lists of rows, or a fold for every row.
#ifndef EQUIPOISE_SPLITS_SPLIT_H_
#define EQUIPOISE_SPLITS_SPLIT_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/near_whole.h"
#include "equipoise/random.h"

namespace equipoise {

/// Two disjoint lists of rows.
struct Split {
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> test;

  friend bool operator==(const Split&, const Split&) = default;
};

struct SplitOptions {
  /// Whether the lists are in random order; otherwise they ascend. Which rows they hold is random
  /// either way, and the same.
  bool shuffle = true;
  /// Training comes first: of every class this many rows stay for training, all of them where it
  /// has no more, and only what is left may be tested. What a rare class cannot give the others
  /// give.
  std::uint64_t min_train_rows = 0;
  /// Of every class at least this many rows are tested, or as many as it has beyond those that stay
  /// for training: options.min_train_rows, and one in any case. What a rare class gives beyond its
  /// share the others do not give.
  std::uint64_t min_test_rows = 0;
};

/// The rows of fold f for testing, those of all other folds for training, both ascending. O(N).
/// @throws std::invalid_argument where no row is in fold f.
inline Split fold(std::span<const std::uint32_t> folds, std::uint32_t f) {
  Split split;
  for (std::size_t row = 0; row < folds.size(); ++row) {
    (folds[row] == f ? split.test : split.train).push_back(static_cast<std::int64_t>(row));
  }
  if (split.test.empty()) detail::reject("fold", "f", f, "a fold that has rows");
  return split;
}

namespace detail {

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

// What a class may give to the test part.
constexpr std::uint64_t testable_rows(std::uint64_t count, const SplitOptions& options) {
  return count - std::min(count, options.min_train_rows);
}

// What it has to give: never its only row.
constexpr std::uint64_t tested_rows(std::uint64_t count, const SplitOptions& options) {
  const std::uint64_t kept = std::max<std::uint64_t>(options.min_train_rows, 1);
  return std::min(options.min_test_rows, count - std::min(count, kept));
}

inline void require_folds(std::string_view where, std::uint32_t k, std::size_t most,
                          std::string_view of_what) {
  if (k >= 2 && k <= most) return;
  reject(where, "k", k, "2 to " + to_text(most) + " (" + std::string(of_what) + ")");
}

// Calls assign(row) for every row, in a random order that is the same on every platform.
template <class F>
EQUIPOISE_INLINE void for_each_shuffled(std::size_t rows, std::uint64_t seed, const F& assign) {
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

EQUIPOISE_INLINE Split split_of_parts(std::span<const std::uint32_t> parts, std::uint64_t seed,
                                      const SplitOptions& options) {
  if (!options.shuffle) return fold(parts, kTestPart);
  Split split;
  for_each_shuffled(parts.size(), seed, [&](std::size_t row) {
    (parts[row] == kTestPart ? split.test : split.train).push_back(static_cast<std::int64_t>(row));
  });
  return split;
}

}  // namespace detail

}  // namespace equipoise

#endif  // EQUIPOISE_SPLITS_SPLIT_H_
