#include "equipoise/mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using testing::error_of;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected,
                 double bound = 4 * kEpsilon) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], bound) << i;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(Mix, PoliciesByHand) {
  const ClassCounts counts{900, 0, 100};
  expect_near(mix(counts, ProportionalMix{}), {0.9, 0, 0.1});
  expect_near(mix(counts, UniformMix{}), {0.5, 0, 0.5});
  expect_near(mix(counts, TemperatureMix{.exponent = 0.5}), {0.75, 0, 0.25});
  expect_near(mix(counts, TemperatureMix{.exponent = 1}), {0.9, 0, 0.1});
  expect_near(mix(counts, TemperatureMix{.exponent = 0}), {0.5, 0, 0.5});
  expect_near(mix(counts, ProgressiveMix{.progress = 0.25}), {0.8, 0, 0.2});
  expect_near(mix(counts, ExplicitMix{{3, 0, 1}}), {0.75, 0, 0.25});
  // f = .1, so the rare class is repeated sqrt(.4 / .1) = 2 times.
  expect_near(mix(counts, RepeatFactorMix{.threshold = 0.4}), {900.0 / 1100, 0, 200.0 / 1100});
}

TEST(Mix, HugeAndTinyMassesNeitherOverflowNorVanish) {
  const double huge = std::numeric_limits<double>::max();
  const std::vector<double> counts = {huge, huge, 1e-300};
  const std::vector<double> q = mix(counts, ProportionalMix{});
  expect_near({q[0], q[1]}, {0.5, 0.5});
  EXPECT_GT(mix(counts, TemperatureMix{.exponent = 0.3})[2], 0);
}

// The algorithm of the paper by hand: the smallest is capped at 4 x 10, the second at 4 x 100, and
// the others share what is left.
TEST(UniMaxMix, CapsTheSmallOnesAndSharesOutTheRest) {
  const std::vector<double> counts = {5000, 10, 8000, 100};
  const UniMaxMix policy{.budget = 4440, .max_epochs = 4};
  const UniMaxAllocation allocation = policy.allocation(counts);
  EXPECT_THAT(allocation.amounts, ElementsAre(2000, 40, 2000, 400));
  EXPECT_EQ(allocation.unspent, 0);
  expect_near(mix(counts, policy), {2000.0 / 4440, 40.0 / 4440, 2000.0 / 4440, 400.0 / 4440});
}

TEST(UniMaxMix, ReportsWhatNobodyCanTake) {
  const std::vector<double> counts = {10, 20};
  const UniMaxAllocation allocation = UniMaxMix{.budget = 100, .max_epochs = 2}.allocation(counts);
  EXPECT_THAT(allocation.amounts, ElementsAre(20, 40));
  EXPECT_EQ(allocation.unspent, 40);
}

// Over random counts: the caps hold, the budget is spent, and who is below its cap has the most.
TEST(UniMaxMix, HasItsProperties) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 1000; ++repeat) {
    std::vector<double> counts(1 + random() % 12);
    for (double& n : counts) n = static_cast<double>(random() % 1000);
    const double budget = static_cast<double>(1 + random() % 5000);
    const double epochs = 0.5 * static_cast<double>(1 + random() % 8);
    const UniMaxAllocation allocation =
        UniMaxMix{.budget = budget, .max_epochs = epochs}.allocation(counts);
    EXPECT_NEAR(sum(allocation.amounts) + allocation.unspent, budget, 1e-12 * budget);
    const double most = *std::max_element(allocation.amounts.begin(), allocation.amounts.end());
    for (std::size_t c = 0; c < counts.size(); ++c) {
      EXPECT_LE(allocation.amounts[c], epochs * counts[c]);
      if (allocation.amounts[c] < epochs * counts[c]) {
        EXPECT_NEAR(allocation.amounts[c], most, 1e-12 * budget);
      }
    }
  }
}

TEST(Mix, ScaleDoesNotMatterAndOrderFollows) {
  std::mt19937_64 random(2);
  for (int repeat = 0; repeat < 300; ++repeat) {
    std::vector<double> counts(2 + random() % 8);
    for (double& n : counts) n = static_cast<double>(random() % 1000);
    counts[0] += 1;
    const auto expect_invariant = [&](const auto& policy) {
      const std::vector<double> q = mix(counts, policy);
      EXPECT_NEAR(sum(q), 1, 16 * kEpsilon);
      std::vector<double> scaled = counts;
      for (double& n : scaled) n *= 4;
      expect_near(mix(scaled, policy), q);
      std::vector<double> reversed(counts.rbegin(), counts.rend());
      std::vector<double> expected(q.rbegin(), q.rend());
      expect_near(mix(reversed, policy), expected, 16 * kEpsilon);
    };
    expect_invariant(ProportionalMix{});
    expect_invariant(UniformMix{});
    expect_invariant(TemperatureMix{.exponent = 0.3});
    expect_invariant(RepeatFactorMix{.threshold = 0.1});
    expect_invariant(ProgressiveMix{.progress = 0.7});
  }
}

TEST(MixTable, MultipliesGroupAndClassShares) {
  const GroupedCounts counts({ClassCounts{90, 10}, ClassCounts{0, 0}, ClassCounts{300, 0}});
  expect_near(mix_table(counts, TemperatureMix{.exponent = 0}, ProgressiveMix{.progress = 1}),
              {0.25, 0.25, 0, 0, 0.5, 0});
  expect_near(mix_table(counts, ProportionalMix{}, ProportionalMix{}),
              {90.0 / 400, 10.0 / 400, 0, 0, 0.75, 0});
}

std::vector<double> marginals(const std::vector<double>& table, std::size_t classes,
                              bool of_groups) {
  std::vector<double> result(of_groups ? table.size() / classes : classes);
  for (std::size_t i = 0; i < table.size(); ++i)
    result[of_groups ? i / classes : i % classes] += table[i];
  return result;
}

