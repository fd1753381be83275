// Calls of a linear layer with its loss.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CALL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CALL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <cstdint>

#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/linear_inputs.h"
#include "equipoise/libtorch/detail/softmax_of_tensors.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// A call; targets in the shape of the features less the last dimension, or probabilities with that
// of the classes in its place.
EQUIPOISE_LIBTORCH_CALL at::Tensor call_linear(SoftmaxOfTensors loss, const SoftmaxTensors* tensors,
                                               LinearInputs given, LossArguments arguments,
                                               std::int64_t rows_per_chunk);

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#if !EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED
#include "equipoise/libtorch/detail/linear_call_inl.h"  // IWYU pragma: export
#endif

#endif  // EQUIPOISE_LIBTORCH_DETAIL_LINEAR_CALL_H_
