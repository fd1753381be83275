// How rows are cut into blocks.
#ifndef EQUIPOISE_KERNELS_ROW_BLOCKS_H_
#define EQUIPOISE_KERNELS_ROW_BLOCKS_H_

#include <algorithm>
#include <cstddef>

namespace equipoise::kernels {

// Rows are taken in blocks whose size depends on the number of classes alone, so that sums over
// rows have the same order however many threads there are.
inline constexpr std::size_t kBlockRows = 1024;
constexpr std::size_t block_rows(std::size_t classes) {
  return std::clamp<std::size_t>((std::size_t{1} << 17) / classes, 16, kBlockRows);
}

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_ROW_BLOCKS_H_
