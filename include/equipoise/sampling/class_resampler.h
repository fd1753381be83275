// Over- and undersampling: epochs with an exact number of rows of each class.
#ifndef EQUIPOISE_SAMPLING_CLASS_RESAMPLER_H_
#define EQUIPOISE_SAMPLING_CLASS_RESAMPLER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/sampling/detail/decks.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// Options of a ClassResampler.
struct ClassResamplerOptions {
  /// Rows with this label are never drawn; without it every label must be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
};

}  // namespace equipoise::sampling

namespace equipoise::detail {

// Checks targets against the rows available, and returns their running sums.
inline std::vector<std::uint64_t> target_starts(std::string_view where,
                                                std::span<const std::uint64_t> targets,
                                                std::span<const std::uint64_t> counts) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
  std::uint64_t total = 0;
  for (std::size_t c = 0; c < targets.size(); ++c) {
    if (targets[c] != 0 && counts[c] == 0) {
      reject_element(where, "targets", c, targets[c], "0, for no row has this class");
    }
    if (targets[c] > kMost - total) {
      reject_element(where, "targets", c, targets[c], "fewer than 2^62 rows of all classes");
    }
    total += targets[c];
  }
  if (total == 0) reject(where, "sum of targets", 0, "at least 1");
  return class_starts(targets);
}

}  // namespace equipoise::detail

namespace equipoise::sampling {

/// An IndexStream whose every epoch holds exactly targets[c] rows of class c, in random order; see
/// oversampling_targets() and undersampling_targets() for targets. The rows of each class are a
/// deck of cards that is dealt out completely before it is shuffled again, across epochs. So
/// oversampling draws every row of a class floor or ceil of targets[c] / n_c times per epoch, and
/// undersampling draws different rows each epoch until all have had their turn: no row is discarded
/// for good.
///
/// On average a row of class c is drawn targets[c] / n_c times per epoch.
///
/// Set-up is one counting and one sorting pass over the labels, O(N + C). Memory is 4 bytes per row
/// (8 from 2^32 rows on) and O(C). A draw is O(log C). The same on every platform.
class ClassResampler {
 public:
  /// Labels may be of any integer type; targets are one number per class.
  /// @throws std::invalid_argument for a label that is neither a class nor the ignore index, for a
  /// class without rows whose target is not 0, and for targets that are all zero.
  template <LabelRange R>
  EQUIPOISE_HOST_INLINE ClassResampler(const R& labels, std::span<const std::uint64_t> targets,
                                       std::uint64_t seed,
                                       const ClassResamplerOptions& options = {})
      : ClassResampler(
            as_span(labels), targets, seed,
            detail::rows_per_class(kWhere, as_span(labels), targets.size(), options.ignore_index)) {
  }

  /// The row drawn at position t.
  std::size_t operator[](std::uint64_t t) const { return rows_[Draw<1>(*this)(t)]; }

  /// out[i] = (*this)[t + i * stride] for all i: a batch, at several times the speed of single
  /// draws.
  void fill(std::uint64_t t, std::span<std::int64_t> out, std::uint64_t stride = 1) const {
    Draw<64> draw(*this);
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock, t += kBlock * stride) {
      rows_.take<kBlock>(out.subspan(begin, std::min(kBlock, out.size() - begin)),
                         [&](std::size_t i) { return draw(t + i * stride); });
    }
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// Draws in an epoch: the sum of the targets.
  std::uint64_t epoch_size() const { return starts_.back(); }
  /// The number of classes, C.
  std::size_t classes() const { return rows_.classes(); }

  /// A digest of everything that decides the draws, except the seed: the class of each row, and the
  /// targets. O(N).
  std::uint64_t fingerprint() const {
    detail::Fingerprint digest;
    digest.add_all(starts_);
    rows_.add_to(digest);
    return digest.value();
  }

 private:
  static constexpr std::string_view kWhere = "ClassResampler";
  static constexpr std::size_t kBlock = 64;

  // Where in rows_ the draw at a position points.
  template <std::size_t kDecks>
  class Draw {
   public:
    explicit Draw(const ClassResampler& sampler)
        : sampler_(sampler),
          epochs_(sampler.random_, sampler.epoch_size(), detail::Purpose::kResampleOrder),
          decks_(sampler.random_) {}

    std::uint64_t operator()(std::uint64_t t) {
      const std::vector<std::uint64_t>& starts = sampler_.starts_;
      const std::uint64_t slot = epochs_.place(t);
      const auto c = static_cast<std::size_t>(std::upper_bound(starts.begin(), starts.end(), slot) -
                                              starts.begin() - 1);
      const std::uint64_t target = starts[c + 1] - starts[c];
      const std::uint64_t rank = t / sampler_.epoch_size() * target + (slot - starts[c]);
      return sampler_.rows_.starts()[c] + decks_(c, rank, sampler_.rows_.size(c));
    }

   private:
    const ClassResampler& sampler_;
    detail::ShuffledWindows epochs_;
    detail::Decks<kDecks> decks_;
  };

  template <class L>
  ClassResampler(std::span<const L> labels, std::span<const std::uint64_t> targets,
                 std::uint64_t seed, const std::vector<std::uint64_t>& counts)
      : random_{seed},
        starts_(detail::target_starts(kWhere, targets, counts)),
        rows_(labels, counts) {}

  CounterRandom random_;
  std::vector<std::uint64_t>
      starts_;  // of each class's slots in an epoch, before they are shuffled
  detail::ClassRows rows_;
};

/// The rows of the first epoch of ClassResampler(labels, targets, seed), class by class: for use
/// without a stream, like the result of imbalanced-learn's samplers. Within a class whole decks
/// come first, in ascending order, then the remaining draws, each row at most once. O(N + sum of
/// targets).
/// @throws std::invalid_argument as ClassResampler.
template <LabelRange R>
EQUIPOISE_HOST_INLINE std::vector<std::int64_t> resample(
    const R& labels, std::span<const std::uint64_t> targets, std::uint64_t seed,
    const ClassResamplerOptions& options = {}) {
  constexpr std::string_view kWhere = "resample";
  const auto values = as_span(labels);
  const std::vector<std::uint64_t> counts =
      detail::rows_per_class(kWhere, values, targets.size(), options.ignore_index);
  const std::vector<std::uint64_t> starts = detail::target_starts(kWhere, targets, counts);
  const detail::ClassRows table(values, counts);
  const CounterRandom random{seed};
  std::vector<std::int64_t> result(static_cast<std::size_t>(starts.back()));
  table.visit([&](const auto& rows) {
    std::int64_t* out = result.data();
    for (std::size_t c = 0; c < targets.size(); ++c) {
      const std::uint64_t size = table.size(c);
      if (targets[c] == 0) continue;
      const auto* const own = rows.data() + table.starts()[c];
      const std::uint64_t decks = targets[c] / size;
      for (std::uint64_t deck = 0; deck < decks; ++deck) out = std::copy_n(own, size, out);
      const RandomPermutation order = detail::deck_order(random, c, decks, size);
      for (std::uint64_t i = 0; i < targets[c] % size; ++i) {
        *out++ = static_cast<std::int64_t>(own[order(i)]);
      }
    }
  });
  return result;
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_CLASS_RESAMPLER_H_
