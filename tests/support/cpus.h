// The instruction sets that kernels have a path for.
#ifndef EQUIPOISE_TESTS_SUPPORT_CPUS_H_
#define EQUIPOISE_TESTS_SUPPORT_CPUS_H_

#include <vector>

#include "equipoise/kernels/dispatch.h"

namespace equipoise::testing {

/// Those that this machine can run.
inline std::vector<kernels::Cpu> cpus() {
  std::vector<kernels::Cpu> all;
  for (const kernels::Cpu cpu :
       {kernels::Cpu::kBaseline, kernels::Cpu::kAvx2, kernels::Cpu::kAvx512}) {
    if (cpu <= kernels::widest_cpu()) all.push_back(cpu);
  }
  return all;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_CPUS_H_
