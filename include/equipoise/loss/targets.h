// What losses are called with and write: targets, attributes of rows and elements, outputs.
#ifndef EQUIPOISE_LOSS_TARGETS_H_
#define EQUIPOISE_LOSS_TARGETS_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "equipoise/config.h"
#include "equipoise/view.h"

namespace equipoise {

/// Conventions on which libraries disagree.
enum class Semantics {
  /// Label smoothing is weighted by the weight of the target: w_y [(1 - e) m(p_y) + e/C sum_c
  /// m(p_c)].
  kConsistent,
  /// As LibTorch, where that takes what this library takes (it has negative weights as well, and
  /// logits without a batch dimension): the smoothing term weighs each class by its own weight,
  /// (1 - e) w_y m(p_y) + e/C sum_c w_c m(p_c), which moves the optimum towards rare classes; and
  /// the weight of a row whose target is a distribution has no class weight in it, so that its mean
  /// by weight is one by count.
  kTorch,
};

/// The value of a batch whose denominators are all zero: no rows, all ignored, or no weight.
enum class EmptyBatch { kZero, kNaN };

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

/// What rows have besides logits and targets. An empty span stands for none.
struct RowAttributes {
  std::span<const double> sample_weights{};  ///< N finite numbers >= 0; default 1
  std::span<const std::int64_t> groups{};    ///< N indices in [0, G), of rows not ignored
};

/// What a call of a softmax loss writes. A view or span without data is not written.
template <class T>
struct LossOutputs {
  MatrixView<T> gradient{};   ///< N x C: the derivative of the value with respect to the logits
  std::span<T> row_losses{};  ///< N: weight_i times loss_i, before the reduction; 0 where ignored
};

/// What elements have besides logits and targets. A span or view without data stands for none.
struct ElementAttributes {
  std::span<const double> sample_weights{};  ///< N finite numbers >= 0; default 1
  std::span<const std::int64_t> groups{};    ///< N group indices, for reductions by group
  MatrixView<const std::uint8_t> mask{};     ///< N x L; elements with a 0 are ignored
};

/// What a call of a sigmoid loss writes. A view without data is not written.
template <class T>
struct ElementOutputs {
  MatrixView<T> gradient{};  ///< N x L: the derivative of the value with respect to the logits
  MatrixView<T> losses{};    ///< N x L: loss_il, before the reduction; 0 where ignored
};

/// How loss calls spread over threads: parallel_for(blocks, f) calls f(block) once for each block
/// in [0, blocks), in any order and on any thread. This one stays on the caller's.
struct SerialFor {
  template <class F>
  EQUIPOISE_INLINE void operator()(std::size_t blocks, const F& f) const {
    for (std::size_t block = 0; block < blocks; ++block) f(block);
  }
};

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_TARGETS_H_
