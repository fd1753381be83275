// The calls of losses on tensors, compiled once for whoever links them, beside src/kernels.cc:
// optional. Programs that do define EQUIPOISE_COMPILED and EQUIPOISE_LIBTORCH_COMPILED in every
// file. Losses, modulators and reductions of the user's own take the same calls.
#include "equipoise/libtorch/detail/compiled.h"

#if EQUIPOISE_LIBTORCH_CALLS_ARE_COMPILED
#include "equipoise/libtorch/detail/linear_call_inl.h"
#include "equipoise/libtorch/detail/overlap_call_inl.h"
#include "equipoise/libtorch/detail/sigmoid_call_inl.h"
#include "equipoise/libtorch/detail/softmax_call_inl.h"
#endif
