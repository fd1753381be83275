// Draws rows in class proportions that change during training.
#ifndef EQUIPOISE_SAMPLING_SCHEDULED_SAMPLER_H_
#define EQUIPOISE_SAMPLING_SCHEDULED_SAMPLER_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/sampling/detail/decks.h"
#include "equipoise/sampling/detail/integer_masses.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/schedule.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// A schedule of mixes: `schedule(t)` is the masses of the classes for a window of draws that
/// begins at position t of the stream, a pure function, defined for every t.
template <class M>
concept MixSchedule = ScheduleOf<M, std::vector<double>>;

/// Options of a ScheduledSampler.
struct ScheduledSamplerOptions {
  /// Draws in an epoch; 0 for as many as there are labels.
  std::uint64_t epoch_size = 0;
  /// Draws between two readings of the schedule, over all workers: for example the size of a batch;
  /// 0 for an epoch.
  std::uint64_t window = 0;
  /// Rows with this label are never drawn; without it every label must be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
};

/// An IndexStream over rows whose classes come in proportions that are a function of the position:
/// from natural to balanced (ProgressiveMix with a progress that grows), or balanced late (deferred
/// re-sampling, Cao et al. 2019, arXiv:1906.07413).
///
/// Each window of M draws reads the schedule once. Class c gets floor or ceil of M q_c / sum(q) of
/// its draws, and exactly that on average: one random offset per window decides, as in systematic
/// resampling. The rows of a class within a window are distinct if it has enough of them, each set
/// equally likely, and windows are independent of each other. So if proportions do not change,
/// prefer a ClassSampler with kExactQuota, whose decks run on from window to window.
///
/// Set-up is one counting and one sorting pass over the labels, O(N + C); 4 bytes per row (8 from
/// 2^32 rows on). fill() costs O(C) and a call of the schedule per window, and O(log C) per draw; a
/// single draw evaluates its window each time. The same on every platform if the schedule is.
template <MixSchedule M>
class ScheduledSampler {
 public:
  /// Labels may be of any integer type.
  /// @throws std::invalid_argument for a label that is neither a class in [0, classes) nor the
  /// ignore index, and if no label is a class. The schedule's values are checked when they are
  /// read.
  template <LabelRange R>
  EQUIPOISE_HOST_INLINE ScheduledSampler(const R& labels, std::size_t classes, M schedule,
                                         std::uint64_t seed,
                                         const ScheduledSamplerOptions& options = {})
      : ScheduledSampler(
            as_span(labels), std::move(schedule), seed, options,
            detail::rows_per_class(kWhere, as_span(labels), classes, options.ignore_index)) {}

  /// The row drawn at position t.
  /// @throws std::invalid_argument for masses of the schedule that are empty, not one per class,
  /// all zero, negative, NaN or infinite, and for a class without rows whose mass is not 0.
  std::size_t operator[](std::uint64_t t) const { return rows_[Draw<1>(*this)(t)]; }

  /// out[i] = (*this)[t + i * stride] for all i.
  /// @throws std::invalid_argument as operator[].
  void fill(std::uint64_t t, std::span<std::int64_t> out, std::uint64_t stride = 1) const {
    Draw<64> draw(*this);
    for (std::size_t begin = 0; begin < out.size(); begin += kBlock, t += kBlock * stride) {
      rows_.template take<kBlock>(out.subspan(begin, std::min(kBlock, out.size() - begin)),
                                  [&](std::size_t i) { return draw(t + i * stride); });
    }
  }

  /// The seed of the draws.
  std::uint64_t seed() const { return random_.seed; }
  /// Draws in an epoch.
  std::uint64_t epoch_size() const { return options_.epoch_size; }
  /// The number of classes, C.
  std::size_t classes() const { return rows_.classes(); }
  const M& schedule() const { return schedule_; }

  /// The number of draws of each class in the window that contains position t.
  /// @throws std::invalid_argument as operator[].
  std::vector<std::uint64_t> window_counts(std::uint64_t t) const {
    std::vector<std::uint64_t> counts = window_starts(t / options_.window);
    for (std::size_t c = 0; c + 1 < counts.size(); ++c) counts[c] = counts[c + 1] - counts[c];
    counts.pop_back();
    return counts;
  }

