// Metrics of tensors: the core's on the CPU, sums on the device everywhere else, read once.
#ifndef EQUIPOISE_LIBTORCH_METRICS_H_
#define EQUIPOISE_LIBTORCH_METRICS_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/multilabel.h"
#include "equipoise/metrics/multilabel_calibration.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/view.h"

namespace equipoise::libtorch {

namespace detail {

using IgnoreIndex = std::optional<std::int64_t>;

// [...] as [N] of integers, [..., C] as [N, C].
inline at::Tensor labels_of(const char* where, const char* name, const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kBool) return tensor.reshape({-1}).to(at::kLong);
  require_integral(where, name, tensor);
  return flat(tensor, at::kLong);
}
inline at::Tensor rows_of(const char* where, const char* name, const at::Tensor& tensor) {
  if (tensor.dim() < 2) reject(where, std::string(name) + ".dim()", tensor.dim(), "at least 2");
  return tensor.reshape({-1, tensor.size(-1)});
}
// The same, of 0 / 1 targets or decisions: [N, L] of integers.
inline at::Tensor bits_of(const char* where, const char* name, const at::Tensor& tensor) {
  if (tensor.scalar_type() != at::kBool) require_integral(where, name, tensor);
  return rows_of(where, name, tensor).to(at::kLong).contiguous();
}
// [N, C] of float or double.
inline at::Tensor numbers_of(const char* where, const char* name, const at::Tensor& tensor) {
  require_floating_point(where, name, tensor);
  return rows_of(where, name, tensor).detach().to(compute_type(tensor));
}

inline void require_same_device(const char* where, const char* name, const at::Tensor& tensor,
                                const at::Tensor& leader, const char* leader_name) {
  require_companion(where, name, tensor, {leader, leader_name}, -1, "");
}

// Calls f with a view of [N, C] numbers on the CPU.
template <class F>
void with_view(const at::Tensor& numbers, const F& f) {
  if (numbers.scalar_type() == at::kDouble) {
    f(matrix_view<const double>(numbers));
  } else {
    f(matrix_view<const float>(numbers));
  }
}

inline at::Tensor is_label(const at::Tensor& labels, std::int64_t classes) {
  return labels.ge(0).bitwise_and(labels.lt(classes));
}
inline at::Tensor is_counted(const at::Tensor& labels, IgnoreIndex ignore_index) {
  return ignore_index ? labels.ne(*ignore_index) : labels.eq(labels);
}

// [size] of double: how often each index occurs, or the sums of what goes with it.
inline at::Tensor sums_at(const at::Tensor& index, const at::Tensor& numbers, std::int64_t size) {
  return at::zeros({size}, numbers.options().dtype(at::kDouble))
      .scatter_add(0, index.reshape({-1}), numbers.to(at::kDouble).reshape({-1}));
}
inline at::Tensor total(const at::Tensor& numbers) { return numbers.sum(at::kDouble).reshape({1}); }

// Each of the following gives what all_reduce_buffer() of the metric holds for these rows, and
// behind it how many rows are none: [K + 1] of double, on the device, without reading it.

inline at::Tensor confusion_sums(const at::Tensor& targets, const at::Tensor& predictions,
                                 const at::Tensor& groups, const at::Tensor& numbers,
                                 std::int64_t group_count, std::int64_t classes,
                                 IgnoreIndex ignore_index) {
  const at::Tensor counted = is_counted(targets, ignore_index);
  at::Tensor valid = is_label(targets, classes).bitwise_and(is_label(predictions, classes));
  if (groups.defined()) valid = valid.bitwise_and(is_label(groups, group_count));
  if (numbers.defined()) valid = valid.bitwise_and(numbers.ne(numbers).any(-1).bitwise_not());
  const std::int64_t cells = classes * classes;
  at::Tensor code = targets * classes + predictions;
  if (groups.defined()) code = code + groups * cells;
  const at::Tensor taken = counted.bitwise_and(valid);
  const std::int64_t size = group_count * cells;
  const at::Tensor index = code.masked_fill(taken.bitwise_not(), size);
  // Rows that are left out go behind the cells as well, but weigh nothing.
  return sums_at(index, counted, size + 1);
}

// count, sum of probabilities and how many came true of each bin, [D x bins x 3], from
// probabilities and outcomes [N, D] that count by `weights`.
inline at::Tensor reliability_sums(const at::Tensor& p, const at::Tensor& outcomes,
                                   const at::Tensor& weights, std::int64_t bins) {
  const std::int64_t diagrams = p.size(1);
  const at::Tensor bin = p.mul(bins).ceil().sub(1).clamp(0, bins - 1).to(at::kLong);
  const at::Tensor index = at::arange(diagrams, bin.options()).mul(bins).add(bin);
  const auto sum = [&](const at::Tensor& numbers) {
    return sums_at(index, numbers, diagrams * bins);
  };
  return at::stack({sum(weights), sum(p.mul(weights)), sum(outcomes.mul(weights))}, -1)
      .reshape({-1});
}

inline at::Tensor calibration_sums(const at::Tensor& probabilities, const at::Tensor& targets,
                                   std::int64_t bins, IgnoreIndex ignore_index) {
  const std::int64_t classes = probabilities.size(1);
  const at::Tensor counted = is_counted(targets, ignore_index);
  const at::Tensor excess = probabilities.to(at::kDouble).sum(-1).sub(1);
  constexpr double kTolerance = equipoise::detail::kProbabilitySumTolerance;
  // Comparisons with NaN are false.
  const at::Tensor valid = is_label(targets, classes)
                               .bitwise_and(probabilities.ge(0).all(-1))
                               .bitwise_and(excess.le(kTolerance))
                               .bitwise_and(excess.ge(-kTolerance));
  const at::Tensor taken = counted.bitwise_and(valid);
  const at::Tensor left_out = taken.bitwise_not().unsqueeze(1);
  const at::Tensor weight = taken.to(at::kDouble).unsqueeze(1);
  const at::Tensor p = probabilities.to(at::kDouble).masked_fill(left_out, 0);
  const at::Tensor y = targets.masked_fill(taken.bitwise_not(), 0).unsqueeze(1);
  const at::Tensor outcomes = at::arange(classes, y.options()).eq(y).to(at::kDouble);
  const at::Tensor losses = p.gather(1, y).log().neg().masked_fill(left_out, 0);
  const at::Tensor squares = p.sub(outcomes).square().mul(weight);
  const at::Tensor top = p.argmax(1, /*keepdim=*/true);
  const at::Tensor all_p = at::cat({p.gather(1, top), p}, 1);
  const at::Tensor all_outcomes = at::cat({top.eq(y).to(at::kDouble), outcomes}, 1);
  return at::cat({total(weight), total(losses), total(squares),
                  reliability_sums(all_p, all_outcomes, weight.expand_as(all_p), bins),
                  total(counted.bitwise_and(valid.bitwise_not()))});
}

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

inline at::Tensor multilabel_calibration_sums(const at::Tensor& probabilities,
                                              const at::Tensor& targets, std::int64_t bins,
                                              IgnoreIndex ignore_index) {
  const at::Tensor counted = is_counted(targets, ignore_index);
  const at::Tensor valid =
      is_label(targets, 2).bitwise_and(probabilities.ge(0)).bitwise_and(probabilities.le(1));
  const at::Tensor taken = counted.bitwise_and(valid);
  const at::Tensor left_out = taken.bitwise_not();
  const at::Tensor weight = taken.to(at::kDouble);
  const at::Tensor p = probabilities.to(at::kDouble).masked_fill(left_out, 0);
  const at::Tensor outcomes = targets.masked_fill(left_out, 0).to(at::kDouble);
  const at::Tensor is_true = outcomes.gt(0);
  // Of the probability of what came true; the other logarithm may be infinite.
  const at::Tensor losses =
      p.log().neg().masked_fill(is_true.bitwise_not().bitwise_or(left_out), 0) +
      p.neg().log1p().neg().masked_fill(is_true.bitwise_or(left_out), 0);
  const at::Tensor squares = p.sub(outcomes).square().mul(weight);
  const at::Tensor totals =
      at::stack({weight.sum(0), losses.sum(0), squares.sum(0)}, -1).reshape({-1});
  return at::cat({totals, reliability_sums(p, outcomes, weight, bins),
                  total(counted.bitwise_and(valid.bitwise_not()))});
}

// What has been added on one device, and how to tell that some of it was wrong.
class DeviceSums {
 public:
  void add(const char* where, const at::Tensor& sums) {
    if (!sums_.defined()) {
      sums_ = sums;
      return;
    }
    require_same_device(where, "tensors", sums, sums_, "sums");
    sums_ = sums_.add(sums);
  }

