// Right and wrong decisions on one label, and the metrics computed from them.
#ifndef EQUIPOISE_METRICS_BINARY_H_
#define EQUIPOISE_METRICS_BINARY_H_

#include <cmath>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/scale.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/detail/absent_figures.h"

namespace equipoise::metrics {

/// Rows by whether they have a label and whether it was predicted. Counts of parts merge by +=.
/// Every metric is O(1); an undefined one (0 / 0) is 0 unless the caller gives another Absent rule.
struct BinaryCounts {
  double true_positives = 0;
  double false_positives = 0;
  double false_negatives = 0;
  double true_negatives = 0;

  /// Adds a row.
  void add(bool target, bool prediction) {
    (target ? (prediction ? true_positives : false_negatives)
            : (prediction ? false_positives : true_negatives)) += 1;
  }
  BinaryCounts& operator+=(const BinaryCounts& other) {
    true_positives += other.true_positives;
    false_positives += other.false_positives;
    false_negatives += other.false_negatives;
    true_negatives += other.true_negatives;
    return *this;
  }
  friend bool operator==(const BinaryCounts&, const BinaryCounts&) = default;

  /// The number of rows: all, those with the label, those with the label predicted.
  double total() const {
    return true_positives + false_positives + false_negatives + true_negatives;
  }
  double support() const { return true_positives + false_negatives; }
  double predicted() const { return true_positives + false_positives; }

  /// The fractions that are right: of all rows, of the predicted ones, of those with the label.
  double accuracy(Absent absent = Absent::kZero) const {
    return detail::ratio(true_positives + true_negatives, total(), absent);
  }
  double precision(Absent absent = Absent::kZero) const {
    return detail::ratio(true_positives, predicted(), absent);
  }
  double recall(Absent absent = Absent::kZero) const {
    return detail::ratio(true_positives, support(), absent);
  }
  /// The recall of the rows without the label.
  double specificity(Absent absent = Absent::kZero) const {
    return detail::ratio(true_negatives, true_negatives + false_positives, absent);
  }
  /// (1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp): recall counts b times as much as precision (van
  /// Rijsbergen 1979, "Information retrieval"). At b = 0 the precision, at infinity the recall.
  /// @throws std::invalid_argument for a beta that is negative or NaN.
  double f_beta(double beta = 1, Absent absent = Absent::kZero) const {
    if (detail::is_nan(beta) || beta < 0) {
      detail::reject("BinaryCounts::f_beta", "beta", beta, "a number >= 0");
    }
    // Divided by b^2 if that is large; is_finite() tests bits, since -ffast-math assumes no
    // infinity.
    const double square = beta > 1 ? 1 : beta * beta;
    const double one = beta > 1 ? (detail::is_finite(beta) ? 1 / beta / beta : 0) : 1;
    const double found = (one + square) * true_positives;
    return detail::ratio(found, found + square * false_negatives + one * false_positives, absent);
  }
  double f1(Absent absent = Absent::kZero) const { return f_beta(1, absent); }
  /// tp / (tp + fp + fn).
  double jaccard(Absent absent = Absent::kZero) const {
    return detail::ratio(true_positives, support() + false_positives, absent);
  }
  /// The correlation of target and prediction (Matthews 1975); 0 where either is constant. The
  /// scale of the counts, which may be sums of weights, does not matter.
  double mcc() const {
    const BinaryCounts near_one = times(detail::unit_of(total()));
    const double scale =
        std::sqrt(near_one.support() * (near_one.true_negatives + near_one.false_positives)) *
        std::sqrt(near_one.predicted() * (near_one.true_negatives + near_one.false_negatives));
    return scale > 0 ? near_one.covariance() / scale : 0;
  }
  /// tp tn - fp fn: the covariance of target and prediction, times total() squared.
  double covariance() const {
    return true_positives * true_negatives - false_positives * false_negatives;
  }
  /// Each count times a factor.
  BinaryCounts times(double factor) const {
    return {true_positives * factor, false_positives * factor, false_negatives * factor,
            true_negatives * factor};
  }
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_BINARY_H_
