// Scores and targets label by label, and the areas under their curves, by operations and by the
// core.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_RANKED_LABELS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_RANKED_LABELS_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/parts.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/label_scores.h"

namespace equipoise::libtorch::detail {

// Scores and targets of each label, [L, N]. Targets, of int8, are 1, 0, or -1 where they are left
// out, and 2 where something is wrong: a NaN score, or a target that is none.
struct RankedLabels {
  at::Tensor scores;
  at::Tensor targets;

  at::Tensor is_wrong() const { return targets.eq(2).any(-1); }  // [L]
};

// The targets of rows [N, L] as RankedLabels has them, from classes [N, 1] or bits [N, L].
inline at::Tensor ranked_targets(const at::Tensor& scores, const at::Tensor& targets, bool by_class,
                                 IgnoreIndex ignore_index) {
  const at::Tensor counted = is_counted(targets, ignore_index);
  const at::Tensor valid = is_label(targets, by_class ? scores.size(1) : 2);
  const at::Tensor bits =
      by_class ? at::arange(scores.size(1), targets.options()).eq(targets) : targets;
  return bits.to(at::kChar)
      .masked_fill(scores.ne(scores).bitwise_or_(valid.bitwise_not()), 2)
      .masked_fill_(counted.bitwise_not(), -1);
}

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
  const at::Tensor read = in_memory(scores).detach();
  const at::Tensor s = read.dim() == 1 ? read.unsqueeze(1) : read;
  const at::Tensor t = targets.dim() == 1 ? targets.unsqueeze(1) : targets;
  const RankedLabels result = {s.t().contiguous(),
                               at::empty({s.size(1), s.size(0)}, s.options().dtype(at::kChar))};
  for_each_part(s.size(0), s.size(1), [&](const RowPart& part) {
    result.targets.narrow(1, part.first, part.count)
        .copy_(ranked_targets(part.of(s), to_integers(part.of(t)), by_class, ignore_index).t());
  });
  return result;
}

// The areas of one label, or of some.
class RankedAreas {
 public:
  explicit RankedAreas(const RankedLabels& labels) : is_wrong_(labels.is_wrong()) {
    at::Tensor targets;
    {
      const auto [sorted, order] = at::sort(labels.scores, -1);
      sorted_ = sorted;
      targets = labels.targets.gather(-1, order);
    }
    {
      const at::Tensor is_negative = targets.eq(0);
      negatives_ = is_negative.sum(-1).to(at::kDouble);
      negatives_before_ = counts_before(is_negative);
    }
    is_positive_ = targets.eq(1);
    targets.reset();
    positives_ = is_positive_.sum(-1).to(at::kDouble);
    positives_before_ = counts_before(is_positive_);
  }

  // [2, labels] of double, with at most `parts` parts of the scores at once.
  at::Tensor value(std::int64_t parts) const {
    at::Tensor sums = at::zeros({2, sorted_.size(0)}, positives_.options());
    for_each_part(
        sorted_.size(1), sorted_.size(0), [&](const RowPart& part) { sums.add_(sums_of(part)); },
        parts);
    return sums.div_(at::stack({positives_.mul(negatives_), positives_}))
        .masked_fill_(is_wrong_, equipoise::detail::quiet_nan());
  }

 private:
  // How many lie before each place, and in all: [labels, N + 1]. Counts, whose running sums are the
  // same in any order; those of floating-point numbers are refused under deterministic algorithms.
  static at::Tensor counts_before(const at::Tensor& bits) {
    const bool fits = bits.size(1) <= std::numeric_limits<std::int32_t>::max();
    const at::ScalarType type = fits ? at::kInt : at::kLong;
    at::Tensor result = at::zeros({bits.size(0), bits.size(1) + 1}, bits.options().dtype(type));
    at::Tensor counts = result.narrow(1, 1, bits.size(1));
    counts.copy_(bits).cumsum_(-1);
    return result;
  }

  // What the positive scores among these add to the areas, before they are divided.
  at::Tensor sums_of(const RowPart& part) const {
    const at::Tensor scores = sorted_.narrow(1, part.first, part.count).contiguous();
    const at::Tensor is_positive = is_positive_.narrow(1, part.first, part.count);
    const auto at_place = [](const at::Tensor& counts, const at::Tensor& place) {
      return counts.gather(-1, place).to(at::kDouble);
    };
    // Where scores begin that are no less than each, and that are more.
    const at::Tensor below = at::searchsorted(sorted_, scores);
    const at::Tensor lost = at_place(negatives_before_, below);
    const at::Tensor won =
        at_place(negatives_before_,
                 at::searchsorted(sorted_, scores, /*out_int32=*/false, /*right=*/true))
            .add_(lost)
            .div_(2);
    const at::Tensor found =
        at_place(positives_before_, below).neg_().add_(positives_.unsqueeze(-1));
    const at::Tensor said = lost.neg_().add_(negatives_.unsqueeze(-1)).add_(found).clamp_min_(1);
    const at::Tensor precision = found.div_(said);
    return at::stack({won.mul_(is_positive).sum(-1), precision.mul_(is_positive).sum(-1)});
  }

  at::Tensor is_wrong_;          // [labels]
  at::Tensor sorted_;            // [labels, N]
  at::Tensor is_positive_;       // [labels, N]
  at::Tensor positives_;         // [labels]
  at::Tensor negatives_;         // [labels]
  at::Tensor positives_before_;  // [labels, N + 1]
  at::Tensor negatives_before_;  // [labels, N + 1]
};

// Both areas of each label, [2, L] of double; NaN where they are undefined or something is wrong.
inline at::Tensor areas(const RankedLabels& labels) {
  constexpr std::int64_t kParts = 64;
  const std::int64_t count = labels.scores.size(0);
  std::vector<at::Tensor> result;
  for_each_part(
      count, labels.scores.size(1),
      [&](const RowPart& part) {
        const RankedAreas some(RankedLabels{part.of(labels.scores), part.of(labels.targets)});
        result.push_back(
            some.value(std::max<std::int64_t>(kParts / std::max<std::int64_t>(count, 1), 1)));
      },
      kParts);
  return at::cat(result, 1);
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
  at::Tensor result;
  if (scores.is_cpu()) {
    result = areas_by_core(labels, where, by_core);
  } else if (belongs_on_host(scores)) {
    result = areas_by_core({labels.scores.cpu(), labels.targets.cpu()}, where, by_core)
                 .to(at::kFloat)
                 .to(scores.device());
  } else {
    result = areas(labels).select(0, which);
  }
  return scores.dim() == 1 ? result.squeeze(0) : result;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_RANKED_LABELS_H_
