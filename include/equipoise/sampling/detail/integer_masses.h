// Weights as integers, so that what is drawn does not depend on how a compiler rounds.
#ifndef EQUIPOISE_SAMPLING_DETAIL_INTEGER_MASSES_H_
#define EQUIPOISE_SAMPLING_DETAIL_INTEGER_MASSES_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/random.h"

namespace equipoise::detail {

// A finite weight >= 0 by its bits: these are ordered as the weights are, and no compiler flag
// changes what is read off them (denormal numbers count as zero where hardware flushes them).
constexpr std::uint64_t weight_bits(double weight) {
  return std::bit_cast<std::uint64_t>(weight) & 0x7fffffffffffffffu;
}

// The power of two that the last digit of the significand stands for.
constexpr int weight_exponent(std::uint64_t bits) {
  return std::max(static_cast<int>(bits >> 52), 1) - 1075;
}

// A weight as an integer multiple of 2^exponent, cut off below one.
constexpr std::uint64_t to_fixed_point(std::uint64_t bits, int exponent) {
  const std::uint64_t fraction = bits & 0xfffffffffffffu;
  const std::uint64_t significand = bits >> 52 == 0 ? fraction : fraction | std::uint64_t{1} << 52;
  const int shift = weight_exponent(bits) - exponent;
  if (shift >= 0) return significand << shift;
  return shift > -64 ? significand >> -shift : 0;
}

// The power of two of which weights are taken as multiples, cut off below it, so that with the
// largest of them and n more their sum is less than 2^digits: about digits binary digits below
// their sum. `largest` are the bits of the largest.
template <class W>
int sum_exponent(std::span<const W> weights, std::uint64_t largest, int digits) {
  const int coarse =
      weight_exponent(largest) + 53 - (digits - static_cast<int>(std::bit_width(weights.size())));
  std::uint64_t sum = 2 * weights.size();  // what is cut off, and a quantum each
  for (const W weight : weights) {
    sum += to_fixed_point(weight_bits(static_cast<double>(weight)), coarse);
  }
  return coarse - (digits - static_cast<int>(std::bit_width(sum)));
}

// Weights as integer masses that sum to `total` < 2^63. Zero stays zero; each positive weight gets
// one quantum, and the others are dealt in proportion, rounded so that every prefix sum is within
// one quantum of exact. Weights are read to 62 binary digits below their sum.
template <class W>
std::vector<std::uint64_t> integer_masses(std::string_view where, std::string_view argument,
                                          std::span<const W> weights, std::uint64_t total) {
  require_masses(where, argument, weights);
  std::uint64_t largest = 0;
  std::uint64_t positive = 0;
  for (const W weight : weights) {
    const std::uint64_t bits = weight_bits(static_cast<double>(weight));
    largest = std::max(largest, bits);
    positive += bits != 0 ? 1 : 0;
  }
  if (positive == 0) reject(where, "sum of " + std::string(argument), 0, "a number > 0");
  EQUIPOISE_DCHECK(total >= positive);
  const int exponent = sum_exponent(weights, largest, 63);
  std::uint64_t sum = 0;
  for (const W weight : weights) {
    sum += to_fixed_point(weight_bits(static_cast<double>(weight)), exponent);
  }

  std::vector<std::uint64_t> masses(weights.size());
  std::uint64_t prefix = 0;
  std::uint64_t dealt = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::uint64_t bits = weight_bits(static_cast<double>(weights[i]));
    if (bits == 0) continue;
    prefix += to_fixed_point(bits, exponent);
    const uint128 due = static_cast<uint128>(prefix) * (total - positive) / sum;
    masses[i] = 1 + static_cast<std::uint64_t>(due) - dealt;
    dealt = static_cast<std::uint64_t>(due);
  }
  return masses;
}

// Weights as multiples of a power of two, in sums.
struct FixedPointSums {
  std::vector<std::uint64_t> ends;  // of the masses up to each one
  std::uint64_t positive = 0;       // how many weights are
  double quantum = 0;               // what a mass of one weighs
};

// Integer masses in three passes and without a division: multiples of a power of two, cut off below
// it, whose sum is less than 2^62. Zero stays zero; each positive weight is at least one. Weights
// are read to 61 binary digits below their sum.
template <class W>
FixedPointSums fixed_point_sums(std::string_view where, std::string_view argument,
                                std::span<const W> weights) {
  std::uint64_t largest = 0;
  std::uint64_t signs = 0;
  for (const W weight : weights) {
    const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(weight));
    largest = std::max(largest, bits & 0x7fffffffffffffffu);
    signs |= bits;
  }
  constexpr std::uint64_t kInfinity = std::uint64_t{0x7ff} << 52;
  if (largest >= kInfinity || signs >> 63 != 0) require_masses(where, argument, weights);
  if (largest == 0) reject(where, "sum of " + std::string(argument), 0, "a number > 0");
  const int exponent = sum_exponent(weights, largest, 62);
  FixedPointSums result{std::vector<std::uint64_t>(weights.size()), 0, std::ldexp(1.0, exponent)};
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::uint64_t bits = weight_bits(static_cast<double>(weights[i]));
    if (bits != 0) {
      end += std::max<std::uint64_t>(to_fixed_point(bits, exponent), 1);
      ++result.positive;
    }
    result.ends[i] = end;
  }
  return result;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SAMPLING_DETAIL_INTEGER_MASSES_H_
