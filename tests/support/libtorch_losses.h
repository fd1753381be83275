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

#define EQUIPOISE_TESTS_SOFTMAX_MODULATORS(X) \
  X(CrossEntropy) X(Focal) X(Polynomial<Focal>) X(testing::Tsallis) X(SelfAdjustingDice)

#define EQUIPOISE_TESTS_SOFTMAX_KERNELS(declaration, modulator)                                   \
  declaration void run_softmax_kernel<modulator, float>(const SoftmaxRows<float>&, const void*,   \
                                                        Cpu);                                     \
  declaration void run_softmax_kernel<modulator, double>(const SoftmaxRows<double>&, const void*, \
                                                         Cpu);

#define EQUIPOISE_TESTS_SIGMOID_SIDES(X) X(BothSides<CrossEntropy>) X(SigmoidFocal) X(Asymmetric)

#define EQUIPOISE_TESTS_SIGMOID_KERNELS(declaration, sides)                                       \
  declaration void run_sigmoid_kernel<sides, float>(const SigmoidElements<float>&, const void*,   \
                                                    Cpu);                                         \
  declaration void run_sigmoid_kernel<sides, double>(const SigmoidElements<double>&, const void*, \
                                                     Cpu);

#define EQUIPOISE_TESTS_OVERLAP_LOSSES(X) \
  X(Dice) X(GeneralisedDice) X(Tversky) X(FocalTversky) X(SelfAdjustingDice)

#define EQUIPOISE_TESTS_DECLARE_SOFTMAX(modulator) \
  EQUIPOISE_TESTS_SOFTMAX_KERNELS(extern template, modulator)
#define EQUIPOISE_TESTS_DECLARE_SIGMOID(sides) \
  EQUIPOISE_TESTS_SIGMOID_KERNELS(extern template, sides)
#define EQUIPOISE_TESTS_DECLARE_OVERLAP(policy) extern template struct OverlapProblem<policy>;

namespace equipoise::detail {

EQUIPOISE_TESTS_SOFTMAX_MODULATORS(EQUIPOISE_TESTS_DECLARE_SOFTMAX)
EQUIPOISE_TESTS_SIGMOID_SIDES(EQUIPOISE_TESTS_DECLARE_SIGMOID)

}  // namespace equipoise::detail

namespace equipoise::libtorch::detail {

EQUIPOISE_TESTS_OVERLAP_LOSSES(EQUIPOISE_TESTS_DECLARE_OVERLAP)

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_
