// Sigmoid losses, multi-label and binary: shift -> sigmoid -> one modulator per side -> weight ->
// reduction, in one pass.
#ifndef EQUIPOISE_LOSS_SIGMOID_H_
#define EQUIPOISE_LOSS_SIGMOID_H_

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/sigmoid_driver.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/rebalance.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise {

/// A sigmoid loss as a value. For row i and label l with target t in [0, 1] and the logit z,
///
///     loss_il = s_i w_l r_il [t pos_l a+ m+(sigma(z'))
///                             + (1 - t) a- m-(sigma(-lambda z')) / lambda],
///     z' = z + shift_l,
///
/// with the modulators m+ and m- of the two sides, the weights s of the row, w of the label, pos of
/// the label's positives, a+ and a- of the sides, r of `rebalance`, and lambda = negative_scale.
/// The reduction turns the elements into one number; it sees each as a row whose class is the
/// label, whose `positive` is t, and whose weight is s_i w_l r_il [t pos_l a+ + (1 - t) a-]. A
/// masked element has loss and gradient zero, whatever its logit and target. With default fields
/// the loss is the plain binary cross-entropy, averaged over all elements. Weights, their products
/// and the other factors are in the type of the logits: numbers that it cannot hold, such as 1e39
/// or 1e-46 with float, are rejected.
template <SigmoidModulators S = BinaryCrossEntropy, LossReduction R = MeanByCount>
struct SigmoidLoss {
  S sides{};
  R reduction{};
  std::vector<double> class_weights{};  ///< L finite numbers >= 0, of both sides; empty: all 1
  std::vector<double> pos_weight{};     ///< L finite numbers >= 0, of positives; empty: all 1
  double positive_weight = 1.0;         ///< finite, >= 0: the alpha of the focal loss
  double negative_weight = 1.0;         ///< finite, >= 0: its 1 - alpha
  std::vector<double> shift{};          ///< L finite numbers, of training; empty: all 0
  double negative_scale = 1.0;          ///< lambda: finite, > 0; of training
  LabelRebalance rebalance{};
  EmptyBatch empty_batch = EmptyBatch::kZero;
};

/// The loss for evaluation: without shift and negative_scale, which change the logits in training
/// only.
template <SigmoidModulators S, LossReduction R>
SigmoidLoss<S, R> evaluation(SigmoidLoss<S, R> loss) {
  loss.shift.clear();
  loss.negative_scale = 1;
  return loss;
}

namespace detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

template <class S, class R>
void require_parts_of_sigmoid(const void* self, std::string_view where) {
  const auto& loss = *static_cast<const SigmoidLoss<S, R>*>(self);
  if constexpr (requires { loss.sides.require(where); }) loss.sides.require(where);
  if constexpr (requires { loss.reduction.require(where); }) loss.reduction.require(where);
}

template <class S, class R>
kernels::SigmoidSettings settings_of(const SigmoidLoss<S, R>& loss) {
  return {&loss,
          &require_parts_of_sigmoid<S, R>,
          kernels::AnyReduction::of(loss.reduction),
          loss.class_weights,
          loss.pos_weight,
          loss.positive_weight,
          loss.negative_weight,
          loss.shift,
          loss.negative_scale,
          loss.rebalance,
          loss.empty_batch};
}

template <class T, class S, class R>
kernels::SigmoidCall<T> sigmoid_call(const SigmoidLoss<S, R>& loss,
                                     const kernels::SigmoidInputs& in,
                                     const MatrixView<const T>& logits, kernels::Cpu instructions) {
  return {in, {&loss.sides, &kernels::sigmoid_kernel<S, T>, instructions}, logits, {}, {}};
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace detail

/// The denominators of the reduction. They depend only on targets and weights, so they are known
/// before the forward pass: compute them over everything one optimiser step sees (merge
/// micro-batches with +=, sum all_reduce_buffer() over ranks) and pass their coefficients() to each
/// loss call. targets is N x L of any arithmetic type. O(N L).
///
/// @throws std::invalid_argument for a target that is NaN or outside [0, 1] (0 or 1 for integer
/// types), for hyper-parameters and sample weights out of range, and for sizes that differ.
template <SigmoidModulators S, LossReduction R, class Y, class ParallelFor = SerialFor>
EQUIPOISE_HOST_INLINE LossPartial denominators(const SigmoidLoss<S, R>& loss, MatrixView<Y> targets,
                                               const LossArguments& arguments = {},
                                               const ParallelFor& parallel_for = {}) {
  constexpr std::string_view kWhere = "denominators";
  const auto settings = detail::settings_of(loss);
  const MatrixView<const std::remove_const_t<Y>> read = targets;
  const auto in =
      kernels::checked_inputs(kWhere, settings, kernels::AnyElements::of(read), arguments);
  return kernels::checked_masses(kWhere, in, parallel_for);
}

/// The partial of some rows: the numerators, masses and counts of their elements; writes the
/// gradient and the losses of elements on request. The gradient is that of value(partial,
/// coefficients), so gradients of parts, each computed with the coefficients of the whole, add up
/// to the gradient of the whole.
///
/// logits is N x L of float or double and targets N x L of any arithmetic type, both with any
/// strides; nothing of their size is allocated. Sums over elements are computed in double, in an
/// order that does not depend on the number of threads. A NaN logit makes its element's loss and
/// gradient NaN. An infinite one is a probability of 0 or 1: the loss of the side that is right is
/// 0, and that of the other side infinite, unless its modulator is bounded. The gradient is finite,
/// or NaN under a modulator that multiplies the logarithm by something that is 0 there. Under
/// -ffast-math such logits have no defined result.
///
/// @throws std::invalid_argument as denominators(), for shapes that do not match, for coefficients
/// that do not fit the reduction, and for weights, terms and coefficients that T cannot hold.
/// Nothing is written then.
template <SigmoidModulators S, LossReduction R, FloatElement L, class Y,
          class ParallelFor = SerialFor, OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE LossPartial partial(const SigmoidLoss<S, R>& loss, MatrixView<L> logits,
                                          MatrixView<Y> targets,
                                          const LossArguments& arguments = {},
                                          const LossOutputs<T>& outputs = {},
                                          const ParallelFor& parallel_for = {}) {
  constexpr std::string_view kWhere = "partial";
  const auto settings = detail::settings_of(loss);
  const MatrixView<const std::remove_const_t<Y>> read = targets;
  const auto in =
      kernels::checked_inputs(kWhere, settings, kernels::AnyElements::of(read), arguments);
  auto call = detail::sigmoid_call<T>(loss, in, logits, kernels::cpu_of(parallel_for));
  call.outputs = outputs;
  return kernels::partial_of_call(kWhere, call, parallel_for);
}

/// The loss of a whole from its partial: sum_k coefficient_k numerator_k, or the value of
/// loss.empty_batch if nothing was averaged.
template <SigmoidModulators S, LossReduction R>
double value(const SigmoidLoss<S, R>& loss, const LossPartial& partial,
             std::span<const double> coefficients) {
  return kernels::value_of_whole(loss.empty_batch, partial, coefficients);
}

/// The loss of a batch; if the arguments have coefficients, its contribution to the loss of the
/// whole.
/// @throws std::invalid_argument as partial().
template <SigmoidModulators S, LossReduction R, FloatElement L, class Y,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE double value(const SigmoidLoss<S, R>& loss, MatrixView<L> logits,
                                   MatrixView<Y> targets, const LossArguments& arguments = {}) {
  constexpr std::string_view kWhere = "value";
  const auto settings = detail::settings_of(loss);
  const MatrixView<const std::remove_const_t<Y>> read = targets;
  const auto in =
      kernels::checked_inputs(kWhere, settings, kernels::AnyElements::of(read), arguments);
  return kernels::value_of_call<T>(kWhere,
                                   detail::sigmoid_call<T>(loss, in, logits, kernels::cpu()));
}

/// The same loss; also writes its gradient, N x L.
/// @throws std::invalid_argument as partial().
template <SigmoidModulators S, LossReduction R, FloatElement L, class Y,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE double value_and_gradient(const SigmoidLoss<S, R>& loss, MatrixView<L> logits,
                                                MatrixView<Y> targets,
                                                const LossArguments& arguments,
                                                MatrixView<T> gradient) {
  constexpr std::string_view kWhere = "value_and_gradient";
  const auto settings = detail::settings_of(loss);
  const MatrixView<const std::remove_const_t<Y>> read = targets;
  const auto in =
      kernels::checked_inputs(kWhere, settings, kernels::AnyElements::of(read), arguments);
  auto call = detail::sigmoid_call<T>(loss, in, logits, kernels::cpu());
  detail::require_writable(kWhere, "gradient", gradient, logits.rows * logits.cols);
  call.outputs.gradient = gradient;
  return kernels::value_of_call<T>(kWhere, call);
}

/// The losses of elements before the reduction, loss_il, 0 where ignored: writes `losses`, N x L.
/// @throws std::invalid_argument as partial().
template <SigmoidModulators S, LossReduction R, FloatElement L, class Y,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE void unreduced(const SigmoidLoss<S, R>& loss, MatrixView<L> logits,
                                     MatrixView<Y> targets, const LossArguments& arguments,
                                     MatrixView<T> losses) {
  constexpr std::string_view kWhere = "unreduced";
  const auto settings = detail::settings_of(loss);
  const MatrixView<const std::remove_const_t<Y>> read = targets;
  const auto in =
      kernels::checked_inputs(kWhere, settings, kernels::AnyElements::of(read), arguments);
  auto call = detail::sigmoid_call<T>(loss, in, logits, kernels::cpu());
  detail::require_writable(kWhere, "losses", losses, logits.rows * logits.cols);
  call.outputs.losses = losses;
  kernels::write_losses<T>(kWhere, call);
}

/// The focal loss as Lin et al. 2017 (arXiv:1708.02002) use it: weight alpha for positives and
/// 1 - alpha for negatives, divided by the number of positives or as the reduction says.
/// @throws std::invalid_argument for an alpha outside [0, 1]; loss calls reject a gamma below 0.
template <LossReduction R = MeanByPositives>
SigmoidLoss<SigmoidFocal, R> sigmoid_focal(double alpha = 0.25, double gamma = 2.0,
                                           R reduction = {}) {
  detail::require_between("sigmoid_focal", "alpha", alpha, 0, 1);
  SigmoidLoss<SigmoidFocal, R> loss;
  loss.sides.gamma = gamma;
  loss.reduction = reduction;
  loss.positive_weight = alpha;
  loss.negative_weight = 1 - alpha;
  return loss;
}

/// log(pi_l / (1 - pi_l)): the biases with which an untrained sigmoid head predicts the prior, so
/// that the many negatives do not dominate the first steps (Lin et al. 2017, arXiv:1708.02002).
/// O(L).
/// @throws std::invalid_argument for a prior that is not inside (0, 1), where the bias would be
/// infinite.
inline std::vector<double> initial_bias(std::span<const double> prior) {
  std::vector<double> result;
  for (std::size_t l = 0; l < prior.size(); ++l) {
    if (!detail::is_finite(prior[l]) || prior[l] <= 0 || prior[l] >= 1) {
      detail::reject_element("initial_bias", "prior", l, prior[l], "a number inside (0, 1)");
    }
    result.push_back(std::log(prior[l]) - std::log1p(-prior[l]));
  }
  return result;
}

/// Options of distribution_balanced(), with the values of Huang et al. 2021 for text (Reuters).
/// Wu et al. 2020 choose other values, for images.
struct DistributionBalancedOptions {
  double alpha = 0.1;
  double beta = 10.0;
  double mu = 0.9;
  double bias = 0.05;           ///< kappa, >= 0; 0: no shift
  double negative_scale = 2.0;  ///< lambda, > 0; 1: both sides are treated alike
};

/// The distribution-balanced loss of Wu et al. 2020 (arXiv:2007.09654), for text in Huang et al.
/// 2021: re-balanced weights (see LabelRebalance) with negative-tolerant regularisation, which adds
/// kappa log(pi_l / (1 - pi_l)) to the logits in training, pi_l = n_l / rows, and scales the
/// negative side, m-(sigma(-lambda z')) / lambda. With SigmoidFocal as its sides it is their
/// DB-focal; with bias = 0 and negative_scale = 1 only the weights remain, R-BCE or R-focal.
///
/// positives[l] is the number of rows whose label l is positive, rows the number of all rows. O(L).
/// @throws std::invalid_argument for a count that is not inside (0, rows), which has no finite
/// weight or shift, and for options out of range.
template <SigmoidModulators S = BinaryCrossEntropy>
EQUIPOISE_HOST_INLINE SigmoidLoss<S> distribution_balanced(
    std::span<const double> positives, double rows, const DistributionBalancedOptions& options = {},
    S sides = {}) {
  constexpr std::string_view kWhere = "distribution_balanced";
  detail::require_not_negative(kWhere, "options.bias", options.bias);
  SigmoidLoss<S> loss;
  loss.sides = sides;
  loss.rebalance = {options.alpha, options.beta, options.mu, {positives.begin(), positives.end()}};
  loss.negative_scale = options.negative_scale;
  std::vector<double> prior;
  for (std::size_t l = 0; l < positives.size(); ++l) {
    if (!detail::is_finite(positives[l]) || positives[l] <= 0 || !(positives[l] < rows)) {
      detail::reject_element(kWhere, "positives", l, positives[l],
                             "a number inside (0, " + detail::to_text(rows) + ")");
    }
    prior.push_back(positives[l] / rows);
  }
  if (options.bias > 0) {
    loss.shift = initial_bias(prior);
    for (double& each : loss.shift) each *= options.bias;
  }
  kernels::require_sigmoid_loss(kWhere, detail::settings_of(loss), positives.size());
  return loss;
}

/// The same from counted labels: one count per row and label, as count_labels() counts the labels
/// of all rows together.
/// @throws std::invalid_argument as above.
template <SigmoidModulators S = BinaryCrossEntropy>
SigmoidLoss<S> distribution_balanced(const ClassCounts& positives, double rows,
                                     const DistributionBalancedOptions& options = {},
                                     S sides = {}) {
  return distribution_balanced<S>(positives.values(), rows, options, sides);
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_SIGMOID_H_
