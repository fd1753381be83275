// The inputs and outputs of loss calls: targets, arguments, outputs.
#ifndef EQUIPOISE_LOSS_ARGUMENTS_H_
#define EQUIPOISE_LOSS_ARGUMENTS_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/view.h"

namespace equipoise {

/// How class weights act on label smoothing and on distributions as targets, on which libraries
/// disagree.
enum class WeightConvention {
  /// Label smoothing is weighted by the weight of the target: w_y [(1 - e) m(p_y) + e/C sum_c
  /// m(p_c)].
  kConsistent,
  /// LibTorch's arithmetic, for all input that this library accepts (LibTorch also accepts negative
  /// weights and logits without a batch dimension): the smoothing term weights each class by its
  /// own weight, (1 - e) w_y m(p_y) + e/C sum_c w_c m(p_c), which moves the optimum towards rare
  /// classes. The weight of a row whose target is a distribution contains no class weight, so that
  /// for such targets the mean by weight is the mean by count.
  kTorch,
};

/// The value of a batch whose denominators are all zero: no rows, all ignored, or no weight.
enum class EmptyBatch {
  kZero,  ///< 0
  kNaN,   ///< a quiet NaN
};

/// Targets that are distributions over the classes, in the type of the logits.
template <class T>
struct ProbabilityTargets {
  /// N x C, finite and >= 0; sums are not checked. With C = 0 all rows are ignored.
  MatrixView<const T> probabilities;
  std::span<const std::uint8_t> mask{};  ///< N; rows with a 0 are ignored; empty: none is
};

/// Targets as class indices, or as distributions over the classes.
template <class Targets>
concept SoftmaxTargets = LabelRange<Targets> || requires(const Targets& targets) {
  targets.probabilities(0, 0);
  targets.mask.size();
};

/// The same for logits of type T: distributions are in the type of the logits.
template <class Targets, class T>
concept SoftmaxTargetsFor = LabelRange<Targets> || requires(const Targets& targets) {
  { targets.probabilities } -> std::same_as<const MatrixView<const T>&>;
  targets.mask.size();
};

/// The type of the numbers that a loss writes for logits of type L, gradients and losses of rows:
/// that of the logits, without const.
template <class T, class L>
concept OutputFor = std::same_as<T, std::remove_const_t<L>>;

/// Optional arguments of a loss, besides logits and targets. A span or view without data stands for
/// none.
struct LossArguments {
  std::span<const double> sample_weights{};  ///< N finite numbers >= 0; default 1
  /// N indices in [0, G), for rows that are not ignored: for everything in softmax and sigmoid
  /// losses that depends on the group.
  std::span<const std::int64_t> groups{};
  /// N x L, for sigmoid losses: elements with a 0 are ignored. Rows of softmax and overlap losses
  /// are ignored by the ignore index, or by the mask of ProbabilityTargets.
  MatrixView<const std::uint8_t> mask{};
  /// For softmax and sigmoid losses: coefficients() of the reduction over everything that the
  /// optimiser step sees. By default they are those of the rows of this call; its gradient is then
  /// for these rows only and does not add up with those of other parts.
  std::span<const double> coefficients{};
};

/// The outputs of a loss call. A view without data is not written.
template <class T>
struct LossOutputs {
  MatrixView<T> gradient{};  ///< in the shape of the logits: the derivative of the value
  /// N x 1 for softmax losses: weight_i times loss_i; N x L for sigmoid losses: loss_il. Before the
  /// reduction; 0 where ignored.
  MatrixView<T> losses{};
};

namespace detail {

// Functions whose purpose is to write reject a view without data.
template <class T>
void require_writable(std::string_view where, std::string_view name, const MatrixView<T>& output,
                      std::size_t elements) {
  if (output.data != nullptr || elements == 0) return;
  reject(where, std::string(name) + ".data", "nullptr",
         "memory for " + to_text(elements) + " elements");
}

}  // namespace detail

/// How loss calls spread over threads: parallel_for(blocks, f) calls f(block) once for each block
/// in [0, blocks), in any order and on any thread. This one stays on the caller's thread.
struct SerialFor {
  template <class F>
  EQUIPOISE_HOST_INLINE void operator()(std::size_t blocks, const F& f) const {
    for (std::size_t block = 0; block < blocks; ++block) f(block);
  }
};

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_ARGUMENTS_H_
