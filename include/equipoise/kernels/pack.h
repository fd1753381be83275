// Pack: the compiler's generic vectors with the operations of a field. No intrinsics.
#ifndef EQUIPOISE_KERNELS_PACK_H_
#define EQUIPOISE_KERNELS_PACK_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/kernels/vector.h"
#include "equipoise/math.h"

namespace equipoise::kernels {

// kLanes numbers of type T, float or double.
//
// The copy constructor is user-provided on purpose: such a type is passed and returned through
// memory whatever the instruction set, so that a function which was not inlined and is compiled for
// another one cannot disagree with its caller about registers.
template <class T, std::size_t kLanes>
struct Pack {
  static constexpr std::size_t kBytes = kLanes * sizeof(T);
  using Lanes = typename Vector<T, kBytes>::Type;
  using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using Mask = typename Vector<Integer, kBytes>::Type;

  Lanes v;

  Pack() = default;
  EQUIPOISE_HOST_INLINE explicit Pack(const Lanes& lanes) : v(lanes) {}
  // The sum must stay: from {x, x, ...} or x - Lanes{}, g++ 12 inserts the lanes one by one.
  EQUIPOISE_HOST_INLINE explicit Pack(T x) : v(Lanes{} + x) {}
  EQUIPOISE_HOST_INLINE Pack(const Pack& other)
      : v(other.v) {}  // NOLINT(modernize-use-equals-default)
  EQUIPOISE_HOST_INLINE Pack& operator=(
      const Pack& other) {  // NOLINT(modernize-use-equals-default)
    v = other.v;
    return *this;
  }

  EQUIPOISE_HOST_INLINE static Pack load(const T* from) {
    // Through a variable: clang aligns a temporary as its source is, which may be not at all.
    const Lanes lanes = *reinterpret_cast<const typename Vector<T, kBytes>::InMemory*>(from);
    return Pack(lanes);
  }
  EQUIPOISE_HOST_INLINE void store(T* to) const {
    *reinterpret_cast<typename Vector<T, kBytes>::InMemory*>(to) = v;
  }

  friend EQUIPOISE_HOST_INLINE Pack operator+(const Pack& a, const Pack& b) {
    return Pack(a.v + b.v);
  }
  friend EQUIPOISE_HOST_INLINE Pack operator-(const Pack& a, const Pack& b) {
    return Pack(a.v - b.v);
  }
  friend EQUIPOISE_HOST_INLINE Pack operator*(const Pack& a, const Pack& b) {
    return Pack(a.v * b.v);
  }
  friend EQUIPOISE_HOST_INLINE Pack operator/(const Pack& a, const Pack& b) {
    return Pack(a.v / b.v);
  }
  friend EQUIPOISE_HOST_INLINE Pack operator-(const Pack& a) { return Pack(-a.v); }
  friend EQUIPOISE_HOST_INLINE Pack operator+(const Pack& a, double b) { return a + Pack(T(b)); }
  friend EQUIPOISE_HOST_INLINE Pack operator-(const Pack& a, double b) { return a - Pack(T(b)); }
  friend EQUIPOISE_HOST_INLINE Pack operator*(const Pack& a, double b) { return a * Pack(T(b)); }
  friend EQUIPOISE_HOST_INLINE Pack operator/(const Pack& a, double b) { return a / Pack(T(b)); }
  friend EQUIPOISE_HOST_INLINE Pack operator+(double a, const Pack& b) { return Pack(T(a)) + b; }
  friend EQUIPOISE_HOST_INLINE Pack operator-(double a, const Pack& b) { return Pack(T(a)) - b; }
  friend EQUIPOISE_HOST_INLINE Pack operator*(double a, const Pack& b) { return Pack(T(a)) * b; }
  friend EQUIPOISE_HOST_INLINE Pack operator/(double a, const Pack& b) { return Pack(T(a)) / b; }
  EQUIPOISE_HOST_INLINE Pack& operator+=(const Pack& b) {
    v += b.v;
    return *this;
  }
};

template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> larger(const Pack<T, kLanes>& a, const Pack<T, kLanes>& b) {
  return Pack<T, kLanes>(a.v > b.v ? a.v : b.v);
}

// a where the lanes of x and y are equal, else b.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> where_equal(const Pack<T, kLanes>& x,
                                                  const Pack<T, kLanes>& y,
                                                  const Pack<T, kLanes>& a,
                                                  const Pack<T, kLanes>& b) {
  return Pack<T, kLanes>(x.v == y.v ? a.v : b.v);
}

