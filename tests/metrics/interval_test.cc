#include "equipoise/metrics/interval.h"

#include <gtest/gtest.h>

namespace equipoise::metrics {
namespace {

TEST(Interval, IsAValue) {
  const Interval interval{0.5, 0.25, 0.75};
  EXPECT_EQ(interval, (Interval{0.5, 0.25, 0.75}));
  EXPECT_NE(interval, (Interval{0.5, 0.25, 1}));
  EXPECT_EQ(Interval(), (Interval{0, 0, 0}));
}

}  // namespace
}  // namespace equipoise::metrics
