// The sums of overlap losses: true positives, false positives and false negatives of each class.
#ifndef EQUIPOISE_LOSS_OVERLAP_TERMS_H_
#define EQUIPOISE_LOSS_OVERLAP_TERMS_H_

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "equipoise/detail/check.h"

namespace equipoise {

/// True positives, false positives and false negatives: of one row and class, or summed over rows.
template <class T>
struct OverlapTerms {
  T tp;
  T fp;
  T fn;
  friend bool operator==(const OverlapTerms&, const OverlapTerms&) = default;
};

/// The loss of one class and its derivatives with respect to the class's three sums.
template <class T>
struct OverlapValue {
  T value;
  OverlapTerms<T> slope;
};

/// One row and class: the probability p, its complement q = 1 - p, computed without cancellation,
/// and the target t in [0, 1].
template <class T>
struct OverlapElement {
  T p;
  T q;
  T t;
};

/// The contribution of one row and class to the sums, and its derivatives with respect to p.
template <class T>
struct ElementTerms {
  OverlapTerms<T> value;
  OverlapTerms<T> slope;
};

/// A copyable struct of hyper-parameters that maps the sums of one class to the loss of that class
/// and its slopes. Its call operator is a template over the field (double, or at::Tensor with all
/// classes in it), uses only arithmetic and equipoise::math, and keeps its slopes finite:
///
///     struct Jaccard {  // 1 - TP / (TP + FP + FN)
///       template <class T>
///       OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
///         const T all = math::max(sums.tp + sums.fp + sums.fn, 1e-30);
///         const T kept = sums.tp / all / all;
///         const T missed = (sums.fp + sums.fn) / all;
///         return {missed, {-missed / all, kept, kept}};
///       }
///     };
///
/// Three further members are used if a policy has them:
/// - `ElementTerms<T> element(const OverlapElement<T>&)`, a template over double, SIMD packs and
///   tensors: what a row adds, in place of TP = p t, FP = p (1 - t), FN = (1 - p) t. TP + FN must
///   not depend on p, since it is the class's target mass, and both are 0 if t is 0.
/// - `T share(const T& target_mass)`: the sums of all classes, each times its share and its class
///   weight, are added up, and the policy is called once, on the result.
/// - `void require(std::string_view where) const`: rejects hyper-parameters by an exception.
template <class P>
concept OverlapPolicy = std::copyable<P> && requires(const P& policy, OverlapTerms<double> sums) {
  { policy(sums) } -> std::same_as<OverlapValue<double>>;
};

/// The sums of a set of rows, by class. Sums of parts merge by += into those of the whole.
struct OverlapSums {
  std::vector<OverlapTerms<double>> classes;

  /// Adds another part; empty sums adopt the other's number of classes. O(C).
  /// @throws std::invalid_argument if the numbers of classes differ.
  OverlapSums& operator+=(const OverlapSums& other) {
    if (classes.empty()) return *this = other;
    if (other.classes.empty()) return *this;
    detail::require_size("OverlapSums::operator+=", "other.classes", other.classes.size(),
                         classes.size(), "classes on the left");
    for (std::size_t c = 0; c < classes.size(); ++c) {
      classes[c].tp += other.classes[c].tp;
      classes[c].fp += other.classes[c].fp;
      classes[c].fn += other.classes[c].fn;
    }
    return *this;
  }
  friend OverlapSums operator+(OverlapSums a, const OverlapSums& b) { return a += b; }
  friend bool operator==(const OverlapSums&, const OverlapSums&) = default;

  /// The whole state, as 3C numbers to be summed over ranks in place.
  std::span<double> all_reduce_buffer() {
    using Terms = OverlapTerms<double>;
    static_assert(sizeof(Terms) == 3 * sizeof(double) && std::is_standard_layout_v<Terms>);
    return {classes.empty() ? nullptr : &classes[0].tp, 3 * classes.size()};
  }
};

/// The loss of a set and its derivatives with respect to the sums of each class.
struct OverlapResult {
  double value;
  std::vector<OverlapTerms<double>> slopes;
};

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_OVERLAP_TERMS_H_