// Masks whose first n lanes are clear, to be read at kLaneMasks + kMostLanes - n. Built lane by
// lane, a mask would cost more than the row it is for.
inline constexpr std::size_t kMostLanes = 16;
template <class Integer>
inline constexpr Integer kLaneMasks[2 * kMostLanes] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                                       0,  0,  0,  0,  0,  -1, -1, -1, -1, -1, -1,
                                                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

// The first n lanes zero.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> clear_first(const Pack<T, kLanes>& a, std::size_t n) {
  using P = Pack<T, kLanes>;
  using Integer = typename P::Integer;
  const typename P::Mask mask =
      *reinterpret_cast<const typename Vector<Integer, P::kBytes>::InMemory*>(kLaneMasks<Integer> +
                                                                              kMostLanes - n);
  return P((typename P::Lanes)((typename P::Mask)a.v & mask));
}

#if !defined(__CUDACC__)
template <class T, std::size_t kLanes, std::size_t... kLow>
EQUIPOISE_HOST_INLINE Pack<T, kLanes / 2> low_half(const Pack<T, kLanes>& a,
                                                   std::index_sequence<kLow...>) {
  return Pack<T, kLanes / 2>(__builtin_shufflevector(a.v, a.v, static_cast<int>(kLow)...));
}
template <class T, std::size_t kLanes, std::size_t... kLow>
EQUIPOISE_HOST_INLINE Pack<T, kLanes / 2> high_half(const Pack<T, kLanes>& a,
                                                    std::index_sequence<kLow...>) {
  return Pack<T, kLanes / 2>(
      __builtin_shufflevector(a.v, a.v, static_cast<int>(kLow + kLanes / 2)...));
}
#else
// CUDA's front end drops what follows the packs of numbers above.
template <class T, std::size_t kLanes, class Half>
EQUIPOISE_HOST_INLINE Pack<T, kLanes / 2> half_at(const Pack<T, kLanes>& a, std::size_t first,
                                                  Half) {
  T lanes[kLanes];
  __builtin_memcpy(lanes, &a.v, sizeof(lanes));
  Pack<T, kLanes / 2> half(T(0));
  __builtin_memcpy(&half.v, lanes + first, sizeof(lanes) / 2);
  return half;
}
template <class T, std::size_t kLanes, class Half>
EQUIPOISE_HOST_INLINE Pack<T, kLanes / 2> low_half(const Pack<T, kLanes>& a, Half half) {
  return half_at(a, 0, half);
}
template <class T, std::size_t kLanes, class Half>
EQUIPOISE_HOST_INLINE Pack<T, kLanes / 2> high_half(const Pack<T, kLanes>& a, Half half) {
  return half_at(a, kLanes / 2, half);
}
#endif

#if !defined(__CUDACC__)
// Exchanges what lies off the diagonal in squares of kStep by kStep.
template <std::size_t kStep, class T, std::size_t kLanes, std::size_t... kLane>
EQUIPOISE_HOST_INLINE void exchange(Pack<T, kLanes>& a, Pack<T, kLanes>& b,
                                    std::index_sequence<kLane...>) {
  using P = Pack<T, kLanes>;
  const P first(__builtin_shufflevector(
      a.v, b.v, static_cast<int>((kLane & kStep) == 0 ? kLane : kLanes + (kLane ^ kStep))...));
  b = P(__builtin_shufflevector(
      a.v, b.v, static_cast<int>((kLane & kStep) == 0 ? kLane ^ kStep : kLanes + kLane)...));
  a = first;
}
// Unrolled by hand, so that the rows stay in registers.
template <std::size_t kStep, class T, std::size_t kLanes, std::size_t kRows, std::size_t... kPair>
EQUIPOISE_HOST_INLINE void exchange_all(Pack<T, kLanes> (&rows)[kRows],
                                        std::index_sequence<kPair...>) {
  (exchange<kStep>(rows[kPair / kStep * 2 * kStep + kPair % kStep],
                   rows[kPair / kStep * 2 * kStep + kPair % kStep + kStep],
                   std::make_index_sequence<kLanes>()),
   ...);
}

