// In what types a device can compute.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_DEVICE_TYPES_H_
#define EQUIPOISE_LIBTORCH_DETAIL_DEVICE_TYPES_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/ones.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <exception>

namespace equipoise::libtorch::detail {

// Whether the device adds two doubles. Where it has none, making or adding them throws.
inline bool try_doubles(const at::Device& device) {
  try {
    at::ones({1}, at::TensorOptions().dtype(at::kDouble).device(device)).add_(1);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// Whether devices of this kind compute in double: MPS and some XPUs do not. The first call for a
// kind that may do either tries it.
inline bool has_doubles(const at::Device& device) {
  if (device.is_cpu() || device.is_cuda() || device.is_meta()) return true;
  if (device.is_mps()) return false;
  enum Answer : signed char { kUnknown, kYes, kNo };
  static std::array<std::atomic<Answer>, at::COMPILE_TIME_MAX_DEVICE_TYPES> answers{};
  std::atomic<Answer>& answer = answers[static_cast<std::size_t>(device.type())];
  if (answer == kUnknown) answer = try_doubles(device) ? kYes : kNo;
  return answer == kYes;
}

// The type of sums on a device: double, or float where it has no other.
inline at::ScalarType sum_type(const at::Device& device) {
  return has_doubles(device) ? at::kDouble : at::kFloat;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_DEVICE_TYPES_H_
