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
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/entities.h"
#include "equipoise/metrics/entity_tags.h"
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
  return in_memory(tensor).flatten(0, -2);
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
  // As ReliabilityGrid::bin_of(). By a number devices divide as if by its reciprocal, which rounds
  // otherwise.
  const at::Tensor within = p.clamp_max(1);
  const at::Tensor edge = within.mul(bins).add(0.5).floor();
  const at::Tensor is_below = within.le(edge.div(at::full_like(edge, bins))).to(at::kDouble);
  const at::Tensor bin = edge.sub(is_below).clamp_min(0).to(at::kLong);
  const at::Tensor index = at::arange(diagrams, bin.options()).mul(bins).add(bin);
  const auto sum = [&](const at::Tensor& numbers) {
    return sums_at(index, numbers, diagrams * bins);
  };
  return at::stack({sum(weights), sum(p.mul(weights)), sum(outcomes.mul(weights))}, -1)
      .reshape({-1});
}

// How far the sum of a row of probabilities may be from 1: half types round each of them by up to
// half a unit of the last place.
inline double sum_tolerance(const at::Tensor& probabilities) {
  constexpr double kTolerance = equipoise::detail::kProbabilitySumTolerance;
  if (probabilities.scalar_type() == at::kHalf) return kTolerance + 0x1p-11;
  if (probabilities.scalar_type() == at::kBFloat16) return kTolerance + 0x1p-8;
  return kTolerance;
}

