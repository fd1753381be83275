// What the losses on tensors share: constants and spans of tensors, checks, and the part of a
// reduction that runs on the device.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_TENSORS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_TENSORS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/parallel_for.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/reduction.h"
#include "equipoise/view.h"

namespace equipoise::libtorch::detail {

using equipoise::detail::reject;

// The values as a tensor [size]; undefined where there are none.
inline at::Tensor constant_tensor(const std::vector<double>& values,
                                  const at::TensorOptions& options) {
  if (values.empty()) return {};
  return at::tensor(values, at::TensorOptions().dtype(at::kDouble)).to(options);
}

inline std::vector<double> to_vector(const at::Tensor& values) {
  if (!values.defined()) return {};
  const at::Tensor dense = values.to(at::kDouble).contiguous();
  const double* const data = dense.data_ptr<double>();
  return {data, data + dense.numel()};
}

template <class T>
MatrixView<T> matrix_view(const at::Tensor& tensor) {
  using Element = std::remove_const_t<T>;
  return {tensor.data_ptr<Element>(), static_cast<std::size_t>(tensor.size(0)),
          static_cast<std::size_t>(tensor.size(1)), static_cast<std::ptrdiff_t>(tensor.stride(0)),
          static_cast<std::ptrdiff_t>(tensor.stride(1))};
}

template <class T>
std::span<const T> span_of(const at::Tensor& contiguous) {
  if (!contiguous.defined()) return {};
  return {contiguous.data_ptr<T>(), static_cast<std::size_t>(contiguous.numel())};
}

// The tensor as a vector; undefined stays undefined. An operation that changes nothing would still
// cost what a small loss does.
inline at::Tensor flat(const at::Tensor& tensor) {
  return !tensor.defined() || tensor.dim() == 1 ? tensor : tensor.reshape({-1});
}
// The same of this type, contiguous.
inline at::Tensor flat(const at::Tensor& tensor, at::ScalarType type) {
  if (!tensor.defined()) return tensor;
  const at::Tensor cast = tensor.scalar_type() == type ? tensor : tensor.to(type);
  return flat(cast.is_contiguous() ? cast : cast.contiguous());
}

// Whether the kernels take logits of this type and place.
inline bool fits_kernel(const at::Tensor& logits) {
  return logits.device().is_cpu() &&
         (logits.scalar_type() == at::kFloat || logits.scalar_type() == at::kDouble);
}

// In what tensor operations compute: half types accumulate in float.
inline at::ScalarType compute_type(const at::Tensor& logits) {
  return logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Refuses a tensor on another device, or of another number of elements than `size` if that is >= 0.
inline void require_companion(const char* where, const char* name, const at::Tensor& tensor,
                              const at::Tensor& logits, std::int64_t size, const char* of_what) {
  if (!tensor.defined()) return;
  if (tensor.device() != logits.device()) {
    reject(where, std::string(name) + ".device()", tensor.device().str(),
           logits.device().str() + ", the device of the logits");
  }
  if (size >= 0 && tensor.numel() != size) {
    reject(where, std::string(name) + ".numel()", tensor.numel(),
           std::to_string(size) + " (" + of_what + ")");
  }
}

inline void require_integral(const char* where, const char* name, const at::Tensor& tensor) {
  if (!tensor.defined() || c10::isIntegralType(tensor.scalar_type(), /*includeBool=*/false)) return;
  reject(where, std::string(name) + ".dtype()", std::string(tensor.dtype().name()),
         "an integer type");
}

// Refuses denominators and shares of another number of buckets than the reduction has.
template <class R, class Arguments>
void require_buckets(const char* where, const R& reduction, const Arguments& arguments) {
  const auto require = [&](const char* name, const at::Tensor& tensor) {
    const std::size_t buckets = reduction.buckets();
    if (!tensor.defined() || static_cast<std::size_t>(tensor.numel()) == buckets) return;
    reject(where, std::string(name) + ".numel()", tensor.numel(),
           std::to_string(buckets) + " (buckets of the reduction)");
  };
  require("denominators", arguments.denominators);
  require("shares", arguments.shares);
}

// The buckets of a reduction on the device.
struct BucketTensors {
  at::Tensor bucket;        // [N] int64; undefined for one bucket
  at::Tensor denominators;  // [K]
};

// The row holds tensors [N]; rows that are not valid add nothing.
template <class R>
BucketTensors make_buckets(const R& reduction, const ReductionRow<at::Tensor, at::Tensor>& row,
                           const at::Tensor& valid) {
  const at::Tensor mass =
      at::Tensor(reduction.mass(row)).to(at::kDouble).mul(valid.to(at::kDouble));
  BucketTensors result;
  if (reduction.buckets() == 1) {
    result.denominators = mass.sum().unsqueeze(0);
  } else {
    if constexpr (!std::convertible_to<decltype(reduction.bucket(row)), std::size_t>) {
      result.bucket = reduction.bucket(row);
    }
    result.denominators =
        at::zeros({static_cast<std::int64_t>(reduction.buckets())}, mass.options())
            .scatter_add(0, result.bucket, mass);
  }
  return result;
}

// coefficients() of reduction.h on the device. Shares [K] that are defined stand for the
// reduction's own, which are uploaded.
template <class R>
at::Tensor coefficient_tensor(const R& reduction, const at::Tensor& denominators,
                              const at::Tensor& shares = {}) {
  if constexpr (equipoise::detail::kIsSum<R>) {
    return at::ones_like(denominators);
  } else {
    const at::Tensor empty = denominators.le(0);
    const at::Tensor inverse = denominators.reciprocal().masked_fill(empty, 0.0);
    if (shares.defined()) return inverse * shares;
    if constexpr (requires { reduction.share(std::size_t{0}); }) {
      std::vector<double> own;
      for (std::size_t k = 0; k < reduction.buckets(); ++k) own.push_back(reduction.share(k));
      return inverse * constant_tensor(own, denominators.options());
    } else {
      return inverse / denominators.gt(0).sum().clamp_min(1).to(at::kDouble);
    }
  }
}

// coefficients() for the kernels, with the denominators and shares that the arguments of a call may
// have in place of the batch's and the reduction's own.
template <class R, class Arguments>
std::vector<double> kernel_coefficients(const R& reduction, Partial whole,
                                        const Arguments& arguments) {
  if (arguments.denominators.defined()) {
    whole.buckets.clear();
    for (const double denominator : to_vector(arguments.denominators)) {
      whole.buckets.push_back({0, denominator, 0});
    }
  }
  std::vector<double> result = coefficients(reduction, whole);
  if (!arguments.shares.defined()) return result;
  const std::vector<double> shares = to_vector(arguments.shares);
  for (std::size_t k = 0; k < result.size(); ++k) {
    const double denominator = whole.buckets[k].denominator;
    result[k] = denominator > 0 ? shares[k] / denominator : 0;
  }
  return result;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_TENSORS_H_
