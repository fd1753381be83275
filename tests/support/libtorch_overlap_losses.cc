// The overlap losses of libtorch_losses.h, compiled.
#include "tests/support/libtorch_losses.h"

#define EQUIPOISE_TESTS_DEFINE(policy) template struct OverlapProblem<policy>;

namespace equipoise::libtorch::detail {

EQUIPOISE_TESTS_OVERLAP_LOSSES(EQUIPOISE_TESTS_DEFINE)

}  // namespace equipoise::libtorch::detail
