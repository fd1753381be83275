// The optional arguments of losses on tensors.
#ifndef EQUIPOISE_LIBTORCH_ARGUMENTS_H_
#define EQUIPOISE_LIBTORCH_ARGUMENTS_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstdint>
#include <optional>

namespace equipoise::libtorch {

/// Optional arguments of a loss call, besides logits and targets, on the device of the logits. An
/// undefined tensor stands for none; a loss rejects arguments that are not meant for it. On a
/// device without doubles, float replaces double in these arguments and in the results of losses.
struct LossArguments {
  /// One per row, finite and >= 0. "Rows" have the shape of class indices, or that of the logits of
  /// a sigmoid loss without its last dimension.
  at::Tensor sample_weights{};
  at::Tensor
      groups{};  ///< one per row, of an integer type, for everything that depends on the group
  /// For targets that are probabilities, rows with a 0 are ignored; for sigmoid losses, elements
  /// with a 0, in the shape of the logits.
  at::Tensor mask{};
  /// [K] of double, for softmax and sigmoid losses: denominators() of everything that the optimiser
  /// step sees, summed over micro-batches and ranks; undefined: those of this batch.
  at::Tensor denominators{};
  /// [K] of double: the shares of the buckets, for group DRO on a device; undefined: those of the
  /// reduction. A reduction that is a sum has none.
  at::Tensor shares{};
  /// [C] of double, for softmax losses: the samples seen so far, for Seesaw; undefined: those in
  /// the loss.
  at::Tensor seesaw_counts{};
  /// [C] of double, for overlap losses: replaces the loss's class weights, which would have to be
  /// uploaded on each call on devices other than the CPU.
  at::Tensor class_weights{};
  /// [3, C] of double, for overlap losses: partial() of everything that the optimiser step sees,
  /// summed over micro-batches and ranks; undefined: that of this batch.
  at::Tensor sums{};
  /// The dimension of the classes, for softmax and overlap losses: 1 for LibTorch's N x C x ..., -1
  /// for N x ... x C. Logits of more than two dimensions need it.
  std::optional<std::int64_t> class_dim{};
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_ARGUMENTS_H_
