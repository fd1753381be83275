// The confusion matrix and what is read off it: precision, recall, F1, averages, agreement.
#ifndef EQUIPOISE_METRICS_CONFUSION_H_
#define EQUIPOISE_METRICS_CONFUSION_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/histogram.h"
#include "equipoise/view.h"

namespace equipoise {

/// What a class counts as in an average where its figure is 0 / 0: a class that is absent.
///
/// Precision is undefined for a class that was never predicted, recall for one without samples, F1
/// for one with neither.
enum class Absent {
  kSkip,  ///< left out of the average
  kZero,  ///< 0, as in scikit-learn's default
  kOne,   ///< 1
  kNaN,   ///< NaN, which makes the average NaN
};

/// How often a sample of class t was taken for class p: count(t, p).
///
/// Matrices of parts merge by += into that of the whole. Figures are doubles, each O(1) or O(C)
/// unless said otherwise; an undefined one (0 / 0) is 0 unless the caller gives another Absent
/// rule.
class ConfusionMatrix {
 public:
  /// All zero, over `classes` classes.
  explicit ConfusionMatrix(std::size_t classes = 0)
      : classes_(classes), counts_(classes * classes, 0.0) {}

  std::size_t classes() const { return classes_; }

  /// Adds one sample.
  /// @throws std::invalid_argument for a class outside [0, classes).
  void add(std::int64_t target, std::int64_t prediction) {
    require("target", target);
    require("prediction", prediction);
    counts_[static_cast<std::size_t>(target) * classes_ + static_cast<std::size_t>(prediction)] +=
        1;
  }

  /// Adds samples; those whose target is the ignore index are left out, whatever was predicted. O(N
  /// + C^2).
  /// @throws std::invalid_argument for sizes that differ and for a class outside [0, classes),
  /// naming the first; nothing is added then.
  template <LabelRange Targets, LabelRange Predictions>
  EQUIPOISE_INLINE void add(const Targets& targets, const Predictions& predictions,
                            std::optional<std::int64_t> ignore_index = std::nullopt) {
    const auto truth = as_span(targets);
    const auto predicted = as_span(predictions);
    detail::require_size(kWhere, "predictions", predicted.size(), truth.size(), "targets");
    detail::require_ignore_index_is_no_class(kWhere, classes_, ignore_index);
    std::vector<std::uint64_t> found(counts_.size(), 0);
    // A block of cell indices at a time, which the histogram of labels then counts.
    constexpr std::size_t kBlock = 8192;
    std::vector<std::uint32_t> cells(std::min(kBlock, truth.size()));
    for (std::size_t begin = 0; begin < truth.size(); begin += kBlock) {
      const std::size_t size = std::min(kBlock, truth.size() - begin);
      std::size_t kept = 0;
      bool valid = true;
      for (std::size_t i = begin; i < begin + size; ++i) {
        const bool ignored = detail::is_ignored(truth[i], ignore_index);
        valid &= ignored ||
                 (detail::is_class(truth[i], classes_) && detail::is_class(predicted[i], classes_));
        cells[kept] = static_cast<std::uint32_t>(static_cast<std::uint64_t>(truth[i]) * classes_ +
                                                 static_cast<std::uint64_t>(predicted[i]));
        kept += ignored ? 0 : 1;
      }
      if (!valid) reject_first(truth, predicted, ignore_index);
      detail::histogram(std::span<const std::uint32_t>(cells.data(), kept), found.size(),
                        std::nullopt, found.data());
    }
    for (std::size_t cell = 0; cell < found.size(); ++cell) {
      counts_[cell] += static_cast<double>(found[cell]);
    }
  }

  /// Adds the matrix of another part of the data; one without classes takes the other's number.
  /// @throws std::invalid_argument where the numbers of classes differ.
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

  /// Samples of class t taken for class p; unchecked.
  double count(std::size_t t, std::size_t p) const { return counts_[t * classes_ + p]; }
  /// Samples of class c. O(C).
  double support(std::size_t c) const {
    double sum = 0;
    for (std::size_t p = 0; p < classes_; ++p) sum += count(c, p);
    return sum;
  }
  /// Samples taken for class c. O(C).
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
  /// Samples taken for their own class. O(C).
  double correct() const {
    double sum = 0;
    for (std::size_t c = 0; c < classes_; ++c) sum += count(c, c);
    return sum;
  }

  /// count(c, c) / predicted(c). O(C).
  double precision(std::size_t c, Absent absent = Absent::kZero) const {
    return ratio(count(c, c), predicted(c), absent);
  }
  /// count(c, c) / support(c). O(C).
  double recall(std::size_t c, Absent absent = Absent::kZero) const {
    return ratio(count(c, c), support(c), absent);
  }
  /// 2 count(c, c) / (support(c) + predicted(c)), the harmonic mean of the two. O(C).
  double f1(std::size_t c, Absent absent = Absent::kZero) const {
    return ratio(2 * count(c, c), support(c) + predicted(c), absent);
  }

  /// correct() / total(), which is micro-averaged precision, recall and F1 as well. O(C^2).
  double accuracy() const { return ratio(correct(), total(), Absent::kZero); }
  double micro_f1() const { return accuracy(); }

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

  /// Means over classes weighted by support; 0 without samples. O(C^2).
  double weighted_precision() const {
    return weighted([&](std::size_t c) { return precision(c); });
  }
  double weighted_recall() const {
    return weighted([&](std::size_t c) { return recall(c); });
  }
  double weighted_f1() const {
    return weighted([&](std::size_t c) { return f1(c); });
  }

