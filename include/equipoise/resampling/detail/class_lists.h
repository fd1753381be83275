// The rows of each class, as what resamples by neighbourhood needs them.
#ifndef EQUIPOISE_RESAMPLING_DETAIL_CLASS_LISTS_H_
#define EQUIPOISE_RESAMPLING_DETAIL_CLASS_LISTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/sampling/target_counts.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// Classes by row and rows by class, every label checked.
class ClassLists {
 public:
  template <class L>
  EQUIPOISE_HOST_INLINE ClassLists(std::string_view where, std::span<const L> labels,
                                   std::size_t classes)
      : counts_(rows_per_class(where, labels, classes)),
        starts_(class_starts(counts_)),
        rows_(rows_by_class<std::size_t>(labels, starts_)) {
    of_row_.reserve(labels.size());
    for (const L label : labels) of_row_.push_back(static_cast<std::size_t>(label));
  }

  std::size_t classes() const { return counts_.size(); }
  std::size_t rows() const { return of_row_.size(); }
  std::size_t size(std::size_t c) const { return static_cast<std::size_t>(counts_[c]); }
  const std::vector<std::uint64_t>& counts() const { return counts_; }
  std::size_t class_of(std::size_t row) const { return of_row_[row]; }
  // The rows of a class, ascending.
  std::span<const std::size_t> of(std::size_t c) const {
    return std::span(rows_).subspan(static_cast<std::size_t>(starts_[c]), size(c));
  }

 private:
  std::vector<std::uint64_t> counts_;
  std::vector<std::uint64_t> starts_;
  std::vector<std::size_t> rows_;
  std::vector<std::size_t> of_row_;
};

// Labels of rows, one each.
template <class T, class R>
EQUIPOISE_HOST_INLINE ClassLists class_lists(std::string_view where, const MatrixView<T>& rows,
                                             const R& labels, std::size_t classes) {
  const auto values = as_span(labels);
  require_size(where, "labels", values.size(), rows.rows, "rows");
  return {where, values, classes};
}

// The smallest class that has rows and the largest, of equal ones the first.
struct ExtremeClasses {
  std::size_t smallest = 0;
  std::size_t largest = 0;
  std::size_t present = 0;

  explicit ExtremeClasses(std::span<const std::uint64_t> counts) {
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == 0) continue;
      if (present == 0 || counts[c] < counts[smallest]) smallest = c;
      if (present == 0 || counts[c] > counts[largest]) largest = c;
      ++present;
    }
  }

  // Whether a class is one of those that lose rows.
  bool is_reduced(std::size_t c, sampling::Undersampling strategy) const {
    switch (strategy) {
      case sampling::Undersampling::kNotMinority:
        return c != smallest;
      case sampling::Undersampling::kMajority:
        return c == largest;
      case sampling::Undersampling::kNotMajority:
        return c != largest;
      default:
        return true;
    }
  }
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_DETAIL_CLASS_LISTS_H_
