#include "equipoise/splits/repeated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "equipoise/splits/stratified.h"
#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::splits {
namespace {

using testing::chi_squared_p_value;
using testing::error_of;
using testing::kImplausible;

TEST(RepeatedTest, EveryRepeatIsACutWithASeedOfItsOwn) {
  const std::vector<int> labels{0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
  const auto cut = [&](std::uint64_t seed) { return stratified_k_fold(labels, 2, 5, seed); };
  const auto runs = repeated(20, 7, cut);
  ASSERT_EQ(runs.size(), 20u);
  for (std::size_t r = 0; r < runs.size(); ++r) EXPECT_EQ(runs[r], cut(repeat_seed(7, r)));
  EXPECT_GT(std::set(runs.begin(), runs.end()).size(), 15u);
  // The first repeats of a longer run are those of a shorter one.
  const auto fewer = repeated(3, 7, cut);
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), runs.begin()));
}

// All pairs of folds of one row are equally likely.
TEST(RepeatedTest, FoldsOfTwoRepeatsAreIndependent) {
  const std::vector<int> labels(5, 0);
  std::vector<std::uint64_t> seen(25);
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const auto runs =
        repeated(2, seed, [&](std::uint64_t s) { return stratified_k_fold(labels, 1, 5, s); });
    ++seen[runs[0][2] * 5 + runs[1][2]];
  }
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(25, 800)), kImplausible);
}

TEST(RepeatedTest, Golden) {
  EXPECT_EQ(repeat_seed(42, 0), 15779059822511391247u);
  EXPECT_EQ(repeat_seed(42, 1), 11972135395008416291u);
}

TEST(RepeatedTest, RefuseNoRepeats) {
  EXPECT_EQ(error_of([] { repeated(0, 1, [](std::uint64_t) { return 0; }); }),
            "repeated(): repeats = 0, expected at least 1");
}

}  // namespace
}  // namespace equipoise::splits
