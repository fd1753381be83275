// Losses as a device computes them, each beside what LibTorch has for it, and what both move there.
// Needs LibTorch 2.1.
#ifndef EQUIPOISE_TESTS_SUPPORT_DEVICE_CASES_H_
#define EQUIPOISE_TESTS_SUPPORT_DEVICE_CASES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace equipoise::testing {

/// Forward and backward of one loss of N x C logits. A pass is one read or write of N x C floats.
struct Traffic {
  double passes = 0;
  double peak = 0;  ///< memory beside the logits, in N x C floats
  int launches = 0;
};

/// What the project aims at.
struct TrafficBar {
  double passes;
  double peak;
};

struct DeviceCase {
  using Loss = std::function<at::Tensor(const at::Tensor& logits)>;

  std::string name;
  at::ScalarType type = at::kFloat;
  TrafficBar bar;
  /// Makes our module or LibTorch's operation with its targets, on a device.
  std::function<Loss(const at::Device& device)> ours;
  std::function<Loss(const at::Device& device)> peer;
  /// Ours by tensor operations where the CPU would take a kernel, to be timed there.
  std::function<Loss()> operations;
};

/// All cases, for N x C logits.
std::vector<DeviceCase> device_cases(std::int64_t rows, std::int64_t classes);

/// What one call with its backward pass moves, on card 0 of the fake device.
Traffic traffic_of(const DeviceCase::Loss& loss, const at::Tensor& logits);

/// The logits that cases are measured with.
at::Tensor device_logits(std::int64_t rows, std::int64_t classes, at::ScalarType type);

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_DEVICE_CASES_H_
