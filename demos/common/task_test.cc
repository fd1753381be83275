#include "demos/common/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace equipoise::demos {
namespace {

using testing::ElementsAre;

TEST(Taus, GoUpFromNoCorrection) {
  EXPECT_TRUE(std::is_sorted(kTaus.begin(), kTaus.end()));
  EXPECT_THAT(kNoTau, ElementsAre(0));
}

}  // namespace
}  // namespace equipoise::demos
