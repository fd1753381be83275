// How often each class occurs: the input of every weight, mix and logit term.
#ifndef EQUIPOISE_COUNTS_H_
#define EQUIPOISE_COUNTS_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/offsets.h"
#include "equipoise/kernels/histogram.h"
#include "equipoise/view.h"

namespace equipoise {

/// The label that stands for "no label" unless told otherwise, as in LibTorch.
inline constexpr std::int64_t kIgnoreIndex = -100;

/// Mass per class: numbers of rows, tokens, spans or sequences, or sums of sample weights.
///
/// Masses are doubles, exact for integers up to 2^53. Besides the mass n_c, the counts hold each
/// class's coverage (the mass of the sequences that contain c; for counts without sequences, the
/// total), the number of labels counted and the number ignored. All of these add up: += merges the
/// counts of parts of the data into the counts of the whole, and all_reduce_buffer() can be summed
/// over ranks in place.
class ClassCounts {
 public:
  ClassCounts() = default;

  /// All zero.
  explicit ClassCounts(std::size_t classes) : classes_(classes), buffer_(2 * classes + 2, 0.0) {}

  /// Known masses, n_c = mass[c]. The number of labels counted is taken to be their sum.
  /// @throws std::invalid_argument for a negative, NaN or infinite mass.
  explicit ClassCounts(std::span<const double> mass) : ClassCounts(mass.size()) {
    detail::require_masses("ClassCounts", "mass", mass);
    double sum = 0;
    for (std::size_t c = 0; c < classes_; ++c) sum += buffer_[c] = mass[c];
    std::fill_n(buffer_.begin() + static_cast<std::ptrdiff_t>(classes_), classes_, sum);
    counted() = sum;
  }
  ClassCounts(std::initializer_list<double> mass)
      : ClassCounts(std::span<const double>(mass.begin(), mass.size())) {}

  /// The number C of classes.
  std::size_t classes() const { return classes_; }

  /// The mass n_c of class c, unchecked.
  double operator[](std::size_t c) const {
    EQUIPOISE_DCHECK(c < classes_);
    return buffer_[c];
  }

  /// All masses, in class order.
  std::span<const double> values() const { return {buffer_.data(), classes_}; }

  /// The mass of the sequences that contain class c; the total mass for counts without sequences.
  double coverage(std::size_t c) const { return buffer_[classes_ + c]; }

  /// Sum of all masses. O(C).
  double total() const {
    double sum = 0;
    for (const double mass : values()) sum += mass;
    return sum;
  }

  /// Number of labels counted, each once whatever its weight.
  double rows() const { return classes_ == 0 ? 0 : buffer_[2 * classes_]; }

  /// Number of labels that were the ignore index.
  double ignored() const { return classes_ == 0 ? 0 : buffer_[2 * classes_ + 1]; }

  /// The whole state, as 2C + 2 numbers that can be summed over ranks in place.
  std::span<double> all_reduce_buffer() { return buffer_; }

  /// Adds the counts of another part of the data. Counts without classes adopt the other's number
  /// of classes.
  /// @throws std::invalid_argument if the numbers of classes differ.
  ClassCounts& operator+=(const ClassCounts& other) {
    if (buffer_.empty()) return *this = other;
    if (other.buffer_.empty()) return *this;
    detail::require_size("ClassCounts::operator+=", "other", other.classes_, classes_,
                         "classes on the left");
    for (std::size_t i = 0; i < buffer_.size(); ++i) buffer_[i] += other.buffer_[i];
    return *this;
  }
  friend ClassCounts operator+(ClassCounts a, const ClassCounts& b) { return a += b; }
  friend bool operator==(const ClassCounts&, const ClassCounts&) = default;

 private:
  friend struct CountBuilder;
  double& counted() { return buffer_[2 * classes_]; }

