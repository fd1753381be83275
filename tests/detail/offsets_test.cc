#include "equipoise/detail/offsets.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::detail {
namespace {

using equipoise::testing::error_of;

std::string message(const std::vector<std::int64_t>& offsets, std::size_t size) {
  return error_of([&] { require_offsets("f", std::span<const std::int64_t>(offsets), size); });
}

TEST(OffsetsTest, StartAtZeroNeverFallAndEndAtTheSize) {
  const std::string none = "nothing was thrown";
  EXPECT_EQ(message({0}, 0), none);
  EXPECT_EQ(message({0, 0, 2, 2, 5}, 5), none);
  EXPECT_EQ(message({}, 0), "f(): offsets.size() = 0, expected at least 1");
  EXPECT_EQ(message({1, 2}, 2), "f(): offsets[0] = 1, expected 0");
  EXPECT_EQ(message({0, 3, 2}, 2), "f(): offsets[2] = 2, expected at least its predecessor 3");
  EXPECT_EQ(message({0, 2}, 3), "f(): offsets[1] = 2, expected 3 (labels)");
  EXPECT_EQ(message({0, 4}, 3), "f(): offsets[1] = 4, expected 3 (labels)");
}

}  // namespace
}  // namespace equipoise::detail
