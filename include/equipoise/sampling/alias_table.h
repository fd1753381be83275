// Draws from a discrete distribution in constant time, decided in integers alone.
#ifndef EQUIPOISE_SAMPLING_ALIAS_TABLE_H_
#define EQUIPOISE_SAMPLING_ALIAS_TABLE_H_

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/integer_masses.h"
#include "equipoise/random.h"
#include "equipoise/view.h"

namespace equipoise {

/// Walker's alias table (Walker 1977, Vose 1991): index i with probability w_i / sum(w).
///
/// The probabilities are integers: each of n buckets holds 2^32 quanta, divided between its own
/// index and one alias. A weight of zero has no quantum and is never drawn; a positive weight,
/// however small, has at least one. Apart from that, w_i / sum(w) is met to about
/// 2^-32 (1 / n + w_i / sum(w)). The table is built from the bits of the weights in integer
/// arithmetic, and so is the same for all compilers and flags.
///
/// Set-up O(n) in one sweep without stacks; 8 bytes an index, 16 during set-up. Draws O(1).
class AliasTable {
 public:
  /// @throws std::invalid_argument for a weight that is negative, NaN or infinite, for weights that
  /// are empty or all zero, and for 2^32 weights or more.
  template <ContiguousRange W>
  requires std::floating_point<ElementOf<W>>
  explicit AliasTable(const W& weights) : AliasTable("AliasTable", "weights", as_span(weights)) {}

  /// The number of indices, n.
  std::size_t size() const { return entries_.size(); }

  /// The index that lies at quantum `fraction` of a bucket: with both uniform, a draw. O(1);
  /// bucket < size(), unchecked.
  std::size_t operator()(std::size_t bucket, std::uint32_t fraction) const {
    EQUIPOISE_DCHECK(bucket < entries_.size());
    return entries_[bucket].pick(static_cast<std::uint32_t>(bucket), fraction);
  }

  /// Asks for a bucket's cache line ahead of its use.
  void prefetch(std::size_t bucket) const { __builtin_prefetch(entries_.data() + bucket); }

  /// Each index's probability in units of 1 / (n 2^32). O(n).
  std::vector<std::uint64_t> masses() const {
    std::vector<std::uint64_t> masses(size(), 0);
    for (std::size_t bucket = 0; bucket < size(); ++bucket) {
      masses[bucket] += entries_[bucket].threshold;
      masses[entries_[bucket].alias] += kBucket - entries_[bucket].threshold;
    }
    return masses;
  }

 private:
  friend class ClassSampler;
  friend class WeightedSampler;

  struct Entry {
    std::uint32_t threshold;  // quanta of the bucket's own index
    std::uint32_t alias;      // the index of the others

    // Without a branch, which nothing could predict.
    std::uint32_t pick(std::uint32_t own, std::uint32_t fraction) const {
      const std::uint32_t is_own = 0u - static_cast<std::uint32_t>(fraction < threshold);
      return alias ^ ((alias ^ own) & is_own);
    }
  };
  static constexpr std::uint64_t kBucket = std::uint64_t{1} << 32;

  template <class W>
  AliasTable(std::string_view where, std::string_view argument, std::span<const W> weights)
      : entries_(checked_size(where, argument, weights.size())) {
    const std::uint64_t total = weights.size() * kBucket;
    const std::vector<std::uint64_t> masses =
        detail::integer_masses(where, argument, weights, total);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      entries_[i] = {0, static_cast<std::uint32_t>(i)};
    }
    fill_up(masses);
  }

  static std::size_t checked_size(std::string_view where, std::string_view argument,
                                  std::size_t size) {
    if (size == 0 || size > std::numeric_limits<std::uint32_t>::max()) {
      detail::reject(where, std::string(argument) + ".size()", size, "1 to 2^32 - 1");
    }
    return size;
  }

  // Light indices (less than a bucket) are filled up, in order, by the current heavy one; once
  // that has become light itself, the next heavy index fills it up. An index of exactly one bucket
  // keeps its bucket to itself, as entries_ already says.
  void fill_up(const std::vector<std::uint64_t>& masses) {
    const std::size_t n = masses.size();
    const auto next_light = [&](std::size_t i) {
      while (i < n && masses[i] >= kBucket) ++i;
      return i;
    };
    const auto next_heavy = [&](std::size_t i) {
      while (i < n && masses[i] <= kBucket) ++i;
      return i;
    };
    std::size_t light = next_light(0);
    std::size_t heavy = next_heavy(0);
    std::uint64_t rest = heavy < n ? masses[heavy] : 0;  // what the heavy index has left
    while (heavy < n) {
      if (rest > kBucket) {
        EQUIPOISE_DCHECK(light < n);
        entries_[light] = {static_cast<std::uint32_t>(masses[light]),
                           static_cast<std::uint32_t>(heavy)};
        rest -= kBucket - masses[light];
        light = next_light(light + 1);
        continue;
      }
      const std::size_t successor = next_heavy(heavy + 1);
      const std::uint64_t missing = kBucket - rest;
      EQUIPOISE_DCHECK(successor < n || missing == 0);
      if (missing != 0) {
        entries_[heavy] = {static_cast<std::uint32_t>(rest), static_cast<std::uint32_t>(successor)};
      }
      rest = successor < n ? masses[successor] - missing : 0;
      heavy = successor;
    }
  }

  std::vector<Entry> entries_;
};

}  // namespace equipoise

#endif  // EQUIPOISE_SAMPLING_ALIAS_TABLE_H_
