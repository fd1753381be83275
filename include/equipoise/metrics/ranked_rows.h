// Areas under curves for the same rows with several sets of weights, as in a bootstrap.
#ifndef EQUIPOISE_METRICS_RANKED_ROWS_H_
#define EQUIPOISE_METRICS_RANKED_ROWS_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/metrics/detail/rank_sums.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// One weight per row: numbers, or how often each row was drawn.
template <class R>
concept RowWeights = ContiguousRange<R> &&
    (std::floating_point<ElementOf<R>> || std::unsigned_integral<ElementOf<R>>);

/// Rows in the order of their scores, for areas over the same rows with several sets of weights:
/// sample weights, or the multiplicities of bootstrap(). A resample may lack positives; here both
/// areas then count as 0:
///
///   const RankedRows a(scores_a, targets), b(scores_b, targets);
///   bootstrap(targets.size(), [&](auto m) {
///     return a.roc_auc(m, Absent::kZero) - b.roc_auc(m, Absent::kZero);
///   });
class RankedRows {
 public:
  /// O(N log N).
  /// @throws std::invalid_argument as BinaryScores::add().
  template <FloatRange Scores, LabelRange Targets>
  RankedRows(const Scores& scores, const Targets& targets) {
    constexpr std::string_view kWhere = "RankedRows";
    const auto values = as_span(scores);
    const auto truth = as_span(targets);
    detail::require_size(kWhere, "targets", truth.size(), values.size(), "scores");
    detail::require_scores(kWhere, values);
    detail::require_binary(kWhere, "targets", truth);
    order_.resize(values.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
    for (std::size_t i = 0; i < order_.size(); ++i) {
      is_positive_.push_back(truth[order_[i]] != 0 ? 1 : 0);
      const bool ends = i + 1 == order_.size() || values[order_[i + 1]] != values[order_[i]];
      ends_tie_.push_back(ends ? 1 : 0);
    }
  }

  /// The number N of rows.
  std::size_t rows() const { return order_.size(); }

  /// The area under the ROC curve of weighted rows: a weight counts a row that many times. The
  /// scale of the weights does not matter. O(N).
  /// @throws std::invalid_argument unless there is one weight per row, finite and >= 0.
  template <RowWeights Weights>
  double roc_auc(const Weights& weights, Absent absent = Absent::kNaN) const {
    constexpr std::string_view kWhere = "RankedRows::roc_auc";
    const auto masses = as_span(weights);
    double area = 0;
    const Mass total =
        for_each_tie(masses, units(kWhere, masses), [&](const Mass& before, const Mass& tie) {
          area += tie.negatives * (before.positives + tie.positives / 2);
        });
    const double pairs = total.positives * total.negatives;
    return pairs > 0 ? area / pairs : detail::undefined_figure(absent);
  }

  /// The average precision of rows with weights. O(N).
  /// @throws std::invalid_argument as roc_auc().
  template <RowWeights Weights>
  double average_precision(const Weights& weights, Absent absent = Absent::kZero) const {
    constexpr std::string_view kWhere = "RankedRows::average_precision";
    const auto masses = as_span(weights);
    const Mass unit = units(kWhere, masses);
    // The mass of a negative, converted from its unit to that of positives.
    const double negative = std::min(unit.positives / unit.negatives, kMost);
    double precisions = 0;
    const Mass total = for_each_tie(masses, unit, [&](const Mass& before, const Mass& tie) {
      if (tie.positives == 0) return;
      const double found = before.positives + tie.positives;
      const double wrong = negative * (before.negatives + tie.negatives);
      precisions += tie.positives * (found / (found + wrong));
    });
    return total.positives > 0 ? precisions / total.positives : detail::undefined_figure(absent);
  }

 private:
  struct Mass {
    double positives = 0;
    double negatives = 0;
  };

  // Times 2^53 rows it is finite.
  static constexpr double kMost = 0x1p+960;

  // The factors on the weights of positives and of negatives with which neither sums nor products
  // of sums leave the range of doubles: powers of two, which round nothing.
  template <class W>
  Mass units(std::string_view where, std::span<const W> weights) const {
    detail::require_size(where, "weights", weights.size(), rows(), "rows");
    if constexpr (std::floating_point<W>) detail::require_masses(where, "weights", weights);
    Mass most;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      double& of_kind = is_positive_[i] != 0 ? most.positives : most.negatives;
      of_kind = std::max(of_kind, static_cast<double>(weights[order_[i]]));
    }
    return {detail::unit_of(most.positives), detail::unit_of(most.negatives)};
  }

  // Calls f(mass above, mass of the tie) for each distinct score, from the highest down.
  template <class W, class F>
  Mass for_each_tie(std::span<const W> weights, const Mass& unit, const F& f) const {
    Mass above;
    Mass tie;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const auto weight = static_cast<double>(weights[order_[i]]);
      if (is_positive_[i] != 0) {
        tie.positives += weight * unit.positives;
      } else {
        tie.negatives += weight * unit.negatives;
      }
      if (ends_tie_[i] == 0) continue;
      f(static_cast<const Mass&>(above), static_cast<const Mass&>(tie));
      above.positives += tie.positives;
      above.negatives += tie.negatives;
      tie = {};
    }
    return above;
  }

  std::vector<std::size_t> order_;  // rows by falling score
  std::vector<std::uint8_t> is_positive_;
  std::vector<std::uint8_t> ends_tie_;
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_RANKED_ROWS_H_
