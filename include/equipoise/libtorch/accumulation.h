// One optimiser step whose batch comes in parts, on tensors, without waiting for the device.
//
// The denominators come first, then each part's loss with them: the sum is the loss of the whole
// batch at once.
//
//     at::Tensor of_step;
//     for (const Part& part : parts) {
//       const at::Tensor own = denominators(loss, part.targets, classes, part.arguments);
//       of_step = of_step.defined() ? of_step + own : own;
//     }
//     of_step = sum_over_ranks(of_step, all_reduce_sum);  // with several ranks
//     TensorPartial step;
//     for (Part& part : parts) {
//       part.arguments.denominators = of_step;
//       const LossAndPartial result =
//           value_and_partial(loss, model->forward(part.inputs), part.targets, part.arguments);
//       result.loss.backward();  // over several ranks, *sum* the gradients
//       step += result.partial;
//     }
//     loss.reduction = loss.reduction.advance(step.to_partial());  // group DRO's next shares
#ifndef EQUIPOISE_LIBTORCH_ACCUMULATION_H_
#define EQUIPOISE_LIBTORCH_ACCUMULATION_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/stack.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "equipoise/reduction/accumulated_step.h"
#include "equipoise/reduction/reduction.h"

namespace equipoise::libtorch {

/// The contribution of a part of a batch, like equipoise::LossPartial, on the device of its logits:
/// [K] of double each, one number per bucket of the reduction, without a graph. Partials of parts
/// merge by += into that of the whole. Only to_partial() synchronises.
struct TensorPartial {
  at::Tensor numerator{};    ///< sum of weight x loss
  at::Tensor denominator{};  ///< sum of mass
  at::Tensor valid{};        ///< number of rows that are not ignored

  /// Adds another part; a partial that is still undefined becomes the other. O(K).
  /// @throws std::invalid_argument if the numbers of buckets differ.
  TensorPartial& operator+=(const TensorPartial& other);
  friend TensorPartial operator+(TensorPartial a, const TensorPartial& b) { return a += b; }

  /// The whole state, [3, K] in the order of the members, in new memory: sum it over ranks and
  /// unpack it with from_packed().
  at::Tensor packed() const { return at::stack({numerator, denominator, valid}); }
  /// The partial of packed numbers [3, K]; it shares their memory.
  /// @throws std::invalid_argument for another shape.
  static TensorPartial from_packed(const at::Tensor& packed);

