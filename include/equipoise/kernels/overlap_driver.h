// What runs an overlap loss on the CPU: checks, the two passes on blocks of rows, and what lies
// between them.
//
// Policy and targets are behind pointers to functions. So all this is compiled once for each type
// of logits, and a further policy adds its kernel alone, if it has one of its own.
#ifndef EQUIPOISE_KERNELS_OVERLAP_DRIVER_H_
#define EQUIPOISE_KERNELS_OVERLAP_DRIVER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/overlap_kernel.h"
#include "equipoise/kernels/row_blocks.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/overlap_policies.h"
#include "equipoise/loss/overlap_terms.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

template <class P>
inline constexpr bool kPoolsClasses = requires(const P& policy) {
  policy.share(1.0);
};

// Rows are taken in blocks whose size depends on the number of classes alone. Each block has sums
// of its own, so a block of many classes has rows enough to make them small beside its logits.
constexpr std::size_t overlap_block_rows(std::size_t classes) {
  return std::max<std::size_t>(block_rows(classes), 128);
}

// Targets in [0, 1], of which nothing else is asked.
template <class T>
struct ShareTargets : DistributionTargets<T> {
  bool is_valid(std::size_t i, std::size_t classes) const {
    return first_invalid(i, classes) == classes;
  }
  void require(std::string_view where, std::size_t i, std::size_t classes) const {
    const std::size_t c = first_invalid(i, classes);
    if (c == classes) return;
    detail::reject_element(where, "targets.probabilities[" + detail::to_text(i) + "]", c,
                           this->probabilities(i, c), "a number in [0, 1]");
  }

 private:
  std::size_t first_invalid(std::size_t i, std::size_t classes) const {
    for (std::size_t c = 0; c < classes; ++c) {
      const T t = this->probabilities(i, c);
      if (!detail::is_finite(t) || t < 0 || t > 1) return c;
    }
    return classes;
  }
};

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The fields of an OverlapLoss, to which it refers.
struct OverlapSettings {
  const void* policy;
  void (*require_policy)(const void* policy, std::string_view where);
  OverlapValue<double> (*value)(const void* policy, const OverlapTerms<double>& sums);
  double (*share)(const void* policy, double target_mass);  // or nullptr
  const std::vector<double>* class_weights;
  std::int64_t ignore_index;
  EmptyBatch empty_batch;
  bool sigmoid;
  bool counts_absent;  // classes without target mass
};

template <class P>
void require_overlap_policy(const void* policy, std::string_view where) {
  if constexpr (requires(const P& p) { p.require(where); }) {
    static_cast<const P*>(policy)->require(where);
  }
}
template <class P>
OverlapValue<double> overlap_value(const void* policy, const OverlapTerms<double>& sums) {
  return (*static_cast<const P*>(policy))(sums);
}
template <class P>
double overlap_share(const void* policy, double target_mass) {
  return static_cast<const P*>(policy)->share(target_mass);
}

// The two passes of a policy over a block of rows.
template <class T>
struct OverlapKernel {
  const void* elements;
  // overlap_sums_kernel<E>() and overlap_gradient_kernel<E>() of overlap_kernel.h, E the type of
  // the policy, or PlainElements.
  void (*sums)(const OverlapRows<T>&, const void* elements, T* space, OverlapArrays<double>&, Cpu);
  void (*gradient)(const OverlapRows<T>&, const void* elements, const OverlapArrays<T>& slopes,
                   T* space, const MatrixView<T>&, Cpu);
  Cpu instructions;
};

template <class T, class P>
OverlapKernel<T> overlap_kernel_of(const P& policy, Cpu instructions) {
  const auto& elements = elements_of(policy);
  using E = std::remove_cvref_t<decltype(elements)>;
  return {&elements, &overlap_sums_kernel<E, T>, &overlap_gradient_kernel<E, T>, instructions};
}

inline void require_overlap_loss(std::string_view where, const OverlapSettings& loss,
                                 std::size_t classes) {
  loss.require_policy(loss.policy, where);
  const std::vector<double>& class_weights = *loss.class_weights;
  if (class_weights.empty()) return;
  detail::require_size(where, "class_weights", class_weights.size(), classes, "classes");
  detail::require_masses(where, "class_weights", class_weights);
  double total = 0;
  for (const double weight : class_weights) total += weight;
  detail::require_finite(where, "sum of class_weights", total);
}

inline void require_extent(std::string_view where, std::string_view name, std::size_t extent,
                           std::size_t expected, std::string_view of_what) {
  if (extent == expected) return;
  detail::reject(where, name, extent,
                 detail::to_text(expected) + " (" + std::string(of_what) + ")");
}