  /// The mean recall over classes that have samples (Brodersen et al. 2010, "The balanced accuracy
  /// and its posterior distribution"). O(C^2).
  double balanced_accuracy() const { return macro_recall(Absent::kSkip); }

  /// The geometric mean of the recalls of classes that have samples: 0 as soon as one of them is
  /// never found (Kubat & Matwin 1997). O(C^2).
  double g_mean() const {
    double log_sum = 0;
    double present = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
      if (support(c) == 0) continue;
      if (count(c, c) == 0) return 0;
      log_sum += std::log(recall(c));
      present += 1;
    }
    return present > 0 ? std::exp(log_sum / present) : 0;
  }

  /// The multi-class Matthews correlation (Gorodkin 2004, "Comparing two K-category assignments by
  /// a K-category correlation coefficient"): with c correct among s samples, p_k predictions and
  /// t_k samples of class k, (c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)); 0
  /// where that is 0 / 0. O(C^2).
  double mcc() const {
    const double s = total();
    double cross = 0;
    double predictions = 0;
    double samples = 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      const double p = predicted(k);
      const double t = support(k);
      cross += p * t;
      predictions += p * p;
      samples += t * t;
    }
    const double scale = std::sqrt((s * s - predictions) * (s * s - samples));
    return scale > 0 ? (correct() * s - cross) / scale : 0;
  }

 private:
  static constexpr std::string_view kWhere = "ConfusionMatrix::add";

  void require(std::string_view name, std::int64_t value) const {
    if (detail::is_class(value, classes_)) return;
    detail::reject(kWhere, name, value, detail::class_range(classes_, std::nullopt));
  }

  template <class L, class P>
  [[noreturn]] void reject_first(std::span<const L> truth, std::span<const P> predicted,
                                 std::optional<std::int64_t> ignore_index) const {
    for (std::size_t i = 0;; ++i) {
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

  static double ratio(double part, double whole, Absent absent) {
    if (whole > 0) return part / whole;
    if (absent == Absent::kOne) return 1;
    return absent == Absent::kZero ? 0 : detail::quiet_nan();
  }

  // The mean of a figure over the classes, NaN where it is undefined.
  template <class F>
  double mean(Absent absent, const F& figure) const {
    double sum = 0;
    double classes = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
      const double value = figure(c);
      const bool defined = !detail::is_nan(value);
      if (!defined && absent == Absent::kSkip) continue;
      if (!defined && absent == Absent::kNaN) return value;
      sum += defined ? value : (absent == Absent::kOne ? 1 : 0);
      classes += 1;
    }
    return classes > 0 ? sum / classes : 0;
  }

  template <class F>
  double weighted(const F& figure) const {
    double sum = 0;
    for (std::size_t c = 0; c < classes_; ++c) sum += support(c) * figure(c);
    return ratio(sum, total(), Absent::kZero);
  }

  std::size_t classes_;
  std::vector<double> counts_;  // row t, column p
};

/// A table of precision, recall, F1 and support, a line a class, then accuracy and the averages:
/// the layout of scikit-learn's classification_report. `names` has one name a class; empty: their
/// numbers.
/// @throws std::invalid_argument where the number of names is not that of the classes, and for
/// digits outside [0, 15].
inline std::string report(const ConfusionMatrix& matrix, std::span<const std::string> names = {},
                          int digits = 2) {
  constexpr std::string_view kWhere = "report";
  if (!names.empty()) {
    detail::require_size(kWhere, "names", names.size(), matrix.classes(), "classes");
  }
  if (digits < 0 || digits > 15) detail::reject(kWhere, "digits", digits, "a number in [0, 15]");
  const std::string_view average = "weighted avg";
  std::size_t width = average.size();
  for (const std::string& name : names) width = std::max(width, name.size());

  std::string text;
  const auto cell = [&](std::string_view content, std::size_t columns) {
    text.append(columns > content.size() ? columns - content.size() : 0, ' ');
    text += content;
  };
  const auto number = [&](double x, int decimals) {
    std::array<char, 64> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, x);
    return std::string(buffer.data());
  };
  const std::size_t column = std::max<std::size_t>(10, static_cast<std::size_t>(digits) + 4);
  const auto line = [&](std::string_view name, const std::array<std::optional<double>, 3>& figures,
                        double support) {
    cell(name, width);
    text += ' ';
    for (const std::optional<double>& figure : figures) {
      cell(figure ? number(*figure, digits) : "", column);
    }
    cell(number(support, 0), column);
    text += '\n';
  };

  cell("", width + 1);
  for (const char* title : {"precision", "recall", "f1-score", "support"}) cell(title, column);
  text += "\n\n";
  for (std::size_t c = 0; c < matrix.classes(); ++c) {
    line(names.empty() ? std::to_string(c) : names[c],
         {matrix.precision(c), matrix.recall(c), matrix.f1(c)}, matrix.support(c));
  }
  text += '\n';
  const double total = matrix.total();
  line("accuracy", {std::nullopt, std::nullopt, matrix.accuracy()}, total);
  line("macro avg", {matrix.macro_precision(), matrix.macro_recall(), matrix.macro_f1()}, total);
  line(average, {matrix.weighted_precision(), matrix.weighted_recall(), matrix.weighted_f1()},
       total);
  return text;
}

}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_CONFUSION_H_
