// Rows of metrics that are not sums: kept on the device, read from it once.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_DEVICE_ROWS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_DEVICE_ROWS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/cat.h>

#include <vector>

#include "equipoise/libtorch/detail/metric_inputs.h"

namespace equipoise::libtorch::detail {

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

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_DEVICE_ROWS_H_
