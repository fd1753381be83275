// The functions that modulators may use: one vocabulary for numbers, SIMD packs and tensors.
#ifndef EQUIPOISE_MATH_H_
#define EQUIPOISE_MATH_H_

#include <cmath>
#include <concepts>

#include "equipoise/config.h"

/// Functions on a field T: double, a pack of floats or doubles in the CPU kernels, or at::Tensor.
///
/// A backend supports a type of its own by specialising Operations. They are function objects, so a
/// qualified call such as math::exp(x) never finds a function of another library.
namespace equipoise::math {

/// The operations of T; a specialisation has the six static functions below.
template <class T>
struct Operations;

/// Operations on numbers, by the standard library.
template <>
struct Operations<double> {
  /// As the function objects of the same names below.
  static double exp(double x) { return std::exp(x); }
  static double log(double x) { return std::log(x); }
  static double pow(double x, double exponent) { return std::pow(x, exponent); }
  static double max(double x, double bound) { return x > bound ? x : bound; }
  static double step(double x) { return x > 0 ? 1.0 : 0.0; }
  static double like(double, double value) { return value; }
};

namespace detail {

struct Exp {
  template <class T>
  EQUIPOISE_INLINE T operator()(const T& x) const {
    return Operations<T>::exp(x);
  }
};
struct Log {
  template <class T>
  EQUIPOISE_INLINE T operator()(const T& x) const {
    return Operations<T>::log(x);
  }
};
struct Pow {
  template <class T>
  EQUIPOISE_INLINE T operator()(const T& x, double exponent) const {
    if (exponent == 0.0) return Operations<T>::like(x, 1.0);
    if (exponent == 2.0) return x * x;
    if (exponent == 1.0) return x;
    if (exponent == 3.0) return x * x * x;
    if (exponent == 4.0) {
      const T square = x * x;
      return square * square;
    }
    return Operations<T>::pow(x, exponent);
  }
};
struct Max {
  template <class T>
  EQUIPOISE_INLINE T operator()(const T& x, double bound) const {
    return Operations<T>::max(x, bound);
  }
};
struct Step {
  template <class T>
  EQUIPOISE_INLINE T operator()(const T& x) const {
    return Operations<T>::step(x);
  }
};
struct Like {
  template <class T>
  EQUIPOISE_INLINE T operator()(const T& x, double value) const {
    return Operations<T>::like(x, value);
  }
};

}  // namespace detail

EQUIPOISE_FUNCTION_OBJECT detail::Exp exp{};  ///< e^x
EQUIPOISE_FUNCTION_OBJECT detail::Log log{};  ///< ln x, x >= 0; a very negative number or -inf at 0
EQUIPOISE_FUNCTION_OBJECT detail::Pow pow{};  ///< pow(x, c) = x^c, x >= 0; 0^0 = 1
EQUIPOISE_FUNCTION_OBJECT detail::Max max{};  ///< max(x, c)
EQUIPOISE_FUNCTION_OBJECT detail::Step step{};  ///< 1 where x > 0, else 0
EQUIPOISE_FUNCTION_OBJECT detail::Like like{};  ///< like(x, c): the constant c in the shape of x

/// The types that a modulator computes with. float is not one of them: 1.0 - x would turn it into
/// double, so float data come as packs.
template <class T>
concept Field = !std::same_as<T, float> && requires(const T& x) {
  T(x + x);
  T(x - x);
  T(x * x);
  T(x / x);
  T(-x);
  T(1.0 - x);
  T(2.0 * x);
  { exp(x) } -> std::same_as<T>;
  { log(x) } -> std::same_as<T>;
  { pow(x, 1.5) } -> std::same_as<T>;
  { max(x, 1.5) } -> std::same_as<T>;
  { step(x) } -> std::same_as<T>;
  { like(x, 1.5) } -> std::same_as<T>;
};

}  // namespace equipoise::math

#endif  // EQUIPOISE_MATH_H_