  /// The same as numbers, for GroupDro::advance(), value() and logs. Reads the device once, and so
  /// waits for it.
  LossPartial to_partial() const;
};

/// A loss that takes part in autograd, and the partial of its batch.
struct LossAndPartial {
  at::Tensor loss;  ///< []
  TensorPartial partial;
};

inline TensorPartial& TensorPartial::operator+=(const TensorPartial& other) {
  if (!other.numerator.defined()) return *this;
  if (!numerator.defined()) return *this = other;
  if (other.numerator.sizes() != numerator.sizes()) {
    detail::reject("TensorPartial::operator+=", "other.numerator.numel()", other.numerator.numel(),
                   std::to_string(numerator.numel()) + " (buckets on the left)");
  }
  numerator = numerator + other.numerator;
  denominator = denominator + other.denominator;
  valid = valid + other.valid;
  return *this;
}

inline TensorPartial TensorPartial::from_packed(const at::Tensor& packed) {
  if (packed.dim() != 2 || packed.size(0) != 3) {
    detail::reject("TensorPartial::from_packed", "packed.sizes()", c10::str(packed.sizes()),
                   "[3, K]");
  }
  return {packed.select(0, 0), packed.select(0, 1), packed.select(0, 2)};
}

inline LossPartial TensorPartial::to_partial() const {
  if (!numerator.defined()) return {};
  const std::vector<double> numbers = detail::to_vector(packed().cpu());
  const std::size_t buckets = numbers.size() / 3;
  LossPartial result{std::vector<LossTally>(buckets)};
  for (std::size_t k = 0; k < buckets; ++k) {
    result.buckets[k] = {numbers[k], numbers[buckets + k], numbers[2 * buckets + k]};
  }
  return result;
}

/// value(), and the partial of its batch from the same pass: the denominators are this
/// batch's, whatever LossArguments::denominators the loss was divided by. Does not synchronise.
/// @throws std::invalid_argument as value().
template <Modulator M, LossReduction R>
EQUIPOISE_HOST_INLINE LossAndPartial value_and_partial(const SoftmaxLoss<M, R>& loss,
                                                       const at::Tensor& logits,
                                                       const at::Tensor& targets,
                                                       const LossArguments& arguments = {}) {
  const detail::LossAndSums result =
      detail::call_softmax(detail::softmax_of_tensors("value_and_partial", loss), nullptr, logits,
                           targets, arguments, {.sums = true});
  return {result.loss, TensorPartial::from_packed(result.sums)};
}

/// Only the partial of a batch, without a graph or a gradient. Does not synchronise.
/// @throws std::invalid_argument as value().
template <Modulator M, LossReduction R>
EQUIPOISE_HOST_INLINE TensorPartial partial(const SoftmaxLoss<M, R>& loss, const at::Tensor& logits,
                                            const at::Tensor& targets,
                                            const LossArguments& arguments = {}) {
  const detail::LossAndSums result =
      detail::call_softmax(detail::softmax_of_tensors("partial", loss), nullptr, logits.detach(),
                           targets, arguments, {.sums = true});
  return TensorPartial::from_packed(result.sums);
}

/// value(), and the partial of its batch from the same pass: the denominators are this
/// batch's, whatever LossArguments::denominators the loss was divided by. Does not synchronise.
/// @throws std::invalid_argument as value().
template <SigmoidModulators S, LossReduction R>
EQUIPOISE_HOST_INLINE LossAndPartial value_and_partial(const SigmoidLoss<S, R>& loss,
                                                       const at::Tensor& logits,
                                                       const at::Tensor& targets,
                                                       const LossArguments& arguments = {}) {
  const detail::LossAndSums result =
      detail::call_sigmoid(detail::sigmoid_of_tensors("value_and_partial", loss), nullptr, logits,
                           targets, arguments, {.sums = true});
  return {result.loss, TensorPartial::from_packed(result.sums)};
}

/// Only the partial of a batch, without a graph or a gradient. Does not synchronise.
/// @throws std::invalid_argument as value().
template <SigmoidModulators S, LossReduction R>
EQUIPOISE_HOST_INLINE TensorPartial partial(const SigmoidLoss<S, R>& loss, const at::Tensor& logits,
                                            const at::Tensor& targets,
                                            const LossArguments& arguments = {}) {
  const detail::LossAndSums result =
      detail::call_sigmoid(detail::sigmoid_of_tensors("partial", loss), nullptr, logits.detach(),
                           targets, arguments, {.sums = true});
  return TensorPartial::from_packed(result.sums);
}

/// The numbers (denominators [K], or TensorPartial::packed() [3, K]) summed over all ranks by an
/// equipoise::AllReduceSum, which works on the host: a new tensor of double (float on a device
/// without doubles) on the device of `numbers`. Called by all ranks. Reads the device, and so waits
/// for it; a communication layer that sums tensors on their device, such as c10d with NCCL, need
/// not wait.
template <AllReduceSum F>
at::Tensor sum_over_ranks(const at::Tensor& numbers, const F& all_reduce_sum) {
  at::Tensor sums = numbers.detach().to(at::kCPU).to(at::kDouble).contiguous().clone();
  all_reduce_sum(
      std::span<double>(sums.data_ptr<double>(), static_cast<std::size_t>(sums.numel())));
  return sums.to(detail::sum_options(numbers));
}

/// Deferred scaling, if the denominators are not known before the backward passes: run each part
/// with denominators of at::ones({1}, at::kDouble) on its device, add up the partials (over ranks
/// as well), and multiply the summed gradients by this scale before clipping them. The scale is a
/// tensor [] of double on the device of the partial; times step.numerator it is the loss of the
/// step. Only for a single bucket: by then, the gradients of several buckets are mixed. Does not
/// synchronise.
/// @throws std::invalid_argument for a reduction of several buckets, and a partial of several.
template <LossReduction R>
at::Tensor deferred_scale(const R& reduction, const TensorPartial& whole) {
  constexpr const char* kWhere = "deferred_scale";
  if (reduction.buckets() != 1) {
    detail::reject(kWhere, "reduction.buckets()", reduction.buckets(),
                   "1: take the denominators before the backward pass");
  }
  const std::int64_t buckets = whole.denominator.defined() ? whole.denominator.numel() : 0;
  if (buckets != 1) detail::reject(kWhere, "whole.denominator.numel()", buckets, "1");
  return detail::coefficient_tensor(reduction, whole.denominator).select(0, 0);
}

/// Multiplies the gradients of the parameters by the scale, in place; a parameter without a
/// gradient is skipped, and one that occurs twice is scaled once. The scale is a number or a tensor
/// [] on the host or on the gradients' device. Does not synchronise.
/// @throws std::invalid_argument for a scale of more than one element, or on another device than a
/// gradient; nothing is changed then.
inline void scale_gradients(const std::vector<at::Tensor>& parameters, const at::Tensor& scale) {
  constexpr const char* kWhere = "scale_gradients";
  if (scale.dim() != 0) detail::reject(kWhere, "scale.dim()", scale.dim(), "0");
  std::vector<at::Tensor> gradients;
  std::set<const c10::TensorImpl*> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& gradient = parameters[i].grad();
    if (!gradient.defined() || !seen.insert(gradient.unsafeGetTensorImpl()).second) continue;
    if (!scale.device().is_cpu() && scale.device() != gradient.device()) {
      detail::reject(kWhere, "scale.device()", scale.device().str(),
                     gradient.device().str() + ", the device of the gradient of parameters[" +
                         std::to_string(i) + "]");
    }
    gradients.push_back(gradient);
  }
  const at::NoGradGuard no_graph;
  for (at::Tensor& gradient : gradients) gradient.mul_(scale);
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_ACCUMULATION_H_
