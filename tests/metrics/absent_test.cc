#include "equipoise/metrics/absent.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "equipoise/metrics/detail/absent_figures.h"

namespace equipoise::detail {
namespace {

// Three classes: .5, undefined but with samples, undefined and without.
double mean(metrics::Absent absent) {
  const std::vector<double> figures = {0.5, quiet_nan(), quiet_nan()};
  return mean_figure(
      3, absent, [&](std::size_t c) { return figures[c]; }, [](std::size_t c) { return c < 2; });
}

TEST(MeanFigure, FollowsEachRule) {
  EXPECT_EQ(mean(metrics::Absent::kSkip), 0.5);
  EXPECT_EQ(mean(metrics::Absent::kSkipUnsupported), 0.25);
  EXPECT_EQ(mean(metrics::Absent::kZero), 0.5 / 3);
  EXPECT_EQ(mean(metrics::Absent::kOne), 2.5 / 3);
  EXPECT_TRUE(std::isnan(mean(metrics::Absent::kNaN)));
}

TEST(MeanFigure, OfNothingFollowsTheRuleAndIsUndefinedWhereClassesAreSkipped) {
  const auto none = [](std::size_t) { return quiet_nan(); };
  const auto no = [](std::size_t) { return false; };
  EXPECT_EQ(mean_figure(0, metrics::Absent::kZero, none, no), 0);
  EXPECT_EQ(mean_figure(0, metrics::Absent::kOne, none, no), 1);
  EXPECT_TRUE(is_nan(mean_figure(0, metrics::Absent::kNaN, none, no)));
  for (const std::size_t classes : std::vector<std::size_t>{0, 4}) {
    EXPECT_TRUE(is_nan(mean_figure(classes, metrics::Absent::kSkip, none, no)));
    EXPECT_TRUE(is_nan(mean_figure(classes, metrics::Absent::kSkipUnsupported, none, no)));
  }
}

TEST(Ratio, IsUndefinedWhereTheWholeIsZero) {
  EXPECT_EQ(ratio(1, 4, metrics::Absent::kNaN), 0.25);
  EXPECT_EQ(ratio(0, 0, metrics::Absent::kZero), 0);
  EXPECT_EQ(ratio(0, 0, metrics::Absent::kOne), 1);
  EXPECT_EQ(ratio(0, 0, metrics::Absent::kSkipUnsupported), 0);
  EXPECT_TRUE(std::isnan(ratio(0, 0, metrics::Absent::kSkip)));
  EXPECT_TRUE(std::isnan(ratio(0, 0, metrics::Absent::kNaN)));
}

}  // namespace
}  // namespace equipoise::detail
