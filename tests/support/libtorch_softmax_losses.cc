// The kernels of the softmax losses of libtorch_losses.h, compiled.
#include "tests/support/libtorch_losses.h"

#define EQUIPOISE_TESTS_DEFINE(modulator) EQUIPOISE_TESTS_SOFTMAX_KERNELS(template, modulator)

namespace equipoise::detail {

EQUIPOISE_TESTS_SOFTMAX_MODULATORS(EQUIPOISE_TESTS_DEFINE)

}  // namespace equipoise::detail
