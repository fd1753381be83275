// A sigmoid loss of any modulators and reduction on tensors.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_OF_TENSORS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_OF_TENSORS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <memory>
#include <type_traits>
#include <utility>

#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/sigmoid_driver.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/logit_slopes.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/sigmoid.h"

namespace equipoise::libtorch::detail {

using equipoise::kernels::SigmoidSettings;

// The constants of a sigmoid loss as tensors on the device of the logits, so that a call uploads
// nothing. An undefined tensor stands for none.
struct SigmoidTensors {
  at::Tensor class_weights;     // [L]
  at::Tensor pos_weight;        // [L]
  at::Tensor shift;             // [L]
  at::Tensor rebalance_counts;  // [L]
};

// Types and functions that lead to the kernels are those of the instruction set they are compiled
// for, like the kernels.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// A sigmoid loss's elements for a device's own kernels.
struct ElementsOnDevice {
  at::Tensor logits;    // [N, L], rows one after the other
  at::Tensor targets;   // [N, L] of float
  at::Tensor positive;  // [L] or [1] of float: the weights of the sides
  at::Tensor negative;
  at::Tensor shift;   // [L] of float or undefined
  at::Tensor weight;  // [N] of float or undefined
};

// Kernels of a device for one pair of modulators, where a file has included them.
struct DeviceElementKernels {
  // Sums of weighted losses, of float, that are yet to be added up.
  at::Tensor (*sums)(const void* sides, const ElementsOnDevice& elements);
  // The gradient of the logits, in their type, times a factor of one float.
  at::Tensor (*gradient)(const void* sides, const ElementsOnDevice& elements,
                         const at::Tensor& factor);
};

// Whether a modulator's value, and its slope times q, are known to be finite at finite logits, and
// in proportion to log p at most: then a side of weight zero may be multiplied, and need not be
// masked.
template <class M>
inline constexpr bool kIsFinite = false;
template <>
inline constexpr bool kIsFinite<CrossEntropy> = true;
template <>
inline constexpr bool kIsFinite<Focal> = true;
template <class M>
inline constexpr bool kIsFinite<PolyCrossEntropy<M>> = kIsFinite<M>;
template <class M>
inline constexpr bool kIsFinite<ProbabilityShift<M>> = kIsFinite<M>;

template <class S>
constexpr bool sides_are_finite() {
  return kIsFinite<decltype(std::declval<S>().positive())> &&
         kIsFinite<decltype(std::declval<S>().negative())>;
}

// A sigmoid loss of any modulators and reduction, so that what calls it is compiled once.
struct SigmoidOfTensors {
  using Side = ValueAndSlope<at::Tensor> (*)(const void* sides,
                                             const TargetProbability<at::Tensor>& target);
  using SideInPlace = ValueAndLogitSlope (*)(const void* sides,
                                             const TargetProbability<at::Tensor>& target);

  const char* where;                 // the function that errors name
  std::shared_ptr<const void> loss;  // the SigmoidLoss, to which the others refer
  SigmoidSettings settings;
  kernels::SigmoidKernel<float> in_float;
  kernels::SigmoidKernel<double> in_double;
  TensorReduction reduction;
  bool is_cross_entropy;
  bool is_finite;
  Side positive_;
  Side negative_;
  SideInPlace positive_in_place_;
  SideInPlace negative_in_place_;
  const DeviceElementKernels* device;  // or nullptr

  ValueAndSlope<at::Tensor> positive(const TargetProbability<at::Tensor>& target) const {
    return positive_(in_float.sides, target);
  }
  ValueAndSlope<at::Tensor> negative(const TargetProbability<at::Tensor>& target) const {
    return negative_(in_float.sides, target);
  }
  // The same without a graph.
  ValueAndLogitSlope positive_in_place(const TargetProbability<at::Tensor>& target) const {
    return positive_in_place_(in_float.sides, target);
  }
  ValueAndLogitSlope negative_in_place(const TargetProbability<at::Tensor>& target) const {
    return negative_in_place_(in_float.sides, target);
  }
  template <class T>
  const kernels::SigmoidKernel<T>& kernel() const {
    if constexpr (std::is_same_v<T, float>) {
      return in_float;
    } else {
      return in_double;
    }
  }
};

template <class S>
ValueAndSlope<at::Tensor> positive_side(const void* sides,
                                        const TargetProbability<at::Tensor>& target) {
  return static_cast<const S*>(sides)->positive()(target);
}
template <class S>
ValueAndSlope<at::Tensor> negative_side(const void* sides,
                                        const TargetProbability<at::Tensor>& target) {
  return static_cast<const S*>(sides)->negative()(target);
}
template <class S>
ValueAndLogitSlope positive_side_in_place(const void* sides,
                                          const TargetProbability<at::Tensor>& target) {
  return with_logit_slope(static_cast<const S*>(sides)->positive(), target);
}
template <class S>
ValueAndLogitSlope negative_side_in_place(const void* sides,
                                          const TargetProbability<at::Tensor>& target) {
  return with_logit_slope(static_cast<const S*>(sides)->negative(), target);
}

#if defined(EQUIPOISE_CUDA)
template <class S>
const DeviceElementKernels* device_element_kernels();  // see equipoise/cuda.h
#else
template <class S>
const DeviceElementKernels* device_element_kernels() {
  return nullptr;
}
#endif

template <class S, class R>
SigmoidOfTensors sigmoid_of_tensors(const char* where, const SigmoidLoss<S, R>& given) {
  const auto loss = std::make_shared<const SigmoidLoss<S, R>>(given);
  const kernels::Cpu cpu = kernels::cpu();
  return {where,
          loss,
          equipoise::detail::settings_of(*loss),
          {&loss->sides, &kernels::sigmoid_kernel<S, float>, cpu},
          {&loss->sides, &kernels::sigmoid_kernel<S, double>, cpu},
          TensorReduction::of(loss->reduction),
          std::is_same_v<S, BinaryCrossEntropy>,
          sides_are_finite<S>(),
          &positive_side<S>,
          &negative_side<S>,
          &positive_side_in_place<S>,
          &negative_side_in_place<S>,
          device_element_kernels<S>()};
}

// The constants of a loss as tensors of these options.
EQUIPOISE_LIBTORCH_CALL SigmoidTensors make_tensors(const SigmoidSettings& loss,
                                                    const at::TensorOptions& options);

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_OF_TENSORS_H_
