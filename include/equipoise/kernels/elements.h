// Matrices as flat runs of elements, and targets of elements.
#ifndef EQUIPOISE_KERNELS_ELEMENTS_H_
#define EQUIPOISE_KERNELS_ELEMENTS_H_

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/vector.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

// Whether t is a target: 0 or 1, or for floating-point types anything between. Read off the bits,
// because -ffast-math lets NaN pass comparisons.
template <class Y>
EQUIPOISE_HOST_INLINE bool is_sigmoid_target(Y t) {
  if constexpr (std::integral<Y>) {
    return t == Y(0) || t == Y(1);
  } else if constexpr (std::same_as<Y, float>) {
    const auto bits = std::bit_cast<std::uint32_t>(t);
    return bits <= std::bit_cast<std::uint32_t>(1.0F) || bits << 1 == 0;  // or minus zero
  } else {
    const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(t));
    return bits <= std::bit_cast<std::uint64_t>(1.0) || bits << 1 == 0;
  }
}

// A number whose highest bit is clear if t is a target; where that bit is set t is none, or minus
// zero. Numbers of this kind can be joined by |, and that can be done with vectors.
template <class Y>
EQUIPOISE_HOST_INLINE auto target_defects(Y t) {
  if constexpr (std::integral<Y>) {
    const auto bits = static_cast<
        std::make_unsigned_t<std::conditional_t<std::same_as<Y, bool>, std::uint8_t, Y>>>(t);
    return static_cast<decltype(bits)>(bits | (1 - bits));
  } else {
    using Bits = std::conditional_t<std::same_as<Y, float>, std::uint32_t, std::uint64_t>;
    using Real = std::conditional_t<std::same_as<Y, float>, float, double>;
    const auto bits = std::bit_cast<Bits>(static_cast<Real>(t));
    return bits | (std::bit_cast<Bits>(Real(1)) - bits);
  }
}

// Whether these are targets, without minus zeros; loops of a known length are what compilers make
// vectors of.
template <class Y>
EQUIPOISE_HOST_INLINE bool plainly_targets(const Y* targets, std::size_t count) {
  using Bits = std::remove_const_t<decltype(target_defects(Y{}))>;
  constexpr std::size_t kStep = 64;
  Bits defects = 0;
  std::size_t j = 0;
  for (; j + kStep <= count; j += kStep) {
    for (std::size_t k = 0; k < kStep; ++k) {
      defects = static_cast<Bits>(defects | target_defects(targets[j + k]));
    }
  }
  for (; j < count; ++j) defects = static_cast<Bits>(defects | target_defects(targets[j]));
  return defects >> (8 * sizeof(Bits) - 1) == 0;
}

// Elements are numbered row by row. Calls f(j, row, label) for element begin + j, j in [0, count).
template <class F>
EQUIPOISE_HOST_INLINE void for_each_element(std::size_t begin, std::size_t count,
                                            std::size_t labels, const F& f) {
  std::size_t row = begin / labels;
  std::size_t label = begin % labels;
  for (std::size_t j = 0; j < count; ++j) {
    f(j, row, label);
    if (++label == labels) {
      label = 0;
      ++row;
    }
  }
}

// The distance from one element of a matrix to the next where it is the same for all of them,
// else 0.
template <class T>
constexpr std::ptrdiff_t flat_step(const MatrixView<T>& view) {
  if (view.cols == 1) return view.row_stride;
  const auto cols = static_cast<std::ptrdiff_t>(view.cols);
  return view.rows == 1 || view.row_stride == cols * view.col_stride ? view.col_stride : 0;
}

// Where element e of a matrix with this step lies.
template <class T>
constexpr T* flat_element(const MatrixView<T>& view, std::ptrdiff_t step, std::size_t e) {
  return view.data + static_cast<std::ptrdiff_t>(e) * step;
}

// Copies elements of a matrix, one after the other; step is its flat_step().
template <class T, class Y>
EQUIPOISE_HOST_INLINE void read_elements(const MatrixView<const Y>& view, std::ptrdiff_t step,
                                         std::size_t begin, std::size_t count, T* out) {
  if (step == 1) {
    const Y* const in = flat_element(view, 1, begin);
    if constexpr (std::same_as<T, Y>) {
      std::copy_n(in, count, out);
    } else {
      for (std::size_t j = 0; j < count; ++j) out[j] = static_cast<T>(in[j]);
    }
  } else if (step != 0) {
    const Y* const in = flat_element(view, step, begin);
    for (std::size_t j = 0; j < count; ++j) {
      out[j] = static_cast<T>(in[static_cast<std::ptrdiff_t>(j) * step]);
    }
  } else {
    for_each_element(begin, count, view.cols,
                     [&](std::size_t j, std::size_t row, std::size_t label)
                         EQUIPOISE_INLINE_LAMBDA { out[j] = static_cast<T>(view(row, label)); });
  }
}

template <class T>
EQUIPOISE_HOST_INLINE void write_elements(const T* in, std::size_t begin, std::size_t count,
                                          const MatrixView<T>& view) {
  for_each_element(begin, count, view.cols,
                   [&](std::size_t j, std::size_t row, std::size_t label)
                       EQUIPOISE_INLINE_LAMBDA { view(row, label) = in[j]; });
}

