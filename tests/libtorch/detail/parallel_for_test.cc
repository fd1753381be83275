#include "equipoise/libtorch/detail/parallel_for.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace equipoise::libtorch::detail {
namespace {

// LibTorch's number of threads, until the end of a test.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

TEST(AtParallelFor, CallsEachBlockOnce) {
  for (const int threads : {1, 2, 5}) {
    const Threads set(threads);
    for (const std::size_t blocks : {0U, 1U, 2U, 7U, 1000U}) {
      std::vector<std::atomic<int>> calls(blocks);
      AtParallelFor{}(blocks, [&](std::size_t block) { ++calls[block]; });
      for (const std::atomic<int>& count : calls) EXPECT_EQ(count, 1);
    }
  }
}

// Each of two blocks waits for the other to begin: on one thread that would never end.
TEST(AtParallelFor, RunsOnSeveralThreads) {
  const Threads set(2);
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::thread::id> seen;
  AtParallelFor{}(2, [&](std::size_t) {
    std::unique_lock lock(mutex);
    seen.insert(std::this_thread::get_id());
    changed.notify_all();
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::minutes(1), [&] { return seen.size() == 2; }));
  });
}

TEST(AtParallelFor, NestsWithoutWaitingForThreads) {
  const Threads set(4);
  std::atomic<int> calls = 0;
  AtParallelFor{}(8, [&](std::size_t) {
    AtParallelFor{}(8, [&](std::size_t) { AtParallelFor{}(8, [&](std::size_t) { ++calls; }); });
  });
  EXPECT_EQ(calls, 512);
}

TEST(AtParallelFor, HandsOnWhatABlockThrows) {
  for (const int threads : {1, 3}) {
    const Threads set(threads);
    EXPECT_THROW(AtParallelFor{}(20,
                                 [](std::size_t block) {
                                   if (block == 7) throw std::runtime_error("block 7");
                                 }),
                 std::runtime_error);
  }
}

}  // namespace
}  // namespace equipoise::libtorch::detail
