// Several labels per row: metrics of each label, and of whole rows.
#ifndef EQUIPOISE_METRICS_MULTILABEL_H_
#define EQUIPOISE_METRICS_MULTILABEL_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/metrics/class_averages.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// Decisions on L labels of which a row may have any number: BinaryCounts per label, and sums over
/// rows. Those of parts merge by += into those of the whole. An undefined metric (0 / 0) is 0
/// unless the caller gives another Absent rule. Macro means weight all labels equally, the rare
/// ones too; micro means are those of all decisions together, which the frequent labels dominate.
class MultiLabelCounts {
 public:
  explicit MultiLabelCounts(std::size_t labels = 0)
      : labels_(labels), sums_(labels > 0 ? kTotals + kCells * labels : 0, 0.0) {}

  /// The number L of labels.
  std::size_t labels() const { return labels_; }

  /// Adds rows: N x L targets and N x L predictions, each 0 or 1. If a target is the ignore index,
  /// that label of that row is left out, and a row with only such targets is left out too. O(N L).
  /// @throws std::invalid_argument for shapes that differ and for other values, naming the first;
  /// nothing is added then.
  template <std::integral Y, std::integral P>
  void add(const MatrixView<Y>& targets, const MatrixView<P>& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    require(targets, predictions, ignore_index);
    for (std::size_t r = 0; r < targets.rows; ++r) {
      BinaryCounts row;
      for (std::size_t l = 0; l < labels_; ++l) {
        if (detail::is_ignored(targets(r, l), ignore_index)) continue;
        const bool target = targets(r, l) != 0;
        const bool prediction = predictions(r, l) != 0;
        row.add(target, prediction);
        sums_[kTotals + kCells * l + (target ? 2 : 0) + (prediction ? 1 : 0)] += 1;
      }
      if (row.total() == 0) continue;
      sums_[0] += 1;
      sums_[1] += row.false_positives + row.false_negatives == 0 ? 1 : 0;
      sums_[2] += row.f1();
      sums_[3] += row.jaccard();
      sums_[4] += row.support() + row.predicted() == 0 ? 1 : 0;
    }
  }

  /// Adds the counts of other rows; counts without labels adopt the other's number of labels.
  /// @throws std::invalid_argument if the numbers of labels differ.
  MultiLabelCounts& operator+=(const MultiLabelCounts& other) {
    if (sums_.empty()) return *this = other;
    if (other.sums_.empty()) return *this;
    detail::require_size("MultiLabelCounts::operator+=", "other", other.labels_, labels_,
                         "labels on the left");
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
    return *this;
  }
  friend bool operator==(const MultiLabelCounts&, const MultiLabelCounts&) = default;

  /// The whole state, to be summed over ranks in place: the numbers of rows and of rows that are
  /// all right, the sums of their F1 and Jaccard indices, the number of rows without any label;
  /// then for each label how often target and prediction were 00, 01, 10 and 11.
  std::span<double> all_reduce_buffer() { return sums_; }

  /// The number of rows.
  double total() const { return sum(0); }
  /// The decisions on label l, unchecked.
  BinaryCounts label(std::size_t l) const {
    const double* const cells = &sums_[kTotals + kCells * l];
    return {cells[3], cells[1], cells[2], cells[0]};
  }
  /// The decisions on all labels together. O(L).
  BinaryCounts pooled() const {
    BinaryCounts all;
    for (std::size_t l = 0; l < labels_; ++l) all += label(l);
    return all;
  }

  /// For label l. O(1).
  double precision(std::size_t l, Absent absent = Absent::kZero) const {
    return label(l).precision(absent);
  }
  double recall(std::size_t l, Absent absent = Absent::kZero) const {
    return label(l).recall(absent);
  }
  double f1(std::size_t l, Absent absent = Absent::kZero) const { return label(l).f1(absent); }

  /// Means over labels. O(L).
  double macro_precision(Absent absent = Absent::kZero) const {
    return mean(absent, [](const BinaryCounts& c) { return c.precision(Absent::kNaN); });
  }
  double macro_recall(Absent absent = Absent::kZero) const {
    return mean(absent, [](const BinaryCounts& c) { return c.recall(Absent::kNaN); });
  }
  double macro_f1(Absent absent = Absent::kZero) const {
    return mean(absent, [](const BinaryCounts& c) { return c.f1(Absent::kNaN); });
  }

