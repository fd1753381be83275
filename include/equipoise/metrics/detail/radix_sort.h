// Sorting of scores by their bits, several times faster than by comparisons.
#ifndef EQUIPOISE_METRICS_DETAIL_RADIX_SORT_H_
#define EQUIPOISE_METRICS_DETAIL_RADIX_SORT_H_

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace equipoise::detail {

template <std::floating_point T>
using KeyOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// An integer that compares as the number does; the two zeros become one. Not for NaN.
template <std::floating_point T>
KeyOf<T> ordered_key(T value) {
  using Key = KeyOf<T>;
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  const Key bits = std::bit_cast<Key>(value);
  if (bits == kSign) return kSign;  // -0
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

// The number that ordered_key() made it of.
template <std::floating_point T>
T value_of_key(KeyOf<T> key) {
  using Key = KeyOf<T>;
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  return std::bit_cast<T>((key & kSign) != 0 ? key & ~kSign : static_cast<Key>(~key));
}

// Ascending, in place. The upper 33 bits at most go through stable passes of 11 bits (Knuth 1998,
// "The art of computer programming", vol. 3, 5.2.5), of which those are left out in which all keys
// agree; what then still ties is sorted by comparisons, as are few keys.
template <class Key>
void radix_sort(std::vector<Key>& keys) {
  constexpr std::size_t kFew = 1024;
  if (keys.size() < kFew) {
    std::sort(keys.begin(), keys.end());
    return;
  }
  constexpr unsigned kDigit = 11;
  constexpr std::size_t kBuckets = std::size_t{1} << kDigit;
  constexpr std::size_t kPasses = 3;
  constexpr unsigned kBits = 8 * sizeof(Key);
  constexpr unsigned kLowest = kBits > kDigit * kPasses ? kBits - kDigit * kPasses : 0;
  const auto digit = [](Key key, std::size_t pass) {
    return static_cast<std::size_t>(key >> (kLowest + kDigit * pass)) & (kBuckets - 1);
  };
  std::vector<std::array<std::size_t, kBuckets>> starts(kPasses);
  for (auto& of_pass : starts) of_pass.fill(0);
  for (const Key key : keys) {
    for (std::size_t pass = 0; pass < kPasses; ++pass) ++starts[pass][digit(key, pass)];
  }
  std::vector<Key> other(keys.size());
  for (std::size_t pass = 0; pass < kPasses; ++pass) {
    auto& places = starts[pass];
    if (places[digit(keys[0], pass)] == keys.size()) continue;
    std::size_t sum = 0;
    for (std::size_t& place : places) {
      const std::size_t count = place;
      place = sum;
      sum += count;
    }
    for (const Key key : keys) other[places[digit(key, pass)]++] = key;
    keys.swap(other);
  }
  if constexpr (kLowest > 0) {
    for (auto begin = keys.begin(); begin != keys.end();) {
      const Key top = *begin >> kLowest;
      auto end = begin + 1;
      bool differs = false;
      for (; end != keys.end() && *end >> kLowest == top; ++end) differs |= *end != *begin;
      if (differs) std::sort(begin, end);
      begin = end;
    }
  }
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_DETAIL_RADIX_SORT_H_