  // The sums without the last number, which says how many rows were wrong; none before add().
  // The only place where the host waits for the device.
  std::vector<double> read(const char* where) const {
    if (!sums_.defined()) return {};
    std::vector<double> values = to_vector(sums_.to(at::kCPU));
    if (values.back() > 0) {
      reject(where, "rows with a target, a prediction or a probability out of range", values.back(),
             "0");
    }
    values.pop_back();
    return values;
  }

 private:
  at::Tensor sums_;
};

// The metric with what lies on the device added to it.
template <class Metric>
Metric with_sums(Metric metric, const Metric& empty, const std::vector<double>& sums) {
  if (sums.empty()) return metric;
  Metric part = empty;
  std::copy(sums.begin(), sums.end(), part.all_reduce_buffer().begin());
  return metric += part;
}

// Indices or, of logits, where each row is largest: [N] of int64; and the logits [N, C].
struct Predictions {
  at::Tensor labels;
  at::Tensor logits;
};

inline Predictions read_predictions(const char* where, const at::Tensor& predictions,
                                    const at::Tensor& targets, std::int64_t classes) {
  Predictions result;
  require_same_device(where, "predictions", predictions, targets, "targets");
  if (predictions.is_floating_point()) {
    result.logits = numbers_of(where, "predictions", predictions);
    if (result.logits.size(1) != classes) {
      reject(where, "predictions.size(-1)", result.logits.size(1),
             std::to_string(classes) + " (classes)");
    }
    result.labels = result.logits.argmax(-1);
  } else {
    result.labels = labels_of(where, "predictions", predictions);
  }
  if (result.labels.numel() != targets.numel()) {
    reject(where, "predictions", result.labels.numel(),
           std::to_string(targets.numel()) + " (rows of targets)");
  }
  return result;
}

}  // namespace detail

