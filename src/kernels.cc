// The kernels of the usual losses and labels, compiled once for whoever links them: optional, and
// all of the library that is not a header. Programs that do define EQUIPOISE_COMPILED in every
// file. Files that are compiled for a wider instruction set than the baseline, or with -ffast-math,
// compile their own.
#include "equipoise/kernels/histogram.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/softmax.h"

#if !defined(__SSE4_1__) && !defined(__FAST_MATH__)

namespace equipoise::kernels {

EQUIPOISE_HISTOGRAMS(template);
EQUIPOISE_SOFTMAX_KERNELS(template);
EQUIPOISE_SIGMOID_KERNELS(template);
EQUIPOISE_OVERLAP_KERNELS(template);

}  // namespace equipoise::kernels

#endif