// Rows become columns, in each of the squares of kRows by kRows that lie side by side: lane s + i
// of rows[c] is what lane s + c of rows[i] was, s = 0, kRows, ...
template <class T, std::size_t kLanes, std::size_t kRows>
EQUIPOISE_HOST_INLINE void transpose(Pack<T, kLanes> (&rows)[kRows]) {
  constexpr std::make_index_sequence<kRows / 2> kPairs;
  exchange_all<1>(rows, kPairs);
  if constexpr (kRows > 2) exchange_all<2>(rows, kPairs);
  if constexpr (kRows > 4) exchange_all<4>(rows, kPairs);
  if constexpr (kRows > 8) exchange_all<8>(rows, kPairs);
}

// Two packs, one after the other.
template <class T, std::size_t kLanes, std::size_t... kLane>
EQUIPOISE_HOST_INLINE Pack<T, 2 * kLanes> side_by_side(const Pack<T, kLanes>& a,
                                                       const Pack<T, kLanes>& b,
                                                       std::index_sequence<kLane...>) {
  return Pack<T, 2 * kLanes>(__builtin_shufflevector(a.v, b.v, static_cast<int>(kLane)...));
}

// Halves the number of rows: a lane of the first kStep ones is then join(low, high), where low and
// high are lanes of one row that are kStep apart.
template <std::size_t kStep, class T, std::size_t kLanes, class Join, std::size_t... kRow>
EQUIPOISE_HOST_INLINE void join_halves(Pack<T, kLanes> (&rows)[kLanes], const Join& join,
                                       std::index_sequence<kRow...>) {
  (exchange<kStep>(rows[kRow], rows[kRow + kStep], std::make_index_sequence<kLanes>()), ...);
  ((rows[kRow] = join(rows[kRow], rows[kRow + kStep])), ...);
}

// Lane i is what join(a, b), on packs, makes of the lanes of rows[i], by halves.
template <class T, std::size_t kLanes, class Join>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> join_rows(Pack<T, kLanes> (&rows)[kLanes], const Join& join) {
  if constexpr (kLanes > 8) join_halves<8>(rows, join, std::make_index_sequence<8>());
  if constexpr (kLanes > 4) join_halves<4>(rows, join, std::make_index_sequence<4>());
  if constexpr (kLanes > 2) join_halves<2>(rows, join, std::make_index_sequence<2>());
  join_halves<1>(rows, join, std::make_index_sequence<1>());
  return rows[0];
}
#else
template <class T, std::size_t kLanes, std::size_t kRows>
EQUIPOISE_HOST_INLINE void transpose(Pack<T, kLanes> (&rows)[kRows]) {
  T lanes[kRows][kLanes];
  for (std::size_t i = 0; i < kRows; ++i) rows[i].store(lanes[i]);
  for (std::size_t c = 0; c < kRows; ++c) {
    T column[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) column[i] = lanes[i % kRows][i / kRows * kRows + c];
    rows[c] = Pack<T, kLanes>::load(column);
  }
}
template <class T, std::size_t kLanes, class Both>
EQUIPOISE_HOST_INLINE Pack<T, 2 * kLanes> side_by_side(const Pack<T, kLanes>& a,
                                                       const Pack<T, kLanes>& b, Both) {
  T lanes[2 * kLanes];
  a.store(lanes);
  b.store(lanes + kLanes);
  return Pack<T, 2 * kLanes>::load(lanes);
}
template <class T, std::size_t kLanes, class Join>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> join_rows(Pack<T, kLanes> (&rows)[kLanes], const Join& join) {
  transpose(rows);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) rows[i] = join(rows[i], rows[i + half]);
  }
  return rows[0];
}
#endif

// A pack of the first kWidth elements of every kWidth-th row, `stride` elements apart: those of
// rows 0, kWidth, 2 kWidth ...
template <class T, std::size_t kLanes, std::size_t kWidth>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> load_rows(const T* from, std::size_t stride) {
  if constexpr (kLanes == kWidth) {
    return Pack<T, kLanes>::load(from);
  } else {
    constexpr std::size_t kHalf = kLanes / 2;
    return side_by_side(load_rows<T, kHalf, kWidth>(from, stride),
                        load_rows<T, kHalf, kWidth>(from + kHalf * stride, stride),
                        std::make_index_sequence<kLanes>());
  }
}

