// What the functions of distributed/ share: checks and the texts of their errors.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_ERRORS_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_ERRORS_H_

#include <chrono>
#include <string>
#include <string_view>

#include "equipoise/detail/check.h"

namespace equipoise::libtorch::detail {

using equipoise::detail::reject;
using equipoise::detail::reject_element;

inline void require_timeout(const char* where, std::chrono::milliseconds timeout) {
  if (timeout.count() > 0) return;
  reject(where, "timeout", std::to_string(timeout.count()) + " ms", "a positive time");
}

// The first line: what LibTorch throws goes on with where in its sources that was.
inline std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// A communicator's operation as errors call it.
inline std::string name_of(const char* operation) {
  return std::string("Communicator::") + operation;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_ERRORS_H_
