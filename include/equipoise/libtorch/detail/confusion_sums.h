// What confusion counts come to in a batch on a device, by operations.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_CONFUSION_SUMS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_CONFUSION_SUMS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include <cstdint>

#include "equipoise/libtorch/detail/device_sums.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/parts.h"
#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

// What a confusion matrix reads of a batch: labels [N], logits [N, C].
struct ConfusionRows {
  at::Tensor targets;
  at::Tensor predictions;  // labels or logits
  at::Tensor groups;       // undefined where there are none

  ConfusionRows part(const RowPart& part) const {
    return {part.of(targets), part.of(predictions), part.of(groups)};
  }
};

// The sums of a batch, as DeviceSums takes them.
inline at::Tensor confusion_sums(const ConfusionRows& rows, std::int64_t group_count,
                                 std::int64_t classes, IgnoreIndex ignore_index) {
  const at::Tensor targets = to_integers(rows.targets);
  const at::Tensor predictions = predicted_labels(rows.predictions);
  const at::Tensor counted = is_counted(targets, ignore_index);
  at::Tensor taken =
      is_label(targets, classes).bitwise_and_(is_label(predictions, classes)).bitwise_and_(counted);
  const std::int64_t cells = classes * classes;
  at::Tensor index = targets.mul(classes).add_(predictions);
  if (rows.groups.defined()) {
    const at::Tensor groups = to_integers(rows.groups);
    taken.bitwise_and_(is_label(groups, group_count));
    index.add_(groups, cells);
  }
  const std::int64_t size = group_count * cells;
  index.masked_fill_(taken.bitwise_not_(), size);
  // Rows that are left out go behind the cells as well, but weigh nothing.
  return sums_at(index, counted, size + 1);
}

// The sums of a batch, as DeviceSums takes them.
inline at::Tensor multilabel_sums(const at::Tensor& targets, const at::Tensor& predictions,
                                  IgnoreIndex ignore_index) {
  const at::Tensor target = to_integers(targets);
  const at::Tensor prediction = to_integers(predictions);
  const at::Tensor counted = is_counted(target, ignore_index);
  const at::Tensor taken =
      is_label(target, 2).bitwise_and_(is_label(prediction, 2)).bitwise_and_(counted);
  const at::Tensor t = target.ne(0).bitwise_and_(taken);
  const at::Tensor p = prediction.ne(0).bitwise_and_(taken);
  const at::Tensor both = t.bitwise_and(p);
  // Of each label, target and prediction as two binary digits.
  const auto of_labels = [](const at::Tensor& bits) { return bits.sum(0, false, at::kDouble); };
  const at::Tensor true_positives = of_labels(both);
  const at::Tensor false_positives = of_labels(p).sub_(true_positives);
  const at::Tensor false_negatives = of_labels(t).sub_(true_positives);
  const at::Tensor true_negatives =
      of_labels(taken).sub_(true_positives).sub_(false_positives).sub_(false_negatives);
  const at::Tensor cells =
      at::stack({true_negatives, false_positives, false_negatives, true_positives}, -1)
          .reshape({-1});
  const at::Tensor is_row = taken.any(1);
  const auto of_rows = [](const at::Tensor& bits) { return bits.sum(1, false, at::kDouble); };
  const at::Tensor hits = of_rows(both);
  const at::Tensor said = of_rows(t).add_(of_rows(p));
  const at::Tensor wrong = said.sub(hits.mul(2));
  const at::Tensor f1 = hits.mul(2).div(said.clamp_min(1));
  const at::Tensor jaccard = hits.div(said.sub(hits).clamp_min(1));
  return at::cat({total(is_row), total(wrong.eq(0).bitwise_and(is_row)), total(f1), total(jaccard),
                  total(said.eq(0).bitwise_and(is_row)), cells,
                  total(counted.bitwise_and(taken.bitwise_not()))});
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_CONFUSION_SUMS_H_
