// Squared Euclidean distances that every compiler and processor rounds alike, but not every
// compiler under -ffast-math: it may then add in another order.
#ifndef EQUIPOISE_RESAMPLING_DETAIL_SQUARED_DISTANCE_H_
#define EQUIPOISE_RESAMPLING_DETAIL_SQUARED_DISTANCE_H_

#include <cstddef>

#include "equipoise/config.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// A product as a rounded number. Without this a compiler may fuse it with the addition that
// follows, or not, and so decide which of two nearly equal distances is the smaller.
EQUIPOISE_HOST_INLINE double rounded(double product) {
#if defined(__x86_64__)
  asm("" : "+x"(product));
#elif defined(__aarch64__)
  asm("" : "+w"(product));
#else
  volatile double in_memory = product;
  product = in_memory;
#endif
  return product;
}

// |a - b|^2 of n elements each, in double, as four sums over every fourth element. Exactly
// symmetric.
template <class T>
double squared_distance(const T* a, std::ptrdiff_t a_stride, const T* b, std::ptrdiff_t b_stride,
                        std::size_t n) {
  const auto square = [](const T& x, const T& y) EQUIPOISE_INLINE_LAMBDA {
    const double difference = static_cast<double>(x) - static_cast<double>(y);
    return rounded(difference * difference);
  };
  double sums[4] = {};
  for (; n >= 4; n -= 4, a += 4 * a_stride, b += 4 * b_stride) {
    sums[0] += square(a[0], b[0]);
    sums[1] += square(a[a_stride], b[b_stride]);
    sums[2] += square(a[2 * a_stride], b[2 * b_stride]);
    sums[3] += square(a[3 * a_stride], b[3 * b_stride]);
  }
  for (std::size_t i = 0; i < n; ++i, a += a_stride, b += b_stride) sums[i] += square(*a, *b);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// The same of rows i and j of a matrix.
template <class T>
double squared_distance(const MatrixView<const T>& rows, std::size_t i, std::size_t j) {
  const T* const a = rows.data + static_cast<std::ptrdiff_t>(i) * rows.row_stride;
  const T* const b = rows.data + static_cast<std::ptrdiff_t>(j) * rows.row_stride;
  if (rows.col_stride == 1) return squared_distance(a, 1, b, 1, rows.cols);
  return squared_distance(a, rows.col_stride, b, rows.col_stride, rows.cols);
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_DETAIL_SQUARED_DISTANCE_H_
