// Whether the calls of losses on tensors come from a compiled library, src/libtorch.cc.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_COMPILED_H_
#define EQUIPOISE_LIBTORCH_DETAIL_COMPILED_H_

#include "equipoise/kernels/dispatch.h"

// The library is built for the baseline, like the kernels'. Files whose code is for another
// instruction set compile their own.
#if EQUIPOISE_USES_COMPILED_KERNELS && defined(EQUIPOISE_LIBTORCH_COMPILED)
#define EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED 1
#define EQUIPOISE_LIBTORCH_CALL
#else
#define EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED 0
#define EQUIPOISE_LIBTORCH_CALL inline
#endif

#endif  // EQUIPOISE_LIBTORCH_DETAIL_COMPILED_H_