inline at::Tensor calibration_sums(const at::Tensor& probabilities, const at::Tensor& targets,
                                   std::int64_t bins, IgnoreIndex ignore_index, double tolerance) {
  const std::int64_t classes = probabilities.size(1);
  const at::Tensor counted = is_counted(targets, ignore_index);
  const at::Tensor excess = probabilities.to(at::kDouble).sum(-1).sub(1);
  // Comparisons with NaN are false.
  const at::Tensor valid = is_label(targets, classes)
                               .bitwise_and(probabilities.ge(0).all(-1))
                               .bitwise_and(excess.le(tolerance))
                               .bitwise_and(excess.ge(-tolerance));
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

// Rows that stay on one device, [K, N] a batch, until they are read all at once.
class DeviceRows {
 public:
  void add(const char* where, const at::Tensor& rows) {
    if (!batches_.empty()) require_same_device(where, "tensors", rows, batches_[0], "rows");
    batches_.push_back(rows);
  }
  // [K, all N] on the CPU; undefined before add().
  at::Tensor read() const {
    return batches_.empty() ? at::Tensor() : at::cat(batches_, 1).to(at::kCPU).contiguous();
  }

 private:
  std::vector<at::Tensor> batches_;
};

// The sums of all_reduce_buffer(), group by group where the metric has groups.
template <class Metric>
void set_sums(std::span<const double> sums, Metric& metric) {
  std::copy(sums.begin(), sums.end(), metric.all_reduce_buffer().begin());
}
template <class Metric>
void set_sums(std::span<const double> sums, Grouped<Metric>& grouped) {
  const std::size_t size = sums.size() / grouped.groups();
  for (std::size_t g = 0; g < grouped.groups(); ++g) {
    set_sums(sums.subspan(g * size, size), grouped.group(g));
  }
}

// What accumulators of metrics that are sums have in common.
template <class Metric>
class SummedMetric {
 public:
  /// The metric of all rows that were added. Waits for the device.
  /// @throws std::invalid_argument if rows on the device were wrong.
  Metric value() const {
    Metric result = metric_;
    if (const std::vector<double> sums = sums_.read(where_); !sums.empty()) {
      Metric part = empty_;
      set_sums(sums, part);
      result += part;
    }
    return result;
  }

  /// Forgets all rows.
  void reset() {
    metric_ = empty_;
    sums_ = {};
  }

 protected:
  SummedMetric(const char* where, const Metric& empty)
      : where_(where), empty_(empty), metric_(empty) {}

  const char* where_;  // of value()
  Metric empty_;
  Metric metric_;    // of rows on the CPU
  DeviceSums sums_;  // and on the device
};

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
/// (targets, probabilities, NaN) are found by value() alone, which throws from then on until
/// reset(). Half types are taken as float. Nothing of it has a gradient.
///
/// Areas and entities are no sums: of their batches the device keeps what value() needs, 1 byte and
/// a score a label and row, or 16 bytes a token.
template <class Metric>
class Accumulator;

template <>
class Accumulator<ConfusionMatrix> : public detail::SummedMetric<ConfusionMatrix> {
 public:
  explicit Accumulator(std::size_t classes)
      : SummedMetric("Accumulator<ConfusionMatrix>::value", ConfusionMatrix(classes)) {}

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

 private:
  static constexpr const char* kWhere = "Accumulator<ConfusionMatrix>::add";
};

template <>
class Accumulator<Grouped<ConfusionMatrix>>
    : public detail::SummedMetric<Grouped<ConfusionMatrix>> {
 public:
  Accumulator(std::size_t groups, std::size_t classes)
      : SummedMetric("Accumulator<Grouped<ConfusionMatrix>>::value",
                     Grouped<ConfusionMatrix>(groups, ConfusionMatrix(classes))),
        classes_(classes) {}

  /// Adds rows: as for the confusion matrix, and the group of each row.
  /// @throws std::invalid_argument as there, and for a group out of range.
  void add(const at::Tensor& groups, const at::Tensor& targets, const at::Tensor& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    const at::Tensor truth = detail::labels_of(kWhere, "targets", targets);
    const at::Tensor group_of = detail::labels_of(kWhere, "groups", groups);
    const auto classes = static_cast<std::int64_t>(classes_);
    detail::require_companion(kWhere, "groups", groups, {targets, "targets"}, targets.numel(),
                              "rows of targets");
    const detail::Predictions read =
        detail::read_predictions(kWhere, predictions, targets, classes);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, classes_, ignore_index);
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

 private:
  static constexpr const char* kWhere = "Accumulator<Grouped<ConfusionMatrix>>::add";
  std::size_t classes_;
};

template <>
class Accumulator<Calibration> : public detail::SummedMetric<Calibration> {
 public:
  /// @throws std::invalid_argument as Calibration.
  explicit Accumulator(std::size_t classes, std::size_t bins = 15)
      : SummedMetric("Accumulator<Calibration>::value", Calibration(classes, bins)) {}

  /// Adds rows: probabilities [..., C] and targets [...]. The sum of a row may be 1e-4 from 1, of
  /// half 1e-4 + 2^-11, of bfloat16 1e-4 + 2^-8.
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
    const double tolerance = detail::sum_tolerance(probabilities);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, empty_.classes(), ignore_index);
    if (!targets.is_cpu()) {
      sums_.add(kWhere, detail::calibration_sums(p, truth, static_cast<std::int64_t>(empty_.bins()),
                                                 ignore_index, tolerance));
      return;
    }
    detail::with_view(p, [&](const auto& view) {
      metric_.add(view, detail::span_of<std::int64_t>(truth), ignore_index, tolerance);
    });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<Calibration>::add";
};

template <>
class Accumulator<MultiLabelCounts> : public detail::SummedMetric<MultiLabelCounts> {
 public:
  explicit Accumulator(std::size_t labels)
      : SummedMetric("Accumulator<MultiLabelCounts>::value", MultiLabelCounts(labels)) {}

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

template <>
class Accumulator<MultiLabelCalibration> : public detail::SummedMetric<MultiLabelCalibration> {
 public:
  /// @throws std::invalid_argument as MultiLabelCalibration.
  explicit Accumulator(std::size_t labels, std::size_t bins = 15)
      : SummedMetric("Accumulator<MultiLabelCalibration>::value",
                     MultiLabelCalibration(labels, bins)) {}

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

