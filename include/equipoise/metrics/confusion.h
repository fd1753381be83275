// The confusion matrix and the metrics computed from it: precision, recall, F1, averages,
// agreement.
#ifndef EQUIPOISE_METRICS_CONFUSION_H_
#define EQUIPOISE_METRICS_CONFUSION_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/scale.h"
#include "equipoise/detail/text.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/histogram.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/metrics/class_averages.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/view.h"

namespace equipoise::detail {
inline namespace EQUIPOISE_ISA_NAMESPACE {

// Pairs of labels as one label of 2^(2 shift) classes: target << shift | prediction.
struct PairCode {
  unsigned shift;        // bits of a class
  std::uint64_t last;    // the last class
  std::uint64_t ignore;  // the target whose pairs are left out

  std::uint64_t size() const { return std::uint64_t{1} << (2 * shift); }

  // Codes kSize pairs, those left out as size(). The highest bit of the result is set if some label
  // is not a class: it is the sign of a negative label, or that of last - label. With kSize known
  // and no alias, g++ -O2 vectorises the loop.
  template <bool kHasIgnore, std::size_t kSize, class T, class P>
  EQUIPOISE_HOST_INLINE std::uint64_t encode(const T* targets, const P* predictions,
                                             std::uint64_t* __restrict codes) const {
    const std::uint64_t left_out = size();
    std::uint64_t outside = 0;
    for (std::size_t i = 0; i < kSize; ++i) {
      const auto target = static_cast<std::uint64_t>(targets[i]);
      const auto prediction = static_cast<std::uint64_t>(predictions[i]);
      // All ones for a pair that counts: a difference, or its negative, has the highest bit set.
      const std::uint64_t difference = target ^ ignore;
      const std::uint64_t counts =
          kHasIgnore ? 0 - ((difference | (0 - difference)) >> 63) : ~std::uint64_t{0};
      outside |= (target | prediction | (last - target) | (last - prediction)) & counts;
      codes[i] = ((target << shift | prediction) & counts) | (left_out & ~counts);
    }
    return outside;
  }
};

inline constexpr std::size_t kPairBlock = 256;    // codes that stay in the first-level cache
inline constexpr std::size_t kPairClasses = 128;  // bins that stay in a second-level cache
inline constexpr std::size_t kPairCopies = 4;     // of each bin, as in the histogram of labels

// Adds to counts[t * classes + p] how often the pair (t, p) occurs, for 1 <= classes <=
// kPairClasses and fewer than 2^32 pairs. Returns false if a label is not a class: then nothing is
// added.
template <bool kHasIgnore, class T, class P>
bool count_pairs(std::span<const T> targets, std::span<const P> predictions, std::size_t classes,
                 std::uint64_t ignore, double* counts) {
  const PairCode pair{static_cast<unsigned>(std::bit_width(classes - 1)), classes - 1, ignore};
  const std::uint64_t bins_used = kHasIgnore ? 2 * pair.size() : pair.size();
  std::vector<std::uint32_t> bins(bins_used * kPairCopies);
  std::uint64_t codes[kPairBlock];
  std::uint64_t outside = 0;
  const auto count = [&](std::size_t size) {
    kernels::scatter_labels<false>(codes, codes + size, bins_used - 1, 0, bins.data(),
                                   std::make_index_sequence<kPairCopies>());
  };
  std::size_t i = 0;
  for (; i + kPairBlock <= targets.size(); i += kPairBlock) {
    outside |= kernels::run_kernel(kernels::cpu(), [&](auto) EQUIPOISE_INLINE_LAMBDA {
      return pair.encode<kHasIgnore, kPairBlock>(&targets[i], &predictions[i], codes);
    });
    count(kPairBlock);
  }
  for (; i < targets.size(); ++i) {
    outside |= pair.encode<kHasIgnore, 1>(&targets[i], &predictions[i], codes);
    count(1);
  }
  if (outside >> 63 != 0) return false;
  for (std::size_t t = 0; t < classes; ++t) {
    for (std::size_t p = 0; p < classes; ++p) {
      const std::uint32_t* copies = &bins[(t << pair.shift | p) * kPairCopies];
      for (std::size_t j = 0; j < kPairCopies; ++j) counts[t * classes + p] += copies[j];
    }
  }
  return true;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE
}  // namespace equipoise::detail

namespace equipoise::metrics {

/// How much a disagreement counts in ConfusionMatrix::kappa().
enum class KappaWeights {
  kNone,       ///< all equally
  kLinear,     ///< by |t - p|
  kQuadratic,  ///< by (t - p)^2
};

/// How often a sample of class t was predicted as class p: count(t, p).
///
/// Matrices of parts merge by += into that of the whole. Metrics are doubles, each O(1) or O(C)
/// unless documented otherwise; an undefined one (0 / 0) is 0 unless the caller gives another
/// Absent rule.
class ConfusionMatrix {
 public:
  /// All zero, over `classes` classes.
  explicit ConfusionMatrix(std::size_t classes = 0)
      : classes_(classes), counts_(classes * classes, 0.0) {}

  /// The number C of classes.
  std::size_t classes() const { return classes_; }

  /// Adds one sample.
  /// @throws std::invalid_argument for a class outside [0, classes).
  void add(std::int64_t target, std::int64_t prediction) {
    require("target", target);
    require("prediction", prediction);
    ++cell(target, prediction);
  }

  /// Adds samples; those whose target is the ignore index are left out, whatever was predicted.
  ///
  /// O(N + C^2); about a nanosecond per sample up to 128 classes.
  /// @throws std::invalid_argument for sizes that differ, for a class outside [0, classes), naming
  /// the first, and for an ignore index that is a class; nothing is added then.
  template <LabelRange Targets, LabelRange Predictions>
  EQUIPOISE_HOST_INLINE void add(const Targets& targets, const Predictions& predictions,
                                 std::optional<std::int64_t> ignore_index = std::nullopt) {
    const auto truth = as_span(targets);
    const auto predicted = as_span(predictions);
    detail::require_size(kWhere, "predictions", predicted.size(), truth.size(), "targets");
    detail::require_ignore_index_is_no_class(kWhere, classes_, ignore_index);
    // Several copies of the histogram pay off if they are smaller than the data.
    const bool many = truth.size() >= counts_.size() && classes_ <= detail::kPairClasses;
    if (classes_ == 0 || !many) {
      require_classes(truth, predicted, ignore_index);
      for (std::size_t i = 0; i < truth.size(); ++i) {
        if (!detail::is_ignored(truth[i], ignore_index)) ++cell(truth[i], predicted[i]);
      }
      return;
    }
    constexpr std::size_t kMostBeforeOverflow = std::size_t{1} << 31;
    std::vector<double> sum = counts_;
    for (std::size_t begin = 0; begin < truth.size(); begin += kMostBeforeOverflow) {
      const std::size_t size = std::min(truth.size() - begin, kMostBeforeOverflow);
      const auto t = truth.subspan(begin, size);
      const auto p = predicted.subspan(begin, size);
      const bool valid =
          ignore_index ? detail::count_pairs<true>(
                             t, p, classes_, static_cast<std::uint64_t>(*ignore_index), sum.data())
                       : detail::count_pairs<false>(t, p, classes_, 0, sum.data());
      if (!valid) require_classes(truth, predicted, ignore_index);
    }
    counts_ = std::move(sum);
  }

  /// Adds the matrix of another part of the data; a matrix without classes adopts the other's
  /// number of classes.
  /// @throws std::invalid_argument if the numbers of classes differ.
  ConfusionMatrix& operator+=(const ConfusionMatrix& other) {
    if (counts_.empty()) return *this = other;
    if (other.counts_.empty()) return *this;
    detail::require_size("ConfusionMatrix::operator+=", "other", other.classes_, classes_,
                         "classes on the left");
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    return *this;
  }
  friend bool operator==(const ConfusionMatrix&, const ConfusionMatrix&) = default;

  /// The C^2 counts, row by row, to be summed over ranks in place.
  std::span<double> all_reduce_buffer() { return counts_; }

  /// Samples of class t predicted as class p; unchecked.
  double count(std::size_t t, std::size_t p) const { return counts_[t * classes_ + p]; }
  /// Samples of class c. O(C).
  double support(std::size_t c) const {
    double sum = 0;
    for (std::size_t p = 0; p < classes_; ++p) sum += count(c, p);
    return sum;
  }
  /// Samples predicted as class c. O(C).
  double predicted(std::size_t c) const {
    double sum = 0;
    for (std::size_t t = 0; t < classes_; ++t) sum += count(t, c);
    return sum;
  }
  /// All samples. O(C^2).
  double total() const {
    double sum = 0;
    for (const double n : counts_) sum += n;
    return sum;
  }
  /// Samples predicted as their own class. O(C).
  double correct() const {
    double sum = 0;
    for (std::size_t c = 0; c < classes_; ++c) sum += count(c, c);
    return sum;
  }

  /// Class c against all others: for specificity, F-beta, Jaccard and the like. O(C^2).
  BinaryCounts one_vs_rest(std::size_t c) const { return one_vs_rest(c, total()); }

  /// count(c, c) / predicted(c). O(C).
  double precision(std::size_t c, Absent absent = Absent::kZero) const {
    return detail::ratio(count(c, c), predicted(c), absent);
  }
  /// count(c, c) / support(c). O(C).
  double recall(std::size_t c, Absent absent = Absent::kZero) const {
    return detail::ratio(count(c, c), support(c), absent);
  }
  /// 2 count(c, c) / (support(c) + predicted(c)), the harmonic mean of the two. O(C).
  double f1(std::size_t c, Absent absent = Absent::kZero) const {
    return detail::ratio(2 * count(c, c), support(c) + predicted(c), absent);
  }

  /// correct() / total(), which is micro-averaged precision, recall and F1 as well. O(C^2).
  double accuracy(Absent absent = Absent::kZero) const {
    return detail::ratio(correct(), total(), absent);
  }
  double micro_f1(Absent absent = Absent::kZero) const { return accuracy(absent); }

  /// Means over classes. Macro-F1 is the mean of the F1s, not the F1 of the means. O(C^2).
  double macro_precision(Absent absent = Absent::kZero) const {
    return mean(absent, [&](std::size_t c) { return precision(c, Absent::kNaN); });
  }
  double macro_recall(Absent absent = Absent::kZero) const {
    return mean(absent, [&](std::size_t c) { return recall(c, Absent::kNaN); });
  }
  double macro_f1(Absent absent = Absent::kZero) const {
    return mean(absent, [&](std::size_t c) { return f1(c, Absent::kNaN); });
  }

  /// Means over classes weighted by support; undefined without samples. O(C^2).
  double weighted_precision(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t c) { return precision(c); });
  }
  double weighted_recall(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t c) { return recall(c); });
  }
  double weighted_f1(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t c) { return f1(c); });
  }

  /// The mean recall over classes that have samples, NaN without any (Brodersen et al. 2010, "The
  /// balanced accuracy and its posterior distribution"). O(C^2).
  double balanced_accuracy() const { return macro_recall(Absent::kSkip); }

  /// The geometric mean of the recalls, 0 as soon as one of them is 0 (Kubat & Matwin 1997,
  /// "Addressing the curse of imbalanced training sets"). By default over all classes, so that one
  /// without samples makes it 0, as in imbalanced-learn. O(C^2).
  double g_mean(Absent absent = Absent::kZero) const {
    const bool skip = absent == Absent::kSkip || absent == Absent::kSkipUnsupported;
    double log_sum = 0;
    double classes = 0;
    bool missed = false;
    for (std::size_t c = 0; c < classes_; ++c) {
      if (skip && support(c) == 0) continue;
      const double value = recall(c, absent);
      if (detail::is_nan(value)) return value;
      missed |= value == 0;
      log_sum += value > 0 ? std::log(value) : 0;
      classes += 1;
    }
    if (classes == 0) return detail::undefined_average(absent);
    return missed ? 0 : std::exp(log_sum / classes);
  }

  /// Averages over chosen classes, or over all but one, such as the background; for these, micro-F1
  /// is not the accuracy. O(C^2).
  /// @throws std::invalid_argument for a class that is out of range or named twice.
  template <LabelRange R>
  ClassAverages over(const R& classes) const {
    return detail::averages_over("ConfusionMatrix::over", classes, classes_,
                                 [&, all = total()](std::size_t c) { return one_vs_rest(c, all); });
  }
  ClassAverages without(std::size_t left_out) const {
    return detail::averages_without(
        "ConfusionMatrix::without", left_out, classes_,
        [&, all = total()](std::size_t c) { return one_vs_rest(c, all); });
  }

  /// The multi-class Matthews correlation (Gorodkin 2004, "Comparing two K-category assignments by
  /// a K-category correlation coefficient"): with c correct among s samples, p_k predictions and
  /// t_k samples of class k, (c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)); 0
  /// where that is 0 / 0. Computed by sums over one class against the rest, so that no large
  /// numbers cancel. O(C^2).
  double mcc() const {
    const double s = total();
    const double unit = detail::unit_of(s);
    double covariance = 0;
    double predictions = 0;
    double samples = 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      const BinaryCounts rest = one_vs_rest(k, s).times(unit);
      covariance += rest.covariance();
      predictions += rest.predicted() * (rest.true_negatives + rest.false_negatives);
      samples += rest.support() * (rest.true_negatives + rest.false_positives);
    }
    const double scale = std::sqrt(predictions) * std::sqrt(samples);
    return scale > 0 ? covariance / scale : 0;
  }

  /// Cohen's kappa, the agreement beyond that of chance (Cohen 1960, "A coefficient of agreement
  /// for nominal scales"): with p_k predictions and t_k samples of class k among s, 1 minus the
  /// weighted disagreement over that expected from sum p_k t_k; 0 if that is 0 / 0. For ordered
  /// classes, the weights count a disagreement more, the further apart the classes are (Cohen
  /// 1968). O(C^2).
  double kappa(KappaWeights weights = KappaWeights::kNone) const {
    const double s = total();
    const double unit = detail::unit_of(s);
    double observed = 0;
    double expected = 0;
    std::vector<double> predictions;
    for (std::size_t k = 0; k < classes_; ++k) predictions.push_back(unit * predicted(k));
    for (std::size_t t = 0; t < classes_; ++t) {
      const double samples = unit * support(t);
      for (std::size_t p = 0; p < classes_; ++p) {
        const double apart = static_cast<double>(t > p ? t - p : p - t);
        const double weight = weights == KappaWeights::kNone     ? (t == p ? 0 : 1)
                              : weights == KappaWeights::kLinear ? apart
                                                                 : apart * apart;
        observed += weight * (unit * count(t, p));
        expected += weight * samples * predictions[p];
      }
    }
    return expected > 0 ? 1 - observed * (unit * s) / expected : 0;
  }

 private:
  static constexpr std::string_view kWhere = "ConfusionMatrix::add";

  // Given the number of all samples. O(C).
  BinaryCounts one_vs_rest(std::size_t c, double all) const {
    BinaryCounts counts;
    counts.true_positives = count(c, c);
    counts.false_positives = predicted(c) - count(c, c);
    counts.false_negatives = support(c) - count(c, c);
    counts.true_negatives = all - predicted(c) - counts.false_negatives;
    return counts;
  }

  void require(std::string_view name, std::int64_t value) const {
    if (detail::is_class(value, classes_)) return;
    detail::reject(kWhere, name, value, detail::class_range(classes_, std::nullopt));
  }

  template <class T, class P>
  double& cell(T target, P prediction) {
    return counts_[static_cast<std::size_t>(target) * classes_ +
                   static_cast<std::size_t>(prediction)];
  }

  // Throws at the first label that is neither a class nor ignored.
  template <class T, class P>
  void require_classes(std::span<const T> truth, std::span<const P> predicted,
                       std::optional<std::int64_t> ignore_index) const {
    for (std::size_t i = 0; i < truth.size(); ++i) {
      if (detail::is_ignored(truth[i], ignore_index)) continue;
      if (!detail::is_class(truth[i], classes_)) {
        detail::reject_element(kWhere, "targets", i, truth[i],
                               detail::class_range(classes_, ignore_index));
      }
      if (!detail::is_class(predicted[i], classes_)) {
        detail::reject_element(kWhere, "predictions", i, predicted[i],
                               detail::class_range(classes_, std::nullopt));
      }
    }
  }

  // The mean of a metric over the classes; `figure` gives NaN where it is undefined.
  template <class F>
  double mean(Absent absent, const F& figure) const {
    return detail::mean_figure(classes_, absent, figure,
                               [&](std::size_t c) { return support(c) > 0; });
  }

  template <class F>
  double weighted(Absent absent, const F& figure) const {
    double sum = 0;
    for (std::size_t c = 0; c < classes_; ++c) sum += support(c) * figure(c);
    return detail::ratio(sum, total(), absent);
  }

  std::size_t classes_;
  std::vector<double> counts_;  // row t, column p
};

