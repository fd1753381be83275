// The kernels of the sigmoid losses of libtorch_losses.h, compiled.
#include "tests/support/libtorch_losses.h"

#define EQUIPOISE_TESTS_DEFINE(sides) EQUIPOISE_TESTS_SIGMOID_KERNELS(template, sides)

namespace equipoise::detail {

EQUIPOISE_TESTS_SIGMOID_SIDES(EQUIPOISE_TESTS_DEFINE)

}  // namespace equipoise::detail
