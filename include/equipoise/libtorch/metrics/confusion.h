// Confusion counts of tensors: of one class per row, by group, and of several labels per row.
#ifndef EQUIPOISE_LIBTORCH_METRICS_CONFUSION_H_
#define EQUIPOISE_LIBTORCH_METRICS_CONFUSION_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstddef>
#include <cstdint>
#include <optional>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/confusion_sums.h"
#include "equipoise/libtorch/detail/device_sums.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/parts.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/multilabel.h"

namespace equipoise::libtorch {

/// A confusion matrix accumulated from tensors.
template <>
class Accumulator<metrics::ConfusionMatrix>
    : public detail::SummedMetric<metrics::ConfusionMatrix> {
 public:
  explicit Accumulator(std::size_t classes)
      : SummedMetric("Accumulator<ConfusionMatrix>::value", metrics::ConfusionMatrix(classes)) {}

  /// Adds rows: targets [...], and class indices of the same shape or logits [..., C], of which the
  /// largest is the prediction.
  /// @throws std::invalid_argument for shapes, types and devices that do not fit; on the CPU also
  /// as ConfusionMatrix::add(), and for a NaN logit.
  void add(const at::Tensor& targets, const at::Tensor& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    const at::Tensor truth = detail::labels_of(kWhere, "targets", targets);
    const auto classes = static_cast<std::int64_t>(empty_.classes());
    const at::Tensor said = detail::predictions_of(kWhere, predictions, targets, classes);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, empty_.classes(), ignore_index);
    if (!targets.is_cpu()) {
      if (detail::belongs_on_host(targets)) return add(truth.cpu(), said.cpu(), ignore_index);
      const detail::ConfusionRows rows{truth, said, {}};
      add_on_device(kWhere, truth.size(0), said.dim() == 1 ? 1 : classes,
                    [&](const detail::RowPart& part) {
                      return detail::confusion_sums(rows.part(part), 1, classes, ignore_index);
                    });
      return;
    }
    detail::with_labels(truth, [&](const auto& labels) {
      detail::with_predicted_labels(
          said, [&](const auto& predicted) { metric_.add(labels, predicted, ignore_index); });
    });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<ConfusionMatrix>::add";
};

/// A confusion matrix for each group, accumulated from tensors.
template <>
class Accumulator<metrics::Grouped<metrics::ConfusionMatrix>>
    : public detail::SummedMetric<metrics::Grouped<metrics::ConfusionMatrix>> {
 public:
  Accumulator(std::size_t groups, std::size_t classes)
      : SummedMetric(
            "Accumulator<Grouped<ConfusionMatrix>>::value",
            metrics::Grouped<metrics::ConfusionMatrix>(groups, metrics::ConfusionMatrix(classes))),
        classes_(classes) {}

  /// Adds rows: as for the confusion matrix, and the group of each row.
  /// @throws std::invalid_argument as there, and for a group out of range.
  void add(const at::Tensor& groups, const at::Tensor& targets, const at::Tensor& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    const at::Tensor truth = detail::labels_of(kWhere, "targets", targets);
    const at::Tensor group_of = detail::labels_of(kWhere, "groups", groups);
    const auto classes = static_cast<std::int64_t>(classes_);
    detail::require_matches(kWhere, "groups", groups, {targets, "targets"}, targets.numel(),
                            "rows of targets");
    const at::Tensor said = detail::predictions_of(kWhere, predictions, targets, classes);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, classes_, ignore_index);
    if (!targets.is_cpu()) {
      if (detail::belongs_on_host(targets)) {
        return add(group_of.cpu(), truth.cpu(), said.cpu(), ignore_index);
      }
      const auto group_count = static_cast<std::int64_t>(metric_.groups());
      const detail::ConfusionRows rows{truth, said, group_of};
      add_on_device(
          kWhere, truth.size(0), said.dim() == 1 ? 1 : classes, [&](const detail::RowPart& part) {
            return detail::confusion_sums(rows.part(part), group_count, classes, ignore_index);
          });
      return;
    }
    detail::with_labels(truth, [&](const auto& labels) {
      detail::with_labels(group_of, [&](const auto& row_groups) {
        detail::with_predicted_labels(said, [&](const auto& predicted) {
          metric_.add_rows(row_groups, [&](metrics::ConfusionMatrix& matrix, std::size_t r) {
            if (equipoise::detail::is_ignored(labels[r], ignore_index)) return;
            matrix.add(labels[r], predicted[r]);
          });
        });
      });
    });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<Grouped<ConfusionMatrix>>::add";
  std::size_t classes_;
};

/// Decisions on several labels per row, accumulated from tensors.
template <>
class Accumulator<metrics::MultiLabelCounts>
    : public detail::SummedMetric<metrics::MultiLabelCounts> {
 public:
  explicit Accumulator(std::size_t labels)
      : SummedMetric("Accumulator<MultiLabelCounts>::value", metrics::MultiLabelCounts(labels)) {}

  /// Adds rows: targets and predictions [..., L] of 0 and 1, integers or bool.
  /// @throws std::invalid_argument for shapes, types and devices that do not fit; on the CPU also
  /// as MultiLabelCounts::add().
  void add(const at::Tensor& targets, const at::Tensor& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    const at::Tensor truth = detail::bits_of(kWhere, "targets", targets);
    const at::Tensor said = detail::bits_of(kWhere, "predictions", predictions);
    detail::require_same_device(kWhere, "predictions", said, truth, "targets");
    equipoise::detail::require_count(kWhere, "targets.size(-1)",
                                     static_cast<std::size_t>(truth.size(1)), empty_.labels(),
                                     "labels");
    detail::require_sizes(kWhere, "predictions", said, truth.sizes());
    equipoise::detail::require_ignore_index_is_no_class(kWhere, 2, ignore_index);
    if (!targets.is_cpu()) {
      if (detail::belongs_on_host(targets)) return add(truth.cpu(), said.cpu(), ignore_index);
      add_on_device(kWhere, truth.size(0), truth.size(1), [&](const detail::RowPart& part) {
        return detail::multilabel_sums(part.of(truth), part.of(said), ignore_index);
      });
      return;
    }
    detail::with_bits(truth, [&](const auto& target_view) {
      detail::with_bits(said, [&](const auto& prediction_view) {
        metric_.add(target_view, prediction_view, ignore_index);
      });
    });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<MultiLabelCounts>::add";
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_CONFUSION_H_
