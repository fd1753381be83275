// Many Philox blocks at once, for shuffles and for samplers that fill batches.
#ifndef EQUIPOISE_KERNELS_PHILOX_BLOCKS_H_
#define EQUIPOISE_KERNELS_PHILOX_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/vector.h"

namespace equipoise::kernels {

// The blocks of kBlocks positions, their two halves apart; philox_blocks() in random.h fills it.
struct PhiloxBlocks {
  static constexpr std::size_t kBlocks = 64;
  std::uint64_t first[kBlocks];
  std::uint64_t second[kBlocks];
};

inline namespace EQUIPOISE_ISA_NAMESPACE {

template <std::size_t kWidth>
using Words = typename Vector<std::uint64_t, kWidth>::Type;

// product = a * b, of the lower halves of 64-bit lanes. g++ 12 makes seven instructions of what is
// one where there is no 64-bit product, so there it is spelt out. By reference, as vectors that are
// wider than the caller's registers cannot be returned.
template <std::size_t kWidth>
EQUIPOISE_HOST_INLINE void multiply_low_halves(const Words<kWidth>& a, const Words<kWidth>& b,
                                               Words<kWidth>& product) {
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (kWidth == 16) {
    product = a;
    asm("pmuludq %1, %0" : "+x"(product) : "x"(b));
    return;
  } else if constexpr (kWidth == 32) {
    asm("vpmuludq %2, %1, %0" : "=x"(product) : "x"(a), "x"(b));
    return;
  }
#endif
  constexpr std::uint64_t kLow = 0xffffffff;
  product = (a & kLow) * (b & kLow);
}

// A counter word a lane, in its lower half; what the upper half holds never counts.
template <std::size_t kWidth>
struct PhiloxLanes {
  Words<kWidth> c0, c1, c2, c3;

  EQUIPOISE_HOST_INLINE void round(std::uint32_t key0, std::uint32_t key1) {
    Words<kWidth> a, b;
    multiply_low_halves<kWidth>(c0, Words<kWidth>{} + 0xD2511F53u, a);
    multiply_low_halves<kWidth>(c2, Words<kWidth>{} + 0xCD9E8D57u, b);
    c0 = (b >> 32) ^ c1 ^ (Words<kWidth>{} + key0);
    c1 = b;
    c2 = (a >> 32) ^ c3 ^ (Words<kWidth>{} + key1);
    c3 = a;
  }
};

// The rounds of philox_rounds() in random.h.
template <std::size_t kWidth, std::uint32_t... kRound>
EQUIPOISE_HOST_INLINE void philox_lanes(PhiloxLanes<kWidth>& lanes, std::uint64_t seed,
                                        std::integer_sequence<std::uint32_t, kRound...>) {
  const auto key0 = static_cast<std::uint32_t>(seed);
  const auto key1 = static_cast<std::uint32_t>(seed >> 32);
  (lanes.round(key0 + kRound * 0x9E3779B9, key1 + kRound * 0xBB67AE85), ...);
}

// As philox_blocks() in random.h, with vectors of kWidth bytes.
template <std::size_t kWidth>
EQUIPOISE_HOST_INLINE void philox_blocks_of(std::uint64_t seed, std::uint32_t purpose,
                                            std::uint64_t t, std::uint64_t stride,
                                            PhiloxBlocks& out) {
  using InMemory = typename Vector<std::uint64_t, kWidth>::InMemory;
  constexpr std::size_t kLanes = kWidth / sizeof(std::uint64_t);
  constexpr std::uint64_t kLow = 0xffffffff;
  Words<kWidth> position = {};
  for (std::size_t i = 0; i < kLanes; ++i) position[i] = t + i * stride;
  for (std::size_t i = 0; i < PhiloxBlocks::kBlocks; i += kLanes) {
    PhiloxLanes<kWidth> lanes{position, position >> 32, Words<kWidth>{} + purpose, {}};
    philox_lanes(lanes, seed, std::make_integer_sequence<std::uint32_t, 10>());
    *reinterpret_cast<InMemory*>(out.first + i) = (lanes.c0 & kLow) | (lanes.c1 << 32);
    *reinterpret_cast<InMemory*>(out.second + i) = (lanes.c2 & kLow) | (lanes.c3 << 32);
    position += Words<kWidth>{} + kLanes * stride;
  }
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_PHILOX_BLOCKS_H_
