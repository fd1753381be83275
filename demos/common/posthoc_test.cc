#include "demos/common/posthoc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace equipoise::demos {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;

TEST(PosthocOffset, IsZeroForAClassOfAverageSizeAndLargeForARareOne) {
  const std::vector<double> counts = {70, 20, 30, 0.5, 29.5};  // 30 on average
  const std::vector<double> expected = {-0.5 * std::log(70.0 / 30), -0.5 * std::log(20.0 / 30), 0,
                                        -0.5 * std::log(0.5 / 30), -0.5 * std::log(29.5 / 30)};
  EXPECT_THAT(posthoc_offset(counts, 0.5), Pointwise(DoubleNear(1e-15), expected));
}

TEST(PosthocOffset, IsNothingWithoutStrengthOrForEqualClasses) {
  const std::vector<double> counts = {7, 2};
  EXPECT_THAT(posthoc_offset(counts, 0), ElementsAre(0, 0));
  const std::vector<double> equal = {3, 3, 3};
  EXPECT_THAT(posthoc_offset(equal, 1), ElementsAre(0, 0, 0));
  EXPECT_TRUE(posthoc_offset({}, 1).empty());
}

TEST(Taus, GoUpFromNoCorrection) {
  EXPECT_TRUE(std::is_sorted(kTaus.begin(), kTaus.end()));
  EXPECT_THAT(kNoTau, ElementsAre(0));
}

}  // namespace
}  // namespace equipoise::demos
