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
constexpr bool is_minus_infinity(double x) {
  return std::bit_cast<std::uint64_t>(x) == 0xfff0000000000000u;
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
[[noreturn]] inline void reject_text(std::string_view where, std::string_view argument,
                                     std::string_view value, std::string_view expected) {
  std::string message;
  for (const std::string_view part :
       {where, std::string_view("(): "), argument, std::string_view(" = "), value,
        std::string_view(", expected "), expected}) {
    message += part;
  }
  invalid_argument(message);
}
template <class T>
[[noreturn]] void reject(std::string_view where, std::string_view argument, const T& value,
                         std::string_view expected) {
  reject_text(where, argument, to_text(value), expected);
}

// where(): argument[index] = value, expected ...
template <class T>
[[noreturn]] void reject_element(std::string_view where, std::string_view argument,
                                 std::size_t index, const T& value, std::string_view expected) {
  std::string element(argument);
  element.append("[").append(to_text(index)).append("]");
  reject_text(where, element, to_text(value), expected);
}

// where(): argument(r, c) = value, expected ...
template <class T>
[[noreturn]] void reject_cell(std::string_view where, std::string_view argument, std::size_t r,
                              std::size_t c, const T& value, std::string_view expected) {
  std::string cell(argument);
  cell.append("(").append(to_text(r)).append(", ").append(to_text(c)).append(")");
  reject_text(where, cell, to_text(value), expected);
}

// The following hold under -ffast-math too, where comparisons with NaN may come out either way:
// what a number is, is read off its bits first.

inline void require_finite(std::string_view where, std::string_view argument, double value) {
  if (!is_finite(value)) reject(where, argument, value, "a finite number");
}
inline void require_not_negative(std::string_view where, std::string_view argument, double value) {
  if (!is_finite(value) || value < 0) reject(where, argument, value, "a finite number >= 0");
}
inline void require_positive(std::string_view where, std::string_view argument, double value) {
  if (!is_finite(value) || value <= 0) reject(where, argument, value, "a finite number > 0");
}

// Which ends of an interval belong to it.
enum class Ends { kBoth, kLeast, kMost, kNeither };

inline void require_between(std::string_view where, std::string_view argument, double value,
                            double least, double most, Ends ends = Ends::kBoth) {
  const bool with_least = ends == Ends::kBoth || ends == Ends::kLeast;
  const bool with_most = ends == Ends::kBoth || ends == Ends::kMost;
  const bool is_outside = value < least || value > most || (value == least && !with_least) ||
                          (value == most && !with_most);
  if (is_finite(value) && !is_outside) return;
  reject(where, argument, value,
         std::string("a number in ") + (with_least ? "[" : "(") + to_text(least) + ", " +
             to_text(most) + (with_most ? "]" : ")"));
}

// A number of something, such as matrix.rows.
inline void require_count(std::string_view where, std::string_view argument, std::size_t count,
                          std::size_t expected, std::string_view of_what) {
  if (count == expected) return;
  reject(where, argument, count, to_text(expected).append(" (").append(of_what).append(")"));
}

inline void require_size(std::string_view where, std::string_view argument, std::size_t size,
                         std::size_t expected, std::string_view of_what) {
  if (size == expected) return;
  require_count(where, std::string(argument).append(".size()"), size, expected, of_what);
}

// Every element is finite; and not negative; and positive.
template <class Values>
void require_all_finite(std::string_view where, std::string_view argument, const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_finite(values[i])) reject_element(where, argument, i, values[i], "a finite number");
  }
}
template <class Values>
void require_masses(std::string_view where, std::string_view argument, const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_finite(values[i]) || values[i] < 0) {
      reject_element(where, argument, i, values[i], "a finite number >= 0");
    }
  }
}
template <class Values>
void require_all_positive(std::string_view where, std::string_view argument, const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_finite(values[i]) || values[i] <= 0) {
      reject_element(where, argument, i, values[i], "a finite number > 0");
    }
  }
}

// One of `world` workers.
inline void require_rank(std::string_view where, std::string_view argument, std::uint64_t rank,
                         std::uint64_t world) {
  if (rank < world) return;
  reject(where, argument, rank, "a rank in [0, " + to_text(world) + ")");
}

// Labels or decisions of which there are two: all of a row, and one of a matrix.
template <class Values>
void require_binary(std::string_view where, std::string_view argument, const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0 || values[i] == 1) continue;
    reject_element(where, argument, i, values[i], "0 or 1");
  }
}
template <class Y>
void require_binary(std::string_view where, std::string_view argument, std::size_t r, std::size_t c,
                    Y value) {
  if (value != 0 && value != 1) reject_cell(where, argument, r, c, value, "0 or 1");
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_CHECK_H_
