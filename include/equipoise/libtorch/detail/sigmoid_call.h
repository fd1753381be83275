// Calls of sigmoid losses on tensors.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/loss_result.h"
#include "equipoise/libtorch/detail/sigmoid_of_tensors.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// A loss call. The tensors, where a module holds them, stand for the constants of the loss.
EQUIPOISE_LIBTORCH_CALL LossAndSums
call_sigmoid(SigmoidOfTensors loss, const SigmoidTensors* tensors, const at::Tensor& logits,
             const at::Tensor& targets, const LossArguments& arguments, const Wanted& wanted);

// The denominators of a call, [K].
EQUIPOISE_LIBTORCH_CALL at::Tensor call_sigmoid_denominators(const SigmoidOfTensors& loss,
                                                             const at::Tensor& targets,
                                                             const LossArguments& arguments);

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#if !EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED
#include "equipoise/libtorch/detail/sigmoid_call_inl.h"  // IWYU pragma: export
#endif

#endif  // EQUIPOISE_LIBTORCH_DETAIL_SIGMOID_CALL_H_
