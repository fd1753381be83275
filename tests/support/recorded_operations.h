// The tensor operations that a piece of code calls. Include it before any other header of LibTorch.
#ifndef EQUIPOISE_TESTS_SUPPORT_RECORDED_OPERATIONS_H_
#define EQUIPOISE_TESTS_SUPPORT_RECORDED_OPERATIONS_H_

#include <memory>
#include <set>
#include <string>

#include "tests/support/record_function.h"

namespace equipoise::testing {

/// Records the operations of this thread while it lives, and whether one of them is given a tensor
/// on the host (that of a number, which has no dimension, is passed by value). One at a time.
class RecordedOperations {
 public:
  RecordedOperations() {
    names().clear();
    host_tensor() = false;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&start).needsInputs(true));
  }
  ~RecordedOperations() { at::removeCallback(handle_); }
  RecordedOperations(const RecordedOperations&) = delete;
  RecordedOperations& operator=(const RecordedOperations&) = delete;

  static std::set<std::string>& names() {
    static std::set<std::string> instance;
    return instance;
  }
  static bool& host_tensor() {
    static bool instance = false;
    return instance;
  }

 private:
  static std::unique_ptr<at::ObserverContext> start(const at::RecordFunction& function) {
    names().insert(function.name());
    for (const c10::IValue& input : function.inputs()) {
      if (!input.isTensor() || !input.toTensor().defined()) continue;
      host_tensor() |= input.toTensor().is_cpu() && input.toTensor().dim() > 0;
    }
    return nullptr;
  }

  at::CallbackHandle handle_;
};

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_RECORDED_OPERATIONS_H_
