// Overlap losses on tensors: the two passes of the core on the CPU, tensor operations elsewhere.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_NODE_H_
#define EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_NODE_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/overlap_driver.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/libtorch/detail/host_rows.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/overlap_operations.h"
#include "equipoise/libtorch/detail/parallel_for.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/overlap.h"

namespace equipoise::libtorch::detail {

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// Shapes, types and devices: what is known without reading the device.
inline void require_overlap_tensors(const char* where, const kernels::OverlapSettings& loss,
                                    const at::Tensor& logits, const at::Tensor& targets,
                                    const LossArguments& arguments) {
  require_undefined(where, "groups", arguments.groups);
  require_undefined(where, "denominators", arguments.denominators);
  require_undefined(where, "shares", arguments.shares);
  require_undefined(where, "seesaw_counts", arguments.seesaw_counts);
  require_classification(where, logits, targets, arguments);
  const std::int64_t classes = logits.size(class_dim_of(arguments));
  const NamedTensor reference{logits, "logits"};
  require_matches(where, "class_weights", arguments.class_weights, reference, classes, "classes");
  require_matches(where, "sums", arguments.sums, reference, 3 * classes, "3 x classes");
  kernels::require_overlap_loss(where, loss, static_cast<std::size_t>(classes));
}

inline OverlapInputs make_overlap_inputs(const at::Tensor& logits, const at::Tensor& targets,
                                         const LossArguments& arguments) {
  const auto as_rows = [&](const at::Tensor& tensor) {
    return in_memory(tensor).movedim(class_dim_of(arguments), -1).flatten(0, -2);
  };
  OverlapInputs result{as_rows(logits), {}, arguments};
  result.targets = targets.is_floating_point() ? as_rows(targets) : flat(targets);
  result.arguments.sample_weights = flat(arguments.sample_weights);
  result.arguments.mask = flat(arguments.mask);
  return result;
}

// [3, C] on the CPU as the core's sums, and back.
inline OverlapSums to_overlap_sums(const at::Tensor& sums) {
  const std::vector<double> values = to_vector(sums);
  const std::size_t classes = values.size() / 3;
  OverlapSums result{std::vector<OverlapTerms<double>>(classes)};
  for (std::size_t c = 0; c < classes; ++c) {
    result.classes[c] = {values[c], values[classes + c], values[2 * classes + c]};
  }
  return result;
}
inline at::Tensor to_tensor(const OverlapSums& sums) {
  const auto classes = static_cast<std::int64_t>(sums.classes.size());
  at::Tensor result = at::empty({3, classes}, at::kDouble);
  auto* const data = result.data_ptr<double>();
  for (std::size_t c = 0; c < sums.classes.size(); ++c) {
    data[c] = sums.classes[c].tp;
    data[sums.classes.size() + c] = sums.classes[c].fp;
    data[2 * sums.classes.size() + c] = sums.classes[c].fn;
  }
  return result;
}

// The rows of a call on the CPU as the core reads them, checked, and the memory that they lie in; T
// is the type of the logits, and that for probabilities. Class weights of the arguments stand for
// those of the loss.
template <class T>
class OverlapHostRows {
 public:
  OverlapHostRows(const char* where, const kernels::OverlapSettings& loss, const OverlapInputs& in)
      : class_weights_(to_vector(in.arguments.class_weights)),
        loss_(with_class_weights(loss)),
        host_(in),
        targets_(host_.read([&](const auto& targets) -> Targets {
          return kernels::read_overlap_targets(where, loss_, targets, classes_of(in));
        })),
        rows_{loss_, kernels::AnyTargets::of_any(targets_), classes_of(in), host_.arguments()} {
    kernels::require_overlap<T>(where, rows_, static_cast<std::size_t>(in.logits.size(0)));
  }
  OverlapHostRows(const OverlapHostRows&) = delete;
  OverlapHostRows& operator=(const OverlapHostRows&) = delete;

  const kernels::OverlapTargetRows& rows() const { return rows_; }

 private:
  using Targets = std::variant<kernels::IndexTargets<std::int64_t>, kernels::ShareTargets<T>>;

