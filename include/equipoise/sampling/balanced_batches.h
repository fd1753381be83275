// Batches of a few classes with equally many rows each, for metric learning.
#ifndef EQUIPOISE_SAMPLING_BALANCED_BATCHES_H_
#define EQUIPOISE_SAMPLING_BALANCED_BATCHES_H_

#include <algorithm>
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
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/sampling/detail/decks.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// Options of a BalancedBatchSampler.
struct BalancedBatchOptions {
  std::uint64_t classes_per_batch = 0;  ///< P >= 1, at most the number of classes with rows
  std::uint64_t rows_per_class = 0;     ///< M >= 1
  /// Whether the rows of a batch are in random order; otherwise class after class.
  bool shuffle = true;
  /// Batches in an epoch; with 0 an epoch has about N rows, and at least one batch.
  std::uint64_t batches_per_epoch = 0;
  /// Rows with this label are never drawn; without it every label must be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
};

/// An IndexStream in batches of P classes with M rows each (Schroff et al. 2015, arXiv:1503.03832;
/// Hermans et al. 2017, arXiv:1703.07737): positions [b P M, (b + 1) P M) are batch b.
///
/// Classes with rows are dealt in rounds, in random order, P to a batch; a round skips the last few
/// classes if they do not fill a batch. The classes of a batch are distinct, and on average all
/// classes occur equally often, whatever their size. The rows of a class are a deck of cards, from
/// which each round takes M: the M rows are distinct if the class has that many, unless the deck
/// runs out and is shuffled again between them.
///
/// Set-up is one counting and one sorting pass over the labels, O(N + C). Memory is 4 bytes per row
/// (8 from 2^32 rows on) and O(C). A draw is O(1). The same on every platform.
class BalancedBatchSampler {
 public:
  /// @throws std::invalid_argument for a label that is neither a class in [0, classes) nor the
  /// ignore index, and for options out of range.
  template <LabelRange R>
  EQUIPOISE_HOST_INLINE BalancedBatchSampler(const R& labels, std::size_t classes,
                                             std::uint64_t seed,
                                             const BalancedBatchOptions& options)
      : BalancedBatchSampler(
            as_span(labels), seed, options,
            detail::rows_per_class(kWhere, as_span(labels), classes, options.ignore_index)) {}

  /// The row drawn at position t.
  std::size_t operator[](std::uint64_t t) const { return rows_[Draw<1>(*this)(t)]; }

  /// out[i] = (*this)[t + i * stride] for all i, at several times the speed of single draws.
  void fill(std::uint64_t t, std::span<std::int64_t> out, std::uint64_t stride = 1) const {
    Draw<64> draw(*this);
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock, t += kBlock * stride) {
      rows_.take<kBlock>(out.subspan(begin, std::min(kBlock, out.size() - begin)),
                         [&](std::size_t i) { return draw(t + i * stride); });
    }
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// The number of rows in a batch, P M.
  std::uint64_t batch_size() const { return options_.classes_per_batch * options_.rows_per_class; }
  /// Draws in an epoch: a whole number of batches.
  std::uint64_t epoch_size() const { return options_.batches_per_epoch * batch_size(); }

  /// A digest of everything that decides the draws, except the seed. O(N).
  std::uint64_t fingerprint() const {
    detail::Fingerprint digest;
    digest.add(options_.classes_per_batch).add(options_.rows_per_class);
    digest.add(options_.shuffle ? 1 : 0).add(options_.batches_per_epoch);
    rows_.add_to(digest);
    return digest.value();
  }

 private:
  static constexpr std::string_view kWhere = "BalancedBatchSampler";
  static constexpr std::size_t kBlock = 64;

  // Where in rows_ the draw at a position points.
  template <std::size_t kDecks>
  class Draw {
   public:
    explicit Draw(const BalancedBatchSampler& sampler)
        : sampler_(sampler),
          batches_(sampler.random_, sampler.batch_size(), detail::Purpose::kBatchOrder),
          decks_(sampler.random_) {}

    std::uint64_t operator()(std::uint64_t t) {
      const BalancedBatchOptions& options = sampler_.options_;
      const std::uint64_t batch = t / sampler_.batch_size();
      const std::uint64_t slot = options.shuffle ? batches_.place(t) : t % sampler_.batch_size();
      const std::uint64_t round = batch / sampler_.batches_per_round_;
      const std::uint64_t turn = batch % sampler_.batches_per_round_ * options.classes_per_batch +
                                 slot / options.rows_per_class;
      const std::size_t c = sampler_.present_[static_cast<std::size_t>(order_of(round)(turn))];
      const std::uint64_t rank = round * options.rows_per_class + slot % options.rows_per_class;
      return sampler_.rows_.starts()[c] + decks_(c, rank, sampler_.rows_.size(c));
    }

   private:
    const RandomPermutation& order_of(std::uint64_t round) {
      if (!round_ || round_->first != round) {
        round_.emplace(round, RandomPermutation(sampler_.present_.size(), sampler_.random_, round,
                                                detail::Purpose::kBatchClasses));
      }
      return round_->second;
    }

    const BalancedBatchSampler& sampler_;
    detail::ShuffledWindows batches_;
    std::optional<std::pair<std::uint64_t, RandomPermutation>> round_;
    detail::Decks<kDecks> decks_;
  };

  template <class L>
  BalancedBatchSampler(std::span<const L> labels, std::uint64_t seed,
                       const BalancedBatchOptions& options,
                       const std::vector<std::uint64_t>& counts)
      : random_{seed}, options_(options), rows_(labels, counts) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 31;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] > 0) present_.push_back(c);
    }
    const std::uint64_t per_batch = options.classes_per_batch;
    if (per_batch < 1 || per_batch > present_.size()) {
      detail::reject(kWhere, "options.classes_per_batch", per_batch,
                     "1 to " + detail::to_text(present_.size()) + " (classes with rows)");
    }
    if (options.rows_per_class < 1 || options.rows_per_class > kMost) {
      detail::reject(kWhere, "options.rows_per_class", options.rows_per_class, "1 to 2^31");
    }
    if (options.batches_per_epoch > kMost) {
      detail::reject(kWhere, "options.batches_per_epoch", options.batches_per_epoch,
                     "at most 2^31");
    }
    batches_per_round_ = present_.size() / per_batch;
    if (options.batches_per_epoch == 0) {
      options_.batches_per_epoch = std::max<std::uint64_t>(rows_.starts().back() / batch_size(), 1);
    }
  }

  CounterRandom random_;
  BalancedBatchOptions options_;
  detail::ClassRows rows_;
  std::vector<std::size_t> present_{};  // the classes with rows
  std::uint64_t batches_per_round_ = 1;
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_BALANCED_BATCHES_H_