// Block kBlock of kWidth lanes.
template <std::size_t kWidth, std::size_t kBlock, class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kWidth> block_of(const Pack<T, kLanes>& a) {
  if constexpr (kLanes == kWidth) {
    return a;
  } else {
    constexpr std::make_index_sequence<kLanes / 2> kHalf;
    constexpr std::size_t kBlocks = kLanes / 2 / kWidth;
    if constexpr (kBlock < kBlocks) {
      return block_of<kWidth, kBlock>(low_half(a, kHalf));
    } else {
      return block_of<kWidth, kBlock - kBlocks>(high_half(a, kHalf));
    }
  }
}

// The sum of all lanes, by halves.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE T sum(const Pack<T, kLanes>& a) {
  if constexpr (kLanes == 2) {
    return a.v[0] + a.v[1];
  } else {
    constexpr std::make_index_sequence<kLanes / 2> kHalf;
    return sum(low_half(a, kHalf) + high_half(a, kHalf));
  }
}

// The largest lane, by halves.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE T largest(const Pack<T, kLanes>& a) {
  if constexpr (kLanes == 2) {
    return a.v[0] > a.v[1] ? a.v[0] : a.v[1];
  } else {
    constexpr std::make_index_sequence<kLanes / 2> kHalf;
    return largest(larger(low_half(a, kHalf), high_half(a, kHalf)));
  }
}

// ((c0 x + c1) x + c2) ...
template <class T, std::size_t kLanes, class... Rest>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> horner(const Pack<T, kLanes>& x, double first, Rest... rest) {
  Pack<T, kLanes> y{T(first)};
  ((y = y * x + rest), ...);
  return y;
}

// Numbers of type T that the functions below need.
template <class T>
struct FloatFormat;
template <>
struct FloatFormat<float> {
  static constexpr int kFractionBits = 23;
  static constexpr std::int32_t kBias = 127;
  static constexpr std::int32_t kSqrtHalf = 0x3f3504f3;
  static constexpr double kLeastExp = -87.3;  // e^x is normal from here on; below it is taken as 0
  static constexpr double kMostExp = 88.3;
  static constexpr double kLn2High = 0.693359375;
  static constexpr double kLn2Low = -2.12194440e-4;
};
template <>
struct FloatFormat<double> {
  static constexpr int kFractionBits = 52;
  static constexpr std::int64_t kBias = 1023;
  static constexpr std::int64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  static constexpr double kLeastExp = -708.3;
  static constexpr double kMostExp = 709.0;
  static constexpr double kLn2High = 6.93147180369123816490e-01;
  static constexpr double kLn2Low = 1.90821492927058770002e-10;
};

// e^x for x between Format::kLeastExp and Format::kMostExp; `half` has the sign of x. e^x = 2^n e^r
// with |r| <= ln(2) / 2, e^r by a polynomial. Rounding to n goes through a conversion that
// truncates: adding and subtracting a magic number would be optimised away by -ffast-math.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> exp_in_range(const Pack<T, kLanes>& x,
                                                   const Pack<T, kLanes>& half) {
  using P = Pack<T, kLanes>;
  using Format = FloatFormat<T>;
  using Int32s = typename Vector<std::int32_t, kLanes * 4>::Type;
  const P scaled = x * 1.44269504088896340736;
  const Int32s n32 = __builtin_convertvector((scaled + half).v, Int32s);  // double: no 64-bit form
  const P n(__builtin_convertvector(n32, typename P::Lanes));
  const P r = x - n * Format::kLn2High - n * Format::kLn2Low;
  P y;
  if constexpr (sizeof(T) == 4) {  // after Cephes' expf (Moshier)
    y = horner(r, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
               1.6666665459e-1, 5.0000001201e-1) *
            (r * r) +
        r + 1.0;
  } else {  // the Taylor series; its remainder is below 2^-57
    y = horner(r, 1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
               1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0,
               1.0 / 6.0, 0.5, 1.0, 1.0);
  }
  const auto exponent = __builtin_convertvector(n32, typename P::Mask) + Format::kBias;
  return y * P((typename P::Lanes)(exponent << Format::kFractionBits));
}

// e^x; 0 where that would not be a normal number, e^kMostExp above the range.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> exp(const Pack<T, kLanes>& a) {
  using P = Pack<T, kLanes>;
  const P least{T(FloatFormat<T>::kLeastExp)};
  const P most{T(FloatFormat<T>::kMostExp)};
  const P low(a.v < least.v ? least.v : a.v);
  const P x(low.v > most.v ? most.v : low.v);
  const P half(x.v > typename P::Lanes{} ? P(T(0.5)).v : P(T(-0.5)).v);
  return P(a.v < least.v ? typename P::Lanes{} : exp_in_range(x, half).v);
}

