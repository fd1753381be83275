#include "equipoise/sampling/target_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/errors.h"

namespace equipoise::sampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

const ClassCounts& counts() {
  static const ClassCounts kCounts{50, 0, 10, 30};
  return kCounts;
}

// As imbalanced-learn 0.14 resolves its strategies of these names.
TEST(OversamplingTargets, BringClassesUpToTheLargest) {
  EXPECT_THAT(oversampling_targets(counts()), ElementsAre(50, 0, 50, 50));
  EXPECT_THAT(oversampling_targets(counts(), Oversampling::kMinority), ElementsAre(50, 0, 50, 30));
  EXPECT_THAT(oversampling_targets(counts(), Oversampling::kNotMinority),
              ElementsAre(50, 0, 10, 50));
  EXPECT_THAT(oversampling_targets(counts(), Oversampling::kAll), ElementsAre(50, 0, 50, 50));
}

TEST(UndersamplingTargets, BringClassesDownToTheSmallest) {
  EXPECT_THAT(undersampling_targets(counts()), ElementsAre(10, 0, 10, 10));
  EXPECT_THAT(undersampling_targets(counts(), Undersampling::kMajority),
              ElementsAre(10, 0, 10, 30));
  EXPECT_THAT(undersampling_targets(counts(), Undersampling::kNotMajority),
              ElementsAre(50, 0, 10, 10));
  EXPECT_THAT(undersampling_targets(counts(), Undersampling::kAll), ElementsAre(10, 0, 10, 10));
}

TEST(TargetCounts, TakeNumbersOfRows) {
  const std::vector<ClassTarget> up = {{2, 40}, {3, 30}};
  EXPECT_THAT(oversampling_targets(counts(), up), ElementsAre(50, 0, 40, 30));
  const std::vector<ClassTarget> down = {{0, 20}, {2, 0}};
  EXPECT_THAT(undersampling_targets(counts(), down), ElementsAre(20, 0, 0, 30));
}

TEST(TargetCounts, TakeTheRatioOfTwoClasses) {
  EXPECT_THAT(oversampling_targets(ClassCounts{10, 45}, 0.5), ElementsAre(22, 45));
  EXPECT_THAT(undersampling_targets(ClassCounts{10, 45}, 0.75), ElementsAre(10, 13));
  EXPECT_THAT(undersampling_targets(ClassCounts{10, 0, 10}, 1.0), ElementsAre(10, 0, 10));
}

// Every ratio of two whole numbers gives the numbers that it is of, and no ratio that the data have
// is refused.
TEST(TargetCounts, ARatioOfWholeNumbersGivesThem) {
  EXPECT_THAT(oversampling_targets(ClassCounts{100, 28}, .29), ElementsAre(100, 29));
  EXPECT_THAT(undersampling_targets(ClassCounts{25, 7}, .28), ElementsAre(25, 7));
  for (int larger = 1; larger <= 300; ++larger) {
    for (int smaller = 1; smaller <= larger; ++smaller) {
      const double ratio = static_cast<double>(smaller) / larger;
      const ClassCounts own{static_cast<double>(larger), 1};
      ASSERT_THAT(oversampling_targets(own, ratio), ElementsAre(larger, smaller));
      const ClassCounts has{static_cast<double>(larger), static_cast<double>(smaller)};
      ASSERT_THAT(oversampling_targets(has, ratio), ElementsAre(larger, smaller));
      ASSERT_THAT(undersampling_targets(has, ratio), ElementsAre(larger, smaller));
      const ClassCounts more{1000, static_cast<double>(smaller)};
      ASSERT_THAT(undersampling_targets(more, ratio), ElementsAre(larger, smaller));
    }
  }
}

// As decimals write them: hundredths of hundreds.
TEST(TargetCounts, ADecimalRatioGivesItsWholeTarget) {
  for (int hundreds = 1; hundreds <= 50; ++hundreds) {
    for (int hundredths = 1; hundredths <= 100; ++hundredths) {
      const ClassCounts own{100.0 * hundreds, 1};
      ASSERT_THAT(oversampling_targets(own, hundredths / 100.0),
                  ElementsAre(100 * hundreds, hundreds * hundredths));
    }
  }
}

// What is not whole by more than rounding is still cut off.
TEST(TargetCounts, AProductBelowAWholeNumberIsCutOff) {
  EXPECT_THAT(oversampling_targets(ClassCounts{100, 28}, .29 - 1e-12), ElementsAre(100, 28));
  EXPECT_THAT(undersampling_targets(ClassCounts{25, 7}, .28 + 1e-12), ElementsAre(24, 7));
}

TEST(TargetCountsErrors, NameWhatIsWrong) {
  EXPECT_EQ(error_of([] {
              oversampling_targets(ClassCounts{1, 2.5});
            }),
            "oversampling_targets(): counts[1] = 2.5, expected a whole number of rows");
  EXPECT_EQ(error_of([] {
              undersampling_targets(ClassCounts{0, 0});
            }),
            "undersampling_targets(): counts.total() = 0, expected a class with rows");
  const auto up = [](const ClassTarget& target) {
    const std::vector<ClassTarget> targets = {{3, 31}, target};
    return error_of([&] { oversampling_targets(counts(), targets); });
  };
  EXPECT_EQ(up({2, 9}),
            "oversampling_targets(): targets[].rows[1] = 9, expected at least 10, the rows of the "
            "class");
  EXPECT_EQ(up({1, 9}),
            "oversampling_targets(): targets[].rows[1] = 9, expected 0, for the class has no rows");
  EXPECT_EQ(up({3, 40}),
            "oversampling_targets(): targets[].class_index[1] = 3, expected a class that is named "
            "once");
  EXPECT_EQ(up({4, 40}),
            "oversampling_targets(): targets[].class_index[1] = 4, expected a class in [0, 4)");
  const std::vector<ClassTarget> more = {{2, 11}};
  EXPECT_EQ(error_of([&] { undersampling_targets(counts(), more); }),
            "undersampling_targets(): targets[].rows[0] = 11, expected at most 10, the rows of the "
            "class");
  EXPECT_EQ(error_of([] { oversampling_targets(counts(), 0.5); }),
            "oversampling_targets(): classes with rows = 3, expected 2: a ratio is one of two "
            "classes");
  EXPECT_EQ(error_of([] {
              oversampling_targets(ClassCounts{10, 45}, 0.2);
            }),
            "oversampling_targets(): ratio = 0.2, expected one that leaves the 10 rows of the "
            "smaller class");
  EXPECT_EQ(error_of([] {
              undersampling_targets(ClassCounts{10, 45}, 0.2);
            }),
            "undersampling_targets(): ratio = 0.2, expected one for which the 45 rows of the "
            "larger class suffice");
  EXPECT_EQ(error_of([] {
              undersampling_targets(ClassCounts{10, 45}, 0.0);
            }),
            "undersampling_targets(): ratio = 0, expected a number in (0, 1]");
}

}  // namespace
}  // namespace equipoise::sampling
