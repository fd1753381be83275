#include "equipoise/kernels/philox_blocks.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "equipoise/kernels/dispatch.h"
#include "equipoise/random.h"

namespace equipoise::kernels {
namespace {

// Positions whose lower half overflows within the blocks, and whose upper half does, are among
// these.
constexpr std::uint64_t kStarts[] = {0, 1, 0xffffffe0, 0x1ffffffff, 0xffffffffffffffe0};
constexpr std::uint64_t kStrides[] = {1, 2, 7, 64, 0x100000000, 0x123456789abcdef1};

TEST(PhiloxBlocks, AreThoseOfCounterRandomOnEveryInstructionSet) {
  for (const Cpu cpu : {Cpu::kBaseline, Cpu::kAvx2, Cpu::kAvx512}) {
    if (cpu > widest_cpu()) continue;
    for (const std::uint64_t seed : {std::uint64_t{0}, ~std::uint64_t{0}, detail::mix64(7)}) {
      const CounterRandom random{seed};
      for (const std::uint64_t start : kStarts) {
        for (const std::uint64_t stride : kStrides) {
          PhiloxBlocks blocks;
          detail::philox_blocks(random, detail::Purpose::kClassDraw, start, stride, blocks, cpu);
          for (std::size_t i = 0; i < PhiloxBlocks::kBlocks; ++i) {
            const auto block = random.block(start + i * stride, detail::Purpose::kClassDraw);
            ASSERT_EQ(blocks.first[i], block[0]) << static_cast<int>(cpu) << ' ' << i;
            ASSERT_EQ(blocks.second[i], block[1]) << static_cast<int>(cpu) << ' ' << i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace equipoise::kernels
