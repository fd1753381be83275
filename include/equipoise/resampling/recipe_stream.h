// An infinite stream of recipes for synthetic rows.
#ifndef EQUIPOISE_RESAMPLING_RECIPE_STREAM_H_
#define EQUIPOISE_RESAMPLING_RECIPE_STREAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/philox_blocks.h"
#include "equipoise/random.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/sampling/detail/decks.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// A sampling::DrawStream of recipes. Every epoch holds exactly `rows` recipes of each group, and
/// so exactly the number of rows of each class that was asked for, in random order. Within a group
/// the bases are a deck of cards that is dealt out before it is shuffled anew, across epochs, so
/// each base comes equally often, as in the paper on SMOTE; where rows_of_base is given, each comes
/// so often in every epoch. Neighbours and lambdas are independent draws, other ones in every
/// epoch.
///
/// stream[t] is a pure function of (seed, t), computed in integers: the same on every platform, for
/// any number of ranks and after resuming. lambda is a multiple of 2^-53, times the reach.
///
/// Memory is what the groups take: no row is copied. A draw is O(log of the number of groups), and
/// O(log of the number of bases) where rows_of_base is given.
class RecipeStream {
 public:
  /// Takes the groups that policies make, one policy's or several; see also original_rows().
  /// @throws std::invalid_argument for a group without bases that has rows, for neighbours that are
  /// not k a base, rows_of_base that are not one a base and of the sum `rows`, a reach outside
  /// (0, 1], and for groups without any rows.
  RecipeStream(std::vector<RecipeGroup> groups, std::uint64_t seed)
      : random_{seed}, groups_(std::move(groups)), starts_{0} {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 62;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      require_group(g);
      if (groups_[g].rows > kMost - starts_.back()) {
        detail::reject(kWhere, name(g, "rows"), groups_[g].rows, "fewer than 2^62 rows in all");
      }
      starts_.push_back(starts_.back() + groups_[g].rows);
      ends_.emplace_back(groups_[g].rows_of_base.size());
      std::partial_sum(groups_[g].rows_of_base.begin(), groups_[g].rows_of_base.end(),
                       ends_.back().begin());
    }
    if (starts_.back() == 0) detail::reject(kWhere, "rows of all groups", 0, "at least 1");
  }

  /// The recipe at position t.
  Recipe operator[](std::uint64_t t) const { return Draw<1>(*this)(t); }

  /// out[i] = (*this)[t + i * stride] for all i: a batch, faster than single draws.
  void fill(std::uint64_t t, std::span<Recipe> out, std::uint64_t stride = 1) const {
    Draw<kBatch> draw(*this);
    for (std::size_t i = 0; i < out.size(); i += kBatch, t += kBatch * stride) {
      draw.fill(t, out.subspan(i, std::min(kBatch, out.size() - i)), stride);
    }
  }

  /// The recipes of an epoch.
  std::vector<Recipe> epoch(std::uint64_t number) const {
    std::vector<Recipe> result(static_cast<std::size_t>(epoch_size()));
    fill(number * epoch_size(), result);
    return result;
  }

  /// The seed it was made with.
  std::uint64_t seed() const { return random_.seed; }
  /// Recipes in an epoch: those of all groups.
  std::uint64_t epoch_size() const { return starts_.back(); }
  const std::vector<RecipeGroup>& groups() const { return groups_; }

  /// A digest of all that decides the recipes, less the seed: the groups. O(N k).
  std::uint64_t fingerprint() const {
    detail::Fingerprint digest;
    for (const RecipeGroup& group : groups_) {
      digest.add(group.class_index).add(group.rows).add(group.k);
      digest.add(std::bit_cast<std::uint64_t>(group.reach));
      digest.add_all(group.bases).add_all(group.neighbours).add_all(group.rows_of_base);
    }
    return digest.value();
  }

 private:
  static constexpr std::string_view kWhere = "RecipeStream";

  static constexpr std::size_t kBatch = kernels::PhiloxBlocks::kBlocks;

  template <std::size_t kDecks>
  class Draw {
   public:
    explicit Draw(const RecipeStream& stream)
        : stream_(stream),
          epochs_(stream.random_, stream.epoch_size(), detail::Purpose::kRecipeOrder),
          decks_(CounterRandom{stream.random_.bits(0, detail::Purpose::kRecipeDecks)}) {}

    Recipe operator()(std::uint64_t t) {
      const Slot slot = slot_at(t, epochs_.place(t));
      return recipe(t, slot, base(slot), stream_.random_.block(t, detail::Purpose::kRecipe));
    }

    // out[i] = (*this)(t + i * stride) for all i, at most kBatch. Bases are looked up together.
    void fill(std::uint64_t t, std::span<Recipe> out, std::uint64_t stride) {
      std::array<std::uint64_t, kBatch> places;
      epochs_.places(t, stride, std::span(places).first(out.size()));
      std::array<Slot, kBatch> slots;
      std::array<RandomPermutation, kBatch> orders;  // of decks
      std::size_t cards = 0;
      for (std::size_t i = 0; i < out.size(); ++i) {
        slots[i] = slot_at(t + i * stride, places[i]);
        if (has_counts(slots[i])) continue;
        const std::uint64_t size = group(slots[i]).bases.size();
        orders[cards] = decks_.order(slots[i].group, slots[i].card / size, size);
        places[cards++] = slots[i].card % size;
      }
      RandomPermutation::evaluate(std::span(orders).first(cards), std::span(places).first(cards));
      kernels::PhiloxBlocks blocks;
      detail::philox_blocks(stream_.random_, detail::Purpose::kRecipe, t, stride, blocks);
      for (std::size_t i = 0, next = 0; i < out.size(); ++i) {
        const std::size_t place = has_counts(slots[i]) ? counted_base(slots[i])
                                                       : static_cast<std::size_t>(places[next++]);
        out[i] = recipe(t + i * stride, slots[i], place, {blocks.first[i], blocks.second[i]});
      }
    }

   private:
    // A row of an unshuffled epoch: of a group the row number `card`, over all epochs where bases
    // take turns.
    struct Slot {
      std::size_t group;
      std::uint64_t card;
    };

    const RecipeGroup& group(const Slot& slot) const { return stream_.groups_[slot.group]; }
    bool has_counts(const Slot& slot) const { return !stream_.ends_[slot.group].empty(); }

    Slot slot_at(std::uint64_t t, std::uint64_t place) const {
      const std::vector<std::uint64_t>& starts = stream_.starts_;
      const auto g = static_cast<std::size_t>(
          std::upper_bound(starts.begin(), starts.end(), place) - starts.begin() - 1);
      Slot slot{g, place - starts[g]};
      if (!has_counts(slot)) slot.card += t / stream_.epoch_size() * group(slot).rows;
      return slot;
    }

    // Which of its bases a group's row has.
    std::size_t base(const Slot& slot) {
      if (has_counts(slot)) return counted_base(slot);
      return static_cast<std::size_t>(decks_(slot.group, slot.card, group(slot).bases.size()));
    }
    std::size_t counted_base(const Slot& slot) const {
      const std::vector<std::uint64_t>& ends = stream_.ends_[slot.group];
      return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), slot.card) -
                                      ends.begin());
    }

    // Half of the position's block says which neighbour, the other half how far.
    Recipe recipe(std::uint64_t t, const Slot& slot, std::size_t place,
                  std::array<std::uint64_t, 2> block) const {
      const RecipeGroup& group = this->group(slot);
      if (group.k == 0) return {group.bases[place], group.bases[place], 0};
      for (std::uint32_t attempt = 1;; ++attempt) {
        const detail::Scaled j = detail::scale(block[0], group.k);
        if (detail::is_unbiased(j, group.k)) {
          const double u = static_cast<double>(block[1] >> 11) * 0x1.0p-53;
          return {group.bases[place],
                  group.neighbours[place * group.k + static_cast<std::size_t>(j.integer)],
                  u * group.reach};
        }
        block = stream_.random_.block(t, detail::Purpose::kRecipe, attempt);
      }
    }

    const RecipeStream& stream_;
    detail::ShuffledWindows epochs_;
    detail::Decks<kDecks> decks_;
  };

  static std::string name(std::size_t g, std::string_view field) {
    return std::string("groups[").append(detail::to_text(g)).append("].").append(field);
  }

  void require_group(std::size_t g) const {
    const RecipeGroup& group = groups_[g];
    if (group.rows != 0 && group.bases.empty()) {
      detail::reject(kWhere, name(g, "rows"), group.rows, "0, for the group has no bases");
    }
    const std::size_t bases = std::max<std::size_t>(group.bases.size(), 1);
    if (group.k > std::numeric_limits<std::size_t>::max() / bases) {
      detail::reject(kWhere, name(g, "k"), group.k,
                     detail::to_text(group.neighbours.size() / bases) + ", neighbours a base");
    }
    detail::require_size(kWhere, name(g, "neighbours"), group.neighbours.size(),
                         group.k * group.bases.size(), "k a base");
    detail::require_between(kWhere, name(g, "reach"), group.reach, 0, 1, detail::Ends::kMost);
    if (group.rows_of_base.empty()) return;
    detail::require_size(kWhere, name(g, "rows_of_base"), group.rows_of_base.size(),
                         group.bases.size(), "bases");
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < group.rows_of_base.size(); ++i) {
      if (group.rows_of_base[i] > group.rows - sum) {
        detail::reject_element(kWhere, name(g, "rows_of_base"), i, group.rows_of_base[i],
                               "at most " + detail::to_text(group.rows - sum) +
                                   ", what the bases before leave of rows");
      }
      sum += group.rows_of_base[i];
    }
    if (sum != group.rows) {
      detail::reject(kWhere, name(g, "rows"), group.rows,
                     "the sum of rows_of_base, " + detail::to_text(sum));
    }
  }

  CounterRandom random_;
  std::vector<RecipeGroup> groups_;
  std::vector<std::uint64_t> starts_;             // of each group's slots in an unshuffled epoch
  std::vector<std::vector<std::uint64_t>> ends_;  // of each base's, where rows_of_base is given
};

/// Groups whose recipes are the rows themselves, each once an epoch: put before those of a policy,
/// they make an epoch of a RecipeStream all rows and the synthetic ones, shuffled. O(N).
/// @throws std::invalid_argument for a label that is no class.
template <LabelRange R>
EQUIPOISE_HOST_INLINE std::vector<RecipeGroup> original_rows(const R& labels, std::size_t classes) {
  const auto values = as_span(labels);
  const std::vector<std::uint64_t> counts =
      detail::rows_per_class("original_rows", values, classes);
  std::vector<RecipeGroup> groups;
  for (std::size_t c = 0; c < classes; ++c) {
    groups.push_back({.class_index = c, .rows = counts[c]});
    groups.back().bases.reserve(static_cast<std::size_t>(counts[c]));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    groups[static_cast<std::size_t>(values[i])].bases.push_back(i);
  }
  return groups;
}

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_RECIPE_STREAM_H_
