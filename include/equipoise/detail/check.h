// Validation of what users pass in, with messages of one form:
//   class_weights(): counts[3] = -1, expected >= 0
#ifndef EQUIPOISE_DETAIL_CHECK_H_
#define EQUIPOISE_DETAIL_CHECK_H_

#include <bit>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "equipoise/config.h"

namespace equipoise::detail {

// Finiteness is read off the bits: under -ffast-math the compiler takes std::isfinite() for true.
constexpr bool is_finite(double x) {
  return (std::bit_cast<std::uint64_t>(x) & 0x7ff0000000000000u) != 0x7ff0000000000000u;
}
constexpr bool is_finite(float x) {
  return (std::bit_cast<std::uint32_t>(x) & 0x7f800000u) != 0x7f800000u;
}
constexpr bool is_nan(double x) {
  return (std::bit_cast<std::uint64_t>(x) & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
}
// NaN as a value that no optimisation folds away.
constexpr double quiet_nan() { return std::bit_cast<double>(std::uint64_t{0x7ff8000000000000u}); }
constexpr double infinity() { return std::bit_cast<double>(std::uint64_t{0x7ff0000000000000u}); }

template <class T>
std::string to_text(const T& value) {
  if constexpr (std::integral<T>) {
    return std::to_string(value);
  } else if constexpr (std::floating_point<T>) {
    if (is_nan(static_cast<double>(value))) return "nan";
    if (!is_finite(value)) return value < T(0) ? "-inf" : "inf";
    char buffer[40];
    const std::to_chars_result end = std::to_chars(buffer, buffer + sizeof buffer, value);
    return std::string(buffer, end.ptr);
  } else {
    return std::string(std::string_view(value));
  }
}

// where(): argument = value, expected ...
template <class T>
[[noreturn]] void reject(std::string_view where, std::string_view argument, const T& value,
                         std::string_view expected) {
  invalid_argument(std::string(where) + "(): " + std::string(argument) + " = " + to_text(value) +
                   ", expected " + std::string(expected));
}

// where(): argument[index] = value, expected ...
template <class T>
[[noreturn]] void reject_element(std::string_view where, std::string_view argument,
                                 std::size_t index, const T& value, std::string_view expected) {
  reject(where, std::string(argument) + "[" + std::to_string(index) + "]", value, expected);
}

// A number of something, such as matrix.rows.
inline void require_count(std::string_view where, std::string_view argument, std::size_t count,
                          std::size_t expected, std::string_view of_what) {
  if (count == expected) return;
  reject(where, argument, count, to_text(expected) + " (" + std::string(of_what) + ")");
}

inline void require_size(std::string_view where, std::string_view argument, std::size_t size,
                         std::size_t expected, std::string_view of_what) {
  if (size == expected) return;
  require_count(where, std::string(argument) + ".size()", size, expected, of_what);
}

// Every element is finite and not negative.
template <class Values>
void require_masses(std::string_view where, std::string_view argument, const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_finite(values[i]) || values[i] < 0) {
      reject_element(where, argument, i, values[i], "a finite number >= 0");
    }
  }
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_CHECK_H_