/// A table of precision, recall, F1 and support, one line per class, then accuracy and the
/// averages: the layout of scikit-learn's classification_report. `names` has one name per class, in
/// UTF-8; if it is empty, classes are numbered. Undefined metrics are 0, in the averages too.
/// @throws std::invalid_argument if the number of names is not the number of classes, and for
/// digits outside [0, 7].
inline std::string report(const ConfusionMatrix& matrix, std::span<const std::string> names = {},
                          int digits = 2) {
  constexpr std::string_view kWhere = "report";
  detail::require_names(kWhere, names, matrix.classes());
  if (digits < 0 || digits > 7) detail::reject(kWhere, "digits", digits, "a number in [0, 7]");
  constexpr std::string_view kWeighted = "weighted avg";
  detail::Table table(names, kWeighted.size(), /*column_width=*/9, /*gap=*/" ");
  const auto figure = [digits](double value) { return detail::with_digits(value, digits); };
  const auto samples = [](double value) { return detail::with_digits(value, 0); };

  table.line("", {"precision", "recall", "f1-score", "support"});
  table.blank_line();
  for (std::size_t c = 0; c < matrix.classes(); ++c) {
    table.line(c, {figure(matrix.precision(c)), figure(matrix.recall(c)), figure(matrix.f1(c)),
                   samples(matrix.support(c))});
  }
  table.blank_line();
  const std::string total = samples(matrix.total());
  table.line("accuracy", {"", "", figure(matrix.accuracy()), total});
  table.line("macro avg", {figure(matrix.macro_precision()), figure(matrix.macro_recall()),
                           figure(matrix.macro_f1()), total});
  table.line(kWeighted, {figure(matrix.weighted_precision()), figure(matrix.weighted_recall()),
                         figure(matrix.weighted_f1()), total});
  return table.text();
}

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_CONFUSION_H_
