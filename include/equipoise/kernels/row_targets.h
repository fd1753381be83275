// Targets of rows as losses read them.
#ifndef EQUIPOISE_KERNELS_ROW_TARGETS_H_
#define EQUIPOISE_KERNELS_ROW_TARGETS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

inline double weight_of_class(const double* class_weights, std::size_t c) {
  return class_weights == nullptr ? 1.0 : class_weights[c];
}

// Both kinds of targets have size(), is_ignored(i), is_valid(i, classes), require(where, i,
// classes), which throws if not, the class of a row that is not ignored, and what its class weights
// come to.
template <class L>
struct IndexTargets {
  std::span<const L> labels;
  std::int64_t ignore_index;

  std::size_t size() const { return labels.size(); }
  bool is_ignored(std::size_t i) const { return detail::is_ignored(labels[i], ignore_index); }
  bool is_valid(std::size_t i, std::size_t classes) const {
    return detail::is_class(labels[i], classes);
  }
  void require(std::string_view where, std::size_t i, std::size_t classes) const {
    if (is_valid(i, classes)) return;
    detail::reject_element(where, "targets", i, labels[i],
                           detail::class_range(classes, ignore_index));
  }
  std::size_t class_of(std::size_t i) const { return static_cast<std::size_t>(labels[i]); }
  double class_weight(const double* class_weights, WeightConvention, std::size_t i) const {
    return weight_of_class(class_weights, class_of(i));
  }
};

template <class T>
struct DistributionTargets {
  MatrixView<const T> probabilities;
  std::span<const std::uint8_t> mask;

  std::size_t size() const { return probabilities.rows; }
  // A distribution over no classes is no target.
  bool is_ignored(std::size_t i) const {
    return probabilities.cols == 0 || (!mask.empty() && mask[i] == 0);
  }
  bool is_valid(std::size_t i, std::size_t classes) const {
    return first_invalid(i, classes) == classes;
  }
  void require(std::string_view where, std::size_t i, std::size_t classes) const {
    const std::size_t c = first_invalid(i, classes);
    if (c == classes) return;
    detail::reject_element(where, "targets.probabilities[" + detail::to_text(i) + "]", c,
                           probabilities(i, c), "a finite number >= 0");
  }
  // The first of the most probable ones.
  std::size_t class_of(std::size_t i) const {
    std::size_t best = 0;
    for (std::size_t c = 1; c < probabilities.cols; ++c) {
      if (probabilities(i, c) > probabilities(i, best)) best = c;
    }
    return best;
  }
  double class_weight(const double* class_weights, WeightConvention convention,
                      std::size_t i) const {
    if (convention == WeightConvention::kTorch) return 1.0;
    double sum = 0;
    for (std::size_t c = 0; c < probabilities.cols; ++c) {
      sum += weight_of_class(class_weights, c) * static_cast<double>(probabilities(i, c));
    }
    return sum;
  }

 private:
  std::size_t first_invalid(std::size_t i, std::size_t classes) const {
    for (std::size_t c = 0; c < classes; ++c) {
      const T t = probabilities(i, c);
      if (!detail::is_finite(t) || t < 0) return c;
    }
    return classes;
  }
};

// A class index that stands for a row that is ignored.
inline constexpr std::int64_t kIgnoredRow = -1;