 private:
  static constexpr const char* kWhere = "Accumulator<MultiLabelCalibration>::add";
};

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
  return at::stack({auc, ap}).masked_fill(labels.is_wrong(), equipoise::detail::quiet_nan());
}

// Adds scores of type T and targets, both on the CPU, to the core's.
template <class T>
void add_ranked(const char* where, const RankedLabels& labels, LabelScores<T>& sample) {
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
    LabelScores<std::remove_cvref_t<decltype(view(0, 0))>> sample(view.rows);
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
                         [](const auto& label) { return label.roc_auc(Absent::kNaN); });
}

/// Average precision; see BinaryScores::average_precision(). Shapes, cost and errors as roc_auc().
inline at::Tensor average_precision(const at::Tensor& scores, const at::Tensor& targets,
                                    std::optional<std::int64_t> ignore_index = std::nullopt) {
  return detail::area_of("average_precision", scores, targets, ignore_index, 1,
                         [](const auto& label) { return label.average_precision(Absent::kNaN); });
}

template <std::floating_point T>
class Accumulator<LabelScores<T>> {
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
  LabelScores<T> value() const {
    LabelScores<T> result = metric_;
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

  LabelScores<T> metric_;
  std::size_t labels_;
  detail::DeviceRows scores_;
  detail::DeviceRows targets_;
};

template <>
class Accumulator<EntityScores> {
 public:
  explicit Accumulator(const EntityTags& tags) : metric_(tags) {}

  /// Adds sequences: tags [T] of one, or [..., T] of a padded batch, whose padding is the ignore
  /// index, and predictions of the same shape or logits [..., T, C], of which the largest is the
  /// prediction.
  /// @throws std::invalid_argument for shapes, types and devices that do not fit; on the CPU also
  /// as EntityScores::add(), and for a NaN logit.
  void add(const at::Tensor& targets, const at::Tensor& predictions,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const at::NoGradGuard no_graph;
    if (targets.dim() == 0) detail::reject(kWhere, "targets.dim()", 0, "at least 1");
    const at::Tensor truth = detail::labels_of(kWhere, "targets", targets);
    const std::size_t tags = metric_.tags().size();
    const detail::Predictions read =
        detail::read_predictions(kWhere, predictions, targets, static_cast<std::int64_t>(tags));
    equipoise::detail::require_ignore_index_is_no_class(kWhere, tags, ignore_index);
    const Batch batch{static_cast<std::size_t>(targets.numel()),
                      static_cast<std::size_t>(targets.size(-1)), ignore_index};
    if (!targets.is_cpu()) {
      at::Tensor labels = read.labels;
      if (read.logits.defined()) {
        labels = labels.masked_fill(read.logits.ne(read.logits).any(-1), -1);  // which is no tag
      }
      rows_.add(kWhere, at::stack({truth, labels}));
      batches_.push_back(batch);
      return;
    }
    const auto all = detail::span_of<std::int64_t>(truth);
    if (!read.logits.defined()) {
      add_to(metric_, batch, all, detail::span_of<std::int64_t>(read.labels));
      return;
    }
    detail::with_view(read.logits, [&](const auto& view) {
      const std::vector<std::int64_t> largest = predict(view);
      add_to(metric_, batch, all, largest);
    });
  }

  /// The scores of all sequences that were added. Waits for the device.
  /// @throws std::invalid_argument if labels or logits on the device were wrong.
  EntityScores value() const {
    EntityScores result = metric_;
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

  static void add_to(EntityScores& scores, const Batch& batch, std::span<const std::int64_t> truth,
                     std::span<const std::int64_t> labels) {
    std::vector<std::size_t> offsets = {0};
    while (offsets.back() < batch.tokens) offsets.push_back(offsets.back() + batch.length);
    scores.add(truth, labels, offsets, batch.ignore_index);
  }

  EntityScores metric_;
  detail::DeviceRows rows_;
  std::vector<Batch> batches_;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_H_
