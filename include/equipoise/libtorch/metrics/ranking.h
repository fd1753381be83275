// Ranking metrics of tensors: areas under curves on any device, and scores of several batches.
#ifndef EQUIPOISE_LIBTORCH_METRICS_RANKING_H_
#define EQUIPOISE_LIBTORCH_METRICS_RANKING_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/device_rows.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/label_scores.h"

namespace equipoise::libtorch {

namespace detail {

// Scores and targets of each label, [L, N]. Targets, of int8, are 1, 0, or -1 where they are left
// out, and 2 where something is wrong: a NaN score, or a target that is none.
struct RankedLabels {
  at::Tensor scores;
  at::Tensor targets;

  at::Tensor is_wrong() const { return targets.eq(2).any(-1); }  // [L]
};

inline RankedLabels rank_labels(const char* where, const at::Tensor& scores,
                                const at::Tensor& targets, IgnoreIndex ignore_index) {
  require_floating_point(where, "scores", scores);
  require_same_device(where, "targets", targets, scores, "scores");
  if (targets.scalar_type() != at::kBool) require_integral(where, "targets", targets);
  if (scores.dim() < 1 || scores.dim() > 2) {
    reject(where, "scores.dim()", scores.dim(), "1 (N) or 2 (N x L)");
  }
  const bool by_class = scores.dim() == 2 && targets.dim() == 1;
  if (!by_class) require_sizes(where, "targets", targets, scores.sizes());
  if (by_class && targets.size(0) != scores.size(0)) {
    reject(where, "targets.numel()", targets.numel(),
           std::to_string(scores.size(0)) + " (rows of scores)");
  }
  const at::Tensor read = in_memory(scores);
  const at::Tensor s = read.dim() == 1 ? read.unsqueeze(1) : read;
  at::Tensor t = targets.to(at::kLong);
  if (t.dim() == 1) t = t.unsqueeze(1);
  const at::Tensor counted = is_counted(t, ignore_index);
  const at::Tensor valid = is_label(t, by_class ? s.size(1) : 2);
  if (by_class) t = at::arange(s.size(1), t.options()).eq(t).to(at::kLong);
  RankedLabels result;
  const at::Tensor wrong = counted.bitwise_and(s.ne(s).bitwise_or(valid.bitwise_not()));
  result.scores = s.detach().t().contiguous();
  result.targets =
      t.masked_fill(counted.bitwise_not(), -1).masked_fill(wrong, 2).to(at::kChar).t().contiguous();
  return result;
}

// Both areas of each label, [2, L] of double; NaN where they are undefined or something is wrong.
inline at::Tensor areas(const RankedLabels& labels) {
  const auto [sorted, order] = at::sort(labels.scores, -1);
  const at::Tensor of_order = labels.targets.gather(-1, order);
  // Counts, whose running sums are the same in any order; those of floating-point numbers are
  // refused under deterministic algorithms.
  const at::Tensor positive = of_order.eq(1).to(at::kLong);
  const at::Tensor negative = of_order.eq(0).to(at::kLong);
  // How many of each kind score less than, and no more than, each.
  const auto up_to = [](const at::Tensor& kind, const at::Tensor& place) {
    const at::Tensor zero = at::zeros({kind.size(0), 1}, kind.options());
    return at::cat({zero, kind.cumsum(-1)}, -1).gather(-1, place).to(at::kDouble);
  };
  const at::Tensor below = at::searchsorted(sorted, sorted);
  const at::Tensor through = at::searchsorted(sorted, sorted, /*out_int32=*/false, /*right=*/true);
  const at::Tensor positives = positive.sum(-1).to(at::kDouble);
  const at::Tensor negatives = negative.sum(-1).to(at::kDouble);
  const at::Tensor won = up_to(negative, below).add(up_to(negative, through)).div(2);
  const at::Tensor found = positives.unsqueeze(-1).sub(up_to(positive, below));
  const at::Tensor wrong = negatives.unsqueeze(-1).sub(up_to(negative, below));
  const at::Tensor precision = found.div(found.add(wrong).clamp_min(1));
  const at::Tensor auc = won.mul(positive).sum(-1).div(positives.mul(negatives));
  const at::Tensor ap = precision.mul(positive).sum(-1).div(positives);
  return at::stack({auc, ap}).masked_fill(labels.is_wrong(), equipoise::detail::quiet_nan());
}

// Adds scores of type T and targets, both on the CPU, to the core's.
template <class T>
void add_ranked(const char* where, const RankedLabels& labels, metrics::LabelScores<T>& sample) {
  if (const auto wrong = labels.is_wrong().sum().item<std::int64_t>(); wrong > 0) {
    reject(where, "labels with a NaN score or a target out of range", wrong, "0");
  }
  sample.add(matrix_view<const T>(labels.scores.t()),
             matrix_view<const std::int8_t>(labels.targets.t()), -1);
}

// On the CPU, by the core.
template <class F>
at::Tensor areas_by_core(const RankedLabels& labels, const char* where, const F& area) {
  std::vector<double> result;
  const at::Tensor scores = labels.scores.to(compute_type(labels.scores));
  with_view(scores, [&](const auto& view) {
    metrics::LabelScores<std::remove_cvref_t<decltype(view(0, 0))>> sample(view.rows);
    add_ranked(where, {scores, labels.targets}, sample);
    for (std::size_t l = 0; l < view.rows; ++l) result.push_back(area(sample.label(l)));
  });
  return at::tensor(result, at::kDouble);
}

template <class F>
at::Tensor area_of(const char* where, const at::Tensor& scores, const at::Tensor& targets,
                   IgnoreIndex ignore_index, std::int64_t which, const F& by_core) {
  const at::NoGradGuard no_graph;
  const RankedLabels labels = rank_labels(where, scores, targets, ignore_index);
  const at::Tensor result =
      scores.is_cpu() ? areas_by_core(labels, where, by_core) : areas(labels).select(0, which);
  return scores.dim() == 1 ? result.squeeze(0) : result;
}

}  // namespace detail

/// The area under the ROC curve; see BinaryScores::roc_auc(). scores [N] with targets [N] of 0 and
/// 1 give a number []; scores [N, L] with targets of the same shape, or [N] classes, each against
/// all others, give one a label, [L]. Double, on the device of the scores, by a sort and without a
/// synchronisation. NaN where it is undefined; on devices other than the CPU also for a NaN score
/// or a target out of range. O(L N log N).
/// @throws std::invalid_argument for shapes, types and devices that do not fit; on the CPU also for
/// a NaN score and a target out of range.
inline at::Tensor roc_auc(const at::Tensor& scores, const at::Tensor& targets,
                          std::optional<std::int64_t> ignore_index = std::nullopt) {
  return detail::area_of("roc_auc", scores, targets, ignore_index, 0,
                         [](const auto& label) { return label.roc_auc(metrics::Absent::kNaN); });
}

/// Average precision; see BinaryScores::average_precision(). Shapes, cost and errors as roc_auc().
inline at::Tensor average_precision(const at::Tensor& scores, const at::Tensor& targets,
                                    std::optional<std::int64_t> ignore_index = std::nullopt) {
  return detail::area_of(
      "average_precision", scores, targets, ignore_index, 1,
      [](const auto& label) { return label.average_precision(metrics::Absent::kNaN); });
}

template <std::floating_point T>
class Accumulator<metrics::LabelScores<T>> {
 public:
  explicit Accumulator(std::size_t labels = 1) : metric_(labels), labels_(labels) {}

