// A softmax loss of any modulator and reduction on tensors.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OF_TENSORS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OF_TENSORS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstdint>
#include <memory>
#include <type_traits>

#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/softmax_driver.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/softmax.h"

namespace equipoise::libtorch::detail {

// The constants of a loss as tensors on the device of the logits, so that a call uploads nothing.
// An undefined tensor stands for none.
struct SoftmaxTensors {
  at::Tensor class_weights;  // [C]
  at::Tensor scale;          // [C], or [G, C] for terms by group
  at::Tensor shift;          // [C] or [G, C]
  at::Tensor margin;         // [C] or [G, C]
  at::Tensor group_weights;  // [G]
  at::Tensor pair_shift;     // [C, C]
  at::Tensor seesaw_counts;  // [C]
};

// Types and functions that lead to the kernels are those of the instruction set they are compiled
// for, like the kernels.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// A softmax loss's rows for a device's own kernels: index targets and what goes with them.
struct RowsOnDevice {
  at::Tensor logits;  // [N, C], rows one after the other
  at::Tensor index;   // [N] int64, always a class
  at::Tensor weight;  // [N] of float
  at::Tensor scale;   // [C] of float or undefined, as the next two
  at::Tensor shift;
  at::Tensor margin;
};

// Kernels of a device for one modulator, where a file has included them.
struct DeviceKernels {
  // The losses and slopes of rows, times their weights, and the logarithms of the sums of their
  // exponentials in two parts: [4, N] of float.
  at::Tensor (*rows)(const void* modulator, const RowsOnDevice& rows);
  // The gradient of the logits, in their type, from slopes that have all factors in them and from
  // the logarithms, [2, N].
  at::Tensor (*gradient)(const RowsOnDevice& rows, const at::Tensor& slopes,
                         const at::Tensor& log_sums);
};

// A softmax loss of any modulator and reduction, so that what calls it is compiled once.
struct SoftmaxOfTensors {
  const char* where;                 // the function that errors name
  std::shared_ptr<const void> loss;  // the SoftmaxLoss, to which the others refer
  kernels::SoftmaxSettings settings;
  kernels::SoftmaxKernel<float> in_float;
  kernels::SoftmaxKernel<double> in_double;
  TensorReduction reduction;
  bool is_cross_entropy;
  ValueAndSlope<at::Tensor> (*modulate)(const void* modulator,
                                        const TargetProbability<at::Tensor>& target);
  const DeviceKernels* device;  // or nullptr

  ValueAndSlope<at::Tensor> modulator(const TargetProbability<at::Tensor>& target) const {
    return modulate(in_float.modulator, target);
  }
  template <class T>
  const kernels::SoftmaxKernel<T>& kernel() const {
    if constexpr (std::is_same_v<T, float>) {
      return in_float;
    } else {
      return in_double;
    }
  }
};

template <class M>
ValueAndSlope<at::Tensor> modulate_tensors(const void* modulator,
                                           const TargetProbability<at::Tensor>& target) {
  return (*static_cast<const M*>(modulator))(target);
}

#if defined(EQUIPOISE_CUDA)
template <class M>
const DeviceKernels* device_kernels();  // see equipoise/cuda.h
#else
template <class M>
const DeviceKernels* device_kernels() {
  return nullptr;
}
#endif

template <class M, class R>
SoftmaxOfTensors softmax_of_tensors(const char* where, const SoftmaxLoss<M, R>& given) {
  const auto loss = std::make_shared<const SoftmaxLoss<M, R>>(given);
  const kernels::Cpu cpu = kernels::cpu();
  return {where,
          loss,
          equipoise::detail::settings_of(*loss),
          {&loss->modulator, &kernels::softmax_kernel<M, float>, cpu},
          {&loss->modulator, &kernels::softmax_kernel<M, double>, cpu},
          TensorReduction::of(loss->reduction),
          std::is_same_v<M, CrossEntropy>,
          &modulate_tensors<M>,
          device_kernels<M>()};
}

// The constants of a loss as tensors of these options.
EQUIPOISE_LIBTORCH_CALL SoftmaxTensors make_tensors(const kernels::SoftmaxSettings& loss,
                                                    const at::TensorOptions& options,
                                                    std::int64_t classes);

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SOFTMAX_OF_TENSORS_H_
