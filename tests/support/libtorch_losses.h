// The kernels of the losses that tests of the LibTorch backend use, compiled once in a library of
// the tests: a file that includes this header declares them and does not compile them again. A loss
// that is not listed works too, and is compiled in its test.
#ifndef EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_
#define EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_

#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "equipoise/loss/overlap_policies.h"
#include "equipoise/reduction/group_dro.h"
#include "tests/support/users_own.h"

// Besides those of src/kernels.cc.
#define EQUIPOISE_TESTS_SOFTMAX_KERNELS(declaration)           \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, testing::Tsallis); \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, SelfAdjustingDice)

namespace equipoise::kernels {

EQUIPOISE_TESTS_SOFTMAX_KERNELS(extern template);

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_