/// A metric summed over batches of tensors. CPU tensors go into the core's metric at once. Those of
/// another device are reduced there, to as many numbers as the metric has, without a
/// synchronisation or an upload; value() reads them once. Tensors of one accumulator lie on the CPU
/// and on at most one device.
///
/// Shapes are as the metric has them, with any dimensions for the rows: targets [...] and logits
/// [..., C], such as N x T and N x T x C of tokens. On devices other than the CPU wrong values
/// (targets, probabilities, NaN) are found by value() alone, which then throws; the batch is lost.
/// Half types are taken as float. Nothing of it has a gradient.
template <class Metric>
class Accumulator;

template <>
class Accumulator<ConfusionMatrix> {
 public:
  explicit Accumulator(std::size_t classes) : empty_(classes), metric_(classes) {}

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
      sums_.add(kWhere, detail::confusion_sums(truth, read.labels, {}, read.logits, 1, classes,
                                               ignore_index));
      return;
    }
    const auto labels = detail::span_of<std::int64_t>(truth);
    if (!read.logits.defined()) {
      metric_.add(labels, detail::span_of<std::int64_t>(read.labels), ignore_index);
      return;
    }
    detail::with_view(read.logits,
                      [&](const auto& view) { metric_.add(labels, predict(view), ignore_index); });
  }

  /// The metric of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were wrong.
  ConfusionMatrix value() const {
    return detail::with_sums(metric_, empty_, sums_.read("Accumulator<ConfusionMatrix>::value"));
  }

 private:
  static constexpr const char* kWhere = "Accumulator<ConfusionMatrix>::add";
  ConfusionMatrix empty_;
  ConfusionMatrix metric_;
  detail::DeviceSums sums_;
};

