// Calls that have no timeout of their own, with one.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_DEADLINE_H_
#define EQUIPOISE_LIBTORCH_DETAIL_DEADLINE_H_

#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace equipoise::libtorch::detail {

/// What `call()` returns or throws, on a thread of its own; nothing if that takes longer than the
/// limit, which is a year at most. Then the thread stays behind, and may never end: the call must
/// own all that it uses.
template <class F>
std::optional<std::invoke_result_t<F&>> result_within(std::chrono::milliseconds limit, F call) {
  std::packaged_task<std::invoke_result_t<F&>()> task(std::move(call));
  std::future<std::invoke_result_t<F&>> result = task.get_future();
  std::thread thread(std::move(task));
  if (result.wait_for(limit) == std::future_status::ready) {
    thread.join();
    return result.get();
  }
  thread.detach();
  return std::nullopt;
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_DEADLINE_H_