  /// Adds rows: scores [..., L] with classes [...], each against all others, or with 0 and 1 for
  /// each label, [..., L]; of one label also scores [N] with targets [N] of 0 and 1. Half types are
  /// kept as T. On a device the rows stay there, and roc_auc() of tensors needs no copy at all
  /// where all rows are one tensor.
  /// @throws std::invalid_argument for shapes, types and devices that do not fit, double where T is
  /// float; on the CPU also for a NaN score and a target out of range.
  void add(const at::Tensor& scores, const at::Tensor& targets,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    detail::require_floating_point(kWhere, "scores", scores);
    if (sizeof(T) < sizeof(double) && scores.scalar_type() == at::kDouble) {
      detail::reject(kWhere, "scores.dtype()", "double", "float, or LabelScores<double>");
    }
    detail::RankedLabels rows = rank(scores, targets, ignore_index);
    equipoise::detail::require_count(kWhere, "labels of scores",
                                     static_cast<std::size_t>(rows.scores.size(0)), labels_,
                                     "labels");
    rows.scores = rows.scores.to(c10::CppTypeToScalarType<T>::value);
    if (scores.is_cpu()) {
      detail::add_ranked(kWhere, rows, metric_);
    } else {
      scores_.add(kWhere, rows.scores);
      targets_.add(kWhere, rows.targets);
    }
  }

  /// The scores of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were wrong.
  metrics::LabelScores<T> value() const {
    metrics::LabelScores<T> result = metric_;
    if (const at::Tensor scores = scores_.read(); scores.defined()) {
      detail::add_ranked("Accumulator<LabelScores>::value", {scores, targets_.read()}, result);
    }
    return result;
  }

  /// Forgets all rows.
  void reset() { *this = Accumulator(labels_); }

 private:
  static constexpr const char* kWhere = "Accumulator<LabelScores>::add";

  // Of any dimensions for the rows.
  static detail::RankedLabels rank(const at::Tensor& scores, const at::Tensor& targets,
                                   std::optional<std::int64_t> ignore_index) {
    if (scores.dim() <= 2) return detail::rank_labels(kWhere, scores, targets, ignore_index);
    const bool by_class = targets.dim() < scores.dim();
    const at::IntArrayRef sizes = scores.sizes();
    detail::require_sizes(kWhere, "targets", targets,
                          by_class ? sizes.slice(0, sizes.size() - 1) : sizes);
    const at::Tensor rows = detail::rows_of(kWhere, "scores", scores);
    return detail::rank_labels(kWhere, rows,
                               by_class ? targets.reshape({-1}) : targets.reshape(rows.sizes()),
                               ignore_index);
  }

  metrics::LabelScores<T> metric_;
  std::size_t labels_;
  detail::DeviceRows scores_;
  detail::DeviceRows targets_;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_RANKING_H_
