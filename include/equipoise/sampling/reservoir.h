// Weighted draws without replacement from a stream of unknown length, in one pass.
#ifndef EQUIPOISE_SAMPLING_RESERVOIR_H_
#define EQUIPOISE_SAMPLING_RESERVOIR_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/without_replacement.h"

namespace equipoise::sampling {

/// A sample of k rows, with the distribution of WithoutReplacement, from rows that pass by once:
/// the exponential jumps (A-ExpJ) of Efraimidis & Spirakis 2006, "Weighted random sampling with a
/// reservoir". In their race row i arrives at an exponential time of rate w_i, and the first k
/// arrivals are the sample. One exponential draw decides how much weight passes until the next row
/// that arrives early enough; so of n rows of similar weight only about k log(n / k) need random
/// numbers.
///
/// Reservoirs over parts of the rows merge: the first k arrivals overall are among the first k of
/// each part. Parts must have different seeds, or `part` numbers under one seed.
///
/// The result is a pure function of (seed, part, the rows and weights in their order). Times are
/// computed in double: another platform's logarithm may differ in the last digit, and then, rarely,
/// the other of two rows that arrive together is drawn. 16 bytes for each of k + 1 rows; a row that
/// passes is O(1), one that is taken O(log k).
class WeightedReservoir {
 public:
  /// @throws std::invalid_argument for k = 0.
  explicit WeightedReservoir(std::size_t k, std::uint64_t seed, std::uint64_t part = 0)
      : size_(k), random_{CounterRandom{seed}.bits(part, detail::Purpose::kReservoir)} {
    if (k == 0) detail::reject("WeightedReservoir", "k", k, "at least 1");
    arrivals_.reserve(k + 1);
  }

  /// Offers a row to the reservoir. A row of weight zero is never drawn.
  /// @throws std::invalid_argument for a weight that is negative, NaN or infinite; the reservoir is
  /// then unchanged.
  void add(std::int64_t row, double weight) {
    detail::require_not_negative("WeightedReservoir::add", "weight", weight);
    if (weight == 0) return;
    if (!is_full()) {
      insert({exponential() / weight, row});
      if (is_full()) start_jump();
      return;
    }
    to_pass_ -= weight;
    if (to_pass_ > 0) return;
    // The row arrives before the last one kept; its time is exponential, given that it does.
    const double within = -std::expm1(-weight * arrivals_.front().time);
    const double time = -std::log1p(-random_.uniform(next_++, detail::Purpose::kArrival) * within);
    std::pop_heap(arrivals_.begin(), arrivals_.end());
    arrivals_.pop_back();
    insert({time / weight, row});
    start_jump();
  }

  /// Adds the rows of another reservoir with the same k. O(k log k).
  /// @throws std::invalid_argument for another k; this one is then unchanged.
  WeightedReservoir& operator+=(const WeightedReservoir& other) {
    if (other.size_ != size_) {
      detail::reject("WeightedReservoir::operator+=", "other.k()", other.size_,
                     detail::to_text(size_) + " as this one has");
    }
    const std::vector<Arrival> theirs = other.arrivals_;  // other may be this
    for (const Arrival& arrival : theirs) {
      if (is_full()) {
        if (!(arrival < arrivals_.front())) continue;
        std::pop_heap(arrivals_.begin(), arrivals_.end());
        arrivals_.pop_back();
      }
      insert(arrival);
    }
    if (is_full()) start_jump();
    return *this;
  }

  /// The rows, in the order of their arrival: k of them, or all rows of positive weight if there
  /// are fewer. The threshold of the sample is for inclusion_probability(). O(k log k).
  WeightedSample sample() const {
    std::vector<Arrival> sorted = arrivals_;
    std::sort(sorted.begin(), sorted.end());
    WeightedSample result;
    result.threshold = is_full() ? sorted.back().time : detail::infinity();
    if (is_full()) sorted.pop_back();
    for (const Arrival& arrival : sorted) result.rows.push_back(arrival.row);
    return result;
  }

  /// The largest number of rows in the sample.
  std::size_t k() const { return size_; }

 private:
  struct Arrival {
    double time;
    std::int64_t row;

    friend bool operator<(const Arrival& a, const Arrival& b) {
      return a.time != b.time ? a.time < b.time : a.row < b.row;
    }
  };

  // One row more than k: its time determines the inclusion probabilities of the others.
  bool is_full() const { return arrivals_.size() == size_ + 1; }

  void insert(const Arrival& arrival) {
    arrivals_.push_back(arrival);
    std::push_heap(arrivals_.begin(), arrivals_.end());
  }

  // A random exponential number of rate one.
  double exponential() {
    return -std::log1p(-random_.uniform(next_++, detail::Purpose::kReservoir));
  }

  // How much weight passes until a row arrives before the last one kept.
  void start_jump() { to_pass_ = exponential() / arrivals_.front().time; }

  std::size_t size_;
  CounterRandom random_;
  std::uint64_t next_ = 0;           // random number
  double to_pass_ = 0;               // weight until the next row is taken
  std::vector<Arrival> arrivals_{};  // a heap, the last arrival first
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_RESERVOIR_H_
