// Language level, inlining, assertions, and how errors leave the library.
#ifndef EQUIPOISE_CONFIG_H_
#define EQUIPOISE_CONFIG_H_

// Users' builds do not read our build files, so the language level is checked here.
#if __cplusplus < 202002L
#error "Equipoise needs C++20: compile with -std=c++20 or later"
#endif

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

/// For functions over SIMD packs and for public functions that reach a CPU kernel: the compiler
/// must inline them into the caller, whose instruction set they then share.
#define EQUIPOISE_HOST_INLINE inline __attribute__((always_inline))

/// The same for modulators and other policies, which a CUDA compiler also turns into device code.
/// It compiles a file once for the host and once for the device: CPU kernels belong to the first
/// pass only, device kernels to the second.
#if defined(__CUDA_ARCH__)
#define EQUIPOISE_INLINE __host__ __device__ EQUIPOISE_HOST_INLINE
#else
#define EQUIPOISE_INLINE EQUIPOISE_HOST_INLINE
#endif

/// A function object at namespace scope that device code may call too.
#if defined(__CUDA_ARCH__)
#define EQUIPOISE_FUNCTION_OBJECT __device__ constexpr
#else
#define EQUIPOISE_FUNCTION_OBJECT inline constexpr
#endif

/// The same for a lambda, between its parameters and its body.
#define EQUIPOISE_INLINE_LAMBDA __attribute__((always_inline))

/// A condition that only a bug in the library itself can violate. Define EQUIPOISE_DCHECK before
/// the first include to send failures elsewhere; by default it is assert().
#ifndef EQUIPOISE_DCHECK
#define EQUIPOISE_DCHECK(condition) assert(condition)
#endif

namespace equipoise::detail {

#if defined(__cpp_exceptions)
[[noreturn]] inline void invalid_argument(const std::string& message) {
  throw std::invalid_argument(message);
}
[[noreturn]] inline void out_of_range(const std::string& message) {
  throw std::out_of_range(message);
}
#else
// Without exceptions an error is reported on stderr and the program ends.
[[noreturn]] inline void invalid_argument(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}
[[noreturn]] inline void out_of_range(const std::string& message) { invalid_argument(message); }
#endif

}  // namespace equipoise::detail

#endif  // EQUIPOISE_CONFIG_H_
