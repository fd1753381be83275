// Views of data that others own: a strided matrix, and any contiguous range of labels or values.
#ifndef EQUIPOISE_VIEW_H_
#define EQUIPOISE_VIEW_H_

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "equipoise/config.h"

namespace equipoise {

/// rows x cols elements of T; element (r, c) lies at data[r * row_stride + c * col_stride].
/// Strides count elements and may be negative. Copying a view copies no element. O(1) in every
/// operation.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t col_stride = 1;

  constexpr MatrixView() = default;

  /// Row-major and dense: row_stride = cols.
  constexpr MatrixView(T* data_, std::size_t rows_, std::size_t cols_)
      : MatrixView(data_, rows_, cols_, static_cast<std::ptrdiff_t>(cols_), 1) {}

  constexpr MatrixView(T* data_, std::size_t rows_, std::size_t cols_, std::ptrdiff_t row_stride_,
                       std::ptrdiff_t col_stride_)
      : data(data_), rows(rows_), cols(cols_), row_stride(row_stride_), col_stride(col_stride_) {}

#if defined(__CUDACC__)  // its front end warns of the conversion that the constraint excludes
#pragma nv_diagnostic push
#pragma nv_diag_suppress 554
#endif
  /// A view of T is a view of const T.
  constexpr operator MatrixView<const T>() const  // NOLINT(google-explicit-constructor)
      requires(!std::is_const_v<T>) {
    return {data, rows, cols, row_stride, col_stride};
  }
#if defined(__CUDACC__)
#pragma nv_diagnostic pop
#endif

  /// Element (r, c), unchecked.
  constexpr T& operator()(std::size_t r, std::size_t c) const {
    return data[static_cast<std::ptrdiff_t>(r) * row_stride +
                static_cast<std::ptrdiff_t>(c) * col_stride];
  }

  /// Rows [begin, begin + count) as a view.
  constexpr MatrixView middle_rows(std::size_t begin, std::size_t count) const {
    EQUIPOISE_DCHECK(begin + count <= rows);
    return {data + static_cast<std::ptrdiff_t>(begin) * row_stride, count, cols, row_stride,
            col_stride};
  }
};

namespace detail {

// An Eigen type whose elements are not contiguous, such as a row of a column-major matrix.
template <class R>
concept Strided = requires {
  R::InnerStrideAtCompileTime;
  R::IsVectorAtCompileTime;
}
&&!(R::IsVectorAtCompileTime && R::InnerStrideAtCompileTime == 1);

}  // namespace detail

/// Anything whose size() elements lie one after the other from data() on: std::vector, std::array,
/// std::span, an Eigen vector. Eigen's matrices and strided vectors do not qualify: pass a view.
template <class R>
concept ContiguousRange = !detail::Strided<R> && requires(const R& range) {
  { *range.data() } -> std::convertible_to<std::remove_cvref_t<decltype(*range.data())>>;
  static_cast<std::size_t>(range.size());
};

/// The element type of a ContiguousRange.
template <ContiguousRange R>
using ElementOf = std::remove_cvref_t<decltype(*std::declval<const R&>().data())>;

/// A contiguous range of integers: class indices of any width.
template <class R>
concept LabelRange = ContiguousRange<R> && std::integral<ElementOf<R>>;

/// A contiguous range of floating-point numbers: weights, scores.
template <class R>
concept FloatRange = ContiguousRange<R> && std::floating_point<ElementOf<R>>;

/// The element type of a MatrixView of floating-point numbers, const or not.
template <class T>
concept FloatElement = std::floating_point<std::remove_const_t<T>>;

/// The elements of a range, without a copy; valid as long as the range is.
template <ContiguousRange R>
constexpr std::span<const ElementOf<R>> as_span(const R& range) {
  return {range.data(), static_cast<std::size_t>(range.size())};
}

}  // namespace equipoise

#endif  // EQUIPOISE_VIEW_H_
