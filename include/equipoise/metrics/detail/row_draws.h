// Rows drawn again, and quantiles of what is computed from them.
#ifndef EQUIPOISE_METRICS_DETAIL_ROW_DRAWS_H_
#define EQUIPOISE_METRICS_DETAIL_ROW_DRAWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "equipoise/random.h"

namespace equipoise::detail {

// Element h of sorted values, between two neighbours by linear interpolation. Counted from the top
// the order is that of the negated values, so that quantiles of -x are exactly those of x, negated.
inline double order_statistic(std::span<const double> sorted, double h, bool from_top) {
  const auto at = [&](std::size_t i) { return sorted[from_top ? sorted.size() - 1 - i : i]; };
  const auto below = static_cast<std::size_t>(h);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return at(below) + (h - static_cast<double>(below)) * (at(above) - at(below));
}

// The rows that resamples draw from: all of them, or for each row those of its stratum.
class RowDraws {
 public:
  explicit RowDraws(std::size_t rows) : rows_(rows), ends_{rows} {}
  template <class L>
  explicit RowDraws(std::span<const L> strata) : rows_(strata.size()), order_(strata.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return strata[a] < strata[b]; });
    for (std::size_t k = 1; k <= rows_; ++k) {
      if (k == rows_ || strata[order_[k]] != strata[order_[k - 1]]) ends_.push_back(k);
    }
  }

  std::size_t rows() const { return rows_; }

  // f(row, position) for each row of resample b; positions differ.
  template <class F>
  void draw(const CounterRandom& random, std::size_t b, const F& f) const {
    std::uint64_t position = std::uint64_t{b} * rows_;
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      const std::size_t size = end - begin;
      for (std::size_t j = 0; j < size; ++j) {
        const auto k = static_cast<std::size_t>(random.below(size, position, Purpose::kBootstrap));
        f(order_.empty() ? k : order_[begin + k], position++);
      }
      begin = end;
    }
  }

 private:
  std::size_t rows_;
  std::vector<std::size_t> order_;  // rows by stratum; empty: one stratum
  std::vector<std::size_t> ends_;   // of the strata in it
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_DETAIL_ROW_DRAWS_H_
