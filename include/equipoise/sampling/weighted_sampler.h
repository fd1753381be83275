// Draws rows in proportion to a weight per row.
#ifndef EQUIPOISE_SAMPLING_WEIGHTED_SAMPLER_H_
#define EQUIPOISE_SAMPLING_WEIGHTED_SAMPLER_H_

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "equipoise/config.h"
#include "equipoise/kernels/philox_blocks.h"
#include "equipoise/random.h"
#include "equipoise/sampling/alias_table.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// Options of a WeightedSampler.
struct WeightedSamplerOptions {
  /// Draws in an epoch; 0 for as many as there are weights.
  std::uint64_t epoch_size = 0;
};

/// An IndexStream of independent draws with replacement: row i with probability w_i / sum(w), by an
/// AliasTable and with its guarantees and limits: a row of weight zero is never drawn, one of
/// positive weight can be, and the same seed gives the same rows on every platform. If all rows of
/// a class have the same weight, a ClassSampler is faster and smaller.
///
/// Set-up O(N), 8 bytes per row. A draw is O(1).
class WeightedSampler {
 public:
  /// @throws std::invalid_argument for a weight that is negative, NaN or infinite, for weights that
  /// are empty or all zero, and for 2^32 weights or more.
  template <FloatRange W>
  WeightedSampler(const W& weights, std::uint64_t seed, const WeightedSamplerOptions& options = {})
      : random_{seed},
        table_("WeightedSampler", "weights", as_span(weights)),
        epoch_size_(options.epoch_size != 0 ? options.epoch_size : table_.size()) {}

  /// The row drawn at position t.
  std::size_t operator[](std::uint64_t t) const {
    const auto [first, second] = random_.block(t, detail::Purpose::kWeightedDraw);
    const Draw draw = draw_at(t, first, second);
    return table_(draw.bucket, draw.fraction);
  }

  /// out[i] = (*this)[t + i * stride] for all i: a batch, at several times the speed of single
  /// draws.
  EQUIPOISE_HOST_INLINE void fill(std::uint64_t t, std::span<std::int64_t> out,
                                  std::uint64_t stride = 1) const {
    constexpr std::size_t kBlock = kernels::PhiloxBlocks::kBlocks;
    kernels::PhiloxBlocks blocks;
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock, t += kBlock * stride) {
      detail::philox_blocks(random_, detail::Purpose::kWeightedDraw, t, stride, blocks);
      fill_block(blocks, t, stride, out.subspan(begin, std::min(kBlock, out.size() - begin)));
    }
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// Draws in an epoch.
  std::uint64_t epoch_size() const { return epoch_size_; }

  /// A digest of everything that decides the draws, except the seed: weights and epoch size. O(N).
  std::uint64_t fingerprint() const {
    return detail::Fingerprint().add(epoch_size_).add_all(table_.masses()).value();
  }

 private:
  struct Draw {
    std::uint32_t bucket;
    std::uint64_t fraction;
  };

  // From the Philox block of a position: half for the bucket, half for the place in it. A rejected
  // draw tries the block of the next attempt.
  Draw draw_at(std::uint64_t t, std::uint64_t first, std::uint64_t second) const {
    const std::size_t buckets = table_.size();
    for (std::uint32_t attempt = 1;; ++attempt) {
      const detail::Scaled bucket = detail::scale(first, buckets);
      if (detail::is_unbiased(bucket, buckets)) {
        return {static_cast<std::uint32_t>(bucket.integer), second};
      }
      const auto next = random_.block(t, detail::Purpose::kWeightedDraw, attempt);
      first = next[0];
      second = next[1];
    }
  }

  // Draws a block at a time: the buckets of the whole block are prefetched first.
  void fill_block(const kernels::PhiloxBlocks& blocks, std::uint64_t t, std::uint64_t stride,
                  std::span<std::int64_t> out) const {
    std::array<Draw, kernels::PhiloxBlocks::kBlocks> draws;
    for (std::size_t i = 0; i < out.size(); ++i) {
      draws[i] = draw_at(t + i * stride, blocks.first[i], blocks.second[i]);
      table_.prefetch(draws[i].bucket);
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<std::int64_t>(table_(draws[i].bucket, draws[i].fraction));
    }
  }

  CounterRandom random_;
  AliasTable table_;
  std::uint64_t epoch_size_;
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_WEIGHTED_SAMPLER_H_
