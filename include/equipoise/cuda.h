// CUDA kernels for the losses: the same modulators, compiled for the device.
//
// For files that nvcc (12 or later) compiles. Include it before every other header of the library;
// losses and modules that are used in such a file then use these kernels wherever they can, and
// tensor operations otherwise. Values are the same to rounding.
//
// Softmax losses with index targets, without smoothing, pair shifts, Seesaw or terms by group:
// three passes over N x C instead of eight, and three numbers kept per row instead of N x C.
// Sigmoid losses without mask, rebalancing or negative scale, under a mean by count, weight or
// positives, or a sum: one pass each way over logits and targets. Logits of float, half and
// bfloat16.
//
// Does not synchronise; kernels run on the current stream. Needs LibTorch 2.1 with CUDA. Policies
// are also compiled for tensors, which is host code: nvcc warns of each unless it is given
// -diag-suppress=20011,20014.
#ifndef EQUIPOISE_CUDA_H_
#define EQUIPOISE_CUDA_H_

#if !defined(__CUDACC__)
#error "equipoise/cuda.h is for files that a CUDA compiler reads, such as nvcc"
#endif
#if defined(EQUIPOISE_KERNELS_DISPATCH_H_)
#error "include equipoise/cuda.h before other headers of equipoise"
#endif
/// Defined where the losses have CUDA kernels.
#define EQUIPOISE_CUDA 1

#include "equipoise/libtorch/detail/cuda.h"

#endif  // EQUIPOISE_CUDA_H_