  /// For all decisions together. O(L).
  double micro_precision(Absent absent = Absent::kZero) const { return pooled().precision(absent); }
  double micro_recall(Absent absent = Absent::kZero) const { return pooled().recall(absent); }
  double micro_f1(Absent absent = Absent::kZero) const { return pooled().f1(absent); }

  /// The mean of the labels' F1 weighted by their support; undefined if no label occurs. O(L).
  double weighted_f1(Absent absent = Absent::kZero) const {
    double weighted = 0;
    for (std::size_t l = 0; l < labels_; ++l) weighted += label(l).support() * f1(l);
    return detail::ratio(weighted, pooled().support(), absent);
  }

  /// Averages over chosen labels, or over all but one, such as the background. O(L).
  /// @throws std::invalid_argument for a label that is out of range or named twice.
  template <LabelRange R>
  ClassAverages over(const R& labels) const {
    return detail::averages_over("MultiLabelCounts::over", labels, labels_,
                                 [&](std::size_t l) { return label(l); });
  }
  ClassAverages without(std::size_t left_out) const {
    return detail::averages_without("MultiLabelCounts::without", left_out, labels_,
                                    [&](std::size_t l) { return label(l); });
  }

  /// Means over rows of the F1 and the Jaccard index of a row's labels, which are undefined for a
  /// row without labels in target and prediction; without rows, as Absent says for averages. O(1).
  double samples_f1(Absent absent = Absent::kZero) const { return row_mean(2, absent); }
  double samples_jaccard(Absent absent = Absent::kZero) const { return row_mean(3, absent); }

  /// The fraction of rows whose labels are all right; 0 without rows. O(1).
  double subset_accuracy() const { return detail::ratio(sum(1), total(), Absent::kZero); }

  /// The fraction of decisions that are wrong; NaN without any, because 0 would be the best value.
  /// O(L).
  double hamming_loss() const {
    const BinaryCounts all = pooled();
    return detail::ratio(all.false_positives + all.false_negatives, all.total(), Absent::kNaN);
  }

 private:
  static constexpr std::string_view kWhere = "MultiLabelCounts::add";
  // Rows; rows all right; sums over rows of F1 and of Jaccard; rows without any label.
  static constexpr std::size_t kTotals = 5;
  // Of a label: target and prediction as two binary digits.
  static constexpr std::size_t kCells = 4;

  template <class Y, class P>
  void require(const MatrixView<Y>& targets, const MatrixView<P>& predictions,
               std::optional<std::int64_t> ignore_index) const {
    detail::require_count(kWhere, "targets.cols", targets.cols, labels_, "labels");
    detail::require_count(kWhere, "predictions.cols", predictions.cols, labels_, "labels");
    detail::require_count(kWhere, "predictions.rows", predictions.rows, targets.rows,
                          "rows of targets");
    detail::require_ignore_index_is_no_class(kWhere, 2, ignore_index);
    for (std::size_t r = 0; r < targets.rows; ++r) {
      for (std::size_t l = 0; l < labels_; ++l) {
        if (detail::is_ignored(targets(r, l), ignore_index)) continue;
        detail::require_binary(kWhere, "targets", r, l, targets(r, l));
        detail::require_binary(kWhere, "predictions", r, l, predictions(r, l));
      }
    }
  }

  double sum(std::size_t i) const { return sums_.empty() ? 0 : sums_[i]; }
  double row_mean(std::size_t i, Absent absent) const {
    const bool skips = absent == Absent::kSkip || absent == Absent::kSkipUnsupported;
    if (absent == Absent::kNaN && sum(4) > 0) return detail::quiet_nan();
    const double counted = skips ? total() - sum(4) : total();
    const double undefined = absent == Absent::kOne ? sum(4) : 0;
    return counted > 0 ? (sum(i) + undefined) / counted : detail::undefined_average(absent);
  }
  template <class F>
  double mean(Absent absent, const F& figure) const {
    return detail::mean_figure(
        labels_, absent, [&](std::size_t l) { return figure(label(l)); },
        [&](std::size_t l) { return label(l).support() > 0; });
  }

  std::size_t labels_;
  std::vector<double> sums_;
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_MULTILABEL_H_
