// Splits of data that may grow: the part of a row depends on its key only.
#ifndef EQUIPOISE_SPLITS_HASH_H_
#define EQUIPOISE_SPLITS_HASH_H_

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/splits/split.h"
#include "equipoise/view.h"

namespace equipoise::splits {

/// What identifies a row: an integer of any type, or text.
template <class K>
concept SplitKey = std::integral<K> || std::convertible_to<const K&, std::string_view>;

/// A contiguous range of keys, such as std::vector<std::string>.
template <class R>
concept KeyRange = ContiguousRange<R> && SplitKey<ElementOf<R>>;

/// The 64-bit FNV-1a hash of the bytes of a text (Fowler, Noll & Vo): from 0xcbf29ce484222325 on,
/// for each byte h = (h xor byte) * 0x100000001b3 mod 2^64. O(length).
constexpr std::uint64_t fnv1a64(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

/// 64 uniform bits that belong to a key and a seed; different keys, and different seeds, have
/// independent bits.
///
/// Integers of equal value have equal bits, whatever their types; a text has those of the integer
/// fnv1a64(text), so the probability that two of n texts share their bits by chance is n^2 / 2^65.
/// The bits are a Philox block at the key's position, and the same on every platform. O(1),
/// O(length) for a text.
template <SplitKey K>
constexpr std::uint64_t key_bits(const K& key, std::uint64_t seed) {
  const CounterRandom random{seed};
  if constexpr (std::integral<K>) {
    return random.bits(static_cast<std::uint64_t>(key), detail::Purpose::kKeyPart);
  } else {
    return random.bits(fnv1a64(key), detail::Purpose::kKeyPart);
  }
}

/// The rows whose key_bits() lie below test_fraction * 2^64 for testing, the others for training;
/// both lists ascend.
///
/// Adding, removing or reordering rows never moves another row to the other part, and a larger
/// fraction only adds to the test part. Rows of equal keys stay together, so with identifiers of
/// documents or users as keys nothing leaks from part to part. The price is that sizes and class
/// proportions are right only on average: the test part has a binomial number of keys, and with few
/// rows either part may be empty. O(N).
/// @throws std::invalid_argument for a fraction outside (0, 1).
template <KeyRange R>
Split hash_split(const R& keys, double test_fraction, std::uint64_t seed) {
  detail::require_test_fraction("hash_split", test_fraction);
  const auto threshold = static_cast<std::uint64_t>(std::ldexp(test_fraction, 64));  // exact
  const auto values = as_span(keys);
  Split split;
  for (std::size_t row = 0; row < values.size(); ++row) {
    const bool is_test = key_bits(values[row], seed) < threshold;
    (is_test ? split.test : split.train).push_back(static_cast<std::int64_t>(row));
  }
  return split;
}

/// A fold in [0, k) for every row, floor(key_bits() k / 2^64): folds of data that may grow, with
/// the properties of hash_split(). O(N).
/// @throws std::invalid_argument for k < 2.
template <KeyRange R>
std::vector<std::uint32_t> hash_k_fold(const R& keys, std::uint32_t k, std::uint64_t seed) {
  if (k < 2) detail::reject("hash_k_fold", "k", k, "at least 2");
  const auto values = as_span(keys);
  std::vector<std::uint32_t> folds(values.size());
  for (std::size_t row = 0; row < values.size(); ++row) {
    folds[row] = static_cast<std::uint32_t>(detail::scale(key_bits(values[row], seed), k).integer);
  }
  return folds;
}

}  // namespace equipoise::splits

#endif  // EQUIPOISE_SPLITS_HASH_H_
