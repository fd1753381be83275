// Metrics that are sums: added up on the device, read from it once.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_DEVICE_SUMS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_DEVICE_SUMS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "equipoise/libtorch/detail/metric_inputs.h"
#include "equipoise/libtorch/detail/parts.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/metrics/grouped.h"

namespace equipoise::libtorch::detail {

// For each of these metrics there is a function ..._sums, which reduces a batch to what
// all_reduce_buffer() of the metric holds for its rows, followed by the number of invalid rows:
// [K + 1] of double, on the device, without reading it. DeviceSums adds them up.

// [size] of double: how often each index occurs, or the sums of what goes with it.
inline at::Tensor sums_at(const at::Tensor& index, const at::Tensor& numbers, std::int64_t size) {
  return at::zeros({size}, numbers.options().dtype(at::kDouble))
      .scatter_add_(0, index.reshape({-1}), numbers.to(at::kDouble).reshape({-1}));
}
inline at::Tensor total(const at::Tensor& numbers) { return numbers.sum(at::kDouble).reshape({1}); }

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

// The sums of all_reduce_buffer(), group by group where the metric has groups.
template <class Metric>
void set_sums(std::span<const double> sums, Metric& metric) {
  std::copy(sums.begin(), sums.end(), metric.all_reduce_buffer().begin());
}
template <class Metric>
void set_sums(std::span<const double> sums, metrics::Grouped<Metric>& grouped) {
  const std::size_t size = sums.size() / grouped.groups();
  for (std::size_t g = 0; g < grouped.groups(); ++g) {
    set_sums(sums.subspan(g * size, size), grouped.group(g));
  }
}

// How many sums those are; at least 1.
template <class Metric>
std::int64_t count_of_sums(Metric& metric) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(metric.all_reduce_buffer().size()), 1);
}
template <class Metric>
std::int64_t count_of_sums(metrics::Grouped<Metric>& grouped) {
  const auto groups = static_cast<std::int64_t>(grouped.groups());
  return groups > 0 ? groups * count_of_sums(grouped.group(0)) : 1;
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

  // Adds rows on a device, a part at a time: sums_of(part) are its sums, no more numbers than the
  // part has, or there is but one.
  template <class F>
  void add_on_device(const char* where, std::int64_t rows, std::int64_t row_size,
                     const F& sums_of) {
    at::Tensor sums;
    constexpr std::int64_t kMostParts = 16;
    const std::int64_t most =
        std::clamp<std::int64_t>(rows * row_size / count_of_sums(empty_), 1, kMostParts);
    for_each_part(
        rows, row_size,
        [&](const RowPart& part) {
          const at::Tensor more = sums_of(part);
          sums = sums.defined() ? sums.add_(more) : more;
        },
        most);
    sums_.add(where, sums);
  }

  const char* where_;  // of value()
  Metric empty_;
  Metric metric_;    // of rows on the CPU
  DeviceSums sums_;  // and on the device
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_DEVICE_SUMS_H_
