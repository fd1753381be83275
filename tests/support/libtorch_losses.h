// The losses that tests of the LibTorch backend use, compiled once in a library of the tests: a
// file that includes this header declares them and does not compile them again. A loss that is not
// listed works too, and is compiled in its test.
#ifndef EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_
#define EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_

#include "equipoise/group_dro.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "tests/support/users_own.h"

// X(modulator, reduction)
#define EQUIPOISE_TESTS_OF_MODULATOR(X, modulator) \
  X(modulator, MeanByCount)                        \
  X(modulator, MeanByWeight)                       \
  X(modulator, Sum)                                \
  X(modulator, MeanPerClass)                       \
  X(modulator, MeanPerGroup)

#define EQUIPOISE_TESTS_SOFTMAX_LOSSES(X)       \
  EQUIPOISE_TESTS_OF_MODULATOR(X, CrossEntropy) \
  EQUIPOISE_TESTS_OF_MODULATOR(X, Focal)        \
  X(CrossEntropy, testing::EvenAndOdd)          \
  X(Polynomial<Focal>, MeanByWeight)            \
  X(Polynomial<Focal>, testing::EvenAndOdd)     \
  X(testing::Tsallis, Sum)                      \
  X(testing::Tsallis, MeanPerGroup)             \
  X(CrossEntropy, GroupDro)                     \
  X(Focal, GroupDro)                            \
  X(Focal, MeanByPositives)                     \
  X(SelfAdjustingDice, MeanByCount)

#define EQUIPOISE_TESTS_SIGMOID_LOSSES(X)  \
  X(BothSides<CrossEntropy>, MeanByCount)  \
  X(BothSides<CrossEntropy>, Sum)          \
  X(BothSides<CrossEntropy>, MeanPerClass) \
  X(BothSides<CrossEntropy>, MeanPerGroup) \
  X(SigmoidFocal, MeanByCount)             \
  X(SigmoidFocal, MeanByWeight)            \
  X(SigmoidFocal, MeanByPositives)         \
  X(SigmoidFocal, Sum)                     \
  X(SigmoidFocal, MeanPerGroup)            \
  X(Asymmetric, MeanByCount)               \
  X(Asymmetric, MeanByWeight)              \
  X(Asymmetric, MeanByPositives)           \
  X(Asymmetric, Sum)                       \
  X(Asymmetric, MeanPerClass)              \
  X(Asymmetric, MeanPerGroup)              \
  X(Asymmetric, GroupDro)

#define EQUIPOISE_TESTS_OVERLAP_LOSSES(X) \
  X(Dice) X(GeneralisedDice) X(Tversky) X(FocalTversky) X(SelfAdjustingDice)

#define EQUIPOISE_TESTS_DECLARE_SOFTMAX(modulator, reduction) \
  extern template struct SoftmaxProblem<modulator, reduction>;
#define EQUIPOISE_TESTS_DECLARE_SIGMOID(sides, reduction) \
  extern template struct SigmoidProblem<sides, reduction>;
#define EQUIPOISE_TESTS_DECLARE_OVERLAP(policy) extern template struct OverlapProblem<policy>;

namespace equipoise::libtorch::detail {

EQUIPOISE_TESTS_SOFTMAX_LOSSES(EQUIPOISE_TESTS_DECLARE_SOFTMAX)
EQUIPOISE_TESTS_SIGMOID_LOSSES(EQUIPOISE_TESTS_DECLARE_SIGMOID)
EQUIPOISE_TESTS_OVERLAP_LOSSES(EQUIPOISE_TESTS_DECLARE_OVERLAP)

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_TESTS_SUPPORT_LIBTORCH_LOSSES_H_
