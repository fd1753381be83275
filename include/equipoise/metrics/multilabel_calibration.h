// How far the probabilities of several labels per row are from frequencies.
#ifndef EQUIPOISE_METRICS_MULTILABEL_CALIBRATION_H_
#define EQUIPOISE_METRICS_MULTILABEL_CALIBRATION_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/metrics/detail/reliability_grid.h"
#include "equipoise/metrics/reliability.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// Calibration of the probabilities of L labels of which a row may have any number. The sums of
/// parts merge by += into those of the whole. Bins as in Calibration. All metrics are NaN without
/// decisions, because 0 would be the best value.
class MultiLabelCalibration {
 public:
  /// @throws std::invalid_argument for bins outside [1, 2^20].
  explicit MultiLabelCalibration(std::size_t labels = 0, std::size_t bins = 15)
      : labels_(labels), bins_(bins) {
    detail::require_bins("MultiLabelCalibration", bins);
    if (labels > 0) sums_.assign(kTotals * labels + grid().size(labels), 0.0);
  }

  /// The number L of labels.
  std::size_t labels() const { return labels_; }
  std::size_t bins() const { return bins_; }

  /// Adds rows: N x L probabilities, N x L targets, 0 or 1; where a target is the ignore index,
  /// that label of that row is left out, whatever its probability. O(N L).
  /// @throws std::invalid_argument for shapes that differ, a target that is neither 0, 1 nor the
  /// ignore index, and a probability outside [0, 1]; nothing is added then.
  template <FloatElement T, std::integral Y>
  void add(const MatrixView<T>& probabilities, const MatrixView<Y>& targets,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    require(probabilities, targets, ignore_index);
    for (std::size_t r = 0; r < targets.rows; ++r) {
      for (std::size_t l = 0; l < labels_; ++l) {
        if (detail::is_ignored(targets(r, l), ignore_index)) continue;
        const auto p = static_cast<double>(probabilities(r, l));
        const bool is_true = targets(r, l) != 0;
        double* const totals = &sums_[kTotals * l];
        totals[0] += 1;
        totals[1] -= is_true ? log_of(p, std::log(p)) : log_of(1 - p, std::log1p(-p));
        totals[2] += is_true ? (1 - p) * (1 - p) : p * p;
        grid().add(diagrams(), l, p, is_true);
      }
    }
  }

  /// Adds the sums of other rows; an object without labels adopts the other's number of labels.
  /// @throws std::invalid_argument if the numbers of labels or bins differ.
  MultiLabelCalibration& operator+=(const MultiLabelCalibration& other) {
    constexpr std::string_view kWhere = "MultiLabelCalibration::operator+=";
    if (sums_.empty()) return *this = other;
    if (other.sums_.empty()) return *this;
    detail::require_size(kWhere, "other", other.labels_, labels_, "labels on the left");
    detail::require_size(kWhere, "bins of other", other.bins_, bins_, "bins on the left");
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
    return *this;
  }
  friend bool operator==(const MultiLabelCalibration&, const MultiLabelCalibration&) = default;

  /// The whole state, to be summed over ranks in place: for each label the number of decisions, the
  /// sums of -log p and of squared errors; then for each label and bin the count, the sum of the
  /// probabilities and the number that came true.
  std::span<double> all_reduce_buffer() { return sums_; }

  /// The number of decisions on one label: rows that do not ignore it.
  double total(std::size_t l) const { return sums_[kTotals * l]; }

  /// The mean of -log p(the truth), in nats, for one label and for all decisions (binary
  /// cross-entropy); infinite if the truth had probability 0.
  double nll(std::size_t l) const { return ratio(sums_[kTotals * l + 1], total(l)); }
  double nll() const { return mean(1); }

  /// The mean of (p - [came true])^2, in [0, 1] (Brier 1950), for one label and for all decisions.
  double brier(std::size_t l) const { return ratio(sums_[kTotals * l + 2], total(l)); }
  double brier() const { return mean(2); }

  /// The expected calibration error of one label, sum_b n_b / n |frequency_b - confidence_b|, and
  /// its mean over labels, by default without labels that have no decisions, whose value is 0 / 0.
  /// Absent::kSkipUnsupported also leaves out labels that no row has. O(bins), O(L bins).
  double ece(std::size_t l) const { return ratio(grid().error(diagrams(), l), total(l)); }
  double label_wise_ece(Absent absent = Absent::kSkip) const {
    return detail::mean_figure(
        labels_, absent, [&](std::size_t l) { return ece(l); },
        [&](std::size_t l) { return grid().came_true(diagrams(), l) > 0; });
  }

  /// Bin b of the reliability diagram of label l.
  ReliabilityBin bin(std::size_t l, std::size_t b) const { return grid().bin(diagrams(), l, b); }

 private:
  // Of a label: decisions, sum of -log p, sum of squares.
  static constexpr std::size_t kTotals = 3;

  static double log_of(double p, double log_p) { return p > 0 ? log_p : -detail::infinity(); }
  static double ratio(double part, double whole) {
    return detail::ratio(part, whole, Absent::kNaN);
  }

  template <class T, class Y>
  void require(const MatrixView<T>& probabilities, const MatrixView<Y>& targets,
               std::optional<std::int64_t> ignore_index) const {
    constexpr std::string_view kWhere = "MultiLabelCalibration::add";
    detail::require_count(kWhere, "probabilities.cols", probabilities.cols, labels_, "labels");
    detail::require_count(kWhere, "targets.cols", targets.cols, labels_, "labels");
    detail::require_count(kWhere, "targets.rows", targets.rows, probabilities.rows,
                          "rows of probabilities");
    detail::require_ignore_index_is_no_class(kWhere, 2, ignore_index);
    for (std::size_t r = 0; r < targets.rows; ++r) {
      for (std::size_t l = 0; l < labels_; ++l) {
        if (detail::is_ignored(targets(r, l), ignore_index)) continue;
        detail::require_binary(kWhere, "targets", r, l, targets(r, l));
        const auto p = static_cast<double>(probabilities(r, l));
        if (!detail::is_finite(p) || p < 0 || p > 1) {
          detail::reject_cell(kWhere, "probabilities", r, l, p, "a number in [0, 1]");
        }
      }
    }
  }

  detail::ReliabilityGrid grid() const { return {bins_}; }
  std::span<double> diagrams() { return std::span(sums_).subspan(kTotals * labels_); }
  std::span<const double> diagrams() const { return std::span(sums_).subspan(kTotals * labels_); }
  double mean(std::size_t figure) const {
    double sum = 0;
    double decisions = 0;
    for (std::size_t l = 0; l < labels_; ++l) {
      sum += sums_[kTotals * l + figure];
      decisions += total(l);
    }
    return ratio(sum, decisions);
  }

  std::size_t labels_;
  std::size_t bins_;
  std::vector<double> sums_;
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_MULTILABEL_CALIBRATION_H_
