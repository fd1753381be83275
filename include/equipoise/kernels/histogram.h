// Counting of labels, the inner loop of counts, samplers, splits and confusion matrices.
//
// A plain ++bin[label] is slow exactly where classes are imbalanced: each increment of the majority
// class waits for the store before it. So consecutive labels go to different copies of the
// histogram. Validation costs one OR a label: the index is masked to the (power of two) size of a
// copy, so no label is ever out of bounds, and afterwards any high bit seen, or any count in a bin
// that is no class, says that some label was invalid.
#ifndef EQUIPOISE_KERNELS_HISTOGRAM_H_
#define EQUIPOISE_KERNELS_HISTOGRAM_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/kernels/compare_count.h"

namespace equipoise::kernels {

struct HistogramTotals {
  bool valid = true;          // each label is a class or the ignore index
  std::uint64_t ignored = 0;  // labels equal to the ignore index
};

inline namespace EQUIPOISE_ISA_NAMESPACE {

// Counts [begin, end) into kCopies histograms; copy j of bin b is bins[b * kCopies + j], so that
// one base register and a constant reach them all. The bin after the mask is for ignored labels.
// Returns the OR of the labels that are not ignored.
template <bool kHasIgnore, class L, std::size_t... kCopy>
std::uint64_t scatter_labels(const L* begin, const L* end, std::uint64_t mask, std::uint64_t ignore,
                             std::uint32_t* bins, std::index_sequence<kCopy...>) {
  constexpr std::size_t kCopies = sizeof...(kCopy);
  std::uint64_t seen = 0;
  const auto scatter = [&](L label, std::size_t copy) EQUIPOISE_INLINE_LAMBDA {
    const auto value = static_cast<std::uint64_t>(label);
    std::uint64_t bin = value & mask;
    if constexpr (kHasIgnore) {
      const bool skip = value == ignore;
      seen |= skip ? 0 : value;
      bin = skip ? mask + 1 : bin;
    } else {
      seen |= value;
    }
    ++bins[bin * kCopies + copy];
  };
  for (; end - begin >= static_cast<std::ptrdiff_t>(kCopies); begin += kCopies) {
    (scatter(begin[kCopy], kCopy), ...);  // -O2 leaves a loop here
  }
  for (; begin != end; ++begin) scatter(*begin, 0);
  return seen;
}

// As histogram(), for any number of classes.
template <std::size_t kCopies, class L>
HistogramTotals scatter_histogram(std::span<const L> labels, std::size_t classes,
                                  const std::optional<std::int64_t>& ignore,
                                  std::uint64_t* counts) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(classes, 1));
  const std::uint64_t mask = size - 1;
  std::vector<std::uint32_t> bins((size + 1) * kCopies);
  const auto total = [&](std::size_t bin) {
    std::uint64_t sum = 0;
    for (std::size_t j = 0; j < kCopies; ++j) sum += bins[bin * kCopies + j];
    return sum;
  };
  constexpr std::size_t kMostBeforeOverflow = std::size_t{1} << 31;
  constexpr std::make_index_sequence<kCopies> kSequence;

  HistogramTotals totals;
  for (std::size_t begin = 0; begin < labels.size(); begin += kMostBeforeOverflow) {
    if (begin > 0) std::fill(bins.begin(), bins.end(), 0u);
    const L* const first = labels.data() + begin;
    const L* const last = first + std::min(labels.size() - begin, kMostBeforeOverflow);
    const std::uint64_t seen =
        ignore ? scatter_labels<true>(first, last, mask, static_cast<std::uint64_t>(*ignore),
                                      bins.data(), kSequence)
               : scatter_labels<false>(first, last, mask, 0, bins.data(), kSequence);
    totals.valid &= (seen & ~mask) == 0;
    for (std::size_t c = 0; c < classes; ++c) counts[c] += total(c);
    for (std::size_t c = classes; c < size; ++c) totals.valid &= total(c) == 0;
    totals.ignored += total(size);
  }
  return totals;
}

// Adds to counts[c] how often class c occurs, c in [0, classes). On invalid labels the counts are
// meaningless, and the caller looks for the culprit.
template <class L>
HistogramTotals histogram(std::span<const L> labels, std::size_t classes,
                          std::optional<std::int64_t> ignore, std::uint64_t* counts) {
  constexpr std::size_t kSmall = 256;  // below, setting up the copies costs more than it saves
  constexpr std::size_t kCachedBins =
      16384;  // eight copies of so many bins stay in a second-level cache
  if (!ignore && classes <= kCompareCountClasses && labels.size() >= kCompareCountLabels) {
    return {compare_count(labels.data(), labels.size(), classes, counts), 0};
  }
  if (labels.size() < kSmall || classes > kCachedBins * 8) {
    return scatter_histogram<1>(labels, classes, ignore, counts);
  }
  if (classes > kCachedBins) return scatter_histogram<2>(labels, classes, ignore, counts);
  return scatter_histogram<8>(labels, classes, ignore, counts);
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Declares the histograms of the usual labels, or defines them: `declaration` is `extern template`
// or `template`.
#define EQUIPOISE_HISTOGRAMS_OF(declaration, L)                             \
  declaration HistogramTotals histogram<L>(std::span<const L>, std::size_t, \
                                           std::optional<std::int64_t>, std::uint64_t*)
#define EQUIPOISE_HISTOGRAMS(declaration)             \
  EQUIPOISE_HISTOGRAMS_OF(declaration, std::int32_t); \
  EQUIPOISE_HISTOGRAMS_OF(declaration, std::int64_t)

#if EQUIPOISE_USES_COMPILED_KERNELS
EQUIPOISE_HISTOGRAMS(extern template);
#endif

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_HISTOGRAM_H_
