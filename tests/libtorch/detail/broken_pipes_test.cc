#include "equipoise/libtorch/detail/broken_pipes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace equipoise::libtorch::detail {
namespace {

// Without it, the program ends here.
TEST(BrokenPipes, AreErrorsInThisThreadAndThoseItStarts) {
  int error_here = 0;
  int error_below = 0;
  const auto write_to_nobody = [] {
    int ends[2];
    if (pipe(ends) != 0) return errno;
    close(ends[0]);
    const bool failed = write(ends[1], "x", 1) < 0;
    const int error = failed ? errno : 0;
    close(ends[1]);
    return error;
  };
  std::thread([&] {
    refuse_broken_pipe_signals();
    error_here = write_to_nobody();
    std::thread([&] { error_below = write_to_nobody(); }).join();
  }).join();
  EXPECT_EQ(error_here, EPIPE);
  EXPECT_EQ(error_below, EPIPE);
}

TEST(BrokenPipes, LeaveOtherThreadsAlone) {
  std::thread([] { refuse_broken_pipe_signals(); }).join();
  sigset_t signals;
  pthread_sigmask(SIG_BLOCK, nullptr, &signals);
  EXPECT_EQ(sigismember(&signals, SIGPIPE), 0);
}

}  // namespace
}  // namespace equipoise::libtorch::detail
