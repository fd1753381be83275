// Draws without replacement, each in proportion to the weights of the rows left.
#ifndef EQUIPOISE_SAMPLING_WITHOUT_REPLACEMENT_H_
#define EQUIPOISE_SAMPLING_WITHOUT_REPLACEMENT_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/integer_masses.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// Finds the row that holds a given quantum of mass: a table of where the masses end, and a guide to
// where in it to begin the search (Chen & Asau 1974).
class Urn {
 public:
  // Slot s has the mass ends[s] - ends[s - 1] >= 0 and holds rows[s], or s if `rows` is empty.
  // `draws` is the expected number of searches.
  Urn(std::vector<std::uint64_t> ends, std::vector<std::int64_t> rows, std::uint64_t draws)
      : ends_(std::move(ends)), rows_(std::move(rows)) {
    const std::uint64_t wanted = std::clamp<std::uint64_t>(4 * draws, 64, 64 + ends_.size());
    shift_ = std::max(
        static_cast<int>(std::bit_width(total())) - static_cast<int>(std::bit_width(wanted)), 0);
    guide_.reserve(static_cast<std::size_t>(total() >> shift_) + 2);
    for (std::size_t s = 0; s < ends_.size(); ++s) {
      while ((static_cast<std::uint64_t>(guide_.size()) << shift_) < ends_[s]) guide_.push_back(s);
    }
    guide_.push_back(ends_.size() - 1);
  }

  std::size_t size() const { return ends_.size(); }
  std::uint64_t total() const { return ends_.back(); }
  std::int64_t row(std::size_t s) const {
    return rows_.empty() ? static_cast<std::int64_t>(s) : rows_[s];
  }
  std::uint64_t mass(std::size_t s) const { return ends_[s] - (s == 0 ? 0 : ends_[s - 1]); }
  const std::vector<std::uint64_t>& ends() const { return ends_; }

  // The slot whose mass contains quantum `place` < total(), in three steps, each of which
  // prefetches memory for the next.
  std::size_t bucket_of(std::uint64_t place) const {
    const auto bucket = static_cast<std::size_t>(place >> shift_);
    __builtin_prefetch(guide_.data() + bucket);
    return bucket;
  }
  void approach(std::size_t bucket) const { __builtin_prefetch(ends_.data() + guide_[bucket]); }
  std::size_t find(std::size_t bucket, std::uint64_t place) const {
    const auto begin = ends_.begin() + static_cast<std::ptrdiff_t>(guide_[bucket]);
    const auto end = ends_.begin() + static_cast<std::ptrdiff_t>(guide_[bucket + 1]);
    return static_cast<std::size_t>(std::upper_bound(begin, end, place) - ends_.begin());
  }

  // The urn without the slots that have been drawn.
  Urn without(const std::vector<bool>& is_drawn, std::uint64_t draws) const {
    std::vector<std::uint64_t> ends;
    std::vector<std::int64_t> rows;
    std::uint64_t end = 0;
    for (std::size_t s = 0; s < size(); ++s) {
      if (is_drawn[s] || mass(s) == 0) continue;
      ends.push_back(end += mass(s));
      rows.push_back(row(s));
    }
    return Urn(std::move(ends), std::move(rows), draws);
  }

 private:
  std::vector<std::uint64_t> ends_;
  std::vector<std::int64_t> rows_;
  std::vector<std::size_t> guide_;  // bucket b: the first slot that ends after b << shift_
  int shift_ = 0;
};

}  // namespace equipoise::detail

namespace equipoise::sampling {

/// Rows drawn without replacement.
struct WeightedSample {
  std::vector<std::int64_t> rows{};  ///< in the order in which they were drawn
  /// The arrival time of the first row that was not drawn, in a race in which row i arrives at an
  /// exponential time of rate w_i; infinity if no row is left. For inclusion_probability().
  double threshold = 0;
};

/// Successive sampling: k rows, each drawn with a probability proportional to its weight among
/// those not drawn yet. The distribution is that of the first k arrivals of the exponential race,
/// of Gumbel top-k (Efraimidis & Spirakis 2006), and of drawing with replacement and discarding
/// repeats. A row's probability of being among the k is not proportional to its weight; see
/// inclusion_probability().
///
/// It draws with replacement and discards repeats; once half of the mass has been drawn, it
/// rebuilds its table from the rows left. So a draw takes at most two attempts on average, whatever
/// the weights.
///
/// Draws are made in integers, so the rows are the same on every platform; a row of weight zero is
/// never drawn, one of positive weight can be. Weights are read to 61 binary digits below their
/// sum. Set-up O(N); a sample O(k) and, each time that half of the mass is gone, O(rows left). 8
/// bytes per row, and 8 to 32 per draw.
///
/// It is an EpochRule: EpochStream(WithoutReplacement(...)) draws a new sample every epoch.
class WithoutReplacement {
 public:
  /// @throws std::invalid_argument for a weight that is negative, NaN or infinite, for weights that
  /// are empty or all zero, for k = 0, and for k above the number of positive weights.
  template <FloatRange W>
  WithoutReplacement(const W& weights, std::uint64_t k, std::uint64_t seed)
      : WithoutReplacement(detail::fixed_point_sums(kWhere, "weights", as_span(weights)), k, seed) {
  }

