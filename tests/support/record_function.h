// LibTorch's RecordFunction as the library has it. Include it before any other header of LibTorch.
#ifndef EQUIPOISE_TESTS_SUPPORT_RECORD_FUNCTION_H_
#define EQUIPOISE_TESTS_SUPPORT_RECORD_FUNCTION_H_

// LibTorch is built with NDEBUG. Without it RecordFunction would have one member more here than
// there, and assert it.
#ifdef NDEBUG
#include <ATen/record_function.h>
#else
#define NDEBUG
#include <ATen/record_function.h>
#undef NDEBUG
#endif

#endif  // EQUIPOISE_TESTS_SUPPORT_RECORD_FUNCTION_H_
