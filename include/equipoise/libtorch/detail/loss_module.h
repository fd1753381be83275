// What the modules of losses have in common.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LOSS_MODULE_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LOSS_MODULE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/nn/cloneable.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "equipoise/libtorch/detail/tensors.h"

namespace equipoise::libtorch::detail {

// The shares of a reduction's buckets on a device, uploaded at the first call and where they have
// changed. Undefined where it has none of its own.
class SharesOnDevice {
 public:
  template <class R>
  at::Tensor of(const char* where, const R& reduction, const at::Device& device) {
    if constexpr (requires { reduction.share(std::size_t{0}); }) {
      if constexpr (requires { reduction.require(where); }) reduction.require(where);
      std::vector<double> now;
      for (std::size_t k = 0; k < reduction.buckets(); ++k) now.push_back(reduction.share(k));
      if (!tensor_.defined() || tensor_.device() != device || now != values_) {
        tensor_ = constant_tensor(now, at::TensorOptions().dtype(sum_type(device)).device(device));
        values_ = std::move(now);
      }
    }
    return tensor_;
  }

 private:
  std::vector<double> values_;
  at::Tensor tensor_;
};

// A module whose buffers are the constants of a loss. They follow to a device, and to float and
// double. They keep their type where the model is cast to a half type, which does not hold weights
// above 65504, and become float where to() takes them to a device that has no doubles.
template <class Derived>
class LossModule : public torch::nn::Cloneable<Derived> {
 public:
  using torch::nn::Module::to;
  // NOLINTBEGIN(google-default-arguments): those of torch::nn::Module.
  void to(at::Device device, at::ScalarType type, bool non_blocking = false) override {
    if (!holds_constants(type)) return to(device, non_blocking);
    if (!has_doubles(device)) type = at::kFloat;
    torch::nn::Module::to(device, type, non_blocking);
  }
  void to(at::Device device, bool non_blocking = false) override {
    if (has_doubles(device)) return torch::nn::Module::to(device, non_blocking);
    torch::nn::Module::to(device, at::kFloat, non_blocking);
  }
  void to(at::ScalarType type, bool non_blocking = false) override {
    if (holds_constants(type)) torch::nn::Module::to(type, non_blocking);
  }
  // NOLINTEND(google-default-arguments)

 private:
  static bool holds_constants(at::ScalarType type) {
    return type == at::kFloat || type == at::kDouble;
  }
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LOSS_MODULE_H_
