// Cuts a data set into parts that have its class proportions.
#ifndef EQUIPOISE_SPLITS_H_
#define EQUIPOISE_SPLITS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/class_index.h"
#include "equipoise/random.h"
#include "equipoise/view.h"

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
};

namespace detail {

// How many rows of each class go to the test part, of `total`, by the largest-remainder rule on the
// exact shares n_c * total / n. A class with a single row is the last to give it away; ties go to
// the larger class, then to the lower one. All in integers.
inline std::vector<std::uint64_t> test_quotas(std::span<const std::uint64_t> counts,
                                              std::uint64_t total) {
  const std::uint64_t rows = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  std::vector<std::uint64_t> quotas;
  std::vector<std::tuple<bool, std::uint64_t, std::uint64_t, std::size_t>> claims;
  std::uint64_t left = total;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    const uint128 share = static_cast<uint128>(counts[c]) * total;
    quotas.push_back(static_cast<std::uint64_t>(share / rows));
    left -= quotas[c];
    const auto remainder = static_cast<std::uint64_t>(share % rows);
    if (remainder != 0) claims.emplace_back(counts[c] > 1, remainder, counts[c], counts.size() - c);
  }
  std::sort(claims.rbegin(), claims.rend());
  for (std::size_t i = 0; i < left; ++i) ++quotas[counts.size() - std::get<3>(claims[i])];
  return quotas;
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

// The first quotas[c] rows of class c in a random order are for testing.
template <class L>
EQUIPOISE_INLINE Split split_by_quota(std::span<const L> labels, std::vector<std::uint64_t> quotas,
                                      std::size_t test_rows, std::uint64_t seed,
                                      const SplitOptions& options) {
  Split split;
  split.test.resize(test_rows);
  split.train.resize(labels.size() - test_rows);
  std::int64_t* test = split.test.data();
  std::int64_t* train = split.train.data();
  for_each_shuffled(labels.size(), seed, [&](std::size_t row) {
    std::uint64_t& quota = quotas[static_cast<std::size_t>(labels[row])];
    std::int64_t*& part = quota > 0 ? test : train;
    quota -= quota > 0 ? 1 : 0;
    *part++ = static_cast<std::int64_t>(row);
  });
  if (!options.shuffle) {
    std::sort(split.test.begin(), split.test.end());
    std::sort(split.train.begin(), split.train.end());
  }
  return split;
}

// The rows in the order of their classes, within a class in a random one, are dealt to the folds
// like cards: each class begins at the fold after the last of the class before it.
template <class L>
EQUIPOISE_INLINE std::vector<std::uint32_t> deal_folds(std::span<const L> labels,
                                                       std::span<const std::uint64_t> counts,
                                                       std::uint32_t k, std::uint64_t seed) {
  std::vector<std::uint32_t> next;
  for (const std::uint64_t start : class_starts(counts)) {
    next.push_back(static_cast<std::uint32_t>(start % k));
  }
  std::vector<std::uint32_t> folds(labels.size());
  for_each_shuffled(labels.size(), seed, [&](std::size_t row) {
    std::uint32_t& fold = next[static_cast<std::size_t>(labels[row])];
    folds[row] = fold;
    fold = fold + 1 == k ? 0 : fold + 1;
  });
  return folds;
}

}  // namespace detail

/// A random test part of round(N * test_fraction) rows (halves away from zero) with the class
/// proportions of the whole; the other rows are for training.
///
/// Class c gives floor or ceil of its exact share n_c * test / N, the largest remainders ceil, so
/// the total is exact. Training comes first for rare classes: of a class with a single row that row
/// stays in the training part unless every row that could be taken instead is of such a class too.
/// A class with few rows may be absent from the test part.
///
/// The same on every platform. O(N + C log C).
/// @throws std::invalid_argument for a label outside [0, classes), a fraction outside (0, 1), and
/// where either part would be empty.
template <LabelRange R>
EQUIPOISE_INLINE Split stratified_split(const R& labels, std::size_t classes, double test_fraction,
                                        std::uint64_t seed, const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "stratified_split";
  const auto values = as_span(labels);
  if (!detail::is_finite(test_fraction) || !(test_fraction > 0 && test_fraction < 1)) {
    detail::reject(kWhere, "test_fraction", test_fraction, "a number between 0 and 1");
  }
  const std::vector<std::uint64_t> counts = detail::rows_per_class(kWhere, values, classes);
  const auto test_rows =
      static_cast<std::size_t>(std::llround(static_cast<double>(values.size()) * test_fraction));
  if (test_rows == 0 || test_rows >= values.size()) {
    detail::reject(kWhere, "test_fraction", test_fraction,
                   "one that leaves rows in both parts of " + detail::to_text(values.size()));
  }
  return detail::split_by_quota(values, detail::test_quotas(counts, test_rows), test_rows, seed,
                                options);
}

/// A fold in [0, k) for every row, for cross-validation: in every class, and over all rows, the
/// sizes of two folds differ by at most one. A class with fewer than k rows is absent from some
/// folds.
///
/// Random, and the same on every platform. O(N + C).
/// @throws std::invalid_argument for a label outside [0, classes), and for k outside [2, N].
template <LabelRange R>
EQUIPOISE_INLINE std::vector<std::uint32_t> stratified_k_fold(const R& labels, std::size_t classes,
                                                              std::uint32_t k, std::uint64_t seed) {
  constexpr std::string_view kWhere = "stratified_k_fold";
  const auto values = as_span(labels);
  const std::vector<std::uint64_t> counts = detail::rows_per_class(kWhere, values, classes);
  if (k < 2 || k > values.size()) {
    detail::reject(kWhere, "k", k, "2 to " + detail::to_text(values.size()) + " (rows)");
  }
  return detail::deal_folds(values, counts, k, seed);
}

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

}  // namespace equipoise

#endif  // EQUIPOISE_SPLITS_H_