// Both marginals hit their targets, and odds ratios are those of the counts.
TEST(Rake, HitsBothMarginalsAndKeepsOddsRatios) {
  std::mt19937_64 random(3);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::size_t groups = 2 + random() % 5;
    const std::size_t classes = 2 + random() % 4;
    const auto masses = [&](std::size_t size, double least) {
      std::vector<double> result(size);
      for (double& x : result) x = least + static_cast<double>(random() % 100);
      return result;
    };
    std::vector<ClassCounts> rows;
    for (std::size_t g = 0; g < groups; ++g) rows.emplace_back(masses(classes, 1));
    const std::vector<double> group_targets = masses(groups, 1);
    const std::vector<double> class_targets = masses(classes, 1);
    const std::vector<double> table = rake(GroupedCounts(rows), group_targets, class_targets);
    expect_near(marginals(table, classes, true),
                mix(std::span<const double>(group_targets), ProportionalMix{}), 1e-11);
    expect_near(marginals(table, classes, false),
                mix(std::span<const double>(class_targets), ProportionalMix{}), 1e-11);
    const double before = rows[0][0] * rows[1][1] / (rows[0][1] * rows[1][0]);
    const double after = table[0] * table[classes + 1] / (table[1] * table[classes]);
    EXPECT_NEAR(after / before, 1, 1e-9);
  }
}

TEST(Rake, KeepsEmptyCellsEmpty) {
  const GroupedCounts counts({ClassCounts{8, 1}, ClassCounts{5, 0}});
  const std::vector<double> even = {1, 1};
  const std::vector<double> classes = {3, 1};
  expect_near(rake(counts, even, classes), {0.25, 0.25, 0.5, 0}, 1e-11);
}

TEST(RakeErrors, NameTheMarginalThatCannotBe) {
  const GroupedCounts counts({ClassCounts{8, 0}, ClassCounts{5, 1}});
  const std::vector<double> groups = {3, 1};
  const std::vector<double> classes = {1, 3};  // class 1 is in a group with a quarter alone
  EXPECT_THAT(
      error_of([&] { rake(counts, groups, classes, {.max_iterations = 50}); }),
      ::testing::MatchesRegex("rake\\(\\): marginal of (group|class)\\[[01]\\] = .*, expected "
                              "0\\..*5, which the cells without rows do not allow"));
  EXPECT_EQ(error_of([&] { rake(counts, std::vector<double>{1}, classes); }),
            "rake(): group_targets.size() = 1, expected 2 (groups)");
  EXPECT_EQ(error_of([&] {
              rake(counts, groups, std::vector<double>{0, 0});
            }),
            "rake(): sum of class_targets = 0, expected a positive one");
}

TEST(CappedMix, MovesWhatIsTooMuch) {
  const std::vector<double> counts = {1000, 100, 10};
  const std::vector<double> even = {1, 1, 1};
  // 300 draws, no row more than twice: the last class gets 20, the others 140 each.
  expect_near(capped_mix(counts, even, 300, 2), {140.0 / 300, 140.0 / 300, 20.0 / 300});
  // 900: 20, 200, and 680 for the first.
  expect_near(capped_mix(counts, even, 900, 2), {680.0 / 900, 200.0 / 900, 20.0 / 900});
  expect_near(capped_mix(counts, even, 3, 2), {1.0 / 3, 1.0 / 3, 1.0 / 3});
  expect_near(capped_mix(counts, even, 2220, 2), {2000.0 / 2220, 200.0 / 2220, 20.0 / 2220}, 1e-12);
}

TEST(MixErrors, NameWhatIsWrong) {
  const ClassCounts counts{3, 0};
  const auto message = [&](const auto& policy) { return error_of([&] { mix(counts, policy); }); };
  EXPECT_EQ(message(TemperatureMix{.exponent = 1.5}),
            "mix(): exponent = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(message(TemperatureMix{.exponent = detail::quiet_nan()}),
            "mix(): exponent = nan, expected a number in [0, 1]");
  EXPECT_EQ(message(UniMaxMix{}), "mix(): budget = 0, expected a finite number > 0");
  EXPECT_EQ(message(RepeatFactorMix{.threshold = 0}),
            "mix(): threshold = 0, expected a number in (0, 1]");
  EXPECT_EQ(message(ProgressiveMix{.progress = -1}),
            "mix(): progress = -1, expected a number in [0, 1]");
  EXPECT_EQ(message(ExplicitMix{{1}}), "mix(): masses.size() = 1, expected 2 (classes)");
  EXPECT_EQ(message(ExplicitMix{{1, -2}}), "mix(): masses[1] = -2, expected a finite number >= 0");
  EXPECT_EQ(message(ExplicitMix{{1, 2}}),
            "mix(): policy(counts)[1] = 2, expected 0, since there is nothing to draw");
  EXPECT_EQ(message(ExplicitMix{{0, 0}}),
            "mix(): sum of policy(counts) = 0, expected a positive one");
  EXPECT_EQ(error_of([] {
              mix(ClassCounts{0, 0}, UniformMix{});
            }),
            "mix(): sum of counts = 0, expected a positive one");
  EXPECT_EQ(error_of([] {
              mix(std::vector<double>{1, -1}, UniformMix{});
            }),
            "mix(): counts[1] = -1, expected a finite number >= 0");
  const std::vector<double> rows = {3, 0};
  const std::vector<double> even = {1, 1};
  EXPECT_EQ(error_of([&] { capped_mix(rows, even, 10, 2); }),
            "capped_mix(): draws = 10, expected at most max_epochs times the rows of the "
            "classes drawn");
}

}  // namespace
}  // namespace equipoise