// The sum in double, in an order of its own: eight sums that do not wait for each other.
template <class T>
EQUIPOISE_HOST_INLINE double sum_in_double(const T* values, std::size_t count) {
  using Pair = Vector<double, 16>::Type;
  const auto pair = [&](std::size_t j) EQUIPOISE_INLINE_LAMBDA {
    using Stored = typename Vector<T, 2 * sizeof(T)>::InMemory;
    return __builtin_convertvector(*reinterpret_cast<const Stored*>(values + j), Pair);
  };
  Pair a = {}, b = {}, c = {}, d = {};
  const std::size_t whole = count / 8 * 8;
  for (std::size_t j = 0; j < whole; j += 8) {
    a += pair(j);
    b += pair(j + 2);
    c += pair(j + 4);
    d += pair(j + 6);
  }
  const Pair sums = (a + b) + (c + d);
  double rest = 0;
  for (std::size_t j = whole; j < count; ++j) rest += static_cast<double>(values[j]);
  return (sums[0] + sums[1]) + rest;
}

// Elements are taken in runs that fit in the first-level cache, runs in blocks that are worth a
// task; sums have the same order however many threads there are.
inline constexpr std::size_t kRunElements = 512;
inline constexpr std::size_t kBlockElements = 32 * kRunElements;

// Refuses a matrix whose shape is not that of `like`.
template <class T, class U>
void require_shape(std::string_view where, std::string_view name, const MatrixView<T>& view,
                   const MatrixView<U>& like, std::string_view like_name) {
  const auto require = [&](const char* extent, std::size_t size, std::size_t expected) {
    if (size == expected) return;
    detail::reject(
        where, std::string(name) + "." + extent, size,
        detail::to_text(expected) + " (" + extent + " of " + std::string(like_name) + ")");
  };
  require("rows", view.rows, like.rows);
  require("cols", view.cols, like.cols);
}

inline namespace EQUIPOISE_ISA_NAMESPACE {

// Targets of elements, of any arithmetic type, behind pointers to functions.
class AnyElements {
 public:
  using Mask = MatrixView<const std::uint8_t>;

  template <class Y>
  static AnyElements of(const MatrixView<const Y>& targets) {
    AnyElements result;
    result.data_ = targets.data;
    result.shape_ = {nullptr, targets.rows, targets.cols, targets.row_stride, targets.col_stride};
    result.read_float_ = &read_as<float, Y>;
    result.read_double_ = &read_as<double, Y>;
    result.first_invalid_ = &first_invalid_of<Y>;
    result.reject_ = &reject_of<Y>;
    return result;
  }

  std::size_t rows() const { return shape_.rows; }
  std::size_t cols() const { return shape_.cols; }
  std::size_t size() const { return rows() * cols(); }
  // A view without data, for comparing shapes.
  const MatrixView<const float>& shape() const { return shape_; }

  // Elements are numbered row by row. Writes `count` of them; 0 for those that the mask, if it has
  // data, leaves out.
  void read(const Mask& mask, std::size_t begin, std::size_t count, float* out) const {
    read_float_(*this, mask, begin, count, out);
  }
  void read(const Mask& mask, std::size_t begin, std::size_t count, double* out) const {
    read_double_(*this, mask, begin, count, out);
  }
  // The first of `count` elements whose target is invalid; begin + count where all are valid.
  std::size_t first_invalid(const Mask& mask, std::size_t begin, std::size_t count) const {
    return first_invalid_(*this, mask, begin, count);
  }
  // Throws for an element whose target is invalid.
  void reject(std::string_view where, std::size_t element) const { reject_(*this, where, element); }

 private:
  AnyElements() = default;

  template <class Y>
  MatrixView<const Y> view() const {
    return {static_cast<const Y*>(data_), shape_.rows, shape_.cols, shape_.row_stride,
            shape_.col_stride};
  }
  template <class T, class Y>
  static void read_as(const AnyElements& self, const Mask& mask, std::size_t begin,
                      std::size_t count, T* out) {
    const auto targets = self.view<Y>();
    if (mask.data == nullptr) {
      read_elements(targets, flat_step(targets), begin, count, out);
      return;
    }
    for_each_element(begin, count, targets.cols,
                     [&](std::size_t j, std::size_t row, std::size_t label) {
                       out[j] = mask(row, label) == 0 ? T(0) : static_cast<T>(targets(row, label));
                     });
  }
  template <class Y>
  static std::size_t first_invalid_of(const AnyElements& self, const Mask& mask, std::size_t begin,
                                      std::size_t count) {
    const auto targets = self.view<Y>();
    if (mask.data == nullptr && flat_step(targets) == 1) {
      if (plainly_targets(flat_element(targets, 1, begin), count)) return begin + count;
    }
    std::size_t first = begin + count;
    for_each_element(begin, count, targets.cols,
                     [&](std::size_t j, std::size_t row, std::size_t label) {
                       const bool ignored = mask.data != nullptr && mask(row, label) == 0;
                       if (ignored || is_sigmoid_target(targets(row, label))) return;
                       first = std::min(first, begin + j);
                     });
    return first;
  }
  template <class Y>
  static void reject_of(const AnyElements& self, std::string_view where, std::size_t element) {
    const std::size_t row = element / self.cols();
    const std::size_t label = element % self.cols();
    detail::reject_element(where, "targets[" + detail::to_text(row) + "]", label,
                           self.view<Y>()(row, label),
                           std::integral<Y> ? "0 or 1" : "a number in [0, 1]");
  }

  const void* data_ = nullptr;
  MatrixView<const float> shape_{};
  void (*read_float_)(const AnyElements&, const Mask&, std::size_t, std::size_t, float*) = nullptr;
  void (*read_double_)(const AnyElements&, const Mask&, std::size_t, std::size_t,
                       double*) = nullptr;
  std::size_t (*first_invalid_)(const AnyElements&, const Mask&, std::size_t,
                                std::size_t) = nullptr;
  void (*reject_)(const AnyElements&, std::string_view, std::size_t) = nullptr;
};

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_ELEMENTS_H_
