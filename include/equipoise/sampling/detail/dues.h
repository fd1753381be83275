// How often each row is due among a number of draws, and rows in random order.
#ifndef EQUIPOISE_SAMPLING_DETAIL_DUES_H_
#define EQUIPOISE_SAMPLING_DETAIL_DUES_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/integer_masses.h"
#include "equipoise/sampling/stream.h"

namespace equipoise::detail {

// Weights as masses of a power of two, of which k draws are to be made: row i is due k m_i / T
// times.
class Dues {
 public:
  // k = 0 stands for the sum of the weights, rounded.
  template <class W>
  Dues(std::string_view where, std::span<const W> weights, std::uint64_t k) {
    FixedPointSums sums = fixed_point_sums(where, "weights", weights);
    ends_ = std::move(sums.ends);
    draws_ = k;
    digits_ = std::numeric_limits<W>::digits;
    if (k == 0) {
      const double sum = std::round(static_cast<double>(total()) * sums.quantum);
      if (!(sum >= 1 && sum < 0x1.0p62)) {
        reject(where, "sum of weights", sum, "a number of draws, 1 to 2^62, where k is 0");
      }
      draws_ = static_cast<std::uint64_t>(sum);
    } else if (k > std::uint64_t{1} << 62) {
      reject(where, "k", k, "at most 2^62");
    }
  }

  std::size_t size() const { return ends_.size(); }
  std::uint64_t draws() const { return draws_; }
  std::uint64_t total() const { return ends_.back(); }
  // The integer part of what row i is due. A due that is an integer but for its rounding, 2.999...
  // of tenths as weights, is that integer. As long as roundings sum up to less than one draw, these
  // integers do not sum up to more than the draws.
  std::uint64_t whole(std::size_t i) const {
    const uint128 due = before(i + 1) - before(i);
    const auto whole = static_cast<std::uint64_t>(due / total());
    const std::uint64_t missing = total() - static_cast<std::uint64_t>(due % total());
    const uint128 cut_off = uint128{2} * draws_;  // of the weight and of its part of the sum
    const bool is_near = missing <= (due >> (digits_ - 3)) + cut_off;
    const bool is_small = draws_ >> (digits_ - 4) == 0 && cut_off * size() < total() / 4;
    return is_near && is_small ? whole + 1 : whole;
  }
  // What is due beyond that, in 1 / total().
  std::uint64_t rest(std::size_t i) const {
    const uint128 due = before(i + 1) - before(i);
    const uint128 of_whole = static_cast<uint128>(whole(i)) * total();
    return due > of_whole ? static_cast<std::uint64_t>(due - of_whole) : 0;
  }
  // k times the mass of the rows before row i.
  uint128 before(std::size_t i) const {
    return i == 0 ? 0 : static_cast<uint128>(ends_[i - 1]) * draws_;
  }
  std::uint64_t digest() const { return Fingerprint().add(draws_).add_all(ends_).value(); }

 private:
  std::vector<std::uint64_t> ends_;
  std::uint64_t draws_ = 0;
  int digits_ = 0;  // of a weight
};

// Rows that are given one after another, in random order.
class ShuffledRows {
 public:
  ShuffledRows(std::uint64_t size, const CounterRandom& random, std::uint64_t epoch)
      : order_(size, random, epoch, Purpose::kEpochOrder), rows_(static_cast<std::size_t>(size)) {}

  void add(std::size_t row, std::uint64_t copies) {
    for (; copies > 0; --copies) {
      rows_[static_cast<std::size_t>(order_(next_++))] = static_cast<std::int64_t>(row);
    }
  }
  std::vector<std::int64_t> take() && { return std::move(rows_); }

 private:
  RandomPermutation order_;
  std::vector<std::int64_t> rows_;
  std::uint64_t next_ = 0;
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SAMPLING_DETAIL_DUES_H_
