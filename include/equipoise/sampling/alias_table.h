// Draws from a discrete distribution in constant time, in integer arithmetic only.
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
#include "equipoise/random.h"
#include "equipoise/sampling/detail/integer_masses.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// Walker's alias table (Walker 1977, Vose 1991): index i with probability w_i / sum(w).
///
/// The probabilities are integers: each of n buckets holds 2^b quanta, b = 63 - ceil(log2 n),
/// divided between its own index and one alias. A weight of zero has no quantum and is never drawn;
/// a positive weight, however small, has at least one. Apart from that, p_i = w_i / sum(w) holds to
/// within (4 + 3 n p_i) 2^-62: with weights 1 and 1e-12, the frequency of the small one is right to
/// six digits. The table is built from the bits of the weights in integer arithmetic, and so it is
/// the same for all compilers and flags.
///
/// Set-up O(n) in one sweep without stacks; 8 bytes per index, 16 during set-up. Draws O(1).
class AliasTable {
 public:
  /// @throws std::invalid_argument for a weight that is negative, NaN or infinite, for weights that
  /// are empty or all zero, and for 2^32 weights or more.
  template <FloatRange W>
  explicit AliasTable(const W& weights) : AliasTable("AliasTable", "weights", as_span(weights)) {}

  /// The number of indices, n.
  std::size_t size() const { return entries_.size(); }

  /// The index that lies at `fraction` / 2^64 of a bucket; it is a draw if both arguments are
  /// uniform. O(1); bucket < size(), unchecked.
  std::size_t operator()(std::size_t bucket, std::uint64_t fraction) const {
    EQUIPOISE_DCHECK(bucket < entries_.size());
    return static_cast<std::size_t>(entries_[bucket].pick(bucket, fraction, alias_mask_));
  }

  /// Prefetches the cache line of a bucket.
  void prefetch(std::size_t bucket) const { __builtin_prefetch(entries_.data() + bucket); }

  /// The number of quanta in a bucket.
  std::uint64_t bucket_quanta() const { return std::uint64_t{1} << bucket_bits(); }

  /// Each index's probability in units of 1 / (n bucket_quanta()). O(n).
  std::vector<std::uint64_t> masses() const {
    std::vector<std::uint64_t> masses(size(), 0);
    for (std::size_t bucket = 0; bucket < size(); ++bucket) {
      const std::uint64_t own = entries_[bucket].packed >> alias_bits();
      masses[bucket] += own;
      masses[static_cast<std::size_t>(entries_[bucket].packed & alias_mask_)] +=
          bucket_quanta() - own;
    }
    return masses;
  }

 private:
  friend class ClassSampler;
  friend class WeightedSampler;

  // High bits: the number of quanta that belong to the bucket's own index. Low bits, as many as an
  // index has: the alias, to which the other quanta belong. 63 bits in all.
  struct Entry {
    std::uint64_t packed;

    // Without a branch, which would be unpredictable. Comparing 63 bits of the fraction with the
    // packed entry is the same as comparing the high bits of the fraction with the quanta.
    std::uint64_t pick(std::uint64_t own, std::uint64_t fraction, std::uint64_t alias_mask) const {
      const std::uint64_t alias = packed & alias_mask;
      const std::uint64_t is_own = 0u - std::uint64_t{fraction >> 1 < packed - alias};
      return alias ^ ((alias ^ own) & is_own);
    }
  };

  template <class W>
  AliasTable(std::string_view where, std::string_view argument, std::span<const W> weights)
      : entries_(checked_size(where, argument, weights.size())),
        alias_mask_(std::bit_ceil(std::uint64_t{weights.size()}) - 1) {
    const std::vector<std::uint64_t> masses =
        detail::integer_masses(where, argument, weights, weights.size() * bucket_quanta());
    for (std::size_t i = 0; i < entries_.size(); ++i) entries_[i] = entry(0, i);
    fill_up(masses);
  }

  int alias_bits() const { return std::popcount(alias_mask_); }
  int bucket_bits() const { return 63 - alias_bits(); }
  Entry entry(std::uint64_t quanta, std::size_t alias) const {
    return {quanta << alias_bits() | alias};
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
    const std::uint64_t bucket = bucket_quanta();
    const auto next_light = [&](std::size_t i) {
      while (i < n && masses[i] >= bucket) ++i;
      return i;
    };
    const auto next_heavy = [&](std::size_t i) {
      while (i < n && masses[i] <= bucket) ++i;
      return i;
    };
    std::size_t light = next_light(0);
    std::size_t heavy = next_heavy(0);
    std::uint64_t rest = heavy < n ? masses[heavy] : 0;  // what the heavy index has left
    while (heavy < n) {
      if (rest > bucket) {
        EQUIPOISE_DCHECK(light < n);
        entries_[light] = entry(masses[light], heavy);
        rest -= bucket - masses[light];
        light = next_light(light + 1);
        continue;
      }
      const std::size_t successor = next_heavy(heavy + 1);
      const std::uint64_t missing = bucket - rest;
      EQUIPOISE_DCHECK(successor < n || missing == 0);
      if (missing != 0) {
        entries_[heavy] = entry(rest, successor);
      }
      rest = successor < n ? masses[successor] - missing : 0;
      heavy = successor;
    }
  }

  std::vector<Entry> entries_;
  std::uint64_t alias_mask_;  // 2^ceil(log2 n) - 1
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_ALIAS_TABLE_H_
