// How many rows of each class the parts get, and which.
#ifndef EQUIPOISE_SPLITS_DETAIL_CLASS_SHARES_H_
#define EQUIPOISE_SPLITS_DETAIL_CLASS_SHARES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/splits/detail/bounds.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"

namespace equipoise::detail {

inline void require_testable(std::string_view where, std::span<const std::uint64_t> counts,
                             std::uint64_t test_rows, const splits::SplitOptions& options) {
  std::uint64_t testable = 0;
  std::uint64_t tested = 0;
  for (const std::uint64_t count : counts) {
    testable += testable_rows(count, options);
    tested += tested_rows(count, options);
  }
  if (testable < test_rows) {
    reject(where, "options.min_train_rows", options.min_train_rows,
           "a number that leaves " + to_text(test_rows) + " rows for testing, not " +
               to_text(testable));
  }
  if (tested > test_rows) {
    reject(where, "options.min_test_rows", options.min_test_rows,
           "a number for which " + to_text(test_rows) + " rows are enough; it takes " +
               to_text(tested));
  }
}

// Of the classes, which give their share n_c * total / rows of what the others leave.
struct SharingClasses {
  std::vector<std::size_t> classes{};
  std::uint64_t rows = 0;   // of all of them
  std::uint64_t total = 0;  // of these for testing
};

// Classes whose share is more than they may give or less than they have to give that instead, which
// quotas[c] becomes. As that moves the shares of the others, those that are off to the side on
// which more is off in all are settled first, and the shares taken anew (the flexible lengths of
// CSS are resolved so). A test part of `total` rows can be made: require_testable().
inline SharingClasses settle_bounds(std::span<const std::uint64_t> counts, std::uint64_t total,
                                    const splits::SplitOptions& options,
                                    std::vector<std::uint64_t>& quotas) {
  SharingClasses left;
  left.total = total;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) continue;
    left.classes.push_back(c);
    left.rows += counts[c];
  }
  while (true) {
    // How much of class c's share, times left.rows, is below or above the bounds.
    const auto below = [&, now = left.total, rows = left.rows](std::size_t c) -> uint128 {
      const uint128 share = static_cast<uint128>(counts[c]) * now;
      const uint128 least = static_cast<uint128>(tested_rows(counts[c], options)) * rows;
      return share < least ? least - share : 0;
    };
    const auto above = [&, now = left.total, rows = left.rows](std::size_t c) -> uint128 {
      const uint128 share = static_cast<uint128>(counts[c]) * now;
      const uint128 most = static_cast<uint128>(testable_rows(counts[c], options)) * rows;
      return share > most ? share - most : 0;
    };
    uint128 all_below = 0;
    uint128 all_above = 0;
    for (const std::size_t c : left.classes) {
      all_below += below(c);
      all_above += above(c);
    }
    if (all_below == 0 && all_above == 0) return left;
    std::erase_if(left.classes, [&](std::size_t c) {
      const bool is_below = all_below >= all_above && below(c) > 0;
      const bool is_above = all_above >= all_below && above(c) > 0;
      if (!is_below && !is_above) return false;
      quotas[c] = is_below ? tested_rows(counts[c], options) : testable_rows(counts[c], options);
      left.total -= quotas[c];
      left.rows -= counts[c];
      return true;
    });
  }
}

// How many rows of each class go to the test part, of `total`, by the largest-remainder rule on the
// exact shares n_c * total / n, within the bounds of the options. A class with a single row is the
// last to give it away; ties are broken by the seed. All in integers.
inline std::vector<std::uint64_t> test_quotas(std::span<const std::uint64_t> counts,
                                              std::uint64_t total, std::uint64_t seed,
                                              const splits::SplitOptions& options = {}) {
  std::vector<std::uint64_t> quotas(counts.size());
  const SharingClasses sharing = settle_bounds(counts, total, options, quotas);
  const std::vector<std::size_t> place =
      shuffled_indices<std::size_t>(counts.size(), CounterRandom{seed}, Purpose::kTieOrder);
  std::vector<std::tuple<bool, std::uint64_t, std::size_t, std::size_t>> claims;
  std::uint64_t left = sharing.total;
  for (const std::size_t c : sharing.classes) {
    const uint128 share = static_cast<uint128>(counts[c]) * sharing.total;
    quotas[c] = static_cast<std::uint64_t>(share / sharing.rows);
    left -= quotas[c];
    const auto remainder = static_cast<std::uint64_t>(share % sharing.rows);
    if (remainder != 0) claims.emplace_back(counts[c] > 1, remainder, place[c], c);
  }
  std::sort(claims.rbegin(), claims.rend());
  for (std::size_t i = 0; i < left; ++i) ++quotas[std::get<3>(claims[i])];
  return quotas;
}

// The first quotas[c] rows of class c in a random order are for testing.
template <class L>
EQUIPOISE_HOST_INLINE splits::Split split_by_quota(std::span<const L> labels,
                                                   std::vector<std::uint64_t> quotas,
                                                   std::size_t test_rows, std::uint64_t seed,
                                                   const splits::SplitOptions& options) {
  splits::Split split;
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
// like cards: each class begins at the fold after the last of the class before it. The folds sit in
// a random order, so that none gets the odd rows of certain classes.
template <class L>
EQUIPOISE_HOST_INLINE std::vector<std::uint32_t> deal_folds(std::span<const L> labels,
                                                            std::span<const std::uint64_t> counts,
                                                            std::uint32_t k, std::uint64_t seed) {
  std::vector<std::uint32_t> next;
  for (const std::uint64_t start : class_starts(counts)) {
    next.push_back(static_cast<std::uint32_t>(start % k));
  }
  const std::vector<std::uint32_t> seats =
      shuffled_indices<std::uint32_t>(k, CounterRandom{seed}, Purpose::kFoldOrder);
  std::vector<std::uint32_t> folds(labels.size());
  for_each_shuffled(labels.size(), seed, [&](std::size_t row) {
    std::uint32_t& seat = next[static_cast<std::size_t>(labels[row])];
    folds[row] = seats[seat];
    seat = seat + 1 == k ? 0 : seat + 1;
  });
  return folds;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_CLASS_SHARES_H_
