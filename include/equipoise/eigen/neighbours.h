// The exact search for neighbours on Eigen's matrix product.
#ifndef EQUIPOISE_EIGEN_NEIGHBOURS_H_
#define EQUIPOISE_EIGEN_NEIGHBOURS_H_

#include <Eigen/Core>
#include <cstddef>
#include <span>

#include "equipoise/config.h"
#include "equipoise/resampling/detail/blocked_search.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

namespace detail {

struct MatrixProduct {
  static constexpr std::size_t kBlockRows = 256;

  template <class T>
  void operator()(const T* a, std::size_t rows, const T* b, std::size_t columns, std::size_t depth,
                  T* out, std::size_t out_stride) const {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto as_index = [](std::size_t n) { return static_cast<Eigen::Index>(n); };
    const Eigen::Map<const Matrix> left(a, as_index(rows), as_index(depth));
    const Eigen::Map<const Matrix> right(b, as_index(columns), as_index(depth));
    Eigen::Map<Matrix, 0, Eigen::OuterStride<>>(out, as_index(rows), as_index(columns),
                                                Eigen::OuterStride<>(as_index(out_stride)))
        .noalias() = left * right.transpose();
  }
};

}  // namespace detail

/// The neighbours and distances of resampling::ExactNeighbours, exactly, on the matrix product that
/// Eigen is built with: its own, by the instruction set that the program is compiled for, or that
/// of the BLAS to which EIGEN_USE_BLAS leads it. A search for any policy, which takes view(rows).
/// Where a program is compiled for the processor that runs it, or has a good BLAS, and rows have
/// hundreds of columns, it may be the faster of the two; otherwise the core's own product is, which
/// chooses the instruction set as it runs. Time and memory are as there.
struct ExactNeighbours {
  /// @throws std::invalid_argument as resampling::PlainNeighbours.
  template <FloatElement T>
  EQUIPOISE_HOST_INLINE resampling::NeighbourTable operator()(
      const MatrixView<const T>& rows, std::span<const std::size_t> queries,
      std::span<const std::size_t> references, std::size_t k) const {
    equipoise::detail::require_search("eigen::ExactNeighbours", rows, queries, references, k);
    return equipoise::detail::blocked_search<resampling::NeighbourTable>(
        rows, queries, references, k, detail::MatrixProduct());
  }
};

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_NEIGHBOURS_H_
