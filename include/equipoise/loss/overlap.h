// Overlap losses: Dice, generalised Dice, Tversky and their kin, over a set of rows, in two passes.
#ifndef EQUIPOISE_LOSS_OVERLAP_H_
#define EQUIPOISE_LOSS_OVERLAP_H_

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/overlap_driver.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/overlap_policies.h"
#include "equipoise/loss/overlap_terms.h"
#include "equipoise/view.h"

namespace equipoise {

/// Which function turns logits into probabilities.
enum class OverlapActivation {
  kSoftmax,  ///< classes exclude each other
  kSigmoid,  ///< each class is decided on its own (multi-label); one class: binary
};

/// How a class without target mass in the set is treated.
enum class AbsentOverlapClass {
  /// It does not count, as in MeanPerClass: a row predicted as this class is a false negative of a
  /// class that is present. Otherwise every set without a rare class would contain a loss that
  /// falls only as the class is predicted less.
  kSkip,
  /// It counts: its loss, with TP = FN = 0, pushes its probabilities down.
  kCount,
};

/// An overlap loss as a value. With p the softmax or sigmoid of the logits, t the targets and w the
/// weights of the rows, the sums of class c over a set of rows are
///
///     TP_c = sum_i w_i p_ic t_ic,  FP_c = sum_i w_i p_ic (1 - t_ic),
///     FN_c = sum_i w_i (1 - p_ic) t_ic
///
/// (a policy may define them differently), and the loss is the mean of policy(TP_c, FP_c, FN_c)
/// over the classes, weighted by class_weights. Rows that are ignored, and rows of weight zero, do
/// not take part, whatever their logits.
///
/// The loss belongs to the set, not to rows: sums of parts merge, losses of parts do not. It
/// therefore takes two passes over the logits: first partial() of each part, merged; then
/// value_and_slopes(), and gradient() of each part goes from slopes to logits. The softmax is
/// computed twice, and nothing of the size of the logits is stored: this takes two to six times the
/// time of a loss that decomposes over rows, more with more classes.
template <OverlapPolicy P = Dice>
struct OverlapLoss {
  P policy{};
  /// C finite numbers >= 0; empty: all 1. 0 leaves a class out, such as the O of entity tags.
  std::vector<double> class_weights{};
  OverlapActivation activation = OverlapActivation::kSoftmax;
  AbsentOverlapClass absent_class = AbsentOverlapClass::kSkip;
  std::int64_t ignore_index = kIgnoreIndex;
  /// The value if no class counts or the sums are empty.
  EmptyBatch empty_batch = EmptyBatch::kZero;
};

namespace detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

template <class P>
kernels::OverlapSettings settings_of(const OverlapLoss<P>& loss) {
  kernels::OverlapSettings result{&loss.policy,
                                  &kernels::require_overlap_policy<P>,
                                  &kernels::overlap_value<P>,
                                  nullptr,
                                  &loss.class_weights,
                                  loss.ignore_index,
                                  loss.empty_batch,
                                  loss.activation == OverlapActivation::kSigmoid,
                                  loss.absent_class == AbsentOverlapClass::kCount};
  if constexpr (kernels::kPoolsClasses<P>) result.share = &kernels::overlap_share<P>;
  return result;
}

template <class T, class P, class Targets>
kernels::OverlapCall<T> overlap_call(const OverlapLoss<P>& loss,
                                     const kernels::OverlapSettings& settings,
                                     const MatrixView<const T>& logits, const Targets& targets,
                                     const LossArguments& arguments, kernels::Cpu instructions) {
  return {{settings, kernels::AnyTargets::of(targets), logits.cols, arguments},
          kernels::overlap_kernel_of<T>(loss.policy, instructions),
          logits};
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace detail

/// First pass: the sums of some rows. Merge those of all micro-batches with += and sum
/// all_reduce_buffer() over ranks, then call value_and_slopes().
///
/// logits is N x C of float or double, with any strides. Targets are class indices, or an N x C
/// matrix of numbers in [0, 1], ProbabilityTargets, with a mask of rows: multi-label targets for
/// the sigmoid, distributions for the softmax. Of the arguments only sample_weights are accepted;
/// with 0 and 1 they are a mask of tokens. Sums over rows are computed in double, in an order that
/// does not depend on the number of threads. NaN or +infinity among the logits of a row that counts
/// makes the sums NaN, and with them the whole loss and gradient (the sigmoid of +infinity is 1);
/// -infinity is a probability of zero. O(N C), with work space for a few rows.
///
/// @throws std::invalid_argument for a target that is neither a class nor the ignore index, or that
/// is not in [0, 1]; for weights that are negative, NaN or infinite, or that T cannot hold (1e39
/// and 1e-46 with float); for sizes that do not match, other arguments, and hyper-parameters that
/// the policy rejects.
template <OverlapPolicy P, FloatElement L, SoftmaxTargetsFor<std::remove_const_t<L>> Targets,
          class ParallelFor = SerialFor, OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE OverlapSums partial(const OverlapLoss<P>& loss, MatrixView<L> logits,
                                          const Targets& targets,
                                          const LossArguments& arguments = {},
                                          const ParallelFor& parallel_for = {}) {
  constexpr std::string_view kWhere = "partial";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_overlap_targets(kWhere, settings, targets, logits.cols);
  const auto call = detail::overlap_call<T>(loss, settings, logits, read, arguments,
                                            kernels::cpu_of(parallel_for));
  kernels::require_overlap<T>(kWhere, call.rows, logits.rows);
  return kernels::checked_overlap_sums(call, parallel_for);
}

/// The loss of a set from its merged sums, and the slopes that gradient() needs. If no class counts
/// or all sums are zero, the slopes are zero and the value is that of loss.empty_batch. O(C).
/// @throws std::invalid_argument for class weights that do not fit and hyper-parameters that the
/// policy rejects.
template <OverlapPolicy P>
EQUIPOISE_HOST_INLINE OverlapResult value_and_slopes(const OverlapLoss<P>& loss,
                                                     const OverlapSums& sums) {
  const auto settings = detail::settings_of(loss);
  kernels::require_overlap_loss("value_and_slopes", settings, sums.classes.size());
  return kernels::finish_overlap(settings, sums);
}

/// The slopes that gradient() reads and the gradient that it writes.
template <class T>
struct OverlapGradient {
  std::span<const OverlapTerms<double>> slopes;  ///< C: of the whole set, from value_and_slopes()
  MatrixView<T> gradient;                        ///< N x C
};

/// Second pass: writes the gradient of the set's loss with respect to the logits of some of its
/// rows, given the slopes of the whole set. Accepts what partial() accepts; rows that do not count
/// get zeros. Thus each part of a set gets its rows of the whole set's gradient.
/// @throws std::invalid_argument as partial(), and for slopes with a different number of classes
/// and a gradient with a different shape. Nothing is written then.
template <OverlapPolicy P, FloatElement L, SoftmaxTargetsFor<std::remove_const_t<L>> Targets,
          class ParallelFor = SerialFor, OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE void gradient(const OverlapLoss<P>& loss, MatrixView<L> logits,
                                    const Targets& targets, const LossArguments& arguments,
                                    const OverlapGradient<T>& outputs,
                                    const ParallelFor& parallel_for = {}) {
  constexpr std::string_view kWhere = "gradient";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_overlap_targets(kWhere, settings, targets, logits.cols);
  const auto call = detail::overlap_call<T>(loss, settings, logits, read, arguments,
                                            kernels::cpu_of(parallel_for));
  kernels::require_overlap<T>(kWhere, call.rows, logits.rows);
  detail::require_size(kWhere, "slopes", outputs.slopes.size(), logits.cols, "classes");
  detail::require_writable(kWhere, "gradient", outputs.gradient, logits.rows * logits.cols);
  kernels::require_overlap_gradient<T>(kWhere, logits, outputs.gradient);
  kernels::require_slopes_fit<T>(kWhere, outputs.slopes);
  kernels::checked_overlap_gradient(call, outputs.slopes, outputs.gradient, parallel_for);
}

/// The loss of a set that is in one piece.
/// @throws std::invalid_argument as partial().
template <OverlapPolicy P, FloatElement L, SoftmaxTargetsFor<std::remove_const_t<L>> Targets,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE double value(const OverlapLoss<P>& loss, MatrixView<L> logits,
                                   const Targets& targets, const LossArguments& arguments = {}) {
  constexpr std::string_view kWhere = "value";
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_overlap_targets(kWhere, settings, targets, logits.cols);
  return kernels::overlap_of_batch<T>(
      kWhere, detail::overlap_call<T>(loss, settings, logits, read, arguments, kernels::cpu()), {});
}

/// The same loss; also writes its gradient, N x C: both passes.
/// @throws std::invalid_argument as gradient().
template <OverlapPolicy P, FloatElement L, SoftmaxTargetsFor<std::remove_const_t<L>> Targets,
          OutputFor<L> T = std::remove_const_t<L>>
EQUIPOISE_HOST_INLINE double value_and_gradient(const OverlapLoss<P>& loss, MatrixView<L> logits,
                                                const Targets& targets,
                                                const LossArguments& arguments,
                                                MatrixView<T> gradient) {
  constexpr std::string_view kWhere = "value_and_gradient";
  detail::require_writable(kWhere, "gradient", gradient, logits.rows * logits.cols);
  const auto settings = detail::settings_of(loss);
  const auto read = kernels::read_overlap_targets(kWhere, settings, targets, logits.cols);
  return kernels::overlap_of_batch<T>(
      kWhere, detail::overlap_call<T>(loss, settings, logits, read, arguments, kernels::cpu()),
      gradient);
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_OVERLAP_H_