  kernels::OverlapSettings with_class_weights(kernels::OverlapSettings loss) const {
    if (!class_weights_.empty()) loss.class_weights = &class_weights_;
    return loss;
  }
  static std::size_t classes_of(const OverlapInputs& in) {
    return static_cast<std::size_t>(in.logits.size(1));
  }

  std::vector<double> class_weights_;
  kernels::OverlapSettings loss_;
  HostRows<T> host_;
  Targets targets_;
  kernels::OverlapTargetRows rows_;
};

// Checks the values of a call on the CPU that tensor operations take, for the type of its logits.
inline void require_values_on_cpu(const char* where, const OverlapOfTensors& loss,
                                  const OverlapInputs& in) {
  if (in.logits.device().is_cpu()) OverlapHostRows<float>(where, loss.settings, in);
}

// The core's two passes; T is float or double and that of the logits.
template <class T>
OverlapSums sums_by_kernel(const char* where, const OverlapOfTensors& loss,
                           const OverlapInputs& in) {
  const OverlapHostRows<T> host(where, loss.settings, in);
  return kernels::checked_overlap_sums<T>(
      {host.rows(), loss.kernel<T>(), matrix_view<const T>(in.logits)}, AtParallelFor{});
}

// With merged sums the first pass is left out.
template <class T>
LossAndGradient overlap_by_kernel(const char* where, const OverlapOfTensors& loss,
                                  const OverlapInputs& in, bool wants_gradient) {
  const OverlapHostRows<T> host(where, loss.settings, in);
  const kernels::OverlapCall<T> call{host.rows(), loss.kernel<T>(),
                                     matrix_view<const T>(in.logits)};
  const OverlapResult whole = kernels::finish_overlap(
      host.rows().loss, in.arguments.sums.defined()
                            ? to_overlap_sums(in.arguments.sums)
                            : kernels::checked_overlap_sums(call, AtParallelFor{}));
  LossAndGradient outcome;
  outcome.loss = at::empty({}, in.logits.options());
  *outcome.loss.template data_ptr<T>() = static_cast<T>(whole.value);
  if (!wants_gradient) return outcome;
  kernels::require_slopes_fit<T>(where, whole.slopes);
  outcome.gradient = at::empty_like(in.logits);
  kernels::checked_overlap_gradient(call, std::span<const OverlapTerms<double>>(whole.slopes),
                                    matrix_view<T>(outcome.gradient), AtParallelFor{});
  return outcome;
}

// The class weights as a tensor.
inline at::Tensor class_weight_tensor(const OverlapOfTensors& loss, const OverlapInputs& in) {
  if (in.arguments.class_weights.defined()) return in.arguments.class_weights;
  return constant_tensor(*loss.settings.class_weights, sum_options(in.logits));
}

// An overlap loss for LossFunction, with inputs as make_overlap_inputs() makes them.
struct OverlapNode {
  OverlapOfTensors loss;
  at::Tensor class_weights;  // defined where tensor operations need it
  LossArguments arguments;

  LossAndGradient evaluate(const at::Tensor& logits, const at::Tensor& targets,
                           bool wants_gradient) const {
    const OverlapInputs in{logits, targets, arguments};
    if (fits_kernel(logits)) {
      return logits.scalar_type() == at::kFloat
                 ? overlap_by_kernel<float>(loss.where, loss, in, wants_gradient)
                 : overlap_by_kernel<double>(loss.where, loss, in, wants_gradient);
    }
    return OverlapInPlace::takes(loss, in)
               ? overlap_in_place(loss, class_weights, in, wants_gradient)
               : overlap_by_operations(loss, class_weights, in, wants_gradient);
  }

  at::Tensor gradient_by_operations(const at::Tensor& logits, const at::Tensor& targets) const {
    const OverlapInputs in{logits, targets, arguments};
    return overlap_by_operations(
               loss, fits_kernel(logits) ? class_weight_tensor(loss, in) : class_weights, in,
               /*wants_gradient=*/true)
        .gradient;
  }

  at::Tensor factor(const at::Tensor& upstream, const at::Tensor&) const { return upstream; }
};

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_NODE_H_
