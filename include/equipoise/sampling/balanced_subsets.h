// Balanced subsets of the rows, one for each member of an ensemble.
#ifndef EQUIPOISE_SAMPLING_BALANCED_SUBSETS_H_
#define EQUIPOISE_SAMPLING_BALANCED_SUBSETS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/sampling/detail/decks.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// How a subset comes by the rows of a class.
enum class SubsetRows {
  /// No row twice in a subset: EasyEnsemble (Liu, Wu & Zhou 2009, "Exploratory undersampling for
  /// class-imbalance learning"). By default every subset has all rows of the smallest class.
  kDistinct,
  /// Drawn with replacement: the bootstrap of each class, as in balanced random forests (Chen, Liaw
  /// & Breiman 2004, "Using random forest to learn imbalanced data") and balanced bagging.
  kBootstrap,
};

/// Options of BalancedSubsets.
struct BalancedSubsetsOptions {
  SubsetRows rows = SubsetRows::kDistinct;
  /// Of each class in a subset; without it as many as the smallest class that has rows.
  std::optional<std::uint64_t> rows_per_class = std::nullopt;
  /// Rows with this label are never drawn; without it every label must be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
};

/// An IndexStream whose epochs are balanced subsets, independent of each other: subset m, that of
/// member m of an ensemble, is epoch m, and holds equally many rows of each class that has any, in
/// random order. There are as many subsets as there are members to train. What each class gives to
/// a subset is uniform: without replacement each set of its rows, with replacement each sequence.
///
/// For subsets that take turns instead, so that no row of a large class comes twice until all have
/// come, take the epochs of a ClassResampler with undersampling_targets().
///
/// Set-up is one counting and one sorting pass over the labels, O(N + C). Memory is 4 bytes per row
/// (8 from 2^32 rows on) and O(C). A draw is O(1). The same on every platform.
class BalancedSubsets {
 public:
  /// Labels may be of any integer type; `classes` is the number of classes.
  /// @throws std::invalid_argument for a label that is neither a class nor the ignore index, for no
  /// rows, for 0 rows per class, and without replacement for more than the smallest class has.
  template <LabelRange R>
  EQUIPOISE_HOST_INLINE BalancedSubsets(const R& labels, std::size_t classes, std::uint64_t seed,
                                        const BalancedSubsetsOptions& options = {})
      : BalancedSubsets(
            as_span(labels), seed, options,
            detail::rows_per_class(kWhere, as_span(labels), classes, options.ignore_index)) {}

  /// The row drawn at position t: number t % epoch_size() of subset t / epoch_size().
  std::size_t operator[](std::uint64_t t) const { return rows_[Draw<1>(*this)(t)]; }

  /// out[i] = (*this)[t + i * stride] for all i: a batch, faster than single draws.
  void fill(std::uint64_t t, std::span<std::int64_t> out, std::uint64_t stride = 1) const {
    Draw<kBlock> draw(*this);
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock, t += kBlock * stride) {
      rows_.take<kBlock>(out.subspan(begin, std::min(kBlock, out.size() - begin)),
                         [&](std::size_t i) { return draw(t + i * stride); });
    }
  }

  /// The rows of subset `number`, as the stream has them.
  /// @throws std::invalid_argument for a number whose positions would pass 2^64, as negative ones
  /// do.
  std::vector<std::int64_t> subset(std::uint64_t number) const {
    const std::uint64_t most = ~std::uint64_t{0} / epoch_size() - 1;
    if (number > most) {
      detail::reject("BalancedSubsets::subset", "number", number,
                     "at most " + detail::to_text(most) + ", whose rows end before position 2^64");
    }
    std::vector<std::int64_t> result(static_cast<std::size_t>(epoch_size()));
    fill(number * epoch_size(), result);
    return result;
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// The rows of a subset.
  std::uint64_t epoch_size() const { return per_class_ * present_.size(); }
  /// The rows of each class in a subset.
  std::uint64_t rows_per_class() const { return per_class_; }

  /// A digest of all that decides the draws, less the seed: which rows are of which class, how many
  /// of each and how they are drawn. O(N).
  std::uint64_t fingerprint() const {
    detail::Fingerprint digest;
    digest.add(per_class_).add(static_cast<std::uint64_t>(kind_));
    rows_.add_to(digest);
    return digest.value();
  }

 private:
  static constexpr std::string_view kWhere = "BalancedSubsets";
  static constexpr std::size_t kBlock = 64;

  // Where in rows_ the draw at a position points. Subset m takes the first cards of each class's
  // deck number m.
  template <std::size_t kDecks>
  class Draw {
   public:
    explicit Draw(const BalancedSubsets& subsets)
        : subsets_(subsets),
          order_(subsets.random_, subsets.epoch_size(), detail::Purpose::kSubsetOrder),
          decks_(CounterRandom{subsets.random_.bits(0, detail::Purpose::kSubsetDecks)}) {}

    std::uint64_t operator()(std::uint64_t t) {
      const std::uint64_t slot = order_.place(t);
      const std::size_t c = subsets_.present_[static_cast<std::size_t>(slot / subsets_.per_class_)];
      const std::uint64_t size = subsets_.rows_.size(c);
      return subsets_.rows_.starts()[c] + card(c, t, slot % subsets_.per_class_, size);
    }

   private:
    std::uint64_t card(std::size_t c, std::uint64_t t, std::uint64_t place, std::uint64_t size) {
      if (subsets_.kind_ == SubsetRows::kBootstrap) {
        return subsets_.random_.below(size, t, detail::Purpose::kSubsetDraw);
      }
      return decks_.order(c, t / subsets_.epoch_size(), size)(place);
    }

    const BalancedSubsets& subsets_;
    detail::ShuffledWindows order_;
    detail::Decks<kDecks> decks_;
  };

  template <class L>
  BalancedSubsets(std::span<const L> labels, std::uint64_t seed,
                  const BalancedSubsetsOptions& options, const std::vector<std::uint64_t>& counts)
      : random_{seed}, kind_(options.rows), rows_(labels, counts) {
    std::uint64_t smallest = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == 0) continue;
      present_.push_back(c);
      smallest = smallest == 0 ? counts[c] : std::min(smallest, counts[c]);
    }
    if (present_.empty()) detail::reject(kWhere, "rows of all classes", 0, "at least 1");
    per_class_ = options.rows_per_class.value_or(smallest);
    const std::uint64_t most =
        kind_ == SubsetRows::kDistinct ? smallest : (std::uint64_t{1} << 62) / present_.size();
    if (per_class_ == 0 || per_class_ > most) {
      detail::reject(
          kWhere, "rows_per_class", per_class_,
          "at least 1 and at most " + detail::to_text(most) +
              (kind_ == SubsetRows::kDistinct ? ", the rows of the smallest class" : ""));
    }
  }

  CounterRandom random_;
  SubsetRows kind_;
  detail::ClassRows rows_;
  std::vector<std::size_t> present_;  // classes that have rows
  std::uint64_t per_class_ = 0;
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_BALANCED_SUBSETS_H_
