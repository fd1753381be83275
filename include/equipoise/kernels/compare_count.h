// Counting labels of few classes by comparing: labels narrowed to bytes, then one vector compare a
// class, which beats scattered increments by the width of the vectors.
#ifndef EQUIPOISE_KERNELS_COMPARE_COUNT_H_
#define EQUIPOISE_KERNELS_COMPARE_COUNT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "equipoise/config.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/vector.h"

namespace equipoise::kernels {

inline constexpr std::size_t kCompareCountClasses = 16;   // beyond, scattered increments are faster
inline constexpr std::size_t kCompareCountLabels = 4096;  // fewer do not fill a block

inline namespace EQUIPOISE_ISA_NAMESPACE {

// Adds up the bytes of kWidth / 8 words.
template <std::size_t kWidth, class Bytes>
EQUIPOISE_HOST_INLINE std::uint64_t sum_of_bytes(const Bytes& bytes) {
  std::uint64_t words[kWidth / 8];
  std::memcpy(words, &bytes, kWidth);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kWidth / 8; ++i) {
    constexpr std::uint64_t kEven = 0x00ff00ff00ff00ffu;
    const std::uint64_t pairs = (words[i] & kEven) + ((words[i] >> 8) & kEven);
    sum += (pairs * 0x0001000100010001u) >> 48;
  }
  return sum;
}

// Narrows kWidth labels to bytes at `out`; accumulates their bits in `seen`.
template <std::size_t kWidth, class L, class Wide>
EQUIPOISE_HOST_INLINE void narrow(const L* labels, std::uint8_t* out, Wide& seen) {
  constexpr std::size_t kLanes = kWidth / sizeof(L);
  using Source = Vector<std::make_unsigned_t<L>, kWidth>;
  using Narrow = Vector<std::uint8_t, kLanes>;
  for (std::size_t i = 0; i < kWidth; i += kLanes) {
    const Wide lanes = *reinterpret_cast<const typename Source::InMemory*>(labels + i);
    seen |= lanes;
    *reinterpret_cast<typename Narrow::InMemory*>(out + i) =
        __builtin_convertvector(lanes, typename Narrow::Type);
  }
}

// As compare_count(), with vectors of kWidth bytes.
template <std::size_t kWidth, class L>
EQUIPOISE_HOST_INLINE bool compare_count_blocks(const L* labels, std::size_t size,
                                                std::size_t classes, std::uint64_t* counts) {
  using Unsigned = std::make_unsigned_t<L>;
  using Bytes = typename Vector<std::uint8_t, kWidth>::Type;
  using BytesInMemory = typename Vector<std::uint8_t, kWidth>::InMemory;
  constexpr std::size_t kBlock = kWidth * 32;  // a lane of `even` or `odd` counts to at most 16

  typename Vector<Unsigned, kWidth>::Type seen = {};
  std::uint64_t found = 0;
  std::size_t begin = 0;
  for (; begin + kBlock <= size; begin += kBlock) {
    std::uint8_t block[kBlock];
    for (std::size_t i = 0; i < kBlock; i += kWidth) {
      narrow<kWidth>(labels + begin + i, block + i, seen);
    }
    for (std::size_t c = 0; c < classes; ++c) {
      const Bytes wanted = Bytes{} + static_cast<std::uint8_t>(c);
      Bytes even = {};
      Bytes odd = {};
      for (std::size_t i = 0; i < kBlock; i += 2 * kWidth) {
        const Bytes first = *reinterpret_cast<const BytesInMemory*>(block + i);
        const Bytes second = *reinterpret_cast<const BytesInMemory*>(block + i + kWidth);
        even -= (Bytes)(first == wanted);  // a hit is 255, that is, -1
        odd -= (Bytes)(second == wanted);
      }
      const Bytes both = even + odd;
      const std::uint64_t hits = sum_of_bytes<kWidth>(both);
      counts[c] += hits;
      found += hits;
    }
  }
  bool valid = found == begin;
  for (std::size_t i = 0; i < kWidth / sizeof(L); ++i) valid &= seen[i] <= 0xff;
  for (; begin < size; ++begin) {
    const auto label = static_cast<Unsigned>(labels[begin]);
    if (label < classes) {
      ++counts[label];
    } else {
      valid = false;
    }
  }
  return valid;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Adds to counts[c] how often class c < classes <= kCompareCountClasses occurs; false if a label is
// not a class, and then the counts are meaningless.
template <class L>
EQUIPOISE_HOST_INLINE bool compare_count(const L* labels, std::size_t size, std::size_t classes,
                                         std::uint64_t* counts, Cpu instructions = cpu()) {
  return run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA {
    return compare_count_blocks<width()>(labels, size, classes, counts);
  });
}

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_COMPARE_COUNT_H_
