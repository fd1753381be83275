// What the losses on tensors share: constants and spans of tensors, checks, and the part of a
// reduction that runs on the device.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_TENSORS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_TENSORS_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/threshold.h>
#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/device_types.h"
#include "equipoise/libtorch/detail/parallel_for.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise::libtorch::detail {

using equipoise::detail::reject;

// The values as a tensor [size]; undefined where there are none.
inline at::Tensor constant_tensor(const std::vector<double>& values,
                                  const at::TensorOptions& options) {
  if (values.empty()) return {};
  return at::tensor(values, at::kDouble).to(options);
}

// Gives a module's buffer other values, in place and on its device.
inline void set_constant(const char* where, const char* name, const at::Tensor& buffer,
                         const std::vector<double>& values) {
  equipoise::detail::require_size(where, name, values.size(),
                                  buffer.defined() ? static_cast<std::size_t>(buffer.numel()) : 0,
                                  "of the buffer that the module was made with");
  equipoise::detail::require_all_finite(where, name, values);
  if (values.empty()) return;
  const at::NoGradGuard no_graph;
  buffer.copy_(at::tensor(values, at::kDouble).view(buffer.sizes()).to(buffer.scalar_type()));
}

// The tensor with its numbers in memory as they are. What does not lie there so is copied: a tensor
// whose negation is still to be done (x.conj().imag() is one), and a zero that has no memory at
// all. (Pending conjugation is a thing of complex tensors, which no loss or metric takes.)
inline at::Tensor in_memory(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  if (tensor._is_zerotensor()) return tensor.clone();
  return tensor.is_neg() ? tensor.resolve_neg() : tensor;
}

inline std::vector<double> to_vector(const at::Tensor& values) {
  if (!values.defined()) return {};
  const at::Tensor dense = in_memory(values).to(at::kCPU).to(at::kDouble).contiguous();
  const double* const data = dense.data_ptr<double>();
  return {data, data + dense.numel()};
}

// The memory of a tensor that is in_memory(), for the core to read or write.
template <class T>
MatrixView<T> matrix_view(const at::Tensor& tensor) {
  using Element = std::remove_const_t<T>;
  EQUIPOISE_DCHECK(!tensor.is_neg() && !tensor._is_zerotensor());
  return {tensor.data_ptr<Element>(), static_cast<std::size_t>(tensor.size(0)),
          static_cast<std::size_t>(tensor.size(1)), static_cast<std::ptrdiff_t>(tensor.stride(0)),
          static_cast<std::ptrdiff_t>(tensor.stride(1))};
}

template <class T>
std::span<const T> span_of(const at::Tensor& contiguous) {
  if (!contiguous.defined()) return {};
  EQUIPOISE_DCHECK(!contiguous.is_neg() && !contiguous._is_zerotensor());
  return {contiguous.data_ptr<T>(), static_cast<std::size_t>(contiguous.numel())};
}

// The tensor as a vector, in_memory(); undefined stays undefined. An operation that changes nothing
// would still cost what a small loss does.
inline at::Tensor flat(const at::Tensor& tensor) {
  const at::Tensor read = in_memory(tensor);
  return !read.defined() || read.dim() == 1 ? read : read.reshape({-1});
}
// The same of this type, contiguous.
inline at::Tensor flat(const at::Tensor& tensor, at::ScalarType type) {
  if (!tensor.defined()) return tensor;
  const at::Tensor read = in_memory(tensor);
  const at::Tensor cast = read.scalar_type() == type ? read : read.to(type);
  return flat(cast.is_contiguous() ? cast : cast.contiguous());
}

// Whether the kernels take logits of this type and place.
inline bool fits_kernel(const at::Tensor& logits) {
  return logits.device().is_cpu() &&
         (logits.scalar_type() == at::kFloat || logits.scalar_type() == at::kDouble);
}