template <LabelRange Targets>
IndexTargets<ElementOf<Targets>> read_overlap_targets(std::string_view, const OverlapSettings& loss,
                                                      const Targets& targets, std::size_t) {
  return {as_span(targets), loss.ignore_index};
}
template <class T>
ShareTargets<T> read_overlap_targets(std::string_view where, const OverlapSettings&,
                                     const ProbabilityTargets<T>& targets, std::size_t classes) {
  require_extent(where, "targets.probabilities.cols", targets.probabilities.cols, classes,
                 "classes");
  if (!targets.mask.empty()) {
    detail::require_size(where, "targets.mask", targets.mask.size(), targets.probabilities.rows,
                         "rows of targets.probabilities");
  }
  return {{targets.probabilities, targets.mask}};
}

// An overlap loss on rows but for the logits.
struct OverlapTargetRows {
  OverlapSettings loss;
  AnyTargets targets;
  std::size_t classes;
  LossArguments arguments;
};

// Everything about a call on `rows` rows but its logits, which are of type T.
template <class T>
void require_overlap(std::string_view where, const OverlapTargetRows& in, std::size_t rows) {
  require_overlap_loss(where, in.loss, in.classes);
  detail::require_size(where, "targets", in.targets.size(), rows, "rows of logits");
  const auto& [sample_weights, groups, mask, coefficients] = in.arguments;
  const auto refuse = [&](std::string_view name, std::size_t size) {
    if (size > 0) detail::reject(where, name, size, "0: overlap losses do not take it");
  };
  refuse("groups.size()", groups.size());
  refuse("mask.rows", mask.data == nullptr ? 0 : mask.rows);
  refuse("coefficients.size()", coefficients.size());
  if (!sample_weights.empty()) {
    detail::require_size(where, "sample_weights", sample_weights.size(), rows, "rows of logits");
    detail::require_masses(where, "sample_weights", sample_weights);
    detail::require_factors_fit<T>(where, "sample_weights", sample_weights);
  }
  constexpr std::size_t kRows = 128;
  std::int64_t classes[kRows];
  for (std::size_t begin = 0; begin < rows; begin += kRows) {
    const std::size_t count = std::min(kRows, rows - begin);
    const std::size_t invalid =
        in.targets.read_checked_classes(begin, count, in.classes, /*wanted=*/false, classes);
    if (invalid < count) in.targets.require(where, begin + invalid, in.classes);
  }
}

template <class T>
void require_overlap_gradient(std::string_view where, const MatrixView<const T>& logits,
                              const MatrixView<T>& gradient) {
  require_extent(where, "gradient.rows", gradient.rows, logits.rows, "rows of logits");
  require_extent(where, "gradient.cols", gradient.cols, logits.cols, "columns of logits");
}

// Refuses slopes that would be infinite in T, the type of the logits.
template <class T>
void require_slopes_fit(std::string_view where, std::span<const OverlapTerms<double>> slopes) {
  for (std::size_t c = 0; c < slopes.size(); ++c) {
    for (const double slope : {slopes[c].tp, slopes[c].fp, slopes[c].fn}) {
      if (!detail::is_finite(slope) || detail::is_finite(static_cast<T>(slope))) continue;
      detail::reject_element(where, "slope of class", c, slope,
                             "a number that is finite in the type of the logits");
    }
  }
}

// A loss call. The functions called checked_ take one of which everything is checked.
template <class T>
struct OverlapCall {
  OverlapTargetRows rows;
  OverlapKernel<T> kernel;
  MatrixView<const T> logits;
};

// What a pass reads of a block of rows.
template <class T>
struct OverlapBlock {
  std::int64_t target[kBlockRows];
  T weight[kBlockRows];

  OverlapRows<T> read(const OverlapCall<T>& call, std::size_t begin, std::size_t count) {
    const auto& [loss, targets, classes, arguments] = call.rows;
    const std::span<const double> sample_weights = arguments.sample_weights;
    targets.read_classes(begin, count, /*wanted=*/false, target);
    for (std::size_t i = 0; i < count; ++i) {
      const bool ignored = target[i] == kIgnoredRow;
      const double own = sample_weights.empty() ? 1.0 : sample_weights[begin + i];
      weight[i] = ignored ? T(0) : static_cast<T>(own);
    }
    OverlapRows<T> rows{};
    rows.logits = call.logits.middle_rows(begin, count);
    rows.targets = target;
    rows.probabilities = targets.template probabilities<T>(begin, count, classes);
    rows.weights = weight;
    rows.sigmoid = loss.sigmoid;
    return rows;
  }
};

