// How far probabilities are from frequencies: expected calibration error, likelihood, Brier score.
#ifndef EQUIPOISE_METRICS_CALIBRATION_H_
#define EQUIPOISE_METRICS_CALIBRATION_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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

namespace equipoise::detail {

// How far the sum of a row of probabilities may be from 1.
inline constexpr double kProbabilitySumTolerance = 1e-4;

}  // namespace equipoise::detail

namespace equipoise::metrics {

/// Calibration of predicted distributions over C classes: sums over rows from which errors,
/// likelihood and diagrams are read. Sums of parts merge by += into those of the whole.
///
/// Probabilities fall into bins (l, r] of equal width; 0 falls into the first one. Without rows
/// errors are NaN, because 0 would be the best value.
class Calibration {
 public:
  /// @throws std::invalid_argument for bins outside [1, 2^20].
  explicit Calibration(std::size_t classes = 0, std::size_t bins = 15)
      : classes_(classes), bins_(bins) {
    detail::require_bins("Calibration", bins);
    if (classes > 0) sums_.assign(kTotals + grid().size(classes + 1), 0.0);
  }

  /// The number C of classes.
  std::size_t classes() const { return classes_; }
  std::size_t bins() const { return bins_; }

  /// Adds rows: N x C probabilities, N targets. Rows whose target is the ignore index are left out,
  /// whatever their probabilities. O(N C).
  ///
  /// The default of `sum_tolerance` is for probabilities of float and double; probabilities that
  /// were rounded to a half type need more: 1e-4 plus the type's rounding, 2^-11 for half, 2^-8 for
  /// bfloat16.
  /// @throws std::invalid_argument for sizes that differ, a target that is neither a class nor the
  /// ignore index, a probability that is negative or not finite, a row whose sum is further than
  /// `sum_tolerance` from 1, and a tolerance that is negative or not finite; nothing is added then.
  template <FloatElement T, LabelRange Targets>
  void add(const MatrixView<T>& probabilities, const Targets& targets,
           std::optional<std::int64_t> ignore_index = std::nullopt,
           double sum_tolerance = detail::kProbabilitySumTolerance) {
    const auto truth = as_span(targets);
    require(probabilities, truth, ignore_index, sum_tolerance);
    for (std::size_t r = 0; r < truth.size(); ++r) {
      if (detail::is_ignored(truth[r], ignore_index)) continue;
      add_row(probabilities, r, static_cast<std::size_t>(truth[r]));
    }
  }

  /// Adds the sums of other rows; an object without classes adopts the other's number of classes.
  /// @throws std::invalid_argument if the numbers of classes or bins differ.
  Calibration& operator+=(const Calibration& other) {
    constexpr std::string_view kWhere = "Calibration::operator+=";
    if (sums_.empty()) return *this = other;
    if (other.sums_.empty()) return *this;
    detail::require_size(kWhere, "other", other.classes_, classes_, "classes on the left");
    detail::require_size(kWhere, "bins of other", other.bins_, bins_, "bins on the left");
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
    return *this;
  }
  friend bool operator==(const Calibration&, const Calibration&) = default;

  /// The whole state, to be summed over ranks in place: the number of rows, the sums of -log p_y
  /// and of squared errors; then for each diagram (of the top label, of each class) and bin the
  /// count, the sum of the probabilities and the number that came true.
  std::span<double> all_reduce_buffer() { return sums_; }

  /// The number of rows.
  double total() const { return sums_.empty() ? 0 : sums_[0]; }

  /// The mean of -log p_y, in nats; infinite if some p_y is 0. O(1).
  double nll() const { return mean(1); }

  /// The mean of sum_c (p_c - [c = y])^2, in [0, 2] (Brier 1950, "Verification of forecasts
  /// expressed in terms of probability"). O(1).
  double brier() const { return mean(2); }

  /// The expected calibration error of the top label (Naeini et al. 2015; Guo et al. 2017,
  /// arXiv:1706.04599): sum_b n_b / n |frequency_b - confidence_b| over the bins of the largest
  /// probability. If one class has most rows, that class dominates it: see class_wise_ece().
  /// O(bins).
  double ece() const { return error_of(0); }

  /// The largest |frequency_b - confidence_b| over bins with rows. O(bins).
  double maximum_error() const {
    if (total() == 0) return detail::quiet_nan();
    double most = 0;
    for (std::size_t b = 0; b < bins_; ++b) {
      const ReliabilityBin bin = top_label_bin(b);
      most = std::max(most, std::fabs(bin.frequency - bin.confidence));
    }
    return most;
  }

