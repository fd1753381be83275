// The instruction sets that kernels have a path for.
#ifndef EQUIPOISE_TESTS_SUPPORT_CPUS_H_
#define EQUIPOISE_TESTS_SUPPORT_CPUS_H_

#include <vector>

#include "equipoise/kernels/dispatch.h"

namespace equipoise::testing {

/// Those that this machine can run.
inline std::vector<detail::Cpu> cpus() {
  std::vector<detail::Cpu> all;
  for (const detail::Cpu cpu : {detail::Cpu::kBaseline, detail::Cpu::kAvx2, detail::Cpu::kAvx512}) {
    if (cpu <= detail::widest_cpu()) all.push_back(cpu);
  }
  return all;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_CPUS_H_