  std::size_t classes_ = 0;
  std::vector<double> buffer_;  // masses, coverages, rows, ignored
};

/// Options of the counting functions.
struct CountOptions {
  /// Labels equal to this one are not counted; without it every label must be a class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
};

/// Builds counts; users call the counting functions below.
struct CountBuilder {
  ClassCounts counts;
  explicit CountBuilder(std::size_t classes) : counts(classes) {}
  double& mass(std::size_t c) { return counts.buffer_[c]; }
  double& coverage(std::size_t c) { return counts.buffer_[counts.classes_ + c]; }
  double& rows() { return counts.buffer_[2 * counts.classes_]; }
  double& ignored() { return counts.buffer_[2 * counts.classes_ + 1]; }
  /// Without sequences the coverage of every class is the total.
  ClassCounts build() && {
    const double total = counts.total();
    for (std::size_t c = 0; c < counts.classes(); ++c) coverage(c) = total;
    return std::move(counts);
  }
};

namespace detail {

template <class L>
bool is_ignored(L label, std::optional<std::int64_t> ignore_index) {
  return ignore_index &&
         static_cast<std::uint64_t>(label) == static_cast<std::uint64_t>(*ignore_index);
}

// Negative labels become huge when converted, so one comparison finds them too.
template <class L>
bool is_class(L label, std::size_t classes) {
  return static_cast<std::uint64_t>(label) < classes;
}

inline std::string class_range(std::size_t classes,
                               const std::optional<std::int64_t>& ignore_index) {
  return "a class in [0, " + to_text(classes) + ")" +
         (ignore_index ? " or the ignore index " + to_text(*ignore_index) : "");
}

// Names the first label that is neither a class nor ignored.
template <class L>
[[noreturn]] void reject_first_invalid(std::string_view where, std::string_view argument,
                                       std::span<const L> labels, std::size_t classes,
                                       const std::optional<std::int64_t>& ignore_index) {
  std::size_t i = 0;
  while (is_ignored(labels[i], ignore_index) || is_class(labels[i], classes)) ++i;
  reject_element(where, argument, i, labels[i], class_range(classes, ignore_index));
}

inline void require_ignore_index_is_no_class(std::string_view where, std::size_t classes,
                                             std::optional<std::int64_t> ignore_index) {
  constexpr std::int64_t kNone = -1;  // not a class; spelt out, so g++ 12 sees that it is set
  const std::int64_t value = ignore_index.value_or(kNone);
  if (is_class(value, classes)) {
    reject(where, "ignore_index", value, "a number outside [0, " + to_text(classes) + ")");
  }
}

// Integer counts of labels; errors name the caller. Every function that starts from labels uses it.
template <class L>
EQUIPOISE_HOST_INLINE kernels::HistogramTotals count_or_reject(
    std::string_view where, std::span<const L> labels, std::size_t classes,
    std::optional<std::int64_t> ignore_index, std::uint64_t* counts) {
  require_ignore_index_is_no_class(where, classes, ignore_index);
  const kernels::HistogramTotals totals = kernels::histogram(labels, classes, ignore_index, counts);
  if (!totals.valid) reject_first_invalid(where, "labels", labels, classes, ignore_index);
  return totals;
}

}  // namespace detail

/// n_c = number of labels equal to c, for c in [0, classes). Labels may be of any integer type.
///
/// O(N + C) time at a few bytes per cycle, O(C) memory. Without labels all counts are zero.
/// @throws std::invalid_argument for a label that is neither a class nor the ignore index, naming
/// the first one, and for an ignore index that is a class.
template <LabelRange R>
EQUIPOISE_HOST_INLINE ClassCounts count_labels(const R& labels, std::size_t classes,
                                               const CountOptions& options = {}) {
  std::vector<std::uint64_t> counts(classes);
  const auto values = as_span(labels);
  const kernels::HistogramTotals totals =
      detail::count_or_reject("count_labels", values, classes, options.ignore_index, counts.data());
  CountBuilder builder(classes);
  if (classes == 0) return std::move(builder).build();
  for (std::size_t c = 0; c < classes; ++c) builder.mass(c) = static_cast<double>(counts[c]);
  builder.ignored() = static_cast<double>(totals.ignored);
  builder.rows() = static_cast<double>(values.size()) - builder.ignored();
  return std::move(builder).build();
}

/// n_c = sum of sample_weights[i] over the labels equal to c. The weight of an ignored label is
/// checked but not used.
///
/// O(N + C); sums are taken in order, in double.
/// @throws std::invalid_argument as above, for sizes that differ, and for a weight that is
/// negative, NaN or infinite.
template <LabelRange R, FloatRange W>
ClassCounts count_labels(const R& labels, const W& sample_weights, std::size_t classes,
                         const CountOptions& options = {}) {
  constexpr std::string_view kWhere = "count_labels";
  const auto values = as_span(labels);
  const auto weights = as_span(sample_weights);
  detail::require_size(kWhere, "sample_weights", weights.size(), values.size(), "labels");
  detail::require_masses(kWhere, "sample_weights", weights);
  detail::require_ignore_index_is_no_class(kWhere, classes, options.ignore_index);
  CountBuilder builder(classes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (detail::is_class(values[i], classes)) {
      builder.mass(static_cast<std::size_t>(values[i])) += static_cast<double>(weights[i]);
      builder.rows() += 1;
    } else if (detail::is_ignored(values[i], options.ignore_index)) {
      if (classes > 0) builder.ignored() += 1;
    } else {
      detail::reject_first_invalid(kWhere, "labels", values, classes, options.ignore_index);
    }
  }
  return std::move(builder).build();
}

/// Token counts together with each class's coverage: the number of counted tokens in the sequences
/// that contain the class. Sequence s holds labels[offsets[s], offsets[s + 1]).
///
/// Median-frequency weights are defined on these (Eigen & Fergus 2015). O(N + C).
/// @throws std::invalid_argument as count_labels(), and for offsets that do not start at 0, that
/// decrease, or that do not end at labels.size().
template <LabelRange R, LabelRange O>
ClassCounts count_sequences(const R& labels, const O& offsets, std::size_t classes,
                            const CountOptions& options = {}) {
  constexpr std::string_view kWhere = "count_sequences";
  const auto values = as_span(labels);
  const auto bounds = as_span(offsets);
  detail::require_offsets(kWhere, bounds, values.size());
  detail::require_ignore_index_is_no_class(kWhere, classes, options.ignore_index);

  CountBuilder builder(classes);
  std::vector<std::size_t> last_sequence(classes, 0);  // that had the class, counted from 1
  std::vector<std::size_t> present;                    // classes of the current sequence
  for (std::size_t s = 1; s < bounds.size(); ++s) {
    double counted = 0;
    present.clear();
    for (auto i = static_cast<std::size_t>(bounds[s - 1]); i < static_cast<std::size_t>(bounds[s]);
         ++i) {
      if (detail::is_ignored(values[i], options.ignore_index)) {
        if (classes > 0) builder.ignored() += 1;
        continue;
      }
      if (!detail::is_class(values[i], classes)) {
        detail::reject_first_invalid(kWhere, "labels", values, classes, options.ignore_index);
      }
      const auto c = static_cast<std::size_t>(values[i]);
      builder.mass(c) += 1;
      counted += 1;
      if (last_sequence[c] != s) {
        last_sequence[c] = s;
        present.push_back(c);
      }
    }
    for (const std::size_t c : present) builder.coverage(c) += counted;
    if (classes > 0) builder.rows() += counted;
  }
  return std::move(builder.counts);
}

/// Class counts for each of several groups: languages, domains, annotators.
class GroupedCounts {
 public:
  GroupedCounts() = default;
  GroupedCounts(std::size_t groups, std::size_t classes) : groups_(groups, ClassCounts(classes)) {}
  /// The counts of each group, all over the same classes.
  /// @throws std::invalid_argument if the numbers of classes differ.
  explicit GroupedCounts(std::vector<ClassCounts> groups) : groups_(std::move(groups)) {
    for (std::size_t g = 1; g < groups_.size(); ++g) {
      detail::require_size("GroupedCounts", "groups[" + detail::to_text(g) + "]",
                           groups_[g].classes(), groups_[0].classes(), "classes of groups[0]");
    }
  }