  /// A digest of everything that decides the draws, except the seed: the class of each row, the
  /// options, and the schedule at the windows 0, 1, 2, 4, 8, ..., 2^31. Schedules that agree at all
  /// of these are not told apart. O(N + C) and 33 calls of the schedule.
  /// @throws std::invalid_argument as operator[].
  std::uint64_t fingerprint() const {
    detail::Fingerprint digest;
    digest.add(options_.epoch_size).add(options_.window);
    rows_.add_to(digest);
    digest.add_all(window_masses(0));
    for (int i = 0; i < 32; ++i) digest.add_all(window_masses(std::uint64_t{1} << i));
    return digest.value();
  }

 private:
  static constexpr std::string_view kWhere = "ScheduledSampler";
  static constexpr std::uint64_t kTotal = std::uint64_t{1} << 62;
  static constexpr std::size_t kBlock = 64;

  template <std::size_t kDecks>
  class Draw {
   public:
    explicit Draw(const ScheduledSampler& sampler)
        : sampler_(sampler),
          places_(sampler.random_, sampler.options_.window, detail::Purpose::kQuotaWindow) {}

    // Where in rows_ the draw at a position points.
    std::uint64_t operator()(std::uint64_t t) {
      const std::uint64_t number = t / sampler_.options_.window;
      if (!window_ || window_->number != number) {
        // Each window has its own decks, independent of those of the window before.
        const CounterRandom own{sampler_.random_.bits(number, detail::Purpose::kWindowPhase, 1)};
        window_.emplace(Window{number, sampler_.window_starts(number), detail::Decks<kDecks>(own)});
      }
      const std::uint64_t slot = places_.place(t);
      const std::vector<std::uint64_t>& starts = window_->starts;
      const auto c = static_cast<std::size_t>(std::upper_bound(starts.begin(), starts.end(), slot) -
                                              starts.begin() - 1);
      return sampler_.rows_.starts()[c] +
             window_->decks(c, slot - starts[c], sampler_.rows_.size(c));
    }

   private:
    struct Window {
      std::uint64_t number;
      std::vector<std::uint64_t> starts;
      detail::Decks<kDecks> decks;
    };

    const ScheduledSampler& sampler_;
    detail::ShuffledWindows places_;
    std::optional<Window> window_{};
  };

  template <class L>
  ScheduledSampler(std::span<const L> labels, M schedule, std::uint64_t seed,
                   const ScheduledSamplerOptions& options, const std::vector<std::uint64_t>& counts)
      : random_{seed}, schedule_(std::move(schedule)), options_(options), rows_(labels, counts) {
    if (rows_.starts().back() == 0) {
      detail::reject(kWhere, "rows with a class", 0, "at least 1");
    }
    if (options_.epoch_size == 0) options_.epoch_size = labels.size();
    if (options_.window == 0) options_.window = options_.epoch_size;
  }

  // The schedule for a window, as masses that sum to kTotal.
  std::vector<std::uint64_t> window_masses(std::uint64_t number) const {
    const std::vector<double> wanted = schedule_(number * options_.window);
    detail::require_size(kWhere, "schedule(t)", wanted.size(), classes(), "classes");
    for (std::size_t c = 0; c < wanted.size(); ++c) {
      if (wanted[c] > 0 && rows_.size(c) == 0) {
        detail::reject_element(kWhere, "schedule(t)", c, wanted[c], "0, for no row has this class");
      }
    }
    return detail::integer_masses(kWhere, "schedule(t)", std::span<const double>(wanted), kTotal);
  }

  // The slots of a window before they are shuffled: those of class c begin at [c].
  std::vector<std::uint64_t> window_starts(std::uint64_t number) const {
    const std::uint64_t phase = random_.below(kTotal, number, detail::Purpose::kWindowPhase);
    std::vector<std::uint64_t> starts = {0};
    std::uint64_t end = 0;
    for (const std::uint64_t mass : window_masses(number)) {
      end += mass;
      const detail::uint128 due = static_cast<detail::uint128>(end) * options_.window + phase;
      starts.push_back(static_cast<std::uint64_t>(due / kTotal));
    }
    return starts;
  }

  CounterRandom random_;
  M schedule_;
  ScheduledSamplerOptions options_;
  detail::ClassRows rows_;
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_SCHEDULED_SAMPLER_H_
