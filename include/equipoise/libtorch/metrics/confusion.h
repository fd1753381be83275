// Confusion counts of tensors: of one class per row, by group, and of several labels per row.
#ifndef EQUIPOISE_LIBTORCH_METRICS_CONFUSION_H_
#define EQUIPOISE_LIBTORCH_METRICS_CONFUSION_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/device_sums.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/multilabel.h"

namespace equipoise::libtorch {

namespace detail {

// What a confusion matrix reads of a batch, [N] each.
struct ConfusionRows {
  at::Tensor targets;
  at::Tensor predictions;
  at::Tensor groups;  // undefined where there are none
  at::Tensor logits;  // [N, C], to find those that are NaN; undefined for labels
};

// The sums of a batch, as DeviceSums takes them.
inline at::Tensor confusion_sums(const ConfusionRows& rows, std::int64_t group_count,
                                 std::int64_t classes, IgnoreIndex ignore_index) {
  const auto& [targets, predictions, groups, logits] = rows;
  const at::Tensor counted = is_counted(targets, ignore_index);
  at::Tensor valid = is_label(targets, classes).bitwise_and(is_label(predictions, classes));
  if (groups.defined()) valid = valid.bitwise_and(is_label(groups, group_count));
  if (logits.defined()) valid = valid.bitwise_and(logits.ne(logits).any(-1).bitwise_not());
  const std::int64_t cells = classes * classes;
  at::Tensor code = targets * classes + predictions;
  if (groups.defined()) code = code + groups * cells;
  const at::Tensor taken = counted.bitwise_and(valid);
  const std::int64_t size = group_count * cells;
  const at::Tensor index = code.masked_fill(taken.bitwise_not(), size);
  // Rows that are left out go behind the cells as well, but weigh nothing.
  return sums_at(index, counted, size + 1);
}

// The sums of a batch, as DeviceSums takes them.
inline at::Tensor multilabel_sums(const at::Tensor& targets, const at::Tensor& predictions,
                                  IgnoreIndex ignore_index) {
  const std::int64_t labels = targets.size(1);
  const at::Tensor counted = is_counted(targets, ignore_index);
  const at::Tensor valid = is_label(targets, 2).bitwise_and(is_label(predictions, 2));
  const at::Tensor weight = counted.bitwise_and(valid).to(at::kDouble);
  const at::Tensor t = targets.ne(0).to(at::kDouble).mul(weight);
  const at::Tensor p = predictions.ne(0).to(at::kDouble).mul(weight);
  const at::Tensor both = t.mul(p);
  // Target and prediction as two binary digits.
  const at::Tensor cells =
      at::stack({weight.sub(t).sub(p).add(both), p.sub(both), t.sub(both), both}, -1)
          .sum(0)
          .reshape({4 * labels});
  const at::Tensor is_row = weight.sum(1).gt(0);
  const at::Tensor hits = both.sum(1);
  const at::Tensor said = t.sum(1).add(p.sum(1));
  const at::Tensor wrong = said.sub(hits.mul(2));
  const at::Tensor f1 = hits.mul(2).div(said.clamp_min(1));
  const at::Tensor jaccard = hits.div(said.sub(hits).clamp_min(1));
  return at::cat({total(is_row), total(wrong.eq(0).bitwise_and(is_row)), total(f1), total(jaccard),
                  total(said.eq(0).bitwise_and(is_row)), cells,
                  total(counted.bitwise_and(valid.bitwise_not()))});
}

}  // namespace detail

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
    const detail::Predictions read =
        detail::read_predictions(kWhere, predictions, targets, classes);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, empty_.classes(), ignore_index);
    if (!targets.is_cpu()) {
      sums_.add(kWhere, detail::confusion_sums({truth, read.labels, {}, read.logits}, 1, classes,
                                               ignore_index));
      return;
    }
    const auto labels = detail::span_of<std::int64_t>(truth);
    if (!read.logits.defined()) {
      metric_.add(labels, detail::span_of<std::int64_t>(read.labels), ignore_index);
      return;
    }
    detail::with_view(read.logits, [&](const auto& view) {
      metric_.add(labels, calibrate::predict(view), ignore_index);
    });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<ConfusionMatrix>::add";
};

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
    const detail::Predictions read =
        detail::read_predictions(kWhere, predictions, targets, classes);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, classes_, ignore_index);
    if (!targets.is_cpu()) {
      sums_.add(kWhere, detail::confusion_sums({truth, read.labels, group_of, read.logits},
                                               static_cast<std::int64_t>(metric_.groups()), classes,
                                               ignore_index));
      return;
    }
    std::vector<std::int64_t> largest;
    if (read.logits.defined()) {
      detail::with_view(read.logits, [&](const auto& view) { largest = calibrate::predict(view); });
    }
    const auto labels = detail::span_of<std::int64_t>(truth);
    const auto predicted = read.logits.defined() ? std::span<const std::int64_t>(largest)
                                                 : detail::span_of<std::int64_t>(read.labels);
    metric_.add_rows(detail::span_of<std::int64_t>(group_of),
                     [&](metrics::ConfusionMatrix& matrix, std::size_t r) {
                       if (equipoise::detail::is_ignored(labels[r], ignore_index)) return;
                       matrix.add(labels[r], predicted[r]);
                     });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<Grouped<ConfusionMatrix>>::add";
  std::size_t classes_;
};

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
      sums_.add(kWhere, detail::multilabel_sums(truth, said, ignore_index));
      return;
    }
    metric_.add(detail::matrix_view<const std::int64_t>(truth),
                detail::matrix_view<const std::int64_t>(said), ignore_index);
  }

 private:
  static constexpr const char* kWhere = "Accumulator<MultiLabelCounts>::add";
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_CONFUSION_H_
