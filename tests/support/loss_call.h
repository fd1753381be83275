// How tests call losses.
#ifndef EQUIPOISE_TESTS_SUPPORT_LOSS_CALL_H_
#define EQUIPOISE_TESTS_SUPPORT_LOSS_CALL_H_

#include <cstddef>
#include <span>

#include "equipoise/kernels/dispatch.h"
#include "equipoise/loss/arguments.h"

namespace equipoise::testing {

/// How a loss call runs in tests: on one of them, and on the caller's thread or as told.
template <class ParallelFor = SerialFor>
struct On {
  kernels::Cpu instructions;
  ParallelFor parallel_for{};

  template <class F>
  void operator()(std::size_t blocks, const F& f) const {
    parallel_for(blocks, f);
  }
};
template <class ParallelFor>
On(kernels::Cpu, ParallelFor) -> On<ParallelFor>;
On(kernels::Cpu)->On<>;

/// Arguments with the coefficients of a whole.
inline LossArguments with_coefficients(LossArguments arguments,
                                       std::span<const double> coefficients) {
  arguments.coefficients = coefficients;
  return arguments;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_LOSS_CALL_H_