  /// The calibration error of one class's probabilities against "is it this class?". O(bins).
  double ece(std::size_t c) const { return error_of(c + 1); }

  /// Its mean over classes (Nixon et al. 2019, arXiv:1904.01685; Kull et al. 2019,
  /// arXiv:1910.12656). Every row counts for every class, so a class without samples has a value
  /// too, usually a small one: Absent::kSkipUnsupported leaves it out. Without rows no class has
  /// one. O(C bins).
  double class_wise_ece(Absent absent = Absent::kSkip) const {
    return detail::mean_figure(
        classes_, absent, [&](std::size_t c) { return ece(c); },
        [&](std::size_t c) { return grid().came_true(diagrams(), c + 1) > 0; });
  }

  /// Bin b of the reliability diagram of the top label, and of class c.
  ReliabilityBin top_label_bin(std::size_t b) const { return bin_of(0, b); }
  ReliabilityBin bin(std::size_t c, std::size_t b) const { return bin_of(c + 1, b); }

 private:
  static constexpr std::size_t kTotals = 3;  // rows, sum of -log p_y, sum of squares

  template <class T, class Y>
  void require(const MatrixView<T>& probabilities, std::span<const Y> targets,
               std::optional<std::int64_t> ignore_index, double sum_tolerance) const {
    constexpr std::string_view kWhere = "Calibration::add";
    detail::require_not_negative(kWhere, "sum_tolerance", sum_tolerance);
    detail::require_count(kWhere, "probabilities.cols", probabilities.cols, classes_, "classes");
    detail::require_size(kWhere, "targets", targets.size(), probabilities.rows,
                         "rows of probabilities");
    detail::require_ignore_index_is_no_class(kWhere, classes_, ignore_index);
    for (std::size_t r = 0; r < targets.size(); ++r) {
      if (detail::is_ignored(targets[r], ignore_index)) continue;
      if (!detail::is_class(targets[r], classes_)) {
        detail::reject_element(kWhere, "targets", r, targets[r],
                               detail::class_range(classes_, ignore_index));
      }
      double sum = 0;
      for (std::size_t c = 0; c < classes_; ++c) {
        const auto p = static_cast<double>(probabilities(r, c));
        if (!detail::is_finite(p) || p < 0) {
          detail::reject_cell(kWhere, "probabilities", r, c, p, "a finite number >= 0");
        }
        sum += p;
      }
      if (!detail::is_finite(sum) || std::fabs(sum - 1) > sum_tolerance) {
        detail::reject(kWhere, "sum of row " + detail::to_text(r) + " of probabilities", sum, "1");
      }
    }
  }

  template <class T>
  void add_row(const MatrixView<T>& probabilities, std::size_t r, std::size_t y) {
    std::size_t top = 0;
    double squares = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
      const auto p = static_cast<double>(probabilities(r, c));
      if (probabilities(r, c) > probabilities(r, top)) top = c;
      const double error = p - (c == y ? 1 : 0);
      squares += error * error;
      grid().add(diagrams(), c + 1, p, c == y);
    }
    const auto of_target = static_cast<double>(probabilities(r, y));
    sums_[0] += 1;
    sums_[1] += of_target > 0 ? -std::log(of_target) : detail::infinity();
    sums_[2] += squares;
    grid().add(diagrams(), 0, static_cast<double>(probabilities(r, top)), top == y);
  }

  // Diagram 0 is for the top label, diagram c + 1 for class c.
  detail::ReliabilityGrid grid() const { return {bins_}; }
  std::span<double> diagrams() { return std::span(sums_).subspan(kTotals); }
  std::span<const double> diagrams() const { return std::span(sums_).subspan(kTotals); }
  ReliabilityBin bin_of(std::size_t diagram, std::size_t b) const {
    return grid().bin(diagrams(), diagram, b);
  }
  double error_of(std::size_t diagram) const {
    return detail::ratio(grid().error(diagrams(), diagram), total(), Absent::kNaN);
  }
  double mean(std::size_t i) const {
    return total() > 0 ? sums_[i] / total() : detail::quiet_nan();
  }

  std::size_t classes_;
  std::size_t bins_;
  std::vector<double> sums_;
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_CALIBRATION_H_
