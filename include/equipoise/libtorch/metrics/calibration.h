// Calibration of probabilities in tensors: of exclusive classes, and of independent labels.
#ifndef EQUIPOISE_LIBTORCH_METRICS_CALIBRATION_H_
#define EQUIPOISE_LIBTORCH_METRICS_CALIBRATION_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstddef>
#include <cstdint>
#include <optional>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/calibration_sums.h"
#include "equipoise/libtorch/detail/device_sums.h"
#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/parts.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/multilabel_calibration.h"

namespace equipoise::libtorch {

/// Calibration of class probabilities, accumulated from tensors.
template <>
class Accumulator<metrics::Calibration> : public detail::SummedMetric<metrics::Calibration> {
 public:
  /// @throws std::invalid_argument as Calibration.
  explicit Accumulator(std::size_t classes, std::size_t bins = 15)
      : SummedMetric("Accumulator<Calibration>::value", metrics::Calibration(classes, bins)) {}

  /// Adds rows: probabilities [..., C] and targets [...]. The sum of a row may differ from 1 by
  /// 1e-4; for half by 1e-4 + 2^-11, for bfloat16 by 1e-4 + 2^-8.
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
    detail::require_matches(kWhere, "targets", truth, {p, "probabilities"}, p.size(0),
                            "rows of probabilities");
    const double tolerance = detail::sum_tolerance(probabilities);
    equipoise::detail::require_ignore_index_is_no_class(kWhere, empty_.classes(), ignore_index);
    if (!targets.is_cpu()) {
      if (detail::belongs_on_host(targets)) return add(p.cpu(), truth.cpu(), ignore_index);
      const auto bins = static_cast<std::int64_t>(empty_.bins());
      add_on_device(kWhere, p.size(0), p.size(1), [&](const detail::RowPart& part) {
        return detail::calibration_sums(part.of(p), part.of(truth), bins, ignore_index, tolerance);
      });
      return;
    }
    detail::with_view(p, [&](const auto& view) {
      detail::with_labels(
          truth, [&](const auto& labels) { metric_.add(view, labels, ignore_index, tolerance); });
    });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<Calibration>::add";
};

/// Calibration of several labels per row, accumulated from tensors.
template <>
class Accumulator<metrics::MultiLabelCalibration>
    : public detail::SummedMetric<metrics::MultiLabelCalibration> {
 public:
  /// @throws std::invalid_argument as MultiLabelCalibration.
  explicit Accumulator(std::size_t labels, std::size_t bins = 15)
      : SummedMetric("Accumulator<MultiLabelCalibration>::value",
                     metrics::MultiLabelCalibration(labels, bins)) {}

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
      if (detail::belongs_on_host(targets)) return add(p.cpu(), truth.cpu(), ignore_index);
      const auto bins = static_cast<std::int64_t>(empty_.bins());
      add_on_device(kWhere, p.size(0), p.size(1), [&](const detail::RowPart& part) {
        return detail::multilabel_calibration_sums(part.of(p), part.of(truth), bins, ignore_index);
      });
      return;
    }
    detail::with_view(p, [&](const auto& view) {
      detail::with_bits(truth, [&](const auto& bits) { metric_.add(view, bits, ignore_index); });
    });
  }

 private:
  static constexpr const char* kWhere = "Accumulator<MultiLabelCalibration>::add";
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_CALIBRATION_H_
