// A metric for each of several groups of rows: languages, domains, annotators.
#ifndef EQUIPOISE_METRICS_GROUPED_H_
#define EQUIPOISE_METRICS_GROUPED_H_

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// A metric whose sums over rows merge by += into those of more rows.
template <class M>
concept MergeableMetric = std::copyable<M> && std::equality_comparable<M> &&
    requires(M& sum, const M& other) {
  sum += other;
};

/// A group and the value of its metric.
struct GroupMetric {
  std::size_t group = 0;
  double value = 0;

  friend bool operator==(const GroupMetric&, const GroupMetric&) = default;
};

/// Which values of a metric are good ones.
enum class Better {
  kHigher,  ///< accuracy, F1, areas under curves
  kLower,   ///< errors: ECE, negative log-likelihood, Brier score, Hamming loss
};

/// One metric object per group. It gives the value for each group, the mean with all groups
/// weighted equally (macro) and the worst value, all of which a value over all rows hides if groups
/// differ in size. A figure is a callable of a const Metric&, such as [](const ConfusionMatrix& m)
/// { return m.macro_f1(); }.
///
/// A group has no rows if its metric is still the empty one; then no value of it is defined.
template <MergeableMetric Metric>
class Grouped {
 public:
  /// Every group's metric is a copy of `empty`, which has no rows.
  explicit Grouped(std::size_t groups = 0, const Metric& empty = Metric())
      : empty_(empty), metrics_(groups, empty) {}

  /// The number G of groups.
  std::size_t groups() const { return metrics_.size(); }
  /// The metric of group g, unchecked.
  const Metric& group(std::size_t g) const { return metrics_[g]; }
  Metric& group(std::size_t g) { return metrics_[g]; }

  /// Adds rows: add_row(metric, r) for each row r, with the metric of its group. O(N + groups).
  ///
  ///   grouped.add_rows(languages, [&](ConfusionMatrix& m, std::size_t r) {
  ///     m.add(targets[r], predictions[r]);
  ///   });
  /// @throws std::invalid_argument for a group outside [0, groups), and whatever add_row throws;
  /// nothing is added then.
  template <LabelRange G, std::invocable<Metric&, std::size_t> F>
  void add_rows(const G& row_groups, const F& add_row) {
    const auto group_of = as_span(row_groups);
    for (std::size_t r = 0; r < group_of.size(); ++r) {
      if (detail::is_class(group_of[r], groups())) continue;
      detail::reject_element("Grouped::add_rows", "row_groups", r, group_of[r],
                             "a group in [0, " + detail::to_text(groups()) + ")");
    }
    std::vector<Metric> added(groups(), empty_);
    for (std::size_t r = 0; r < group_of.size(); ++r) {
      add_row(added[static_cast<std::size_t>(group_of[r])], r);
    }
    for (std::size_t g = 0; g < groups(); ++g) metrics_[g] += added[g];
  }

  /// The metric of all rows.
  Metric total() const {
    Metric sum = empty_;
    for (const Metric& metric : metrics_) sum += metric;
    return sum;
  }

  /// Adds the metrics of other rows, group by group; an object without groups adopts the other's
  /// number of groups.
  /// @throws std::invalid_argument if the numbers of groups differ, and as Metric's +=.
  Grouped& operator+=(const Grouped& other) {
    if (metrics_.empty()) return *this = other;
    if (other.metrics_.empty()) return *this;
    detail::require_size("Grouped::operator+=", "other", other.groups(), groups(),
                         "groups on the left");
    for (std::size_t g = 0; g < groups(); ++g) metrics_[g] += other.metrics_[g];
    return *this;
  }
  friend bool operator==(const Grouped&, const Grouped&) = default;

  /// Gathers the rows of all ranks; every rank calls it. `all_reduce_sum` sums a std::span<double>
  /// over ranks in place.
  /// @throws std::invalid_argument for a rank outside [0, world).
  template <class Sum>
  void gather(const Sum& all_reduce_sum, std::size_t rank, std::size_t world) {
    detail::require_rank("Grouped::gather", "rank", rank, world);
    for (Metric& metric : metrics_) {
      if constexpr (requires { metric.all_reduce_buffer(); }) {
        all_reduce_sum(metric.all_reduce_buffer());
      } else {
        metric.gather(all_reduce_sum, rank, world);
      }
    }
  }

  /// The value for each group; NaN for groups without rows.
  template <class F>
  std::vector<double> figures(const F& figure) const {
    std::vector<double> values;
    for (const Metric& metric : metrics_) {
      values.push_back(metric == empty_ ? detail::quiet_nan()
                                        : static_cast<double>(figure(metric)));
    }
    return values;
  }

  /// The mean over groups, by default without those that have no rows or an undefined value.
  template <class F>
  double macro(const F& figure, Absent absent = Absent::kSkip) const {
    const std::vector<double> values = figures(figure);
    return detail::mean_figure(
        groups(), absent, [&](std::size_t g) { return values[g]; },
        [&](std::size_t g) { return !(metrics_[g] == empty_); });
  }

  /// The group with the worst value: the lowest, or the highest if lower is better, as for errors;
  /// the first among equals. Empty if no group has a value.
  template <class F>
  std::optional<GroupMetric> worst(const F& figure, Better better = Better::kHigher) const {
    const std::vector<double> values = figures(figure);
    const auto is_worse = [&](double a, double b) {
      return better == Better::kHigher ? a < b : a > b;
    };
    std::optional<GroupMetric> result;
    for (std::size_t g = 0; g < groups(); ++g) {
      if (detail::is_nan(values[g]) || (result && !is_worse(values[g], result->value))) continue;
      result = {g, values[g]};
    }
    return result;
  }

 private:
  Metric empty_;
  std::vector<Metric> metrics_;
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_GROUPED_H_
