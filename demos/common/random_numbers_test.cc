#include "demos/common/random_numbers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace equipoise::demos {
namespace {

std::vector<std::size_t> some(std::uint64_t seed, std::size_t n) {
  Draws draws(seed);
  std::vector<std::size_t> numbers;
  for (int i = 0; i < 300; ++i) numbers.push_back(draws.below(n));
  return numbers;
}

TEST(Draws, AreOfTheirSeedAndInRange) {
  EXPECT_EQ(some(1, 6), some(1, 6));
  EXPECT_NE(some(1, 6), some(2, 6));
  std::vector<int> counts(6);
  for (const std::size_t number : some(1, 6)) ++counts.at(number);
  for (const int count : counts) EXPECT_NEAR(count, 50, 30);
}

TEST(Draws, HappenInSoManyOfAHundred) {
  Draws draws(3);
  int often = 0;
  for (int i = 0; i < 1000; ++i) often += draws.happens(20) ? 1 : 0;
  EXPECT_NEAR(often, 200, 60);
  EXPECT_FALSE(draws.happens(0));
  EXPECT_TRUE(draws.happens(100));
}

}  // namespace
}  // namespace equipoise::demos
