// The compiler's generic vectors, named by element type and size in bytes.
#ifndef EQUIPOISE_KERNELS_VECTOR_H_
#define EQUIPOISE_KERNELS_VECTOR_H_

#include <cstddef>

#include "equipoise/config.h"

namespace equipoise::kernels {

template <class T, std::size_t kBytes>
struct Vector {
  typedef T Type __attribute__((vector_size(kBytes)));  // NOLINT(modernize-use-using)
  // For memory: any address, any type stored there. Dereferencing this, rather than memcpy, keeps
  // g++ 12 from splitting 32-byte accesses through the stack.
  typedef T InMemory __attribute__((vector_size(kBytes), aligned(1), may_alias));  // NOLINT
};

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_VECTOR_H_
