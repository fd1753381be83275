// The sigmoid losses of libtorch_losses.h, compiled.
#include "tests/support/libtorch_losses.h"

#define EQUIPOISE_TESTS_DEFINE(sides, reduction) template struct SigmoidProblem<sides, reduction>;

namespace equipoise::libtorch::detail {

EQUIPOISE_TESTS_SIGMOID_LOSSES(EQUIPOISE_TESTS_DEFINE)

}  // namespace equipoise::libtorch::detail
