// Draws rows so that classes come in given proportions.
#ifndef EQUIPOISE_SAMPLING_CLASS_SAMPLER_H_
#define EQUIPOISE_SAMPLING_CLASS_SAMPLER_H_

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
#include "equipoise/kernels/philox_blocks.h"
#include "equipoise/random.h"
#include "equipoise/sampling/alias_table.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/sampling/detail/decks.h"
#include "equipoise/sampling/detail/integer_masses.h"
#include "equipoise/sampling/quota.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// How a ClassSampler chooses classes and rows.
enum class Mode {
  /// Every draw is independent of all others, with replacement: first a class by its proportion,
  /// then one of its rows, each equally likely.
  kIndependent,
  /// Classes come in exact proportion (see QuotaSequence), in random order within a window. Each
  /// class's rows are a deck of cards that is dealt out completely before it is shuffled again,
  /// across epochs.
  kExactQuota,
};

/// Options of a ClassSampler.
struct ClassSamplerOptions {
  Mode mode = Mode::kIndependent;
  /// Draws in an epoch; 0 for as many as there are labels.
  std::uint64_t epoch_size = 0;
  /// With kExactQuota, the number of consecutive slots that are shuffled among themselves; 0 for an
  /// epoch. If it is the size of a batch (over all workers), every batch meets its quota.
  std::uint64_t window = 0;
  /// Rows with this label are never drawn; without it every label must be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
};

/// The mass with which each class is drawn when every row of class c has weight w_c:
/// q_c = n_c w_c. So ClassSampler(labels, drawn_mass(counts, weights), seed) draws rows in
/// proportion to their class's weight. O(C).
/// @throws std::invalid_argument for sizes that differ, and for a weight that is negative, NaN or
/// infinite.
inline std::vector<double> drawn_mass(const ClassCounts& counts,
                                      std::span<const double> class_weights) {
  constexpr std::string_view kWhere = "drawn_mass";
  detail::require_size(kWhere, "class_weights", class_weights.size(), counts.classes(), "classes");
  detail::require_masses(kWhere, "class_weights", class_weights);
  std::vector<double> mass(counts.classes());
  for (std::size_t c = 0; c < mass.size(); ++c) mass[c] = counts[c] * class_weights[c];
  return mass;
}

/// An IndexStream over rows whose classes come in proportions q: a draw is of class c with
/// probability (or, with kExactQuota, in the exact proportion) q_c / sum(q), and within a class
/// every row is equally likely.
///
/// Decisions are made in integers, so the same seed gives the same rows on every platform. With
/// kExactQuota any number of consecutive windows hold each class within 3.36 of its expectation,
/// within 1 for two classes and 2 for three (QuotaSequence). A class expected 3.36 times or more
/// per window is therefore in every window; a rarer one may be missing from some.
///
/// Set-up is one counting pass and one sorting pass over the labels, O(N + C log C). Memory is 4
/// bytes per row (8 from 2^32 rows on) and O(C). A draw is O(1), with kExactQuota about
/// O(log(sum(q) / q_c)). Labels are not kept.
class ClassSampler {
 public:
  /// `proportions[c]` is the mass of class c; masses need not sum to one. Labels may be of any
  /// integer type.
  /// @throws std::invalid_argument for a label that is neither a class nor the ignore index; for
  /// proportions that are empty, all zero, negative, NaN or infinite; and for a class without rows
  /// whose proportion is not 0, naming it.
  template <LabelRange R>
  EQUIPOISE_HOST_INLINE ClassSampler(const R& labels, std::span<const double> proportions,
                                     std::uint64_t seed, const ClassSamplerOptions& options = {})
      : ClassSampler(as_span(labels), proportions, seed, options,
                     detail::rows_per_class(kWhere, as_span(labels), proportions.size(),
                                            options.ignore_index)) {}

  /// The row drawn at position t.
  std::size_t operator[](std::uint64_t t) const {
    return rows_[options_.mode == Mode::kIndependent ? IndependentDraw(*this)(t)
                                                     : QuotaDraw<1>(*this)(t)];
  }

  /// out[i] = (*this)[t + i * stride] for all i: a batch, at several times the speed of single
  /// draws.
  EQUIPOISE_HOST_INLINE void fill(std::uint64_t t, std::span<std::int64_t> out,
                                  std::uint64_t stride = 1) const {
    if (options_.mode == Mode::kExactQuota) return fill_by_quota(t, out, stride);
    const IndependentDraw draw(*this);
    kernels::PhiloxBlocks blocks;
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock, t += kBlock * stride) {
      detail::philox_blocks(random_, detail::Purpose::kClassDraw, t, stride, blocks);
      rows_.take<kBlock>(
          out.subspan(begin, std::min(kBlock, out.size() - begin)),
          [&](std::size_t i) { return draw(t + i * stride, blocks.first[i], blocks.second[i]); });
    }
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// Draws in an epoch.
  std::uint64_t epoch_size() const { return options_.epoch_size; }
  /// The number of classes, C.
  std::size_t classes() const { return rows_.classes(); }