  /// The number G of groups, and the number C of classes, which all groups share.
  std::size_t groups() const { return groups_.size(); }
  std::size_t classes() const { return groups_.empty() ? 0 : groups_[0].classes(); }

  /// The counts of group g, unchecked.
  const ClassCounts& group(std::size_t g) const {
    EQUIPOISE_DCHECK(g < groups_.size());
    return groups_[g];
  }

  /// The counts over all groups. O(G C).
  ClassCounts total() const {
    ClassCounts sum(classes());
    for (const ClassCounts& counts : groups_) sum += counts;
    return sum;
  }

  /// Adds the counts of another part of the data, group by group.
  /// @throws std::invalid_argument if the numbers of groups or classes differ.
  GroupedCounts& operator+=(const GroupedCounts& other) {
    if (groups_.empty()) return *this = other;
    if (other.groups_.empty()) return *this;
    detail::require_size("GroupedCounts::operator+=", "other", other.groups(), groups(),
                         "groups on the left");
    detail::require_size("GroupedCounts::operator+=", "other.group(0)", other.classes(), classes(),
                         "classes on the left");
    for (std::size_t g = 0; g < groups_.size(); ++g) groups_[g] += other.groups_[g];
    return *this;
  }
  friend bool operator==(const GroupedCounts&, const GroupedCounts&) = default;

