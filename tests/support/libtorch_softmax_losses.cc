// The softmax losses of libtorch_losses.h, compiled.
#include "tests/support/libtorch_losses.h"

#define EQUIPOISE_TESTS_DEFINE(modulator, reduction) \
  template struct SoftmaxProblem<modulator, reduction>;

namespace equipoise::libtorch::detail {

EQUIPOISE_TESTS_SOFTMAX_LOSSES(EQUIPOISE_TESTS_DEFINE)

}  // namespace equipoise::libtorch::detail
