// The kernels of the losses that tests of the LibTorch backend use, compiled once in a library of
// the tests: a file that includes this header declares them and does not compile them again. A loss
// that is not listed works too, and is compiled in its test.
#ifndef EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_
#define EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_

#include "equipoise/group_dro.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "tests/support/users_own.h"

// Besides those of src/kernels.cc.
#define EQUIPOISE_TESTS_SOFTMAX_KERNELS(declaration)           \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, testing::Tsallis); \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, SelfAdjustingDice)

#define EQUIPOISE_TESTS_OVERLAP_LOSSES(X) \
  X(Dice) X(GeneralisedDice) X(Tversky) X(FocalTversky) X(SelfAdjustingDice)

#define EQUIPOISE_TESTS_DECLARE_OVERLAP(policy) extern template struct OverlapProblem<policy>;

namespace equipoise::detail {

EQUIPOISE_TESTS_SOFTMAX_KERNELS(extern template);

}  // namespace equipoise::detail

namespace equipoise::libtorch::detail {

EQUIPOISE_TESTS_OVERLAP_LOSSES(EQUIPOISE_TESTS_DECLARE_OVERLAP)

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_
