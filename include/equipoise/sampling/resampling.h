// Weighted draws with less noise than independent ones: each row comes close to its expected count.
#ifndef EQUIPOISE_SAMPLING_RESAMPLING_H_
#define EQUIPOISE_SAMPLING_RESAMPLING_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/dues.h"
#include "equipoise/sampling/weighted_sampler.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// Systematic resampling (Carpenter, Clifford & Fearnhead 1999, "Improved particle filter for
/// nonlinear problems"): of k draws row i gets floor or ceil of its expectation, k w_i / sum(w),
/// and exactly that on average. The weights are laid end to end on a line, and k points at equal
/// distances, with one random offset, select the rows. The rows are in random order.
///
/// With repeat factors as weights and k = 0, each row is drawn as often as the integer part of its
/// factor, and once more with a probability equal to the fraction: the stochastic rounding of
/// LVIS's repeat factors, with epochs of equal length.
///
/// Draws are made in integers, so the rows are the same on every platform. Weights are read to
/// 61 binary digits below their sum. Set-up O(N); an epoch O(N + k). 8 bytes per row, and 8 per
/// draw.
///
/// It is an EpochRule: EpochStream(SystematicResampling(...)) draws again every epoch.
class SystematicResampling {
 public:
  /// k = 0 stands for sum(w), rounded to an integer.
  /// @throws std::invalid_argument for a weight that is negative, NaN or infinite, for weights that
  /// are empty or all zero, and for a k, given or computed, outside [1, 2^62].
  template <FloatRange W>
  SystematicResampling(const W& weights, std::uint64_t k, std::uint64_t seed)
      : random_{seed}, dues_("SystematicResampling", as_span(weights), k) {}

  /// The rows of an epoch.
  std::vector<std::int64_t> operator()(std::uint64_t epoch) const {
    const std::uint64_t total = dues_.total();
    const std::uint64_t offset = random_.below(total, epoch, detail::Purpose::kResampling);
    detail::ShuffledRows rows(epoch_size(), random_, epoch);
    std::uint64_t drawn = 0;
    for (std::size_t i = 0; i < dues_.size(); ++i) {
      const auto end = static_cast<std::uint64_t>((dues_.before(i + 1) + offset) / total);
      rows.add(i, end - drawn);
      drawn = end;
    }
    return std::move(rows).take();
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// Draws in an epoch, k.
  std::uint64_t epoch_size() const { return dues_.draws(); }
  /// A digest of everything that decides the draws, except the seed: weights and k. O(N).
  std::uint64_t fingerprint() const { return dues_.digest(); }

 private:
  CounterRandom random_;
  detail::Dues dues_;
};

/// Residual resampling (Liu & Chen 1998, "Sequential Monte Carlo methods for dynamic systems"): of
/// k draws row i gets floor(k w_i / sum(w)) for certain, where a value that differs from an integer
/// only by rounding counts as that integer. The remaining draws are independent, in proportion to
/// the fractions left over. The rows are in random order.
///
/// Draws are made in integers, so the rows are the same on every platform. Weights are read to
/// 61 binary digits below their sum. Set-up O(N); an epoch O(N + k). 24 bytes per row, and 8 per
/// draw.
///
/// It is an EpochRule: EpochStream(ResidualResampling(...)) draws again every epoch.
class ResidualResampling {
 public:
  /// k = 0 stands for sum(w), rounded to an integer.
  /// @throws std::invalid_argument as SystematicResampling, and for 2^32 weights or more.
  template <FloatRange W>
  ResidualResampling(const W& weights, std::uint64_t k, std::uint64_t seed)
      : random_{seed}, dues_("ResidualResampling", as_span(weights), k) {
    std::uint64_t left = epoch_size();
    std::vector<double> residuals(dues_.size());
    for (std::size_t i = 0; i < residuals.size(); ++i) {
      left -= dues_.whole(i);
      residuals[i] = static_cast<double>(dues_.rest(i));
    }
    if (left > 0) {
      rest_.emplace(residuals, random_.bits(0, detail::Purpose::kResampling),
                    WeightedSamplerOptions{.epoch_size = left});
    }
  }

  /// The rows of an epoch.
  EQUIPOISE_HOST_INLINE std::vector<std::int64_t> operator()(std::uint64_t epoch) const {
    detail::ShuffledRows rows(epoch_size(), random_, epoch);
    for (std::size_t i = 0; i < dues_.size(); ++i) rows.add(i, dues_.whole(i));
    if (rest_) {
      std::vector<std::int64_t> drawn(static_cast<std::size_t>(rest_->epoch_size()));
      rest_->fill(epoch * rest_->epoch_size(), drawn);
      for (const std::int64_t row : drawn) rows.add(static_cast<std::size_t>(row), 1);
    }
    return std::move(rows).take();
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// Draws in an epoch, k.
  std::uint64_t epoch_size() const { return dues_.draws(); }
  /// A digest of everything that decides the draws, except the seed: weights and k. O(N).
  std::uint64_t fingerprint() const { return dues_.digest(); }

 private:
  CounterRandom random_;
  detail::Dues dues_;
  std::optional<WeightedSampler> rest_{};  // draws from the fractions
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_RESAMPLING_H_