inline namespace EQUIPOISE_ISA_NAMESPACE {

// Targets of any type behind pointers to functions that take some rows at a time, so that what
// reads them is compiled once. It refers to the targets that it is made of.
class AnyTargets {
 public:
  template <class Y>
  static AnyTargets of(const Y& targets) {
    AnyTargets result;
    result.self_ = &targets;
    result.size_ = targets.size();
    result.classes_ = &classes_of<Y, false>;
    result.checked_classes_ = &classes_of<Y, true>;
    result.class_weights_ = &class_weights_of<Y>;
    result.require_ = &require_of<Y>;
    if constexpr (requires { targets.probabilities; }) {
      result.probabilities_ = targets.probabilities.data;
      result.row_stride_ = targets.probabilities.row_stride;
      result.col_stride_ = targets.probabilities.col_stride;
    } else {
      result.by_index_ = true;
    }
    return result;
  }

  // Of the targets that a variant holds.
  template <class... Y>
  static AnyTargets of_any(const std::variant<Y...>& targets) {
    return std::visit([](const auto& own) { return of(own); }, targets);
  }

  // These rows alone.
  AnyTargets part(std::size_t begin, std::size_t count) const {
    AnyTargets result = *this;
    result.first_ += begin;
    result.size_ = count;
    return result;
  }

  std::size_t size() const { return size_; }
  bool by_index() const { return by_index_; }

  // Writes the classes of `count` valid rows, or kIgnoredRow; where classes are not wanted, 0 for a
  // distribution, whose class takes a search.
  void read_classes(std::size_t begin, std::size_t count, bool wanted, std::int64_t* out) const {
    classes_(self_, first_ + begin, count, 0, wanted, out);
  }
  // The same where targets may be invalid. Returns the first such row, or `count` for none.
  std::size_t read_checked_classes(std::size_t begin, std::size_t count, std::size_t classes,
                                   bool wanted, std::int64_t* out) const {
    return checked_classes_(self_, first_ + begin, count, classes, wanted, out);
  }
  // Writes what the class weights of `count` rows come to; 0 where ignored.
  void read_class_weights(const double* weights, WeightConvention convention, std::size_t begin,
                          std::size_t count, double* out) const {
    class_weights_(self_, weights, convention, first_ + begin, count, out);
  }
  // Throws for an invalid target.
  void require(std::string_view where, std::size_t i, std::size_t classes) const {
    require_(self_, where, first_ + i, classes);
  }
  // Distributions from a row on; T is their type. Without data for class indices.
  template <class T>
  MatrixView<const T> probabilities(std::size_t begin, std::size_t count,
                                    std::size_t classes) const {
    if (by_index_) return {};
    const auto* const data = static_cast<const T*>(probabilities_) +
                             static_cast<std::ptrdiff_t>(first_ + begin) * row_stride_;
    return {data, count, classes, row_stride_, col_stride_};
  }

 private:
  template <class Y, bool kChecked>
  static std::size_t classes_of(const void* self, std::size_t begin, std::size_t count,
                                std::size_t classes, bool wanted, std::int64_t* out) {
    constexpr bool kByIndex = requires(const Y& y) { y.labels; };
    const Y targets = *static_cast<const Y*>(self);
    const auto is_right = [&](std::size_t i) EQUIPOISE_INLINE_LAMBDA {
      return !kChecked || targets.is_ignored(begin + i) || targets.is_valid(begin + i, classes);
    };
    bool all_right = true;
    for (std::size_t i = 0; i < count; ++i) {
      all_right &= is_right(i);
      const bool has_class = kByIndex || (wanted && !targets.is_ignored(begin + i));
      const std::int64_t own =
          has_class ? static_cast<std::int64_t>(targets.class_of(begin + i)) : 0;
      out[i] = targets.is_ignored(begin + i) ? kIgnoredRow : own;
    }
    std::size_t first_wrong = all_right ? count : 0;
    while (first_wrong < count && is_right(first_wrong)) ++first_wrong;
    return first_wrong;
  }
  template <class Y>
  static void class_weights_of(const void* self, const double* weights, WeightConvention convention,
                               std::size_t begin, std::size_t count, double* out) {
    const Y targets = *static_cast<const Y*>(self);
    for (std::size_t i = 0; i < count; ++i) {
      const bool ignored = targets.is_ignored(begin + i);
      out[i] = ignored ? 0.0 : targets.class_weight(weights, convention, begin + i);
    }
  }
  template <class Y>
  static void require_of(const void* self, std::string_view where, std::size_t i,
                         std::size_t classes) {
    static_cast<const Y*>(self)->require(where, i, classes);
  }

  AnyTargets() = default;

  const void* self_ = nullptr;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  bool by_index_ = false;
  const void* probabilities_ = nullptr;
  std::ptrdiff_t row_stride_ = 0;
  std::ptrdiff_t col_stride_ = 0;
  using ReadClasses = std::size_t(const void*, std::size_t, std::size_t, std::size_t, bool,
                                  std::int64_t*);
  ReadClasses* classes_ = nullptr;
  ReadClasses* checked_classes_ = nullptr;
  void (*class_weights_)(const void*, const double*, WeightConvention, std::size_t, std::size_t,
                         double*) = nullptr;
  void (*require_)(const void*, std::string_view, std::size_t, std::size_t) = nullptr;
};

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_ROW_TARGETS_H_
