// Tensors as the metrics read them: labels, bits, numbers and predictions, checked.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_METRIC_INPUTS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_METRIC_INPUTS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstdint>
#include <optional>
#include <string>

#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

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
                                const at::Tensor& reference, const char* leader_name) {
  require_matches(where, name, tensor, {reference, leader_name}, -1, "");
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

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_METRIC_INPUTS_H_