// Whether kernels of a device's own take logits of this type.
inline bool is_device_type(at::ScalarType type) {
  return type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

// In what tensor operations compute: half types accumulate in float.
inline at::ScalarType compute_type(const at::Tensor& logits) {
  return logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// The tensor of a call that the others have to go with, and what it is called: the logits, or the
// targets where there are no logits yet.
struct NamedTensor {
  const at::Tensor& tensor;
  const char* name;
};

// Refuses a tensor on another device, or of another number of elements than `size` if that is >= 0.
inline void require_matches(const char* where, const char* name, const at::Tensor& tensor,
                            const NamedTensor& reference, std::int64_t size, const char* of_what) {
  if (!tensor.defined()) return;
  if (tensor.device() != reference.tensor.device()) {
    reject(where, std::string(name) + ".device()", tensor.device().str(),
           reference.tensor.device().str() + ", the device of the " + reference.name);
  }
  if (size >= 0 && tensor.numel() != size) {
    reject(where, std::string(name) + ".numel()", tensor.numel(),
           std::to_string(size) + " (" + of_what + ")");
  }
}

inline void require_sizes(const char* where, const char* name, const at::Tensor& tensor,
                          at::IntArrayRef sizes) {
  if (tensor.sizes() == sizes) return;
  reject(where, std::string(name) + ".sizes()", c10::str(tensor.sizes()), c10::str(sizes));
}

// The constants of a module have to lie beside its logits, before any of them is read.
inline void require_constants_beside(
    const char* where, const at::Tensor& logits,
    std::initializer_list<std::pair<const char*, const at::Tensor*>> constants) {
  for (const auto& [name, constant] : constants) {
    require_matches(where, name, *constant, {logits, "logits"}, -1, "");
  }
}

// The last dimension of a constant, if defined, is that of the classes or labels.
inline void require_last_size(const char* where, const char* name, const at::Tensor& constant,
                              std::int64_t size) {
  if (!constant.defined() || constant.size(-1) == size) return;
  reject(where, std::string(name) + ".size(-1)", constant.size(-1),
         std::to_string(size) + ", as the logits");
}

// One number a row, in the shape of the rows or in one vector.
inline void require_per_row(const char* where, const char* name, const at::Tensor& tensor,
                            const NamedTensor& reference, at::IntArrayRef rows) {
  if (!tensor.defined()) return;
  require_matches(where, name, tensor, reference, -1, "");
  if (const std::int64_t size = c10::multiply_integers(rows); tensor.numel() != size) {
    reject(where, std::string(name) + ".numel()", tensor.numel(),
           std::to_string(size) + " (rows of " + reference.name + ")");
  }
  if (tensor.dim() != 1) require_sizes(where, name, tensor, rows);
}

inline void require_integral(const char* where, const char* name, const at::Tensor& tensor) {
  if (!tensor.defined() || c10::isIntegralType(tensor.scalar_type(), /*includeBool=*/false)) return;
  reject(where, std::string(name) + ".dtype()", std::string(tensor.dtype().name()),
         "an integer type");
}

inline void require_floating_point(const char* where, const char* name, const at::Tensor& tensor) {
  if (tensor.is_floating_point()) return;
  reject(where, std::string(name) + ".dtype()", std::string(tensor.dtype().name()),
         "a floating-point type");
}

// Refuses what autograd would have to send a gradient to: losses have one for their logits alone.
inline void require_constant(const char* where, const char* name, const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.requires_grad() || !at::GradMode::is_enabled()) return;
  reject(where, std::string(name) + ".requires_grad()", 1,
         std::string("0: no gradient flows to ") + name);
}

// The dimension of the classes: what the arguments say, or the last one.
inline std::int64_t class_dim_of(const LossArguments& arguments) {
  return arguments.class_dim.value_or(-1);
}

// Of more than two dimensions the classes may be the last one or, as LibTorch's losses have it, the
// second, and where both have one size the wrong one would go unnoticed: so it has to be said.
inline void require_class_dim(const char* where, std::optional<std::int64_t> class_dim,
                              const NamedTensor& reference) {
  const std::int64_t dims = reference.tensor.dim();
  if (!class_dim.has_value()) {
    if (dims <= 2) return;
    reject(where, "class_dim", "(not set)",
           "1 for N x C x ... as LibTorch has it, or -1 for N x ... x C: the " +
               std::string(reference.name) + " have " + std::to_string(dims) + " dimensions");
  }
  if (*class_dim >= -dims && *class_dim < dims) return;
  reject(where, "class_dim", *class_dim, std::string("a dimension of the ") + reference.name);
}

// The sizes without that of the classes: those of the rows.
inline std::vector<std::int64_t> row_sizes(const at::Tensor& by_class, std::int64_t class_dim) {
  std::vector<std::int64_t> result = by_class.sizes().vec();
  result.erase(result.begin() + (class_dim + by_class.dim()) % by_class.dim());
  return result;
}

// What rows have besides logits and targets; the latter are class indices or probabilities.
inline void require_rows_of_classes(const char* where, const NamedTensor& reference,
                                    at::IntArrayRef rows, bool by_index,
                                    const LossArguments& arguments) {
  require_per_row(where, "sample_weights", arguments.sample_weights, reference, rows);
  require_constant(where, "sample_weights", arguments.sample_weights);
  require_per_row(where, "groups", arguments.groups, reference, rows);
  require_integral(where, "groups", arguments.groups);
  require_per_row(where, "mask", arguments.mask, reference, rows);
  if (arguments.mask.defined() && by_index) {
    reject(where, "mask.numel()", arguments.mask.numel(),
           "no mask: index targets say with the ignore index which rows do not count");
  }
}

// Shapes, types and devices of a call whose rows have logits and a target over the same classes:
// what is known without reading the device.
inline void require_classification(const char* where, const at::Tensor& logits,
                                   const at::Tensor& targets, const LossArguments& arguments) {
  if (logits.dim() < 2) reject(where, "logits.dim()", logits.dim(), "at least 2 (N x C)");
  require_floating_point(where, "logits", logits);
  const NamedTensor reference{logits, "logits"};
  require_class_dim(where, arguments.class_dim, reference);
  const std::int64_t dims = logits.dim();
  const bool by_index = !targets.is_floating_point();
  if (by_index) require_integral(where, "targets", targets);
  if (targets.dim() != (by_index ? dims - 1 : dims)) {
    reject(where, "targets.dim()", targets.dim(),
           by_index ? std::to_string(dims - 1) + " (the logits' less that of the classes)"
                    : std::to_string(dims) + " (probabilities, in the shape of the logits)");
  }
  const std::vector<std::int64_t> rows = row_sizes(logits, class_dim_of(arguments));
  require_matches(where, "targets", targets, reference,
                  by_index ? c10::multiply_integers(rows) : logits.numel(),
                  by_index ? "rows of logits" : "elements of logits");
  require_sizes(where, "targets", targets, by_index ? at::IntArrayRef(rows) : logits.sizes());
  require_constant(where, "targets", targets);
  require_rows_of_classes(where, reference, rows, by_index, arguments);
}

// The same where there are no logits.
inline void require_classification(const char* where, const at::Tensor& targets,
                                   std::int64_t classes, const LossArguments& arguments) {
  const NamedTensor reference{targets, "targets"};
  if (classes < 0) reject(where, "classes", classes, "a number >= 0");
  require_constant(where, "targets", targets);
  if (!targets.is_floating_point()) {
    require_integral(where, "targets", targets);
    return require_rows_of_classes(where, reference, targets.sizes(), /*by_index=*/true, arguments);
  }
  if (targets.dim() < 2) reject(where, "targets.dim()", targets.dim(), "at least 2 (N x C)");
  require_class_dim(where, arguments.class_dim, reference);
  if (const std::int64_t size = targets.size(class_dim_of(arguments)); size != classes) {
    reject(where, "targets.size(class_dim)", size, std::to_string(classes) + " (classes)");
  }
  require_rows_of_classes(where, reference, row_sizes(targets, class_dim_of(arguments)),
                          /*by_index=*/false, arguments);
}

// Refuses an argument that a loss does not take.
inline void require_undefined(const char* where, const char* name, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  reject(where, std::string(name) + ".numel()", tensor.numel(),
         "no such argument: this loss does not take it");
}

inline void require_groups(const char* where, const at::Tensor& groups) {
  if (!groups.defined()) reject(where, "groups.numel()", 0, "one group a row");
}

// Whether the bucket depends on the row.
template <class R>
inline constexpr bool kBucketsOfRows = !std::convertible_to<
    decltype(std::declval<const R&>().bucket(
        std::declval<const equipoise::detail::RowFor<R, at::Tensor, at::Tensor>&>())),
    std::size_t>;

// Whether rows have a bucket of their own to be looked up.
template <class R>
bool has_buckets(const R& reduction) {
  return kBucketsOfRows<R> || reduction.buckets() != 1;
}

// The buckets of rows on the device. Undefined tensors: all are in the only one.
struct RowBuckets {
  at::Tensor index;    // [N] int64, always a bucket
  at::Tensor outside;  // [N] bool: the reduction has no such bucket, or takes no such group
};

template <class R>
RowBuckets bucket_rows(const R& reduction, const ReductionRow<at::Tensor, at::Tensor>& row) {
  if (!has_buckets(reduction)) return {};
  const auto seen = equipoise::detail::row_for<R>(row);
  at::Tensor bucket;
  if constexpr (kBucketsOfRows<R>) {
    bucket = reduction.bucket(seen);
  } else {
    bucket = at::full_like(row.target, static_cast<std::int64_t>(reduction.bucket(seen)));
  }
  const auto last = static_cast<std::int64_t>(reduction.buckets()) - 1;
  const at::Tensor index = bucket.clamp(0, std::max<std::int64_t>(last, 0));
  at::Tensor outside = bucket.ne(index);
  if constexpr (equipoise::detail::kNeedsGroups<R>) {
    const auto groups = static_cast<std::int64_t>(reduction.group_count());
    outside = outside.bitwise_or(row.group.lt(0)).bitwise_or(row.group.ge(groups));
  }
  return {index, outside};
}

// The same place with the type of sums.
inline at::TensorOptions sum_options(const at::Tensor& tensor) {
  return tensor.options().dtype(sum_type(tensor.device()));
}

// All numbers added up, [1] of the type of sums.
inline at::Tensor sum_of(const at::Tensor& numbers) {
  return numbers.sum(sum_type(numbers.device())).unsqueeze(0);
}

// The numbers of each bucket's rows, added up: [K] of the type of sums.
inline at::Tensor sum_by_bucket(const at::Tensor& numbers, const at::Tensor& bucket,
                                std::size_t buckets) {
  const at::TensorOptions options = sum_options(numbers);
  if (!bucket.defined()) return sum_of(numbers);
  if (buckets == 0) return at::zeros({0}, options);
  return at::zeros({static_cast<std::int64_t>(buckets)}, options)
      .scatter_add(0, bucket, numbers.to(options));
}

// What the rows add to the denominators, [N] of the type of sums; rows that are not valid add
// nothing.
template <class R>
at::Tensor mass_of_rows(const R& reduction, const ReductionRow<at::Tensor, at::Tensor>& row,
                        const at::Tensor& valid) {
  return at::Tensor(reduction.mass(equipoise::detail::row_for<R>(row)))
      .to(sum_type(valid.device()))
      .mul(valid);
}

// A partial as a tensor [3, K] of double on the CPU: numerators, denominators, rows.
inline at::Tensor to_sums(const LossPartial& partial) {
  const std::size_t buckets = partial.buckets.size();
  at::Tensor result = at::empty({3, static_cast<std::int64_t>(buckets)}, at::kDouble);
  auto* const data = result.data_ptr<double>();
  for (std::size_t k = 0; k < buckets; ++k) {
    data[k] = partial.buckets[k].numerator;
    data[buckets + k] = partial.buckets[k].denominator;
    data[2 * buckets + k] = partial.buckets[k].valid;
  }
  return result;
}

// What the losses of a bucket are divided by: empty ones give 1 / infinity.
inline at::Tensor divisor_tensor(const at::Tensor& denominators) {
  return at::threshold(denominators, 0, equipoise::detail::infinity());
}

// Whether the coefficient of all rows is 1 / denominator.
template <class R>
bool is_plain_mean(const R& reduction) {
  return !equipoise::detail::kIsSum<R> && !requires { reduction.share(std::size_t{0}); }
  &&reduction.buckets() == 1;
}

// coefficients() of reduction.h on the device. Shares [K] that are defined stand for the
// reduction's own, which are uploaded.
template <class R>
at::Tensor coefficient_tensor(const R& reduction, const at::Tensor& denominators,
                              const at::Tensor& shares = {}) {
  if constexpr (equipoise::detail::kIsSum<R>) {
    return at::ones_like(denominators);
  } else {
    const at::Tensor inverse = divisor_tensor(denominators).reciprocal();
    if (shares.defined()) return inverse * shares;
    if constexpr (requires { reduction.share(std::size_t{0}); }) {
      std::vector<double> own;
      for (std::size_t k = 0; k < reduction.buckets(); ++k) own.push_back(reduction.share(k));
      return inverse * constant_tensor(own, denominators.options());
    } else {
      if (reduction.buckets() == 1) return inverse;
      return inverse / denominators.gt(0).sum().clamp_min(1);
    }
  }
}

// A reduction of any type on tensors. It refers to the reduction that it is made of.
struct TensorReduction {
  using Row = ReductionRow<at::Tensor, at::Tensor>;
  const void* self;
  bool is_sum;
  bool is_plain_mean;
  kernels::RowMass mass;
  std::size_t (*buckets_)(const void*);
  bool (*has_buckets_)(const void*);
  RowBuckets (*bucket_rows_)(const void*, const Row&);
  at::Tensor (*mass_of_rows_)(const void*, const Row&, const at::Tensor& valid);
  at::Tensor (*coefficient_tensor_)(const void*, const at::Tensor&, const at::Tensor&);

  template <class R>
  static TensorReduction of(const R& reduction) {
    return {
        &reduction,
        equipoise::detail::kIsSum<R>,
        detail::is_plain_mean(reduction),
        kernels::mass_of<R>(),
        [](const void* r) { return static_cast<std::size_t>(static_cast<const R*>(r)->buckets()); },
        [](const void* r) { return detail::has_buckets(*static_cast<const R*>(r)); },
        [](const void* r, const Row& row) {
          return detail::bucket_rows(*static_cast<const R*>(r), row);
        },
        [](const void* r, const Row& row, const at::Tensor& valid) {
          return detail::mass_of_rows(*static_cast<const R*>(r), row, valid);
        },
        [](const void* r, const at::Tensor& denominators, const at::Tensor& shares) {
          return detail::coefficient_tensor(*static_cast<const R*>(r), denominators, shares);
        }};
  }

  std::size_t buckets() const { return buckets_(self); }
  // Whether rows have to be looked up in them.
  bool has_buckets() const { return has_buckets_(self); }
  RowBuckets bucket_rows(const Row& row) const { return bucket_rows_(self, row); }
  at::Tensor mass_of_rows(const Row& row, const at::Tensor& valid) const {
    return mass_of_rows_(self, row, valid);
  }
  at::Tensor coefficient_tensor(const at::Tensor& denominators, const at::Tensor& shares) const {
    return coefficient_tensor_(self, denominators, shares);
  }
};

// Refuses denominators and shares that are on another device, or of another number of buckets than
// the reduction has, shares of a sum, and rows without a bucket.
inline void require_buckets(const char* where, const TensorReduction& reduction,
                            const NamedTensor& reference, const LossArguments& arguments) {
  const auto buckets = static_cast<std::int64_t>(reduction.buckets());
  if (buckets == 0 && reference.tensor.numel() > 0) {
    reject(where, "reduction.buckets()", buckets, "at least 1");
  }
  const auto require = [&](const char* name, const at::Tensor& tensor) {
    require_matches(where, name, tensor, reference, buckets, "buckets of the reduction");
  };
  require("denominators", arguments.denominators);
  require("shares", arguments.shares);
  if (reduction.is_sum && arguments.shares.defined()) {
    reject(where, "shares.numel()", arguments.shares.numel(),
           "no shares: the reduction is a sum, which has none");
  }
}

// coefficients() for the kernels, with the denominators and shares that the arguments of a call may
// have in place of the batch's and the reduction's own.
template <class R>
std::vector<double> kernel_coefficients(const char* where, const R& reduction, LossPartial whole,
                                        const LossArguments& arguments) {
  if (arguments.denominators.defined()) {
    const std::vector<double> denominators = to_vector(arguments.denominators);
    equipoise::detail::require_masses(where, "denominators", denominators);
    whole.buckets.clear();
    for (const double denominator : denominators) whole.buckets.push_back({0, denominator, 0});
  }
  std::vector<double> result = coefficients(reduction, whole);
  if (!arguments.shares.defined()) return result;
  const std::vector<double> shares = to_vector(arguments.shares);
  equipoise::detail::require_masses(where, "shares", shares);
  for (std::size_t k = 0; k < result.size(); ++k) {
    const double denominator = whole.buckets[k].denominator;
    result[k] = denominator > 0 ? shares[k] / denominator : 0;
  }
  return result;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_TENSORS_H_
