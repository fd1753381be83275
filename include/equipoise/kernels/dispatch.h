// Which instruction set the kernels use, chosen when the program runs, and how they are called.
//
// A kernel is a function template over the width of its vectors. run_kernel() compiles it three
// times, within functions that have the matching target attribute, and calls one of them. Two traps
// of header-only code are avoided.
//
// A file compiled with, say, -march=native emits a "baseline" full of wide instructions. If it had
// the name that other files give theirs, the linker might use it in files that are compiled for an
// older processor. So what is compiled for an instruction set is in an inline namespace named after
// that of the file.
//
// Functions that choose must not be shared between such files either: they are
// EQUIPOISE_HOST_INLINE.
#ifndef EQUIPOISE_KERNELS_DISPATCH_H_
#define EQUIPOISE_KERNELS_DISPATCH_H_

#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <type_traits>

#include "equipoise/config.h"

#if defined(EQUIPOISE_CUDA)  // files that include equipoise/cuda.h
#define EQUIPOISE_ISA_NAMESPACE_WITH(isa) isa##_cuda
#elif defined(__FAST_MATH__)
#define EQUIPOISE_ISA_NAMESPACE_WITH(isa) isa##_fast_math
#else
#define EQUIPOISE_ISA_NAMESPACE_WITH(isa) isa
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define EQUIPOISE_ISA_NAMESPACE EQUIPOISE_ISA_NAMESPACE_WITH(isa_avx512)
#elif defined(__AVX512F__)
#define EQUIPOISE_ISA_NAMESPACE EQUIPOISE_ISA_NAMESPACE_WITH(isa_avx512f)
#elif defined(__AVX2__) && defined(__FMA__)
#define EQUIPOISE_ISA_NAMESPACE EQUIPOISE_ISA_NAMESPACE_WITH(isa_avx2)
#elif defined(__AVX__)
#define EQUIPOISE_ISA_NAMESPACE EQUIPOISE_ISA_NAMESPACE_WITH(isa_avx)
#elif defined(__SSE4_1__)
#define EQUIPOISE_ISA_NAMESPACE EQUIPOISE_ISA_NAMESPACE_WITH(isa_sse4)
#else
#define EQUIPOISE_ISA_NAMESPACE EQUIPOISE_ISA_NAMESPACE_WITH(isa_baseline)
#endif

// Whether kernels of the usual losses come from a compiled library (src/kernels.cc), which is built
// for the baseline.
#if defined(EQUIPOISE_COMPILED) && !defined(__SSE4_1__) && !defined(__FAST_MATH__) && \
    !defined(EQUIPOISE_CUDA)
#define EQUIPOISE_USES_COMPILED_KERNELS 1
#else
#define EQUIPOISE_USES_COMPILED_KERNELS 0
#endif

#if defined(__x86_64__)
#define EQUIPOISE_TARGET_AVX2 __attribute__((target("avx2,fma,bmi2")))
#define EQUIPOISE_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")))
#else
#define EQUIPOISE_TARGET_AVX2
#define EQUIPOISE_TARGET_AVX512
#endif

namespace equipoise::kernels {

// Instruction sets in rising order of vector width. On other processors than x86-64 there is only
// the baseline, with vectors of 16 bytes.
enum class Cpu { kBaseline, kAvx2, kAvx512 };

// The widest set that this processor has.
inline Cpu widest_cpu() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return Cpu::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Cpu::kAvx2;
#endif
  return Cpu::kBaseline;
}

// The set that `name` (sse2, avx2, avx512; null for none) allows: the widest one otherwise, and
// never one that the processor lacks.
inline Cpu cpu_allowed_by(const char* name) {
  const Cpu widest = widest_cpu();
  const std::string_view wanted = name == nullptr ? "" : name;
  const Cpu most = wanted == "sse2" ? Cpu::kBaseline : wanted == "avx2" ? Cpu::kAvx2 : Cpu::kAvx512;
  return most < widest ? most : widest;
}

// The set in use, found once: the environment variable EQUIPOISE_CPU narrows it.
inline Cpu cpu() {
  static const Cpu chosen = cpu_allowed_by(std::getenv("EQUIPOISE_CPU"));
  return chosen;
}

// The set for a call: tests give one with what spreads it over threads.
template <class ParallelFor>
EQUIPOISE_HOST_INLINE Cpu cpu_of(const ParallelFor& parallel_for) {
  if constexpr (requires { Cpu{parallel_for.instructions}; }) {
    return parallel_for.instructions;
  } else {
    return cpu();
  }
}

// The width of vectors in bytes, as the argument of a kernel.
template <std::size_t kBytes>
using VectorWidth = std::integral_constant<std::size_t, kBytes>;

inline namespace EQUIPOISE_ISA_NAMESPACE {

// Not inlined, for tests/isa to find it in the object code.
template <class Kernel>
[[gnu::noinline]] auto run_baseline(const Kernel& kernel) {
  return kernel(VectorWidth<16>());
}
template <class Kernel>
EQUIPOISE_TARGET_AVX2 auto run_avx2(const Kernel& kernel) {
  return kernel(VectorWidth<32>());
}
template <class Kernel>
EQUIPOISE_TARGET_AVX512 auto run_avx512(const Kernel& kernel) {
  return kernel(VectorWidth<64>());
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Runs a kernel, all of whose functions are EQUIPOISE_HOST_INLINE, on one of the instruction sets:
//
//     run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA { add<width()>(a, b); });
template <class Kernel>
EQUIPOISE_HOST_INLINE auto run_kernel(Cpu instructions, const Kernel& kernel) {
  switch (instructions) {
    case Cpu::kAvx512:
      return run_avx512(kernel);
    case Cpu::kAvx2:
      return run_avx2(kernel);
    default:
      return run_baseline(kernel);
  }
}

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_DISPATCH_H_
