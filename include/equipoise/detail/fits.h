// Whether numbers in double are numbers of the type that a loss computes in, that of its logits.
#ifndef EQUIPOISE_DETAIL_FITS_H_
#define EQUIPOISE_DETAIL_FITS_H_

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "equipoise/detail/check.h"

namespace equipoise::detail {

// Whether the number is one of type T too: not beyond the largest and, but for 0, not below the
// normal ones. A product may be infinite, which -ffast-math takes for less than the largest double.
template <class T>
constexpr bool fits(double value) {
  if (!is_finite(value)) return false;
  const double size = value < 0 ? -value : value;
  return size == 0 || (size >= static_cast<double>(std::numeric_limits<T>::min()) &&
                       size <= static_cast<double>(std::numeric_limits<T>::max()));
}
template <class T>
std::string range_of_type() {
  return "0 or a number in [" + to_text(std::numeric_limits<T>::min()) + ", " +
         to_text(std::numeric_limits<T>::max()) + "], as the type of the logits has it";
}

// Weights, or other factors, that a loss takes in the type T of its logits: there they would be
// infinite, or nothing.
template <class T, class Values>
void require_factors_fit(std::string_view where, std::string_view argument, const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!fits<T>(values[i])) reject_element(where, argument, i, values[i], range_of_type<T>());
  }
}
template <class T>
void require_factor_fits(std::string_view where, std::string_view argument, double value) {
  if (!fits<T>(value)) reject(where, argument, value, range_of_type<T>());
}

// The same for what is added to logits, of which nothing is lost where it is small.
template <class T>
constexpr bool is_term(double value) {
  if (!is_finite(value)) return false;
  const double size = value < 0 ? -value : value;
  return size <= static_cast<double>(std::numeric_limits<T>::max());
}
template <class T, class Values>
void require_terms_fit(std::string_view where, std::string_view owner, std::string_view field,
                       const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_term<T>(values[i])) continue;
    reject_element(where, std::string(owner) + std::string(field), i, values[i],
                   "at most " + to_text(std::numeric_limits<T>::max()) +
                       ", the most that the type of the logits has");
  }
}

// The least and the largest of some factors that are not 0; 1 where there are none.
struct FactorRange {
  double least = 1;
  double most = 1;

  template <class Values>
  static FactorRange of(const Values& values) {
    FactorRange range{std::numeric_limits<double>::max(), 0};
    for (const double value : values) {
      if (value == 0) continue;
      range.least = value < range.least ? value : range.least;
      range.most = value > range.most ? value : range.most;
    }
    return range.most > 0 ? range : FactorRange{};
  }
  friend FactorRange operator*(const FactorRange& a, const FactorRange& b) {
    return {a.least * b.least, a.most * b.most};
  }
  template <class T>
  bool fits() const {
    return least > 0 && detail::fits<T>(least) && detail::fits<T>(most);
  }
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_FITS_H_
