// Averages over some of the classes, such as all except the background.
#ifndef EQUIPOISE_METRICS_CLASS_AVERAGES_H_
#define EQUIPOISE_METRICS_CLASS_AVERAGES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// Averages over chosen classes, each against all others, like labels= in scikit-learn: from over()
/// and without() of ConfusionMatrix, MultiLabelCounts and EntityMetrics. An undefined metric is 0
/// unless the caller gives another Absent rule. Every metric is O(chosen classes).
class ClassAverages {
 public:
  explicit ClassAverages(std::vector<BinaryCounts> classes) : classes_(std::move(classes)) {}

  /// The counts of each class, in the order in which they were chosen.
  const std::vector<BinaryCounts>& classes() const { return classes_; }
  /// Their sum. A row of one chosen class that was predicted as another one is in it twice: as a
  /// false negative of the one and a false positive of the other.
  BinaryCounts pooled() const {
    BinaryCounts sum;
    for (const BinaryCounts& counts : classes_) sum += counts;
    return sum;
  }

  /// Means over classes.
  double macro_precision(Absent absent = Absent::kZero) const {
    return mean(absent, [](const BinaryCounts& c) { return c.precision(Absent::kNaN); });
  }
  double macro_recall(Absent absent = Absent::kZero) const {
    return mean(absent, [](const BinaryCounts& c) { return c.recall(Absent::kNaN); });
  }
  double macro_f1(Absent absent = Absent::kZero) const {
    return mean(absent, [](const BinaryCounts& c) { return c.f1(Absent::kNaN); });
  }

  /// The metrics of pooled(). Unlike those over all classes of a confusion matrix, these three
  /// differ.
  double micro_precision(Absent absent = Absent::kZero) const { return pooled().precision(absent); }
  double micro_recall(Absent absent = Absent::kZero) const { return pooled().recall(absent); }
  double micro_f1(Absent absent = Absent::kZero) const { return pooled().f1(absent); }

  /// Means over classes weighted by support; undefined if none has samples.
  double weighted_precision(Absent absent = Absent::kZero) const {
    return weighted(absent, [](const BinaryCounts& c) { return c.precision(); });
  }
  double weighted_recall(Absent absent = Absent::kZero) const {
    return weighted(absent, [](const BinaryCounts& c) { return c.recall(); });
  }
  double weighted_f1(Absent absent = Absent::kZero) const {
    return weighted(absent, [](const BinaryCounts& c) { return c.f1(); });
  }

 private:
  template <class F>
  double mean(Absent absent, const F& figure) const {
    return detail::mean_figure(
        classes_.size(), absent, [&](std::size_t c) { return figure(classes_[c]); },
        [&](std::size_t c) { return classes_[c].support() > 0; });
  }
  template <class F>
  double weighted(Absent absent, const F& figure) const {
    double sum = 0;
    for (const BinaryCounts& counts : classes_) sum += counts.support() * figure(counts);
    return detail::ratio(sum, pooled().support(), absent);
  }

  std::vector<BinaryCounts> classes_;
};

}  // namespace equipoise::metrics

namespace equipoise::detail {

// counts_of(c) of the chosen ones of so many classes.
template <LabelRange R, class F>
metrics::ClassAverages averages_over(std::string_view where, const R& chosen, std::size_t classes,
                                     const F& counts_of) {
  const auto labels = as_span(chosen);
  std::vector<bool> is_chosen(classes, false);
  std::vector<metrics::BinaryCounts> counts;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool is_valid = is_class(labels[i], classes);
    if (!is_valid || is_chosen[static_cast<std::size_t>(labels[i])]) {
      reject_element(
          where, "classes", i, labels[i],
          is_valid ? std::string("each class once") : class_range(classes, std::nullopt));
    }
    is_chosen[static_cast<std::size_t>(labels[i])] = true;
    counts.push_back(counts_of(static_cast<std::size_t>(labels[i])));
  }
  return metrics::ClassAverages(std::move(counts));
}

template <class F>
metrics::ClassAverages averages_without(std::string_view where, std::size_t left_out,
                                        std::size_t classes, const F& counts_of) {
  if (left_out >= classes) {
    reject(where, "left_out", left_out, class_range(classes, std::nullopt));
  }
  std::vector<metrics::BinaryCounts> counts;
  for (std::size_t c = 0; c < classes; ++c) {
    if (c != left_out) counts.push_back(counts_of(c));
  }
  return metrics::ClassAverages(std::move(counts));
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_CLASS_AVERAGES_H_
