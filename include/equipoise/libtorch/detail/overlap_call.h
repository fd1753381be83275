// Overlap losses on tensors: the two passes of the core on the CPU, tensor operations elsewhere.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

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
#include "equipoise/libtorch/detail/loss_function.h"
#include "equipoise/libtorch/detail/parallel_for.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/overlap.h"

namespace equipoise::libtorch {

namespace detail {

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// An overlap loss of any policy, so that what calls it is compiled once.
struct OverlapOfTensors {
  const char* where;                 // the function that errors name
  std::shared_ptr<const void> loss;  // the OverlapLoss, to which the others refer
  kernels::OverlapSettings settings;
  kernels::OverlapKernel<float> in_float;
  kernels::OverlapKernel<double> in_double;
  ElementTerms<at::Tensor> (*element)(const void* policy, const OverlapElement<at::Tensor>&);
  OverlapValue<at::Tensor> (*value)(const void* policy, const OverlapTerms<at::Tensor>& sums);
  at::Tensor (*share)(const void* policy, const at::Tensor& target_mass);  // or nullptr

  template <class T>
  const kernels::OverlapKernel<T>& kernel() const {
    if constexpr (std::is_same_v<T, float>) {
      return in_float;
    } else {
      return in_double;
    }
  }
};

template <class P>
ElementTerms<at::Tensor> element_of_tensors(const void* policy,
                                            const OverlapElement<at::Tensor>& element) {
  return kernels::element_terms(*static_cast<const P*>(policy), element);
}
template <class P>
OverlapValue<at::Tensor> value_of_tensors(const void* policy,
                                          const OverlapTerms<at::Tensor>& sums) {
  return (*static_cast<const P*>(policy))(sums);
}
template <class P>
at::Tensor share_of_tensors(const void* policy, const at::Tensor& target_mass) {
  return static_cast<const P*>(policy)->share(target_mass);
}

template <class P>
OverlapOfTensors overlap_of_tensors(const char* where, const OverlapLoss<P>& given) {
  const auto loss = std::make_shared<const OverlapLoss<P>>(given);
  const kernels::Cpu cpu = kernels::cpu();
  OverlapOfTensors result{where,
                          loss,
                          equipoise::detail::settings_of(*loss),
                          kernels::overlap_kernel_of<float>(loss->policy, cpu),
                          kernels::overlap_kernel_of<double>(loss->policy, cpu),
                          &element_of_tensors<P>,
                          &value_of_tensors<P>,
                          nullptr};
  if constexpr (kernels::kPoolsClasses<P>) result.share = &share_of_tensors<P>;
  return result;
}

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

// Logits [N, C], targets [N] or [N, C], arguments [N].
struct OverlapInputs {
  at::Tensor logits;
  at::Tensor targets;
  LossArguments arguments;
};

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
  double* const data = result.data_ptr<double>();
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

// The rows of a call by tensor operations: what counts, and the probabilities.
struct OverlapTensors {
  at::Tensor counts;                   // [N, 1] bool: neither ignored nor of weight zero
  at::Tensor weights;                  // [N, 1]; NaN where the target is broken
  OverlapElement<at::Tensor> element;  // [N, C] each
};

inline OverlapTensors make_overlap_tensors(const OverlapOfTensors& loss, const OverlapInputs& in) {
  const at::ScalarType type = compute_type(in.logits);
  const std::int64_t classes = in.logits.size(1);
  at::Tensor ignored;
  at::Tensor broken;
  at::Tensor t;
  if (in.targets.dim() == 1) {
    const at::Tensor labels = in.targets.to(at::kLong);
    ignored = labels.eq(loss.settings.ignore_index);
    broken = labels.lt(0).bitwise_or(labels.ge(classes));
    const at::Tensor column = labels.clamp(0, std::max<std::int64_t>(classes - 1, 0)).unsqueeze(1);
    t = at::zeros(in.logits.sizes(), in.logits.options().dtype(type));
    if (classes > 0) t = t.scatter(1, column, 1.0);
  } else {
    t = in.targets.to(type);
    ignored = in.arguments.mask.defined() ? in.arguments.mask.eq(0)
                                          : at::zeros({t.size(0)}, t.options().dtype(at::kBool));
    broken = t.ge(0).bitwise_and(t.le(1)).all(1).bitwise_not();
  }
  OverlapTensors result;
  result.weights = ignored.bitwise_not().to(type);
  if (in.arguments.sample_weights.defined()) {
    result.weights = in.arguments.sample_weights.to(type).masked_fill(ignored, 0.0);
  }
  broken = broken.bitwise_and(ignored.bitwise_not());
  result.weights = result.weights.masked_fill(broken, equipoise::detail::quiet_nan()).unsqueeze(1);
  result.counts = result.weights.ne(0);
  const at::Tensor leave_out = result.counts.bitwise_not();
  const at::Tensor z = in.logits.to(type).masked_fill(leave_out, 0.0);
  result.element.t = t.masked_fill(leave_out, 0.0);
  if (loss.settings.sigmoid) {
    result.element.p = z.sigmoid();
    result.element.q = z.neg().sigmoid();
  } else {
    const at::Tensor log_p = at::log_softmax(z, 1);
    result.element.p = log_p.exp();
    result.element.q = log_p.expm1().neg();
  }
  return result;
}

// [3, C] of double: the sums of these rows.
inline at::Tensor sum_overlap(const OverlapOfTensors& loss, const OverlapTensors& rows) {
  const OverlapTerms<at::Tensor> terms = loss.element(loss.settings.policy, rows.element).value;
  const auto sum = [&](const at::Tensor& term) {
    return (rows.weights * term).sum(0, /*keepdim=*/false, at::kDouble);
  };
  return at::stack({sum(terms.tp), sum(terms.fp), sum(terms.fn)});
}

struct OverlapResultTensors {
  at::Tensor value;   // [] of double
  at::Tensor slopes;  // [3, C] of double
};

// value_and_slopes() on the device.
inline OverlapResultTensors finish_overlap(const OverlapOfTensors& loss,
                                           const at::Tensor& class_weights,
                                           const at::Tensor& sums) {
  const void* const policy = loss.settings.policy;
  const OverlapTerms<at::Tensor> of_class{sums.select(0, 0), sums.select(0, 1), sums.select(0, 2)};
  const at::Tensor mass = (of_class.tp + of_class.fn).detach();
  at::Tensor weights =
      class_weights.defined() ? class_weights.to(at::kDouble) : at::ones_like(mass);
  if (!loss.settings.counts_absent) weights = weights.masked_fill(mass.eq(0), 0.0);
  const at::Tensor none = weights.eq(0);
  const at::Tensor total = weights.sum();
  const at::Tensor nothing = total.eq(0).bitwise_or(sums.detach().eq(0).all());
  const auto counted = [&](const at::Tensor& values) { return values.masked_fill(none, 0.0); };
  OverlapResultTensors result;
  OverlapTerms<at::Tensor> slope;
  if (loss.share != nullptr) {
    weights = counted(weights * loss.share(policy, mass));
    const auto pooled = [&](const at::Tensor& each) { return counted(weights * each).sum(); };
    const OverlapValue<at::Tensor> whole =
        loss.value(policy, {pooled(of_class.tp), pooled(of_class.fp), pooled(of_class.fn)});
    result.value = whole.value;
    slope = whole.slope;
  } else {
    weights = weights / total.masked_fill(nothing, 1.0);
    const OverlapValue<at::Tensor> each = loss.value(policy, of_class);
    result.value = counted(weights * each.value).sum();
    slope = each.slope;
  }
  result.slopes = at::stack({counted(weights * slope.tp), counted(weights * slope.fp),
                             counted(weights * slope.fn)})
                      .masked_fill(nothing, 0.0);
  result.value = result.value.masked_fill(nothing, loss.settings.empty_batch == EmptyBatch::kNaN
                                                       ? equipoise::detail::quiet_nan()
                                                       : 0.0);
  return result;
}

// The gradient of these rows [N, C] from the slopes of the sums; see write_overlap_gradient().
inline at::Tensor gradient_of_overlap(const OverlapOfTensors& loss, const OverlapTensors& rows,
                                      const at::Tensor& slopes) {
  const at::Tensor& p = rows.element.p;
  const OverlapTerms<at::Tensor> of_p = loss.element(loss.settings.policy, rows.element).slope;
  const at::Tensor s = slopes.to(p.scalar_type());
  at::Tensor g = (of_p.tp * s.select(0, 0) + of_p.fp * s.select(0, 1) + of_p.fn * s.select(0, 2)) *
                 rows.weights;
  if (loss.settings.sigmoid) {
    g = g * p * rows.element.q;
  } else {
    g = g - g.gather(1, p.detach().argmax(1, /*keepdim=*/true));
    g = p * (g - (g * p).sum(1, /*keepdim=*/true));
  }
  return g.masked_fill(rows.counts.bitwise_not(), 0.0);
}

// The loss by tensor operations: differentiable with respect to the logits in the value and, since
// the gradient is written in the same operations, in the gradient as well. Of merged sums the
// logits of this part move their own share.
inline LossAndGradient overlap_by_operations(const OverlapOfTensors& loss,
                                             const at::Tensor& class_weights,
                                             const OverlapInputs& in, bool wants_gradient) {
  const OverlapTensors rows = make_overlap_tensors(loss, in);
  at::Tensor sums;
  if (!in.arguments.sums.defined()) {
    sums = sum_overlap(loss, rows);
  } else {
    sums = in.arguments.sums.to(at::kDouble).view({3, -1});
    if (at::GradMode::is_enabled()) {
      const at::Tensor own = sum_overlap(loss, rows);
      sums = sums + (own - own.detach());
    }
  }
  const OverlapResultTensors whole = finish_overlap(loss, class_weights, sums);
  LossAndGradient outcome{whole.value.to(compute_type(in.logits)), {}};
  if (wants_gradient) {
    outcome.gradient = in.logits.numel() == 0 ? at::zeros_like(in.logits)
                                              : gradient_of_overlap(loss, rows, whole.slopes);
  }
  return outcome;
}

// The class weights as a tensor.
inline at::Tensor class_weight_tensor(const OverlapOfTensors& loss, const OverlapInputs& in) {
  if (in.arguments.class_weights.defined()) return in.arguments.class_weights;
  return constant_tensor(*loss.settings.class_weights, in.logits.options().dtype(at::kDouble));
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
    return overlap_by_operations(loss, class_weights, in, wants_gradient);
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

inline at::Tensor call_overlap(OverlapOfTensors loss, const at::Tensor& logits,
                               const at::Tensor& targets, const LossArguments& arguments) {
  const char* const where = loss.where;
  require_overlap_tensors(where, loss.settings, logits, targets, arguments);
  OverlapInputs in = make_overlap_inputs(logits, targets, arguments);
  OverlapNode node{std::move(loss), {}, {}};
  if (!fits_kernel(logits)) {
    require_values_on_cpu(where, node.loss, in);
    node.class_weights = class_weight_tensor(node.loss, in);
  }
  node.arguments = std::move(in.arguments);
  using Function = LossFunction<OverlapNode>;
  return Function::apply(in.logits, in.targets,
                         c10::make_intrusive<Function::State>(std::move(node), in.logits));
}

inline at::Tensor call_overlap_sums(const OverlapOfTensors& loss, const at::Tensor& logits,
                                    const at::Tensor& targets, const LossArguments& arguments) {
  const char* const where = loss.where;
  const at::NoGradGuard no_graph;
  require_overlap_tensors(where, loss.settings, logits, targets, arguments);
  const OverlapInputs in = make_overlap_inputs(logits.detach(), targets, arguments);
  if (!fits_kernel(logits)) {
    require_values_on_cpu(where, loss, in);
    return sum_overlap(loss, make_overlap_tensors(loss, in));
  }
  return to_tensor(logits.scalar_type() == at::kFloat ? sums_by_kernel<float>(where, loss, in)
                                                      : sums_by_kernel<double>(where, loss, in));
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace detail

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_H_
