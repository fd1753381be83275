// Kernels of losses on CUDA and what launches them; see equipoise/cuda.h, which alone includes
// this.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_CUDA_H_
#define EQUIPOISE_LIBTORCH_DETAIL_CUDA_H_

#include <ATen/core/ivalue.h>  // first, as elsewhere
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "equipoise/kernels/team.h"
#include "equipoise/libtorch/detail/sigmoid_of_tensors.h"
#include "equipoise/libtorch/detail/softmax_of_tensors.h"

namespace equipoise::cuda::detail {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffU;
inline constexpr unsigned kThreads = 256;

#if defined(__CUDA_ARCH__)
__device__ inline kernels::LargestAndSum reduce_warp(kernels::LargestAndSum own) {
  for (unsigned distance = kWarp / 2; distance > 0; distance /= 2) {
    own = join(own, kernels::LargestAndSum{__shfl_xor_sync(kAllLanes, own.largest, distance),
                                           __shfl_xor_sync(kAllLanes, own.sum, distance)});
  }
  return own;
}
#endif

// A warp for a row of few classes.
struct WarpTeam {
  __device__ std::int64_t rank() const { return threadIdx.x % kWarp; }
  __device__ std::int64_t size() const { return kWarp; }
#if defined(__CUDA_ARCH__)
  __device__ kernels::LargestAndSum reduce(const kernels::LargestAndSum& own) const {
    return reduce_warp(own);
  }
#endif
  __device__ static std::int64_t row() {
    return (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kWarp;
  }
  static constexpr unsigned kRowsPerBlock = kThreads / kWarp;
};

// A block for a row of many.
struct BlockTeam {
  __device__ std::int64_t rank() const { return threadIdx.x; }
  __device__ std::int64_t size() const { return blockDim.x; }
#if defined(__CUDA_ARCH__)
  __device__ kernels::LargestAndSum reduce(const kernels::LargestAndSum& own) const {
    __shared__ float largest[kThreads / kWarp];
    __shared__ float sum[kThreads / kWarp];
    const kernels::LargestAndSum of_warp = reduce_warp(own);
    __syncthreads();
    if (threadIdx.x % kWarp == 0) {
      largest[threadIdx.x / kWarp] = of_warp.largest;
      sum[threadIdx.x / kWarp] = of_warp.sum;
    }
    __syncthreads();
    kernels::LargestAndSum all{largest[0], sum[0]};
    for (unsigned warp = 1; warp < kThreads / kWarp; ++warp) {
      all = join(all, kernels::LargestAndSum{largest[warp], sum[warp]});
    }
    return all;
  }
#endif
  __device__ static std::int64_t row() { return blockIdx.x; }
  static constexpr unsigned kRowsPerBlock = 1;
};

// The rows of a call as pointers.
template <class T>
struct RowPointers {
  const T* logits;
  const std::int64_t* index;
  const float* weight;
  const float* scale;
  const float* shift;
  const float* margin;
  std::int64_t rows;
  std::int64_t classes;

