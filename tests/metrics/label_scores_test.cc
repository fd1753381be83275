#include "equipoise/metrics/label_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/metrics/ranking.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"
#include "tests/support/ranked_cases.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;
using testing::expect_near_or_nan;
using testing::gather;
using ::testing::HasSubstr;
// As values that -ffast-math folds nothing of.
const double kNaN = detail::quiet_nan();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

TEST(LabelScores, OfClassesEqualEachClassAgainstTheOthers) {
  constexpr std::size_t kClasses = 4;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const CounterRandom random{seed};
    std::uint64_t t = 0;
    const std::size_t rows = random.below(50, t++, 1);
    std::vector<float> scores;
    std::vector<std::int64_t> targets;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < kClasses; ++c) {
        scores.push_back(static_cast<float>(random.below(9, t++, 1)));
      }
      targets.push_back(random.below(5, t++, 1) == 0
                            ? -100
                            : static_cast<std::int64_t>(random.below(kClasses - 1, t++, 1)));
    }
    LabelScores<float> all(kClasses);
    all.add(MatrixView<const float>(scores.data(), rows, kClasses), targets, -100);
    double areas = 0;
    double defined = 0;
    double precisions = 0;
    double weighted = 0;
    double weights = 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      std::vector<float> own;
      std::vector<int> is_class;
      for (std::size_t r = 0; r < rows; ++r) {
        if (targets[r] == -100) continue;
        own.push_back(scores[r * kClasses + c]);
        is_class.push_back(targets[r] == static_cast<std::int64_t>(c) ? 1 : 0);
      }
      const double area = roc_auc(own, is_class);
      expect_near_or_nan(all.roc_auc(c), area, 0);
      precisions += average_precision(own, is_class) / kClasses;
      EXPECT_EQ(all.average_precision(c), average_precision(own, is_class));
      if (detail::is_nan(area)) continue;
      const auto positives = static_cast<double>(std::count(is_class.begin(), is_class.end(), 1));
      areas += area;
      defined += 1;
      weighted += positives * area;
      weights += positives;
    }
    // Class 3 never occurs, and has no area.
    EXPECT_TRUE(detail::is_nan(all.roc_auc(3)));
    expect_near_or_nan(all.macro_roc_auc(), defined > 0 ? areas / defined : kNaN, 8 * kEpsilon);
    EXPECT_NEAR(all.macro_roc_auc(Absent::kZero), areas / kClasses, 8 * kEpsilon);
    EXPECT_TRUE(detail::is_nan(all.macro_roc_auc(Absent::kNaN)));
    EXPECT_NEAR(all.macro_average_precision(), precisions, 8 * kEpsilon);
    expect_near_or_nan(all.weighted_roc_auc(), weights > 0 ? weighted / weights : kNaN,
                       8 * kEpsilon);
  }
}

TEST(LabelScores, OfSeveralLabelsARow) {
  // Label 0: positives .9 and .3, negative .5; label 1 likewise with one entry left out.
  const std::vector<double> scores = {0.9, 0.2, 0.5, 0.8, 0.3, 0.6};
  const std::vector<int> targets = {1, 0, 0, 1, 1, -1};
  LabelScores<double> all(2);
  all.add(MatrixView<const double>(scores.data(), 3, 2),
          MatrixView<const int>(targets.data(), 3, 2), -1);
  EXPECT_EQ(all.roc_auc(0), 0.5);
  EXPECT_EQ(all.roc_auc(1), 1);
  EXPECT_EQ(all.macro_roc_auc(), 0.75);
  EXPECT_EQ(all.weighted_roc_auc(), (2 * 0.5 + 1) / 3);
  EXPECT_EQ(all.average_precision(0), (1 + 2.0 / 3) / 2);
  // Pooled: positives .9, .8, .3; negatives .5, .2.
  EXPECT_EQ(all.pooled().roc_auc(), 5.0 / 6);

  LabelScores<double> merged;
  merged += all;
  merged += all;
  EXPECT_EQ(merged.label(0).positives(), 4);
  EXPECT_EQ(merged.macro_roc_auc(), 0.75);
  std::vector<LabelScores<double>> ranks = {all, all, LabelScores<double>(2)};
  gather(ranks);
  EXPECT_EQ(ranks[2].label(1).operating_points(), merged.label(1).operating_points());
}

TEST(LabelScores, RefuseBadRows) {
  LabelScores<double> all(2);
  const std::vector<double> scores = {0.9, kNaN, 0.5, 0.8};
  const MatrixView<const double> view(scores.data(), 2, 2);
  EXPECT_EQ(error_of([&] {
              all.add(view, std::vector<int>{0, 1});
            }),
            "LabelScores::add(): scores(0, 1) = nan, expected a number");
  EXPECT_THAT(error_of([&] { all.add(view.middle_rows(1, 1), std::vector<int>{2}); }),
              HasSubstr("targets[0] = 2, expected a class in [0, 2)"));
  const std::vector<int> targets = {0, 1, 1, 3};
  EXPECT_EQ(
      error_of([&] { all.add(view.middle_rows(1, 1), MatrixView<const int>(&targets[2], 1, 2)); }),
      "LabelScores::add(): targets(0, 1) = 3, expected 0 or 1");
  EXPECT_THAT(error_of([&] {
                all.add(MatrixView<const double>(scores.data(), 1, 3), std::vector<int>{0});
              }),
              HasSubstr("scores.cols = 3, expected 2 (labels)"));
  LabelScores<double> other(3);
  EXPECT_THAT(error_of([&] { other += all; }), HasSubstr("expected 3 (labels on the left)"));
  EXPECT_EQ(all.label(0).negatives(), 0);
}

TEST(LabelScores, MeansOfNothingAreUndefined) {
  LabelScores<double> all(2);
  const std::vector<double> scores = {0.5, 0.1, 0.3, 0.2};
  const std::vector<int> targets = {1, 0, 1, 0};  // label 0 on every row, label 1 on none
  all.add(MatrixView<const double>(scores.data(), 2, 2),
          MatrixView<const int>(targets.data(), 2, 2));
  EXPECT_TRUE(detail::is_nan(all.macro_roc_auc()));
  EXPECT_EQ(all.macro_roc_auc(Absent::kSkipUnsupported), 0);  // as the rule says of label 0
  EXPECT_EQ(all.macro_roc_auc(Absent::kOne), 1);
  EXPECT_TRUE(detail::is_nan(all.weighted_roc_auc()));
  EXPECT_EQ(all.weighted_roc_auc(Absent::kZero), 0);
  EXPECT_EQ(all.weighted_average_precision(), 1);
  EXPECT_EQ(LabelScores<double>(2).weighted_average_precision(), 0);
  EXPECT_TRUE(detail::is_nan(LabelScores<double>(2).macro_average_precision(Absent::kSkip)));
}

TEST(LabelScores, RefuseARankOutsideTheWorld) {
  const auto nothing = [](std::span<double>) { FAIL() << "nothing may be sent"; };
  LabelScores<float> several(2);
  EXPECT_EQ(error_of([&] { several.gather(nothing, 0, 0); }),
            "LabelScores::gather(): rank = 0, expected a rank in [0, 0)");
}

}  // namespace
}  // namespace equipoise::metrics
