#include "equipoise/metrics/class_averages.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <vector>

#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/entities.h"
#include "equipoise/metrics/multilabel.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using Classes = std::vector<std::size_t>;
using testing::error_of;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// Class 0 is the background. Of classes 1 and 2: true positives 2 and 1, predicted 4 and 2, samples
// 3 and 3; class 3 is neither there nor predicted.
ConfusionMatrix example() {
  ConfusionMatrix matrix(4);
  matrix.add(std::vector<int>{0, 0, 0, 0, 1, 1, 1, 2, 2, 2},
             std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 1, 0});
  return matrix;
}

// sklearn.metrics.f1_score(labels=[1, 2], average=...) of the same rows: micro 2 * 3 / (6 + 6) =
// .5, macro (4/7 + 2/5) / 2, weighted the same, as both have three samples.
TEST(ClassAverages, LeaveOutTheBackground) {
  const ConfusionMatrix matrix = example();
  const ClassAverages averages = matrix.over(Classes{1, 2});
  EXPECT_EQ(averages.micro_precision(), 0.5);
  EXPECT_EQ(averages.micro_recall(), 0.5);
  EXPECT_EQ(averages.micro_f1(), 0.5);
  EXPECT_NEAR(averages.macro_precision(), 0.5, kEpsilon);
  EXPECT_NEAR(averages.macro_recall(), (2.0 / 3 + 1.0 / 3) / 2, kEpsilon);
  EXPECT_NEAR(averages.macro_f1(), (4.0 / 7 + 2.0 / 5) / 2, kEpsilon);
  EXPECT_NEAR(averages.weighted_f1(), (4.0 / 7 + 2.0 / 5) / 2, kEpsilon);
  EXPECT_EQ(matrix.micro_f1(), 0.6);
  // With the class of which there is nothing.
  EXPECT_NEAR(matrix.without(0).macro_f1(), (4.0 / 7 + 2.0 / 5) / 3, kEpsilon);
  EXPECT_NEAR(matrix.without(0).macro_f1(Absent::kSkip), (4.0 / 7 + 2.0 / 5) / 2, kEpsilon);
  EXPECT_EQ(matrix.without(0).micro_f1(), 0.5);
  EXPECT_EQ(matrix.over(Classes{2}).classes()[0], matrix.one_vs_rest(2));
}

TEST(ClassAverages, OverAllAreThoseOfTheMetric) {
  const ConfusionMatrix matrix = example();
  const ClassAverages all = matrix.over(Classes{3, 1, 0, 2});
  for (const Absent absent : {Absent::kZero, Absent::kOne, Absent::kSkip}) {
    EXPECT_NEAR(all.macro_f1(absent), matrix.macro_f1(absent), 4 * kEpsilon);
    EXPECT_NEAR(all.macro_precision(absent), matrix.macro_precision(absent), 4 * kEpsilon);
    EXPECT_NEAR(all.macro_recall(absent), matrix.macro_recall(absent), 4 * kEpsilon);
  }
  EXPECT_NEAR(all.weighted_f1(), matrix.weighted_f1(), 4 * kEpsilon);
  EXPECT_NEAR(all.weighted_precision(), matrix.weighted_precision(), 4 * kEpsilon);
  EXPECT_NEAR(all.weighted_recall(), matrix.weighted_recall(), 4 * kEpsilon);
  EXPECT_NEAR(all.micro_f1(), matrix.accuracy(), kEpsilon);
}

TEST(ClassAverages, OfNothingFollowTheRule) {
  const ClassAverages none = example().over(Classes{});
  EXPECT_EQ(none.macro_f1(), 0);
  EXPECT_TRUE(detail::is_nan(none.macro_f1(Absent::kSkip)));
  EXPECT_EQ(none.micro_f1(Absent::kOne), 1);
  EXPECT_TRUE(detail::is_nan(example().over(Classes{3}).weighted_f1(Absent::kNaN)));
}

// Labels 0 and 2: true positives 1 and 1, predicted 2 and 1, there 1 and 2.
TEST(ClassAverages, OfSeveralLabelsARow) {
  const std::vector<int> targets = {1, 0, 1, 0, 1, 1};
  const std::vector<int> predictions = {1, 1, 1, 1, 1, 0};
  MultiLabelCounts counts(3);
  counts.add(MatrixView<const int>(targets.data(), 2, 3),
             MatrixView<const int>(predictions.data(), 2, 3));
  EXPECT_NEAR(counts.without(1).micro_f1(), 4.0 / 6, kEpsilon);
  EXPECT_NEAR(counts.over(Classes{2, 0}).macro_f1(), 2.0 / 3, kEpsilon);
}

// A of three types is found, B missed, C predicted where it is not.
TEST(ClassAverages, OfEntities) {
  EntityScores scores(EntityTags{"O", "B-A", "B-B", "B-C"});
  scores.add(std::vector<int>{1, 2, 0}, std::vector<int>{1, 0, 3}, Classes{0, 3});
  const EntityMetrics figures = scores.strict();
  EXPECT_EQ(figures.micro_f1(), 0.5);
  EXPECT_NEAR(figures.without(2).micro_f1(), 2.0 / 3, kEpsilon);
  EXPECT_EQ(figures.without(2).micro_precision(), 1);
  EXPECT_EQ(figures.over(Classes{1, 2}).macro_f1(), 0);
}

TEST(ClassAverages, RefuseWhatIsNoClass) {
  const ConfusionMatrix matrix = example();
  EXPECT_EQ(error_of([&] {
              matrix.over(std::vector<int>{1, -1});
            }),
            "ConfusionMatrix::over(): classes[1] = -1, expected a class in [0, 4)");
  EXPECT_EQ(error_of([&] {
              matrix.over(Classes{1, 2, 1});
            }),
            "ConfusionMatrix::over(): classes[2] = 1, expected each class once");
  EXPECT_EQ(error_of([&] { matrix.without(4); }),
            "ConfusionMatrix::without(): left_out = 4, expected a class in [0, 4)");
}

}  // namespace
}  // namespace equipoise::metrics