// Calls f(block, begin, rows) for each block of rows.
template <class T, class ParallelFor, class F>
void for_overlap_blocks(const OverlapCall<T>& call, const ParallelFor& parallel_for, const F& f) {
  const std::size_t size = overlap_block_rows(call.logits.cols);
  parallel_for((call.logits.rows + size - 1) / size, [&](std::size_t block) {
    const std::size_t begin = block * size;
    OverlapBlock<T> own;
    f(block, begin, own.read(call, begin, std::min(size, call.logits.rows - begin)));
  });
}

// The sums of what is checked.
template <class T, class ParallelFor>
OverlapSums checked_overlap_sums(const OverlapCall<T>& call, const ParallelFor& parallel_for) {
  const std::size_t classes = call.logits.cols;
  OverlapSums total{std::vector<OverlapTerms<double>>(classes)};
  if (call.logits.rows == 0 || classes == 0) return total;
  const std::size_t size = overlap_block_rows(classes);
  std::vector<OverlapSums> sums((call.logits.rows + size - 1) / size);
  for_overlap_blocks(
      call, parallel_for, [&](std::size_t block, std::size_t, const OverlapRows<T>& rows) {
        std::vector<T> space(overlap_space(classes));
        OverlapArrays<double> arrays(classes);
        call.kernel.sums(rows, call.kernel.elements, space.data(), arrays,
                         call.kernel.instructions);
        for (std::size_t c = 0; c < classes; ++c) {
          sums[block].classes.push_back({arrays.tp()[c], arrays.fp()[c], arrays.fn()[c]});
        }
      });
  for (const OverlapSums& each : sums) total += each;
  return total;
}

// The gradient of what is checked.
template <class T, class ParallelFor>
void checked_overlap_gradient(const OverlapCall<T>& call,
                              std::span<const OverlapTerms<double>> slopes,
                              const MatrixView<T>& gradient, const ParallelFor& parallel_for) {
  const std::size_t classes = call.logits.cols;
  if (call.logits.rows == 0 || classes == 0) return;
  OverlapArrays<T> arrays(classes);
  for (std::size_t c = 0; c < slopes.size(); ++c) {
    arrays.tp()[c] = static_cast<T>(slopes[c].tp);
    arrays.fp()[c] = static_cast<T>(slopes[c].fp);
    arrays.fn()[c] = static_cast<T>(slopes[c].fn);
  }
  for_overlap_blocks(call, parallel_for,
                     [&](std::size_t, std::size_t begin, const OverlapRows<T>& rows) {
                       std::vector<T> space(2 * overlap_space(classes));
                       call.kernel.gradient(rows, call.kernel.elements, arrays, space.data(),
                                            gradient.middle_rows(begin, rows.logits.rows),
                                            call.kernel.instructions);
                     });
}

// The weight of each class that counts, 0 for the others; empty if there is nothing to average.
inline std::vector<double> counted_weights(const OverlapSettings& loss, const OverlapSums& sums) {
  const std::size_t classes = sums.classes.size();
  const std::vector<double>& class_weights = *loss.class_weights;
  std::vector<double> weights(classes);
  double total = 0;
  bool nothing = true;
  for (std::size_t c = 0; c < classes; ++c) {
    const auto& [tp, fp, fn] = sums.classes[c];
    nothing = nothing && tp == 0 && fp == 0 && fn == 0;
    if (loss.counts_absent || tp + fn != 0) {
      weights[c] = class_weights.empty() ? 1.0 : class_weights[c];
    }
    total += weights[c];
  }
  if (nothing || total == 0) weights.clear();
  return weights;
}

// One call of the policy on the sums of all classes.
inline OverlapResult pooled_overlap(const OverlapSettings& loss, const OverlapSums& sums,
                                    std::vector<double> weights) {
  OverlapTerms<double> pooled{0, 0, 0};
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (weights[c] == 0) continue;
    const auto& [tp, fp, fn] = sums.classes[c];
    weights[c] *= loss.share(loss.policy, tp + fn);
    pooled.tp += weights[c] * tp;
    pooled.fp += weights[c] * fp;
    pooled.fn += weights[c] * fn;
  }
  const OverlapValue<double> whole = loss.value(loss.policy, pooled);
  OverlapResult result{whole.value, {}};
  for (const double weight : weights) {
    result.slopes.push_back(
        {weight * whole.slope.tp, weight * whole.slope.fp, weight * whole.slope.fn});
  }
  return result;
}

