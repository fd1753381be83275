// Tensors as the metrics read them: labels, bits, numbers and predictions, checked.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_METRIC_INPUTS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_METRIC_INPUTS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

using IgnoreIndex = std::optional<std::int64_t>;

// Labels [...] as [N], of the type that they have.
inline at::Tensor labels_of(const char* where, const char* name, const at::Tensor& tensor) {
  if (tensor.scalar_type() != at::kBool) require_integral(where, name, tensor);
  return flat(tensor);
}
// [..., C] as [N, C].
inline at::Tensor rows_of(const char* where, const char* name, const at::Tensor& tensor) {
  if (tensor.dim() < 2) reject(where, std::string(name) + ".dim()", tensor.dim(), "at least 2");
  return in_memory(tensor).flatten(0, -2);
}
// The same, of 0 / 1 targets or decisions.
inline at::Tensor bits_of(const char* where, const char* name, const at::Tensor& tensor) {
  if (tensor.scalar_type() != at::kBool) require_integral(where, name, tensor);
  return rows_of(where, name, tensor);
}
// The same, of probabilities or logits.
inline at::Tensor numbers_of(const char* where, const char* name, const at::Tensor& tensor) {
  require_floating_point(where, name, tensor);
  return rows_of(where, name, tensor).detach();
}

// As the metrics compute with them.
inline at::Tensor to_integers(const at::Tensor& labels) { return labels.to(at::kLong); }
inline at::Tensor to_numbers(const at::Tensor& numbers) {
  return numbers.to(compute_type(numbers));
}

// Whether rows go to the host, since their device has no doubles to count in. That waits for it.
inline bool belongs_on_host(const at::Tensor& rows) { return !has_doubles(rows.device()); }

inline void require_same_device(const char* where, const char* name, const at::Tensor& tensor,
                                const at::Tensor& reference, const char* leader_name) {
  require_matches(where, name, tensor, {reference, leader_name}, -1, "");
}

// Calls f with a view of [N, C] numbers on the CPU.
template <class F>
void with_view(const at::Tensor& numbers, const F& f) {
  if (const at::Tensor read = to_numbers(numbers); read.scalar_type() == at::kDouble) {
    f(matrix_view<const double>(read));
  } else {
    f(matrix_view<const float>(read));
  }
}
// The same of bits: those that have a byte each are read as they are.
template <class F>
void with_bits(const at::Tensor& bits, const F& f) {
  if (bits.scalar_type() == at::kBool)
    return f(matrix_view<const std::uint8_t>(bits.view(at::kByte)));
  if (bits.scalar_type() == at::kByte) return f(matrix_view<const std::uint8_t>(bits));
  f(matrix_view<const std::int64_t>(to_integers(bits)));
}
// Calls f with a span of labels [N] on the CPU.
template <class F>
void with_labels(const at::Tensor& labels, const F& f) {
  f(span_of<std::int64_t>(to_integers(labels).contiguous()));
}

inline at::Tensor is_label(const at::Tensor& labels, std::int64_t classes) {
  return labels.ge(0).bitwise_and(labels.lt(classes));
}
inline at::Tensor is_counted(const at::Tensor& labels, IgnoreIndex ignore_index) {
  return ignore_index ? labels.ne(*ignore_index) : labels.eq(labels);
}

// Class indices [N], or logits [N, C], of which the largest is the prediction.
inline at::Tensor predictions_of(const char* where, const at::Tensor& predictions,
                                 const at::Tensor& targets, std::int64_t classes) {
  require_same_device(where, "predictions", predictions, targets, "targets");
  const bool are_logits = predictions.is_floating_point();
  const at::Tensor result = are_logits ? numbers_of(where, "predictions", predictions)
                                       : labels_of(where, "predictions", predictions);
  if (are_logits && result.size(1) != classes) {
    reject(where, "predictions.size(-1)", result.size(1), std::to_string(classes) + " (classes)");
  }
  if (result.size(0) != targets.numel()) {
    reject(where, "predictions", result.size(0),
           std::to_string(targets.numel()) + " (rows of targets)");
  }
  return result;
}

// What those predict, [N] of int64, by operations; -1, which is no class, where a logit is NaN.
inline at::Tensor predicted_labels(const at::Tensor& predictions) {
  if (!predictions.is_floating_point()) return to_integers(predictions);
  const at::Tensor logits = to_numbers(predictions);
  return logits.argmax(-1).masked_fill_(logits.ne(logits).any(-1), -1);
}
// On the CPU: calls f with a span of them.
template <class F>
void with_predicted_labels(const at::Tensor& predictions, const F& f) {
  if (!predictions.is_floating_point()) return with_labels(predictions, f);
  with_view(predictions, [&](const auto& view) {
    const std::vector<std::int64_t> largest = calibrate::predict(view);
    f(std::span<const std::int64_t>(largest));
  });
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_METRIC_INPUTS_H_
