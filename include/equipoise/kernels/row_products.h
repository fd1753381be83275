// Inner products of many rows with many others, and which of the distances that follow from them
// are below a threshold.
#ifndef EQUIPOISE_KERNELS_ROW_PRODUCTS_H_
#define EQUIPOISE_KERNELS_ROW_PRODUCTS_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/vector.h"

namespace equipoise::kernels {

// Rows that are multiplied with others lie transposed, in panels of so many: element d of all rows
// of a panel, then element d + 1. The largest vectors fit in twice.
template <class T>
inline constexpr std::size_t kPanelRows = 128 / sizeof(T);

inline namespace EQUIPOISE_ISA_NAMESPACE {

// out(r, j) = the product of row r of `a`, of sizeof...(kRow) rows, with row j of two vectors'
// worth of rows of a panel.
template <std::size_t kWidth, class T, std::size_t... kRow>
EQUIPOISE_HOST_INLINE void product_tile(const T* a, std::size_t depth, const T* panel, T* out,
                                        std::size_t out_stride, std::index_sequence<kRow...>) {
  using Lanes = typename Vector<T, kWidth>::Type;
  using InMemory = typename Vector<T, kWidth>::InMemory;
  constexpr std::size_t kLanes = kWidth / sizeof(T);
  Lanes first[sizeof...(kRow)] = {};
  Lanes second[sizeof...(kRow)] = {};
  for (std::size_t d = 0; d < depth; ++d, panel += kPanelRows<T>) {
    const Lanes b0 = *reinterpret_cast<const InMemory*>(panel);
    const Lanes b1 = *reinterpret_cast<const InMemory*>(panel + kLanes);
    ((first[kRow] += b0 * a[kRow * depth + d], second[kRow] += b1 * a[kRow * depth + d]), ...);
  }
  ((*reinterpret_cast<InMemory*>(out + kRow * out_stride) = first[kRow],
    *reinterpret_cast<InMemory*>(out + kRow * out_stride + kLanes) = second[kRow]),
   ...);
}

// out(r, j) for all of `rows` rows of a, one after the other, and of the rows of `panels` panels.
template <std::size_t kWidth, class T>
EQUIPOISE_HOST_INLINE void row_products_of(const T* a, std::size_t rows, const T* panels,
                                           std::size_t number, std::size_t depth, T* out) {
  constexpr std::size_t kTileRows = kWidth == 64 ? 8 : 4;  // what registers hold
  constexpr std::size_t kTileColumns = 2 * kWidth / sizeof(T);
  const std::size_t stride = number * kPanelRows<T>;
  for (std::size_t p = 0; p < number; ++p) {
    for (std::size_t j = 0; j < kPanelRows<T>; j += kTileColumns) {
      const T* const panel = panels + p * depth * kPanelRows<T> + j;
      T* const column = out + p * kPanelRows<T> + j;
      std::size_t r = 0;
      for (; r + kTileRows <= rows; r += kTileRows) {
        product_tile<kWidth>(a + r * depth, depth, panel, column + r * stride, stride,
                             std::make_index_sequence<kTileRows>());
      }
      for (; r < rows; ++r) {
        product_tile<kWidth>(a + r * depth, depth, panel, column + r * stride, stride,
                             std::make_index_sequence<1>());
      }
    }
  }
}

// A row of products, what its distances are made of, and the thresholds that they are compared
// with: distance j is norm + norms[j] - 2 products[j].
template <class T>
struct ProductRow {
  const T* products;
  T norm;
  const T* norms;
  const T* thresholds;  // one for each j, or null

  T distance(std::size_t j) const { return (norm + norms[j]) - 2 * products[j]; }
};

// Whether one of a panel's distances, from j on, is below its own threshold or below `threshold`.
template <std::size_t kWidth, class T>
EQUIPOISE_HOST_INLINE bool is_any_below(const ProductRow<T>& row, T threshold, std::size_t j) {
  using Lanes = typename Vector<T, kWidth>::Type;
  using InMemory = typename Vector<T, kWidth>::InMemory;
  using Words = typename Vector<std::int64_t, kWidth>::Type;
  using WordsInMemory = typename Vector<std::int64_t, kWidth>::InMemory;
  constexpr std::size_t kLanes = kWidth / sizeof(T);
  Words below = {};
  for (std::size_t end = j + kPanelRows<T>; j < end; j += kLanes) {
    const Lanes product = *reinterpret_cast<const InMemory*>(row.products + j);
    const Lanes norms = *reinterpret_cast<const InMemory*>(row.norms + j);
    const Lanes distance = (norms + row.norm) - (product + product);
    below |= reinterpret_cast<Words>(distance < (Lanes{} + threshold));
    if (row.thresholds != nullptr) {
      const Lanes own = *reinterpret_cast<const InMemory*>(row.thresholds + j);
      below |= reinterpret_cast<Words>(distance < own);
    }
  }
  std::int64_t words[kWidth / 8];
  *reinterpret_cast<WordsInMemory*>(words) = below;
  std::int64_t any = 0;
  for (const std::int64_t word : words) any |= word;
  return any != 0;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_ROW_PRODUCTS_H_
