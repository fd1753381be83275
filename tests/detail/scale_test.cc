#include "equipoise/detail/scale.h"

#include <gtest/gtest.h>

#include <limits>

namespace equipoise::detail {
namespace {

TEST(UnitOf, BringsNumbersNearOneByAPowerOfTwo) {
  EXPECT_EQ(unit_of(0), 1);
  EXPECT_EQ(unit_of(0.75), 1);
  EXPECT_EQ(unit_of(1), 0.5);
  EXPECT_EQ(unit_of(6), 0x1p-3);
  EXPECT_EQ(unit_of(0x1.8p-600), 0x1p+599);
  EXPECT_EQ(unit_of(0x1p+1023) * 0x1p+1023, 2);  // 2^-1022 is the least normal number
  EXPECT_EQ(unit_of(std::numeric_limits<double>::denorm_min()), 0x1p+1023);
}

}  // namespace
}  // namespace equipoise::detail