template <>
class Accumulator<Grouped<ConfusionMatrix>> {
 public:
  Accumulator(std::size_t groups, std::size_t classes) : empty_(classes), metric_(groups, empty_) {}

  /// Adds rows: as for the confusion matrix, and the group of each row.
  /// @throws std::invalid_argument as there, and for a group out of range.
  void add(const at::Tensor& groups, const at::Tensor& targets, const at::Tensor& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    const at::Tensor truth = detail::labels_of(kWhere, "targets", targets);
    const at::Tensor group_of = detail::labels_of(kWhere, "groups", groups);
    const auto classes = static_cast<std::int64_t>(empty_.classes());
    detail::require_companion(kWhere, "groups", groups, {targets, "targets"}, targets.numel(),
                              "rows of targets");
    const detail::Predictions read =
        detail::read_predictions(kWhere, predictions, targets, classes);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, empty_.classes(), ignore_index);
    if (!targets.is_cpu()) {
      sums_.add(kWhere, detail::confusion_sums(truth, read.labels, group_of, read.logits,
                                               static_cast<std::int64_t>(metric_.groups()), classes,
                                               ignore_index));
      return;
    }
    std::vector<std::int64_t> largest;
    if (read.logits.defined()) {
      detail::with_view(read.logits, [&](const auto& view) { largest = predict(view); });
    }
    const auto labels = detail::span_of<std::int64_t>(truth);
    const auto predicted = read.logits.defined() ? std::span<const std::int64_t>(largest)
                                                 : detail::span_of<std::int64_t>(read.labels);
    metric_.add_rows(detail::span_of<std::int64_t>(group_of),
                     [&](ConfusionMatrix& matrix, std::size_t r) {
                       if (equipoise::detail::is_ignored(labels[r], ignore_index)) return;
                       matrix.add(labels[r], predicted[r]);
                     });
  }

  /// The metric of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were wrong.
  Grouped<ConfusionMatrix> value() const {
    Grouped<ConfusionMatrix> result = metric_;
    const std::vector<double> sums = sums_.read("Accumulator<Grouped<ConfusionMatrix>>::value");
    if (sums.empty()) return result;
    const std::size_t cells = empty_.classes() * empty_.classes();
    for (std::size_t g = 0; g < result.groups(); ++g) {
      ConfusionMatrix part = empty_;
      std::copy_n(&sums[g * cells], cells, part.all_reduce_buffer().begin());
      result.group(g) += part;
    }
    return result;
  }

 private:
  static constexpr const char* kWhere = "Accumulator<Grouped<ConfusionMatrix>>::add";
  ConfusionMatrix empty_;
  Grouped<ConfusionMatrix> metric_;
  detail::DeviceSums sums_;
};

template <>
class Accumulator<Calibration> {
 public:
  /// @throws std::invalid_argument as Calibration.
  explicit Accumulator(std::size_t classes, std::size_t bins = 15)
      : empty_(classes, bins), metric_(empty_) {}

