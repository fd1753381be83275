// Calls of overlap losses on tensors.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_H_
#define EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/compiled.h"
#include "equipoise/libtorch/detail/overlap_of_tensors.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The loss, [].
EQUIPOISE_LIBTORCH_CALL at::Tensor call_overlap(OverlapOfTensors loss, const at::Tensor& logits,
                                                const at::Tensor& targets,
                                                const LossArguments& arguments);

// The sums of these rows, [3, C].
EQUIPOISE_LIBTORCH_CALL at::Tensor call_overlap_sums(const OverlapOfTensors& loss,
                                                     const at::Tensor& logits,
                                                     const at::Tensor& targets,
                                                     const LossArguments& arguments);

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#if !EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED
#include "equipoise/libtorch/detail/overlap_call_inl.h"  // IWYU pragma: export
#endif

#endif  // EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_CALL_H_