// The same for x <= 0. What is below the range is not kept out of the formula, only out of the
// result.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> exp_nonpositive(const Pack<T, kLanes>& x) {
  using P = Pack<T, kLanes>;
  const P least{T(FloatFormat<T>::kLeastExp)};
  return P(x.v < least.v ? typename P::Lanes{} : exp_in_range(x, P(T(-0.5))).v);
}

// k ln 2 + ln(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1].
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> log_of_parts(const Pack<T, kLanes>& k,
                                                   const Pack<T, kLanes>& f) {
  using P = Pack<T, kLanes>;
  using Format = FloatFormat<T>;
  if constexpr (sizeof(T) == 4) {  // after Cephes' logf (Moshier)
    const P z = f * f;
    const P y = horner(f, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1,
                       1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1,
                       3.3333331174e-1) *
                f * z;
    return f + (y + k * Format::kLn2Low - 0.5 * z) + k * Format::kLn2High;
  } else {  // after fdlibm's log (Sun Microsystems)
    const P s = f / (2.0 + f);
    const P z = s * s;
    const P series =
        z * horner(z, 1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                   2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                   6.666666666666735130e-01);
    const P half_square = 0.5 * f * f;
    return k * Format::kLn2High -
           ((half_square - (s * (half_square + series) + k * Format::kLn2Low)) - f);
  }
}

// ln x for normal x > 0: x = 2^k m with m in [sqrt(1/2), sqrt(2)). Zero and below give the
// logarithm of a number below the least normal one, a large negative number.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> log(const Pack<T, kLanes>& a) {
  using P = Pack<T, kLanes>;
  using Format = FloatFormat<T>;
  using Int32s = typename Vector<std::int32_t, kLanes * 4>::Type;
  const auto bits = (typename P::Mask)a.v;
  const auto k_bits = (bits - Format::kSqrtHalf) >> Format::kFractionBits;
  const P m((typename P::Lanes)(bits - (k_bits << Format::kFractionBits)));
  const P k(__builtin_convertvector(__builtin_convertvector(k_bits, Int32s), typename P::Lanes));
  // NaN stays NaN, although its bits gave a number.
  const P result = log_of_parts(k, m - 1.0) + (a - a);
  return P(a.v <= typename P::Lanes{} ? P(T(2.0 * Format::kLeastExp)).v : result.v);
}

// ln(1 + x) for x in [0, 1], without the error of rounding 1 + x: that is 2^k (1 + f) with f = x or
// (x - 1) / 2.
template <class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> log1p_of_unit(const Pack<T, kLanes>& x) {
  using P = Pack<T, kLanes>;
  const P bound(T(0.41421356237309504880));  // sqrt(2) - 1
  const P half = 0.5 * x - 0.5;
  return log_of_parts(P(x.v > bound.v ? P(T(1)).v : typename P::Lanes{}),
                      P(x.v > bound.v ? half.v : x.v));
}

}  // namespace equipoise::kernels

template <class T, std::size_t kLanes>
struct equipoise::math::Operations<equipoise::kernels::Pack<T, kLanes>> {
  using P = equipoise::kernels::Pack<T, kLanes>;
  EQUIPOISE_HOST_INLINE static P exp(const P& x) { return equipoise::kernels::exp(x); }
  EQUIPOISE_HOST_INLINE static P log(const P& x) { return equipoise::kernels::log(x); }
  EQUIPOISE_HOST_INLINE static P pow(const P& x, double exponent) {
    const P power = exp(log(x) * exponent);
    const P at_zero(exponent == 0 ? T(1) : T(0));
    return P(x.v > typename P::Lanes{} ? power.v : at_zero.v);
  }
  EQUIPOISE_HOST_INLINE static P max(const P& x, double bound) {
    return equipoise::kernels::larger(x, P(T(bound)));
  }
  EQUIPOISE_HOST_INLINE static P step(const P& x) {
    return P(x.v > typename P::Lanes{} ? P(T(1)).v : typename P::Lanes{});
  }
  EQUIPOISE_HOST_INLINE static P like(const P&, double value) { return P(T(value)); }
};

#endif  // EQUIPOISE_KERNELS_PACK_H_
