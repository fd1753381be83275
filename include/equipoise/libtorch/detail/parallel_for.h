// LibTorch's threads for the blocks of a kernel.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_PARALLEL_FOR_H_
#define EQUIPOISE_LIBTORCH_DETAIL_PARALLEL_FOR_H_

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "equipoise/config.h"

namespace equipoise::libtorch::detail {

// Blocks that several threads take one after the other. Whoever comes late finds none left, so the
// caller waits for blocks that somebody has begun, never for a thread to become free.
class SharedBlocks {
 public:
  SharedBlocks(std::size_t blocks, std::function<void(std::size_t)> run)
      : blocks_(blocks), run_(std::move(run)) {}

  void take_all() {
    for (std::size_t block = next_++; block < blocks_; block = next_++) {
      try {
        run_(block);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      if (++finished_ == blocks_) all_finished_.notify_all();
    }
  }

  // Returns when every block is finished; throws what the first that failed threw.
  void wait() {
    std::unique_lock lock(mutex_);
    all_finished_.wait(lock, [&] { return finished_ == blocks_; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const std::size_t blocks_;
  const std::function<void(std::size_t)> run_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable all_finished_;
  std::size_t finished_ = 0;
  std::exception_ptr error_;
};

// f(block) for each block in [0, blocks), on at::get_num_threads() threads. at::parallel_for, a
// template, is parallel where the program is compiled with -fopenmp, and then its threads are awake
// between operations; elsewhere threads of LibTorch's pool help the caller's.
struct AtParallelFor {
  template <class F>
  EQUIPOISE_HOST_INLINE void operator()(std::size_t blocks, const F& f) const {
#ifdef _OPENMP
    at::parallel_for(0, static_cast<std::int64_t>(blocks), 1,
                     [&f](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t block = begin; block < end; ++block) {
                         f(static_cast<std::size_t>(block));
                       }
                     });
#else
    const std::size_t threads =
        at::in_parallel_region()
            ? 1
            : std::min(blocks, static_cast<std::size_t>(std::max(at::get_num_threads(), 1)));
    if (threads < 2) {
      for (std::size_t block = 0; block < blocks; ++block) f(block);
      return;
    }
    const auto shared = std::make_shared<SharedBlocks>(
        blocks, [&f](std::size_t block) EQUIPOISE_INLINE_LAMBDA { f(block); });
    for (std::size_t t = 1; t < threads; ++t) at::launch([shared] { shared->take_all(); });
    shared->take_all();
    shared->wait();
#endif
  }
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_PARALLEL_FOR_H_