 private:
  std::vector<ClassCounts> groups_;
};

/// n_{g,c} = number of labels equal to c in rows of group g. The group of an ignored label is not
/// read. O(N + G C).
/// @throws std::invalid_argument as count_labels(), for sizes that differ, and for a group outside
/// [0, groups).
template <LabelRange R, LabelRange G>
GroupedCounts count_grouped(const R& labels, const G& row_groups, std::size_t groups,
                            std::size_t classes, const CountOptions& options = {}) {
  constexpr std::string_view kWhere = "count_grouped";
  const auto values = as_span(labels);
  const auto group_of = as_span(row_groups);
  detail::require_size(kWhere, "row_groups", group_of.size(), values.size(), "labels");
  detail::require_ignore_index_is_no_class(kWhere, classes, options.ignore_index);
  std::vector<CountBuilder> builders(groups, CountBuilder(classes));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool ignored = detail::is_ignored(values[i], options.ignore_index);
    if (!ignored && !detail::is_class(values[i], classes)) {
      detail::reject_first_invalid(kWhere, "labels", values, classes, options.ignore_index);
    }
    if (!detail::is_class(group_of[i], groups)) {
      if (ignored) continue;
      detail::reject_element(kWhere, "row_groups", i, group_of[i],
                             "a group in [0, " + detail::to_text(groups) + ")");
    }
    CountBuilder& builder = builders[static_cast<std::size_t>(group_of[i])];
    if (ignored) {
      if (classes > 0) builder.ignored() += 1;
    } else {
      builder.mass(static_cast<std::size_t>(values[i])) += 1;
      builder.rows() += 1;
    }
  }
  std::vector<ClassCounts> counts;
  counts.reserve(groups);
  for (CountBuilder& builder : builders) counts.push_back(std::move(builder).build());
  return GroupedCounts(std::move(counts));
}

/// The input of weight policies and logit transforms: counts, smoothed on request, and their
/// statistics.
///
/// With smoothing lambda the count of every class is n_c + lambda (a symmetric Dirichlet prior), so
/// no class is empty. Everything is computed once, in O(C log C); the accessors are O(1).
class CountSummary {
 public:
  /// @throws std::invalid_argument for counts without classes, and for a smoothing that is
  /// negative, NaN or infinite.
  explicit CountSummary(const ClassCounts& counts, double smoothing = 0) : rows_(counts.rows()) {
    if (counts.classes() == 0) detail::reject("CountSummary", "counts.classes()", 0, "at least 1");
    detail::require_not_negative("CountSummary", "smoothing", smoothing);
    const double added = smoothing * static_cast<double>(counts.classes());
    std::vector<double> present;
    std::vector<double> frequencies;
    for (std::size_t c = 0; c < counts.classes(); ++c) {
      counts_.push_back(counts[c] + smoothing);
      coverages_.push_back(counts.coverage(c) + added);
      total_ += counts_[c];
      if (counts_[c] > 0) {
        present.push_back(counts_[c]);
        frequencies.push_back(frequency(c));
      }
    }
    present_ = present.size();
    if (present.empty()) return;
    median_ = median_of(present);
    median_frequency_ = median_of(frequencies);
    const auto [least, most] = std::minmax_element(present.begin(), present.end());
    min_present_ = *least;
    max_ = *most;
  }

  /// The number C of classes.
  std::size_t classes() const { return counts_.size(); }
  /// n_c, smoothed; unchecked.
  double count(std::size_t c) const { return counts_[c]; }
  std::span<const double> counts() const { return counts_; }
  /// The mass of the sequences that contain c, smoothed like the counts.
  double coverage(std::size_t c) const { return coverages_[c]; }
  /// n_c / coverage(c); 0 for a class without samples.
  double frequency(std::size_t c) const { return counts_[c] > 0 ? counts_[c] / coverages_[c] : 0; }
  /// n_c / total(), the prior pi_c; 0 where nothing was counted.
  double share(std::size_t c) const { return total_ > 0 ? counts_[c] / total_ : 0; }
  /// Sum of n_c, smoothed.
  double total() const { return total_; }
  /// Number of labels counted, without smoothing.
  double rows() const { return rows_; }
  /// Number of classes with n_c > 0.
  std::size_t present() const { return present_; }
  /// Statistics over the classes with n_c > 0; 0 if there is none. The median of an even number is
  /// the mean of the middle two.
  double max() const { return max_; }
  double min_present() const { return min_present_; }
  double median() const { return median_; }
  double median_frequency() const { return median_frequency_; }

 private:
  static double median_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
  }

  std::vector<double> counts_;
  std::vector<double> coverages_;
  double rows_ = 0;
  double total_ = 0;
  std::size_t present_ = 0;
  double max_ = 0;
  double min_present_ = 0;
  double median_ = 0;
  double median_frequency_ = 0;
};

}  // namespace equipoise

#endif  // EQUIPOISE_COUNTS_H_
