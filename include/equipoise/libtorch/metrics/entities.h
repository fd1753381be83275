// Entities in tensors of tags: padded batches of sequences.
#ifndef EQUIPOISE_LIBTORCH_METRICS_ENTITIES_H_
#define EQUIPOISE_LIBTORCH_METRICS_ENTITIES_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/stack.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/libtorch/detail/device_rows.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/metrics/entities.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::libtorch {

/// Counts of named entities, accumulated from tensors.
template <>
class Accumulator<metrics::EntityScores> {
 public:
  explicit Accumulator(const metrics::EntityTags& tags) : metric_(tags) {}

  /// Adds sequences: tags [T] of one sequence, or [..., T] of a padded batch, whose padding is the
  /// ignore index, and predictions of the same shape or logits [..., T, C], of which the largest is
  /// the prediction.
  /// @throws std::invalid_argument for shapes, types and devices that do not fit; on the CPU also
  /// as EntityScores::add(), and for a NaN logit.
  void add(const at::Tensor& targets, const at::Tensor& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    if (targets.dim() == 0) detail::reject(kWhere, "targets.dim()", 0, "at least 1");
    const at::Tensor truth = detail::labels_of(kWhere, "targets", targets);
    const std::size_t tags = metric_.tags().size();
    const at::Tensor said =
        detail::predictions_of(kWhere, predictions, targets, static_cast<std::int64_t>(tags));
    equipoise::detail::require_ignore_index_is_no_class(kWhere, tags, ignore_index);
    const Batch batch{static_cast<std::size_t>(targets.numel()),
                      static_cast<std::size_t>(targets.size(-1)), ignore_index};
    if (!targets.is_cpu()) {
      rows_.add(kWhere, at::stack({detail::to_integers(truth), detail::predicted_labels(said)}));
      batches_.push_back(batch);
      return;
    }
    detail::with_labels(truth, [&](const auto& labels) {
      detail::with_predicted_labels(
          said, [&](const auto& predicted) { add_to(metric_, batch, labels, predicted); });
    });
  }

  /// The scores of all sequences that were added. Waits for the device.
  /// @throws std::invalid_argument if labels or logits on the device were invalid.
  metrics::EntityScores value() const {
    metrics::EntityScores result = metric_;
    const at::Tensor rows = rows_.read();
    if (!rows.defined()) return result;
    std::span<const std::int64_t> truth = detail::span_of<std::int64_t>(rows[0]);
    std::span<const std::int64_t> labels = detail::span_of<std::int64_t>(rows[1]);
    for (const Batch& batch : batches_) {
      add_to(result, batch, truth.first(batch.tokens), labels.first(batch.tokens));
      truth = truth.subspan(batch.tokens);
      labels = labels.subspan(batch.tokens);
    }
    return result;
  }

  /// Forgets all sequences.
  void reset() { *this = Accumulator(metric_.tags()); }

 private:
  static constexpr const char* kWhere = "Accumulator<EntityScores>::add";

  struct Batch {
    std::size_t tokens;
    std::size_t length;  // of each sequence
    std::optional<std::int64_t> ignore_index;
  };

  static void add_to(metrics::EntityScores& scores, const Batch& batch,
                     std::span<const std::int64_t> truth, std::span<const std::int64_t> labels) {
    std::vector<std::size_t> offsets = {0};
    while (offsets.back() < batch.tokens) offsets.push_back(offsets.back() + batch.length);
    scores.add(truth, labels, offsets, batch.ignore_index);
  }

  metrics::EntityScores metric_;
  detail::DeviceRows rows_;
  std::vector<Batch> batches_;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_ENTITIES_H_