  /// A digest of everything that decides the draws, except the seed: the class of each row,
  /// proportions and options. O(N).
  std::uint64_t fingerprint() const {
    detail::Fingerprint digest;
    digest.add(proportions_digest_).add(static_cast<std::uint64_t>(options_.mode));
    digest.add(options_.epoch_size).add(options_.window);
    rows_.add_to(digest);
    return digest.value();
  }

 private:
  static constexpr std::string_view kWhere = "ClassSampler";
  static constexpr std::size_t kBlock = kernels::PhiloxBlocks::kBlocks;

  // Where in rows_ the draw at a position points, from its Philox block: half for the class, half
  // for the row. A rejected draw tries the block of the next attempt.
  class IndependentDraw {
   public:
    explicit IndependentDraw(const ClassSampler& sampler)
        : random_(sampler.random_),
          table_(sampler.table_->entries_.data()),
          alias_mask_(sampler.table_->alias_mask_),
          starts_(sampler.rows_.starts().data()),
          classes_(sampler.classes()) {}

    std::uint64_t operator()(std::uint64_t t) const {
      const auto [first, second] = random_.block(t, detail::Purpose::kClassDraw);
      return (*this)(t, first, second);
    }

    std::uint64_t operator()(std::uint64_t t, std::uint64_t first, std::uint64_t second) const {
      for (std::uint32_t attempt = 1;; ++attempt) {
        const detail::Scaled bucket = detail::scale(first, classes_);
        if (detail::is_unbiased(bucket, classes_)) {
          const std::uint64_t c =
              table_[bucket.integer].pick(bucket.integer, bucket.fraction, alias_mask_);
          const std::uint64_t size = starts_[c + 1] - starts_[c];
          const detail::Scaled row = detail::scale(second, size);
          if (detail::is_unbiased(row, size)) return starts_[c] + row.integer;
        }
        const auto next = random_.block(t, detail::Purpose::kClassDraw, attempt);
        first = next[0];
        second = next[1];
      }
    }

   private:
    CounterRandom random_;
    const AliasTable::Entry* table_;
    std::uint64_t alias_mask_;
    const std::uint64_t* starts_;
    std::uint64_t classes_;
  };

  // The same by quota.
  template <std::size_t kDecks>
  class QuotaDraw {
   public:
    explicit QuotaDraw(const ClassSampler& sampler)
        : sampler_(sampler),
          windows_(sampler.random_, sampler.options_.window, detail::Purpose::kQuotaWindow),
          decks_(sampler.random_) {}

    std::uint64_t operator()(std::uint64_t t) {
      const std::uint64_t window = sampler_.options_.window;
      const QuotaSequence::Slot slot = (*sampler_.quota_)[t / window * window + windows_.place(t)];
      const detail::ClassRows& rows = sampler_.rows_;
      return rows.starts()[slot.class_index] +
             decks_(slot.class_index, slot.rank, rows.size(slot.class_index));
    }

   private:
    const ClassSampler& sampler_;
    detail::ShuffledWindows windows_;
    detail::Decks<kDecks> decks_;
  };

  template <class L>
  ClassSampler(std::span<const L> labels, std::span<const double> proportions, std::uint64_t seed,
               const ClassSamplerOptions& options, const std::vector<std::uint64_t>& counts)
      : random_{seed}, options_(options), rows_(labels, counts) {
    const std::vector<std::uint64_t> masses = QuotaSequence::masses_of(kWhere, proportions);
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == 0 && masses[c] != 0) {
        detail::reject_element(kWhere, "proportions", c, proportions[c],
                               "0, for no row has this class");
      }
    }
    proportions_digest_ = detail::Fingerprint().add_all(masses).value();
    if (options_.epoch_size == 0) options_.epoch_size = labels.size();
    if (options_.window == 0) options_.window = options_.epoch_size;
    if (options_.mode == Mode::kIndependent) {
      table_ = AliasTable(kWhere, "proportions", proportions);
    } else {
      quota_ = QuotaSequence(masses, random_);
    }
  }

  void fill_by_quota(std::uint64_t t, std::span<std::int64_t> out, std::uint64_t stride) const {
    QuotaDraw<64> draw(*this);
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock, t += kBlock * stride) {
      rows_.take<kBlock>(out.subspan(begin, std::min(kBlock, out.size() - begin)),
                         [&](std::size_t i) { return draw(t + i * stride); });
    }
  }

  CounterRandom random_;
  ClassSamplerOptions options_;
  std::uint64_t proportions_digest_ = 0;
  detail::ClassRows rows_;
  std::optional<AliasTable> table_;     // kIndependent
  std::optional<QuotaSequence> quota_;  // kExactQuota
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_CLASS_SAMPLER_H_
