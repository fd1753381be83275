// Ranking metrics of tensors: areas under curves on any device, and scores of several batches.
#ifndef EQUIPOISE_LIBTORCH_METRICS_RANKING_H_
#define EQUIPOISE_LIBTORCH_METRICS_RANKING_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/device_rows.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/ranked_labels.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/label_scores.h"

namespace equipoise::libtorch {

/// The area under the ROC curve; see BinaryScores::roc_auc(). scores [N] with targets [N] of 0 and
/// 1 give a number []; scores [N, L] with targets of the same shape, or [N] classes, each against
/// all others, give one per label, [L]. The result is double, on the device of the scores, computed
/// by a sort without a synchronisation; on a device without doubles it is float, computed on the
/// host. NaN if the area is undefined; on devices with doubles other than the CPU also for a NaN
/// score or a target out of range. O(L N log N).
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

/// Scores of each label, for areas under curves, accumulated from tensors.
template <std::floating_point T>
class Accumulator<metrics::LabelScores<T>> {
 public:
  explicit Accumulator(std::size_t labels = 1) : metric_(labels), labels_(labels) {}

  /// Adds rows: scores [..., L] with classes [...], each against all others, or with 0 and 1 for
  /// each label, [..., L]; for one label also scores [N] with targets [N] of 0 and 1. On a device
  /// the rows stay there in their type; if all rows are one tensor, roc_auc() of tensors needs no
  /// copy at all.
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
    if (scores.is_cpu()) {
      rows.scores = rows.scores.to(c10::CppTypeToScalarType<T>::value);
      detail::add_ranked(kWhere, rows, metric_);
    } else {
      // A copy, so that later changes of the caller's tensor have no effect.
      scores_.add(kWhere, rows.scores.is_alias_of(scores) ? rows.scores.clone() : rows.scores);
      targets_.add(kWhere, rows.targets);
    }
  }

  /// The scores of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were invalid.
  metrics::LabelScores<T> value() const {
    metrics::LabelScores<T> result = metric_;
    if (const at::Tensor scores = scores_.read(); scores.defined()) {
      const at::Tensor in_type = scores.to(c10::CppTypeToScalarType<T>::value);
      detail::add_ranked("Accumulator<LabelScores>::value", {in_type, targets_.read()}, result);
    }
    return result;
  }

  /// Forgets all rows.
  void reset() { *this = Accumulator(labels_); }

 private:
  static constexpr const char* kWhere = "Accumulator<LabelScores>::add";

  // With any dimensions for the rows.
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