  /// Adds rows: probabilities [..., C] and targets [...].
  /// @throws std::invalid_argument for shapes, types and devices that do not fit; on the CPU also
  /// as Calibration::add().
  void add(const at::Tensor& probabilities, const at::Tensor& targets,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    const at::Tensor p = detail::numbers_of(kWhere, "probabilities", probabilities);
    const at::Tensor truth = detail::labels_of(kWhere, "targets", targets);
    equipoise::detail::require_count(kWhere, "probabilities.size(-1)",
                                     static_cast<std::size_t>(p.size(1)), empty_.classes(),
                                     "classes");
    detail::require_companion(kWhere, "targets", truth, {p, "probabilities"}, p.size(0),
                              "rows of probabilities");
    equipoise::detail::require_ignore_index_is_no_class(kWhere, empty_.classes(), ignore_index);
    if (!targets.is_cpu()) {
      sums_.add(kWhere, detail::calibration_sums(p, truth, static_cast<std::int64_t>(empty_.bins()),
                                                 ignore_index));
      return;
    }
    detail::with_view(p, [&](const auto& view) {
      metric_.add(view, detail::span_of<std::int64_t>(truth), ignore_index);
    });
  }

  /// The metric of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were wrong.
  Calibration value() const {
    return detail::with_sums(metric_, empty_, sums_.read("Accumulator<Calibration>::value"));
  }

 private:
  static constexpr const char* kWhere = "Accumulator<Calibration>::add";
  Calibration empty_;
  Calibration metric_;
  detail::DeviceSums sums_;
};

template <>
class Accumulator<MultiLabelCounts> {
 public:
  explicit Accumulator(std::size_t labels) : empty_(labels), metric_(labels) {}

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

  /// The metric of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were wrong.
  MultiLabelCounts value() const {
    return detail::with_sums(metric_, empty_, sums_.read("Accumulator<MultiLabelCounts>::value"));
  }

 private:
  static constexpr const char* kWhere = "Accumulator<MultiLabelCounts>::add";
  MultiLabelCounts empty_;
  MultiLabelCounts metric_;
  detail::DeviceSums sums_;
};

template <>
class Accumulator<MultiLabelCalibration> {
 public:
  /// @throws std::invalid_argument as MultiLabelCalibration.
  explicit Accumulator(std::size_t labels, std::size_t bins = 15)
      : empty_(labels, bins), metric_(empty_) {}

  /// Adds rows: probabilities and targets [..., L].
  /// @throws std::invalid_argument for shapes, types and devices that do not fit; on the CPU also
  /// as MultiLabelCalibration::add().
  void add(const at::Tensor& probabilities, const at::Tensor& targets,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    const at::Tensor p = detail::numbers_of(kWhere, "probabilities", probabilities);
    const at::Tensor truth = detail::bits_of(kWhere, "targets", targets);
    detail::require_same_device(kWhere, "targets", truth, p, "probabilities");
    equipoise::detail::require_count(kWhere, "probabilities.size(-1)",
                                     static_cast<std::size_t>(p.size(1)), empty_.labels(),
                                     "labels");
    detail::require_sizes(kWhere, "targets", truth, p.sizes());
    equipoise::detail::require_ignore_index_is_no_class(kWhere, 2, ignore_index);
    if (!targets.is_cpu()) {
      sums_.add(kWhere, detail::multilabel_calibration_sums(
                            p, truth, static_cast<std::int64_t>(empty_.bins()), ignore_index));
      return;
    }
    detail::with_view(p, [&](const auto& view) {
      metric_.add(view, detail::matrix_view<const std::int64_t>(truth), ignore_index);
    });
  }

  /// The metric of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were wrong.
  MultiLabelCalibration value() const {
    return detail::with_sums(metric_, empty_,
                             sums_.read("Accumulator<MultiLabelCalibration>::value"));
  }

 private:
  static constexpr const char* kWhere = "Accumulator<MultiLabelCalibration>::add";
  MultiLabelCalibration empty_;
  MultiLabelCalibration metric_;
  detail::DeviceSums sums_;
};

