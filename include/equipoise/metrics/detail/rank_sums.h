// The sums over ranked scores from which areas under curves follow.
#ifndef EQUIPOISE_METRICS_DETAIL_RANK_SUMS_H_
#define EQUIPOISE_METRICS_DETAIL_RANK_SUMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/metrics/detail/radix_sort.h"

namespace equipoise::detail {

template <class T>
void require_scores(std::string_view where, std::span<const T> scores) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (is_nan(static_cast<double>(scores[i]))) {
      reject_element(where, "scores", i, scores[i], "a number");
    }
  }
}

// Sums over positives, from which both areas follow.
struct RankSums {
  std::uint64_t twice_won = 0;  // pairs in which the positive scores higher; those that tie half
  double precisions = 0;        // of each positive, at its own score as the threshold
};

// Both ascending.
template <class Key>
RankSums rank_sums(std::span<const Key> positives, std::span<const Key> negatives) {
  RankSums sums;
  std::size_t left = positives.size();   // positives not yet seen, from the top
  std::size_t below = negatives.size();  // negatives that score less than all seen
  while (left > 0) {
    const Key score = positives[left - 1];
    const std::size_t last = left;
    while (left > 0 && positives[left - 1] == score) --left;
    while (below > 0 && negatives[below - 1] > score) --below;
    const std::size_t not_above = below;
    while (below > 0 && negatives[below - 1] == score) --below;
    const auto size = static_cast<std::uint64_t>(last - left);
    sums.twice_won += size * static_cast<std::uint64_t>(below + not_above);
    const auto found = static_cast<double>(positives.size() - left);
    const auto wrong = static_cast<double>(negatives.size() - below);
    sums.precisions += static_cast<double>(size) * (found / (found + wrong));
  }
  return sums;
}

// Appends to each list what the other ranks have in theirs, by rank: each writes its part of one
// long buffer, zero elsewhere, and the sum is all of it.
template <class T, class Sum>
void gather_keys(std::string_view where, std::span<std::vector<KeyOf<T>>* const> lists,
                 const Sum& all_reduce_sum, std::size_t rank, std::size_t world) {
  require_rank(where, "rank", rank, world);
  std::vector<double> sizes(lists.size() * world, 0.0);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    sizes[i * world + rank] = static_cast<double>(lists[i]->size());
  }
  all_reduce_sum(std::span<double>(sizes));
  std::vector<double> values(
      static_cast<std::size_t>(std::accumulate(sizes.begin(), sizes.end(), 0.0)), 0.0);
  auto place = values.begin();
  for (std::size_t i = 0; i < lists.size(); ++i) {
    for (std::size_t r = 0; r < world; ++r) {
      const auto size = static_cast<std::ptrdiff_t>(sizes[i * world + r]);
      if (r == rank) {
        std::transform(lists[i]->begin(), lists[i]->end(), place,
                       [](KeyOf<T> key) { return static_cast<double>(value_of_key<T>(key)); });
      }
      place += size;
    }
  }
  all_reduce_sum(std::span<double>(values));
  place = values.begin();
  for (std::size_t i = 0; i < lists.size(); ++i) {
    double size = 0;
    for (std::size_t r = 0; r < world; ++r) size += sizes[i * world + r];
    const auto end = place + static_cast<std::ptrdiff_t>(size);
    lists[i]->clear();
    for (; place != end; ++place) lists[i]->push_back(ordered_key(static_cast<T>(*place)));
  }
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_DETAIL_RANK_SUMS_H_
