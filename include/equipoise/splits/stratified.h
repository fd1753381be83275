// Parts that have the class proportions of the whole.
#ifndef EQUIPOISE_SPLITS_STRATIFIED_H_
#define EQUIPOISE_SPLITS_STRATIFIED_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/class_index.h"
#include "equipoise/random.h"
#include "equipoise/splits/split.h"
#include "equipoise/view.h"

namespace equipoise {

namespace detail {

// What a class may give to the test part.
constexpr std::uint64_t testable_rows(std::uint64_t count, std::uint64_t min_train_rows) {
  return count - std::min(count, min_train_rows);
}

inline void require_testable(std::string_view where, std::span<const std::uint64_t> counts,
                             std::uint64_t test_rows, std::uint64_t min_train_rows) {
  std::uint64_t testable = 0;
  for (const std::uint64_t count : counts) testable += testable_rows(count, min_train_rows);
  if (testable < test_rows) {
    reject(where, "options.min_train_rows", min_train_rows,
           "a number that leaves " + to_text(test_rows) + " rows for testing, not " +
               to_text(testable));
  }
}

// How many rows of each class go to the test part, of `total`, by the largest-remainder rule on the
// exact shares n_c * total / n. A class with a single row is the last to give it away; ties go to
// the larger class, then to the lower one. Classes whose share is more than they may give, the
// smallest first, give that, and the others share what is left. All in integers.
inline std::vector<std::uint64_t> test_quotas(std::span<const std::uint64_t> counts,
                                              std::uint64_t total,
                                              std::uint64_t min_train_rows = 0) {
  std::uint64_t rows = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  std::vector<std::size_t> classes(counts.size());
  std::iota(classes.begin(), classes.end(), std::size_t{0});
  std::sort(classes.begin(), classes.end(), [&](std::size_t a, std::size_t b) {
    return std::tuple(counts[a], a) < std::tuple(counts[b], b);
  });
  std::vector<std::uint64_t> quotas(counts.size());
  std::size_t begin = 0;  // of the classes that give their share
  for (; begin < classes.size(); ++begin) {
    const std::size_t c = classes[begin];
    const std::uint64_t most = testable_rows(counts[c], min_train_rows);
    const bool is_testable =
        static_cast<uint128>(counts[c]) * total <= static_cast<uint128>(most) * rows;
    if (is_testable && counts[c] != 0) break;
    quotas[c] = most;
    total -= most;
    rows -= counts[c];
  }
  std::vector<std::tuple<bool, std::uint64_t, std::uint64_t, std::size_t>> claims;
  std::uint64_t left = total;
  for (; begin < classes.size(); ++begin) {
    const std::size_t c = classes[begin];
    const uint128 share = static_cast<uint128>(counts[c]) * total;
    quotas[c] = static_cast<std::uint64_t>(share / rows);
    left -= quotas[c];
    const auto remainder = static_cast<std::uint64_t>(share % rows);
    if (remainder != 0) claims.emplace_back(counts[c] > 1, remainder, counts[c], counts.size() - c);
  }
  std::sort(claims.rbegin(), claims.rend());
  for (std::size_t i = 0; i < left; ++i) ++quotas[counts.size() - std::get<3>(claims[i])];
  return quotas;
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
/// A class with few rows may be absent from the test part. With options.min_train_rows = m a class
/// gives at most n_c - m rows, and the shares are those of the classes that can give theirs.
///
/// The same on every platform. O(N + C log C).
/// @throws std::invalid_argument for a label outside [0, classes), a fraction outside (0, 1), and
/// where either part would be empty or options.min_train_rows leaves too few rows for testing.
template <LabelRange R>
EQUIPOISE_INLINE Split stratified_split(const R& labels, std::size_t classes, double test_fraction,
                                        std::uint64_t seed, const SplitOptions& options = {}) {
  constexpr std::string_view kWhere = "stratified_split";
  const auto values = as_span(labels);
  detail::require_test_fraction(kWhere, test_fraction);
  const std::vector<std::uint64_t> counts = detail::rows_per_class(kWhere, values, classes);
  const std::size_t test_rows = detail::test_rows_of(kWhere, values.size(), test_fraction);
  detail::require_testable(kWhere, counts, test_rows, options.min_train_rows);
  return detail::split_by_quota(values,
                                detail::test_quotas(counts, test_rows, options.min_train_rows),
                                test_rows, seed, options);
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
  detail::require_folds(kWhere, k, values.size(), "rows");
  return detail::deal_folds(values, counts, k, seed);
}

}  // namespace equipoise

#endif  // EQUIPOISE_SPLITS_STRATIFIED_H_
