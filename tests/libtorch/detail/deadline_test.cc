#include "equipoise/libtorch/detail/deadline.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

namespace equipoise::libtorch::detail {
namespace {

using std::chrono::milliseconds;

TEST(ResultWithinTest, IsWhatTheCallReturnsOrThrows) {
  const std::optional<std::unique_ptr<int>> result =
      result_within(std::chrono::minutes(1), [] { return std::make_unique<int>(7); });
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(**result, 7);
  EXPECT_THROW(
      result_within(std::chrono::minutes(1), []() -> int { throw std::invalid_argument("wrong"); }),
      std::invalid_argument);
  EXPECT_EQ(result_within(std::chrono::hours(24 * 365), [] { return 1; }), 1);
}

TEST(ResultWithinTest, IsNothingWhereTheCallTakesLonger) {
  std::promise<void> end;
  std::promise<void> ended;
  std::future<void> has_ended = ended.get_future();
  const auto call = [wait = end.get_future().share(), &ended] {
    wait.wait();
    ended.set_value_at_thread_exit();
    return 1;
  };
  EXPECT_EQ(result_within(milliseconds(1), call), std::nullopt);
  end.set_value();
  has_ended.wait();  // the thread goes on, and to its end
}

}  // namespace
}  // namespace equipoise::libtorch::detail
