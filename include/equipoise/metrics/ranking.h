// How well scores rank positives before negatives: exact areas under the ROC and the
// precision-recall curve, ties included.
#ifndef EQUIPOISE_METRICS_RANKING_H_
#define EQUIPOISE_METRICS_RANKING_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/scale.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/metrics/detail/radix_sort.h"
#include "equipoise/metrics/detail/rank_sums.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// The decisions by "positive if score >= threshold": a point of the ROC curve (true positives over
/// positives against false positives over negatives) and of the precision-recall curve.
struct OperatingPoint {
  double threshold = 0;
  double true_positives = 0;
  double false_positives = 0;

  friend bool operator==(const OperatingPoint&, const OperatingPoint&) = default;
};

/// A range of scores that are kept as T without loss.
template <class R, class T>
concept ScoreRange = ContiguousRange<R> && std::floating_point<ElementOf<R>> &&
                     sizeof(ElementOf<R>) <= sizeof(T);

/// The scores of rows, each positive or negative. Exact areas need all scores, one T per row. The
/// scores of parts merge by += into those of the whole, in any order; over ranks by gather().
/// Scores may be of any scale, and infinite: only their order counts.
template <std::floating_point T = double>
class BinaryScores {
 public:
  /// The number of rows of each kind.
  std::size_t positives() const { return positives_.size(); }
  std::size_t negatives() const { return negatives_.size(); }

  /// Adds rows: scores, and 0 or 1 for each. O(N).
  /// @throws std::invalid_argument for sizes that differ, a NaN score, and a target that is neither
  /// 0 nor 1; nothing is added then.
  template <ScoreRange<T> Scores, LabelRange Targets>
  void add(const Scores& scores, const Targets& targets) {
    constexpr std::string_view kWhere = "BinaryScores::add";
    const auto values = as_span(scores);
    const auto truth = as_span(targets);
    detail::require_size(kWhere, "targets", truth.size(), values.size(), "scores");
    detail::require_scores(kWhere, values);
    detail::require_binary(kWhere, "targets", truth);
    for (std::size_t i = 0; i < values.size(); ++i) add_row(values[i], truth[i] != 0);
  }

  BinaryScores& operator+=(const BinaryScores& other) {
    const auto append = [](std::vector<Key>& to, const std::vector<Key>& from) {
      to.reserve(to.size() + from.size());  // from may be to itself
      for (std::size_t i = 0, size = from.size(); i < size; ++i) to.push_back(from[i]);
    };
    append(positives_, other.positives_);
    append(negatives_, other.negatives_);
    return *this;
  }

  /// Gathers the scores of all ranks; every rank calls it. `all_reduce_sum` sums a
  /// std::span<double> over ranks in place. O(rows of all ranks) memory on each.
  /// @throws std::invalid_argument for a rank outside [0, world).
  template <class Sum>
  void gather(const Sum& all_reduce_sum, std::size_t rank, std::size_t world) {
    std::vector<Key>* const lists[] = {&positives_, &negatives_};
    detail::gather_keys<T>("BinaryScores::gather", lists, all_reduce_sum, rank, world);
  }

  /// Whether the same rows were added in the same order.
  friend bool operator==(const BinaryScores&, const BinaryScores&) = default;

  /// The area under the ROC curve: the fraction of pairs of a positive and a negative in which the
  /// positive scores higher, with ties counted half (Hanley & McNeil 1982, "The meaning and use of
  /// the area under a receiver operating characteristic curve"). Undefined without positives or
  /// without negatives. O(N), by a radix sort.
  double roc_auc(Absent absent = Absent::kNaN) const {
    const double pairs = static_cast<double>(positives()) * static_cast<double>(negatives());
    if (pairs == 0) return detail::undefined_figure(absent);
    return static_cast<double>(sums().twice_won) / 2 / pairs;
  }

  /// Average precision: the mean over positives of the precision at their score as the threshold,
  /// which is the area under the precision-recall curve as a step function (sum over thresholds of
  /// precision times the gain in recall; no trapezoid, which is too optimistic: Davis & Goadrich
  /// 2006, "The relationship between precision-recall and ROC curves"). Undefined without
  /// positives. For a random ranking it is the fraction of positives. O(N).
  double average_precision(Absent absent = Absent::kZero) const {
    if (positives_.empty()) return detail::undefined_figure(absent);
    return sums().precisions / static_cast<double>(positives());
  }

  /// Both curves: a point for each distinct score, from the highest down, after one at an infinite
  /// threshold that predicts no row as positive. O(N).
  std::vector<OperatingPoint> operating_points() const {
    const std::vector<Key> up = sorted(positives_);
    const std::vector<Key> down = sorted(negatives_);
    std::size_t p = up.size();
    std::size_t n = down.size();
    std::vector<OperatingPoint> points = {{detail::infinity(), 0, 0}};
    while (p > 0 || n > 0) {
      const Key score = p == 0   ? down[n - 1]
                        : n == 0 ? up[p - 1]
                                 : std::max(up[p - 1], down[n - 1]);
      while (p > 0 && up[p - 1] == score) --p;
      while (n > 0 && down[n - 1] == score) --n;
      points.push_back({static_cast<double>(detail::value_of_key<T>(score)),
                        static_cast<double>(up.size() - p), static_cast<double>(down.size() - n)});
    }
    return points;
  }

 private:
  using Key = detail::KeyOf<T>;
  template <std::floating_point>
  friend class LabelScores;

  void add_row(T score, bool positive) {
    (positive ? positives_ : negatives_).push_back(detail::ordered_key(score));
  }

  static std::vector<Key> sorted(std::vector<Key> keys) {
    detail::radix_sort(keys);
    return keys;
  }
  detail::RankSums sums() const {
    const std::vector<Key> up = sorted(positives_);
    const std::vector<Key> down = sorted(negatives_);
    return detail::rank_sums(std::span<const Key>(up), std::span<const Key>(down));
  }

  std::vector<Key> positives_;
  std::vector<Key> negatives_;
};

/// BinaryScores::roc_auc() of scores and 0 / 1 targets. O(N).
/// @throws std::invalid_argument as BinaryScores::add().
template <FloatRange Scores, LabelRange Targets>
double roc_auc(const Scores& scores, const Targets& targets, Absent absent = Absent::kNaN) {
  BinaryScores<ElementOf<Scores>> sample;
  sample.add(scores, targets);
  return sample.roc_auc(absent);
}

/// BinaryScores::average_precision() of scores and 0 / 1 targets. O(N).
/// @throws std::invalid_argument as BinaryScores::add().
template <FloatRange Scores, LabelRange Targets>
double average_precision(const Scores& scores, const Targets& targets,
                         Absent absent = Absent::kZero) {
  BinaryScores<ElementOf<Scores>> sample;
  sample.add(scores, targets);
  return sample.average_precision(absent);
}

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_RANKING_H_