  __device__ kernels::TeamRow<T> operator[](std::int64_t i) const {
    return {logits + i * classes, classes, index[i], scale, shift, margin};
  }
};

template <class Team, class M, class T>
__global__ void softmax_rows(const M modulator, const RowPointers<T> in, float* losses,
                             float* slopes, float* largest, float* rest) {
#if defined(__CUDA_ARCH__)
  const std::int64_t i = Team::row();
  if (i >= in.rows) return;  // all of a team
  const Team team;
  const kernels::TeamRow<T> row = in[i];
  const kernels::LogSum log_sum = kernels::log_sum_exp(team, row);
  if (team.rank() != 0) return;
  const ValueAndSlope<kernels::DeviceFloat> result = kernels::modulated(modulator, row, log_sum);
  losses[i] = in.weight[i] * result.value.value;
  slopes[i] = in.weight[i] * result.slope.value;
  largest[i] = log_sum.largest;
  rest[i] = log_sum.rest;
#endif
}

template <class Team, class T>
__global__ void softmax_gradient(const RowPointers<T> in, const float* slopes, const float* largest,
                                 const float* rest, T* gradient) {
#if defined(__CUDA_ARCH__)
  const std::int64_t i = Team::row();
  if (i >= in.rows) return;
  kernels::write_gradient(Team(), in[i], kernels::LogSum{largest[i], rest[i]}, slopes[i],
                          gradient + i * in.classes);
#endif
}

inline const float* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

// Calls f with a number of the type, one of those that is_device_type() names.
template <class F>
void with_type(at::ScalarType type, const F& f) {
  if (type == at::kFloat) return f(float{});
  if (type == at::kHalf) return f(at::Half{});
  f(at::BFloat16{});
}

// Calls f with a team and the rows as pointers, on the device of the logits.
template <class F>
void with_rows(const libtorch::detail::RowsOnDevice& rows, const F& f) {
  const c10::cuda::CUDAGuard guard(rows.logits.device());
  with_type(rows.logits.scalar_type(), [&](auto like) {
    using scalar_t = decltype(like);
    const RowPointers<scalar_t> in{rows.logits.const_data_ptr<scalar_t>(),
                                   rows.index.const_data_ptr<std::int64_t>(),
                                   rows.weight.const_data_ptr<float>(),
                                   data_or_null(rows.scale),
                                   data_or_null(rows.shift),
                                   data_or_null(rows.margin),
                                   rows.logits.size(0),
                                   rows.logits.size(1)};
    constexpr std::int64_t kMostOfWarp = 1024;
    if (in.classes <= kMostOfWarp) {
      f(WarpTeam(), in);
    } else {
      f(BlockTeam(), in);
    }
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

template <class Team>
unsigned blocks_of(std::int64_t rows) {
  return static_cast<unsigned>((rows + Team::kRowsPerBlock - 1) / Team::kRowsPerBlock);
}

template <class M>
at::Tensor launch_rows(const void* modulator, const libtorch::detail::RowsOnDevice& rows) {
  const std::int64_t count = rows.logits.size(0);
  at::Tensor found = at::empty({4, count}, rows.weight.options());
  if (count == 0) return found;
  float* const data = found.mutable_data_ptr<float>();
  with_rows(rows, [&](auto team, const auto& in) {
    using Team = decltype(team);
    softmax_rows<Team><<<blocks_of<Team>(count), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        *static_cast<const M*>(modulator), in, data, data + count, data + 2 * count,
        data + 3 * count);
  });
  return found;
}

inline at::Tensor launch_gradient(const libtorch::detail::RowsOnDevice& rows,
                                  const at::Tensor& slopes, const at::Tensor& log_sums) {
  at::Tensor gradient = at::empty(rows.logits.sizes(), rows.logits.options());
  if (gradient.numel() == 0) return gradient;
  with_rows(rows, [&](auto team, const auto& in) {
    using Team = decltype(team);
    using T = std::remove_cvref_t<decltype(*in.logits)>;
    softmax_gradient<Team>
        <<<blocks_of<Team>(in.rows), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
            in, slopes.const_data_ptr<float>(), log_sums.const_data_ptr<float>(),
            log_sums.const_data_ptr<float>() + in.rows, gradient.mutable_data_ptr<T>());
  });
  return gradient;
}

// The elements of a call as pointers; weights of the sides may be one number for all labels.
template <class T>
struct ElementPointers {
  const T* logits;
  const float* targets;
  const float* positive;
  const float* negative;
  const float* shift;
  const float* weight;
  bool positive_by_label;
  bool negative_by_label;
  std::int64_t labels;
  std::int64_t size;

  // The weight of the row is kept apart: where it is 0 the element does not count.
  __device__ float row_weight(std::int64_t i) const {
    return weight == nullptr ? 1.0F : weight[i / labels];
  }
  __device__ kernels::TeamElement operator[](std::int64_t i) const {
    const std::int64_t label = i % labels;
    const float z = static_cast<float>(logits[i]);
    return {shift == nullptr ? z : z + shift[label], targets[i],
            positive[positive_by_label ? label : 0], negative[negative_by_label ? label : 0]};
  }
};

template <class Positive, class Negative, class T>
__global__ void sigmoid_sums(const Positive positive, const Negative negative,
                             const ElementPointers<T> in, float* sums) {
#if defined(__CUDA_ARCH__)
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  float own = 0;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       i < in.size; i += step) {
    const float weight = in.row_weight(i);
    if (weight != 0) own += weight * kernels::sigmoid_element(positive, negative, in[i]).value;
  }
  for (unsigned distance = kWarp / 2; distance > 0; distance /= 2) {
    own += __shfl_xor_sync(kAllLanes, own, distance);
  }
  if (threadIdx.x % kWarp == 0) {
    sums[blockIdx.x * (kThreads / kWarp) + threadIdx.x / kWarp] = own;
  }
#endif
}

template <class Positive, class Negative, class T>
__global__ void sigmoid_gradient(const Positive positive, const Negative negative,
                                 const ElementPointers<T> in, const float* factor, T* gradient) {
#if defined(__CUDA_ARCH__)
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       i < in.size; i += step) {
    const float weight = in.row_weight(i) * *factor;
    gradient[i] = static_cast<T>(
        weight == 0 ? 0.0F : weight * kernels::sigmoid_element(positive, negative, in[i]).slope);
  }
#endif
}

// As many blocks as keep a device busy; each thread then takes several elements, so that sums are
// few.
inline unsigned element_blocks(std::int64_t size) {
  constexpr std::int64_t kMost = 2048;
  return static_cast<unsigned>(
      std::clamp<std::int64_t>((size + kThreads - 1) / kThreads, 1, kMost));
}

template <class F>
void with_elements(const libtorch::detail::ElementsOnDevice& elements, const F& f) {
  const c10::cuda::CUDAGuard guard(elements.logits.device());
  with_type(elements.logits.scalar_type(), [&](auto like) {
    using scalar_t = decltype(like);
    f(ElementPointers<scalar_t>{
        elements.logits.const_data_ptr<scalar_t>(), elements.targets.const_data_ptr<float>(),
        elements.positive.const_data_ptr<float>(), elements.negative.const_data_ptr<float>(),
        data_or_null(elements.shift), data_or_null(elements.weight), elements.positive.numel() > 1,
        elements.negative.numel() > 1, elements.logits.size(1), elements.logits.numel()});
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

template <class S>
at::Tensor launch_sums(const void* sides, const libtorch::detail::ElementsOnDevice& elements) {
  const S& of = *static_cast<const S*>(sides);
  const unsigned blocks = element_blocks(elements.logits.numel());
  at::Tensor sums = at::empty({static_cast<std::int64_t>(blocks) * (kThreads / kWarp)},
                              elements.targets.options());
  with_elements(elements, [&](const auto& in) {
    sigmoid_sums<<<blocks, kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        of.positive(), of.negative(), in, sums.mutable_data_ptr<float>());
  });
  return sums;
}

template <class S>
at::Tensor launch_element_gradient(const void* sides,
                                   const libtorch::detail::ElementsOnDevice& elements,
                                   const at::Tensor& factor) {
  const S& of = *static_cast<const S*>(sides);
  const at::Tensor times = factor.to(at::kFloat).contiguous();
  at::Tensor gradient = at::empty(elements.logits.sizes(), elements.logits.options());
  with_elements(elements, [&](const auto& in) {
    using T = std::remove_cvref_t<decltype(*in.logits)>;
    sigmoid_gradient<<<element_blocks(in.size), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        of.positive(), of.negative(), in, times.const_data_ptr<float>(),
        gradient.mutable_data_ptr<T>());
  });
  return gradient;
}

}  // namespace equipoise::cuda::detail

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

template <class M>
const DeviceKernels* device_kernels() {
  // What is copied to the device byte by byte.
  if constexpr (std::is_trivially_copyable_v<M>) {
    static constexpr DeviceKernels kKernels{&cuda::detail::launch_rows<M>,
                                            &cuda::detail::launch_gradient};
    return &kKernels;
  } else {
    return nullptr;
  }
}

template <class S>
const DeviceElementKernels* device_element_kernels() {
  using Positive = decltype(std::declval<const S&>().positive());
  using Negative = decltype(std::declval<const S&>().negative());
  if constexpr (std::is_trivially_copyable_v<Positive> && std::is_trivially_copyable_v<Negative>) {
    static constexpr DeviceElementKernels kKernels{&cuda::detail::launch_sums<S>,
                                                   &cuda::detail::launch_element_gradient<S>};
    return &kKernels;
  } else {
    return nullptr;
  }
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_CUDA_H_