namespace detail {

// Scores and targets of each label, [L, N]: targets are 1, 0, or -1 where they are left out.
struct RankedLabels {
  at::Tensor scores;
  at::Tensor targets;
  at::Tensor wrong;  // [L] bool: a NaN score, or a target that is none
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
  const at::Tensor s = scores.dim() == 1 ? scores.unsqueeze(1) : scores;
  at::Tensor t = targets.to(at::kLong);
  if (t.dim() == 1) t = t.unsqueeze(1);
  const at::Tensor counted = is_counted(t, ignore_index);
  const at::Tensor valid = is_label(t, by_class ? s.size(1) : 2);
  if (by_class) t = at::arange(s.size(1), t.options()).eq(t).to(at::kLong);
  RankedLabels result;
  const at::Tensor wrong = counted.bitwise_and(s.ne(s).bitwise_or(valid.bitwise_not()));
  result.wrong = wrong.any(0);
  result.scores = s.t().contiguous();
  result.targets = t.masked_fill(counted.bitwise_not(), -1).t().contiguous();
  return result;
}

// Both areas of each label, [2, L] of double; NaN where they are undefined or something is wrong.
inline at::Tensor areas(const RankedLabels& labels) {
  const auto [sorted, order] = at::sort(labels.scores, -1);
  const at::Tensor of_order = labels.targets.gather(-1, order);
  const at::Tensor positive = of_order.eq(1).to(at::kDouble);
  const at::Tensor negative = of_order.eq(0).to(at::kDouble);
  // How many of each kind score less than, and no more than, each.
  const auto up_to = [](const at::Tensor& kind, const at::Tensor& place) {
    const at::Tensor zero = at::zeros({kind.size(0), 1}, kind.options());
    return at::cat({zero, kind.cumsum(-1)}, -1).gather(-1, place);
  };
  const at::Tensor below = at::searchsorted(sorted, sorted);
  const at::Tensor through = at::searchsorted(sorted, sorted, /*out_int32=*/false, /*right=*/true);
  const at::Tensor positives = positive.sum(-1);
  const at::Tensor negatives = negative.sum(-1);
  const at::Tensor won = up_to(negative, below).add(up_to(negative, through)).div(2);
  const at::Tensor found = positives.unsqueeze(-1).sub(up_to(positive, below));
  const at::Tensor wrong = negatives.unsqueeze(-1).sub(up_to(negative, below));
  const at::Tensor precision = found.div(found.add(wrong).clamp_min(1));
  const at::Tensor auc = won.mul(positive).sum(-1).div(positives.mul(negatives));
  const at::Tensor ap = precision.mul(positive).sum(-1).div(positives);
  return at::stack({auc, ap}).masked_fill(labels.wrong, equipoise::detail::quiet_nan());
}

// On the CPU, by the core.
template <class F>
at::Tensor areas_by_core(const RankedLabels& labels, const char* where, const F& area) {
  if (const std::vector<double> wrong = to_vector(labels.wrong);
      std::find(wrong.begin(), wrong.end(), 1.0) != wrong.end()) {
    reject(where, "labels with a NaN score or a target out of range",
           std::count(wrong.begin(), wrong.end(), 1.0), "0");
  }
  std::vector<double> result;
  const at::Tensor scores = labels.scores.to(compute_type(labels.scores)).t();
  const at::Tensor targets = labels.targets.t();
  with_view(scores, [&](const auto& view) {
    using Score = std::remove_cvref_t<decltype(view(0, 0))>;
    LabelScores<Score> sample(view.cols);
    sample.add(view, matrix_view<const std::int64_t>(targets), -1);
    for (std::size_t l = 0; l < view.cols; ++l) result.push_back(area(sample.label(l)));
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
                         [](const auto& label) { return label.roc_auc(Absent::kNaN); });
}

/// Average precision; see BinaryScores::average_precision(). Shapes, cost and errors as roc_auc().
inline at::Tensor average_precision(const at::Tensor& scores, const at::Tensor& targets,
                                    std::optional<std::int64_t> ignore_index = std::nullopt) {
  return detail::area_of("average_precision", scores, targets, ignore_index, 1,
                         [](const auto& label) { return label.average_precision(Absent::kNaN); });
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_H_
