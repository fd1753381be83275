// The smoothed bootstrap: rows again, with noise.
#ifndef EQUIPOISE_RESAMPLING_SMOOTHED_BOOTSTRAP_H_
#define EQUIPOISE_RESAMPLING_SMOOTHED_BOOTSTRAP_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/resampling/detail/blocked_search.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/detail/missing_rows.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// Oversampling by rows as they are: each missing row of a class is one of its rows, all equally
/// often. With BootstrapNoise added it is the smoothed bootstrap.
struct Bootstrap {
  /// One group, without neighbours, for each class that has fewer rows than targets[c]. O(N).
  /// @throws std::invalid_argument for sizes that differ, a label that is no class, and a target
  /// below the rows of its class.
  template <FloatElement T, LabelRange R>
  EQUIPOISE_HOST_INLINE std::vector<RecipeGroup> operator()(
      const MatrixView<T>& rows, const R& labels, std::span<const std::uint64_t> targets) const {
    std::vector<RecipeGroup> groups;
    detail::for_each_missing("Bootstrap", rows, labels, targets,
                             [&](std::size_t c, std::uint64_t missing,
                                 const detail::ClassLists& lists) EQUIPOISE_INLINE_LAMBDA {
                               groups.push_back({c, missing, detail::to_vector(lists.of(c))});
                             });
    return groups;
  }

  friend bool operator==(const Bootstrap&, const Bootstrap&) = default;
};

/// The noise of the smoothed bootstrap, ROSE (Menardi & Torelli 2014, "Training and assessing
/// classification rules with imbalanced data"): to each column d of a row of class c is added
/// h_c s_cd z, where z is standard normal, s_cd the standard deviation of the column in the class
/// (with n_c - 1), and h_c = shrinkage (4 / ((D + 2) n_c))^(1 / (D + 4)), Silverman's bandwidth for
/// the n_c rows of the class. imbalanced-learn's RandomOverSampler(shrinkage=) puts the rows of all
/// classes for n_c there, so its noise is less, and divides by n_c for s_cd.
///
/// Noise is a pure function of (seed, position, column), so a batch by any rank gets what the whole
/// stream gets; equal on all platforms up to the rounding of their logarithms and cosines.
class BootstrapNoise {
 public:
  /// O(N D) time, O(C D) memory. A class with one row has no spread and gets no noise.
  /// @throws std::invalid_argument for sizes that differ, a label that is no class, an element that
  /// is NaN or infinite, and a shrinkage that is negative.
  template <FloatElement T, LabelRange R>
  EQUIPOISE_HOST_INLINE BootstrapNoise(const MatrixView<T>& rows, const R& labels,
                                       std::size_t classes, std::uint64_t seed,
                                       double shrinkage = 1)
      : random_{seed}, columns_(rows.cols), scales_(classes * rows.cols) {
    detail::require_not_negative(kWhere, "shrinkage", shrinkage);
    const auto lists = detail::class_lists(kWhere, rows, labels, classes);
    const auto view = detail::const_view(rows);
    for (std::size_t i = 0; i < rows.rows; ++i) detail::require_finite_row(kWhere, view, i);
    for (std::size_t c = 0; c < classes; ++c) set_scales(view, c, lists.of(c), shrinkage);
  }

  /// The standard deviation of the noise in a column of a class.
  double scale(std::size_t c, std::size_t column) const { return scales_[c * columns_ + column]; }

  /// Adds the noise of the positions t, t + stride, ... to the rows of `out`, whose classes are
  /// `labels`. Rows that are to stay as they are, such as original ones, are not to be passed.
  /// @throws std::invalid_argument for sizes that differ and a label that is no class.
  template <FloatElement T, LabelRange R>
  void add(std::uint64_t t, const R& labels, const MatrixView<T>& out,
           std::uint64_t stride = 1) const {
    constexpr std::string_view kAdd = "BootstrapNoise::add";
    const auto values = as_span(labels);
    detail::require_size(kAdd, "labels", values.size(), out.rows, "rows of out");
    detail::require_count(kAdd, "out.cols", out.cols, columns_, "columns");
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (columns_ > 0 && !std::in_range<std::size_t>(values[i])) {
        detail::reject_element(kAdd, "labels", i, values[i], "a class");
      }
      if (columns_ > 0 && static_cast<std::size_t>(values[i]) >= scales_.size() / columns_) {
        detail::reject_element(kAdd, "labels", i, values[i], "a class");
      }
    }
    for (std::size_t i = 0; i < out.rows; ++i, t += stride) {
      const double* const scales = scales_.data() + static_cast<std::size_t>(values[i]) * columns_;
      for (std::size_t d = 0; d < columns_; d += 2) {
        const std::array<double, 2> pair = normal_pair(t, static_cast<std::uint32_t>(d / 2));
        for (std::size_t j = d; j < std::min(d + 2, columns_); ++j) {
          out(i, j) = static_cast<T>(static_cast<double>(out(i, j)) + scales[j] * pair[j - d]);
        }
      }
    }
  }

 private:
  static constexpr std::string_view kWhere = "BootstrapNoise";

  // Box & Muller 1958.
  std::array<double, 2> normal_pair(std::uint64_t t, std::uint32_t pair) const {
    const auto [first, second] = random_.block(t, detail::Purpose::kNoise, pair);
    const double u = (static_cast<double>(first >> 11) + 1) * 0x1.0p-53;  // in (0, 1]
    const double angle = static_cast<double>(second >> 11) * 0x1.0p-53 * 6.283185307179586;
    const double length = std::sqrt(-2 * std::log(u));
    return {length * std::cos(angle), length * std::sin(angle)};
  }

  template <class T>
  void set_scales(const MatrixView<const T>& rows, std::size_t c, std::span<const std::size_t> own,
                  double shrinkage) {
    if (own.size() < 2) return;
    const auto n = static_cast<double>(own.size());
    const auto columns = static_cast<double>(columns_);
    const double bandwidth = shrinkage * std::pow(4 / ((columns + 2) * n), 1 / (columns + 4));
    for (std::size_t d = 0; d < columns_; ++d) {
      double mean = 0;
      for (const std::size_t row : own) mean += static_cast<double>(rows(row, d)) / n;
      double squares = 0;
      for (const std::size_t row : own) {
        const double deviation = static_cast<double>(rows(row, d)) - mean;
        squares += deviation * deviation;
      }
      scales_[c * columns_ + d] = bandwidth * std::sqrt(squares / (n - 1));
    }
  }

  CounterRandom random_;
  std::size_t columns_;
  std::vector<double> scales_;  // C x D
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_SMOOTHED_BOOTSTRAP_H_