  /// The sample of an epoch. Its threshold is computed in double.
  WeightedSample sample(std::uint64_t epoch) const {
    const CounterRandom random = random_of(epoch);
    WeightedSample result;
    const auto arrive = [&](std::uint64_t mass_left) {
      const double uniform = random.uniform(result.rows.size(), detail::Purpose::kArrival);
      const double left = quantum_ * static_cast<double>(mass_left);
      result.threshold =
          mass_left == 0 ? detail::infinity() : result.threshold - std::log1p(-uniform) / left;
    };
    draw(random, result.rows, arrive);
    return result;
  }

  /// The rows of an epoch's sample in the order of their draws: faster than sample().
  std::vector<std::int64_t> operator()(std::uint64_t epoch) const {
    std::vector<std::int64_t> rows;
    draw(random_of(epoch), rows, [](std::uint64_t) {});
    return rows;
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// Draws in an epoch, k.
  std::uint64_t epoch_size() const { return draws_; }
  /// A digest of everything that decides the draws, except the seed: weights and k. O(N).
  std::uint64_t fingerprint() const {
    return detail::Fingerprint().add(draws_).add_all(urn_.ends()).value();
  }

 private:
  static constexpr std::string_view kWhere = "WithoutReplacement";

  static constexpr std::size_t kBatch = kernels::PhiloxBlocks::kBlocks;

  WithoutReplacement(detail::FixedPointSums sums, std::uint64_t k, std::uint64_t seed)
      : random_{seed},
        draws_(require_draws(k, sums.positive)),
        urn_(std::move(sums.ends), {}, k),
        quantum_(sums.quantum) {}

  static std::uint64_t require_draws(std::uint64_t k, std::uint64_t positive) {
    if (k == 0 || k > positive) {
      detail::reject(kWhere, "k", k, "1 to " + detail::to_text(positive) + " (positive weights)");
    }
    return k;
  }

  // Samples from different numbers of rows are unrelated, like permutations of different sizes.
  CounterRandom random_of(std::uint64_t epoch) const {
    const CounterRandom own = detail::of_size(random_, urn_.size());
    return {own.bits(epoch, detail::Purpose::kSuccessiveDraw)};
  }

  // Calls arrive(mass left) before each draw and after the last.
  template <class Arrive>
  void draw(const CounterRandom& random, std::vector<std::int64_t>& rows,
            const Arrive& arrive) const {
    rows.reserve(static_cast<std::size_t>(draws_));
    std::uint64_t mass_left = urn_.total();
    std::optional<detail::Urn> rest;
    const detail::Urn* urn = &urn_;
    std::vector<bool> is_drawn(urn->size());
    for (std::uint64_t attempt = 0;; attempt += kBatch) {
      for (const std::size_t slot : attempt_slots(*urn, random, attempt)) {
        if (is_drawn[slot]) continue;
        is_drawn[slot] = true;
        arrive(mass_left);
        mass_left -= urn->mass(slot);
        rows.push_back(urn->row(slot));
        if (rows.size() < draws_) continue;
        return arrive(mass_left);
      }
      if (mass_left < urn->total() / 2) {
        rest = urn->without(is_drawn, draws_ - rows.size());
        urn = &*rest;
        is_drawn.assign(urn->size(), false);
      }
    }
  }

  // Slots drawn with replacement, in batches so that memory accesses overlap.
  EQUIPOISE_HOST_INLINE static std::array<std::size_t, kBatch> attempt_slots(
      const detail::Urn& urn, const CounterRandom& random, std::uint64_t attempt) {
    std::array<std::uint64_t, kBatch> places;
    std::array<std::size_t, kBatch> slots;
    kernels::PhiloxBlocks blocks;
    detail::philox_blocks(random, detail::Purpose::kSuccessiveDraw, attempt, 1, blocks);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const detail::Scaled place = detail::scale(blocks.first[i], urn.total());
      places[i] = detail::is_unbiased(place, urn.total())
                      ? place.integer
                      : random.below(urn.total(), attempt + i, detail::Purpose::kSuccessiveDraw);
      slots[i] = urn.bucket_of(places[i]);
    }
    for (std::size_t i = 0; i < kBatch; ++i) urn.approach(slots[i]);
    for (std::size_t i = 0; i < kBatch; ++i) slots[i] = urn.find(slots[i], places[i]);
    return slots;
  }

  CounterRandom random_;
  std::uint64_t draws_;
  detail::Urn urn_;
  double quantum_;  // the weight of one unit of mass
};

/// The probability that a row of this weight is in the sample, given the arrival time of the first
/// row that was not drawn: 1 - exp(-weight threshold) (rank conditioning: Cohen & Kaplan 2007,
/// "Summarizing data using bottom-k sketches"). Dividing by it makes sums over the sample unbiased
/// estimates of sums over all rows (Horvitz & Thompson 1952): E sum_{i drawn} x_i / p_i = sum_i
/// x_i. 1 for an infinite threshold (all rows were drawn); 0 for a weight of zero.
/// @throws std::invalid_argument for a weight that is negative, NaN or infinite.
inline double inclusion_probability(const WeightedSample& sample, double weight) {
  detail::require_not_negative("inclusion_probability", "weight", weight);
  if (weight == 0) return 0;
  return detail::is_finite(sample.threshold) ? -std::expm1(-weight * sample.threshold) : 1;
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_WITHOUT_REPLACEMENT_H_
