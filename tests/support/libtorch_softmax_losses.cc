// The kernels of the softmax losses of libtorch_losses.h, compiled.
#include "tests/support/libtorch_losses.h"

namespace equipoise::kernels {

EQUIPOISE_TESTS_SOFTMAX_KERNELS(template);

}  // namespace equipoise::kernels
