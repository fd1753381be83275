// A batch in parts, so that what is computed beside it on the way stays small.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_PARTS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_PARTS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <algorithm>
#include <cstdint>

namespace equipoise::libtorch::detail {

// Some of the rows that follow each other.
struct RowPart {
  std::int64_t first;
  std::int64_t count;

  // That part of a tensor whose first dimension is the rows'.
  template <class Tensor>
  Tensor of(const Tensor& rows) const {
    return rows.defined() ? rows.narrow(0, first, count) : rows;
  }
};

// Calls f(part) for all rows in order: at least once, in at most `most` parts, none of which has to
// be smaller than what keeps a device busy.
template <class F>
void for_each_part(std::int64_t rows, std::int64_t row_size, const F& f, std::int64_t most = 16) {
  constexpr std::int64_t kElements = std::int64_t{1} << 15;
  const std::int64_t parts = std::clamp<std::int64_t>(rows * row_size / kElements, 1, most);
  const std::int64_t count = std::max<std::int64_t>((rows + parts - 1) / parts, 1);
  std::int64_t first = 0;
  do {
    f(RowPart{first, std::min(count, rows - first)});
    first += count;
  } while (first < rows);
}

// How many parts of a matrix stay in a CPU's cache from one operation to the next. Other devices
// would wait for more launches.
inline std::int64_t parts_in_cache(const at::Tensor& matrix) {
  constexpr std::int64_t kElements = std::int64_t{1} << 17;
  return matrix.device().is_cpu() ? std::max<std::int64_t>(matrix.numel() / kElements, 1) : 1;
}

// Calls f(part) for parts of a matrix, along its first dimension: at most those or `most`.
template <class F>
void for_each_part_in_cache(const at::Tensor& matrix, const F& f, std::int64_t most = 1) {
  const std::int64_t rows = matrix.size(0);
  for_each_part(rows, rows > 0 ? matrix.numel() / rows : 0, f,
                std::max(parts_in_cache(matrix), most));
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_PARTS_H_