// The weighted mean of the classes' losses.
inline OverlapResult mean_overlap(const OverlapSettings& loss, const OverlapSums& sums,
                                  const std::vector<double>& weights) {
  double total = 0;
  for (const double weight : weights) total += weight;
  OverlapResult result{0, std::vector<OverlapTerms<double>>(weights.size())};
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (weights[c] == 0) continue;
    const double weight = weights[c] / total;
    const OverlapValue<double> own = loss.value(loss.policy, sums.classes[c]);
    result.value += weight * own.value;
    result.slopes[c] = {weight * own.slope.tp, weight * own.slope.fp, weight * own.slope.fn};
  }
  return result;
}

inline OverlapResult finish_overlap(const OverlapSettings& loss, const OverlapSums& sums) {
  std::vector<double> weights = counted_weights(loss, sums);
  if (weights.empty()) {
    return {loss.empty_batch == EmptyBatch::kNaN ? detail::quiet_nan() : 0,
            std::vector<OverlapTerms<double>>(sums.classes.size())};
  }
  return loss.share != nullptr ? pooled_overlap(loss, sums, std::move(weights))
                               : mean_overlap(loss, sums, weights);
}

// The loss of a set in one piece, and its gradient if `gradient` has data.
template <class T>
double overlap_of_batch(std::string_view where, const OverlapCall<T>& call,
                        const MatrixView<T>& gradient) {
  require_overlap<T>(where, call.rows, call.logits.rows);
  if (gradient.data != nullptr) require_overlap_gradient(where, call.logits, gradient);
  const OverlapResult whole =
      finish_overlap(call.rows.loss, checked_overlap_sums(call, SerialFor{}));
  if (gradient.data != nullptr) {
    require_slopes_fit<T>(where, whole.slopes);
    checked_overlap_gradient(call, std::span<const OverlapTerms<double>>(whole.slopes), gradient,
                             SerialFor{});
  }
  return whole.value;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// NOLINTBEGIN(bugprone-macro-parentheses): types, which take none.

// Declares the kernels of what a policy adds by element, or defines them: `declaration` is `extern
// template` or `template`.
#define EQUIPOISE_OVERLAP_KERNELS_OF_TYPE(declaration, T, ...)                                 \
  declaration void overlap_sums_kernel<__VA_ARGS__, T>(const OverlapRows<T>&, const void*, T*, \
                                                       OverlapArrays<double>&, Cpu);           \
  declaration void overlap_gradient_kernel<__VA_ARGS__, T>(                                    \
      const OverlapRows<T>&, const void*, const OverlapArrays<T>&, T*, const MatrixView<T>&, Cpu)
#define EQUIPOISE_OVERLAP_KERNELS_OF(declaration, ...)                \
  EQUIPOISE_OVERLAP_KERNELS_OF_TYPE(declaration, float, __VA_ARGS__); \
  EQUIPOISE_OVERLAP_KERNELS_OF_TYPE(declaration, double, __VA_ARGS__)

// The same for what calls the kernels.
#define EQUIPOISE_OVERLAP_DRIVERS_OF(declaration, T)                                             \
  declaration double overlap_of_batch<T>(std::string_view, const OverlapCall<T>&,                \
                                         const MatrixView<T>&);                                  \
  declaration OverlapSums checked_overlap_sums<T, SerialFor>(const OverlapCall<T>&,              \
                                                             const SerialFor&);                  \
  declaration void checked_overlap_gradient<T, SerialFor>(const OverlapCall<T>&,                 \
                                                          std::span<const OverlapTerms<double>>, \
                                                          const MatrixView<T>&, const SerialFor&)

// The same for all that the policies of this library need.
#define EQUIPOISE_OVERLAP_KERNELS(declaration)              \
  EQUIPOISE_OVERLAP_DRIVERS_OF(declaration, float);         \
  EQUIPOISE_OVERLAP_DRIVERS_OF(declaration, double);        \
  EQUIPOISE_OVERLAP_KERNELS_OF(declaration, PlainElements); \
  EQUIPOISE_OVERLAP_KERNELS_OF(declaration, Dice);          \
  EQUIPOISE_OVERLAP_KERNELS_OF(declaration, SelfAdjustingDice)

// NOLINTEND(bugprone-macro-parentheses)

#if EQUIPOISE_USES_COMPILED_KERNELS
EQUIPOISE_OVERLAP_KERNELS(extern template);
#endif

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_OVERLAP_DRIVER_H_
